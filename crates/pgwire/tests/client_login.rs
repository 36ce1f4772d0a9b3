//! The first packets of a client, and what is refused among them.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::type_complexity,
    reason = "tests, and their helpers and tables"
)]

use bytes::BytesMut;
use pgwire::limits::{SASL_MESSAGE_BYTES_MAX, STARTUP_PACKET_BYTES_MAX};
use pgwire::{
    ChannelBinding, ClientEvent, ClientHandshake, Fault, OutOfTurn, ProtocolError, ProtocolVersion,
    Refused, ScramNonce, StartupParameters, TlsOffer, write,
};
use proptest::prelude::*;

const SSL_REQUEST: &[u8] = &[0, 0, 0, 8, 4, 0xd2, 0x16, 0x2f];
const GSSENC_REQUEST: &[u8] = &[0, 0, 0, 8, 4, 0xd2, 0x16, 0x30];
const QUERY: &[u8] = b"Q\0\0\0\x31SELECT ssn FROM billing.customers WHERE id=1\0";

fn packet(version: u32, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 8).unwrap();
    [&length.to_be_bytes()[..], &version.to_be_bytes(), body].concat()
}

fn startup_3_0(body: &[u8]) -> Vec<u8> {
    packet(0x0003_0000, body)
}

fn handshake(bytes: &[u8]) -> ClientHandshake {
    let mut handshake = ClientHandshake::new(TlsOffer::NotOffered);
    handshake.receive(bytes);
    handshake
}

fn startup_of(bytes: &[u8]) -> Result<StartupParameters, ProtocolError> {
    match handshake(bytes).poll_event()? {
        Some(ClientEvent::Startup(parameters)) => Ok(parameters),
        other => panic!("{other:?}"),
    }
}

