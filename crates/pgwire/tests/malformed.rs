//! Frames that attack a gateway which reads them otherwise than PostgreSQL does. Each is refused,
//! and the decoder stays refused.

#![expect(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::type_complexity,
    clippy::wildcard_enum_match_arm,
    reason = "tests, and their helpers and tables"
)]

use pgwire::limits::{FRONTEND_MESSAGE_BYTES_MAX, FRONTEND_SMALL_MESSAGE_BYTES_MAX};
use pgwire::{Fault, FrontendDecoder, FrontendMessage, ProtocolError};

/// Bytes, and what is read from them until nothing more is.
fn read(bytes: &[u8]) -> Result<Vec<FrontendMessage>, ProtocolError> {
    let mut decoder = FrontendDecoder::default();
    decoder.receive(bytes);
    let mut messages = Vec::new();
    while let Some(message) = decoder.poll_message()? {
        messages.push(message);
    }
    Ok(messages)
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap();
    [&[kind][..], &length.to_be_bytes(), body].concat()
}

fn malformed(message: &'static str, fault: Fault) -> ProtocolError {
    ProtocolError::Malformed { message, fault }
}

const TWO_QUERIES: &[u8] =
    b"SELECT id FROM billing.customers WHERE id=1\0SELECT ssn FROM billing.customers WHERE id=1\0";

#[test]
fn attacks_on_framing_are_refused() {
    use Fault::{NegativeLength, Short, Trailing, UndefinedCode};
    let small = |length| ProtocolError::LengthTooSmall { length, least: 4 };
    let large =
        |length| ProtocolError::LengthTooLarge { length, limit: FRONTEND_MESSAGE_BYTES_MAX };
    let trailing_parse = b"\0SELECT id FROM billing.customers WHERE id=1\0\0\0EXTRA";
    #[rustfmt::skip]
    let cases: &[(&str, Vec<u8>, ProtocolError)] = &[
        ("len0",            b"Q\0\0\0\0".to_vec(),                               small(0)),
        ("len3",            b"Q\0\0\0\x03".to_vec(),                             small(3)),
        ("neg",             b"Q\xff\xff\xff\xff".to_vec(),                       large(u32::MAX)),
        ("over1g",          b"Q\x40\0\0\x01".to_vec(),                           large(0x4000_0001)),
        ("q_inner_nul",     message(b'Q', TWO_QUERIES),                          malformed("Query", Trailing)),
        ("q_unterminated",  message(b'Q', b"SELECT 1"),                          malformed("Query", Fault::Unterminated)),
        ("q_not_utf8",      message(b'Q', b"SELECT '\xff'\0"),                   malformed("Query", Fault::NotUtf8)),
        ("q_empty_body",    message(b'Q', b""),                                  malformed("Query", Fault::Unterminated)),
        ("parse_trailing",  message(b'P', trailing_parse),                       malformed("Parse", Trailing)),
        ("parse_count_lie", message(b'P', b"\0SELECT 1\0\0\x02\0\0\0\x17"),      malformed("Parse", Short)),
        ("bind_len_lie",    message(b'B', b"\0\0\0\0\0\x01\0\0\x03\xe8abc\0\0"), malformed("Bind", Short)),
        ("bind_neg",        message(b'B', b"\0\0\0\0\0\x01\xff\xff\xff\xfe\0\0"), malformed("Bind", NegativeLength)),
        ("bind_fmt_bad",    message(b'B', b"\0\0\0\x01\0\x07\0\x01\0\0\0\x01a\0\0"), malformed("Bind", UndefinedCode)),
        ("bind_rfmt_bad",   message(b'B', b"\0\0\0\0\0\x01\0\0\0\x01a\0\x01\0\x09"), malformed("Bind", UndefinedCode)),
        ("bind_fmt_count",  message(b'B', b"\0\0\0\x02\0\0\0\0\0\x01\0\0\0\x01a\0\0"), malformed("Bind", Fault::Count)),
        ("bind_fmt_no_par", message(b'B', b"\0\0\0\x02\0\0\0\0\0\0\0\0"),        malformed("Bind", Fault::Count)),
        ("bind_count_lie",  message(b'B', b"\0\0\0\0\xff\xff\0\0"),              malformed("Bind", Short)),
        ("bind_trailing",   message(b'B', b"\0\0\0\0\0\0\0\0x"),                 malformed("Bind", Trailing)),
        ("describe_kind",   message(b'D', b"Xs\0"),                              malformed("Describe", UndefinedCode)),
        ("describe_empty",  message(b'D', b""),                                  malformed("Describe", Short)),
        ("close_trailing",  message(b'C', b"Ss\0t\0"),                           malformed("Close", Trailing)),
        ("execute_short",   message(b'E', b"\0\0\0\0"),                          malformed("Execute", Short)),
        ("execute_trail",   message(b'E', b"\0\0\0\0\0\0"),                      malformed("Execute", Trailing)),
        ("sync_body",       message(b'S', b"\0"),                                malformed("Sync", Trailing)),
        ("flush_body",      message(b'H', b"\0"),                                malformed("Flush", Trailing)),
        ("terminate_body",  message(b'X', b"\0"),                                malformed("Terminate", Trailing)),
        ("copydone_body",   message(b'c', b"\0"),                                malformed("CopyDone", Trailing)),
        ("copyfail_nul",    message(b'f', b"a\0b\0"),                            malformed("CopyFail", Trailing)),
        ("unknown_type",    message(b'z', b""),                                  ProtocolError::UnknownType(b'z')),
        ("server_type",     message(b'T', b"\0\0"),                              ProtocolError::UnknownType(b'T')),
        ("second_startup",  b"\0\0\0\x08\0\x03\0\0".to_vec(),                    ProtocolError::UnknownType(0)),
    ];
    for (name, bytes, expected) in cases {
        assert_eq!(read(bytes).unwrap_err(), *expected, "{name}");
        assert_eq!(expected.sqlstate(), "08P01", "{name}");
    }
}

