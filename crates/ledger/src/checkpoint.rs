//! Checkpoints: a ledger's size and root, signed (C2SP tlog-checkpoint, signed-note v1.0.0).
//!
//! ```text
//! gw1/access
//! 20852163
//! CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=
//!
//! — gw1/access Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/…=
//! ```
//!
//! The signature line's name is the origin. Our own checkpoints have exactly this form: three lines,
//! one signature. Extension lines and cosignatures are refused until something here writes them.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use crypto::sha256;
use crypto::sign::{SigningKey, VerifyingKey};

use crate::Hash;

/// Signature type 0x01 of signed-note: Ed25519.
const ED25519: u8 = 1;

/// Longest origin in bytes.
const ORIGIN_BYTES_MAX: usize = 255;

/// A ledger's size and root at some moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Names the ledger, for example `gw1/access`.
    pub origin: String,
    /// Number of records.
    pub size: u64,
    /// Root of their tree.
    pub root: Hash,
}

/// A text that is not a checkpoint signed by the expected key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// It is not spelled as a checkpoint with one signature is.
    #[error("it is not a signed checkpoint")]
    Malformed,
    /// It is of another ledger than the key or the caller names.
    #[error("its origin is `{found}`, but `{expected}` is expected")]
    Origin {
        /// The origin that it names.
        found: String,
        /// What was expected.
        expected: String,
    },
    /// It names another key.
    #[error("it is signed with another key")]
    OtherKey,
    /// The signature is not that of its text.
    #[error("its signature is wrong")]
    Signature,
}

/// True if a text can be the origin of a ledger, and so the name of a key: printable ASCII without
/// space and plus, at most 255 bytes.
pub fn check_origin(text: &str) -> bool {
    (1..=ORIGIN_BYTES_MAX).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'+')
}

impl Checkpoint {
    /// Writes the checkpoint as a signed note. The same checkpoint always gets the same text.
    pub fn sign(&self, key: &SigningKey) -> String {
        let text = self.text();
        let vkey = VKey { name: self.origin.clone(), key: key.verifying_key() };
        let mut signature = vkey.id().to_vec();
        signature.extend_from_slice(&key.sign(text.as_bytes()));
        format!("{text}\n\u{2014} {} {}\n", self.origin, STANDARD.encode(signature))
    }

    /// Reads a signed note and checks its signature.
    ///
    /// # Errors
    ///
    /// [`CheckpointError`]. Each checkpoint has exactly one accepted text.
    pub fn open(note: &str, key: &VKey) -> Result<Self, CheckpointError> {
        let (checkpoint, signature) = parse(note).ok_or(CheckpointError::Malformed)?;
        if !key.covers(&checkpoint.origin) {
            let (found, expected) = (checkpoint.origin, key.name.clone());
            return Err(CheckpointError::Origin { found, expected });
        }
        let vkey = VKey { name: checkpoint.origin.clone(), key: key.key };
        let (id, signature) =
            signature.split_first_chunk::<4>().ok_or(CheckpointError::Malformed)?;
        if *id != vkey.id() {
            return Err(CheckpointError::OtherKey);
        }
        let signature =
            <&[u8; 64]>::try_from(signature).map_err(|_length| CheckpointError::Malformed)?;
        if key.key.verify(checkpoint.text().as_bytes(), signature) {
            Ok(checkpoint)
        } else {
            Err(CheckpointError::Signature)
        }
    }

    /// Reads what a signed note says, without checking who signed it.
    ///
    /// # Errors
    ///
    /// [`CheckpointError::Malformed`]. Each checkpoint has exactly one accepted text.
    pub fn claimed(note: &str) -> Result<Self, CheckpointError> {
        parse(note).map(|(checkpoint, _signature)| checkpoint).ok_or(CheckpointError::Malformed)
    }

    /// The text that is signed.
    fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, STANDARD.encode(self.root.0))
    }
}

/// Takes a note apart. Whatever is not spelled as [`Checkpoint::sign`] spells it is refused.
fn parse(note: &str) -> Option<(Checkpoint, Vec<u8>)> {
    let lines: Vec<&str> = note.strip_suffix('\n')?.split('\n').collect();
    let [origin, size, root, "", signature] = lines.as_slice() else { return None };
    let checkpoint = Checkpoint {
        origin: check_origin(origin).then(|| (*origin).to_owned())?,
        size: size.parse().ok().filter(|parsed: &u64| parsed.to_string() == *size)?,
        root: Hash(decode(root)?.try_into().ok()?),
    };
    let signature =
        signature.strip_prefix("\u{2014} ")?.strip_prefix(*origin)?.strip_prefix(' ')?;
    Some((checkpoint, decode(signature)?))
}

/// Decodes base64 that has exactly the spelling in which it would be written.
fn decode(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok().filter(|bytes| STANDARD.encode(bytes) == text)
}

/// A public key with a name, as signed-note writes it: `name+hash+base64`.
///
/// It verifies the ledger that has its name as origin, and the ledgers below it: the key `gw1`
/// verifies `gw1/control` and `gw1/access`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VKey {
    name: String,
    key: VerifyingKey,
}

/// A text that is not a public key with a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a verifier key: it has the form name+hash+base64, on one line")]
pub struct ParseVKeyError;

