//! `countersign identity …`: the inventory of who may come in.

use std::str::FromStr;

use api::certificates::NewCertificate;
use api::identities::NewIdentity;
use api::tokens::NewToken;
use model::{
    CertificateName, CredentialId, IdentityKind, IdentityName, SpiffeId, SubjectName, Timestamp,
};

use super::show::{document, name, time};
use super::{Context, Exit, Failure};
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
    /// Say which names in a client's certificate prove an identity
    Certificate {
        #[command(subcommand)]
        command: Certificate,
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

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
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
    #[command(
        alias = "rotate",
        after_help = "\
Example:
  countersign identity token issue billing-agent --lifetime 30d"
    )]
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

#[derive(Debug, clap::Subcommand)]
enum Certificate {
    /// Accept certificates with a name. The settings say who may issue them
    #[command(after_help = "\
Examples:
  countersign identity certificate add billing-agent --spiffe spiffe://example.org/billing-agent
  countersign identity certificate add billing-agent --subject 'CN=billing-agent,O=Company'")]
    Add(AddCertificate),
    /// End a name's use at once; sessions that it opened are closed
    Revoke(WithReason<CredentialId>),
}

#[derive(Debug, clap::Args)]
struct AddCertificate {
    /// Whose
    name: IdentityName,
    #[command(flatten)]
    named: Named,
    /// How long it can be used
    #[arg(long, value_name = "LENGTH", default_value = "90d")]
    lifetime: Length,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Named {
    /// The SPIFFE ID in the certificate
    #[arg(long, value_name = "ID")]
    spiffe: Option<SpiffeId>,
    /// Its whole subject, as `openssl x509 -noout -subject -nameopt RFC2253` writes it
    #[arg(long, value_name = "SUBJECT")]
    subject: Option<SubjectName>,
}

pub(crate) fn run(args: &Args, context: &Context) -> Result<Exit, Failure> {
    let printer = &context.printer;
    match &args.command {
        Command::Create(args) => create(args, context)?,
        Command::List => list(context)?,
        Command::Show { name } => {
            printer.result(&context.ask(async |gw| gw.identity(name).await)?, document)?;
        }
        Command::Disable(WithReason { what, reason }) => {
            let answer = context.ask(async |gw| gw.disable_identity(what, reason).await)?;
            printer.result(&answer, document)?;
        }
        Command::Enable(WithReason { what, reason }) => {
            let answer = context.ask(async |gw| gw.enable_identity(what, reason).await)?;
            printer.result(&answer, document)?;
        }
        Command::Expire { name, at } => {
            let answer = context.ask(async |gw| gw.expire_identity(name, *at).await)?;
            printer.result(&answer, document)?;
        }
        Command::Token { command: Token::Issue { name, lifetime } } => {
            let new = NewToken { lifetime_s: Some(lifetime.0.as_secs()) };
            let issued = context.ask(async |gw| gw.issue_token(name, new).await)?;
            printer.result(&issued, document)?;
            printer.remark("the token is shown this once; only its verifier is kept")?;
        }
        Command::Certificate { command: Certificate::Add(args) } => {
            let names = [
                args.named.spiffe.clone().map(CertificateName::Spiffe),
                args.named.subject.clone().map(CertificateName::Subject),
            ];
            let Some(certificate) = names.into_iter().flatten().next() else {
                return Err(Failure::Usage("give --spiffe or --subject".into()));
            };
            let new = NewCertificate { certificate, lifetime_s: Some(args.lifetime.0.as_secs()) };
            let added = context.ask(async |gw| gw.add_certificate(&args.name, &new).await)?;
            printer.result(&added, document)?;
        }
        Command::Token { command: Token::Revoke(WithReason { what, reason }) }
        | Command::Certificate { command: Certificate::Revoke(WithReason { what, reason }) } => {
            let answer = context.ask(async |gw| gw.revoke_credential(*what, reason).await)?;
            printer.result(&answer, document)?;
        }
    }
    Ok(Exit::Done)
}

fn create(args: &Create, context: &Context) -> Result<(), Failure> {
    let new = NewIdentity {
        name: args.name.clone(),
        kind: match args.kind {
            Kind::Workload => IdentityKind::Workload,
            Kind::Person => IdentityKind::Person,
        },
        owner: args.owner.clone(),
        expires_at: args.expires_in.map(|length| clock::now().saturating_add(length.0)),
    };
    let identity = context.ask(async |gw| gw.create_identity(&new).await)?;
    context.printer.result(&identity, document)?;
    context.printer.remark(&format!(
        "it has no token yet; issue one with: countersign identity token issue {}",
        args.name
    ))?;
    Ok(())
}

fn list(context: &Context) -> Result<(), Failure> {
    let identities = context.ask(async |gw| gw.identities().await)?;
    let or_dash = |at: Option<Timestamp>| at.map_or_else(|| "-".to_owned(), time);
    context.printer.result(&identities, |identities| {
        let mut table = Table::new(&["NAME", "KIND", "STATE", "OWNER", "EXPIRES", "TOKEN UNTIL"]);
        for identity in identities {
            table.row([
                identity.name.to_string(),
                name(&identity.kind),
                name(&identity.state),
                identity.owner.clone(),
                or_dash(identity.expires_at),
                or_dash(identity.credential.as_ref().map(|credential| credential.expires_at)),
            ]);
        }
        table.render("no identities; make one with: countersign identity create --help")
    })?;
    Ok(())
}
