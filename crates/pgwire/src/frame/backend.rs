//! The stream of a target that is ready for queries.
//!
//! Rows, and the data of COPY, pass in chunks of whatever size arrived, whole messages or parts of
//! one, without a copy and without being looked into: masking is done inside the target. All other
//! messages are typed.
//!
//! ```text
//!           ┌────────────── more of it ──────────────┐
//!           ▼                                       │
//! Between ──DataRow, CopyData──▶ InRow{bytes left} ─┘
//!    ▲                               └─ it ends ─▶ Between
//!    └── any other message
//! ```

use std::fmt;

use bytes::{Bytes, BytesMut};

use super::{Header, take};
use crate::{
    backend::{self, BackendKind, BackendMessage},
    error::ProtocolError,
    limits::BACKEND_ROW_BYTES_MAX,
    message::Format,
};

/// Type byte of `DataRow`.
const DATA_ROW: u8 = b'D';

/// A `DataRow` has at least its length and its count of columns.
const ROW_LENGTH_LEAST: u32 = 6;

/// Type byte of `CopyData`.
const COPY_DATA: u8 = b'd';

/// A `CopyData` has at least its length.
const COPY_LENGTH_LEAST: u32 = 4;

/// Length field of a `CopyData` with nothing in it but the end of binary data.
///
/// Source: PostgreSQL 18 documentation, COPY, "Binary Format": a count of columns of -1.
const BINARY_END_LENGTH: u32 = 6;

/// Length field of a `CopyData` with the header of binary data and its end: there are no rows.
const BINARY_EMPTY_LENGTH: u32 = 25;

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
    /// Bytes of `CopyData` messages, as [`BackendEvent::Rows`] has those of `DataRow`.
    Copy {
        /// The bytes.
        bytes: Bytes,
        /// How many rows begin in these bytes: PostgreSQL sends a message for each, and in binary
        /// format one for the end. A header line of names counts as a row.
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
            Self::Copy { .. } => BackendKind::CopyData,
            Self::Message(message) => message.kind(),
        }
    }
}

/// Turns the bytes of a target into events.
#[derive(Default)]
pub struct BackendDecoder {
    inbox: BytesMut,
    /// The message of which a part was returned.
    streamed: Streamed,
    /// Bytes of it that did not arrive yet.
    row_bytes_left: usize,
    /// What the COPY that was announced last sends.
    copied: Copied,
    failed: Option<ProtocolError>,
}

/// A kind of message that is passed on in chunks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Streamed {
    #[default]
    Rows,
    Copy,
}

/// How the data of a COPY are to be counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Copied {
    /// Each message is a row.
    #[default]
    Lines,
    /// Binary, and nothing of it was sent yet.
    BinaryBegin,
    /// Binary, behind its header.
    Binary,
}

impl Copied {
    /// Whether a message of this length is a row.
    fn take(&mut self, length: u32) -> bool {
        let is_row = match self {
            Self::Lines => true,
            Self::BinaryBegin => length != BINARY_EMPTY_LENGTH,
            Self::Binary => length != BINARY_END_LENGTH,
        };
        if *self == Self::BinaryBegin {
            *self = Self::Binary;
        }
        is_row
    }
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
        match self.inbox.first() {
            _ if self.is_inside_row() => return self.next_rows(),
            Some(&DATA_ROW) => self.streamed = Streamed::Rows,
            Some(&COPY_DATA) => self.streamed = Streamed::Copy,
            Some(_) | None => return self.next_message(),
        }
        self.next_rows()
    }

    fn next_message(&mut self) -> Result<Option<BackendEvent>, ProtocolError> {
        let raw = take(&mut self.inbox, backend::length_max)?;
        let Some(message) = raw.map(BackendMessage::decode).transpose()? else { return Ok(None) };
        if let BackendMessage::CopyOutResponse(response) = &message {
            self.copied = match response.format {
                Format::Text => Copied::Lines,
                Format::Binary => Copied::BinaryBegin,
            };
        }
        Ok(Some(BackendEvent::Message(message)))
    }

    /// Takes the rest of the row that began, and every row behind it whose header is whole.
    fn next_rows(&mut self) -> Result<Option<BackendEvent>, ProtocolError> {
        let available = self.inbox.len();
        let (kind, least) = match self.streamed {
            Streamed::Rows => (DATA_ROW, ROW_LENGTH_LEAST),
            Streamed::Copy => (COPY_DATA, COPY_LENGTH_LEAST),
        };
        let mut end = self.row_bytes_left;
        let mut rows = 0_u64;
        while end < available
            && let Some(header) = self.inbox.get(end..).and_then(Header::read)
            && header.kind == kind
        {
            match row_size(header, least) {
                Ok(size) => end = end.saturating_add(size),
                // The rows before the bad one are delivered first, however the bytes were cut.
                Err(_) if end > 0 => break,
                Err(error) => return Err(error),
            }
            let is_row = match self.streamed {
                Streamed::Rows => true,
                Streamed::Copy => self.copied.take(header.length),
            };
            rows = rows.saturating_add(u64::from(is_row));
        }
        let taken = end.min(available);
        self.row_bytes_left = end.saturating_sub(taken);
        if taken == 0 {
            return Ok(None);
        }
        let bytes = self.inbox.split_to(taken).freeze();
        Ok(Some(match self.streamed {
            Streamed::Rows => BackendEvent::Rows { bytes, rows },
            Streamed::Copy => BackendEvent::Copy { bytes, rows },
        }))
    }
}

/// Shows no bytes.
impl fmt::Debug for BackendDecoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackendDecoder")
            .field("received", &self.inbox.len())
            .field("streamed", &self.streamed)
            .field("row_bytes_left", &self.row_bytes_left)
            .field("copied", &self.copied)
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
            Self::Copy { bytes, rows } => {
                write!(f, "Copy({rows} rows, {} bytes)", bytes.len())
            }
            Self::Message(message) => message.fmt(f),
        }
    }
}

fn row_size(header: Header, least: u32) -> Result<usize, ProtocolError> {
    if header.length < least {
        return Err(ProtocolError::LengthTooSmall { length: header.length, least });
    }
    header.size(BACKEND_ROW_BYTES_MAX)
}
