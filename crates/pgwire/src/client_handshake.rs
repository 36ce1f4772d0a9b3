//! The gateway's side of a client's log-in: negotiation, start, SCRAM-SHA-256 (with channel binding
//! where there is TLS), or a certificate that TLS has proved.
//!
//! ```text
//! Greeting ──SSLRequest, TLS offered──▶ TlsAwaited ──tls_established()──▶ Greeting
//!    │ ▲└──SSLRequest not offered / GSSENCRequest: 'N', once each ──┐
//!    │ └───────────────────────────────────────────────────────────┘
//!    ├──CancelRequest──▶ Over
//!    └──StartupMessage──▶ Started ──accept_login()──▶ FirstAwaited ──SASLInitialResponse──▶ LastAwaited
//!                                                                                            │
//!           FrontendDecoder ◀──welcome(Proof)── Over ◀──────────SASLResponse: Proof or wrong─┘
//!           FrontendDecoder ◀──welcome_certified()── Started
//! ```
//!
//! A client may also begin with TLS itself (`sslnegotiation=direct`). Its first byte,
//! [`crate::TLS_FIRST_BYTE`], tells; the driver then does TLS first and begins [`ClientHandshake::behind_tls`].
//!
//! After each poll the driver writes [`ClientHandshake::take_output`] to the socket. A poll that
//! returns nothing means: receive more, unless the last event asked for something.
//!
//! **Invariant:** nothing that arrived in plaintext before TLS is read behind it (the class of
//! CVE-2021-23214): bytes behind a request for encryption are a violation.
//!
//! **Invariant:** a client that proves nothing by a certificate has one way in, SCRAM-SHA-256, whether
//! or not the user exists: for one that does not, the driver passes a mock verifier like a real one.

use std::fmt;

use bytes::{Bytes, BytesMut};
use crypto::scram::Keys;

use crate::{
    error::{Fault, ProtocolError, Refused},
    frame::{self, Frame, FrontendDecoder},
    limits::SASL_MESSAGE_BYTES_MAX,
    reader::Reader,
    scram::{ChannelBinding, ScramNonce, ServerFirst, ServerLast, Unacceptable},
    startup::{self, CancelKey, FirstPacket, StartupParameters},
    write,
};

/// Whether TLS is offered to clients that ask for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsOffer {
    /// `SSLRequest` is answered `S`.
    Offered,
    /// `SSLRequest` is answered `N`.
    NotOffered,
}

/// What a client did.
#[derive(Debug)]
pub enum ClientEvent {
    /// The client was told to begin TLS: write the output, do the TLS handshake on the socket, then
    /// call [`ClientHandshake::tls_established`].
    NeedTls,
    /// The client asks to cancel what another session is doing. Nothing is answered, whether or not
    /// the key is right; the connection is to be closed.
    Cancel(CancelKey),
    /// The client says who it wants to be: call [`ClientHandshake::accept_login`], or write an error
    /// and close.
    Startup(StartupParameters),
    /// The client finished SCRAM: call [`ClientHandshake::welcome`] with the proof, or write an error
    /// and close.
    Scram(ScramOutcome),
}

/// How a SCRAM exchange ended.
#[derive(Debug)]
pub enum ScramOutcome {
    /// The client knows the password of the verifier.
    Proved(Proof),
    /// It does not.
    Wrong,
}

/// A client proved that it knows the password of the verifier that [`ClientHandshake::accept_login`]
/// was given. Made only by a SCRAM exchange, and spent by [`ClientHandshake::welcome`].
pub struct Proof {
    server_final: String,
    is_bound: bool,
}

impl Proof {
    /// True if the proof is bound to the TLS connection: nobody in the middle passed it on.
    pub fn is_bound(&self) -> bool {
        self.is_bound
    }
}

/// Shows no signature.
impl fmt::Debug for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Proof")
    }
}

/// A step of the handshake was called when it is not due. Nothing was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this step of the handshake is not due")]
pub struct OutOfTurn;

/// The gateway's side of a client's log-in.
pub struct ClientHandshake {
    phase: Phase,
    inbox: BytesMut,
    output: BytesMut,
    tls: TlsOffer,
    ssl_asked: bool,
    gssenc_asked: bool,
    failed: Option<ProtocolError>,
}

enum Phase {
    Greeting,
    TlsAwaited,
    Started,
    FirstAwaited(ServerFirst),
    LastAwaited(ServerLast),
    Over,
}

impl ClientHandshake {
    /// Begins with a connection on which nothing was received.
    pub fn new(tls: TlsOffer) -> Self {
        Self {
            phase: Phase::Greeting,
            inbox: BytesMut::new(),
            output: BytesMut::new(),
            tls,
            ssl_asked: false,
            gssenc_asked: false,
            failed: None,
        }
    }

    /// Begins behind TLS that the client began without asking. It may not ask for it again.
    pub fn behind_tls() -> Self {
        Self { ssl_asked: true, ..Self::new(TlsOffer::Offered) }
    }

