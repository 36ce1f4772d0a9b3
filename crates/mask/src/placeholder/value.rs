//! Values of PostgreSQL's types, read as far as two spellings of one value must be told to be one.
//!
//! Source: PostgreSQL manual, "Data Types"; the `*_recv` functions of each type for binary forms.

// The addresses alone: `core` has no sockets.
use core::net::IpAddr;

use super::decimal::Decimal;
use super::moment;
use crate::ColumnType;

/// The type of a value in binary form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// The client has said nothing: what the target takes it for follows from its place.
    Inferred,
    /// The client has declared this type, by its OID.
    Declared(u32),
}

/// OIDs of the types whose binary form is their text (PostgreSQL, `pg_type.dat`): text, varchar,
/// char, name, unknown.
const TEXT_OIDS: [u32; 5] = [25, 1043, 1042, 19, 705];
/// The first byte of a `jsonb` in binary form.
const JSONB_VERSION: u8 = 1;
/// Dimensions of an array (`MAXDIM`).
const ARRAY_DIMENSIONS_MAX: u32 = 6;
/// The number of the family of IPv4 addresses in binary form; IPv6 has the next.
const INET_V4: u8 = 2;

/// Types whose values are read alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    Text,
    /// `char(n)`, where blanks at the end mean nothing.
    Padded,
    Number,
    Money,
    Truth,
    Date,
    Timestamp,
    Time,
    TimeZoned,
    Interval,
    Uuid,
    Json,
    Bytes,
    Address,
    Other,
}

/// A value that can be compared with another of the same column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// A text, and whatever is compared as it stands.
    Raw(Vec<u8>),
    Number(Decimal),
    Truth(bool),
    Date(i64),
    Timestamp(i64),
    Time(i64),
    TimeZoned(i64, i64),
    /// No time at all; other intervals are compared as they stand.
    NoTime,
    Uuid(u128),
    Address(IpAddr, u8),
}

impl Family {
    pub(super) fn of(column: &ColumnType) -> Self {
        match column.scalar() {
            Some("text" | "varchar" | "name") => Self::Text,
            Some("bpchar") => Self::Padded,
            Some("int2" | "int4" | "int8" | "float4" | "float8" | "numeric" | "oid") => {
                Self::Number
            }
            Some("money") => Self::Money,
            Some("bool") => Self::Truth,
            Some("date") => Self::Date,
            Some("timestamp" | "timestamptz") => Self::Timestamp,
            Some("time") => Self::Time,
            Some("timetz") => Self::TimeZoned,
            Some("interval") => Self::Interval,
            Some("uuid") => Self::Uuid,
            Some("json" | "jsonb") => Self::Json,
            Some("bytea") => Self::Bytes,
            Some("inet" | "cidr") => Self::Address,
            Some(_) | None => Self::Other,
        }
    }

    /// True if every character counts, or all but blanks at the end.
    pub(super) fn is_text(self) -> bool {
        matches!(self, Self::Text | Self::Padded)
    }

    /// A text without the blanks that mean nothing.
    pub(super) fn unpadded(self, value: &[u8]) -> &[u8] {
        if self == Self::Padded { trimmed_end(value) } else { value }
    }

