//! What a fence calls the things that it makes on a target.
//!
//! ```text
//! css_<gateway>_<8 digits>_<session>   a session's role: logs in once
//! csg_<gateway>_<8 digits>_<12 digits> a group: carries the privileges of equal grants
//! countersign_<gateway>_<8 digits>     a schema: holds the views that show masks
//! ```
//!
//! **Invariant:** the eight digits are of this gateway's own key and of the target's name. Two
//! gateways of one name, or two targets in one cluster, never take each other's roles for theirs.

use std::fmt::Write as _;

use model::{SessionId, TargetName};

/// Characters of the gateway's name that stand in a name. PostgreSQL cuts names at 63 bytes.
const GATEWAY_CHARS_MAX: usize = 20;
/// Digits that tell gateways and targets apart.
const TAG_DIGITS: usize = 8;
/// Digits that tell groups apart: 48 bits.
const GROUP_DIGITS: usize = 12;

/// The names of one gateway on one target.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    gateway: String,
    tag: String,
}

impl Names {
    /// Names for a target. `installation` is what no other gateway has, such as its public key.
    pub(crate) fn new(gateway: &str, installation: &[u8], target: &TargetName) -> Self {
        let hash = crypto::sha256(&[installation, b"\0", target.as_str().as_bytes()]);
        let short: String = gateway.chars().take(GATEWAY_CHARS_MAX).collect();
        let tag = format!("{short}_{}", digits(&hash, TAG_DIGITS));
        Self { gateway: gateway.to_owned(), tag }
    }

    /// How every session's role begins.
    pub(crate) fn role_prefix(&self) -> String {
        format!("css_{}_", self.tag)
    }

    /// How every group begins.
    pub(crate) fn group_prefix(&self) -> String {
        format!("csg_{}_", self.tag)
    }

    /// The schema of the views that show masks.
    pub(crate) fn schema(&self) -> String {
        format!("countersign_{}", self.tag)
    }

    /// The role of a session.
    pub(crate) fn role(&self, session: SessionId) -> String {
        let session = session.to_string();
        let digits = session.split_once('_').map_or(session.as_str(), |(_, digits)| digits);
        format!("{}{digits}", self.role_prefix())
    }

    /// The group of what has this hash.
    pub(crate) fn group(&self, hash: &[u8; 32]) -> String {
        format!("{}{}", self.group_prefix(), digits(hash, GROUP_DIGITS))
    }

    /// What stands as a comment on everything that the fence makes, for whoever finds it.
    pub(crate) fn comment(&self, what: &str) -> String {
        format!("countersign gateway {}: {what}. Made and removed by the gateway.", self.gateway)
    }
}

/// A name in double quotes: always quoted, so no list of keywords is needed.
pub(crate) fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A literal, as `standard_conforming_strings = on` reads it.
pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// The first digits of bytes in hexadecimal.
pub(crate) fn digits(bytes: &[u8], count: usize) -> String {
    let mut text = String::with_capacity(bytes.len().saturating_mul(2));
    for byte in bytes {
        // Writing to a String cannot fail.
        _ = write!(text, "{byte:02x}");
    }
    text.truncate(count);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_and_belong_to_one_gateway_and_target() {
        let target: TargetName = "billing".parse().unwrap();
        let long = "g".repeat(63);
        let names = Names::new(&long, &[1; 32], &target);
        let session = SessionId::from_random(7);
        assert_eq!(names.role(session).len(), 50);
        assert!(names.role(session).ends_with("_0000000000000007"));
        assert!(names.group(&[0xab; 32]).ends_with("_abababababab"));
        for other in [
            Names::new(&long, &[2; 32], &target),
            Names::new(&long, &[1; 32], &"other".parse().unwrap()),
        ] {
            assert_ne!(names.role_prefix(), other.role_prefix());
        }
    }

    #[test]
    fn a_quoted_text_cannot_end_early() {
        assert_eq!(identifier("a\"b"), "\"a\"\"b\"");
        assert_eq!(literal("a'b\\"), "'a''b\\'");
    }
}
