//! The values in the data of a COPY FROM STDIN, as far as they must be looked at: whether one that is
//! written to a masked column is the placeholder of its mask.
//!
//! Data come in pieces that may end anywhere. Of a value no more is kept than [`VALUE_BYTES_MAX`]: no
//! placeholder is longer, and those that may stand within a text are looked for on the way.
//!
//! Source: PostgreSQL manual, COPY, "File Formats"; `CopyReadAttributesText` and
//! `CopyReadAttributesCSV` in `copyfromparse.c`.

mod binary;
mod text;

use std::sync::Arc;

use mask::TOKEN_BYTES_MAX;
use sql::{Copy, CopyText, Given, Guard};

use self::binary::{Binary, take_binary};
use self::text::{Escape, Place, take_csv, take_text};

/// The longest value that is compared whole.
const VALUE_BYTES_MAX: usize = 64 << 10;

/// A value is the placeholder of a mask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HoldsPlaceholder;

/// Reads the data of one COPY.
#[derive(Debug)]
pub(crate) struct CopyReader {
    columns: Columns,
    form: Form,
}

#[derive(Debug)]
enum Form {
    Text(CopyText, Place),
    Csv(CopyText, Place),
    Binary(Binary),
}

/// The value that is being read, and what may not be written where it goes.
#[derive(Debug)]
struct Columns {
    guards: Vec<Option<Arc<Guard>>>,
    column: usize,
    /// Columns of the row that are still to come, in binary data.
    left: usize,
    value: Vec<u8>,
    /// A part of the value is not kept any more.
    is_cut: bool,
    /// The value was not written plainly: it had escapes or quotation marks.
    is_special: bool,
    is_header: bool,
}

impl CopyReader {
    /// Nothing if any value may be written.
    pub(crate) fn of(copy: &Copy) -> Option<Box<Self>> {
        if copy.guards.iter().all(Option::is_none) {
            return None;
        }
        let columns = Columns {
            guards: copy.guards.clone(),
            column: 0,
            left: 0,
            value: Vec::new(),
            is_cut: false,
            is_special: false,
            is_header: copy.has_header,
        };
        let form = match &copy.text {
            None => Form::Binary(Binary::default()),
            Some(text) if text.is_csv => Form::Csv(text.clone(), Place::default()),
            Some(text) => Form::Text(text.clone(), Place::default()),
        };
        Some(Box::new(Self { columns, form }))
    }

    /// Takes the next piece.
    pub(crate) fn take(&mut self, data: &[u8]) -> Result<(), HoldsPlaceholder> {
        let Self { columns, form } = self;
        match form {
            Form::Text(text, place) => {
                data.iter().try_for_each(|byte| take_text(*byte, text, place, columns))
            }
            Form::Csv(text, place) => {
                data.iter().try_for_each(|byte| take_csv(*byte, text, place, columns))
            }
            Form::Binary(binary) => take_binary(data, binary, columns),
        }
    }

    /// The last line may have no end of its own.
    pub(crate) fn finish(&mut self) -> Result<(), HoldsPlaceholder> {
        let Self { columns, form } = self;
        match form {
            Form::Text(text, place) => {
                if let Some(escape) = place.escape.take() {
                    columns.push_escaped(escape);
                }
                columns.end_text(text)
            }
            Form::Csv(text, _) => columns.end_text(text),
            Form::Binary(_) => Ok(()),
        }
    }
}

impl Columns {
    fn guard(&self) -> Option<&Arc<Guard>> {
        if self.is_header { None } else { self.guards.get(self.column)?.as_ref() }
    }

    fn push(&mut self, bytes: &[u8]) -> Result<(), HoldsPlaceholder> {
        if self.guard().is_none() {
            return Ok(());
        }
        self.value.extend_from_slice(bytes);
        if self.value.len() > VALUE_BYTES_MAX {
            self.check_within()?;
            let gone = self.value.len().saturating_sub(TOKEN_BYTES_MAX);
            self.value.drain(..gone);
            self.is_cut = true;
        }
        Ok(())
    }

    fn push_escaped(&mut self, escape: Escape) {
        let byte = match escape {
            Escape::Begun => b'\\',
            Escape::Octal(byte, _) | Escape::Hexadecimal(byte, _) => byte,
        };
        if self.guard().is_some() {
            self.value.push(byte);
        }
    }

    fn check_within(&self) -> Result<(), HoldsPlaceholder> {
        let Some(guard) = self.guard().filter(|guard| guard.refuses_within()) else {
            return Ok(());
        };
        if guard.refuses(Given::Text(&self.value)) { Err(HoldsPlaceholder) } else { Ok(()) }
    }

    fn check(&self, given: impl FnOnce(&[u8]) -> Given<'_>) -> Result<(), HoldsPlaceholder> {
        if self.is_cut {
            return self.check_within();
        }
        match self.guard() {
            Some(guard) if guard.refuses(given(&self.value)) => Err(HoldsPlaceholder),
            Some(_) | None => Ok(()),
        }
    }

    fn next(&mut self) {
        self.value.clear();
        (self.is_cut, self.is_special) = (false, false);
        self.column = self.column.saturating_add(1);
    }

    fn end_text(&mut self, text: &CopyText) -> Result<(), HoldsPlaceholder> {
        // The usual text for NULL is the only one with a backslash, which the value no more has.
        let is_null = match text.null.strip_prefix(b"\\") {
            Some(rest) => self.is_special && self.value == rest,
            None => !self.is_special && self.value == text.null,
        };
        if !is_null {
            self.check(|value| Given::Text(value))?;
        }
        self.next();
        Ok(())
    }

    fn end_row(&mut self) {
        self.column = 0;
        self.is_header = false;
    }
}

#[cfg(test)]
mod tests;
