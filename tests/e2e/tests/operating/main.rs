//! Operating the gateway: it drains, keeps connections warm, is fair, stays small, and outlives what
//! happens to its targets.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and these measure time"
)]

mod arrivals;
mod busy;
mod drain;
mod outage;
mod warm;

use std::time::Duration;

use e2e::ledger::Commands;
use e2e::{Cluster, Database, Gateway, Settings, Target, Wire, wire};
use serde_json::Value;

/// How long an answer may take that has no promise.
const PATIENCE: Duration = Duration::from_secs(20);
/// It would run for years.
const ENDLESS: &str = "SELECT count(*) FROM billing.numbers a CROSS JOIN billing.numbers b CROSS JOIN billing.numbers c";
const SCOPE: [&str; 2] = ["select:billing.numbers", "select,insert:billing.notes"];

struct World {
    database: Database,
    gateway: Gateway,
    token: String,
    grant: String,
}

impl World {
    fn with_limits(limits: &str) -> Self {
        let database = Cluster::shared().billing();
        let target = Target::billing(&database);
        Self::of(database, target, limits)
    }

    fn of(database: Database, target: Target, limits: &str) -> Self {
        let settings = Settings { limits: limits.into(), ..Settings::new(vec![target]) };
        let gateway = Gateway::start(&settings);
        let token = gateway.identity("agent");
        let grant = gateway.grant("agent", "billing", &SCOPE);
        Self { database, gateway, token, grant }
    }

    fn connect(&self) -> Wire {
        self.gateway.connect("agent", "billing", &self.token).unwrap()
    }

    /// Sends a statement and waits until the target runs it.
    fn start(&self, wire: &mut Wire, sql: &str) {
        wire.send_message(b'Q', &wire::c_string(sql));
        self.wait_until_active();
    }

    fn wait_until_active(&self) {
        let running = format!(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = '{}' AND usename = 'svc' \
             AND state = 'active'",
            self.database.name
        );
        e2e::wait::until("the statement runs", || {
            (self.database.value(&running) == "1").then_some(())
        });
    }

    /// The outcome of the only command whose text has this in it, once it is on record.
    fn outcome(&self, text: &str) -> Value {
        e2e::wait::within(PATIENCE, "the outcome is on record", || {
            let commands = Commands::read(&self.gateway);
            let (name, _) = commands.intent_with(text)?;
            Some(commands.finished.get(name)?.leaf.clone())
        })
    }
}
