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
use model::{AccessEvent, AccessRecord, FinishedResult};
use pgwire::BackendMessage;
use pgwire::backend::{CommandComplete, Report};
use sql::Effect;
use tokio::time::Instant;

use crate::answers::Hold;
use crate::clock;
use crate::compare::KIND;
use crate::errors::Origin;
use crate::portals::Ended;
use crate::prepared::Kept;
use crate::reply::{End, Running};
use crate::session::{AtRisk, Ending, Session};
use crate::wire::{self, Refused};

/// `in_failed_sql_transaction`.
const IN_FAILED_TRANSACTION: &str = "25P02";

impl Session {
    /// Follows the end of a batch's own transaction: commands of it that had completed are undone, and
    /// on record as undone.
    pub(crate) async fn undo_batch(&mut self, sqlstate: Option<&str>) -> Result<(), Ending> {
        self.settings.end_implicit(&Effect::Rollback);
        self.batch.transaction = Ended::Undone;
        let AtRisk::Since(first) = self.batch.at_risk else { return Ok(()) };
        self.batch.at_risk = AtRisk::Nothing;
        let event = AccessEvent::BatchRolledBack {
            session: self.who.session,
            first,
            last: self.sequence,
            sqlstate: sqlstate.map(str::to_owned),
        };
        let record = AccessRecord { at: clock::now(), event };
        self.gate.journal.record(record, Payload::new()).await?;
        Ok(())
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
                self.finish(running, End::of(FinishedResult::Suspended), frame.bytes().clone())
                    .await
            }
            BackendMessage::PortalSuspended(_) => self.late_end(running, 0).await,
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
        let affected = if running.changes_rows() { complete.rows().unwrap_or(0) } else { 0 };
        if self.doubts.condemned {
            return self.complete_condemned(running, affected).await;
        }
        if self.cut.is_some() && running.withheld > 0 {
            return self.late_end(running, affected).await;
        }
        if running.is_copying && complete.rows().is_some_and(|rows| rows != running.rows) {
            // They were not one to a message, so neither counts nor limits were right.
            self.give_up(VecDeque::from([running])).await?;
            return Err(Ending::Plan("another number of rows"));
        }
        if self.batch.at_risk == AtRisk::Nothing {
            self.batch.at_risk = AtRisk::Since(running.permit.command().id.sequence);
        }
        // PostgreSQL answers COMMIT with ROLLBACK when the transaction had failed.
        let is_undone = running.plan.effect == Effect::Commit && &*complete.tag == "ROLLBACK";
        let end = if is_undone {
            let sqlstate = Some(IN_FAILED_TRANSACTION.to_owned());
            End { sqlstate, ..End::of(FinishedResult::Failed) }
        } else {
            End { affected, ..End::of(FinishedResult::Completed) }
        };
        let effect = if is_undone { &Effect::Rollback } else { &running.plan.effect }.clone();
        let bytes = match &running.plan.tag {
            Some(tag) => wire::command_complete(tag)?,
            None => complete.raw.bytes().clone(),
        };
        let kept = Kept::of(&running);
        self.finish(running, end, bytes).await?;
        self.prepared.follow(&effect, kept);
        self.follow(&effect);
        Ok(())
    }

    /// Does to the session what a completed command does.
    fn follow(&mut self, effect: &Effect) {
        match effect {
            Effect::None
            | Effect::Declare { .. }
            | Effect::Close(_)
            | Effect::Prepare(_)
            | Effect::Deallocate(_) => return,
            Effect::Begin => self.batch.at_risk = AtRisk::Block,
            Effect::Commit | Effect::Rollback => self.batch.at_risk = AtRisk::Nothing,
            Effect::Savepoint(_) | Effect::Release(_) | Effect::RollbackTo(_) => {}
            // Outside of a block, it is undone with the batch.
            Effect::Set { .. } | Effect::ResetAll | Effect::DiscardAll => {
                self.batch.restores |= !matches!(effect, Effect::Set { .. });
                match self.batch.at_risk {
                    AtRisk::Nothing | AtRisk::Since(_) => self.settings.begin_implicit(),
                    AtRisk::Block => {}
                }
            }
        }
        self.settings.apply(effect);
    }

    /// The command ended by itself after rows were already kept back: the client has to read why,
    /// and the target does not know that anything failed. Only the end of the session is the same
    /// on both sides.
    async fn late_end(&mut self, running: Box<Running>, affected: u64) -> Result<(), Ending> {
        let (sqlstate, message) = self
            .cut
            .as_ref()
            .map_or(("57P01", "the command was cut"), |cut| (cut.sqlstate, cut.message));
        let end = End { affected, ..End::of(FinishedResult::Cut) };
        self.finish(running, end, Bytes::new()).await?;
        Err(Ending::Cut { sqlstate, message })
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
            (FinishedResult::Cut, Refused::new(cut.sqlstate, cut.message).error())
        } else {
            let asked = Some(self.asked(&running));
            (FinishedResult::Failed, self.error_for_client(report, origin, asked).await?)
        };
        self.finish(running, End { sqlstate, ..End::of(result) }, error).await
    }

    /// Records how a command ended; the client reads `bytes` once that is durable.
    pub(crate) async fn finish(
        &mut self,
        running: Box<Running>,
        end: End,
        bytes: Bytes,
    ) -> Result<(), Ending> {
        self.commands_running = self.commands_running.saturating_sub(1);
        self.running_since = (self.commands_running > 0).then(Instant::now);
        let allowed = running.permit.allowed();
        if allowed.rows_max().or(allowed.bytes_max()).is_none() && running.rows > 0 {
            // With a limit they were counted as they passed.
            self.gate.usage.add_rows(allowed.charged(), (running.rows, running.bytes));
        }
        let written = self.copy_in.end(running.permit.command().id.sequence);
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

    /// Commands whose end is not known: they may have taken effect.
    pub(crate) async fn give_up(&mut self, left: VecDeque<Box<Running>>) -> Result<(), Ending> {
        for running in left {
            self.finish(running, End::of(FinishedResult::Unknown), Bytes::new()).await?;
        }
        Ok(())
    }
}
