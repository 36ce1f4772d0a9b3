//! Connections to the target that outlive their session: for whom, in what state, until when.

use std::process::Command;
use std::time::{Duration, Instant};

use e2e::{Gateway, Settings, Target, Wire, ledger, wire};

use super::{PATIENCE, World};

/// What a session can leave behind on a server: a function does it all, whatever SQL would be denied.
const MESS: &str = "
CREATE FUNCTION billing.mess() RETURNS text LANGUAGE plpgsql AS $$ BEGIN
    CREATE TEMP TABLE left_over (n int);
    CREATE TEMP SEQUENCE left_sequence;
    PERFORM nextval('left_sequence');
    PREPARE left_statement AS SELECT 1;
    LISTEN left_channel;
    PERFORM pg_advisory_lock(4711);
    PERFORM set_config('work_mem', '77MB', false), set_config('my.own', 'left', false);
    RETURN 'made';
END $$;
CREATE FUNCTION billing.look() RETURNS text LANGUAGE sql VOLATILE AS $$
    SELECT concat_ws(' ', coalesce(to_regclass('pg_temp.left_over')::text, '-'),
        (SELECT count(*) FROM pg_prepared_statements), (SELECT count(*) FROM pg_cursors),
        (SELECT count(*) FROM pg_listening_channels()),
        (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()),
        current_setting('work_mem') = '77MB', coalesce(nullif(current_setting('my.own', true), ''), '-'),
        current_setting('TimeZone'), current_setting('search_path')) $$;";
/// What ends a connection that is kept.
type End = fn(&World);
/// What a client does last.
type Last = fn(&World, &mut Wire);

const READ: &str = "SELECT n FROM billing.numbers WHERE n = 1";

impl World {
    fn warm(limits: &str) -> Self {
        let database = e2e::Cluster::shared().billing();
        database.run(MESS);
        let target = Target::billing(&database);
        let world = Self::of(database, target, limits);
        let scope = ["execute:billing.mess", "execute:billing.look"];
        world.gateway.grant("agent", "billing", &scope);
        terminate(world.connect());
        world
    }

    /// Backends of sessions, past and present: process and label.
    fn backends(&self) -> Vec<(String, String)> {
        let sql = format!(
            "SELECT pid, application_name FROM pg_stat_activity WHERE datname = '{}' \
             AND usename = 'svc' AND application_name ~ '^countersign( ses_.*)?$' ORDER BY pid",
            self.database.name
        );
        let rows = self.database.cluster.run("postgres", &sql).texts();
        rows.into_iter().map(|row| (row[0].clone().unwrap(), row[1].clone().unwrap())).collect()
    }

    fn wait_for_backends(&self, count: usize) -> Vec<(String, String)> {
        e2e::wait::within(PATIENCE, &format!("{count} backends"), || {
            let backends = self.backends();
            (backends.len() == count).then_some(backends)
        })
    }

    /// The process that stays when a session ends in order.
    fn kept(&self) -> String {
        e2e::wait::within(PATIENCE, "one connection is kept", || {
            let backends = self.backends();
            match backends.as_slice() {
                [(pid, label)] if label == "countersign" => Some(pid.clone()),
                _ => None,
            }
        })
    }
}

fn terminate(mut wire: Wire) {
    wire.send_message(b'X', b"");
    assert_eq!(wire.read_until(b"", PATIENCE).1, wire::Stop::Closed);
}

/// What [`look`] says of a new connection.
fn clean(world: &World) -> String {
    format!("- 0 0 0 0 f - {} pg_catalog", world.database.value("SHOW TimeZone"))
}

fn signal(pid: &str, name: &str) {
    assert!(Command::new("kill").args([name, pid]).status().unwrap().success());
}

fn look(wire: &mut Wire) -> String {
    wire.simple("SELECT billing.look()").texts()[0][0].clone().unwrap()
}

