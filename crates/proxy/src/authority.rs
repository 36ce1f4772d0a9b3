//! Ends work whose authority has ended: grant, credential, identity, time (P8).
//!
//! ```text
//!  running ──ended──▶ cut: rows stop, cancel is sent ──answer──▶ the client reads why
//!                        └── no answer in time ──▶ session ends, backend terminated
//!  idle in a transaction ──ended──▶ session ends, the target rolls back
//! ```

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ledger::Payload;
use model::{AccessEvent, AccessRecord, GrantId, SessionEnd, Timestamp};
use pgwire::TransactionStatus;
use registry::Registry;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::clock;
use crate::copying::PLACEHOLDER_SQLSTATE;
use crate::fence::Standing;
use crate::reply::Running;
use crate::session::{Ending, Session};
use crate::wire::Refused;

/// How long the target may take to answer a cancel before its connection is ended.
///
/// With `SETTLE_MAX` of `ending` less than the second in which authority must end.
const CANCEL_ANSWER_MAX: Duration = Duration::from_millis(300);
/// How much longer than its time limit a command may run before the gateway itself cuts it: the
/// target's `statement_timeout` should have done so.
const TIMEOUT_GRACE: Duration = Duration::from_secs(2);
/// The longest rest of a row that a client still gets when its command is cut.
const CUT_ROW_BYTES_MAX: usize = 64 * 1024;
/// How often the time of day is looked at while authority is used: it may have been set ahead, which
/// no timer notices.
const CLOCK_LOOK: Duration = Duration::from_secs(1);
/// A wake-up when nothing else is due.
const FAR: Duration = Duration::from_hours(1);

/// No limit in the settings is longer.
const LONGEST: Duration = Duration::from_hours(24 * 365);

pub(crate) const GRANT_ENDED: &str = "the grant for this command has ended, so it was cancelled";
pub(crate) const TRANSACTION_ENDED: &str =
    "a grant used in the open transaction has ended; it is rolled back";
const ROLE_ENDED: &str = "a grant of this session has ended, and its database role with it; reconnect to use what is left";
const HELD_ENDED: &str =
    "the grant of a cursor WITH HOLD has ended; the cursor ends with the session";
const IDENTITY_ENDED: &str = "the identity, its token or its certificate has ended";

/// Tells when the inventory changes.
#[derive(Debug)]
pub(crate) struct Watch {
    registry: watch::Receiver<Arc<Registry>>,
    /// When identity or credential end by themselves.
    session_until: Option<Timestamp>,
    /// When a grant begins or ends by itself, where the session has a role of its own.
    grants_until: Option<Timestamp>,
}

/// What ends a running command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CutBy {
    /// The end of a grant, or of the session.
    Authority,
    /// A limit on rows or bytes.
    Limit,
    /// A row that is larger than what can be looked through.
    RowSize,
    /// A placeholder of a mask in what would be written.
    Placeholder,
    /// A limit on time.
    Time,
}

impl CutBy {
    /// SQLSTATE for the client.
    pub(crate) fn sqlstate(self) -> &'static str {
        match self {
            Self::Authority | Self::Time => "57014",
            Self::Limit => "53400",
            Self::RowSize => "54000",
            Self::Placeholder => PLACEHOLDER_SQLSTATE,
        }
    }

    /// Why the session ended, if nothing else ends what runs.
    pub(crate) fn recorded_as(self) -> SessionEnd {
        match self {
            Self::Authority => SessionEnd::AuthorityEnded,
            Self::Limit | Self::RowSize => SessionEnd::LimitReached,
            // The target did not answer in time to what ended the COPY.
            Self::Placeholder | Self::Time => SessionEnd::TimedOut,
        }
    }
}

/// A running command that is being ended.
#[derive(Debug)]
pub(crate) struct Cut {
    /// By what.
    pub(crate) by: CutBy,
    /// Why, for the client.
    pub(crate) message: &'static str,
    /// When the session is ended if the target has not answered.
    kill_at: Instant,
    /// Bytes of the row that the client has begun to read; only these still pass.
    pub(crate) row_bytes_left: usize,
}

impl Cut {
    /// What the client reads in the place of the target's error.
    pub(crate) fn error(&self) -> Bytes {
        Refused::new(self.by.sqlstate(), self.message).error()
    }
}

impl Watch {
    /// The session's own end is learned by its first look at the inventory.
    pub(crate) fn new(registry: watch::Receiver<Arc<Registry>>) -> Self {
        Self { registry, session_until: None, grants_until: None }
    }

    /// Returns when the inventory has changed.
    pub(crate) async fn changed(&mut self) {
        if self.registry.changed().await.is_err() {
            // The inventory cannot change any more: the gateway is stopping.
            std::future::pending::<()>().await;
        }
    }
}

