//! International bank account numbers: a country, the length that it uses, and the check digits.
//!
//! Source: ISO 13616-1, and the IBAN registry for the lengths.

use super::text::{Found, Text};

const LENGTH_MAX: usize = 34;

#[rustfmt::skip]
const COUNTRIES: [(&[u8; 2], usize); 89] = [
    (b"AD", 24), (b"AE", 23), (b"AL", 28), (b"AT", 20), (b"AZ", 28), (b"BA", 20), (b"BE", 16),
    (b"BG", 22), (b"BH", 22), (b"BI", 27), (b"BR", 29), (b"BY", 28), (b"CH", 21), (b"CR", 22),
    (b"CY", 28), (b"CZ", 24), (b"DE", 22), (b"DJ", 27), (b"DK", 18), (b"DO", 28), (b"EE", 20),
    (b"EG", 29), (b"ES", 24), (b"FI", 18), (b"FK", 18), (b"FO", 18), (b"FR", 27), (b"GB", 22),
    (b"GE", 22), (b"GI", 23), (b"GL", 18), (b"GR", 27), (b"GT", 28), (b"HN", 28), (b"HR", 21),
    (b"HU", 28), (b"IE", 22), (b"IL", 23), (b"IQ", 23), (b"IS", 26), (b"IT", 27), (b"JO", 30),
    (b"KW", 30), (b"KZ", 20), (b"LB", 28), (b"LC", 32), (b"LI", 21), (b"LT", 20), (b"LU", 20),
    (b"LV", 21), (b"LY", 25), (b"MC", 27), (b"MD", 24), (b"ME", 22), (b"MK", 19), (b"MN", 20),
    (b"MR", 27), (b"MT", 31), (b"MU", 30), (b"NI", 28), (b"NL", 18), (b"NO", 15), (b"OM", 23),
    (b"PK", 24), (b"PL", 28), (b"PS", 29), (b"PT", 25), (b"QA", 29), (b"RO", 24), (b"RS", 22),
    (b"RU", 33), (b"SA", 24), (b"SC", 31), (b"SD", 18), (b"SE", 24), (b"SI", 19), (b"SK", 24),
    (b"SM", 27), (b"SO", 23), (b"ST", 25), (b"SV", 28), (b"TL", 23), (b"TN", 24), (b"TR", 26),
    (b"UA", 29), (b"VA", 22), (b"VG", 24), (b"XK", 20), (b"YE", 30),
];

pub(super) fn find(text: Text<'_>, found: Found<'_>) {
    let mut place = 0;
    while place < text.len() {
        match iban_at(text, place) {
            Some(end) => {
                found(place, end);
                place = end;
            }
            None => place = place.saturating_add(1),
        }
    }
}

fn iban_at(text: Text<'_>, start: usize) -> Option<usize> {
    if start > 0 && text.is_word(start.saturating_sub(1)) {
        return None;
    }
    let country = text.part(start, start.saturating_add(2)).to_ascii_uppercase();
    let (_, length) = COUNTRIES.iter().find(|(known, _)| known.as_slice() == country)?;
    let digits = start.saturating_add(2);
    if !text.is_digit(digits) || !text.is_digit(digits.saturating_add(1)) {
        return None;
    }
    let mut letters = Vec::with_capacity(LENGTH_MAX);
    let mut place = start;
    let (mut between, mut groups) = (None, 0_usize);
    while letters.len() < *length {
        match text.at(place)? {
            byte if byte.is_ascii_alphanumeric() => letters.push(byte.to_ascii_uppercase()),
            // In groups of four, or in none.
            separator @ (b' ' | b'-' | b'.')
                if letters.len() % 4 == 0
                    && text.at(place.saturating_add(1))?.is_ascii_alphanumeric()
                    && *between.get_or_insert(separator) == separator =>
            {
                groups = groups.saturating_add(1);
            }
            _ => return None,
        }
        place = place.saturating_add(1);
    }
    let is_grouped = groups == 0 || groups == length.saturating_sub(1) / 4;
    (is_grouped && !text.is_word(place) && has_check_digits(&letters)).then_some(place)
}

/// The number with its first four characters moved to the end is 1 modulo 97.
fn has_check_digits(letters: &[u8]) -> bool {
    let moved = letters.iter().cycle().skip(4).take(letters.len());
    let remainder = moved.fold(0_u32, |remainder, byte| {
        let (value, shift) = match byte {
            b'0'..=b'9' => (u32::from(byte.saturating_sub(b'0')), 10),
            _ => (u32::from(byte.saturating_sub(b'A')).saturating_add(10), 100),
        };
        remainder.saturating_mul(shift).saturating_add(value) % 97
    });
    remainder == 1
}
