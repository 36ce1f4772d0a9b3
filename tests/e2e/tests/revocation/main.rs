//! Revocation and expiry end live work within a second: what runs, what waits, what is open.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and this one measures time"
)]

mod latency;

use std::thread;
use std::time::{Duration, Instant};

use e2e::ledger::Commands;
use e2e::wire::{self, Stop};
use e2e::{Cluster, Database, Gateway, Settings, Target, Wire, target_log};

/// What is promised.
const LIMIT: Duration = Duration::from_secs(1);
/// It would run for years.
const ENDLESS: &str = "SELECT count(*) FROM billing.numbers a CROSS JOIN billing.numbers b CROSS JOIN billing.numbers c";
const SCOPE: [&str; 3] = [
    "select:billing.numbers",
    "select,update:billing.customers(id,name,plan)",
    "select,insert:billing.notes",
];

struct World {
    database: Database,
    gateway: Gateway,
    token: String,
    grant: String,
}

impl World {
    fn new() -> Self {
        let database = Cluster::shared().billing();
        let gateway = Gateway::start(&Settings::new(vec![Target::billing(&database)]));
        let token = gateway.identity("agent");
        let grant = gateway.grant("agent", "billing", &SCOPE);
        Self { database, gateway, token, grant }
    }

    fn connect(&self) -> Wire {
        self.gateway.connect("agent", "billing", &self.token).unwrap()
    }

    /// Sends the endless statement and waits until the target runs it.
    fn start_endless(&self, wire: &mut Wire) {
        wire.send_message(b'Q', &wire::c_string(ENDLESS));
        self.until_active();
    }

    fn until_active(&self) {
        let running = format!(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = '{}' AND usename = 'svc' \
             AND backend_type = 'client backend' AND state = 'active' AND query_start < clock_timestamp() - interval '100 ms'",
            self.database.name
        );
        e2e::wait::until("the statement runs", || {
            (self.database.value(&running) == "1").then_some(())
        });
    }

    fn next_is_refused(&self, wire: &mut Wire, mark: &str) {
        let next = wire.simple(&format!("SELECT label, '{mark}' FROM billing.numbers WHERE n = 1"));
        assert!(next.rows().is_empty(), "a row came after the end");
        assert!(next.is_closed() || !next.errors().is_empty(), "{next:?}");
        assert!(
            !target_log::reached(&self.database, mark),
            "the target saw a statement after the end"
        );
    }
}

/// Ends an identity's authority, and returns when it had ended at the latest.
type Ending = fn(&World) -> Instant;

fn by_revoking_the_grant(world: &World) -> Instant {
    world.gateway.revoke(&world.grant);
    Instant::now()
}

fn by_disabling_the_identity(world: &World) -> Instant {
    world.gateway.admin(&["identity", "disable", "agent", "--reason", "end-to-end test"]);
    Instant::now()
}

fn by_revoking_the_token(world: &World) -> Instant {
    let shown = world.gateway.admin(&["identity", "show", "agent"]).to_string();
    let at = shown.find("crd_").unwrap();
    let credential: String =
        shown[at..].chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
    let arguments = ["identity", "token", "revoke", &credential, "--reason", "end-to-end test"];
    world.gateway.admin(&arguments);
    Instant::now()
}

#[test]
fn a_running_statement_is_cut_within_a_second() {
    #[rustfmt::skip]
    let cases: [(&str, Ending); 3] = [
        ("grant revoked",     by_revoking_the_grant),
        ("identity disabled", by_disabling_the_identity),
        ("token revoked",     by_revoking_the_token),
    ];
    for (what, end) in cases {
        let world = World::new();
        let mut wire = world.connect();
        world.start_endless(&mut wire);

        let ended = end(&world);
        let answer = wire.answer(LIMIT * 5);
        let took = ended.elapsed();

        e2e::say!("{what}: cut after {took:?}");
        assert!(
            answer.stop != Stop::TimedOut && !answer.kinds().contains('C'),
            "{what}: {answer:?}"
        );
        assert!(took < LIMIT, "{what}: cut after {took:?}");
        world.database.wait_until_idle(LIMIT);
        world.next_is_refused(&mut wire, "after-the-end");
        let commands = Commands::read(&world.gateway);
        let (name, _) = commands.intent_with(ENDLESS).unwrap();
        assert_eq!(commands.finished[name].leaf["result"], "cut", "{what}");
    }
}

