//! Bind: a portal of a prepared statement and parameters.

use std::fmt;

use bytes::Bytes;

use crate::{
    error::{Fault, ProtocolError},
    frame::Frame,
    message::Format,
    reader::Reader,
    text::Text,
};

/// Make a portal of a prepared statement and parameters.
#[derive(Clone)]
pub struct Bind {
    /// The whole message.
    pub raw: Frame,
    /// Name of the portal; empty for the unnamed one.
    pub portal: Text,
    /// Name of the statement; empty for the unnamed one.
    pub statement: Text,
    /// Formats of the parameters: none (all text), one for all, or one each.
    pub parameter_formats: Vec<Format>,
    /// The parameters' values, `None` for NULL. At most [`crate::limits::BIND_PARAMETERS_MAX`].
    pub parameters: Vec<Option<Bytes>>,
    /// Formats asked for the result's columns: none (all text), one for all, or one each.
    pub result_formats: Vec<Format>,
}

impl Bind {
    pub(super) fn decode(raw: Frame) -> Result<Self, ProtocolError> {
        let mut reader = Reader::of_message("Bind", &raw);
        let portal = reader.text()?;
        let statement = reader.text()?;
        let parameter_formats = reader.list(2, Reader::format)?;
        let parameters = reader.list(4, Reader::value)?;
        let result_formats = reader.list(2, Reader::format)?;
        if parameter_formats.len() > 1 && parameter_formats.len() != parameters.len() {
            return Err(reader.fault(Fault::Count));
        }
        reader.end()?;
        Ok(Self { raw, portal, statement, parameter_formats, parameters, result_formats })
    }

    /// Returns the format of one parameter, counted from 0.
    pub fn parameter_format(&self, index: usize) -> Format {
        format_of(&self.parameter_formats, index)
    }

    /// Returns the format asked for one column of the result, counted from 0.
    pub fn result_format(&self, index: usize) -> Format {
        format_of(&self.result_formats, index)
    }
}

fn format_of(formats: &[Format], index: usize) -> Format {
    match formats {
        [] => Format::Text,
        [all] => *all,
        each => each.get(index).copied().unwrap_or(Format::Text),
    }
}

/// Shows no value.
impl fmt::Debug for Bind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bind")
            .field("portal", &self.portal)
            .field("statement", &self.statement)
            .field("parameters", &self.parameters.len())
            .finish_non_exhaustive()
    }
}
