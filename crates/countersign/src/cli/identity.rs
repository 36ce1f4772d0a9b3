//! `countersign identity …`: the inventory of who may come in.

use std::str::FromStr;

use model::{CredentialId, IdentityName, Timestamp};
use serde_json::{Value, json};

use super::show::{cell, document, time};
use super::{Context, Exit, Failure};
use crate::admin::Admin;
use crate::clock;
use crate::duration::Length;
use crate::printer::Table;

/// Arguments of `countersign identity`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Enter a named account in the inventory
    #[command(after_help = "\
Example:
  countersign identity create billing-agent --kind workload --owner 'Billing Platform'")]
    Create(Create),
    /// List the inventory
    List,
    /// Show one identity
    Show {
        /// Its name
        name: IdentityName,
    },
    /// End an identity's use at once; its sessions are closed
    Disable(WithReason<IdentityName>),
    /// Allow a disabled identity to be used again
    Enable(WithReason<IdentityName>),
    /// Set or move an identity's end
    #[command(after_help = "\
Example:
  countersign identity expire billing-agent --at 2027-01-31T12:00:00Z")]
    Expire {
        /// Its name
        name: IdentityName,
        /// The instant from which on it cannot be used
        #[arg(long, value_name = "TIME")]
        at: Timestamp,
    },
    /// Issue, rotate or revoke tokens
    Token {
        #[command(subcommand)]
        command: Token,
    },
}

#[derive(Debug, clap::Args)]
struct Create {
    /// 1 to 63 of a-z, 0-9, `-`, `_`, `.`; what a client gives as its user
    name: IdentityName,
    /// A person or a program
    #[arg(long)]
    kind: Kind,
    /// Who answers for it
    #[arg(long, value_name = "TEXT")]
    owner: String,
    /// After so long it ends by itself, for example 90d
    #[arg(long, value_name = "LENGTH")]
    expires_in: Option<Length>,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Workload,
    Person,
}

/// A thing to change, and why.
#[derive(Debug, clap::Args)]
struct WithReason<T>
where
    T: Clone + Send + Sync + FromStr + 'static,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    /// Which one
    #[arg(value_name = "NAME")]
    what: T,
    /// Why; it is recorded
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

#[derive(Debug, clap::Subcommand)]
enum Token {
    /// Issue a token and revoke the former one. It is shown once
    #[command(alias = "rotate", after_help = "\
Example:
  countersign identity token issue billing-agent --lifetime 30d")]
    Issue {
        /// Whose
        name: IdentityName,
        /// How long it can be used
        #[arg(long, value_name = "LENGTH", default_value = "30d")]
        lifetime: Length,
    },
    /// End a token's use at once
    Revoke(WithReason<CredentialId>),
}

pub(crate) fn run(args: &Args, context: &Context) -> Result<Exit, Failure> {
    let admin = context.admin()?;
    match &args.command {
        Command::Create(create) => self::create(create, &admin, context),
        Command::List => list(&admin, context),
        Command::Show { name } => {
            let identity: Value = admin.get(&format!("/v1/identities/{name}"))?;
            context.printer.result(&identity, document)?;
            Ok(Exit::Done)
        }
        Command::Disable(WithReason { what, reason }) => {
            change(&admin, context, &format!("/v1/identities/{what}/disable"), &json!({ "reason": reason }))
        }
        Command::Enable(WithReason { what, reason }) => {
            change(&admin, context, &format!("/v1/identities/{what}/enable"), &json!({ "reason": reason }))
        }
        Command::Expire { name, at } => {
            change(&admin, context, &format!("/v1/identities/{name}/expire"), &json!({ "expires_at": at }))
        }
        Command::Token { command: Token::Issue { name, lifetime } } => {
            issue(name, *lifetime, &admin, context)
        }
        Command::Token { command: Token::Revoke(WithReason { what, reason }) } => {
            change(&admin, context, &format!("/v1/credentials/{what}/revoke"), &json!({ "reason": reason }))
        }
    }
}

fn create(args: &Create, admin: &Admin, context: &Context) -> Result<Exit, Failure> {
    let Create { name, kind, owner, expires_in } = args;
    let expires_at = expires_in.map(|length| clock::now().saturating_add(length.0));
    let body = json!({ "name": name, "kind": kind, "owner": owner, "expires_at": expires_at });
    let identity: Value = admin.post("/v1/identities", &body)?;
    context.printer.result(&identity, document)?;
    context.printer.remark(&format!(
        "it has no token yet; issue one with: countersign identity token issue {name}"
    ))?;
    Ok(Exit::Done)
}

fn list(admin: &Admin, context: &Context) -> Result<Exit, Failure> {
    let identities: Value = admin.get("/v1/identities")?;
    context.printer.result(&identities, |identities| {
        let mut table = Table::new(&["NAME", "KIND", "STATE", "OWNER", "EXPIRES"]);
        for identity in identities.as_array().into_iter().flatten() {
            table.row([
                cell(identity, "name"),
                cell(identity, "kind"),
                cell(identity, "state"),
                cell(identity, "owner"),
                time(identity, "expires_at"),
            ]);
        }
        table.render("no identities; make one with: countersign identity create --help")
    })?;
    Ok(Exit::Done)
}

fn issue(
    name: &IdentityName,
    lifetime: Length,
    admin: &Admin,
    context: &Context,
) -> Result<Exit, Failure> {
    let body = json!({ "lifetime_s": lifetime.0.as_secs() });
    let issued: Value = admin.post(&format!("/v1/identities/{name}/token"), &body)?;
    context.printer.result(&issued, document)?;
    context.printer.remark("the token is shown this once; only its verifier is kept")?;
    Ok(Exit::Done)
}

fn change(admin: &Admin, context: &Context, path: &str, body: &Value) -> Result<Exit, Failure> {
    let answer: Value = admin.post(path, body)?;
    context.printer.result(&answer, document)?;
    Ok(Exit::Done)
}
