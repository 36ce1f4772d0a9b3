//! The arithmetic of SCRAM-SHA-256 (RFC 5802 section 3, RFC 7677). The messages are `pgwire`'s.
//!
//! ```text
//! SaltedPassword  = Hi(password, salt, iterations)
//! ClientKey       = HMAC(SaltedPassword, "Client Key")      ServerKey = HMAC(SaltedPassword, "Server Key")
//! StoredKey       = H(ClientKey)
//! ClientProof     = ClientKey XOR HMAC(StoredKey, AuthMessage)
//! ServerSignature = HMAC(ServerKey, AuthMessage)
//! ```
//!
//! The password is taken as bytes: whoever has one that is not ASCII must apply `SASLprep` first.

use std::fmt;
use std::num::NonZeroU32;

use crate::{constant_time_eq, hmac_sha256, pbkdf2_sha256, sha256};

/// What a server keeps to check a password, and cannot use to log in elsewhere.
#[derive(Clone, PartialEq, Eq)]
pub struct Keys {
    /// PBKDF2 rounds.
    pub iterations: u32,
    /// The salt.
    pub salt: [u8; 16],
    /// Checks the client's proof.
    pub stored_key: [u8; 32],
    /// Proves to the client that the server knows the verifier.
    pub server_key: [u8; 32],
}

impl Keys {
    /// Derives the keys of a password. Costs `iterations` rounds of PBKDF2.
    pub fn derive(password: &[u8], salt: [u8; 16], iterations: NonZeroU32) -> Self {
        let salted = salted_password(password, &salt, iterations);
        Self {
            iterations: iterations.get(),
            salt,
            stored_key: stored_key(&salted),
            server_key: server_key(&salted),
        }
    }
}

/// Shows neither key: with the server key one can pose as the gateway, with the stored key one can
/// guess passwords offline.
impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("iterations", &self.iterations).finish_non_exhaustive()
    }
}

/// Derives the salted password, from which a client computes all else. It is as secret as the
/// password.
pub fn salted_password(password: &[u8], salt: &[u8], iterations: NonZeroU32) -> [u8; 32] {
    pbkdf2_sha256(password, salt, iterations)
}

/// Derives the key that the server keeps to check proofs.
pub fn stored_key(salted_password: &[u8; 32]) -> [u8; 32] {
    sha256(&[&client_key(salted_password)])
}

/// Derives the key with which the server signs.
pub fn server_key(salted_password: &[u8; 32]) -> [u8; 32] {
    hmac_sha256(salted_password, b"Server Key")
}

/// Computes what the client sends to prove that it knows the password.
pub fn client_proof(salted_password: &[u8; 32], auth_message: &[u8]) -> [u8; 32] {
    let key = client_key(salted_password);
    xor(key, hmac_sha256(&sha256(&[&key]), auth_message))
}

/// Checks a client's proof against the stored key, in constant time.
pub fn verify_proof(stored_key: &[u8; 32], auth_message: &[u8], proof: &[u8; 32]) -> bool {
    let client_key = xor(*proof, hmac_sha256(stored_key, auth_message));
    constant_time_eq(&sha256(&[&client_key]), stored_key)
}

/// Computes what the server sends to prove that it knows the verifier.
///
/// A client compares it with [`constant_time_eq`].
pub fn server_signature(server_key: &[u8; 32], auth_message: &[u8]) -> [u8; 32] {
    hmac_sha256(server_key, auth_message)
}

fn client_key(salted_password: &[u8; 32]) -> [u8; 32] {
    hmac_sha256(salted_password, b"Client Key")
}

fn xor(mut left: [u8; 32], right: [u8; 32]) -> [u8; 32] {
    for (l, r) in left.iter_mut().zip(right) {
        *l ^= r;
    }
    left
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    // RFC 7677 section 3: user "user", password "pencil".
    const AUTH_MESSAGE: &[u8] = b"n=user,r=rOprNGfwEbeRWgbNEkqO,\
        r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,\
        c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
    const PROOF: &str = "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
    const SIGNATURE: &str = "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

    #[test]
    fn agrees_with_the_example_of_rfc_7677() {
        let salt = decode("W22ZaJ0SNY7soEsUEjb6gQ==");
        let rounds = NonZeroU32::new(4096).unwrap();
        let keys = Keys::derive(b"pencil", salt, rounds);
        let proof = client_proof(&salted_password(b"pencil", &salt, rounds), AUTH_MESSAGE);

        assert_eq!(proof, decode(PROOF));
        assert!(verify_proof(&keys.stored_key, AUTH_MESSAGE, &proof));
        assert_eq!(server_signature(&keys.server_key, AUTH_MESSAGE), decode(SIGNATURE));
    }

    #[test]
    fn a_proof_holds_for_one_password_and_one_conversation() {
        let rounds = NonZeroU32::new(2).unwrap();
        let keys = Keys::derive(b"pencil", [7; 16], rounds);
        let salted = salted_password(b"pencil", &[7; 16], rounds);
        let proof = client_proof(&salted, b"one");
        assert!(verify_proof(&keys.stored_key, b"one", &proof));
        assert!(!verify_proof(&keys.stored_key, b"two", &proof));
        for bit in 0..256 {
            let mut wrong = proof;
            wrong[bit / 8] ^= 1 << (bit % 8);
            assert!(!verify_proof(&keys.stored_key, b"one", &wrong), "bit {bit}");
        }
        let other = salted_password(b"pencils", &[7; 16], rounds);
        assert!(!verify_proof(&keys.stored_key, b"one", &client_proof(&other, b"one")));
    }

    #[test]
    fn debug_shows_no_key() {
        let keys = Keys::derive(b"pencil", [7; 16], NonZeroU32::MIN);
        assert_eq!(format!("{keys:?}"), "Keys { iterations: 1, .. }");
    }

    fn decode<const N: usize>(text: &str) -> [u8; N] {
        STANDARD.decode(text).unwrap().try_into().unwrap()
    }
}
