//! Messages of a target, typed: what a gateway must understand to follow the conversation and to
//! compare the answer with the plan. `DataRow` and `CopyData` are not here:
//! [`crate::BackendDecoder`] streams them.
//! `Authentication` is not here either: only [`crate::TargetHandshake`] may receive it.
//!
//! Each keeps the bytes it was read from, header included, so that it can be passed on as it is.
//!
//! Source: PostgreSQL 18 documentation, section 54.7.

mod copy;
mod report;
mod result;
mod session;

pub use copy::CopyResponse;
pub use report::Report;
pub use result::{CommandComplete, Field, ParameterDescription, RowDescription};
pub use session::{
    BackendKeyData, NegotiateProtocolVersion, NotificationResponse, ParameterStatus, ReadyForQuery,
};

use crate::{
    error::ProtocolError, frame::Frame, limits::BACKEND_MESSAGE_BYTES_MAX, reader::Reader,
};

/// A message of a target, other than `DataRow` and `CopyData`.
#[derive(Clone, Debug)]
pub enum BackendMessage {
    /// Columns of the rows that follow, or would follow.
    RowDescription(RowDescription),
    /// Types of a statement's parameters.
    ParameterDescription(ParameterDescription),
    /// A statement or portal returns no rows.
    NoData(Frame),
    /// A statement was run to its end.
    CommandComplete(CommandComplete),
    /// The SQL text was empty.
    EmptyQueryResponse(Frame),
    /// An Execute returned as many rows as it asked for, and more may follow.
    PortalSuspended(Frame),
    /// A Parse succeeded.
    ParseComplete(Frame),
    /// A Bind succeeded.
    BindComplete(Frame),
    /// A Close succeeded.
    CloseComplete(Frame),
    /// Something failed.
    ErrorResponse(Report),
    /// A notice. It may come at any time.
    NoticeResponse(Report),
    /// The target takes the next Query, or the batch is over.
    ReadyForQuery(ReadyForQuery),
    /// Value of a setting. It may come at any time.
    ParameterStatus(ParameterStatus),
    /// A NOTIFY. It may come at any time.
    NotificationResponse(NotificationResponse),
    /// COPY FROM STDIN begins.
    CopyInResponse(CopyResponse),
    /// COPY TO STDOUT begins.
    CopyOutResponse(CopyResponse),
    /// Streaming replication begins.
    CopyBothResponse(CopyResponse),
    /// End of the data of a COPY TO STDOUT.
    CopyDone(Frame),
    /// What a cancel request must name.
    BackendKeyData(BackendKeyData),
    /// The target speaks an older minor version, or not all protocol options.
    NegotiateProtocolVersion(NegotiateProtocolVersion),
}

/// Returns the longest message that is accepted of a type.
pub(crate) fn length_max(kind: u8) -> Result<u32, ProtocolError> {
    match kind {
        b'T' | b't' | b'n' | b'C' | b'I' | b's' | b'1' | b'2' | b'3' | b'E' | b'N' | b'Z'
        | b'S' | b'A' | b'G' | b'H' | b'W' | b'c' | b'K' | b'v' => Ok(BACKEND_MESSAGE_BYTES_MAX),
        b'R' => Err(ProtocolError::Unexpected("Authentication")),
        b'V' => Err(ProtocolError::Unexpected("FunctionCallResponse")),
        _ => Err(ProtocolError::UnknownType(kind)),
    }
}

impl BackendMessage {
    /// Reads one whole message, header included.
    pub(crate) fn decode(raw: Frame) -> Result<Self, ProtocolError> {
        let kind = raw.kind();
        Ok(match kind {
            b'T' => Self::RowDescription(RowDescription::decode(raw)?),
            b't' => Self::ParameterDescription(ParameterDescription::decode(raw)?),
            b'n' => Self::NoData(empty("NoData", raw)?),
            b'C' => Self::CommandComplete(CommandComplete::decode(raw)?),
            b'I' => Self::EmptyQueryResponse(empty("EmptyQueryResponse", raw)?),
            b's' => Self::PortalSuspended(empty("PortalSuspended", raw)?),
            b'1' => Self::ParseComplete(empty("ParseComplete", raw)?),
            b'2' => Self::BindComplete(empty("BindComplete", raw)?),
            b'3' => Self::CloseComplete(empty("CloseComplete", raw)?),
            b'E' => Self::ErrorResponse(Report::decode("ErrorResponse", raw)?),
            b'N' => Self::NoticeResponse(Report::decode("NoticeResponse", raw)?),
            b'Z' => Self::ReadyForQuery(ReadyForQuery::decode(raw)?),
            b'S' => Self::ParameterStatus(ParameterStatus::decode(raw)?),
            b'A' => Self::NotificationResponse(NotificationResponse::decode(raw)?),
            b'G' => Self::CopyInResponse(CopyResponse::decode("CopyInResponse", raw)?),
            b'H' => Self::CopyOutResponse(CopyResponse::decode("CopyOutResponse", raw)?),
            b'W' => Self::CopyBothResponse(CopyResponse::decode("CopyBothResponse", raw)?),
            b'c' => Self::CopyDone(empty("CopyDone", raw)?),
            b'K' => Self::BackendKeyData(BackendKeyData::decode(raw)?),
            b'v' => Self::NegotiateProtocolVersion(NegotiateProtocolVersion::decode(raw)?),
            _ => return Err(ProtocolError::UnknownType(kind)),
        })
    }

