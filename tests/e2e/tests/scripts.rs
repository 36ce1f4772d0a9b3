//! Several statements in one Query: each is a command of its own, and all of them run or none does.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::time::Duration;

use e2e::ledger::{self, Commands, Record};
use e2e::{Cluster, Database, Gateway, Settings, Target, Wire, target_log, wire};

const SCOPE: [&str; 3] = [
    "select:billing.numbers",
    "select:billing.customers(id,ssn)",
    "select,insert:billing.notes(tag,amount)",
];

struct World {
    database: Database,
    gateway: Gateway,
    token: String,
}

impl World {
    fn new(limits: &[&str]) -> Self {
        let database = Cluster::shared().billing();
        let gateway = Gateway::start(&Settings::new(vec![Target::billing(&database)]));
        let token = gateway.identity("agent");
        gateway.grant_with("agent", "billing", &SCOPE, &[&["--for", "15m"], limits].concat());
        Self { database, gateway, token }
    }

    fn connect(&self) -> Wire {
        self.gateway.connect("agent", "billing", &self.token).unwrap()
    }

    fn notes(&self) -> String {
        self.database.value("SELECT count(*) FROM billing.notes")
    }
}

/// Text and result of each command, in order.
fn outcomes(gateway: &Gateway) -> Vec<(String, String)> {
    let commands = Commands::read(gateway);
    let ended = |(name, intent): (_, &Record)| {
        let result = commands.finished[name].leaf["result"].as_str().unwrap().to_owned();
        (intent.value("sql").to_owned(), result)
    };
    commands.intended.iter().map(ended).collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(text, result)| ((*text).to_owned(), (*result).to_owned())).collect()
}

const INSERT: &str = "INSERT INTO billing.notes (tag) VALUES ('one')";
const BAD: &str = "SELECT 1 / (n - n) FROM billing.numbers WHERE n = 1";

#[test]
fn each_statement_has_its_own_intent_and_outcome() {
    let world = World::new(&[]);
    let mut wire = world.connect();
    let answer = wire.simple("SELECT id, ssn FROM billing.customers WHERE id <= 3; SELECT 1");
    assert_eq!(answer.tags(), ["SELECT 3", "SELECT 1"]);
    assert_eq!(answer.texts()[0][1].as_deref(), Some("********"));
    let commands = Commands::read(&world.gateway);
    let (first, _) = commands.intent_with("customers").unwrap();
    let outcome = &commands.finished[first].leaf;
    assert_eq!(outcome["rows"], 3);
    assert_eq!(outcome["redactions"][0]["values"], 3);
    let (second, _) = commands.intent_with("SELECT 1").unwrap();
    assert_eq!((second.1, &commands.finished[second].leaf["rows"]), (first.1 + 1, &1.into()));
}

#[test]
fn an_error_fails_one_undoes_those_before_and_skips_those_behind() {
    let world = World::new(&[]);
    let mut wire = world.connect();
    let answer = wire.simple(&format!("{INSERT}; {BAD}; SELECT 2"));
    assert_eq!(answer.sqlstate().as_deref(), Some("22012"));
    assert_eq!(world.notes(), "0");
    let expected = pairs(&[(INSERT, "completed"), (BAD, "failed"), ("SELECT 2", "skipped")]);
    assert_eq!(outcomes(&world.gateway), expected);
    let undone = ledger::of_kind(&world.gateway, "batch_rolled_back");
    assert_eq!((undone.len(), &undone[0].leaf["first"]), (1, &1.into()));

    // What COMMIT has kept is not undone.
    wire.simple(&format!("{INSERT}; COMMIT; {BAD}"));
    assert_eq!(world.notes(), "1");
    assert_eq!(ledger::of_kind(&world.gateway, "batch_rolled_back").len(), 1);
    drop(wire);
    ledger::verify(&world.gateway, "access");
}

