//! What a peer did wrong, and what a caller asked to write that cannot be written.
//!
//! **Invariant:** no error here holds bytes of a peer beyond one message type or a length, so the
//! text of each is safe to show to the client and to log.

/// A peer sent bytes that the protocol does not allow here, or that the gateway refuses. The session
/// must be closed: what follows cannot be trusted to be framed as it seems.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolError {
    /// The announced length is smaller than the message can be.
    #[error("message length {length} is less than {least} bytes")]
    LengthTooSmall {
        /// What the peer announced.
        length: u32,
        /// The smallest possible.
        least: u32,
    },
    /// The message is larger than the gateway accepts.
    #[error("message length {length} exceeds the limit of {limit} bytes")]
    LengthTooLarge {
        /// What the peer announced.
        length: u32,
        /// What the gateway accepts.
        limit: u32,
    },
    /// No message of this direction has this type byte.
    #[error("unknown message type 0x{0:02x}")]
    UnknownType(u8),
    /// The body of a message does not have the form that the protocol gives it.
    #[error("malformed {message}: {fault}")]
    Malformed {
        /// Name of the message.
        message: &'static str,
        /// What is wrong with it.
        fault: Fault,
    },
    /// The message is well formed, but the protocol does not allow it at this point.
    #[error("unexpected {0}")]
    Unexpected(&'static str),
    /// The message is legal in PostgreSQL, but the gateway does not accept it.
    #[error("{0}")]
    Refused(Refused),
    /// SCRAM is bound to another channel than this one, or the client was told that it cannot be
    /// bound: there may be someone in the middle.
    #[error("SCRAM channel binding check failed")]
    OtherChannel,
    /// More replies are awaited than one session may have.
    #[error("more than {limit} replies are awaited")]
    TooManyReplies {
        /// What the gateway accepts.
        limit: usize,
    },
}

impl ProtocolError {
    /// Returns the SQLSTATE with which PostgreSQL answers such a thing.
    pub fn sqlstate(self) -> &'static str {
        match self {
            Self::LengthTooSmall { .. }
            | Self::LengthTooLarge { .. }
            | Self::UnknownType(_)
            | Self::Malformed { .. }
            | Self::Unexpected(_) => "08P01",
            Self::OtherChannel => "28000",
            Self::Refused(_) => "0A000",
            Self::TooManyReplies { .. } => "54000",
        }
    }
}

/// What is wrong with the body of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A field goes beyond the end of the message.
    #[error("it ends too early")]
    Short,
    /// Bytes follow the last field.
    #[error("bytes follow its end")]
    Trailing,
    /// A text has no terminating NUL.
    #[error("a text has no end")]
    Unterminated,
    /// A text is not valid UTF-8.
    #[error("a text is not valid UTF-8")]
    NotUtf8,
    /// A length is negative (other than -1 where that means NULL).
    #[error("a length is negative")]
    NegativeLength,
    /// A code has none of the values that the protocol defines.
    #[error("a code is undefined")]
    UndefinedCode,
    /// Two counts that must agree do not, or a count is more than the limit.
    #[error("counts do not agree")]
    Count,
    /// A name stands twice where it may stand once.
    #[error("a name stands twice")]
    Duplicate,
    /// A field that must stand is missing or empty.
    #[error("a required field is missing")]
    Missing,
    /// Bytes were sent before the peer could know that it may send them.
    #[error("bytes were sent ahead of the answer")]
    SentAhead,
    /// A SCRAM message does not have the form of RFC 5802 section 7.
    #[error("it does not follow RFC 5802")]
    Scram,
}

/// What PostgreSQL would allow, but the gateway cannot inspect, and so does not accept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// A fast-path function call: it runs a function with no SQL text.
    #[error("function calls by the fast path are not supported")]
    FunctionCall,
    /// A replication connection: it streams whole rows.
    #[error("replication connections are not supported")]
    Replication,
    /// A protocol other than 3.
    #[error("protocol version {major}.{minor} is not supported")]
    ProtocolVersion {
        /// As asked for.
        major: u16,
        /// As asked for.
        minor: u16,
    },
    /// TLS begun without `SSLRequest` where it cannot be: there is none, it has begun already, or the
    /// client had already asked for something else.
    #[error("TLS cannot begin here")]
    DirectTls,
    /// A way to log in that was not offered.
    #[error("the authentication mechanism is not supported")]
    Mechanism,
    /// COPY in a mode in which the gateway cannot tell its end.
    #[error("this form of COPY is not supported")]
    Copy,
}

/// A value cannot be written as a message. Nothing was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// A text holds a NUL, which would end it early on the wire.
    #[error("a text holds a NUL")]
    InnerNul,
    /// A list or value is longer than its count field can say.
    #[error("a list or value is too long for its message")]
    TooLong,
}

impl From<std::num::TryFromIntError> for WriteError {
    fn from(_does_not_fit: std::num::TryFromIntError) -> Self {
        Self::TooLong
    }
}
