//! Answers to log-ins under names that cannot log in: like any other to see.

use std::fmt;

use crypto::scram::Keys;

use crate::token::ITERATIONS;

/// The key from which the answers for unknown names are made. One per gateway, kept for good: if it
/// changed, so would the salts of unknown names, and only theirs.
pub struct MockSecret([u8; 32]);

impl MockSecret {
    /// Takes 256 random bits.
    pub fn new(secret: [u8; 32]) -> Self {
        Self(secret)
    }

    /// What a verifier of that name would be: the same each time, and like any other to see.
    ///
    /// Nobody knows a token that fits: the stored key is not the hash of a known client key.
    pub(crate) fn keys_for(&self, user: &str) -> Keys {
        Keys {
            iterations: ITERATIONS.get(),
            salt: self.salt_for(user),
            stored_key: self.derive("stored-key", user),
            server_key: self.derive("server-key", user),
        }
    }

    /// The salt of a name, whether there is such an identity or not.
    pub(crate) fn salt_for(&self, user: &str) -> [u8; 16] {
        let mut salt = [0; 16];
        for (byte, derived) in salt.iter_mut().zip(self.derive("salt", user)) {
            *byte = derived;
        }
        salt
    }

    fn derive(&self, purpose: &str, user: &str) -> [u8; 32] {
        crypto::hmac_sha256(&self.0, format!("countersign/mock/{purpose}/{user}").as_bytes())
    }
}

impl fmt::Debug for MockSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MockSecret(…)")
    }
}
