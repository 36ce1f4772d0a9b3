//! The attack corpus: statements and message sequences that try to get at what is masked or not
//! granted, beside harmless ones that must work.
//!
//! Each item is run on three databases: a twin, a clone of it, and the other twin, which differs
//! only in the values of masked and ungranted columns. The bytes that a client gets must not tell
//! one from the other ([`verdict`]).

pub mod campaign;
pub mod item;
pub mod mode;
pub mod parameters;
pub mod roll;
pub mod statements;
pub mod steps;
pub mod verdict;
pub mod world;

pub use item::{Corpus, Item, Work};
pub use mode::Mode;
pub use verdict::{FaultKind, Report, Verdict};
pub use world::{Transcript, Twin, World};
