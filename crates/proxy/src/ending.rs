//! The end of a session: what runs is cancelled, every command gets its outcome, the client reads
//! why.

use std::time::Duration;

use model::{Protocol, SessionEnd};
use pgwire::{BackendDecoder, TransactionStatus};
use sql::{Changes, Effect};
use tokio::io::AsyncWriteExt as _;
use tokio::time::Instant;

use crate::authority::CutBy;
use crate::reply::Reply;
use crate::session::{Ending, RECORD_FAILED, Session, read};
use crate::target::Connected;
use crate::wire::{self, Refused};

/// How long the target may take to say how a cancelled command ended, while the client waits.
const SETTLE_MAX: Duration = Duration::from_millis(400);
/// How much longer, when the client is gone and the backend was told to end.
const SETTLE_LATE_MAX: Duration = Duration::from_secs(5);
/// How long the client may take to read the last message.
const GOODBYE_MAX: Duration = Duration::from_millis(500);

/// What a client reads if the target has not said how what it was asked for ended.
const UNSURE: &str = "; what came of the last requests is not known";

/// What becomes of the connection to the target at the end of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum After {
    /// It ends, too.
    Close,
    /// It is kept for the next session of the identity.
    Keep,
}

impl Session {
    /// True if nothing is under way: no transaction, no batch, no answer that the client has yet to
    /// take.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.status == TransactionStatus::Idle
            && self.batch.is_new()
            && self.is_settled()
            && self.holds.is_empty()
            && self.client.outbox.is_empty()
            && self.server.outbox.is_empty()
    }

    /// What becomes of the connection to the target. Any doubt closes it.
    pub(crate) fn after(&mut self, ending: &Ending) -> After {
        let is_orderly = matches!(ending, Ending::Terminated) && self.is_at_rest();
        let decoder = &mut self.server.decoder;
        let is_in_step = decoder.row_bytes_left() == 0 && decoder.inbox().is_empty();
        let is_plain = self.role.is_none() && self.target.fence.is_none();
        if is_orderly && is_in_step && is_plain && !self.link.was_cancelled() {
            After::Keep
        } else {
            After::Close
        }
    }

    /// Leaves the connection to the target to the next session of the identity.
    pub(crate) async fn leave_warm(self) {
        let Self { gate, target, who, server, link, parameters, footing, .. } = self;
        let stream = server.reader.unsplit(server.writer);
        let decoder = BackendDecoder::new();
        let connected = Connected { stream, decoder, link, parameters, footing };
        gate.warm.keep(&gate, target, &who, connected).await;
    }

    /// Settles what runs, then closes both connections, unless that to the target is kept.
    pub(crate) async fn wind_down(&mut self, ending: &Ending, after: After) {
        self.is_ending = true;
        let mut is_told = false;
        // No outcome can be recorded, or no answer is believed: there is none to wait for.
        let is_deaf = matches!(ending, Ending::Journal(_) | Ending::Target(_) | Ending::Plan(_));
        if is_deaf && self.is_running() {
            self.link.cancel();
            self.link.terminate();
        } else if !is_deaf
            && !matches!(ending, Ending::TargetLost)
            && !self.settle(SETTLE_MAX).await
        {
            // The client need not wait for what only the record needs.
            self.say_goodbye(self.last_words(ending)).await;
            is_told = true;
            self.link.terminate();
            self.settle(SETTLE_LATE_MAX).await;
        }
        if matches!(ending, Ending::Plan(_)) {
            self.target.stale.notify_one();
        }
        let message = self.last_words(ending);
        self.give_up_commands().await;
        if !is_told {
            self.say_goodbye(message).await;
        }
        if after == After::Keep {
            return;
        }
        self.server.outbox.push(wire::terminate());
        let goodbye = self.server.outbox.write_some(&mut self.server.writer);
        if tokio::time::timeout(GOODBYE_MAX, goodbye).await.is_err() {
            tracing::debug!(session = %self.who.session, "the target does not read a goodbye");
        }
    }

    /// Cancels what runs and waits for the target to say how it ended. False if it has not by then.
    async fn settle(&mut self, limit: Duration) -> bool {
        if !self.is_running() {
            return true;
        }
        // No row passes any more, not even the rest of one: the connection ends.
        self.cut(CutBy::Authority, "the session has ended");
        if let Some(cut) = &mut self.cut {
            cut.row_bytes_left = 0;
        }
        // What a batch without Sync was answered may still be on the target.
        self.server.outbox.push(wire::flush());
        let deadline = Instant::now().checked_add(limit).unwrap_or_else(Instant::now);
        while self.is_running() {
            match tokio::time::timeout_at(deadline, self.exchange()).await {
                Ok(Ok(())) => {}
                // What it has not said it will not say.
                Ok(Err(_lost)) => return true,
                Err(_elapsed) => return false,
            }
            if self.take_answers().await.is_err() {
                return true;
            }
        }
        true
    }

    /// Sends what waits for the target, or reads what it sent, once.
    async fn exchange(&mut self) -> std::io::Result<()> {
        let server = &mut self.server;
        tokio::select! {
            written = server.outbox.write_some(&mut server.writer), if !server.outbox.is_empty() => {
                written
            }
            read = read(&mut server.reader, server.decoder.inbox()) => {
                self.doubts.arrivals = self.doubts.arrivals.saturating_add(1);
                if read? == 0 { Err(std::io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
            }
        }
    }

    /// What was not answered is not known: it may have taken effect.
    async fn give_up_commands(&mut self) {
        if let Err(error) = self.skip_outgoing().await {
            tracing::error!(session = %self.who.session, %error, "an outcome is not on record");
        }
        let owed = self.replies.drain();
        let may_commit = owed.iter().any(|entry| self.may_commit(&entry.payload));
        for entry in owed {
            if let Err(error) = self.give_up(entry.payload.into_commands()).await {
                tracing::error!(session = %self.who.session, %error, "an outcome is not on record");
            }
        }
        // The target undoes what it was not told to commit.
        let fate = if may_commit {
            self.transaction.lose(self.sequence)
        } else {
            self.transaction.roll_back(self.sequence)
        };
        if let Err(error) = self.record_fate(fate).await {
            tracing::error!(session = %self.who.session, %error, "what is undone is not on record");
        }
        if let Err(error) = self.flush_holds().await {
            tracing::error!(session = %self.who.session, %error, "an outcome is not on record");
        }
    }

    /// True if the target may commit the open transaction when it does what it still owes an answer for.
    fn may_commit(&self, reply: &Reply) -> bool {
        let in_block = self.transaction.in_block;
        match reply {
            Reply::Ready => !in_block,
            Reply::Commands(left) => left.iter().any(|running| {
                let is_query = running.permit.command().protocol == Protocol::Simple;
                let calls = running.changes() == Changes::ByProcedure;
                running.plan.effect == Effect::Commit || (!in_block && (is_query || calls))
            }),
            Reply::Parse(..)
            | Reply::Bind(..)
            | Reply::BindAlone(..)
            | Reply::Close(_)
            | Reply::Check(_)
            | Reply::Describe(_)
            | Reply::Unparsable(_)
            | Reply::Restore => false,
        }
    }

    /// Why the session ends, and what the gateway itself does not know.
    fn last_words(&self, ending: &Ending) -> Option<Refused> {
        let mut words = ending.client_message()?;
        let is_own = matches!(
            ending,
            Ending::Authority(_)
                | Ending::Cut { .. }
                | Ending::TimedOut(_)
                | Ending::GatewayStopped
        );
        if is_own && self.is_running() {
            words.message.push_str(UNSURE);
        }
        Some(words)
    }

    /// Tells the client why, unless it is in the middle of a row: then it sees the connection break.
    async fn say_goodbye(&mut self, message: Option<Refused>) {
        if self.row_bytes_owed == 0
            && let Some(message) = message
        {
            self.client.outbox.push(message.fatal());
        }
        let deadline = Instant::now().checked_add(GOODBYE_MAX).unwrap_or_else(Instant::now);
        while !self.client.outbox.is_empty() {
            let write = self.client.outbox.write_some(&mut self.client.writer);
            match tokio::time::timeout_at(deadline, write).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) | Err(_) => return,
            }
        }
        let closed = tokio::time::timeout_at(deadline, self.client.writer.shutdown()).await;
        tracing::trace!(?closed, "client connection closed");
    }
}

