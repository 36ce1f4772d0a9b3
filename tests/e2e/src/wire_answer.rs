//! What a server said, taken apart.

use std::fmt;

use crate::wire::Stop;

/// One message of the server.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// Its type byte.
    pub kind: u8,
    /// What follows the length.
    pub body: Vec<u8>,
}

/// An `ErrorResponse`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqlError {
    /// PostgreSQL's error code. `08006` if the connection broke instead.
    pub sqlstate: String,
    /// The message.
    pub message: String,
    /// Every field as (type, text).
    pub fields: Vec<(char, String)>,
}

/// A column of a `RowDescription`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Object id of its table, or zero.
    pub table_oid: u32,
    /// Its number in the table, or zero.
    pub number: i16,
    /// Object id of its type.
    pub type_oid: u32,
    /// 0 for text, 1 for binary.
    pub format: i16,
}

/// Cells of one row; nothing is NULL.
pub type Row = Vec<Option<Vec<u8>>>;

/// The messages up to `ReadyForQuery`, or up to where the server stopped.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The messages.
    pub messages: Vec<Message>,
    /// Why there are no more.
    pub stop: Stop,
}

impl Answer {
    /// All errors.
    pub fn errors(&self) -> Vec<SqlError> {
        self.of_kind(b'E').map(|message| SqlError::parse(&message.body)).collect()
    }

    /// SQLSTATE of the first error.
    pub fn sqlstate(&self) -> Option<String> {
        self.errors().into_iter().next().map(|error| error.sqlstate)
    }

    /// All rows.
    pub fn rows(&self) -> Vec<Row> {
        self.of_kind(b'D').map(|message| cells(&message.body)).collect()
    }

    /// All rows, as text.
    pub fn texts(&self) -> Vec<Vec<Option<String>>> {
        let text = |cell: Vec<u8>| String::from_utf8_lossy(&cell).into_owned();
        let row = |row: Row| row.into_iter().map(|cell| cell.map(text)).collect();
        self.rows().into_iter().map(row).collect()
    }

    /// Tags of the `CommandComplete` messages.
    pub fn tags(&self) -> Vec<String> {
        self.of_kind(b'C').map(|message| text_until_nul(&message.body).0).collect()
    }

    /// The first `RowDescription`'s columns.
    pub fn fields(&self) -> Vec<Field> {
        self.of_kind(b'T').next().map(|message| fields(&message.body)).unwrap_or_default()
    }

    /// The types of all messages, in order.
    pub fn kinds(&self) -> String {
        self.messages.iter().map(|message| char::from(message.kind)).collect()
    }

    /// True if the server closed the connection.
    pub fn is_closed(&self) -> bool {
        self.stop == Stop::Closed
    }

    fn of_kind(&self, kind: u8) -> impl Iterator<Item = &Message> {
        self.messages.iter().filter(move |message| message.kind == kind)
    }
}

impl SqlError {
    /// Takes an `ErrorResponse` or `NoticeResponse` apart.
    pub fn parse(body: &[u8]) -> Self {
        let fields: Vec<(char, String)> = body
            .split(|&byte| byte == 0)
            .filter(|field| !field.is_empty())
            .map(|field| (char::from(field[0]), String::from_utf8_lossy(&field[1..]).into_owned()))
            .collect();
        let field = |kind: char| {
            fields
                .iter()
                .find(|(k, _)| *k == kind)
                .map(|(_, text)| text.clone())
                .unwrap_or_default()
        };
        Self { sqlstate: field('C'), message: field('M'), fields }
    }

    /// The connection broke.
    pub fn lost(message: &str) -> Self {
        Self { sqlstate: "08006".into(), message: message.into(), fields: Vec::new() }
    }
}

impl fmt::Display for SqlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.sqlstate, self.message)
    }
}

impl std::error::Error for SqlError {}

impl Message {
    /// Takes the first whole message out of the bytes.
    pub fn take(bytes: &mut Vec<u8>) -> Option<Self> {
        let header = bytes.get(..5)?;
        let length = u32::from_be_bytes(header[1..].try_into().unwrap()) as usize;
        assert!(length >= 4, "the server announced a message of {length} bytes");
        if bytes.len() < length + 1 {
            return None;
        }
        let body = bytes[5..=length].to_vec();
        let kind = bytes[0];
        bytes.drain(..=length);
        Some(Self { kind, body })
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let body = String::from_utf8_lossy(&self.body);
        let body: String = body.chars().take(200).collect();
        write!(f, "{}({body:?})", char::from(self.kind))
    }
}

/// The cells of a `DataRow`.
pub fn cells(body: &[u8]) -> Row {
    let count = i16::from_be_bytes(body[..2].try_into().unwrap());
    let mut rest = &body[2..];
    let mut cells = Vec::new();
    for _ in 0..count {
        let length = i32::from_be_bytes(rest[..4].try_into().unwrap());
        rest = &rest[4..];
        cells.push(usize::try_from(length).ok().map(|length| {
            let (cell, behind) = rest.split_at(length);
            rest = behind;
            cell.to_vec()
        }));
    }
    assert!(rest.is_empty(), "bytes behind the last cell of a row");
    cells
}

/// The columns of a `RowDescription`.
pub fn fields(body: &[u8]) -> Vec<Field> {
    let count = i16::from_be_bytes(body[..2].try_into().unwrap());
    let mut rest = &body[2..];
    let mut fields = Vec::new();
    for _ in 0..count {
        let (name, behind) = text_until_nul(rest);
        let i16_at = |at: usize| i16::from_be_bytes(behind[at..at + 2].try_into().unwrap());
        let u32_at = |at: usize| u32::from_be_bytes(behind[at..at + 4].try_into().unwrap());
        let (table_oid, number) = (u32_at(0), i16_at(4));
        fields.push(Field { name, table_oid, number, type_oid: u32_at(6), format: i16_at(16) });
        rest = &behind[18..];
    }
    fields
}

fn text_until_nul(bytes: &[u8]) -> (String, &[u8]) {
    let end = bytes.iter().position(|&byte| byte == 0).unwrap();
    (String::from_utf8_lossy(&bytes[..end]).into_owned(), &bytes[end + 1..])
}
