//! The stream of a target that is ready for queries.
//!
//! Rows pass in chunks of whatever size arrived, whole rows or parts of one, without a copy and
//! without being looked into: masking is done inside the target. All other messages are typed.
//!
//! ```text
//!           ┌────────── more of the row ──────────┐
//!           ▼                                     │
//! Between ──DataRow──▶ InRow{bytes left} ──────────┘
//!    ▲                     └─ row ends ─▶ Between
//!    └── any other message
//! ```

use std::fmt;

use bytes::{Bytes, BytesMut};

use super::{Header, take};
use crate::{
    backend::{self, BackendKind, BackendMessage},
    error::ProtocolError,
    limits::BACKEND_ROW_BYTES_MAX,
};

/// Type byte of `DataRow`.
const DATA_ROW: u8 = b'D';

/// A `DataRow` has at least its length and its count of columns.
const ROW_LENGTH_LEAST: u32 = 6;

/// What a target sent.
#[derive(Clone)]
pub enum BackendEvent {
    /// Bytes of `DataRow` messages, headers included, to be passed on as they are: many rows, or a
    /// part of one. Chunks of one row follow each other with nothing between.
    Rows {
        /// The bytes.
        bytes: Bytes,
        /// How many rows *begin* in these bytes.
        rows: u64,
    },
    /// Any other message.
    Message(BackendMessage),
}

impl BackendEvent {
    /// Returns which message it is.
    pub fn kind(&self) -> BackendKind {
        match self {
            Self::Rows { .. } => BackendKind::DataRow,
            Self::Message(message) => message.kind(),
        }
    }
}

/// Turns the bytes of a target into events.
#[derive(Default)]
pub struct BackendDecoder {
    inbox: BytesMut,
    /// Bytes of the row that began, which did not arrive yet.
    row_bytes_left: usize,
    failed: Option<ProtocolError>,
}

impl BackendDecoder {
    /// Starts with nothing received.
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts with bytes that arrived behind the log-in.
    pub(crate) fn with_received(inbox: BytesMut) -> Self {
        Self { inbox, ..Self::default() }
    }

    /// Takes bytes from the target's socket.
    pub fn receive(&mut self, bytes: &[u8]) {
        self.inbox.extend_from_slice(bytes);
    }

    /// The buffer to which a driver may append what it reads from the socket, which saves a copy.
    pub fn inbox(&mut self) -> &mut BytesMut {
        &mut self.inbox
    }

    /// Tells whether the last chunk of rows ended inside a row: then nothing but the rest of that row
    /// can be sent to the client.
    pub fn is_inside_row(&self) -> bool {
        self.row_bytes_left > 0
    }

    /// Bytes of the row that began which have not been returned yet. A driver that must stop sending
    /// rows still owes these to a client that has read the row's beginning.
    pub fn row_bytes_left(&self) -> usize {
        self.row_bytes_left
    }

    /// Returns the next event, or nothing until more bytes are received.
    ///
    /// # Errors
    ///
    /// [`ProtocolError`] if the bytes are no message of a target, or one beyond the limits. The
    /// session must be closed; every later call returns the same error.
    pub fn poll_event(&mut self) -> Result<Option<BackendEvent>, ProtocolError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        self.next().inspect_err(|&error| {
            self.inbox = BytesMut::new();
            self.failed = Some(error);
        })
    }

    fn next(&mut self) -> Result<Option<BackendEvent>, ProtocolError> {
        if self.is_inside_row() || self.inbox.first() == Some(&DATA_ROW) {
            return self.next_rows();
        }
        let raw = take(&mut self.inbox, backend::length_max)?;
        Ok(raw.map(BackendMessage::decode).transpose()?.map(BackendEvent::Message))
    }

    /// Takes the rest of the row that began, and every row behind it whose header is whole.
    fn next_rows(&mut self) -> Result<Option<BackendEvent>, ProtocolError> {
        let available = self.inbox.len();
        let mut end = self.row_bytes_left;
        let mut rows = 0_u64;
        while end < available
            && let Some(header) = self.inbox.get(end..).and_then(Header::read)
            && header.kind == DATA_ROW
        {
            match row_size(header) {
                Ok(size) => end = end.saturating_add(size),
                // The rows before the bad one are delivered first, however the bytes were cut.
                Err(_) if end > 0 => break,
                Err(error) => return Err(error),
            }
            rows = rows.saturating_add(1);
        }
        let taken = end.min(available);
        self.row_bytes_left = end.saturating_sub(taken);
        if taken == 0 {
            return Ok(None);
        }
        Ok(Some(BackendEvent::Rows { bytes: self.inbox.split_to(taken).freeze(), rows }))
    }
}

/// Shows no bytes.
impl fmt::Debug for BackendDecoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackendDecoder")
            .field("received", &self.inbox.len())
            .field("row_bytes_left", &self.row_bytes_left)
            .field("failed", &self.failed)
            .finish()
    }
}

/// Shows no value of a row.
impl fmt::Debug for BackendEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rows { bytes, rows } => {
                write!(f, "Rows({rows} rows, {} bytes)", bytes.len())
            }
            Self::Message(message) => message.fmt(f),
        }
    }
}

fn row_size(header: Header) -> Result<usize, ProtocolError> {
    if header.length < ROW_LENGTH_LEAST {
        return Err(ProtocolError::LengthTooSmall {
            length: header.length,
            least: ROW_LENGTH_LEAST,
        });
    }
    header.size(BACKEND_ROW_BYTES_MAX)
}