#[test]
fn the_next_session_of_the_identity_finds_a_connection_as_a_new_one() {
    let world = World::warm("");
    let pid = world.kept();
    let mut first = world.connect();
    assert_eq!(look(&mut first), clean(&world));
    for sql in [
        "SELECT billing.mess()",
        "SET TimeZone TO 'Asia/Tokyo'",
        "SET search_path TO billing",
        "PREPARE own AS SELECT n FROM billing.numbers",
    ] {
        assert!(first.simple(sql).errors().is_empty(), "{sql}");
    }
    let declare = "DECLARE held CURSOR WITH HOLD FOR SELECT n FROM billing.numbers";
    assert!(first.simple(declare).errors().is_empty());
    first.send(&[wire::parse("named", READ), wire::message(b'S', b"")].concat());
    assert!(first.answer(PATIENCE).errors().is_empty());
    let dirty = look(&mut first);
    assert_eq!(dirty, "left_over 3 1 1 1 t left Asia/Tokyo pg_catalog");
    let old_key = first.cancel_key.clone();
    terminate(first);
    assert_eq!(world.kept(), pid, "the connection of before");

    let mut second = world.connect();
    assert_eq!(look(&mut second), clean(&world));
    assert_ne!(second.cancel_key, old_key);
    for (sql, sqlstate) in [("EXECUTE own", "26000"), ("FETCH 1 FROM held", "34000")] {
        assert_eq!(second.simple(sql).sqlstate().as_deref(), Some(sqlstate), "{sql}");
    }
    let path = second.simple("SHOW search_path").texts();
    assert_eq!(path[0][0].as_deref(), Some("\"$user\", public"));
    let bind = [wire::bind("", "named", &[], 0), wire::message(b'S', b"")].concat();
    second.send(&bind);
    assert_eq!(second.answer(PATIENCE).sqlstate().as_deref(), Some("26000"));

    // Its label is the new session's, also behind RESET ALL.
    let opened = ledger::of_kind(&world.gateway, "session_opened").pop().unwrap();
    let label = format!("countersign {}", opened.leaf["session"].as_str().unwrap());
    assert_eq!(world.backends(), [(pid.clone(), label.clone())]);
    for sql in ["RESET ALL", "DISCARD ALL"] {
        assert!(second.simple(sql).errors().is_empty(), "{sql}");
        assert_eq!(world.backends(), [(pid.clone(), label.clone())], "{sql}");
    }
    assert_eq!(ledger::verify(&world.gateway, "access")["ok"], true);
}

#[test]
fn no_other_identity_and_no_other_credential_gets_it() {
    let world = World::warm("");
    let pid = world.kept();
    let token = world.gateway.identity("other");
    world.gateway.grant("other", "billing", &["select:billing.numbers", "execute:billing.look"]);
    let mut other = world.gateway.connect("other", "billing", &token).unwrap();
    assert_eq!(look(&mut other), clean(&world));
    let backends = world.wait_for_backends(2);
    let label = |of: &str| backends.iter().find(|(own, _)| own == of).unwrap().1.clone();
    assert_eq!(label(&pid), "countersign", "it still waits: {backends:?}");
    terminate(other);
    world.wait_for_backends(2);

    // A new token: the old one has ended, and what it left with it.
    let token = world.gateway.token("agent");
    let mut again = world.gateway.connect("agent", "billing", &token).unwrap();
    assert_eq!(again.simple(READ).rows().len(), 1);
    assert!(world.backends().iter().all(|(own, label)| *own != pid || label == "countersign"));
    e2e::wait::within(Duration::from_secs(5), "the old credential's connection is closed", || {
        world.backends().iter().all(|(own, _)| *own != pid).then_some(())
    });
}

#[test]
fn it_is_closed_when_nobody_could_use_it_any_more() {
    let end: [(&str, End); 2] = [
        ("the identity is disabled", |world| {
            world.gateway.admin(&["identity", "disable", "agent", "--reason", "test"]);
        }),
        ("its grants end", |world| world.gateway.revoke(&world.grant)),
    ];
    for (what, end) in end {
        let world = World::with_limits("warm_idle_s = 3600");
        terminate(world.connect());
        world.kept();
        end(&world);
        let ended = Instant::now();
        world.wait_for_backends(0);
        assert!(ended.elapsed() < Duration::from_secs(3), "{what}: {:?}", ended.elapsed());
    }
    let world = World::with_limits("warm_idle_s = 1");
    terminate(world.connect());
    world.kept();
    world.wait_for_backends(0);
}

