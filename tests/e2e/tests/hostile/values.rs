//! Errors and notices of the target's own, each of which quotes stored values: none reaches a client
//! that may not read them.
//!
//! The values stand in columns that no grant covers, and in rows that came there before. Each case
//! is shown to be one: the target says the value to its own superuser.

use super::World;

const CANARY: &str = "CANARY-7f3a";
/// In bounds and keys that are numbers.
const NUMBER: &str = "777013";

const SCHEMA: &str = "
CREATE TYPE billing.mood AS ENUM ('good', 'bad');
CREATE DOMAIN billing.small AS text CHECK (VALUE::int < 10);
CREATE TABLE billing.booked(id int, room int4range DEFAULT int4range(777013, 777020),
  EXCLUDE USING gist (room WITH &&));
INSERT INTO billing.booked VALUES (1);
CREATE TABLE billing.parted(id int, place text DEFAULT 'CANARY-7f3a') PARTITION BY LIST (place);
CREATE TABLE billing.parted_a PARTITION OF billing.parted FOR VALUES IN ('a');
CREATE TABLE billing.unique_hidden(id int UNIQUE, secret text UNIQUE DEFAULT 'CANARY-7f3a', n int);
INSERT INTO billing.unique_hidden VALUES (1);
CREATE TABLE billing.checked_row(id int, secret text DEFAULT 'CANARY-7f3a', CHECK (id < 1000));
CREATE TABLE billing.not_null(id int NOT NULL, secret text DEFAULT 'CANARY-7f3a');
CREATE TABLE billing.parent(secret text PRIMARY KEY);
CREATE TABLE billing.child(id int, secret text DEFAULT 'CANARY-7f3a' REFERENCES billing.parent);
CREATE TABLE billing.referred(id int PRIMARY KEY, secret text UNIQUE);
CREATE TABLE billing.referring(secret text REFERENCES billing.referred(secret) ON UPDATE RESTRICT);
INSERT INTO billing.referred VALUES (1, 'CANARY-7f3a');
INSERT INTO billing.referring VALUES ('CANARY-7f3a');
CREATE TABLE billing.generated(id int, secret text DEFAULT 'CANARY-7f3a',
  n int GENERATED ALWAYS AS ((secret || CASE WHEN id > 0 THEN '' END)::int) STORED);
CREATE TABLE billing.domained(id int, secret text DEFAULT 'CANARY-7f3a', kind text);
CREATE FUNCTION billing.to_small() RETURNS trigger LANGUAGE plpgsql AS
  'BEGIN NEW.kind := NEW.secret::billing.small; RETURN NEW; END';
CREATE TRIGGER small BEFORE INSERT ON billing.domained FOR EACH ROW EXECUTE FUNCTION billing.to_small();
CREATE TABLE billing.moody(id int, secret text DEFAULT 'CANARY-7f3a', kind text);
CREATE FUNCTION billing.to_mood() RETURNS trigger LANGUAGE plpgsql AS
  'BEGIN NEW.kind := NEW.secret::billing.mood; RETURN NEW; END';
CREATE TRIGGER mood BEFORE INSERT ON billing.moody FOR EACH ROW EXECUTE FUNCTION billing.to_mood();
CREATE TABLE billing.noisy(id int, secret text DEFAULT 'CANARY-7f3a');
CREATE FUNCTION billing.shout() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE DEBUG 'd %', NEW.secret; RAISE LOG 'l %', NEW.secret; RAISE INFO 'i %', NEW.secret;
  RAISE NOTICE 'n %', NEW.secret USING DETAIL = NEW.secret, HINT = NEW.secret;
  RAISE WARNING 'w %', NEW.secret; RETURN NEW;
