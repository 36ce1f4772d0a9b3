//! Telephone numbers: international ones with `+` or `00`, North American ones in their groups,
//! national ones with a leading zero in groups, and bare digits where the text before says what
//! they are.
//!
//! Source: ITU-T E.164 for the lengths; NANPA for the North American form.

use super::text::{Found, Text};

const WORDS: [&str; 11] = [
    "phone",
    "telephone",
    "tel",
    "mobile",
    "cell",
    "fax",
    "call",
    "whatsapp",
    "sms",
    "handy",
    "msisdn",
];
/// The fewest and most digits of an international number.
const DIGITS_MIN: usize = 8;
const DIGITS_MAX: usize = 15;
/// The fewest and most digits of a national number in groups, with its zero.
const NATIONAL_MIN: usize = 9;
const NATIONAL_MAX: usize = 12;
/// Most groups of one number.
const GROUPS_MAX: usize = 8;
/// Bytes between two digits of one number.
const BETWEEN_MAX: usize = 3;

/// Digits in groups.
#[derive(Debug, Default)]
struct Number {
    groups: Vec<usize>,
    digits: Vec<u8>,
}

pub(super) fn find(text: Text<'_>, found: Found<'_>) {
    let mut place = 0;
    while place < text.len() {
        if let Some(end) = phone_at(text, place) {
            found(place, end);
            place = end;
        } else {
            // The rest of a number is not a number of its own.
            let digits = text.run(place, text.len(), |byte| byte.is_ascii_digit());
            place = place.saturating_add(digits.max(1));
        }
    }
}

/// Where the longest number that begins here ends.
fn phone_at(text: Text<'_>, start: usize) -> Option<usize> {
    let first = text.at(start)?;
    if !matches!(first, b'+' | b'(' | b'0'..=b'9') || !text.may_begin_number(start) {
        return None;
    }
    // A part of a name like that of a UUID.
    let is_inside = |dash: Option<usize>, word: Option<usize>| {
        dash.is_some_and(|dash| text.at(dash) == Some(b'-'))
            && word.is_some_and(|word| text.is_word(word))
    };
    if is_inside(start.checked_sub(1), start.checked_sub(2)) {
        return None;
    }
    let signs = text.run(start, 2, |byte| matches!(byte, b'+' | b'('));
    let mut place = start.saturating_add(signs);
    let mut number = Number::default();
    let mut phone = None;
    loop {
        let group = text.run(place, DIGITS_MAX.saturating_add(3), |byte| byte.is_ascii_digit());
        let end = place.saturating_add(group);
        if group == 0 || number.digits.len().saturating_add(group) > DIGITS_MAX.saturating_add(2) {
            return phone;
        }
        number.digits.extend_from_slice(text.part(place, end));
        number.groups.push(group);
        let is_phone = match (first, number.groups.len()) {
            (b'+', _) => is_international(&number),
            (_, 1) => is_long(group) && text.is_about(start, &WORDS),
            (_, _) => is_grouped(&number),
        };
        let goes_on = is_inside(Some(end), end.checked_add(1));
        if is_phone && !goes_on && text.may_end_number(end) {
            phone = Some(end);
        }
        let between = text.run(end, BETWEEN_MAX, |byte| b" -./()".contains(&byte));
        let may_go_on = first == b'+' || may_be_grouped(&number);
        if between == 0 || !may_go_on || number.groups.len() >= GROUPS_MAX {
            return phone;
        }
        place = end.saturating_add(between);
    }
}

fn is_long(count: usize) -> bool {
    (DIGITS_MIN..=DIGITS_MAX).contains(&count)
}

fn is_international(number: &Number) -> bool {
    is_long(number.digits.len()) && number.digits.first() != Some(&b'0')
}

/// False if no number in groups begins like this one.
fn may_be_grouped(number: &Number) -> bool {
    match (number.groups.as_slice(), number.digits.first()) {
        ([3, ..], _) | (_, Some(b'0')) | ([1, ..], Some(b'1')) => true,
        (_, _) => false,
    }
}

fn is_grouped(number: &Number) -> bool {
    if number.digits.starts_with(b"00") {
        return is_long(number.digits.len().saturating_sub(2));
    }
    is_north_american(number) || is_national(number)
}

/// Ten digits in groups of three, three and four, perhaps behind a 1.
fn is_north_american(number: &Number) -> bool {
    let mut groups = number.groups.as_slice();
    let mut digits = number.digits.as_slice();
    if let ([1, rest @ ..], [b'1', behind @ ..]) = (groups, digits) {
        (groups, digits) = (rest, behind);
    }
    let may_begin = |place: usize| digits.get(place).is_some_and(|digit| (b'2'..).contains(digit));
    groups == [3, 3, 4] && may_begin(0) && may_begin(3)
}

/// A zero and an area code, then the rest; not what looks like a date.
fn is_national(number: &Number) -> bool {
    let is_date = matches!(number.groups.as_slice(), [2, 2, 4, ..] | [2, 2, 2]);
    number.digits.first() == Some(&b'0')
        && (NATIONAL_MIN..=NATIONAL_MAX).contains(&number.digits.len())
        && number.groups.first().is_some_and(|group| (2..=5).contains(group))
        && number.groups.iter().all(|group| *group >= 2)
        && !is_date
}
