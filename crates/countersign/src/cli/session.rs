//! `countersign session …`: who is connected now.

use serde_json::Value;

use super::show::{cell, time};
use super::{Context, Exit, Failure};
use crate::printer::Table;

/// Arguments of `countersign session`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// List the sessions that are open now
    #[command(after_help = "Example:\n  countersign session list")]
    List,
}

pub(crate) fn run(args: &Args, context: &Context) -> Result<Exit, Failure> {
    match args.command {
        Command::List => list(context),
    }
}

fn list(context: &Context) -> Result<Exit, Failure> {
    let sessions: Value = context.admin()?.get("/v1/sessions")?;
    context.printer.result(&sessions, |sessions| {
        let headings =
            ["SESSION", "IDENTITY", "TARGET", "FROM", "TLS", "SINCE", "COMMANDS", "APPLICATION"];
        let mut table = Table::new(&headings);
        for session in sessions.as_array().into_iter().flatten() {
            table.row([
                cell(session, "session"),
                cell(session, "identity"),
                cell(session, "target"),
                cell(session, "peer"),
                cell(session, "tls"),
                time(session, "opened_at"),
                cell(session, "commands"),
                cell(session, "application"),
            ]);
        }
        table.render("no sessions")
    })?;
    Ok(Exit::Done)
}
