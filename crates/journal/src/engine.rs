//! The two threads of an open ledger, and the handle that both journals share.

use std::fmt;
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use ledger::{Entry, Record};
use model::LedgerHead;
use tokio::sync::oneshot;

use crate::JournalError;
use crate::directory::Disk;
use crate::queue::{Queue, Ticket, queue};
use crate::sealer::{SealNow, Sealer, Shared};
use crate::writer::Writer;

/// An open ledger. Dropping it without [`Self::close`] is what a crash looks like.
pub(crate) struct Engine {
    shared: Arc<Shared>,
    /// Nothing only while the value is dropped.
    queue: Option<Queue>,
    seal: Option<mpsc::Sender<SealNow>>,
    threads: Vec<JoinHandle<()>>,
}

impl Engine {
    /// Starts the threads.
    pub(crate) fn start<D: Disk>(
        shared: Arc<Shared>,
        writer: Writer<D>,
        sealer: Sealer<D>,
        interval: Duration,
        records_max: usize,
    ) -> std::io::Result<Self> {
        let (queue, work) = queue(records_max);
        let (seal, requests) = mpsc::channel();
        let spawn = |name: &str| thread::Builder::new().name(name.to_owned());
        let threads = vec![
            spawn("journal-writer").spawn(move || writer.run(work))?,
            spawn("journal-sealer").spawn(move || sealer.run(requests, interval))?,
        ];
        Ok(Self { shared, queue: Some(queue), seal: Some(seal), threads })
    }

    pub(crate) async fn append(
        &self,
        record: Record,
        entry: Entry,
    ) -> Result<Ticket, JournalError> {
        self.shared.check()?;
        self.queue.as_ref().ok_or(JournalError::Closed)?.append(record, entry).await
    }

    pub(crate) fn head(&self) -> LedgerHead {
        self.shared.head()
    }

    pub(crate) fn check(&self) -> Result<(), JournalError> {
        self.shared.check()
    }

    /// Signs a checkpoint over all durable records now.
    pub(crate) async fn seal(&self) -> Result<LedgerHead, JournalError> {
        let (reply, receiver) = oneshot::channel();
        let seal = self.seal.as_ref().ok_or(JournalError::Closed)?;
        seal.send(reply).map_err(|_closed| JournalError::Closed)?;
        receiver.await.unwrap_or(Err(JournalError::Closed))
    }

    /// Accepts no more records, and signs a last checkpoint.
    pub(crate) async fn close(&self) -> Result<LedgerHead, JournalError> {
        self.queue.as_ref().ok_or(JournalError::Closed)?.stop().await?;
        self.seal().await
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.queue = None;
        self.seal = None;
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of the journal panicked");
            }
        }
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("head", &self.head()).finish_non_exhaustive()
    }
}
