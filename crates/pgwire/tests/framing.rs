//! Whatever arrives, in whatever pieces: the same events, no panic, no secret in `Debug`.

#![expect(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::type_complexity,
    clippy::format_push_string,
    reason = "tests, and their helpers and tables"
)]

use bytes::BytesMut;
use pgwire::limits::{BACKEND_MESSAGE_BYTES_MAX, BACKEND_ROW_BYTES_MAX};
use pgwire::{
    BackendDecoder, BackendEvent, BindingPolicy, ChannelBinding, ClientHandshake, Fault,
    FrontendDecoder, Named, ProtocolError, ScramNonce, TargetHandshake, TargetLogin, TlsOffer,
    TransactionStatus, WeakPasswords, write,
};
use proptest::prelude::*;

#[derive(Debug, Default, PartialEq)]
struct Seen {
    messages: Vec<Vec<u8>>,
    /// Rows are cut as they arrive, so only their sum is compared.
    row_bytes: Vec<u8>,
    rows: u64,
    error: Option<ProtocolError>,
}

fn backend_events(pieces: &[&[u8]]) -> Seen {
    let mut decoder = BackendDecoder::new();
    let mut seen = Seen::default();
    for piece in pieces {
        decoder.receive(piece);
        loop {
            match decoder.poll_event() {
                Ok(None) => break,
                Ok(Some(
                    BackendEvent::Rows { bytes, rows } | BackendEvent::Copy { bytes, rows },
                )) => {
                    seen.row_bytes.extend_from_slice(&bytes);
                    seen.rows += rows;
                }
                Ok(Some(BackendEvent::Message(message))) => {
                    assert!(!decoder.is_inside_row());
                    seen.messages.push(message.raw().to_vec());
                }
                Err(error) => {
                    seen.error = Some(error);
                    return seen;
                }
            }
        }
    }
    seen
}

fn frontend_events(pieces: &[&[u8]]) -> (Vec<Vec<u8>>, Option<ProtocolError>) {
    let mut decoder = FrontendDecoder::default();
    let mut messages = Vec::new();
    for piece in pieces {
        decoder.inbox().extend_from_slice(piece);
        loop {
            match decoder.poll_message() {
                Ok(None) => break,
                Ok(Some(message)) => messages.push(message.raw().to_vec()),
                Err(error) => return (messages, Some(error)),
            }
        }
    }
    (messages, None)
}

/// A batch of a client with every kind of message.
fn client_stream(sql: &str, value: &[u8]) -> Vec<u8> {
    let mut out = BytesMut::new();
    write::query(&mut out, sql).unwrap();
    write::parse(&mut out, "s", sql, &[25, 0]).unwrap();
    let parameters = [Some(value), None];
    let fields = write::BindFields {
        portal: "p",
        statement: "s",
        parameter_formats: &[],
        parameters: &parameters,
        result_formats: &[],
    };
    write::bind(&mut out, fields).unwrap();
    write::describe(&mut out, Named::Portal, "p").unwrap();
    write::execute(&mut out, "p", 7).unwrap();
    write::close(&mut out, Named::Statement, "s").unwrap();
    write::flush(&mut out);
    write::sync(&mut out);
    write::copy_data(&mut out, value).unwrap();
    write::copy_done(&mut out);
    write::copy_fail(&mut out, sql).unwrap();
    write::terminate(&mut out);
    out.to_vec()
}

/// An answer of a target with rows between other messages.
fn target_stream(rows: &[Vec<u8>], tail: &[u8]) -> Vec<u8> {
    let mut out = BytesMut::new();
    write::parse_complete(&mut out);
    write::bind_complete(&mut out);
    for row in rows {
        write::data_row(&mut out, &[Some(row), None]).unwrap();
    }
    write::command_complete(&mut out, "SELECT 3").unwrap();
    for row in rows {
        write::data_row(&mut out, &[Some(row)]).unwrap();
    }
    write::portal_suspended(&mut out);
    write::ready_for_query(&mut out, TransactionStatus::Open);
    out.extend_from_slice(tail);
    out.to_vec()
}

