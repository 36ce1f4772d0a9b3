//! Cuts a stream of bytes into messages: a type byte, a 32-bit length that counts itself, a body.
//!
//! Source: PostgreSQL 18 documentation, section 54.1.

mod backend;
mod frontend;

use std::fmt;

use bytes::{Bytes, BytesMut};

pub use backend::{BackendDecoder, BackendEvent};
pub use frontend::FrontendDecoder;

use crate::error::ProtocolError;

/// Type byte and length.
const HEADER_BYTES: usize = 5;

/// The length counts its own four bytes.
const LENGTH_LEAST: u32 = 4;

/// One whole message, header included, as it was received. `Debug` shows only its type and size.
#[derive(Clone)]
pub struct Frame(Bytes);

impl Frame {
    /// Returns the bytes, to be passed on. They share memory with what was received.
    pub fn bytes(&self) -> &Bytes {
        &self.0
    }

    /// Returns the bytes, to be passed on.
    pub fn into_bytes(self) -> Bytes {
        self.0
    }

    pub(crate) fn kind(&self) -> u8 {
        self.0.first().copied().unwrap_or_default()
    }

    pub(crate) fn body(&self) -> Bytes {
        self.0.slice(self.0.len().min(HEADER_BYTES)..)
    }
}

impl std::ops::Deref for Frame {
    type Target = Bytes;

    fn deref(&self) -> &Bytes {
        &self.0
    }
}

impl AsRef<[u8]> for Frame {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Frame({:?}, {} bytes)", char::from(self.kind()), self.0.len())
    }
}

/// The type byte and the length of a message.
#[derive(Clone, Copy)]
struct Header {
    kind: u8,
    length: u32,
}

impl Header {
    /// Reads the header at the start of `bytes`, once it is whole.
    fn read(bytes: &[u8]) -> Option<Self> {
        let (&kind, rest) = bytes.split_first()?;
        Some(Self { kind, length: u32::from_be_bytes(*rest.first_chunk()?) })
    }

    /// Checks the length against its bounds and returns the size of the whole message.
    fn size(self, limit: u32) -> Result<usize, ProtocolError> {
        if self.length < LENGTH_LEAST {
            return Err(ProtocolError::LengthTooSmall { length: self.length, least: LENGTH_LEAST });
        }
        if self.length > limit {
            return Err(ProtocolError::LengthTooLarge { length: self.length, limit });
        }
        usize::try_from(self.length)
            .ok()
            .and_then(|length| length.checked_add(1))
            .ok_or(ProtocolError::LengthTooLarge { length: self.length, limit })
    }
}

/// Takes the next whole message, with its header, from the front of `inbox`.
///
/// `limit` says how long a message of a type may be, and which types there are.
pub(crate) fn take(
    inbox: &mut BytesMut,
    limit: impl Fn(u8) -> Result<u32, ProtocolError>,
) -> Result<Option<Frame>, ProtocolError> {
    // The type is judged before the length is whole: what is no message is refused at once.
    let Some(&kind) = inbox.first() else { return Ok(None) };
    let limit = limit(kind)?;
    let Some(header) = Header::read(inbox) else { return Ok(None) };
    let size = header.size(limit)?;
    if inbox.len() < size {
        // No reservation of the announced length: memory grows only with bytes that did arrive.
        return Ok(None);
    }
    Ok(Some(Frame(inbox.split_to(size).freeze())))
}
