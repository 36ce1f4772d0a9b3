//! The messages that name a statement or portal: Describe, Execute, Close.

use crate::{
    error::{Fault, ProtocolError},
    frame::Frame,
    message::Named,
    reader::Reader,
    text::Text,
};

/// Ask for the columns of a statement or portal.
#[derive(Clone, Debug)]
pub struct Describe {
    /// The whole message.
    pub raw: Frame,
    /// Which of the two.
    pub named: Named,
    /// Its name; empty for the unnamed one.
    pub name: Text,
}

impl Describe {
    pub(super) fn decode(raw: Frame) -> Result<Self, ProtocolError> {
        let (named, name) = named("Describe", &raw)?;
        Ok(Self { raw, named, name })
    }
}

/// Drop a statement or portal.
#[derive(Clone, Debug)]
pub struct Close {
    /// The whole message.
    pub raw: Frame,
    /// Which of the two.
    pub named: Named,
    /// Its name; empty for the unnamed one.
    pub name: Text,
}

impl Close {
    pub(super) fn decode(raw: Frame) -> Result<Self, ProtocolError> {
        let (named, name) = named("Close", &raw)?;
        Ok(Self { raw, named, name })
    }
}

/// Run a portal.
#[derive(Clone, Debug)]
pub struct Execute {
    /// The whole message.
    pub raw: Frame,
    /// Name of the portal; empty for the unnamed one.
    pub portal: Text,
    /// Most rows to return before the portal is suspended; 0 for all. PostgreSQL takes a negative
    /// number for all, too.
    pub rows_max: u32,
}

impl Execute {
    pub(super) fn decode(raw: Frame) -> Result<Self, ProtocolError> {
        let mut reader = Reader::of_message("Execute", &raw);
        let portal = reader.text()?;
        let rows_max = u32::try_from(reader.i32()?).unwrap_or(0);
        reader.end()?;
        Ok(Self { raw, portal, rows_max })
    }
}

fn named(message: &'static str, raw: &Frame) -> Result<(Named, Text), ProtocolError> {
    let mut reader = Reader::of_message(message, raw);
    let named = match reader.u8()? {
        b'S' => Named::Statement,
        b'P' => Named::Portal,
        _ => return Err(reader.fault(Fault::UndefinedCode)),
    };
    let name = reader.text()?;
    reader.end()?;
    Ok((named, name))
}
