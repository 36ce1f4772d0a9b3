//! What a mask shows is not written in the place of a value.

use mask::Encoding;
use model::{Action, Detector, Mask};
use sql::{Catalog, CopyText, Given, Plan, Refusal};

use crate::common::{Grants, analyse, catalog_with, grant, mask};

const CODE: &str = "mask_placeholder_written";

/// A statement, its parameters, and whether they are refused.
type Case<'a> = (&'a str, &'a [Given<'a>], bool);

fn catalog() -> Catalog {
    catalog_with(&[
        mask("billing.customers.ssn", Mask::Full),
        mask("billing.customers.account_number", Mask::Last4),
        mask("billing.customers.balance", Mask::Full),
        mask("billing.customers.region", Mask::Null),
    ])
}

fn grants() -> Grants {
    let mut grants = Grants::new();
    let columns = ["id", "name", "plan", "account_number", "ssn", "balance", "region"];
    let actions = [Action::Select, Action::Insert, Action::Update];
    grant(&mut grants, &actions, "billing.customers", &columns);
    grant(&mut grants, &[Action::Select, Action::Insert], "billing.plans", &["plan", "price"]);
    grants
}

fn code(result: Result<Plan, Refusal>) -> Option<&'static str> {
    result.err().map(|refusal| refusal.code)
}

#[test]
fn a_placeholder_in_the_text_is_refused_wherever_it_is_written() {
    let (catalog, grants) = (catalog(), grants());
    for text in [
        "UPDATE billing.customers SET ssn = '********' WHERE id = 1",
        "UPDATE billing.customers SET ssn = E'\\x2a*******' WHERE id = 1",
        "UPDATE billing.customers SET ssn = '********'::varchar::text",
        "UPDATE billing.customers SET ssn = lower('********')",
        "UPDATE billing.customers SET ssn = coalesce(NULLIF('********', ''), 'x')",
        "UPDATE billing.customers SET ssn = CASE WHEN id = 1 THEN '********' ELSE 'x' END",
        "UPDATE billing.customers SET ssn = '********' || ''",
        "UPDATE billing.customers SET ssn = (SELECT '********')",
        "UPDATE billing.customers SET (name, ssn) = ('x', '********')",
        "UPDATE billing.customers SET (name, ssn) = (SELECT 'x', '********')",
        "UPDATE billing.customers SET account_number = '****'",
        "UPDATE billing.customers SET account_number = '****1234'",
        "UPDATE billing.customers SET balance = 0",
        "UPDATE billing.customers SET balance = '0.00'",
        "UPDATE billing.customers SET balance = -0.0::numeric",
        "UPDATE billing.customers SET region = NULL",
        "UPDATE billing.customers SET region = NULL::text",
        "UPDATE billing.customers c SET ssn = v.s FROM (VALUES (1, '********')) v(id, s) WHERE c.id = v.id",
        "UPDATE billing.customers c SET ssn = v.s FROM unnest('{1}'::int[], '{********}'::text[]) v(id, s) WHERE c.id = v.id",
        "UPDATE billing.customers c SET ssn = v->>'s' FROM json_array_elements('[{\"s\": \"********\"}]') v",
        "WITH v AS (SELECT '********' AS s) UPDATE billing.customers SET ssn = s FROM v",
        "WITH v AS (SELECT '********' AS s), u AS (UPDATE billing.customers SET ssn = s FROM v RETURNING id) SELECT id FROM u",
        "INSERT INTO billing.customers (id, name, plan, ssn) VALUES (1, 'x', 'pro', 'y'), (2, 'x', 'pro', '********')",
        "INSERT INTO billing.customers (id, ssn) SELECT 1, '********'",
        "INSERT INTO billing.customers (id, ssn) SELECT 1, 'x' UNION ALL SELECT 2, '********'",
        "INSERT INTO billing.customers (id, ssn) SELECT * FROM (VALUES (1, '********')) v",
        "WITH v AS (SELECT 1 AS i, '********' AS s) INSERT INTO billing.customers (id, ssn) SELECT i, s FROM v",
        "INSERT INTO billing.customers (id, balance) VALUES (1, 0)",
        "INSERT INTO billing.customers (id, name) VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET ssn = '********'",
        "MERGE INTO billing.customers c USING billing.plans p ON c.plan = p.plan WHEN MATCHED THEN UPDATE SET ssn = '********'",
        "MERGE INTO billing.customers c USING billing.plans p ON c.plan = p.plan WHEN NOT MATCHED THEN INSERT (id, ssn) VALUES (1, '********')",
        "MERGE INTO billing.customers c USING (VALUES (1, '********')) v(id, s) ON c.id = v.id WHEN MATCHED THEN UPDATE SET ssn = v.s",
        "PREPARE p AS UPDATE billing.customers SET ssn = '********'",
        "EXPLAIN ANALYZE UPDATE billing.customers SET ssn = '********'",
    ] {
        let refused = analyse(&catalog, &grants, text);
        assert!(refused.is_err(), "{text}");
        // EXPLAIN of masked tables is refused for another reason.
        if !text.starts_with("EXPLAIN") {
            assert_eq!(code(refused), Some(CODE), "{text}");
        }
    }
}