#[test]
fn a_running_statement_is_cut_within_a_second_of_expiry() {
    for of_identity in [false, true] {
        let world = World::new();
        let (user, token) = ("brief", world.gateway.identity("brief"));
        let lifetime = Duration::from_secs(3);
        let granted = Instant::now();
        if of_identity {
            let at = std::time::SystemTime::now() + lifetime;
            world.gateway.grant(user, "billing", &SCOPE);
            world.gateway.admin(&["identity", "expire", user, "--at", &rfc3339(at)]);
        } else {
            world.gateway.grant_with(user, "billing", &SCOPE, &["--for", "3s"]);
        }
        let mut wire = world.gateway.connect(user, "billing", &token).unwrap();
        world.start_endless(&mut wire);

        let answer = wire.answer(lifetime + LIMIT * 5);
        let took = granted.elapsed();

        e2e::say!("expiry of the identity {of_identity}: cut after {took:?}");
        assert!(answer.stop != Stop::TimedOut && !answer.kinds().contains('C'), "{answer:?}");
        // The command line itself takes part of a second before the grant begins.
        assert!(took < lifetime + LIMIT + LIMIT / 2, "cut after {took:?}");
        assert!(took + LIMIT / 2 > lifetime, "cut too early, after {took:?}");
        world.next_is_refused(&mut wire, "after-expiry");
    }
}

#[test]
fn a_stream_of_rows_stops_within_a_second() {
    let world = World::new();
    let mut wire = world.connect();
    let sql = "SELECT a.n, b.label FROM billing.numbers a CROSS JOIN billing.numbers b";
    wire.send_message(b'Q', &wire::c_string(sql));
    let (first, _) = wire.read_until(b"D", LIMIT * 5);
    assert!(!first.is_empty());

    world.gateway.revoke(&world.grant);
    let ended = Instant::now();
    loop {
        match wire.read(LIMIT * 5) {
            Ok(message) if message.kind == b'D' => {
                wire.received.clear();
                assert!(ended.elapsed() < LIMIT, "rows still come after {:?}", ended.elapsed());
            }
            Ok(message) => {
                assert_eq!(message.kind, b'E');
                break;
            }
            Err(stop) => {
                assert_eq!(stop, Stop::Closed);
                break;
            }
        }
    }
    world.database.wait_until_idle(LIMIT);
}

#[test]
fn a_client_that_does_not_read_keeps_nothing_running() {
    let world = World::new();
    let mut wire = world.connect();
    let sql = "SELECT a.n, b.label FROM billing.numbers a CROSS JOIN billing.numbers b";
    wire.send_message(b'Q', &wire::c_string(sql));
    thread::sleep(Duration::from_millis(500));
    world.gateway.revoke(&world.grant);
    world.database.wait_until_idle(LIMIT);
}

#[test]
fn an_open_transaction_is_rolled_back() {
    // Whether the client waits for a statement or thinks.
    for is_running in [true, false] {
        let world = World::new();
        let mut wire = world.connect();
        for sql in ["BEGIN", "UPDATE billing.customers SET plan = 'pro-stolen' WHERE id = 1"] {
            assert!(wire.simple(sql).errors().is_empty());
        }
        if is_running {
            world.start_endless(&mut wire);
        }
        world.gateway.revoke(&world.grant);
        let ended = Instant::now();

        let count = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'svc' AND \
                     datname = current_database() AND (state = 'active' OR xact_start IS NOT NULL)";
        e2e::wait::within(LIMIT, "the target holds no transaction of the client", || {
            (world.database.value(count) == "0").then_some(())
        });
        e2e::say!("running {is_running}: rolled back after {:?}", ended.elapsed());

        if is_running {
            wire.answer(LIMIT);
        }
        let commit = wire.simple("COMMIT");
        assert!(!commit.tags().contains(&"COMMIT".to_owned()), "{commit:?}");
        assert_ne!(
            world.database.value("SELECT plan FROM billing.customers WHERE id = 1"),
            "pro-stolen"
        );
        // The row is free again.
        world
            .database
            .run("SET lock_timeout = '1s'; UPDATE billing.customers SET plan = plan WHERE id = 1");
    }
}

