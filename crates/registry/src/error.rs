//! Why a control record is refused.

use model::{CertificateName, CredentialId, GrantId, IdentityName, Timestamp};

/// A control record says what cannot be. The inventory is unchanged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    /// Nothing has that name.
    #[error("there is no identity `{0}`")]
    UnknownIdentity(IdentityName),
    /// Names are never used twice, so that a record always means the same identity.
    #[error("there is already an identity `{0}`; a name is never used again")]
    DuplicateIdentity(IdentityName),
    /// It needs somebody who answers for it.
    #[error("identity `{0}` has no owner")]
    NoOwner(IdentityName),
    /// The identity is disabled already.
    #[error("identity `{0}` is disabled already")]
    AlreadyDisabled(IdentityName),
    /// The identity is enabled already.
    #[error("identity `{0}` is enabled already")]
    AlreadyEnabled(IdentityName),
    /// A disabled or expired identity gets neither credentials nor grants.
    #[error("identity `{0}` is disabled or has expired")]
    IdentityEnded(IdentityName),
    /// No such credential.
    #[error("there is no credential {0}")]
    UnknownCredential(CredentialId),
    /// The id is taken.
    #[error("there is already a credential {0}")]
    DuplicateCredential(CredentialId),
    /// The credential is revoked already.
    #[error("credential {0} is revoked already")]
    CredentialRevoked(CredentialId),
    /// The verifier could not check any token.
    #[error("the verifier of credential {0} is not one of SCRAM-SHA-256")]
    BadVerifier(CredentialId),
    /// A certificate proves one identity.
    #[error("certificates with the name `{0}` are another identity's already")]
    CertificateTaken(CertificateName),
    /// No such grant.
    #[error("there is no grant {0}")]
    UnknownGrant(GrantId),
    /// The id is taken.
    #[error("there is already a grant {0}")]
    DuplicateGrant(GrantId),
    /// The grant is revoked already.
    #[error("grant {0} is revoked already")]
    GrantRevoked(GrantId),
    /// The grant's time is over, so there is nothing to revoke.
    #[error("grant {0} ended by itself at {1}")]
    GrantEnded(GrantId, Timestamp),
    /// The window holds no instant after the record's.
    #[error("the window of grant {0} is empty or lies in the past")]
    EmptyWindow(GrantId),
    /// The scope covers nothing, or a line of it has no action.
    #[error("the scope of grant {0} is empty or has a line without an action")]
    EmptyScope(GrantId),
    /// The task or the purpose is missing.
    #[error("grant {0} names no task or no purpose")]
    NoTask(GrantId),
    /// Nobody approves their own request, except a local administrator, who could do it anyway.
    #[error("grant {0} was approved by the one who asked for it")]
    SelfApproved(GrantId),
    /// The hash on record is not that of the grant.
    #[error("the hash of grant {0} does not match it")]
    WrongHash(GrantId),
    /// It would have ended before it began.
    #[error("the end {0} is not after the time of the record")]
    EndsBeforeItBegins(Timestamp),
}
