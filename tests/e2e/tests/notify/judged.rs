//! Who may listen, who may notify, and when that ends.

use e2e::{Cluster, Target, wait};

use crate::{Heard, LONG_ENOUGH, World, hear, hear_within};

#[test]
fn what_no_grant_names_is_denied() {
    let world =
        World::with(&["listen:channel.orders", "notify:channel.Mixed Case"], &["--for", "15m"]);
    let mut wire = world.connect();
    let long = format!("LISTEN {}", "a".repeat(64));
    let long_call = format!("SELECT pg_notify('{}', '')", "a".repeat(64));
    #[rustfmt::skip]
    let cases = [
        ("LISTEN orders",                                    None),
        ("LISTEN ORDERS",                                    None),
        ("LISTEN \"ORDERS\"",                                Some("42501")),
        ("LISTEN other",                                     Some("42501")),
        ("LISTEN orders; LISTEN other",                      Some("42501")),
        ("NOTIFY orders",                                    Some("42501")),
        ("NOTIFY orders, 'x'",                               Some("42501")),
        ("SELECT pg_notify('orders', 'x')",                  Some("42501")),
        ("SELECT 1 WHERE pg_notify('orders', 'x') IS NULL",  Some("42501")),
        ("WITH n AS (SELECT pg_notify('orders', 'x')) SELECT 1 FROM n", Some("42501")),
        ("COPY (SELECT pg_notify('orders', 'x')) TO STDOUT", Some("42501")),
        ("EXPLAIN SELECT pg_notify('orders', 'x')",          Some("42501")),
        ("SELECT pg_catalog.pg_notify('Mixed Case', 'x')",   None),
        ("NOTIFY \"Mixed Case\"",                            None),
        ("NOTIFY \"mixed case\"",                            Some("42501")),
        ("LISTEN \"Mixed Case\"",                            Some("42501")),
        // Which channel is not known before it runs.
        ("SELECT pg_notify('Mixed' || ' Case', 'x')",        Some("42501")),
        ("SELECT pg_notify(name, 'x') FROM billing.customers", Some("42501")),
        ("SELECT pg_notify(NULL, 'x')",                      Some("42501")),
        ("SELECT * FROM pg_notify('Mixed Case', 'x')",       Some("42501")),
        ("SELECT pg_notify('', 'x')",                        Some("22023")),
        (&long_call,                                         Some("22023")),
        // PostgreSQL cuts a name: this is another channel than any that is granted.
        (&long,                                              Some("42501")),
        ("UNLISTEN orders",                                  None),
        ("UNLISTEN other",                                   None),
        ("UNLISTEN *",                                       None),
    ];
    for (sql, expected) in cases {
        assert_eq!(wire.simple(sql).sqlstate().as_deref(), expected, "{sql}");
        if !sql.contains("; ") {
            assert_eq!(wire.extended(sql, &[], 0).sqlstate().as_deref(), expected, "{sql}");
        }
    }
    let parameter = wire.extended("SELECT pg_notify($1, 'x')", &[Some(b"Mixed Case")], 0);
    assert_eq!(parameter.sqlstate().as_deref(), Some("42501"));
}

#[test]
fn a_masked_value_is_no_payload() {
    let scope = ["notify:channel.orders", "select:billing.customers(id,name,ssn)"];
    let world = World::with(&scope, &["--for", "15m"]);
    let mut wire = world.connect();
    let of =
        |payload: &str| format!("SELECT pg_notify('orders', {payload}) FROM billing.customers");
    assert_eq!(wire.simple(&of("ssn")).sqlstate().as_deref(), Some("42501"));
    assert_eq!(
        wire.simple(&of("row_to_json(customers)::text")).sqlstate().as_deref(),
        Some("42501")
    );
    assert_eq!(wire.simple(&of("name")).sqlstate(), None);
}

