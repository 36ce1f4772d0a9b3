//! What the inventory holds: identities, credentials, grants, targets.

use model::{
    CertificateName, CredentialId, Grant, GrantHash, IdentityKind, IdentityName, Lifecycle,
    MaskDeclaration, ScramVerifier, TargetName, Timestamp,
};

/// When, by whom and why something ended or changed.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Ended {
    /// When.
    pub at: Timestamp,
    /// Who did it, as the record says.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// A named account.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Identity {
    /// Its name. Never used again for another identity.
    pub name: IdentityName,
    /// Person or workload.
    pub kind: IdentityKind,
    /// Who answers for it.
    pub owner: String,
    /// When it entered the inventory.
    pub created_at: Timestamp,
    /// Who entered it.
    pub created_by: String,
    /// Whether it may be used until it expires.
    pub lifecycle: Lifecycle,
    /// The last time it was disabled or enabled, if ever.
    pub changed: Option<Ended>,
    /// When it ends by itself, exclusive.
    pub expires_at: Option<Timestamp>,
}

impl Identity {
    /// True if it is enabled and, at `now`, not expired.
    pub fn is_usable(&self, now: Timestamp) -> bool {
        match self.lifecycle {
            Lifecycle::Enabled => self.expires_at.is_none_or(|end| now < end),
            Lifecycle::Disabled => false,
        }
    }
}

/// What a client must prove to be an identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CredentialProof {
    /// That it has a token, which this verifies.
    Token(ScramVerifier),
    /// That it has the key of a certificate with this name.
    Certificate(CertificateName),
}

/// One way in which an identity proves itself. Holds a verifier, never the token.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Credential {
    /// Its id.
    pub id: CredentialId,
    /// Whose it is.
    pub identity: IdentityName,
    /// What checks it. Left out of JSON: with a verifier one could guess tokens offline.
    #[serde(skip)]
    pub proof: CredentialProof,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// Who issued it.
    pub issued_by: String,
    /// When it ends by itself, exclusive.
    pub expires_at: Timestamp,
    /// When it was revoked or replaced by a newer one.
    pub revoked: Option<Ended>,
}

impl Credential {
    /// True if it is not revoked and, at `now`, not expired.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.revoked.is_none() && now < self.expires_at
    }

    /// The certificate's name that it is, if it is one.
    pub fn certificate(&self) -> Option<&CertificateName> {
        match &self.proof {
            CredentialProof::Token(_) => None,
            CredentialProof::Certificate(name) => Some(name),
        }
    }
}

/// A grant and where it stands.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct GrantEntry {
    /// The grant.
    pub grant: Grant,
    /// Its hash.
    pub hash: GrantHash,
    /// When it was made.
    pub created_at: Timestamp,
    /// Who made it.
    pub created_by: String,
    /// When it was ended before its time.
    pub revoked: Option<Ended>,
}

impl GrantEntry {
    /// True if it is not revoked and `now` is in its window, which excludes its end.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.revoked.is_none() && self.grant.not_before <= now && now < self.grant.expires_at
    }
}

/// A guarded service as last loaded from the settings.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Target {
    /// Its name.
    pub name: TargetName,
    /// Where it is, without any credential.
    pub address: String,
    /// `mask-only` until a fence is set up for it.
    pub mode: String,
    /// Its masked columns.
    pub masks: Vec<MaskDeclaration>,
    /// When it was loaded.
    pub loaded_at: Timestamp,
}
