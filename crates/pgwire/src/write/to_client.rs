//! Messages to the client: what a server sends.

use bytes::{BufMut as _, BytesMut};

use super::{empty, list, message, text, value};
use crate::{
    error::WriteError,
    limits::ERROR_TEXT_BYTES_MAX,
    message::{Format, TransactionStatus},
};

/// One column of a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column<'a> {
    /// Its name.
    pub name: &'a str,
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
    /// How its values are written.
    pub format: Format,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The session ends.
    Fatal,
    /// The command failed.
    Error,
    /// The client should know.
    Warning,
    /// The client may like to know.
    Notice,
}

impl Severity {
    /// Returns the word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fatal => "FATAL",
            Self::Error => "ERROR",
            Self::Warning => "WARNING",
            Self::Notice => "NOTICE",
        }
    }
}

/// The fields of an error or notice of the gateway's own.
#[derive(Clone, Copy, Debug)]
pub struct ErrorFields<'a> {
    /// How bad it is.
    pub severity: Severity,
    /// Five characters.
    pub sqlstate: &'a str,
    /// What happened, in one sentence.
    pub message: &'a str,
    /// More of it.
    pub detail: Option<&'a str>,
    /// What to do about it.
    pub hint: Option<&'a str>,
    /// Where in the client's SQL, counted in characters from 1.
    pub position: Option<u32>,
    /// The routine of PostgreSQL's that says so, where drivers go by it.
    pub routine: Option<&'a str>,
}

impl<'a> ErrorFields<'a> {
    /// An error that fails the command.
    pub fn error(sqlstate: &'a str, message: &'a str) -> Self {
        Self {
            severity: Severity::Error,
            sqlstate,
            message,
            detail: None,
            hint: None,
            position: None,
            routine: None,
        }
    }

    /// An error that ends the session.
    pub fn fatal(sqlstate: &'a str, message: &'a str) -> Self {
        Self { severity: Severity::Fatal, ..Self::error(sqlstate, message) }
    }
}

/// Tells an error. A NUL in a text becomes U+FFFD, a text beyond [`ERROR_TEXT_BYTES_MAX`] is cut, and
/// what is no SQLSTATE becomes `XX000`: telling an error never fails.
pub fn error_response(out: &mut BytesMut, fields: &ErrorFields<'_>) {
    report(out, b'E', fields);
}

/// Tells a notice, with the same leniency.
pub fn notice_response(out: &mut BytesMut, fields: &ErrorFields<'_>) {
    report(out, b'N', fields);
}

fn report(out: &mut BytesMut, kind: u8, fields: &ErrorFields<'_>) {
    let position = fields.position.map(|position| position.to_string());
    let written = message(out, kind, |out| {
        put_field(out, b'S', fields.severity.as_str());
        put_field(out, b'V', fields.severity.as_str());
        put_field(out, b'C', valid_sqlstate(fields.sqlstate));
        put_field(out, b'M', fields.message);
        let optional = [
            (b'D', fields.detail),
            (b'H', fields.hint),
            (b'P', position.as_deref()),
            (b'R', fields.routine),
        ];
        for (code, text) in optional {
            if let Some(text) = text {
                put_field(out, code, text);
            }
        }
        out.put_u8(0);
        Ok(())
    });
    debug_assert!(written.is_ok(), "every text is bounded");
}

/// Tells an error with the fields of another, such as a target's. Nothing is added or cut.
///
/// # Errors
///
/// [`WriteError`] if a field holds a NUL, or all are too long together.
pub fn error_fields<'a>(
    out: &mut BytesMut,
    fields: impl IntoIterator<Item = (u8, &'a [u8])>,
) -> Result<(), WriteError> {
    fields_as(out, b'E', fields)
}

