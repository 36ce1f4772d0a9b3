//! `pg_dump` through the gateway, unchanged: it dumps what grants cover, with masks in the data, and
//! nothing else; what it writes can be restored.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::{Command, Output};

use e2e::ledger::Commands;
use e2e::{Cluster, Database, Gateway, Settings, Target, programs, scratch};

/// What grants cover whole: types, keys, sequences, partitions, inheritance, views on views.
const COVERED: &str = "
CREATE TYPE billing.mood AS ENUM ('sad', 'ok');
CREATE DOMAIN billing.cents AS int DEFAULT 7 CHECK (VALUE >= 0);
CREATE TYPE billing.place AS (street text, zip billing.cents);
CREATE TABLE billing.zones(id serial PRIMARY KEY, code text UNIQUE NOT NULL,
  m billing.mood DEFAULT 'ok', gone int, c billing.cents, p billing.place);
ALTER TABLE billing.zones DROP COLUMN gone;
INSERT INTO billing.zones(code, c, p)
  SELECT 'z' || g, g, ROW('Main', g)::billing.place FROM generate_series(1, 5) g;
CREATE TABLE billing.orders(id int PRIMARY KEY, customer int NOT NULL REFERENCES billing.customers,
  zone int REFERENCES billing.zones ON DELETE CASCADE, net numeric(10,2) NOT NULL CHECK (net > 0),
  gross numeric(10,2) GENERATED ALWAYS AS (net * 1.25) STORED,
  placed timestamptz NOT NULL DEFAULT '2026-01-01');
CREATE INDEX orders_placed ON billing.orders(placed) WHERE net > 10;
INSERT INTO billing.orders(id, customer, zone, net)
  SELECT g, g, 1 + g % 5, g FROM generate_series(1, 20) g;
CREATE TABLE billing.events(id int NOT NULL, at date NOT NULL, kind text, PRIMARY KEY (id, at))
  PARTITION BY RANGE (at);
CREATE TABLE billing.events_1 PARTITION OF billing.events
  FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
INSERT INTO billing.events SELECT g, '2026-01-01'::date + g, 'k' FROM generate_series(1, 20) g;
CREATE TABLE billing.base(id int PRIMARY KEY, b text);
CREATE TABLE billing.derived(d text) INHERITS (billing.base);
INSERT INTO billing.base VALUES (1, E'a\\tb'), (3, NULL), (4, '\\N');
INSERT INTO billing.derived VALUES (2, 'b', 'd');
CREATE VIEW billing.a_view AS SELECT z.id, z.code FROM billing.zones z;
CREATE VIEW billing.a_first AS SELECT id FROM billing.a_view WITH CASCADED CHECK OPTION;
CREATE MATERIALIZED VIEW billing.counts AS
  SELECT customer, count(*) AS n FROM billing.orders GROUP BY 1;
CREATE SEQUENCE billing.free_seq START 50;
CREATE TABLE billing.tickets(n int DEFAULT nextval('billing.free_seq'));
INSERT INTO billing.tickets VALUES (DEFAULT), (DEFAULT);
";

/// What is not granted, or masked, around it. `{}` differs between the twins.
const HIDDEN: &str = "
ALTER TABLE billing.base ADD COLUMN canary_{} text DEFAULT 'canary_{}';
ALTER TABLE billing.zones ADD COLUMN canary_{} text DEFAULT 'canary_{}', ADD COLUMN late int DEFAULT 3;
CREATE DOMAIN billing.address AS text CHECK (VALUE <> 'canary_{}');
ALTER TABLE billing.orders ADD COLUMN home billing.address, ADD COLUMN ssn text NOT NULL DEFAULT 'x',
  ADD COLUMN secret text NOT NULL DEFAULT 'canary_{}',
  ADD COLUMN is_set bool GENERATED ALWAYS AS (secret <> 'canary_3') STORED,
  ADD CONSTRAINT canary_check_{} CHECK (secret <> 'canary_{}' OR net > 0),
  ADD CONSTRAINT canary_ssn_{} CHECK (ssn <> 'canary_{}');
