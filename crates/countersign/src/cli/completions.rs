//! `countersign completions`: a script that completes commands and options in a shell.

use clap_complete::Shell;

use super::{Exit, Failure};
use crate::printer::Printer;

/// Arguments of `countersign completions`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  countersign completions bash > /etc/bash_completion.d/countersign")]
pub(crate) struct Args {
    /// For which shell
    shell: Shell,
}

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut super::tree(), "countersign", &mut script);
    Printer::raw(&script)?;
    Ok(Exit::Done)
}
