//! What a plan says beside the facts: outputs, effects, tags, parameters.

use model::Action::{Delete, Insert, Select, Update};
use model::{Mask, StatementKind};
use sql::{Changes, Effect, Plan, Setting, SettingSpan};

use crate::common::{Grants, analyse_in, catalog, catalog_edited, catalog_with, grant, mask};

fn plan(text: &str) -> Plan {
    let mut grants = Grants::new();
    let columns = ["id", "name", "plan", "account_number", "ssn"];
    grant(&mut grants, &[Select], "billing.customers", &columns);
    grant(&mut grants, &[Select], "billing.plans", &["plan", "price"]);
    analyse_in(&catalog(), &grants, &["billing"], text)
        .unwrap_or_else(|refusal| panic!("{text}: {refusal:?}"))
}

/// Names, each with the origin in brackets and `!` if it is masked.
fn outputs(text: &str) -> String {
    let plan = plan(text);
    let shown = plan.outputs.iter().map(|output| {
        let origin = output.origin.map_or(String::new(), |(_, column)| format!("[{column}]"));
        let masked = output
            .masked
            .map_or(String::new(), |index| format!("!{}", plan.facts.masked[index].column));
        format!("{}{origin}{masked}", output.name)
    });
    shown.collect::<Vec<_>>().join(" ")
}

#[test]
fn every_output_column_is_foreseen() {
    #[rustfmt::skip]
    let cases = [
        ("SELECT id, name AS n, ssn, ssn AS s FROM customers", "id[1] n[2] ssn!ssn s!ssn"),
        ("SELECT * FROM customers",                 "id[1] name[2] plan[3] account_number!account_number ssn!ssn"),
        ("SELECT c.*, 1 FROM customers c",          "id[1] name[2] plan[3] account_number!account_number ssn!ssn ?column?"),
        ("SELECT count(*), max(id), id + 1, id::text FROM customers GROUP BY id", "count max ?column? id"),
        ("SELECT x FROM (SELECT id FROM customers) s(x)",      "x[1]"),
        ("SELECT s.t FROM (SELECT ssn AS t FROM customers) s", "t!ssn"),
        ("WITH q AS (SELECT id, ssn FROM customers) SELECT * FROM q", "id[1] ssn!ssn"),
        ("SELECT plan FROM customers JOIN plans USING (plan)", "plan[3]"),
        ("SELECT plan FROM customers FULL JOIN plans USING (plan)", "plan"),
        ("SELECT id FROM customers UNION SELECT 1", "id"),
        ("VALUES (1, 2)",                           "column1 column2"),
        ("SELECT CASE WHEN true THEN 1 END, coalesce(1), ARRAY[1], EXISTS (SELECT 1), now(), current_date, 'a'::date, NULLIF(1, 2), (SELECT 1 AS z), ROW(1)",
                                                    "case coalesce array exists now current_date date nullif z row"),
        ("INSERT INTO plans VALUES ('a', 1)",       ""),
        ("INSERT INTO plans VALUES ('a', 1) RETURNING price, plan AS p", "price[2] p[1]"),
        ("SHOW search_path",                        "search_path"),
        ("SET TimeZone TO 'UTC'",                   ""),
    ];
    for (text, expected) in cases {
        assert_eq!(outputs(text), expected, "{text}");
    }
}

