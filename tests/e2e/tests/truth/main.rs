//! The record against the database: what ran stands on record before it runs, what the record says
//! of it is so, and what no authority holds any more ends.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and these measure time"
)]

mod outcomes;
mod planning;
mod sessions;

use std::time::{Duration, Instant};

use e2e::ledger::{self, Commands};
use e2e::wire::{self, Stop, bind, execute, message, parse};
use e2e::{Cluster, Database, Gateway, Settings, Target, Wire};

/// What is promised for the end of authority.
const LIMIT: Duration = Duration::from_secs(1);
/// How long an answer may take that has no promise.
const PATIENCE: Duration = Duration::from_secs(10);

/// Functions of every volatility, one of which writes whatever it is called in.
const SCHEMA: &str = "
CREATE TABLE billing.items(id int PRIMARY KEY, kind text NOT NULL DEFAULT 'a');
INSERT INTO billing.items SELECT generate_series(1, 50);
CREATE TABLE billing.trace(a int);
CREATE FUNCTION billing.vol(a int) RETURNS int LANGUAGE plpgsql VOLATILE AS
  $$BEGIN INSERT INTO billing.trace VALUES (a); RETURN a; END$$;
CREATE FUNCTION billing.stab(a int) RETURNS int LANGUAGE plpgsql STABLE AS
  $$BEGIN PERFORM billing.vol(a); RETURN a; END$$;
CREATE FUNCTION billing.slow(s int) RETURNS int LANGUAGE plpgsql STABLE AS
  $$BEGIN PERFORM pg_sleep(s); RETURN s; END$$;
CREATE TABLE billing.late(id int);
CREATE FUNCTION billing.sleep_late() RETURNS trigger LANGUAGE plpgsql AS
  $$BEGIN PERFORM pg_sleep(NEW.id); RETURN NULL; END$$;
CREATE CONSTRAINT TRIGGER late AFTER INSERT ON billing.late DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW EXECUTE FUNCTION billing.sleep_late();
GRANT ALL ON ALL TABLES IN SCHEMA billing TO svc;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA billing TO svc; ANALYZE;
";
const SCOPE: [&str; 6] = [
    "select,insert,update,delete:billing.items",
    "select,insert:billing.late",
    "select,insert,delete:billing.notes",
    "execute:billing.stab",
    "execute:billing.slow",
    "select:billing.numbers",
];

struct World {
    database: Database,
    gateway: Gateway,
    token: String,
    grant: String,
}

impl World {
    fn new(limits: &[&str]) -> Self {
        Self::with(limits, |_settings| {})
    }

    fn with(limits: &[&str], change: impl FnOnce(&mut Settings)) -> Self {
        let limits = if limits.contains(&"--for") {
            limits.to_vec()
        } else {
            [&["--for", "15m"], limits].concat()
        };
        Self::build(("", &[]), &limits, change)
    }

    /// With more in the database, and in the grant.
    fn with_scope(schema: &str, scope: &[&str]) -> Self {
        Self::build((schema, scope), &["--for", "15m"], |_settings| {})
    }

    fn build(
        (schema, scope): (&str, &[&str]),
        limits: &[&str],
        change: impl FnOnce(&mut Settings),
    ) -> Self {
        let database = Cluster::shared().billing();
        database.run(&format!("{SCHEMA}{schema}"));
        let mut settings = Settings::new(vec![Target::billing(&database)]);
        change(&mut settings);
        let gateway = Gateway::start(&settings);
        let token = gateway.identity("agent");
        let scope = [&SCOPE, scope].concat();
        let grant = gateway.grant_with("agent", "billing", &scope, limits);
        Self { database, gateway, token, grant }
    }

    fn connect(&self) -> Wire {
        self.gateway.connect("agent", "billing", &self.token).unwrap()
    }

    fn count(&self, table: &str) -> String {
        self.database.value(&format!("SELECT count(*) FROM billing.{table}"))
    }

    fn commands(&self) -> Commands {
        Commands::read(&self.gateway)
    }

    fn verify(&self) {
        assert_eq!(ledger::verify(&self.gateway, "access")["ok"], true);
    }
}

/// Parse and Bind without names.
fn prepare(sql: &str) -> Vec<u8> {
    [parse("", sql), bind("", "", &[], 0)].concat()
}

fn run(sql: &str) -> Vec<u8> {
    [prepare(sql), execute("", 0)].concat()
}

fn sync() -> Vec<u8> {
    message(b'S', b"")
}

fn flush() -> Vec<u8> {
    message(b'H', b"")
}

/// Reads until the gateway has closed the connection: what came, and when it closed.
fn read_to_close(wire: &mut Wire, limit: Duration) -> (Vec<e2e::Message>, Instant) {
    let (messages, stop) = wire.read_until(b"", limit);
    assert_eq!(stop, Stop::Closed, "the session goes on: {messages:?}");
    (messages, Instant::now())
}
