//! What happened on the data path: the fold of the access ledger.
//!
//! Commands, outcomes and sessions are joined here once; the listings and the checks only read.
//! What does not join is kept as a [`Stray`], never dropped.

use std::collections::BTreeMap;

use model::{
    AccessEvent, AccessRecord, CommandRef, FinishedResult, IdentityName, SessionId, TargetName,
    Timestamp,
};

mod notifications;
mod parts;

pub(crate) use notifications::{Fate, Notified};
pub(crate) use parts::{
    Closed, Denial, Ending, Epoch, Failure, Finished, Intended, Session, Stray, StrayKind,
};

/// The access ledger, joined.
#[derive(Debug, Default)]
pub(crate) struct History {
    /// Sessions by id.
    pub(crate) sessions: BTreeMap<SessionId, Session>,
    /// Allowed commands in the order of their records.
    pub(crate) commands: Vec<Intended>,
    /// Denied commands in the order of their records.
    pub(crate) denials: Vec<Denial>,
    /// Notifications that came for sessions, in the order of their records.
    pub(crate) notifications: Vec<Notified>,
    /// Failed authentications in the order of their records.
    pub(crate) failures: Vec<Failure>,
    /// Runs of the gateway in order.
    pub(crate) epochs: Vec<Epoch>,
    /// Records that contradict others.
    pub(crate) strays: Vec<Stray>,
    /// Where a command stands in `commands`.
    by_ref: BTreeMap<CommandRef, usize>,
}

/// A command or a denial, as far as the session is concerned.
struct Asked<'a> {
    record: u64,
    at: Timestamp,
    id: CommandRef,
    identity: &'a IdentityName,
    target: &'a TargetName,
}

impl History {
    /// Joins the records, given in the ledger's order from its first one.
    pub(crate) fn fold(records: &[AccessRecord]) -> Self {
        let mut history = Self::default();
        for (record, entry) in (0..).zip(records) {
            history.apply(record, entry);
        }
        history.settle();
        history
    }

    /// The session of a command, if it was opened.
    pub(crate) fn session(&self, id: SessionId) -> Option<&Session> {
        self.sessions.get(&id)
    }

    fn apply(&mut self, record: u64, entry: &AccessRecord) {
        let at = entry.at;
        if let AccessEvent::EpochStarted { version, cut_bytes, .. } = &entry.event {
            self.epochs.push(Epoch {
                record,
                started_at: at,
                version: version.clone(),
                cut_bytes: *cut_bytes,
                last_record: record,
                last_at: at,
                is_ended: false,
            });
        }
        if let Some(epoch) = self.epochs.last_mut() {
            epoch.last_record = record;
            epoch.last_at = at;
        }
        match &entry.event {
            AccessEvent::EpochStarted { .. }
            | AccessEvent::Heartbeat { .. }
            | AccessEvent::BatchCommitted { .. }
            | AccessEvent::BatchUnknown { .. }
            | AccessEvent::FenceRole { .. }
            | AccessEvent::CancelRequested { .. } => {}
            AccessEvent::EpochEnded {} => {
                if let Some(epoch) = self.epochs.last_mut() {
                    epoch.is_ended = true;
                }
            }
            AccessEvent::AuthenticationFailed { claimed, target, peer, reason } => {
                let (claimed, target) = (claimed.clone(), target.clone());
                let (peer, reason) = (peer.clone(), reason.clone());
                self.failures.push(Failure { record, at, claimed, target, peer, reason });
            }
            AccessEvent::SessionOpened { .. } => self.open(record, entry),
            AccessEvent::SessionClosed { session, commands, reason } => {
                self.close(*session, *commands, Closed { record, at, reason: *reason });
            }
            AccessEvent::BatchRolledBack { session, first, last, sqlstate: _ } => {
                self.undo(*session, *first, *last);
            }
            AccessEvent::CommandIntended { .. } => self.intend(record, entry),
            AccessEvent::CommandFinished { .. } => self.finish(record, entry),
            AccessEvent::CommandDenied { .. } => self.deny(record, entry),
            AccessEvent::NotificationDelivered { .. } | AccessEvent::NotificationDropped { .. } => {
                self.notify(record, entry);
            }
        }
    }

