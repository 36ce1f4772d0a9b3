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

/// A limit that would be exceeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reached {
    /// On rows.
    Rows,
    /// On bytes of rows, and of what COPY FROM takes.
    Bytes,
}

impl Reached {
    /// What the client reads.
    pub(crate) fn client_message(self) -> &'static str {
        match self {
            Self::Rows => "the row limit of the grant is reached",
            Self::Bytes => "the limit on bytes of the grant is reached",
        }
    }
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
            (AccessEvent::CommandIntended { grants, facts, .. }, Some(id)) if facts.counts() => {
                for grant in grants {
                    let usage = self.by_grant.entry(grant.id).or_default();
                    usage.commands = usage.commands.saturating_add(1);
                }
                self.open.insert(id, grants.iter().map(|grant| grant.id).collect());
            }
            (AccessEvent::CommandFinished { rows, bytes, written, .. }, Some(id)) => {
                let written = written.as_ref().map_or(0, |written| written.bytes);
                for grant in self.open.remove(&id).unwrap_or_default() {
                    let usage = self.by_grant.entry(grant).or_default();
                    usage.rows = usage.rows.saturating_add(*rows);
                    usage.bytes = usage.bytes.saturating_add(*bytes).saturating_add(written);
                }
            }
            (AccessEvent::NotificationDelivered { grants, bytes, .. }, _) => {
                for grant in grants {
                    let usage = self.by_grant.entry(grant.id).or_default();
                    usage.rows = usage.rows.saturating_add(1);
                    usage.bytes = usage.bytes.saturating_add(*bytes);
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

    /// Counts rows and their bytes, unless a grant's limit would be exceeded; then nothing is
    /// counted.
    ///
    /// # Errors
    ///
    /// Which limit it is.
    pub(crate) fn try_rows(
        &self,
        grants: &[GrantRef],
        (rows, bytes): (u64, u64),
        limit: impl Fn(GrantId) -> Limits,
    ) -> Result<(), Reached> {
        let mut book = self.lock();
        for grant in grants {
            let used = book.get(&grant.id).copied().unwrap_or_default();
            let limits = limit(grant.id);
            if limits.rows.is_some_and(|max| used.rows.saturating_add(rows) > max) {
                return Err(Reached::Rows);
            }
            if limits.bytes.is_some_and(|max| used.bytes.saturating_add(bytes) > max) {
                return Err(Reached::Bytes);
            }
        }
        for grant in grants {
            let usage = book.entry(grant.id).or_default();
            usage.rows = usage.rows.saturating_add(rows);
            usage.bytes = usage.bytes.saturating_add(bytes);
        }
        Ok(())
    }

    /// Counts the rows of a command whose grants limit neither rows nor bytes.
    pub(crate) fn add_rows(&self, grants: &[GrantRef], amount: (u64, u64)) {
        let counted = self.try_rows(grants, amount, |_grant| Limits::default());
        debug_assert!(counted.is_ok(), "no limit, so there is room");
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
        let limit = |_| Limits { commands: Some(2), rows: Some(10), bytes: Some(100) };
        assert!(book.try_command(&grants, limit));
        assert!(book.try_command(&grants, limit));
        assert!(!book.try_command(&grants, limit));
        assert_eq!(book.try_rows(&grants, (9, 101), limit), Err(Reached::Bytes));
        assert_eq!(book.try_rows(&grants, (9, 90), limit), Ok(()));
        assert_eq!(book.try_rows(&grants, (0, 11), limit), Err(Reached::Bytes));
        assert_eq!(book.try_rows(&grants, (1, 10), limit), Ok(()));
        assert_eq!(book.try_rows(&grants, (1, 0), limit), Err(Reached::Rows));
        assert_eq!(book.of(id), Usage { commands: 2, rows: 10, bytes: 100 });
    }
}
