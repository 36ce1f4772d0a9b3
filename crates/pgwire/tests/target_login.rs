//! The gateway's own log-in at a target, against scripts and against the gateway's other machine.

#![expect(
    clippy::unwrap_used,
    clippy::unwrap_in_result,
    clippy::panic,
    clippy::type_complexity,
    clippy::wildcard_enum_match_arm,
    clippy::format_push_string,
    reason = "tests, and their helpers and tables"
)]

use std::num::NonZeroU32;

use bytes::BytesMut;
use crypto::scram::Keys;
use pgwire::limits::{
    BACKEND_LOGIN_MESSAGE_BYTES_MAX, BACKEND_LOGIN_MESSAGES_MAX, FRONTEND_MESSAGE_BYTES_MAX,
    SCRAM_ITERATIONS_MAX, SCRAM_ITERATIONS_MIN,
};
use pgwire::write::{self, ErrorFields};
use pgwire::{
    AuthMethod, BindingPolicy, ChannelBinding, ClientEvent, ClientHandshake, Fault,
    FrontendMessage, ProtocolError, ScramNonce, ScramOutcome, TargetError, TargetEvent,
    TargetHandshake, TargetLogin, TargetPassword, TargetSession, TlsAnswer, TlsOffer,
    TransactionStatus, WeakPasswords, tls_answer,
};
use proptest::prelude::*;

fn login(password: Option<&str>, weak_passwords: WeakPasswords) -> TargetLogin {
    TargetLogin {
        user: "svc".to_owned(),
        parameters: vec![("database".to_owned(), "billing".to_owned())],
        password: password.map(TargetPassword::new),
        weak_passwords,
        nonce: ScramNonce::new([1; 18]),
        binding: ChannelBinding::Unavailable,
        binding_policy: BindingPolicy::Preferred,
    }
}

fn written(write: impl FnOnce(&mut BytesMut)) -> Vec<u8> {
    let mut out = BytesMut::new();
    write(&mut out);
    out.to_vec()
}

/// What a server sends behind the log-in.
fn greeting() -> Vec<u8> {
    written(|out| {
        write::authentication_ok(out);
        write::parameter_status(out, "server_version", "18.1").unwrap();
        write::notice_response(out, &ErrorFields::error("01000", "hello"));
        write::backend_key_data(out, 42, &[9; 4]).unwrap();
        write::ready_for_query(out, TransactionStatus::Idle);
    })
}

/// Feeds bytes and returns the session and what was written.
fn play(login: TargetLogin, bytes: &[u8]) -> Result<(Box<TargetSession>, Vec<u8>), TargetError> {
    let mut target = TargetHandshake::new(login).unwrap();
    target.take_output();
    target.receive(bytes);
    while let Some(event) = target.poll_event()? {
        if let TargetEvent::Ready(session) = event {
            return Ok((session, target.take_output().to_vec()));
        }
    }
    panic!("nothing: {target:?}");
}

/// As [`play`], for a log-in that fails.
fn fail(login: TargetLogin, bytes: &[u8]) -> TargetError {
    play(login, bytes).map(|_| ()).unwrap_err()
}

#[test]
fn the_startup_message_holds_the_user_and_what_the_gateway_sets() {
    let mut target = TargetHandshake::new(login(None, WeakPasswords::Refused)).unwrap();
    assert_eq!(target.take_output(), b"\0\0\0\x23\0\x03\0\0user\0svc\0database\0billing\0\0"[..]);
    let mut bad = login(None, WeakPasswords::Refused);
    bad.user = "a\0b".to_owned();
    assert!(TargetHandshake::new(bad).is_err());
}

#[test]
fn a_target_that_trusts_is_ready_at_once() {
    let stream = [greeting(), b"Z\0\0\0\x05I".to_vec()].concat();
    let (mut session, output) = play(login(None, WeakPasswords::Refused), &stream).unwrap();
    assert_eq!(session.method, AuthMethod::Trust);
    assert!(session.parameters.contains(&("server_version".into(), "18.1".into())));
    assert!(session.cancel_key.as_ref().unwrap().matches(42, &[9; 4]));
    assert!(output.is_empty());
    // What arrived behind the log-in is not lost.
    assert!(session.decoder.poll_event().unwrap().is_some());
}

