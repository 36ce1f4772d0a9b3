//! The writer thread: drains the queue, writes once, syncs once, acknowledges.

use std::sync::Arc;

use ledger::{Entry, Hash, Record, Rules, Tree};
use model::{AccessEvent, AccessRecord, CommandRef, FinishedResult, SessionId, Timestamp};
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use crate::directory::Disk;
use crate::queue::{Append, Reply, Work};
use crate::sealer::Shared;
use crate::{JournalError, Outcome};

/// Records written at once at most.
const BATCH_RECORDS_MAX: usize = 1024;

/// Bytes written at once at most, but for the last record of a batch.
const BATCH_BYTES_MAX: usize = 8 << 20;

/// Appends records to the log.
pub(crate) struct Writer<D> {
    log: D,
    shared: Arc<Shared>,
    rules: Rules,
    /// The tree of everything written, durable or not.
    tree: Tree,
    batch: Batch,
}

/// Records that are written together.
#[derive(Default)]
struct Batch {
    bytes: Vec<u8>,
    hashes: Vec<Hash>,
    waiting: Vec<Waiting>,
}

/// Someone who waits for a record of the batch.
struct Waiting {
    reply: Reply<u64>,
    index: u64,
    /// Its share of the queue's bytes, which is given back when the record is written.
    #[expect(dead_code, reason = "held, not read")]
    share: Option<OwnedSemaphorePermit>,
}

impl<D: Disk> Writer<D> {
    pub(crate) fn new(log: D, shared: Arc<Shared>, rules: Rules, tree: Tree) -> Self {
        Self { log, shared, rules, tree, batch: Batch::default() }
    }

    /// Writes what comes out of the queue until it is closed, or a stop is asked for.
    pub(crate) fn run(mut self, mut queue: mpsc::Receiver<Work>) {
        while let Some(work) = queue.blocking_recv() {
            let mut stop = self.take(work);
            while stop.is_none()
                && self.batch.hashes.len() < BATCH_RECORDS_MAX
                && self.batch.bytes.len() < BATCH_BYTES_MAX
                && let Ok(work) = queue.try_recv()
            {
                stop = self.take(work);
            }
            let written = self.commit();
            if let Some(reply) = stop {
                // Whoever asked may have gone away.
                let _gone = reply.send(written);
                return;
            }
        }
    }

    /// Adds a record to the batch. Returns the reply that a stop waits for.
    fn take(&mut self, work: Work) -> Option<Reply<()>> {
        let Append { record, entry, reply, share } = match work {
            Work::Append(append) => *append,
            Work::Stop(reply) => return Some(reply),
        };
        match self.add(&record, &entry) {
            Ok(index) => self.batch.waiting.push(Waiting { reply, index, share }),
            Err(error) => {
                // Whoever asked may have gone away.
                let _gone = reply.send(Err(error));
            }
        }
        None
    }

    /// Adds a record to the batch, and returns the index that it will have.
    ///
    /// A session that ends with commands unfinished gets their outcomes first: unknown.
    pub(crate) fn add(&mut self, record: &Record, entry: &Entry) -> Result<u64, JournalError> {
        self.shared.check()?;
        if let Record::Access(AccessRecord {
            at,
            event: AccessEvent::SessionClosed { session, .. },
        }) = record
        {
            self.add_unknown(*at, *session)?;
        }
        self.rules.apply(record, &self.tree)?;
        let index = self.tree.size();
        entry.write_frame(index, &mut self.batch.bytes);
        self.tree.push(entry.leaf_hash());
        self.batch.hashes.push(entry.leaf_hash());
        Ok(index)
    }

    fn add_unknown(&mut self, at: Timestamp, session: SessionId) -> Result<(), JournalError> {
        let pending: Vec<CommandRef> = self.rules.pending_of(session).collect();
        for id in pending {
            let record = unknown_outcome(at, id);
            let entry = Entry::access(&record, &ledger::Payload::new())?;
            self.add(&Record::Access(record), &entry)?;
        }
        Ok(())
    }

    /// Makes the batch durable and acknowledges its records, or fails them all for good.
    pub(crate) fn commit(&mut self) -> Result<(), JournalError> {
        let Batch { bytes, hashes, waiting } = std::mem::take(&mut self.batch);
        let written = self.shared.check().and_then(|()| self.write(&bytes));
        if written.is_ok() {
            self.shared.add(&hashes);
        }
        for Waiting { reply, index, share: _ } in waiting {
            // Whoever asked may have gone away; the record stays.
            let _gone = reply.send(written.clone().map(|()| index));
        }
        // The buffer is used again, unless it has grown for one large record.
        if bytes.capacity() <= BATCH_BYTES_MAX {
            self.batch.bytes = bytes;
            self.batch.bytes.clear();
        }
        written
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), JournalError> {
        if bytes.is_empty() {
            return Ok(());
        }
        let written =
            self.log.append(bytes).and_then(|()| self.log.sync()).and_then(|()| self.log.check());
        written.map_err(|error| self.shared.poison(format!("the log cannot be written: {error}")))
    }

    /// What the records so far leave open.
    pub(crate) fn rules(&self) -> &Rules {
        &self.rules
    }
}

/// The outcome of a command whose end nobody saw. Its duration is not known either: zero.
pub(crate) fn unknown_outcome(at: Timestamp, id: CommandRef) -> AccessRecord {
    // Nothing was counted, so nothing lies beside it.
    let (event, _no_values) = Outcome::of(FinishedResult::Unknown).into_event(id, 0);
    AccessRecord { at, event }
}
