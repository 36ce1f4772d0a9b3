//! Gives the corpus new secrets in each run, so that nothing can pass by knowing the old ones.
//!
//! A secret keeps its length, its form and its beginning: attacks guess beginnings, and some send
//! the whole. What follows from a secret (upside down, in capitals, as hexadecimal digits) is given
//! along. `E2E_SEED` repeats a run.

use std::collections::BTreeMap;

/// A secret this short is no text that could be searched for.
const SECRET_BYTES_MIN: usize = 5;

/// The exchange of old secrets for new ones.
#[derive(Debug)]
pub struct Roll {
    pairs: Vec<(String, String)>,
}

/// The seed of this run: `E2E_SEED`, or another each time.
///
/// # Panics
///
/// If the variable holds no number.
pub fn seed() -> u64 {
    if let Ok(text) = std::env::var("E2E_SEED") {
        return text.parse().expect("E2E_SEED is a number");
    }
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    u64::from(since.subsec_nanos()) << 16 | u64::from(std::process::id() & 0xffff)
}

impl Roll {
    /// Rolls new secrets for these.
    pub fn new<'a>(seed: u64, secrets: impl Iterator<Item = &'a String>) -> Self {
        let mut dice = Dice(seed | 1);
        let mut rolled = BTreeMap::new();
        for secret in secrets.filter(|secret| secret.len() >= SECRET_BYTES_MIN) {
            rolled.entry(secret.clone()).or_insert_with(|| dice.another(secret));
        }
        let mut pairs: Vec<(String, String)> = Vec::new();
        for (old, new) in rolled {
            for form in [hex, backwards, letters, str::to_uppercase] {
                pairs.push((form(&old), form(&new)));
            }
            if let (Some((_, old)), Some((_, new))) = (old.rsplit_once('-'), new.rsplit_once('-')) {
                pairs.push((format!("\"{old}\""), format!("\"{new}\"")));
            }
            pairs.push((old, new));
        }
        // The longest first: one may hold another.
        pairs.sort_by_key(|(old, _)| std::cmp::Reverse(old.len()));
        Self { pairs }
    }

    /// The text with new secrets.
    pub fn apply(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (index, (old, _)) in self.pairs.iter().enumerate() {
            text = text.replace(old, &format!("\u{1}{index}\u{2}"));
        }
        for (index, (_, new)) in self.pairs.iter().enumerate() {
            text = text.replace(&format!("\u{1}{index}\u{2}"), new);
        }
        text
    }
}

struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u8) -> u8 {
        // Marsaglia's xorshift.
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        u8::try_from((self.0 >> 20) % u64::from(limit)).unwrap()
    }

    fn another(&mut self, secret: &str) -> String {
        let is_number = secret.bytes().all(|byte| byte.is_ascii_digit());
        let kept = secret.rfind('-').map_or(if is_number { 1 } else { 3 }, |at| at + 1);
        let roll = |byte: u8, dice: &mut Self| match byte {
            b'0'..=b'9' => b'0' + dice.below(10),
            b'a'..=b'f' => b'a' + dice.below(6),
            b'g'..=b'z' => b'a' + dice.below(26),
            b'A'..=b'Z' => b'A' + dice.below(26),
            other => other,
        };
        let (head, tail) = secret.as_bytes().split_at(kept);
        loop {
            let tail: Vec<u8> = tail.iter().map(|byte| roll(*byte, self)).collect();
            let new = String::from_utf8([head, &tail].concat()).unwrap();
            if new != secret {
                return new;
            }
        }
    }
}

fn hex(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::new(), |mut digits, byte| {
        write!(digits, "{byte:02x}").unwrap();
        digits
    })
}

fn backwards(text: &str) -> String {
    text.chars().rev().collect()
}

/// `A` for 0, `B` for 1, and so on, as one attack writes digits.
fn letters(text: &str) -> String {
    let letter = |one: char| match one.to_digit(10) {
        Some(digit) => char::from(b'A' + u8::try_from(digit).unwrap()),
        None => one,
    };
    text.chars().map(letter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_from_a_secret_is_given_along() {
        let secrets = ["123-45-6789".to_owned(), "ACCTCANARYA1-7f3a91".to_owned()];
        let roll = Roll::new(7, secrets.iter());
        let new = roll.apply("123-45-6789");
        assert!(new.starts_with("123-45-") && new.len() == 11 && new != "123-45-6789", "{new}");
        assert_eq!(roll.apply("x3132332d34352d36373839y"), format!("x{}y", hex(&new)));
        assert_eq!(roll.apply("\"6789\" '0123456789'"), format!("\"{}\" '0123456789'", &new[7..]));
        assert_eq!(roll.apply("9876-54-321"), backwards(&new));
        let account = roll.apply("ACCTCANARYA1-7f3a91");
        assert_eq!(roll.apply("ACCTCANARYA1-7F3A91"), account.to_uppercase());
        assert_ne!(Roll::new(9, secrets.iter()).apply("123-45-6789"), new);
        assert_eq!(Roll::new(7, secrets.iter()).apply("123-45-6789"), new);
    }
}