#[test]
fn first_packets_that_attack_are_refused() {
    let bad = |fault| ProtocolError::Malformed { message: "StartupMessage", fault };
    let refused = ProtocolError::Refused;
    let limit = STARTUP_PACKET_BYTES_MAX;
    let large = |length| ProtocolError::LengthTooLarge { length, limit };
    let small = |length| ProtocolError::LengthTooSmall { length, least: 8 };
    let version = |major, minor| refused(Refused::ProtocolVersion { major, minor });
    let long_key = packet(80_877_102, &[0; 4 + 257]);
    #[rustfmt::skip]
    let cases: &[(&str, Vec<u8>, ProtocolError)] = &[
        ("too_long",           b"\0\0\x27\x11\0\x03\0\0".to_vec(),                 large(10_001)),
        ("query_before_auth",  QUERY.to_vec(),                                     large(0x5100_0000)),
        ("http",               b"GET / HTTP/1.1\r\n".to_vec(),                     large(0x4745_5420)),
        ("length_0",           b"\0\0\0\0".to_vec(),                               small(0)),
        ("length_7",           b"\0\0\0\x07".to_vec(),                             small(7)),
        ("direct_tls",         b"\x16\x03\x01\x02\0".to_vec(),                     refused(Refused::DirectTls)),
        ("protocol_2",         packet(0x0002_0000, b""),                           version(2, 0)),
        ("protocol_4",         packet(0x0004_0001, b""),                           version(4, 1)),
        ("dup_user",           startup_3_0(b"user\0eph\0user\0svc\0database\0d\0\0"),   bad(Fault::Duplicate)),
        ("dup_database",       startup_3_0(b"user\0svc\0database\0a\0database\0b\0\0"), bad(Fault::Duplicate)),
        ("dup_in_other_case",  startup_3_0(b"user\0svc\0DateStyle\0a\0datestyle\0b\0\0"), bad(Fault::Duplicate)),
        ("user_in_other_case", startup_3_0(b"user\0svc\0USER\0root\0\0"),          bad(Fault::Duplicate)),
        ("dup_option",         startup_3_0(b"user\0svc\0_pq_.a\0\0_pq_.a\0\0\0"),  bad(Fault::Duplicate)),
        ("no_user",            startup_3_0(b"database\0d\0\0"),                    bad(Fault::Missing)),
        ("empty_user",         startup_3_0(b"user\0\0\0"),                         bad(Fault::Missing)),
        ("nothing",            startup_3_0(b"\0"),                                 bad(Fault::Missing)),
        ("no_terminator",      startup_3_0(b"user\0svc\0database\0d\0"),           bad(Fault::Unterminated)),
        ("no_value",           startup_3_0(b"user\0svc\0database\0"),              bad(Fault::Unterminated)),
        ("empty_body",         startup_3_0(b""),                                   bad(Fault::Unterminated)),
        ("trailing",           startup_3_0(b"user\0svc\0database\0d\0\0user\0eph\0"), bad(Fault::Trailing)),
        ("not_utf8",           startup_3_0(b"user\0\xff\0\0"),                     bad(Fault::NotUtf8)),
        ("replication_true",   startup_3_0(b"user\0a\0replication\0true\0\0"),     refused(Refused::Replication)),
        ("replication_db",     startup_3_0(b"user\0a\0replication\0database\0\0"), refused(Refused::Replication)),
        ("replication_false",  startup_3_0(b"user\0a\0replication\0false\0\0"),    refused(Refused::Replication)),
        ("replication_case",   startup_3_0(b"user\0a\0REPLICATION\0on\0\0"),       refused(Refused::Replication)),
        ("ssl_with_body",      packet(80_877_103, b"x"),                           bad(Fault::Trailing)),
        ("gssenc_with_body",   packet(80_877_104, b"x"),                           bad(Fault::Trailing)),
        ("cancel_short",       packet(80_877_102, b"\0\0\0\x01\0\0\0"),            bad(Fault::Count)),
        ("cancel_no_pid",      packet(80_877_102, b"\0\0"),                        bad(Fault::Short)),
        ("cancel_long",        long_key,                                           bad(Fault::Count)),
    ];
    for (name, bytes, expected) in cases {
        let mut handshake = handshake(bytes);
        assert_eq!(handshake.poll_event().unwrap_err(), *expected, "{name}");
        assert!(handshake.take_output().is_empty(), "{name}");
        handshake.receive(&startup_3_0(b"user\0svc\0\0"));
        assert_eq!(handshake.poll_event().unwrap_err(), *expected, "{name}: for ever");
        let state = if matches!(expected, ProtocolError::Refused(_)) { "0A000" } else { "08P01" };
        assert_eq!(expected.sqlstate(), state, "{name}");
    }
}

#[test]
fn a_startup_message_of_the_longest_length_is_read() {
    let value = vec![b'x'; 10_000 - 8 - b"user\0svc\0a\0\0\0".len()];
    let bytes = startup_3_0(&[b"user\0svc\0a\0", &value[..], b"\0\0"].concat());
    assert_eq!(u32::try_from(bytes.len()).unwrap(), STARTUP_PACKET_BYTES_MAX);
    assert_eq!(startup_of(&bytes).unwrap().settings["a"].len(), value.len());
}

#[test]
fn parameters_are_read_and_none_is_lost() {
    let bytes = startup_3_0(
        b"user\0agent\0database\0billing\0options\0-c search_path=hr\0TimeZone\0UTC\0role\0root\0\0",
    );
    let settings = [("options", "-c search_path=hr"), ("role", "root"), ("timezone", "UTC")];
    assert_eq!(
        startup_of(&bytes).unwrap(),
        StartupParameters {
            version: ProtocolVersion::V3_0,
            user: "agent".to_owned(),
            database: Some("billing".to_owned()),
            settings: settings.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        }
    );
    assert_eq!(startup_of(&startup_3_0(b"user\0a\0\0")).unwrap().database, None);
    assert_eq!(startup_of(&startup_3_0(b"user\0a\0database\0\0\0")).unwrap().database, None);
}

