//! Questions asked of all the records in scope, and the list of what answers them badly.
//!
//! Those that need only the access ledger are here; those that ask the inventory are in `replay`.

use std::collections::{BTreeMap, BTreeSet};

use model::{IdentityName, TargetName, Timestamp};

use crate::history::{Ending, History, Intended, StrayKind};
use crate::provenance::Provenance;
use crate::report::{Check, CheckId, Exception, Filters, Window};

/// What the report is about: records of this time, identity and target.
#[derive(Clone, Debug)]
pub(crate) struct Scope {
    pub(crate) window: Window,
    pub(crate) filters: Filters,
}

impl Scope {
    /// True if a record of this time, about this identity and target, is in the report.
    pub(crate) fn covers(
        &self,
        at: Timestamp,
        identity: Option<&IdentityName>,
        target: Option<&TargetName>,
    ) -> bool {
        self.window.contains(at) && self.filters.admit(identity, target)
    }

    /// True if the command is in the report.
    pub(crate) fn has(&self, command: &Intended) -> bool {
        self.covers(command.at, Some(&command.identity), Some(&command.target))
    }
}

/// The checks while they are made.
#[derive(Debug)]
pub(crate) struct Answers(BTreeMap<CheckId, (u64, BTreeSet<Exception>)>);

impl Answers {
    /// No check has examined anything.
    pub(crate) fn new() -> Self {
        Self(CheckId::ALL.iter().map(|id| (*id, (0, BTreeSet::new()))).collect())
    }

    /// Counts one thing examined.
    pub(crate) fn examined(&mut self, id: CheckId) {
        let (count, _) = self.0.entry(id).or_default();
        *count = count.saturating_add(1);
    }

    /// Notes what is wrong with a record of the access ledger.
    pub(crate) fn exception(&mut self, id: CheckId, record: u64, what: impl Into<String>) {
        self.insert(id, Exception { ledger: "access", record, what: what.into() });
    }

    /// Notes what is wrong with a record of the control ledger.
    pub(crate) fn control_exception(&mut self, id: CheckId, record: u64, what: impl Into<String>) {
        self.insert(id, Exception { ledger: "control", record, what: what.into() });
    }

    fn insert(&mut self, id: CheckId, exception: Exception) {
        let (_, exceptions) = self.0.entry(id).or_default();
        exceptions.insert(exception);
    }

    /// The checks in the order of the report.
    pub(crate) fn into_checks(self) -> Vec<Check> {
        let check = |(id, (examined, exceptions)): (CheckId, (u64, BTreeSet<Exception>))| Check {
            id,
            question: id.question(),
            examined,
            exceptions: exceptions.into_iter().collect(),
        };
        self.0.into_iter().map(check).collect()
    }
}

/// Makes the checks that need only the access ledger and the declared masks.
pub(crate) fn examine(
    checks: &mut Answers,
    scope: &Scope,
    history: &History,
    declared: &Provenance,
) {
    count(checks, scope, history);
    for stray in &history.strays {
        if !scope.covers(stray.at, stray.identity.as_ref(), stray.target.as_ref()) {
            continue;
        }
        let id = match stray.kind {
            StrayKind::Session => CheckId::SessionKnown,
            StrayKind::Sequence => CheckId::SequenceDense,
            StrayKind::Total => CheckId::TotalsAgree,
            StrayKind::Outcome => CheckId::OutcomePresent,
            StrayKind::Intent => CheckId::IntentPresent,
        };
        checks.exception(id, stray.record, stray.what.clone());
    }
    for command in history.commands.iter().filter(|command| scope.has(command)) {
        examine_masks(checks, command, declared);
        examine_content(checks, command, history);
    }
}

/// Counts what the checks on strays had before them.
fn count(checks: &mut Answers, scope: &Scope, history: &History) {
    for command in history.commands.iter().filter(|command| scope.has(command)) {
        checks.examined(CheckId::SessionKnown);
        checks.examined(CheckId::SequenceDense);
        checks.examined(CheckId::OutcomePresent);
        if let Ending::Recorded(_) = command.ending {
            checks.examined(CheckId::IntentPresent);
        }
    }
    for denial in &history.denials {
        if scope.covers(denial.at, Some(&denial.identity), Some(&denial.target)) {
            checks.examined(CheckId::SessionKnown);
            checks.examined(CheckId::SequenceDense);
        }
    }
    for session in history.sessions.values() {
        let Some(closed) = &session.closed else { continue };
        if scope.covers(closed.at, Some(&session.identity), Some(&session.target)) {
            checks.examined(CheckId::TotalsAgree);
        }
    }
}

fn examine_masks(checks: &mut Answers, command: &Intended, declared: &Provenance) {
    let masks = declared.masks_at(&command.target, command.control_size);
    for masked in &command.facts.masked {
        checks.examined(CheckId::MasksAsDeclared);
        let column = format!("{}.{}", masked.relation, masked.column);
        let declared = masks.iter().find(|declared| declared.column == column);
        let wrong = match declared {
            Some(declared) if declared.mask == masked.mask => continue,
            Some(declared) => {
                format!("{column} was hidden with {}, declared is {}", masked.mask, declared.mask)
            }
            None => format!("{column} was hidden, but the settings of the time declare no mask"),
        };
        checks.exception(CheckId::MasksAsDeclared, command.record, wrong);
    }
    let Ending::Recorded(finished) = &command.ending else { return };
    for redaction in &finished.redactions {
        checks.examined(CheckId::RedactionsAsPlanned);
        if !command.facts.masked.iter().any(|masked| masked.hides(&redaction.column)) {
            let (relation, column) = (&redaction.column.relation, &redaction.column.column);
            let what = format!(
                "{relation}.{column} was hidden, but record {} does not plan it",
                command.record
            );
            checks.exception(CheckId::RedactionsAsPlanned, finished.record, what);
        }
    }
}

/// The content that AU-3 asks of a record, where it does not stand in the record by its type.
fn examine_content(checks: &mut Answers, command: &Intended, history: &History) {
    checks.examined(CheckId::EventContent);
    let peer = history.session(command.id.session).map(|session| session.peer.as_str());
    if peer.is_none_or(|peer| peer.trim().is_empty()) {
        let what = "no record says from where the command came";
        checks.exception(CheckId::EventContent, command.record, what);
    }
    match &command.ending {
        Ending::Recorded(finished) if finished.at < command.at => {
            let what = format!("record {} says that it ended before it began", finished.record);
            checks.exception(CheckId::EventContent, command.record, what);
        }
        Ending::Missing => {
            let what = "no record says how the command ended";
            checks.exception(CheckId::EventContent, command.record, what);
        }
        Ending::Recorded(_) | Ending::Running => {}
    }
}
