//! SCRAM-SHA-256-PLUS on both sides, and TLS that begins without `SSLRequest`.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests, and their helpers and tables")]

use std::num::NonZeroU32;

use bytes::BytesMut;
use crypto::scram::Keys;
use pgwire::{
    AuthMethod, BindingPolicy, ChannelBinding, ClientEvent, ClientHandshake, Fault, OutOfTurn,
    ProtocolError, Refused, ScramNonce, ScramOutcome, TargetError, TargetEvent, TargetHandshake,
    TargetLogin, TargetPassword, TlsOffer, TransactionStatus, WeakPasswords, write,
};

const STARTUP: &[u8] = b"\0\0\0\x10\0\x03\0\0user\0a\0\0";
const SSL_REQUEST: &[u8] = &[0, 0, 0, 8, 4, 0xd2, 0x16, 0x2f];

fn end_point(byte: u8) -> ChannelBinding {
    ChannelBinding::EndPoint(vec![byte; 32])
}

/// A gateway that waits for the first message of SCRAM.
fn gateway(binding: ChannelBinding) -> ClientHandshake {
    let mut client = ClientHandshake::behind_tls();
    client.receive(STARTUP);
    assert!(matches!(client.poll_event(), Ok(Some(ClientEvent::Startup(_)))));
    let keys = Keys::derive(b"pencil", [7; 16], NonZeroU32::new(4096).unwrap());
    client.accept_login(keys, ScramNonce::new([2; 18]), binding).unwrap();
    client
}

fn login(binding: ChannelBinding, binding_policy: BindingPolicy) -> TargetLogin {
    TargetLogin {
        user: "a".to_owned(),
        parameters: Vec::new(),
        password: Some(TargetPassword::new("pencil")),
        weak_passwords: WeakPasswords::Refused,
        nonce: ScramNonce::new([1; 18]),
        binding,
        binding_policy,
    }
}

/// How a log-in ends, as both sides see it.
#[derive(Debug, PartialEq, Eq)]
enum End {
    In(AuthMethod),
    GatewayRefuses(ProtocolError),
    ClientRefuses,
}

/// Lets the gateway's client side log in at the gateway's server side, through someone who passes
/// on what the server offers as `offer` says.
fn converse(
    server: ChannelBinding,
    client: ChannelBinding,
    policy: BindingPolicy,
    offer: impl Fn(Vec<u8>) -> Vec<u8>,
) -> End {
    let mut gateway = gateway(server);
    let mut target = TargetHandshake::new(login(client, policy)).unwrap();
    target.take_output();
    loop {
        let said = offer(gateway.take_output().to_vec());
        target.receive(&said);
        match target.poll_event() {
            Ok(_) => {}
            Err(TargetError::NotBound) => return End::ClientRefuses,
            Err(error) => panic!("{error:?}"),
        }
        gateway.receive(&target.take_output());
        match gateway.poll_event() {
            Ok(None) => {}
            Ok(Some(ClientEvent::Scram(ScramOutcome::Proved(proof)))) => {
                let is_bound = proof.is_bound();
                let mut out = BytesMut::new();
                gateway.welcome(proof, 10_000, &mut out);
                write::ready_for_query(&mut out, TransactionStatus::Idle);
                target.receive(&out);
                let event = target.poll_event().unwrap();
                let Some(TargetEvent::Ready(session)) = event else { panic!("{event:?}") };
                assert_eq!(is_bound, session.method == AuthMethod::ScramPlus);
                return End::In(session.method);
            }
            Ok(Some(event)) => panic!("{event:?}"),
            Err(error) => return End::GatewayRefuses(error),
        }
    }
}

type Offer = dyn Fn(Vec<u8>) -> Vec<u8>;
type Case<'a> = (&'a str, ChannelBinding, ChannelBinding, BindingPolicy, &'a Offer, End);

#[test]
fn a_log_in_is_bound_where_both_can_and_nobody_stands_between_them() {
    let whole = |said: Vec<u8>| said;
    // Someone in the middle takes the stronger mechanism out of the list.
    let stripped = |said: Vec<u8>| {
        let mut out = BytesMut::new();
        write::authentication_sasl(&mut out, &["SCRAM-SHA-256"]).unwrap();
        if said.starts_with(b"R") && said.windows(5).any(|part| part == b"-PLUS") {
            out.to_vec()
        } else {
            said
        }
    };
    let none = || ChannelBinding::Unavailable;
    let (preferred, required) = (BindingPolicy::Preferred, BindingPolicy::Required);
    let mismatch = || End::GatewayRefuses(ProtocolError::OtherChannel);
    #[rustfmt::skip]
    let cases: [Case<'_>; 9] = [
        // server offers       client has     and wants   between    end
        ("both",  end_point(1), end_point(1), preferred, &whole,    End::In(AuthMethod::ScramPlus)),
        ("must",  end_point(1), end_point(1), required,  &whole,    End::In(AuthMethod::ScramPlus)),
        ("other", end_point(1), end_point(2), preferred, &whole,    mismatch()),
        ("strip", end_point(1), end_point(1), preferred, &stripped, mismatch()),
        ("strip", end_point(1), end_point(1), required,  &stripped, End::ClientRefuses),
        ("cannot", end_point(1), none(),      preferred, &whole,    End::In(AuthMethod::Scram)),
        ("cannot", end_point(1), none(),      required,  &whole,    End::ClientRefuses),
        ("alone",  none(),      end_point(1), preferred, &whole,    End::In(AuthMethod::Scram)),
        ("alone",  none(),      end_point(1), required,  &whole,    End::ClientRefuses),
    ];
    for (name, server, client, policy, between, end) in cases {
        assert_eq!(converse(server, client, policy, between), end, "{name} {policy:?}");
    }
}