#[test]
fn a_schema_called_channel_is_a_schema() {
    let database = Cluster::shared().billing();
    database.run(
        "CREATE SCHEMA channel; CREATE TABLE channel.orders(id int); \
         GRANT ALL ON SCHEMA channel TO svc; GRANT ALL ON channel.orders TO svc",
    );
    let target = Target::billing(&database);
    let world = World::on(database, target, &["listen:channel.orders"], &["--for", "15m"]);
    let mut wire = world.connect();
    assert_eq!(wire.simple("LISTEN orders").sqlstate(), None);
    assert!(wire.simple("SELECT id FROM channel.orders").sqlstate().is_some());

    world.gateway.revoke(&world.grant);
    world.gateway.grant("agent", "billing", &["select:channel.orders"]);
    assert_eq!(wire.simple("SELECT id FROM channel.orders").sqlstate(), None);
    assert_eq!(wire.simple("LISTEN orders").sqlstate().as_deref(), Some("42501"));
    for (scope, why) in [
        ("listen,select:channel.orders", "stand apart"),
        ("listen:billing.orders", "is no channel"),
        ("notify:channel.orders(id)", "has no columns"),
    ] {
        let arguments = ["grant", "create", "--identity", "agent", "--target", "billing"];
        let more = ["--task", "t", "--purpose", "p", "--for", "15m", "--allow", scope];
        let output = world.gateway.command_line(&[&arguments[..], &more].concat());
        assert!(!output.status.success());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains(why), "{scope}: {said}");
    }
}

#[test]
fn revocation_stops_what_a_session_already_listens_to() {
    for is_fenced in [false, true] {
        let database = Cluster::shared().billing();
        let target = if is_fenced { Target::fenced(&database) } else { Target::billing(&database) };
        let world = World::on(database, target, &["listen:channel.orders"], &["--for", "15m"]);
        let mut wire = world.connect();
        wire.simple("LISTEN orders");
        world.notify("orders", "heard");
        assert_eq!(hear(&mut wire), Some(Heard::new(0, "orders", "heard")));

        world.gateway.revoke(&world.grant);
        world.notify("orders", "too late");
        assert_eq!(hear_within(&mut wire, LONG_ENOUGH), None);
        let dropped = [("orders".to_owned(), "no_grant".to_owned())];
        wait::until("the drop is on record", || {
            (world.recorded("notification_dropped") == dropped).then_some(())
        });
        // The session goes on, and what it listens to is judged anew each time.
        assert_eq!(wire.simple("SELECT 1").sqlstate(), None);
        assert_eq!(wire.simple("LISTEN orders").sqlstate().as_deref(), Some("42501"));
        world.gateway.grant("agent", "billing", &["listen:channel.orders"]);
        world.notify("orders", "again");
        assert_eq!(hear(&mut wire), Some(Heard::new(0, "orders", "again")));
        e2e::ledger::verify(&world.gateway, "access");
    }
}

#[test]
fn a_transaction_that_notified_under_a_grant_ends_with_it() {
    let world = World::with(&["notify:channel.orders"], &["--for", "15m"]);
    let listens = World::on(
        world.database.clone(),
        Target::billing(&world.database),
        &["listen:channel.orders"],
        &["--for", "15m"],
    );
    let (mut speaker, mut listener) = (world.connect(), listens.connect());
    listener.simple("LISTEN orders");
    speaker.simple("BEGIN; NOTIFY orders, 'not committed'");
    world.gateway.revoke(&world.grant);
    assert!(speaker.simple("COMMIT").sqlstate().is_some());
    assert_eq!(hear_within(&mut listener, LONG_ENOUGH), None);
}

#[test]
fn notifications_count_as_rows_of_the_grant() {
    for limit in [["--max-rows", "3"], ["--max-bytes", "14"]] {
        let scope = ["listen:channel.orders", "select:billing.numbers"];
        let world = World::with(&scope, &[&["--for", "15m"][..], &limit].concat());
        let mut wire = world.connect();
        wire.simple("LISTEN orders");
        for n in 1..=5 {
            world.notify("orders", &format!("no {n}"));
        }
        for n in 1..=3 {
            assert_eq!(hear(&mut wire).unwrap().payload, format!("no {n}"));
        }
        assert_eq!(hear_within(&mut wire, LONG_ENOUGH), None);
        let dropped = vec![("orders".to_owned(), "limit_reached".to_owned()); 2];
        assert_eq!(world.recorded("notification_dropped"), dropped, "{limit:?}");
        if limit[0] == "--max-rows" {
            let rest = wire.simple("SELECT n FROM billing.numbers");
            assert_eq!(rest.sqlstate().as_deref(), Some("42501"), "they used the grant up");
        }
    }
}
