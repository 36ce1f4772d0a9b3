//! The gateway's own log-in at a target.
//!
//! ```text
//! Asked ──AuthenticationOk────────────────────────────────────────────▶ Accepted ──ReadyForQuery──▶ Over
//!   ├──Cleartext / MD5 (if allowed): password──▶ PasswordSent ──Ok──────▶    ▲
//!   └──SASL: SCRAM first──▶ FirstSent ──Continue: last──▶ LastSent ──Final──▶ Proved ──Ok─┘
//! ```
//!
//! **Invariant:** once SCRAM began, the target must prove that it knows the password's verifier,
//! too, before the log-in counts.
//!
//! **Invariant:** the password leaves as itself or as MD5 only where the settings allow it.
//!
//! **Boundary:** `SASLprep` (RFC 4013) is not applied. It changes no ASCII password.

use std::{collections::BTreeMap, fmt};

use bytes::{Bytes, BytesMut};

use crate::{
    backend::{self, BackendMessage, Report},
    error::{Fault, ProtocolError, WriteError},
    frame::{self, BackendDecoder, Frame},
    limits::{
        BACKEND_LOGIN_MESSAGE_BYTES_MAX, BACKEND_LOGIN_MESSAGES_MAX, SCRAM_ITERATIONS_MAX,
        SCRAM_ITERATIONS_MIN,
    },
    message::TransactionStatus,
    reader::Reader,
    scram::{ChannelBinding, ClientFirst, ClientLast, MECHANISM, MECHANISM_PLUS, Malformed},
    startup::CancelKey,
    target_login::{AuthMethod, BindingPolicy, TargetLogin, TargetPassword, WeakPasswords},
    write,
};

/// What happened at the log-in.
#[derive(Debug)]
pub enum TargetEvent {
    /// The target sent a notice.
    Notice(Report),
    /// The target takes queries. The last event.
    Ready(Box<TargetSession>),
}

/// A session at a target, ready for queries.
#[derive(Debug)]
pub struct TargetSession {
    /// The settings that the target reported, by name as sent, in its order.
    pub parameters: Vec<(String, String)>,
    /// What a cancel request must name, if the target said it.
    pub cancel_key: Option<CancelKey>,
    /// How it let the gateway in.
    pub method: AuthMethod,
    /// The stream behind the log-in.
    pub decoder: BackendDecoder,
}

/// Why there is no session.
#[derive(Clone, Debug, thiserror::Error)]
pub enum TargetError {
    /// The target broke the protocol.
    #[error("the target broke the protocol: {0}")]
    Protocol(#[from] ProtocolError),
    /// The target said no. Its text is for the operator's log, never for a client.
    #[error("the target refused the log-in with SQLSTATE {}", .0.sqlstate().unwrap_or("unknown"))]
    Refused(Report),
    /// The target asks for a password, and none is set.
    #[error("the target asks for a password, and none is set")]
    PasswordMissing,
    /// The target asks for the password in a form that the settings do not allow.
    #[error("the target asks for the password in a weak form, which is not allowed")]
    PasswordTooWeak(AuthMethod),
    /// The target asks for a way to log in that the gateway does not have.
    #[error("the target asks for authentication method {0}, which is not supported")]
    MethodUnsupported(u32),
    /// The target asks for SASL, but not for SCRAM-SHA-256.
    #[error("the target does not offer SCRAM-SHA-256")]
    ScramNotOffered,
    /// The settings ask for channel binding, and the target does not do it.
    #[error(
        "the target does not bind the log-in to the TLS connection, which the settings ask for"
    )]
    NotBound,
    /// The target took the gateway's proof, but does not know the password's verifier itself.
    #[error("the target did not prove that it knows the password")]
    NotProved,
    /// A setting cannot be written as a message.
    #[error("a startup parameter or the password cannot be sent: {0}")]
    Write(#[from] WriteError),
}

/// The gateway's own log-in at a target.
pub struct TargetHandshake {
    phase: Phase,
    login: TargetLogin,
    inbox: BytesMut,
    output: BytesMut,
    messages: u32,
    /// By name, with the place among the others.
    parameters: BTreeMap<String, (usize, String)>,
    cancel_key: Option<CancelKey>,
    failed: Option<TargetError>,
}

enum Phase {
    Asked,
    PasswordSent(AuthMethod),
    FirstSent(ClientFirst, AuthMethod),
    LastSent(ClientLast, AuthMethod),
    Proved(AuthMethod),
    Accepted(AuthMethod),
    Over,
}

impl TargetHandshake {
    /// Begins on a connection, behind TLS if there is any. The output holds the `StartupMessage`.
    ///
    /// # Errors
    ///
    /// [`WriteError`] if a parameter cannot be sent.
    pub fn new(login: TargetLogin) -> Result<Self, WriteError> {
        let mut output = BytesMut::new();
        let parameters = login.parameters.iter().map(|(name, value)| (&**name, &**value));
        write::startup(&mut output, [("user", &*login.user)].into_iter().chain(parameters))?;
        Ok(Self {
            phase: Phase::Asked,
            login,
            inbox: BytesMut::new(),
            output,
            messages: 0,
            parameters: BTreeMap::new(),
            cancel_key: None,
            failed: None,
        })
    }

