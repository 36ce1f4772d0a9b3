//! The messages that concern the session as a whole.

use std::fmt;

use bytes::Bytes;

use crate::{
    error::{Fault, ProtocolError},
    frame::Frame,
    limits::CANCEL_KEY_BYTES_MAX,
    message::TransactionStatus,
    reader::Reader,
    text::Text,
};

/// The target takes the next Query, or the batch is over.
#[derive(Clone, Debug)]
pub struct ReadyForQuery {
    /// The whole message.
    pub raw: Frame,
    /// State of the transaction.
    pub status: TransactionStatus,
}

impl ReadyForQuery {
    pub(super) fn decode(raw: Frame) -> Result<Self, ProtocolError> {
        let mut reader = Reader::of_message("ReadyForQuery", &raw);
        let status = match reader.u8()? {
            b'I' => TransactionStatus::Idle,
            b'T' => TransactionStatus::Open,
            b'E' => TransactionStatus::Failed,
            _ => return Err(reader.fault(Fault::UndefinedCode)),
        };
        reader.end()?;
        Ok(Self { raw, status })
    }
}

/// Value of a setting.
#[derive(Clone, Debug)]
pub struct ParameterStatus {
    /// The whole message.
    pub raw: Frame,
    /// Name of the setting.
    pub name: Text,
    /// Its value.
    pub value: Text,
}

impl ParameterStatus {
    pub(super) fn decode(raw: Frame) -> Result<Self, ProtocolError> {
        let mut reader = Reader::of_message("ParameterStatus", &raw);
        let (name, value) = (reader.text()?, reader.text()?);
        reader.end()?;
        Ok(Self { raw, name, value })
    }
}

/// A NOTIFY of some session of the target.
#[derive(Clone, Debug)]
pub struct NotificationResponse {
    /// The whole message.
    pub raw: Frame,
    /// Process that notified.
    pub pid: u32,
    /// Its channel.
    pub channel: Text,
    /// Its payload.
    pub payload: Text,
}

impl NotificationResponse {
    pub(super) fn decode(raw: Frame) -> Result<Self, ProtocolError> {
        let mut reader = Reader::of_message("NotificationResponse", &raw);
        let pid = reader.u32()?;
        let (channel, payload) = (reader.text()?, reader.text()?);
        reader.end()?;
        Ok(Self { raw, pid, channel, payload })
    }
}

/// What a cancel request must name.
#[derive(Clone)]
pub struct BackendKeyData {
    /// The whole message.
    pub raw: Frame,
    /// Process of the session.
    pub pid: u32,
    /// Its secret: 4 bytes in protocol 3.0, up to [`CANCEL_KEY_BYTES_MAX`] later.
    pub key: Bytes,
}

impl BackendKeyData {
    pub(crate) fn decode(raw: Frame) -> Result<Self, ProtocolError> {
        let mut reader = Reader::of_message("BackendKeyData", &raw);
        let pid = reader.u32()?;
        if !(4..=CANCEL_KEY_BYTES_MAX).contains(&reader.remaining()) {
            return Err(reader.fault(Fault::Count));
        }
        Ok(Self { raw, pid, key: reader.into_rest() })
    }
}

/// Shows no key.
impl fmt::Debug for BackendKeyData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackendKeyData").field("pid", &self.pid).finish_non_exhaustive()
    }
}

/// The target speaks an older minor version, or not all protocol options.
#[derive(Clone, Debug)]
pub struct NegotiateProtocolVersion {
    /// The whole message.
    pub raw: Frame,
    /// The newest version that it speaks: major in the upper 16 bits, minor in the lower.
    pub version: u32,
    /// Options that it does not know.
    pub options: Vec<Text>,
}

impl NegotiateProtocolVersion {
    pub(super) fn decode(raw: Frame) -> Result<Self, ProtocolError> {
        let mut reader = Reader::of_message("NegotiateProtocolVersion", &raw);
        let version = reader.u32()?;
        let count = reader.u32()?;
        let mut options = Vec::new();
        for _ in 0..count {
            // Each takes at least its NUL, so a lying count ends here.
            options.push(reader.text()?);
        }
        reader.end()?;
        Ok(Self { raw, version, options })
    }
}
