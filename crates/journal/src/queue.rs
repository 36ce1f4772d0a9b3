//! The bounded queue between those who append and the writer thread.

use std::sync::Arc;

use ledger::{Entry, Record};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use crate::JournalError;

/// Records that wait for the writer at most. Whoever appends beyond that waits.
pub const QUEUE_RECORDS_MAX: usize = 4096;

/// Bytes that wait for the writer at most. More than any one record takes.
pub const QUEUE_BYTES_MAX: usize = 64 << 20;

/// Where an answer is awaited.
pub(crate) type Reply<T> = oneshot::Sender<Result<T, JournalError>>;

/// What the writer is asked to do.
pub(crate) enum Work {
    /// To write a record.
    Append(Box<Append>),
    /// To accept no more, once all before is written.
    Stop(Reply<()>),
}

/// A record on its way to the writer.
pub(crate) struct Append {
    pub(crate) record: Record,
    pub(crate) entry: Entry,
    pub(crate) reply: Reply<u64>,
    /// Its share of [`QUEUE_BYTES_MAX`], given back when it is written or refused.
    pub(crate) share: Option<OwnedSemaphorePermit>,
}

/// A record in the queue. Await [`Self::durable`] to know that it is on disk.
#[derive(Debug)]
#[must_use = "the record is not durable yet"]
pub struct Ticket {
    reply: oneshot::Receiver<Result<u64, JournalError>>,
}

impl Ticket {
    /// Waits until the record is on disk, and returns its index.
    ///
    /// # Errors
    ///
    /// [`JournalError`] if it is not, or may not be. Dropping the future does not take the record back.
    pub async fn durable(self) -> Result<u64, JournalError> {
        self.reply.await.unwrap_or(Err(JournalError::Closed))
    }
}

/// The end of the queue that belongs to those who append.
#[derive(Debug)]
pub(crate) struct Queue {
    work: mpsc::Sender<Work>,
    shares: Arc<Semaphore>,
}

/// What a queue holds at most.
#[derive(Clone, Copy, Debug)]
pub(crate) struct QueueLimits {
    pub(crate) records_max: usize,
    pub(crate) bytes_max: usize,
}

impl QueueLimits {
    pub(crate) const DEFAULT: Self =
        Self { records_max: QUEUE_RECORDS_MAX, bytes_max: QUEUE_BYTES_MAX };
}

/// Makes a queue.
pub(crate) fn queue(limits: QueueLimits) -> (Queue, mpsc::Receiver<Work>) {
    let (work, receiver) = mpsc::channel(limits.records_max);
    (Queue { work, shares: Arc::new(Semaphore::new(limits.bytes_max)) }, receiver)
}

impl Queue {
    /// Puts a record into the queue; waits only while the queue is full.
    pub(crate) async fn append(
        &self,
        record: Record,
        entry: Entry,
    ) -> Result<Ticket, JournalError> {
        let bytes = u32::try_from(entry.frame_bytes()).unwrap_or(u32::MAX);
        let share = Arc::clone(&self.shares).acquire_many_owned(bytes).await;
        let share = Some(share.map_err(|_closed| JournalError::Closed)?);
        let (reply, receiver) = oneshot::channel();
        let append = Append { record, entry, reply, share };
        let sent = self.work.send(Work::Append(Box::new(append))).await;
        sent.map_err(|_closed| JournalError::Closed)?;
        Ok(Ticket { reply: receiver })
    }

    /// Asks the writer to accept no more, and waits until all before is written.
    pub(crate) async fn stop(&self) -> Result<(), JournalError> {
        let (reply, receiver) = oneshot::channel();
        self.work.send(Work::Stop(reply)).await.map_err(|_closed| JournalError::Closed)?;
        receiver.await.unwrap_or(Err(JournalError::Closed))
    }
}
