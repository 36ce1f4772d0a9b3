//! target ─▶ compare with the plan ─▶ record the outcome ─▶ client: what the target answers.
//!
//! **Invariant:** no row passes before the columns of its command were compared with the plan.
//!
//! **Invariant:** the message that tells the client that a command ended waits until its outcome
//! is durable.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use journal::{Pending, PendingDelivery};
use model::{FinishedResult, Notification};
use pgwire::backend::{ParameterStatus, ReadyForQuery, Report};
use pgwire::pipeline::{Answer, Entry};
use pgwire::{BackendEvent, BackendKind, BackendMessage, TransactionStatus};
use sql::Effect;

use crate::authority::{CutBy, TRANSACTION_ENDED};
use crate::compare::{KIND, Part, Took, described, part};
use crate::errors::Origin;
use crate::judge;
use crate::reply::{End, Reply};
use crate::session::{Ending, Session};
use crate::{status, wire};

/// Something for the client, in order.
#[derive(Debug)]
pub(crate) enum Hold {
    /// Bytes.
    Bytes(Bytes),
    /// Bytes that wait until an outcome is durable.
    Outcome(Pending, Bytes),
    /// A notification that waits until it is on record, with the process that the client reads.
    Notification(Box<PendingDelivery>, u32),
}

impl Session {
    /// Deals with everything that the target has sent.
    pub(crate) async fn take_answers(&mut self) -> Result<(), Ending> {
        while let Some(event) = self.server.decoder.poll_event().map_err(Ending::Target)? {
            self.look_again(&event).await;
            let silent_since = self.doubts.condemned.then_some(self.holds.len());
            match event {
                BackendEvent::Rows { bytes, rows } => {
                    self.take_rows(BackendKind::DataRow, bytes, rows)?;
                }
                BackendEvent::Copy { bytes, rows } => {
                    self.take_rows(BackendKind::CopyData, bytes, rows)?;
                }
                BackendEvent::Message(message) => self.take_answer(message).await?,
            }
            self.silence(silent_since);
        }
        self.flush_holds().await
    }

    /// Releases what waits for the client, once the outcomes before it are durable.
    pub(crate) async fn flush_holds(&mut self) -> Result<(), Ending> {
        for hold in std::mem::take(&mut self.holds) {
            match hold {
                Hold::Bytes(bytes) => self.answer_client(bytes),
                Hold::Outcome(pending, bytes) => {
                    pending.durable().await?;
                    self.answer_client(bytes);
                }
                Hold::Notification(pending, process) => {
                    let Notification { channel, payload, .. } = pending.durable().await?;
                    self.answer_client(wire::notification(process, &channel, &payload)?);
                }
            }
        }
        Ok(())
    }