#[test]
fn a_statement_says_whether_its_tag_counts_what_it_changes() {
    let mut grants = Grants::new();
    grant(&mut grants, &[Select, Insert, Update, Delete], "billing.plans", &["plan", "price"]);
    #[rustfmt::skip]
    let cases = [
        ("SELECT price FROM plans",                                 Changes::Nothing),
        ("SELECT price FROM plans FOR UPDATE",                      Changes::Nothing),
        ("EXPLAIN DELETE FROM plans",                               Changes::Nothing),
        ("INSERT INTO plans VALUES ('a', 1)",                       Changes::AsTagged),
        ("UPDATE plans SET price = 2 RETURNING price",              Changes::AsTagged),
        ("DELETE FROM plans",                                       Changes::AsTagged),
        ("WITH w AS (SELECT 1 AS n) DELETE FROM plans USING w WHERE price = w.n", Changes::AsTagged),
        ("COPY plans (plan, price) FROM STDIN",                     Changes::AsTagged),
        ("COPY (DELETE FROM plans RETURNING price) TO STDOUT",      Changes::AsTagged),
        ("COPY plans (plan, price) TO STDOUT",                      Changes::Nothing),
        ("WITH d AS (DELETE FROM plans RETURNING price) SELECT count(*) FROM d", Changes::Untold),
        ("WITH d AS (DELETE FROM plans RETURNING plan, price) INSERT INTO plans SELECT plan, price FROM d", Changes::Untold),
        ("COPY (WITH d AS (DELETE FROM plans RETURNING price) SELECT price FROM d) TO STDOUT", Changes::Untold),
    ];
    for (text, expected) in cases {
        let plan = analyse_in(&catalog(), &grants, &["billing"], text)
            .unwrap_or_else(|refusal| panic!("{text}: {refusal:?}"));
        assert_eq!(plan.changes, expected, "{text}");
    }
}

#[test]
fn a_statement_says_what_it_does_to_the_session() {
    let set = |setting, value: Option<&str>, span| Effect::Set {
        setting,
        value: value.map(str::to_owned),
        span,
    };
    let path = Setting::SearchPath;
    #[rustfmt::skip]
    let cases = [
        ("SELECT 1",                        StatementKind::Read,        Effect::None),
        ("DELETE FROM plans",               StatementKind::Write,       Effect::None),
        ("BEGIN",                           StatementKind::Transaction, Effect::Begin),
        ("START TRANSACTION READ ONLY",     StatementKind::Transaction, Effect::Begin),
        ("END",                             StatementKind::Transaction, Effect::Commit),
        ("ABORT",                           StatementKind::Transaction, Effect::Rollback),
        ("SAVEPOINT s",                     StatementKind::Transaction, Effect::Savepoint("s".into())),
        ("RELEASE s",                       StatementKind::Transaction, Effect::Release("s".into())),
        ("ROLLBACK TO s",                   StatementKind::Transaction, Effect::RollbackTo("s".into())),
        ("SET search_path = a, \"B c\"",  StatementKind::Setting,     set(path, Some("a, \"B c\""), SettingSpan::Session)),
        ("SET LOCAL search_path = a",       StatementKind::Setting,     set(path, Some("a"), SettingSpan::Transaction)),
        ("RESET search_path",               StatementKind::Setting,     set(path, None, SettingSpan::Session)),
        ("SET application_name = 'x\ty'",  StatementKind::Setting,     set(Setting::ApplicationName, Some("x?y"), SettingSpan::Session)),
        ("SET DateStyle = ISO, MDY",        StatementKind::Setting,     Effect::None),
        ("",                                StatementKind::Empty,       Effect::None),
    ];
    for (text, kind, effect) in cases {
        let plan = plan(text);
        assert_eq!((plan.facts.kind, &plan.effect), (kind, &effect), "{text}");
        assert_eq!(plan.is_empty, kind == StatementKind::Empty, "{text}");
    }
    assert_eq!(plan("SHOW search_path").tag.as_deref(), Some("SHOW"));
    assert_eq!(plan("SELECT $3 WHERE $1 = 1").parameters_max, 3);
    assert!(plan("SELECT lower('a'), max(1)").facts.functions.iter().eq(["lower", "max"]));
}

