//! `countersign demo`: becomes the program `countersign-demo` that lies beside this one.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::Command;

use super::{Exit, Failure};

/// The sibling program's file name.
const PROGRAM: &str = "countersign-demo";

/// Arguments of `countersign demo`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Options of the demo:
  --keep       leave everything running, and print what to try
  --dir DIR    put its files there

Example:
  countersign demo --keep --dir /tmp/countersign-demo")]
pub(crate) struct Args {
    /// Options of the demo
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "OPTION")]
    options: Vec<OsString>,
}

/// Does not return if it succeeds: the demo takes this process over.
pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let this = std::env::current_exe().map_err(Failure::failed)?;
    let program = this.with_file_name(PROGRAM);
    let error = Command::new(&program).args(&args.options).exec();
    Err(Failure::Failed(format!(
        "{} cannot be started: {error}\nit is built with the workspace: run scripts/demo, or cargo build",
        program.display()
    )))
}
