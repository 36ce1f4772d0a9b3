//! Which completed commands the end of the open transaction decides, and what the record then says.
//!
//! ```text
//! command ─completes─▶ uncommitted ─┬─ COMMIT, or the end of a batch ─▶ batch_committed
//!                                   ├─ ROLLBACK, error, end of session ─▶ batch_rolled_back
//!                                   └─ nobody can say ─▶ batch_unknown
//! ```
//!
//! **Invariant:** a command whose outcome is recorded as uncommitted is covered by a later record that
//! says what became of it, if the gateway lives to write it; else the next run of the gateway says that
//! it is not known.

use model::{AccessEvent, SessionId};

/// Savepoints that are followed. Behind them it is not known what stands.
const SAVEPOINTS_MAX: usize = 4096;

/// What the end of the open transaction decides.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each may be true beside any other")]
pub(crate) struct Transaction {
    /// True if BEGIN began it: its own commands end it, not the batch.
    pub(crate) in_block: bool,
    /// The first command in it that has completed.
    first: Option<u64>,
    /// The first and last of those that may have changed something.
    changes: Option<(u64, u64)>,
    /// The savepoints, each with the number of its command.
    savepoints: Vec<(String, u64)>,
    /// A command in the block has failed, so it cannot be committed.
    has_failed: bool,
    /// A procedure in it may have ended transactions.
    has_procedure: bool,
    /// So may one that ran behind other commands, whose fate it decided.
    is_doubtful: bool,
}

/// What became of commands that had completed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Committed { first: u64, last: u64 },
    RolledBack { first: u64, last: u64 },
    Unknown { first: u64, last: u64 },
}

impl Transaction {
    /// A command has completed in it. `changes` tells whether it may have changed something.
    pub(crate) fn completed(&mut self, sequence: u64, changes: bool) {
        self.first.get_or_insert(sequence);
        if changes {
            let first = self.changes.map_or(sequence, |(first, _)| first);
            self.changes = Some((first, sequence));
        }
    }

    /// A procedure has run. Outside of a block it may have ended what was before it, either way.
    pub(crate) fn called(&mut self) {
        if !self.in_block {
            self.is_doubtful |= self.changes.is_some();
            self.has_procedure = true;
        }
    }

    pub(crate) fn savepoint(&mut self, name: &str, sequence: u64) {
        if self.savepoints.len() >= SAVEPOINTS_MAX {
            self.is_doubtful = true;
        } else {
            self.savepoints.push((name.to_owned(), sequence));
        }
    }

    pub(crate) fn release(&mut self, name: &str) {
        if let Some(index) = self.find(name) {
            self.savepoints.truncate(index);
        }
    }

    /// What completed behind the savepoint is undone.
    pub(crate) fn roll_back_to(&mut self, name: &str, last: u64) -> Option<Fate> {
        self.has_failed = false;
        let index = self.find(name)?;
        let (_, begun) = self.savepoints.get(index)?;
        let begun = *begun;
        self.savepoints.truncate(index.saturating_add(1));
        let (first, last_change) = self.changes?;
        if last_change <= begun {
            return None;
        }
        self.changes = (first <= begun).then_some((first, begun));
        let first = first.max(begun.saturating_add(1));
        self.first = self.first.filter(|first| *first <= begun);
        Some(Fate::RolledBack { first, last })
    }

    /// Its commands are committed, up to one that was the last.
    pub(crate) fn commit(&mut self) -> Option<Fate> {
        if self.has_failed {
            let last = self.changes?.1;
            return self.roll_back(last);
        }
        let ended = std::mem::take(self);
        let (_, last) = ended.changes?;
        let first = ended.first?;
        Some(if ended.is_doubtful {
            Fate::Unknown { first, last }
        } else {
            Fate::Committed { first, last }
        })
    }

    /// Its commands are undone.
    pub(crate) fn roll_back(&mut self, last: u64) -> Option<Fate> {
        let ended = std::mem::take(self);
        ended.changes?;
        ended.undone(last)
    }

    /// An error ends it, unless BEGIN began it: then only its own commands can.
    pub(crate) fn fail(&mut self, last: u64) -> Option<Fate> {
        if self.in_block {
            self.has_failed = true;
            return None;
        }
        std::mem::take(self).undone(last)
    }

    /// Its commit was asked for, and nobody has said what came of it.
    pub(crate) fn lose(&mut self, last: u64) -> Option<Fate> {
        let ended = std::mem::take(self);
        ended.changes?;
        ended.first.map(|first| Fate::Unknown { first, last })
    }

    fn undone(&self, last: u64) -> Option<Fate> {
        let first = self.first?;
        Some(if self.has_procedure || self.is_doubtful {
            Fate::Unknown { first, last }
        } else {
            Fate::RolledBack { first, last }
        })
    }

