//! Tokens: what a client gives as its password. The gateway makes them and keeps none.

use std::fmt;
use std::num::NonZeroU32;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use crypto::scram::Keys;
use model::{IdentityName, ScramVerifier};

use crate::MockSecret;

/// PBKDF2 rounds of a verifier: the least that RFC 7677 section 4 allows.
///
/// Rounds slow down the guessing of weak passwords. A token has 256 random bits, which nobody
/// guesses at any speed, and every login would pay for more.
pub(crate) const ITERATIONS: NonZeroU32 = NonZeroU32::new(4096).unwrap();

/// Lets a human or a secret scanner tell what the text is.
const PREFIX: &str = "cst_";

/// A new secret that proves an identity: `cst_` and 43 characters, which hold 256 random bits.
///
/// Not `Clone`, and shown once: who issues a token reveals it to its owner, then it is gone.
pub struct Token(String);

impl Token {
    /// Gives up the token for its text.
    #[must_use]
    pub fn reveal(self) -> String {
        self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// Makes a token of an identity, and what checks it. Only the verifier may be kept.
///
/// The salt is that of the name, for every token and also for names that have none: who asks to log in
/// learns nothing from it, neither that there is such an identity nor that its token was rotated. A
/// salt protects passwords that people choose; here 256 random bits do.
pub fn issue(name: &IdentityName, mock: &MockSecret) -> (Token, ScramVerifier) {
    let text = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(crypto::random::<32>()));
    let keys = Keys::derive(text.as_bytes(), mock.salt_for(name.as_str()), ITERATIONS);
    let verifier = ScramVerifier {
        iterations: keys.iterations,
        salt: hex::encode(keys.salt),
        stored_key: hex::encode(keys.stored_key),
        server_key: hex::encode(keys.server_key),
    };
    (Token(text), verifier)
}

/// Reads a verifier's numbers. Nothing if they are not of the right form; the inventory holds none
/// such.
pub(crate) fn keys_of(verifier: &ScramVerifier) -> Option<Keys> {
    let mut keys = Keys {
        iterations: verifier.iterations,
        salt: [0; 16],
        stored_key: [0; 32],
        server_key: [0; 32],
    };
    hex::decode_to_slice(&verifier.salt, &mut keys.salt).ok()?;
    hex::decode_to_slice(&verifier.stored_key, &mut keys.stored_key).ok()?;
    hex::decode_to_slice(&verifier.server_key, &mut keys.server_key).ok()?;
    Some(keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn issued() -> (Token, ScramVerifier) {
        issue(&"agent".parse().unwrap(), &MockSecret::new([7; 32]))
    }

    #[test]
    fn a_token_is_256_bits_of_url_safe_text_and_never_the_same() {
        let (one, _) = issued();
        let (other, _) = issued();
        assert_eq!(format!("{one:?}"), "Token(…)");
        let (one, other) = (one.reveal(), other.reveal());
        assert_ne!(one, other);
        assert_eq!(one.len(), 47);
        let body = one.strip_prefix("cst_").unwrap();
        assert!(body.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
        assert_eq!(URL_SAFE_NO_PAD.decode(body).unwrap().len(), 32);
    }

    #[test]
    fn the_verifier_checks_its_own_token_and_no_other() {
        let (token, verifier) = issued();
        let (token, keys) = (token.reveal(), keys_of(&verifier).unwrap());
        let rounds = NonZeroU32::new(keys.iterations).unwrap();
        assert_eq!(Keys::derive(token.as_bytes(), keys.salt, rounds), keys);
        assert_ne!(Keys::derive(issued().0.reveal().as_bytes(), keys.salt, rounds), keys);
        assert!(!format!("{verifier:?}").contains(&token));
    }

    #[test]
    fn a_malformed_verifier_is_no_verifier() {
        let (_, good) = issued();
        for change in ["", "00", "zz", &"00".repeat(33)] {
            assert!(keys_of(&ScramVerifier { salt: change.into(), ..good.clone() }).is_none());
            assert!(
                keys_of(&ScramVerifier { stored_key: change.into(), ..good.clone() }).is_none()
            );
            assert!(
                keys_of(&ScramVerifier { server_key: change.into(), ..good.clone() }).is_none()
            );
        }
    }
}
