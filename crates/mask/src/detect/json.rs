//! JSON, read as a run of tokens: strings, numbers and what is between them.
//!
//! Strings are looked through as they read, with their escapes resolved, and so are keys. A number
//! is looked through as its digits; if it holds a finding, a string stands in its place. The key
//! says what its value is about: `"ssn": "123456789"`.
//!
//! **Invariant:** JSON in, JSON out: tokens are replaced by tokens, and what is between them stays.
//!
//! Source: RFC 8259.

use model::{Detector, Detectors};

use super::{Counts, Unreadable, count, redact_text, secret};

/// Bytes of a key that say what its value is about.
const KEY_BYTES_MAX: usize = 64;

/// A token, and what is behind it.
type Parts<'a> = (&'a [u8], &'a [u8]);
/// A code unit, and what is behind its escape.
type Unit<'a> = (u16, &'a [u8]);

/// Replaces what is found; nothing if nothing is found.
pub(super) fn redact(
    value: &[u8],
    detectors: &Detectors,
    counts: &mut Counts,
) -> Result<Option<Vec<u8>>, Unreadable> {
    let mut redacted: Option<Vec<u8>> = None;
    let mut key: Vec<u8> = Vec::new();
    // Up to here everything is in `redacted`, if there is one.
    let mut rest = value;
    while let Some(first) = rest.first() {
        let (token, behind) = split(rest, *first)?;
        let replaced = match first {
            b'"' => {
                let text = unescaped(token)?;
                let is_key = behind.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b':');
                if is_key {
                    let replaced = looked_through(&[], &text, detectors, counts);
                    key = text;
                    key.truncate(KEY_BYTES_MAX);
                    replaced
                } else if detectors.contains(&Detector::Secret)
                    && !text.is_empty()
                    && secret::is_secret_name(&key)
                {
                    count(counts, Detector::Secret);
                    Some(format!("[{}]", Detector::Secret).into_bytes())
                } else {
                    looked_through(&key, &text, detectors, counts)
                }
            }
            b'-' | b'0'..=b'9' => looked_through(&key, token, detectors, counts),
            _ => None,
        };
        match (replaced, &mut redacted) {
            (Some(text), Some(redacted)) => redacted.extend(escaped(&text)),
            (Some(text), None) => {
                let done = value.len().saturating_sub(rest.len());
                let mut start = value.get(..done).unwrap_or_default().to_vec();
                start.extend(escaped(&text));
                redacted = Some(start);
            }
            (None, Some(redacted)) => redacted.extend_from_slice(token),
            (None, None) => {}
        }
        rest = behind;
    }
    Ok(redacted)
}

/// A text behind its key: `key: text`.
fn looked_through(
    key: &[u8],
    text: &[u8],
    detectors: &Detectors,
    counts: &mut Counts,
) -> Option<Vec<u8>> {
    if key.is_empty() {
        return redact_text(text, text, detectors, counts);
    }
    redact_text(&[key, b": ", text].concat(), text, detectors, counts)
}

/// The first token, and what is behind it.
fn split(text: &[u8], first: u8) -> Result<Parts<'_>, Unreadable> {
    let length = match first {
        b'"' => string_length(text)?,
        b'-' | b'0'..=b'9' => length_of(text, |byte| {
            byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E')
        }),
        b'{' | b'}' | b'[' | b']' | b':' | b',' => 1,
        b' ' | b'\t' | b'\n' | b'\r' => length_of(text, |byte| byte.is_ascii_whitespace()),
        b'a'..=b'z' => length_of(text, |byte| byte.is_ascii_lowercase()),
        _ => return Err(Unreadable),
    };
    text.split_at_checked(length).ok_or(Unreadable)
}

fn length_of(text: &[u8], of: impl Fn(u8) -> bool) -> usize {
    text.iter().take_while(|byte| of(**byte)).count()
}

/// With both quotes.
fn string_length(text: &[u8]) -> Result<usize, Unreadable> {
    let mut is_escaped = false;
    for (place, byte) in text.iter().enumerate().skip(1) {
        match (is_escaped, byte) {
            (false, b'"') => return Ok(place.saturating_add(1)),
            (false, b'\\') => is_escaped = true,
            (_, _) => is_escaped = false,
        }
    }
    Err(Unreadable)
}

/// What a string reads as. Half a surrogate pair reads as U+FFFD.
fn unescaped(token: &[u8]) -> Result<Vec<u8>, Unreadable> {
    let inner = token.get(1..token.len().saturating_sub(1)).ok_or(Unreadable)?;
    if !inner.contains(&b'\\') {
        return Ok(inner.to_vec());
    }
    let mut text = Vec::with_capacity(inner.len());
    let mut units: Vec<u16> = Vec::new();
    let mut rest = inner;
    while let Some((byte, behind)) = rest.split_first() {
        if let Some((unit, behind)) = unicode_escape(rest)? {
            units.push(unit);
            rest = behind;
            continue;
        }
        flush(&mut text, &mut units);
        rest = behind;
        if *byte != b'\\' {
            text.push(*byte);
            continue;
        }
        let (escape, behind) = rest.split_first().ok_or(Unreadable)?;
        text.push(match escape {
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            other => *other,
        });
        rest = behind;
    }
    flush(&mut text, &mut units);
    Ok(text)
}

/// The code unit of `\uXXXX`, and what is behind it, if the text begins with one.
fn unicode_escape(text: &[u8]) -> Result<Option<Unit<'_>>, Unreadable> {
    let Some(behind) = text.strip_prefix(b"\\u") else { return Ok(None) };
    let (digits, behind) = behind.split_at_checked(4).ok_or(Unreadable)?;
    let digits = std::str::from_utf8(digits).map_err(|_not_text| Unreadable)?;
    let unit = u16::from_str_radix(digits, 16).map_err(|_not_a_number| Unreadable)?;
    Ok(Some((unit, behind)))
}

fn flush(text: &mut Vec<u8>, units: &mut Vec<u16>) {
    for unit in char::decode_utf16(units.drain(..)) {
        let character = unit.unwrap_or(char::REPLACEMENT_CHARACTER);
        text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    }
}

/// A text as a JSON string.
fn escaped(text: &[u8]) -> Vec<u8> {
    let mut token = vec![b'"'];
    for byte in text {
        match byte {
            b'"' | b'\\' => token.extend_from_slice(&[b'\\', *byte]),
            0..32 => token.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            _ => token.push(*byte),
        }
    }
    token.push(b'"');
    token
}
