//! The main path: an identity, a grant, a masked answer, and a record of each command.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use e2e::ledger::{self, Commands};
use e2e::{Cluster, Database, Gateway, Settings, Target, target_log};
use serde_json::{Value, json};
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

const SCOPE: [&str; 2] =
    ["select:billing.customers(id,name,account_number,ssn,email)", "select:billing.numbers"];

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

    /// An unmodified driver's connection.
    async fn client(&self) -> Client {
        let (client, connection) = tokio_postgres::Config::new()
            .host("127.0.0.1")
            .port(self.gateway.address.port())
            .user("agent")
            .password(&self.token)
            .dbname("billing")
            .connect(NoTls)
            .await
            .unwrap();
        tokio::spawn(connection);
        client
    }
}

fn sqlstate(error: &tokio_postgres::Error) -> &str {
    error.code().unwrap_or_else(|| panic!("not an error of the server: {error}")).code()
}

#[tokio::test]
async fn masked_values_never_leave_the_database_in_text_or_binary() {
    let world = World::new();
    let client = world.client().await;
    let sql = "SELECT id, name, account_number, ssn, email FROM billing.customers WHERE id = 7";

    let text = client.simple_query(sql).await.unwrap();
    let row = text
        .iter()
        .find_map(
            |message| if let SimpleQueryMessage::Row(row) = message { Some(row) } else { None },
        )
        .unwrap();
    let text: Vec<&str> = (0..5).map(|column| row.get(column).unwrap()).collect();
    let row = client.query_one(sql, &[]).await.unwrap();
    let binary: Vec<String> = (1..5).map(|column| row.get(column)).collect();

    assert_eq!(row.get::<_, i32>(0), 7);
    assert_eq!(&text[1..], binary);
    assert_eq!(binary[0], "Customer 7");
    assert!(binary[1].ends_with("0007") && !binary[1].contains("SECRET"), "last4: {}", binary[1]);
    assert_eq!(binary[2], "********");
    assert!(
        binary[3].ends_with("@mail.example") && !binary[3].contains("customer7"),
        "{}",
        binary[3]
    );
}

#[tokio::test]
async fn what_no_grant_covers_is_denied_and_never_reaches_the_target() {
    let world = World::new();
    let client = world.client().await;
    #[rustfmt::skip]
    let cases = [
        // what                                         sqlstate  mark
        ("SELECT amount, 'mark-1' FROM hr.salaries",                             "42501", "mark-1"),
        ("SELECT upper(ssn), 'mark-2' FROM billing.customers",                   "42501", "mark-2"),
        ("SELECT 'mark-3' FROM billing.customers WHERE ssn = '900-55-0007'",     "42501", "mark-3"),
        ("SELECT name, 'mark-4' FROM billing.customers ORDER BY account_number", "42501", "mark-4"),
        ("UPDATE billing.customers SET name = 'mark-5' WHERE id = 1",            "42501", "mark-5"),
        ("DELETE FROM billing.numbers WHERE label = 'mark-6'",                   "42501", "mark-6"),
        ("SELECT balance, 'mark-7' FROM billing.customers",                      "42501", "mark-7"),
        ("COPY billing.customers TO STDOUT",                                     "42501", "COPY"),
    ];
    for (sql, expected, mark) in cases {
        let simple = client.simple_query(sql).await.unwrap_err();
        assert_eq!(sqlstate(&simple), expected, "{sql}: {simple:?}");
        let extended = client.query(sql, &[]).await.unwrap_err();
        assert_eq!(sqlstate(&extended), expected, "{sql}: {extended:?}");
        assert!(!target_log::reached(&world.database, mark), "the target saw: {sql}");
    }
    // The session goes on.
    assert_eq!(client.query_one("SELECT 1", &[]).await.unwrap().get::<_, i32>(0), 1);
    let commands = Commands::read(&world.gateway);
    for (sql, _, mark) in cases {
        let denials = commands.denied.values().filter(|denial| denial.mentions(mark)).count();
        assert_eq!(denials, 2, "one record per denial: {sql}");
    }
}

#[tokio::test]
async fn an_ungranted_table_looks_the_same_as_one_that_does_not_exist() {
    let world = World::new();
    let client = world.client().await;
    let mut seen = Vec::new();
    for table in ["salaries", "salariez"] {
        let error = client.query(&format!("SELECT * FROM hr.{table}"), &[]).await.unwrap_err();
        let error = error.as_db_error().unwrap();
        seen.push((error.code().code().to_owned(), error.message().replace(table, "T")));
    }
    assert_eq!(seen[0], seen[1]);
}

