//! The first packets of a client: they have a length, but no type byte.
//!
//! **Invariant:** a `StartupMessage` that is ambiguous, in that two readers could take another user
//! or database from it, is refused: no name may stand twice, not even in another case.
//!
//! Source: PostgreSQL 18 documentation, section 54.7, and `ProcessStartupPacket`.

use std::{collections::BTreeMap, fmt};

use bytes::{Buf as _, Bytes, BytesMut};

use crate::{
    error::{Fault, ProtocolError, Refused},
    limits::{CANCEL_KEY_BYTES_MAX, STARTUP_PACKET_BYTES_MAX},
    reader::Reader,
};

pub(crate) const PROTOCOL_3_0: u32 = 0x0003_0000;
pub(crate) const PROTOCOL_3_2: u32 = 0x0003_0002;
pub(crate) const CANCEL_REQUEST: u32 = 0x04d2_162e;
pub(crate) const SSL_REQUEST: u32 = 0x04d2_162f;
pub(crate) const GSSENC_REQUEST: u32 = 0x04d2_1630;

/// Length and code.
const PACKET_BYTES_LEAST: u32 = 8;

/// The first byte of TLS: the type of a record with a handshake message (RFC 8446 section 5.1). No
/// packet of PostgreSQL begins so.
pub const TLS_FIRST_BYTE: u8 = 0x16;

/// Begins the names of protocol options, which are no settings.
const PROTOCOL_OPTION: &str = "_pq_.";

/// The version of the protocol that a session speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProtocolVersion {
    /// 3.0: cancel keys have four bytes.
    V3_0,
    /// 3.2: cancel keys have 4 to 256 bytes.
    V3_2,
}

impl ProtocolVersion {
    /// Returns how many bytes the secret of a cancel key should have.
    pub fn cancel_key_bytes(self) -> usize {
        match self {
            Self::V3_0 => 4,
            Self::V3_2 => 32,
        }
    }
}

/// What a client asks for at its start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartupParameters {
    /// The version that the session speaks, which may be older than what the client asked for.
    pub version: ProtocolVersion,
    /// The user. Not empty. Nothing proves it yet.
    pub user: String,
    /// The database, if one is named.
    pub database: Option<String>,
    /// All else: settings by name, in lower case.
    pub settings: BTreeMap<String, String>,
}

/// What a cancel request must name, and names.
#[derive(Clone)]
pub struct CancelKey {
    /// Process of the session.
    pub pid: u32,
    /// Its secret: 4 to [`CANCEL_KEY_BYTES_MAX`] bytes.
    pub key: Bytes,
}

impl CancelKey {
    /// Compares with a session's key, the secret in a time that depends on its length only.
    pub fn matches(&self, pid: u32, key: &[u8]) -> bool {
        self.pid == pid && crypto::constant_time_eq(&self.key, key)
    }
}

/// Shows no key.
impl fmt::Debug for CancelKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelKey").field("pid", &self.pid).finish_non_exhaustive()
    }
}

/// The first packet of a client, or the next one behind an answered negotiation.
pub(crate) enum FirstPacket {
    Ssl,
    Gssenc,
    Cancel(CancelKey),
    Startup(Startup),
}

/// A `StartupMessage`, and what must be told to the client about it.
pub(crate) struct Startup {
    pub(crate) parameters: StartupParameters,
    /// The version spoken and the options not known, if the client asked for more.
    pub(crate) negotiate: Option<(u32, Vec<String>)>,
}

/// Takes the next packet from the front of `inbox`, once it is whole.
pub(crate) fn take(inbox: &mut BytesMut) -> Result<Option<FirstPacket>, ProtocolError> {
    if inbox.first() == Some(&TLS_FIRST_BYTE) {
        return Err(ProtocolError::Refused(Refused::DirectTls));
    }
    let Some(length) = inbox.first_chunk().copied().map(u32::from_be_bytes) else {
        return Ok(None);
    };
    if length < PACKET_BYTES_LEAST {
        return Err(ProtocolError::LengthTooSmall { length, least: PACKET_BYTES_LEAST });
    }
    if length > STARTUP_PACKET_BYTES_MAX {
        let limit = STARTUP_PACKET_BYTES_MAX;
        return Err(ProtocolError::LengthTooLarge { length, limit });
    }
    let size = usize::try_from(length).unwrap_or(usize::MAX);
    if inbox.len() < size {
        return Ok(None);
    }
    let mut packet = inbox.split_to(size).freeze();
    packet.advance(4);
    decode(packet).map(Some)
}

fn decode(packet: Bytes) -> Result<FirstPacket, ProtocolError> {
    let mut reader = Reader::new("StartupMessage", packet);
    let code = reader.u32()?;
    match code {
        SSL_REQUEST => reader.end().map(|()| FirstPacket::Ssl),
        GSSENC_REQUEST => reader.end().map(|()| FirstPacket::Gssenc),
        CANCEL_REQUEST => {
            let pid = reader.u32()?;
            if !(4..=CANCEL_KEY_BYTES_MAX).contains(&reader.remaining()) {
                return Err(reader.fault(Fault::Count));
            }
            Ok(FirstPacket::Cancel(CancelKey { pid, key: reader.into_rest() }))
        }
        version => decode_startup(version, reader).map(FirstPacket::Startup),
    }
}

fn decode_startup(asked: u32, mut reader: Reader) -> Result<Startup, ProtocolError> {
    if asked & 0xffff_0000 != PROTOCOL_3_0 {
        let [a, b, c, d] = asked.to_be_bytes();
        return Err(ProtocolError::Refused(Refused::ProtocolVersion {
            major: u16::from_be_bytes([a, b]),
            minor: u16::from_be_bytes([c, d]),
        }));
    }
    let mut settings = BTreeMap::new();
    let mut unknown_options = Vec::new();
    loop {
        let name = reader.text()?;
        if name.is_empty() {
            break;
        }
        let value = reader.text()?;
        // PostgreSQL compares the names of settings without case.
        let key = name.to_ascii_lowercase();
        if key.starts_with(PROTOCOL_OPTION) {
            unknown_options.push(name.to_string());
        }
        if settings.insert(key, value.to_string()).is_some() {
            return Err(reader.fault(Fault::Duplicate));
        }
    }
    if reader.remaining() > 0 {
        return Err(reader.fault(Fault::Trailing));
    }
    settings.retain(|name, _| !name.starts_with(PROTOCOL_OPTION));
    // Any value: PostgreSQL takes many spellings for true, and a walsender streams whole rows.
    if settings.contains_key("replication") {
        return Err(ProtocolError::Refused(Refused::Replication));
    }
    let user = settings.remove("user").filter(|user| !user.is_empty());
    let user = user.ok_or(reader.fault(Fault::Missing))?;
    let database = settings.remove("database").filter(|database| !database.is_empty());
    // 3.1 was never defined, and differs in nothing from 3.0.
    let version = if asked < PROTOCOL_3_2 { ProtocolVersion::V3_0 } else { ProtocolVersion::V3_2 };
    let negotiate = (asked > PROTOCOL_3_2 || !unknown_options.is_empty())
        .then_some((asked.min(PROTOCOL_3_2), unknown_options));
    let parameters = StartupParameters { version, user, database, settings };
    Ok(Startup { parameters, negotiate })
}
