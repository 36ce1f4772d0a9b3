//! The end of `--keep`: everything runs on, and the user is told what to try.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::screen::Screen;
use crate::stage::{self, IDENTITY, Stage};

/// Grants the agent its scope once more, lets everything run on, and says what to do with it.
pub async fn leave_running(screen: &Screen, stage: Stage) -> anyhow::Result<()> {
    screen.title("Everything runs on. The agent has a new grant:");
    stage::make_grant(screen, stage.gateway.cli(), "1h").await?;
    let Stage { agent, gateway, cluster, files, token, .. } = stage;
    agent.stop().await?;
    let stop = files.root().join("stop");
    fs::write(&stop, stop_script(gateway.pid(), cluster.pid(), &cluster.directory().display()))?;
    fs::set_permissions(&stop, fs::Permissions::from_mode(0o755))?;

    let url = gateway.connection_string(IDENTITY, &token);
    screen.say("");
    screen.say(&format!("DSN    {url}"));
    screen.say(&format!("token  {token}"));
    screen.say("");
    screen.say("Be the agent (psql, or any PostgreSQL driver with that DSN):");
    let psql = cluster.programs().join("psql");
    let ask = |sql: &str| screen.quote(&format!("{} '{url}' -c \"{sql}\"", psql.display()));
    ask("SELECT name, ssn, account_number FROM billing.customers LIMIT 3");
    ask("SELECT * FROM billing.payments LIMIT 3");
    screen.say("Be the administrator:");
    for command in ["session list", "grant list --live", "log tail --follow", "--help"] {
        screen.quote(&gateway.cli().line(command));
    }
    screen.say("Be the assessor:");
    screen.quote(&gateway.cli().line(&format!(
        "verify {} --key {}",
        files.evidence().display(),
        files.public_key().display()
    )));
    screen.say("Stop it all:");
    screen.quote(&stop.display().to_string());
    gateway.release();
    cluster.release();
    Ok(())
}

fn stop_script(gateway: u32, postgres: u32, directory: &dyn std::fmt::Display) -> String {
    format!(
        "#!/bin/sh\n\
         # Written by the demo: ends the gateway, then PostgreSQL, by their process ids.\n\
         kill -TERM {gateway} && while kill -0 {gateway} 2>/dev/null; do sleep 0.1; done\n\
         kill -INT {postgres} && while kill -0 {postgres} 2>/dev/null; do sleep 0.1; done\n\
         rm -rf '{directory}'\n"
    )
}
