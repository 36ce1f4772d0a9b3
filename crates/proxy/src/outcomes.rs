//! How commands end: the outcome goes on record, then the client reads it.
//!
//! **Invariant:** the message that tells the client that a command ended waits until its outcome
//! is durable.
//!
//! **Invariant:** a permit that was taken from the queue of replies is spent here, whatever the
//! target answered.

use std::collections::VecDeque;

use bytes::Bytes;
use ledger::Payload;
use model::{AccessRecord, FinishedResult, Protocol};
use pgwire::BackendMessage;
use pgwire::backend::{CommandComplete, Report};
use sql::{Changes, Effect};
use tokio::time::Instant;

use crate::answers::Hold;
use crate::authority::CutBy;
use crate::clock;
use crate::compare::KIND;
use crate::errors::Origin;
use crate::portals::Ended;
use crate::prepared::Kept;
use crate::reply::{End, Running};
use crate::session::{Ending, Session};
use crate::transaction::Fate;
use crate::wire;

/// `in_failed_sql_transaction`.
const IN_FAILED_TRANSACTION: &str = "25P02";

impl Session {
    /// Follows the end of a batch's own transaction: commands of it that had completed are undone, and
    /// on record as undone.
    pub(crate) async fn undo_batch(&mut self, sqlstate: Option<&str>) -> Result<(), Ending> {
        self.settings.end_implicit(&Effect::Rollback);
        self.batch.transaction = Ended::Undone;
        let fate = self.transaction.fail(self.sequence);
        self.record_fate_because(fate, sqlstate).await
    }

    /// Puts on record what became of commands that had completed.
    pub(crate) async fn record_fate(&mut self, fate: Option<Fate>) -> Result<(), Ending> {
        self.record_fate_because(fate, None).await
    }

    async fn record_fate_because(
        &mut self,
        fate: Option<Fate>,
        sqlstate: Option<&str>,
    ) -> Result<(), Ending> {
        let Some(fate) = fate else { return Ok(()) };
        let event = fate.event(self.who.session, sqlstate);
        let record = AccessRecord { at: clock::now(), event };
        match fate {
            // Until it is durable, the commands that it is about stand on record as uncommitted.
            Fate::Committed { .. } => {
                let _ticket = self.gate.journal.append(record, Payload::new()).await?;
            }
            // The client reads of an error only when what it undoes is on record.
            Fate::RolledBack { .. } | Fate::Unknown { .. } => {
                self.gate.journal.record(record, Payload::new()).await?;
            }
        }
        Ok(())
    }

    /// Counts a command that has completed to the open transaction. True if that decides what becomes of
    /// what it changed.
    pub(crate) fn follow_work(&mut self, running: &Running) -> bool {
        let command = running.permit.command();
        let changes = running.changes() != Changes::Nothing;
        // A Query of one statement is committed before the target says that it has completed.
        let is_alone = command.protocol == Protocol::Simple
            && self.batch.script.is_none()
            && !self.transaction.in_block;
        if is_alone || ends_or_divides(&running.plan.effect) {
            return false;
        }
        self.note_call(running);
        self.transaction.completed(command.id.sequence, changes);
        changes
    }

    /// A procedure may end transactions, also if it fails then.
    pub(crate) fn note_call(&mut self, running: &Running) {
        if running.changes() == Changes::ByProcedure {
            self.transaction.called();
        }
    }

    /// The message that ends a command.
    #[expect(clippy::wildcard_enum_match_arm, reason = "all others break the plan")]
    pub(crate) async fn end_command(
        &mut self,
        running: Box<Running>,
        message: &BackendMessage,
    ) -> Result<(), Ending> {
        match message {
            BackendMessage::CommandComplete(complete) => self.complete(running, complete).await,
            BackendMessage::EmptyQueryResponse(frame) if running.plan.is_empty => {
                self.finish(running, End::of(FinishedResult::Completed), frame.bytes().clone())
                    .await
            }
            BackendMessage::PortalSuspended(frame) if self.cut.is_none() => {
                let uncommitted = self.follow_work(&running);
                let end = End { uncommitted, ..End::of(FinishedResult::Suspended) };
                self.finish(running, end, frame.bytes().clone()).await
            }
            BackendMessage::PortalSuspended(_) => {
                let uncommitted = self.follow_work(&running);
                let end = End { uncommitted, ..End::of(FinishedResult::Cut) };
                self.late_end(running, end).await
            }
            BackendMessage::ErrorResponse(report) => self.fail(running, report).await,
            _ => {
                self.give_up(VecDeque::from([running])).await?;
                Err(Ending::Plan(KIND))
            }
        }
    }

