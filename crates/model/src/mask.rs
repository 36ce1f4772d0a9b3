//! How a value is hidden.

use std::fmt;
use std::str::FromStr;

use crate::Detectors;

/// The way in which a column's values are hidden from every client.
///
/// A *constant* mask shows nothing of the value, not even whether it is NULL. A *partial* mask
/// shows what its name says and nothing else.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(tag = "with", content = "value", rename_all = "lowercase")]
pub enum Mask {
    /// A constant of the column's type: `********` for text, zero for a number, and so on.
    Full,
    /// NULL.
    Null,
    /// A constant that the operator chose, given in PostgreSQL's text form of the column's type.
    Fixed(String),
    /// Partial: the last four characters of a text of at least eight.
    Last4,
    /// Partial: HMAC-SHA-256 under the target's mask key, in hexadecimal. Equal values look equal.
    Hash,
    /// Partial: the domain of an e-mail address.
    Email,
    /// Partial, for free text: the value but for what these detectors find in it.
    Detect(Detectors),
}

impl Mask {
    /// The mask's name as in the settings file and in records.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Null => "null",
            Self::Fixed(_) => "fixed",
            Self::Last4 => "last4",
            Self::Hash => "hash",
            Self::Email => "email",
            Self::Detect(_) => "detect",
        }
    }

    /// True if the mask discloses a part of the value, so that its result depends on it.
    pub fn is_partial(&self) -> bool {
        match self {
            Self::Full | Self::Null | Self::Fixed(_) => false,
            Self::Last4 | Self::Hash | Self::Email | Self::Detect(_) => true,
        }
    }
}

impl fmt::Display for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A text that names no mask.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a mask: use full, null, last4, hash, email, or fixed with a value")]
pub struct ParseMaskError(String);

impl FromStr for Mask {
    type Err = ParseMaskError;

    /// Reads a mask that needs no value.
    fn from_str(text: &str) -> Result<Self, ParseMaskError> {
        match text {
            "full" => Ok(Self::Full),
            "null" => Ok(Self::Null),
            "last4" => Ok(Self::Last4),
            "hash" => Ok(Self::Hash),
            "email" => Ok(Self::Email),
            _ => Err(ParseMaskError(text.chars().take(64).collect())),
        }
    }
}
