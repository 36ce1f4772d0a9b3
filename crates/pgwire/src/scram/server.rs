//! The side that checks a password.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use crypto::scram::Keys;

use super::binding::{ChannelBinding, Header};
use super::{MECHANISM, MECHANISM_PLUS, Malformed, Unacceptable, attribute, decode_32, is_nonce};

/// Waits for the client's first message.
pub(crate) struct ServerFirst {
    keys: Keys,
    nonce: String,
    binding: ChannelBinding,
}

/// Waits for the client's last message.
pub(crate) struct ServerLast {
    keys: Keys,
    header: Header,
    /// All of the last message but the proof, which leaves the client no choice.
    expected: String,
    /// The two first messages, as they enter the proof.
    conversation: String,
}

impl ServerFirst {
    pub(crate) fn new(keys: Keys, nonce: String, binding: ChannelBinding) -> Self {
        Self { keys, nonce, binding }
    }

    /// The mechanisms to offer, the stronger one first.
    pub(crate) fn mechanisms(&self) -> &'static [&'static str] {
        match self.binding {
            ChannelBinding::Unavailable => &[MECHANISM],
            ChannelBinding::EndPoint(_) => &[MECHANISM_PLUS, MECHANISM],
        }
    }

    /// Reads the client's first message under one of [`ServerFirst::mechanisms`], and returns the
    /// server's.
    ///
    /// The user in it is ignored, as PostgreSQL does: who logs in stands in the `StartupMessage`.
    pub(crate) fn answer(
        self,
        mechanism: &str,
        message: &[u8],
    ) -> Result<(String, ServerLast), Unacceptable> {
        let message = std::str::from_utf8(message).map_err(|_invalid| Malformed)?;
        let (header, bare) = self.binding.split_first(message, mechanism)?;
        let (user, nonce) = bare.split_once(',').ok_or(Malformed)?;
        attribute(user, "n=")?;
        let nonce = attribute(nonce, "r=")?;
        if !is_nonce(nonce) {
            return Err(Malformed.into());
        }
        let Self { keys, nonce: ours, .. } = self;
        let salt = STANDARD.encode(keys.salt);
        let first = format!("r={nonce}{ours},s={salt},i={}", keys.iterations);
        let expected = format!("{},r={nonce}{ours}", header.attribute());
        let conversation = format!("{bare},{first}");
        Ok((first, ServerLast { keys, header, expected, conversation }))
    }
}

impl ServerLast {
    /// True if the conversation is bound to its channel.
    pub(crate) fn is_bound(&self) -> bool {
        self.header.is_bound()
    }

    /// Reads the client's last message. Returns the server's if the password is right, and nothing
    /// if it is wrong.
    pub(crate) fn check(self, message: &[u8]) -> Result<Option<String>, Unacceptable> {
        let message = std::str::from_utf8(message).map_err(|_invalid| Malformed)?;
        let (without_proof, proof) = message.rsplit_once(",p=").ok_or(Malformed)?;
        let proof = decode_32(proof)?;
        if without_proof != self.expected {
            let attribute = without_proof.split_once(',').map_or("", |(first, _)| first);
            return Err(self.header.judge_other(attribute));
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
