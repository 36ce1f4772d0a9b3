//! The first part of a connection: TLS, cancel requests, and the proof of identity.
//!
//! Unknown users, disabled ones and wrong tokens get the same answer, byte for byte, after the same
//! exchange.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::BytesMut;
use identity::{AuthError, Identified, Verifiers};
use model::{IdentityName, TargetName};
use pgwire::{
    ClientEvent, ClientHandshake, FrontendDecoder, ProtocolError, ScramNonce, ScramOutcome,
    StartupParameters, TlsOffer,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::clock;
use crate::gate::Gate;
use crate::stream::Stream;
use crate::wire::Refused;

/// A client that proved its identity.
#[derive(Debug)]
pub(crate) struct LoggedIn {
    pub(crate) stream: Stream,
    pub(crate) decoder: FrontendDecoder,
    pub(crate) identified: Identified,
    pub(crate) startup: StartupParameters,
    /// The end of the log-in, which the client has not read yet.
    pub(crate) welcome: BytesMut,
    pub(crate) peer: SocketAddr,
}

/// Why a connection does not become a session.
#[derive(Debug)]
pub(crate) enum Turned {
    /// Nobody waits for an answer: a cancel request, or a connection that just closed.
    Away,
    /// The client reads why.
    Refused {
        /// Where it reads.
        stream: Option<Box<Stream>>,
        /// Who it said it is.
        claimed: Option<IdentityName>,
        /// What it wanted to reach.
        target: Option<TargetName>,
        /// Machine-readable reason, for the record.
        reason: &'static str,
        /// The words for the client.
        error: Refused,
    },
}

/// Carries a connection up to the proof of identity.
pub(crate) async fn greet(
    gate: &Arc<Gate>,
    tcp: TcpStream,
    peer: SocketAddr,
) -> Result<LoggedIn, Turned> {
    let offer = if gate.tls.is_some() { TlsOffer::Offered } else { TlsOffer::NotOffered };
    let mut handshake = ClientHandshake::new(offer);
    let mut stream = Stream::Tcp(tcp);
    let startup = loop {
        match next(&mut handshake, &mut stream).await {
            Ok(ClientEvent::NeedTls) => stream = encrypt(gate, &mut handshake, stream).await?,
            Ok(ClientEvent::Cancel(key)) => {
                gate.cancel.cancel(key.pid, &key.key);
                return Err(Turned::Away);
            }
            Ok(ClientEvent::Startup(startup)) => break startup,
            Ok(ClientEvent::Scram(_)) | Err(Lost::Gone) => return Err(Turned::Away),
            Err(Lost::Broke(error)) => return Err(broke(stream, error, None)),
        }
    };
    if !stream.is_tls() && !may_speak_in_the_clear(peer, gate.allow_plaintext) {
        return Err(needs_tls(stream, &startup));
    }
    let login = Verifiers::for_login(&gate.registry(), &startup.user, clock::now(), &gate.mock);
    let nonce = ScramNonce::new(crypto::random());
    if handshake.accept_login(login.keys().clone(), nonce).is_err() {
        return Err(Turned::Away);
    }
    let outcome = match next(&mut handshake, &mut stream).await {
        Ok(ClientEvent::Scram(outcome)) => outcome,
        Ok(_) | Err(Lost::Gone) => return Err(Turned::Away),
        Err(Lost::Broke(error)) => return Err(broke(stream, error, Some(&startup))),
    };
    let is_right = matches!(outcome, ScramOutcome::Proved(_));
    match (login.conclude(is_right), outcome) {
        (Ok(identified), ScramOutcome::Proved(proof)) => {
            let mut welcome = BytesMut::new();
            let bytes_max = u32::try_from(gate.limits.client_message_bytes_max).unwrap_or(u32::MAX);
            let decoder = handshake.welcome(proof, bytes_max, &mut welcome);
            Ok(LoggedIn { stream, decoder, identified, startup, welcome, peer })
        }
        (Err(error), _) => Err(wrong(stream, &startup, error)),
        (Ok(_), ScramOutcome::Wrong) => Err(wrong(stream, &startup, AuthError::WrongToken)),
    }
}

enum Lost {
    Gone,
    Broke(ProtocolError),
}

/// Writes what is due and reads until the next event.
async fn next(handshake: &mut ClientHandshake, stream: &mut Stream) -> Result<ClientEvent, Lost> {
    loop {
        let event = handshake.poll_event();
        let output = handshake.take_output();
        if !output.is_empty() {
            stream.write_all(&output).await.map_err(|_gone| Lost::Gone)?;
            stream.flush().await.map_err(|_gone| Lost::Gone)?;
        }
        if let Some(event) = event.map_err(Lost::Broke)? {
            return Ok(event);
        }
        match stream.read_buf(handshake.inbox()).await {
            Ok(1..) => {}
            Ok(0) | Err(_) => return Err(Lost::Gone),
        }
    }
}

async fn encrypt(
    gate: &Gate,
    handshake: &mut ClientHandshake,
    stream: Stream,
) -> Result<Stream, Turned> {
    let (Some(acceptor), Stream::Tcp(tcp)) = (&gate.tls, stream) else { return Err(Turned::Away) };
    let tls = acceptor.accept(tcp).await.map_err(|error| {
        tracing::info!(%error, "a client's TLS handshake failed");
        Turned::Away
    })?;
    handshake.tls_established().map_err(|_out_of_turn| Turned::Away)?;
    Ok(Stream::ServerTls(Box::new(tls)))
}

fn broke(stream: Stream, error: ProtocolError, startup: Option<&StartupParameters>) -> Turned {
    Turned::Refused {
        stream: Some(Box::new(stream)),
        claimed: startup.and_then(|startup| startup.user.parse().ok()),
        target: startup.and_then(target_of),
        reason: "protocol_violation",
        error: Refused::new(error.sqlstate(), error.to_string()),
    }
}

fn wrong(stream: Stream, startup: &StartupParameters, error: AuthError) -> Turned {
    Turned::Refused {
        stream: Some(Box::new(stream)),
        claimed: startup.user.parse().ok(),
        target: target_of(startup),
        reason: error.code(),
        error: Refused::new(error.sqlstate(), error.client_message()),
    }
}

/// What a client of this machine sends does not leave it.
fn may_speak_in_the_clear(peer: SocketAddr, allow_plaintext: bool) -> bool {
    allow_plaintext || peer.ip().to_canonical().is_loopback()
}

/// Says so before the client has shown anything of its token.
fn needs_tls(stream: Stream, startup: &StartupParameters) -> Turned {
    let message = "this gateway takes connections from other machines by TLS only";
    let hint = "Connect with sslmode=require or stronger.";
    Turned::Refused {
        stream: Some(Box::new(stream)),
        claimed: startup.user.parse().ok(),
        target: target_of(startup),
        reason: "tls_required",
        error: Refused { hint: Some(hint.to_owned()), ..Refused::new("28000", message) },
    }
}

/// The target that a client names: its database, or, as in PostgreSQL, its user.
pub(crate) fn target_of(startup: &StartupParameters) -> Option<TargetName> {
    startup.database.as_ref().unwrap_or(&startup.user).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_of_other_machines_need_tls_unless_the_operator_says_otherwise() {
        #[rustfmt::skip]
        let cases = [
            // peer                      allowed  in the clear
            ("127.0.0.1:5000",           false,   true),
            ("[::1]:5000",               false,   true),
            ("[::ffff:127.0.0.1]:5000",  false,   true),
            ("192.0.2.1:5000",           false,   false),
            ("[2001:db8::1]:5000",       false,   false),
            ("192.0.2.1:5000",           true,    true),
        ];
        for (peer, allow_plaintext, expected) in cases {
            let peer: SocketAddr = peer.parse().unwrap();
            assert_eq!(may_speak_in_the_clear(peer, allow_plaintext), expected, "{peer}");
        }
    }
}