#[tokio::test]
async fn each_command_has_its_intent_and_its_outcome() {
    let world = World::new();
    let client = world.client().await;
    let sql = "SELECT id, ssn, email FROM billing.customers WHERE id <= $1";
    assert_eq!(client.query(sql, &[&12_i32]).await.unwrap().len(), 12);
    let error =
        client.query("SELECT 1 / (n - n) FROM billing.numbers WHERE n = 1", &[]).await.unwrap_err();
    assert_eq!(sqlstate(&error), "22012");

    let commands = Commands::read(&world.gateway);
    let (name, intent) = commands.intent_with("<= $1").unwrap();
    let outcome = &commands.finished[name].leaf;
    assert_eq!(outcome["result"], "completed");
    assert_eq!(outcome["rows"], 12);
    assert!(outcome["bytes"].as_u64().unwrap() > 12);
    let redacted = |column: &str| {
        let all = outcome["redactions"].as_array().unwrap();
        all.iter()
            .find(|redaction| redaction["column"] == column)
            .map(|redaction| redaction["values"].clone())
    };
    assert_eq!(
        [redacted("ssn"), redacted("email"), redacted("id")],
        [Some(json!(12)), Some(json!(12)), None]
    );
    assert_eq!(intent.value("sql"), sql);
    // The driver binds in binary format.
    assert_eq!(intent.value("parameters"), r#"[{"hex":"0000000c"}]"#);
    assert!(!intent.leaf["grants"].as_array().unwrap().is_empty());

    let (failed, _) = commands.intent_with("n - n").unwrap();
    assert_eq!(commands.finished[failed].leaf["result"], "failed");
    assert_eq!(commands.finished[failed].leaf["sqlstate"], "22012");
}

#[tokio::test]
async fn what_the_target_executes_is_what_the_ledger_says_was_forwarded() {
    let world = World::new();
    let client = world.client().await;
    client
        .batch_execute("SELECT name, 'seen-1' FROM billing.customers WHERE id = 3")
        .await
        .unwrap();
    client
        .query("SELECT label, 'seen-2' FROM billing.numbers WHERE n = $1", &[&5_i32])
        .await
        .unwrap();

    let commands = Commands::read(&world.gateway);
    for mark in ["seen-1", "seen-2"] {
        let (_, intent) = commands.intent_with(mark).unwrap();
        let executed = target_log::executed_by_gateways(&world.database);
        let executed: Vec<_> = executed.iter().filter(|line| line.sql.contains(mark)).collect();
        assert_eq!(executed.len(), 1);
        assert_eq!(executed[0].sql, intent.value("forwarded"));
        let session = intent.leaf["session"].as_str().unwrap();
        assert!(
            executed[0].application.contains(session),
            "{} names {session}",
            executed[0].application
        );
    }
}

#[tokio::test]
async fn the_ledgers_verify_while_running_and_after_an_orderly_stop() {
    let mut world = World::new();
    let client = world.client().await;
    client.query("SELECT name FROM billing.customers", &[]).await.unwrap();
    for ledger in ["access", "control"] {
        assert_eq!(ledger::verify(&world.gateway, ledger)["ok"], true);
    }
    drop(client);
    assert_eq!(world.gateway.stop(), Some(0));

    let directory = world.gateway.state();
    let key = directory.join("keys/ledger.pub");
    for ledger in ["access", "control"] {
        let path = directory.join(ledger);
        // Without `--live`: an orderly stop leaves every record under a signed checkpoint.
        let arguments = ["verify", path.to_str().unwrap(), "--key", key.to_str().unwrap()];
        let verified = world.gateway.admin(&arguments);
        assert_eq!(verified["ok"], true);
        let records = ledger::records(&world.gateway, ledger);
        assert_eq!(verified["size"], records.len());
    }
    let last = ledger::records(&world.gateway, "access").pop().unwrap();
    assert_eq!(last.kind(), "epoch_ended");
}

#[tokio::test]
async fn a_flipped_byte_is_named_with_its_record() {
    let mut world = World::new();
    let client = world.client().await;
    for number in 0..20 {
        client
            .query(&format!("SELECT name, 'row-{number}' FROM billing.customers"), &[])
            .await
            .unwrap();
    }
    drop(client);
    world.gateway.stop();

    let log = world.gateway.state().join("access/log");
    let bytes = std::fs::read(&log).unwrap();
    let target = ledger::read(&log).into_iter().find(|record| record.mentions("'row-9'")).unwrap();
    let at = bytes.windows(7).position(|window| window == b"'row-9'").unwrap();
    let mut altered = bytes;
    altered[at + 5] ^= 1;
    std::fs::write(&log, altered).unwrap();

    let access = world.gateway.state().join("access");
    let key = world.gateway.state().join("keys/ledger.pub");
    let arguments = ["verify", access.to_str().unwrap(), "--key", key.to_str().unwrap()];
    let output = world.gateway.command_line(&arguments);
    assert_eq!(output.status.code(), Some(3));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&found["ok"], &found["fault"]["index"]), (&json!(false), &json!(target.index)));
}

