//! What is left of a session's role, after every way to end: nothing.

use std::time::{Duration, Instant};

use e2e::wire;

use super::{LIMIT, SCOPE, World};

/// Waits until a role is gone, and says how long that took.
fn gone(world: &World, role: &str) -> Duration {
    let since = Instant::now();
    e2e::wait::until("the role is gone", || (!world.exists(role)).then_some(()));
    since.elapsed()
}

/// Waits until exactly these changes of a role are on record.
fn until_recorded(world: &World, role: &str, expected: &[&str]) {
    e2e::wait::until("the role's end is on record", || {
        (changes(world, role) == expected).then_some(())
    });
}

fn changes(world: &World, role: &str) -> Vec<String> {
    let records = e2e::ledger::of_kind(&world.gateway, "fence_role");
    let own = records.iter().filter(|record| record.leaf["role"] == role);
    own.map(|record| record.leaf["change"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_revoked_grant_ends_the_running_statement_and_its_role_within_a_second() {
    let world = World::new();
    let mut wire = world.connect();
    let role = world.role();
    world.start_endless(&mut wire);

    world.gateway.revoke(&world.grant);
    let took = gone(&world, &role);

    e2e::say!("role gone {took:?} after the revocation of what ran");
    assert!(took < LIMIT, "{took:?}");
    let answer = wire.answer(LIMIT);
    assert!(!answer.kinds().contains('C'), "{answer:?}");
    until_recorded(&world, &role, &["created", "dropped"]);
}

#[test]
fn a_revoked_grant_ends_a_suspended_portal_and_its_role_within_a_second() {
    let world = World::new();
    let mut wire = world.connect();
    let role = world.role();
    let select = "SELECT n FROM billing.numbers ORDER BY n";
    wire.send(&[wire::parse("", select), wire::bind("p", "", &[], 0)].concat());
    wire.send(&[wire::execute("p", 5), wire::message(b'H', b"")].concat());
    e2e::wait::until("the portal is suspended", || {
        drop(wire.read(Duration::from_millis(50)));
        wire.received.windows(5).any(|window| window == b"s\0\0\0\x04").then_some(())
    });

    world.gateway.revoke(&world.grant);
    let took = gone(&world, &role);

    e2e::say!("role gone {took:?} after the revocation of a suspended portal");
    assert!(took < LIMIT, "{took:?}");
}

#[test]
fn a_revoked_grant_ends_a_copy_and_its_role_within_a_second() {
    let stream = "COPY (SELECT a.n FROM billing.numbers a CROSS JOIN billing.numbers b) TO STDOUT";
    for (sql, first) in [(stream, b'd'), ("COPY billing.notes (tag) FROM STDIN", b'G')] {
        let world = World::new();
        let mut wire = world.connect();
        let role = world.role();
        wire.send_message(b'Q', &wire::c_string(sql));
        assert_eq!(wire.read_until(&[first], LIMIT * 5).1, wire::Stop::Found, "{sql}");
        if first == b'G' {
            wire.send_message(b'd', b"never\n");
        }

        world.gateway.revoke(&world.grant);
        let took = gone(&world, &role);

        e2e::say!("role gone {took:?} after the revocation during {sql}");
        assert!(took < LIMIT, "{took:?}");
        let (messages, _) = wire.read_until(b"Z", LIMIT * 5);
        assert!(messages.iter().all(|message| message.kind != b'C'), "{sql}");
        assert_eq!(world.database.value("SELECT count(*) FROM billing.notes"), "0");
        until_recorded(&world, &role, &["created", "dropped"]);
    }
}

#[test]
fn a_revoked_grant_ends_a_held_cursor_and_its_role_within_a_second() {
    let world = World::new();
    let mut wire = world.connect();
    let role = world.role();
    let declare = "DECLARE held CURSOR WITH HOLD FOR SELECT n FROM billing.numbers ORDER BY n";
    assert!(wire.simple(declare).errors().is_empty());
    assert_eq!(wire.simple("FETCH 3 FROM held").rows().len(), 3);

    world.gateway.revoke(&world.grant);
    let took = gone(&world, &role);

    e2e::say!("role gone {took:?} after the revocation of a held cursor");
    assert!(took < LIMIT, "{took:?}");
    let next = wire.simple("FETCH 3 FROM held");
    assert!(next.rows().is_empty() && (next.is_closed() || !next.errors().is_empty()), "{next:?}");
    until_recorded(&world, &role, &["created", "dropped"]);
}

#[test]
fn a_grant_that_expires_takes_the_role_with_it() {
    let world = World::new();
    let token = world.gateway.identity("brief");
    world.gateway.grant_with("brief", "billing", &SCOPE, &["--for", "2s"]);
    let granted = Instant::now();
    let _wire = world.gateway.connect("brief", "billing", &token).unwrap();
    let role = world.role();

    gone(&world, &role);

    let took = granted.elapsed();
    assert!(
        took > Duration::from_millis(1500) && took < Duration::from_secs(2) + LIMIT,
        "{took:?}"
    );
}

#[test]
fn a_client_that_vanishes_leaves_nothing() {
    let world = World::new();
    let wire = world.connect();
    let role = world.role();
    drop(wire);
    assert!(gone(&world, &role) < LIMIT);
    until_recorded(&world, &role, &["created", "dropped"]);
}

#[test]
fn a_role_is_gone_with_whatever_it_came_to_own_anywhere() {
    let world = World::new();
    let wire = world.connect();
    let role = world.role();
    // By accident or intent, someone made it an owner, here and in another database.
    world.database.run(&format!(
        "DO $$ DECLARE l oid := lo_create(0); BEGIN \
         EXECUTE format('ALTER LARGE OBJECT %s OWNER TO {role}', l); END $$; \
         CREATE SCHEMA hers AUTHORIZATION {role}; CREATE TABLE hers.t(); ALTER TABLE hers.t OWNER TO {role};"
    ));
    let other = world.database.cluster.billing();
    other.run(&format!("ALTER TABLE billing.notes OWNER TO {role}"));
    drop(wire);
    gone(&world, &role);
    let count = |database: &e2e::Database, sql: &str| {
        database.value(&format!("SELECT count(*) FROM {sql}"))
    };
    assert_eq!(count(&world.database, "pg_namespace WHERE nspname = 'hers'"), "0");
    assert_eq!(count(&world.database, "pg_largeobject_metadata"), "0");
    assert_eq!(count(&other, "pg_class WHERE oid = to_regclass('billing.notes')"), "0");
}

#[test]
fn a_role_that_cannot_be_removed_cannot_log_in_is_on_record_and_tried_again() {
    let world = World::new();
    let wire = world.connect();
    let role = world.role();
    // Only who gave this right can take it back.
    let other = world.database.cluster.billing();
    other.run(&format!("GRANT SELECT ON billing.notes TO {role}"));
    drop(wire);
    e2e::wait::until("the failure is on record", || {
        (changes(&world, &role) == ["created", "left"]).then_some(())
    });
    let login = format!("SELECT rolcanlogin FROM pg_roles WHERE rolname = '{role}'");
    assert_eq!(world.database.value(&login), "f");
    world.gateway.wait_until_it_says("could not be removed");

    // The gateway tries again meanwhile, and two cannot change one row of the catalog at a time.
    let revoke = format!("REVOKE SELECT ON billing.notes FROM {role}");
    e2e::wait::until("the privilege is gone", || {
        let answer = other.cluster.superuser(&other.name).simple(&revoke);
        answer.errors().is_empty().then_some(())
    });
    gone(&world, &role);
    until_recorded(&world, &role, &["created", "left", "dropped"]);
}

#[test]
fn what_a_crash_leaves_is_swept_at_the_next_start_and_nothing_else() {
    let mut world = World::new();
    let _wire = world.connect();
    let role = world.role();
    world.database.run(
        "CREATE ROLE css_other_00000000_0000000000000001 LOGIN; CREATE ROLE css_gw1 NOLOGIN; \
         CREATE TABLE billing.owners(id int)",
    );

    world.gateway.kill();
    assert!(world.exists(&role), "a gateway that is killed cannot clean up");
    world.gateway.run().unwrap();
    gone(&world, &role);

    for other in ["css_other_00000000_0000000000000001", "css_gw1"] {
        assert!(world.exists(other), "{other} is not this gateway's");
        world.database.run(&format!("DROP ROLE {other}"));
    }
    assert_eq!(world.database.value("SELECT to_regclass('billing.owners') IS NOT NULL"), "t");
    until_recorded(&world, &role, &["created", "dropped"]);
    // The groups of the run before are gone too, but for those in use.
    let token = world.gateway.token("agent");
    let mut wire = world.gateway.connect("agent", "billing", &token).unwrap();
    assert_eq!(wire.simple("SELECT n FROM billing.numbers WHERE n = 1").rows().len(), 1);
}

#[test]
fn an_orderly_stop_leaves_no_role() {
    let mut world = World::new();
    // A default that draws on a sequence, and a table of which the account may pass on one column.
    world.database.run(
        "CREATE TABLE billing.tickets(id serial, what text); \
         CREATE TABLE billing.narrow(id int, hidden text); \
         GRANT INSERT, SELECT ON billing.tickets TO prov WITH GRANT OPTION; \
         GRANT USAGE ON SEQUENCE billing.tickets_id_seq TO prov WITH GRANT OPTION; \
         GRANT SELECT (id) ON billing.narrow TO prov WITH GRANT OPTION",
    );
    let scope = ["select,insert:billing.tickets(what)", "select:billing.narrow(id)"];
    e2e::wait::until("the new tables can be granted", || {
        let mut arguments = vec!["grant", "create", "--identity", "agent", "--target", "billing"];
        arguments.extend(["--task", "t", "--purpose", "p", "--for", "15m"]);
        for scope in scope {
            arguments.extend(["--allow", scope]);
        }
        world.gateway.command_line(&arguments).status.success().then_some(())
    });
    let mut wire = world.connect();
    let role = world.role();
    let made = wire.simple("INSERT INTO billing.tickets(what) VALUES ('x')");
    assert_eq!(made.tags(), ["INSERT 0 1"], "{made:?}");
    let group = format!(
        "SELECT g.rolname FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid \
         JOIN pg_roles r ON r.oid = m.member WHERE r.rolname = '{role}'"
    );
    let group = world.names(&group).remove(0);
    assert_eq!(world.gateway.stop(), Some(0));
    assert!(!world.exists(&role) && !world.exists(&group));
}

#[test]
fn a_new_grant_reaches_an_open_session_and_the_end_of_one_ends_it() {
    let world = World::new();
    let mut wire = world.connect();
    let role = world.role();
    let sql = "SELECT b FROM billing.kinds WHERE id = 1";
    assert_eq!(wire.simple(sql).errors()[0].sqlstate, "42501");

    let second = world.gateway.grant("agent", "billing", &["select:billing.kinds(id,b)"]);
    assert_eq!(wire.simple(sql).texts(), [[Some("t".to_owned())]]);
    assert_eq!(world.role(), role);
    assert_eq!(changes(&world, &role), ["created", "regrouped"]);

    // What has ended may still be in use somewhere in the session: it goes as a whole.
    world.gateway.revoke(&second);
    assert!(gone(&world, &role) < LIMIT);
    let mut again = world.connect();
    assert_eq!(again.simple("SELECT n FROM billing.numbers WHERE n = 1").rows().len(), 1);
    assert_eq!(again.simple(sql).errors()[0].sqlstate, "42501");
}
