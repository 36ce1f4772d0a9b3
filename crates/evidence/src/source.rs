//! Leaves and checkpoints, read back as records that stand under their root.

use ledger::{Checkpoint, Contents, Record, Tree, leaf_hash};
use model::{AccessRecord, ControlRecord, Timestamp};
use registry::Registry;

use crate::report::{LedgerSummary, Window};
use crate::{EvidenceError, Input};

/// Both ledgers, as far as their checkpoints reach.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) control: Vec<ControlRecord>,
    pub(crate) access: Vec<AccessRecord>,
    pub(crate) control_checkpoint: Checkpoint,
    pub(crate) access_checkpoint: Checkpoint,
}

impl Source {
    /// Reads both ledgers. No signature is checked: building needs no key, verification does.
    ///
    /// # Errors
    ///
    /// [`EvidenceError`] if the leaves do not stand under the checkpoint's root or are no records.
    pub(crate) fn read(input: &Input) -> Result<Self, EvidenceError> {
        let control = Contents::Control;
        let control_checkpoint =
            standing_under(&input.control_checkpoint, &input.control_leaves, control)?;
        let access = Contents::Access;
        let access_checkpoint =
            standing_under(&input.access_checkpoint, &input.access_leaves, access)?;
        let mut source = Self {
            control: Vec::with_capacity(input.control_leaves.len()),
            access: Vec::with_capacity(input.access_leaves.len()),
            control_checkpoint,
            access_checkpoint,
        };
        for (index, leaf) in (0..).zip(&input.control_leaves) {
            source.push(index, leaf, control)?;
        }
        for (index, leaf) in (0..).zip(&input.access_leaves) {
            source.push(index, leaf, access)?;
        }
        Ok(source)
    }

    fn push(&mut self, index: u64, leaf: &[u8], ledger: Contents) -> Result<(), EvidenceError> {
        match Record::decode_as(leaf, ledger) {
            Ok(Record::Access(record)) => self.access.push(record),
            Ok(Record::Control(record)) => self.control.push(record),
            Err(error) => return Err(EvidenceError::Leaf { ledger, index, error }),
        }
        Ok(())
    }

    /// Number of control records up to the last one made before `end`.
    pub(crate) fn control_size_at(&self, end: Timestamp) -> usize {
        let last = self.control.iter().rposition(|record| record.at < end);
        last.map_or(0, |last| last.saturating_add(1))
    }

    /// The inventory after so many control records.
    ///
    /// # Errors
    ///
    /// [`EvidenceError::Inventory`] if a record says what cannot be.
    pub(crate) fn registry(&self, size: usize) -> Result<Registry, EvidenceError> {
        let mut registry = Registry::default();
        for (index, record) in (0..).zip(self.control.iter().take(size)) {
            registry
                .apply(record)
                .map_err(|error| EvidenceError::Inventory { index, error: error.to_string() })?;
        }
        Ok(registry)
    }

    /// The control ledger in numbers.
    pub(crate) fn control_summary(&self, window: &Window) -> LedgerSummary {
        let times: Vec<Timestamp> = self.control.iter().map(|record| record.at).collect();
        summary(&self.control_checkpoint, &times, window)
    }

    /// The access ledger in numbers.
    pub(crate) fn access_summary(&self, window: &Window) -> LedgerSummary {
        let times: Vec<Timestamp> = self.access.iter().map(|record| record.at).collect();
        summary(&self.access_checkpoint, &times, window)
    }
}

fn standing_under(
    note: &str,
    leaves: &[Vec<u8>],
    ledger: Contents,
) -> Result<Checkpoint, EvidenceError> {
    let checkpoint =
        Checkpoint::claimed(note).map_err(|error| EvidenceError::Checkpoint { ledger, error })?;
    let tree: Tree = leaves.iter().map(|leaf| leaf_hash(leaf)).collect();
    if tree.size() == checkpoint.size && tree.root() == checkpoint.root {
        Ok(checkpoint)
    } else {
        let (leaves, signed) = (tree.size(), checkpoint.size);
        Err(EvidenceError::Root { ledger, leaves, signed })
    }
}

fn summary(checkpoint: &Checkpoint, times: &[Timestamp], window: &Window) -> LedgerSummary {
    let inside = || (0_u64..).zip(times).filter(|(_, at)| window.contains(**at));
    LedgerSummary {
        origin: checkpoint.origin.clone(),
        size: checkpoint.size,
        root: checkpoint.root.to_string(),
        first_at: times.first().copied(),
        last_at: times.last().copied(),
        window_first: inside().map(|(index, _)| index).next(),
        window_last: inside().map(|(index, _)| index).last(),
        window_records: u64::try_from(inside().count()).unwrap_or(u64::MAX),
    }
}
