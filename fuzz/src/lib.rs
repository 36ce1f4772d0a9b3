//! What must hold for any bytes at all, as functions of bytes: each panics when it does not.
//!
//! libFuzzer calls them from `fuzz_targets/` (`scripts/fuzz`), and `tests/smoke.rs` calls them with
//! their seeds and with mutations of these, so that every run of the tests fuzzes a little.
//!
//! | function | what must hold |
//! |---|---|
//! | [`client_bytes`], [`target_bytes`] | however the network cuts the bytes, the events are the same; what is passed on is what arrived |
//! | [`client_login`], [`target_login`] | no bytes make a machine panic, hang, or prove an identity without its token |
//! | [`replies`] | no reply is given to another message than the one that it answers |
//! | [`statement`] | no text makes the analysis panic; no raw masked column stands in what is forwarded; what is forwarded is accepted again |
//! | [`masks`] | a mask of any column is one expression of PostgreSQL's grammar |

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::missing_panics_doc,
    reason = "panicking is how a fuzz target says that it found something"
)]

mod frames;
mod logins;
mod pipeline;
mod sql_text;

pub use frames::{client_bytes, target_bytes};
pub use logins::{client_login, target_login};
pub use pipeline::replies;
pub use sql_text::{masks, statement};

/// A function with inputs to begin with.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, which is that of libFuzzer's program.
    pub name: &'static str,
    /// The function.
    pub run: fn(&[u8]),
    /// Inputs that reach far.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// All of them.
#[rustfmt::skip]
pub const TARGETS: &[Target] = &[
    Target { name: "client_bytes", run: client_bytes, seeds: frames::client_seeds },
    Target { name: "target_bytes", run: target_bytes, seeds: frames::target_seeds },
    Target { name: "client_login", run: client_login, seeds: logins::client_seeds },
    Target { name: "target_login", run: target_login, seeds: logins::target_seeds },
    Target { name: "replies",      run: replies,      seeds: pipeline::seeds },
    Target { name: "statement",    run: statement,    seeds: sql_text::statement_seeds },
    Target { name: "masks",        run: masks,        seeds: sql_text::mask_seeds },
];

/// Splits an input: how long the pieces are, and what is cut into them.
fn cut(data: &[u8]) -> (usize, &[u8]) {
    match data.split_first() {
        Some((first, rest)) => (usize::from(*first) + 1, rest),
        None => (1, data),
    }
}
