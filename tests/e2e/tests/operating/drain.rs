//! The end of the gateway: nobody is cut who would have finished in time, and everything is on record.

use std::time::{Duration, Instant};

use e2e::wire::Stop;
use e2e::{Wire, ledger};

use super::{ENDLESS, PATIENCE, World};

/// Beyond `drain_timeout_s`: cancel, outcome, records, a busy machine.
const MARGIN: Duration = Duration::from_secs(3);
/// Numbers beside each other so that it takes a second or so, and says who it is.
const SLOW: &str =
    "SELECT count(*), 'slow' FROM billing.numbers a CROSS JOIN billing.numbers b WHERE a.n < 400";

#[test]
fn what_runs_is_finished_who_is_idle_goes_at_once_and_nobody_comes_in() {
    let mut world = World::with_limits("drain_timeout_s = 30");
    let mut idle = world.connect();
    let mut writer = world.connect();
    for sql in ["BEGIN", "INSERT INTO billing.notes (tag) VALUES ('drained')"] {
        assert!(writer.simple(sql).errors().is_empty());
    }
    let mut runner = world.connect();
    world.start(&mut runner, SLOW);

    world.gateway.signal("TERM");
    let told = Instant::now();
    let (last, stop) = idle.read_until(b"", PATIENCE);
    assert_eq!(stop, Stop::Closed);
    let error = e2e::SqlError::parse(&last[0].body);
    assert_eq!(error.sqlstate, "57P01", "{error}");
    assert!(error.message.contains("shutting down"), "{error}");
    let idle_for = told.elapsed();
    assert!(idle_for < MARGIN, "{idle_for:?}");
    // The listener learns of the signal at the same time as the sessions do.
    e2e::wait::within(MARGIN, "no client gets in", || {
        Wire::connect(world.gateway.address).is_err().then_some(())
    });

    // A transaction that is open goes on: its commands run, its COMMIT ends the session.
    assert!(writer.simple("SELECT tag FROM billing.notes").errors().is_empty());
    let answer = writer.simple("COMMIT");
    assert_eq!(answer.tags(), ["COMMIT"], "{answer:?}");
    assert_eq!(writer.read_until(b"", PATIENCE).1, Stop::Closed);
    // A revocation still counts while others drain.
    world.gateway.identity("late");

    let answer = runner.answer(PATIENCE);
    assert!(answer.errors().is_empty() && answer.rows().len() == 1, "{answer:?}");
    assert_eq!(runner.read_until(b"", PATIENCE).1, Stop::Closed);
    assert_eq!(world.gateway.wait_until_it_ends(), Some(0));
    let took = told.elapsed();
    e2e::say!("idle gone after {idle_for:?}, all after {took:?}");
    assert!(took < Duration::from_secs(25), "it waited for nobody: {took:?}");

    assert_eq!(world.outcome("'slow'")["result"], "completed");
    assert_eq!(world.database.value("SELECT count(*) FROM billing.notes"), "1");
    assert_whole(&world);
}

#[test]
fn what_runs_longer_is_cut_in_time_and_recorded_as_cut() {
    let mut world = World::with_limits("drain_timeout_s = 1");
    let mut runner = world.connect();
    world.start(&mut runner, ENDLESS);
    let mut writer = world.connect();
    for sql in ["BEGIN", "INSERT INTO billing.notes (tag) VALUES ('lost')"] {
        assert!(writer.simple(sql).errors().is_empty());
    }

    world.gateway.signal("INT");
    let told = Instant::now();
    let ends = [&mut runner, &mut writer].map(|wire| wire.read_until(b"", PATIENCE).1);
    assert_eq!(ends, [Stop::Closed, Stop::Closed]);
    assert!(told.elapsed() >= Duration::from_secs(1), "cut early: {:?}", told.elapsed());
    assert_eq!(world.gateway.wait_until_it_ends(), Some(0));
    let took = told.elapsed();
    e2e::say!("cut and ended after {took:?}");
    assert!(took < Duration::from_secs(1) + MARGIN, "{took:?}");

    assert_eq!(world.outcome("CROSS JOIN")["result"], "cut");
    world.database.wait_until_idle(PATIENCE);
    assert_eq!(world.database.value("SELECT count(*) FROM billing.notes"), "0");
    assert_whole(&world);
}

#[test]
fn a_second_signal_does_not_wait() {
    let mut world = World::with_limits("drain_timeout_s = 600");
    let mut runner = world.connect();
    world.start(&mut runner, ENDLESS);
    world.gateway.signal("TERM");
    world.gateway.wait_until_it_says("stopping");
    let told = Instant::now();
    world.gateway.signal("TERM");
    assert_eq!(world.gateway.wait_until_it_ends(), Some(0));
    e2e::say!("ended {:?} after the second signal", told.elapsed());
    assert!(told.elapsed() < MARGIN, "{:?}", told.elapsed());
    assert_eq!(world.outcome("CROSS JOIN")["result"], "cut");
    assert_whole(&world);
}

/// Both ledgers verify to their last record without the gateway, and each session ends on record.
fn assert_whole(world: &World) {
    let key = world.gateway.state().join("keys/ledger.pub");
    for ledger in ["access", "control"] {
        let directory = world.gateway.state().join(ledger);
        let arguments = ["verify", directory.to_str().unwrap(), "--key", key.to_str().unwrap()];
        let verified = world.gateway.admin(&arguments);
        assert_eq!(verified["ok"], true, "{ledger}: {verified}");
    }
    let sessions = |kind: &str| ledger::of_kind(&world.gateway, kind).len();
    assert_eq!(sessions("session_opened"), sessions("session_closed"));
}
