//! The target's catalogs through the gateway: real clients find what is granted, and nothing that is
//! not granted changes a byte of what they read.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::process::{Command, Output};
use std::time::Duration;

use e2e::wire_answer::Answer;
use e2e::{Cluster, Database, Gateway, Settings, Target, programs, python, wait};

const SCOPE: [&str; 3] = [
    "select:billing.customers(id,name,plan,ssn)",
    "select,insert,update:billing.notes",
    "select:billing.kinds",
];

/// What stands in the names of everything that is not granted. `{}` differs between the twins.
const NOT_GRANTED: &str = "
CREATE SCHEMA canary_{};
CREATE TYPE canary_{}.canary_mood AS ENUM ('canary_{}');
CREATE TABLE canary_{}.canary_table(canary_id int PRIMARY KEY DEFAULT {}, m canary_{}.canary_mood);
CREATE TABLE billing.canary_{}(canary_id int PRIMARY KEY);
CREATE VIEW billing.canary_view_{} AS SELECT ssn AS canary_{} FROM billing.customers;
CREATE FUNCTION billing.canary_{}() RETURNS text LANGUAGE sql AS $$ SELECT 'canary_{}' $$;
ALTER TABLE billing.customers ADD COLUMN canary_{} text DEFAULT 'canary_{}';
ALTER TABLE billing.customers ADD CONSTRAINT canary_check_{} CHECK (balance > -{});
ALTER TABLE billing.customers ADD CONSTRAINT canary_mask_{} CHECK (ssn <> 'canary_{}');
ALTER TABLE billing.customers ALTER COLUMN ssn SET DEFAULT 'canary_{}';
CREATE INDEX canary_index_{} ON billing.customers(balance);
CREATE INDEX canary_partial_{} ON billing.customers(id) WHERE ssn = 'canary_{}';
CREATE STATISTICS billing.canary_stat_{} ON name, balance FROM billing.customers;
CREATE FUNCTION billing.canary_trigger_{}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE TRIGGER canary_trigger_{} BEFORE UPDATE ON billing.customers
  FOR EACH ROW EXECUTE FUNCTION billing.canary_trigger_{}();
CREATE POLICY canary_policy_{} ON billing.customers USING (true);
CREATE PUBLICATION canary_pub_{} FOR TABLE billing.customers;
COMMENT ON TABLE billing.customers IS 'canary_{}';
COMMENT ON COLUMN billing.customers.ssn IS 'canary_{}';
COMMENT ON SCHEMA billing IS 'canary_{}';
UPDATE billing.customers SET balance = {};
ANALYZE billing.customers;
";

struct World {
    database: Database,
    gateway: Gateway,
    token: String,
}

impl World {
    fn new(not_granted: Option<u32>) -> Self {
        let database = Cluster::shared().billing();
        if let Some(number) = not_granted {
            database.run(&NOT_GRANTED.replace("{}", &number.to_string()));
        }
        let gateway = Gateway::start(&Settings::new(vec![Target::billing(&database)]));
        let token = gateway.identity("agent");
        gateway.grant("agent", "billing", &SCOPE);
        Self { database, gateway, token }
    }

    fn ask(&self, sql: &str) -> Answer {
        self.gateway.connect("agent", "billing", &self.token).unwrap().simple(sql)
    }

    fn program(&self, program: &str, arguments: &[&str]) -> Output {
        Command::new(programs::postgres(program))
            .args(["--host=127.0.0.1", "--username=agent"])
            .arg(format!("--port={}", self.gateway.address.port()))
            .args(arguments)
            .env("PGPASSWORD", &self.token)
            .env("HOME", &self.gateway.directory)
            .output()
            .unwrap()
    }

