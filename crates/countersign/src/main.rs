//! Countersign: the gate between an agent's tools and production data.
//!
//! This crate is the program: its settings, its command line and the wiring of the gateway. What
//! the gateway does is in the crates that it wires together.

mod agreement;
mod allow;
mod cli;
mod clock;
mod duration;
mod keys;
mod percent;
mod printer;
mod serve;
mod settings;
mod suggest;
mod tls;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
