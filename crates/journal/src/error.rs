//! Why a record is not durable, or a ledger cannot be opened.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ledger::{EntryError, Fault, RuleError, VerifyError};

/// Why a record is not durable, or a ledger cannot be opened.
///
/// A command whose intent met one of these must not run.
#[derive(Clone, Debug, thiserror::Error)]
pub enum JournalError {
    /// Another process has the ledger.
    #[error(
        "the ledger {} is in use by another process: stop that gateway, or give this one a state \
         directory of its own", .0.display()
    )]
    Locked(PathBuf),
    /// The ledger is not what was signed. It is left as it is.
    #[error(
        "the ledger {} fails verification: {fault}. Nothing was changed. Keep a copy of the directory \
         as evidence, then restore the ledger from a sound copy, or begin a new one in another \
         state directory", .dir.display()
    )]
    Damaged {
        /// The ledger's directory.
        dir: PathBuf,
        /// What is wrong, and with which record.
        fault: Box<Fault>,
    },
    /// The ledger has fewer records than another ledger says: an older copy is in its place.
    #[error(
        "the ledger {} has {size} records, but the gateway's other ledger was written under {named} of \
         them: it was rolled back. Nothing was changed. Restore it from a copy that is not older",
        .dir.display()
    )]
    RolledBack {
        /// The ledger's directory.
        dir: PathBuf,
        /// Its records.
        size: u64,
        /// What the other ledger names.
        named: u64,
    },
    /// The ledger's files cannot be read or made.
    #[error("{what} {}: {error}", .path.display())]
    Files {
        /// What was tried.
        what: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the operating system said.
        error: Arc<io::Error>,
    },
    /// A text cannot be the origin of a ledger.
    #[error("`{0}` cannot name a ledger: use printable ASCII without spaces and plus signs")]
    Origin(String),
    /// A write failed earlier; nothing can be recorded until the gateway is restarted.
    #[error("nothing can be recorded any more, so nothing may run: {reason}")]
    Poisoned {
        /// What failed.
        reason: Arc<str>,
    },
    /// The journal was closed.
    #[error("the journal is closed")]
    Closed,
    /// The record cannot be written down.
    #[error(transparent)]
    Entry(#[from] EntryError),
    /// The record cannot follow the ones before it. Nothing was written.
    #[error("the record was refused: {0}")]
    Rule(#[from] RuleError),
    /// The control ledger has grown since the caller looked.
    #[error("the inventory has changed meanwhile (version {actual}, not {expected}): look again")]
    Conflict {
        /// The size that the caller expected.
        expected: u64,
        /// The size that it has.
        actual: u64,
    },
}

impl JournalError {
    pub(crate) fn files(what: &'static str, path: &Path, error: io::Error) -> Self {
        Self::Files { what, path: path.to_owned(), error: Arc::new(error) }
    }

    pub(crate) fn verification(dir: &Path, error: VerifyError) -> Self {
        match error {
            VerifyError::Fault(fault) => {
                Self::Damaged { dir: dir.to_owned(), fault: Box::new(fault) }
            }
            VerifyError::Read(error) => Self::files("cannot read the ledger", dir, error),
        }
    }
}
