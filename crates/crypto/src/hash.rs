//! SHA-2 and what is built on it: HMAC (RFC 2104), PBKDF2 (RFC 8018), comparison of digests.

use std::fmt;
use std::num::NonZeroU32;

use aws_lc_rs::{constant_time, digest, hmac, pbkdf2};

/// Returns the SHA-256 of the parts, one after the other.
///
/// The parts are not separated: a caller that hashes fields of variable length must write the
/// lengths too, or ("ab", "c") and ("a", "bc") are one.
pub fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::default();
    for part in parts {
        hash.update(part);
    }
    hash.finish()
}

/// A SHA-256 over bytes that come one after the other.
#[derive(Clone)]
pub struct Sha256(digest::Context);

impl Sha256 {
    /// Takes more bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Returns the digest of all bytes.
    pub fn finish(self) -> [u8; 32] {
        array(self.0.finish().as_ref())
    }
}

impl Default for Sha256 {
    fn default() -> Self {
        Self(digest::Context::new(&digest::SHA256))
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sha256")
    }
}

/// Returns the SHA-384 of a text.
pub fn sha384(text: &[u8]) -> [u8; 48] {
    array(digest::digest(&digest::SHA384, text).as_ref())
}

/// Returns the SHA-512 of a text.
pub fn sha512(text: &[u8]) -> [u8; 64] {
    array(digest::digest(&digest::SHA512, text).as_ref())
}

/// Returns the HMAC-SHA-256 of a message.
pub fn hmac_sha256(key: &[u8], message: &[u8]) -> [u8; 32] {
    array(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message).as_ref())
}

/// Derives 32 bytes from a password (PBKDF2 with HMAC-SHA-256; SCRAM's `Hi` function).
///
/// The cost is linear in `iterations`: about 1 ms for 4096.
pub fn pbkdf2_sha256(password: &[u8], salt: &[u8], iterations: NonZeroU32) -> [u8; 32] {
    let mut out = [0; 32];
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, iterations, salt, password, &mut out);
    out
}

/// Compares two byte strings in a time that does not depend on where they differ.
///
/// Strings of different lengths are unequal at once: a length is no secret.
pub fn constant_time_eq(left: &[u8], right: &[u8]) -> bool {
    constant_time::verify_slices_are_equal(left, right).is_ok()
}

/// Copies a digest of that length.
fn array<const N: usize>(digest: &[u8]) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(digest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_agree_with_published_vectors() {
        // FIPS 180-4 example "abc"; RFC 4231 test case 2; RFC 7914 section 11 (first 32 bytes).
        assert_eq!(
            hex::encode(sha256(&[b"a", b"", b"bc"])),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(
            hex::encode(hmac_sha256(b"Jefe", b"what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        // FIPS 180-4 examples "abc", the first 16 bytes.
        assert_eq!(hex::encode(&sha384(b"abc")[..16]), "cb00753f45a35e8bb5a03d699ac65007");
        assert_eq!(hex::encode(&sha512(b"abc")[..16]), "ddaf35a193617abacc417349ae204131");
        let one = NonZeroU32::MIN;
        assert_eq!(
            hex::encode(pbkdf2_sha256(b"passwd", b"salt", one)),
            "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc"
        );
    }

    #[test]
    fn only_equal_strings_are_equal() {
        assert!(constant_time_eq(b"", b""));
        assert!(constant_time_eq(b"abc", b"abc"));
        assert!(!constant_time_eq(b"abc", b"abd"));
        assert!(!constant_time_eq(b"abc", b"ab"));
    }
}