impl Session {
    /// Compares the session, and what it runs, with the inventory as it is now.
    pub(crate) fn check_authority(&mut self) -> Result<(), Ending> {
        let now = clock::now();
        let registry = self.gate.registry();
        let until = self.stands_until(&registry, now).ok_or(Ending::Authority(IDENTITY_ENDED))?;
        self.watch.session_until = Some(until);
        self.check_role(&registry, now)?;
        if self.has_ended_grants() { self.end_grant() } else { Ok(()) }
    }

    /// When identity or credential end by themselves; nothing if they have ended.
    fn stands_until(&self, registry: &Registry, now: Timestamp) -> Option<Timestamp> {
        let identity = registry.identity(&self.who.identity).filter(|own| own.is_usable(now))?;
        let credential = registry.credential(self.who.credential).filter(|own| own.is_live(now))?;
        let ends = [identity.expires_at, self.who.certificate_until];
        let until = ends.into_iter().flatten().fold(credential.expires_at, Timestamp::min);
        (now < until).then_some(until)
    }

    /// True if what allowed a command still stands: its intent may have waited for the disk.
    pub(crate) fn is_still_allowed(&self, running: &Running) -> bool {
        let allowed = running.permit.allowed();
        let now = clock::now();
        let registry = self.gate.registry();
        let is_live = |id| registry.grant(id).is_some_and(|grant| grant.is_live(now));
        now < allowed.until()
            && (registry.size() == allowed.control_size()
                || (self.stands_until(&registry, now).is_some()
                    && allowed.grants().iter().all(|grant| is_live(grant.id))))
    }

    /// Ends the session if its role on the target can do more than the grants now give: what a role
    /// has begun, only the end of its session ends for sure.
    fn check_role(&mut self, registry: &Registry, now: Timestamp) -> Result<(), Ending> {
        let Some(role) = &self.role else { return Ok(()) };
        let holder = (&self.who.identity, self.who.credential);
        let standing = Standing::of(registry, holder, &self.target, now);
        self.watch.grants_until = standing.changes_at;
        if role.has_lost(&standing) { Err(Ending::Authority(ROLE_ENDED)) } else { Ok(()) }
    }

    /// Gives the session's role what new grants give, before a command that may need it is judged.
    /// False if the grants have changed meanwhile, so that it has to be tried again.
    pub(crate) async fn follow_grants(&mut self) -> Result<bool, Ending> {
        let Some(role) = &mut self.role else { return Ok(true) };
        let registry = self.gate.registry();
        if role.is_current(registry.size()) {
            return Ok(true);
        }
        let holder = (&self.who.identity, self.who.credential);
        let standing = Standing::of(&registry, holder, &self.target, clock::now());
        if role.has_lost(&standing) {
            return Err(Ending::Authority(ROLE_ENDED));
        }
        // A lock on the target may hold this up, and must not hold up the end of what runs.
        let followed = tokio::select! {
            followed = role.follow(standing, registry.size()) => followed,
            () = self.watch.changed() => {
                self.has_more_requests = true;
                return self.check_authority().map(|()| false);
            }
        };
        match followed {
            Ok(None) => {}
            Ok(Some(event)) => {
                let record = AccessRecord { at: clock::now(), event };
                self.gate.journal.record(record, Payload::new()).await?;
            }
            // The role has what it had: commands beyond that fail on the target.
            Err(error) => {
                tracing::error!(session = %self.who.session, %error, "a session's role does not follow its grants");
            }
        }
        Ok(true)
    }

    /// True if a grant that was used in the open transaction, or by what runs, has ended, or one of
    /// a cursor whose rows the target keeps.
    pub(crate) fn has_ended_grants(&self) -> bool {
        let used = self.transaction_grants.iter().map(|(id, until)| (*id, *until));
        self.has_ended(used) || self.has_ended(self.prepared.portals.held_grants())
    }

    fn has_ended(&self, mut grants: impl Iterator<Item = (GrantId, Timestamp)>) -> bool {
        let now = clock::now();
        let registry = self.gate.registry();
        grants.any(|(id, until)| {
            until <= now || !registry.grant(id).is_some_and(|grant| grant.is_live(now))
        })
    }

    /// Cuts what runs, or ends a transaction that waits.
    fn end_grant(&mut self) -> Result<(), Ending> {
        if self.is_running() {
            self.cut(CutBy::Authority, GRANT_ENDED);
            Ok(())
        } else if self.has_ended(self.prepared.portals.held_grants()) {
            // The target keeps rows that were read under it.
            Err(Ending::Authority(HELD_ENDED))
        } else if self.status == TransactionStatus::Idle && !self.batch.forwarded {
            // A batch without its Sync is an open transaction too, though no status has said so.
            self.transaction_grants.clear();
            Ok(())
        } else {
            Err(Ending::Authority(TRANSACTION_ENDED))
        }
    }

    /// Stops the rows of the running command and asks the target to cancel it.
    pub(crate) fn cut(&mut self, by: CutBy, message: &'static str) {
        if self.cut.is_none() {
            self.end_for(by, message);
            self.link.cancel();
            if let Err(error) = self.cut_copy_in() {
                tracing::error!(%error, "a COPY could not be ended; its backend will be");
            }
        }
    }

