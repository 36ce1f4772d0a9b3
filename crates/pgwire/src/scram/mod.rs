//! The messages of SCRAM-SHA-256, both sides. The arithmetic is `crypto`'s.
//!
//! ```text
//! client                                              server
//!   n,,n=,r=<client nonce>                       ──▶
//!                                                ◀──    r=<both nonces>,s=<salt>,i=<iterations>
//!   c=biws,r=<both nonces>,p=<proof>             ──▶
//!                                                ◀──    v=<signature>
//! ```
//!
//! With channel binding the conversation begins `p=tls-server-end-point,,`, and `c=` also holds the
//! hash of the server's certificate: someone in the middle, who has another certificate, cannot pass
//! it on.
//!
//! **Boundary:** no extensions, and no channel binding but `tls-server-end-point`. A message with any
//! is refused, never misread. Each side accepts exactly one spelling.
//!
//! Source: RFC 5802 sections 5 to 7, RFC 7677, RFC 5929 section 4.

mod binding;
mod client;
mod server;

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use crypto::scram::Keys;

pub use binding::ChannelBinding;
pub(crate) use client::{ClientFirst, ClientLast};
pub(crate) use server::{ServerFirst, ServerLast};

/// The mechanism's registered name.
pub(crate) const MECHANISM: &str = "SCRAM-SHA-256";

/// The same with channel binding.
pub(crate) const MECHANISM_PLUS: &str = "SCRAM-SHA-256-PLUS";

/// Writes keys as PostgreSQL stores them and takes them as a `PASSWORD`: with this text a role gets
/// its password without anyone reading it.
///
/// Source: PostgreSQL manual, "`pg_authid`": `SCRAM-SHA-256$<rounds>:<salt>$<stored>:<server>`.
pub fn verifier(keys: &Keys) -> String {
    let (salt, stored, server) = (
        STANDARD.encode(keys.salt),
        STANDARD.encode(keys.stored_key),
        STANDARD.encode(keys.server_key),
    );
    format!("{MECHANISM}${}:{salt}${stored}:{server}", keys.iterations)
}

/// Random bytes that make one conversation different from all others. To be used once.
#[derive(Clone, Copy)]
pub struct ScramNonce([u8; 18]);

impl ScramNonce {
    /// Takes bytes from a cryptographic random source.
    pub fn new(bytes: [u8; 18]) -> Self {
        Self(bytes)
    }

    /// Returns the nonce as it stands in a message: 24 characters.
    pub(crate) fn text(self) -> String {
        STANDARD.encode(self.0)
    }
}

/// Shows nothing: a nonce that is known before it is sent can be answered before.
impl fmt::Debug for ScramNonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ScramNonce")
    }
}

/// A message does not have the one form that is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// A client's message cannot be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unacceptable {
    /// It does not have the one form that is accepted.
    Malformed,
    /// It is about another channel than this one, or says that none was offered when one was: there
    /// may be someone in the middle.
    OtherChannel,
}

impl From<Malformed> for Unacceptable {
    fn from(Malformed: Malformed) -> Self {
        Self::Malformed
    }
}

/// Returns the value of an attribute such as `r=…`.
fn attribute<'a>(text: &'a str, name: &str) -> Result<&'a str, Malformed> {
    text.strip_prefix(name).ok_or(Malformed)
}

/// Checks a nonce: printable ASCII without commas, not empty.
fn is_nonce(nonce: &str) -> bool {
    !nonce.is_empty() && nonce.bytes().all(|byte| byte.is_ascii_graphic() && byte != b',')
}

