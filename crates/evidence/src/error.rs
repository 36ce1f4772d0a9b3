//! What can be wrong with the input of a package, and with a package.

use ledger::{CheckpointError, Contents, RecordError};
use model::{IdentityName, TargetName};

/// No package can be built from this input.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvidenceError {
    /// The window holds no instant.
    #[error("the window is empty: its end must be after its start")]
    EmptyWindow,
    /// The filter names an identity that never existed. A report on it would be empty, not good.
    #[error("the control ledger knows no identity `{0}`")]
    UnknownIdentity(IdentityName),
    /// The filter names a target that was never loaded.
    #[error("the control ledger knows no target `{0}`")]
    UnknownTarget(TargetName),
    /// The text is no checkpoint.
    #[error("the checkpoint of the {} ledger cannot be read: {error}", .ledger.name())]
    Checkpoint {
        /// Which ledger's.
        ledger: Contents,
        /// What is wrong with it.
        error: CheckpointError,
    },
    /// The leaves are not those under the checkpoint.
    #[error(
        "the {} ledger's {leaves} leaves do not have the root of its checkpoint of size {signed}",
        .ledger.name()
    )]
    Root {
        /// Which ledger.
        ledger: Contents,
        /// How many leaves were given.
        leaves: u64,
        /// How many the checkpoint covers.
        signed: u64,
    },
    /// A leaf is no record.
    #[error("record {index} of the {} ledger: {error}", .ledger.name())]
    Leaf {
        /// In which ledger.
        ledger: Contents,
        /// Its index.
        index: u64,
        /// What is wrong with it.
        error: RecordError,
    },
    /// A control record says what cannot be, so there is no inventory after it.
    #[error("record {index} of the control ledger cannot follow those before it: {error}")]
    Inventory {
        /// Its index.
        index: u64,
        /// Why.
        error: String,
    },
    /// The report cannot be written. Not reached by any input.
    #[error("the report cannot be written: {0}")]
    Write(String),
}

/// A package is not what it says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The verifier key cannot be read.
    #[error("the verifier key cannot be read: {0}")]
    Key(ledger::ParseVKeyError),
    /// There is no readable manifest.
    #[error("manifest.json cannot be read: {0}")]
    Manifest(String),
    /// Another version of the program made it.
    #[error("the package has format `{found}`; this program verifies `{expected}`")]
    Format {
        /// The format that it names.
        found: String,
        /// The format that this program reads.
        expected: &'static str,
    },
    /// A file of the package is not there.
    #[error("`{0}` is missing")]
    Missing(String),
    /// A file is there that does not belong to the package.
    #[error("`{0}` does not belong to the package")]
    Unexpected(String),
    /// A file is not the one that the manifest names.
    #[error("`{0}` is not the file that manifest.json names: its size or hash differs")]
    Altered(String),
    /// A ledger in the package is not the one that was signed.
    #[error("`{file}`: {fault}")]
    Ledger {
        /// The file with its records.
        file: &'static str,
        /// What is wrong, and with which record.
        fault: ledger::Fault,
    },
    /// The package cannot be built again.
    #[error("the package cannot be built again from its records: {0}")]
    Build(#[from] EvidenceError),
    /// A file does not come out when the package is built again from its records.
    #[error("`{0}` does not follow from the records")]
    NotDerived(String),
}

impl Fault {
    /// The file in which the fault shows, if it is in one.
    pub fn file(&self) -> Option<&str> {
        match self {
            Self::Key(_) | Self::Build(_) => None,
            Self::Manifest(_) | Self::Format { .. } => Some(crate::manifest::NAME),
            Self::Missing(file)
            | Self::Unexpected(file)
            | Self::Altered(file)
            | Self::NotDerived(file) => Some(file),
            Self::Ledger { file, .. } => Some(file),
        }
    }

    /// The first bad record, if the fault is in one.
    pub fn index(&self) -> Option<u64> {
        match self {
            Self::Ledger { fault, .. } => fault.index,
            Self::Build(
                EvidenceError::Leaf { index, .. } | EvidenceError::Inventory { index, .. },
            ) => Some(*index),
            Self::Key(_)
            | Self::Manifest(_)
            | Self::Format { .. }
            | Self::Missing(_)
            | Self::Unexpected(_)
            | Self::Altered(_)
            | Self::Build(_)
            | Self::NotDerived(_) => None,
        }
    }
}
