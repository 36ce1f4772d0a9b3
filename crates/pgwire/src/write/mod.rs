//! Writes every message that the gateway itself sends, to either side.
//!
//! Each function appends one whole message to `out`, or nothing when it fails.
//!
//! **Invariant:** what is written here, the decoders of this crate read back as the same values.
//!
//! Source: PostgreSQL 18 documentation, sections 54.7 and 54.8.

mod to_client;
mod to_target;

use bytes::{BufMut as _, BytesMut};

pub use to_client::{
    Column, ErrorFields, Severity, authentication_cleartext_password, authentication_md5_password,
    authentication_ok, authentication_sasl, authentication_sasl_continue,
    authentication_sasl_final, backend_key_data, bind_complete, close_complete, command_complete,
    data_row, empty_query_response, error_fields, error_response, negotiate_protocol_version,
    no_data, notice_fields, notice_response, notification_response, parameter_description,
    parameter_status, parse_complete, portal_suspended, ready_for_query, row_description,
};
pub use to_target::{
    BindFields, bind, cancel_request, close, copy_data, copy_done, copy_fail, describe, execute,
    flush, gssenc_request, parse, password, query, sasl_initial_response, sasl_response,
    ssl_request, startup, sync, terminate,
};

use crate::error::WriteError;

/// Appends a message: its type byte, its length, and what `body` appends.
fn message(
    out: &mut BytesMut,
    kind: u8,
    body: impl FnOnce(&mut BytesMut) -> Result<(), WriteError>,
) -> Result<(), WriteError> {
    let start = out.len();
    out.put_u8(kind);
    packet(out, body).inspect_err(|_| out.truncate(start))
}

/// Appends a length that counts itself, and what `body` appends.
fn packet(
    out: &mut BytesMut,
    body: impl FnOnce(&mut BytesMut) -> Result<(), WriteError>,
) -> Result<(), WriteError> {
    let start = out.len();
    out.put_u32(0);
    let written = body(out).and_then(|()| fill_in_length(out, start));
    written.inspect_err(|_| out.truncate(start))
}

/// Writes the length of the packet that begins at `start` over its first bytes.
fn fill_in_length(out: &mut BytesMut, start: usize) -> Result<(), WriteError> {
    let packet = out.get_mut(start..).unwrap_or_default();
    let length = i32::try_from(packet.len())?;
    if let Some(place) = packet.first_chunk_mut() {
        *place = length.to_be_bytes();
    }
    Ok(())
}

/// Appends a message that is nothing but a type.
fn empty(out: &mut BytesMut, kind: u8) {
    out.put_u8(kind);
    out.put_u32(4);
}

fn text(out: &mut BytesMut, text: &str) -> Result<(), WriteError> {
    bytes_text(out, text.as_bytes())
}

fn bytes_text(out: &mut BytesMut, bytes: &[u8]) -> Result<(), WriteError> {
    if bytes.contains(&0) {
        return Err(WriteError::InnerNul);
    }
    out.put_slice(bytes);
    out.put_u8(0);
    Ok(())
}

/// Appends a 16-bit count and the values.
fn list<T>(
    out: &mut BytesMut,
    values: &[T],
    mut put: impl FnMut(&mut BytesMut, &T) -> Result<(), WriteError>,
) -> Result<(), WriteError> {
    out.put_u16(u16::try_from(values.len())?);
    values.iter().try_for_each(|value| put(out, value))
}

/// Appends a length and the bytes, or -1 for NULL.
fn value(out: &mut BytesMut, value: Option<&[u8]>) -> Result<(), WriteError> {
    let Some(bytes) = value else {
        out.put_i32(-1);
        return Ok(());
    };
    out.put_i32(i32::try_from(bytes.len())?);
    out.put_slice(bytes);
    Ok(())
}
