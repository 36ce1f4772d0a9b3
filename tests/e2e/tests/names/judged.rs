//! What is kept under a name is judged when it is kept and each time that it runs.

use e2e::ledger::{self, Commands};
use e2e::target_log;
use e2e::wire::{bind, execute, parse};

use crate::{World, batch, describe, query, run, unnamed};

#[test]
fn a_masked_column_leaves_a_cursor_as_its_mask_in_every_way() {
    let world = World::new();
    let mut wire = world.connect();
    let select = "SELECT id, ssn FROM billing.customers WHERE id <= 6 ORDER BY id";
    wire.simple("BEGIN");
    for declare in ["DECLARE c CURSOR FOR", "DECLARE b BINARY CURSOR FOR", "PREPARE p AS"] {
        let answer = wire.simple(&format!("{declare} {select}"));
        assert_eq!(answer.errors(), [], "{declare}");
    }
    wire.received.clear();
    let fetched = wire.simple("FETCH 2 FROM c").texts();
    assert_eq!(fetched, [1, 2].map(|id| vec![Some(id.to_string()), Some("********".into())]));
    wire.simple("FETCH 1 FROM b");
    wire.simple("MOVE 1 FROM c");
    wire.simple("EXECUTE p");
    let steps = [
        batch(&[execute("c", 1)]),
        batch(&[describe(b'P', "b"), execute("b", 0)]),
        batch(&[bind("", "p", &[], 1), execute("", 0)]),
        batch(&[parse("q", select), bind("x", "q", &[], 0)]),
        query("FETCH ALL FROM x"),
    ];
    run(&mut wire, &steps);
    let bytes = String::from_utf8_lossy(&wire.received).into_owned();
    assert!(bytes.matches("********").count() > 20, "masks are shown");
    assert!(!bytes.contains("900-55"), "a masked value left");
    // What came of it is on record: the relation, the column, how many values.
    let commands = Commands::read(&world.gateway);
    let (name, intent) = commands.intent_with("FETCH 2 FROM c").unwrap();
    assert_eq!(intent.leaf["touches"][0]["relation"], "billing.customers");
    assert_eq!(intent.leaf["touches"][0]["columns"], serde_json::json!(["id", "ssn"]));
    let outcome = &commands.finished[name].leaf;
    assert_eq!(
        (outcome["rows"].as_u64(), outcome["redactions"][0]["values"].as_u64()),
        (Some(2), Some(2))
    );
    let (name, intent) = commands.intent_with("PREPARE p AS").unwrap();
    assert_eq!(intent.leaf["statement"], "prepare");
    assert_eq!(commands.finished[name].leaf["rows"], 0);
    assert_eq!(ledger::verify(&world.gateway, "access")["ok"], true);
}

#[test]
fn what_a_name_must_not_stand_for_is_refused_and_never_reaches_the_target() {
    let world = World::new();
    let mut wire = world.connect();
    wire.simple("PREPARE ok (int) AS SELECT n FROM billing.numbers WHERE n = $1");
    wire.simple("DECLARE held CURSOR WITH HOLD FOR SELECT id FROM billing.customers");
    #[rustfmt::skip]
    let cases = [
        "DECLARE c CURSOR WITH HOLD FOR SELECT id FROM billing.customers WHERE ssn LIKE '9%'",
        "DECLARE c CURSOR WITH HOLD FOR SELECT id, md5(ssn) FROM billing.customers",
        "DECLARE c CURSOR WITH HOLD FOR SELECT amount FROM hr.salaries",
        "DECLARE c CURSOR WITH HOLD FOR SELECT account_number FROM billing.customers",
        "PREPARE p (text) AS SELECT id FROM billing.customers WHERE ssn LIKE $1",
        "PREPARE p AS SELECT amount FROM hr.salaries",
        "PREPARE p AS DELETE FROM billing.customers",
        "PREPARE p (regclass) AS SELECT 1 WHERE $1 IS NULL",
        "PREPARE p AS UPDATE billing.customers SET plan = 'x' WHERE CURRENT OF held",
        "EXECUTE ok((SELECT amount FROM hr.salaries))",
        "EXECUTE ok((SELECT id FROM billing.customers WHERE ssn LIKE '9%' LIMIT 1))",
        "EXECUTE ok(id)",
        "EXECUTE ok(pg_sleep(1)::text::int)",
        "EXPLAIN EXECUTE ok(1)",
        "EXPLAIN ANALYZE EXECUTE ok(1)",
        "CREATE TABLE t AS EXECUTE ok(1)",
        "CREATE TEMP TABLE t AS EXECUTE ok(1)",
        "FETCH nothing",
        "MOVE nothing",
        "EXECUTE nothing",
        "UPDATE billing.notes SET body = 'x' WHERE CURRENT OF held",
        "DELETE FROM billing.notes WHERE CURRENT OF nothing",
        "UPDATE billing.customers SET plan = 'x' WHERE CURRENT OF held AND true",
    ];
    for (number, text) in cases.iter().enumerate() {
        let marked = format!("{text} -- never-{number}");
        for extended in [false, true] {
            let step = if extended { batch(&[unnamed(&marked)]) } else { query(&marked) };
            let seen = run(&mut wire, &[step]);
            assert!(seen.iter().any(|line| line.starts_with("E ")), "{text}: {seen:?}");
            assert!(!seen.iter().any(|line| line.starts_with('D')), "{text}: {seen:?}");
        }
        assert!(!target_log::reached(&world.database, &format!("never-{number}")), "{text}");
    }
    let commands = Commands::read(&world.gateway);
    assert!(commands.intent_with("never-").is_none());
    assert_eq!(wire.simple("EXECUTE ok(7)").texts(), [[Some("7".to_owned())]]);
}