    /// Takes bytes from the target's socket.
    pub fn receive(&mut self, bytes: &[u8]) {
        self.inbox.extend_from_slice(bytes);
    }

    /// The buffer to which a driver may append what it reads from the socket, which saves a copy.
    pub fn inbox(&mut self) -> &mut BytesMut {
        &mut self.inbox
    }

    /// Returns what is to be written to the target, and forgets it.
    pub fn take_output(&mut self) -> Bytes {
        self.output.split().freeze()
    }

    /// Returns the next event, or nothing until more is received.
    ///
    /// Costs the PBKDF2 rounds that the target asks for, up to [`SCRAM_ITERATIONS_MAX`].
    ///
    /// # Errors
    ///
    /// [`TargetError`] if there will be no session; every later call returns the same error.
    pub fn poll_event(&mut self) -> Result<Option<TargetEvent>, TargetError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        self.next().inspect_err(|error| {
            self.phase = Phase::Over;
            self.inbox = BytesMut::new();
            self.failed = Some(error.clone());
        })
    }

    fn next(&mut self) -> Result<Option<TargetEvent>, TargetError> {
        while !matches!(self.phase, Phase::Over) {
            let Some(raw) = frame::take(&mut self.inbox, length_max)? else { return Ok(None) };
            self.messages = self.messages.saturating_add(1);
            if self.messages > BACKEND_LOGIN_MESSAGES_MAX {
                let limit = usize::try_from(BACKEND_LOGIN_MESSAGES_MAX).unwrap_or(usize::MAX);
                return Err(ProtocolError::TooManyReplies { limit }.into());
            }
            if raw.kind() == b'R' {
                self.authentication(&raw)?;
            } else if let Some(event) = self.message(BackendMessage::decode(raw)?)? {
                return Ok(Some(event));
            }
        }
        Ok(None)
    }

    fn authentication(&mut self, raw: &Frame) -> Result<(), TargetError> {
        let mut reader = Reader::of_message("Authentication", raw);
        let code = reader.u32()?;
        self.phase = match (std::mem::replace(&mut self.phase, Phase::Over), code) {
            (Phase::Asked, 0 | 3 | 5) if self.login.binding_policy == BindingPolicy::Required => {
                return Err(TargetError::NotBound);
            }
            (Phase::Asked, 0) => accepted(reader, AuthMethod::Trust)?,
            (Phase::PasswordSent(method) | Phase::Proved(method), 0) => accepted(reader, method)?,
            (Phase::Asked, 3) => {
                reader.end()?;
                let password = weak_password(&self.login, AuthMethod::Cleartext)?;
                write::password(&mut self.output, password.0.as_bytes())?;
                Phase::PasswordSent(AuthMethod::Cleartext)
            }
            (Phase::Asked, 5) => {
                let salt = reader.u32()?.to_be_bytes();
                reader.end()?;
                let password = weak_password(&self.login, AuthMethod::Md5)?;
                let hashed = crypto::md5_password(&self.login.user, &password.0, salt);
                write::password(&mut self.output, hashed.as_bytes())?;
                Phase::PasswordSent(AuthMethod::Md5)
            }
            (Phase::Asked, 10) => self.begin_scram(reader)?,
            (Phase::FirstSent(client, method), 11) => {
                let last = self.answer_scram(client, reader.into_rest())?;
                Phase::LastSent(last, method)
            }
            (Phase::LastSent(client, method), 12) => {
                let proved = client.check(&reader.into_rest()).map_err(malformed)?;
                if !proved {
                    return Err(TargetError::NotProved);
                }
                Phase::Proved(method)
            }
            (Phase::Asked, 2 | 6..=9) => return Err(TargetError::MethodUnsupported(code)),
            _ => return Err(ProtocolError::Unexpected("Authentication").into()),
        };
        Ok(())
    }

    fn begin_scram(&mut self, mut reader: Reader) -> Result<Phase, TargetError> {
        let (mut offered, mut offered_plus) = (false, false);
        loop {
            let mechanism = reader.text()?;
            if mechanism.is_empty() {
                break;
            }
            offered |= mechanism == MECHANISM;
            offered_plus |= mechanism == MECHANISM_PLUS;
        }
        reader.end()?;
        let is_bound = offered_plus && self.login.binding != ChannelBinding::Unavailable;
        if !is_bound && self.login.binding_policy == BindingPolicy::Required {
            return Err(TargetError::NotBound);
        }
        if !offered && !is_bound {
            return Err(TargetError::ScramNotOffered);
        }
        if self.login.password.is_none() {
            return Err(TargetError::PasswordMissing);
        }
        let (mechanism, method) = if is_bound {
            (MECHANISM_PLUS, AuthMethod::ScramPlus)
        } else {
            (MECHANISM, AuthMethod::Scram)
        };
        let header = self.login.binding.header_of_client(mechanism);
        let client = ClientFirst::new(header, "", self.login.nonce.text());
        let first = client.message();
        write::sasl_initial_response(&mut self.output, mechanism, first.as_bytes())?;
        Ok(Phase::FirstSent(client, method))
    }

    fn answer_scram(
        &mut self,
        client: ClientFirst,
        message: Bytes,
    ) -> Result<ClientLast, TargetError> {
        let password = self.login.password.as_ref().ok_or(TargetError::PasswordMissing)?;
        let iterations = match self.login.weak_passwords {
            WeakPasswords::Refused => SCRAM_ITERATIONS_MIN..=SCRAM_ITERATIONS_MAX,
            WeakPasswords::Allowed => 1..=SCRAM_ITERATIONS_MAX,
        };
        let (last, client) =
            client.answer(&message, password.0.as_bytes(), iterations).map_err(malformed)?;
        write::sasl_response(&mut self.output, last.as_bytes())?;
        Ok(client)
    }

    fn message(&mut self, message: BackendMessage) -> Result<Option<TargetEvent>, TargetError> {
        match (&self.phase, message) {
            (_, BackendMessage::ErrorResponse(report)) => Err(TargetError::Refused(report)),
            (_, BackendMessage::NoticeResponse(report)) => Ok(Some(TargetEvent::Notice(report))),
            (Phase::Accepted(_), BackendMessage::ParameterStatus(status)) => {
                let place = self.parameters.len();
                let known = self.parameters.entry(status.name.to_string());
                known.or_insert((place, String::new())).1 = status.value.to_string();
                Ok(None)
            }
            (Phase::Accepted(_), BackendMessage::BackendKeyData(data))
                if self.cancel_key.is_none() =>
            {
                // Copied, for the key outlives the buffer that it came in.
                let key = Bytes::copy_from_slice(&data.key);
                self.cancel_key = Some(CancelKey { pid: data.pid, key });
                Ok(None)
            }
            (&Phase::Accepted(method), BackendMessage::ReadyForQuery(ready))
                if ready.status == TransactionStatus::Idle =>
            {
                self.phase = Phase::Over;
                Ok(Some(TargetEvent::Ready(Box::new(TargetSession {
                    parameters: in_order(std::mem::take(&mut self.parameters)),
                    cancel_key: self.cancel_key.take(),
                    method,
                    decoder: BackendDecoder::with_received(self.inbox.split()),
                }))))
            }
            (_, message) => Err(ProtocolError::Unexpected(message.kind().name()).into()),
        }
    }
}