    /// Reads a value in text form; nothing if it is none of the type.
    pub(super) fn of_text(self, value: &[u8]) -> Option<Value> {
        let trimmed = value.trim_ascii();
        match self {
            Self::Text | Self::Padded => Some(Value::Raw(self.unpadded(value).to_vec())),
            Self::Other => Some(Value::Raw(trimmed.to_vec())),
            Self::Number => Decimal::of_text(trimmed).map(Value::Number),
            Self::Money => {
                let plain = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'.' | b'-');
                let text: Vec<u8> = trimmed.iter().copied().filter(plain).collect();
                Decimal::of_text(&text).map(Value::Number)
            }
            Self::Truth => truth(trimmed).map(Value::Truth),
            Self::Date => moment::timestamp(trimmed)
                .map(|us| Value::Date(us.div_euclid(86_400_000_000)))
                .or_else(|| moment::date(trimmed).map(Value::Date)),
            Self::Timestamp => moment::timestamp(trimmed).map(Value::Timestamp),
            Self::Time => moment::time(trimmed).map(|(us, _)| Value::Time(us)),
            Self::TimeZoned => {
                let (us, zone) = moment::time(trimmed)?;
                Some(Value::TimeZoned(us, zone.unwrap_or(0)))
            }
            Self::Interval => Some(interval(trimmed)),
            Self::Uuid => uuid(trimmed).map(Value::Uuid),
            Self::Json => Some(Value::Raw(without_blanks(trimmed))),
            Self::Bytes => Some(Value::Raw(bytes(trimmed))),
            Self::Address => address(trimmed),
        }
    }

    /// Reads a value in binary form: all that it may be, if its type is not certain.
    pub(super) fn of_binary(
        self,
        value: &[u8],
        encoding: Encoding,
    ) -> impl Iterator<Item = Value> + use<> {
        let mut all = Vec::new();
        match encoding {
            Encoding::Declared(oid) if TEXT_OIDS.contains(&oid) => all.extend(self.of_text(value)),
            Encoding::Declared(_) | Encoding::Inferred => {
                self.read_binary(value, encoding, &mut all);
            }
        }
        all.into_iter()
    }

    fn read_binary(self, value: &[u8], encoding: Encoding, all: &mut Vec<Value>) {
        match self {
            Self::Text | Self::Padded => all.extend(self.of_text(value)),
            Self::Bytes | Self::Other => all.push(Value::Raw(value.to_vec())),
            Self::Number => all.extend(numbers(value, encoding).map(Value::Number)),
            Self::Money => {
                let cents = numbers(value, encoding).map(|number| number.shifted(2));
                all.extend(cents.map(Value::Number));
            }
            Self::Truth => match value {
                [0] => all.push(Value::Truth(false)),
                [1] => all.push(Value::Truth(true)),
                _ => {}
            },
            Self::Date => {
                let us = timestamp_of_binary(value);
                all.extend(us.map(|us| Value::Date(us.div_euclid(86_400_000_000))));
            }
            Self::Timestamp => all.extend(timestamp_of_binary(value).map(Value::Timestamp)),
            Self::Time => {
                all.extend(number_of::<8>(value).map(i64::from_be_bytes).map(Value::Time));
            }
            Self::TimeZoned => {
                let zoned = moment::timetz_of_binary(value);
                all.extend(zoned.map(|(us, zone)| Value::TimeZoned(us, zone)));
            }
            Self::Interval if value.len() == 16 && value.iter().all(|byte| *byte == 0) => {
                all.push(Value::NoTime);
            }
            Self::Interval => {}
            Self::Uuid => all.extend(number_of(value).map(u128::from_be_bytes).map(Value::Uuid)),
            Self::Json => {
                let text = value.strip_prefix(&[JSONB_VERSION]).unwrap_or(value);
                all.extend(self.of_text(text));
            }
            Self::Address => all.extend(address_of_binary(value)),
        }
    }
}

/// The type of an array's elements, and the elements.
pub(super) type Elements<'a> = (u32, Vec<&'a [u8]>);

/// The type and the values of an array in binary form; nothing if it is none.
///
/// Source: `array_recv` in PostgreSQL's `arrayfuncs.c`.
pub(super) fn elements(value: &[u8]) -> Option<Elements<'_>> {
    let mut rest = value;
    let word = |rest: &mut &[u8]| {
        let (word, behind) = rest.split_at_checked(4)?;
        *rest = behind;
        Some(u32::from_be_bytes(number_of(word)?))
    };
    let (dimensions, has_null, oid) = (word(&mut rest)?, word(&mut rest)?, word(&mut rest)?);
    if dimensions > ARRAY_DIMENSIONS_MAX || has_null > 1 {
        return None;
    }
    let skipped = usize::try_from(dimensions).ok()?.checked_mul(8)?;
    rest = rest.get(skipped..)?;
    let mut elements = Vec::new();
    while !rest.is_empty() {
        let length = word(&mut rest)?;
        if length != u32::MAX {
            let (element, behind) = rest.split_at_checked(usize::try_from(length).ok()?)?;
            elements.push(element);
            rest = behind;
        }
    }
    Some((oid, elements))
}

/// A date may be written to a timestamp, and the other way round.
fn timestamp_of_binary(value: &[u8]) -> Option<i64> {
    let days = moment::date_of_binary(value);
    moment::timestamp_of_binary(value).or_else(|| days?.checked_mul(86_400_000_000))
}

fn number_of<const N: usize>(value: &[u8]) -> Option<[u8; N]> {
    value.try_into().ok()
}

