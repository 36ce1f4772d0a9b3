//! What verification finds: the first bad record, and what is wrong with it.

use std::fmt;
use std::io;

use crate::{
    CHECKPOINT_RECORDS, CheckpointError, FrameFault, PayloadError, RecordError, RuleError,
};

/// One of a ledger's files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LedgerFile {
    /// The records.
    Log,
    /// Their hashes.
    Hashes,
    /// The checkpoints that bound a fault.
    Checkpoints,
    /// The latest checkpoint.
    Checkpoint,
}

impl LedgerFile {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Log, Self::Hashes, Self::Checkpoints, Self::Checkpoint];

    /// The file's name in the ledger's directory.
    pub fn name(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Hashes => "hashes",
            Self::Checkpoints => "checkpoints",
            Self::Checkpoint => "checkpoint",
        }
    }
}

/// A ledger is not what was signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The first bad record. Nothing if no record is bad, but a checkpoint or a file is.
    ///
    /// For [`FaultKind::Span`]: the first record that may be the bad one.
    pub index: Option<u64>,
    /// A signature vouches for all records below this index.
    pub intact: u64,
    /// What is wrong.
    pub kind: FaultKind,
}

/// What is wrong with a ledger.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FaultKind {
    /// A file is not there.
    #[error("the file `{}` is missing", .0.name())]
    FileMissing(LedgerFile),
    /// The latest checkpoint is not one, or not of this ledger and key.
    #[error("the latest checkpoint cannot be trusted: {0}")]
    Checkpoint(CheckpointError),
    /// An earlier checkpoint is not one, or not of this ledger and key.
    #[error("the checkpoint at size {size} cannot be trusted: {error}")]
    EarlierCheckpoint {
        /// The size at which it must stand.
        size: u64,
        /// What is wrong with it.
        error: CheckpointError,
    },
    /// The bytes are no record.
    #[error(transparent)]
    Frame(#[from] FrameFault),
    /// The leaf is no record.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The payload is not that of the record.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// The record cannot follow the ones before it.
    #[error(transparent)]
    Rule(#[from] RuleError),
    /// The record is not the one that was signed. Its stored hash still is.
    #[error("the record is not the one that was signed")]
    Altered,
    /// The record's stored hash is not the record's. The record itself is the one that was signed,
    /// unless something behind it is bad too.
    #[error("the stored hash of the record is another one, or missing")]
    StoredHash,
    /// Records and their stored hashes were rewritten alike.
    #[error("the records from here to {last} are not those that were signed")]
    Span {
        /// The last record that may be bad.
        last: u64,
    },
    /// Signed records are missing at the end.
    #[error("the log ends here, but {signed} records were signed")]
    Missing {
        /// How many were signed.
        signed: u64,
    },
    /// Records follow that no checkpoint covers.
    #[error("records follow that are not signed")]
    Unsigned,
    /// A file is longer than its ledger.
    #[error("the file `{}` is longer than the ledger", .0.name())]
    Trailing(LedgerFile),
    /// Two signed checkpoints of one size have different roots.
    #[error("two different ledgers of {size} records were signed")]
    Fork {
        /// Their size.
        size: u64,
    },
    /// The ledger is shorter than one that the caller has seen.
    #[error("the ledger has {size} records, but had {known} before")]
    RolledBack {
        /// How many it has.
        size: u64,
        /// How many the caller knows of.
        known: u64,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.index {
            Some(index) => write!(f, "record {index}: {}", self.kind),
            None => write!(f, "{}", self.kind),
        }
    }
}

impl std::error::Error for Fault {}

/// Why a ledger could not be shown to be sound.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// It is not what was signed.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// It could not be read.
    #[error("the ledger cannot be read: {0}")]
    Read(#[from] io::Error),
}

impl VerifyError {
    /// The fault, if there is one.
    pub fn fault(&self) -> Option<&Fault> {
        match self {
            Self::Fault(fault) => Some(fault),
            Self::Read(_) => None,
        }
    }
}

/// True if a checkpoint must be kept at this size.
pub(crate) fn keeps_checkpoint(size: u64) -> bool {
    size > 0 && size.is_multiple_of(CHECKPOINT_RECORDS)
}
