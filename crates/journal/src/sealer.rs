//! The sealer thread: signs a checkpoint over durable records, each second and at the end.
//!
//! Order: stored hashes, then kept checkpoints, then the latest checkpoint, each durable before the
//! next is written. So whatever the latest checkpoint covers is there, however the power fails.

use std::mem;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crypto::sign::SigningKey;
use ledger::{CHECKPOINT_RECORDS, Checkpoint, Hash, Tree};
use model::LedgerHead;

use crate::JournalError;
use crate::directory::{Directory, Disk};
use crate::queue::Reply;

/// How often a checkpoint is signed while records come in.
pub const CHECKPOINT_INTERVAL: Duration = Duration::from_secs(1);

/// What writer and sealer share: the durable records that no checkpoint covers yet.
#[derive(Debug)]
pub(crate) struct Shared {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// The tree of all durable records.
    tree: Tree,
    fresh: Fresh,
    /// Why nothing can be recorded any more.
    poison: Option<Arc<str>>,
}

/// Durable records that no checkpoint covers yet.
#[derive(Debug, Default)]
struct Fresh {
    hashes: Vec<Hash>,
    /// Sizes and roots at which a checkpoint must be kept.
    kept: Vec<(u64, Hash)>,
}

impl Shared {
    /// Begins with the tree that the latest checkpoint covers.
    pub(crate) fn new(signed: Tree) -> Self {
        let state = State { tree: signed, fresh: Fresh::default(), poison: None };
        Self { state: Mutex::new(state) }
    }

    /// Adds records that are durable.
    pub(crate) fn add(&self, hashes: &[Hash]) {
        let mut state = self.lock();
        let State { tree, fresh, poison: _ } = &mut *state;
        for hash in hashes {
            tree.push(*hash);
            fresh.hashes.push(*hash);
            if tree.size().is_multiple_of(CHECKPOINT_RECORDS) {
                fresh.kept.push((tree.size(), tree.root()));
            }
        }
    }

    /// The durable ledger.
    pub(crate) fn head(&self) -> LedgerHead {
        self.lock().tree.head()
    }

    /// Ends the journal. The first reason stays.
    pub(crate) fn poison(&self, reason: String) -> JournalError {
        tracing::error!(%reason, "the journal has failed; no command may run until a restart");
        let mut state = self.lock();
        let reason = state.poison.get_or_insert_with(|| reason.into());
        JournalError::Poisoned { reason: Arc::clone(reason) }
    }

    /// An error if the journal has ended.
    pub(crate) fn check(&self) -> Result<(), JournalError> {
        match &self.lock().poison {
            Some(reason) => Err(JournalError::Poisoned { reason: Arc::clone(reason) }),
            None => Ok(()),
        }
    }

    fn take_fresh(&self) -> (Fresh, Tree) {
        let mut state = self.lock();
        (mem::take(&mut state.fresh), state.tree.clone())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing under the lock can panic half-way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes what makes records verifiable: their hashes and the checkpoints over them.
pub(crate) struct Sealer<D> {
    pub(crate) directory: Arc<Directory>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) origin: String,
    pub(crate) key: Arc<SigningKey>,
    pub(crate) hashes: D,
    pub(crate) checkpoints: D,
    /// Size of the latest checkpoint.
    pub(crate) sealed: u64,
}

/// A request to sign a checkpoint now.
pub(crate) type SealNow = Reply<LedgerHead>;

impl<D: Disk> Sealer<D> {
    /// Signs checkpoints until nobody is left to ask for one.
    pub(crate) fn run(mut self, requests: Receiver<SealNow>, interval: Duration) {
        loop {
            match requests.recv_timeout(interval) {
                Ok(reply) => {
                    // Whoever asked may have gone away.
                    let _gone = reply.send(self.seal());
                }
                Err(RecvTimeoutError::Timeout) => {
                    // The reason is kept for whoever appends next, and logged.
                    let _kept = self.seal();
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Signs a checkpoint over all durable records and returns what it covers.
    pub(crate) fn seal(&mut self) -> Result<LedgerHead, JournalError> {
        self.shared.check()?;
        let (fresh, tree) = self.shared.take_fresh();
        let written = self.write(&fresh, &tree);
        written.map_err(|error| {
            self.shared.poison(format!(
                "a checkpoint of the ledger {} cannot be written: {error}",
                self.directory.path().display()
            ))
        })?;
        Ok(tree.head())
    }

    fn write(&mut self, fresh: &Fresh, tree: &Tree) -> std::io::Result<()> {
        if tree.size() > self.sealed {
            let hashes: Vec<u8> = fresh.hashes.iter().flat_map(|hash| hash.0).collect();
            self.hashes.append(&hashes)?;
            self.hashes.sync()?;
            if !fresh.kept.is_empty() {
                let notes = fresh.kept.iter().map(|(size, root)| self.sign(*size, *root));
                let notes = notes.collect::<String>();
                self.checkpoints.append(notes.as_bytes())?;
                self.checkpoints.sync()?;
            }
            self.directory.replace_checkpoint(&self.sign(tree.size(), tree.root()))?;
            self.sealed = tree.size();
        }
        self.hashes.check()?;
        self.checkpoints.check()
    }

    fn sign(&self, size: u64, root: Hash) -> String {
        Checkpoint { origin: self.origin.clone(), size, root }.sign(&self.key)
    }
}
