//! What `write` writes, the decoders read back as the same values.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests, and their helpers and tables")]

use std::borrow::Cow;

use bytes::{Bytes, BytesMut};
use pgwire::limits::{BIND_PARAMETERS_MAX, ERROR_TEXT_BYTES_MAX, ROW_COLUMNS_MAX};
use pgwire::write::{self, BindFields, Column, ErrorFields, Severity};
use pgwire::{
    BackendDecoder, BackendEvent, BackendMessage, Format, FrontendDecoder, FrontendMessage, Named,
    Text, TransactionStatus, WriteError,
};
use proptest::prelude::*;

fn from_client(written: &BytesMut) -> FrontendMessage {
    let mut decoder = FrontendDecoder::default();
    decoder.receive(written);
    let message = decoder.poll_message().unwrap().unwrap();
    assert!(decoder.poll_message().unwrap().is_none());
    message
}

fn from_target(written: &BytesMut) -> BackendMessage {
    let mut decoder = BackendDecoder::new();
    decoder.receive(written);
    let Some(BackendEvent::Message(message)) = decoder.poll_event().unwrap() else {
        panic!("a message");
    };
    assert!(decoder.poll_event().unwrap().is_none());
    message
}

fn format() -> impl Strategy<Value = Format> {
    prop_oneof![Just(Format::Text), Just(Format::Binary)]
}

fn text() -> impl Strategy<Value = String> {
    "[^\0]{0,30}"
}

fn value() -> impl Strategy<Value = Option<Vec<u8>>> {
    prop::option::of(prop::collection::vec(any::<u8>(), 0..20))
}