    /// The target completed a command.
    async fn complete(
        &mut self,
        running: Box<Running>,
        complete: &CommandComplete,
    ) -> Result<(), Ending> {
        let affected = match running.changes() {
            Changes::AsTagged => complete.rows(),
            Changes::Nothing | Changes::Untold | Changes::ByProcedure => None,
        };
        // PostgreSQL answers COMMIT with ROLLBACK when the transaction had failed.
        let is_undone = running.plan.effect == Effect::Commit && &*complete.tag == "ROLLBACK";
        let effect = if is_undone { &Effect::Rollback } else { &running.plan.effect }.clone();
        if self.doubts.condemned {
            return self.complete_condemned(running, affected, &effect).await;
        }
        if self.cut.is_some() && running.withheld > 0 {
            let uncommitted = self.follow_work(&running);
            let end = End { affected, uncommitted, ..End::of(FinishedResult::Cut) };
            return self.late_end(running, end).await;
        }
        if running.is_copying && complete.rows().is_some_and(|rows| rows != running.rows) {
            // They were not one to a message, so neither counts nor limits were right.
            self.give_up(VecDeque::from([running])).await?;
            return Err(Ending::Plan("another number of rows"));
        }
        let uncommitted = self.follow_work(&running);
        let end = if is_undone {
            let sqlstate = Some(IN_FAILED_TRANSACTION.to_owned());
            End { sqlstate, ..End::of(FinishedResult::Failed) }
        } else {
            End { affected, uncommitted, ..End::of(FinishedResult::Completed) }
        };
        let bytes = match &running.plan.tag {
            Some(tag) => wire::command_complete(tag)?,
            None => complete.raw.bytes().clone(),
        };
        let kept = Kept::of(&running);
        let sequence = running.permit.command().id.sequence;
        self.finish(running, end, bytes).await?;
        self.prepared.follow(&effect, kept);
        let fate = self.follow(&effect, sequence);
        self.record_fate(fate).await
    }

    /// Does to the session what a completed command does.
    pub(crate) fn follow(&mut self, effect: &Effect, sequence: u64) -> Option<Fate> {
        let mut fate = None;
        match effect {
            Effect::None
            | Effect::Declare { .. }
            | Effect::Close(_)
            | Effect::Prepare(_)
            | Effect::Deallocate(_) => return None,
            // What its batch did before it is in the block too.
            Effect::Begin => self.transaction.in_block = true,
            Effect::Commit => fate = self.transaction.commit(),
            Effect::Rollback => fate = self.transaction.roll_back(sequence),
            Effect::Savepoint(name) => self.transaction.savepoint(name, sequence),
            Effect::Release(name) => self.transaction.release(name),
            Effect::RollbackTo(name) => fate = self.transaction.roll_back_to(name, sequence),
            // Outside of a block, it is undone with the batch.
            Effect::Set { .. } | Effect::ResetAll | Effect::DiscardAll => {
                self.batch.restores |= !matches!(effect, Effect::Set { .. });
                if !self.transaction.in_block {
                    self.settings.begin_implicit();
                }
            }
        }
        self.settings.apply(effect);
        fate
    }

    /// The command ended by itself after rows were already kept back: the client has to read why,
    /// and the target does not know that anything failed. Only the end of the session is the same
    /// on both sides.
    async fn late_end(&mut self, running: Box<Running>, end: End) -> Result<(), Ending> {
        let (by, message) = self
            .cut
            .as_ref()
            .map_or((CutBy::Authority, "the command was cut"), |cut| (cut.by, cut.message));
        let note = match (running.changes(), end.uncommitted) {
            (Changes::Nothing, _) => "",
            (_, true) if self.replies.is_empty() => "; what the statement changed is undone",
            (_, true) => "; what became of what the statement changed is on record",
            (_, false) => "; the statement was complete, and what it changed stands",
        };
        self.finish(running, end, Bytes::new()).await?;
        Err(Ending::Cut { by, message, note })
    }

