//! Numbers of payment cards: a known issuer's digits, a length that it uses, the Luhn digit, and,
//! where the number is written in groups, groups as they are printed on cards.
//!
//! Source: ISO/IEC 7812-1 for the check digit; the issuers' published ranges.

use super::text::{Found, Text};

const DIGITS_MAX: usize = 19;

/// Groups as they are printed.
const GROUPS: [&[usize]; 5] =
    [&[4, 4, 4, 4], &[4, 6, 5], &[4, 6, 4], &[4, 4, 4, 4, 3], &[4, 4, 4, 4, 1]];

/// First and last number of a range of leading digits, how many digits these are, and the lengths.
type Issuer = (u32, u32, usize, &'static [usize]);

#[rustfmt::skip]
const ISSUERS: [Issuer; 24] = [
    (4, 4, 1,             &[13, 16, 19]),                 // Visa
    (51, 55, 2,           &[16]),                         // Mastercard
    (2221, 2720, 4,       &[16]),                         // Mastercard
    (34, 34, 2,           &[15]),                         // American Express
    (37, 37, 2,           &[15]),                         // American Express
    (6011, 6011, 4,       &[16, 17, 18, 19]),             // Discover
    (644, 649, 3,         &[16, 17, 18, 19]),             // Discover
    (65, 65, 2,           &[16, 17, 18, 19]),             // Discover
    (300, 305, 3,         &[14, 16]),                     // Diners Club
    (3095, 3095, 4,       &[14, 16]),                     // Diners Club
    (36, 36, 2,           &[14, 16]),                     // Diners Club
    (38, 39, 2,           &[14, 16]),                     // Diners Club
    (3528, 3589, 4,       &[16, 17, 18, 19]),             // JCB
    (62, 62, 2,           &[16, 17, 18, 19]),             // UnionPay
    (81, 81, 2,           &[16, 17, 18, 19]),             // UnionPay
    (2200, 2204, 4,       &[16]),                         // Mir
    (5018, 5018, 4,       &[13, 14, 15, 16, 17, 18, 19]), // Maestro
    (5020, 5020, 4,       &[13, 14, 15, 16, 17, 18, 19]), // Maestro
    (5038, 5038, 4,       &[13, 14, 15, 16, 17, 18, 19]), // Maestro
    (5893, 5893, 4,       &[13, 14, 15, 16, 17, 18, 19]), // Maestro
    (6304, 6304, 4,       &[13, 14, 15, 16, 17, 18, 19]), // Maestro
    (6759, 6759, 4,       &[13, 14, 15, 16, 17, 18, 19]), // Maestro
    (6761, 6763, 4,       &[13, 14, 15, 16, 17, 18, 19]), // Maestro
    (9792, 9792, 4,       &[16]),                         // Troy
];

pub(super) fn find(text: Text<'_>, found: Found<'_>) {
    let mut place = 0;
    while place < text.len() {
        let group = text.run(place, DIGITS_MAX.saturating_add(1), |byte| byte.is_ascii_digit());
        if group == 0 {
            place = place.saturating_add(1);
            continue;
        }
        match card_at(text, place) {
            Some(end) => {
                found(place, end);
                place = end;
            }
            None => place = place.saturating_add(group),
        }
    }
}

/// Where a card's number that begins here ends.
fn card_at(text: Text<'_>, start: usize) -> Option<usize> {
    if !text.may_begin_number(start) {
        return None;
    }
    let mut digits = Vec::with_capacity(DIGITS_MAX);
    let mut groups = Vec::new();
    let mut separator = None;
    let mut place = start;
    loop {
        let group = text.run(place, DIGITS_MAX.saturating_add(1), |byte| byte.is_ascii_digit());
        let end = place.saturating_add(group);
        if group == 0 || digits.len().saturating_add(group) > DIGITS_MAX {
            return None;
        }
        digits.extend(text.part(place, end).iter().map(|digit| digit.saturating_sub(b'0')));
        groups.push(group);
        if groups.len() > 1 && !GROUPS.iter().any(|printed| printed.starts_with(&groups)) {
            return None;
        }
        let is_printed = groups.len() == 1 || GROUPS.contains(&groups.as_slice());
        if is_printed && text.may_end_number(end) && is_card(&digits) {
            return Some(end);
        }
        let next = text.at(end).filter(|byte| matches!(byte, b' ' | b'-' | b'.'))?;
        if *separator.get_or_insert(next) != next {
            return None;
        }
        place = end.saturating_add(1);
    }
}

fn is_card(digits: &[u8]) -> bool {
    let leads = |count: usize| {
        let digits = digits.iter().take(count);
        digits.fold(0_u32, |number, digit| {
            number.saturating_mul(10).saturating_add(u32::from(*digit))
        })
    };
    let is_issued = ISSUERS.iter().any(|(first, last, count, lengths)| {
        lengths.contains(&digits.len()) && (*first..=*last).contains(&leads(*count))
    });
    is_issued && has_luhn_digit(digits)
}

fn has_luhn_digit(digits: &[u8]) -> bool {
    let weighted = digits.iter().rev().enumerate().map(|(place, digit)| {
        let doubled = digit.saturating_mul(2);
        match (place % 2, doubled) {
            (0, _) => u32::from(*digit),
            (_, 10..) => u32::from(doubled.saturating_sub(9)),
            (_, _) => u32::from(doubled),
        }
    });
    weighted.fold(0_u32, u32::saturating_add) % 10 == 0
}
