//! Unmodified clients do their ordinary work through the gateway: psql, psycopg 3, asyncpg,
//! `SQLAlchemy`. (`main_path.rs` has tokio-postgres.)

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::process::{Command, Output};

use e2e::ledger::{self, Commands};
use e2e::{Cluster, Database, Gateway, Settings, Target, programs, python};

/// All that the drivers' scripts touch.
const SCOPE: [&str; 4] = [
    "select:billing.customers(id,name,plan,account_number,ssn,email)",
    "select,insert,update,delete:billing.notes",
    "select:billing.numbers",
    "select,insert:billing.kinds",
];

struct World {
    database: Database,
    gateway: Gateway,
    token: String,
}

impl World {
    fn new() -> Self {
        let database = Cluster::shared().billing();
        let gateway = Gateway::start(&Settings::new(vec![Target::billing(&database)]));
        let token = gateway.identity("agent");
        gateway.grant("agent", "billing", &SCOPE);
        Self { database, gateway, token }
    }

    fn script(&self, name: &str) -> String {
        let port = self.gateway.address.port().to_string();
        succeeded(&python::run(name, &["127.0.0.1", &port, "agent", &self.token, "billing"]))
    }

    fn psql(&self, arguments: &[&str]) -> Output {
        Command::new(programs::postgres("psql"))
            .args(["--no-psqlrc", "--host=127.0.0.1", "--username=agent", "--dbname=billing"])
            .arg(format!("--port={}", self.gateway.address.port()))
            .args(arguments)
            .env("PGPASSWORD", &self.token)
            // Nothing of the account that runs the tests.
            .env("HOME", &self.gateway.directory)
            .output()
            .unwrap()
    }

    /// Whatever the client did: what is recorded is whole.
    fn records_are_whole(&self) {
        assert_eq!(ledger::verify(&self.gateway, "access")["ok"], true);
        let commands = Commands::read(&self.gateway);
        assert!(!commands.intended.is_empty());
        let open: Vec<_> = commands
            .intended
            .keys()
            .filter(|name| !commands.finished.contains_key(*name))
            .collect();
        assert!(open.is_empty(), "no outcome: {open:?}");
        assert!(commands.with_result("unknown").is_empty());
    }
}

fn succeeded(output: &Output) -> String {
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stdout}\n{stderr}");
    stdout
}

#[test]
fn psql_works() {
    let world = World::new();
    let unaligned = ["--no-align", "--tuples-only", "-v", "ON_ERROR_STOP=1"];
    let run = |sql: &str| succeeded(&world.psql(&[&unaligned[..], &["-c", sql]].concat()));

    assert_eq!(
        run("SELECT id, name FROM billing.customers WHERE id < 3 ORDER BY id"),
        "1|Customer 1\n2|Customer 2\n"
    );
    assert_eq!(run("SELECT ssn FROM billing.customers WHERE id = 7"), "********\n");
    assert_eq!(run("INSERT INTO billing.notes (tag, amount) VALUES ('psql-1', 1)"), "INSERT 0 1\n");
    assert_eq!(run("UPDATE billing.notes SET amount = 2 WHERE tag = 'psql-1'"), "UPDATE 1\n");
    assert_eq!(world.database.value("SELECT amount FROM billing.notes WHERE tag = 'psql-1'"), "2");
    assert_eq!(run("SELECT count(*), min(n), max(n) FROM billing.numbers"), "50000|1|50000\n");
    assert_eq!(run("SELECT n, label FROM billing.numbers ORDER BY n").lines().count(), 50_000);
    world.records_are_whole();
}

#[test]
fn psql_runs_a_script_with_transactions_errors_and_variables() {
    let world = World::new();
    let script = world.gateway.directory.join("script.sql");
    let text = "
        \\set id 7
        BEGIN;
        INSERT INTO billing.notes (tag) VALUES ('script-kept');
        SAVEPOINT s;
        INSERT INTO billing.notes (tag) VALUES ('script-kept');
        ROLLBACK TO SAVEPOINT s;
        COMMIT;
        BEGIN;
        INSERT INTO billing.notes (tag) VALUES ('script-gone');
        ROLLBACK;
        SELECT amount FROM hr.salaries;
        SELECT name FROM billing.customers WHERE id = :id;
        SELECT name FROM billing.customers WHERE id = $1 \\bind 8 \\g
    ";
    // `\\bind` came with psql 16.
    let version = succeeded(&world.psql(&["--version"]));
    let has_bind = !version.contains("(PostgreSQL) 15.");
    let text: String = text
        .lines()
        .filter(|line| has_bind || !line.contains("\\bind"))
        .collect::<Vec<_>>()
        .join("\n");
    std::fs::write(&script, text).unwrap();
    let output = world.psql(&["--no-align", "--tuples-only", "-f", script.to_str().unwrap()]);
    let stdout = succeeded(&output);
    let stderr = String::from_utf8_lossy(&output.stderr);

    assert!(stdout.contains("Customer 7\n"), "{stdout}");
    assert!(stderr.contains("duplicate key") && stderr.contains("ERROR"), "{stderr}");
    assert!(!stdout.contains("91001"), "{stdout}");
    let tags = world.database.value("SELECT string_agg(tag, ',') FROM billing.notes");
    assert_eq!(tags, "script-kept");
    world.records_are_whole();
}

#[test]
fn psql_works_with_each_ssl_and_gss_mode_of_a_gateway_without_tls() {
    let world = World::new();
    for (mode, works) in [("disable", true), ("prefer", true), ("allow", true), ("require", false)]
    {
        let options = format!("sslmode={mode} gssencmode=prefer host=127.0.0.1 dbname=billing");
        let output = world.psql(&["-d", &options, "-c", "SELECT 1"]);
        assert_eq!(output.status.success(), works, "{mode}: {output:?}");
    }
}

#[test]
fn psycopg_works() {
    let world = World::new();
    let said = world.script("psycopg_work.py");
    assert!(said.contains("ok writes_each_type"), "{said}");
    assert_eq!(
        world.database.value("SELECT count(*) FROM billing.notes WHERE tag LIKE 'pg3-many-%'"),
        "100"
    );
    world.records_are_whole();
}

#[test]
fn asyncpg_works() {
    let world = World::new();
    let said = world.script("asyncpg_work.py");
    assert!(said.contains("ok reads_types"), "{said}");
    world.records_are_whole();
}

#[test]
fn sqlalchemy_works() {
    let world = World::new();
    let said = world.script("sqlalchemy_work.py");
    assert!(said.contains("ok rolls_back_after_an_error_and_goes_on"), "{said}");
    world.records_are_whole();
}