    /// Returns which message it is.
    pub fn kind(&self) -> BackendKind {
        match self {
            Self::RowDescription(_) => BackendKind::RowDescription,
            Self::ParameterDescription(_) => BackendKind::ParameterDescription,
            Self::NoData(_) => BackendKind::NoData,
            Self::CommandComplete(_) => BackendKind::CommandComplete,
            Self::EmptyQueryResponse(_) => BackendKind::EmptyQueryResponse,
            Self::PortalSuspended(_) => BackendKind::PortalSuspended,
            Self::ParseComplete(_) => BackendKind::ParseComplete,
            Self::BindComplete(_) => BackendKind::BindComplete,
            Self::CloseComplete(_) => BackendKind::CloseComplete,
            Self::ErrorResponse(_) => BackendKind::ErrorResponse,
            Self::NoticeResponse(_) => BackendKind::NoticeResponse,
            Self::ReadyForQuery(_) => BackendKind::ReadyForQuery,
            Self::ParameterStatus(_) => BackendKind::ParameterStatus,
            Self::NotificationResponse(_) => BackendKind::NotificationResponse,
            Self::CopyInResponse(_) => BackendKind::CopyInResponse,
            Self::CopyOutResponse(_) => BackendKind::CopyOutResponse,
            Self::CopyBothResponse(_) => BackendKind::CopyBothResponse,
            Self::CopyDone(_) => BackendKind::CopyDone,
            Self::BackendKeyData(_) => BackendKind::BackendKeyData,
            Self::NegotiateProtocolVersion(_) => BackendKind::NegotiateProtocolVersion,
        }
    }

    /// Returns the whole message as it was received.
    pub fn raw(&self) -> &Frame {
        match self {
            Self::RowDescription(message) => &message.raw,
            Self::ParameterDescription(message) => &message.raw,
            Self::CommandComplete(message) => &message.raw,
            Self::ErrorResponse(message) | Self::NoticeResponse(message) => &message.raw,
            Self::ReadyForQuery(message) => &message.raw,
            Self::ParameterStatus(message) => &message.raw,
            Self::NotificationResponse(message) => &message.raw,
            Self::CopyInResponse(message)
            | Self::CopyOutResponse(message)
            | Self::CopyBothResponse(message) => &message.raw,
            Self::BackendKeyData(message) => &message.raw,
            Self::NegotiateProtocolVersion(message) => &message.raw,
            Self::NoData(message)
            | Self::EmptyQueryResponse(message)
            | Self::PortalSuspended(message)
            | Self::ParseComplete(message)
            | Self::BindComplete(message)
            | Self::CloseComplete(message)
            | Self::CopyDone(message) => message,
        }
    }
}

/// Which message of a target it is, with nothing of its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the message of that name in PostgreSQL's documentation")]
pub enum BackendKind {
    RowDescription,
    ParameterDescription,
    NoData,
    DataRow,
    CommandComplete,
    EmptyQueryResponse,
    PortalSuspended,
    ParseComplete,
    BindComplete,
    CloseComplete,
    ErrorResponse,
    NoticeResponse,
    ReadyForQuery,
    ParameterStatus,
    NotificationResponse,
    CopyInResponse,
    CopyOutResponse,
    CopyBothResponse,
    CopyData,
    CopyDone,
    BackendKeyData,
    NegotiateProtocolVersion,
}

impl BackendKind {
    /// Returns the name of the message in PostgreSQL's documentation.
    pub fn name(self) -> &'static str {
        match self {
            Self::RowDescription => "RowDescription",
            Self::ParameterDescription => "ParameterDescription",
            Self::NoData => "NoData",
            Self::DataRow => "DataRow",
            Self::CommandComplete => "CommandComplete",
            Self::EmptyQueryResponse => "EmptyQueryResponse",
            Self::PortalSuspended => "PortalSuspended",
            Self::ParseComplete => "ParseComplete",
            Self::BindComplete => "BindComplete",
            Self::CloseComplete => "CloseComplete",
            Self::ErrorResponse => "ErrorResponse",
            Self::NoticeResponse => "NoticeResponse",
            Self::ReadyForQuery => "ReadyForQuery",
            Self::ParameterStatus => "ParameterStatus",
            Self::NotificationResponse => "NotificationResponse",
            Self::CopyInResponse => "CopyInResponse",
            Self::CopyOutResponse => "CopyOutResponse",
            Self::CopyBothResponse => "CopyBothResponse",
            Self::CopyData => "CopyData",
            Self::CopyDone => "CopyDone",
            Self::BackendKeyData => "BackendKeyData",
            Self::NegotiateProtocolVersion => "NegotiateProtocolVersion",
        }
    }
}

fn empty(name: &'static str, raw: Frame) -> Result<Frame, ProtocolError> {
    Reader::of_message(name, &raw).end()?;
    Ok(raw)
}
