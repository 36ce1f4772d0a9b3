//! Proofs in the tree: inclusion, consistency (RFC 6962 section 2.1), and a run of leaves.
//!
//! Making a proof takes all leaf hashes, as they stand in the file `hashes`. Checking one takes none.

use crate::tree::node_hash;
use crate::{Hash, Tree};

/// Returns the audit path of a leaf (RFC 6962 section 2.1.1); nothing if there is no such leaf.
pub fn inclusion_proof(leaves: &[Hash], index: usize) -> Option<Vec<Hash>> {
    if index >= leaves.len() {
        return None;
    }
    let (mut leaves, mut index) = (leaves, index);
    let mut path = Vec::new();
    while let Some(Halves { left, right }) = halves(leaves) {
        match index.checked_sub(left.len()) {
            None => {
                path.push(root(right));
                leaves = left;
            }
            Some(in_right) => {
                path.push(root(left));
                (leaves, index) = (right, in_right);
            }
        }
    }
    path.reverse();
    Some(path)
}

/// Returns the proof that the first `old` leaves are a beginning of all leaves (RFC 6962 section
/// 2.1.2); nothing unless `old` is from 1 to their number.
pub fn consistency_proof(leaves: &[Hash], old: usize) -> Option<Vec<Hash>> {
    if old == 0 || old > leaves.len() {
        return None;
    }
    let (mut leaves, mut old, mut is_known) = (leaves, old, true);
    let mut path = Vec::new();
    while old < leaves.len() {
        let Halves { left, right } = halves(leaves)?;
        match old.checked_sub(left.len()) {
            None | Some(0) => {
                path.push(root(right));
                leaves = left;
            }
            Some(in_right) => {
                path.push(root(left));
                (leaves, old, is_known) = (right, in_right, false);
            }
        }
    }
    if !is_known {
        path.push(root(leaves));
    }
    path.reverse();
    Some(path)
}

/// Checks an audit path (RFC 9162 section 2.1.3.2).
pub fn verify_inclusion(leaf: Hash, index: u64, size: u64, path: &[Hash], root: Hash) -> bool {
    if index >= size {
        return false;
    }
    let (mut place, mut last, mut node) = (index, size.saturating_sub(1), leaf);
    for sibling in path {
        if last == 0 {
            return false;
        }
        if place & 1 == 1 || place == last {
            node = node_hash(*sibling, node);
            while place & 1 == 0 && place != 0 {
                place >>= 1;
                last >>= 1;
            }
        } else {
            node = node_hash(node, *sibling);
        }
        place >>= 1;
        last >>= 1;
    }
    last == 0 && node == root
}

/// Checks that the tree of `old` continues into the tree of `new`, each given as size and root (RFC
/// 9162 section 2.1.4.2). The empty tree continues into every tree, with an empty proof.
pub fn verify_consistency(old: (u64, Hash), new: (u64, Hash), path: &[Hash]) -> bool {
    let ((old_size, old_root), (new_size, new_root)) = (old, new);
    if old_size == 0 {
        return path.is_empty() && old_root == Tree::default().root();
    }
    if old_size == new_size {
        return path.is_empty() && old_root == new_root;
    }
    if old_size > new_size {
        return false;
    }
    let (mut place, mut last) = (old_size.saturating_sub(1), new_size.saturating_sub(1));
    while place & 1 == 1 {
        place >>= 1;
        last >>= 1;
    }
    // If the old tree is full, its root is the first node of the path, and is left out there.
    let (first, rest) = match path.split_first() {
        _ if old_size.is_power_of_two() => (old_root, path),
        Some((first, rest)) => (*first, rest),
        None => return false,
    };
    let (mut old_node, mut new_node) = (first, first);
    for sibling in rest {
        if last == 0 {
            return false;
        }
        if place & 1 == 1 || place == last {
            old_node = node_hash(*sibling, old_node);
            new_node = node_hash(*sibling, new_node);
            while place & 1 == 0 && place != 0 {
                place >>= 1;
                last >>= 1;
            }
        } else {
            new_node = node_hash(new_node, *sibling);
        }
        place >>= 1;
        last >>= 1;
    }
    last == 0 && old_node == old_root && new_node == new_root
}

