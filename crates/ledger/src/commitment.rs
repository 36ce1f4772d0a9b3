//! Commitments: how a record holds a sensitive text without showing it.
//!
//! The leaf holds the commitment; the payload beside it holds text and salt. With both, anyone can
//! check that the text is what was recorded; without the payload nobody can guess it.

use std::collections::BTreeMap;

use crypto::sha256;
use model::Commitment;

/// Separates commitments from every other use of SHA-256.
const DOMAIN: &[u8] = b"countersign commitment v1\n";

/// Commits to a value of a field.
///
/// SHA-256 over a domain string, the field and the salt and the value, each variable part after its
/// length (64 bits, big-endian), so that no two inputs are one.
pub fn commit(field: &str, salt: &[u8; 16], value: &[u8]) -> Commitment {
    let digest =
        sha256(&[DOMAIN, &length(field.as_bytes()), field.as_bytes(), salt, &length(value), value]);
    Commitment(hex::encode(digest))
}

fn length(bytes: &[u8]) -> [u8; 8] {
    // A length in memory always fits into 64 bits.
    u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes()
}

/// A committed value with its salt, as it stands in a payload.
#[derive(Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Disclosed {
    /// 16 bytes in lower-case hexadecimal.
    pub salt: String,
    /// The value.
    pub value: String,
}

/// Shows no value: a payload may hold personal data.
impl std::fmt::Debug for Disclosed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Disclosed").field("bytes", &self.value.len()).finish_non_exhaustive()
    }
}

/// The values beside a leaf, by field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Payload {
    fields: BTreeMap<String, Disclosed>,
}

