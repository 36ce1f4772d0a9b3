//! Verification of a whole ledger: one pass, in the order of the records.
//!
//! The journal at opening, `countersign verify` and evidence packages all come through [`verify`].
//!
//! How the first bad record is found: leaves make one tree, the stored hashes another. At each kept
//! checkpoint one of them must have the signed root. If only the stored hashes do, the first leaf
//! that differs from its stored hash is the bad one; if only the leaves do, the stored hash is bad;
//! if neither does, someone rewrote both, and the fault lies between this checkpoint and the last.

use std::io::{self, BufReader, Read};

use model::CommandRef;

use crate::checkpoint::CheckpointError;
use crate::fault::keeps_checkpoint;
use crate::history::History;
use crate::{
    Checkpoint, Contents, Fault, FaultKind, Frame, FrameReader, Hash, LedgerFile, Payload,
    PayloadError, ReadError, Record, Rules, Tree, VKey, VerifyError,
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
    /// The tree, to grow it further.
    pub tree: Tree,
    /// What the records leave open, to go on with it.
    pub rules: Rules,
    /// Hashes of the unsigned records.
    pub tail_hashes: Vec<Hash>,
    /// Bytes of all whole records in the log.
    pub log_bytes: u64,
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
/// Cost: linear in the size of the files; memory does not grow with them, except by open sessions.
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
    let audit = Audit {
        log: FrameReader::new(Counted { source: BufReader::new(image.log), bytes: 0 }),
        hashes: BufReader::new(image.hashes),
        history: History::new(image.checkpoints, expected.key, &signed.origin),
        expected,
        signed,
        tree: Tree::default(),
        intact: 0,
        rules: Rules::default(),
        doubt: Doubt::default(),
    };
    audit.run(visit)
}

fn check_origin(signed: Checkpoint, origin: Option<&str>) -> Result<Checkpoint, CheckpointError> {
    match origin {
        Some(expected) if expected != signed.origin => {
            Err(CheckpointError::Origin { found: signed.origin, expected: expected.to_owned() })
        }
        Some(_) | None => Ok(signed),
    }
}

/// What was noticed since the last checkpoint that stood.
#[derive(Debug, Default)]
struct Doubt {
    /// The first leaf whose stored hash is another one, and the tree that the stored hashes make.
    difference: Option<(u64, Tree)>,
    /// The first record that is wrong in itself.
    suspicion: Option<(u64, FaultKind)>,
}

struct Audit<'a, L, H, C> {
    log: FrameReader<Counted<BufReader<L>>>,
    hashes: BufReader<H>,
    history: History<'a, C>,
    expected: &'a Expected<'a>,
    signed: Checkpoint,
    tree: Tree,
    intact: u64,
    rules: Rules,
    doubt: Doubt,
}