#[test]
fn what_is_legal_but_refused_is_told_from_what_is_malformed() {
    let messages = read(&[message(b'F', b"\xff\xff"), message(b'p', b"x\0")].concat()).unwrap();
    assert!(matches!(
        messages[..],
        [FrontendMessage::FunctionCall(_), FrontendMessage::Password(_)]
    ));
}

#[test]
fn two_messages_where_a_sender_meant_one_are_two_messages() {
    let first = message(b'Q', b"SELECT id FROM billing.customers WHERE id=1\0");
    let second = message(b'Q', b"SELECT ssn FROM billing.customers WHERE id=1\0");
    let messages = read(&[first, second].concat()).unwrap();
    let texts: Vec<&str> = messages
        .iter()
        .map(|message| match message {
            FrontendMessage::Query(query) => query.text.as_str(),
            other => other.name(),
        })
        .collect();
    assert_eq!(
        texts,
        [
            "SELECT id FROM billing.customers WHERE id=1",
            "SELECT ssn FROM billing.customers WHERE id=1"
        ]
    );
}

#[test]
fn messages_inside_copy_data_are_data() {
    let inner = message(b'Q', b"SELECT ssn FROM billing.customers\0");
    let messages = read(&message(b'd', &inner)).unwrap();
    assert!(matches!(&messages[..], [FrontendMessage::CopyData(copy)] if copy.data == inner));
}

#[test]
fn after_a_bad_frame_nothing_is_read() {
    let mut decoder = FrontendDecoder::default();
    decoder.receive(&message(b'z', b""));
    let error = decoder.poll_message().unwrap_err();
    decoder.receive(&message(b'S', b""));
    assert_eq!(decoder.poll_message().unwrap_err(), error);
}

#[test]
fn a_message_is_refused_by_its_announced_length_before_it_arrives() {
    let limit = 100_u32;
    #[rustfmt::skip]
    let cases = [
        (b'Q', limit,                                limit,                            None),
        (b'Q', limit,                                limit + 1,                        Some(limit)),
        (b'P', limit,                                limit + 1,                        Some(limit)),
        (b'B', limit,                                limit + 1,                        Some(limit)),
        (b'F', limit,                                limit + 1,                        Some(limit)),
        (b'd', limit,                                limit + 1,                        Some(limit)),
        (b'S', limit,                                limit + 1,                        Some(limit)),
        (b'Q', FRONTEND_MESSAGE_BYTES_MAX,           FRONTEND_MESSAGE_BYTES_MAX,       None),
        (b'Q', FRONTEND_MESSAGE_BYTES_MAX,           FRONTEND_MESSAGE_BYTES_MAX + 1,   Some(FRONTEND_MESSAGE_BYTES_MAX)),
        (b'D', FRONTEND_MESSAGE_BYTES_MAX,           FRONTEND_SMALL_MESSAGE_BYTES_MAX, None),
        (b'D', FRONTEND_MESSAGE_BYTES_MAX,           10_001,                           Some(10_000)),
        (b'C', FRONTEND_MESSAGE_BYTES_MAX,           10_001,                           Some(10_000)),
        (b'E', FRONTEND_MESSAGE_BYTES_MAX,           10_001,                           Some(10_000)),
        (b'H', FRONTEND_MESSAGE_BYTES_MAX,           10_001,                           Some(10_000)),
        (b'S', FRONTEND_MESSAGE_BYTES_MAX,           10_001,                           Some(10_000)),
        (b'X', FRONTEND_MESSAGE_BYTES_MAX,           10_001,                           Some(10_000)),
        (b'c', FRONTEND_MESSAGE_BYTES_MAX,           10_001,                           Some(10_000)),
        (b'f', FRONTEND_MESSAGE_BYTES_MAX,           10_001,                           Some(10_000)),
        (b'p', FRONTEND_MESSAGE_BYTES_MAX,           10_001,                           Some(10_000)),
    ];
    for (kind, bytes_max, length, refused_at) in cases {
        let mut decoder = FrontendDecoder::new(bytes_max);
        decoder.receive(&[&[kind][..], &length.to_be_bytes()].concat());
        let expected = refused_at.map(|limit| ProtocolError::LengthTooLarge { length, limit });
        let kind = char::from(kind);
        assert_eq!(decoder.poll_message().err(), expected, "{kind} {length}");
    }
}

#[test]
fn a_query_of_the_longest_length_is_read() {
    let text = vec![b'x'; usize::try_from(FRONTEND_MESSAGE_BYTES_MAX).unwrap() - 5];
    let messages = read(&message(b'Q', &[&text[..], b"\0"].concat())).unwrap();
    assert!(
        matches!(&messages[..], [FrontendMessage::Query(query)] if query.text.len() == text.len())
    );
}
