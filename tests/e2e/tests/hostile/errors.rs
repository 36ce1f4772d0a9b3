//! Errors of the target that quote what the client may not see.

use e2e::Wire;
use e2e::ledger::Commands;

use super::World;

/// `hidden()` is what an attacker wants: a value of a masked column.
const SCHEMA: &str = "
CREATE FUNCTION billing.hidden() RETURNS text LANGUAGE sql STABLE
  AS $$SELECT ssn FROM billing.customers WHERE id = 7$$;
CREATE FUNCTION billing.tell() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE code text := NEW.tag; n int;
BEGIN
  IF code = 'parse' THEN EXECUTE 'SELECT \"' || billing.hidden() || '\"';
  ELSIF code = 'relation' THEN EXECUTE 'SELECT * FROM \"' || billing.hidden() || '\"';
  ELSIF code = 'syntax' THEN EXECUTE billing.hidden();
  ELSIF code = 'cast' THEN n := billing.hidden()::int;
  ELSE RAISE EXCEPTION USING ERRCODE = code, MESSAGE = 'told ' || billing.hidden(),
    DETAIL = billing.hidden(), HINT = billing.hidden(), TABLE = billing.hidden(),
    COLUMN = billing.hidden(), CONSTRAINT = billing.hidden(), SCHEMA = billing.hidden();
  END IF;
  RETURN NEW;
END$$;
CREATE TABLE billing.told(id int, tag text);
CREATE TRIGGER tell BEFORE INSERT ON billing.told FOR EACH ROW EXECUTE FUNCTION billing.tell();
CREATE TABLE billing.told_late(id int, tag text);
CREATE CONSTRAINT TRIGGER tell AFTER INSERT ON billing.told_late DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW EXECUTE FUNCTION billing.tell();
CREATE FUNCTION billing.judge(code text) RETURNS bool LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION USING ERRCODE = code, MESSAGE = 'told ' || billing.hidden(); END$$;
CREATE TABLE billing.guarded(id int, code text);
INSERT INTO billing.guarded VALUES (1, '42501'), (2, '22P02'), (3, '55000');
ALTER TABLE billing.guarded ENABLE ROW LEVEL SECURITY;
CREATE POLICY p ON billing.guarded USING (billing.judge(code));
CREATE VIEW billing.casts AS SELECT employee::int AS n, employee::date AS d FROM hr.salaries;
CREATE TABLE billing.checked(id int, code text DEFAULT 'x', CHECK (billing.judge('42703')));
GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA billing TO svc;
";
const SCOPE: [&str; 6] = [
    "select:billing.numbers",
    "select,insert:billing.told",
    "select,insert:billing.told_late",
    "select:billing.guarded(id)",
    "select:billing.casts",
    "select,insert:billing.checked",
];
const HIDDEN: [&str; 2] = ["900-55", "ada"];

#[test]
fn no_error_of_a_trigger_policy_check_or_view_quotes_a_hidden_value() {
    let world = World::with_schema(SCHEMA, &SCOPE);
    let codes = [
        "23514", "42501", "55000", "40001", "P0001", "22P02", "42703", "42601", "57014", "XX000",
        "Z9999", "parse", "relation", "syntax", "cast",
    ];
    let insert = |table: &str, code: &str| {
        format!("INSERT INTO billing.{table} (id, tag) VALUES (1, '{code}')")
    };
    let mut texts: Vec<String> = codes.iter().map(|code| insert("told", code)).collect();
    texts.extend(codes.iter().map(|code| insert("told_late", code)));
    texts.extend((1..=3).map(|id| format!("SELECT id FROM billing.guarded WHERE id = {id}")));
    texts.extend(["n", "d"].map(|column| format!("SELECT {column} FROM billing.casts")));
    texts.push("INSERT INTO billing.checked (id) VALUES (1)".to_owned());
    for sql in texts {
        for extended in [false, true] {
            let mut wire = world.connect();
            let answer = if extended { wire.extended(&sql, &[], 0) } else { wire.simple(&sql) };
            assert_eq!(answer.errors().len(), 1, "{sql}: {answer:?}");
            hides(&wire, &sql);
            // It was not the gateway that refused.
            assert!(Commands::read(&world.gateway).intent_with(&sql).is_some(), "{sql}");
        }
    }
    // Raised at COMMIT, by a statement that has no trigger of its own.
    for code in codes {
        let mut wire = world.connect();
        for sql in ["BEGIN", &insert("told_late", code)] {
            assert!(wire.simple(sql).errors().is_empty());
        }
        assert_eq!(wire.simple("COMMIT").errors().len(), 1, "{code}");
        hides(&wire, code);
    }
}