#[test]
fn other_values_and_other_columns_are_written() {
    let (catalog, grants) = (catalog(), grants());
    for text in [
        "UPDATE billing.customers SET ssn = '900-55-0001', balance = 5, region = 'eu', account_number = 'ACCT-1'",
        "UPDATE billing.customers SET ssn = DEFAULT, balance = DEFAULT, region = DEFAULT",
        "UPDATE billing.customers SET ssn = ''",
        "UPDATE billing.customers SET ssn = NULL, balance = NULL",
        "UPDATE billing.customers SET name = '********', plan = '****1234'",
        "UPDATE billing.customers SET (balance, name) = (5, '0')",
        "UPDATE billing.customers SET balance = 5 WHERE id = 0",
        "UPDATE billing.customers SET ssn = 'x' WHERE name = '********'",
        "UPDATE billing.customers SET ssn = name",
        "INSERT INTO billing.customers (id, region) VALUES (0, NULL)",
        "INSERT INTO billing.plans VALUES ('********', 0)",
        "SELECT '********', 0, NULL, ssn FROM billing.customers",
        "INSERT INTO billing.customers (id, name, ssn) SELECT 1, plan, 'x' FROM billing.plans WHERE price = 3",
    ] {
        assert_eq!(code(analyse(&catalog, &grants, text)), None, "{text}");
    }
}

