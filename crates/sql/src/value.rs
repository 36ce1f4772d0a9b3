//! Which values of a forwarded setting are allowed. None of them can leave its quotes.

/// Longest statement timeout that a client may ask for, in milliseconds: half an hour.
const TIMEOUT_MS_MAX: u64 = 30 * 60 * 1000;

/// Longest name of a time zone.
const TIME_ZONE_BYTES_MAX: usize = 64;

/// A kind of values.
pub(crate) enum Kind {
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// A whole number between these, both included.
    Integer(i32, i32),
    /// `on` or `off`, in any of PostgreSQL's spellings.
    Boolean,
    /// A time zone by name, or hours from UTC.
    TimeZone,
    /// A date style whose output is ISO.
    IsoDateStyle,
    /// Milliseconds, or with the unit `ms`, `s` or `min`; bounded.
    Timeout,
}

pub(crate) fn is_allowed(kind: &Kind, value: &str) -> bool {
    let lower = value.to_ascii_lowercase();
    match kind {
        Kind::OneOf(words) => words.contains(&lower.as_str()),
        Kind::Integer(least, most) => {
            value.parse::<i32>().is_ok_and(|number| (*least..=*most).contains(&number))
        }
        Kind::Boolean => {
            matches!(lower.as_str(), "on" | "off" | "true" | "false" | "yes" | "no" | "1" | "0")
        }
        Kind::TimeZone => is_time_zone(value),
        Kind::IsoDateStyle => is_iso(&lower),
        Kind::Timeout => timeout_ms(&lower).is_some_and(|ms| (1..=TIMEOUT_MS_MAX).contains(&ms)),
    }
}

fn is_time_zone(value: &str) -> bool {
    let is_plain = |b: u8| {
        b.is_ascii_alphanumeric()
            || matches!(b, b'/' | b'_' | b'-' | b'+' | b':' | b'.' | b'<' | b'>')
    };
    !value.is_empty()
        && value.len() <= TIME_ZONE_BYTES_MAX
        && value.bytes().all(is_plain)
        && !value.contains("..")
        && !value.starts_with(['/', '.'])
}

/// The order of day and month may vary; the style may not.
fn is_iso(lower: &str) -> bool {
    let mut parts = lower.split(',').map(str::trim);
    parts.all(|part| {
        matches!(part, "iso" | "mdy" | "dmy" | "ymd" | "us" | "euro" | "european" | "noneuro")
    })
}

fn timeout_ms(lower: &str) -> Option<u64> {
    let digits = lower.find(|c: char| !c.is_ascii_digit()).unwrap_or(lower.len());
    let (number, unit) = lower.split_at_checked(digits)?;
    let factor = match unit.trim() {
        "" | "ms" => 1,
        "s" => 1_000,
        "min" => 60_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_harmless_values_are_allowed() {
        #[rustfmt::skip]
        let cases = [
            (Kind::TimeZone,        "Europe/Berlin",        true),
            (Kind::TimeZone,        "UTC",                  true),
            (Kind::TimeZone,        "-7",                   true),
            (Kind::TimeZone,        "<-03>3",               true),
            (Kind::TimeZone,        "UTC'; DROP TABLE t",   false),
            (Kind::TimeZone,        "../../etc/passwd",     false),
            (Kind::TimeZone,        "/etc/localtime",       false),
            (Kind::TimeZone,        "",                     false),
            (Kind::IsoDateStyle,    "ISO",                  true),
            (Kind::IsoDateStyle,    "iso, mdy",             true),
            (Kind::IsoDateStyle,    "SQL, DMY",             false),
            (Kind::IsoDateStyle,    "German",               false),
            (Kind::Integer(-15, 3), "3",                    true),
            (Kind::Integer(-15, 3), "4",                    false),
            (Kind::Integer(-15, 3), "3'",                   false),
            (Kind::Timeout,         "5000",                 true),
            (Kind::Timeout,         "30s",                  true),
            (Kind::Timeout,         "30 min",               true),
            (Kind::Timeout,         "31min",                false),
            (Kind::Timeout,         "0",                    false),
            (Kind::Timeout,         "1d",                   false),
            (Kind::Timeout,         "99999999999999999999", false),
            (Kind::Boolean,         "ON",                   true),
            (Kind::Boolean,         "maybe",                false),
            (Kind::OneOf(&["hex"]), "HEX",                  true),
            (Kind::OneOf(&["hex"]), "hex'",                 false),
        ];
        for (kind, value, expected) in cases {
            assert_eq!(is_allowed(&kind, value), expected, "{value}");
        }
    }
}
