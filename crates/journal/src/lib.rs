//! The durable writer of a ledger: one directory, one writer thread, group commit, signed checkpoints.
//!
//! ```text
//! append ─▶ queue ─▶ writer thread: drain ─▶ one write ─▶ one fdatasync ─▶ acknowledge
//!                                              │
//!                          sealer thread: hashes ─▶ kept checkpoints ─▶ latest checkpoint
//! ```
//!
//! **Invariant:** what was acknowledged is on disk. A record is acknowledged only after the
//! `fdatasync` behind it has succeeded.
//!
//! **Invariant:** the first failed write ends the journal. Nothing is retried: after a failed
//! `fdatasync` nobody knows what is on disk. Every later append fails, so traffic stops.
//!
//! **Invariant:** only a durable intent makes a [`Permit`], and only a permit can be finished.
//!
//! **Invariant:** a notification is given out only once the record of it is durable.
//!
//! **Boundary:** no clock is read for records: every time comes in as an argument. The private key
//! comes in too, and is never written.

mod access;
mod control;
mod delivery;
mod directory;
mod engine;
mod error;
mod open;
mod outcome;
mod queue;
pub mod reader;
mod sealer;
mod writer;

pub use access::{AccessJournal, Pending, PendingPermit, Permit};
pub use control::ControlJournal;
pub use delivery::PendingDelivery;
pub use error::JournalError;
pub use open::{OpenOptions, Opened, Seen};
pub use outcome::{Outcome, WrittenData};
pub use queue::{QUEUE_BYTES_MAX, QUEUE_RECORDS_MAX, Ticket};
pub use sealer::CHECKPOINT_INTERVAL;
