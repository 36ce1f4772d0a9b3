//! Secrets and keys: private keys in PEM, tokens by the marks that their issuers give them, JSON web
//! tokens, passwords in URLs, and what is assigned to a name like `password`.
//!
//! Source: RFC 7468 for PEM, RFC 7519 for JSON web tokens, the issuers' documentation for the rest.

use super::text::{Found, Text};

const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"-----END ";
const PRIVATE_KEY: &[u8] = b"PRIVATE KEY";
/// Longest label of a PEM block.
const LABEL_BYTES_MAX: usize = 64;
/// Longest name and password in a URL.
const CREDENTIALS_BYTES_MAX: usize = 256;
/// Longest value of an assignment.
const VALUE_BYTES_MAX: usize = 512;
/// Longest token.
const TOKEN_BYTES_MAX: usize = 4096;

/// How a token begins, and how many characters follow at least.
#[rustfmt::skip]
const TOKENS: [(&[u8], usize); 38] = [
    (b"AKIA", 16), (b"ASIA", 16), (b"ABIA", 16), (b"ACCA", 16), (b"AGPA", 16), (b"AIDA", 16), (b"AROA", 16), // AWS
    (b"ghp_", 36), (b"gho_", 36), (b"ghu_", 36), (b"ghs_", 36), (b"ghr_", 36), (b"github_pat_", 22),         // GitHub
    (b"glpat-", 20),                                                                                         // GitLab
    (b"xoxb-", 10), (b"xoxp-", 10), (b"xoxa-", 10), (b"xoxr-", 10), (b"xoxs-", 10), (b"xapp-", 10),          // Slack
    (b"sk_live_", 16), (b"sk_test_", 16), (b"rk_live_", 16), (b"rk_test_", 16), (b"whsec_", 16),             // Stripe
    (b"AIza", 35), (b"ya29.", 20), (b"GOCSPX-", 20),                                                         // Google
    (b"npm_", 36), (b"pypi-", 50), (b"dop_v1_", 40), (b"hf_", 30), (b"shpat_", 32),
    (b"sk-", 32), (b"SG.", 40), (b"AGE-SECRET-KEY-1", 50), (b"glsa_", 32), (b"vault:v", 20),
];

/// Names to which secrets are assigned, in lower case.
#[rustfmt::skip]
const NAMES: [&[u8]; 20] = [
    b"password", b"passwd", b"passphrase", b"pwd", b"secret", b"token", b"api_key", b"apikey", b"api-key",
    b"access_key", b"accesskey", b"secret_key", b"secretkey", b"private_key", b"privatekey", b"auth_key",
    b"client_secret", b"credential", b"encryption_key", b"signing_key",
];

pub(super) fn find(text: Text<'_>, found: Found<'_>) {
    let mut place = 0;
    while place < text.len() {
        let piece = pem_at(text, place)
            .or_else(|| token_at(text, place))
            .or_else(|| credentials_at(text, place))
            .or_else(|| assigned_at(text, place))
            .or_else(|| bearer_at(text, place));
        match piece {
            Some((start, end)) => {
                found(start, end);
                place = end.max(place.saturating_add(1));
            }
            None => place = place.saturating_add(1),
        }
    }
}

/// True if secrets are assigned to a name like this one.
pub(super) fn is_secret_name(name: &[u8]) -> bool {
    let name = name.to_ascii_lowercase();
    NAMES.iter().any(|known| name.ends_with(known))
}

/// A private key, to its end or to that of the text.
fn pem_at(text: Text<'_>, start: usize) -> Option<(usize, usize)> {
    if !text.has(start, BEGIN) {
        return None;
    }
    let label = start.saturating_add(BEGIN.len());
    let length = text.run(label, LABEL_BYTES_MAX, |byte| byte != b'-');
    let label = text.part(label, label.saturating_add(length));
    if !label.windows(PRIVATE_KEY.len()).any(|part| part == PRIVATE_KEY) {
        return None;
    }
    let rest = text.part(start, text.len());
    let end = rest.windows(END.len()).position(|part| part == END);
    let end = end.map_or(text.len(), |end| {
        let label = start.saturating_add(end).saturating_add(END.len());
        let length = text.run(label, LABEL_BYTES_MAX, |byte| byte != b'-');
        let dashes = label.saturating_add(length);
        dashes.saturating_add(text.run(dashes, 5, |byte| byte == b'-'))
    });
    Some((start, end))
}