UPDATE billing.orders SET ssn = 'canary_{}_' || id, home = 'canary_{}_h', secret = 'canary_{}_' || id;
ALTER TABLE billing.orders ALTER ssn SET DEFAULT 'canary_{}', ADD UNIQUE (ssn);
CREATE UNIQUE INDEX ON billing.orders(ssn);
CREATE INDEX canary_index_{} ON billing.orders(id) WHERE secret = 'canary_{}';
CREATE TABLE billing.events_canary_{} PARTITION OF billing.events
  FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
CREATE TABLE billing.logs(id int, host text, PRIMARY KEY (id, host)) PARTITION BY LIST (host);
CREATE TABLE billing.logs_1 PARTITION OF billing.logs FOR VALUES IN ('canary_{}', 'h');
INSERT INTO billing.logs VALUES (1, 'h'), (2, 'h');
CREATE VIEW billing.opaque WITH (security_barrier) AS
  SELECT id, plan FROM billing.customers WHERE balance <> 4{} AND ssn <> 'canary_{}';
CREATE VIEW billing.checked AS SELECT id FROM billing.orders WHERE secret <> 'canary_{}'
  WITH LOCAL CHECK OPTION;
CREATE MATERIALIZED VIEW billing.hidden_counts AS
  SELECT plan, count(*) AS n FROM billing.customers WHERE ssn <> 'canary_{}' GROUP BY 1;