#[test]
fn a_newer_minor_version_and_unknown_options_are_negotiated_away() {
    use ProtocolVersion::{V3_0, V3_2};
    let plain = b"user\0a\0\0";
    let option = b"user\0a\0_pq_.x\0y\0_PQ_.Z\0\0\0";
    #[rustfmt::skip]
    let cases: &[(u32, &[u8], ProtocolVersion, Option<(u32, &[&str])>)] = &[
        (0x0003_0000, plain,  V3_0, None),
        (0x0003_0001, plain,  V3_0, None),
        (0x0003_0002, plain,  V3_2, None),
        (0x0003_0003, plain,  V3_2, Some((0x0003_0002, &[]))),
        (0x0003_270f, plain,  V3_2, Some((0x0003_0002, &[]))),
        (0x0003_0000, option, V3_0, Some((0x0003_0000, &["_pq_.x", "_PQ_.Z"]))),
        (0x0003_0002, option, V3_2, Some((0x0003_0002, &["_pq_.x", "_PQ_.Z"]))),
    ];
    for (asked, body, spoken, told) in cases {
        let mut handshake = handshake(&packet(*asked, body));
        let Ok(Some(ClientEvent::Startup(parameters))) = handshake.poll_event() else {
            panic!("{asked:x}");
        };
        assert_eq!(parameters.version, *spoken, "{asked:x}");
        assert!(parameters.settings.is_empty(), "{asked:x}");
        let mut expected = BytesMut::new();
        if let Some((version, options)) = told {
            write::negotiate_protocol_version(&mut expected, *version, options).unwrap();
        }
        assert_eq!(handshake.take_output(), expected, "{asked:x}");
    }
    assert_eq!((V3_0.cancel_key_bytes(), V3_2.cancel_key_bytes()), (4, 32));
}

#[test]
fn a_cancel_request_is_an_event_with_nothing_behind_it() {
    for key in [&[7; 4][..], &[7; 32], &[7; 256]] {
        let body = [&42_u32.to_be_bytes()[..], key].concat();
        let mut handshake = handshake(&packet(80_877_102, &body));
        let Ok(Some(ClientEvent::Cancel(cancel))) = handshake.poll_event() else {
            panic!("cancel")
        };
        assert!(cancel.matches(42, key));
        assert!(!cancel.matches(43, key));
        assert!(!cancel.matches(42, &[7; 5]));
        assert!(!cancel.matches(42, &[8; 4]));
        assert!(!format!("{cancel:?}").contains("7, 7"));
        handshake.receive(&startup_3_0(b"user\0a\0\0"));
        assert!(handshake.poll_event().unwrap().is_none());
        assert!(handshake.take_output().is_empty());
    }
}