fn token_at(text: Text<'_>, start: usize) -> Option<(usize, usize)> {
    if start > 0 && text.is_word(start.saturating_sub(1)) {
        return None;
    }
    if let Some(end) = web_token_end(text, start) {
        return Some((start, end));
    }
    let (mark, least) = TOKENS.iter().find(|(mark, _)| text.has(start, mark))?;
    let rest = start.saturating_add(mark.len());
    let length = text.run(rest, TOKEN_BYTES_MAX, is_token);
    let has_digit_or_case = text
        .part(rest, rest.saturating_add(length))
        .iter()
        .any(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase());
    (length >= *least && has_digit_or_case).then(|| (start, rest.saturating_add(length)))
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')
}

/// Header, payload and signature in base64url; the first two are JSON objects, so they begin alike.
fn web_token_end(text: Text<'_>, start: usize) -> Option<usize> {
    let is_base64 = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    let part = |place: usize| place.saturating_add(text.run(place, TOKEN_BYTES_MAX, is_base64));
    if !text.has(start, b"eyJ") {
        return None;
    }
    let header = part(start);
    let payload = header.saturating_add(1);
    if text.at(header) != Some(b'.') || !text.has(payload, b"eyJ") {
        return None;
    }
    let end = part(payload);
    let is_signed = text.at(end) == Some(b'.');
    Some(if is_signed { part(end.saturating_add(1)) } else { end })
}

/// `user:password` in `scheme://user:password@host`.
fn credentials_at(text: Text<'_>, start: usize) -> Option<(usize, usize)> {
    if !text.has(start, b"://") {
        return None;
    }
    let start = start.saturating_add(3);
    let inside = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'/' | b'@' | b'"' | b'\'');
    let length = text.run(start, CREDENTIALS_BYTES_MAX, inside);
    let end = start.saturating_add(length);
    let has_password = text.part(start, end).contains(&b':');
    (has_password && text.at(end) == Some(b'@')).then_some((start, end))
}

/// The value behind `password=` and the like.
fn assigned_at(text: Text<'_>, start: usize) -> Option<(usize, usize)> {
    let first = text.at(start)?.to_ascii_lowercase();
    if !NAMES.iter().any(|name| name.first() == Some(&first)) {
        return None;
    }
    let longest = text.part(start, start.saturating_add(20)).to_ascii_lowercase();
    let name =
        NAMES.iter().filter(|name| longest.starts_with(name)).max_by_key(|name| name.len())?;
    let quoted = |place: usize| {
        place.saturating_add(text.run(place, 1, |byte| matches!(byte, b'"' | b'\'')))
    };
    let blank = |place: usize| place.saturating_add(text.run(place, 8, |byte| byte == b' '));
    let sign = blank(quoted(start.saturating_add(name.len())));
    let operator = text.at(sign).filter(|byte| matches!(byte, b'=' | b':'))?;
    let behind =
        sign.saturating_add(1).saturating_add(
            text.run(sign.saturating_add(1), 1, |byte| matches!(byte, b'=' | b'>')),
        );
    let opening = blank(behind);
    let value = quoted(opening);
    let end = value_end(text, value, if value > opening { text.at(opening) } else { None });
    let part = text.part(value, end);
    let is_secret = match operator {
        b'=' => part.len() >= 4,
        // Prose has colons too: `password: please ask`.
        _ => {
            part.len() >= 6
                && part.iter().any(|byte| !byte.is_ascii_alphabetic() && byte.is_ascii())
        }
    };
    is_secret.then_some((value, end))
}

/// Where a value ends: at its quote, or at what separates it from the next.
fn value_end(text: Text<'_>, start: usize, quote: Option<u8>) -> usize {
    let length = match quote {
        Some(quote) => text.run(start, VALUE_BYTES_MAX, |byte| byte != quote && byte != b'\n'),
        None => text.run(start, VALUE_BYTES_MAX, |byte| {
            !byte.is_ascii_whitespace()
                && !matches!(byte, b'"' | b'\'' | b',' | b';' | b'&' | b'<' | b')')
        }),
    };
    start.saturating_add(length)
}

/// What follows `Bearer` or `Basic` in a header.
fn bearer_at(text: Text<'_>, start: usize) -> Option<(usize, usize)> {
    let word = text.part(start, start.saturating_add(7)).to_ascii_lowercase();
    let value = match word.as_slice() {
        b"bearer " => start.saturating_add(7),
        _ if word.starts_with(b"basic ") => start.saturating_add(6),
        _ => return None,
    };
    let is_value = |byte: u8| is_token(byte) || matches!(byte, b'+' | b'/' | b'=' | b'~');
    let length = text.run(value, TOKEN_BYTES_MAX, is_value);
    let end = value.saturating_add(length);
    let looks_random = text.part(value, end).iter().any(u8::is_ascii_digit);
    (length >= 16 && looks_random).then_some((value, end))
}
