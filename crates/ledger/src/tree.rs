//! The Merkle tree of RFC 6962 section 2.1, grown leaf by leaf.

use std::fmt;
use std::str::FromStr;

use crypto::sha256;
use model::LedgerHead;

/// A SHA-256 value in the tree. Written as 64 hexadecimal digits, also by serde.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash(pub [u8; 32]);

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is not a hash in lower-case hexadecimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a hash is written as 64 digits of 0-9 and a-f")]
pub struct ParseHashError;

impl FromStr for Hash {
    type Err = ParseHashError;

    /// Accepts exactly one spelling.
    fn from_str(text: &str) -> Result<Self, ParseHashError> {
        let mut bytes = [0; 32];
        match hex::decode_to_slice(text, &mut bytes) {
            Ok(()) if Self(bytes).to_string() == text => Ok(Self(bytes)),
            Ok(()) | Err(_) => Err(ParseHashError),
        }
    }
}

impl serde::Serialize for Hash {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Hash {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Returns the hash of a leaf: SHA-256 of 0x00 and the leaf.
pub fn leaf_hash(leaf: &[u8]) -> Hash {
    Hash(sha256(&[&[0], leaf]))
}

/// Returns the hash of an inner node: SHA-256 of 0x01 and both children.
pub(crate) fn node_hash(left: Hash, right: Hash) -> Hash {
    Hash(sha256(&[&[1], &left.0, &right.0]))
}

/// A tree that grows at its right end and remembers only the roots of its full subtrees.
///
/// Memory: at most 64 hashes, whatever the size.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    size: u64,
    /// Roots of the full subtrees, largest first, each with its height.
    full: Vec<(u32, Hash)>,
}

impl Tree {
    /// Appends the hash of a leaf (see [`leaf_hash`]).
    pub fn push(&mut self, leaf: Hash) {
        // A leaf fits at any size, and no ledger reaches 2^64 records.
        let _grown = self.push_subtree(0, leaf);
    }

    /// Appends a full subtree of `2^height` leaves by its root. Returns false, and changes nothing,
    /// if such a subtree cannot stand at this place: the size must be a multiple of its width.
    pub(crate) fn push_subtree(&mut self, height: u32, root: Hash) -> bool {
        let Some(width) = 1_u64.checked_shl(height) else { return false };
        let Some(size) = self.size.checked_add(width) else { return false };
        if !self.size.is_multiple_of(width) {
            return false;
        }
        self.size = size;
        let (mut height, mut node) = (height, root);
        while let Some((left_height, left)) = self.full.last().copied() {
            if left_height != height {
                break;
            }
            self.full.pop();
            node = node_hash(left, node);
            height = height.saturating_add(1);
        }
        self.full.push((height, node));
        true
    }

    /// Number of leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The root. Of the empty tree: SHA-256 of nothing.
    pub fn root(&self) -> Hash {
        let mut nodes = self.full.iter().rev().map(|(_height, node)| *node);
        match nodes.next() {
            None => Hash(sha256(&[])),
            Some(last) => nodes.fold(last, |right, left| node_hash(left, right)),
        }
    }

    /// Size and root as a record names them.
    pub fn head(&self) -> LedgerHead {
        LedgerHead { size: self.size, root: self.root().to_string() }
    }
}

impl FromIterator<Hash> for Tree {
    fn from_iter<I: IntoIterator<Item = Hash>>(leaves: I) -> Self {
        let mut tree = Self::default();
        for leaf in leaves {
            tree.push(leaf);
        }
        tree
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The leaves of the test tree of Certificate Transparency's reference implementation.
    pub(crate) const LEAVES: [&str; 8] = [
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    ];

    /// Its roots at sizes 0 to 8.
    const ROOTS: [&str; 9] = [
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];

    pub(crate) fn leaf_hashes() -> Vec<Hash> {
        LEAVES.iter().map(|leaf| leaf_hash(&hex::decode(leaf).unwrap())).collect()
    }

    #[test]
    fn roots_are_those_of_certificate_transparency() {
        for (size, root) in ROOTS.iter().enumerate() {
            let tree: Tree = leaf_hashes().into_iter().take(size).collect();
            assert_eq!(tree.root().to_string(), *root, "size {size}");
            assert_eq!(tree.size(), size as u64);
        }
    }

    #[test]
    fn a_subtree_stands_only_where_it_fits() {
        let leaves = leaf_hashes();
        let left: Tree = leaves[..4].iter().copied().collect();
        let mut tree = Tree::default();
        assert!(tree.push_subtree(2, left.root()));
        tree.push(leaves[4]);
        assert!(!tree.push_subtree(1, leaves[5]), "size 5 is not a multiple of 2");
        assert!(!tree.push_subtree(64, leaves[5]));
        for leaf in &leaves[5..] {
            tree.push(*leaf);
        }
        assert_eq!(tree, leaves.into_iter().collect());
    }

    #[test]
    fn a_hash_has_one_spelling() {
        let text = "ab".repeat(32);
        assert_eq!(text.parse::<Hash>().unwrap().to_string(), text);
        for wrong in ["", "ab", &"AB".repeat(32), &"zz".repeat(32), &"ab".repeat(33)] {
            assert!(wrong.parse::<Hash>().is_err(), "{wrong}");
        }
    }
}
