//! The key of the hash mask, on its way to the target: as two settings of the session.
//!
//! HMAC-SHA-256 (RFC 2104) hashes twice, each time behind the key combined with a constant. The
//! gateway computes the two combined keys and gives them to the target as session settings at
//! start-up, so the key stands in no statement, log or record.

use std::fmt::Write as _;

/// The setting that holds the key combined with the inner constant, in hexadecimal.
pub const HASH_INNER_SETTING: &str = "countersign.mask_inner";

/// The setting that holds the key combined with the outer constant, in hexadecimal.
pub const HASH_OUTER_SETTING: &str = "countersign.mask_outer";

/// The column of a key table that holds the key combined with the inner constant, as `bytea`.
pub const HASH_INNER_COLUMN: &str = "inner_key";

/// The column of a key table that holds the key combined with the outer constant, as `bytea`.
pub const HASH_OUTER_COLUMN: &str = "outer_key";

/// Bytes of a block of SHA-256.
const BLOCK_BYTES: usize = 64;

/// The session settings, by name and value, that the hash mask needs on the target.
///
/// The values are secret: pass them in the `StartupMessage` only.
///
/// Source: RFC 2104 section 2.
pub fn hash_key_settings(key: &[u8; 32]) -> [(&'static str, String); 2] {
    [(HASH_INNER_SETTING, padded(key, 0x36)), (HASH_OUTER_SETTING, padded(key, 0x5c))]
}

fn padded(key: &[u8; 32], constant: u8) -> String {
    let mut text = String::with_capacity(BLOCK_BYTES.saturating_mul(2));
    let zeros = std::iter::repeat_n(&0_u8, BLOCK_BYTES.saturating_sub(key.len()));
    for byte in key.iter().chain(zeros) {
        // Writing to a String cannot fail.
        _ = write!(text, "{:02x}", byte ^ constant);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_fills_the_front_of_a_block() {
        let [(inner_name, inner), (outer_name, outer)] = hash_key_settings(&[0xff; 32]);
        assert_eq!((inner_name, outer_name), (HASH_INNER_SETTING, HASH_OUTER_SETTING));
        assert_eq!(inner, "c9".repeat(32) + &"36".repeat(32));
        assert_eq!(outer, "a3".repeat(32) + &"5c".repeat(32));
    }
}