    fn open(&mut self, record: u64, entry: &AccessRecord) {
        let AccessEvent::SessionOpened {
            session,
            identity,
            target,
            peer,
            tls,
            mode,
            application,
            control_size: _,
            credential,
            login: _,
            certificate: _,
        } = &entry.event
        else {
            return;
        };
        let opened = Session {
            record,
            opened_at: entry.at,
            identity: identity.clone(),
            target: target.clone(),
            peer: peer.clone(),
            tls: *tls,
            mode: mode.clone(),
            application: application.clone(),
            credential: *credential,
            closed: None,
            allowed: 0,
            denied: 0,
            last_at: entry.at,
            epoch: self.epochs.len(),
            last_sequence: 0,
        };
        if let Some(first) = self.sessions.get(session) {
            let what = format!("session {session} was already opened by record {}", first.record);
            self.stray(record, entry.at, Some((identity, target)), (StrayKind::Session, what));
        } else {
            self.sessions.insert(*session, opened);
        }
    }

    fn close(&mut self, id: SessionId, commands: u64, closed: Closed) {
        let (record, at) = (closed.record, closed.at);
        let Some(session) = self.sessions.get_mut(&id) else {
            let what = format!("session {id} is closed, but was never opened");
            return self.stray(record, at, None, (StrayKind::Session, what));
        };
        let whose = (session.identity.clone(), session.target.clone());
        let recorded = session.allowed.saturating_add(session.denied);
        let found = if session.closed.is_some() {
            Some((StrayKind::Session, format!("session {id} is closed a second time")))
        } else if recorded != commands {
            let what = format!(
                "session {id} closes with {commands} commands, but {recorded} are on record"
            );
            Some((StrayKind::Total, what))
        } else {
            None
        };
        session.closed.get_or_insert(closed);
        if let Some(found) = found {
            self.stray(record, at, Some((&whose.0, &whose.1)), found);
        }
    }

    fn intend(&mut self, record: u64, entry: &AccessRecord) {
        let AccessEvent::CommandIntended {
            session,
            sequence,
            identity,
            target,
            protocol,
            control_size,
            grants,
            facts,
            ..
        } = &entry.event
        else {
            return;
        };
        let id = CommandRef { session: *session, sequence: *sequence };
        self.ask(&Asked { record, at: entry.at, id, identity, target });
        if let Some(session) = self.sessions.get_mut(session) {
            session.allowed = session.allowed.saturating_add(1);
        }
        self.by_ref.entry(id).or_insert(self.commands.len());
        self.commands.push(Intended {
            record,
            at: entry.at,
            id,
            identity: identity.clone(),
            target: target.clone(),
            protocol: *protocol,
            control_size: *control_size,
            grants: grants.clone(),
            facts: facts.clone(),
            ending: Ending::Running,
            credential: self.sessions.get(session).and_then(|session| session.credential),
        });
    }

    fn deny(&mut self, record: u64, entry: &AccessRecord) {
        let AccessEvent::CommandDenied {
            session,
            sequence,
            identity,
            target,
            control_size,
            reason,
            touches,
            sql: _,
        } = &entry.event
        else {
            return;
        };
        let id = CommandRef { session: *session, sequence: *sequence };
        self.ask(&Asked { record, at: entry.at, id, identity, target });
        if let Some(session) = self.sessions.get_mut(session) {
            session.denied = session.denied.saturating_add(1);
        }
        self.denials.push(Denial {
            record,
            at: entry.at,
            id,
            identity: identity.clone(),
            target: target.clone(),
            control_size: *control_size,
            reason: reason.clone(),
            touches: touches.clone(),
        });
    }

