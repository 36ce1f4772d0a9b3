//! The end of a session: what runs is cancelled, every command gets its outcome, the client reads
//! why.

use std::time::Duration;

use pgwire::TransactionStatus;
use tokio::io::AsyncWriteExt as _;
use tokio::time::Instant;

use crate::reply::Reply;
use crate::session::{Ending, Session, read};
use crate::wire;

/// How long the target may take to say how a cancelled command ended.
const SETTLE_MAX: Duration = Duration::from_millis(400);
/// How long the client may take to read the last message.
const GOODBYE_MAX: Duration = Duration::from_millis(500);

impl Session {
    /// True if nothing is under way: no transaction, no batch, no answer that the client has yet to
    /// take.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.status == TransactionStatus::Idle
            && self.batch.is_new()
            && self.is_settled()
            && self.commands_running == 0
            && self.holds.is_empty()
            && self.client.outbox.is_empty()
            && self.server.outbox.is_empty()
    }

    /// Settles what runs, then closes both connections.
    pub(crate) async fn wind_down(&mut self, ending: &Ending) {
        let is_target_alive =
            !matches!(ending, Ending::TargetLost | Ending::Target(_) | Ending::Plan(_));
        if matches!(ending, Ending::Journal(_)) {
            // No outcome can be recorded, so there is none to wait for.
            self.link.cancel();
            self.link.terminate();
        } else if self.commands_running > 0 && is_target_alive {
            self.settle().await;
        }
        if matches!(ending, Ending::Plan(_)) {
            self.target.stale.notify_one();
        }
        self.give_up_commands().await;
        self.say_goodbye(ending).await;
        self.server.outbox.push(wire::terminate());
        let goodbye = self.server.outbox.write_some(&mut self.server.writer);
        if tokio::time::timeout(GOODBYE_MAX, goodbye).await.is_err() {
            tracing::debug!(session = %self.who.session, "the target does not read a goodbye");
        }
    }

    /// Cancels what runs and waits a little for the target to say how it ended.
    async fn settle(&mut self) {
        // No row passes any more, not even the rest of one: the connection ends.
        self.cut("57014", "the session has ended");
        if let Some(cut) = &mut self.cut {
            cut.row_bytes_left = 0;
        }
        let deadline = Instant::now().checked_add(SETTLE_MAX).unwrap_or_else(Instant::now);
        while self.commands_running > 0 {
            let Ok(Ok(())) = tokio::time::timeout_at(deadline, self.exchange()).await else {
                self.link.terminate();
                return;
            };
            if self.take_answers().await.is_err() {
                return;
            }
        }
    }

    /// Sends what waits for the target, or reads what it sent, once.
    async fn exchange(&mut self) -> std::io::Result<()> {
        let server = &mut self.server;
        tokio::select! {
            written = server.outbox.write_some(&mut server.writer), if !server.outbox.is_empty() => {
                written
            }
            read = read(&mut server.reader, server.decoder.inbox()) => match read? {
                0 => Err(std::io::ErrorKind::UnexpectedEof.into()),
                _ => Ok(()),
            },
        }
    }

    /// What was not answered is not known: it may have taken effect.
    async fn give_up_commands(&mut self) {
        for mut entry in self.replies.drain() {
            let Reply::Commands(left) = &mut entry.payload else { continue };
            let left = std::mem::take(left);
            if let Err(error) = self.give_up(left).await {
                tracing::error!(session = %self.who.session, %error, "an outcome is not on record");
            }
        }
        if let Err(error) = self.flush_holds().await {
            tracing::error!(session = %self.who.session, %error, "an outcome is not on record");
        }
    }

    /// Tells the client why, unless it is in the middle of a row: then it sees the connection break.
    async fn say_goodbye(&mut self, ending: &Ending) {
        if self.row_bytes_owed == 0
            && let Some(message) = ending.client_message()
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