/// Tells a notice with the fields of another.
///
/// # Errors
///
/// As [`error_fields`].
pub fn notice_fields<'a>(
    out: &mut BytesMut,
    fields: impl IntoIterator<Item = (u8, &'a [u8])>,
) -> Result<(), WriteError> {
    fields_as(out, b'N', fields)
}

fn fields_as<'a>(
    out: &mut BytesMut,
    kind: u8,
    fields: impl IntoIterator<Item = (u8, &'a [u8])>,
) -> Result<(), WriteError> {
    message(out, kind, |out| {
        for (code, bytes) in fields {
            if code == 0 || bytes.contains(&0) {
                return Err(WriteError::InnerNul);
            }
            out.put_u8(code);
            out.put_slice(bytes);
            out.put_u8(0);
        }
        out.put_u8(0);
        Ok(())
    })
}

fn put_field(out: &mut BytesMut, code: u8, text: &str) {
    out.put_u8(code);
    let end = text.floor_char_boundary(ERROR_TEXT_BYTES_MAX);
    for (index, piece) in text.get(..end).unwrap_or_default().split('\0').enumerate() {
        if index > 0 {
            out.put_slice("\u{fffd}".as_bytes());
        }
        out.put_slice(piece.as_bytes());
    }
    out.put_u8(0);
}

fn valid_sqlstate(sqlstate: &str) -> &str {
    let valid = sqlstate.len() == 5
        && sqlstate.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase());
    if valid { sqlstate } else { "XX000" }
}

/// Tells that the client is logged in.
pub fn authentication_ok(out: &mut BytesMut) {
    out.put_slice(b"R\0\0\0\x08\0\0\0\0");
}

/// Asks for the password itself.
pub fn authentication_cleartext_password(out: &mut BytesMut) {
    out.put_slice(b"R\0\0\0\x08\0\0\0\x03");
}

/// Asks for the MD5 form of the password.
pub fn authentication_md5_password(out: &mut BytesMut, salt: [u8; 4]) {
    out.put_slice(b"R\0\0\0\x0c\0\0\0\x05");
    out.put_slice(&salt);
}

/// Offers SASL mechanisms.
///
/// # Errors
///
/// [`WriteError::InnerNul`] if one holds a NUL.
pub fn authentication_sasl(out: &mut BytesMut, mechanisms: &[&str]) -> Result<(), WriteError> {
    message(out, b'R', |out| {
        out.put_u32(10);
        mechanisms.iter().try_for_each(|mechanism| text(out, mechanism))?;
        out.put_u8(0);
        Ok(())
    })
}

/// Sends a SASL challenge.
///
/// # Errors
///
/// [`WriteError::TooLong`] if it is too long.
pub fn authentication_sasl_continue(
    out: &mut BytesMut,
    challenge: &[u8],
) -> Result<(), WriteError> {
    sasl(out, 11, challenge)
}

/// Sends the last SASL message.
///
/// # Errors
///
/// [`WriteError::TooLong`] if it is too long.
pub fn authentication_sasl_final(out: &mut BytesMut, last: &[u8]) -> Result<(), WriteError> {
    sasl(out, 12, last)
}

fn sasl(out: &mut BytesMut, code: u32, data: &[u8]) -> Result<(), WriteError> {
    message(out, b'R', |out| {
        out.put_u32(code);
        out.put_slice(data);
        Ok(())
    })
}

/// Tells that the server speaks an older minor version, or not all protocol options. `version` has
/// the major version in its upper 16 bits.
///
/// # Errors
///
/// [`WriteError`] if an option holds a NUL or there are too many.
pub fn negotiate_protocol_version(
    out: &mut BytesMut,
    version: u32,
    options: &[impl AsRef<str>],
) -> Result<(), WriteError> {
    message(out, b'v', |out| {
        out.put_u32(version);
        out.put_u32(u32::try_from(options.len())?);
        options.iter().try_for_each(|option| text(out, option.as_ref()))
    })
}