#[tokio::test]
async fn limits_on_commands_and_rows_end_a_grant() {
    let world = World::new();
    let gateway = &world.gateway;
    let token = gateway.identity("limited");
    let scope = ["select:billing.numbers"];
    gateway.grant_with("limited", "billing", &scope, &["--for", "15m", "--max-commands", "3"]);
    let mut wire = gateway.connect("limited", "billing", &token).unwrap();
    for _ in 0..3 {
        assert!(wire.simple("SELECT n FROM billing.numbers WHERE n = 1").errors().is_empty());
    }
    let fourth = wire.simple("SELECT n FROM billing.numbers WHERE n = 1");
    assert_eq!(fourth.sqlstate().as_deref(), Some("42501"));

    let token = gateway.identity("thrifty");
    gateway.grant_with("thrifty", "billing", &scope, &["--for", "15m", "--max-rows", "100"]);
    let mut wire = gateway.connect("thrifty", "billing", &token).unwrap();
    let many = wire.simple("SELECT n FROM billing.numbers");
    assert!(!many.errors().is_empty() && many.rows().len() <= 100, "{} rows", many.rows().len());
}

#[test]
fn a_limit_ends_a_result_in_the_middle_and_says_which_it_was() {
    let world = World::new();
    let scope = ["select:billing.numbers"];
    let sql = "SELECT n, label FROM billing.numbers";
    #[rustfmt::skip]
    let cases = [
        // option        most      words
        ("--max-rows",   20_000,   "the row limit of the grant is reached"),
        ("--max-bytes",  200_000,  "the limit on bytes of the grant is reached"),
    ];
    for (option, most, words) in cases {
        for extended in [false, true] {
            let name = format!("limited{option}-{extended}");
            let token = world.gateway.identity(&name);
            let limit = ["--for", "15m", option, &most.to_string()];
            world.gateway.grant_with(&name, "billing", &scope, &limit);
            let mut wire = world.gateway.connect(&name, "billing", &token).unwrap();
            let answer = if extended { wire.extended(sql, &[], 1) } else { wire.simple(sql) };
            let error = answer.errors().into_iter().next().unwrap();
            assert_eq!((error.sqlstate.as_str(), error.message.as_str()), ("53400", words));
            let rows = answer.messages.iter().filter(|message| message.kind == b'D');
            let (mut count, mut bytes) = (0, 0);
            for row in rows {
                (count, bytes) = (count + 1, bytes + row.body.len() + 5);
            }
            let used = if option == "--max-rows" { count } else { bytes };
            assert!(used > most / 2 && used <= most, "{option}: {count} rows, {bytes} bytes");
            let shown = world.gateway.admin(&["grant", "list", "--identity", &name]);
            let usage = &shown[0]["usage"];
            assert!(usage["rows"].as_u64() >= Some(count as u64), "{shown}");
            assert!(usage["bytes"].as_u64() >= Some(bytes as u64), "{shown}");
        }
    }
}

#[tokio::test]
async fn nothing_of_a_secret_stands_in_a_record_or_in_what_the_gateway_says() {
    let world = World::new();
    let client = world.client().await;
    client.query("SELECT account_number, ssn, email FROM billing.customers", &[]).await.unwrap();
    drop(client.query("SELECT account_number::int FROM billing.customers", &[]).await);

    let state = world.gateway.state();
    let mut all = world.gateway.stderr().into_bytes();
    for file in ["access/log", "control/log", "listen.json"] {
        all.extend(std::fs::read(state.join(file)).unwrap());
    }
    let all = String::from_utf8_lossy(&all);
    for secret in
        [world.token.as_str(), e2e::postgres::SERVICE_PASSWORD, "ACCT-SECRET", "customer7@"]
    {
        assert!(!all.contains(secret), "`{secret}` was written down");
    }
}
