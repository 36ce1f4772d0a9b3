//! A run of leaves, without payloads, verified against a signed checkpoint: what an evidence package
//! holds.

use crate::{Checkpoint, Fault, FaultKind, Hash, RangeProof, Record, Rules, Tree, VKey, leaf_hash};

/// A run of leaves with what ties them to a checkpoint.
#[derive(Clone, Copy, Debug)]
pub struct Excerpt<'a> {
    /// The signed checkpoint, as text.
    pub checkpoint: &'a str,
    /// Index of the first leaf.
    pub first: u64,
    /// The leaves, one after the other.
    pub leaves: &'a [&'a [u8]],
    /// The leaves' hashes as stored, if they are at hand: with them the first bad leaf can be named.
    pub hashes: Option<&'a [Hash]>,
    /// The subtrees before and after. Empty if the run is the whole ledger.
    pub proof: &'a RangeProof,
}

/// Verifies a run of leaves and returns the checkpoint and the records.
///
/// Checked are: the signature, that the leaves stand under its root at their places and none is
/// missing between them, that each is a record in canonical form, and that they follow one another
/// (sessions that began before the first leaf are given the benefit of the doubt).
///
/// # Errors
///
/// [`Fault`] names the first bad leaf by its index in the ledger, as exactly as the excerpt allows.
pub fn verify_excerpt(
    excerpt: &Excerpt<'_>,
    key: &VKey,
) -> Result<(Checkpoint, Vec<Record>), Fault> {
    let fault = |index, kind| Fault { index, intact: excerpt.first, kind };
    let signed = Checkpoint::open(excerpt.checkpoint, key)
        .map_err(|error| fault(None, FaultKind::Checkpoint(error)))?;
    let hashes: Vec<Hash> = excerpt.leaves.iter().map(|leaf| leaf_hash(leaf)).collect();
    let Some(before) = excerpt.proof.tree_before(excerpt.first) else {
        return Err(fault(None, span(excerpt)));
    };
    if root(excerpt.proof, before.clone(), &hashes, signed.size) != Some(signed.root) {
        return Err(name_altered(excerpt, before, &hashes, &signed));
    }
    if let Some(stored) = excerpt.hashes
        && stored != hashes
    {
        let index = first_difference(excerpt.first, stored, &hashes);
        return Err(fault(Some(index), FaultKind::StoredHash));
    }
    let records = read(excerpt, before, &hashes)?;
    Ok((signed, records))
}

/// Reads the leaves, which are those that were signed, as records.
fn read(excerpt: &Excerpt<'_>, before: Tree, hashes: &[Hash]) -> Result<Vec<Record>, Fault> {
    let mut tree = before;
    let mut rules = if excerpt.first == 0 { Rules::default() } else { Rules::midway() };
    let mut records = Vec::with_capacity(excerpt.leaves.len());
    for (leaf, hash) in excerpt.leaves.iter().zip(hashes) {
        let fault = |kind| Fault { index: Some(tree.size()), intact: excerpt.first, kind };
        let record = match rules.contents() {
            Some(contents) => Record::decode_as(leaf, contents),
            None => Record::decode(leaf),
        }
        .map_err(|error| fault(error.into()))?;
        rules.apply(&record, &tree).map_err(|error| fault(error.into()))?;
        tree.push(*hash);
        records.push(record);
    }
    Ok(records)
}

/// Names the first leaf that is not the one that was signed.
fn name_altered(
    excerpt: &Excerpt<'_>,
    before: Tree,
    hashes: &[Hash],
    signed: &Checkpoint,
) -> Fault {
    let (index, kind) = match excerpt.hashes {
        Some(stored) if root(excerpt.proof, before, stored, signed.size) == Some(signed.root) => {
            (first_difference(excerpt.first, stored, hashes), FaultKind::Altered)
        }
        Some(_) | None => (excerpt.first, span(excerpt)),
    };
    Fault { index: Some(index), intact: excerpt.first, kind }
}

fn span(excerpt: &Excerpt<'_>) -> FaultKind {
    let count = u64::try_from(excerpt.leaves.len()).unwrap_or(u64::MAX);
    FaultKind::Span { last: excerpt.first.saturating_add(count).saturating_sub(1) }
}

fn first_difference(first: u64, stored: &[Hash], hashes: &[Hash]) -> u64 {
    let equal = stored.iter().zip(hashes).take_while(|(a, b)| a == b).count();
    first.saturating_add(u64::try_from(equal).unwrap_or(u64::MAX))
}

fn root(proof: &RangeProof, mut tree: Tree, leaves: &[Hash], size: u64) -> Option<Hash> {
    for leaf in leaves {
        tree.push(*leaf);
    }
    proof.tree_after(tree, size).map(|tree| tree.root())
}
