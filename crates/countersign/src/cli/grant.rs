//! `countersign grant …`: time-boxed permission for a task.

use model::{GrantId, IdentityName, TargetName, Timestamp};
use serde_json::{Value, json};

use super::show::{cell, document, plain, time};
use super::{Context, Exit, Failure};
use crate::admin::Admin;
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
        #[arg(long)]
        identity: Option<IdentityName>,
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
    /// The person for whom the identity acts
    #[arg(long, value_name = "NAME")]
    on_behalf_of: Option<IdentityName>,
}

pub(crate) fn run(args: &Args, context: &Context) -> Result<Exit, Failure> {
    let admin = context.admin()?;
    match &args.command {
        Command::Create(create) => self::create(create, &admin, context),
        Command::List { identity, live } => list(identity.as_ref(), *live, &admin, context),
        Command::Show { id } => {
            let grant: Value = admin.get(&format!("/v1/grants/{id}"))?;
            context.printer.result(&grant, document)?;
            Ok(Exit::Done)
        }
        Command::Revoke { id, reason } => {
            let body = json!({ "reason": reason });
            let answer: Value = admin.post(&format!("/v1/grants/{id}/revoke"), &body)?;
            context.printer.result(&answer, document)?;
            Ok(Exit::Done)
        }
    }
}

fn create(args: &Create, admin: &Admin, context: &Context) -> Result<Exit, Failure> {
    let not_before = args.not_before.unwrap_or_else(clock::now);
    let scope: Vec<Value> = args
        .allow
        .iter()
        .map(|allow| {
            json!({
                "relation": allow.relation, "actions": allow.actions, "columns": allow.columns,
            })
        })
        .collect();
    let body = json!({
        "identity": args.identity,
        "target": args.target,
        "scope": scope,
        "not_before": not_before,
        "expires_at": not_before.saturating_add(args.length.0),
        "limits": { "commands": args.max_commands, "rows": args.max_rows },
        "task": args.task,
        "purpose": args.purpose,
        "on_behalf_of": args.on_behalf_of,
    });
    let grant: Value = admin.post("/v1/grants", &body)?;
    context.printer.result(&grant, document)?;
    Ok(Exit::Done)
}

fn list(
    identity: Option<&IdentityName>,
    live: bool,
    admin: &Admin,
    context: &Context,
) -> Result<Exit, Failure> {
    let mut path = format!("/v1/grants?live={live}");
    if let Some(identity) = identity {
        path.push_str(&format!("&identity={identity}"));
    }
    let grants: Value = admin.get(&path)?;
    context.printer.result(&grants, |grants| {
        let headings =
            ["ID", "IDENTITY", "TARGET", "STATE", "UNTIL", "TASK", "USED", "SCOPE"];
        let mut table = Table::new(&headings);
        for grant in grants.as_array().into_iter().flatten() {
            let scope = grant.get("scope").and_then(Value::as_array).into_iter().flatten();
            let scope: Vec<String> = scope
                .map(|entry| {
                    format!("{}:{}({})", cell(entry, "actions"), cell(entry, "relation"), cell(entry, "columns"))
                })
                .collect();
            table.row([
                cell(grant, "id"),
                cell(grant, "identity"),
                cell(grant, "target"),
                cell(grant, "state"),
                time(grant, "expires_at"),
                cell(grant, "task"),
                used(grant),
                scope.join(" "),
            ]);
        }
        table.render("no such grants; make one with: countersign grant create --help")
    })?;
    Ok(Exit::Done)
}

/// Commands and rows, each with its limit if it has one: `3/20 commands, 15 rows`.
fn used(grant: &Value) -> String {
    let part = |name: &str| {
        let used = grant.get("usage").and_then(|usage| usage.get(name)).map_or_else(|| "0".into(), plain);
        let limit = grant.get("limits").and_then(|limits| limits.get(name));
        match limit {
            Some(limit) if !limit.is_null() => format!("{used}/{} {name}", plain(limit)),
            Some(_) | None => format!("{used} {name}"),
        }
    };
    format!("{}, {}", part("commands"), part("rows"))
}
