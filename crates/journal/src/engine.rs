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
use crate::queue::{Queue, QueueLimits, Ticket, queue};
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
        limits: QueueLimits,
    ) -> std::io::Result<Self> {
        let (queue, work) = queue(limits);
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

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

    use crypto::sign::SigningKey;
    use ledger::{Payload, Rules, Tree};
    use model::{AccessEvent, AccessRecord, Timestamp};
    use tempfile::TempDir;

    use super::*;
    use crate::directory::Directory;

    /// A disk that fails, or waits, when the test says so.
    #[derive(Clone, Default)]
    struct TestDisk {
        state: Arc<TestDiskState>,
        /// Each sync takes one of these, if there are any to wait for.
        gate: Option<Arc<Mutex<mpsc::Receiver<()>>>>,
    }

    #[derive(Default)]
    struct TestDiskState {
        appends: AtomicU64,
        syncs: AtomicU64,
        fail_append: AtomicBool,
        fail_sync: AtomicBool,
        fail_check: AtomicBool,
    }

    /// One way in which the disk can fail.
    type Failure = fn(&TestDiskState) -> &AtomicBool;

    fn result(fails: &AtomicBool) -> io::Result<()> {
        if fails.load(Ordering::SeqCst) { Err(io::Error::other("broken")) } else { Ok(()) }
    }

    impl Disk for TestDisk {
        fn append(&mut self, _bytes: &[u8]) -> io::Result<()> {
            self.state.appends.fetch_add(1, Ordering::SeqCst);
            result(&self.state.fail_append)
        }

        fn sync(&mut self) -> io::Result<()> {
            self.state.syncs.fetch_add(1, Ordering::SeqCst);
            if let Some(gate) = &self.gate {
                // A test that has failed waits for nothing.
                let _opened = gate.lock().map(|gate| gate.recv());
            }
            result(&self.state.fail_sync)
        }

        fn check(&mut self) -> io::Result<()> {
            result(&self.state.fail_check)
        }
    }

    /// An engine on test disks: for the log, and for what the sealer writes.
    fn engine(log: &TestDisk, seals: &TestDisk, limits: QueueLimits) -> (Engine, TempDir) {
        let dir = tempfile::tempdir().unwrap();
        let shared = Arc::new(Shared::new(Tree::default()));
        let sealer = Sealer {
            directory: Arc::new(Directory::lock(dir.path()).unwrap()),
            shared: Arc::clone(&shared),
            origin: "gw1/access".into(),
            key: Arc::new(SigningKey::from_seed([1; 32])),
            hashes: seals.clone(),
            checkpoints: seals.clone(),
            sealed: 0,
        };
        let (rules, tree) = (Rules::midway(), Tree::default());
        let writer = Writer::new(log.clone(), Arc::clone(&shared), rules, tree);
        (Engine::start(shared, writer, sealer, Duration::MAX, limits).unwrap(), dir)
    }

    async fn append(engine: &Engine) -> Result<Ticket, JournalError> {
        let event = AccessEvent::Heartbeat { sessions: 1 };
        let record = AccessRecord { at: Timestamp::EPOCH, event };
        let entry = Entry::access(&record, &Payload::new()).unwrap();
        engine.append(Record::Access(record), entry).await
    }

    /// Waits until the writer stands in its first sync.
    async fn until_syncing(log: &TestDisk) {
        for _turn in 0..10_000_000 {
            if log.state.syncs.load(Ordering::SeqCst) > 0 {
                return;
            }
            tokio::task::yield_now().await;
        }
        panic!("nothing was synced");
    }

    async fn record(engine: &Engine) -> Result<u64, JournalError> {
        append(engine).await?.durable().await
    }

    #[tokio::test]
    async fn the_first_failure_of_the_log_ends_the_journal_for_good() {
        let failures: [Failure; 3] =
            [|disk| &disk.fail_append, |disk| &disk.fail_sync, |disk| &disk.fail_check];
        for failure in failures {
            let log = TestDisk::default();
            let (engine, _dir) = engine(&log, &TestDisk::default(), QueueLimits::DEFAULT);
            assert_eq!(record(&engine).await.unwrap(), 0);
            failure(&log.state).store(true, Ordering::SeqCst);
            let error = record(&engine).await.unwrap_err();
            assert!(
                matches!(&error, JournalError::Poisoned { reason } if reason.contains("broken"))
            );

            // The disk is well again, but nobody knows what is on it.
            failure(&log.state).store(false, Ordering::SeqCst);
            let appends = log.state.appends.load(Ordering::SeqCst);
            assert!(matches!(record(&engine).await, Err(JournalError::Poisoned { .. })));
            assert!(matches!(engine.seal().await, Err(JournalError::Poisoned { .. })));
            assert_eq!(log.state.appends.load(Ordering::SeqCst), appends, "nothing is retried");
            assert_eq!(engine.head().size, 1, "what was not acknowledged is not counted");
        }
    }

    #[tokio::test]
    async fn a_checkpoint_that_cannot_be_written_ends_the_journal_too() {
        let seals = TestDisk::default();
        let (engine, _dir) = engine(&TestDisk::default(), &seals, QueueLimits::DEFAULT);
        record(&engine).await.unwrap();
        seals.state.fail_sync.store(true, Ordering::SeqCst);
        assert!(matches!(engine.seal().await, Err(JournalError::Poisoned { .. })));
        assert!(matches!(record(&engine).await, Err(JournalError::Poisoned { .. })));
    }

    #[tokio::test]
    async fn records_that_wait_together_share_one_sync() {
        let (open, gate) = mpsc::channel();
        let gate = Some(Arc::new(Mutex::new(gate)));
        let log = TestDisk { gate, ..TestDisk::default() };
        let (engine, _dir) = engine(&log, &TestDisk::default(), QueueLimits::DEFAULT);
        // Dropped before the engine, so that a failing test ends.
        let open = open;
        let first = append(&engine).await.unwrap();
        until_syncing(&log).await;
        let mut waiting = Vec::new();
        for _record in 0..100 {
            waiting.push(append(&engine).await.unwrap());
        }
        open.send(()).unwrap();
        open.send(()).unwrap();
        assert_eq!(first.durable().await.unwrap(), 0);
        for (index, ticket) in (1..).zip(waiting) {
            assert_eq!(ticket.durable().await.unwrap(), index);
        }
        assert_eq!(log.state.syncs.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn a_full_queue_makes_the_caller_wait_and_drops_nothing() {
        let one_record = {
            let event = AccessEvent::Heartbeat { sessions: 1 };
            let record = AccessRecord { at: Timestamp::EPOCH, event };
            Entry::access(&record, &Payload::new()).unwrap().frame_bytes()
        };
        for (limits, room) in [
            (QueueLimits { records_max: 4, ..QueueLimits::DEFAULT }, 5),
            // The record that is being written keeps its share until it is.
            (QueueLimits { bytes_max: one_record.saturating_mul(3), ..QueueLimits::DEFAULT }, 3),
        ] {
            let (open, gate) = mpsc::channel();
            let gate = Some(Arc::new(Mutex::new(gate)));
            let log = TestDisk { gate, ..TestDisk::default() };
            let (engine, _dir) = engine(&log, &TestDisk::default(), limits);
            // Dropped before the engine, so that a failing test ends.
            let open = open;
            let mut tickets = vec![append(&engine).await.unwrap()];
            until_syncing(&log).await;
            for _record in 1..room {
                tickets.push(append(&engine).await.unwrap());
            }
            let mut next = Box::pin(append(&engine));
            tokio::select! {
                biased;
                _ticket = &mut next => panic!("the queue took more than it holds: {limits:?}"),
                () = tokio::task::yield_now() => {}
            }
            for _sync in 0..10 {
                open.send(()).unwrap();
            }
            tickets.push(next.await.unwrap());
            for (index, ticket) in (0..).zip(tickets) {
                assert_eq!(ticket.durable().await.unwrap(), index);
            }
        }
    }
}