END$$;
CREATE TRIGGER shout BEFORE INSERT ON billing.noisy FOR EACH ROW EXECUTE FUNCTION billing.shout();
CREATE VIEW billing.viewed AS SELECT secret::int AS i, secret::int4range AS range, secret::uuid AS uuid, secret::jsonb AS json, secret::inet AS inet,
  secret::numeric AS numeric, secret::timestamptz AS at,
  secret::int[] AS list, ('{' || secret || ',x}')::int[] AS items, secret::boolean AS yes,
  secret::point AS point, secret::interval AS span FROM billing.noisy;
INSERT INTO billing.noisy VALUES (1);
CREATE EXTENSION postgres_fdw;
CREATE SERVER own FOREIGN DATA WRAPPER postgres_fdw
  OPTIONS (host '{socket}', port '{port}', dbname '{database}');
CREATE USER MAPPING FOR svc SERVER own OPTIONS (user 'postgres', password_required 'false');
CREATE USER MAPPING FOR postgres SERVER own OPTIONS (user 'postgres');
CREATE FOREIGN TABLE billing.far(id int, secret int) SERVER own
  OPTIONS (schema_name 'billing', table_name 'noisy');
CREATE FOREIGN TABLE billing.far_unique(id int, secret text DEFAULT 'CANARY-7f3a') SERVER own
  OPTIONS (schema_name 'billing', table_name 'unique_hidden');
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA billing TO svc;
";

const SCOPE: [&str; 17] = [
    "select:billing.numbers",
    "insert:billing.booked(id)",
    "insert:billing.parted(id)",
    "insert:billing.parted_a(id)",
    "select,insert,update:billing.unique_hidden(id,n)",
    "insert:billing.checked_row(id)",
    "insert:billing.not_null(id)",
    "insert:billing.child(id)",
    "select,delete:billing.referred(id)",
    "insert:billing.generated(id)",
    "insert:billing.domained(id)",
    "insert:billing.moody(id)",
    "insert:billing.noisy(id)",
    "select:billing.viewed",
    "select:billing.far(id,secret)",
    "select,insert:billing.far_unique(id)",
    "select,insert:billing.notes",
];

#[rustfmt::skip]
const WRITES: [(&str, &str); 13] = [
    // SQLSTATE, statement
    ("23P01", "INSERT INTO billing.booked (id) VALUES (2)"),
    ("23514", "INSERT INTO billing.parted (id) VALUES (2)"),
    ("23505", "INSERT INTO billing.unique_hidden (id) VALUES (2)"),
    ("23505", "INSERT INTO billing.unique_hidden (id) VALUES (3) ON CONFLICT (id) DO NOTHING"),
    ("23505", "INSERT INTO billing.unique_hidden (id, n) VALUES (4, 1) ON CONFLICT (id) DO UPDATE SET n = 2"),
    ("23514", "INSERT INTO billing.checked_row (id) VALUES (5000)"),
    ("23502", "INSERT INTO billing.not_null (id) VALUES (NULL)"),
    ("23503", "INSERT INTO billing.child (id) VALUES (1)"),
    ("23503", "DELETE FROM billing.referred WHERE id = 1"),
    ("22P02", "INSERT INTO billing.generated (id) VALUES (1)"),
    ("22P02", "INSERT INTO billing.domained (id) VALUES (1)"),
    ("22P02", "INSERT INTO billing.moody (id) VALUES (1)"),
    ("23505", "INSERT INTO billing.far_unique (id) VALUES (5)"),
];
const VIEWED: [&str; 12] = [
    "i", "range", "uuid", "json", "inet", "numeric", "at", "list", "items", "yes", "point", "span",
];

fn world() -> World {
    let cluster = e2e::Cluster::shared();
    let schema = SCHEMA
        .replace("{socket}", &cluster.socket_directory.display().to_string())
        .replace("{port}", &cluster.address.port().to_string());
    World::with_database(|name| schema.replace("{database}", name), &SCOPE)
}

