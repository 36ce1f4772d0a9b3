//! Names of identities and targets: what a client may write as user and database.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// Longest name in bytes: what fits into PostgreSQL's `NAMEDATALEN` (64) with its terminator.
const NAME_BYTES_MAX: usize = 63;

/// A text that cannot name an identity or a target.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a name: use 1 to 63 of a-z, 0-9, `-`, `_`, `.`, and begin with a letter or digit"
)]
pub struct ParseNameError(String);

macro_rules! define_name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = ParseNameError;

            fn from_str(text: &str) -> Result<Self, ParseNameError> {
                check(text).map(|text| Self(text.into()))
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

define_name!(
    /// Names an account in the inventory. A PostgreSQL client gives it as its user.
    IdentityName
);
define_name!(
    /// Names a guarded service. A PostgreSQL client gives it as its database.
    TargetName
);

fn check(text: &str) -> Result<&str, ParseNameError> {
    let begins_well = text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    let is_legal =
        text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.'));
    if begins_well && is_legal && text.len() <= NAME_BYTES_MAX {
        Ok(text)
    } else {
        Err(ParseNameError(text.chars().take(NAME_BYTES_MAX).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_short_lower_case_and_plain() {
        for right in ["a", "billing-agent", "7.x_y", &"a".repeat(63)] {
            assert!(right.parse::<IdentityName>().is_ok(), "{right}");
        }
        for wrong in ["", "-a", "A", "a b", "ä", "a\n", "a\u{202e}", &"a".repeat(64)] {
            assert!(wrong.parse::<IdentityName>().is_err(), "{wrong}");
        }
    }
}
