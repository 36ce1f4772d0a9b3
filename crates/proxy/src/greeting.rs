//! The first part of a connection: TLS, cancel requests, and the proof of identity.
//!
//! Unknown users, disabled ones and wrong tokens get the same answer, byte for byte, after the same
//! exchange. A client whose certificate is its identity's needs no token; one whose certificate is
//! not gets the exchange that it would get without.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::BytesMut;
use identity::{AuthError, Certificate, Identified, ScramProof, Verifiers};
use model::{IdentityName, TargetName};
use pgwire::{
    ALPN, ChannelBinding, ClientEvent, ClientHandshake, FrontendDecoder, ProtocolError, ScramNonce,
    ScramOutcome, StartupParameters, TLS_FIRST_BYTE, TlsOffer,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::clock;
use crate::gate::{Gate, Tls};
use crate::settings::ClientCertificates;
use crate::stream::Stream;
use crate::wire::Refused;

type ServerTls = tokio_rustls::server::TlsStream<TcpStream>;

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
    let (mut handshake, mut stream) = begin(gate, tcp).await?;
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
    let certificates = gate.certificates();
    if !stream.is_tls()
        && (certificates == ClientCertificates::Required
            || !may_speak_in_the_clear(peer, gate.allow_plaintext))
    {
        return Err(needs_tls(stream, &startup));
    }
    let mut welcome = BytesMut::new();
    let bytes_max = u32::try_from(gate.limits.client_message_bytes_max).unwrap_or(u32::MAX);
    match (by_certificate(gate, &stream, &startup), certificates) {
        (Ok(identified), _) => {
            let decoder = handshake
                .welcome_certified(bytes_max, &mut welcome)
                .map_err(|_out_of_turn| Turned::Away)?;
            return Ok(LoggedIn { stream, decoder, identified, startup, welcome, peer });
        }
        (Err(error), ClientCertificates::Required) => return Err(wrong(stream, &startup, error)),
        (Err(_), ClientCertificates::Optional | ClientCertificates::Off) => {}
    }
    let login = Verifiers::for_login(&gate.registry(), &startup.user, clock::now(), &gate.mock);
    let nonce = ScramNonce::new(crypto::random());
    let binding = match &gate.tls {
        Some(tls) if stream.is_tls() => tls.binding.clone(),
        Some(_) | None => ChannelBinding::Unavailable,
    };
    if handshake.accept_login(login.keys().clone(), nonce, binding).is_err() {
        return Err(Turned::Away);
    }
    let outcome = match next(&mut handshake, &mut stream).await {
        Ok(ClientEvent::Scram(outcome)) => outcome,
        Ok(_) | Err(Lost::Gone) => return Err(Turned::Away),
        Err(Lost::Broke(error)) => return Err(broke(stream, error, Some(&startup))),
    };
    let proved = match &outcome {
        ScramOutcome::Proved(proof) if proof.is_bound() => ScramProof::RightAndBound,
        ScramOutcome::Proved(_) => ScramProof::Right,
        ScramOutcome::Wrong => ScramProof::Wrong,
    };
    match (login.conclude(proved), outcome) {
        (Ok(identified), ScramOutcome::Proved(proof)) => {
            let decoder = handshake.welcome(proof, bytes_max, &mut welcome);
            Ok(LoggedIn { stream, decoder, identified, startup, welcome, peer })
        }
        (Err(error), _) => Err(wrong(stream, &startup, error)),
        (Ok(_), ScramOutcome::Wrong) => Err(wrong(stream, &startup, AuthError::WrongToken)),
    }
}

/// Begins TLS at once if the client's first byte does (`sslnegotiation=direct`).
async fn begin(gate: &Gate, tcp: TcpStream) -> Result<(ClientHandshake, Stream), Turned> {
    let Some(tls) = &gate.tls else {
        return Ok((ClientHandshake::new(TlsOffer::NotOffered), Stream::Tcp(tcp)));
    };
    let mut first = [0];
    match tcp.peek(&mut first).await {
        Ok(1..) if first == [TLS_FIRST_BYTE] => {}
        Ok(1..) => return Ok((ClientHandshake::new(TlsOffer::Offered), Stream::Tcp(tcp))),
        Ok(0) | Err(_) => return Err(Turned::Away),
    }
    let stream = accept(tls, tcp).await?;
    // What speaks another protocol within TLS must not be taken for PostgreSQL (ALPACA).
    let spoken = stream.get_ref().1.alpn_protocol();
    if spoken != Some(ALPN) {
        let message = "direct TLS needs the ALPN protocol \"postgresql\"";
        return Err(Turned::Refused {
            stream: Some(Box::new(Stream::ServerTls(stream))),
            claimed: None,
            target: None,
            reason: "no_alpn",
            error: Refused::new("08P01", message),
        });
    }
    Ok((ClientHandshake::behind_tls(), Stream::ServerTls(stream)))
}

/// Whose certificate the client has, if TLS asked for one and it is that of the user it names.
fn by_certificate(
    gate: &Gate,
    stream: &Stream,
    startup: &StartupParameters,
) -> Result<Identified, AuthError> {
    let chain = stream.peer_certificates().iter().map(AsRef::as_ref);
    let certificate = Certificate::of_chain(chain).ok_or(AuthError::WrongCertificate)?;
    Verifiers::by_certificate(&gate.registry(), &startup.user, clock::now(), certificate)
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
    let (Some(tls), Stream::Tcp(tcp)) = (&gate.tls, stream) else { return Err(Turned::Away) };
    let stream = accept(tls, tcp).await?;
    handshake.tls_established().map_err(|_out_of_turn| Turned::Away)?;
    Ok(Stream::ServerTls(stream))
}

async fn accept(tls: &Tls, tcp: TcpStream) -> Result<Box<ServerTls>, Turned> {
    tls.acceptor.accept(tcp).await.map(Box::new).map_err(|error| {
        tracing::info!(%error, "a client's TLS handshake failed");
        let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>());
        let is_about_certificate = cause.is_some_and(|cause| {
            use rustls::Error::{InvalidCertificate, NoCertificatesPresented};
            matches!(cause, InvalidCertificate(_) | NoCertificatesPresented)
        });
        if !is_about_certificate {
            return Turned::Away;
        }
        // TLS itself has told the client.
        Turned::Refused {
            stream: None,
            claimed: None,
            target: None,
            reason: "certificate_refused",
            error: Refused::new("28000", "the certificate is not accepted"),
        }
    })
}

fn broke(stream: Stream, error: ProtocolError, startup: Option<&StartupParameters>) -> Turned {
    Turned::Refused {
        stream: Some(Box::new(stream)),
        claimed: startup.and_then(|startup| startup.user.parse().ok()),
        target: startup.and_then(target_of),
        reason: if error == ProtocolError::OtherChannel {
            "channel_binding_failed"
        } else {
            "protocol_violation"
        },
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
    let message = "this gateway takes this connection by TLS only";
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
