//! Evidence from ledgers made by hand: what a package says, and what it takes to be accepted.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::wildcard_enum_match_arm,
    reason = "helpers of tests"
)]

mod findings;
mod fixture;
mod package;
mod text;