    fn take_rows(&mut self, kind: BackendKind, bytes: Bytes, rows: u64) -> Result<(), Ending> {
        let answer = self.replies.answer(kind).map_err(Ending::Target)?;
        let Answer::Part { payload, .. } = answer else {
            return Err(Ending::Plan(KIND));
        };
        let running = payload.running().ok_or(Ending::Plan(KIND))?;
        if self.doubts.condemned {
            running.withheld = running.withheld.saturating_add(rows);
            return Ok(());
        }
        let rows = running.announced(kind, rows)?;
        if let Some(cut) = &mut self.cut {
            // Only the rest of a row that the client has begun to read still passes.
            let passes = cut.row_bytes_left.min(bytes.len());
            cut.row_bytes_left = cut.row_bytes_left.saturating_sub(passes);
            self.row_bytes_owed = cut.row_bytes_left;
            running.withheld = running.withheld.saturating_add(rows);
            running.bytes = running.bytes.saturating_add(u64::try_from(passes).unwrap_or(u64::MAX));
            self.holds.push(Hold::Bytes(bytes.slice(..passes)));
            return Ok(());
        }
        // Rows with free text leave whole, and count as they leave.
        let (bytes, left) = match &mut running.rewriter {
            None => (bytes, self.server.decoder.row_bytes_left()),
            Some(rewriter) => {
                let Ok(rewritten) = rewriter.rewrite(&bytes) else {
                    running.withheld = running.withheld.saturating_add(rows.max(1));
                    self.cut(
                        CutBy::RowSize,
                        "a row is too large for its free text to be looked through",
                    );
                    return Ok(());
                };
                (rewritten, 0)
            }
        };
        let allowed = running.permit.allowed();
        if allowed.rows_max().or(allowed.bytes_max()).is_some() {
            let registry = self.gate.registry();
            let limits = judge::limits(&registry);
            // A row counts whole when it begins: the client never has to be left within one.
            let whole = bytes.len().saturating_add(left);
            let new = u64::try_from(whole.saturating_sub(self.row_bytes_owed)).unwrap_or(u64::MAX);
            if let Err(reached) = self.gate.usage.try_rows(allowed.charged(), (rows, new), limits) {
                // None of these pass, but for the rest of a row that the client has begun to read.
                let begun = self.row_bytes_owed.min(bytes.len());
                self.row_bytes_owed = self.row_bytes_owed.saturating_sub(begun);
                running.withheld = running.withheld.saturating_add(rows);
                running.bytes =
                    running.bytes.saturating_add(u64::try_from(begun).unwrap_or(u64::MAX));
                self.holds.push(Hold::Bytes(bytes.slice(..begun)));
                self.cut(CutBy::Limit, reached.client_message());
                return Ok(());
            }
        }
        self.row_bytes_owed = left;
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        running.rows = running.rows.saturating_add(rows);
        running.bytes = running.bytes.saturating_add(size);
        self.entry.counters.rows.fetch_add(rows, Ordering::Relaxed);
        self.holds.push(Hold::Bytes(bytes));
        Ok(())
    }

    /// A message that answers nothing. True if it was one.
    #[expect(clippy::wildcard_enum_match_arm, reason = "all others belong to a reply")]
    async fn take_unasked(&mut self, message: &BackendMessage) -> Result<bool, Ending> {
        match message {
            BackendMessage::NoticeResponse(notice) => {
                if let Some(bytes) = self.notice_for_client(notice).await? {
                    self.holds.push(Hold::Bytes(bytes));
                }
                Ok(true)
            }
            BackendMessage::NotificationResponse(notification) => {
                self.take_notification(notification).await.map(|()| true)
            }
            BackendMessage::ParameterStatus(status) => self.take_status(status).map(|()| true),
            BackendMessage::ErrorResponse(report)
                if report.is_fatal() && self.replies.is_empty() =>
            {
                Err(Ending::TargetLost)
            }
            _ => Ok(false),
        }
    }

    fn show_unless_cut(&mut self, message: &BackendMessage) {
        if self.cut.is_none() {
            self.holds.push(Hold::Bytes(message.raw().bytes().clone()));
        }
    }

