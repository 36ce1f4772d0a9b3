//! What both sides say about TLS: a target's answer to `SSLRequest`, and the protocol's name within TLS.
//!
//! **Invariant:** nothing that arrived in plaintext is read behind TLS, and no error text is taken
//! from a target that is not yet known (CVE-2024-10977).

use crate::error::{Fault, ProtocolError};

/// The name of the protocol within TLS (ALPN). Needed where TLS begins without `SSLRequest`.
///
/// Source: PostgreSQL 17 documentation, section 53.2.11.
pub const ALPN: &[u8] = b"postgresql";

/// Answer of a target to an `SSLRequest`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsAnswer {
    /// Begin TLS.
    Accepted,
    /// The target has no TLS.
    Refused,
}

/// Reads the answer to [`crate::write::ssl_request`] from all that was received since, or nothing if that is
/// nothing.
///
/// # Errors
///
/// [`ProtocolError`] if it is no answer, or if bytes follow it: they came in plaintext, and must not
/// be taken for what TLS protects.
pub fn tls_answer(received: &[u8]) -> Result<Option<TlsAnswer>, ProtocolError> {
    match received {
        [] => Ok(None),
        [b'S'] => Ok(Some(TlsAnswer::Accepted)),
        [b'N'] => Ok(Some(TlsAnswer::Refused)),
        [b'S' | b'N', ..] => Err(ProtocolError::Malformed {
            message: "answer to SSLRequest",
            fault: Fault::SentAhead,
        }),
        [other, ..] => Err(ProtocolError::UnknownType(*other)),
    }
}
