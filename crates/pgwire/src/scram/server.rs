//! The side that checks a password.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use crypto::scram::Keys;

use super::{Malformed, attribute, decode_32, is_nonce};

/// Waits for the client's first message.
pub(crate) struct ServerFirst {
    keys: Keys,
    nonce: String,
}

/// Waits for the client's last message.
pub(crate) struct ServerLast {
    keys: Keys,
    /// All of the last message but the proof, which leaves the client no choice.
    expected: String,
    /// The two first messages, as they enter the proof.
    conversation: String,
}

impl ServerFirst {
    pub(crate) fn new(keys: Keys, nonce: String) -> Self {
        Self { keys, nonce }
    }

    /// Reads the client's first message and returns the server's.
    ///
    /// The user in it is ignored, as PostgreSQL does: who logs in stands in the `StartupMessage`.
    pub(crate) fn answer(self, message: &[u8]) -> Result<(String, ServerLast), Malformed> {
        let message = std::str::from_utf8(message).map_err(|_invalid| Malformed)?;
        // `y` says that the client could bind to the channel, but sees that it is not offered.
        let Some((header @ ("n,," | "y,,"), bare)) = message.split_at_checked(3) else {
            return Err(Malformed);
        };
        let (user, nonce) = bare.split_once(',').ok_or(Malformed)?;
        attribute(user, "n=")?;
        let nonce = attribute(nonce, "r=")?;
        if !is_nonce(nonce) {
            return Err(Malformed);
        }
        let Self { keys, nonce: ours } = self;
        let salt = STANDARD.encode(keys.salt);
        let first = format!("r={nonce}{ours},s={salt},i={}", keys.iterations);
        let expected = format!("c={},r={nonce}{ours}", STANDARD.encode(header));
        let conversation = format!("{bare},{first}");
        Ok((first, ServerLast { keys, expected, conversation }))
    }
}

impl ServerLast {
    /// Reads the client's last message. Returns the server's if the password is right, and nothing
    /// if it is wrong.
    pub(crate) fn check(self, message: &[u8]) -> Result<Option<String>, Malformed> {
        let message = std::str::from_utf8(message).map_err(|_invalid| Malformed)?;
        let (without_proof, proof) = message.rsplit_once(",p=").ok_or(Malformed)?;
        let proof = decode_32(proof)?;
        if without_proof != self.expected {
            return Err(Malformed);
        }
        let auth_message = format!("{},{without_proof}", self.conversation);
        let auth_message = auth_message.as_bytes();
        if !crypto::scram::verify_proof(&self.keys.stored_key, auth_message, &proof) {
            return Ok(None);
        }
        let signature = crypto::scram::server_signature(&self.keys.server_key, auth_message);
        Ok(Some(format!("v={}", STANDARD.encode(signature))))
    }
}
