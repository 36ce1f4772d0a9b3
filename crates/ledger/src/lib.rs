//! The append-only log of records: its encoding, its Merkle tree, its checkpoints, its verification.
//!
//! A ledger is four files. Every byte of each is checked by [`verify`]:
//!
//! | file | what it holds |
//! |---|---|
//! | `log` | the records, one [frame](Entry) after the other: leaf (one line of JSON), payload beside it |
//! | `hashes` | the leaf hashes of all signed records: level 0 of the C2SP tiles, without the cuts |
//! | `checkpoints` | a signed checkpoint at each multiple of [`CHECKPOINT_RECORDS`]: they bound a fault |
//! | `checkpoint` | the latest signed checkpoint (C2SP tlog-checkpoint in a signed note) |
//!
//! Formats: RFC 6962 section 2 (tree), C2SP tlog-checkpoint and signed-note.
//!
//! **Boundary:** bytes in, values out. Nothing here opens a file, reads a clock or starts a thread;
//! [`verify`] reads through [`std::io::Read`]. No key is ever taken from the ledger itself.
//!
//! **Invariant:** one record has one spelling. A leaf, payload or checkpoint that is not exactly what
//! this crate would write is refused, so no byte can change without being noticed.

mod audit;
mod checkpoint;
mod commitment;
mod excerpt;
mod fault;
mod frame;
mod history;
mod proof;
mod record;
mod rules;
mod tree;
mod verify;

pub use checkpoint::{Checkpoint, CheckpointError, ParseVKeyError, VKey, check_origin};
pub use commitment::{Disclosed, Payload, PayloadError, commit};
pub use excerpt::{Excerpt, verify_excerpt};
pub use fault::{Fault, FaultKind, LedgerFile, VerifyError};
pub use frame::{
    Entry, EntryError, Frame, FrameFault, FrameReader, LEAF_BYTES_MAX, PAYLOAD_BYTES_MAX, ReadError,
};
pub use proof::{
    RangeProof, consistency_proof, inclusion_proof, verify_consistency, verify_inclusion,
};
pub use record::{Contents, Record, RecordError, commitments};
pub use rules::{RuleError, Rules};
pub use tree::{Hash, ParseHashError, Tree, leaf_hash};
pub use verify::{Expected, Image, Payloads, Tail, Verified, Visit, verify};

/// A checkpoint is kept at each multiple of so many records.
///
/// Between two of them a fault that was covered up (leaf, frame and stored hash rewritten alike) is
/// known to exist but not which record it is in.
pub const CHECKPOINT_RECORDS: u64 = 64;