/// Ties a run of leaves to a root: the roots of the full subtrees before and after it.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RangeProof {
    /// The subtrees that cover the leaves before the run, from the left.
    pub before: Vec<Hash>,
    /// The subtrees that cover the leaves after it, from the left.
    pub after: Vec<Hash>,
}

impl RangeProof {
    /// Makes the proof of the leaves from `begin`, inclusive, to `end`, exclusive; nothing unless
    /// `begin` ≤ `end` ≤ their number.
    pub fn new(leaves: &[Hash], begin: usize, end: usize) -> Option<Self> {
        let roots = |from: usize, to: usize| -> Option<Vec<Hash>> {
            let parts = cover(u64::try_from(from).ok()?, u64::try_from(to).ok()?);
            parts.map(|(at, height)| subtree_root(leaves, at, height)).collect()
        };
        leaves.get(begin..end)?;
        Some(Self { before: roots(0, begin)?, after: roots(end, leaves.len())? })
    }

    /// Returns the tree before the run; nothing if the proof does not fit.
    pub(crate) fn tree_before(&self, begin: u64) -> Option<Tree> {
        let mut tree = Tree::default();
        push_cover(&mut tree, begin, &self.before).then_some(tree)
    }

    /// Returns the whole tree from that up to the run's end; nothing if the proof does not fit.
    pub(crate) fn tree_after(&self, mut tree: Tree, size: u64) -> Option<Tree> {
        push_cover(&mut tree, size, &self.after).then_some(tree)
    }
}

/// Grows a tree to a size by the roots of the subtrees that are missing. False if they do not fit.
fn push_cover(tree: &mut Tree, size: u64, roots: &[Hash]) -> bool {
    let mut roots = roots.iter();
    if tree.size() > size {
        return false;
    }
    for (_at, height) in cover(tree.size(), size) {
        let Some(root) = roots.next() else { return false };
        if !tree.push_subtree(height, *root) {
            return false;
        }
    }
    roots.next().is_none()
}

/// The fewest full subtrees that cover the leaves from `from` to `to`: where each begins, its height.
fn cover(from: u64, to: u64) -> impl Iterator<Item = (u64, u32)> {
    let mut at = from;
    std::iter::from_fn(move || {
        let left = to.checked_sub(at).filter(|left| *left > 0)?;
        // A subtree begins at a multiple of its width, and must not reach beyond the end.
        let height = at.trailing_zeros().min(left.ilog2());
        let begin = at;
        at = at.checked_add(1_u64.checked_shl(height)?)?;
        Some((begin, height))
    })
}

fn subtree_root(leaves: &[Hash], at: u64, height: u32) -> Option<Hash> {
    let from = usize::try_from(at).ok()?;
    let to = from.checked_add(1_usize.checked_shl(height)?)?;
    leaves.get(from..to).map(root)
}

fn root(leaves: &[Hash]) -> Hash {
    leaves.iter().copied().collect::<Tree>().root()
}

/// Leaves split as the tree splits them.
struct Halves<'a> {
    /// The largest full subtree that is not all of them.
    left: &'a [Hash],
    right: &'a [Hash],
}

