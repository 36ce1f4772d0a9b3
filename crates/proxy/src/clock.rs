//! The only reader of the clock on the data path.
//!
//! **Invariant:** time never goes back while the gateway runs. A wall clock that is set back would
//! otherwise give an expired grant a second life; one that jumps forward ends grants early, which
//! is the safe direction.

use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime};

use model::Timestamp;

/// Returns the later of the wall clock and of what has passed by the monotonic clock since the
/// first call.
pub fn now() -> Timestamp {
    static ANCHOR: OnceLock<(Instant, Duration)> = OnceLock::new();
    let (start, start_wall) = ANCHOR.get_or_init(|| (monotonic(), wall()));
    Timestamp::from_unix(wall().max(start_wall.saturating_add(start.elapsed())))
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

    #[test]
    fn time_never_goes_back() {
        let mut last = now();
        for _ in 0..1_000 {
            let next = now();
            assert!(next >= last);
            last = next;
        }
    }
}
