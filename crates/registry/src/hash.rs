//! The hash of a grant.

use model::{Grant, GrantHash};

/// SHA-256 of a grant's canonical JSON: its fields in the order of [`Grant`], its sets sorted, no
/// white space.
///
/// # Panics
///
/// Never: texts, numbers and sets of them always have a JSON form.
pub fn grant_hash(grant: &Grant) -> GrantHash {
    #[expect(clippy::expect_used, reason = "texts, numbers and sets of them have a JSON form")]
    let json = serde_json::to_vec(grant).expect("a grant has a JSON form");
    GrantHash(hex::encode(crypto::sha256(&[&json])))
}