    fn psql(&self, command: &str) -> String {
        let arguments = ["--no-psqlrc", "--dbname=billing", "-v", "ON_ERROR_STOP=1", "-c", command];
        let output = self.program("psql", &arguments);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && !stderr.contains("ERROR"), "{command}: {stderr}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

/// What an answer says, errors included, for comparison.
fn said(answer: &Answer) -> Vec<(u8, Vec<u8>)> {
    answer.messages.iter().map(|message| (message.kind, message.body.clone())).collect()
}

/// Every relation of the catalogs, every function that takes a number, every way to ask for a name.
fn probes(database: &Database) -> Vec<String> {
    let relations = database.run(
        "SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n \
         ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'v') \
         AND n.nspname IN ('pg_catalog', 'information_schema') ORDER BY 1",
    );
    let mut probes: Vec<String> = relations
        .texts()
        .iter()
        .map(|row| format!("SELECT * FROM {}", row[0].as_ref().unwrap()))
        .collect();
    let numbers = "FROM generate_series(16384, 16700) AS g(o)";
    for expression in [
        "format_type(o::oid, -1)",
        "o::regclass",
        "o::oid::regclass::text",
        "o::regtype",
        "o::regproc",
        "o::regnamespace",
        "o::regrole",
        "to_regclass(o::text)",
        "pg_get_userbyid(o::oid)",
        "pg_get_indexdef(o::oid)",
        "pg_get_constraintdef(o::oid)",
        "pg_get_viewdef(o::oid)",
        "pg_get_functiondef(o::oid)",
        "pg_get_triggerdef(o::oid)",
        "pg_get_statisticsobjdef(o::oid)",
        "pg_table_is_visible(o::oid)",
        "pg_type_is_visible(o::oid)",
        "has_table_privilege(o::oid, 'select')",
        "has_column_privilege(o::oid, 6::int2, 'select')",
        "obj_description(o::oid, 'pg_class')",
        "col_description(o::oid, 5)",
        "pg_relation_size(o::oid)",
        "coalesce(o::regclass, '16500')",
        "CASE WHEN o > 0 THEN 16500 ELSE o::regclass END",
        "array_agg(o::regclass)",
        "pg_get_serial_sequence('billing.customers', o::text)",
    ] {
        probes.push(format!("SELECT {expression} {numbers}"));
    }
    probes.extend(
        [
            "SELECT pg_get_expr(d.adbin, c.oid) FROM pg_attrdef d, pg_class c WHERE c.oid >= 16384",
            "SELECT 1 / (CASE WHEN relname LIKE '%canary%' THEN 0 ELSE 1 END) FROM pg_class",
            "SELECT relname::int FROM pg_class WHERE relname LIKE 'canary%'",
            "SELECT relname FROM pg_class WHERE relname::text ~ 'canary' OR relowner <> 10",
            "SELECT count(*), sum(relnatts), max(reltuples) FROM pg_class WHERE oid >= 16384",
            "SELECT attname FROM pg_attribute WHERE attrelid = 'billing.customers'::regclass",
            "SELECT 'canary_1.canary_table'::regclass",
            "SELECT to_regclass('canary_1.canary_table') IS NULL, to_regtype('canary_1.canary_mood')",
            "SELECT 'canary_1'::regnamespace",
            "SELECT 'canary_1.canary_mood'::regtype",
            "SELECT has_schema_privilege('canary_1', 'usage')",
            "SELECT has_table_privilege('billing.canary_1', 'select')",
            "SELECT oid FROM pg_proc WHERE prosrc LIKE '%canary%'",
            "SELECT current_schema(), current_schemas(true)",
            "SELECT count(*) FROM pg_catalog.pg_depend WHERE objid >= 16384 OR refobjid >= 16384",
        ]
        .map(str::to_owned),
    );
    probes
}

#[test]
fn what_is_not_granted_changes_nothing_in_the_catalogs() {
    let twins = [World::new(Some(1)), World::new(Some(2))];
    let mut answered = 0;
    for probe in probes(&twins[0].database) {
        let [one, other] = [0, 1].map(|twin: usize| twins[twin].ask(&probe));
        assert_eq!(said(&one), said(&other), "{probe}");
        let echoes = |text: &[u8]| {
            let text = String::from_utf8_lossy(text).into_owned();
            text.contains("canary") && !probe.contains("canary")
        };
        assert!(!one.messages.iter().any(|message| echoes(&message.body)), "{probe}");
        answered += usize::from(one.errors().is_empty());
    }
    e2e::say!("{answered} questions to the catalogs answered alike");
    assert!(answered > 150, "{answered}");
}

#[test]
fn psql_describes_what_is_granted() {
    let world = World::new(Some(1));
    #[rustfmt::skip]
    let cases: [(&str, &[&str]); 24] = [
        (r"\d",                    &[]),
        (r"\dt",                   &[]),
        (r"\dt billing.*",         &["customers", "notes", "kinds"]),
        (r"\d billing.customers",  &["integer", "customers_pkey", "PRIMARY KEY"]),
        (r"\d billing.notes",      &["generated always as identity", "notes_tag_idx", "CHECK"]),
        (r"\d+ billing.notes",     &["amount"]),
        (r"\l",                    &["billing", "agent"]),
        (r"\dn",                   &["billing"]),
        (r"\dn+",                  &["billing"]),
        (r"\du",                   &["agent"]),
        (r"\df",                   &[]),
        (r"\df pg_catalog.lower",  &["lower"]),
        (r"\di billing.*",         &["customers_pkey", "notes_tag_idx"]),
        (r"\ds billing.*",         &["notes_id_seq"]),
        (r"\dv billing.*",         &[]),
        (r"\dT billing.*",         &[]),
        (r"\dp billing.customers", &["customers"]),
        (r"\dx",                   &["plpgsql"]),
        (r"\dC",                   &["bigint"]),
        (r"\dF",                   &["english"]),
        (r"\db",                   &["pg_default"]),
        (r"\dy",                   &[]),
        (r"\drds",                 &[]),
        (r"\dP",                   &[]),
    ];
    for (command, expected) in cases {
        let shown = world.psql(command);
        for word in expected {
            assert!(shown.contains(word), "{command} lacks {word}: {shown}");
        }
        assert!(!shown.contains("canary") && !shown.contains("balance"), "{command}: {shown}");
        assert!(!shown.contains("salaries") && !shown.contains("svc"), "{command}: {shown}");
    }
}

#[test]
fn drivers_find_types_and_tables() {
    let world = World::new(None);
    world.database.run(
        "CREATE TYPE billing.mood AS ENUM ('sad', 'ok');
         CREATE TYPE billing.place AS (street text, zip int);
         CREATE TABLE billing.typed(id int PRIMARY KEY, m billing.mood, ms billing.mood[],
           p billing.place, plan text NOT NULL DEFAULT 'free');
         INSERT INTO billing.typed VALUES (1, 'ok', '{sad,ok}', '(Main,123)', 'pro');
         GRANT ALL ON billing.typed TO svc",
    );
    wait::until("the new table can be granted", || {
        let made = world.gateway.command_line(&[
            "grant",
            "create",
            "--identity",
            "agent",
            "--target",
            "billing",
            "--task",
            "E2E-2",
            "--purpose",
            "types",
            "--allow",
            "select:billing.typed",
            "--for",
            "15m",
        ]);
        made.status.success().then_some(())
    });
    let port = world.gateway.address.port().to_string();
    let arguments = ["127.0.0.1", &port, "agent", &world.token, "billing"];
    let output = python::DRIVERS.script("introspection.py").args(arguments).output().unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{stdout}\n{}", String::from_utf8_lossy(&output.stderr));
    for line in [
        "psycopg int4 23",
        "psycopg mood ['sad', 'ok']",
        "psycopg place ['street', 'zip']",
        "asyncpg ['sad', 'ok'] Main",
        "sqlalchemy columns ['id', 'name', 'plan', 'ssn']",
        "sqlalchemy key ['id']",
        "sqlalchemy index ['notes_tag_idx']",
        "sqlalchemy tables ['customers', 'kinds', 'notes', 'typed']",
        "sqlalchemy enums ['mood']",
    ] {
        assert!(stdout.contains(line), "lacks {line}: {stdout}");
    }
}

#[test]
fn the_catalogs_forget_a_grant_at_its_end() {
    let world = World::new(None);
    let more = ["--for", "8s"];
    world.gateway.grant_with("agent", "billing", &["select:billing.numbers"], &more);
    let mut client = world.gateway.connect("agent", "billing", &world.token).unwrap();
    let text = "SELECT count(*) FROM pg_class WHERE relname = 'numbers'";
    let count = |answer: &Answer| answer.texts().first().and_then(|row| row[0].clone());
    assert_eq!(count(&client.simple(text)).as_deref(), Some("1"));
    // Asked elsewhere, so that nothing runs in this session when the grant ends.
    wait::within(Duration::from_secs(30), "the grant ends", || {
        (count(&world.ask(text)).as_deref() == Some("0")).then_some(())
    });
    // The same text, in the same session: what was analysed before is not used again.
    assert_eq!(count(&client.simple(text)).as_deref(), Some("0"));
}