/// Tells the value of a setting.
///
/// # Errors
///
/// [`WriteError::InnerNul`] if name or value holds a NUL.
pub fn parameter_status(out: &mut BytesMut, name: &str, value: &str) -> Result<(), WriteError> {
    message(out, b'S', |out| {
        text(out, name)?;
        text(out, value)
    })
}

/// Passes on what a session that listens is notified of.
///
/// # Errors
///
/// [`WriteError::InnerNul`] if channel or payload holds a NUL.
pub fn notification_response(
    out: &mut BytesMut,
    pid: u32,
    channel: &str,
    payload: &str,
) -> Result<(), WriteError> {
    message(out, b'A', |out| {
        out.put_u32(pid);
        text(out, channel)?;
        text(out, payload)
    })
}

/// Tells what a cancel request must name. In protocol 3.0 the key must have four bytes.
///
/// # Errors
///
/// [`WriteError::TooLong`] if the key is too long for any message.
pub fn backend_key_data(out: &mut BytesMut, pid: u32, key: &[u8]) -> Result<(), WriteError> {
    message(out, b'K', |out| {
        out.put_u32(pid);
        out.put_slice(key);
        Ok(())
    })
}

/// Tells that the next Query is taken, or that the batch is over.
pub fn ready_for_query(out: &mut BytesMut, status: TransactionStatus) {
    out.put_u8(b'Z');
    out.put_u32(5);
    out.put_u8(status.code());
}

/// Describes the columns of the rows that follow, or would follow.
///
/// # Errors
///
/// [`WriteError`] if a name holds a NUL or there are too many columns.
pub fn row_description(out: &mut BytesMut, columns: &[Column<'_>]) -> Result<(), WriteError> {
    message(out, b'T', |out| {
        list(out, columns, |out, column| {
            text(out, column.name)?;
            out.put_u32(column.table_oid);
            out.put_i16(column.attnum);
            out.put_u32(column.type_oid);
            out.put_i16(column.typlen);
            out.put_i32(column.typmod);
            out.put_u16(column.format.code());
            Ok(())
        })
    })
}

/// Sends one row.
///
/// # Errors
///
/// [`WriteError::TooLong`] if there are too many values or one is too long.
pub fn data_row(out: &mut BytesMut, values: &[Option<impl AsRef<[u8]>>]) -> Result<(), WriteError> {
    message(out, b'D', |out| {
        list(out, values, |out, cell| value(out, cell.as_ref().map(AsRef::as_ref)))
    })
}

/// Tells that a statement was run to its end.
///
/// # Errors
///
/// [`WriteError::InnerNul`] if the tag holds a NUL.
pub fn command_complete(out: &mut BytesMut, tag: &str) -> Result<(), WriteError> {
    message(out, b'C', |out| text(out, tag))
}

/// Tells the types of a statement's parameters.
///
/// # Errors
///
/// [`WriteError::TooLong`] if there are too many.
pub fn parameter_description(out: &mut BytesMut, types: &[u32]) -> Result<(), WriteError> {
    message(out, b't', |out| {
        list(out, types, |out, oid| {
            out.put_u32(*oid);
            Ok(())
        })
    })
}

/// Tells that the SQL text was empty.
pub fn empty_query_response(out: &mut BytesMut) {
    empty(out, b'I');
}

/// Tells that a Parse succeeded.
pub fn parse_complete(out: &mut BytesMut) {
    empty(out, b'1');
}

/// Tells that a Bind succeeded.
pub fn bind_complete(out: &mut BytesMut) {
    empty(out, b'2');
}

/// Tells that a Close succeeded.
pub fn close_complete(out: &mut BytesMut) {
    empty(out, b'3');
}

/// Tells that a statement or portal returns no rows.
pub fn no_data(out: &mut BytesMut) {
    empty(out, b'n');
}

/// Tells that an Execute returned as many rows as it asked for.
pub fn portal_suspended(out: &mut BytesMut) {
    empty(out, b's');
}