/// Only what is a query or a write may be run by another statement's name.
#[test]
fn a_name_is_looked_up_once() {
    let world = World::new();
    let mut wire = world.connect();
    let texts = ["BEGIN", "FETCH ALL FROM held", "EXECUTE ok", "DISCARD ALL", "SHOW TimeZone", ""];
    wire.simple("DECLARE held CURSOR WITH HOLD FOR SELECT id FROM billing.customers");
    wire.simple("PREPARE ok AS SELECT 1 AS a");
    for (number, text) in texts.iter().enumerate() {
        let name = format!("s{number}");
        let seen =
            run(&mut wire, &[batch(&[parse(&name, text)]), query(&format!("EXECUTE {name}"))]);
        let is_show = text.starts_with("SHOW");
        assert_eq!(seen.contains(&"E 0A000".to_owned()), !is_show, "{text}: {seen:?}");
    }
    let steps = [
        query("BEGIN"),
        batch(&[parse("f", "FETCH 1 FROM held"), bind("g", "f", &[], 0)]),
        query("FETCH g"),
        query("ROLLBACK"),
    ];
    assert!(run(&mut wire, &steps).contains(&"E 0A000".to_owned()));
}

#[test]
fn what_a_name_stands_for_is_judged_anew_each_time() {
    let world = World::with(&["select:billing.numbers"]);
    let second = world.gateway.grant("agent", "billing", &["select:billing.customers(id,plan)"]);
    let mut wire = world.connect();
    wire.simple("PREPARE p AS SELECT id FROM billing.customers WHERE id = 1");
    wire.simple("SET search_path = billing");
    wire.simple("PREPARE n AS SELECT n FROM numbers WHERE n = 1");
    assert_eq!(wire.simple("EXECUTE p").rows().len(), 1);
    assert_eq!(wire.simple("EXECUTE n").rows().len(), 1);

    wire.simple("SET search_path = hr");
    assert_eq!(wire.simple("EXECUTE n").sqlstate().as_deref(), Some("42501"));
    wire.simple("SET search_path = billing");
    assert_eq!(wire.simple("EXECUTE n").rows().len(), 1);

    world.gateway.revoke(&second);
    assert_eq!(wire.simple("EXECUTE p").sqlstate().as_deref(), Some("42501"));
    let seen = run(&mut wire, &[batch(&[bind("", "p", &[], 0), execute("", 0)])]);
    assert!(seen.contains(&"E 42501".to_owned()), "{seen:?}");
    assert!(!seen.iter().any(|line| line.starts_with('D')), "{seen:?}");
    assert_eq!(wire.simple("EXECUTE n").rows().len(), 1);
}

#[test]
fn a_session_keeps_no_more_names_than_its_limit() {
    let world = World::new();
    let mut wire = world.connect();
    wire.simple("BEGIN");
    let declared = (0..300)
        .take_while(|number| {
            wire.simple(&format!("DECLARE c{number} CURSOR FOR SELECT 1")).errors().is_empty()
        })
        .count();
    assert_eq!(declared, 256);
    wire.simple("ROLLBACK");
    assert_eq!(wire.simple("DECLARE c CURSOR WITH HOLD FOR SELECT 1").errors(), []);
}
