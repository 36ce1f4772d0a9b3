//! Framing: bytes of a client that is logged in, and bytes of a target.

use bytes::BytesMut;
use pgwire::{BackendDecoder, BackendEvent, FrontendDecoder, Named, TransactionStatus, write};

/// Most bytes of one message that the fuzzed decoder of a client takes, so that the limit is met.
const MESSAGE_BYTES_MAX: u32 = 4_096;

/// The messages of a client do not depend on how its bytes are cut, and each is what arrived.
pub fn client_bytes(data: &[u8]) {
    let (size, stream) = crate::cut(data);
    let whole = client_events(&[stream]);
    let pieces: Vec<&[u8]> = stream.chunks(size).collect();
    assert_eq!(client_events(&pieces), whole);
    let (messages, _) = whole;
    assert!(stream.starts_with(&messages.concat()), "what is passed on is not what arrived");
}

/// The events of a target do not depend on how its bytes are cut, and each is what arrived.
pub fn target_bytes(data: &[u8]) {
    let (size, stream) = crate::cut(data);
    let whole = target_events(&[stream]);
    let pieces: Vec<&[u8]> = stream.chunks(size).collect();
    assert_eq!(target_events(&pieces), whole);
    assert!(stream.starts_with(&whole.bytes), "what is passed on is not what arrived");
}

fn client_events(pieces: &[&[u8]]) -> (Vec<Vec<u8>>, Option<String>) {
    let mut decoder = FrontendDecoder::new(MESSAGE_BYTES_MAX);
    let mut messages = Vec::new();
    for piece in pieces {
        decoder.receive(piece);
        loop {
            match decoder.poll_message() {
                Ok(None) => break,
                Ok(Some(message)) => messages.push(message.raw().to_vec()),
                Err(error) => return (messages, Some(error.to_string())),
            }
        }
    }
    (messages, None)
}

#[derive(Debug, Default, PartialEq)]
struct Seen {
    /// Everything that was passed on. Rows are cut as they arrive, so only their sum is compared.
    bytes: Vec<u8>,
    messages: usize,
    rows: u64,
    error: Option<String>,
}

fn target_events(pieces: &[&[u8]]) -> Seen {
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
                    seen.bytes.extend_from_slice(&bytes);
                    seen.rows += rows;
                }
                Ok(Some(BackendEvent::Message(message))) => {
                    assert!(!decoder.is_inside_row(), "a message inside a row");
                    seen.bytes.extend_from_slice(message.raw());
                    seen.messages += 1;
                }
                Err(error) => {
                    seen.error = Some(error.to_string());
                    return seen;
                }
            }
        }
    }
    seen
}

/// One of each message of a client, cut in three ways.
pub(crate) fn client_seeds() -> Vec<Vec<u8>> {
    let mut out = BytesMut::new();
    write::query(&mut out, "SELECT 1").unwrap();
    write::parse(&mut out, "s", "SELECT $1", &[25, 0]).unwrap();
    let parameters = [Some(&b"value"[..]), None];
    let bind = write::BindFields {
        portal: "p",
        statement: "s",
        parameter_formats: &[],
        parameters: &parameters,
        result_formats: &[],
    };
    write::bind(&mut out, bind).unwrap();
    write::describe(&mut out, Named::Portal, "p").unwrap();
    write::execute(&mut out, "p", 7).unwrap();
    write::close(&mut out, Named::Statement, "s").unwrap();
    write::flush(&mut out);
    write::sync(&mut out);
    write::copy_data(&mut out, b"1\t2\n").unwrap();
    write::copy_done(&mut out);
    write::copy_fail(&mut out, "no").unwrap();
    write::terminate(&mut out);
    cut_in_three_ways(&out)
}

/// One of each message of a target, cut in three ways.
pub(crate) fn target_seeds() -> Vec<Vec<u8>> {
    let mut out = BytesMut::new();
    write::parse_complete(&mut out);
    write::bind_complete(&mut out);
    let column = write::Column {
        name: "id",
        table_oid: 7,
        attnum: 1,
        type_oid: 23,
        typlen: 4,
        typmod: -1,
        format: pgwire::Format::Text,
    };
    write::row_description(&mut out, &[column]).unwrap();
    write::data_row(&mut out, &[Some("1"), None]).unwrap();
    write::data_row(&mut out, &[Some("2")]).unwrap();
    write::command_complete(&mut out, "SELECT 2").unwrap();
    write::portal_suspended(&mut out);
    write::error_response(&mut out, &write::ErrorFields::error("22012", "division by zero"));
    write::notice_response(&mut out, &write::ErrorFields::error("01000", "careful"));
    write::parameter_status(&mut out, "TimeZone", "UTC").unwrap();
    write::ready_for_query(&mut out, TransactionStatus::Open);
    cut_in_three_ways(&out)
}

fn cut_in_three_ways(stream: &[u8]) -> Vec<Vec<u8>> {
    [0, 6, 255].iter().map(|size| [&[*size], stream].concat()).collect()
}
