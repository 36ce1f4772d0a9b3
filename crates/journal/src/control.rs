//! The control journal: one record after the other, each under the size its author expects.

use ledger::{Contents, Entry, Record};
use model::{ControlEvent, ControlRecord, LedgerHead, Timestamp};
use tokio::sync::Mutex;

use crate::engine::Engine;
use crate::open::open;
use crate::{JournalError, OpenOptions, Opened, Seen};

/// The journal of a control ledger.
#[derive(Debug)]
pub struct ControlJournal {
    engine: Engine,
    /// Number of records. Held while one is appended, so that no two have the same expectation met.
    size: Mutex<u64>,
}

impl ControlJournal {
    /// Opens the ledger, verifies it, and begins a run: the first record is `epoch_started`.
    ///
    /// `visit` is shown every record in order, the one that begins this run included; what it has
    /// seen can be relied on only if `open` succeeds.
    ///
    /// # Errors
    ///
    /// [`JournalError`]: locked by another process, damaged (names the first bad record; nothing is
    /// changed), or the files cannot be read or written.
    pub fn open(
        options: OpenOptions,
        mut visit: impl FnMut(Seen<'_, ControlRecord>),
    ) -> Result<(Self, Opened), JournalError> {
        let mut show = |index, record: &Record| match record {
            Record::Control(record) => visit(Seen { index, record }),
            // Then the rules refuse the first record of this run.
            Record::Access(_) => {}
        };
        let (engine, opened) = open(options, Contents::Control, &mut show)?;
        let size = Mutex::new(engine.head().size);
        Ok((Self { engine, size }, opened))
    }

    /// Appends a record if the ledger still has the size that the caller has seen. Returns the new
    /// size once the record is on disk.
    ///
    /// # Errors
    ///
    /// [`JournalError::Conflict`] if it has grown meanwhile; any other if it cannot be recorded.
    pub async fn append(&self, expected: u64, record: ControlRecord) -> Result<u64, JournalError> {
        let entry = Entry::control(&record)?;
        let mut size = self.size.lock().await;
        if *size != expected {
            return Err(JournalError::Conflict { expected, actual: *size });
        }
        let ticket = self.engine.append(Record::Control(record), entry).await?;
        let index = ticket.durable().await?;
        *size = index.saturating_add(1);
        Ok(*size)
    }

    /// Size and root of the durable ledger.
    pub fn head(&self) -> LedgerHead {
        self.engine.head()
    }

    /// An error if nothing can be recorded any more.
    ///
    /// # Errors
    ///
    /// [`JournalError::Poisoned`] with the reason.
    pub fn check(&self) -> Result<(), JournalError> {
        self.engine.check()
    }

    /// Signs a checkpoint over all durable records now, and returns what it covers.
    ///
    /// # Errors
    ///
    /// [`JournalError`] if it cannot be written.
    pub async fn seal(&self) -> Result<LedgerHead, JournalError> {
        self.engine.seal().await
    }

    /// Ends the run in order: a last record, a last checkpoint. Later appends fail.
    ///
    /// # Errors
    ///
    /// [`JournalError`] if that cannot be recorded.
    pub async fn close(&self, at: Timestamp) -> Result<LedgerHead, JournalError> {
        let size = *self.size.lock().await;
        let event = ControlEvent::EpochEnded {};
        let ended = ControlRecord { at, by: "gateway".to_owned(), event };
        let recorded = self.append(size, ended).await;
        let head = self.engine.close().await?;
        recorded.map(|_size| head)
    }
}
