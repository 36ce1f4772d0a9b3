//! `countersign grant …`: time-boxed permission for a task.

use api::grants::{GrantFilter, NewGrant, NewScopeLine, ShownGrant};
use model::{GrantId, IdentityName, Limits, TargetName, Timestamp};

use super::records::scope_entry;
use super::show::{document, name, time};
use super::{Context, Exit, Failure};
use crate::allow::Allow;
use crate::clock;
use crate::duration::Length;
use crate::printer::Table;

/// Arguments of `countersign grant`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Allow an identity some actions on some columns, for a task, for a while
    #[command(after_help = "\
Examples:
  countersign grant create --identity billing-agent --target billing \\
      --allow 'select:billing.customers(id,name,plan)' --allow select:billing.invoices \\
      --for 15m --task TICKET-4711 --purpose 'answer a customer'
  countersign grant create --identity repair-agent --target billing \\
      --allow 'select,update:billing.invoices(id,status)' --for 1h --max-commands 20 \\
      --task CHANGE-17 --purpose 'mark invoices as paid' --on-behalf-of ines

Without columns, or with (*), a scope means all columns that the table has now. A column that is
added later is not covered.")]
    Create(Box<Create>),
    /// List grants
    List {
        /// Only this identity's
        #[arg(long, value_name = "NAME")]
        identity: Option<IdentityName>,
        /// Only those on this target
        #[arg(long, value_name = "NAME")]
        target: Option<TargetName>,
        /// Only those that can be used now
        #[arg(long)]
        live: bool,
    },
    /// Show one grant, and what was used of it
    Show {
        /// Its id
        id: GrantId,
    },
    /// End a grant at once; what runs under it is cancelled
    Revoke {
        /// Its id
        id: GrantId,
        /// Why; it is recorded
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
}

#[derive(Debug, clap::Args)]
struct Create {
    /// Who may use it
    #[arg(long, value_name = "NAME")]
    identity: IdentityName,
    /// On which target
    #[arg(long, value_name = "NAME")]
    target: TargetName,
    /// What it allows: `ACTIONS:SCHEMA.TABLE(COLUMNS)`; may be given many times
    #[arg(long, value_name = "SCOPE", required = true)]
    allow: Vec<Allow>,
    /// For how long, for example 15m
    #[arg(long = "for", value_name = "LENGTH")]
    length: Length,
    /// From when on [default: now]
    #[arg(long, value_name = "TIME")]
    not_before: Option<Timestamp>,
    /// The task that it serves, for example a ticket's number
    #[arg(long, value_name = "TEXT")]
    task: String,
    /// Why the task needs it
    #[arg(long, value_name = "TEXT")]
    purpose: String,
    /// At most so many commands
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    max_commands: Option<u64>,
    /// At most so many rows
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    max_rows: Option<u64>,
    /// At most so many bytes of rows
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    max_bytes: Option<u64>,
    /// The person for whom the identity acts
    #[arg(long, value_name = "NAME")]
    on_behalf_of: Option<IdentityName>,
    /// Accept, on record, a hole that `target check` names; may be given many times
    #[arg(long, value_name = "CODE[:OBJECT]")]
    accept_hole: Vec<String>,
}

pub(crate) fn run(args: &Args, context: &Context) -> Result<Exit, Failure> {
    let printer = &context.printer;
    match &args.command {
        Command::Create(args) => create(args, context)?,
        Command::List { identity, target, live } => {
            let (identity, target) = (identity.clone(), target.clone());
            list(&GrantFilter { identity, target, live: *live }, context)?;
        }
        Command::Show { id } => {
            printer.result(&context.ask(async |gw| gw.grant(*id).await)?, document)?;
        }
        Command::Revoke { id, reason } => {
            let answer = context.ask(async |gw| gw.revoke_grant(*id, reason).await)?;
            printer.result(&answer, document)?;
        }
    }
    Ok(Exit::Done)
}

fn create(args: &Create, context: &Context) -> Result<(), Failure> {
    let begin = args.not_before.unwrap_or_else(clock::now);
    let line = |allow: &Allow| NewScopeLine {
        relation: allow.relation.clone(),
        actions: allow.actions.clone(),
        columns: allow.columns.clone(),
    };
    let new = NewGrant {
        identity: args.identity.clone(),
        target: args.target.clone(),
        scope: args.allow.iter().map(line).collect(),
        not_before: args.not_before,
        expires_at: begin.saturating_add(args.length.0),
        limits: Limits { commands: args.max_commands, rows: args.max_rows, bytes: args.max_bytes },
        task: args.task.clone(),
        purpose: args.purpose.clone(),
        on_behalf_of: args.on_behalf_of.clone(),
        accept_holes: args.accept_hole.iter().cloned().collect(),
    };
    let grant = context.ask(async |gw| gw.create_grant(&new).await)?;
    context.printer.result(&grant, document)?;
    Ok(())
}

fn list(filter: &GrantFilter, context: &Context) -> Result<(), Failure> {
    let grants = context.ask(async |gw| gw.grants(filter).await)?;
    context.printer.result(&grants, |grants| {
        let headings = ["ID", "IDENTITY", "TARGET", "STATE", "UNTIL", "TASK", "USED", "SCOPE"];
        let mut table = Table::new(&headings);
        for shown in grants {
            let grant = &shown.grant;
            let scope: Vec<String> = grant.scope.iter().map(scope_entry).collect();
            table.row([
                grant.id.to_string(),
                grant.identity.to_string(),
                grant.target.to_string(),
                name(&shown.state),
                time(grant.expires_at),
                grant.task.clone(),
                used(shown),
                scope.join(" "),
            ]);
        }
        table.render("no such grants; make one with: countersign grant create --help")
    })?;
    Ok(())
}

/// Commands, rows and bytes, each with its limit if it has one: `3/20 commands, 15 rows, 400 bytes`.
fn used(shown: &ShownGrant) -> String {
    let part = |used: u64, limit: Option<u64>, noun: &str| match limit {
        Some(limit) => format!("{used}/{limit} {noun}"),
        None => format!("{used} {noun}"),
    };
    let (usage, limits) = (&shown.usage, &shown.grant.limits);
    format!(
        "{}, {}, {}",
        part(usage.commands, limits.commands, "commands"),
        part(usage.rows, limits.rows, "rows"),
        part(usage.bytes, limits.bytes, "bytes")
    )
}
