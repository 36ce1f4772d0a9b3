//! The messages that bring SQL text: Query and Parse.

use crate::{error::ProtocolError, frame::Frame, reader::Reader, text::Text};

/// Run one or more statements.
#[derive(Clone, Debug)]
pub struct Query {
    /// The whole message.
    pub raw: Frame,
    /// The SQL.
    pub text: Text,
}

impl Query {
    pub(super) fn decode(raw: Frame) -> Result<Self, ProtocolError> {
        let mut reader = Reader::of_message("Query", &raw);
        let text = reader.text()?;
        reader.end()?;
        Ok(Self { raw, text })
    }
}

/// Make a prepared statement.
#[derive(Clone, Debug)]
pub struct Parse {
    /// The whole message.
    pub raw: Frame,
    /// Name of the statement; empty for the unnamed one.
    pub name: Text,
    /// The SQL.
    pub text: Text,
    /// OIDs of the parameters' types, as far as given; 0 leaves one to the target.
    pub parameter_types: Vec<u32>,
}

impl Parse {
    pub(super) fn decode(raw: Frame) -> Result<Self, ProtocolError> {
        let mut reader = Reader::of_message("Parse", &raw);
        let name = reader.text()?;
        let text = reader.text()?;
        let parameter_types = reader.list(4, Reader::u32)?;
        reader.end()?;
        Ok(Self { raw, name, text, parameter_types })
    }
}