impl<L: Read, H: Read, C: Read> Audit<'_, L, H, C> {
    fn run(mut self, visit: &mut dyn FnMut(&Visit<'_>)) -> Result<Verified, VerifyError> {
        loop {
            if let Some(root) = self.signed_root(self.tree.size())? {
                self.settle(root)?;
            }
            self.compare_with_known()?;
            if self.tree.size() == self.signed.size {
                break;
            }
            self.signed_record(visit)?;
        }
        let (tail_hashes, torn_bytes) = match self.expected.tail {
            Tail::Signed => {
                self.require_end()?;
                (Vec::new(), 0)
            }
            Tail::Live => self.live_tail(visit)?,
        };
        let known = self.expected.known.map_or(0, |known| known.size);
        let size = self.tree.size();
        if size < known {
            return Err(self.fault(None, FaultKind::RolledBack { size, known }).into());
        }
        Ok(Verified {
            size,
            root: self.tree.root(),
            contents: self.rules.contents(),
            unsigned_tail: size.saturating_sub(self.signed.size),
            torn_bytes,
            unknown: self.rules.pending().collect(),
            tail_hashes,
            log_bytes: self.log.offset(),
            checkpoints_bytes: self.history.bytes(),
            signed: self.signed,
            tree: self.tree,
            rules: self.rules,
        })
    }

    /// Returns the root that was signed at a size, if one was.
    fn signed_root(&mut self, size: u64) -> Result<Option<Hash>, VerifyError> {
        let kept = if keeps_checkpoint(size) {
            Some(self.history.next(size, self.intact)?.root)
        } else {
            None
        };
        let latest = (size == self.signed.size).then_some(self.signed.root);
        match (kept, latest) {
            (Some(kept), Some(latest)) if kept != latest => {
                Err(self.fault(None, FaultKind::Fork { size }).into())
            }
            (kept, latest) => Ok(kept.or(latest)),
        }
    }

    /// Compares the records since the last checkpoint with the root that was signed over them.
    fn settle(&mut self, root: Hash) -> Result<(), Fault> {
        let Doubt { difference, suspicion } = std::mem::take(&mut self.doubt);
        if self.tree.root() != root {
            let altered = difference
                .filter(|(_index, stored)| stored.root() == root)
                .map(|(index, _stored)| (index, FaultKind::Altered));
            return Err(match altered {
                // A payload may have been altered before that leaf.
                Some(altered) => self.fault_at(earlier(altered, suspicion)),
                None => {
                    let last = self.tree.size().saturating_sub(1);
                    self.fault(Some(self.intact), FaultKind::Span { last })
                }
            });
        }
        let difference = difference.map(|(index, _stored)| (index, FaultKind::StoredHash));
        if let Some(first) = difference.or_else(|| suspicion.clone()) {
            return Err(self.fault_at(earlier(first, suspicion)));
        }
        self.intact = self.tree.size();
        Ok(())
    }

    /// Takes the next record that a checkpoint covers.
    fn signed_record(&mut self, visit: &mut dyn FnMut(&Visit<'_>)) -> Result<(), VerifyError> {
        let index = self.tree.size();
        let stored = match read_hash(&mut self.hashes)? {
            Some(hash) => hash,
            None => return Err(self.first_of(index, FaultKind::StoredHash).into()),
        };
        let frame = match self.log.next_frame() {
            Ok(Some(frame)) => frame,
            Ok(None) => {
                let signed = self.signed.size;
                return Err(self.unreadable(index, FaultKind::Missing { signed }, stored)?.into());
            }
            Err(ReadError::Fault(fault)) => {
                return Err(self.unreadable(index, fault.into(), stored)?.into());
            }
            Err(ReadError::Io(error)) => return Err(error.into()),
        };
        if self.doubt.difference.is_none() && frame.leaf_hash != stored {
            self.doubt.difference = Some((index, self.tree.clone()));
        }
        if let Some((_index, tree)) = &mut self.doubt.difference {
            tree.push(stored);
        }
        // What follows a bad record is not judged: it may only look bad because of it.
        if self.doubt.suspicion.is_none()
            && let Err(kind) = self.judge(index, &frame, visit)
        {
            self.doubt.suspicion = Some((index, kind));
        }
        self.tree.push(frame.leaf_hash);
        Ok(())
    }

    /// Checks a record in itself and against those before it.
    fn judge(
        &mut self,
        index: u64,
        frame: &Frame,
        visit: &mut dyn FnMut(&Visit<'_>),
    ) -> Result<(), FaultKind> {
        let record = match self.rules.contents() {
            Some(contents) => Record::decode_as(&frame.leaf, contents)?,
            None => Record::decode(&frame.leaf)?,
        };
        let payload = Payload::from_bytes(&frame.payload)?;
        match (payload.check(&record.commitments()), self.expected.payloads) {
            (Ok(()), _) | (Err(PayloadError::Missing), Payloads::MayBeWithheld) => {}
            (Err(error), Payloads::Required | Payloads::MayBeWithheld) => return Err(error.into()),
        }
        self.rules.apply(&record, &self.tree)?;
        visit(&Visit { index, record: &record, leaf: &frame.leaf, payload: &payload });
        Ok(())
    }

    /// Names the first bad record when the log cannot be read on at `index`: the stored hashes up to
    /// the next checkpoint may still vouch for the records before it.
    fn unreadable(&mut self, index: u64, kind: FaultKind, stored: Hash) -> io::Result<Fault> {
        let (difference, mut tree) = match self.doubt.difference.take() {
            Some((index, tree)) => (Some(index), tree),
            None => (None, self.tree.clone()),
        };
        tree.push(stored);
        let root = loop {
            match self.signed_root(tree.size()) {
                Ok(Some(root)) => break Some(root),
                Ok(None) => {}
                Err(VerifyError::Fault(_)) => break None,
                Err(VerifyError::Read(error)) => return Err(error),
            }
            match read_hash(&mut self.hashes)? {
                Some(hash) => tree.push(hash),
                None => break None,
            }
        };
        let is_vouched = root == Some(tree.root());
        let kind_of_difference =
            if is_vouched { FaultKind::Altered } else { FaultKind::StoredHash };
        let first = difference.map_or((index, kind), |index| (index, kind_of_difference));
        let suspicion = self.doubt.suspicion.take();
        Ok(self.fault_at(earlier(first, suspicion)))
    }

    /// Takes records that no checkpoint covers yet, up to the end or a torn one.
    fn live_tail(
        &mut self,
        visit: &mut dyn FnMut(&Visit<'_>),
    ) -> Result<(Vec<Hash>, u64), VerifyError> {
        let mut hashes = Vec::new();
        loop {
            let index = self.tree.size();
            let frame = match self.log.next_frame() {
                Ok(Some(frame)) => frame,
                Ok(None) | Err(ReadError::Fault(_)) => break,
                Err(ReadError::Io(error)) => return Err(error.into()),
            };
            self.judge(index, &frame, visit).map_err(|kind| self.fault(Some(index), kind))?;
            self.tree.push(frame.leaf_hash);
            hashes.push(frame.leaf_hash);
            self.compare_with_known()?;
        }
        let whole = self.log.offset();
        let read = self.log.source_mut();
        io::copy(read, &mut io::sink())?;
        Ok((hashes, read.bytes.saturating_sub(whole)))
    }

    /// Refuses bytes behind the last signed record.
    fn require_end(&mut self) -> Result<(), VerifyError> {
        if !is_at_end(self.log.source_mut())? {
            return Err(self.fault(Some(self.signed.size), FaultKind::Unsigned).into());
        }
        if !is_at_end(&mut self.hashes)? {
            return Err(self.fault(None, FaultKind::Trailing(LedgerFile::Hashes)).into());
        }
        if !self.history.is_at_end()? {
            return Err(self.fault(None, FaultKind::Trailing(LedgerFile::Checkpoints)).into());
        }
        Ok(())
    }

    fn compare_with_known(&self) -> Result<(), Fault> {
        match self.expected.known {
            Some(known) if known.size == self.tree.size() && known.root != self.tree.root() => {
                Err(self.fault(None, FaultKind::Fork { size: known.size }))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// A fault at a record, or at an earlier one that already looked bad.
    fn first_of(&mut self, index: u64, kind: FaultKind) -> Fault {
        let Doubt { difference, suspicion } = std::mem::take(&mut self.doubt);
        let difference = difference.map(|(index, _stored)| (index, FaultKind::StoredHash));
        self.fault_at(earlier(difference.unwrap_or((index, kind)), suspicion))
    }

    fn fault_at(&self, (index, kind): (u64, FaultKind)) -> Fault {
        self.fault(Some(index), kind)
    }

    fn fault(&self, index: Option<u64>, kind: FaultKind) -> Fault {
        Fault { index, intact: self.intact, kind }
    }
}

/// The one at the lower index; at the same index, the first.
fn earlier(first: (u64, FaultKind), other: Option<(u64, FaultKind)>) -> (u64, FaultKind) {
    other.filter(|other| other.0 < first.0).unwrap_or(first)
}

fn read_hash(source: &mut impl Read) -> io::Result<Option<Hash>> {
    let mut bytes = [0; 32];
    match source.read_exact(&mut bytes) {
        Ok(()) => Ok(Some(Hash(bytes))),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

pub(crate) fn is_at_end(source: &mut impl Read) -> io::Result<bool> {
    Ok(source.take(1).read_to_end(&mut Vec::new())? == 0)
}

/// Counts what is read.
#[derive(Debug)]
struct Counted<R> {
    source: R,
    bytes: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(buffer)?;
        self.bytes = self.bytes.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
        Ok(read)
    }
}
