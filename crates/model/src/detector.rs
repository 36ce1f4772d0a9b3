//! What is looked for in free text.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// A kind of content that a free text may hold and a client must not read.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Detector {
    /// Private keys, access tokens, passwords.
    Secret,
    /// E-mail addresses.
    Email,
    /// International bank account numbers.
    Iban,
    /// Numbers of payment cards.
    Card,
    /// Social security numbers of the United States.
    Ssn,
    /// Telephone numbers.
    Phone,
}

impl Detector {
    /// All of them. Where two find the same piece of text, the earlier one names it.
    pub const ALL: [Self; 6] =
        [Self::Secret, Self::Email, Self::Iban, Self::Card, Self::Ssn, Self::Phone];

    /// Its name as in the settings file, in records and in the place of what it found.
    pub fn name(self) -> &'static str {
        match self {
            Self::Secret => "secret",
            Self::Email => "email",
            Self::Iban => "iban",
            Self::Card => "card",
            Self::Ssn => "ssn",
            Self::Phone => "phone",
        }
    }
}

impl fmt::Display for Detector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A text that names no detector.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a detector: use card, iban, ssn, email, phone or secret")]
pub struct ParseDetectorError(String);

impl FromStr for Detector {
    type Err = ParseDetectorError;

    fn from_str(text: &str) -> Result<Self, ParseDetectorError> {
        let known = Self::ALL.into_iter().find(|detector| detector.name() == text);
        known.ok_or_else(|| ParseDetectorError(text.chars().take(64).collect()))
    }
}

/// The detectors of one column.
pub type Detectors = BTreeSet<Detector>;
