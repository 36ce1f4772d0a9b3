//! Texts of clients, and masks.

use std::sync::LazyLock;

use mask::ColumnType;
use model::Mask;
use sql::Catalog;

#[path = "../../crates/sql/tests/analysis/common.rs"]
#[expect(dead_code, reason = "shared with the tests of `sql`, which use more of it")]
mod common;
#[path = "../../crates/sql/tests/analysis/raw.rs"]
mod raw;

use common::{Grants, analyse_in, catalog, corpus, grant, is_covered, on_large_stack};

static CATALOG: LazyLock<Catalog> = LazyLock::new(catalog);

/// No text makes the analysis panic. What is covered by the grants names no raw masked column, and
/// what is forwarded is accepted again, with the same touches: the gateway agrees with itself.
pub fn statement(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let text = text.to_owned();
    on_large_stack(move || {
        let grants = grants();
        let Ok(plan) = analyse_in(&CATALOG, &grants, &["billing"], &text) else { return };
        let raw = raw::raw_columns(&plan.forward);
        assert!(raw.is_empty(), "{raw:?} in {}", plan.forward);
        if plan.facts.touches.is_empty() || !is_covered(&plan.facts, &grants) {
            return;
        }
        match analyse_in(&CATALOG, &grants, &["billing"], &plan.forward) {
            // The masks stand in it as constants: what they cover is no longer touched.
            Ok(again) => assert_eq!(again.outputs.len(), plan.outputs.len(), "{}", plan.forward),
            Err(refusal) => {
                // Written out, it may have become too large.
                assert_eq!(refusal.code, "statement_too_large", "{}: {refusal}", plan.forward);
            }
        }
    });
}

fn grants() -> Grants {
    let mut grants = common::grants("GW");
    let all =
        ["id", "name", "plan", "account_number", "ssn", "balance", "meta", "ssn_copy", "region"];
    grant(&mut grants, &[model::Action::Select], "billing.customers", &all);
    grants
}

/// The attack corpus, and statements that pass.
pub(crate) fn statement_seeds() -> Vec<Vec<u8>> {
    let passing = [
        "SELECT id, name, ssn FROM billing.customers WHERE plan = 'pro' ORDER BY id LIMIT 5",
        "WITH c AS (SELECT id, plan FROM customers) SELECT c.id, p.price FROM c JOIN plans p USING (plan)",
        "SELECT plan, count(*), sum(balance) OVER (PARTITION BY plan) FROM customers GROUP BY ROLLUP (plan), balance",
        "UPDATE customers SET plan = $1 WHERE id = $2 RETURNING id",
        "INSERT INTO customers (id, name, plan) VALUES (1, 'a', 'b') ON CONFLICT (id) DO NOTHING",
        "DELETE FROM customers WHERE id IN (SELECT id FROM customers WHERE name LIKE 'x%')",
        "SELECT CASE WHEN balance > 10 THEN upper(name) ELSE 'x' END FROM customers, LATERAL (SELECT 1) AS t(n)",
    ];
    let mut seeds: Vec<Vec<u8>> = passing.iter().map(|text| text.as_bytes().to_vec()).collect();
    for item in corpus() {
        let statements = item["statements"].as_array().into_iter().flatten();
        seeds.extend(statements.filter_map(|text| Some(text.as_str()?.as_bytes().to_vec())));
    }
    seeds
}

/// A mask of a column of any type is refused, or is one expression.
pub fn masks(data: &[u8]) {
    let (choice, rest) = crate::cut(data);
    let text = String::from_utf8_lossy(rest).into_owned();
    let (value, name) = text.split_at(text.floor_char_boundary(text.len() / 2));
    let mask = match choice % 6 {
        0 => Mask::Full,
        1 => Mask::Null,
        2 => Mask::Fixed(value.to_owned()),
        3 => Mask::Last4,
        4 => Mask::Hash,
        _ => Mask::Email,
    };
    let names = ["text", "varchar", "bpchar", "numeric", "int4", "jsonb", "uuid", name];
    let column = ColumnType {
        is_array: choice.is_multiple_of(7),
        modifier: i32::try_from(choice).unwrap() - 5,
        ..ColumnType::built_in(25, names[choice % names.len()])
    };
    let Ok(expression) = mask::expression(&mask, &column) else { return };
    // An empty name, and a NUL in it, exist in no catalog.
    if column.name.is_empty() || expression.contains('\0') {
        return;
    }
    let parsed = pg_query::parse(&format!("SELECT {expression}"), 0).expect(&expression);
    assert_eq!(parsed.protobuf.stmts.len(), 1, "{expression}");
}

pub(crate) fn mask_seeds() -> Vec<Vec<u8>> {
    (0..24).map(|choice| [&[choice][..], b"it's \\ \"a\" $$ value; --/*"].concat()).collect()
}