#[test]
fn a_placeholder_in_a_parameter_is_refused_in_text_and_binary() {
    let (catalog, grants) = (catalog(), grants());
    let text = Given::Text;
    let binary = |value| Given::Binary(value, Encoding::Inferred);
    let array: &[u8] = b"\0\0\0\x01\0\0\0\0\0\0\0\x19\0\0\0\x01\0\0\0\x01\0\0\0\x08********";
    let rows = "UPDATE billing.customers c SET ssn = v.s FROM (VALUES ($1::int, $2)) v(id, s) WHERE c.id = v.id";
    let lists = "UPDATE billing.customers c SET ssn = v.s FROM unnest($1::int[], $2::text[]) v(id, s) WHERE c.id = v.id";
    #[rustfmt::skip]
    let cases: [Case<'_>; 19] = [
        ("UPDATE billing.customers SET ssn = $1 WHERE id = $2",     &[text(b"********"), text(b"1")],          true),
        ("UPDATE billing.customers SET ssn = $1 WHERE id = $2",     &[binary(b"********"), binary(&[0; 4])],   true),
        ("UPDATE billing.customers SET ssn = $2 WHERE id = $1",     &[text(b"0"), text(b"********")],          true),
        ("UPDATE billing.customers SET ssn = $1 WHERE name = $2",   &[text(b"900-55-0001"), text(b"********")], false),
        ("UPDATE billing.customers SET ssn = lower($1::text)",      &[text(b"********")],                      true),
        ("UPDATE billing.customers SET account_number = $1",        &[text(b"****1234")],                      true),
        ("UPDATE billing.customers SET account_number = $1",        &[text(b"ACCT-1")],                        false),
        ("UPDATE billing.customers SET balance = $1",               &[text(b"0.00")],                          true),
        ("UPDATE billing.customers SET balance = $1",               &[binary(&[0; 8])],                        true),
        ("UPDATE billing.customers SET balance = $1 WHERE id = $2", &[text(b"1"), text(b"0")],                 false),
        ("UPDATE billing.customers SET region = $1",                &[Given::Null],                            true),
        ("UPDATE billing.customers SET ssn = $1",                   &[Given::Null],                            false),
        ("INSERT INTO billing.customers (id, region) VALUES ($1, $2)", &[text(b"1"), Given::Null],             false),
        ("INSERT INTO billing.customers (id, ssn) VALUES ($1, $2), ($3, $4)", &[text(b"1"), text(b"x"), text(b"2"), text(b"********")], true),
        ("INSERT INTO billing.customers (id, name, ssn) VALUES ($1, $2, 'x')", &[text(b"1"), text(b"********")], false),
        (rows,  &[text(b"1"), text(b"********")], true),
        (rows,  &[text(b"1"), text(b"x")],        false),
        (lists, &[text(b"{1}"), binary(array)],   true),
        (lists, &[text(b"{1}"), text(b"{a,********}")], true),
    ];
    for (sql, given, is_refused) in cases {
        let plan = analyse(&catalog, &grants, sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
        let checked = plan.check_parameters(given.len(), |index| given.get(index).copied());
        assert_eq!(checked.err().map(|refusal| refusal.code), is_refused.then_some(CODE), "{sql}");
    }
}

#[test]
fn a_placeholder_in_an_argument_of_execute_is_refused() {
    let (catalog, grants) = (catalog(), grants());
    let prepared = "PREPARE p AS UPDATE billing.customers SET ssn = $2 WHERE id = $1";
    let prepared = analyse(&catalog, &grants, prepared).expect("a plan").kept.expect("a query");
    for (execute, is_refused) in [
        ("EXECUTE p(1, '********')", true),
        ("EXECUTE p(1, '********'::text)", true),
        ("EXECUTE p('********', 'x')", false),
        ("EXECUTE p(1, NULL)", false),
    ] {
        let plan = analyse(&catalog, &grants, execute).expect("a plan");
        assert_eq!(plan.check_arguments(&prepared).is_err(), is_refused, "{execute}");
    }
}

#[test]
fn what_detectors_leave_is_written_to_no_column_of_the_target() {
    let catalog =
        catalog_with(&[mask("billing.customers.name", Mask::Detect([Detector::Card].into()))]);
    let grants = grants();
    for (text, is_refused) in [
        ("UPDATE billing.customers SET name = 'pays by [card]'", true),
        ("INSERT INTO billing.plans VALUES ('copy of [card]', 1)", true),
        ("INSERT INTO billing.plans VALUES ('[withheld]', 1)", true),
        ("UPDATE billing.customers SET name = 'card', plan = '[ssn]'", false),
        ("UPDATE billing.customers SET name = 'x' WHERE plan = '[card]'", false),
    ] {
        let expected = is_refused.then_some(CODE);
        assert_eq!(code(analyse(&catalog, &grants, text)), expected, "{text}");
    }
}

#[test]
fn a_copy_knows_what_its_columns_may_not_hold_and_how_it_is_written() {
    let (catalog, grants) = (catalog(), grants());
    let copy = |sql: &str| analyse(&catalog, &grants, sql).expect("a plan").copy.expect("a copy");
    let csv = copy(
        "COPY billing.customers (id, ssn) FROM STDIN (FORMAT csv, DELIMITER ';', QUOTE '''', NULL 'none')",
    );
    let text = CopyText {
        is_csv: true,
        delimiter: b';',
        quote: b'\'',
        escape: b'\'',
        null: b"none".to_vec(),
    };
    assert_eq!(csv.text, Some(text));
    let guards: Vec<bool> = csv.guards.iter().map(Option::is_some).collect();
    assert_eq!(guards, [false, true]);
    let text = CopyText {
        is_csv: false,
        delimiter: b'\t',
        quote: b'"',
        escape: b'"',
        null: b"\\N".to_vec(),
    };
    assert_eq!(copy("COPY billing.customers (ssn) FROM STDIN").text, Some(text));
    assert_eq!(copy("COPY billing.customers (ssn) FROM STDIN BINARY").text, None);
    assert_eq!(copy("COPY billing.plans FROM STDIN").guards, [None, None]);
}