CREATE FUNCTION billing.canary_f_{}(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT $1';
CREATE SEQUENCE billing.canary_seq_{} START 5{};
CREATE DOMAIN billing.odd AS int DEFAULT billing.canary_f_{}(1) CHECK (billing.canary_f_{}(VALUE) > 0);
CREATE TABLE billing.uses(id int DEFAULT billing.canary_f_{}(3), o billing.odd,
  n int DEFAULT nextval('billing.canary_seq_{}'), CHECK (billing.canary_f_{}(id) > 0));
CREATE INDEX ON billing.uses(billing.canary_f_{}(id));
INSERT INTO billing.uses(id, n) VALUES (1, 1);
CREATE VIEW billing.uses_view AS SELECT billing.canary_f_{}(id) AS f FROM billing.uses;
CREATE TABLE billing.canary_table_{}(id int PRIMARY KEY DEFAULT {});
CREATE VIEW billing.canary_view_{} AS SELECT ssn FROM billing.customers;
COMMENT ON TABLE billing.orders IS 'canary_{}';
COMMENT ON COLUMN billing.orders.id IS 'canary_{}';
COMMENT ON SCHEMA billing IS 'canary_{}';
CREATE FUNCTION billing.canary_trigger_{}() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN RETURN NEW; END $$;
CREATE TRIGGER canary_trigger_{} BEFORE UPDATE ON billing.orders
  FOR EACH ROW EXECUTE FUNCTION billing.canary_trigger_{}();
CREATE STATISTICS billing.canary_stat_{} ON net, customer FROM billing.orders;
CREATE PUBLICATION canary_pub_{} FOR TABLE billing.orders;
UPDATE billing.customers SET balance = 100{}, account_number = 'canary_{}00' || account_number;
SELECT lo_from_bytea(0, 'canary_{}');
";

const RIGHTS: &str = "
GRANT ALL ON ALL TABLES IN SCHEMA billing TO svc;
GRANT ALL ON ALL SEQUENCES IN SCHEMA billing TO svc;
";

/// Tables with rows, as far as they are granted in the masked world.
const TABLES: [&str; 10] = [
    "customers",
    "notes",
    "kinds",
    "zones",
    "orders",
    "events_1",
    "derived",
    "tickets",
    "uses",
    "counts",
];

const SCOPE: [&str; 22] = [
    "select:billing.customers(id,name,plan,account_number,ssn,email)",
    "select:billing.notes",
    "select:billing.notes_id_seq",
    "select:billing.kinds",
    "select:billing.zones(id,code,m,c,p,late)",
    "select:billing.zones_id_seq",
    "select:billing.orders(id,customer,zone,net,gross,placed,home,ssn,is_set)",
    "select:billing.events",
    "select:billing.events_1",
    "select:billing.logs",
    "select:billing.logs_1",
    "select:billing.base(id,b)",
    "select:billing.derived(id,b,d)",
    "select:billing.a_view",
    "select:billing.a_first",
    "select:billing.opaque",
    "select:billing.checked",
    "select:billing.counts",
    "select:billing.hidden_counts",
    "select:billing.uses",
    "select:billing.tickets",
    "select:billing.free_seq",
];

struct World {
    database: Database,
    gateway: Gateway,
    token: String,
}

impl World {
    /// With hidden things all around what is granted.
    fn masked(number: u32) -> Self {
        let database = Cluster::shared().billing();
        database.run(COVERED);
        database.run(&HIDDEN.replace("{}", &number.to_string()));
        let mut target = Target::billing(&database);
        let more = [("orders.ssn", "null"), ("orders.home", "full"), ("logs.host", "full")];
        let masks = more.map(|(column, mask)| (format!("billing.{column}"), mask.to_owned()));
        target.masks.extend(masks);
        Self::new(database, target, &SCOPE)
    }

    /// With a grant over everything, and no mask.
    fn whole() -> Self {
        let database = Cluster::shared().billing();
        database.run(COVERED);
        let relations = database.run(
            "SELECT 'select:' || n.nspname || '.' || c.relname FROM pg_class c \
             JOIN pg_namespace n ON n.oid = c.relnamespace \
             WHERE n.nspname IN ('billing', 'hr') AND c.relkind IN ('r', 'p', 'v', 'm', 'S')",
        );
        let scope: Vec<String> =
            relations.texts().into_iter().map(|row| row[0].clone().unwrap()).collect();
        let scope: Vec<&str> = scope.iter().map(String::as_str).collect();
        let target = Target { masks: Vec::new(), ..Target::billing(&database) };
        Self::new(database, target, &scope)
    }

    fn new(database: Database, target: Target, scope: &[&str]) -> Self {
        database.run(RIGHTS);
        let gateway = Gateway::start(&Settings::new(vec![target]));
        let token = gateway.identity("agent");
        gateway.grant("agent", "billing", scope);
        Self { database, gateway, token }
    }

    fn try_dump(&self, arguments: &[&str]) -> Output {
        Command::new(programs::postgres("pg_dump"))
            .args(["--host=127.0.0.1", "--username=agent", "--dbname=billing"])
            .arg(format!("--port={}", self.gateway.address.port()))
            .args(arguments)
            .env("PGPASSWORD", &self.token)
            .output()
            .unwrap()
    }

    fn dump(&self, arguments: &[&str]) -> Vec<u8> {
        succeeded(self.try_dump(arguments), &format!("pg_dump {arguments:?}"))
    }

    fn dump_directly(&self, arguments: &[&str]) -> String {
        let output = Command::new(programs::postgres("pg_dump"))
            .args(["--host=127.0.0.1", "--username=postgres", "--dbname", &self.database.name])
            .arg(format!("--port={}", self.database.cluster.address.port()))
            .args(arguments)
            .output()
            .unwrap();
        text(succeeded(output, "pg_dump without the gateway"))
    }

    /// The rows of a table as a client of the gateway reads them.
    fn rows(&self, table: &str) -> BTreeSet<Vec<Option<String>>> {
        let mut client = self.gateway.connect("agent", "billing", &self.token).unwrap();
        let answer = client.simple(&format!("SELECT * FROM billing.{table}"));
        assert!(answer.errors().is_empty(), "{table}: {:?}", answer.errors());
        answer.texts().into_iter().collect()
    }
}

fn succeeded(output: Output, what: &str) -> Vec<u8> {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && stderr.is_empty(), "{what}: {stderr}");
    output.stdout
}

