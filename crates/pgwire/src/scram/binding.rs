//! Which channel a SCRAM conversation is bound to, and how both sides say it.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{MECHANISM_PLUS, Unacceptable};

/// Begins a conversation that is bound to the server's certificate (RFC 5929 section 4).
const END_POINT: &str = "p=tls-server-end-point,,";
/// Begins one of a client that cannot bind.
const CANNOT: &str = "n,,";
/// Begins one of a client that can, and was not offered to.
const NOT_OFFERED: &str = "y,,";

/// The channel below a log-in, as both sides know it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ChannelBinding {
    /// There is nothing to bind to: no TLS, or a certificate for which no hash is defined.
    #[default]
    Unavailable,
    /// TLS. `tls-server-end-point`: the hash of the server's certificate.
    EndPoint(Vec<u8>),
}

/// How a conversation begins, and what its last message must repeat.
#[derive(Debug)]
pub(crate) struct Header {
    prefix: &'static str,
    bound: Vec<u8>,
}

impl ChannelBinding {
    /// The header of a client that chose this mechanism. It chooses the stronger one where it can.
    pub(crate) fn header_of_client(&self, mechanism: &str) -> Header {
        match self {
            Self::Unavailable => Header { prefix: CANNOT, bound: Vec::new() },
            Self::EndPoint(hash) if mechanism == MECHANISM_PLUS => {
                Header { prefix: END_POINT, bound: hash.clone() }
            }
            Self::EndPoint(_) => Header { prefix: NOT_OFFERED, bound: Vec::new() },
        }
    }

    /// Splits a client's first message into its header and the rest, as a server that offers the
    /// binding whenever it has one. `mechanism` is what the client chose.
    pub(crate) fn split_first<'a>(
        &self,
        message: &'a str,
        mechanism: &str,
    ) -> Result<(Header, &'a str), Unacceptable> {
        let header = |prefix, bound: &[u8]| Header { prefix, bound: bound.to_vec() };
        let begins = |prefix| message.strip_prefix(prefix);
        match (self, mechanism == MECHANISM_PLUS) {
            (Self::EndPoint(hash), true) => match begins(END_POINT) {
                Some(bare) => Ok((header(END_POINT, hash), bare)),
                None => Err(Unacceptable::Malformed),
            },
            (Self::Unavailable, true) => Err(Unacceptable::Malformed),
            (_, false) => match (begins(CANNOT), begins(NOT_OFFERED), self) {
                (Some(bare), _, _) => Ok((header(CANNOT, &[]), bare)),
                (None, Some(bare), Self::Unavailable) => Ok((header(NOT_OFFERED, &[]), bare)),
                // It was offered. Someone took it out of the list.
                (None, Some(_), Self::EndPoint(_)) => Err(Unacceptable::OtherChannel),
                (None, None, _) => Err(Unacceptable::Malformed),
            },
        }
    }
}

impl Header {
    /// True if it names the channel.
    pub(crate) fn is_bound(&self) -> bool {
        self.prefix == END_POINT
    }

    /// As it stands before the first message.
    pub(crate) fn prefix(&self) -> &'static str {
        self.prefix
    }

    /// As the last message repeats it.
    pub(crate) fn attribute(&self) -> String {
        let said = [self.prefix.as_bytes(), &self.bound].concat();
        format!("c={}", STANDARD.encode(said))
    }

    /// What an attribute that is not [`Header::attribute`] means: well formed, it is about another
    /// channel.
    pub(crate) fn judge_other(&self, attribute: &str) -> Unacceptable {
        let said = attribute.strip_prefix("c=").and_then(|said| STANDARD.decode(said).ok());
        match said {
            Some(said) if self.is_bound() && said.starts_with(END_POINT.as_bytes()) => {
                Unacceptable::OtherChannel
            }
            Some(_) | None => Unacceptable::Malformed,
        }
    }
}
