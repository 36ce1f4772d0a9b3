//! Answers to commands that were judged on definitions which have changed since.
//!
//! ```text
//! first message of an answer ─▶ look ── as judged ───────▶ compare, pass on
//!                                └──── changed, or unknown ─▶ condemn: nothing of it passes, the
//!                                                            client reads why, the batch is undone
//! ```
//!
//! When the first message of an answer is there, the target holds locks on all that the statement
//! reads, until its transaction ends. A look that begins then, and finds everything as it was when the
//! statement was judged, is thus good for the whole answer.
//!
//! **Invariant:** where something is hidden, no byte of an answer passes before such a look.
//!
//! **Invariant:** a client that read an error finds its batch undone, or its session ended.
//!
//! Source: `docs/decisions/0007-stale-catalogs.md`.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use model::{Action, FinishedResult, StatementKind};
use pgwire::pipeline::Expected;
use pgwire::{BackendEvent, BackendMessage, TransactionStatus};
use sql::{Effect, Grounds, Plan};

use crate::answers::Hold;
use crate::forwarding::{UNPARSABLE, UNPARSABLE_NAME};
use crate::freshness::Look;
use crate::portals::Ended;
use crate::reply::{End, Reply, Running};
use crate::session::{Batch, Ending, Session};
use crate::wire::{self, Refused};

/// How long a statement waits for a catalog that is newer than one that was found wrong.
const NEWER_MAX: Duration = Duration::from_millis(500);

const CHANGED: &str = "what the statement uses was changed while it ran, so its result is withheld";
const UNKNOWN: &str = "the target cannot be asked whether what the statement uses was changed while it ran, so its result is withheld";
const TRY_AGAIN: &str = "Run the transaction again.";

/// What a session knows of the definitions under its commands.
#[derive(Debug, Default)]
pub(crate) struct Doubts {
    /// How often bytes of the target have arrived.
    pub(crate) arrivals: u64,
    /// After which arrival was looked last, and up to which command.
    looked: (u64, u64),
    /// The last command whose answer may pass.
    sure_up_to: u64,
    /// The client has read an error in the place of an answer, and the batch has not ended.
    pub(crate) condemned: bool,
    /// The last catalog that may be as wrong as the one that was found wrong.
    outdated: Option<u64>,
}

/// True if a statement may leave something behind, on the target or in the session.
pub(crate) fn may_change(plan: &Plan) -> bool {
    let runs_code = plan.facts.touches.iter().any(|touch| touch.action != Action::Select);
    match plan.facts.kind {
        StatementKind::Empty | StatementKind::Read | StatementKind::CopyOut => runs_code,
        StatementKind::Write
        | StatementKind::CopyIn
        | StatementKind::Transaction
        | StatementKind::Setting
        | StatementKind::Prepare
        | StatementKind::Session => true,
    }
}

/// True for what a server says that goes down (PostgreSQL manual, "PostgreSQL Error Codes").
fn is_shutdown(sqlstate: &str) -> bool {
    matches!(sqlstate, "57P01" | "57P02" | "57P03")
}

impl Session {
    /// True if answers pass only after a look at what they rest on. The roles of a fence carry
    /// privileges on columns, whatever their names are; and grants of the gateway's to them change
    /// what would be looked at.
    pub(crate) fn doubts_answers(&mut self) -> bool {
        self.target.fence.is_none() && !self.hides_nothing()
    }

    /// Looks at what the command rests on to which this is the first answer.
    pub(crate) async fn look_again(&mut self, event: &BackendEvent) {
        let Some(sequence) = self.doubtful(event) else { return };
        let looked = (self.doubts.arrivals, self.sequence);
        if sequence > self.doubts.looked.1 || self.doubts.looked.0 != looked.0 {
            // All that wait share the look: what has arrived of them has arrived before it.
            let grounds = Arc::new(self.waiting_grounds());
            let look = self.target.freshness.look(grounds).await;
            if look != Look::Same {
                self.condemn(look);
                return;
            }
            self.doubts.looked = looked;
        }
        self.doubts.sure_up_to = sequence;
    }

    /// The command that an event answers, if its answer may not pass yet.
    #[expect(clippy::wildcard_enum_match_arm, reason = "all others answer a command")]
    fn doubtful(&self, event: &BackendEvent) -> Option<u64> {
        let Some((_, Reply::Commands(left))) = self.replies.front() else { return None };
        let running = left.front().filter(|running| running.is_doubted)?;
        let sequence = running.permit.command().id.sequence;
        if self.doubts.condemned || sequence <= self.doubts.sure_up_to {
            return None;
        }
        match event {
            // They can come before the statement was read.
            BackendEvent::Message(
                BackendMessage::NoticeResponse(_)
                | BackendMessage::ParameterStatus(_)
                | BackendMessage::NotificationResponse(_),
            ) => None,
            // The client reads a text of the gateway's own.
            BackendEvent::Message(BackendMessage::ErrorResponse(_)) if self.cut.is_some() => None,
            // The target goes down, or ends the session: nobody can be asked any more. Of what a
            // function says (`RAISE` can use any SQLSTATE) only the code passes: `errors::error`.
            BackendEvent::Message(BackendMessage::ErrorResponse(report))
                if report.is_fatal() || report.sqlstate().is_some_and(is_shutdown) =>
            {
                None
            }
            _ => Some(sequence),
        }
    }

