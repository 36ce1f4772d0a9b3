//! Statements that real applications send: how many of them does the gateway deny for no reason?
//!
//! Each runs on PostgreSQL itself first, so a statement that is wrong turns the test red, then by
//! both protocols through a gateway, under a grant over everything, or over what is masked.

#![expect(clippy::arithmetic_side_effects, reason = "numbers in tests are small")]

use std::collections::BTreeMap;

use e2e::wire::Wire;
use e2e::wire_answer::Answer;
use e2e::{Cluster, Gateway, Settings, Target};
use serde::Deserialize;

const SCHEMA: &str = include_str!("../corpus/legitimate.sql");
const STATEMENTS: &str = include_str!("../corpus/legitimate.jsonl");

/// Statements that may be denied. Lower it when fewer are; it never rises.
const DENIED_MAX: usize = 3;

/// The relations that the grant of `agent` covers. It may only read.
const READ: [&str; 6] =
    ["customers", "invoices", "invoice_lines", "plans", "payments", "documents"];

/// Functions of PostgreSQL's own that need a grant.
const OWN: [&str; 7] = [
    "pg_advisory_lock",
    "pg_advisory_unlock",
    "pg_advisory_xact_lock",
    "pg_try_advisory_lock",
    "pg_try_advisory_xact_lock",
    "pg_backend_pid",
    "txid_current",
];

/// One line of the corpus.
#[derive(Debug, Deserialize)]
struct Item {
    id: String,
    /// Who sends such statements: a report, an ORM, an application, an MCP server, a tool, a driver.
    source: String,
    sql: String,
    #[serde(default)]
    params: Vec<Option<String>>,
    /// `masked` for a client with masked columns and nothing but reads.
    #[serde(default)]
    grant: String,
}

impl Item {
    /// The statement with its parameters as literals, for the simple protocol.
    fn inlined(&self) -> String {
        let mut sql = self.sql.clone();
        for (place, value) in self.params.iter().enumerate().rev() {
            let literal = match value {
                Some(value) => format!("'{}'", value.replace('\'', "''")),
                None => "NULL".to_owned(),
            };
            sql = sql.replace(&format!("${}", place + 1), &literal);
        }
        sql
    }

    fn values(&self) -> Vec<Option<&[u8]>> {
        self.params.iter().map(|value| value.as_deref().map(str::as_bytes)).collect()
    }

    /// True if every run gives the same rows.
    fn is_steady(&self) -> bool {
        self.source == "report" && self.grant.is_empty() && !self.sql.contains("now()")
    }
}

/// Does something in a block that is undone.
fn undone<T>(wire: &mut Wire, work: impl FnOnce(&mut Wire) -> T) -> T {
    let begun = wire.simple("BEGIN");
    assert!(begun.errors().is_empty(), "{begun:?}");
    let done = work(wire);
    wire.simple("ROLLBACK");
    done
}

/// Runs a statement by both protocols.
fn both(wire: &mut Wire, item: &Item) -> [Answer; 2] {
    // On a machine that is busy with other tests one may not be analysed in time; that says
    // nothing of the statement, and what the client reads says to try again.
    let again = |run: &mut dyn FnMut() -> Answer| {
        let answer = run();
        if answer.sqlstate().as_deref() == Some("57014") { run() } else { answer }
    };
    let extended = again(&mut || wire.extended(&item.sql, &item.values(), 0));
    [extended, again(&mut || wire.simple(&item.inlined()))]
}

/// True if nothing is left behind that the next statement would notice.
fn only_reads(answer: &Answer) -> bool {
    let reads =
        |tag: &String| ["SELECT", "SHOW", "EXPLAIN"].iter().any(|word| tag.starts_with(word));
    answer.tags().iter().all(reads)
}

