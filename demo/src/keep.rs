//! The end of `--keep`: everything runs on, and the user is told what to try.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::screen::Screen;
use crate::stage::{self, IDENTITY, Stage};

/// What to try as the agent: one statement that is masked, and two that are refused.
const TRIES: [&str; 3] = [
    "SELECT name, ssn, account_number FROM billing.customers LIMIT 3",
    "SELECT * FROM billing.payments",
    "SELECT name FROM billing.customers WHERE ssn LIKE '9%'",
];

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
    screen.say("The DSN, with the agent's token in it, and where the programs and settings are:");
    let programs = [gateway.cli().programs(), cluster.programs()];
    let programs: Vec<String> = programs.iter().map(|path| path.display().to_string()).collect();
    screen.quote(&format!("export DATABASE_URL='{url}'"));
    screen.quote(&format!("export COUNTERSIGN_CONFIG='{}'", files.settings().display()));
    screen.quote(&format!("export PATH='{}':\"$PATH\"", programs.join(":")));
    screen.say("Then be the agent, with psql or any PostgreSQL driver:");
    for sql in TRIES {
        screen.quote(&format!("psql \"$DATABASE_URL\" -c \"{sql}\""));
    }
    screen.say("Be the administrator:");
    for command in ["grant list --live", "log tail --follow", "session list", "--help"] {
        screen.quote(&format!("countersign {command}"));
    }
    screen.say("Be the assessor:");
    let (package, key) = (files.evidence(), files.public_key());
    screen.quote(&format!("countersign verify '{}' --key '{}'", package.display(), key.display()));
    screen.say("Stop it all:");
    screen.quote(&format!("'{}'", stop.display()));
    gateway.release();
    cluster.release();
    Ok(())
}

fn stop_script(gateway: u32, postgres: u32, directory: &dyn std::fmt::Display) -> String {
    format!(
        "#!/bin/sh\n\
         # Written by the demo: ends the gateway, then PostgreSQL, by their process ids.\n\
         # It removes itself, so that a later run cannot hit another process of the same id.\n\
         rm -f \"$0\"\n\
         gone() {{ i=0; while kill -0 \"$1\" 2>/dev/null && [ $i -lt 100 ]; do sleep 0.1; i=$((i + 1)); done; }}\n\
         kill -TERM {gateway} 2>/dev/null && gone {gateway}\n\
         kill -INT {postgres} 2>/dev/null && gone {postgres}\n\
         rm -rf '{directory}'\n"
    )
}
