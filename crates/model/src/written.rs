//! What a client wrote by COPY, as its outcome tells it.

use crate::Commitment;

/// Data that a client sent in a COPY.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Written {
    /// Bytes that were passed on to the target.
    pub bytes: u64,
    /// Commits to the SHA-256 of these bytes, as 64 hexadecimal digits. The data themselves are not
    /// kept: who has them can prove that they are what was written.
    pub sha256: Commitment,
}
