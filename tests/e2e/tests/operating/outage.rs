//! What happens to a target: restarts, lost backends, cut networks, another server behind the address.
//! Clients read clean errors, the record says what is known, and all goes on without a restart.

use std::time::{Duration, Instant};

use e2e::middleman::Middleman;
use e2e::wire::Stop;
use e2e::{Cluster, Database, Target, Wire, ledger, wire};

use super::{ENDLESS, PATIENCE, World};

const READ: &str = "SELECT n FROM billing.numbers WHERE n = 1";
const LIMITS: &str =
    "target_connect_timeout_s = 2\ncatalog_poll_interval_s = 1\ncommand_timeout_s = 2";

impl World {
    /// On a cluster of its own, or behind a relay.
    fn on(database: Database, address: Option<&Middleman>) -> Self {
        let mut target = Target::billing(&database);
        if let Some(relay) = address {
            target.more.push(("port".into(), relay.address.port().to_string()));
        }
        Self::of(database, target, LIMITS)
    }

    fn recovers(&self) -> Duration {
        let started = Instant::now();
        e2e::wait::within(PATIENCE, "a new session works", || {
            let mut wire = self.gateway.connect("agent", "billing", &self.token).ok()?;
            (wire.simple(READ).rows().len() == 1).then_some(())
        });
        started.elapsed()
    }
}

/// The error with which a session ends, at its next command or before.
fn last_error(wire: &mut Wire) -> e2e::SqlError {
    wire.send_message(b'Q', &wire::c_string(READ));
    let (messages, stop) = wire.read_until(b"", PATIENCE);
    assert_eq!(stop, Stop::Closed, "{messages:?}");
    let error = messages.iter().find(|message| message.kind == b'E').expect("it says why");
    e2e::SqlError::parse(&error.body)
}

#[test]
fn a_target_that_restarts_or_is_down_at_the_start_is_used_again() {
    let cluster = Cluster::own();
    let mut world = World::on(cluster.billing(), None);
    for signal in ["INT", "QUIT"] {
        let mut idle = world.connect();
        assert_eq!(idle.simple(READ).rows().len(), 1);
        let mut writer = world.connect();
        for sql in ["BEGIN", "INSERT INTO billing.notes (tag) VALUES ('lost')"] {
            assert!(writer.simple(sql).errors().is_empty());
        }
        let mut runner = world.connect();
        let running = format!("{ENDLESS} WHERE '{signal}' <> ''");
        world.start(&mut runner, &running);
        // One that is kept warm is lost, too, and nobody sees it.
        let mut kept = world.connect();
        kept.send_message(b'X', b"");

        cluster.stop(signal);
        let error = last_error(&mut runner);
        assert!(["57P01", "57P02", "08006"].contains(&error.sqlstate.as_str()), "{error}");
        let outcome = world.outcome(&format!("'{signal}'"));
        assert!(["failed", "unknown"].contains(&outcome["result"].as_str().unwrap()), "{outcome}");
        for wire in [&mut idle, &mut writer] {
            let error = last_error(wire);
            assert!(["57P01", "57P02", "08006"].contains(&error.sqlstate.as_str()), "{error}");
        }
        let refused = world.gateway.connect("agent", "billing", &world.token).unwrap_err();
        assert_eq!(refused.sqlstate, "08001", "{refused}");

        cluster.start_again();
        e2e::say!("SIG{signal}: a session works {:?} after the target is back", world.recovers());
    }
    assert_eq!(world.database.value("SELECT count(*) FROM billing.notes"), "0");

    assert_eq!(world.gateway.stop(), Some(0));
    cluster.stop("INT");
    world.gateway.run().expect("it starts without its target");
    let refused = world.gateway.connect("agent", "billing", &world.token).unwrap_err();
    assert_eq!(refused.sqlstate, "08001", "{refused}");
    cluster.start_again();
    world.recovers();
    assert_eq!(ledger::verify(&world.gateway, "access")["ok"], true);
}