/// One step of a negotiation.
enum Step {
    /// The client sends this.
    Send(&'static [u8]),
    /// The driver must get this to write.
    Answer(&'static [u8]),
    /// The machine wants TLS, and the driver did the handshake.
    Tls,
    /// The client is refused.
    Refused(ProtocolError),
    /// The client says who it is.
    Startup,
}

#[test]
fn each_request_for_encryption_is_answered_once_and_nothing_is_read_behind_it() {
    use Step::{Answer, Refused, Send, Startup, Tls};
    use TlsOffer::{NotOffered, Offered};
    const START: &[u8] = b"\0\0\0\x10\0\x03\0\0user\0a\0\0";
    let again = ProtocolError::Unexpected;
    let ahead = |message| ProtocolError::Malformed { message, fault: Fault::SentAhead };
    let (ssl, gssenc) = ("SSLRequest", "GSSENCRequest");
    #[rustfmt::skip]
    let cases: &[(&str, TlsOffer, &[Step])] = &[
        ("plain",           NotOffered, &[Send(START), Startup]),
        ("no TLS here",     NotOffered, &[Send(SSL_REQUEST), Answer(b"N"), Send(START), Startup]),
        ("both, then none", NotOffered, &[Send(GSSENC_REQUEST), Answer(b"N"), Send(SSL_REQUEST), Answer(b"N"), Send(START), Startup]),
        ("TLS",             Offered,    &[Send(SSL_REQUEST), Answer(b"S"), Tls, Send(START), Startup]),
        ("GSSENC, TLS",     Offered,    &[Send(GSSENC_REQUEST), Answer(b"N"), Send(SSL_REQUEST), Answer(b"S"), Tls, Send(START), Startup]),
        ("ssl_twice",       NotOffered, &[Send(SSL_REQUEST), Answer(b"N"), Send(SSL_REQUEST), Refused(again(ssl))]),
        ("gss_twice",       Offered,    &[Send(GSSENC_REQUEST), Answer(b"N"), Send(GSSENC_REQUEST), Refused(again(gssenc))]),
        ("ssl under TLS",   Offered,    &[Send(SSL_REQUEST), Answer(b"S"), Tls, Send(SSL_REQUEST), Refused(again(ssl))]),
        ("gss under TLS",   Offered,    &[Send(SSL_REQUEST), Answer(b"S"), Tls, Send(GSSENC_REQUEST), Refused(again(gssenc))]),
        ("nego_loop",       NotOffered, &[Send(SSL_REQUEST), Answer(b"N"), Send(GSSENC_REQUEST), Answer(b"N"), Send(SSL_REQUEST), Refused(again(ssl))]),
    ];
    for (name, offer, steps) in cases {
        run(name, ClientHandshake::new(*offer), steps);
    }
    for (request, name) in [(SSL_REQUEST, ssl), (GSSENC_REQUEST, gssenc)] {
        for offer in [Offered, NotOffered] {
            for behind in [QUERY, START, b"\x16", SSL_REQUEST] {
                let mut handshake = ClientHandshake::new(offer);
                handshake.receive(&[request, behind].concat());
                assert_eq!(
                    handshake.poll_event().unwrap_err(),
                    ahead(name),
                    "{offer:?} {behind:?}"
                );
                assert!(handshake.take_output().is_empty());
            }
        }
    }
}

fn run(name: &str, mut handshake: ClientHandshake, steps: &[Step]) {
    for step in steps {
        match step {
            Step::Send(bytes) => handshake.receive(bytes),
            Step::Answer(answer) => {
                let event = handshake.poll_event().unwrap();
                let wants_tls = matches!(event, Some(ClientEvent::NeedTls));
                assert_eq!(wants_tls, *answer == b"S", "{name}: {event:?}");
                assert_eq!(handshake.take_output(), *answer, "{name}");
            }
            Step::Tls => assert_eq!(handshake.tls_established(), Ok(()), "{name}"),
            Step::Refused(error) => {
                assert_eq!(handshake.poll_event().unwrap_err(), *error, "{name}");
            }
            Step::Startup => {
                let event = handshake.poll_event().unwrap();
                assert!(matches!(event, Some(ClientEvent::Startup(_))), "{name}: {event:?}");
            }
        }
    }
}

#[test]
fn bytes_that_arrive_between_the_answer_and_tls_are_refused() {
    let mut handshake = ClientHandshake::new(TlsOffer::Offered);
    handshake.receive(SSL_REQUEST);
    assert!(matches!(handshake.poll_event(), Ok(Some(ClientEvent::NeedTls))));
    handshake.receive(QUERY);
    assert_eq!(handshake.tls_established(), Err(OutOfTurn));
    let error = ProtocolError::Malformed { message: "SSLRequest", fault: Fault::SentAhead };
    assert_eq!(handshake.poll_event().unwrap_err(), error);
}

fn keys() -> crypto::scram::Keys {
    crypto::scram::Keys::derive(b"pencil", [7; 16], std::num::NonZeroU32::new(4096).unwrap())
}

#[test]
fn steps_out_of_turn_are_refused() {
    let nonce = ScramNonce::new([1; 18]);
    let mut handshake = ClientHandshake::new(TlsOffer::Offered);
    assert_eq!(handshake.tls_established(), Err(OutOfTurn));
    assert_eq!(handshake.accept_login(keys(), nonce, ChannelBinding::Unavailable), Err(OutOfTurn));
    handshake.receive(&startup_3_0(b"user\0a\0\0"));
    assert!(matches!(handshake.poll_event(), Ok(Some(ClientEvent::Startup(_)))));
    assert_eq!(handshake.accept_login(keys(), nonce, ChannelBinding::Unavailable), Ok(()));
    assert_eq!(handshake.accept_login(keys(), nonce, ChannelBinding::Unavailable), Err(OutOfTurn));
    assert!(handshake.take_output().ends_with(b"SCRAM-SHA-256\0\0"));
}

#[test]
fn only_scram_sha_256_without_extras_logs_in() {
    let sasl = |mechanism: &str, first: &[u8]| {
        let mut out = BytesMut::new();
        write::sasl_initial_response(&mut out, mechanism, first).unwrap();
        out.to_vec()
    };
    let malformed = |fault| ProtocolError::Malformed { message: "SASLInitialResponse", fault };
    let limit = SASL_MESSAGE_BYTES_MAX;
    let first = b"n,,n=,r=abc";
    let none = b"p\0\0\0\x16SCRAM-SHA-256\0\xff\xff\xff\xff";
    let lie = b"p\0\0\0\x17SCRAM-SHA-256\0\0\0\0\x02n";
    let trailing = b"p\0\0\0\x18SCRAM-SHA-256\0\0\0\0\x01nn";
    #[rustfmt::skip]
    let cases: &[(&str, Vec<u8>, Option<ProtocolError>)] = &[
        ("good",          sasl("SCRAM-SHA-256", first),         None),
        ("plus",          sasl("SCRAM-SHA-256-PLUS", first),    Some(ProtocolError::Refused(Refused::Mechanism))),
        ("other",         sasl("PLAIN", b"\0a\0b"),             Some(ProtocolError::Refused(Refused::Mechanism))),
        ("binding",       sasl("SCRAM-SHA-256", b"p=tls-unique,,n=,r=abc"), Some(malformed(Fault::Scram))),
        ("empty",         sasl("SCRAM-SHA-256", b""),           Some(malformed(Fault::Scram))),
        ("none",          none.to_vec(),                        Some(malformed(Fault::Missing))),
        ("lie",           lie.to_vec(),                         Some(malformed(Fault::Short))),
        ("trailing",      trailing.to_vec(),                    Some(malformed(Fault::Trailing))),
        ("password",      b"p\0\0\0\x0bpencil\0".to_vec(),      Some(ProtocolError::Refused(Refused::Mechanism))),
        ("query",         QUERY.to_vec(),                       Some(ProtocolError::UnknownType(b'Q'))),
        ("long",          b"p\0\0\x04\x01".to_vec(),            Some(ProtocolError::LengthTooLarge { length: 1_025, limit })),
        ("longest",       b"p\0\0\x04\0".to_vec(),              None),
    ];
    for (name, bytes, expected) in cases {
        let mut handshake = handshake(&startup_3_0(b"user\0a\0\0"));
        assert!(matches!(handshake.poll_event(), Ok(Some(ClientEvent::Startup(_)))));
        let fresh = ScramNonce::new([1; 18]);
        handshake.accept_login(keys(), fresh, ChannelBinding::Unavailable).unwrap();
        handshake.receive(bytes);
        assert_eq!(handshake.poll_event().err(), *expected, "{name}");
    }
}

proptest! {
    /// However the network cuts the first packet, the event is the same.
    #[test]
    fn a_startup_message_does_not_depend_on_how_bytes_are_cut(
        user in "[^\0]{1,20}",
        value in "[^\0]{0,20}",
        cut in 1..20_usize,
    ) {
        let mut bytes = BytesMut::new();
        write::startup(&mut bytes, [("user", &*user), ("x", &value)]).unwrap();
        let mut handshake = ClientHandshake::new(TlsOffer::NotOffered);
        let mut events = Vec::new();
        for piece in bytes.chunks(cut) {
            prop_assert!(events.is_empty());
            handshake.receive(piece);
            events.extend(handshake.poll_event().unwrap());
        }
        let [ClientEvent::Startup(parameters)] = &events[..] else { panic!("{events:?}") };
        prop_assert_eq!(&parameters.user, &user);
        prop_assert_eq!(&parameters.settings["x"], &value);
    }
}
