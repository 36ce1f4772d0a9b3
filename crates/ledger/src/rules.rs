//! What the records of a ledger owe one another: runs, sessions, commands and their outcomes.
//!
//! ```text
//! epoch_started ─▶ session_opened ─▶ (command_intended ─▶ command_finished | command_denied)* ─▶
//! session_closed ─▶ … ─▶ epoch_ended ─▶ epoch_started …
//! ```
//!
//! Notifications, delivered or dropped, stand anywhere in an open session.
//!
//! The journal asks these rules before it writes, verification asks them of what it reads: a ledger
//! that breaks one was not written by a gateway.

use std::collections::{BTreeMap, BTreeSet};

use model::{
    AccessEvent, AccessRecord, CommandRef, ControlEvent, FinishedResult, IdentityName, LedgerHead,
    SessionEnd, SessionId, TargetName,
};

use crate::{Contents, Record, Tree};

/// A record that cannot follow the records before it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// It belongs into the other ledger.
    #[error("the record belongs into another ledger")]
    OtherLedger,
    /// No run has begun, or the last one has ended.
    #[error("the record stands outside of any run of a gateway")]
    OutsideEpoch,
    /// A run began on another ledger than this one.
    #[error("a run began at size {found}, but the ledger before it is another one")]
    Found {
        /// The size that the record names.
        found: u64,
    },
    /// The run ended with sessions open.
    #[error("the run ended, but {0} is open")]
    SessionOpen(SessionId),
    /// A session of an earlier run must be settled before anything else happens in sessions.
    #[error("{0} of an earlier run is not settled")]
    Unsettled(SessionId),
    /// A session is opened that is already open.
    #[error("{0} is already open")]
    SessionKnown(SessionId),
    /// The session is not open.
    #[error("{0} is not open")]
    SessionUnknown(SessionId),
    /// The command or notification is another identity's, or on another target, than the session.
    #[error("{0} belongs to another identity or target")]
    OtherSession(SessionId),
    /// A command is missing, or stands twice.
    #[error("command {found} of {session} follows command {last}")]
    Sequence {
        /// The session.
        session: SessionId,
        /// Its last command.
        last: u64,
        /// What the record says.
        found: u64,
    },
    /// A command ended that was not permitted, or has already ended.
    #[error("command {} of {} has no open intent", .0.sequence, .0.session)]
    NotPending(CommandRef),
    /// A session ended before its command did.
    #[error("{} ended, but its command {} did not", .0.session, .0.sequence)]
    Unfinished(CommandRef),
    /// The total at the end is not the number of commands.
    #[error("{session} ended with {found} commands, but it had {last}")]
    Total {
        /// The session.
        session: SessionId,
        /// Its last command.
        last: u64,
        /// What the record says.
        found: u64,
    },
}

