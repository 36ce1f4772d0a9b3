//! The messages that carry and end the data of a COPY.

use std::fmt;

use bytes::Bytes;

use crate::{error::ProtocolError, frame::Frame, reader::Reader, text::Text};

/// Data of a COPY, in either direction. Message boundaries mean nothing: a row may span several.
#[derive(Clone)]
pub struct CopyData {
    /// The whole message.
    pub raw: Frame,
    /// The data.
    pub data: Bytes,
}

impl CopyData {
    pub(crate) fn decode(raw: Frame) -> Self {
        let data = Reader::of_message("CopyData", &raw).into_rest();
        Self { raw, data }
    }
}

/// Shows no data.
impl fmt::Debug for CopyData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CopyData({} bytes)", self.data.len())
    }
}

/// Failure of a COPY FROM STDIN.
#[derive(Clone, Debug)]
pub struct CopyFail {
    /// The whole message.
    pub raw: Frame,
    /// What the client says about it.
    pub text: Text,
}

impl CopyFail {
    pub(super) fn decode(raw: Frame) -> Result<Self, ProtocolError> {
        let mut reader = Reader::of_message("CopyFail", &raw);
        let text = reader.text()?;
        reader.end()?;
        Ok(Self { raw, text })
    }
}
