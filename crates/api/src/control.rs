//! The one writer of the inventory: check, record, apply, publish, in this order.
//!
//! An actor owns the journal and the registry, so a change that has begun is finished even if the
//! one who asked has gone: otherwise the journal could run ahead of what is published.
//!
//! **Invariant:** what is published is the fold of durable records, all of them, and nothing else.

use std::sync::Arc;

use journal::{ControlJournal, JournalError, OpenOptions, Opened, Seen};
use model::{ControlEvent, ControlRecord, IdentityName, LedgerHead, Timestamp};
use registry::{Registry, RegistryError};
use tokio::sync::{mpsc, oneshot, watch};

/// Changes that wait for the writer, at most. Whoever comes later waits to be let in.
const SUBMISSIONS_MAX: usize = 64;

/// Why the inventory was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The change says what cannot be.
    #[error(transparent)]
    Refused(#[from] RegistryError),
    /// The change could not be made durable. Nothing is published.
    #[error(
        "the change could not be recorded, so it has no effect: {0}; \
         once the ledger can be written, restart the gateway and look at the inventory"
    )]
    NotRecorded(JournalError),
    /// The record cannot be written down, for example because the grant covers too much.
    #[error("the change does not fit into one record: {0}")]
    Unfit(JournalError),
    /// The ledger cannot be opened or closed.
    #[error(transparent)]
    Ledger(JournalError),
    /// A record of the ledger says what cannot be, although the ledger itself is sound.
    #[error("record {index} of the control ledger cannot follow those before it: {reason}")]
    Contradiction {
        /// The record's index.
        index: u64,
        /// Why it cannot be.
        reason: RegistryError,
    },
    /// The name is neither `gateway`, nor `uid:N`, nor an identity's.
    #[error("`{0}` cannot be the author of a record")]
    UnknownActor(String),
    /// The ledger and the inventory disagree about how many records there are.
    #[error("the control ledger has {ledger} records and the inventory {inventory}; restart")]
    OutOfStep {
        /// What the ledger has.
        ledger: u64,
        /// What the inventory was folded from.
        inventory: u64,
    },
    /// The gateway is stopping.
    #[error("the gateway is stopping")]
    Stopped,
}

/// A handle on the inventory's writer. Clones are handles on the same one.
#[derive(Clone, Debug)]
pub struct Control {
    messages: mpsc::Sender<Message>,
    published: watch::Receiver<Arc<Registry>>,
    journal: Arc<ControlJournal>,
}

impl Control {
    /// Opens the control ledger, folds its records and starts the writer.
    ///
    /// Reads the whole ledger, blocking, before it returns: for the start of the program. Must be
    /// called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`ControlError::Ledger`] if the ledger cannot be opened or fails verification,
    /// [`ControlError::Contradiction`] if its records contradict each other.
    pub fn open(options: OpenOptions) -> Result<(Self, Opened), ControlError> {
        let mut folded = Ok(Registry::default());
        let fold = |Seen { index, record }: Seen<'_, ControlRecord>| {
            if let Ok(registry) = &mut folded
                && let Err(reason) = registry.apply(record)
            {
                folded = Err(ControlError::Contradiction { index, reason });
            }
        };
        let (journal, opened) =
            ControlJournal::open(options, fold).map_err(ControlError::Ledger)?;
        let registry = folded?;
        check_step(journal.head().size, &registry)?;
        let journal = Arc::new(journal);
        let (publish, published) = watch::channel(Arc::new(registry));
        let (messages, inbox) = mpsc::channel(SUBMISSIONS_MAX);
        tokio::spawn(Writer { journal: Arc::clone(&journal), publish }.run(inbox));
        Ok((Self { messages, published, journal }, opened))
    }

    /// Makes one change: checks it, records it, publishes it. Answers once it is durable, with the
    /// size of the control ledger that holds it.
    ///
    /// `by` is `uid:N` for a local administrator, an identity's name, or `gateway`; `now` is the
    /// time on record.
    ///
    /// # Errors
    ///
    /// [`ControlError`]; the published inventory is then unchanged.
    pub async fn submit(
        &self,
        by: &str,
        event: ControlEvent,
        now: Timestamp,
    ) -> Result<u64, ControlError> {
        if !is_actor(by) {
            return Err(ControlError::UnknownActor(by.chars().take(64).collect()));
        }
        let record = ControlRecord { at: now, by: by.to_owned(), event };
        let (answer, answered) = oneshot::channel();
        self.send(Message::Submit(Box::new(record), answer)).await?;
        answered.await.map_err(|_writer_gone| ControlError::Stopped)?
    }

    /// The inventory as published last.
    pub fn registry(&self) -> Arc<Registry> {
        Arc::clone(&self.published.borrow())
    }

    /// Where the inventory is published, for the data path.
    pub fn subscribe(&self) -> watch::Receiver<Arc<Registry>> {
        self.published.clone()
    }

    /// Size and root of the durable ledger, and whether it can still be written.
    ///
    /// # Errors
    ///
    /// [`JournalError::Poisoned`] with the reason.
    pub fn ledger(&self) -> (LedgerHead, Result<(), JournalError>) {
        (self.journal.head(), self.journal.check())
    }

    /// Finishes what was submitted, ends the run in order and stops. Later changes are refused.
    ///
    /// `now` is the time on record.
    ///
    /// # Errors
    ///
    /// [`ControlError::Ledger`] if the end could not be recorded, and [`ControlError::Stopped`] if
    /// the writer had stopped before.
    pub async fn close(&self, now: Timestamp) -> Result<LedgerHead, ControlError> {
        let (answer, answered) = oneshot::channel();
        self.send(Message::Close(now, answer)).await?;
        answered.await.map_err(|_writer_gone| ControlError::Stopped)?
    }

    async fn send(&self, message: Message) -> Result<(), ControlError> {
        self.messages.send(message).await.map_err(|_writer_gone| ControlError::Stopped)
    }
}

