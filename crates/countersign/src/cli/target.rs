//! `countersign target …`: what a target lets the fence's roles reach.

use std::fmt::Write as _;

use api::{FindingWeight, TargetCheck};
use model::TargetName;

use super::{Context, Exit, Failure};

/// Arguments of `countersign target`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Look for what a session's role could reach beyond its grants, and print the SQL that closes it
    #[command(after_help = "\
Examples:
  countersign target check                 all targets
  countersign target check billing

A hole is closed by its SQL, which the database's owner runs, or accepted on record when a grant is
made: countersign grant create … --accept-hole CODE:OBJECT")]
    Check {
        /// Which [default: all]
        name: Option<TargetName>,
    },
}

pub(crate) fn run(args: &Args, context: &Context) -> Result<Exit, Failure> {
    let Command::Check { name } = &args.command;
    let names: Vec<TargetName> = match name {
        Some(name) => vec![name.clone()],
        None => context.settings()?.targets.into_iter().map(|target| target.name).collect(),
    };
    let checks = context.ask(async |gateway| {
        let mut checks = Vec::new();
        for name in &names {
            checks.push(gateway.check_target(name).await?);
        }
        Ok(checks)
    })?;
    context.printer.result(&checks, |checks| {
        let shown: Vec<String> = checks.iter().map(show).collect();
        shown.join("\n")
    })?;
    let is_open = |check: &TargetCheck| {
        check.findings.iter().any(|finding| finding.weight != FindingWeight::Note)
    };
    Ok(if checks.iter().any(is_open) { Exit::Failed } else { Exit::Done })
}

fn show(check: &TargetCheck) -> String {
    let TargetCheck { target, mode, findings } = check;
    let is_fenced = mode != model::MODE_MASK_ONLY;
    let count = |weight| findings.iter().filter(|finding| finding.weight == weight).count();
    let (holes, lacks) = (count(FindingWeight::Hole), count(FindingWeight::Lack));
    let mut text = match (holes, lacks) {
        _ if !is_fenced => format!(
            "{target}: mask-only, no fence to check; [target.provision] in the settings makes one\n"
        ),
        (0, 0) => format!("{target}: {mode}, no hole is open\n"),
        (holes, 0) => format!("{target}: {mode}, {holes} holes are open\n"),
        (holes, lacks) => {
            format!("{target}: {mode}, {holes} holes are open, {lacks} rights are missing\n")
        }
    };
    for finding in findings {
        let weight = match finding.weight {
            FindingWeight::Hole => "hole",
            FindingWeight::Lack => "lack",
            FindingWeight::Note => "note",
        };
        // Writing to a String cannot fail.
        _ = writeln!(text, "{weight}  {}: {}", finding.id(), finding.what);
        if !finding.sql.is_empty() {
            _ = writeln!(text, "      {}", finding.sql);
        }
    }
    text
}