proptest! {
    /// However the network cuts the bytes of a client, the messages and the error are the same.
    #[test]
    fn a_clients_messages_do_not_depend_on_how_bytes_are_cut(
        sql in "[^\0]{0,40}",
        value in prop::collection::vec(any::<u8>(), 0..40),
        tail in prop::collection::vec(any::<u8>(), 0..12),
        cut in 1..40_usize,
    ) {
        let stream = [client_stream(&sql, &value), tail].concat();
        let pieces: Vec<&[u8]> = stream.chunks(cut).collect();
        prop_assert_eq!(frontend_events(&pieces), frontend_events(&[&stream]));
    }

    /// However the network cuts the bytes of a target, the messages, the bytes of the rows, their
    /// number and the error are the same.
    #[test]
    fn a_targets_events_do_not_depend_on_how_bytes_are_cut(
        rows in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..5),
        tail in prop::collection::vec(any::<u8>(), 0..12),
        cut in 1..40_usize,
    ) {
        let stream = target_stream(&rows, &tail);
        let pieces: Vec<&[u8]> = stream.chunks(cut).collect();
        prop_assert_eq!(backend_events(&pieces), backend_events(&[&stream]));
    }

    /// What is passed on is, byte for byte, what arrived.
    #[test]
    fn messages_keep_the_bytes_that_they_were_read_from(
        sql in "[^\0]{0,40}",
        value in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let stream = client_stream(&sql, &value);
        let (messages, error) = frontend_events(&[&stream]);
        prop_assert_eq!(error, None);
        prop_assert_eq!(messages.concat(), stream);
    }

    /// No bytes make a machine panic.
    #[test]
    fn no_bytes_make_a_machine_panic(
        kind in any::<u8>(),
        body in prop::collection::vec(any::<u8>(), 0..64),
        rest in prop::collection::vec(any::<u8>(), 0..64),
    ) {
        let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
        let framed = [&[kind][..], &length, &body, &rest].concat();
        frontend_events(&[&framed]);
        backend_events(&[&framed]);
        for bytes in [&framed[..], &framed[1..]] {
            let mut client = ClientHandshake::new(TlsOffer::NotOffered);
            client.receive(bytes);
            while let Ok(Some(_)) = client.poll_event() {}
        }
        let mut target = TargetHandshake::new(login()).unwrap();
        target.receive(&framed);
        while let Ok(Some(_)) = target.poll_event() {}
    }
}

fn login() -> TargetLogin {
    TargetLogin {
        user: "svc".to_owned(),
        parameters: Vec::new(),
        password: None,
        weak_passwords: WeakPasswords::Refused,
        nonce: ScramNonce::new([0; 18]),
        binding: ChannelBinding::Unavailable,
        binding_policy: BindingPolicy::Preferred,
    }
}

#[test]
fn a_row_passes_before_it_has_arrived_and_counts_once_at_its_first_bytes() {
    let mut out = BytesMut::new();
    write::data_row(&mut out, &[Some(vec![b'x'; 100])]).unwrap();
    write::ready_for_query(&mut out, TransactionStatus::Idle);
    let mut decoder = BackendDecoder::new();

    decoder.receive(&out[..4]);
    assert!(decoder.poll_event().unwrap().is_none());
    decoder.receive(&out[4..50]);
    let Some(BackendEvent::Rows { bytes, rows: 1 }) = decoder.poll_event().unwrap() else {
        panic!("a part of the row");
    };
    assert_eq!(bytes.len(), 50);
    assert!(decoder.is_inside_row());
    decoder.receive(&out[50..]);
    let Some(BackendEvent::Rows { rows: 0, .. }) = decoder.poll_event().unwrap() else {
        panic!("the rest of the row");
    };
    assert!(matches!(decoder.poll_event(), Ok(Some(BackendEvent::Message(_)))));
}

#[test]
fn many_rows_pass_as_one_event() {
    let mut out = BytesMut::new();
    for _ in 0..1_000 {
        write::data_row(&mut out, &[Some("value")]).unwrap();
    }
    let mut decoder = BackendDecoder::new();
    decoder.receive(&out);
    let Some(BackendEvent::Rows { bytes, rows: 1_000 }) = decoder.poll_event().unwrap() else {
        panic!("all rows");
    };
    assert_eq!(bytes, out);
}