#[derive(Debug)]
enum Message {
    Submit(Box<ControlRecord>, oneshot::Sender<Result<u64, ControlError>>),
    Close(Timestamp, oneshot::Sender<Result<LedgerHead, ControlError>>),
}

#[derive(Debug)]
struct Writer {
    journal: Arc<ControlJournal>,
    publish: watch::Sender<Arc<Registry>>,
}

impl Writer {
    async fn run(self, mut inbox: mpsc::Receiver<Message>) {
        while let Some(message) = inbox.recv().await {
            match message {
                Message::Submit(record, answer) => {
                    let result = self.submit(*record).await;
                    // Whoever asked may be gone; the change stands all the same.
                    let _asker_gone = answer.send(result);
                }
                Message::Close(now, answer) => {
                    inbox.close();
                    let result = self.journal.close(now).await.map_err(ControlError::Ledger);
                    let _asker_gone = answer.send(result);
                    return;
                }
            }
        }
    }

    async fn submit(&self, record: ControlRecord) -> Result<u64, ControlError> {
        let current = Arc::clone(&self.publish.borrow());
        let mut next = Registry::clone(&current);
        next.apply(&record)?;
        let size = self.journal.append(current.size(), record).await.map_err(not_recorded)?;
        check_step(size, &next)?;
        self.publish.send_replace(Arc::new(next));
        Ok(size)
    }
}

fn not_recorded(error: JournalError) -> ControlError {
    match error {
        JournalError::Entry(_) | JournalError::Rule(_) => ControlError::Unfit(error),
        JournalError::Closed => ControlError::Stopped,
        JournalError::Locked(_)
        | JournalError::Damaged { .. }
        | JournalError::RolledBack { .. }
        | JournalError::Files { .. }
        | JournalError::Origin(_)
        | JournalError::Poisoned { .. }
        | JournalError::Conflict { .. } => ControlError::NotRecorded(error),
    }
}

fn check_step(ledger: u64, registry: &Registry) -> Result<(), ControlError> {
    let inventory = registry.size();
    if ledger == inventory { Ok(()) } else { Err(ControlError::OutOfStep { ledger, inventory }) }
}

fn is_actor(by: &str) -> bool {
    match by.strip_prefix("uid:") {
        Some(uid) => uid.parse::<u32>().is_ok_and(|number| number.to_string() == uid),
        None => by.parse::<IdentityName>().is_ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_author_is_a_user_an_identity_or_the_gateway() {
        for right in ["uid:0", "uid:4294967295", "gateway", "ada"] {
            assert!(is_actor(right), "{right}");
        }
        for wrong in ["", "uid:", "uid:-1", "uid:01", "uid:+1", "uid:x", "Ada", "a b"] {
            assert!(!is_actor(wrong), "{wrong}");
        }
    }
}
