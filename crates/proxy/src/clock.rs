//! The only reader of the clock on the data path, and the clock of whoever writes records beside it.
//!
//! **Invariant:** time never goes back, neither while the gateway runs nor behind what an earlier run
//! has recorded ([`resume`]). A wall clock that is set back would otherwise give an expired grant a
//! second life; one that jumps forward ends grants early, which is the safe direction, and from there
//! time goes on.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use model::Timestamp;

/// Time as it only goes forward.
#[derive(Debug, Default)]
struct Clock {
    /// The most by which a time of day was ever ahead of what has passed since the start, in
    /// nanoseconds.
    ahead: AtomicU64,
}

impl Clock {
    /// The present, where `wall` is the time of day, and `elapsed` what has passed since the start.
    fn at(&self, wall: Duration, elapsed: Duration) -> Duration {
        let ahead = nanoseconds(wall.saturating_sub(elapsed));
        let most = self.ahead.fetch_max(ahead, Ordering::Relaxed).max(ahead);
        elapsed.saturating_add(Duration::from_nanos(most))
    }
}

fn nanoseconds(length: Duration) -> u64 {
    // Overflows in the year 2554.
    u64::try_from(length.as_nanos()).unwrap_or(u64::MAX)
}

static CLOCK: Clock = Clock { ahead: AtomicU64::new(0) };

/// Returns the present: the time of day, or where that went back, the latest time of day that was seen
/// and what has passed since.
pub fn now() -> Timestamp {
    Timestamp::from_unix(CLOCK.at(wall(), elapsed()))
}

/// Makes time go on behind `last`, the latest time that an earlier run recorded. Returns by how much
/// the time of day is behind it: zero where all is well.
pub fn resume(last: Timestamp) -> Duration {
    let behind = last.saturating_since(Timestamp::from_unix(wall()));
    let _now = CLOCK.at(wall().saturating_add(behind), elapsed());
    behind
}

fn elapsed() -> Duration {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(monotonic).elapsed()
}

#[expect(clippy::disallowed_methods, reason = "this module is the one that reads the clock")]
fn wall() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO)
}

#[expect(clippy::disallowed_methods, reason = "this module is the one that reads the clock")]
fn monotonic() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn time_never_goes_back() {
        let mut last = now();
        for _ in 0..1_000 {
            let next = now();
            assert!(next >= last);
            last = next;
        }
    }

    #[test]
    fn a_time_of_day_that_jumps_ahead_and_back_revives_nothing() {
        let clock = Clock::default();
        assert_eq!(clock.at(s(1_000), s(0)), s(1_000));
        // An hour ahead, and back again: time goes on from where it was.
        assert_eq!(clock.at(s(4_601), s(1)), s(4_601));
        assert_eq!(clock.at(s(1_002), s(2)), s(4_602));
        // A time of day that was set back does not stop time.
        assert_eq!(clock.at(s(10), s(12)), s(4_612));
        // The time of day has caught up.
        assert_eq!(clock.at(s(4_620), s(13)), s(4_620));
    }

    #[test]
    fn time_goes_on_behind_what_is_on_record() {
        let ahead = now().saturating_add(s(5));
        let behind = resume(ahead);
        assert!(behind > s(4) && behind <= s(5), "{behind:?}");
        assert!(now() >= ahead);
        assert_eq!(resume(Timestamp::EPOCH), Duration::ZERO);
    }
}
