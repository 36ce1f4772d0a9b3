//! Reads the fields of one message body. Strict: every field must lie within the message, and
//! nothing may follow the last one.

use std::ffi::CStr;

use bytes::{Buf as _, Bytes};

use crate::{
    error::{Fault, ProtocolError},
    frame::Frame,
    message::Format,
    text::Text,
};

/// The part of a message body that is not read yet.
pub(crate) struct Reader {
    message: &'static str,
    rest: Bytes,
}

impl Reader {
    /// Starts at the first byte of `body`. `message` names the message in errors.
    pub(crate) fn new(message: &'static str, body: Bytes) -> Self {
        Self { message, rest: body }
    }

    /// Starts behind the type byte and the length of a whole message.
    pub(crate) fn of_message(message: &'static str, raw: &Frame) -> Self {
        Self::new(message, raw.body())
    }

    pub(crate) fn fault(&self, fault: Fault) -> ProtocolError {
        ProtocolError::Malformed { message: self.message, fault }
    }

    pub(crate) fn remaining(&self) -> usize {
        self.rest.len()
    }

    pub(crate) fn u8(&mut self) -> Result<u8, ProtocolError> {
        self.rest.try_get_u8().map_err(|_short| self.fault(Fault::Short))
    }

    pub(crate) fn u16(&mut self) -> Result<u16, ProtocolError> {
        self.rest.try_get_u16().map_err(|_short| self.fault(Fault::Short))
    }

    pub(crate) fn i16(&mut self) -> Result<i16, ProtocolError> {
        self.rest.try_get_i16().map_err(|_short| self.fault(Fault::Short))
    }

    pub(crate) fn u32(&mut self) -> Result<u32, ProtocolError> {
        self.rest.try_get_u32().map_err(|_short| self.fault(Fault::Short))
    }

    pub(crate) fn i32(&mut self) -> Result<i32, ProtocolError> {
        self.rest.try_get_i32().map_err(|_short| self.fault(Fault::Short))
    }

    /// Reads `count` bytes.
    pub(crate) fn bytes(&mut self, count: usize) -> Result<Bytes, ProtocolError> {
        if count > self.rest.len() {
            return Err(self.fault(Fault::Short));
        }
        Ok(self.rest.split_to(count))
    }

    /// Reads a length and that many bytes; -1 means NULL.
    pub(crate) fn value(&mut self) -> Result<Option<Bytes>, ProtocolError> {
        let length = self.i32()?;
        if length == -1 {
            return Ok(None);
        }
        let length =
            usize::try_from(length).map_err(|_invalid| self.fault(Fault::NegativeLength))?;
        self.bytes(length).map(Some)
    }

    /// Reads the bytes up to a NUL, and the NUL.
    pub(crate) fn text_bytes(&mut self) -> Result<Bytes, ProtocolError> {
        let length = CStr::from_bytes_until_nul(&self.rest)
            .map_err(|_invalid| self.fault(Fault::Unterminated))?
            .count_bytes();
        let bytes = self.bytes(length)?;
        self.u8()?;
        Ok(bytes)
    }

    /// Reads a text in UTF-8 and its NUL.
    pub(crate) fn text(&mut self) -> Result<Text, ProtocolError> {
        let bytes = self.text_bytes()?;
        Text::new(bytes).ok_or(self.fault(Fault::NotUtf8))
    }

    pub(crate) fn format(&mut self) -> Result<Format, ProtocolError> {
        match self.u16()? {
            0 => Ok(Format::Text),
            1 => Ok(Format::Binary),
            _ => Err(self.fault(Fault::UndefinedCode)),
        }
    }

    /// Reads a 16-bit count and that many values. `least` is the size of the smallest value: a count
    /// that cannot be true is refused before memory is reserved for it.
    pub(crate) fn list<T>(
        &mut self,
        least: usize,
        mut read: impl FnMut(&mut Self) -> Result<T, ProtocolError>,
    ) -> Result<Vec<T>, ProtocolError> {
        let count = usize::from(self.u16()?);
        if count.saturating_mul(least) > self.rest.len() {
            return Err(self.fault(Fault::Short));
        }
        let mut values = Vec::with_capacity(count);
        for _ in 0..count {
            values.push(read(self)?);
        }
        Ok(values)
    }

    /// Checks that nothing is left.
    pub(crate) fn end(self) -> Result<(), ProtocolError> {
        if self.rest.is_empty() { Ok(()) } else { Err(self.fault(Fault::Trailing)) }
    }

    /// Returns what is left.
    pub(crate) fn into_rest(self) -> Bytes {
        self.rest
    }
}
