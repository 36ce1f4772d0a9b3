//! The only place of the demo that reads a clock.

use std::time::Instant;

/// A reading for measuring how long something takes.
#[expect(clippy::disallowed_methods, reason = "this module is the demo's clock")]
pub fn instant() -> Instant {
    Instant::now()
}

/// The time as RFC 3339 in UTC.
#[expect(clippy::disallowed_methods, reason = "this module is the demo's clock")]
pub fn rfc3339() -> String {
    format!("{:.9}", jiff::Timestamp::now())
}