    /// Compares a command or a denial with its session.
    fn ask(&mut self, asked: &Asked<'_>) {
        let CommandRef { session: name, sequence } = asked.id;
        let mut found = Vec::new();
        match self.sessions.get_mut(&name) {
            None => found.push((StrayKind::Session, format!("session {name} was never opened"))),
            Some(session) => {
                if session.identity != *asked.identity || session.target != *asked.target {
                    let what = format!(
                        "session {name} is {} on {}, but the command says {} on {}",
                        session.identity, session.target, asked.identity, asked.target
                    );
                    found.push((StrayKind::Session, what));
                }
                if session.closed.is_some() {
                    found.push((StrayKind::Session, format!("session {name} was closed before")));
                }
                let expected = session.last_sequence.saturating_add(1);
                if sequence != expected {
                    let what = format!("{name} has number {sequence} where {expected} is due");
                    found.push((StrayKind::Sequence, what));
                }
                session.last_sequence = session.last_sequence.max(sequence);
                session.last_at = session.last_at.max(asked.at);
            }
        }
        for found in found {
            self.stray(asked.record, asked.at, Some((asked.identity, asked.target)), found);
        }
    }

    fn finish(&mut self, record: u64, entry: &AccessRecord) {
        let AccessEvent::CommandFinished {
            session,
            sequence,
            result,
            sqlstate,
            rows,
            affected,
            bytes,
            duration_us,
            redactions,
            uncommitted: _,
            written,
        } = &entry.event
        else {
            return;
        };
        let finished = Finished {
            record,
            at: entry.at,
            result: *result,
            sqlstate: sqlstate.clone(),
            rows: *rows,
            affected: *affected,
            is_undone: false,
            bytes: *bytes,
            written: written.as_ref().map_or(0, |written| written.bytes),
            duration_us: *duration_us,
            redactions: redactions.clone(),
        };
        let id = CommandRef { session: *session, sequence: *sequence };
        let place = self.by_ref.get(&id).copied();
        let Some(command) = place.and_then(|place| self.commands.get_mut(place)) else {
            let what = format!("command {sequence} of {session} ended, but was never allowed");
            let whose = self.sessions.get(session).map(|s| (s.identity.clone(), s.target.clone()));
            let whose = whose.as_ref().map(|(identity, target)| (identity, target));
            return self.stray(record, entry.at, whose, (StrayKind::Intent, what));
        };
        if let Ending::Recorded(first) = &command.ending {
            let what = format!("the command of record {} already ended", command.record);
            let what = format!("{what} by record {}", first.record);
            let whose = (command.identity.clone(), command.target.clone());
            let found = (StrayKind::Outcome, what);
            return self.stray(record, entry.at, Some((&whose.0, &whose.1)), found);
        }
        command.ending = Ending::Recorded(finished);
    }

    /// Takes back what a batch had done, as its transaction did. Rows that were shown stay shown.
    fn undo(&mut self, session: SessionId, first: u64, last: u64) {
        let of = |sequence| CommandRef { session, sequence };
        if first > last {
            return;
        }
        for (_, place) in self.by_ref.range(of(first)..=of(last)) {
            if let Some(command) = self.commands.get_mut(*place)
                && let Ending::Recorded(finished) = &mut command.ending
                && let FinishedResult::Completed | FinishedResult::Suspended = finished.result
            {
                finished.is_undone = true;
                finished.affected = Some(0);
            }
        }
    }

    fn stray(
        &mut self,
        record: u64,
        at: Timestamp,
        whose: Option<(&IdentityName, &TargetName)>,
        (kind, what): (StrayKind, String),
    ) {
        let identity = whose.map(|(identity, _)| identity.clone());
        let target = whose.map(|(_, target)| target.clone());
        self.strays.push(Stray { record, at, identity, target, kind, what });
    }

    /// Tells commands that were still running at the checkpoint from those whose outcome is missing.
    fn settle(&mut self) {
        let last_run = self.epochs.len();
        let is_over = self.epochs.last().is_some_and(|epoch| epoch.is_ended);
        let mut missing = Vec::new();
        for command in &mut self.commands {
            if let Ending::Recorded(_) = command.ending {
                continue;
            }
            let session = self.sessions.get(&command.id.session);
            let may_run = session
                .is_some_and(|session| session.closed.is_none() && session.epoch == last_run);
            if is_over || !may_run {
                command.ending = Ending::Missing;
                missing.push(Stray {
                    record: command.record,
                    at: command.at,
                    identity: Some(command.identity.clone()),
                    target: Some(command.target.clone()),
                    kind: StrayKind::Outcome,
                    what: "the command was allowed, but no record says how it ended".to_owned(),
                });
            }
        }
        self.strays.append(&mut missing);
    }
}
