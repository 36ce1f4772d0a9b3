//! The population of notifications.

use crate::checks::Scope;
use crate::history::{Fate, History};
use crate::table::Table;

pub(super) fn notifications(scope: &Scope, history: &History) -> Vec<u8> {
    let mut table = Table::new(&[
        "record",
        "at",
        "session",
        "identity",
        "target",
        "channel",
        "result",
        "reason",
        "grants",
        "bytes",
        "control_size",
    ]);
    for notified in &history.notifications {
        if !scope.covers(notified.at, Some(&notified.identity), Some(&notified.target)) {
            continue;
        }
        let (result, reason, bytes) = match &notified.fate {
            Fate::Delivered { bytes, .. } => ("delivered", "", bytes.to_string()),
            Fate::Dropped { reason } => ("dropped", reason.as_str(), String::new()),
        };
        let grants: Vec<String> =
            notified.grants().iter().map(|grant| grant.id.to_string()).collect();
        table.line(cells![
            notified.record,
            notified.at,
            notified.session,
            notified.identity,
            notified.target,
            notified.channel,
            result,
            reason,
            grants.join(" "),
            bytes,
            notified.control_size,
        ]);
    }
    table.into_bytes()
}
