//! Dates and times as drivers write them: ISO 8601, with a blank or a `T`.

const DAY_US: i64 = 86_400_000_000;

/// Days from 1970-01-01 to 2000-01-01, from which PostgreSQL counts.
const EPOCH_DAYS: i64 = 10_957;

/// Days since 1970-01-01.
pub(super) fn date(text: &[u8]) -> Option<i64> {
    if text.eq_ignore_ascii_case(b"epoch") {
        return Some(0);
    }
    let mut parts = std::str::from_utf8(text).ok()?.split('-');
    let mut next = || parts.next()?.parse::<i64>().ok();
    let (year, month, day) = (next()?, next()?, next()?);
    let is_date =
        (1..=9999).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
    (is_date && parts.next().is_none()).then(|| days(year, month, day))
}

/// Days since 1970-01-01 in binary form.
pub(super) fn date_of_binary(value: &[u8]) -> Option<i64> {
    let days = i32::from_be_bytes(value.try_into().ok()?);
    Some(i64::from(days).saturating_add(EPOCH_DAYS))
}

/// Microseconds since 1970-01-01, in UTC where a zone is named.
pub(super) fn timestamp(text: &[u8]) -> Option<i64> {
    if text.eq_ignore_ascii_case(b"epoch") {
        return Some(0);
    }
    let cut = text.iter().position(|byte| matches!(byte, b' ' | b'T' | b't'));
    let (day, clock) = text.split_at(cut.unwrap_or(text.len()));
    let day = date(day)?.checked_mul(DAY_US)?;
    match clock.get(1..) {
        None => Some(day),
        Some(clock) => {
            let (us, zone_s) = time(clock.trim_ascii())?;
            day.checked_add(us)?.checked_sub(zone_s.unwrap_or(0).checked_mul(1_000_000)?)
        }
    }
}

/// Microseconds since 1970-01-01 in binary form.
pub(super) fn timestamp_of_binary(value: &[u8]) -> Option<i64> {
    let us = i64::from_be_bytes(value.try_into().ok()?);
    us.checked_add(EPOCH_DAYS.checked_mul(DAY_US)?)
}

/// Microseconds of the day, and the zone in seconds east of UTC if one is named.
pub(super) fn time(text: &[u8]) -> Option<(i64, Option<i64>)> {
    let text = std::str::from_utf8(text).ok()?;
    let cut = text.find(['+', '-', 'Z', 'z']).unwrap_or(text.len());
    let (clock, zone) = text.split_at_checked(cut)?;
    let zone = match zone.as_bytes() {
        [] => None,
        [b'Z' | b'z'] => Some(0),
        [b'-', ..] => Some(clock_s(zone.get(1..)?)?.0.checked_neg()?),
        [..] => Some(clock_s(zone.get(1..)?)?.0),
    };
    let (seconds, us) = clock_s(clock.trim_end())?;
    Some((seconds.checked_mul(1_000_000)?.checked_add(us)?, zone))
}

/// Microseconds of the day and the zone of a `timetz` in binary form, which has the zone in seconds
/// west of UTC.
pub(super) fn timetz_of_binary(value: &[u8]) -> Option<(i64, i64)> {
    let (us, zone) = value.split_at_checked(8)?;
    let us = i64::from_be_bytes(us.try_into().ok()?);
    let zone = i32::from_be_bytes(zone.try_into().ok()?);
    Some((us, i64::from(zone).checked_neg()?))
}

/// `HH`, `HH:MM` or `HH:MM:SS.ffffff`: the seconds, and the microseconds beyond them.
fn clock_s(text: &str) -> Option<(i64, i64)> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let mut seconds = 0_i64;
    let mut unit = 3_600;
    for part in whole.split(':') {
        seconds =
            seconds.checked_add(part.parse::<u32>().map(i64::from).ok()?.checked_mul(unit)?)?;
        unit /= 60;
    }
    let fraction = format!("{fraction:0<6}");
    let us = fraction.get(..6)?.parse::<u32>().ok()?;
    Some((seconds, i64::from(us)))
}

/// Source: H. Hinnant, "chrono-Compatible Low-Level Date Algorithms", `days_from_civil`.
fn days(year: i64, month: i64, day: i64) -> i64 {
    #![expect(clippy::arithmetic_side_effects, reason = "years have four digits")]
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}
