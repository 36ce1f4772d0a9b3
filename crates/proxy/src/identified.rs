//! Who a session belongs to, as proved at log-in.

use model::{CredentialId, IdentityName, SessionId, Timestamp};

/// The subject of a session.
#[derive(Clone, Debug)]
pub(crate) struct Who {
    /// The session.
    pub(crate) session: SessionId,
    /// The identity that logged in.
    pub(crate) identity: IdentityName,
    /// The credential with which it did.
    pub(crate) credential: CredentialId,
    /// When the client's certificate ends, exclusive, if one proves the identity.
    pub(crate) certificate_until: Option<Timestamp>,
}
