//! Reads the wall clock for the command line and the wiring. The data path has a clock of its own.

use std::time::{Duration, SystemTime};

use model::Timestamp;

/// The present, to the nanosecond.
#[expect(clippy::disallowed_methods, reason = "this module is the one that reads the clock")]
pub(crate) fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    Timestamp::from_unix(since_epoch.unwrap_or(Duration::ZERO))
}