    async fn take_answer(&mut self, message: BackendMessage) -> Result<(), Ending> {
        if self.take_unasked(&message).await? {
            return Ok(());
        }
        let took = match self.replies.answer(message.kind()).map_err(Ending::Target)? {
            Answer::Unasked => return Err(Ending::TargetLost),
            Answer::Part { payload, .. } => match part(payload, &message) {
                Ok(part) => Took::Part(part),
                Err(ending) => {
                    let grounds = payload.running().map(|running| Arc::clone(&running.grounds));
                    return self.disagree(ending, grounds.unwrap_or_default()).await;
                }
            },
            Answer::Done(entry) => Took::Done(entry.payload),
            Answer::Failed { entry, skipped } => Took::Failed(entry.payload, skipped),
        };
        if self.replies.is_empty() {
            self.running_since = None;
        }
        match (took, message) {
            (Took::Part(Part::Show), message) => {
                self.holds.push(Hold::Bytes(message.raw().bytes().clone()));
                Ok(())
            }
            (Took::Part(Part::Nothing), _) => Ok(()),
            (Took::Part(Part::CopyIn(data)), message) => {
                self.begin_copy_in(data)?;
                self.show_unless_cut(&message);
                Ok(())
            }
            (Took::Part(Part::CopyEnded), message) => {
                // A client that was kept something back must not read that this was all.
                self.show_unless_cut(&message);
                Ok(())
            }
            (Took::Part(Part::Instead(error)), BackendMessage::ErrorResponse(report)) => {
                self.undo_batch(report.sqlstate()).await?;
                self.holds.push(Hold::Bytes(error));
                Ok(())
            }
            (Took::Part(Part::CommitFailed), BackendMessage::ErrorResponse(report)) => {
                self.undo_batch(report.sqlstate()).await?;
                let error = self.error_for_client(&report, Origin::Hidden, None).await?;
                let error = self.cut.take().map_or(error, |cut| cut.error());
                self.holds.push(Hold::Bytes(error));
                Ok(())
            }
            (Took::Part(Part::QueryEnded(running)), message) => {
                self.end_command(running, &message).await
            }
            (
                Took::Part(Part::QueryFailed(running, skipped)),
                BackendMessage::ErrorResponse(report),
            ) => {
                self.note_call(&running);
                self.undo_batch(report.sqlstate()).await?;
                self.skip(skipped).await?;
                self.fail(running, &report).await
            }
            (Took::Done(reply), message) => self.take_done(reply, message).await,
            (Took::Failed(reply, skipped), BackendMessage::ErrorResponse(report)) => {
                self.take_failure(reply, skipped, &report).await
            }
            (
                Took::Part(Part::Instead(_) | Part::CommitFailed | Part::QueryFailed(..))
                | Took::Failed(..),
                _,
            ) => Err(Ending::Plan(KIND)),
        }
    }

    /// The last message of the answer to something that succeeded.
    async fn take_done(&mut self, reply: Reply, message: BackendMessage) -> Result<(), Ending> {
        match (reply, message) {
            (Reply::Commands(left), BackendMessage::ReadyForQuery(ready)) if left.is_empty() => {
                self.take_ready(&ready).await
            }
            (Reply::Commands(mut left), message) => match left.pop_front() {
                Some(running) if left.is_empty() => self.end_command(running, &message).await,
                // A Query ended before its statements did.
                Some(running) => {
                    left.push_front(running);
                    self.give_up(left).await?;
                    Err(Ending::Plan(KIND))
                }
                None => Err(Ending::Plan(KIND)),
            },
            (Reply::Check(judged), message) => match described(&judged.plan, &message) {
                Ok(()) => Ok(()),
                Err(ending) => self.disagree(ending, judged.grounds).await,
            },
            (Reply::Describe(judged), message) => match described(&judged.plan, &message) {
                Ok(()) => {
                    self.holds.push(Hold::Bytes(message.raw().bytes().clone()));
                    Ok(())
                }
                Err(ending) => self.disagree(ending, judged.grounds).await,
            },
            (
                Reply::Ready | Reply::Unparsable(_) | Reply::Restore,
                BackendMessage::ReadyForQuery(ready),
            ) => self.take_ready(&ready).await,
            (Reply::BindAlone(_, running), message) => {
                let uncommitted = self.follow_work(&running);
                let end = End { uncommitted, ..End::of(FinishedResult::Completed) };
                self.finish(running, end, message.raw().bytes().clone()).await
            }
            (Reply::Parse(..) | Reply::Bind(..) | Reply::Close(_), message) => {
                self.holds.push(Hold::Bytes(message.raw().bytes().clone()));
                Ok(())
            }
            // Also: what must not be parsed was parsed.
            (Reply::Ready | Reply::Unparsable(_) | Reply::Restore, _) => Err(Ending::Plan(KIND)),
        }
    }