/// Bytes that are not a payload, or not that of the record they lie beside.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// It is not JSON of the expected form.
    #[error("the payload cannot be read")]
    Malformed,
    /// It can be read, but is not spelled as it would be written.
    #[error("the payload is not in canonical form")]
    NotCanonical,
    /// The record has commitments, and nothing lies beside it.
    #[error("the payload is missing")]
    Missing,
    /// The record commits to a field that the payload does not show.
    #[error("the payload lacks the field `{0}`")]
    FieldMissing(&'static str),
    /// The payload shows more fields than the record commits to.
    #[error("the payload holds a field to which the record does not commit")]
    FieldUnknown,
    /// The value is not the one to which the record commits.
    #[error("the value of `{0}` is not the one that was recorded")]
    ValueDiffers(&'static str),
}

impl Payload {
    /// A payload without fields. It takes no byte.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a value and returns the commitment that belongs into the leaf.
    ///
    /// The salt must be random and used once.
    pub fn add(&mut self, field: &str, salt: [u8; 16], value: impl Into<String>) -> Commitment {
        let value = value.into();
        let commitment = commit(field, &salt, value.as_bytes());
        self.fields.insert(field.to_owned(), Disclosed { salt: hex::encode(salt), value });
        commitment
    }

    /// The value of a field.
    pub fn value(&self, field: &str) -> Option<&str> {
        self.fields.get(field).map(|disclosed| disclosed.value.as_str())
    }

    /// All fields, in the order of their names.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &Disclosed)> {
        self.fields.iter().map(|(field, disclosed)| (field.as_str(), disclosed))
    }

    /// True if it has no field.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// The payload as stored: JSON with sorted fields, or nothing if there is no field.
    pub fn to_bytes(&self) -> Vec<u8> {
        if self.fields.is_empty() {
            return Vec::new();
        }
        // A map from strings to strings has no value that JSON cannot hold.
        serde_json::to_vec(&self.fields).unwrap_or_default()
    }

    /// Reads a stored payload.
    ///
    /// # Errors
    ///
    /// [`PayloadError`] unless it is spelled exactly as [`Self::to_bytes`] writes it.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, PayloadError> {
        if bytes.is_empty() {
            return Ok(Self::new());
        }
        let fields = serde_json::from_slice(bytes).map_err(|_details| PayloadError::Malformed)?;
        let payload = Self { fields };
        if payload.to_bytes() == bytes { Ok(payload) } else { Err(PayloadError::NotCanonical) }
    }

    /// Checks that it shows exactly the values to which a record commits.
    ///
    /// # Errors
    ///
    /// [`PayloadError`] names the first field that is wrong.
    pub fn check(&self, commitments: &[(&'static str, &Commitment)]) -> Result<(), PayloadError> {
        if self.is_empty() && !commitments.is_empty() {
            return Err(PayloadError::Missing);
        }
        for (field, commitment) in commitments {
            let disclosed = self.fields.get(*field).ok_or(PayloadError::FieldMissing(field))?;
            let mut salt = [0; 16];
            hex::decode_to_slice(&disclosed.salt, &mut salt)
                .map_err(|_details| PayloadError::Malformed)?;
            if hex::encode(salt) != disclosed.salt {
                return Err(PayloadError::NotCanonical);
            }
            if commit(field, &salt, disclosed.value.as_bytes()) != **commitment {
                return Err(PayloadError::ValueDiffers(field));
            }
        }
        if self.fields.len() == commitments.len() {
            Ok(())
        } else {
            Err(PayloadError::FieldUnknown)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SALT: [u8; 16] = [7; 16];

    #[test]
    fn no_two_inputs_share_a_commitment() {
        let reference = commit("sql", &SALT, b"x");
        for other in [
            commit("sq", &SALT, b"lx"),
            commit("sqlx", &SALT, b""),
            commit("sql", &[8; 16], b"x"),
            commit("sql", &SALT, b"y"),
            commit("forwarded", &SALT, b"x"),
        ] {
            assert_ne!(other, reference);
        }
        // Fixed, so that a change of the encoding cannot pass unnoticed.
        assert_eq!(reference.0.len(), 64);
        assert_eq!(reference, commit("sql", &SALT, b"x"));
    }

    #[test]
    fn a_payload_reads_back_and_has_one_spelling() {
        let mut payload = Payload::new();
        payload.add("sql", SALT, "SELECT 'ä\n\u{202e}\"'");
        payload.add("forwarded", SALT, "");
        let bytes = payload.to_bytes();
        assert_eq!(Payload::from_bytes(&bytes), Ok(payload));
        assert_eq!(Payload::from_bytes(b""), Ok(Payload::new()));

        let spaced = [b" ", bytes.as_slice()].concat();
        assert_eq!(Payload::from_bytes(&spaced), Err(PayloadError::NotCanonical));
        assert_eq!(Payload::from_bytes(b"{}"), Err(PayloadError::NotCanonical));
        assert_eq!(Payload::from_bytes(b"{"), Err(PayloadError::Malformed));
    }

    #[test]
    fn a_payload_shows_exactly_what_the_record_commits_to() {
        let mut payload = Payload::new();
        let sql = payload.add("sql", SALT, "SELECT 1");
        let forwarded = payload.add("forwarded", SALT, "SELECT 1");
        let both = [("sql", &sql), ("forwarded", &forwarded)];
        let cases = [
            (both.as_slice(), Ok(())),
            (&both[..1], Err(PayloadError::FieldUnknown)),
            (&[], Err(PayloadError::FieldUnknown)),
            (&[("sql", &forwarded), both[1]], Err(PayloadError::ValueDiffers("sql"))),
            (&[both[0], ("parameters", &sql)], Err(PayloadError::FieldMissing("parameters"))),
        ];
        for (commitments, expected) in cases {
            assert_eq!(payload.check(commitments), expected, "{commitments:?}");
        }
        assert_eq!(Payload::new().check(&both), Err(PayloadError::Missing));
        assert_eq!(Payload::new().check(&[]), Ok(()));
    }

    #[test]
    fn a_salt_in_capitals_is_another_spelling() {
        let salt = [0xab; 16];
        let mut payload = Payload::new();
        let commitment = payload.add("sql", salt, "x");
        let text = String::from_utf8(payload.to_bytes()).unwrap();
        let capitals = Payload::from_bytes(text.replace("ab", "AB").as_bytes()).unwrap();
        assert_eq!(capitals.check(&[("sql", &commitment)]), Err(PayloadError::NotCanonical));
    }

    #[test]
    fn debug_shows_no_value() {
        let mut payload = Payload::new();
        payload.add("sql", SALT, "4111111111111111");
        assert!(!format!("{payload:?}").contains("4111"));
    }
}
