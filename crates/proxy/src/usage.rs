//! How much of each limited grant is used, across all sessions.
//!
//! **Invariant:** a limit is never exceeded by two sessions that count at the same time: counting
//! and comparing are one step under one lock, which is never held across an await.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use model::{AccessEvent, AccessRecord, CommandRef, GrantId, GrantRef, Limits};
use policy::Usage;

/// Counters per grant, rebuilt from the access ledger when the gateway starts.
#[derive(Debug, Default)]
pub struct UsageBook {
    by_grant: Mutex<BTreeMap<GrantId, Usage>>,
}

/// Folds access records into a [`UsageBook`].
#[derive(Debug, Default)]
pub struct UsageFold {
    by_grant: BTreeMap<GrantId, Usage>,
    open: BTreeMap<CommandRef, Vec<GrantId>>,
}

impl UsageFold {
    /// Takes the next record of the access ledger, in order.
    pub fn apply(&mut self, record: &AccessRecord) {
        match (&record.event, record.event.command()) {
            (AccessEvent::CommandIntended { grants, .. }, Some(id)) => {
                for grant in grants {
                    let usage = self.by_grant.entry(grant.id).or_default();
                    usage.commands = usage.commands.saturating_add(1);
                }
                self.open.insert(id, grants.iter().map(|grant| grant.id).collect());
            }
            (AccessEvent::CommandFinished { rows, .. }, Some(id)) => {
                for grant in self.open.remove(&id).unwrap_or_default() {
                    let usage = self.by_grant.entry(grant).or_default();
                    usage.rows = usage.rows.saturating_add(*rows);
                }
            }
            (_, Some(_) | None) => {}
        }
    }

    /// Ends the fold.
    pub fn finish(self) -> UsageBook {
        UsageBook { by_grant: Mutex::new(self.by_grant) }
    }
}

impl UsageBook {
    /// What is used of a grant.
    pub fn of(&self, grant: GrantId) -> Usage {
        self.lock().get(&grant).copied().unwrap_or_default()
    }

    /// Counts one command, unless a grant's limit is reached; then nothing is counted.
    pub(crate) fn try_command(
        &self,
        grants: &[GrantRef],
        limit: impl Fn(GrantId) -> Limits,
    ) -> bool {
        let mut book = self.lock();
        let has_room = grants.iter().all(|grant| {
            let used = book.get(&grant.id).copied().unwrap_or_default().commands;
            limit(grant.id).commands.is_none_or(|max| used < max)
        });
        if has_room {
            for grant in grants {
                let usage = book.entry(grant.id).or_default();
                usage.commands = usage.commands.saturating_add(1);
            }
        }
        has_room
    }

    /// Takes back the count of a command that was not recorded and hence did not run.
    pub(crate) fn uncount_command(&self, grants: &[GrantRef]) {
        let mut book = self.lock();
        for grant in grants {
            let usage = book.entry(grant.id).or_default();
            usage.commands = usage.commands.saturating_sub(1);
        }
    }

    /// Counts rows, unless a grant's limit would be exceeded; then nothing is counted.
    pub(crate) fn try_rows(
        &self,
        grants: &[GrantRef],
        rows: u64,
        limit: impl Fn(GrantId) -> Limits,
    ) -> bool {
        let mut book = self.lock();
        let has_room = grants.iter().all(|grant| {
            let used = book.get(&grant.id).copied().unwrap_or_default().rows;
            limit(grant.id).rows.is_none_or(|max| used.saturating_add(rows) <= max)
        });
        if has_room {
            for grant in grants {
                let usage = book.entry(grant.id).or_default();
                usage.rows = usage.rows.saturating_add(rows);
            }
        }
        has_room
    }

    /// Counts the rows of a command whose grants do not limit rows.
    pub(crate) fn add_rows(&self, grants: &[GrantRef], rows: u64) {
        let counted = self.try_rows(grants, rows, |_grant| Limits::default());
        debug_assert!(counted, "no limit, so there is room");
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<GrantId, Usage>> {
        // A panic while counting leaves whole numbers behind: the book stays usable.
        self.by_grant.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use model::GrantHash;

    use super::*;

    #[test]
    fn a_limit_is_reached_and_never_passed() {
        let book = UsageBook::default();
        let id = GrantId::from_random(1);
        let grants = [GrantRef { id, hash: GrantHash(String::new()) }];
        let limit = |_| Limits { commands: Some(2), rows: Some(10) };
        assert!(book.try_command(&grants, limit));
        assert!(book.try_command(&grants, limit));
        assert!(!book.try_command(&grants, limit));
        assert!(book.try_rows(&grants, 10, limit));
        assert!(!book.try_rows(&grants, 1, limit));
        assert_eq!(book.of(id), Usage { commands: 2, rows: 10 });
    }
}