    /// The target refused a command, or obeyed a cancel.
    pub(crate) async fn fail(
        &mut self,
        running: Box<Running>,
        report: &Report,
    ) -> Result<(), Ending> {
        let sqlstate = report.sqlstate().map(str::to_owned);
        let origin = Origin::of(&running.plan);
        let (result, error) = if let Some(cut) = self.cut.take() {
            (FinishedResult::Cut, cut.error())
        } else {
            let asked = Some(self.asked(&running));
            (FinishedResult::Failed, self.error_for_client(report, origin, asked).await?)
        };
        let affected = changed_by_failed(&running);
        self.finish(running, End { sqlstate, affected, ..End::of(result) }, error).await
    }

    /// Records how a command ended; the client reads `bytes` once that is durable.
    pub(crate) async fn finish(
        &mut self,
        running: Box<Running>,
        end: End,
        bytes: Bytes,
    ) -> Result<(), Ending> {
        self.is_cancelled = false;
        // What it owes next has its own time.
        self.running_since = (!self.replies.is_empty()).then(Instant::now);
        let written = self.copy_in.end(running.permit.command().id.sequence);
        let allowed = running.permit.allowed();
        let passed = running.bytes.saturating_add(written.as_ref().map_or(0, |data| data.bytes));
        if allowed.rows_max().or(allowed.bytes_max()).is_none() && passed > 0 {
            // With a limit they were counted as they passed.
            self.gate.usage.add_rows(allowed.charged(), (running.rows, passed));
        }
        let outcome = running.outcome(end, written);
        let pending = self.gate.journal.finish(clock::now(), running.permit, outcome).await?;
        self.holds.push(Hold::Outcome(pending, bytes));
        Ok(())
    }

    /// Commands that the target will not begin.
    pub(crate) async fn skip(&mut self, skipped: VecDeque<Box<Running>>) -> Result<(), Ending> {
        for running in skipped {
            self.finish(running, End::of(FinishedResult::Skipped), Bytes::new()).await?;
        }
        Ok(())
    }

    /// Commands whose Bind failed: they had begun.
    pub(crate) async fn fail_at_bind(
        &mut self,
        left: VecDeque<Box<Running>>,
        report: &Report,
    ) -> Result<(), Ending> {
        let result = if self.cut.is_some() { FinishedResult::Cut } else { FinishedResult::Failed };
        for running in left {
            let sqlstate = report.sqlstate().map(str::to_owned);
            let affected = changed_by_failed(&running);
            let end = End { sqlstate, affected, ..End::of(result) };
            self.finish(running, end, Bytes::new()).await?;
        }
        Ok(())
    }

    /// Commands whose end is not known: they may have taken effect.
    pub(crate) async fn give_up(&mut self, left: VecDeque<Box<Running>>) -> Result<(), Ending> {
        for running in left {
            self.finish(running, End::of(FinishedResult::Unknown), Bytes::new()).await?;
        }
        Ok(())
    }
}

/// What fails is undone, but for what a procedure has committed.
fn changed_by_failed(running: &Running) -> Option<u64> {
    match running.changes() {
        Changes::Nothing | Changes::AsTagged | Changes::Untold => Some(0),
        Changes::ByProcedure => None,
    }
}

/// True for the commands of a transaction itself: the others are what it decides.
fn ends_or_divides(effect: &Effect) -> bool {
    match effect {
        Effect::Begin
        | Effect::Commit
        | Effect::Rollback
        | Effect::Savepoint(_)
        | Effect::Release(_)
        | Effect::RollbackTo(_) => true,
        Effect::None
        | Effect::Set { .. }
        | Effect::ResetAll
        | Effect::Declare { .. }
        | Effect::Close(_)
        | Effect::Prepare(_)
        | Effect::Deallocate(_)
        | Effect::DiscardAll => false,
    }
}
