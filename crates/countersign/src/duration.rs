//! Lengths of time as people write them: `90s`, `15m`, `2h`, `30d`, `2w`.
//!
//! Exactly one number and one unit, so that a grant's length can be read at a glance. No months and
//! years: their length depends on the date.

use std::str::FromStr;
use std::time::Duration;

/// Longest length accepted: ten years of 365 days. A grant or token for longer is a mistake.
const DURATION_S_MAX: u64 = 10 * 365 * 24 * 60 * 60;

/// A length of time given on the command line. At least one second, at most ten years.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Length(pub(crate) Duration);

/// A text that is not a length of time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ParseLengthError {
    /// Not a number and a unit.
    #[error("write a whole number and a unit: s, m, h, d or w; for example 15m, 2h or 30d")]
    Malformed,
    /// Zero, or more than ten years.
    #[error("the length must be at least 1s and at most 3650d")]
    OutOfBounds,
}

impl FromStr for Length {
    type Err = ParseLengthError;

    fn from_str(text: &str) -> Result<Self, ParseLengthError> {
        let (number, unit_s) = [("s", 1), ("m", 60), ("h", 3_600), ("d", 86_400), ("w", 604_800)]
            .into_iter()
            .find_map(|(unit, seconds)| Some((text.strip_suffix(unit)?, seconds)))
            .ok_or(ParseLengthError::Malformed)?;
        if number.is_empty() || !number.bytes().all(|b| b.is_ascii_digit()) {
            return Err(ParseLengthError::Malformed);
        }
        // Only digits, so the one way left to fail is to be too large.
        let number: u64 = number.parse().map_err(|_too_large| ParseLengthError::OutOfBounds)?;
        let seconds = number.checked_mul(unit_s).ok_or(ParseLengthError::OutOfBounds)?;
        match seconds {
            1..=DURATION_S_MAX => Ok(Self(Duration::from_secs(seconds))),
            _ => Err(ParseLengthError::OutOfBounds),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_one_number_and_one_unit() {
        #[rustfmt::skip]
        let cases = [
            ("1s",    Ok(1)),
            ("90s",   Ok(90)),
            ("15m",   Ok(900)),
            ("2h",    Ok(7_200)),
            ("30d",   Ok(2_592_000)),
            ("2w",    Ok(1_209_600)),
            ("3650d", Ok(DURATION_S_MAX)),
            ("3651d", Err(ParseLengthError::OutOfBounds)),
            ("0m",    Err(ParseLengthError::OutOfBounds)),
            ("99999999999999999999s", Err(ParseLengthError::OutOfBounds)),
            ("",      Err(ParseLengthError::Malformed)),
            ("15",    Err(ParseLengthError::Malformed)),
            ("m",     Err(ParseLengthError::Malformed)),
            ("-5m",   Err(ParseLengthError::Malformed)),
            ("+5m",   Err(ParseLengthError::Malformed)),
            ("1.5h",  Err(ParseLengthError::Malformed)),
            ("1h30m", Err(ParseLengthError::Malformed)),
            ("5 m",   Err(ParseLengthError::Malformed)),
            ("5y",    Err(ParseLengthError::Malformed)),
        ];
        for (text, expected) in cases {
            let expected = expected.map(|s| Length(Duration::from_secs(s)));
            assert_eq!(text.parse::<Length>(), expected, "{text}");
        }
    }
}