    /// An error in a batch: what failed changed nothing, and what follows is skipped up to Sync.
    async fn take_failure(
        &mut self,
        reply: Reply,
        skipped: Vec<Entry<Reply>>,
        report: &Report,
    ) -> Result<(), Ending> {
        self.batch.skipping = true;
        if let Some(running) = reply.first() {
            self.note_call(running);
        }
        self.undo_batch(report.sqlstate()).await?;
        for entry in skipped.into_iter().rev() {
            match entry.payload {
                Reply::Parse(undo, _) | Reply::Bind(undo, _) | Reply::Close(undo) => {
                    self.prepared.undo(undo);
                }
                Reply::BindAlone(undo, running) => {
                    self.prepared.undo(undo);
                    self.skip(VecDeque::from([running])).await?;
                }
                Reply::Commands(left) if left.iter().any(|running| running.began_at_bind) => {
                    self.fail_at_bind(left, report).await?;
                }
                Reply::Commands(left) => self.skip(left).await?,
                Reply::Check(_)
                | Reply::Describe(_)
                | Reply::Unparsable(_)
                | Reply::Ready
                | Reply::Restore => {}
            }
        }
        let error = match reply {
            Reply::Commands(mut left) => match left.pop_front() {
                Some(running) => return self.fail(running, report).await,
                None => return Err(Ending::Plan(KIND)),
            },
            Reply::Unparsable(error) => error,
            // Nothing is looked at before a statement is bound.
            Reply::Parse(undo, asked) => {
                self.prepared.failed_parse(undo);
                self.error_for_client(report, Origin::Granted, Some(asked)).await?
            }
            Reply::Bind(undo, plan) => {
                self.prepared.undo(undo);
                self.error_for_client(report, Origin::of(&plan), None).await?
            }
            Reply::BindAlone(undo, running) => {
                self.prepared.undo(undo);
                return self.fail(running, report).await;
            }
            Reply::Close(undo) => {
                self.prepared.undo(undo);
                self.error_for_client(report, Origin::Granted, None).await?
            }
            Reply::Check(_) | Reply::Describe(_) | Reply::Ready | Reply::Restore => {
                self.error_for_client(report, Origin::Granted, None).await?
            }
        };
        let error = self.cut.take().map_or(error, |cut| cut.error());
        self.holds.push(Hold::Bytes(error));
        Ok(())
    }

    /// The batch is over and the state of the transaction is known.
    async fn take_ready(&mut self, ready: &ReadyForQuery) -> Result<(), Ending> {
        self.status = ready.status;
        let fate = match self.status {
            TransactionStatus::Idle => self.transaction.commit(),
            TransactionStatus::Open | TransactionStatus::Failed => {
                self.transaction.in_block = true;
                None
            }
        };
        self.record_fate(fate).await?;
        if self.is_ending {
            // The client reads why, and not that it may go on.
            return Ok(());
        }
        if !self.ends_condemned(ready.status)? {
            return Ok(());
        }
        let ended = std::mem::take(&mut self.batch);
        self.cut = None;
        self.is_cancelled = false;
        if self.status == TransactionStatus::Idle {
            self.settings.end_implicit(&Effect::Commit);
            self.prepared.portals.end_transaction(ended.transaction);
            self.transaction_grants.clear();
        }
        if ended.restores && self.status != TransactionStatus::Failed && self.restore()? {
            return Ok(());
        }
        // PostgreSQL, too, reports what drivers watch when the next Query may come.
        for (name, value) in self.told.changes(&self.settings) {
            self.holds.push(Hold::Bytes(wire::parameter_status(name, &value)?));
        }
        self.holds.push(Hold::Bytes(wire::ready_for_query(self.status)));
        if self.has_ended_grants() { Err(Ending::Authority(TRANSACTION_ENDED)) } else { Ok(()) }
    }

    fn take_status(&mut self, report: &ParameterStatus) -> Result<(), Ending> {
        match status::of_target(&report.name, &report.value) {
            status::Drift::Pass => {
                self.holds.push(Hold::Bytes(report.raw.bytes().clone()));
                Ok(())
            }
            status::Drift::Keep => Ok(()),
            status::Drift::Break => Err(Ending::Plan("a pinned setting changed")),
        }
    }
}