/// Shows no bytes.
impl fmt::Debug for TargetHandshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let phase = match self.phase {
            Phase::Asked => "Asked",
            Phase::PasswordSent(_) => "PasswordSent",
            Phase::FirstSent(..) => "FirstSent",
            Phase::LastSent(..) => "LastSent",
            Phase::Proved(_) => "Proved",
            Phase::Accepted(_) => "Accepted",
            Phase::Over => "Over",
        };
        f.debug_struct("TargetHandshake").field("phase", &phase).finish_non_exhaustive()
    }
}

fn weak_password(login: &TargetLogin, method: AuthMethod) -> Result<&TargetPassword, TargetError> {
    match (&login.password, login.weak_passwords) {
        (None, _) => Err(TargetError::PasswordMissing),
        (Some(_), WeakPasswords::Refused) => Err(TargetError::PasswordTooWeak(method)),
        (Some(password), WeakPasswords::Allowed) => Ok(password),
    }
}

fn accepted(reader: Reader, method: AuthMethod) -> Result<Phase, TargetError> {
    reader.end()?;
    Ok(Phase::Accepted(method))
}

fn length_max(kind: u8) -> Result<u32, ProtocolError> {
    match kind {
        b'R' => Ok(BACKEND_LOGIN_MESSAGE_BYTES_MAX),
        b'D' => Err(ProtocolError::Unexpected("DataRow")),
        _ => Ok(backend::length_max(kind)?.min(BACKEND_LOGIN_MESSAGE_BYTES_MAX)),
    }
}

fn malformed(Malformed: Malformed) -> TargetError {
    ProtocolError::Malformed { message: "AuthenticationSASL", fault: Fault::Scram }.into()
}

/// Settings in the order in which the target first reported each.
fn in_order(parameters: BTreeMap<String, (usize, String)>) -> Vec<(String, String)> {
    let mut all: Vec<_> = parameters.into_iter().collect();
    all.sort_by_key(|(_, (place, _))| *place);
    all.into_iter().map(|(name, (_, value))| (name, value)).collect()
}
