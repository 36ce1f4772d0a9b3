//! The pass over a ledger's files that [`crate::verify`] makes.

use std::io::{self, BufReader, Read};

use crate::fault::keeps_checkpoint;
use crate::history::History;
use crate::{
    Checkpoint, Expected, Fault, FaultKind, Frame, FrameReader, Hash, Image, LedgerFile, Payload,
    PayloadError, Payloads, ReadError, Record, Rules, Tail, Tree, Verified, VerifyError, Visit,
};

/// The records since the last checkpoint that stood. Nothing of them is believed yet.
#[derive(Debug, Default)]
struct Span {
    frames: Vec<Frame>,
    /// The first leaf whose stored hash is another one, and the tree that the stored hashes make.
    difference: Option<(u64, Tree)>,
}

pub(crate) struct Audit<'a, L, H, C> {
    log: FrameReader<Counted<BufReader<L>>>,
    hashes: BufReader<H>,
    history: History<'a, C>,
    expected: &'a Expected<'a>,
    signed: Checkpoint,
    /// The tree of all leaves read.
    tree: Tree,
    span: Span,
    /// The tree of all records judged.
    judged: Tree,
    rules: Rules,
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
            span: Span::default(),
            judged: Tree::default(),
            rules: Rules::default(),
        }
    }

    pub(crate) fn run(
        mut self,
        visit: &mut dyn FnMut(&Visit<'_>),
    ) -> Result<Verified, VerifyError> {
        loop {
            if let Some(root) = self.signed_root(self.tree.size())? {
                self.settle(root, visit)?;
            }
            self.compare_with_known()?;
            if self.tree.size() == self.signed.size {
                break;
            }
            self.signed_record()?;
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
            Some(self.history.next(size, self.judged.size())?.root)
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

    /// Compares the records since the last checkpoint with the root that was signed over them, and
    /// judges them if they are the ones.
    fn settle(&mut self, root: Hash, visit: &mut dyn FnMut(&Visit<'_>)) -> Result<(), Fault> {
        let Span { frames, difference } = std::mem::take(&mut self.span);
        if self.tree.root() != root {
            let altered = difference.filter(|(_index, stored)| stored.root() == root);
            let last = self.tree.size().saturating_sub(1);
            return Err(match altered {
                Some((index, _stored)) => self.fault(Some(index), FaultKind::Altered),
                None => self.fault(Some(self.judged.size()), FaultKind::Span { last }),
            });
        }
        let wrong_hash = difference.map(|(index, _stored)| index);
        let intact = self.judged.size();
        for frame in frames {
            let index = self.judged.size();
            let fault = |kind| Fault { index: Some(index), intact, kind };
            if wrong_hash == Some(index) {
                return Err(fault(FaultKind::StoredHash));
            }
            self.judge(&frame, visit).map_err(fault)?;
        }
        Ok(())
    }

    /// Takes the next record that a checkpoint covers.
    fn signed_record(&mut self) -> Result<(), VerifyError> {
        let index = self.tree.size();
        let stored = read_hash(&mut self.hashes)?;
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
        if self.span.difference.is_none() && stored != Some(frame.leaf_hash) {
            self.span.difference = Some((index, self.tree.clone()));
        }
        if let (Some((_index, tree)), Some(stored)) = (&mut self.span.difference, stored) {
            tree.push(stored);
        }
        self.tree.push(frame.leaf_hash);
        self.span.frames.push(frame);
        Ok(())
    }

    /// Checks a record in itself and against those before it.
    fn judge(&mut self, frame: &Frame, visit: &mut dyn FnMut(&Visit<'_>)) -> Result<(), FaultKind> {
        let record = match self.rules.contents() {
            Some(contents) => Record::decode_as(&frame.leaf, contents)?,
            None => Record::decode(&frame.leaf)?,
        };
        let payload = Payload::from_bytes(&frame.payload)?;
        match (payload.check(&record.commitments()), self.expected.payloads) {
            (Ok(()), _) | (Err(PayloadError::Missing), Payloads::MayBeWithheld) => {}
            (Err(error), Payloads::Required | Payloads::MayBeWithheld) => return Err(error.into()),
        }
        self.rules.apply(&record, &self.judged)?;
        let index = self.judged.size();
        visit(&Visit { index, record: &record, leaf: &frame.leaf, payload: &payload });
        self.judged.push(frame.leaf_hash);
        Ok(())
    }

    /// Names the first bad record when the log cannot be read on at `index`: the stored hashes up to
    /// the next checkpoint may still vouch for the records before it.
    fn unreadable(
        &mut self,
        index: u64,
        kind: FaultKind,
        stored: Option<Hash>,
    ) -> io::Result<Fault> {
        let difference = self.span.difference.take();
        let (difference, tree) =
            difference.map_or_else(|| (None, self.tree.clone()), |(at, tree)| (Some(at), tree));
        if !self.is_vouched(tree, stored)? {
            // Records before this one may have been rewritten together with their hashes.
            return Ok(self.fault(Some(self.judged.size()), FaultKind::Span { last: index }));
        }
        Ok(match difference {
            Some(index) => self.fault(Some(index), FaultKind::Altered),
            None => self.fault(Some(index), kind),
        })
    }

    /// True if stored hashes, from this one on, make a tree up to the next checkpoint that was signed.
    fn is_vouched(&mut self, mut tree: Tree, mut stored: Option<Hash>) -> io::Result<bool> {
        while let Some(hash) = stored {
            tree.push(hash);
            match self.signed_root(tree.size()) {
                Ok(Some(root)) => return Ok(root == tree.root()),
                Ok(None) => {}
                Err(VerifyError::Fault(_)) => return Ok(false),
                Err(VerifyError::Read(error)) => return Err(error),
            }
            stored = read_hash(&mut self.hashes)?;
        }
        Ok(false)
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
            self.judge(&frame, visit).map_err(|kind| self.fault(Some(index), kind))?;
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

    fn fault(&self, index: Option<u64>, kind: FaultKind) -> Fault {
        Fault { index, intact: self.judged.size(), kind }
    }
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