#[test]
fn a_backend_that_is_killed_ends_its_session_and_no_other() {
    let world = World::on(Cluster::own().billing(), None);
    let mut runner = world.connect();
    world.start(&mut runner, ENDLESS);
    let pid = world
        .database
        .value("SELECT pid FROM pg_stat_activity WHERE usename = 'svc' AND state = 'active'");
    // Its postmaster ends all others with it, as it does for a crash.
    assert!(std::process::Command::new("kill").args(["-9", &pid]).status().unwrap().success());
    let error = last_error(&mut runner);
    assert_eq!(error.sqlstate, "08006", "{error}");
    assert_eq!(world.outcome("CROSS JOIN")["result"], "unknown");
    e2e::say!("a session works {:?} after the crash", world.recovers());
    assert_eq!(ledger::verify(&world.gateway, "access")["ok"], true);
}

#[test]
fn a_network_that_is_cut_or_silent_ends_what_runs_over_it_in_time() {
    let relay = Middleman::start(Cluster::shared().address);
    let world = World::on(Cluster::shared().billing(), Some(&relay));
    let mut idle = world.connect();
    let mut runner = world.connect();
    world.start(&mut runner, ENDLESS);
    relay.cut();
    for wire in [&mut runner, &mut idle] {
        assert_eq!(last_error(wire).sqlstate, "08006");
    }
    assert_eq!(world.outcome("CROSS JOIN")["result"], "unknown");
    e2e::say!("cut: a session works after {:?}", world.recovers());

    // Nothing comes through any more, and nobody says so.
    let mut silent = world.connect();
    e2e::wait::within(PATIENCE, "the catalog is read again", || {
        (silent.simple(READ).rows().len() == 1).then_some(())
    });
    relay.swallow("");
    let asked = Instant::now();
    let error = last_error(&mut silent);
    let took = asked.elapsed();
    e2e::say!("silent: {error} after {took:?}");
    assert!(took < Duration::from_secs(8), "{took:?}");
    let asked = Instant::now();
    let refused = world.gateway.connect("agent", "billing", &world.token).unwrap_err();
    assert_eq!(refused.sqlstate, "08001", "{refused}");
    assert!(asked.elapsed() < Duration::from_secs(8), "{:?}", asked.elapsed());
    relay.pass_all();
    relay.cut();
    e2e::say!("silent: a session works {:?} after the network is back", world.recovers());
    assert_eq!(ledger::verify(&world.gateway, "access")["ok"], true);
}

#[test]
fn another_server_behind_the_address_is_noticed_before_anything_is_judged() {
    let (first, second) = (Cluster::shared(), Cluster::own());
    let database = first.billing();
    // The same names, and another meaning: what was a label is now what nobody may read.
    let other = second.copy_of_billing_named(&database.name);
    other.run(
        "ALTER TABLE billing.numbers RENAME COLUMN label TO secret; \
         ALTER TABLE billing.numbers ADD COLUMN label text DEFAULT 'of the second'",
    );
    let relay = Middleman::start(first.address);
    let world = World::on(database, Some(&relay));
    let mut before = world.connect();
    assert_eq!(before.simple(READ).rows().len(), 1);

    // The old server lives, and so do the connections to it.
    relay.lead_to(second.address);
    let mut after = world.connect();
    let label = "SELECT label FROM billing.numbers WHERE n = 1";
    assert_eq!(after.simple(label).texts(), [[Some("of the second".into())]]);
    let secret = after.simple("SELECT secret FROM billing.numbers WHERE n = 1");
    assert!(secret.rows().is_empty(), "{secret:?}");
    let error = last_error(&mut before);
    assert_eq!(error.sqlstate, "57P01", "{error}");
    assert!(error.message.contains("server"), "{error}");
    assert_eq!(ledger::verify(&world.gateway, "access")["ok"], true);
}
