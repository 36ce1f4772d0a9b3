//! COPY: what is forwarded, what it touches, what is refused.

use model::Action::{Insert, Select};
use model::StatementKind;
use sql::{CopyDirection, Plan, Refusal};

use crate::common::{Grants, analyse_in, catalog, grant};

fn analyse(text: &str) -> Result<Plan, Refusal> {
    let mut grants = Grants::new();
    let columns = ["id", "name", "plan", "account_number", "ssn"];
    grant(&mut grants, &[Select], "billing.customers", &columns);
    grant(&mut grants, &[Select, Insert], "billing.plans", &["plan", "price"]);
    grant(&mut grants, &[Select], "billing.v_customers", &["id", "ref", "tin"]);
    analyse_in(&catalog(), &grants, &["billing"], text)
}

/// What is forwarded, or the code of the refusal.
fn forwarded(text: &str) -> String {
    match analyse(text) {
        Ok(plan) => plan.forward.to_string(),
        Err(refusal) => refusal.code.to_owned(),
    }
}

const PLANS: &str = "SELECT plans.plan AS plan, plans.price AS price FROM ONLY billing.plans";
const MASKED: &str =
    "SELECT customers.id AS id, '********'::pg_catalog.text AS ssn FROM ONLY billing.customers";

#[test]
fn a_table_is_copied_by_a_query_in_which_masks_stand() {
    let out = |query: &str, options: &str| format!("COPY ({query}) TO STDOUT{options}");
    let plan = "SELECT plans.plan AS plan FROM ONLY billing.plans";
    #[rustfmt::skip]
    let cases = [
        ("COPY plans TO STDOUT",                                   out(PLANS, "")),
        ("COPY billing.plans (plan) TO STDOUT",                    out(plan, "")),
        ("COPY customers (id, ssn) TO STDOUT",                     out(MASKED, "")),
        ("COPY (SELECT id, ssn FROM customers) TO STDOUT",         out(MASKED, "")),
        ("COPY (VALUES (1)) TO STDOUT",                            out("VALUES (1)", "")),
        // The catalogs do not show that it is computed, as it is from a masked column.
        ("COPY customers (ssn_copy) TO STDOUT",                    out("SELECT '********'::pg_catalog.text AS ssn_copy FROM ONLY billing.customers", "")),
        ("COPY plans FROM STDIN",                                  "COPY billing.plans(plan, price) FROM STDIN".to_owned()),
        ("COPY plans (price) FROM STDIN",                          "COPY billing.plans(price) FROM STDIN".to_owned()),
        // Options, in both syntaxes.
        ("COPY plans TO STDOUT (FORMAT text)",                     out(PLANS, " WITH (FORMAT TEXT)")),
        ("COPY plans TO STDOUT (FORMAT binary)",                   out(PLANS, " WITH (FORMAT BINARY)")),
        ("COPY BINARY plans TO STDOUT",                            out(PLANS, " WITH (FORMAT BINARY)")),
        ("COPY plans TO STDOUT CSV",                               out(PLANS, " CSV")),
        ("COPY plans TO STDOUT WITH CSV HEADER",                   out(PLANS, " WITH (FORMAT CSV, HEADER)")),
        ("COPY plans TO STDOUT (FORMAT csv, HEADER off)",          out(PLANS, " CSV")),
        ("COPY plans TO STDOUT (FORMAT csv, HEADER 1, DELIMITER ';', NULL 'x', QUOTE '''', ESCAPE E'\\\\')",
            out(PLANS, " WITH (FORMAT CSV, HEADER, DELIMITER ';', NULL 'x', QUOTE '''', ESCAPE E'\\\\')")),
        ("COPY plans TO STDOUT DELIMITER AS '|' NULL AS ''",       out(PLANS, " WITH (DELIMITER '|', NULL '')")),
        ("COPY plans TO STDOUT CSV FORCE QUOTE plan",              out(PLANS, " CSV FORCE QUOTE plan")),
        ("COPY plans TO STDOUT (FORMAT csv, FORCE_QUOTE *)",       out(PLANS, " WITH (FORMAT CSV, FORCE_QUOTE *)")),
        ("COPY plans TO STDOUT (ENCODING 'UTF-8', FREEZE false, ON_ERROR stop)", out(PLANS, "")),
        ("COPY plans FROM STDIN (FORMAT csv, HEADER match, FORCE_NULL (plan), FORCE_NOT_NULL (price), DEFAULT 'd')",
            "COPY billing.plans(plan, price) FROM STDIN WITH (FORMAT CSV, HEADER match, FORCE_NULL (plan), FORCE_NOT_NULL (price), \"default\" d)".to_owned()),
    ];
    for (text, expected) in cases {
        assert_eq!(forwarded(text), expected, "{text}");
    }
}

