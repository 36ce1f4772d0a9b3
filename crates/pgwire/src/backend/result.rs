//! The messages that describe a result: its parameters, its columns, its end.

use crate::{
    error::{Fault, ProtocolError},
    frame::Frame,
    limits::ROW_COLUMNS_MAX,
    message::Format,
    reader::Reader,
    text::Text,
    write::Column,
};

/// A column name, at least its NUL, and the fixed fields behind it.
const FIELD_BYTES_LEAST: usize = 19;

/// Columns of the rows that follow, or would follow.
#[derive(Clone, Debug)]
pub struct RowDescription {
    /// The whole message.
    pub raw: Frame,
    /// The columns in order. At most [`ROW_COLUMNS_MAX`].
    pub fields: Vec<Field>,
}

/// One column of a result.
#[derive(Clone, Debug)]
pub struct Field {
    /// Its name.
    pub name: Text,
    /// The table that it comes from as it is, or 0.
    pub table_oid: u32,
    /// Its number in that table, or 0.
    pub attnum: i16,
    /// Its type.
    pub type_oid: u32,
    /// Size of its type, negative if that varies.
    pub typlen: i16,
    /// Modifier of its type, or -1.
    pub typmod: i32,
    /// How its values are written. In the answer to a Describe of a statement not known yet, and
    /// then [`Format::Text`].
    pub format: Format,
}

impl RowDescription {
    pub(super) fn decode(raw: Frame) -> Result<Self, ProtocolError> {
        let mut reader = Reader::of_message("RowDescription", &raw);
        let fields = reader.list(FIELD_BYTES_LEAST, |reader| {
            Ok(Field {
                name: reader.text()?,
                table_oid: reader.u32()?,
                attnum: reader.i16()?,
                type_oid: reader.u32()?,
                typlen: reader.i16()?,
                typmod: reader.i32()?,
                format: reader.format()?,
            })
        })?;
        if fields.len() > ROW_COLUMNS_MAX {
            return Err(reader.fault(Fault::Count));
        }
        reader.end()?;
        Ok(Self { raw, fields })
    }
}

impl Field {
    /// Returns the column as [`crate::write::row_description`] takes it.
    pub fn column(&self) -> Column<'_> {
        Column {
            name: self.name.as_str(),
            table_oid: self.table_oid,
            attnum: self.attnum,
            type_oid: self.type_oid,
            typlen: self.typlen,
            typmod: self.typmod,
            format: self.format,
        }
    }
}

/// Types of a statement's parameters.
#[derive(Clone, Debug)]
pub struct ParameterDescription {
    /// The whole message.
    pub raw: Frame,
    /// OIDs of the types, in order.
    pub types: Vec<u32>,
}

impl ParameterDescription {
    pub(super) fn decode(raw: Frame) -> Result<Self, ProtocolError> {
        let mut reader = Reader::of_message("ParameterDescription", &raw);
        let types = reader.list(4, Reader::u32)?;
        reader.end()?;
        Ok(Self { raw, types })
    }
}

/// A statement was run to its end.
#[derive(Clone, Debug)]
pub struct CommandComplete {
    /// The whole message.
    pub raw: Frame,
    /// What was done, such as `SELECT 5` or `INSERT 0 1`.
    pub tag: Text,
}

impl CommandComplete {
    pub(super) fn decode(raw: Frame) -> Result<Self, ProtocolError> {
        let mut reader = Reader::of_message("CommandComplete", &raw);
        let tag = reader.text()?;
        reader.end()?;
        Ok(Self { raw, tag })
    }

    /// Returns the number of rows that the tag ends with, if it does: rows returned or changed.
    pub fn rows(&self) -> Option<u64> {
        let (_, last) = self.tag.as_str().rsplit_once(' ')?;
        last.parse().ok()
    }
}