#[test]
fn nothing_of_a_text_with_a_denied_statement_runs() {
    let world = World::new(&[]);
    let mut wire = world.connect();
    #[rustfmt::skip]
    let cases = [
        // the denied one                                  sqlstate
        ("SELECT name FROM billing.customers",             "42501"),
        ("SELECT ssn || '' FROM billing.customers",        "42501"),
        ("DROP TABLE billing.notes",                       "42501"),
        ("SELECT nosuch FROM billing.notes",               "42703"),
    ];
    for (denied, sqlstate) in cases {
        for text in [
            format!("{INSERT}; {denied}"),
            format!("{INSERT}; COMMIT; {denied}"),
            format!("{denied}; {INSERT}"),
            format!("BEGIN; {INSERT}; COMMIT; {denied}; SELECT 1"),
        ] {
            let answer = wire.simple(&text);
            assert_eq!(answer.sqlstate().as_deref(), Some(sqlstate), "{text}");
            assert_eq!(answer.kinds(), "EZ", "{text}");
            assert_eq!(wire.status, b'I', "{text}");
            let commands = Commands::read(&world.gateway);
            assert!(commands.denied.values().any(|record| record.value("sql") == text), "{text}");
        }
    }
    assert!(Commands::read(&world.gateway).intended.is_empty());
    assert!(!target_log::reached(&world.database, "'one'"));

    // In a transaction, it fails as a server-side error would.
    wire.simple("BEGIN");
    wire.simple("SELECT 1; SELECT name FROM billing.customers");
    assert_eq!(wire.status, b'E');
    assert_eq!(wire.simple("ROLLBACK; SELECT 3").tags(), ["ROLLBACK", "SELECT 1"]);
    drop(wire);
    ledger::verify(&world.gateway, "access");
}

#[test]
fn limits_of_a_grant_hold_within_a_text() {
    let world = World::new(&["--max-rows", "10"]);
    let mut wire = world.connect();
    let few = "SELECT n FROM billing.numbers WHERE n <= 4";
    let answer = wire.simple(&format!("{few}; SELECT n FROM billing.numbers; {few}"));
    assert!(answer.rows().len() <= 10, "{} rows", answer.rows().len());
    let error = answer.errors().remove(0);
    assert!(error.message.contains("row limit"), "{error:?}");
    let results: Vec<String> = outcomes(&world.gateway).into_iter().map(|(_, end)| end).collect();
    assert_eq!(results[..2], ["completed", "cut"]);
    // The target may have begun it before the cancel came.
    assert!(["skipped", "cut"].contains(&results[2].as_str()), "{results:?}");

    let world = World::new(&["--max-commands", "2"]);
    let mut wire = world.connect();
    assert_eq!(wire.simple(&format!("{few}; {few}; {few}")).sqlstate().as_deref(), Some("42501"));
    assert!(Commands::read(&world.gateway).intended.is_empty(), "none of them runs");
    // Nor were they counted.
    assert_eq!(wire.simple(&format!("{few}; {few}")).errors(), []);
    assert_eq!(wire.simple(few).sqlstate().as_deref(), Some("42501"));
}

#[test]
fn a_cancel_in_the_middle_ends_the_rest() {
    let world = World::new(&[]);
    let mut wire = world.connect();
    let endless = "SELECT count(*) FROM billing.numbers a CROSS JOIN billing.numbers b \
                   CROSS JOIN billing.numbers c";
    wire.send_message(b'Q', &wire::c_string(&format!("{INSERT}; {endless}; SELECT 2")));
    let running = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = '{}' AND usename = 'svc' \
         AND state = 'active'",
        world.database.name
    );
    e2e::wait::until("the statement runs", || {
        (world.database.value(&running) == "1").then_some(())
    });
    wire.cancel(None);
    assert_eq!(wire.answer(Duration::from_secs(10)).sqlstate().as_deref(), Some("57014"));
    assert_eq!(world.notes(), "0");
    let results: Vec<String> = outcomes(&world.gateway).into_iter().map(|(_, end)| end).collect();
    assert_eq!(results, ["completed", "failed", "skipped"]);
    assert_eq!(wire.simple("SELECT 1; SELECT 2").tags().len(), 2);
}