    fn waiting_grounds(&self) -> Grounds {
        let replies = self.replies.iter().filter_map(|reply| match reply {
            Reply::Commands(left) => Some(left),
            Reply::Parse(..)
            | Reply::Bind(..)
            | Reply::BindAlone(..)
            | Reply::Close(_)
            | Reply::Check(_)
            | Reply::Describe(_)
            | Reply::Unparsable(_)
            | Reply::Ready
            | Reply::Restore => None,
        });
        let doubted = replies.flatten().filter(|running| running.is_doubted);
        doubted.fold(Grounds::default(), |all, running| all.and(&running.grounds))
    }

    /// The target's answer has not the form of the plan. If what the plan rests on has changed, that
    /// is why, and the client can try again.
    pub(crate) async fn disagree(
        &mut self,
        ending: Ending,
        grounds: Arc<Grounds>,
    ) -> Result<(), Ending> {
        if self.doubts.condemned {
            return Ok(());
        }
        let look = self.target.freshness.look(grounds).await;
        if look == Look::Same {
            return Err(ending);
        }
        self.condemn(look);
        Ok(())
    }

    /// Nothing more of the batch passes but an error.
    fn condemn(&mut self, look: Look) {
        self.doubts.condemned = true;
        self.distrust_catalog();
        // What the client still sends of the batch is skipped, as after any error.
        self.batch.skipping = true;
        let hint = Some(TRY_AGAIN.to_owned());
        let refused = match look {
            Look::Same | Look::Changed => Refused::new("40001", CHANGED),
            Look::Unknown => Refused::new("08006", UNKNOWN),
        };
        let error = Refused { hint, ..refused }.error();
        self.holds.push(Hold::Bytes(error));
    }

    /// Has the catalog read again; the next statement waits for it.
    pub(crate) fn distrust_catalog(&mut self) {
        // One that is being read now may have begun too early.
        self.doubts.outdated = Some(self.target.begun.load(Ordering::Acquire));
        self.target.stale.notify_one();
    }

    /// Waits a little for a catalog that is newer than one that was found wrong.
    pub(crate) async fn wait_for_newer(&mut self) {
        let Some(outdated) = self.doubts.outdated.take() else { return };
        let target = &self.target;
        let renewed = async {
            loop {
                let renewed = target.renewed.notified();
                if target.catalog().is_some_and(|catalog| catalog.version() > outdated) {
                    return;
                }
                renewed.await;
            }
        };
        if tokio::time::timeout(NEWER_MAX, renewed).await.is_err() {
            tracing::debug!(session = %self.who.session, "no newer catalog in time");
        }
    }

    /// Keeps from the client what was answered since, if the batch is still condemned.
    pub(crate) fn silence(&mut self, since: Option<usize>) {
        let Some(since) = since.filter(|_| self.doubts.condemned) else { return };
        for hold in self.holds.iter_mut().skip(since) {
            match hold {
                Hold::Bytes(bytes) | Hold::Outcome(_, bytes) => *bytes = Bytes::new(),
                // It is judged by itself, and is no answer.
                Hold::Notification(..) => {}
            }
        }
    }

    /// The target completed a command of a condemned batch.
    pub(crate) async fn complete_condemned(
        &mut self,
        running: Box<Running>,
        affected: Option<u64>,
        effect: &Effect,
    ) -> Result<(), Ending> {
        let sequence = running.permit.command().id.sequence;
        let uncommitted = self.follow_work(&running);
        let end = End { affected, uncommitted, ..End::of(FinishedResult::Cut) };
        self.finish(running, end, Bytes::new()).await?;
        if *effect == Effect::None {
            return Ok(());
        }
        let fate = self.follow(effect, sequence);
        self.record_fate(fate).await?;
        Err(Ending::Changed)
    }

    /// Makes the target fail the implicit transaction of a condemned batch, before its Sync.
    pub(crate) fn undo_condemned(&mut self) -> Result<(), Ending> {
        if self.doubts.condemned && self.batch.transaction != Ended::Undone {
            let parse = wire::parse(UNPARSABLE_NAME, UNPARSABLE, &[])?;
            self.send(parse, Some((Expected::Parse, Reply::Unparsable(Bytes::new()))));
        }
        Ok(())
    }

    /// A condemned batch has ended on the target. True if the client may know.
    pub(crate) fn ends_condemned(&mut self, status: TransactionStatus) -> Result<bool, Ending> {
        if !self.doubts.condemned {
            return Ok(true);
        }
        match status {
            TransactionStatus::Open => {
                self.batch = Batch { waiting: true, ..Batch::default() };
                let reply = Reply::Unparsable(Bytes::new());
                self.send(wire::query(UNPARSABLE)?, Some((Expected::Query, reply)));
                Ok(false)
            }
            // It is committed already.
            TransactionStatus::Idle
                if self.batch.may_change && self.batch.transaction != Ended::Undone =>
            {
                Err(Ending::Changed)
            }
            TransactionStatus::Idle | TransactionStatus::Failed => {
                self.doubts.condemned = false;
                Ok(true)
            }
        }
    }
}