/// Values pass nowhere but in the names of what a client may read whole.
#[test]
fn a_violated_constraint_is_named_where_its_table_is_shown_and_its_values_pass_nowhere() {
    let schema = "
CREATE TABLE billing.open(id int CONSTRAINT open_key UNIQUE, word text NOT NULL,
  CONSTRAINT open_check CHECK (id < 1000));
INSERT INTO billing.open VALUES (7, 'CANARY-1');
CREATE TABLE billing.part(id int CONSTRAINT part_key UNIQUE, secret text DEFAULT 'CANARY-2' NOT NULL,
  CONSTRAINT part_check CHECK (id < 1000));
INSERT INTO billing.part VALUES (7);
GRANT SELECT, INSERT ON billing.open, billing.part TO svc;";
    let scope =
        ["select:billing.numbers", "select,insert:billing.open", "select,insert:billing.part(id)"];
    let world = World::with_schema(schema, &scope);
    #[rustfmt::skip]
    let cases = [
        // statement                                               code     names
        ("INSERT INTO billing.open (id, word) VALUES (7, 'CANARY-3')",    "23505", Some("open_key")),
        ("INSERT INTO billing.open (id, word) VALUES (1000, 'CANARY-3')", "23514", Some("open_check")),
        ("INSERT INTO billing.open (id) VALUES (8)",                      "23502", Some("word")),
        ("INSERT INTO billing.part (id) VALUES (7)",                      "23505", None),
        ("INSERT INTO billing.part (id) VALUES (1000)",                   "23514", None),
    ];
    for (sql, sqlstate, names) in cases {
        let mut wire = world.connect();
        for answer in [wire.simple(sql), wire.extended(sql, &[], 0)] {
            let error = answer.errors().into_iter().next().unwrap();
            assert_eq!(error.sqlstate, sqlstate, "{sql}: {error}");
            match names {
                Some(name) => assert!(error.message.contains(name), "{sql}: {error}"),
                None => assert!(!error.message.contains("part_"), "{sql}: {error}"),
            }
        }
        assert!(!String::from_utf8_lossy(&wire.received).contains("CANARY"), "{sql}");
    }
}

fn hides(wire: &Wire, sql: &str) {
    let received = String::from_utf8_lossy(&wire.received);
    for hidden in HIDDEN {
        assert!(!received.contains(hidden), "{sql} tells: {received}");
    }
}

#[test]
fn an_error_of_a_plain_granted_table_keeps_the_text_that_postgresql_gives_it() {
    let world = World::with_schema(SCHEMA, &SCOPE);
    let cases = [
        ("SELECT label::int FROM billing.numbers WHERE n = 3", "22P02", "\"number 3\""),
        ("SELECT nope FROM billing.numbers", "42703", "\"nope\""),
        ("SELECT 1 / (n - n) FROM billing.numbers WHERE n = 1", "22012", "division by zero"),
    ];
    for (sql, sqlstate, text) in cases {
        let straight = world.database.cluster.superuser(&world.database.name).simple(sql);
        let mut wire = world.connect();
        for answer in [wire.simple(sql), wire.extended(sql, &[], 0)] {
            let error = answer.errors().into_iter().next().unwrap();
            assert_eq!(error.sqlstate, sqlstate, "{sql}: {error}");
            assert!(error.message.contains(text), "{sql}: {error}");
            assert_eq!(error.message, straight.errors()[0].message, "{sql}");
        }
    }
}