/// What the records so far leave open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    contents: Option<Contents>,
    epoch: Epoch,
    sessions: BTreeMap<SessionId, Session>,
    /// Sessions that an earlier run left open.
    stale: BTreeSet<SessionId>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Epoch {
    /// Nothing may happen before a run begins.
    #[default]
    Closed,
    /// A run goes on.
    Open,
    /// The records before the first one are not at hand: whatever happens may be theirs.
    Midway,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Session {
    /// Unknown if the session was opened before the records that are at hand.
    owner: Option<(IdentityName, TargetName)>,
    /// The last sequence number; nothing if not even that is known.
    last: Option<u64>,
    /// Commands up to here are from before the records that are at hand.
    unseen: u64,
    pending: BTreeSet<u64>,
    /// First and last of its commands that are recorded as uncommitted, while nothing says what
    /// became of them.
    uncommitted: Option<(u64, u64)>,
}

impl Session {
    /// What became of the commands from `first` on is on record.
    fn settle(&mut self, first: u64) {
        self.uncommitted = match self.uncommitted {
            // Back to a savepoint: what was before it is still open.
            Some((begun, last)) if begun < first => {
                Some((begun, last.min(first.saturating_sub(1))))
            }
            Some(_) | None => None,
        };
    }
}

impl Rules {
    /// Rules for records that do not begin with the first one: what went before is given the benefit
    /// of the doubt.
    pub fn midway() -> Self {
        Self { epoch: Epoch::Midway, ..Self::default() }
    }

    /// Which ledger it is, once there is a record.
    pub fn contents(&self) -> Option<Contents> {
        self.contents
    }

    /// Permitted commands that have no outcome yet.
    pub fn pending(&self) -> impl Iterator<Item = CommandRef> {
        self.sessions.iter().flat_map(|(session, state)| {
            let session = *session;
            state.pending.iter().map(move |sequence| CommandRef { session, sequence: *sequence })
        })
    }

    /// Permitted commands of one session that have no outcome yet.
    pub fn pending_of(&self, session: SessionId) -> impl Iterator<Item = CommandRef> {
        let state = self.sessions.get(&session).into_iter();
        state.flat_map(move |state| {
            state.pending.iter().map(move |sequence| CommandRef { session, sequence: *sequence })
        })
    }

    /// Open sessions, each with its last sequence number.
    pub fn open_sessions(&self) -> impl Iterator<Item = (SessionId, u64)> {
        self.sessions.iter().map(|(session, state)| (*session, state.last.unwrap_or(0)))
    }

    /// Commands that are recorded as uncommitted while no record says what became of them: session,
    /// first and last.
    pub fn uncommitted(&self) -> impl Iterator<Item = (SessionId, u64, u64)> {
        self.sessions
            .iter()
            .filter_map(|(id, state)| state.uncommitted.map(|(first, last)| (*id, first, last)))
    }

    /// Takes the next record, which stands behind the records of `tree`.
    ///
    /// # Errors
    ///
    /// [`RuleError`] if it cannot stand there. The rules are then as before.
    pub fn apply(&mut self, record: &Record, tree: &Tree) -> Result<(), RuleError> {
        if self.contents.is_some_and(|contents| contents != record.contents()) {
            return Err(RuleError::OtherLedger);
        }
        match record {
            Record::Access(record) => self.apply_access(record, tree)?,
            Record::Control(record) => self.apply_control(&record.event, tree)?,
        }
        self.contents = Some(record.contents());
        Ok(())
    }

    fn apply_control(&mut self, event: &ControlEvent, tree: &Tree) -> Result<(), RuleError> {
        match event {
            ControlEvent::EpochStarted { found, .. } => self.start_epoch(found, tree),
            ControlEvent::EpochEnded {} => self.end_epoch(),
            ControlEvent::SettingsLoaded { .. }
            | ControlEvent::TargetLoaded { .. }
            | ControlEvent::IdentityCreated { .. }
            | ControlEvent::IdentityDisabled { .. }
            | ControlEvent::IdentityEnabled { .. }
            | ControlEvent::IdentityExpirySet { .. }
            | ControlEvent::CredentialIssued { .. }
            | ControlEvent::CertificateAdded { .. }
            | ControlEvent::CredentialRevoked { .. }
            | ControlEvent::GrantCreated { .. }
            | ControlEvent::GrantRevoked { .. } => self.in_epoch(),
        }
    }

    fn apply_access(&mut self, record: &AccessRecord, tree: &Tree) -> Result<(), RuleError> {
        match &record.event {
            AccessEvent::EpochStarted { found, .. } => self.start_epoch(found, tree),
            AccessEvent::EpochEnded {} => self.end_epoch(),
            // A cancel request may arrive when the session is already gone, and a role outlives it.
            AccessEvent::Heartbeat { .. }
            | AccessEvent::AuthenticationFailed { .. }
            | AccessEvent::FenceRole { .. }
            | AccessEvent::CancelRequested { .. } => self.in_epoch(),
            AccessEvent::BatchRolledBack { session, first, .. }
            | AccessEvent::BatchCommitted { session, first, .. }
            | AccessEvent::BatchUnknown { session, first, .. } => {
                self.in_epoch()?;
                if let Some(state) = self.sessions.get_mut(session) {
                    state.settle(*first);
                }
                Ok(())
            }
            AccessEvent::SessionOpened { session, identity, target, .. } => {
                self.open_session(*session, identity, target)
            }
            AccessEvent::SessionClosed { session, commands, reason } => {
                self.close_session(*session, *commands, *reason)
            }
            AccessEvent::CommandIntended { session, sequence, identity, target, .. } => {
                let id = CommandRef { session: *session, sequence: *sequence };
                self.add_command(id, identity, target)?.pending.insert(*sequence);
                Ok(())
            }
            AccessEvent::CommandDenied { session, sequence, identity, target, .. } => {
                let id = CommandRef { session: *session, sequence: *sequence };
                self.add_command(id, identity, target).map(|_session| ())
            }
            AccessEvent::NotificationDelivered { session, identity, target, .. }
            | AccessEvent::NotificationDropped { session, identity, target, .. } => {
                self.owned_session(*session, identity, target).map(|_session| ())
            }
            AccessEvent::CommandFinished { session, sequence, result, uncommitted, .. } => {
                let id = CommandRef { session: *session, sequence: *sequence };
                let state = self.finish(id, *result)?;
                if *uncommitted {
                    let first = state.uncommitted.map_or(*sequence, |(first, _)| first);
                    state.uncommitted = Some((first, *sequence));
                }
                Ok(())
            }
        }
    }

    fn in_epoch(&self) -> Result<(), RuleError> {
        match self.epoch {
            Epoch::Open | Epoch::Midway => Ok(()),
            Epoch::Closed => Err(RuleError::OutsideEpoch),
        }
    }

    fn start_epoch(&mut self, found: &LedgerHead, tree: &Tree) -> Result<(), RuleError> {
        if *found != tree.head() {
            return Err(RuleError::Found { found: found.size });
        }
        self.epoch = Epoch::Open;
        // The run before crashed if it left sessions.
        self.stale = self.sessions.keys().copied().collect();
        Ok(())
    }

    fn end_epoch(&mut self) -> Result<(), RuleError> {
        self.in_epoch()?;
        if let Some(session) = self.sessions.keys().next() {
            return Err(RuleError::SessionOpen(*session));
        }
        self.epoch = Epoch::Closed;
        Ok(())
    }

    fn open_session(
        &mut self,
        session: SessionId,
        identity: &IdentityName,
        target: &TargetName,
    ) -> Result<(), RuleError> {
        self.in_epoch()?;
        if let Some(stale) = self.stale.first() {
            return Err(RuleError::Unsettled(*stale));
        }
        if self.sessions.contains_key(&session) {
            return Err(RuleError::SessionKnown(session));
        }
        let owner = Some((identity.clone(), target.clone()));
        let state = Session { owner, last: Some(0), ..Session::default() };
        self.sessions.insert(session, state);
        Ok(())
    }

    fn close_session(
        &mut self,
        session: SessionId,
        found: u64,
        reason: SessionEnd,
    ) -> Result<(), RuleError> {
        let is_stale = self.stale.contains(&session);
        if is_stale && reason != SessionEnd::GatewayStopped {
            return Err(RuleError::Unsettled(session));
        }
        let state = self.session(session)?;
        if let Some(sequence) = state.pending.first() {
            return Err(RuleError::Unfinished(CommandRef { session, sequence: *sequence }));
        }
        match state.last {
            Some(last) if last != found => return Err(RuleError::Total { session, last, found }),
            Some(_) | None => {}
        }
        self.sessions.remove(&session);
        self.stale.remove(&session);
        Ok(())
    }

    fn add_command(
        &mut self,
        id: CommandRef,
        identity: &IdentityName,
        target: &TargetName,
    ) -> Result<&mut Session, RuleError> {
        let CommandRef { session, sequence: found } = id;
        let state = self.owned_session(session, identity, target)?;
        match state.last {
            Some(last) if last.checked_add(1) != Some(found) => {
                return Err(RuleError::Sequence { session, last, found });
            }
            Some(_) => {}
            None => state.unseen = found.saturating_sub(1),
        }
        state.last = Some(found);
        Ok(state)
    }

    fn finish(
        &mut self,
        id: CommandRef,
        result: FinishedResult,
    ) -> Result<&mut Session, RuleError> {
        if self.stale.contains(&id.session) && result != FinishedResult::Unknown {
            return Err(RuleError::Unsettled(id.session));
        }
        let state = self.session(id.session)?;
        // An intent that is not at hand is believed; that it is finished twice shows in the whole log.
        let is_unseen = state.last.is_none() || id.sequence <= state.unseen;
        if state.pending.remove(&id.sequence) || is_unseen {
            Ok(state)
        } else {
            Err(RuleError::NotPending(id))
        }
    }

    /// An open session of this run, of this identity on this target.
    fn owned_session(
        &mut self,
        session: SessionId,
        identity: &IdentityName,
        target: &TargetName,
    ) -> Result<&mut Session, RuleError> {
        if self.stale.contains(&session) {
            return Err(RuleError::Unsettled(session));
        }
        let state = self.session(session)?;
        match &state.owner {
            Some((i, t)) if i != identity || t != target => {
                return Err(RuleError::OtherSession(session));
            }
            Some(_) => {}
            None => state.owner = Some((identity.clone(), target.clone())),
        }
        Ok(state)
    }

    fn session(&mut self, session: SessionId) -> Result<&mut Session, RuleError> {
        self.in_epoch()?;
        let adopted = Session::default();
        match self.epoch {
            Epoch::Midway => Ok(self.sessions.entry(session).or_insert(adopted)),
            Epoch::Open | Epoch::Closed => {
                self.sessions.get_mut(&session).ok_or(RuleError::SessionUnknown(session))
            }
        }
    }
}

#[cfg(test)]
mod tests;