    /// Takes bytes from the client's socket.
    pub fn receive(&mut self, bytes: &[u8]) {
        self.inbox.extend_from_slice(bytes);
    }

    /// The buffer to which a driver may append what it reads from the socket, which saves a copy.
    pub fn inbox(&mut self) -> &mut BytesMut {
        &mut self.inbox
    }

    /// Returns what is to be written to the client, and forgets it.
    pub fn take_output(&mut self) -> Bytes {
        self.output.split().freeze()
    }

    /// Returns the next event, or nothing until more is received or the last event is dealt with.
    ///
    /// # Errors
    ///
    /// [`ProtocolError`] if the client does what it may not, or what the gateway refuses. The
    /// connection must be closed; every later call returns the same error.
    pub fn poll_event(&mut self) -> Result<Option<ClientEvent>, ProtocolError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        self.next().inspect_err(|&error| {
            self.phase = Phase::Over;
            self.inbox = BytesMut::new();
            self.failed = Some(error);
        })
    }

    /// Goes on behind TLS: from now on, what is received came through it.
    ///
    /// # Errors
    ///
    /// [`OutOfTurn`] if no [`ClientEvent::NeedTls`] waits for it.
    pub fn tls_established(&mut self) -> Result<(), OutOfTurn> {
        match self.phase {
            // Bytes in the inbox came before TLS: the next poll finds them, for it must not be
            // possible to drop them by calling this.
            Phase::TlsAwaited if self.inbox.is_empty() => {
                self.phase = Phase::Greeting;
                Ok(())
            }
            Phase::TlsAwaited
            | Phase::Greeting
            | Phase::Started
            | Phase::FirstAwaited(_)
            | Phase::LastAwaited(_)
            | Phase::Over => Err(OutOfTurn),
        }
    }

    /// Goes on with the log-in, against a verifier: the user's, or a mock that no password fits.
    ///
    /// With a `binding`, channel binding is offered, and a client that claims that it was not is
    /// refused.
    ///
    /// # Errors
    ///
    /// [`OutOfTurn`] if no [`ClientEvent::Startup`] waits for it.
    pub fn accept_login(
        &mut self,
        keys: Keys,
        nonce: ScramNonce,
        binding: ChannelBinding,
    ) -> Result<(), OutOfTurn> {
        if !matches!(self.phase, Phase::Started) {
            return Err(OutOfTurn);
        }
        let server = ServerFirst::new(keys, nonce.text(), binding);
        write::authentication_sasl(&mut self.output, server.mechanisms())
            .map_err(|_invalid| OutOfTurn)?;
        self.phase = Phase::FirstAwaited(server);
        Ok(())
    }

    /// Lets a client in that TLS has proved to be who it says, by appending to `out`, and hands over
    /// its stream. The driver must have matched the certificate with the user.
    ///
    /// # Errors
    ///
    /// [`OutOfTurn`] if no [`ClientEvent::Startup`] waits for it.
    pub fn welcome_certified(
        mut self,
        message_bytes_max: u32,
        out: &mut BytesMut,
    ) -> Result<FrontendDecoder, OutOfTurn> {
        if !matches!(self.phase, Phase::Started) {
            return Err(OutOfTurn);
        }
        out.unsplit(self.output.split());
        write::authentication_ok(out);
        Ok(FrontendDecoder::with_received(self.inbox, message_bytes_max))
    }

    /// Tells the client that it is logged in, by appending to `out`, and hands over its stream.
    ///
    /// The driver goes on with `ParameterStatus`, `BackendKeyData` and `ReadyForQuery`.
    /// `message_bytes_max` is as in [`FrontendDecoder::new`].
    pub fn welcome(
        mut self,
        proof: Proof,
        message_bytes_max: u32,
        out: &mut BytesMut,
    ) -> FrontendDecoder {
        out.unsplit(self.output.split());
        let written = write::authentication_sasl_final(out, proof.server_final.as_bytes());
        debug_assert!(written.is_ok(), "a signature is short");
        write::authentication_ok(out);
        FrontendDecoder::with_received(self.inbox, message_bytes_max)
    }

    fn next(&mut self) -> Result<Option<ClientEvent>, ProtocolError> {
        match std::mem::replace(&mut self.phase, Phase::Over) {
            Phase::Greeting => self.next_greeting(),
            Phase::TlsAwaited if !self.inbox.is_empty() => Err(sent_ahead("SSLRequest")),
            waiting @ (Phase::TlsAwaited | Phase::Started) => {
                self.phase = waiting;
                Ok(None)
            }
            Phase::FirstAwaited(server) => self.next_first(server),
            Phase::LastAwaited(server) => self.next_last(server),
            Phase::Over => Ok(None),
        }
    }

    fn next_greeting(&mut self) -> Result<Option<ClientEvent>, ProtocolError> {
        loop {
            let Some(packet) = startup::take(&mut self.inbox)? else {
                self.phase = Phase::Greeting;
                return Ok(None);
            };
            match packet {
                FirstPacket::Ssl => {
                    self.negotiate("SSLRequest", self.ssl_asked)?;
                    self.ssl_asked = true;
                    match self.tls {
                        TlsOffer::Offered => {
                            self.output.extend_from_slice(b"S");
                            self.phase = Phase::TlsAwaited;
                            return Ok(Some(ClientEvent::NeedTls));
                        }
                        TlsOffer::NotOffered => self.output.extend_from_slice(b"N"),
                    }
                }
                FirstPacket::Gssenc => {
                    self.negotiate("GSSENCRequest", self.gssenc_asked)?;
                    self.gssenc_asked = true;
                    self.output.extend_from_slice(b"N");
                }
                FirstPacket::Cancel(key) => return Ok(Some(ClientEvent::Cancel(key))),
                FirstPacket::Startup(startup) => {
                    if let Some((version, options)) = startup.negotiate {
                        write::negotiate_protocol_version(&mut self.output, version, &options)
                            .map_err(|_invalid| ProtocolError::Unexpected("StartupMessage"))?;
                    }
                    self.phase = Phase::Started;
                    return Ok(Some(ClientEvent::Startup(startup.parameters)));
                }
            }
        }
    }

    /// Allows a request for encryption in plaintext, once, with nothing behind it.
    fn negotiate(&mut self, request: &'static str, again: bool) -> Result<(), ProtocolError> {
        let under_tls = self.ssl_asked && self.tls == TlsOffer::Offered;
        if under_tls || again {
            return Err(ProtocolError::Unexpected(request));
        }
        if self.inbox.is_empty() { Ok(()) } else { Err(sent_ahead(request)) }
    }

    fn next_first(&mut self, server: ServerFirst) -> Result<Option<ClientEvent>, ProtocolError> {
        let Some(raw) = self.take_sasl()? else {
            self.phase = Phase::FirstAwaited(server);
            return Ok(None);
        };
        let mut reader = Reader::of_message("SASLInitialResponse", &raw);
        let mechanism = reader.text()?;
        if !server.mechanisms().contains(&&*mechanism) {
            return Err(ProtocolError::Refused(Refused::Mechanism));
        }
        let Some(message) = reader.value()? else {
            return Err(reader.fault(Fault::Missing));
        };
        reader.end()?;
        let (first, server) =
            server.answer(&mechanism, &message).map_err(unacceptable("SASLInitialResponse"))?;
        write::authentication_sasl_continue(&mut self.output, first.as_bytes())
            .map_err(|_invalid| ProtocolError::Unexpected("SASLInitialResponse"))?;
        self.phase = Phase::LastAwaited(server);
        self.next_last_or_none()
    }

    /// Goes on at once, for however the bytes are cut, the events are the same.
    fn next_last_or_none(&mut self) -> Result<Option<ClientEvent>, ProtocolError> {
        if self.inbox.is_empty() { Ok(None) } else { self.next() }
    }

    fn next_last(&mut self, server: ServerLast) -> Result<Option<ClientEvent>, ProtocolError> {
        let Some(raw) = self.take_sasl()? else {
            self.phase = Phase::LastAwaited(server);
            return Ok(None);
        };
        let is_bound = server.is_bound();
        let outcome = server.check(&raw.body()).map_err(unacceptable("SASLResponse"))?;
        Ok(Some(ClientEvent::Scram(match outcome {
            Some(server_final) => ScramOutcome::Proved(Proof { server_final, is_bound }),
            None => ScramOutcome::Wrong,
        })))
    }

    fn take_sasl(&mut self) -> Result<Option<Frame>, ProtocolError> {
        frame::take(&mut self.inbox, |kind| match kind {
            b'p' => Ok(SASL_MESSAGE_BYTES_MAX),
            _ => Err(ProtocolError::UnknownType(kind)),
        })
    }
}

/// Shows no bytes.
impl fmt::Debug for ClientHandshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let phase = match self.phase {
            Phase::Greeting => "Greeting",
            Phase::TlsAwaited => "TlsAwaited",
            Phase::Started => "Started",
            Phase::FirstAwaited(_) => "FirstAwaited",
            Phase::LastAwaited(_) => "LastAwaited",
            Phase::Over => "Over",
        };
        f.debug_struct("ClientHandshake").field("phase", &phase).finish_non_exhaustive()
    }
}

fn sent_ahead(message: &'static str) -> ProtocolError {
    ProtocolError::Malformed { message, fault: Fault::SentAhead }
}

fn unacceptable(message: &'static str) -> impl Fn(Unacceptable) -> ProtocolError {
    move |why| match why {
        Unacceptable::Malformed => ProtocolError::Malformed { message, fault: Fault::Scram },
        Unacceptable::OtherChannel => ProtocolError::OtherChannel,
    }
}
