//! The fields of `ErrorResponse` and `NoticeResponse`.
//!
//! A report can quote values of any column (`Key (ssn)=(…) already exists`), so `Debug` shows the
//! SQLSTATE only, and what reaches the client should be rebuilt from [`Report::sqlstate`].
//!
//! Source: PostgreSQL 18 documentation, section 54.8.

use std::{borrow::Cow, fmt};

use bytes::Bytes;

use crate::{
    error::{Fault, ProtocolError},
    frame::Frame,
    reader::Reader,
};

/// An error or a notice of a target.
#[derive(Clone)]
pub struct Report {
    /// The whole message.
    pub raw: Frame,
    fields: Vec<(u8, Bytes)>,
}

impl Report {
    pub(crate) fn decode(name: &'static str, raw: Frame) -> Result<Self, ProtocolError> {
        let mut reader = Reader::of_message(name, &raw);
        let mut fields: Vec<(u8, Bytes)> = Vec::with_capacity(8);
        loop {
            let code = reader.u8()?;
            if code == 0 {
                break;
            }
            // There are at most 255 codes, so this also bounds the list.
            if fields.iter().any(|&(known, _)| known == code) {
                return Err(reader.fault(Fault::Duplicate));
            }
            fields.push((code, reader.text_bytes()?));
        }
        reader.end()?;
        Ok(Self { raw, fields })
    }

    /// Returns the field of a one-letter code, such as `M` for the message. Bytes that are not UTF-8,
    /// which a target may send before `client_encoding` is agreed, are replaced.
    pub fn field(&self, code: u8) -> Option<Cow<'_, str>> {
        let (_, bytes) = self.fields.iter().find(|&&(known, _)| known == code)?;
        Some(String::from_utf8_lossy(bytes))
    }

    /// All fields in the order in which they came, each by its one-letter code.
    pub fn fields(&self) -> impl Iterator<Item = (u8, &[u8])> {
        self.fields.iter().map(|(code, bytes)| (*code, bytes.as_ref()))
    }

    /// Returns the SQLSTATE: five digits or capital letters, or nothing if there is none.
    pub fn sqlstate(&self) -> Option<&str> {
        let (_, bytes) = self.fields.iter().find(|&&(known, _)| known == b'C')?;
        let valid = bytes.len() == 5
            && bytes.iter().all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase());
        std::str::from_utf8(bytes).ok().filter(|_| valid)
    }

    /// Returns the message text. It may quote values.
    pub fn message(&self) -> Cow<'_, str> {
        self.field(b'M').unwrap_or_default()
    }

    /// Tells whether the target ends the session with it: its severity is FATAL or PANIC.
    pub fn is_fatal(&self) -> bool {
        // `V` is never translated; targets before 9.6 send only `S`.
        let severity = self.field(b'V').or_else(|| self.field(b'S'));
        matches!(severity.as_deref(), Some("FATAL" | "PANIC"))
    }
}

/// Shows no text.
impl fmt::Debug for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Report({})", self.sqlstate().unwrap_or("no SQLSTATE"))
    }
}