#[test]
fn few_statements_of_real_applications_are_denied() {
    let cluster = Cluster::shared();
    cluster.load("tmpl_legitimate", SCHEMA);
    let database = cluster.copy_of("tmpl_legitimate", "legitimate");
    let open = Target { name: "shop".into(), masks: Vec::new(), ..Target::billing(&database) };
    let masks =
        ["ssn", "phone"].map(|column| (format!("public.customers.{column}"), "full".into()));
    let masked = Target { name: "masked".into(), masks: masks.into(), ..open.clone() };
    let gateway = Gateway::start(&Settings::new(vec![open, masked]));
    let (app, agent) = (gateway.identity("app"), gateway.identity("agent"));
    for lines in everything(&database).chunks(50) {
        gateway.grant("app", "shop", &lines.iter().map(String::as_str).collect::<Vec<_>>());
    }
    let read = READ.map(|relation| format!("select:public.{relation}"));
    gateway.grant("agent", "masked", &read.each_ref().map(String::as_str));

    let mut direct = cluster.superuser(&database.name);
    let mut clients: BTreeMap<&str, Wire> = BTreeMap::new();
    let (mut denied, mut by_source) = (Vec::new(), BTreeMap::<String, (usize, usize)>::new());
    for line in STATEMENTS.lines() {
        let item: Item = serde_json::from_str(line).unwrap_or_else(|e| panic!("{line}: {e}"));
        let expected = undone(&mut direct, |wire| wire.extended(&item.sql, &item.values(), 0));
        assert!(expected.errors().is_empty(), "{}: {:?}", item.id, expected.errors());
        direct.simple("SELECT pg_advisory_unlock_all()");
        let (identity, target, token) = match item.grant.as_str() {
            "masked" => ("agent", "masked", &agent),
            _ => ("app", "shop", &app),
        };
        let client = clients
            .entry(identity)
            .or_insert_with(|| gateway.connect(identity, target, token).unwrap());
        let answers = if only_reads(&expected) && !item.sql.contains("set_config") {
            both(client, &item)
        } else {
            let extended = undone(client, |wire| wire.extended(&item.sql, &item.values(), 0));
            [extended, undone(client, |wire| wire.simple(&item.inlined()))]
        };
        if client.status == 0 || answers.iter().any(Answer::is_closed) {
            clients.remove(identity);
        }
        let reasons: Vec<_> = answers.iter().flat_map(Answer::errors).collect();
        let counts = by_source.entry(item.source.clone()).or_default();
        counts.0 += 1;
        if let Some(reason) = reasons.first() {
            counts.1 += 1;
            e2e::say!("  {}: {} {}", item.id, reason.sqlstate, reason.message);
            denied.push(item.id);
            continue;
        }
        assert!(!answers.iter().any(Answer::is_closed), "{}: the session ended", item.id);
        for answer in answers.iter().filter(|_| item.is_steady()) {
            assert_eq!(answer.texts(), expected.texts(), "{}", item.id);
            assert_eq!(answer.tags(), expected.tags(), "{}", item.id);
        }
    }
    let total: usize = by_source.values().map(|(all, _)| all).sum();
    let per_mille = (denied.len() * 1_000 + total / 2) / total;
    for (source, (all, denied)) in &by_source {
        e2e::say!("  {source}: {denied} of {all} denied");
    }
    e2e::say!(
        "legitimate: {total} statements, {} denied ({}.{} %): {}",
        denied.len(),
        per_mille / 10,
        per_mille % 10,
        denied.join(" ")
    );
    assert!(total >= 400, "{total} statements are too few");
    assert!(denied.len() <= DENIED_MAX, "{} are denied; the most is {DENIED_MAX}", denied.len());
}

/// Scope lines that cover all that the schema has.
fn everything(database: &e2e::Database) -> Vec<String> {
    let list = |sql: &str| {
        database.value(sql).split_whitespace().map(str::to_owned).collect::<Vec<String>>()
    };
    let relations = "SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class \
         WHERE relnamespace = 'public'::regnamespace AND relkind IN (";
    let tables = list(&format!("{relations} 'r', 'p')"));
    let views = list(&format!("{relations} 'v', 'm')"));
    let sequences = list(&format!("{relations} 'S')"));
    let functions = list(
        "SELECT string_agg(proname, ' ' ORDER BY proname) FROM pg_proc \
         WHERE pronamespace = 'public'::regnamespace",
    );
    let tables =
        tables.iter().map(|name| format!("select,insert,update,delete,truncate:public.{name}"));
    let views = views.iter().map(|name| format!("select:public.{name}"));
    let sequences = sequences.iter().map(|name| format!("select,update:public.{name}"));
    let functions = functions.iter().map(|name| format!("execute:public.{name}"));
    let own = OWN.map(|name| format!("execute:pg_catalog.{name}"));
    let channel = ["listen,notify:channel.jobs".to_owned()];
    let named = tables.chain(views).chain(sequences).chain(functions).chain(own);
    named.chain(channel).collect()
}