fn decode_32(base64: &str) -> Result<[u8; 32], Malformed> {
    let bytes = STANDARD.decode(base64).map_err(|_invalid| Malformed)?;
    bytes.try_into().map_err(|_invalid| Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::num::NonZeroU32;

    const CLIENT_NONCE: &str = "rOprNGfwEbeRWgbNEkqO";
    const SERVER_NONCE: &str = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
    const CLIENT_FIRST: &str = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
    const SERVER_FIRST: &str = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
        s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
    const CLIENT_FINAL: &str = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
        p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
    const SERVER_FINAL: &str = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

    fn keys() -> Keys {
        let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap().try_into().unwrap();
        Keys::derive(b"pencil", salt, NonZeroU32::new(4096).unwrap())
    }

    fn server_first() -> ServerFirst {
        ServerFirst::new(keys(), SERVER_NONCE.to_owned(), ChannelBinding::Unavailable)
    }

    fn client_first() -> ClientFirst {
        let header = ChannelBinding::Unavailable.header_of_client(MECHANISM);
        ClientFirst::new(header, "user", CLIENT_NONCE.to_owned())
    }

    fn server_last(client_first: &str) -> Result<(String, ServerLast), Unacceptable> {
        server_first().answer(MECHANISM, client_first.as_bytes())
    }

    #[test]
    fn both_sides_say_the_words_of_rfc_7677() {
        let client = client_first();
        assert_eq!(client.message(), CLIENT_FIRST);
        let (server_first, server) = server_last(CLIENT_FIRST).unwrap();
        assert_eq!(server_first, SERVER_FIRST);
        let (client_final, client) =
            client.answer(server_first.as_bytes(), b"pencil", 4096..=4096).unwrap();
        assert_eq!(client_final, CLIENT_FINAL);
        let server_final = server.check(client_final.as_bytes()).unwrap().unwrap();
        assert_eq!(server_final, SERVER_FINAL);
        assert_eq!(client.check(server_final.as_bytes()), Ok(true));
    }

    #[test]
    fn a_verifier_is_written_as_postgresql_stores_it() {
        // The keys of the example of RFC 7677, in the form of `pg_authid.rolpassword`.
        assert_eq!(
            verifier(&keys()),
            "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==\
             $WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
        );
    }

    #[test]
    fn a_wrong_password_is_not_malformed_but_wrong() {
        let client = client_first();
        let (server_first, server) = server_last(&client.message()).unwrap();
        let (client_final, _) =
            client.answer(server_first.as_bytes(), b"pencils", 1..=4096).unwrap();
        assert_eq!(server.check(client_final.as_bytes()), Ok(None));
    }

    #[test]
    fn a_server_takes_one_form_of_the_first_message() {
        #[rustfmt::skip]
        let cases = [
            (CLIENT_FIRST,                         true),
            ("n,,n=,r=abc",                        true),
            ("y,,n=,r=abc",                        true),
            ("p=tls-server-end-point,,n=,r=abc",   false),
            ("n,a=other,n=,r=abc",                 false),
            ("n,,m=ext,n=,r=abc",                  false),
            ("n,,n=,r=abc,x=1",                    false),
            ("n,,n=,r=",                           false),
            ("n,,n=,r=a b",                        false),
            ("n,,n=,r=a\u{e4}",                    false),
            ("n,,n=",                              false),
            ("n,,r=abc",                           false),
            ("n,",                                 false),
            ("",                                   false),
        ];
        for (message, accepted) in cases {
            assert_eq!(server_last(message).is_ok(), accepted, "{message}");
        }
    }

    #[test]
    fn a_server_takes_one_form_of_the_last_message() {
        let proof = CLIENT_FINAL.rsplit_once(",p=").unwrap().1;
        let nonces = format!("{CLIENT_NONCE}{SERVER_NONCE}");
        #[rustfmt::skip]
        let cases = [
            (format!("c=biws,r={nonces},p={proof}"),             true),
            (format!("c=eSws,r={nonces},p={proof}"),             false),
            (format!("c=cD0=,r={nonces},p={proof}"),             false),
            (format!("c=biws,r={CLIENT_NONCE},p={proof}"),       false),
            (format!("c=biws,r={nonces}x,p={proof}"),            false),
            (format!("c=biws,r={nonces},x=1,p={proof}"),         false),
            (format!("c=biws,r={nonces},p={proof},x=1"),         false),
            (format!("c=biws,r={nonces},p="),                    false),
            (format!("c=biws,r={nonces},p=AAAA"),                false),
            (format!("c=biws,r={nonces},p={}VR=", proof.trim_end_matches("VQ=")),  false),
            (format!("c=biws,r={nonces}"),                       false),
            (format!("r={nonces},c=biws,p={proof}"),             false),
        ];
        for (message, accepted) in cases {
            let (_, server) = server_last(CLIENT_FIRST).unwrap();
            assert_eq!(server.check(message.as_bytes()).is_ok(), accepted, "{message}");
        }
    }

    #[test]
    fn a_client_takes_one_form_of_the_servers_messages() {
        #[rustfmt::skip]
        let cases = [
            (SERVER_FIRST.to_owned(),                                     true),
            (SERVER_FIRST.replace("i=4096", "i=4095"),                    false),
            (SERVER_FIRST.replace("i=4096", "i=4097"),                    false),
            (SERVER_FIRST.replace("i=4096", "i=+4096"),                   false),
            (SERVER_FIRST.replace("i=4096", "i=99999999999"),             false),
            (SERVER_FIRST.replace("i=4096", "i=4096,x=1"),                false),
            (SERVER_FIRST.replace("r=rOpr", "r=rOpq"),                    false),
            (SERVER_FIRST.replace(SERVER_NONCE, ""),                      false),
            (SERVER_FIRST.replace("s=W22ZaJ0SNY7soEsUEjb6gQ==", "s="),    false),
            (SERVER_FIRST.replace("s=W22Z", "s=!22Z"),                    false),
            (format!("m=ext,{SERVER_FIRST}"),                             false),
            (String::new(),                                               false),
        ];
        for (message, accepted) in cases {
            let client = client_first();
            let answer = client.answer(message.as_bytes(), b"pencil", 4096..=4096);
            assert_eq!(answer.is_ok(), accepted, "{message}");
        }
        #[rustfmt::skip]
        let cases = [
            (SERVER_FINAL,                                       Ok(true)),
            ("v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",   Ok(false)),
            ("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4",    Err(Malformed)),
            ("e=other-error",                                    Err(Malformed)),
            ("",                                                 Err(Malformed)),
        ];
        for (message, expected) in cases {
            let client = client_first();
            let (_, client) = client.answer(SERVER_FIRST.as_bytes(), b"pencil", 1..=4096).unwrap();
            assert_eq!(client.check(message.as_bytes()), expected, "{message}");
        }
    }
}
