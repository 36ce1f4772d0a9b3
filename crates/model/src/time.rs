//! Instants: nanoseconds since the Unix epoch, written as RFC 3339 in UTC with nine decimals.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A point in time, in UTC, to the nanosecond.
///
/// Bounds: the years 1970 to 9999. Equal instants have equal texts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(jiff::Timestamp);

/// A text that is not an instant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a time: write it as RFC 3339, for example 2026-01-31T12:00:00Z")]
pub struct ParseTimestampError(String);

impl Timestamp {
    /// The Unix epoch.
    pub const EPOCH: Self = Self(jiff::Timestamp::UNIX_EPOCH);

    /// Makes an instant from a distance to the Unix epoch; later than the year 9999 is the year 9999.
    pub fn from_unix(since_epoch: Duration) -> Self {
        let seconds = i64::try_from(since_epoch.as_secs()).unwrap_or(i64::MAX);
        let nanos = i32::try_from(since_epoch.subsec_nanos()).unwrap_or(0);
        Self(jiff::Timestamp::new(seconds, nanos).unwrap_or(jiff::Timestamp::MAX))
    }

    /// Whole seconds since the Unix epoch.
    pub fn unix_seconds(self) -> u64 {
        u64::try_from(self.0.as_second()).unwrap_or(0)
    }

    /// This instant and so much later.
    #[must_use]
    pub fn saturating_add(self, duration: Duration) -> Self {
        self.0.checked_add(duration).map_or(Self(jiff::Timestamp::MAX), Self)
    }

    /// How long after `earlier` this instant is; zero if it is before it.
    pub fn saturating_since(self, earlier: Self) -> Duration {
        self.0.duration_since(earlier.0).try_into().unwrap_or(Duration::ZERO)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.9}", self.0)
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Timestamp {
    type Err = ParseTimestampError;

    fn from_str(text: &str) -> Result<Self, ParseTimestampError> {
        text.parse::<jiff::Timestamp>()
            .ok()
            .filter(|instant| *instant >= jiff::Timestamp::UNIX_EPOCH)
            .map(Self)
            .ok_or_else(|| ParseTimestampError(text.chars().take(64).collect()))
    }
}

impl serde::Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_written_in_utc_with_nine_decimals() {
        let at = Timestamp::from_unix(Duration::new(1_767_225_600, 5));
        assert_eq!(at.to_string(), "2026-01-01T00:00:00.000000005Z");
        assert_eq!(at.to_string().parse(), Ok(at));
        assert_eq!(
            "2026-01-01T01:00:00+01:00".parse(),
            Ok(Timestamp::from_unix(Duration::from_hours(490_896)))
        );
        assert!("1969-12-31T23:59:59Z".parse::<Timestamp>().is_err());
    }

    #[test]
    fn arithmetic_stops_at_the_ends() {
        let late = Timestamp::from_unix(Duration::MAX);
        assert_eq!(late.saturating_add(Duration::from_secs(1)), late);
        assert_eq!(Timestamp::EPOCH.saturating_since(late), Duration::ZERO);
    }
}
