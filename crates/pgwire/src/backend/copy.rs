//! The messages that begin a COPY.

use crate::{
    error::{Fault, ProtocolError},
    frame::Frame,
    message::Format,
    reader::Reader,
};

/// A COPY begins.
#[derive(Clone, Debug)]
pub struct CopyResponse {
    /// The whole message.
    pub raw: Frame,
    /// Format of the whole.
    pub format: Format,
    /// Format of each column.
    pub column_formats: Vec<Format>,
}

impl CopyResponse {
    pub(super) fn decode(name: &'static str, raw: Frame) -> Result<Self, ProtocolError> {
        let mut reader = Reader::of_message(name, &raw);
        let format = match reader.u8()? {
            0 => Format::Text,
            1 => Format::Binary,
            _ => return Err(reader.fault(Fault::UndefinedCode)),
        };
        let column_formats = reader.list(2, Reader::format)?;
        reader.end()?;
        Ok(Self { raw, format, column_formats })
    }
}
