//! What an X.509 certificate names: a SPIFFE ID or a subject.
//!
//! **Invariant:** each has one spelling. Two names are the same if and only if their texts are.
//!
//! Source: SPIFFE-ID section 2, X.509-SVID section 2; RFC 4514 (subjects as text).

use std::fmt;
use std::str::FromStr;

/// Longest SPIFFE ID in bytes (SPIFFE-ID section 2.3).
const SPIFFE_ID_BYTES_MAX: usize = 2_048;

/// Longest trust domain in bytes (SPIFFE-ID section 2.3).
const TRUST_DOMAIN_BYTES_MAX: usize = 255;

/// Longest subject in bytes, as text.
const SUBJECT_BYTES_MAX: usize = 1_024;

/// The kinds of attribute that a subject may have (RFC 4514 section 3, and `SERIALNUMBER`).
const ATTRIBUTES: &[&str] =
    &["CN", "O", "OU", "C", "ST", "L", "STREET", "DC", "UID", "SERIALNUMBER"];

/// A text that is not the name that it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseCertificateNameError {
    /// Not a SPIFFE ID of a workload.
    #[error("not a SPIFFE ID of a workload: write spiffe://trust.domain/path")]
    Spiffe,
    /// Not a subject.
    #[error(
        "not a subject: write it as `openssl x509 -noout -subject -nameopt RFC2253` does, for \
         example CN=agent,O=Company; the attributes are CN, O, OU, C, ST, L, STREET, DC, UID and \
         SERIALNUMBER, one in each part"
    )]
    Subject,
}

/// What a certificate must name to prove an identity.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum CertificateName {
    /// The SPIFFE ID in its URI.
    Spiffe(SpiffeId),
    /// Its whole subject.
    Subject(SubjectName),
}

impl fmt::Display for CertificateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Spiffe(id) => id.fmt(f),
            Self::Subject(subject) => subject.fmt(f),
        }
    }
}

