//! PostgreSQL calls functions when it plans, which it does at Bind: what a Bind may run is a command.

use super::*;

const CALLS: &str = "SELECT id FROM billing.items WHERE id > billing.stab(1)";
const SLEEPS: &str = "SELECT id FROM billing.items WHERE id > billing.slow(20)";
const INSERT: &str = "INSERT INTO billing.notes (tag) VALUES ('held')";

#[test]
fn what_a_bind_alone_runs_is_on_record_and_counts() {
    let world = World::new(&["--max-commands", "1"]);
    let mut wire = world.connect();
    for turn in 0..3 {
        wire.send(&[prepare(CALLS), sync()].concat());
        let answer = wire.answer(PATIENCE);
        let expected = if turn == 0 { "12Z" } else { "EZ" };
        assert!(answer.kinds().ends_with(expected), "{turn}: {answer:?}");
    }
    let commands = world.commands();
    assert_eq!(commands.intended.len(), 1);
    assert_eq!(commands.with_result("completed").len(), 1);
    // It is called more than once for one plan.
    assert_ne!(world.count("trace"), "0", "the function does not run at Bind: the test is void");
    assert_eq!(world.database.value("SELECT count(DISTINCT xmin::text) FROM billing.trace"), "1");
    drop(wire);
    world.verify();
}

#[test]
fn a_bind_and_its_execute_are_one_command() {
    let world = World::new(&["--max-commands", "4"]);
    let mut wire = world.connect();
    let describe = message(b'D', b"P\0");
    let (p, b, e) = (parse("", CALLS), bind("", "", &[], 0), execute("", 0));
    wire.send(&[p.clone(), b.clone(), e.clone(), sync()].concat());
    assert_eq!(wire.answer(PATIENCE).tags(), ["SELECT 49"]);
    wire.send(&[p.clone(), b.clone(), describe, e.clone(), sync()].concat());
    assert_eq!(wire.answer(PATIENCE).tags(), ["SELECT 49"]);
    // In two writes, as a slow client does.
    wire.send(&[p, b].concat());
    std::thread::sleep(Duration::from_millis(50));
    wire.send(&[e, sync()].concat());
    assert_eq!(wire.answer(PATIENCE).tags(), ["SELECT 49"]);
    assert_eq!(world.commands().intended.len(), 3);

    // What fails at Bind is the command's failure.
    let fails = "SELECT id FROM billing.items WHERE id > billing.stab($1::int)";
    let batch = [parse("", fails), bind("", "", &[Some(b"x")], 0), execute("", 0), sync()];
    wire.send(&batch.concat());
    assert_eq!(wire.answer(PATIENCE).sqlstate().as_deref(), Some("22P02"));
    let commands = world.commands();
    let (name, _) = commands.intent_with("$1::int").unwrap();
    assert_eq!(commands.finished[name].leaf["result"], "failed");
    assert_eq!(commands.finished[name].leaf["sqlstate"], "22P02");
    drop(wire);
    world.verify();
}

#[test]
fn what_a_bind_runs_can_be_cancelled() {
    let world = World::new(&[]);
    let mut wire = world.connect();
    wire.send(&[prepare(SLEEPS), sync()].concat());
    wait_until_active(&world);
    let asked = Instant::now();
    wire.cancel(None);
    assert_eq!(wire.answer(PATIENCE).sqlstate().as_deref(), Some("57014"));
    assert!(asked.elapsed() < LIMIT * 2, "{:?}", asked.elapsed());
    assert_eq!(world.commands().with_result("failed").len(), 1);
}

#[test]
fn what_a_bind_runs_ends_with_its_authority() {
    type End = fn(&World);
    let revoked: End = |world| world.gateway.revoke(&world.grant);
    let disabled: End = |world| {
        world.gateway.admin(&["identity", "disable", "agent", "--reason", "end-to-end test"]);
    };
    for (what, end) in [("revoked", revoked), ("disabled", disabled)] {
        let world = World::new(&[]);
        let mut wire = world.connect();
        wire.send(&[prepare(SLEEPS), sync()].concat());
        wait_until_active(&world);
        end(&world);
        world.database.wait_until_idle(LIMIT);
        let (messages, _) = wire.read_until(b"EZ", LIMIT);
        assert!(messages.iter().any(|message| message.kind == b'E'), "{what}: {messages:?}");
        assert_eq!(world.commands().with_result("cut").len(), 1, "{what}");
    }
}

#[test]
fn what_parse_and_bind_hold_ends_with_its_grant() {
    let bound = [prepare(INSERT), flush()].concat();
    let parsed = [parse("", INSERT), flush()].concat();
    for (what, batch, last) in [("bound", bound, b"2"), ("parsed", parsed, b"1")] {
        let world = World::new(&[]);
        let mut wire = world.connect();
        wire.send(&batch);
        assert_eq!(wire.read_until(last, PATIENCE).1, Stop::Found, "{what}");
        world.gateway.revoke(&world.grant);
        let ended = Instant::now();
        let (_, closed) = read_to_close(&mut wire, LIMIT);
        assert!(closed < ended + LIMIT, "{what}");
        world.database.wait_until_idle(LIMIT);
    }
}

#[test]
fn a_parse_that_waits_for_a_lock_ends_with_its_grant() {
    let world = World::new(&[]);
    let login = e2e::Login::new(
        e2e::postgres::SERVICE_ROLE,
        &world.database.name,
        e2e::postgres::SERVICE_PASSWORD,
    );
    let mut other = Wire::login(world.database.cluster.address, &login).unwrap();
    for sql in ["BEGIN", "LOCK TABLE billing.notes"] {
        assert!(other.simple(sql).errors().is_empty(), "{sql}");
    }
    let mut wire = world.connect();
    wire.send(&[parse("", INSERT), sync()].concat());
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' \
                 AND datname = current_database()";
    e2e::wait::until("Parse waits", || (world.database.value(waits) == "1").then_some(()));
    world.gateway.revoke(&world.grant);
    let ended = Instant::now();
    let (messages, _) = wire.read_until(b"EZ", LIMIT);
    assert!(messages.iter().any(|message| message.kind == b'E'), "{messages:?}");
    e2e::wait::within(LIMIT, "Parse waits no more", || {
        (world.database.value(waits) == "0").then_some(())
    });
    e2e::say!("ended after {:?}", ended.elapsed());
}

#[test]
fn a_commit_under_an_ended_grant_is_cut_and_not_called_undone_unless_it_is() {
    let world = World::new(&[]);
    let mut wire = world.connect();
    wire.send(&[run("INSERT INTO billing.late VALUES (5)"), flush()].concat());
    assert_eq!(wire.read_until(b"C", PATIENCE).1, Stop::Found);
    wire.send(&sync());
    wait_until_active(&world);
    world.gateway.revoke(&world.grant);
    let ended = Instant::now();
    world.database.wait_until_idle(LIMIT);
    e2e::say!("the commit ended after {:?}", ended.elapsed());
    let (messages, _) = wire.read_until(b"EZ", LIMIT);
    assert!(messages.iter().any(|message| message.kind == b'E'), "{messages:?}");
    assert_eq!(world.count("late"), "0");
    let undone = ledger::of_kind(&world.gateway, "batch_rolled_back");
    assert_eq!((undone.len(), &undone[0].leaf["first"]), (1, &1.into()));
}

/// Waits until the target works for the session.
fn wait_until_active(world: &World) {
    let active = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' \
                  AND usename = 'svc' AND wait_event = 'PgSleep' AND datname = current_database()";
    e2e::wait::until("it runs", || (world.database.value(active) == "1").then_some(()));
}