#[test]
fn a_suspended_portal_gives_no_more_rows() {
    let world = World::new();
    let mut wire = world.connect();
    assert!(wire.simple("BEGIN").errors().is_empty());
    let batch = [
        wire::parse("", "SELECT n FROM billing.numbers ORDER BY n"),
        wire::bind("p", "", &[], 0),
        wire::execute("p", 10),
        wire::message(b'S', &[]),
    ];
    wire.send(&batch.concat());
    let first = wire.answer(LIMIT * 5);
    assert_eq!(first.rows().len(), 10, "{first:?}");
    assert!(first.kinds().contains('s'), "{first:?}");

    world.gateway.revoke(&world.grant);
    wire.send(&[wire::execute("p", 10), wire::message(b'S', &[])].concat());
    let second = wire.answer(LIMIT * 5);
    assert!(second.rows().is_empty(), "{second:?}");
    assert!(second.is_closed() || !second.errors().is_empty(), "{second:?}");
}

#[test]
fn a_prepared_statement_is_judged_again_at_each_execution() {
    let world = World::new();
    let mut wire = world.connect();
    let sql = "SELECT label FROM billing.numbers WHERE n = 1";
    wire.send(&[wire::parse("s", sql), wire::message(b'S', &[])].concat());
    assert!(wire.answer(LIMIT * 5).errors().is_empty());
    let execute =
        [wire::bind("", "s", &[], 0), wire::execute("", 0), wire::message(b'S', &[])].concat();
    wire.send(&execute);
    assert_eq!(wire.answer(LIMIT * 5).rows().len(), 1);

    world.gateway.revoke(&world.grant);
    wire.send(&execute);
    let after = wire.answer(LIMIT * 5);
    assert!(
        after.rows().is_empty() && (after.is_closed() || !after.errors().is_empty()),
        "{after:?}"
    );
}

#[test]
fn another_identity_works_on_undisturbed() {
    let world = World::new();
    let token = world.gateway.identity("other");
    world.gateway.grant("other", "billing", &SCOPE);
    let mut other = world.gateway.connect("other", "billing", &token).unwrap();
    assert!(other.simple("BEGIN").errors().is_empty());
    world.gateway.revoke(&world.grant);
    thread::sleep(LIMIT);
    let answer = other.simple("SELECT label FROM billing.numbers WHERE n = 1");
    assert_eq!(answer.rows().len(), 1, "{answer:?}");
    assert_eq!(other.simple("COMMIT").tags(), ["COMMIT"]);
}

#[test]
fn a_disabled_identity_cannot_log_in_and_an_enabled_one_can_again() {
    let world = World::new();
    by_disabling_the_identity(&world);
    let refused = world.gateway.connect("agent", "billing", &world.token).unwrap_err();
    assert_eq!(refused.sqlstate, "28P01", "{refused}");
    world.gateway.admin(&["identity", "enable", "agent", "--reason", "end-to-end test"]);
    assert!(world.connect().simple("SELECT 1").errors().is_empty());
}

#[test]
fn rotation_ends_the_former_token() {
    let world = World::new();
    let new = world.gateway.token("agent");
    assert_ne!(new, world.token);
    assert!(world.gateway.connect("agent", "billing", &world.token).is_err());
    let mut wire = world.gateway.connect("agent", "billing", &new).unwrap();
    assert!(wire.simple("SELECT 1").errors().is_empty());
}

fn rfc3339(at: std::time::SystemTime) -> String {
    let seconds = at.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
    let sql = format!(
        "SELECT to_char(to_timestamp({seconds}) AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')"
    );
    Cluster::shared().run("postgres", &sql).texts()[0][0].clone().unwrap()
}