/// Splits leaves; nothing if there are fewer than two.
fn halves(leaves: &[Hash]) -> Option<Halves<'_>> {
    let height = leaves.len().checked_sub(1)?.checked_ilog2()?;
    let (left, right) = leaves.split_at_checked(1_usize.checked_shl(height)?)?;
    Some(Halves { left, right })
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "small numbers in tests")]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::leaf_hash;
    use crate::tree::tests::leaf_hashes;

    fn hashes(count: usize) -> Vec<Hash> {
        (0..count).map(|index| leaf_hash(index.to_string().as_bytes())).collect()
    }

    #[test]
    fn paths_are_those_of_certificate_transparency() {
        // Index and size, counted as RFC 6962 does; the paths of the reference implementation.
        let leaves = leaf_hashes();
        let first = inclusion_proof(&leaves, 0).unwrap();
        assert_eq!(
            first.iter().map(Hash::to_string).collect::<Vec<_>>(),
            [
                "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
            ]
        );
        let six_to_eight = consistency_proof(&leaves, 6).unwrap();
        assert_eq!(
            six_to_eight.iter().map(Hash::to_string).collect::<Vec<_>>(),
            [
                "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
                "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            ]
        );
    }

    #[test]
    fn there_is_no_proof_of_what_is_not_there() {
        let leaves = hashes(5);
        assert_eq!(inclusion_proof(&leaves, 5), None);
        assert_eq!(inclusion_proof(&[], 0), None);
        assert_eq!(consistency_proof(&leaves, 0), None);
        assert_eq!(consistency_proof(&leaves, 6), None);
        assert_eq!(RangeProof::new(&leaves, 2, 6), None);
        assert_eq!(RangeProof::new(&leaves, 3, 2), None);
    }

    proptest! {
        /// Every leaf's path verifies, at its place, for its root, and nowhere else.
        #[test]
        fn a_path_proves_one_leaf_at_one_place(size in 1..200_usize, at in any::<prop::sample::Index>(), other in any::<prop::sample::Index>()) {
            let leaves = hashes(size);
            let (index, other) = (at.index(size), other.index(size));
            let path = inclusion_proof(&leaves, index).unwrap();
            let holds = |leaf, index, path: &[Hash]| {
                verify_inclusion(leaf, index as u64, size as u64, path, root(&leaves))
            };
            prop_assert!(holds(leaves[index], index, &path));
            prop_assert_eq!(holds(leaves[other], index, &path), other == index);
            prop_assert_eq!(holds(leaves[index], other, &path), other == index);
            prop_assert!(!holds(leaves[index], size, &path));
            let longer = [path.as_slice(), &[leaves[0]]].concat();
            prop_assert!(!holds(leaves[index], index, &longer));
            if !path.is_empty() {
                prop_assert!(!holds(leaves[index], index, &path[1..]));
                prop_assert!(!holds(leaves[index], index, &path[..path.len() - 1]));
            }
        }

        /// Every beginning is proven to be one; an altered beginning is not.
        #[test]
        fn a_tree_is_proven_to_continue_its_beginnings(size in 1..200_usize, old in any::<prop::sample::Index>(), wrong in any::<prop::sample::Index>()) {
            let leaves = hashes(size);
            let old = old.index(size) + 1;
            let path = consistency_proof(&leaves, old).unwrap();
            let head = |leaves: &[Hash]| (leaves.len() as u64, root(leaves));
            prop_assert!(verify_consistency(head(&leaves[..old]), head(&leaves), &path));

            let mut altered = leaves[..old].to_vec();
            altered[wrong.index(old)] = leaf_hash(b"altered");
            prop_assert!(!verify_consistency(head(&altered), head(&leaves), &path));
            if old > 1 {
                prop_assert!(!verify_consistency(head(&leaves[..old - 1]), head(&leaves), &path) || path.is_empty());
            }
            let longer = [path.as_slice(), &[leaves[0]]].concat();
            prop_assert!(!verify_consistency(head(&leaves[..old]), head(&leaves), &longer));
        }

        /// Subtrees before and after, with the leaves between, make the whole tree.
        #[test]
        fn a_run_of_leaves_is_tied_to_the_root(size in 0..200_usize, a in any::<prop::sample::Index>(), b in any::<prop::sample::Index>()) {
            let leaves = hashes(size);
            let (a, b) = (a.index(size + 1), b.index(size + 1));
            let (begin, end) = (a.min(b), a.max(b));
            let proof = RangeProof::new(&leaves, begin, end).unwrap();
            prop_assert!(proof.before.len() + proof.after.len() <= 128);

            let mut tree = proof.tree_before(begin as u64).unwrap();
            for leaf in &leaves[begin..end] {
                tree.push(*leaf);
            }
            let tree = proof.tree_after(tree, size as u64).unwrap();
            prop_assert_eq!(tree, leaves.into_iter().collect::<Tree>());
        }
    }
}
