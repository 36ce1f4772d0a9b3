//! What is recognised, and what only looks alike.

use std::collections::BTreeSet;

use super::*;

/// A mask of a column; what is its placeholder, and what only looks like it.
type InText<'a> = (Mask, ColumnType, &'a [&'a str], &'a [&'a str]);
/// A mask of a column of the type; a value, and whether it is its placeholder.
type InBinary<'a> = (Mask, &'static str, Encoding, &'a [u8], bool);

fn column(name: &str) -> ColumnType {
    ColumnType::built_in(1, name)
}

fn sized(name: &str, length: i32) -> ColumnType {
    ColumnType { modifier: length.saturating_add(4), ..column(name) }
}

fn fixed(text: &str) -> Mask {
    Mask::Fixed(text.to_owned())
}

#[test]
fn what_a_mask_shows_is_recognised_in_text() {
    #[rustfmt::skip]
    let cases: [InText<'_>; 27] = [
        (Mask::Full,  column("text"),        &["********"],                                   &["*******", "*********", "x ********", ""]),
        (Mask::Full,  sized("varchar", 3),   &["***"],                                        &["****", "**"]),
        (Mask::Full,  sized("bpchar", 10),   &["********", "********  "],                     &["*********"]),
        (Mask::Full,  column("int4"),        &["0", "+0", "-0", " 00 ", "0.0", "0e5"],        &["1", "10", "-1", "", "0x", "zero", "0 0"]),
        (Mask::Full,  column("numeric"),     &["0", "0.00", ".0", "0."],                      &["0.01", ".", "NaN"]),
        (Mask::Full,  column("money"),       &["0", "$0.00", "-$0.00"],                       &["$0.01", "$"]),
        (Mask::Full,  column("bool"),        &["f", "FALSE", "no", "off", "0", " fal "],      &["t", "true", "of the", "o", ""]),
        (Mask::Full,  column("date"),        &["1970-01-01", "epoch", "1970-1-1"],            &["1970-01-02", "2000-01-01", "1969-12-31"]),
        (Mask::Full,  column("timestamp"),   &["1970-01-01 00:00:00", "1970-01-01", "1970-01-01T00:00"], &["1970-01-01 00:00:01", "1970-01-01 00:00:00.000001"]),
        (Mask::Full,  column("timestamptz"), &["1970-01-01 00:00:00+00", "1970-01-01 05:30:00+05:30", "1969-12-31T23:00:00-01:00", "1970-01-01T00:00:00Z"], &["1970-01-01 00:00:00+01"]),
        (Mask::Full,  column("time"),        &["00:00:00", "00:00"],                          &["00:00:01"]),
        (Mask::Full,  column("timetz"),      &["00:00:00+00", "00:00:00Z"],                   &["00:00:00+01"]),
        (Mask::Full,  column("interval"),    &["00:00:00", "PT0S", "0 days"],                 &["1 day", "PT1S"]),
        (Mask::Full,  column("uuid"),        &["00000000-0000-0000-0000-000000000000", "{00000000000000000000000000000000}"], &["00000000-0000-0000-0000-000000000001", "0"]),
        (Mask::Full,  column("jsonb"),       &["\"********\"", " \"********\" "],             &["********", "\"x\"", "[\"********\"]"]),
        (Mask::Full,  column("bytea"),       &["\\x", ""],                                    &["\\x00", "x"]),
        (Mask::Full,  column("inet"),        &["0.0.0.0", "0.0.0.0/32"],                      &["0.0.0.0/0", "::", "10.0.0.0"]),
        (Mask::Full,  column("cidr"),        &["0.0.0.0/0", "0/0"],                           &["10.0.0.0/8"]),
        (fixed("5"),  column("int4"),        &["5", "5.0", "05"],                             &["50", "-5", "0.5"]),
        (fixed("1.50"), column("numeric"),   &["1.5", "1.500", "15e-1"],                      &["15", "1.51"]),
        (fixed("{\"a\": 1}"), column("json"), &["{\"a\":1}", "{ \"a\" : 1 }"],                &["{\"a\": 2}", "{\"a \": 1}"]),
        (fixed("hidden"), column("text"),    &["hidden"],                                     &["Hidden", "hidden!"]),
        (fixed("low"), ColumnType { schema: "app".into(), ..column("tier") }, &["low", " low"], &["high"]),
        (Mask::Last4, column("text"),        &["****", "****1234", "****äöü€"],               &["***1234", "****123", "****12345", "1234"]),
        (Mask::Email, column("text"),        &["****", "****@mail.example", "****@"],         &["ada@mail.example", "****@a@b", "****x"]),
        (Mask::Hash,  column("text"),        &[&"0a".repeat(32)],                             &[&"0A".repeat(32), &"0a".repeat(31), &"0g".repeat(32)]),
        (Mask::Detect(Detector::ALL.into()), column("text"), &["a [card]", "[[ssn]", "[withheld]"], &["[cards]", "card", "[", ""]),
    ];
    for (mask, column, placeholders, others) in cases {
        let placeholder = Placeholder::of(&mask, &column);
        for text in placeholders {
            assert!(placeholder.is_text(text.as_bytes()), "{mask:?} {} {text}", column.name);
        }
        for text in others {
            assert!(!placeholder.is_text(text.as_bytes()), "{mask:?} {} {text}", column.name);
        }
    }
}

/// Binary forms as PostgreSQL's `*_send` functions write them.
#[test]
fn what_a_mask_shows_is_recognised_in_binary() {
    let us_1970: [u8; 8] = (-946_684_800_000_000_i64).to_be_bytes();
    let days_1970: [u8; 4] = (-10_957_i32).to_be_bytes();
    let numeric_5: &[u8] = &[0, 1, 0, 0, 0, 0, 0, 2, 0, 5];
    let numeric_50000: &[u8] = &[0, 1, 0, 1, 0, 0, 0, 0, 0, 5];
    let numeric_half: &[u8] = &[0, 1, 0xff, 0xff, 0, 0, 0, 1, 0x13, 0x88];
    #[rustfmt::skip]
    let cases: [InBinary<'_>; 44] = [
        (Mask::Full,   "text",        Encoding::Inferred,       b"********",               true),
        (Mask::Full,   "text",        Encoding::Declared(25),   b"********",               true),
        (Mask::Full,   "text",        Encoding::Inferred,       b"*******",                false),
        (Mask::Full,   "int4",        Encoding::Inferred,       &0_i32.to_be_bytes(),      true),
        (Mask::Full,   "int4",        Encoding::Inferred,       &0_i64.to_be_bytes(),      true),
        (Mask::Full,   "int4",        Encoding::Declared(21),   &0_i16.to_be_bytes(),      true),
        (Mask::Full,   "int4",        Encoding::Inferred,       &1_i32.to_be_bytes(),      false),
        (Mask::Full,   "int4",        Encoding::Declared(25),   b"0",                      true),
        (Mask::Full,   "int4",        Encoding::Declared(25),   b"0000",                   true),
        (Mask::Full,   "int4",        Encoding::Inferred,       b"0000",                   false),
        (fixed("5"),   "int4",        Encoding::Inferred,       &5_i32.to_be_bytes(),      true),
        (fixed("5"),   "int4",        Encoding::Inferred,       &5_i16.to_be_bytes(),      true),
        (fixed("5"),   "int4",        Encoding::Declared(1700), numeric_5,                 true),
        (fixed("5"),   "numeric",     Encoding::Inferred,       numeric_5,                 true),
        (fixed("5"),   "numeric",     Encoding::Inferred,       numeric_50000,             false),
        (fixed("50000"), "numeric",   Encoding::Inferred,       numeric_50000,             true),
        (fixed("0.5"), "numeric",     Encoding::Inferred,       numeric_half,              true),
        (Mask::Full,   "numeric",     Encoding::Inferred,       &[0, 0, 0, 0, 0, 0, 0, 2], true),
        (Mask::Full,   "numeric",     Encoding::Declared(23),   &0_i32.to_be_bytes(),      true),
        (fixed("0.5"), "float8",      Encoding::Inferred,       &0.5_f64.to_be_bytes(),    true),
        (fixed("0.5"), "float4",      Encoding::Declared(700),  &0.5_f32.to_be_bytes(),    true),
        (fixed("0.1"), "float4",      Encoding::Declared(700),  &0.1_f32.to_be_bytes(),    true),
        (Mask::Full,   "float8",      Encoding::Inferred,       &(-0.0_f64).to_be_bytes(), true),
        (Mask::Full,   "float8",      Encoding::Inferred,       &f64::NAN.to_be_bytes(),   false),
        (fixed("5"),   "money",       Encoding::Inferred,       &500_i64.to_be_bytes(),    true),
        (Mask::Full,   "bool",        Encoding::Inferred,       &[0],                      true),
        (Mask::Full,   "bool",        Encoding::Inferred,       &[1],                      false),
        (Mask::Full,   "date",        Encoding::Inferred,       &days_1970,                true),
        (Mask::Full,   "date",        Encoding::Inferred,       &0_i32.to_be_bytes(),      false),
        (Mask::Full,   "timestamp",   Encoding::Declared(1082), &days_1970,                true),
        (Mask::Full,   "timestamptz", Encoding::Inferred,       &us_1970,                  true),
        (Mask::Full,   "timestamptz", Encoding::Inferred,       &0_i64.to_be_bytes(),      false),
        (Mask::Full,   "time",        Encoding::Inferred,       &0_i64.to_be_bytes(),      true),
        (Mask::Full,   "timetz",      Encoding::Inferred,       &[0; 12],                  true),
        (Mask::Full,   "interval",    Encoding::Inferred,       &[0; 16],                  true),
        (Mask::Full,   "uuid",        Encoding::Inferred,       &[0; 16],                  true),
        (Mask::Full,   "uuid",        Encoding::Inferred,       &[1; 16],                  false),
        (Mask::Full,   "jsonb",       Encoding::Inferred,       b"\x01\"********\"",       true),
        (Mask::Full,   "json",        Encoding::Inferred,       b"\"********\"",           true),
        (Mask::Full,   "bytea",       Encoding::Inferred,       b"",                       true),
        (fixed("\\x0aFF"), "bytea",   Encoding::Inferred,       b"\x0a\xff",               true),
        (Mask::Full,   "inet",        Encoding::Inferred,       &[2, 32, 0, 4, 0, 0, 0, 0], true),
        (Mask::Full,   "cidr",        Encoding::Inferred,       &[2, 0, 1, 4, 0, 0, 0, 0], true),
        (Mask::Last4,  "text",        Encoding::Inferred,       b"****1234",               true),
    ];
    for (mask, name, encoding, value, expected) in cases {
        let placeholder = Placeholder::of(&mask, &column(name));
        assert_eq!(placeholder.is_binary(value, encoding), expected, "{mask:?} {name} {value:?}");
    }
}

#[test]
fn a_placeholder_among_values_is_recognised() {
    let stars = Placeholder::of(&Mask::Full, &column("text"));
    let number = Placeholder::of(&Mask::Full, &column("int4"));
    let hash = Placeholder::of(&Mask::Hash, &column("text"));
    for list in
        ["********", "{a,********}", "{\"********\"}", "[{\"id\": 1, \"ssn\": \"********\"}]"]
    {
        assert!(stars.is_among_text(list.as_bytes()), "{list}");
    }
    assert!(number.is_among_text(b"{1,0}") && number.is_among_text(b"{\"n\": 0}"));
    assert!(!number.is_among_text(b"{1,10}") && !stars.is_among_text(b"{*********,a}"));
    let array = |oid: u32, values: &[&[u8]]| {
        let count = u32::try_from(values.len()).unwrap();
        let mut bytes: Vec<u8> =
            [1, 0, oid, count, 1].iter().flat_map(|n| n.to_be_bytes()).collect();
        for value in values {
            bytes.extend_from_slice(&u32::try_from(value.len()).unwrap().to_be_bytes());
            bytes.extend_from_slice(value);
        }
        bytes
    };
    let of_hash = array(25, &[b"x", "0a".repeat(32).as_bytes()]);
    assert!(hash.is_among_binary(&of_hash, Encoding::Inferred));
    assert!(number.is_among_binary(&array(23, &[&[0, 0, 0, 1], &[0; 4]]), Encoding::Inferred));
    assert!(!number.is_among_binary(&array(23, &[&[0, 0, 0, 1]]), Encoding::Inferred));
    assert!(!stars.is_among_binary(&of_hash, Encoding::Inferred));
}

#[test]
fn null_is_a_placeholder_where_a_mask_shows_it() {
    let enumeration = ColumnType { schema: "app".into(), ..column("tier") };
    let array = ColumnType { is_array: true, ..column("text") };
    assert!(Placeholder::of(&Mask::Null, &column("text")).is_null());
    assert!(Placeholder::of(&Mask::Full, &enumeration).is_null());
    assert!(Placeholder::of(&Mask::Full, &array).is_null());
    assert!(!Placeholder::of(&Mask::Full, &column("int4")).is_null());
    assert!(!Placeholder::of(&Mask::Null, &column("text")).is_text(b""));
}

#[test]
fn only_the_detectors_of_a_column_leave_tokens_in_it() {
    let placeholder = Placeholder::of_detectors(&BTreeSet::from([Detector::Card]));
    assert!(placeholder.is_text(b"x [card] y") && placeholder.is_text(b"[withheld]"));
    assert!(!placeholder.is_text(b"[ssn]"));
    assert!(Detector::ALL.iter().all(|detector| detector.name().len() + 2 <= TOKEN_BYTES_MAX));
}

proptest::proptest! {
    /// Whatever bytes a client sends, they are read without a panic, and never take long.
    #[test]
    fn any_bytes_are_read(value in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..64), oid in 0_u32..4000) {
        for name in ["text", "int4", "numeric", "money", "bool", "date", "timestamptz", "time", "timetz", "interval", "uuid", "jsonb", "bytea", "inet", "point"] {
            for mask in [Mask::Full, fixed("5"), Mask::Null, Mask::Last4, Mask::Email, Mask::Hash] {
                let placeholder = Placeholder::of(&mask, &column(name));
                placeholder.is_among_text(&value);
                placeholder.is_among_binary(&value, Encoding::Inferred);
                placeholder.is_binary(&value, Encoding::Declared(oid));
            }
        }
    }
}
