//! Messages of a client that is logged in, typed. A file per group.
//!
//! Each keeps the bytes it was read from, header included, so that it can be passed on as it is.
//!
//! **Invariant:** a decoded message has exactly the form that the protocol gives it: every length
//! and count agrees, every text is UTF-8 with no NUL inside, nothing follows the last field. So it
//! cannot mean one thing to the gateway and another to the target.
//!
//! Source: PostgreSQL 18 documentation, section 54.7.

mod bind;
mod copy;
mod portal;
mod query;

pub use bind::Bind;
pub use copy::{CopyData, CopyFail};
pub use portal::{Close, Describe, Execute};
pub use query::{Parse, Query};

use crate::{error::ProtocolError, frame::Frame, reader::Reader};

/// A message of a client that is logged in.
#[derive(Clone, Debug)]
pub enum FrontendMessage {
    /// Run one or more statements.
    Query(Query),
    /// Make a prepared statement.
    Parse(Parse),
    /// Make a portal of a prepared statement and parameters.
    Bind(Bind),
    /// Ask for the columns of a statement or portal.
    Describe(Describe),
    /// Run a portal.
    Execute(Execute),
    /// Drop a statement or portal.
    Close(Close),
    /// Ask for the replies so far.
    Flush(Frame),
    /// End a batch.
    Sync(Frame),
    /// End the session.
    Terminate(Frame),
    /// Run a function by its OID. Legal, never allowed: see [`crate::Refused::FunctionCall`]. Its
    /// body is not looked at.
    FunctionCall(Frame),
    /// Data of a COPY FROM STDIN.
    CopyData(CopyData),
    /// End of the data of a COPY FROM STDIN.
    CopyDone(Frame),
    /// Failure of a COPY FROM STDIN.
    CopyFail(CopyFail),
    /// A password or SASL message. Never allowed here: the client is logged in. Its body is not
    /// looked at.
    Password(Frame),
}

impl FrontendMessage {
    /// Reads one whole message, header included.
    pub(crate) fn decode(raw: Frame) -> Result<Self, ProtocolError> {
        let kind = raw.kind();
        Ok(match kind {
            b'Q' => Self::Query(Query::decode(raw)?),
            b'P' => Self::Parse(Parse::decode(raw)?),
            b'B' => Self::Bind(Bind::decode(raw)?),
            b'D' => Self::Describe(Describe::decode(raw)?),
            b'E' => Self::Execute(Execute::decode(raw)?),
            b'C' => Self::Close(Close::decode(raw)?),
            b'H' => Self::Flush(empty("Flush", raw)?),
            b'S' => Self::Sync(empty("Sync", raw)?),
            b'X' => Self::Terminate(empty("Terminate", raw)?),
            b'F' => Self::FunctionCall(raw),
            b'd' => Self::CopyData(CopyData::decode(raw)),
            b'c' => Self::CopyDone(empty("CopyDone", raw)?),
            b'f' => Self::CopyFail(CopyFail::decode(raw)?),
            b'p' => Self::Password(raw),
            _ => return Err(ProtocolError::UnknownType(kind)),
        })
    }

    /// Returns the name of the message in PostgreSQL's documentation.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Query(_) => "Query",
            Self::Parse(_) => "Parse",
            Self::Bind(_) => "Bind",
            Self::Describe(_) => "Describe",
            Self::Execute(_) => "Execute",
            Self::Close(_) => "Close",
            Self::Flush(_) => "Flush",
            Self::Sync(_) => "Sync",
            Self::Terminate(_) => "Terminate",
            Self::FunctionCall(_) => "FunctionCall",
            Self::CopyData(_) => "CopyData",
            Self::CopyDone(_) => "CopyDone",
            Self::CopyFail(_) => "CopyFail",
            Self::Password(_) => "PasswordMessage",
        }
    }

    /// Returns the whole message as it was received.
    pub fn raw(&self) -> &Frame {
        match self {
            Self::Query(message) => &message.raw,
            Self::Parse(message) => &message.raw,
            Self::Bind(message) => &message.raw,
            Self::Describe(message) => &message.raw,
            Self::Execute(message) => &message.raw,
            Self::Close(message) => &message.raw,
            Self::CopyData(message) => &message.raw,
            Self::CopyFail(message) => &message.raw,
            Self::Flush(message)
            | Self::Sync(message)
            | Self::Terminate(message)
            | Self::FunctionCall(message)
            | Self::CopyDone(message)
            | Self::Password(message) => message,
        }
    }
}

fn empty(name: &'static str, raw: Frame) -> Result<Frame, ProtocolError> {
    Reader::of_message(name, &raw).end()?;
    Ok(raw)
}
