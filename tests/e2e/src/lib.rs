//! The test bench: the real gateway program between real clients and a real PostgreSQL.
//!
//! ```text
//! test ─▶ psql, psycopg, tokio-postgres, Wire ─▶ countersign serve ─▶ postgres (private cluster)
//!   └──▶ countersign identity | grant | log | verify (the program's own command line)
//! ```
//!
//! Each test program starts one PostgreSQL cluster; each test gets databases and a gateway of its
//! own. The tests use the program only as an operator would: settings file, command line, wire.
//! What the target really executed is read from the target's own log, never from the gateway.
//!
//! **Invariant:** nothing stays behind. A watcher process ends what a test started, however the
//! test itself ended ([`reaper`]).

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::string_slice,
    clippy::missing_panics_doc,
    clippy::must_use_candidate,
    clippy::disallowed_methods,
    clippy::unwrap_in_result,
    clippy::zombie_processes,
    clippy::print_stdout,
    reason = "a test bench fails by panicking, and measures the time that the tests are about"
)]

/// Prints a line for whoever reads the test's output: measured times, counts.
#[macro_export]
macro_rules! say {
    ($($argument:tt)*) => {
        $crate::say_line(&format!($($argument)*))
    };
}

pub mod certificate;
pub mod corpus;
pub mod fixture;
pub mod gateway;
pub mod java;
pub mod ledger;
pub mod majors;
pub mod mcp;
pub mod middleman;
pub mod node;
pub mod postgres;
pub mod programs;
pub mod python;
pub mod reaper;
pub mod scratch;
pub mod settings;
pub mod target_log;
pub mod wait;
pub mod wire;
pub mod wire_answer;

pub use gateway::Gateway;
pub use postgres::{Cluster, Database};
pub use settings::{Settings, Target};
pub use wire::{Login, Wire};
pub use wire_answer::{Answer, Message, SqlError};

/// Prints a text even where the test harness keeps the output of a test that passed.
pub fn say_always(text: &str) {
    use std::io::Write as _;
    let mut output = std::io::stdout().lock();
    writeln!(output, "{text}").expect("stdout is gone");
}

/// Prints a line; see [`say!`].
pub fn say_line(line: &str) {
    println!("{line}");
}