proptest! {
    #[test]
    fn query_and_parse(name in text(), sql in text(), types in prop::collection::vec(any::<u32>(), 0..9)) {
        let mut out = BytesMut::new();
        write::query(&mut out, &sql).unwrap();
        let FrontendMessage::Query(query) = from_client(&out) else { panic!("Query") };
        prop_assert_eq!(query.text.as_str(), &sql);

        let mut out = BytesMut::new();
        write::parse(&mut out, &name, &sql, &types).unwrap();
        let FrontendMessage::Parse(parse) = from_client(&out) else { panic!("Parse") };
        prop_assert_eq!(parse.name.as_str(), &name);
        prop_assert_eq!(parse.text.as_str(), &sql);
        prop_assert_eq!(parse.parameter_types, types);
    }

    #[test]
    fn bind(
        portal in text(),
        statement in text(),
        parameters in prop::collection::vec((value(), format()), 0..9),
        one_format in prop::option::of(format()),
        result_formats in prop::collection::vec(format(), 0..9),
    ) {
        let (values, each): (Vec<_>, Vec<_>) = parameters.into_iter().unzip();
        let parameter_formats = one_format.map_or(each, |format| vec![format]);
        let fields = BindFields {
            portal: &portal,
            statement: &statement,
            parameter_formats: &parameter_formats,
            parameters: &values,
            result_formats: &result_formats,
        };
        let mut out = BytesMut::new();
        write::bind(&mut out, fields).unwrap();
        let FrontendMessage::Bind(bind) = from_client(&out) else { panic!("Bind") };
        prop_assert_eq!(bind.portal.as_str(), &portal);
        prop_assert_eq!(bind.statement.as_str(), &statement);
        for index in 0..values.len() {
            let expected = one_format.or(parameter_formats.get(index).copied());
            prop_assert_eq!(Some(bind.parameter_format(index)), expected);
        }
        prop_assert_eq!(&bind.parameter_formats, &parameter_formats);
        let expected: Vec<_> = values.into_iter().map(|value| value.map(Bytes::from)).collect();
        prop_assert_eq!(&bind.parameters, &expected);
        prop_assert_eq!(&bind.result_formats, &result_formats);
    }

    #[test]
    fn messages_that_name_a_portal(name in text(), rows in 0..=u32::MAX >> 1, data in value()) {
        for named in [Named::Statement, Named::Portal] {
            let mut out = BytesMut::new();
            write::describe(&mut out, named, &name).unwrap();
            let FrontendMessage::Describe(describe) = from_client(&out) else { panic!("Describe") };
            prop_assert_eq!((describe.named, describe.name.as_str()), (named, &*name));

            let mut out = BytesMut::new();
            write::close(&mut out, named, &name).unwrap();
            let FrontendMessage::Close(close) = from_client(&out) else { panic!("Close") };
            prop_assert_eq!((close.named, close.name.as_str()), (named, &*name));
        }
        let mut out = BytesMut::new();
        write::execute(&mut out, &name, rows).unwrap();
        let FrontendMessage::Execute(execute) = from_client(&out) else { panic!("Execute") };
        prop_assert_eq!((execute.portal.as_str(), execute.rows_max), (&*name, rows));

        let data = data.unwrap_or_default();
        let mut out = BytesMut::new();
        write::copy_data(&mut out, &data).unwrap();
        let FrontendMessage::CopyData(copy) = from_client(&out) else { panic!("CopyData") };
        prop_assert_eq!(&copy.data, &data);

        let mut out = BytesMut::new();
        write::copy_fail(&mut out, &name).unwrap();
        let FrontendMessage::CopyFail(fail) = from_client(&out) else { panic!("CopyFail") };
        prop_assert_eq!(fail.text.as_str(), &name);
    }

    #[test]
    fn row_description(
        columns in prop::collection::vec(
            (text(), any::<(u32, i16, u32, i16, i32)>(), format()), 0..9),
        types in prop::collection::vec(any::<u32>(), 0..9),
    ) {
        let columns: Vec<Column<'_>> = columns
            .iter()
            .map(|(name, (table_oid, attnum, type_oid, typlen, typmod), format)| Column {
                name,
                table_oid: *table_oid,
                attnum: *attnum,
                type_oid: *type_oid,
                typlen: *typlen,
                typmod: *typmod,
                format: *format,
            })
            .collect();
        let mut out = BytesMut::new();
        write::row_description(&mut out, &columns).unwrap();
        let BackendMessage::RowDescription(read) = from_target(&out) else { panic!("it") };
        let read: Vec<Column<'_>> = read.fields.iter().map(pgwire::backend::Field::column).collect();
        prop_assert_eq!(read, columns);

        let mut out = BytesMut::new();
        write::parameter_description(&mut out, &types).unwrap();
        let BackendMessage::ParameterDescription(read) = from_target(&out) else { panic!("it") };
        prop_assert_eq!(read.types, types);
    }

    /// An error is told whatever its texts hold, and reads back with each NUL replaced.
    #[test]
    fn error_response(
        message in ".{0,30}",
        detail in prop::option::of(".{0,30}"),
        hint in prop::option::of(".{0,30}"),
        position in prop::option::of(any::<u32>()),
        routine in prop::option::of("[A-Za-z]{0,30}"),
        sqlstate in "[0-9A-Z]{5}",
    ) {
        let message = format!("{message}\0{message}");
        let fields = ErrorFields {
            severity: Severity::Fatal,
            sqlstate: &sqlstate,
            message: &message,
            detail: detail.as_deref(),
            hint: hint.as_deref(),
            position,
            routine: routine.as_deref(),
        };
        let clean = |text: &str| text.replace('\0', "\u{fffd}");
        let mut out = BytesMut::new();
        write::error_response(&mut out, &fields);
        let BackendMessage::ErrorResponse(report) = from_target(&out) else { panic!("it") };
        prop_assert!(report.is_fatal());
        prop_assert_eq!(report.sqlstate(), Some(&*sqlstate));
        prop_assert_eq!(report.message(), clean(&message));
        prop_assert_eq!(report.field(b'D').map(Cow::into_owned), detail.map(|d| clean(&d)));
        prop_assert_eq!(report.field(b'H').map(Cow::into_owned), hint.map(|h| clean(&h)));
        prop_assert_eq!(report.field(b'P').map(Cow::into_owned), position.map(|p| p.to_string()));
        prop_assert_eq!(report.field(b'R').map(Cow::into_owned), routine);
    }

    #[test]
    fn session_messages(
        (name, value) in (text(), text()),
        pid in any::<u32>(),
        key in prop::collection::vec(any::<u8>(), 4..=256),
        (version, options) in (any::<u32>(), prop::collection::vec(text(), 0..5)),
    ) {
        let mut out = BytesMut::new();
        write::parameter_status(&mut out, &name, &value).unwrap();
        let BackendMessage::ParameterStatus(read) = from_target(&out) else { panic!("it") };
        prop_assert_eq!((read.name.as_str(), read.value.as_str()), (&*name, &*value));

        let mut out = BytesMut::new();
        write::backend_key_data(&mut out, pid, &key).unwrap();
        let BackendMessage::BackendKeyData(read) = from_target(&out) else { panic!("it") };
        prop_assert_eq!((read.pid, &read.key[..]), (pid, &key[..]));

        let mut out = BytesMut::new();
        write::negotiate_protocol_version(&mut out, version, &options).unwrap();
        let BackendMessage::NegotiateProtocolVersion(read) = from_target(&out) else { panic!("it") };
        let read_options: Vec<&str> = read.options.iter().map(Text::as_str).collect();
        prop_assert_eq!((read.version, read_options), (version, options.iter().map(|o| &**o).collect()));

        let mut out = BytesMut::new();
        write::command_complete(&mut out, &name).unwrap();
        let BackendMessage::CommandComplete(read) = from_target(&out) else { panic!("it") };
        prop_assert_eq!(read.tag.as_str(), &name);
    }
}

