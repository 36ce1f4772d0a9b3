//! Ed25519 signatures (RFC 8032), which sign the ledgers' checkpoints.

use std::fmt;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};

/// Signs. Not `Clone`: share it in an `Arc`.
pub struct SigningKey {
    pair: Ed25519KeyPair,
    public: VerifyingKey,
}

impl SigningKey {
    /// Makes the key pair of a seed. Every seed is a key; draw it with [`crate::random`].
    ///
    /// # Panics
    ///
    /// Never: RFC 8032 section 5.1.5 makes a private key of any 32 bytes.
    #[expect(
        clippy::expect_used,
        reason = "RFC 8032 section 5.1.5: any 32 bytes are a private key"
    )]
    pub fn from_seed(seed: [u8; 32]) -> Self {
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).expect("any 32 bytes are a key");
        let mut public = [0; 32];
        public.copy_from_slice(pair.public_key().as_ref());
        Self { pair, public: VerifyingKey(public) }
    }

    /// Signs a message. The same message always gets the same signature.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        let mut signature = [0; 64];
        signature.copy_from_slice(self.pair.sign(message).as_ref());
        signature
    }

    /// The public half.
    pub fn verifying_key(&self) -> VerifyingKey {
        self.public
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("public", &self.public).finish_non_exhaustive()
    }
}

/// Checks signatures. No secret.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct VerifyingKey([u8; 32]);

impl VerifyingKey {
    /// Takes a public key. Bytes that are no point of the curve make a key that verifies nothing.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The key as it is written (RFC 8032 section 5.1.2).
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// True if the signature of the message was made with the private half.
    pub fn verify(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.0).verify(message, signature).is_ok()
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifyingKey({})", hex::encode(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 8032 section 7.1, test 2.
    const SEED: &str = "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb";
    const PUBLIC: &str = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
    const SIGNATURE: &str = "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
        085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00";

    #[test]
    fn agrees_with_the_example_of_rfc_8032() {
        let key = SigningKey::from_seed(hex::decode(SEED).unwrap().try_into().unwrap());
        assert_eq!(hex::encode(key.verifying_key().as_bytes()), PUBLIC);
        let signature = key.sign(&[0x72]);
        assert_eq!(hex::encode(signature), SIGNATURE);
        assert!(key.verifying_key().verify(&[0x72], &signature));
    }

    #[test]
    fn an_altered_signature_message_or_key_does_not_verify() {
        let key = SigningKey::from_seed([1; 32]);
        let public = key.verifying_key();
        let signature = key.sign(b"text");
        assert!(!public.verify(b"texT", &signature));
        assert!(!SigningKey::from_seed([2; 32]).verifying_key().verify(b"text", &signature));
        assert!(!VerifyingKey::from_bytes([0xff; 32]).verify(b"text", &signature));
        for bit in 0..512 {
            let mut wrong = signature;
            wrong[bit / 8] ^= 1 << (bit % 8);
            assert!(!public.verify(b"text", &wrong), "bit {bit}");
        }
    }

    #[test]
    fn debug_shows_the_public_key_only() {
        let key = SigningKey::from_seed([9; 32]);
        let shown = format!("{key:?}");
        assert!(shown.contains(&hex::encode(key.verifying_key().as_bytes())));
        assert!(!shown.contains(&"09".repeat(32)), "{shown}");
    }
}
