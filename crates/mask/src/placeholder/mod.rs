//! What a mask shows in the place of a value, recognised in what a client writes back.
//!
//! Whoever reads a row and writes it back writes the mask with it, over the value that it stands
//! for. So the gateway asks of each value for a masked column whether it is what the mask shows.
//!
//! **Invariant:** of a constant mask every spelling of the constant is recognised that [`Value`]
//! can read in the column's type, in text and in binary form; of a partial mask whatever has its
//! shape. What cannot be read as the type is compared as it stands.

mod decimal;
mod moment;
mod value;

use model::{Detector, Detectors, Mask};

pub use self::value::Encoding;
use self::value::{Family, Value};
use crate::ColumnType;
use crate::detect::WITHHELD;
use crate::expression::{HASH_CHARS, HIDDEN, full_literal};

/// Bytes of the longest token that stands for something found in free text.
pub const TOKEN_BYTES_MAX: usize = WITHHELD.len();

/// What a mask shows of any value of one column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placeholder {
    family: Family,
    shape: Shape,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Shape {
    /// NULL, and nothing else.
    Null,
    /// A constant.
    Constant(Value),
    /// `****`, perhaps cut to what fits, and with the last four characters of the value.
    Last4(String),
    /// `****`, perhaps cut to what fits, and with `@` and a domain.
    Email(String),
    /// The characters of a hash.
    Hash,
    /// A text with one of these in it.
    Tokens(Vec<String>),
}

impl Placeholder {
    /// What the mask shows in a column of this type. The mask must be one that the type can carry.
    pub fn of(mask: &Mask, column: &ColumnType) -> Self {
        let family = Family::of(column);
        let constant = |text: &str| {
            let text = fitting(text, column);
            let raw = || Value::Raw(text.trim().as_bytes().to_vec());
            Shape::Constant(family.of_text(text.as_bytes()).unwrap_or_else(raw))
        };
        let shape = match mask {
            Mask::Null => Shape::Null,
            Mask::Full => full_literal(column).map_or(Shape::Null, |text| constant(&text)),
            Mask::Fixed(text) => constant(text),
            Mask::Last4 => Shape::Last4(fitting(HIDDEN, column)),
            Mask::Email => Shape::Email(fitting(HIDDEN, column)),
            Mask::Hash => Shape::Hash,
            Mask::Detect(detectors) => tokens(detectors),
        };
        Self { family, shape }
    }

    /// What detectors put into free text, anywhere.
    pub fn of_detectors(detectors: &Detectors) -> Self {
        Self { family: Family::Other, shape: tokens(detectors) }
    }

    /// True if the mask shows NULL.
    pub fn is_null(&self) -> bool {
        self.shape == Shape::Null
    }

    /// True if a part of a long value is enough to know the placeholder.
    pub fn is_within(&self) -> bool {
        matches!(self.shape, Shape::Tokens(_))
    }

    /// True if a value in PostgreSQL's text form is the placeholder.
    pub fn is_text(&self, value: &[u8]) -> bool {
        match &self.shape {
            Shape::Null => false,
            Shape::Constant(constant) => {
                self.family.of_text(value).as_ref() == Some(constant)
                    || (!self.family.is_text()
                        && *constant == Value::Raw(value.trim_ascii().to_vec()))
            }
            Shape::Last4(hidden) => {
                let value = self.family.unpadded(value);
                let Some(rest) = value.strip_prefix(hidden.as_bytes()) else { return false };
                rest.is_empty() || std::str::from_utf8(rest).is_ok_and(|r| r.chars().count() == 4)
            }
            Shape::Email(hidden) => {
                let value = self.family.unpadded(value);
                match value.strip_prefix(hidden.as_bytes()) {
                    Some([]) => true,
                    Some([b'@', domain @ ..]) => !domain.contains(&b'@'),
                    Some(_) | None => false,
                }
            }
            Shape::Hash => {
                let value = self.family.unpadded(value);
                value.len() == HASH_CHARS
                    && value.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
            }
            Shape::Tokens(tokens) => holds(value, tokens),
        }
    }

    /// True if a value in text form is the placeholder, or has it among values: an array, JSON.
    pub fn is_among_text(&self, value: &[u8]) -> bool {
        let is_mark = |byte: &u8| b"{}[](),:\"'".contains(byte) || byte.is_ascii_control();
        self.is_text(value)
            || value.split(is_mark).any(|part| !part.is_empty() && self.is_text(part))
    }

    /// As [`Self::is_among_text`], for binary form: an array of values.
    pub fn is_among_binary(&self, value: &[u8], encoding: Encoding) -> bool {
        let (oid, elements) = value::elements(value).unwrap_or_default();
        self.is_binary(value, encoding)
            || elements.iter().any(|value| self.is_binary(value, Encoding::Declared(oid)))
    }

    /// True if a value in binary form is the placeholder. Its type is the column's where the client
    /// has named no other.
    pub fn is_binary(&self, value: &[u8], encoding: Encoding) -> bool {
        match &self.shape {
            Shape::Null => false,
            Shape::Constant(constant) => {
                self.family.of_binary(value, encoding).any(|value| value == *constant)
            }
            Shape::Last4(_) | Shape::Email(_) | Shape::Hash | Shape::Tokens(_) => {
                self.is_text(value)
            }
        }
    }
}

fn tokens(detectors: &Detectors) -> Shape {
    let token = |detector: &Detector| format!("[{detector}]");
    let tokens = detectors.iter().map(token).chain(std::iter::once(WITHHELD.to_owned()));
    Shape::Tokens(tokens.collect())
}

fn holds(value: &[u8], tokens: &[String]) -> bool {
    let mut rest = value;
    while let Some(place) = rest.iter().position(|byte| *byte == b'[') {
        rest = rest.get(place..).unwrap_or_default();
        if tokens.iter().any(|token| rest.starts_with(token.as_bytes())) {
            return true;
        }
        rest = rest.get(1..).unwrap_or_default();
    }
    false
}

/// A text as `varchar(n)` and `char(n)` cut it.
fn fitting(text: &str, column: &ColumnType) -> String {
    text.chars().take(column.length_max().unwrap_or(usize::MAX)).collect()
}

#[cfg(test)]
mod tests;
