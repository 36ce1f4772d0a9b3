//! Random bits of the operating system, through AWS-LC's generator.

use aws_lc_rs::rand;

/// Returns `N` random bytes, fit for keys, tokens and salts.
///
/// # Panics
///
/// If there are no random bytes. AWS-LC itself aborts the process in that case, so this is not
/// reached; nothing may go on with bytes that are not random.
#[expect(clippy::expect_used, reason = "AWS-LC aborts rather than fails; see the doc")]
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).expect("AWS-LC gives random bytes or aborts");
    bytes
}

/// Returns 64 random bits, for an id.
pub fn random_u64() -> u64 {
    u64::from_ne_bytes(random())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_draws_differ() {
        assert_ne!(random::<32>(), random::<32>());
        assert_ne!(random_u64(), random_u64());
    }
}