#[test]
fn a_password_leaves_in_a_weak_form_only_where_that_is_allowed() {
    use AuthMethod::{Cleartext, Md5};
    let cleartext = written(write::authentication_cleartext_password);
    let md5 = written(|out| write::authentication_md5_password(out, *b"salt"));
    let hashed = crypto::md5_password("svc", "pencil", *b"salt");
    for (request, method, sent) in [(&cleartext, Cleartext, "pencil"), (&md5, Md5, &*hashed)] {
        let stream = [&request[..], &greeting()].concat();
        let allowed = login(Some("pencil"), WeakPasswords::Allowed);
        let (session, output) = play(allowed, &stream).unwrap();
        assert_eq!(session.method, method);
        assert_eq!(output, written(|out| write::password(out, sent.as_bytes()).unwrap()));

        let refused = fail(login(Some("pencil"), WeakPasswords::Refused), &stream);
        assert!(matches!(refused, TargetError::PasswordTooWeak(of) if of == method));
        let missing = fail(login(None, WeakPasswords::Allowed), &stream);
        assert!(matches!(missing, TargetError::PasswordMissing));
    }
}

#[test]
fn a_target_that_says_no_is_heard() {
    let stream = written(|out| {
        write::error_response(out, &ErrorFields::fatal("28P01", "password of svc is wrong"));
    });
    let error = fail(login(None, WeakPasswords::Refused), &stream);
    assert!(matches!(&error, TargetError::Refused(report) if report.is_fatal()));
    assert_eq!(error.to_string(), "the target refused the log-in with SQLSTATE 28P01");
}

#[test]
fn a_target_that_breaks_the_protocol_is_refused() {
    let unexpected = ProtocolError::Unexpected;
    let ok = written(write::authentication_ok);
    let ready = written(|out| write::ready_for_query(out, TransactionStatus::Idle));
    let open = written(|out| write::ready_for_query(out, TransactionStatus::Open));
    let key = written(|out| write::backend_key_data(out, 1, &[0; 4]).unwrap());
    let status = written(|out| write::parameter_status(out, "a", "b").unwrap());
    let negotiate =
        written(|out| write::negotiate_protocol_version(out, 0x0003_0000, &[""; 0]).unwrap());
    let row = written(|out| write::data_row(out, &[Some("x")]).unwrap());
    let last = written(|out| write::authentication_sasl_final(out, b"v=").unwrap());
    let next = written(|out| write::authentication_sasl_continue(out, b"r=").unwrap());
    let limit = BACKEND_LOGIN_MESSAGE_BYTES_MAX;
    let too_long = [&b"N"[..], &(limit + 1).to_be_bytes()].concat();
    let trailing = b"R\0\0\0\x09\0\0\0\0x".to_vec();
    let fault = |message, fault| ProtocolError::Malformed { message, fault };
    let messages_max = usize::try_from(BACKEND_LOGIN_MESSAGES_MAX).unwrap();
    #[rustfmt::skip]
    let cases: &[(Vec<u8>, ProtocolError)] = &[
        (ready.clone(),                          unexpected("ReadyForQuery")),
        (status.clone(),                         unexpected("ParameterStatus")),
        (key.clone(),                            unexpected("BackendKeyData")),
        (last,                                   unexpected("Authentication")),
        (next,                                   unexpected("Authentication")),
        ([&ok[..], &ok].concat(),                unexpected("Authentication")),
        ([&ok[..], &key, &key].concat(),         unexpected("BackendKeyData")),
        ([&ok[..], &open].concat(),              unexpected("ReadyForQuery")),
        ([&ok[..], &negotiate].concat(),         unexpected("NegotiateProtocolVersion")),
        ([&ok[..], &row].concat(),               unexpected("DataRow")),
        (too_long,                               ProtocolError::LengthTooLarge { length: limit + 1, limit }),
        (trailing,                               fault("Authentication", Fault::Trailing)),
        ([&ok[..], &status.repeat(messages_max)].concat(), ProtocolError::TooManyReplies { limit: messages_max }),
    ];
    for (bytes, expected) in cases {
        let error = fail(login(Some("pencil"), WeakPasswords::Refused), bytes);
        assert!(
            matches!(error, TargetError::Protocol(of) if of == *expected),
            "{error}: {expected}"
        );
    }
    for code in [2, 6, 7, 8, 9] {
        let error = fail(login(None, WeakPasswords::Allowed), &[b'R', 0, 0, 0, 8, 0, 0, 0, code]);
        assert!(matches!(error, TargetError::MethodUnsupported(of) if of == u32::from(code)));
    }
    let as_many = [&ok[..], &status.repeat(messages_max - 2), &ready].concat();
    assert!(play(login(None, WeakPasswords::Refused), &as_many).is_ok());
}

