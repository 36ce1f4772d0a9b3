//! The gateway's own questions to a target: its catalog, and the end of a backend.
//!
//! Only fixed texts of the gateway's own are asked here; nothing of a client.

use std::borrow::BorrowMut;
use std::sync::Arc;

use pgwire::{BackendEvent, BackendMessage};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::target::{ConnectError, Connected, Target};
use crate::wire;

/// Bytes of one answer that are held. A catalog of 50,000 columns takes about 8 MiB.
const ANSWER_BYTES_MAX: usize = 256 << 20;

/// A connection for questions of the gateway's own.
#[derive(Debug)]
pub(crate) struct Asker<C> {
    connected: C,
}

/// A row of text cells.
pub(crate) type Row = Vec<Option<String>>;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AskError {
    /// No connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The connection broke.
    #[error("the connection to the target was lost: {0}")]
    Io(#[from] std::io::Error),
    /// The target broke the protocol.
    #[error("the target broke the protocol: {0}")]
    Protocol(#[from] pgwire::ProtocolError),
    /// A row has not the form of a row.
    #[error("the target sent a row that cannot be read")]
    Row,
    /// The question cannot be written.
    #[error(transparent)]
    Write(#[from] pgwire::WriteError),
    /// The target refused. Its words are about a text of the gateway's own, for the operator.
    #[error("the target refused the gateway's own question with SQLSTATE {sqlstate}: {message}")]
    Refused {
        /// PostgreSQL's error code.
        sqlstate: String,
        /// What the target said.
        message: String,
    },
    /// More than is held.
    #[error("the target's answer is larger than {ANSWER_BYTES_MAX} bytes")]
    TooLarge,
}

impl Asker<Connected> {
    /// Logs in for questions.
    pub(crate) async fn connect(target: &Arc<Target>, label: &str) -> Result<Self, AskError> {
        Ok(Self::new(target.connect(label).await?))
    }

    /// Asks over a connection of its own.
    pub(crate) fn new(connected: Connected) -> Self {
        Self { connected }
    }
}

impl<'a> Asker<&'a mut Connected> {
    /// Asks over a connection on which nothing is under way.
    pub(crate) fn over(connected: &'a mut Connected) -> Self {
        Self { connected }
    }
}

impl<C: BorrowMut<Connected>> Asker<C> {
    /// Asks by the simple protocol and returns the rows.
    pub(crate) async fn ask(&mut self, sql: &str) -> Result<Vec<Row>, AskError> {
        let connected = self.connected.borrow_mut();
        connected.stream.write_all(&wire::query(sql)?).await?;
        connected.stream.flush().await?;
        let mut bytes = Vec::new();
        let mut refused = None;
        loop {
            while let Some(event) = connected.decoder.poll_event()? {
                match event {
                    BackendEvent::Rows { bytes: more, .. } => {
                        if bytes.len().saturating_add(more.len()) > ANSWER_BYTES_MAX {
                            return Err(AskError::TooLarge);
                        }
                        bytes.extend_from_slice(&more);
                    }
                    BackendEvent::Message(BackendMessage::ErrorResponse(report)) => {
                        let sqlstate = report.sqlstate().unwrap_or("unknown").to_owned();
                        refused = Some((sqlstate, report.message().into_owned()));
                    }
                    BackendEvent::Message(BackendMessage::ReadyForQuery(_)) => {
                        return match refused {
                            Some((sqlstate, message)) => {
                                Err(AskError::Refused { sqlstate, message })
                            }
                            None => rows(&bytes),
                        };
                    }
                    // The gateway itself asks for no COPY.
                    BackendEvent::Copy { .. } | BackendEvent::Message(_) => {}
                }
            }
            let inbox = connected.decoder.inbox();
            if connected.stream.read_buf(inbox).await? == 0 {
                return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into());
            }
        }
    }
}

/// Reads `DataRow` messages (PostgreSQL manual, "Message Formats").
fn rows(bytes: &[u8]) -> Result<Vec<Row>, AskError> {
    let mut rest = bytes;
    let mut rows = Vec::new();
    while !rest.is_empty() {
        // Type byte and length; the decoder has checked both.
        take(&mut rest, 5)?;
        let count = i16::from_be_bytes(array(&mut rest)?);
        let mut row = Vec::new();
        for _ in 0..count {
            let length = i32::from_be_bytes(array(&mut rest)?);
            row.push(match usize::try_from(length) {
                Ok(length) => Some(String::from_utf8_lossy(take(&mut rest, length)?).into_owned()),
                Err(_null) => None,
            });
        }
        rows.push(row);
    }
    Ok(rows)
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> Result<&'a [u8], AskError> {
    let (taken, left) = rest.split_at_checked(count).ok_or(AskError::Row)?;
    *rest = left;
    Ok(taken)
}

fn array<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], AskError> {
    let (taken, left) = rest.split_first_chunk().ok_or(AskError::Row)?;
    *rest = left;
    Ok(*taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_row_is_an_error_and_not_a_panic() {
        let row = b"D\0\0\0\x0d\0\x01\0\0\0\x03abc";
        assert_eq!(rows(row).unwrap(), [vec![Some("abc".to_owned())]]);
        for cut in 1..row.len() {
            assert!(rows(&row[..cut]).is_err(), "{cut}");
        }
    }
}
