//! Everything that runs during the demo, set up and taken down.

use std::time::Duration;

use anyhow::Context as _;
use serde_json::Value;

use crate::agent::Agent;
use crate::billing::{self, Billing};
use crate::clock;
use crate::cluster::Cluster;
use crate::files::Files;
use crate::gateway::{self, Cli, Gateway};
use crate::process::Lifetime;
use crate::screen::Screen;

/// The name of the MCP server's identity.
pub const IDENTITY: &str = "billing-agent";
/// What the grant of the demo covers.
pub const SCOPE: [&str; 2] = ["select:billing.customers", "select:billing.invoices"];

/// How long a new gateway may take to read a target's catalog, in milliseconds.
const CATALOG_TIMEOUT_MS: u64 = 5_000;
/// Pause between two questions that need the catalog, in milliseconds.
const CATALOG_POLL_MS: u64 = 50;

/// The running parts. Dropped from the top: each uses those below it.
#[derive(Debug)]
pub struct Stage {
    /// The MCP client with its server.
    pub agent: Agent,
    /// The gateway.
    pub gateway: Gateway,
    /// The database.
    pub cluster: Cluster,
    /// Where everything lies.
    pub files: Files,
    /// The token of [`IDENTITY`].
    pub token: String,
    /// The grant under which the agent works.
    pub grant: String,
    /// When the demo began.
    pub since: String,
}

impl Stage {
    /// Steps 1 and 2: a database, a gateway, an identity, a grant, an MCP server.
    pub async fn set(
        screen: &mut Screen,
        files: Files,
        lifetime: Lifetime,
    ) -> anyhow::Result<Self> {
        let since = clock::rfc3339();
        screen.step("A real PostgreSQL, and the gate in front of it");
        let cluster = Cluster::start(&files.log("postgresql"), lifetime).await?;
        let data = billing::generate(billing::SEED);
        cluster.load(&data.sql).await?;
        let Billing { invoices, payments, .. } = data;
        screen.say(&format!(
            "PostgreSQL on port {} holds {} customers, {invoices} invoices and {payments} payments, \
             all of them made up.",
            cluster.port(),
            billing::CUSTOMERS
        ));
        let gateway = Gateway::start(&files, &cluster, lifetime).await?;
        screen.say(&format!(
            "Countersign listens on {} and alone holds the database's password.",
            gateway.address()
        ));

        screen.step("A named identity, and a grant for one task");
        let token = make_identity(screen, gateway.cli()).await?;
        let grant = make_grant(screen, gateway.cli(), "15m").await?;
        let url = gateway.connection_string(IDENTITY, &token);
        let agent =
            Agent::start(&gateway::sibling("billing-mcp-server")?, &url, &files.log("mcp-server"))
                .await?;
        let tools = agent.tools().await?.join(", ");
        screen.say(&format!("An MCP server starts with tools {tools}."));
        screen.say("All it knows of a database is this address and its token:");
        screen.quote(&gateway.connection_string(IDENTITY, "cst_…"));
        Ok(Self { agent, gateway, cluster, files, token, grant, since })
    }

    /// Stops everything, in order.
    pub async fn strike(self) -> anyhow::Result<(Files, Cli)> {
        let Self { agent, gateway, cluster, files, .. } = self;
        let cli = gateway.cli().clone();
        agent.stop().await?;
        gateway.stop()?;
        cluster.stop().context("PostgreSQL")?;
        Ok((files, cli))
    }
}

async fn make_identity(screen: &Screen, cli: &Cli) -> anyhow::Result<String> {
    let owner = "Ines Frost, billing operations";
    cli.ask(&["identity", "create", IDENTITY, "--kind", "workload", "--owner", owner]).await?;
    let issued = cli.ask(&["identity", "token", "issue", IDENTITY, "--lifetime", "1d"]).await?;
    let token = text(&issued, "token")?;
    screen.fact("identity", &format!("{IDENTITY}, a workload; its owner is {owner}"));
    screen.fact("token", &format!("{}…, shown once; only its verifier is kept", head(&token, 8)));
    Ok(token)
}

/// Grants the agent its scope again, for so long.
pub async fn make_grant(screen: &Screen, cli: &Cli, length: &str) -> anyhow::Result<String> {
    let mut arguments = vec!["grant", "create", "--identity", IDENTITY, "--target", "billing"];
    for allowed in SCOPE {
        arguments.extend(["--allow", allowed]);
    }
    let purpose = "answer a customer's question about an invoice";
    arguments.extend(["--for", length, "--task", "SUP-4711", "--purpose", purpose]);
    let grant = text(&ask_patiently(cli, &arguments).await?, "id")?;
    let scope = SCOPE.join(", ");
    screen.fact("grant", &format!("{grant}: {scope}; for {length}, task SUP-4711, to {purpose}"));
    Ok(grant)
}

/// Asks again for a while: a gateway that has just started may not have read the target's catalog.
async fn ask_patiently(cli: &Cli, arguments: &[&str]) -> anyhow::Result<Value> {
    for _ in 0..CATALOG_TIMEOUT_MS / CATALOG_POLL_MS {
        match cli.ask(arguments).await {
            Err(error) if error.to_string().contains("catalog cannot be read") => {
                tokio::time::sleep(Duration::from_millis(CATALOG_POLL_MS)).await;
            }
            answer => return answer,
        }
    }
    cli.ask(arguments).await
}

/// A member of a JSON object that must be text.
pub fn text(value: &Value, member: &str) -> anyhow::Result<String> {
    let found = value.get(member).and_then(Value::as_str);
    Ok(found.with_context(|| format!("`{member}` is missing in {value}"))?.to_owned())
}

fn head(text: &str, characters: usize) -> String {
    text.chars().take(characters).collect()
}