#[test]
fn what_copy_may_not_do() {
    #[rustfmt::skip]
    let cases = [
        ("COPY plans TO '/tmp/x'",                                 "copy_file_not_allowed"),
        ("COPY plans FROM '/etc/passwd'",                          "copy_file_not_allowed"),
        ("COPY plans TO PROGRAM 'id'",                             "copy_file_not_allowed"),
        ("COPY plans FROM PROGRAM 'echo x'",                       "copy_file_not_allowed"),
        ("COPY plans FROM STDIN WHERE price > 1",                  "not_supported_copy_where"),
        // Not all columns are granted.
        ("COPY customers TO STDOUT",                               "copy_columns_not_granted"),
        ("COPY customers FROM STDIN",                              "copy_columns_not_granted"),
        ("COPY orders TO STDOUT",                                  "unknown_relation"),
        ("COPY nosuch TO STDOUT",                                  "unknown_relation"),
        ("COPY plans (nosuch) TO STDOUT",                          "unknown_column"),
        ("COPY plans (plan, plan) TO STDOUT",                      "syntax_error"),
        ("COPY plans (ctid) TO STDOUT",                            "unknown_column"),
        ("COPY customers (ssn_copy) FROM STDIN",                   "copy_generated_column"),
        ("COPY v_customers TO STDOUT",                             "copy_needs_query"),
        ("COPY v_customers FROM STDIN",                            "copy_columns_not_granted"),
        ("COPY pg_authid TO STDOUT",                               "unknown_relation"),
        ("COPY (SELECT ssn || '' FROM customers) TO STDOUT",       "masked_column_computed"),
        ("COPY (SELECT c FROM customers c) TO STDOUT",             "whole_row"),
        ("COPY (INSERT INTO plans VALUES ('a', 1)) TO STDOUT",     "syntax_error"),
        // Options.
        ("COPY plans TO STDOUT (ENCODING 'SJIS')",                 "copy_option_not_allowed"),
        ("COPY plans TO STDOUT (FORMAT xml)",                      "copy_option_not_allowed"),
        ("COPY plans TO STDOUT (FREEZE)",                          "copy_option_not_allowed"),
        ("COPY plans FROM STDIN (ON_ERROR ignore)",                "copy_option_not_allowed"),
        ("COPY plans FROM STDIN (LOG_VERBOSITY verbose)",          "copy_option_not_allowed"),
        ("COPY plans TO STDOUT (HEADER match)",                    "copy_option_not_allowed"),
        ("COPY plans TO STDOUT (FORMAT csv, FORMAT binary)",       "syntax_error"),
        ("COPY plans TO STDOUT (FORMAT csv, FORCE_QUOTE (ssn))",   "unknown_column"),
        ("COPY plans TO STDOUT (NULL 1)",                          "copy_option_not_allowed"),
    ];
    for (text, code) in cases {
        assert_eq!(forwarded(text), code, "{text}");
    }
}

#[test]
fn the_plan_says_what_passes() {
    let plan = analyse("COPY customers (id, ssn) TO STDOUT (FORMAT csv, HEADER)").unwrap();
    let copy = plan.copy.unwrap();
    assert_eq!(plan.facts.kind, StatementKind::CopyOut);
    assert_eq!(plan.facts.touches.len(), 1);
    assert_eq!((plan.facts.touches[0].action, plan.facts.touches[0].columns.len()), (Select, 2));
    assert_eq!((copy.direction, copy.columns), (CopyDirection::Out, 2));
    assert_eq!((copy.is_binary, copy.has_header), (false, true));
    assert_eq!(copy.masked, [None, Some(0)]);
    assert!(plan.outputs.is_empty() && plan.errors_quote_only_granted);

    let plan = analyse("COPY plans FROM STDIN BINARY").unwrap();
    let copy = plan.copy.unwrap();
    assert_eq!((plan.facts.kind, plan.facts.touches[0].action), (StatementKind::CopyIn, Insert));
    assert_eq!((copy.direction, copy.columns, copy.is_binary), (CopyDirection::In, 2, true));
    assert!(!plan.errors_quote_only_granted);
}
