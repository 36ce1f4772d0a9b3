//! The side that proves that it knows a password.

use std::{num::NonZeroU32, ops::RangeInclusive};

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::binding::Header;
use super::{Malformed, attribute, decode_32, is_nonce};

/// Waits for the server's first message.
pub(crate) struct ClientFirst {
    header: Header,
    bare: String,
    nonce: String,
}

/// Waits for the server's last message.
pub(crate) struct ClientLast {
    signature: [u8; 32],
}

impl ClientFirst {
    /// `user` is ignored by PostgreSQL and should be empty.
    pub(crate) fn new(header: Header, user: &str, nonce: String) -> Self {
        Self { header, bare: format!("n={user},r={nonce}"), nonce }
    }

    /// Returns the client's first message.
    pub(crate) fn message(&self) -> String {
        format!("{}{}", self.header.prefix(), self.bare)
    }

    /// Reads the server's first message and returns the client's last.
    ///
    /// Costs as many rounds of PBKDF2 as the server says, within `iterations`.
    pub(crate) fn answer(
        self,
        message: &[u8],
        password: &[u8],
        iterations: RangeInclusive<u32>,
    ) -> Result<(String, ClientLast), Malformed> {
        let message = std::str::from_utf8(message).map_err(|_invalid| Malformed)?;
        let (nonce, rest) = message.split_once(',').ok_or(Malformed)?;
        let (salt, rounds) = rest.split_once(',').ok_or(Malformed)?;
        let nonce = attribute(nonce, "r=")?;
        let theirs = nonce.strip_prefix(self.nonce.as_str()).ok_or(Malformed)?;
        let salt = STANDARD.decode(attribute(salt, "s=")?).map_err(|_invalid| Malformed)?;
        let rounds = attribute(rounds, "i=")?;
        if !is_nonce(theirs) || salt.is_empty() || !rounds.bytes().all(|b| b.is_ascii_digit()) {
            return Err(Malformed);
        }
        let rounds: NonZeroU32 = rounds.parse().map_err(|_invalid| Malformed)?;
        if !iterations.contains(&rounds.get()) {
            return Err(Malformed);
        }
        let salted = crypto::scram::salted_password(password, &salt, rounds);
        let without_proof = format!("{},r={nonce}", self.header.attribute());
        let auth_message = format!("{},{message},{without_proof}", self.bare);
        let auth_message = auth_message.as_bytes();
        let proof = STANDARD.encode(crypto::scram::client_proof(&salted, auth_message));
        let server_key = crypto::scram::server_key(&salted);
        let signature = crypto::scram::server_signature(&server_key, auth_message);
        Ok((format!("{without_proof},p={proof}"), ClientLast { signature }))
    }
}

impl ClientLast {
    /// Reads the server's last message. Tells whether the server knows the password, too.
    pub(crate) fn check(self, message: &[u8]) -> Result<bool, Malformed> {
        let message = std::str::from_utf8(message).map_err(|_invalid| Malformed)?;
        let signature = decode_32(attribute(message, "v=")?)?;
        Ok(crypto::constant_time_eq(&signature, &self.signature))
    }
}