/// A dump in plain format, without the key that newer versions write into each.
fn text(dump: Vec<u8>) -> String {
    let dump = String::from_utf8(dump).unwrap();
    let is_key = |line: &&str| line.starts_with("\\restrict ") || line.starts_with("\\unrestrict ");
    dump.lines().filter(|line| !is_key(line)).flat_map(|line| [line, "\n"]).collect()
}

/// An empty database.
fn empty() -> Database {
    let cluster = Cluster::shared();
    let name = format!("restored_{}", scratch::next_number());
    cluster.run("postgres", &format!("CREATE DATABASE {name} TEMPLATE template0"));
    Database { cluster, name }
}

/// Runs a dump in a database; the first error ends it.
fn restore(database: &Database, program: &str, file: &PathBuf) {
    let arguments: &[&str] = match program {
        "psql" => &["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--output=/dev/null", "-f"],
        _ => &["--exit-on-error"],
    };
    let output = Command::new(programs::postgres(program))
        .args(["--host=127.0.0.1", "--username=postgres", "--dbname", &database.name])
        .arg(format!("--port={}", database.cluster.address.port()))
        .args(arguments)
        .arg(file)
        .output()
        .unwrap();
    succeeded(output, program);
}

fn written(dump: &[u8]) -> PathBuf {
    let file = scratch::directory().join(format!("dump-{}", scratch::next_number()));
    std::fs::write(&file, dump).unwrap();
    file
}

fn holds(dump: &[u8], word: &str) -> bool {
    dump.windows(word.len()).any(|window| window == word.as_bytes())
}

/// Nothing of what is hidden, and no secret of the gateway's.
fn assert_tells_nothing(dump: &[u8], what: &str) {
    for word in ["canary", "SECRET", "900-55", "customer1@", "balance", "salaries", "svc"] {
        let at = String::from_utf8_lossy(dump);
        let line = at.lines().find(|line| line.contains(word));
        assert!(!holds(dump, word), "{what} tells {word}: {line:?}");
    }
}

#[test]
fn what_grants_cover_is_dumped_and_restored() {
    let world = World::masked(1);
    Cluster::shared().run("postgres", "CREATE ROLE agent");
    let forms: [&[&str]; 5] =
        [&[], &["--inserts"], &["--column-inserts", "-n", "billing"], &["-Fc", "-Z0"], &["-Fc"]];
    for form in forms {
        let dump = world.dump(form);
        assert_tells_nothing(&dump, &format!("{form:?}"));
        let restored = empty();
        let program = if form.contains(&"-Fc") { "pg_restore" } else { "psql" };
        restore(&restored, program, &written(&dump));
        for table in TABLES {
            let expected = world.rows(table);
            let answer = restored.run(&format!("SELECT * FROM billing.{table}"));
            let found: BTreeSet<_> = answer.texts().into_iter().collect();
            assert_eq!(found, expected, "{table} {form:?}");
            assert!(!found.is_empty() || table == "notes", "{table} {form:?}");
        }
        let masked = "SELECT count(*) FROM billing.customers WHERE ssn = '********' \
                      AND account_number LIKE '****____' AND email = '****@mail.example'";
        assert_eq!(restored.value(masked), "500", "{form:?}");
    }
}