#[test]
fn messages_without_a_body() {
    type Write = fn(&mut BytesMut);
    let to_target: [(Write, &str); 4] = [
        (write::flush, "Flush"),
        (write::sync, "Sync"),
        (write::terminate, "Terminate"),
        (write::copy_done, "CopyDone"),
    ];
    for (write, name) in to_target {
        let mut out = BytesMut::new();
        write(&mut out);
        assert_eq!(from_client(&out).name(), name);
    }
    let to_client: [(Write, &str); 6] = [
        (write::parse_complete, "ParseComplete"),
        (write::bind_complete, "BindComplete"),
        (write::close_complete, "CloseComplete"),
        (write::no_data, "NoData"),
        (write::portal_suspended, "PortalSuspended"),
        (write::empty_query_response, "EmptyQueryResponse"),
    ];
    for (write, name) in to_client {
        let mut out = BytesMut::new();
        write(&mut out);
        assert_eq!(from_target(&out).kind().name(), name);
    }
    for status in [TransactionStatus::Idle, TransactionStatus::Open, TransactionStatus::Failed] {
        let mut out = BytesMut::new();
        write::ready_for_query(&mut out, status);
        let BackendMessage::ReadyForQuery(ready) = from_target(&out) else { panic!("it") };
        assert_eq!(ready.status, status);
    }
}

#[test]
fn what_cannot_be_written_writes_nothing() {
    let mut out = BytesMut::from(&b"before"[..]);
    let too_many = vec![0; 65_536];
    let columns = vec![None::<&[u8]>; 65_536];
    #[rustfmt::skip]
    let cases = [
        (write::query(&mut out, "a\0b"),                                    WriteError::InnerNul),
        (write::parse(&mut out, "s", "a\0b", &[]),                          WriteError::InnerNul),
        (write::parse(&mut out, "s", "SELECT 1", &too_many),                WriteError::TooLong),
        (write::describe(&mut out, Named::Portal, "\0"),                    WriteError::InnerNul),
        (write::execute(&mut out, "", 1 << 31),                             WriteError::TooLong),
        (write::command_complete(&mut out, "\0"),                           WriteError::InnerNul),
        (write::data_row(&mut out, &columns),                               WriteError::TooLong),
        (write::parameter_status(&mut out, "a", "\0"),                      WriteError::InnerNul),
        (write::startup(&mut out, [("user", "a"), ("database", "b\0")]),    WriteError::InnerNul),
        (write::password(&mut out, b"\0"),                                  WriteError::InnerNul),
    ];
    for (index, (result, expected)) in cases.into_iter().enumerate() {
        assert_eq!(result, Err(expected), "case {index}");
    }
    assert_eq!(out, b"before"[..]);
}

#[test]
fn a_bind_holds_as_many_parameters_as_its_count_can_say() {
    let mut parameters = vec![Some("1"); BIND_PARAMETERS_MAX];
    let fields = |parameters: &[Option<&'static str>]| {
        let mut out = BytesMut::new();
        let fields = BindFields {
            portal: "",
            statement: "",
            parameter_formats: &[],
            parameters,
            result_formats: &[],
        };
        write::bind(&mut out, fields).map(|()| out)
    };
    let FrontendMessage::Bind(bind) = from_client(&fields(&parameters).unwrap()) else {
        panic!("Bind")
    };
    assert_eq!(bind.parameters.len(), BIND_PARAMETERS_MAX);
    parameters.push(None);
    assert_eq!(fields(&parameters), Err(WriteError::TooLong));
}

#[test]
fn a_result_holds_as_many_columns_as_a_table_can() {
    let column = Column {
        name: "a",
        table_oid: 0,
        attnum: 0,
        type_oid: 23,
        typlen: 4,
        typmod: -1,
        format: Format::Text,
    };
    let mut out = BytesMut::new();
    write::row_description(&mut out, &vec![column; ROW_COLUMNS_MAX]).unwrap();
    let BackendMessage::RowDescription(read) = from_target(&out) else { panic!("it") };
    assert_eq!(read.fields.len(), ROW_COLUMNS_MAX);
}

#[test]
fn a_long_error_text_is_cut_between_characters() {
    let long = "ä".repeat(ERROR_TEXT_BYTES_MAX);
    let mut out = BytesMut::new();
    write::error_response(&mut out, &ErrorFields::error("no sqlstate", &format!("x{long}")));
    let BackendMessage::ErrorResponse(report) = from_target(&out) else { panic!("it") };
    assert_eq!(report.message().len(), ERROR_TEXT_BYTES_MAX - 1);
    assert_eq!(report.sqlstate(), Some("XX000"));
    assert!(!report.is_fatal());
}

#[test]
fn the_rows_of_a_tag_are_its_last_word() {
    #[rustfmt::skip]
    let cases = [
        ("SELECT 5",                         Some(5)),
        ("INSERT 0 7",                       Some(7)),
        ("COPY 18446744073709551615",        Some(u64::MAX)),
        ("COPY 18446744073709551616",        None),
        ("BEGIN",                            None),
        ("CREATE TABLE",                     None),
        ("",                                 None),
    ];
    for (tag, rows) in cases {
        let mut out = BytesMut::new();
        write::command_complete(&mut out, tag).unwrap();
        let BackendMessage::CommandComplete(complete) = from_target(&out) else { panic!("it") };
        assert_eq!(complete.rows(), rows, "{tag}");
    }
}