#[test]
fn a_target_that_asks_for_less_than_a_bound_log_in_gets_nothing_where_it_is_required() {
    for asked in [b"R\0\0\0\x08\0\0\0\0".to_vec(), b"R\0\0\0\x08\0\0\0\x03".to_vec()] {
        let mut login = login(end_point(1), BindingPolicy::Required);
        login.weak_passwords = WeakPasswords::Allowed;
        let mut target = TargetHandshake::new(login).unwrap();
        target.take_output();
        target.receive(&asked);
        assert!(matches!(target.poll_event(), Err(TargetError::NotBound)), "{asked:?}");
        assert!(target.take_output().is_empty());
    }
}

#[test]
fn a_first_message_says_what_its_mechanism_says() {
    let malformed =
        Some(ProtocolError::Malformed { message: "SASLInitialResponse", fault: Fault::Scram });
    let other = Some(ProtocolError::OtherChannel);
    let not_offered = Some(ProtocolError::Refused(Refused::Mechanism));
    let (plus, plain) = ("SCRAM-SHA-256-PLUS", "SCRAM-SHA-256");
    #[rustfmt::skip]
    let cases = [
        (end_point(1),                plus,  "p=tls-server-end-point,,n=,r=abc",  None),
        (end_point(1),                plus,  "p=tls-unique,,n=,r=abc",            malformed),
        (end_point(1),                plus,  "p=tls-exporter,,n=,r=abc",          malformed),
        (end_point(1),                plus,  "p=TLS-SERVER-END-POINT,,n=,r=abc",  malformed),
        (end_point(1),                plus,  "n,,n=,r=abc",                       malformed),
        (end_point(1),                plus,  "y,,n=,r=abc",                       malformed),
        (end_point(1),                plain, "n,,n=,r=abc",                       None),
        (end_point(1),                plain, "y,,n=,r=abc",                       other),
        (end_point(1),                plain, "p=tls-server-end-point,,n=,r=abc",  malformed),
        (ChannelBinding::Unavailable, plus,  "p=tls-server-end-point,,n=,r=abc",  not_offered),
        (ChannelBinding::Unavailable, plain, "y,,n=,r=abc",                       None),
    ];
    for (binding, mechanism, first, expected) in cases {
        let mut gateway = gateway(binding.clone());
        let mut message = BytesMut::new();
        write::sasl_initial_response(&mut message, mechanism, first.as_bytes()).unwrap();
        gateway.receive(&message);
        let name = format!("{binding:?} {mechanism} {first}");
        assert_eq!(gateway.poll_event().err(), expected, "{name}");
    }
}

#[test]
fn tls_that_begins_by_itself_is_begun_once() {
    // In the machine's own stream the first byte of TLS is refused: the driver must have seen it.
    for before in [&[][..], SSL_REQUEST] {
        let mut client = ClientHandshake::new(TlsOffer::NotOffered);
        client.receive(before);
        assert!(matches!(client.poll_event(), Ok(None)));
        client.receive(&[pgwire::TLS_FIRST_BYTE, 3, 1]);
        let refused = ProtocolError::Refused(Refused::DirectTls);
        assert_eq!(client.poll_event().unwrap_err(), refused);
    }
    // Behind it, nothing is negotiated a second time.
    for (request, name) in
        [(SSL_REQUEST, "SSLRequest"), (&[0, 0, 0, 8, 4, 0xd2, 0x16, 0x30][..], "GSSENCRequest")]
    {
        let mut client = ClientHandshake::behind_tls();
        client.receive(request);
        assert_eq!(client.poll_event().unwrap_err(), ProtocolError::Unexpected(name));
    }
}

#[test]
fn a_certificate_lets_in_where_a_log_in_is_due_and_nowhere_else() {
    let mut out = BytesMut::new();
    let early = ClientHandshake::behind_tls().welcome_certified(10_000, &mut out);
    assert_eq!(early.unwrap_err(), OutOfTurn);
    let late = gateway(ChannelBinding::Unavailable).welcome_certified(10_000, &mut out);
    assert_eq!(late.unwrap_err(), OutOfTurn);
    assert!(out.is_empty());

    let mut client = ClientHandshake::behind_tls();
    client.receive(STARTUP);
    // What follows at once is the session's.
    client.receive(b"X\0\0\0\x04");
    assert!(matches!(client.poll_event(), Ok(Some(ClientEvent::Startup(_)))));
    let mut decoder = client.welcome_certified(10_000, &mut out).unwrap();
    assert_eq!(&out[..], b"R\0\0\0\x08\0\0\0\0");
    assert!(decoder.poll_message().unwrap().is_some());
}
