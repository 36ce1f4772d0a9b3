//! Verification of a whole ledger: one pass, in the order of the records.
//!
//! The journal at opening, `countersign verify` and evidence packages all come through [`verify`].
//!
//! How the first bad record is found: leaves make one tree, the stored hashes another. At each kept
//! checkpoint one of them must have the signed root. If only the stored hashes do, the first leaf
//! that differs from its stored hash is the bad one; if only the leaves do, the stored hash is bad;
//! if neither does, someone rewrote both, and the fault lies between this checkpoint and the last.

use std::io::Read;

use model::CommandRef;

use crate::audit::Audit;
use crate::{
    Checkpoint, CheckpointError, Contents, Fault, FaultKind, Hash, Payload, Record, Rules, Tree,
    VKey, VerifyError,
};

/// The four files of a ledger. The first three are read once, from the beginning, as a stream.
#[derive(Debug)]
pub struct Image<L, H, C> {
    /// The records.
    pub log: L,
    /// Their hashes.
    pub hashes: H,
    /// The kept checkpoints.
    pub checkpoints: C,
    /// The latest checkpoint. Of a live ledger it must be read before the others.
    pub checkpoint: Vec<u8>,
}

/// What the caller knows of a ledger from elsewhere.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// The key that signs it. Never taken from the ledger itself.
    pub key: &'a VKey,
    /// Its exact origin, if the caller knows it; the key limits it in any case.
    pub origin: Option<&'a str>,
    /// A checkpoint seen earlier, which the ledger must continue.
    pub known: Option<&'a Checkpoint>,
    /// Whether it may run ahead of its checkpoint.
    pub tail: Tail,
    /// Whether payloads must be there.
    pub payloads: Payloads,
}

impl<'a> Expected<'a> {
    /// A closed ledger with all its payloads, signed with this key.
    pub fn closed(key: &'a VKey) -> Self {
        Self { key, origin: None, known: None, tail: Tail::Signed, payloads: Payloads::Required }
    }

    /// The same of a ledger that a gateway is writing, or was writing when it stopped.
    pub fn live(key: &'a VKey) -> Self {
        Self { tail: Tail::Live, ..Self::closed(key) }
    }
}

/// What may follow the last signed record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tail {
    /// Nothing.
    Signed,
    /// Whole records, and a part of one.
    Live,
}

/// Whether the values beside the leaves must be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payloads {
    /// Every value to which a record commits.
    Required,
    /// All values of a record, or none.
    MayBeWithheld,
}

/// A ledger that is what was signed.
#[derive(Clone, Debug)]
pub struct Verified {
    /// The latest checkpoint.
    pub signed: Checkpoint,
    /// Number of whole records, signed or not.
    pub size: u64,
    /// Root of their tree.
    pub root: Hash,
    /// Which ledger it is; nothing if it is empty.
    pub contents: Option<Contents>,
    /// How many records follow the last signed one. Only of a live ledger.
    pub unsigned_tail: u64,
    /// Bytes of a torn record at the end. Only of a live ledger.
    pub torn_bytes: u64,
    /// Permitted commands without an outcome.
    pub unknown: Vec<CommandRef>,
    /// The tree of all whole records, to grow it further.
    pub tree: Tree,
    /// The tree of the signed records.
    pub signed_tree: Tree,
    /// What the records leave open, to go on with it.
    pub rules: Rules,
    /// Hashes of the unsigned records.
    pub tail_hashes: Vec<Hash>,
    /// Bytes of all whole records in the log.
    pub log_bytes: u64,
    /// Bytes of the signed records in the log.
    pub signed_log_bytes: u64,
    /// Bytes of all kept checkpoints up to the signed size.
    pub checkpoints_bytes: u64,
}

/// One record as verification meets it.
///
/// It can be relied on only once [`verify`] has returned without an error.
#[derive(Debug)]
pub struct Visit<'a> {
    /// Its place.
    pub index: u64,
    /// The record.
    pub record: &'a Record,
    /// Its leaf, as hashed.
    pub leaf: &'a [u8],
    /// The values beside it.
    pub payload: &'a Payload,
}

/// Verifies a ledger and shows each record to `visit` on the way.
///
/// Cost: linear in the size of the files. Memory: the records between two kept checkpoints, and a
/// few words for each open session.
///
/// # Errors
///
/// [`VerifyError::Fault`] names the first bad record, [`VerifyError::Read`] says that a file could
/// not be read.
pub fn verify<L: Read, H: Read, C: Read>(
    image: Image<L, H, C>,
    expected: &Expected<'_>,
    visit: &mut dyn FnMut(&Visit<'_>),
) -> Result<Verified, VerifyError> {
    let note = std::str::from_utf8(&image.checkpoint).map_err(|_bytes| CheckpointError::Malformed);
    let signed = note
        .and_then(|note| Checkpoint::open(note, expected.key))
        .and_then(|signed| check_origin(signed, expected.origin))
        .map_err(|error| Fault { index: None, intact: 0, kind: FaultKind::Checkpoint(error) })?;
    Audit::new(image, signed, expected).run(visit)
}

fn check_origin(signed: Checkpoint, origin: Option<&str>) -> Result<Checkpoint, CheckpointError> {
    match origin {
        Some(expected) if expected != signed.origin => {
            Err(CheckpointError::Origin { found: signed.origin, expected: expected.to_owned() })
        }
        Some(_) | None => Ok(signed),
    }
}