/// All numbers that these bytes may be.
fn numbers(value: &[u8], encoding: Encoding) -> impl Iterator<Item = Decimal> {
    let is = |oids: &[u32]| match encoding {
        Encoding::Inferred => true,
        Encoding::Declared(oid) => oids.contains(&oid),
    };
    let integer = match value.len() {
        2 if is(&[21]) => number_of(value).map(|n| i16::from_be_bytes(n).to_string()),
        4 if is(&[23]) => number_of(value).map(|n| i32::from_be_bytes(n).to_string()),
        4 if is(&[26]) => number_of(value).map(|n| u32::from_be_bytes(n).to_string()),
        8 if is(&[20, 790]) => number_of(value).map(|n| i64::from_be_bytes(n).to_string()),
        _ => None,
    };
    let float = match value.len() {
        4 if is(&[700]) => number_of(value).map(|n| f32::from_be_bytes(n).to_string()),
        8 if is(&[701]) => number_of(value).map(|n| f64::from_be_bytes(n).to_string()),
        _ => None,
    };
    let numeric = is(&[1700]).then(|| Decimal::of_numeric(value)).flatten();
    let read = |text: Option<String>| text.and_then(|text| Decimal::of_text(text.as_bytes()));
    [read(integer), read(float), numeric].into_iter().flatten()
}

/// As PostgreSQL reads `boolean`: any beginning of a word that is the beginning of no other.
fn truth(text: &[u8]) -> Option<bool> {
    let text = text.to_ascii_lowercase();
    let begins =
        |word: &str, least: usize| text.len() >= least && word.as_bytes().starts_with(&text);
    match text.as_slice() {
        b"1" => Some(true),
        b"0" => Some(false),
        _ if begins("true", 1) || begins("yes", 1) || begins("on", 2) => Some(true),
        _ if begins("false", 1) || begins("no", 1) || begins("off", 2) => Some(false),
        _ => None,
    }
}

fn interval(text: &[u8]) -> Value {
    let mut digits = text.iter().filter(|byte| byte.is_ascii_digit()).peekable();
    if digits.peek().is_some() && digits.all(|digit| *digit == b'0') {
        return Value::NoTime;
    }
    Value::Raw(text.to_vec())
}

fn uuid(text: &[u8]) -> Option<u128> {
    let digits = text.iter().filter(|byte| !matches!(byte, b'-' | b'{' | b'}'));
    let digits: String = digits.map(|byte| char::from(*byte)).collect();
    (digits.len() == 32).then(|| u128::from_str_radix(&digits, 16).ok()).flatten()
}

/// JSON without the blanks that mean nothing.
fn without_blanks(text: &[u8]) -> Vec<u8> {
    let mut kept = Vec::with_capacity(text.len());
    let (mut is_inside, mut is_escaped) = (false, false);
    for byte in text {
        if is_inside || !byte.is_ascii_whitespace() {
            kept.push(*byte);
        }
        if *byte == b'"' && !is_escaped {
            is_inside = !is_inside;
        }
        is_escaped = *byte == b'\\' && !is_escaped;
    }
    kept
}

/// The bytes of a `bytea`, of its hexadecimal form; of the other form as it stands.
fn bytes(text: &[u8]) -> Vec<u8> {
    let Some(digits) = text.strip_prefix(b"\\x") else { return text.to_vec() };
    let digit =
        |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let digits: Vec<u8> = digits.iter().filter_map(digit).collect();
    let byte = |pair: &[u8]| pair.iter().fold(0_u8, |byte, digit| (byte << 4) | digit);
    digits.chunks(2).map(byte).collect()
}

fn address(text: &[u8]) -> Option<Value> {
    let text = std::str::from_utf8(text).ok()?;
    let (host, bits) = match text.split_once('/') {
        Some((host, bits)) => (host, Some(bits.parse::<u8>().ok()?)),
        None => (text, None),
    };
    // `0/0` is how PostgreSQL may be told of all addresses.
    let host = if host == "0" { "0.0.0.0" } else { host };
    let host: IpAddr = host.parse().ok()?;
    let all = if host.is_ipv4() { 32 } else { 128 };
    Some(Value::Address(host, bits.unwrap_or(all)))
}

fn address_of_binary(value: &[u8]) -> Option<Value> {
    let [family, bits, _is_cidr, _length, host @ ..] = value else { return None };
    let host = if *family == INET_V4 {
        IpAddr::from(number_of::<4>(host)?)
    } else {
        IpAddr::from(number_of::<16>(host)?)
    };
    Some(Value::Address(host, *bits))
}

fn trimmed_end(value: &[u8]) -> &[u8] {
    let end = value.iter().rposition(|byte| *byte != b' ').map_or(0, |last| last.saturating_add(1));
    value.get(..end).unwrap_or_default()
}
