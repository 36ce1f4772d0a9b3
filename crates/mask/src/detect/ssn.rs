//! Social security numbers of the United States: with separators anywhere, and as nine bare digits
//! where the text before says what they are.
//!
//! Source: Social Security Administration, "Social Security Number Randomization": areas 000, 666
//! and 900 to 999, group 00 and serial 0000 are not given out.

use super::text::{Found, Text};

const WORDS: [&str; 4] = ["ssn", "social security", "social_security", "socialsecurity"];
/// Digits that are looked at together; a longer number is none.
const RUN_MAX: usize = 10;

pub(super) fn find(text: Text<'_>, found: Found<'_>) {
    let mut place = 0;
    while place < text.len() {
        let group = text.run(place, RUN_MAX, |byte| byte.is_ascii_digit());
        if group == 0 {
            place = place.saturating_add(1);
            continue;
        }
        match ssn_at(text, place, group) {
            Some(end) => {
                found(place, end);
                place = end;
            }
            None => place = place.saturating_add(group),
        }
    }
}

fn ssn_at(text: Text<'_>, start: usize, group: usize) -> Option<usize> {
    if !text.may_begin_number(start) {
        return None;
    }
    match group {
        3 => {
            let separator = text.at(start.saturating_add(3))?;
            let has_form = matches!(separator, b'-' | b' ' | b'.')
                && text.at(start.saturating_add(6)) == Some(separator);
            let end = start.saturating_add(11);
            let parts = [(0, 3), (4, 6), (7, 11)].map(|(from, to)| {
                number(text, start.saturating_add(from), start.saturating_add(to))
            });
            let [Some(area), Some(group), Some(serial)] = parts else { return None };
            (has_form && text.may_end_number(end) && is_valid(area, group, serial)).then_some(end)
        }
        9 => {
            let end = start.saturating_add(9);
            let area = number(text, start, start.saturating_add(3))?;
            let group = number(text, start.saturating_add(3), start.saturating_add(5))?;
            let serial = number(text, start.saturating_add(5), end)?;
            let is_ssn = text.may_end_number(end)
                && is_valid(area, group, serial)
                && text.is_about(start, &WORDS);
            is_ssn.then_some(end)
        }
        _ => None,
    }
}

fn is_valid(area: u32, group: u32, serial: u32) -> bool {
    !matches!(area, 0 | 666 | 900..) && group != 0 && serial != 0
}

fn number(text: Text<'_>, start: usize, end: usize) -> Option<u32> {
    std::str::from_utf8(text.part(start, end)).ok()?.parse().ok()
}