impl Ending {
    pub(crate) fn recorded_as(&self) -> SessionEnd {
        match self {
            Self::Terminated => SessionEnd::Terminated,
            Self::ClientLost => SessionEnd::ClientLost,
            Self::TargetLost | Self::Target(_) | Self::ServerReplaced => SessionEnd::TargetLost,
            Self::Client(_) | Self::ClientRefused(_) => SessionEnd::ProtocolViolation,
            Self::Plan(_) | Self::Changed => SessionEnd::PlanViolation,
            Self::Authority(_) => SessionEnd::AuthorityEnded,
            Self::Cut { by, .. } => by.recorded_as(),
            Self::TimedOut(_) => SessionEnd::TimedOut,
            Self::Journal(_) | Self::Parser(_) | Self::Write(_) | Self::GatewayStopped => {
                SessionEnd::GatewayStopped
            }
        }
    }

    /// The last message to the client, if it can still read one.
    pub(crate) fn client_message(&self) -> Option<Refused> {
        let (sqlstate, message) = match self {
            Self::Terminated | Self::ClientLost => return None,
            Self::TargetLost | Self::Target(_) => ("08006", Self::TargetLost.to_string()),
            Self::Client(error) => (error.sqlstate(), self.to_string()),
            Self::ClientRefused(_) => ("08P01", self.to_string()),
            Self::Journal(_) => ("58030", RECORD_FAILED.to_owned()),
            Self::Plan(_) | Self::Parser(_) | Self::Write(_) => ("XX000", self.to_string()),
            Self::Changed => ("08007", self.to_string()),
            Self::TimedOut(_) => ("57P05", self.to_string()),
            Self::Cut { by, .. } => (by.sqlstate(), self.to_string()),
            Self::Authority(_) | Self::GatewayStopped | Self::ServerReplaced => {
                ("57P01", self.to_string())
            }
        };
        Some(Refused::new(sqlstate, message))
    }
}