#[test]
fn only_a_read_of_plain_tables_has_errors_that_quote_nothing_hidden() {
    let mut grants = Grants::new();
    let every = [Select, Insert, Update, Delete];
    grant(&mut grants, &every, "billing.customers", &["id", "name", "plan", "ssn"]);
    for relation in ["plans", "events", "events_eu", "v_customers", "mv_customers"] {
        grant(&mut grants, &every, &format!("billing.{relation}"), &["id", "plan", "price"]);
    }
    let row = |oid, name, kind| format!(r#"["relations", "{oid}", "billing", "{name}", "{kind}","#);
    let changed = |oid, name, kind, cells| {
        let row = row(oid, name, kind);
        catalog_edited(&[(&format!("{row} \"f\", \"f\", \"f\"]"), &format!("{row} {cells}]"))], &[])
    };
    let plain = catalog();
    let policy = changed("16399", "plans", "r", r#""f", "t", "f""#);
    let partition = changed("16455", "events_eu", "r", r#""f", "t", "f""#);
    let remote =
        catalog_edited(&[(&row("16455", "events_eu", "r"), &row("16455", "events_eu", "f"))], &[]);
    let partial = catalog_with(&[mask("billing.customers.ssn", Mask::Last4)]);
    #[rustfmt::skip]
    let cases = [
        (&plain,     "SELECT 1",                                           true),
        (&plain,     "SELECT id, ssn FROM customers",                      true),
        (&plain,     "SELECT 1 FROM customers JOIN plans USING (plan)",    true),
        (&plain,     "SELECT id FROM events",                              true),
        (&plain,     "SET DateStyle = ISO, MDY",                           true),
        (&plain,     "SHOW search_path",                                   true),
        (&plain,     "",                                                   true),
        (&plain,     "BEGIN",                                              true),
        (&plain,     "COMMIT",                                             false),
        (&plain,     "ROLLBACK",                                           false),
        (&plain,     "SAVEPOINT s",                                        false),
        (&plain,     "RELEASE s",                                          false),
        (&plain,     "ROLLBACK TO s",                                      false),
        (&plain,     "INSERT INTO plans VALUES ('a', 1)",                  false),
        (&plain,     "UPDATE plans SET price = 1",                         false),
        (&plain,     "DELETE FROM plans",                                  false),
        (&plain,     "SELECT id FROM v_customers",                         false),
        (&plain,     "SELECT id FROM mv_customers",                        false),
        (&plain,     "SELECT 1 WHERE EXISTS (SELECT id FROM v_customers)", false),
        (&policy,    "SELECT price FROM plans",                            false),
        (&policy,    "SELECT (SELECT max(price) FROM plans)",              false),
        (&policy,    "SELECT id FROM customers",                           true),
        (&partition, "SELECT id FROM events",                              false),
        (&partition, "SELECT id FROM events_eu",                           false),
        (&remote,    "SELECT id FROM events",                              false),
        (&remote,    "SELECT id FROM events_eu",                           false),
        (&partial,   "SELECT ssn FROM customers",                          false),
        (&partial,   "SELECT id FROM customers",                           true),
    ];
    for (catalog, text, expected) in cases {
        let judged = analyse_in(catalog, &grants, &["billing"], text).expect(text);
        assert_eq!(judged.errors_quote_only_granted, expected, "{text}");
    }
}

#[test]
fn every_spelling_of_the_encoding_is_accepted() {
    for value in ["utf-8", "UTF8", "'utf-8'", "Unicode", "\"utf8\"", "U.T.F_8"] {
        let text = format!("SET client_encoding TO '{}'", value.replace('\'', "''"));
        assert_eq!(&*plan(&text).forward, "SET client_encoding TO 'UTF8'", "{text}");
    }
    assert_eq!(&*plan("SET NAMES 'utf-8'").forward, "SET client_encoding TO 'UTF8'");
    for value in ["UTF16", "latin1", "", "utf88", "sql_ascii"] {
        let text = format!("SET client_encoding TO '{value}'");
        let refusal = analyse_in(&catalog(), &Grants::new(), &[], &text).expect_err(&text);
        assert_eq!(refusal.code, "setting_value_not_allowed", "{text}");
    }
}