#[test]
fn one_that_broke_meanwhile_is_replaced_and_the_client_sees_nothing() {
    let world = World::with_limits("");
    terminate(world.connect());
    let pid = world.kept();
    world.database.run(&format!("SELECT pg_terminate_backend({pid})"));
    assert_eq!(world.connect().simple(READ).rows().len(), 1);

    terminate(world.connect());
    let pid = e2e::wait::until("one is kept", || {
        let backends = world.backends();
        backends.into_iter().find(|(_, label)| label == "countersign").map(|(pid, _)| pid)
    });
    // It does not answer, and does not say so.
    signal(&pid, "-STOP");
    let started = Instant::now();
    let answer = world.connect().simple(READ);
    signal(&pid, "-CONT");
    e2e::say!("a session beside a silent kept connection after {:?}", started.elapsed());
    assert_eq!(answer.rows().len(), 1);
}

#[test]
fn in_doubt_it_is_closed() {
    let world = World::with_limits("");
    let ends: [(&str, Last); 4] = [
        ("no Terminate", |_world, _wire| {}),
        ("an open transaction", |_world, wire| {
            assert!(wire.simple("BEGIN").errors().is_empty());
            wire.send_message(b'X', b"");
        }),
        ("a batch without Sync", |_world, wire| {
            wire.send(&[wire::parse("", READ), wire::message(b'H', b"")].concat());
            assert_eq!(wire.read_until(b"1", PATIENCE).1, wire::Stop::Found);
            wire.send_message(b'X', b"");
        }),
        ("a cancel, which may arrive late", |world, wire| {
            world.start(wire, super::ENDLESS);
            wire.cancel(None);
            assert_eq!(wire.answer(PATIENCE).sqlstate().as_deref(), Some("57014"));
            wire.send_message(b'X', b"");
        }),
    ];
    for (what, end) in ends {
        let mut wire = world.connect();
        assert_eq!(wire.simple(READ).rows().len(), 1);
        end(&world, &mut wire);
        drop(wire);
        assert_eq!(world.wait_for_backends(0), [], "{what}");
    }
    // One that the target does not reset in time.
    let wire = world.connect();
    let (pid, _) = world.wait_for_backends(1).remove(0);
    signal(&pid, "-STOP");
    terminate(wire);
    std::thread::sleep(Duration::from_secs(2));
    signal(&pid, "-CONT");
    assert_eq!(world.wait_for_backends(0), []);

    let database = e2e::Cluster::shared().billing();
    let gateway = Gateway::start(&Settings::new(vec![Target::fenced(&database)]));
    let token = gateway.identity("agent");
    gateway.grant("agent", "billing", &["select:billing.numbers"]);
    let mut wire = gateway.connect("agent", "billing", &token).unwrap();
    assert_eq!(wire.simple(READ).rows().len(), 1);
    terminate(wire);
    e2e::wait::within(PATIENCE, "the role of the fence ends with its session", || {
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE usename LIKE 'css_%' \
                   AND datname = current_database()";
        (database.value(sql) == "0").then_some(())
    });
}

#[test]
fn only_so_many_are_kept_and_none_when_the_target_is_full() {
    let world = World::with_limits("warm_connections_max = 1");
    let mut all: Vec<Wire> = (0..3).map(|_| world.connect()).collect();
    assert_eq!(all[0].simple(READ).rows().len(), 1);
    all.into_iter().for_each(terminate);
    world.kept();

    // One for the catalog, one to look at definitions again, one that is kept.
    world.database.run(&format!("ALTER DATABASE {} CONNECTION LIMIT 3", world.database.name));
    let token = world.gateway.identity("other");
    world.gateway.grant("other", "billing", &["select:billing.numbers"]);
    let mut other = world.gateway.connect("other", "billing", &token).unwrap();
    assert_eq!(other.simple(READ).rows().len(), 1);

    let world = World::with_limits("warm_connections_max = 0");
    terminate(world.connect());
    world.wait_for_backends(0);
}
