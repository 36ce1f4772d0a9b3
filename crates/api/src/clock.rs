//! Reads the wall clock, once for each request.

use std::time::{Duration, SystemTime};

use model::Timestamp;

/// The present, to the nanosecond.
#[expect(clippy::disallowed_methods, reason = "this module is the one that reads the clock")]
pub(crate) fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    Timestamp::from_unix(since_epoch.unwrap_or(Duration::ZERO))
}