    /// As [`Self::cut`], for a command that ends without a cancel.
    pub(crate) fn end_for(&mut self, by: CutBy, message: &'static str) {
        if self.cut.is_none() {
            // The rest of a small row still passes, so that the client can read why. A large one is
            // broken off, and the connection with it.
            let finishes_row = self.row_bytes_owed <= CUT_ROW_BYTES_MAX;
            let (grace, row_bytes_left) = if finishes_row {
                (CANCEL_ANSWER_MAX, self.row_bytes_owed)
            } else {
                (Duration::ZERO, 0)
            };
            self.cut = Some(Cut { by, message, kill_at: after(grace), row_bytes_left });
        }
    }

    /// Passes the client's own wish to cancel on to the target.
    pub(crate) async fn pass_on_cancel(&mut self) -> Result<(), Ending> {
        // Nothing to cancel, or asked before: a client must not fill the record with these.
        if self.is_running() && !self.is_cancelled {
            self.is_cancelled = true;
            let event = AccessEvent::CancelRequested { session: self.who.session };
            let record = AccessRecord { at: clock::now(), event };
            self.gate.journal.record(record, Payload::new()).await?;
            self.link.cancel();
        }
        Ok(())
    }

    /// The next instant at which something must be looked at.
    pub(crate) fn next_deadline(&self) -> Instant {
        let limits = &self.gate.limits;
        let now = clock::now();
        let at = |end: Timestamp| after(end.saturating_since(now));
        let session = self.watch.session_until.map(at);
        let role = self.watch.grants_until.map(at);
        let kill = self.cut.as_ref().map(|cut| cut.kill_at);
        // What is already being cut must not wake the loop again before the target has answered.
        let is_cut = self.cut.is_some();
        let held = self.prepared.portals.held_grants().map(|(_, until)| until);
        let grants = self.transaction_grants.values().copied().chain(held).min();
        let grants = grants.map(at).filter(|_| !is_cut);
        let command = self.command_deadline().filter(|_| !is_cut);
        let uses_authority = self.is_running() || !self.transaction_grants.is_empty();
        let look = (uses_authority && !is_cut).then(|| after(CLOCK_LOOK));
        let batch = self.batch_deadline();
        let stalled =
            self.client_stalled_since.map(|since| add(since, limits.stalled_client_timeout));
        let idle = (!self.batch.waiting).then(|| add(self.last_activity, limits.idle_timeout));
        [grants, session, role, look, kill, command, batch, stalled, idle]
            .into_iter()
            .flatten()
            .min()
            .unwrap_or_else(|| after(FAR))
    }

    /// A batch that holds a transaction open may not wait for its Sync longer than a command may run.
    fn batch_deadline(&self) -> Option<Instant> {
        let waits_for_client = self.batch.forwarded && !self.batch.waiting && !self.is_running();
        waits_for_client.then(|| add(self.last_activity, self.gate.limits.command_timeout))
    }

    fn command_deadline(&self) -> Option<Instant> {
        let since = self.running_since?;
        Some(add(since, self.gate.limits.command_timeout.saturating_add(TIMEOUT_GRACE)))
    }

    /// Deals with whatever is due.
    pub(crate) fn handle_deadline(&mut self) -> Result<(), Ending> {
        let now = Instant::now();
        let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        if let Some(cut) = &self.cut
            && cut.kill_at <= now
        {
            self.link.terminate();
            return Err(match cut.by {
                CutBy::Authority => Ending::Authority(cut.message),
                CutBy::Limit | CutBy::RowSize | CutBy::Placeholder => {
                    Ending::Cut { by: cut.by, message: cut.message, note: "" }
                }
                CutBy::Time => Ending::TimedOut(cut.message),
            });
        }
        if is_due(
            self.client_stalled_since
                .map(|since| add(since, self.gate.limits.stalled_client_timeout)),
        ) {
            return Err(Ending::TimedOut("the client does not read what it asked for"));
        }
        if is_due(self.batch_deadline()) {
            return Err(Ending::TimedOut("a batch waited too long for its Sync"));
        }
        if self.cut.is_none() && is_due(self.command_deadline()) {
            self.cut(CutBy::Time, "the command ran longer than the gateway's limit");
        }
        let idle = add(self.last_activity, self.gate.limits.idle_timeout);
        if !self.batch.waiting && idle <= now {
            return Err(Ending::TimedOut("the session was idle for too long"));
        }
        self.check_authority()
    }

    /// True if the target owes an answer: it may be at work, whatever it was asked. Planning runs
    /// functions, a Parse waits for locks, and a Sync commits.
    pub(crate) fn is_running(&self) -> bool {
        !self.replies.is_empty()
    }
}

fn after(duration: Duration) -> Instant {
    add(Instant::now(), duration)
}

fn add(instant: Instant, duration: Duration) -> Instant {
    instant.checked_add(duration.min(LONGEST)).unwrap_or(instant)
}