#[test]
fn no_error_of_the_target_quotes_a_value_that_is_not_granted() {
    let world = world();
    let mut cases: Vec<(String, String)> =
        WRITES.map(|(sqlstate, sql)| (sqlstate.to_owned(), sql.to_owned())).into();
    let view = |column: &&str| (String::new(), format!("SELECT {column} FROM billing.viewed"));
    cases.extend(VIEWED.iter().map(view));
    cases.push(("22P02".into(), "SELECT secret FROM billing.far".into()));
    let mut superuser = world.database.cluster.superuser(&world.database.name);
    for (sqlstate, sql) in cases {
        superuser.received.clear();
        let straight = superuser.simple(&sql).errors().into_iter().next();
        let straight = straight.unwrap_or_else(|| panic!("{sql} works"));
        let said = String::from_utf8_lossy(&superuser.received).into_owned();
        let is_told = ["CANARY", NUMBER].iter().any(|value| said.contains(value));
        assert!(is_told, "no case: {sql}: {said}");
        for extended in [false, true] {
            let mut wire = world.connect();
            let answer = if extended { wire.extended(&sql, &[], 1) } else { wire.simple(&sql) };
            let error = answer.errors().into_iter().next().unwrap_or_else(|| panic!("{sql}"));
            hides(&wire.received, &sql);
            assert_eq!(error.sqlstate, straight.sqlstate, "{sql}: {error}");
            assert!(sqlstate.is_empty() || error.sqlstate == sqlstate, "{sql}: {error}");
        }
    }
}

#[test]
fn the_context_of_a_copy_quotes_no_stored_value() {
    let world = world();
    let tables = [
        ("booked", "2"),
        ("parted", "2"),
        ("unique_hidden", "2"),
        ("checked_row", "5000"),
        ("not_null", "\\N"),
        ("child", "2"),
        ("generated", "2"),
        ("domained", "2"),
    ];
    for (table, row) in tables {
        let mut wire = world.connect();
        let sql = format!("COPY billing.{table} (id) FROM STDIN");
        wire.send_message(b'Q', &e2e::wire::c_string(&sql));
        let (_, stop) = wire.read_until(b"G", super::PATIENCE);
        assert_eq!(stop, e2e::wire::Stop::Found, "{sql}");
        wire.send_message(b'd', format!("{row}\n").as_bytes());
        wire.send_message(b'c', b"");
        let answer = wire.answer(super::PATIENCE);
        assert_eq!(answer.errors().len(), 1, "{sql}: {answer:?}");
        hides(&wire.received, &sql);
    }
    for column in VIEWED {
        let mut wire = world.connect();
        let sql = format!("COPY (SELECT {column} FROM billing.viewed) TO STDOUT (FORMAT binary)");
        assert_eq!(wire.simple(&sql).errors().len(), 1, "{sql}");
        hides(&wire.received, &sql);
    }
}

#[test]
fn no_notice_of_a_trigger_reaches_a_client_that_may_not_read_what_it_says() {
    let world = world();
    let sql = "INSERT INTO billing.noisy (id) VALUES (2)";
    let mut superuser = world.database.cluster.superuser(&world.database.name);
    superuser.simple("SET client_min_messages = debug5");
    superuser.received.clear();
    superuser.simple(sql);
    let said = String::from_utf8_lossy(&superuser.received).into_owned();
    assert!(said.matches(CANARY).count() >= 5, "{said}");
    for extended in [false, true] {
        let mut wire = world.connect();
        wire.simple("SET client_min_messages = debug5");
        let answer = if extended { wire.extended(sql, &[], 0) } else { wire.simple(sql) };
        assert_eq!(answer.tags(), ["INSERT 0 1"], "{answer:?}");
        hides(&wire.received, sql);
    }
}

fn hides(received: &[u8], sql: &str) {
    let received = String::from_utf8_lossy(received);
    for value in [CANARY, NUMBER, "CANARY"] {
        assert!(!received.contains(value), "{sql} tells: {received}");
    }
}