/// A `CopyOutResponse`, then data of these lengths.
fn copy_out(is_binary: bool, lengths: &[usize]) -> Vec<u8> {
    let mut out = vec![b'H', 0, 0, 0, 7, u8::from(is_binary), 0, 0];
    for length in lengths {
        let mut data = BytesMut::new();
        write::copy_data(&mut data, &vec![b'x'; *length]).unwrap();
        out.extend_from_slice(&data);
    }
    out
}

#[test]
fn what_is_a_row_of_a_copy() {
    #[rustfmt::skip]
    let cases: [(bool, &[usize], u64); 7] = [
        // binary, lengths of the messages, rows
        (false, &[10, 2, 21, 2],     4),
        (false, &[],                 0),
        (true,  &[19 + 12, 12, 2],   2),
        (true,  &[19 + 12, 2],       1),
        (true,  &[21],               0),
        (true,  &[19 + 12, 21, 2],   2),
        // The end of one COPY says nothing of the next.
        (true,  &[],                 0),
    ];
    for (is_binary, lengths, rows) in cases {
        let bytes = [copy_out(is_binary, lengths), copy_out(false, &[2, 2])].concat();
        for cut in [1, 3, 7, bytes.len()] {
            let pieces: Vec<&[u8]> = bytes.chunks(cut).collect();
            let seen = backend_events(&pieces);
            assert_eq!((seen.rows, seen.error), (rows + 2, None), "{is_binary} {lengths:?} {cut}");
            assert_eq!(seen.messages.len(), 2);
        }
    }
}

#[test]
fn the_rows_before_a_bad_one_pass_however_the_bytes_are_cut() {
    let mut out = BytesMut::new();
    write::data_row(&mut out, &[Some("first")]).unwrap();
    write::data_row(&mut out, &[Some("second")]).unwrap();
    let good = out.len();
    out.extend_from_slice(b"D\0\0\0\x05");
    let error = ProtocolError::LengthTooSmall { length: 5, least: 6 };
    for cut in 1..=out.len() {
        let pieces: Vec<&[u8]> = out.chunks(cut).collect();
        let seen = backend_events(&pieces);
        assert_eq!((seen.rows, &seen.row_bytes[..], seen.error), (2, &out[..good], Some(error)));
    }
}

#[test]
fn a_targets_message_is_refused_by_its_announced_length_before_it_arrives() {
    let row = BACKEND_ROW_BYTES_MAX;
    let limit = BACKEND_MESSAGE_BYTES_MAX;
    #[rustfmt::skip]
    let cases = [
        (b'N', limit,     None),
        (b'N', limit + 1, Some(ProtocolError::LengthTooLarge { length: limit + 1, limit })),
        (b'd', row,       None),
        (b'd', row + 1,   Some(ProtocolError::LengthTooLarge { length: row + 1, limit: row })),
        (b'd', 3,         Some(ProtocolError::LengthTooSmall { length: 3, least: 4 })),
        (b'C', 3,         Some(ProtocolError::LengthTooSmall { length: 3, least: 4 })),
        (b'D', row,       None),
        (b'D', row + 1,   Some(ProtocolError::LengthTooLarge { length: row + 1, limit: row })),
        (b'D', u32::MAX,  Some(ProtocolError::LengthTooLarge { length: u32::MAX, limit: row })),
        (b'D', 5,         Some(ProtocolError::LengthTooSmall { length: 5, least: 6 })),
        (b'R', 8,         Some(ProtocolError::Unexpected("Authentication"))),
        (b'V', 8,         Some(ProtocolError::Unexpected("FunctionCallResponse"))),
        (b'Q', 8,         Some(ProtocolError::UnknownType(b'Q'))),
    ];
    for (kind, length, expected) in cases {
        let mut decoder = BackendDecoder::new();
        decoder.receive(&[&[kind][..], &length.to_be_bytes()].concat());
        assert_eq!(decoder.poll_event().err(), expected, "{} {length}", char::from(kind));
    }
}

