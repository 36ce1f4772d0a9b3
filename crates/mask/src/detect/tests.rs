//! What is found and what is not, and that it takes time in proportion to the length.

use std::time::Instant;

use model::{Detector, Detectors};
use proptest::prelude::*;

use super::*;

fn all() -> Detectors {
    Detector::ALL.into()
}

fn text(value: &str) -> String {
    redact(value.as_bytes(), Content::Text, &all(), &mut Counts::new())
        .map_or_else(|| value.to_owned(), |bytes| String::from_utf8(bytes).unwrap())
}

fn json(value: &str) -> String {
    redact(value.as_bytes(), Content::Json, &all(), &mut Counts::new())
        .map_or_else(|| value.to_owned(), |bytes| String::from_utf8(bytes).unwrap())
}

/// Every number here is an issuer's published example, or made up with its check digit.
#[test]
fn what_must_be_found_is_replaced_whole() {
    #[rustfmt::skip]
    let cases = [
        ("card 4111111111111111.",              "card [card]."),
        ("4111 1111 1111 1111",                 "[card]"),
        ("4111-1111-1111-1111, exp 12/27",      "[card], exp 12/27"),
        ("4111 1111 1111 1111 12/27",           "[card] 12/27"),
        ("amex 378282246310005",                "amex [card]"),
        ("„4111111111111111“ — ja",               "„[card]“ — ja"),
        ("Karte—DE89370400440532013000 ",       "Karte—[iban] "),
        (" 123-45-6789…",                     " [ssn]…"),
        ("3782 822463 10005",                   "[card]"),
        ("5555555555554444 and 2223003122003222", "[card] and [card]"),
        ("(6011111111111117)",                  "([card])"),
        ("3530111333300000",                    "[card]"),
        ("30569309025904",                      "[card]"),
        ("GB82 WEST 1234 5698 7654 32",         "[iban]"),
        ("iban:DE89370400440532013000!",        "iban:[iban]!"),
        ("nl91abna0417164300",                  "[iban]"),
        ("FR14 2004 1010 0505 0001 3M02 606",   "[iban]"),
        ("ssn 123-45-6789",                     "ssn [ssn]"),
        ("123 45 6789",                         "[ssn]"),
        ("SSN: 123456789",                      "SSN: [ssn]"),
        ("Ada <ada.lovelace+x@mail.example.org>.", "Ada <[email]>."),
        ("jörg@münchen.example",                "[email]"),
        ("a@b.co,c@d.io",                       "[email],[email]"),
        ("+49 30 1234567",                      "[phone]"),
        ("+1 (555) 123-4567",                   "[phone]"),
        ("+14155552671",                        "[phone]"),
        ("call (415) 555-2671 now",             "call [phone] now"),
        ("415-555-2671",                        "[phone]"),
        ("1-415-555-2671",                      "[phone]"),
        ("0049 30 123456",                      "[phone]"),
        ("01 23 45 67 89",                      "[phone]"),
        ("030 / 12 34 567",                     "[phone]"),
        ("020 7946 0958",                       "[phone]"),
        ("tel 4155552671",                      "tel [phone]"),
        ("key AKIAIOSFODNN7EXAMPLE",            "key [secret]"),
        ("ghp_abcdefghijklmnopqrstuvwxyz0123456789", "[secret]"),
        ("xoxb-123456789012-abcdef",            "[secret]"),
        ("AIzaSyA1234567890abcdefghijklmnopqrstuv", "[secret]"),
        ("password=hunter2",                    "password=[secret]"),
        ("DB_PASSWORD: 's3cr3t!!'",             "DB_PASSWORD: '[secret]'"),
        ("token = \"abcd efgh\" x",             "token = \"[secret]\" x"),
        ("postgres://bob:pw@db/x",              "postgres://[secret]@db/x"),
        ("Authorization: Bearer abcdefghij1234567890", "Authorization: Bearer [secret]"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\nx", "[secret]\nx"),
        ("-----BEGIN PRIVATE KEY-----\nMIIE",   "[secret]"),
    ];
    for (value, expected) in cases {
        assert_eq!(text(value), expected, "{value}");
    }
    let web = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U";
    assert_eq!(text(&format!("jwt {web} end")), "jwt [secret] end");
}

#[test]
fn what_only_looks_alike_stays() {
    #[rustfmt::skip]
    let cases = [
        "4111111111111112",                         // no Luhn digit
        "9111111111111111",                         // no issuer
        "41111111111111110000",                     // too long
        "0.4111111111111111",                       // a fraction
        "order 41111-1111-1111-111",                // no card's groups
        "GB82 WEST 1234 5698 7654 33",              // no check digits
        "DE8937040044053201300",                    // too short
        "000-12-3456", "666-12-3456", "900-12-3456", "123-00-4567", "123-45-0000",
        "123456789",                                // nothing says what it is
        "2024-01-02 03:04:05.678901", "01.02.2024 10:20", "02/03/2024", "10.0.0.1", "192.168.100.200",
        "6f1c2d3e-0000-4000-8000-000000000001",
        "d41d8cd98f00b204e9800998ecf8427e",
        "@handle", "a@b", "user@localhost", "x @ y.z",
        "1.234.567,89", "12 345 678", "-----BEGIN CERTIFICATE-----",
        "The password: please ask. The secret of success is a token of trust.",
        "sk-learn", "hf_hub", "basic information",
    ];
    for value in cases {
        assert_eq!(text(value), value);
    }
}

#[test]
fn json_stays_json_and_its_escapes_hide_nothing() {
    #[rustfmt::skip]
    let cases = [
        (r#"{"a": "x@y.example", "b": [1, null, true]}"#,   r#"{"a": "[email]", "b": [1, null, true]}"#),
        (r#"{"n": 4111111111111111}"#,                      r#"{"n": "[card]"}"#),
        (r#"{"a@b.example": 1}"#,                           r#"{"[email]": 1}"#),
        (r#"["x\u0040y.example"]"#,                         r#"["[email]"]"#),
        (r#"["4111\u0031\u00311111111111"]"#,               r#"["[card]"]"#),
        (r#"{"ssn": "123456789"}"#,                         r#"{"ssn": "[ssn]"}"#),
        (r#"{"ssn": 123456789}"#,                           r#"{"ssn": "[ssn]"}"#),
        (r#"{"password": "a b"}"#,                          r#"{"password": "[secret]"}"#),
        (r#"{"password": ""}"#,                             r#"{"password": ""}"#),
        (r#"{"a": "q\"\n x@y.example \\"}"#,                r#"{"a": "q\"\u000a [email] \\"}"#),
        (r#""\ud83d\ude00 x@y.example""#,                   "\"😀 [email]\""),
        (r#""\ud83d x@y.example""#,                         "\"\u{fffd} [email]\""),
        (r#"{"a": "\u00e9"}"#,                              r#"{"a": "\u00e9"}"#),
        (r#"{"a": 1.5e10, "b": -2}"#,                       r#"{"a": 1.5e10, "b": -2}"#),
        ("not json!",                                       "\"[withheld]\""),
        (r#"{"a": "open"#,                                  "\"[withheld]\""),
    ];
    for (value, expected) in cases {
        assert_eq!(json(value), expected, "{value}");
    }
}

#[test]
fn a_value_that_is_too_large_or_unreadable_is_withheld_whole() {
    let mut counts = Counts::new();
    let large = vec![b'x'; DETECT_CELL_BYTES_MAX + 1];
    let withheld = redact(&large, Content::Text, &all(), &mut counts).unwrap();
    assert_eq!(withheld, WITHHELD.as_bytes());
    assert_eq!(counts.len(), Detector::ALL.len());
    assert_eq!(redact(&large[1..], Content::Text, &all(), &mut counts), None);
    assert!(redact(b"\xff", Content::Text, &all(), &mut counts).is_some());
    let json = redact(&large, Content::Json, &all(), &mut counts).unwrap();
    assert_eq!(json, b"\"[withheld]\"");
}

#[test]
fn only_the_detectors_that_are_asked_for_look() {
    let only = Detectors::from([Detector::Email]);
    let mut counts = Counts::new();
    let value = b"x@y.example 4111111111111111 z@y.example";
    let redacted = redact(value, Content::Text, &only, &mut counts).unwrap();
    assert_eq!(redacted, b"[email] 4111111111111111 [email]");
    assert_eq!(counts, Counts::from([(Detector::Email, 2)]));
}

/// Large enough for a square of it to be noticed.
const TIMED_BYTES: usize = DETECT_CELL_BYTES_MAX / 32;

/// What makes a scanner look far again and again must not make it slow.
#[test]
#[expect(clippy::disallowed_methods, reason = "this measures time")]
fn hostile_texts_take_time_in_proportion_to_their_length() {
    let pieces = [
        "1",
        "1 ",
        "1-",
        "4111 ",
        "@",
        "a@",
        "a@a.",
        ".@a",
        "+",
        "+1 ",
        "(",
        "0 1",
        "eyJ",
        "eyJa.eyJ",
        "://",
        "://a:",
        "-----BEGIN ",
        "-----BEGIN PRIVATE KEY",
        "password",
        "password=",
        "p",
        "GB82 ",
        "G B",
        "AKIA",
        "sk-a",
        "bearer ",
        "ssn 123456789 x",
        "\"",
        "\\",
        "é",
    ];
    for piece in pieces {
        let value = piece.repeat(TIMED_BYTES / piece.len());
        for content in [Content::Text, Content::Json] {
            let quoted = format!("\"{}\"", value.replace(['"', '\\'], "x"));
            let value = if content == Content::Json { &quoted } else { &value };
            let value = value.as_bytes();
            let begun = Instant::now();
            let redacted = redact(value, content, &all(), &mut Counts::new());
            let took = begun.elapsed();
            assert!(took.as_secs() < 5, "{piece:?} {content:?}: {took:?}");
            drop(redacted);
        }
    }
}

proptest! {
    /// Nothing of a finding remains, wherever it stands.
    #[test]
    fn nothing_of_a_finding_remains(before in "[ -~]{0,40}", after in "[ -~]{0,40}") {
        let value = format!("{before} 4111111111111111 {after}");
        prop_assert!(!text(&value).contains("4111111111111111"), "{}", value);
        let value = format!("{before} ada@mail.example {after}");
        prop_assert!(!text(&value).contains("ada@mail"), "{}", value);
    }

    /// What is redacted once has nothing more to be found, unless new neighbours make it so.
    #[test]
    fn any_bytes_are_looked_through(value in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut counts = Counts::new();
        if let Some(redacted) = redact(&value, Content::Text, &all(), &mut counts) {
            prop_assert!(std::str::from_utf8(&redacted).is_ok());
            prop_assert!(!counts.is_empty());
        }
        let json = redact(&value, Content::Json, &all(), &mut counts);
        prop_assert!(json.is_none_or(|json| std::str::from_utf8(&json).is_ok()));
    }

    /// JSON stays JSON, and differs in strings, keys and numbers only where something was found.
    #[test]
    fn json_of_any_shape_stays_json(value in arbitrary_json()) {
        for written in [value.to_string(), serde_json::to_string_pretty(&value).unwrap()] {
            let redacted = json(&written);
            let again: serde_json::Value = serde_json::from_str(&redacted).unwrap();
            prop_assert_eq!(again, expected(&value));
        }
    }
}

/// With strings of every kind of escape, and some that must be found.
fn arbitrary_json() -> impl Strategy<Value = serde_json::Value> {
    let string = prop_oneof![
        any::<String>(),
        "[a-z\"\\\\\u{1}\u{e9}\u{1f600}]{0,12}",
        Just("x@y.example".to_owned()),
        Just("\u{1}\"4111111111111111\\".to_owned()),
    ];
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(serde_json::Value::from),
        any::<i32>().prop_map(serde_json::Value::from),
        string.clone().prop_map(serde_json::Value::from),
    ];
    leaf.prop_recursive(4, 24, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(serde_json::Value::from),
            // Keys that say nothing about their values.
            proptest::collection::btree_map("k[0-9]{0,3}", inner, 0..6)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

/// The same by way of a parser that is not ours.
fn expected(value: &serde_json::Value) -> serde_json::Value {
    use serde_json::Value;
    match value {
        Value::String(string) => Value::String(text(string)),
        Value::Array(items) => items.iter().map(expected).collect(),
        Value::Object(map) => map.iter().map(|(key, value)| (text(key), expected(value))).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}