#[test]
fn a_target_must_offer_scram_and_prove_itself() {
    let offer =
        |mechanisms: &[&str]| written(|out| write::authentication_sasl(out, mechanisms).unwrap());
    let with = || login(Some("pencil"), WeakPasswords::Allowed);
    let error = fail(with(), &offer(&["SCRAM-SHA-256-PLUS", "OAUTHBEARER"]));
    assert!(matches!(error, TargetError::ScramNotOffered));
    let error = fail(login(None, WeakPasswords::Allowed), &offer(&["SCRAM-SHA-256"]));
    assert!(matches!(error, TargetError::PasswordMissing));

    // It lets the gateway in without proving that it knows the password: at each step of SCRAM.
    let nonce = format!("r={}x,s=c2FsdA==,i=4096", nonce_text());
    let next = written(|out| {
        write::authentication_sasl_continue(out, nonce.as_bytes()).unwrap();
    });
    let plus = ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"];
    for before in [offer(&plus), [offer(&plus), next.clone()].concat()] {
        let error = fail(with(), &[before, greeting()].concat());
        let expected = ProtocolError::Unexpected("Authentication");
        assert!(matches!(error, TargetError::Protocol(of) if of == expected), "{error}");
    }
    let forged = format!("v={}=", "A".repeat(43));
    let last = written(|out| write::authentication_sasl_final(out, forged.as_bytes()).unwrap());
    let error = fail(with(), &[offer(&plus), next, last, greeting()].concat());
    assert!(matches!(error, TargetError::NotProved), "{error}");
}

/// The nonce of [`login`], as it stands in a message.
fn nonce_text() -> String {
    "AQEB".repeat(6)
}

#[test]
fn rounds_beyond_the_limits_are_refused() {
    #[rustfmt::skip]
    let cases = [
        (SCRAM_ITERATIONS_MIN,     WeakPasswords::Refused, true),
        (SCRAM_ITERATIONS_MIN - 1, WeakPasswords::Refused, false),
        (SCRAM_ITERATIONS_MIN - 1, WeakPasswords::Allowed, true),
        (0,                        WeakPasswords::Allowed, false),
        (SCRAM_ITERATIONS_MAX + 1, WeakPasswords::Allowed, false),
    ];
    for (rounds, weak, accepted) in cases {
        let mut target = TargetHandshake::new(login(Some("pencil"), weak)).unwrap();
        target.receive(&written(|out| {
            write::authentication_sasl(out, &["SCRAM-SHA-256"]).unwrap();
            let first = format!("r={}x,s=c2FsdA==,i={rounds}", nonce_text());
            write::authentication_sasl_continue(out, first.as_bytes()).unwrap();
        }));
        assert_eq!(target.poll_event().is_ok(), accepted, "{rounds} {weak:?}");
    }
}

#[test]
fn an_answer_to_ssl_request_is_one_byte() {
    let ahead =
        ProtocolError::Malformed { message: "answer to SSLRequest", fault: Fault::SentAhead };
    #[rustfmt::skip]
    let cases: &[(&[u8], Result<Option<TlsAnswer>, ProtocolError>)] = &[
        (b"",         Ok(None)),
        (b"S",        Ok(Some(TlsAnswer::Accepted))),
        (b"N",        Ok(Some(TlsAnswer::Refused))),
        (b"SR",       Err(ahead)),
        (b"N\0",      Err(ahead)),
        (b"E\0\0\0",  Err(ProtocolError::UnknownType(b'E'))),
    ];
    for (received, expected) in cases {
        assert_eq!(tls_answer(received), *expected, "{received:?}");
    }
}

