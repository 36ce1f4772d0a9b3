//! A little of fuzzing in every run of the tests: each seed, and mutations of it that are the same
//! in every run.

#![expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says how much it tried"
)]

use fuzz::TARGETS;

/// Mutations of each target. `scripts/fuzz` goes further.
const MUTATIONS: usize = 3_000;
/// Longest input that mutation makes.
const INPUT_BYTES_MAX: usize = 8_192;

#[test]
fn no_seed_and_no_mutation_of_one_breaks_a_target() {
    for target in TARGETS {
        let seeds = (target.seeds)();
        assert!(!seeds.is_empty(), "{} has seeds", target.name);
        for seed in &seeds {
            (target.run)(seed);
        }
        let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
        for _ in 0..MUTATIONS {
            let input = mutate(&seeds, &mut dice);
            (target.run)(&input);
        }
        println!("fuzz smoke: {}, {} inputs", target.name, seeds.len() + MUTATIONS);
    }
}

#[test]
fn every_target_has_a_program_for_libfuzzer() {
    let manifest = include_str!("../Cargo.toml");
    for target in TARGETS {
        assert!(manifest.contains(&format!("name = \"{}\"", target.name)), "{}", target.name);
    }
}

/// Marsaglia's xorshift: the same numbers in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 16).unwrap_or(0) % limit.max(1)
    }
}

/// A seed with some bytes changed, dropped, repeated, or the middle of another seed put in.
fn mutate(seeds: &[Vec<u8>], dice: &mut Dice) -> Vec<u8> {
    let mut input = seeds[dice.below(seeds.len())].clone();
    for _ in 0..=dice.below(4) {
        let at = dice.below(input.len() + 1);
        let to = at + dice.below(input.len() - at + 1);
        match dice.below(6) {
            0 if at < input.len() => input[at] = u8::try_from(dice.below(256)).unwrap_or(0),
            1 if at < input.len() => input[at] ^= 1 << dice.below(8),
            2 => drop(input.drain(at..to)),
            3 => {
                let repeated = input[at..to].to_vec();
                input.splice(at..at, repeated);
            }
            4 => {
                let other = &seeds[dice.below(seeds.len())];
                let from = dice.below(other.len() + 1);
                let part = other[from..from + dice.below(other.len() - from + 1)].to_vec();
                input.splice(at..at, part);
            }
            _ => input.insert(at, u8::try_from(dice.below(256)).unwrap_or(0)),
        }
        input.truncate(INPUT_BYTES_MAX);
    }
    input
}
