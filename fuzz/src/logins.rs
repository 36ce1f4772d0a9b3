//! Both log-ins: the gateway as a server, and the gateway as a client.

use bytes::{Bytes, BytesMut};
use crypto::scram::Keys;
use pgwire::{
    AuthMethod, BindingPolicy, ChannelBinding, ClientEvent, ClientHandshake, ScramNonce,
    ScramOutcome, TargetEvent, TargetHandshake, TargetLogin, TargetPassword, TlsOffer,
    WeakPasswords, write,
};

/// Most events of one log-in: more is a machine that turns in circles.
const EVENTS_MAX: usize = 4_096;

/// No bytes of a client make the machine panic, and none prove an identity: nobody knows a token
/// that fits these keys.
///
/// The events may depend on how the bytes are cut: what is sent ahead of the answer to an
/// `SSLRequest` must be refused, and the same bytes behind that answer are welcome.
pub fn client_login(data: &[u8]) {
    let (size, stream) = crate::cut(data);
    let pieces: Vec<&[u8]> = stream.chunks(size).collect();
    for binding in bindings() {
        client_events(&[stream], &binding);
        client_events(&pieces, &binding);
    }
}

/// Without TLS, and with it.
fn bindings() -> [ChannelBinding; 2] {
    [ChannelBinding::Unavailable, ChannelBinding::EndPoint(vec![4; 32])]
}

fn client_events(pieces: &[&[u8]], binding: &ChannelBinding) {
    let mut handshake = match binding {
        ChannelBinding::Unavailable => ClientHandshake::new(TlsOffer::NotOffered),
        ChannelBinding::EndPoint(_) => ClientHandshake::behind_tls(),
    };
    let mut events = 0;
    for piece in pieces {
        handshake.receive(piece);
        loop {
            events += 1;
            assert!(events < EVENTS_MAX, "the machine turns in circles");
            let event = handshake.poll_event();
            handshake.take_output();
            match event {
                Ok(None) => break,
                Ok(Some(ClientEvent::NeedTls)) => panic!("TLS is not offered"),
                Ok(Some(ClientEvent::Startup(_))) => {
                    let nonce = ScramNonce::new([7; 18]);
                    handshake.accept_login(keys(), nonce, binding.clone()).unwrap();
                }
                Ok(Some(ClientEvent::Cancel(_) | ClientEvent::Scram(ScramOutcome::Wrong))) => {}
                Ok(Some(ClientEvent::Scram(ScramOutcome::Proved(_)))) => {
                    panic!("an identity is proved without its token")
                }
                Err(_) => return,
            }
        }
    }
}

/// Keys that come from no password.
fn keys() -> Keys {
    Keys { iterations: 4_096, salt: [1; 16], stored_key: [2; 32], server_key: [3; 32] }
}

/// No bytes of a target make the machine panic, and none make it take a target for one that knows
/// the password's verifier, or show the password.
pub fn target_login(data: &[u8]) {
    let (size, stream) = crate::cut(data);
    if stream.is_empty() {
        return;
    }
    let pieces: Vec<&[u8]> = stream.chunks(size).collect();
    for binding in bindings() {
        let whole = target_events(&[stream], &binding);
        let cut = target_events(&pieces, &binding);
        assert_eq!(cut, whole, "the events depend on how the bytes are cut");
    }
}

fn target_events(pieces: &[&[u8]], binding: &ChannelBinding) -> (Vec<String>, Bytes) {
    let login = TargetLogin {
        user: "svc".to_owned(),
        parameters: vec![("database".to_owned(), "billing".to_owned())],
        password: Some(TargetPassword::new("correct horse")),
        weak_passwords: WeakPasswords::Refused,
        nonce: ScramNonce::new([9; 18]),
        binding: binding.clone(),
        binding_policy: BindingPolicy::Preferred,
    };
    let mut handshake = TargetHandshake::new(login).unwrap();
    let mut output = BytesMut::new();
    let mut seen = Vec::new();
    for piece in pieces {
        handshake.receive(piece);
        loop {
            assert!(seen.len() < EVENTS_MAX, "the machine turns in circles");
            let event = handshake.poll_event();
            output.extend_from_slice(&handshake.take_output());
            match event {
                Ok(None) => break,
                Ok(Some(TargetEvent::Notice(_))) => seen.push("notice".to_owned()),
                Ok(Some(TargetEvent::Ready(session))) => {
                    // Nobody here can sign what SCRAM asks for, so only an open door leads in.
                    assert_eq!(session.method, AuthMethod::Trust);
                    seen.push("ready".to_owned());
                    return (seen, unshown(output));
                }
                Err(error) => {
                    seen.push(error.to_string());
                    return (seen, unshown(output));
                }
            }
        }
    }
    (seen, unshown(output))
}

fn unshown(output: BytesMut) -> Bytes {
    let shown = output.windows(b"correct horse".len()).any(|window| window == b"correct horse");
    assert!(!shown, "the password was shown");
    output.freeze()
}

pub(crate) fn client_seeds() -> Vec<Vec<u8>> {
    let mut started = BytesMut::new();
    write::startup(&mut started, [("user", "agent"), ("database", "billing")]).unwrap();
    let first = b"SCRAM-SHA-256\0\0\0\0\x1an,,n=,r=abcdefghijklmnopqrst";
    let mut scram = started.to_vec();
    scram.push(b'p');
    scram.extend_from_slice(&u32::try_from(first.len() + 4).unwrap().to_be_bytes());
    scram.extend_from_slice(first);
    let ssl = b"\0\0\0\x08\x04\xd2\x16\x2f".to_vec();
    let gss = b"\0\0\0\x08\x04\xd2\x16\x30".to_vec();
    let cancel = b"\0\0\0\x10\x04\xd2\x16\x2e\0\0\0\x01\0\0\0\x02".to_vec();
    let all = [ssl.clone(), [&gss[..], &ssl, &started].concat(), cancel, scram, started.to_vec()];
    all.iter().map(|bytes| [&[255], &bytes[..]].concat()).collect()
}

pub(crate) fn target_seeds() -> Vec<Vec<u8>> {
    let mut open = BytesMut::new();
    write::authentication_ok(&mut open);
    write::parameter_status(&mut open, "server_version", "15.1").unwrap();
    write::backend_key_data(&mut open, 7, &[1, 2, 3, 4]).unwrap();
    write::ready_for_query(&mut open, pgwire::TransactionStatus::Idle);
    let mut sasl = BytesMut::new();
    write::authentication_sasl(&mut sasl, &["SCRAM-SHA-256"]).unwrap();
    let mut refused = BytesMut::new();
    write::error_response(&mut refused, &write::ErrorFields::fatal("28P01", "no"));
    let cleartext = b"R\0\0\0\x08\0\0\0\x03".to_vec();
    let md5 = b"R\0\0\0\x0c\0\0\0\x05abcd".to_vec();
    [open.to_vec(), sasl.to_vec(), refused.to_vec(), cleartext, md5]
        .iter()
        .map(|bytes| [&[255], &bytes[..]].concat())
        .collect()
}