#[test]
fn parts_can_be_dumped() {
    let world = World::masked(1);
    let whole = text(world.dump(&[]));
    let schema = text(world.dump(&["--schema-only"]));
    assert!(schema.contains("CREATE TABLE billing.customers (") && !schema.contains("COPY "));
    let data = text(world.dump(&["--data-only"]));
    assert!(
        !data.contains("CREATE TABLE") && data.contains("COPY billing.customers (id, name, plan")
    );
    let restored = empty();
    restore(&restored, "psql", &written(text(world.dump(&["--schema-only", "-O"])).as_bytes()));
    restore(&restored, "psql", &written(data.as_bytes()));
    assert_eq!(restored.value("SELECT count(*) FROM billing.customers"), "500");
    let one = text(world.dump(&["--table=billing.customers"]));
    assert!(one.contains("COPY billing.customers ") && !one.contains("billing.orders"));
    assert!(
        text(world.dump(&["--table=billing.c*", "--exclude-table=billing.counts"])).len() > 1000
    );
    // As if it did not exist.
    let hidden = world.try_dump(&["--table=billing.canary_table_1"]);
    let missing = world.try_dump(&["--table=billing.missing"]);
    assert!(!hidden.status.success() && hidden.stderr == missing.stderr);
    for part in [schema, data, one, whole.clone()] {
        assert_tells_nothing(part.as_bytes(), "a part");
    }
    // What cannot be told is not there, or stands for itself.
    for present in [
        "CREATE TYPE billing.mood AS ENUM",
        "CREATE DOMAIN billing.cents AS integer DEFAULT 7\n\tCONSTRAINT cents_check CHECK ((VALUE >= 0));",
        "CREATE DOMAIN billing.address AS text;",
        "    ssn text,\n",
        "ADD CONSTRAINT orders_zone_fkey FOREIGN KEY (zone) REFERENCES billing.zones(id)",
        "ALTER TABLE ONLY billing.events ATTACH PARTITION billing.events_1 FOR VALUES FROM",
        "CREATE TABLE billing.logs (\n",
        "/* the definition is not shown */",
        "CREATE INDEX orders_placed ON",
    ] {
        assert!(whole.contains(present), "lacks {present}: {whole}");
    }
    for absent in ["orders_ssn", "PARTITION BY LIST", "CREATE FUNCTION", "COMMENT ON TABLE"] {
        assert!(!whole.contains(absent), "has {absent}");
    }
    // The value of a sequence needs a grant, as it needs a privilege in PostgreSQL.
    let poor = Gateway::start(&Settings::new(vec![Target::billing(&world.database)]));
    let token = poor.identity("agent");
    poor.grant("agent", "billing", &["select:billing.notes"]);
    let world = World { database: world.database.clone(), gateway: poor, token };
    let denied = world.try_dump(&["--table=billing.notes"]);
    let stderr = String::from_utf8_lossy(&denied.stderr);
    // Newer versions say it in their own words.
    assert!(!denied.status.success() && stderr.contains("notes_id_seq"), "{stderr}");
    world.dump(&["--table=billing.notes", "--exclude-table-data=billing.notes_id_seq"]);
}

#[test]
fn what_is_hidden_changes_no_byte_of_a_dump() {
    let twins = [World::masked(1), World::masked(2)];
    for form in [&["--inserts"][..], &["--schema-only"], &["--data-only", "-n", "billing"]] {
        let [one, other] = [0, 1].map(|twin: usize| text(twins[twin].dump(form)));
        let differs = one.lines().zip(other.lines()).find(|(one, other)| one != other);
        assert!(one == other, "{form:?}: {differs:?}");
    }
}

#[test]
fn with_a_grant_over_everything_it_is_the_dump_without_the_gateway() {
    let world = World::whole();
    let from = Commands::read(&world.gateway).intended.len();
    for form in [&["--no-owner"][..], &["--no-owner", "--inserts"], &["--no-owner", "-a"]] {
        let arguments = [form, &["--no-acl", "--schema=billing"]].concat();
        let (through, direct) = (text(world.dump(&arguments)), world.dump_directly(&arguments));
        let differs = through.lines().zip(direct.lines()).find(|(one, other)| one != other);
        assert!(through == direct, "{form:?}: {differs:?}");
    }
    let commands = Commands::read(&world.gateway);
    assert!(commands.denied.is_empty(), "{:?}", commands.denied);
    assert!(commands.intended.len() > from + 3 * 80, "{}", commands.intended.len());
    // Which statement asks for a sequence's value, and whether tables are locked one by one, depends
    // on the version.
    for text in [
        "LOCK TABLE billing.customers",
        "COPY billing.customers (id, name, plan, account_number, ssn, email, balance) TO stdout;",
        "last_value, is_called FROM",
        "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY",
        "DECLARE _pg_dump_cursor CURSOR FOR",
    ] {
        assert!(commands.intent_with(text).is_some(), "not on record: {text}");
    }
}
