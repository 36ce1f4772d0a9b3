//! The stream of a client that is logged in.
//!
//! ```text
//! receive(bytes)* ──▶ poll_message() ──▶ Some(message)* , None (more bytes are needed)
//!                                   └──▶ Err (for ever: after a bad frame nothing can be trusted)
//! ```

use std::fmt;

use bytes::BytesMut;

use crate::{
    error::ProtocolError,
    frontend::FrontendMessage,
    limits::{FRONTEND_MESSAGE_BYTES_MAX, FRONTEND_SMALL_MESSAGE_BYTES_MAX},
};

/// Turns the bytes of a client into messages.
pub struct FrontendDecoder {
    inbox: BytesMut,
    message_bytes_max: u32,
    failed: Option<ProtocolError>,
}

impl FrontendDecoder {
    /// Starts with nothing received. `message_bytes_max` bounds Query, Parse, Bind, `FunctionCall`
    /// and `CopyData`, and with them the memory that a client can make the gateway hold.
    pub fn new(message_bytes_max: u32) -> Self {
        Self::with_received(BytesMut::new(), message_bytes_max)
    }

    /// Starts with bytes that arrived behind the log-in.
    pub(crate) fn with_received(inbox: BytesMut, message_bytes_max: u32) -> Self {
        Self { inbox, message_bytes_max, failed: None }
    }

    /// Takes bytes from the client's socket.
    pub fn receive(&mut self, bytes: &[u8]) {
        self.inbox.extend_from_slice(bytes);
    }

    /// The buffer to which a driver may append what it reads from the socket, which saves a copy.
    pub fn inbox(&mut self) -> &mut BytesMut {
        &mut self.inbox
    }

    /// Returns the next message, or nothing until more bytes are received.
    ///
    /// # Errors
    ///
    /// [`ProtocolError`] if the bytes are no message of a client, or one beyond the limits. The
    /// session must be closed; every later call returns the same error.
    pub fn poll_message(&mut self) -> Result<Option<FrontendMessage>, ProtocolError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        self.next().inspect_err(|&error| {
            self.inbox = BytesMut::new();
            self.failed = Some(error);
        })
    }

    fn next(&mut self) -> Result<Option<FrontendMessage>, ProtocolError> {
        let large = self.message_bytes_max;
        let raw = super::take(&mut self.inbox, |kind| limit(kind, large))?;
        raw.map(FrontendMessage::decode).transpose()
    }
}

/// Shows no bytes.
impl fmt::Debug for FrontendDecoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrontendDecoder")
            .field("received", &self.inbox.len())
            .field("failed", &self.failed)
            .finish_non_exhaustive()
    }
}

impl Default for FrontendDecoder {
    fn default() -> Self {
        Self::new(FRONTEND_MESSAGE_BYTES_MAX)
    }
}

fn limit(kind: u8, large: u32) -> Result<u32, ProtocolError> {
    match kind {
        b'Q' | b'P' | b'B' | b'F' | b'd' => Ok(large),
        b'C' | b'D' | b'E' | b'H' | b'S' | b'X' | b'c' | b'f' | b'p' => {
            Ok(FRONTEND_SMALL_MESSAGE_BYTES_MAX.min(large))
        }
        _ => Err(ProtocolError::UnknownType(kind)),
    }
}