macro_rules! define_text {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
        pub struct $name(Box<str>);

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

define_text!(
    /// Names a workload: `spiffe://trust.domain/path`.
    SpiffeId
);
define_text!(
    /// A certificate's subject, in the order and the spelling of RFC 4514.
    SubjectName
);

impl FromStr for SpiffeId {
    type Err = ParseCertificateNameError;

    fn from_str(text: &str) -> Result<Self, ParseCertificateNameError> {
        // A path is needed: without one the ID names the whole trust domain.
        let parts = text.strip_prefix("spiffe://").and_then(|rest| rest.split_once('/'));
        let is_right = parts.is_some_and(|(domain, path)| {
            let is_domain = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.');
            (1..=TRUST_DOMAIN_BYTES_MAX).contains(&domain.len())
                && domain.bytes().all(is_domain)
                && path.split('/').all(is_segment)
        });
        if is_right && text.len() <= SPIFFE_ID_BYTES_MAX {
            Ok(Self(text.into()))
        } else {
            Err(ParseCertificateNameError::Spiffe)
        }
    }
}

fn is_segment(segment: &str) -> bool {
    let is_legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    !matches!(segment, "" | "." | "..") && segment.bytes().all(is_legal)
}

impl SubjectName {
    /// Makes a subject of its parts in the order of RFC 4514: the last one in the certificate first.
    /// Each is the kind of an attribute and its value.
    ///
    /// # Errors
    ///
    /// [`ParseCertificateNameError::Subject`] if there are none, an attribute is of another kind, or
    /// a value is empty or holds a control character.
    pub fn of_parts<'a>(
        parts: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, ParseCertificateNameError> {
        let wrong = ParseCertificateNameError::Subject;
        let mut text = String::new();
        for (kind, value) in parts {
            if !ATTRIBUTES.contains(&kind)
                || value.is_empty()
                || value.chars().any(char::is_control)
            {
                return Err(wrong);
            }
            if !text.is_empty() {
                text.push(',');
            }
            text.push_str(kind);
            text.push('=');
            escape(value, &mut text);
        }
        let is_right = (1..=SUBJECT_BYTES_MAX).contains(&text.len());
        if is_right { Ok(Self(text.into())) } else { Err(wrong) }
    }
}

impl FromStr for SubjectName {
    type Err = ParseCertificateNameError;

    /// Takes any spelling that RFC 4514 allows for the same subject.
    fn from_str(text: &str) -> Result<Self, ParseCertificateNameError> {
        let wrong = ParseCertificateNameError::Subject;
        let mut parts = Vec::new();
        let mut rest = text;
        loop {
            let (kind, after) = rest.split_once('=').ok_or(wrong)?;
            let (value, after) = unescape(after).ok_or(wrong)?;
            parts.push((kind.to_ascii_uppercase(), value));
            match after {
                Some(after) => rest = after,
                None => break,
            }
        }
        Self::of_parts(parts.iter().map(|(kind, value)| (kind.as_str(), value.as_str())))
    }
}

/// Writes a value as RFC 4514 section 2.4 does.
fn escape(value: &str, text: &mut String) {
    let last = value.chars().count().saturating_sub(1);
    for (place, character) in value.chars().enumerate() {
        let is_special = matches!(character, ',' | '+' | '"' | '\\' | '<' | '>' | ';')
            || (character == '#' && place == 0)
            || (character == ' ' && (place == 0 || place == last));
        if is_special {
            text.push('\\');
        }
        text.push(character);
    }
}

/// Reads a value up to the next comma, and returns what follows the comma, if there is one.
fn unescape(text: &str) -> Option<(String, Option<&str>)> {
    let mut value = Vec::new();
    let mut characters = text.chars();
    let after = loop {
        match characters.next() {
            None => break None,
            Some(',') => break Some(characters.as_str()),
            // Several attributes in one part, and values in hexadecimal or in quotes.
            Some('+' | '"' | '<' | '>' | ';') => return None,
            Some('#') if value.is_empty() => return None,
            Some('\\') => {
                let escaped = characters.next()?;
                match escaped.to_digit(16) {
                    Some(_) => {
                        let pair = [escaped, characters.next()?];
                        let pair: String = pair.iter().collect();
                        value.push(u8::from_str_radix(&pair, 16).ok()?);
                    }
                    None => value.extend(escaped.to_string().bytes()),
                }
            }
            Some(other) => value.extend(other.to_string().bytes()),
        }
    };
    Some((String::from_utf8(value).ok()?, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spiffe_id_names_one_workload_in_one_spelling() {
        let long = format!("spiffe://a/{}", "x".repeat(2_048));
        for right in ["spiffe://example.org/agent", "spiffe://a-b_c.1/ns/prod/sa/Agent.1-x_y"] {
            assert_eq!(right.parse::<SpiffeId>().unwrap().as_str(), right);
        }
        #[rustfmt::skip]
        let wrong = [
            "", "spiffe://", "spiffe://example.org", "spiffe://example.org/", "spiffe:///agent",
            "SPIFFE://example.org/agent", "spiffe://Example.org/agent", "spiffe://example.org/a/",
            "spiffe://example.org//a", "spiffe://example.org/./a", "spiffe://example.org/../a",
            "spiffe://example.org/a?x", "spiffe://example.org/a#x", "spiffe://example.org/%61",
            "spiffe://example.org:1/a", "spiffe://u@example.org/a", "https://example.org/agent",
            "spiffe://example.org/a\0", &long,
        ];
        for wrong in wrong {
            assert!(wrong.parse::<SpiffeId>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_subject_has_one_spelling() {
        #[rustfmt::skip]
        let right = [
            ("CN=agent,O=Company",            "CN=agent,O=Company"),
            ("cn=agent,o=Company",            "CN=agent,O=Company"),
            (r"CN=a\,b",                      r"CN=a\,b"),
            (r"CN=a\2Cb",                     r"CN=a\,b"),
            (r"CN=J\C3\BCrgen",               "CN=Jürgen"),
            (r"CN=a=b",                       "CN=a=b"),
            (r"CN=\ a\ ",                     r"CN=\ a\ "),
            (r"CN=\#a",                       r"CN=\#a"),
            ("DC=agent,DC=example,DC=org",    "DC=agent,DC=example,DC=org"),
        ];
        for (text, expected) in right {
            assert_eq!(text.parse::<SubjectName>().unwrap().as_str(), expected, "{text}");
        }
        let long = format!("CN={}", "x".repeat(1_022));
        #[rustfmt::skip]
        let wrong = [
            "", "agent", "CN=", "CN=,O=x", "CN=a,", "=a", "CN=a+O=b", "CN=#0401", "CN=\"a\"",
            "X=a", "2.5.4.3=a", " CN=a", "CN=a\n", r"CN=a\00", r"CN=\FF", r"CN=a\", &long,
        ];
        for wrong in wrong {
            assert!(wrong.parse::<SubjectName>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn parts_and_text_give_the_same_subject() {
        let parts = [("CN", " #a,\\b+ "), ("O", "#c")];
        let made = SubjectName::of_parts(parts).unwrap();
        assert_eq!(made.as_str().parse::<SubjectName>().unwrap(), made);
        assert!(SubjectName::of_parts([]).is_err());
        // A comma in a value does not end it.
        let sly = SubjectName::of_parts([("CN", "a,O=Company")]).unwrap();
        assert_ne!(sly, "CN=a,O=Company".parse().unwrap());
    }
}