#[test]
fn a_targets_malformed_messages_are_refused() {
    let malformed = |message, fault| ProtocolError::Malformed { message, fault };
    let column = b"a\0\0\0\0\0\0\0\0\0\0\x17\0\x04\xff\xff\xff\xff\0\0";
    let columns = [&1_665_u16.to_be_bytes()[..], &column.repeat(1_665)].concat();
    let bad_format = [&b"\0\x01"[..], &column[..18], b"\0\x02"].concat();
    let long_key = [0; 4 + 257];
    #[rustfmt::skip]
    let cases: &[(u8, &[u8], ProtocolError)] = &[
        (b'T', b"\0\x01a\0",                   malformed("RowDescription", Fault::Short)),
        (b'T', &columns,                       malformed("RowDescription", Fault::Count)),
        (b'T', &bad_format,                    malformed("RowDescription", Fault::UndefinedCode)),
        (b'T', b"\0\0x",                       malformed("RowDescription", Fault::Trailing)),
        (b't', b"\0\x01",                      malformed("ParameterDescription", Fault::Short)),
        (b'C', b"SELECT 1",                    malformed("CommandComplete", Fault::Unterminated)),
        (b'C', b"SELECT 1\0SELECT 2\0",        malformed("CommandComplete", Fault::Trailing)),
        (b'Z', b"X",                           malformed("ReadyForQuery", Fault::UndefinedCode)),
        (b'Z', b"II",                          malformed("ReadyForQuery", Fault::Trailing)),
        (b'S', b"a\0b",                        malformed("ParameterStatus", Fault::Unterminated)),
        (b'E', b"SERROR\0",                    malformed("ErrorResponse", Fault::Short)),
        (b'E', b"SERROR\0\0x",                 malformed("ErrorResponse", Fault::Trailing)),
        (b'E', b"Ma\0Mb\0\0",                  malformed("ErrorResponse", Fault::Duplicate)),
        (b'K', b"\0\0\0\x01\0\0\0",            malformed("BackendKeyData", Fault::Count)),
        (b'K', &long_key,                      malformed("BackendKeyData", Fault::Count)),
        (b'A', b"\0\0\0\x01a\0",               malformed("NotificationResponse", Fault::Unterminated)),
        (b'v', b"\0\x03\0\0\xff\xff\xff\xff",  malformed("NegotiateProtocolVersion", Fault::Unterminated)),
        (b'H', b"\x02\0\0",                    malformed("CopyOutResponse", Fault::UndefinedCode)),
        (b'G', b"\0\0\x01\0\x02",              malformed("CopyInResponse", Fault::UndefinedCode)),
        (b'1', b"x",                           malformed("ParseComplete", Fault::Trailing)),
        (b'n', b"x",                           malformed("NoData", Fault::Trailing)),
    ];
    for (kind, body, expected) in cases {
        let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
        let seen = backend_events(&[&[&[*kind][..], &length, body].concat()]);
        assert_eq!(seen.error, Some(*expected), "{}", char::from(*kind));
    }
}

#[test]
fn debug_output_shows_no_sql_and_no_value() {
    let mut decoder = FrontendDecoder::default();
    decoder.receive(&client_stream("SELECT 'SECRET'", b"SECRET"));
    let mut shown = format!("{decoder:?}");
    while let Some(message) = decoder.poll_message().unwrap() {
        shown.push_str(&format!("{message:?}"));
    }
    let mut out = BytesMut::new();
    write::data_row(&mut out, &[Some("SECRET")]).unwrap();
    write::command_complete(&mut out, "SECRET").unwrap();
    write::error_response(&mut out, &write::ErrorFields::error("23505", "Key (ssn)=(SECRET)"));
    write::backend_key_data(&mut out, 1, b"SECRET").unwrap();
    let mut decoder = BackendDecoder::new();
    decoder.receive(&out);
    shown.push_str(&format!("{decoder:?}"));
    while let Some(event) = decoder.poll_event().unwrap() {
        shown.push_str(&format!("{event:?}"));
    }
    assert!(shown.contains("23505"), "{shown}");
    assert!(!shown.contains("SECRET"), "{shown}");
    // Byte lists would show it as numbers.
    assert!(!shown.contains("83, 69"), "{shown}");
}