impl VKey {
    /// Names a key.
    ///
    /// # Errors
    ///
    /// If the name cannot be an origin, see [`check_origin`].
    pub fn new(name: &str, key: VerifyingKey) -> Result<Self, ParseVKeyError> {
        if check_origin(name) {
            Ok(Self { name: name.to_owned(), key })
        } else {
            Err(ParseVKeyError)
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The key itself.
    pub fn key(&self) -> VerifyingKey {
        self.key
    }

    /// True if it may sign for this origin: for its own name, and for what stands below it after a
    /// slash.
    pub fn covers(&self, origin: &str) -> bool {
        match origin.strip_prefix(&self.name) {
            Some(rest) => rest.is_empty() || rest.starts_with('/'),
            None => false,
        }
    }

    /// The key's id: the first four bytes of SHA-256 of name, newline, type and key.
    fn id(&self) -> [u8; 4] {
        let [a, b, c, d, ..] =
            sha256(&[self.name.as_bytes(), b"\n", &[ED25519], self.key.as_bytes()]);
        [a, b, c, d]
    }
}

impl fmt::Display for VKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = [&[ED25519], self.key.as_bytes().as_slice()].concat();
        write!(f, "{}+{}+{}", self.name, hex::encode(self.id()), STANDARD.encode(key))
    }
}

impl FromStr for VKey {
    type Err = ParseVKeyError;

    /// Accepts exactly one spelling, but for white space around it.
    fn from_str(text: &str) -> Result<Self, ParseVKeyError> {
        let text = text.trim();
        // The third part is base64, which has plus signs of its own; name and hash have none.
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(_hash), Some(key)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(ParseVKeyError);
        };
        let key = decode(key).ok_or(ParseVKeyError)?;
        let Some((&ED25519, key)) = key.split_first() else { return Err(ParseVKeyError) };
        let key = <[u8; 32]>::try_from(key).map_err(|_length| ParseVKeyError)?;
        let vkey = Self::new(name, VerifyingKey::from_bytes(key))?;
        if vkey.to_string() == text { Ok(vkey) } else { Err(ParseVKeyError) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // The example of golang.org/x/mod/sumdb/note.
    const GO_VKEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";

    fn key() -> SigningKey {
        SigningKey::from_seed([3; 32])
    }

    fn vkey() -> VKey {
        VKey::new("gw1", key().verifying_key()).unwrap()
    }

    fn checkpoint() -> Checkpoint {
        Checkpoint { origin: "gw1/access".into(), size: 1234, root: Hash([0xa5; 32]) }
    }

    #[test]
    fn a_verifier_key_of_go_is_read_and_its_hash_is_checked() {
        let vkey: VKey = GO_VKEY.parse().unwrap();
        assert_eq!(vkey.name(), "PeterNeumann");
        assert_eq!(vkey.to_string(), GO_VKEY);
        assert!(format!(" {GO_VKEY}\n").parse::<VKey>().is_ok());
        for at in 0..GO_VKEY.len() {
            let mut wrong = GO_VKEY.as_bytes().to_vec();
            wrong[at] ^= 1;
            let wrong = String::from_utf8(wrong).unwrap();
            assert!(wrong.parse::<VKey>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_note_signed_by_go_verifies() {
        // The same example: text and signature.
        let text = "If you think cryptography is the answer to your problem,\n\
            then you don't know what your problem is.\n";
        let line = "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=";
        let vkey: VKey = GO_VKEY.parse().unwrap();
        let signature = decode(line).unwrap();
        assert_eq!(signature[..4], vkey.id());
        assert!(vkey.key().verify(text.as_bytes(), signature[4..].try_into().unwrap()));
    }

    #[test]
    fn a_checkpoint_reads_back() {
        let note = checkpoint().sign(&key());
        assert_eq!(Checkpoint::open(&note, &vkey()), Ok(checkpoint()));
        assert!(note.starts_with("gw1/access\n1234\npaWl"), "{note}");
    }

    #[test]
    fn every_other_byte_anywhere_is_refused() {
        let note = checkpoint().sign(&key());
        for at in 0..note.len() {
            for byte in 0..=u8::MAX {
                let mut wrong = note.clone().into_bytes();
                if wrong[at] == byte {
                    continue;
                }
                wrong[at] = byte;
                let Ok(wrong) = String::from_utf8(wrong) else { continue };
                assert!(Checkpoint::open(&wrong, &vkey()).is_err(), "{at} {byte}: {wrong}");
            }
        }
    }

    #[test]
    fn additions_and_cuts_are_refused() {
        let note = checkpoint().sign(&key());
        let line = note.lines().last().unwrap();
        let cosigned = format!("{note}{line}\n");
        let extended = note.replacen("\n\n", "\nextension\n\n", 1);
        let twice = note.repeat(2);
        for wrong in [&cosigned, &extended, &twice, &format!("{note}\n"), &format!("\n{note}")] {
            assert_eq!(Checkpoint::open(wrong, &vkey()), Err(CheckpointError::Malformed));
        }
        for length in 0..note.len() {
            if let Some(cut) = note.get(..length) {
                assert!(Checkpoint::open(cut, &vkey()).is_err(), "{length}");
            }
        }
    }

    #[test]
    fn another_key_or_another_ledger_is_refused() {
        let note = checkpoint().sign(&key());
        let other = VKey::new("gw1", SigningKey::from_seed([4; 32]).verifying_key()).unwrap();
        assert_eq!(Checkpoint::open(&note, &other), Err(CheckpointError::OtherKey));
        for (name, is_covered) in [
            ("gw1", true),
            ("gw1/access", true),
            ("gw", false),
            ("gw1/acces", false),
            ("g/w1", false),
        ] {
            let named = VKey::new(name, key().verifying_key()).unwrap();
            assert_eq!(Checkpoint::open(&note, &named).is_ok(), is_covered, "{name}");
        }
    }

    #[test]
    fn an_origin_is_printable_and_plain() {
        for right in ["a", "gw1/access", "example.com/log~1"] {
            assert!(check_origin(right), "{right}");
        }
        for wrong in ["", "a b", "a+b", "a\n", "ä", "\u{2014}", &"a".repeat(256)] {
            assert!(!check_origin(wrong), "{wrong}");
        }
    }
}
