//! Messages to the target: what a client sends.

use bytes::{BufMut as _, BytesMut};

use super::{bytes_text, empty, list, message, packet, text, value};
use crate::{
    error::WriteError,
    message::{Format, Named},
    startup,
};

/// Asks for TLS. Nothing may be sent behind it before the answer of one byte.
pub fn ssl_request(out: &mut BytesMut) {
    out.put_u32(8);
    out.put_u32(startup::SSL_REQUEST);
}

/// Asks for GSSAPI encryption.
pub fn gssenc_request(out: &mut BytesMut) {
    out.put_u32(8);
    out.put_u32(startup::GSSENC_REQUEST);
}

/// Asks to cancel what another session is doing.
///
/// # Errors
///
/// [`WriteError::TooLong`] if the key is too long for any message.
pub fn cancel_request(out: &mut BytesMut, pid: u32, key: &[u8]) -> Result<(), WriteError> {
    packet(out, |out| {
        out.put_u32(startup::CANCEL_REQUEST);
        out.put_u32(pid);
        out.put_slice(key);
        Ok(())
    })
}

/// Begins a session in protocol 3.0.
///
/// # Errors
///
/// [`WriteError::InnerNul`] if a name or value holds a NUL.
pub fn startup<'a>(
    out: &mut BytesMut,
    parameters: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<(), WriteError> {
    packet(out, |out| {
        out.put_u32(startup::PROTOCOL_3_0);
        for (name, value) in parameters {
            text(out, name)?;
            text(out, value)?;
        }
        out.put_u8(0);
        Ok(())
    })
}

/// Sends a password, or its MD5 form.
///
/// # Errors
///
/// [`WriteError::InnerNul`] if it holds a NUL.
pub fn password(out: &mut BytesMut, password: &[u8]) -> Result<(), WriteError> {
    message(out, b'p', |out| bytes_text(out, password))
}

/// Chooses a SASL mechanism and sends its first message.
///
/// # Errors
///
/// [`WriteError`] if the mechanism holds a NUL or the message is too long.
pub fn sasl_initial_response(
    out: &mut BytesMut,
    mechanism: &str,
    first: &[u8],
) -> Result<(), WriteError> {
    message(out, b'p', |out| {
        text(out, mechanism)?;
        value(out, Some(first))
    })
}

/// Sends a further SASL message.
///
/// # Errors
///
/// [`WriteError::TooLong`] if it is too long.
pub fn sasl_response(out: &mut BytesMut, response: &[u8]) -> Result<(), WriteError> {
    message(out, b'p', |out| {
        out.put_slice(response);
        Ok(())
    })
}

/// Runs SQL by the simple protocol.
///
/// # Errors
///
/// [`WriteError`] if the SQL holds a NUL or is too long.
pub fn query(out: &mut BytesMut, sql: &str) -> Result<(), WriteError> {
    message(out, b'Q', |out| text(out, sql))
}

/// Makes a prepared statement; the empty name is the unnamed one.
///
/// # Errors
///
/// [`WriteError`] if a text holds a NUL or there are too many types.
pub fn parse(
    out: &mut BytesMut,
    name: &str,
    sql: &str,
    parameter_types: &[u32],
) -> Result<(), WriteError> {
    message(out, b'P', |out| {
        text(out, name)?;
        text(out, sql)?;
        list(out, parameter_types, |out, oid| {
            out.put_u32(*oid);
            Ok(())
        })
    })
}

/// What a Bind says. The fields of a decoded [`crate::frontend::Bind`] fit as they are.
#[derive(Clone, Copy)]
pub struct BindFields<'a, V> {
    /// Name of the portal.
    pub portal: &'a str,
    /// Name of the statement.
    pub statement: &'a str,
    /// Formats of the parameters: none (all text), one for all, or one each.
    pub parameter_formats: &'a [Format],
    /// The parameters' values, `None` for NULL.
    pub parameters: &'a [Option<V>],
    /// Formats asked for the result's columns: none (all text), one for all, or one each.
    pub result_formats: &'a [Format],
}

/// Shows no value.
impl<V> std::fmt::Debug for BindFields<'_, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BindFields")
            .field("parameters", &self.parameters.len())
            .finish_non_exhaustive()
    }
}

/// Makes a portal of a prepared statement and parameters.
///
/// # Errors
///
/// [`WriteError`] if a name holds a NUL or a list or value is too long.
pub fn bind<V: AsRef<[u8]>>(
    out: &mut BytesMut,
    fields: BindFields<'_, V>,
) -> Result<(), WriteError> {
    message(out, b'B', |out| {
        text(out, fields.portal)?;
        text(out, fields.statement)?;
        list(out, fields.parameter_formats, put_format)?;
        list(out, fields.parameters, |out, parameter| {
            value(out, parameter.as_ref().map(AsRef::as_ref))
        })?;
        list(out, fields.result_formats, put_format)
    })
}

/// Asks for the columns of a statement or portal.
///
/// # Errors
///
/// [`WriteError::InnerNul`] if the name holds a NUL.
pub fn describe(out: &mut BytesMut, named: Named, name: &str) -> Result<(), WriteError> {
    message(out, b'D', |out| {
        out.put_u8(named.code());
        text(out, name)
    })
}

/// Runs a portal. `rows_max` is the most rows to return before it is suspended, 0 for all.
///
/// # Errors
///
/// [`WriteError`] if the name holds a NUL, or `rows_max` is beyond a signed 32-bit number.
pub fn execute(out: &mut BytesMut, portal: &str, rows_max: u32) -> Result<(), WriteError> {
    let rows_max = i32::try_from(rows_max)?;
    message(out, b'E', |out| {
        text(out, portal)?;
        out.put_i32(rows_max);
        Ok(())
    })
}

/// Drops a statement or portal.
///
/// # Errors
///
/// [`WriteError::InnerNul`] if the name holds a NUL.
pub fn close(out: &mut BytesMut, named: Named, name: &str) -> Result<(), WriteError> {
    message(out, b'C', |out| {
        out.put_u8(named.code());
        text(out, name)
    })
}

/// Asks for the replies so far.
pub fn flush(out: &mut BytesMut) {
    empty(out, b'H');
}

/// Ends a batch.
pub fn sync(out: &mut BytesMut) {
    empty(out, b'S');
}

/// Ends the session.
pub fn terminate(out: &mut BytesMut) {
    empty(out, b'X');
}

/// Sends data of a COPY, in either direction.
///
/// # Errors
///
/// [`WriteError::TooLong`] if it is too long.
pub fn copy_data(out: &mut BytesMut, data: &[u8]) -> Result<(), WriteError> {
    message(out, b'd', |out| {
        out.put_slice(data);
        Ok(())
    })
}

/// Ends the data of a COPY, in either direction.
pub fn copy_done(out: &mut BytesMut) {
    empty(out, b'c');
}

/// Lets a COPY FROM STDIN fail.
///
/// # Errors
///
/// [`WriteError::InnerNul`] if the reason holds a NUL.
pub fn copy_fail(out: &mut BytesMut, reason: &str) -> Result<(), WriteError> {
    message(out, b'f', |out| text(out, reason))
}

#[expect(
    clippy::unnecessary_wraps,
    clippy::trivially_copy_pass_by_ref,
    reason = "the form of the writers that `list` takes"
)]
fn put_format(out: &mut BytesMut, format: &Format) -> Result<(), WriteError> {
    out.put_u16(format.code());
    Ok(())
}
