//! Records of the control ledger: who exists, what is granted, what is guarded.
//!
//! The inventory at any instant is a fold of these (`registry`), so nothing can change without one.

use crate::{
    CertificateName, CredentialId, Grant, GrantHash, GrantId, IdentityKind, IdentityName,
    LedgerHead, Mask, TargetName, Timestamp,
};

/// One entry of the control ledger.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ControlRecord {
    /// When.
    pub at: Timestamp,
    /// Who did it: `uid:1000` of a local administrator, an identity, or `gateway`.
    pub by: String,
    /// What happened.
    #[serde(flatten)]
    pub event: ControlEvent,
}

/// A SCRAM-SHA-256 verifier (RFC 5802 section 3): enough to check a token, not to use it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScramVerifier {
    /// PBKDF2 rounds, at least 4096.
    pub iterations: u32,
    /// 16 bytes in hexadecimal.
    pub salt: String,
    /// 32 bytes in hexadecimal.
    pub stored_key: String,
    /// 32 bytes in hexadecimal.
    pub server_key: String,
}

/// A masked column as the settings file declares it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaskDeclaration {
    /// `schema.relation.column`.
    pub column: String,
    /// How it is hidden.
    pub mask: Mask,
}

/// What happened to the inventory.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ControlEvent {
    /// The ledger was opened by a gateway. The first record of each run.
    EpochStarted {
        /// Version of the program.
        version: String,
        /// The ledger as found at opening.
        found: LedgerHead,
        /// Bytes of a torn last entry that were cut.
        cut_bytes: u64,
    },
    /// The gateway stopped in order. What a crash leaves out.
    EpochEnded {},
    /// The settings were loaded.
    SettingsLoaded {
        /// SHA-256 of the file, in hexadecimal.
        sha256: String,
    },
    /// A target was loaded from the settings.
    TargetLoaded {
        /// Its name.
        target: TargetName,
        /// Where it is, without any credential: `host:port/database`.
        address: String,
        /// `mask-only` until a fence is set up for it.
        mode: String,
        /// Its masked columns.
        masks: Vec<MaskDeclaration>,
    },
    /// An identity entered the inventory.
    IdentityCreated {
        /// Its name.
        identity: IdentityName,
        /// Person or workload.
        identity_kind: IdentityKind,
        /// Who answers for it.
        owner: String,
        /// When it ends by itself, exclusive.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        expires_at: Option<Timestamp>,
    },
    /// An identity may no longer be used.
    IdentityDisabled {
        /// Its name.
        identity: IdentityName,
        /// Why.
        reason: String,
    },
    /// A disabled identity may be used again.
    IdentityEnabled {
        /// Its name.
        identity: IdentityName,
        /// Why.
        reason: String,
    },
    /// An identity's end was set or moved.
    IdentityExpirySet {
        /// Its name.
        identity: IdentityName,
        /// When it ends, exclusive.
        expires_at: Timestamp,
    },
    /// A token was issued. Only its verifier is kept.
    CredentialIssued {
        /// The credential.
        credential: CredentialId,
        /// Whose it is.
        identity: IdentityName,
        /// What checks it.
        verifier: ScramVerifier,
        /// When it ends by itself, exclusive.
        expires_at: Timestamp,
    },
    /// A certificate's name became a credential: whoever has one that names it is the identity.
    CertificateAdded {
        /// The credential.
        credential: CredentialId,
        /// Whose it is.
        identity: IdentityName,
        /// What the certificate must name.
        certificate: CertificateName,
        /// When it ends by itself, exclusive.
        expires_at: Timestamp,
    },
    /// A token or a certificate's name is no longer accepted.
    CredentialRevoked {
        /// The credential.
        credential: CredentialId,
        /// Why.
        reason: String,
    },
    /// A grant was made and approved.
    GrantCreated {
        /// The grant.
        grant: Box<Grant>,
        /// Its hash.
        hash: GrantHash,
    },
    /// A grant was ended before its time.
    GrantRevoked {
        /// The grant.
        grant: GrantId,
        /// Why.
        reason: String,
    },
}
