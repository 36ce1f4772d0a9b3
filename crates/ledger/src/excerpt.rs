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

#[cfg(test)]
mod tests {
    use crypto::sign::SigningKey;
    use model::{AccessEvent, AccessRecord, LedgerHead, SessionEnd, SessionId, Timestamp};

    use super::*;
    use crate::RuleError;
    use crate::record::to_line;

    const COUNT: usize = 20;

    /// A run with one long session in it, and heartbeats.
    fn leaves() -> Vec<Vec<u8>> {
        let session = SessionId::from_random(1);
        let found: LedgerHead = Tree::default().head();
        let mut events = vec![
            AccessEvent::EpochStarted { version: "0.1.0".into(), found, cut_bytes: 0 },
            AccessEvent::SessionOpened {
                session,
                identity: "agent".parse().unwrap(),
                target: "billing".parse().unwrap(),
                peer: String::new(),
                tls: true,
                mode: "mask-only".into(),
                application: String::new(),
                control_size: 1,
                credential: None,
                login: None,
                certificate: None,
            },
        ];
        events.extend((3..COUNT as u64).map(|sessions| AccessEvent::Heartbeat { sessions }));
        let reason = SessionEnd::Terminated;
        events.push(AccessEvent::SessionClosed { session, commands: 0, reason });
        let line = |event| to_line(&AccessRecord { at: Timestamp::EPOCH, event });
        events.into_iter().map(line).collect()
    }

    fn vkey() -> VKey {
        VKey::new("gw1", SigningKey::from_seed([1; 32]).verifying_key()).unwrap()
    }

    struct Package {
        checkpoint: String,
        leaves: Vec<Vec<u8>>,
        hashes: Vec<Hash>,
        proof: RangeProof,
        first: usize,
    }

    impl Package {
        /// The leaves from `first` to `end` of the ledger, under a checkpoint over all of them.
        fn new(all: &[Vec<u8>], first: usize, end: usize) -> Self {
            let hashes: Vec<Hash> = all.iter().map(|leaf| leaf_hash(leaf)).collect();
            let root = hashes.iter().copied().collect::<Tree>().root();
            let size = all.len() as u64;
            let signed = Checkpoint { origin: "gw1/access".into(), size, root };
            Self {
                checkpoint: signed.sign(&SigningKey::from_seed([1; 32])),
                leaves: all[first..end].to_vec(),
                proof: RangeProof::new(&hashes, first, end).unwrap(),
                hashes: hashes[first..end].to_vec(),
                first,
            }
        }

        fn verify(&self) -> Result<(Checkpoint, Vec<Record>), Fault> {
            let leaves: Vec<&[u8]> = self.leaves.iter().map(Vec::as_slice).collect();
            let excerpt = Excerpt {
                checkpoint: &self.checkpoint,
                first: self.first as u64,
                leaves: &leaves,
                hashes: Some(&self.hashes),
                proof: &self.proof,
            };
            verify_excerpt(&excerpt, &vkey())
        }
    }

    #[test]
    fn every_run_of_leaves_verifies_with_its_proof() {
        let all = leaves();
        for first in 0..=COUNT {
            for end in first..=COUNT {
                let (signed, records) = Package::new(&all, first, end).verify().unwrap();
                assert_eq!((signed.size, records.len()), (COUNT as u64, end - first));
            }
        }
    }

    #[test]
    fn an_altered_missing_or_moved_leaf_is_named() {
        let all = leaves();
        for at in 5..15 {
            let sound = || Package::new(&all, 5, 15);
            let named = |package: &Package, index: usize| {
                let fault = package.verify().unwrap_err();
                assert_eq!(fault.index, Some(index as u64), "{at}: {fault}");
            };
            let mut edited = sound();
            edited.leaves[at - 5][3] ^= 1;
            named(&edited, at);

            let mut missing = sound();
            missing.leaves.remove(at - 5);
            named(&missing, at);

            let mut twice = sound();
            twice.leaves.insert(at - 5, all[at].clone());
            named(&twice, at + 1);

            let mut wrong_hash = sound();
            wrong_hash.hashes[at - 5].0[0] ^= 1;
            named(&wrong_hash, at);

            let mut both = sound();
            both.leaves[at - 5][3] ^= 1;
            both.hashes[at - 5] = leaf_hash(&both.leaves[at - 5]);
            let fault = both.verify().unwrap_err();
            assert_eq!((fault.index, fault.kind), (Some(5), FaultKind::Span { last: 14 }));
        }
    }

    #[test]
    fn another_place_proof_or_checkpoint_is_refused() {
        let all = leaves();
        let mut moved = Package::new(&all, 5, 15);
        moved.first = 6;
        assert!(moved.verify().is_err());

        let mut other_proof = Package::new(&all, 5, 15);
        other_proof.proof.after[0].0[0] ^= 1;
        assert!(other_proof.verify().is_err());
        other_proof.proof.after.clear();
        assert!(other_proof.verify().is_err());

        let mut other = Package::new(&all, 5, 15);
        other.checkpoint = other.checkpoint.replace("\n20\n", "\n21\n");
        let fault = other.verify().unwrap_err();
        assert!(matches!(fault.kind, FaultKind::Checkpoint(_)), "{fault}");
    }

    #[test]
    fn signed_leaves_must_be_records_that_follow_one_another() {
        let mut all = leaves();
        all[7] = b"no record".to_vec();
        let fault = Package::new(&all, 5, 15).verify().unwrap_err();
        assert_eq!(fault.index, Some(7));
        assert!(matches!(fault.kind, FaultKind::Record(_)), "{fault}");

        let mut all = leaves();
        all[7] = all[1].clone();
        let fault = Package::new(&all, 0, 15).verify().unwrap_err();
        assert_eq!(fault.index, Some(7));
        assert!(matches!(fault.kind, FaultKind::Rule(RuleError::SessionKnown(_))), "{fault}");
        assert!(Package::new(&all, 5, 15).verify().is_ok(), "from the middle it may be the first");
    }
}
