//! What had been used of each grant before any record.

use std::collections::BTreeMap;

use model::{Grant, GrantId};
use policy::Usage;

use crate::history::{Ending, Fate, History};

/// When the rows of a command count as used.
///
/// The gateway counts them while they pass. What it knew at another command's decision lies
/// between the two.
#[derive(Clone, Copy, Debug)]
pub(crate) enum CountRows {
    /// All at once, when the command has ended.
    AtOutcome,
    /// All at once, when the command is allowed.
    AtIntent,
}

/// What had been used of each grant before any record.
#[derive(Debug, Default)]
pub(crate) struct UsageLog(BTreeMap<GrantId, Vec<Step>>);

/// A record, and what had been used of the grant with it.
type Step = (u64, Usage);

impl UsageLog {
    /// Counts over the whole ledger: a command when it is allowed, rows when `count` says. Commands
    /// that read nothing but catalogs do not count. A notification is a row.
    pub(crate) fn new(history: &History, count: CountRows) -> Self {
        let mut steps: Vec<(u64, GrantId, Usage)> = Vec::new();
        for command in history.commands.iter().filter(|command| command.facts.counts()) {
            for grant in &command.grants {
                steps.push((command.record, grant.id, Usage { commands: 1, ..Usage::default() }));
                if let Ending::Recorded(finished) = &command.ending {
                    let record = match count {
                        CountRows::AtOutcome => finished.record,
                        CountRows::AtIntent => command.record,
                    };
                    let rows = finished.rows;
                    let bytes = finished.bytes.saturating_add(finished.written);
                    steps.push((record, grant.id, Usage { commands: 0, rows, bytes }));
                }
            }
        }
        for notified in &history.notifications {
            let Fate::Delivered { grants, bytes } = &notified.fate else { continue };
            for grant in grants {
                let step = Usage { commands: 0, rows: 1, bytes: *bytes };
                steps.push((notified.record, grant.id, step));
            }
        }
        steps.sort_by_key(|(record, grant, _)| (*record, *grant));
        let mut log = Self::default();
        for (record, grant, step) in steps {
            let before = log.before(grant, u64::MAX);
            let after = Usage {
                commands: before.commands.saturating_add(step.commands),
                rows: before.rows.saturating_add(step.rows),
                bytes: before.bytes.saturating_add(step.bytes),
            };
            log.0.entry(grant).or_default().push((record, after));
        }
        log
    }

    /// What had been used of a grant by the records before this one.
    pub(crate) fn before(&self, grant: GrantId, record: u64) -> Usage {
        let steps = self.0.get(&grant).map_or(&[][..], Vec::as_slice);
        let passed = steps.partition_point(|(at, _)| *at < record);
        passed.checked_sub(1).and_then(|last| steps.get(last)).map_or_else(Usage::default, |s| s.1)
    }

    /// The records with which the use of a grant went over its limits, with the use then.
    pub(crate) fn over(&self, grant: &Grant) -> impl Iterator<Item = (u64, Usage)> {
        let limits = grant.limits;
        let steps = self.0.get(&grant.id).map_or(&[][..], Vec::as_slice);
        steps.iter().copied().filter(move |(_, usage)| {
            limits.commands.is_some_and(|max| usage.commands > max)
                || limits.rows.is_some_and(|max| usage.rows > max)
                || limits.bytes.is_some_and(|max| usage.bytes > max)
        })
    }
}