    fn find(&self, name: &str) -> Option<usize> {
        self.savepoints.iter().rposition(|(known, _)| known == name)
    }
}

impl Fate {
    /// What is recorded of it.
    pub(crate) fn event(self, session: SessionId, sqlstate: Option<&str>) -> AccessEvent {
        match self {
            Self::Committed { first, last } => AccessEvent::BatchCommitted { session, first, last },
            Self::Unknown { first, last } => AccessEvent::BatchUnknown { session, first, last },
            Self::RolledBack { first, last } => {
                let sqlstate = sqlstate.map(str::to_owned);
                AccessEvent::BatchRolledBack { session, first, last, sqlstate }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Step = fn(&mut Transaction) -> Option<Fate>;

    #[test]
    fn the_end_of_a_transaction_decides_what_completed_in_it() {
        let write_1: Step = |open| wrote(open, 1);
        let write_3: Step = |open| wrote(open, 3);
        let write_5: Step = |open| wrote(open, 5);
        let read: Step = |open| {
            open.completed(1, false);
            None
        };
        let begin: Step = |open| {
            open.in_block = true;
            None
        };
        let save_2: Step = |open| {
            open.savepoint("s", 2);
            None
        };
        let save_4: Step = |open| {
            open.savepoint("t", 4);
            None
        };
        let call_2: Step = |open| {
            open.called();
            wrote(open, 2)
        };
        let back: Step = |open| open.roll_back_to("s", 6);
        let commit: Step = Transaction::commit;
        let roll_back: Step = |open| open.roll_back(7);
        let fail: Step = |open| open.fail(7);
        let lose: Step = |open| open.lose(7);
        let committed = |first, last| Fate::Committed { first, last };
        let undone = |first, last| Fate::RolledBack { first, last };
        let unknown = |first, last| Fate::Unknown { first, last };
        let savepoints = vec![begin, write_1, save_2, write_3, save_4, write_5, back];
        #[rustfmt::skip]
        let cases = [
            (vec![write_1, commit],                     vec![committed(1, 1)]),
            (vec![read, write_3, commit],               vec![committed(1, 3)]),
            (vec![read, commit],                        vec![]),
            (vec![read, roll_back],                     vec![]),
            (vec![read, fail],                          vec![undone(1, 7)]),
            (vec![write_1, fail],                       vec![undone(1, 7)]),
            (vec![write_1, fail, commit],               vec![undone(1, 7)]),
            (vec![write_1, begin, fail],                vec![]),
            (vec![write_1, begin, fail, roll_back],     vec![undone(1, 7)]),
            (vec![begin, write_1, write_3, fail, commit], vec![undone(1, 3)]),
            (vec![write_1, roll_back],                  vec![undone(1, 7)]),
            (vec![write_1, lose],                       vec![unknown(1, 7)]),
            (vec![read, lose],                          vec![]),
            ([savepoints.clone(), vec![commit]].concat(), vec![undone(3, 6), committed(1, 2)]),
            ([savepoints, vec![roll_back]].concat(),    vec![undone(3, 6), undone(1, 7)]),
            (vec![begin, save_2, write_3, back, commit], vec![undone(3, 6)]),
            (vec![begin, write_1, save_2, back, commit], vec![committed(1, 1)]),
            (vec![begin, write_1, save_2, fail, back, commit], vec![committed(1, 1)]),
            (vec![call_2, commit],                      vec![committed(2, 2)]),
            (vec![call_2, fail],                        vec![unknown(2, 7)]),
            (vec![write_1, call_2, commit],             vec![unknown(1, 2)]),
            (vec![write_1, call_2, fail],               vec![unknown(1, 7)]),
            (vec![begin, write_1, call_2, commit],      vec![committed(1, 2)]),
            (vec![begin, write_1, call_2, roll_back],   vec![undone(1, 7)]),
        ];
        for (number, (steps, expected)) in cases.into_iter().enumerate() {
            let mut open = Transaction::default();
            let fates: Vec<Fate> = steps.into_iter().filter_map(|step| step(&mut open)).collect();
            assert_eq!(fates, expected, "case {number}");
        }
    }

    #[test]
    fn behind_too_many_savepoints_it_is_not_known_what_stands() {
        let mut open = Transaction { in_block: true, ..Transaction::default() };
        for sequence in 0..=4096 {
            open.savepoint("s", sequence);
        }
        open.completed(9000, true);
        assert_eq!(open.commit(), Some(Fate::Unknown { first: 9000, last: 9000 }));
    }

    fn wrote(open: &mut Transaction, sequence: u64) -> Option<Fate> {
        open.completed(sequence, true);
        None
    }
}
