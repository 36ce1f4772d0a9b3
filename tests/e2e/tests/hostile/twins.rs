//! Twin databases that differ only in what is hidden: the same statement must give the same bytes.

use e2e::{Cluster, Database, Gateway, Settings, Target, Wire};
use serde_json::Value;

/// Rows, and the error if one ended them.
type Said = (Vec<Vec<Option<String>>>, Option<String>);

/// Tables with something hidden behind views, functions and foreign keys.
const SCHEMA: &str = "
CREATE SCHEMA hidden;
CREATE TABLE billing.docs(id int PRIMARY KEY, note text, tags text[], meta jsonb);
INSERT INTO billing.docs VALUES (1, 'open', '{a}', '{}'), (2, 'HIDDEN', '{}', 'META');
CREATE TABLE hidden.acl(id int); INSERT INTO hidden.acl VALUES (1);
CREATE VIEW billing.doc_tags AS
  SELECT d.id, d.note, t.tag FROM billing.docs d, unnest(d.tags) t(tag);
CREATE VIEW billing.doc_sets AS SELECT d.id, d.note, unnest(d.tags) AS tag FROM billing.docs d;
CREATE FUNCTION billing.my_docs() RETURNS TABLE(id int, note text) LANGUAGE sql STABLE AS
  'SELECT d.id, d.note FROM billing.docs d
   WHERE EXISTS (SELECT 1 FROM hidden.acl a WHERE a.id = d.id)';
CREATE FUNCTION billing.doc_count(wanted text) RETURNS bigint LANGUAGE sql STABLE AS
  'SELECT count(*) * 0 FROM billing.docs WHERE note = wanted';
CREATE TABLE hidden.ref(id int REFERENCES billing.docs ON DELETE CASCADE);
INSERT INTO hidden.ref VALUES (2);
GRANT USAGE ON SCHEMA hidden TO svc;
GRANT ALL ON ALL TABLES IN SCHEMA billing, hidden TO svc;
";
const SCOPE: [&str; 5] = [
    "select:billing.doc_tags",
    "select:billing.doc_sets",
    "select,delete,update:billing.docs(id)",
    "update:billing.docs(meta)",
    "execute:billing.my_docs",
];
/// What quotes rows whose note begins like the hidden one.
const ASK: &str = "WHERE CASE WHEN note ~ '^Se' THEN 1 / (id - 2) ELSE 1 END = 1";

struct Twin {
    database: Database,
    gateway: Gateway,
    wire: Wire,
}

impl Twin {
    fn new(note: &str, meta: &str) -> Self {
        let database = Cluster::shared().billing();
        database.run(&SCHEMA.replace("HIDDEN", note).replace("META", meta));
        let gateway = Gateway::start(&Settings::new(vec![Target::billing(&database)]));
        let token = gateway.identity("agent");
        gateway.grant("agent", "billing", &SCOPE);
        gateway.grant("agent", "billing", &["execute:billing.doc_count"]);
        let wire = gateway.connect("agent", "billing", &token).unwrap();
        Self { database, gateway, wire }
    }

    /// The answer, with the code of its error.
    fn ask(&mut self, sql: &str) -> Said {
        let answer = self.wire.simple(sql);
        (answer.texts(), answer.sqlstate())
    }
}

#[test]
fn what_views_functions_and_parts_hide_changes_no_answer() {
    let mut twins = [Twin::new("Secret", r#"{"a": 1}"#), Twin::new("other", r#"{"a": {}}"#)];
    let explain = "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF)";
    #[rustfmt::skip]
    let cases = [
        (format!("SELECT id FROM billing.my_docs() {ASK}"),                     None),
        (format!("SELECT id FROM billing.doc_tags {ASK}"),                      Some("42501")),
        (format!("SELECT id FROM billing.doc_sets {ASK}"),                      Some("42501")),
        (format!("{explain} SELECT * FROM billing.doc_count('Secret')"),        Some("42501")),
        (format!("{explain} SELECT billing.doc_count('Secret')"),               Some("42501")),
        ("UPDATE billing.docs SET meta['a']['b'] = '1' WHERE id = 2".to_owned(), Some("42501")),
    ];
    for (sql, code) in cases {
        let [one, other] = twins.each_mut().map(|twin| twin.ask(&sql));
        assert_eq!(one, other, "{sql}");
        assert_eq!(one.1.as_deref(), code, "{sql}: {one:?}");
    }
}

#[test]
fn a_delete_that_goes_on_to_an_ungranted_table_is_denied() {
    let mut twin = Twin::new("Secret", "{}");
    let (_, code) = twin.ask("DELETE FROM billing.docs WHERE id = 2");
    assert_eq!(code.as_deref(), Some("42501"));
    assert_eq!(twin.database.value("SELECT count(*) FROM hidden.ref"), "1");

    twin.gateway.grant("agent", "billing", &["delete:hidden.ref"]);
    let answer = twin.wire.simple("DELETE FROM billing.docs WHERE id = 2");
    assert_eq!(answer.tags(), ["DELETE 1"], "{answer:?}");
    assert_eq!(twin.database.value("SELECT count(*) FROM hidden.ref"), "0");
    let commands = e2e::ledger::Commands::read(&twin.gateway);
    let (_, intent) = commands.intent_with("DELETE FROM billing.docs").unwrap();
    let touches = intent.leaf["touches"].to_string();
    assert!(touches.contains("hidden.ref"), "{touches}");
}

#[test]
fn a_grant_to_write_a_masked_column_that_orders_rows_must_be_accepted() {
    let database = Cluster::shared().billing();
    database.run("CREATE INDEX by_plan ON billing.customers(plan, ssn)");
    let gateway = Gateway::start(&Settings::new(vec![Target::billing(&database)]));
    gateway.identity("agent");
    let check = gateway.command_line(&["target", "check", "billing"]);
    let found: Value = serde_json::from_slice(&check.stdout).unwrap();
    let hole = "masked_order:billing.customers.ssn";
    let finding = &found[0]["findings"][0];
    assert_eq!(finding["code"], "masked_order", "{found}");
    assert_eq!(finding["object"], "billing.customers.ssn", "{found}");

    let create = |allow: &str, more: &[&str]| {
        let arguments = ["grant", "create", "--identity", "agent", "--target", "billing"];
        let why = ["--task", "T-1", "--purpose", "p", "--for", "15m", "--allow", allow];
        gateway.command_line(&[&arguments[..], &why[..], more].concat())
    };
    assert!(create("select:billing.customers(id,plan,ssn)", &[]).status.success());
    assert!(create("update:billing.customers(plan)", &[]).status.success());
    let refused = create("update:billing.customers(plan,ssn)", &[]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains(hole), "{said}");
    let accepted = create("update:billing.customers(plan,ssn)", &["--accept-hole", hole]);
    let accepted: Value = serde_json::from_slice(&accepted.stdout).unwrap();
    assert_eq!(accepted["accepted_holes"][0], hole);
}
