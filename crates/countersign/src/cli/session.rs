//! `countersign session …`: who is connected now, and what a session did.

use model::SessionId;

use super::show::time;
use super::{Context, Exit, Failure, timeline};
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
    /// Show one session's time line, from the record: also of one that has ended
    #[command(after_help = "Example:\n  countersign session show ses_5c1f00d2a94b7e31")]
    Show {
        /// The session, as `session list` and `log tail` name it
        session: SessionId,
    },
}

pub(crate) fn run(args: &Args, context: &Context) -> Result<Exit, Failure> {
    match args.command {
        Command::List => list(context),
        Command::Show { session } => timeline::show(session, context),
    }
}

fn list(context: &Context) -> Result<Exit, Failure> {
    let sessions = context.ask(async |gateway| gateway.sessions().await)?;
    context.printer.result(&sessions, |sessions| {
        let headings = [
            "SESSION",
            "IDENTITY",
            "TARGET",
            "FROM",
            "TLS",
            "SINCE",
            "COMMANDS",
            "DENIED",
            "ROWS",
            "STATE",
            "APPLICATION",
        ];
        let mut table = Table::new(&headings);
        for session in sessions {
            table.row([
                session.session.to_string(),
                session.identity.to_string(),
                session.target.to_string(),
                session.peer.clone(),
                if session.tls { "yes" } else { "no" }.to_owned(),
                time(session.opened_at),
                session.commands.to_string(),
                session.denied.to_string(),
                session.rows.to_string(),
                session.state.clone(),
                session.application.clone(),
            ]);
        }
        table.render("no sessions")
    })?;
    Ok(Exit::Done)
}
