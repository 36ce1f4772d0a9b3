//! What a hostile client, a hostile schema or a failing machine tried against the data path, and
//! must not do again: each test here is a hole that a review found.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and these measure time"
)]

mod batches;
mod ends;
mod errors;
mod history;
mod names;
mod network;
mod records;
mod twins;
mod values;

use std::time::{Duration, Instant};

use e2e::ledger::Commands;
use e2e::{Cluster, Database, Gateway, Settings, Target, Wire, wire};
use serde_json::Value;

/// What is promised for the end of authority and of the record.
const LIMIT: Duration = Duration::from_secs(1);
/// How long an answer may take that has no promise.
const PATIENCE: Duration = Duration::from_secs(10);
/// It would run for years.
const ENDLESS: &str = "SELECT count(*) FROM billing.numbers a CROSS JOIN billing.numbers b CROSS JOIN billing.numbers c";
const SCOPE: [&str; 3] = [
    "select:billing.numbers",
    "select,insert:billing.notes",
    "select,update:billing.customers(id,name,plan)",
];

struct World {
    database: Database,
    gateway: Gateway,
    token: String,
    grant: String,
}

impl World {
    fn new() -> Self {
        Self::with_schema("SELECT 1", &SCOPE)
    }

    /// With more in the database, and another grant.
    fn with_schema(sql: &str, scope: &[&str]) -> Self {
        Self::with(sql, scope, |_settings| {})
    }

    fn with(sql: &str, scope: &[&str], change: impl FnOnce(&mut Settings)) -> Self {
        let database = Cluster::shared().billing();
        database.run(sql);
        Self::on(database, scope, change)
    }

    /// With a schema that names its database.
    fn with_database(sql: impl FnOnce(&str) -> String, scope: &[&str]) -> Self {
        let database = Cluster::shared().billing();
        database.run(&sql(&database.name));
        Self::on(database, scope, |_settings| {})
    }

    fn on(database: Database, scope: &[&str], change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings::new(vec![Target::billing(&database)]);
        change(&mut settings);
        let gateway = Gateway::start(&settings);
        let token = gateway.identity("agent");
        let grant = gateway.grant("agent", "billing", scope);
        Self { database, gateway, token, grant }
    }

    fn connect(&self) -> Wire {
        self.gateway.connect("agent", "billing", &self.token).unwrap()
    }

    fn disable(&self) {
        self.gateway.admin(&["identity", "disable", "agent", "--reason", "end-to-end test"]);
    }

    /// Sends the endless statement and waits until the target runs it.
    fn start_endless(&self, wire: &mut Wire) {
        wire.send_message(b'Q', &wire::c_string(ENDLESS));
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

/// Reads until the gateway has closed the connection, and returns when that was.
fn read_to_close(wire: &mut Wire, limit: Duration) -> Option<Instant> {
    let end = Instant::now() + limit;
    loop {
        wire.received.clear();
        match wire.read(end.saturating_duration_since(Instant::now())) {
            Ok(_message) => {}
            Err(wire::Stop::Closed) => return Some(Instant::now()),
            Err(_) => return None,
        }
    }
}

fn run_batch(sql: &str) -> Vec<u8> {
    [wire::parse("", sql), wire::bind("", "", &[], 0), wire::execute("", 0)].concat()
}

fn sync() -> Vec<u8> {
    wire::message(b'S', b"")
}

fn flush() -> Vec<u8> {
    wire::message(b'H', b"")
}
