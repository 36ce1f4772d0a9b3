//! The pass over a ledger's files that [`crate::verify`] makes.

use std::io::{self, BufReader, Read};

use crate::fault::keeps_checkpoint;
use crate::history::History;
use crate::{
    Checkpoint, Expected, Fault, FaultKind, Frame, FrameReader, Hash, Image, LedgerFile, Payload,
    PayloadError, Payloads, ReadError, Record, Rules, Tail, Tree, Verified, VerifyError, Visit,
};

/// What was noticed since the last checkpoint that stood.
#[derive(Debug, Default)]
struct Doubt {
    /// The first leaf whose stored hash is another one, and the tree that the stored hashes make.
    difference: Option<(u64, Tree)>,
    /// The first record that is wrong in itself.
    suspicion: Option<(u64, FaultKind)>,
}

pub(crate) struct Audit<'a, L, H, C> {
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

impl<'a, L: Read, H: Read, C: Read> Audit<'a, L, H, C> {
    pub(crate) fn new(
        image: Image<L, H, C>,
        signed: Checkpoint,
        expected: &'a Expected<'a>,
    ) -> Self {
        Self {
            log: FrameReader::new(Counted { source: BufReader::new(image.log), bytes: 0 }),
            hashes: BufReader::new(image.hashes),
            history: History::new(image.checkpoints, expected.key, &signed.origin),
            expected,
            signed,
            tree: Tree::default(),
            intact: 0,
            rules: Rules::default(),
            doubt: Doubt::default(),
        }
    }

    pub(crate) fn run(
        mut self,
        visit: &mut dyn FnMut(&Visit<'_>),
    ) -> Result<Verified, VerifyError> {
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
        let (signed_tree, signed_log_bytes) = (self.tree.clone(), self.log.offset());
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
            signed_log_bytes,
            checkpoints_bytes: self.history.bytes(),
            signed: self.signed,
            tree: self.tree,
            signed_tree,
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
            let last = self.tree.size().saturating_sub(1);
            let span = || self.fault(Some(self.intact), FaultKind::Span { last });
            // A payload may have been altered before that leaf.
            let altered = altered.map(|altered| self.fault_at(earlier(altered, suspicion)));
            return Err(altered.unwrap_or_else(span));
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
        let Some(stored) = read_hash(&mut self.hashes)? else {
            return Err(self.first_of(index, FaultKind::StoredHash).into());
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
        let difference = self.doubt.difference.take();
        let (difference, mut tree) =
            difference.map_or_else(|| (None, self.tree.clone()), |(at, tree)| (Some(at), tree));
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
