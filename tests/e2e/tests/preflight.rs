//! `target check` finds what a role could reach beyond its grants; the SQL that it prints closes it;
//! until then no grant is made, unless someone accepts the hole on record.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use e2e::{Cluster, Database, Gateway, Settings, Target};
use serde_json::Value;

/// A hole of each sort that a database can have by itself, and how it is named.
#[rustfmt::skip]
const HOLES: [(&str, &str); 13] = [
    ("public_relation:billing.kinds",      "GRANT SELECT ON billing.kinds TO PUBLIC"),
    ("public_column:hr.salaries.amount",   "GRANT SELECT (amount) ON hr.salaries TO PUBLIC"),
    ("definer_function:hr.pay()",          "CREATE FUNCTION hr.pay() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT max(amount) FROM hr.salaries'"),
    ("extension_function:dblink",          "CREATE EXTENSION dblink"),
    ("large_object:424242",                "SELECT lo_from_bytea(424242, 'x'); GRANT SELECT ON LARGE OBJECT 424242 TO PUBLIC"),
    ("comment:billing.customers.ssn",      "COMMENT ON COLUMN billing.customers.ssn IS 'like 900-55-0007'"),
    ("partition_bound:billing.by_ssn",     "CREATE TABLE billing.by_ssn(ssn text) PARTITION BY LIST (ssn); CREATE TABLE billing.by_ssn_1 PARTITION OF billing.by_ssn FOR VALUES IN ('900-55-0007')"),
    ("stored_setting:database {db} app.secret", "ALTER DATABASE {db} SET app.secret = 'x'"),
    ("database_privilege:{db} TEMPORARY",  "GRANT TEMPORARY ON DATABASE {db} TO PUBLIC"),
    ("schema_create:billing",              "GRANT CREATE ON SCHEMA billing TO PUBLIC"),
    ("foreign_server:elsewhere",           "CREATE EXTENSION postgres_fdw; CREATE SERVER elsewhere FOREIGN DATA WRAPPER postgres_fdw; GRANT USAGE ON FOREIGN SERVER elsewhere TO PUBLIC"),
    ("system_function:pg_catalog.pg_read_file(text)", "GRANT EXECUTE ON FUNCTION pg_read_file(text) TO PUBLIC"),
    ("default_privilege:postgres in schema hr TABLES", "ALTER DEFAULT PRIVILEGES IN SCHEMA hr GRANT SELECT ON TABLES TO PUBLIC"),
];

/// Stored settings are of the whole cluster: one test's hole is another's.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn gateway(database: &Database) -> Gateway {
    let mut target = Target::fenced(database);
    target.masks.retain(|(column, _)| column.ends_with("ssn"));
    let gateway = Gateway::start(&Settings::new(vec![target]));
    gateway.identity("agent");
    gateway
}

fn check(gateway: &Gateway) -> (bool, Vec<Value>) {
    let output = gateway.command_line(&["target", "check", "billing"]);
    let checks: Value = serde_json::from_slice(&output.stdout).unwrap();
    let open = |finding: &&Value| finding["weight"] != "note";
    let findings = checks[0]["findings"].as_array().unwrap().iter().filter(open);
    (output.status.success(), findings.cloned().collect())
}

fn id(finding: &Value) -> String {
    format!("{}:{}", finding["code"].as_str().unwrap(), finding["object"].as_str().unwrap())
}

#[test]
fn every_hole_is_found_and_its_sql_closes_it() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let database = Cluster::shared().billing();
    let gateway = gateway(&database);
    assert_eq!(check(&gateway), (true, Vec::new()));
    let named = |text: &str| text.replace("{db}", &database.name);
    for (_, sql) in HOLES {
        database.run(&named(sql));
    }
    let (is_closed, found) = check(&gateway);
    let ids: BTreeSet<String> = found.iter().map(id).collect();
    let missing: Vec<String> =
        HOLES.iter().map(|(id, _)| named(id)).filter(|id| !ids.contains(id)).collect();
    assert!(!is_closed && missing.is_empty(), "not found: {missing:?} among {ids:?}");
    // One after the other: each closes its own.
    for finding in &found {
        database.run(finding["sql"].as_str().unwrap());
        let left: BTreeSet<String> = check(&gateway).1.iter().map(id).collect();
        assert!(!left.contains(&id(finding)), "{finding} is still open");
    }
    assert_eq!(check(&gateway), (true, Vec::new()));
}

#[test]
fn a_grant_waits_until_the_holes_are_closed_or_accepted_on_record() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let database = Cluster::shared().billing();
    let gateway = gateway(&database);
    database.run(HOLES[2].1);
    database.run(HOLES[4].1);
    let create = |schema_table: &str, more: &[&str]| {
        let mut arguments = vec![
            "grant",
            "create",
            "--identity",
            "agent",
            "--target",
            "billing",
            "--task",
            "T-1",
            "--purpose",
            "p",
            "--for",
            "15m",
            "--allow",
            schema_table,
        ];
        arguments.extend(more);
        gateway.command_line(&arguments)
    };

    let refused = create("select:hr.salaries", &[]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success());
    assert!(
        said.contains("definer_function:hr.pay()")
            && said.contains("REVOKE ALL ON ROUTINE hr.pay()"),
        "{said}"
    );
    assert!(said.contains("large_object:424242"), "{said}");
    // In a schema that the grant does not open, the function is out of reach; the object is not.
    let refused = create("select:billing.numbers", &[]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!said.contains("definer_function") && said.contains("large_object"), "{said}");
    let accepted = create("select:billing.numbers", &["--accept-hole", "large_object:424242"]);
    let accepted: Value = serde_json::from_slice(&accepted.stdout).unwrap();
    assert_eq!(accepted["accepted_holes"][0], "large_object:424242");
    let made = e2e::ledger::records(&gateway, "control");
    let made = made.iter().find(|record| record.leaf["kind"] == "grant_created").unwrap();
    assert_eq!(made.leaf["grant"]["accepted_holes"][0], "large_object:424242");

    database.run("REVOKE ALL ON LARGE OBJECT 424242 FROM PUBLIC");
    assert!(create("select:billing.numbers", &[]).status.success());
}

#[test]
fn a_superuser_makes_no_fence() {
    let database = Cluster::shared().billing();
    let mut target = Target::fenced(&database);
    target.is_fenced = false;
    target.more.push(("provision".into(), "{ user = \"postgres\" }".into()));
    let gateway = Gateway::start(&Settings::new(vec![target]));
    let (is_sound, found) = check(&gateway);
    assert!(!is_sound);
    assert_eq!(id(&found[0]), "provision_superuser:postgres");
    gateway.wait_until_it_says("is a superuser");
}
