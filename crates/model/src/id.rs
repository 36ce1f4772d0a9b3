//! Identifiers that print their kind (`grt_5c1f…`), so that a log line explains itself.
//!
//! An id is 64 random bits. The caller passes them in: this crate has no random source.

use std::fmt;
use std::str::FromStr;

/// A text that is not an id of the expected kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an id of the form {prefix}_ followed by 16 hexadecimal digits")]
pub struct ParseIdError {
    text: String,
    prefix: &'static str,
}

macro_rules! define_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u64);

        impl $name {
            /// Makes an id from 64 random bits.
            pub const fn from_random(bits: u64) -> Self {
                Self(bits)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "_{:016x}"), self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                parse(text, $prefix).map(Self)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
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

define_id!(
    /// One time-boxed permission, from approval to expiry or revocation.
    GrantId,
    "grt"
);
define_id!(
    /// One identity on one target over one client connection.
    SessionId,
    "ses"
);
define_id!(
    /// One way in which an identity proves itself.
    CredentialId,
    "crd"
);

/// Exactly one spelling is accepted, so that an id can be compared as text.
fn parse(text: &str, prefix: &'static str) -> Result<u64, ParseIdError> {
    let error = || ParseIdError { text: text.chars().take(64).collect(), prefix };
    let digits = text
        .strip_prefix(prefix)
        .and_then(|rest| rest.strip_prefix('_'))
        .filter(|digits| digits.len() == 16)
        .filter(|digits| digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')))
        .ok_or_else(error)?;
    u64::from_str_radix(digits, 16).map_err(|_not_hexadecimal| error())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_exactly_one_spelling() {
        let id = GrantId::from_random(0x5c1f);
        assert_eq!(id.to_string(), "grt_0000000000005c1f");
        assert_eq!("grt_0000000000005c1f".parse(), Ok(id));
        for wrong in [
            "",
            "grt_",
            "grt_5c1f",
            "ses_0000000000005c1f",
            "grt_0000000000005C1F",
            "grt_+000000000005c1f",
        ] {
            assert!(wrong.parse::<GrantId>().is_err(), "{wrong}");
        }
    }
}