/// Lets the two machines talk, in pieces of `cut` bytes. The client at the gateway is played by the
/// gateway's own log-in at a target.
fn talk(known: &Keys, password: &str, cut: usize) -> (bool, Result<AuthMethod, TargetError>) {
    let mut client = ClientHandshake::new(TlsOffer::NotOffered);
    let mut target = TargetHandshake::new(login(Some(password), WeakPasswords::Refused)).unwrap();
    let mut proved = None;
    let mut to_server = target.take_output();
    loop {
        let mut to_client = BytesMut::new();
        for piece in to_server.chunks(cut) {
            client.receive(piece);
            while let Some(event) = client.poll_event().unwrap() {
                match event {
                    ClientEvent::Startup(parameters) => {
                        assert_eq!(parameters.user, "svc");
                        let nonce = ScramNonce::new([2; 18]);
                        client
                            .accept_login(known.clone(), nonce, ChannelBinding::Unavailable)
                            .unwrap();
                    }
                    ClientEvent::Scram(ScramOutcome::Proved(proof)) => proved = Some(proof),
                    ClientEvent::Scram(ScramOutcome::Wrong) => {
                        let fields = ErrorFields::fatal("28P01", "wrong");
                        write::error_response(&mut to_client, &fields);
                    }
                    other => panic!("{other:?}"),
                }
            }
            to_client.extend_from_slice(&client.take_output());
        }
        let proof = proved.take();
        let is_proved = proof.is_some();
        if let Some(proof) = proof {
            write::sync(client.inbox());
            let welcomed =
                std::mem::replace(&mut client, ClientHandshake::new(TlsOffer::NotOffered));
            let mut decoder = welcomed.welcome(proof, FRONTEND_MESSAGE_BYTES_MAX, &mut to_client);
            // What the client sent ahead is not lost.
            assert!(matches!(decoder.poll_message(), Ok(Some(FrontendMessage::Sync(_)))));
            write::ready_for_query(&mut to_client, TransactionStatus::Idle);
        }
        for piece in to_client.chunks(cut) {
            target.receive(piece);
            match target.poll_event() {
                Ok(None) => {}
                Ok(Some(TargetEvent::Ready(session))) => return (is_proved, Ok(session.method)),
                Ok(Some(other)) => panic!("{other:?}"),
                Err(error) => return (is_proved, Err(error)),
            }
        }
        to_server = target.take_output();
        assert!(!to_server.is_empty(), "the machines wait for each other");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Both log-ins agree on who knows the password, however the bytes are cut.
    #[test]
    fn both_machines_agree_on_who_knows_the_password(
        password in "[ -~]{1,20}",
        other in "[ -~]{1,20}",
        salt in any::<[u8; 16]>(),
        cut in 1..80_usize,
    ) {
        let keys = Keys::derive(password.as_bytes(), salt, NonZeroU32::new(4096).unwrap());
        let (proved, method) = talk(&keys, &password, cut);
        prop_assert!(proved);
        prop_assert_eq!(method.unwrap(), AuthMethod::Scram);

        if other != password {
            let (proved, method) = talk(&keys, &other, cut);
            prop_assert!(!proved);
            prop_assert!(matches!(method, Err(TargetError::Refused(_))));
        }
    }
}

#[test]
fn no_password_and_no_key_shows_in_debug() {
    let login = login(Some("pencil"), WeakPasswords::Allowed);
    let mut shown = format!("{login:?}");
    let target = TargetHandshake::new(login).unwrap();
    shown.push_str(&format!("{target:?}"));
    assert!(!shown.contains("pencil"), "{shown}");
    let session = play(self::login(None, WeakPasswords::Refused), &greeting()).unwrap().0;
    assert!(!format!("{session:?}").contains("9, 9"), "{session:?}");
}
