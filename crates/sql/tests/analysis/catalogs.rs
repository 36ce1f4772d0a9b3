//! What a catalog makes of its rows: where masks spread to, what cannot be used, what is wrong.

use model::{Action::Select, Mask, MaskDeclaration};
use sql::{Catalog, CatalogError, CatalogQuery, CatalogRows, parameter_type_allowed};

use crate::common::{
    self, Grants, analyse_in, ask, catalog, catalog_edited, catalog_with, grant, mask,
    on_large_stack,
};

fn built(masks: &[MaskDeclaration]) -> Result<Catalog, Vec<CatalogError>> {
    let masks = masks.to_vec();
    on_large_stack(move || Catalog::build(common::rows(), &masks, 1))
}

/// What is forwarded for `SELECT column FROM relation`, or why it is refused.
fn selected(catalog: &Catalog, relation: &str, column: &str) -> Result<String, &'static str> {
    let mut grants = Grants::new();
    grant(&mut grants, &[Select], relation, &[column]);
    let text = format!("SELECT {column} FROM {relation}");
    analyse_in(catalog, &grants, &[], &text)
        .map(|plan| plan.forward.to_string())
        .map_err(|r| r.code)
}

#[test]
fn a_mask_spreads_to_wherever_its_values_are() {
    let catalog = catalog();
    #[rustfmt::skip]
    let cases = [
        ("billing.customers",     "ssn",      true),
        ("billing.customers",     "ssn_copy", true),  // Generated from it.
        ("billing.customers_vip", "ssn",      true),  // Inherits it.
        ("billing.customers_vip", "ssn_copy", true),
        ("billing.v_customers",   "tin",      true),
        ("billing.mv_customers",  "tin",      true),
        ("billing.customers",     "name",     false),
        ("billing.v_customers",   "name",     false),
        ("hr.salaries",           "ssn",      false),
        ("gw.customers",          "ssn",      false), // A constant already.
    ];
    for (relation, column, expected) in cases {
        let forward = selected(&catalog, relation, column).expect("a plan");
        assert_eq!(forward.contains("'********'"), expected, "{forward}");
    }
    let partition = catalog_with(&[mask("billing.events_eu.ssn", Mask::Null)]);
    let parent = selected(&partition, "billing.events", "ssn").expect("a plan");
    assert_eq!(parent, "SELECT NULL::pg_catalog.text AS ssn FROM billing.events");
}

#[test]
fn a_partial_mask_is_computed_from_the_bare_column_only() {
    let catalog = catalog_with(&[mask("billing.customers.ssn", Mask::Last4)]);
    let forward = selected(&catalog, "billing.customers", "ssn").expect("a plan");
    assert_eq!(
        forward,
        "SELECT CASE WHEN pg_catalog.length(customers.ssn::pg_catalog.text) \
         OPERATOR(pg_catalog.>=) 8 THEN '****'::pg_catalog.text OPERATOR(pg_catalog.||) \
         pg_catalog.\"right\"(customers.ssn::pg_catalog.text, 4) ELSE '****'::pg_catalog.text \
         END::pg_catalog.text AS ssn FROM ONLY billing.customers"
    );
    let view = selected(&catalog, "billing.v_customers", "tin").expect("a plan");
    assert!(view.contains("v_customers.tin"), "{view}");
    assert!(!forward.contains("countersign_value"));
}

#[test]
fn a_view_that_is_not_understood_cannot_be_used() {
    let catalog = catalog();
    let unusable = |catalog: &Catalog| {
        let found = catalog.unusable().into_iter().map(|(relation, _)| relation.to_string());
        found.collect::<Vec<_>>()
    };
    // The last two call functions of an extension; two others hide rows and are no barriers.
    let extension = ["public.pg_stat_statements", "public.pg_stat_statements_info"];
    let strict = ["billing.v_eu", "gw.customers_strict", "gw.eu_leaky"];
    assert_eq!(unusable(&catalog), [strict.as_slice(), extension.as_slice()].concat());
    assert_eq!(selected(&catalog, "gw.customers_strict", "id"), Err("view_not_analysable"));

    let unmasked = catalog_with(&[]);
    let hiding = ["billing.v_eu", "gw.eu_leaky"];
    assert_eq!(unusable(&unmasked), [hiding.as_slice(), extension.as_slice()].concat());
}

#[test]
fn every_mistake_in_the_masks_is_reported() {
    #[rustfmt::skip]
    let cases: Vec<(Vec<MaskDeclaration>, &str)> = vec![
        (vec![mask("billing.customers.sssn", Mask::Full)],  "no such column"),
        (vec![mask("customers.ssn", Mask::Full)],           "no such column"),
        (vec![mask("billing.customers.id", Mask::Last4)],   "needs a text column"),
        (vec![mask("billing.customers.ssn", Mask::Full), mask("billing.customers.ssn", Mask::Null)], "another mask"),
        (vec![mask("billing.customers.ssn", Mask::Full), mask("billing.customers_vip.ssn", Mask::Last4)], "another mask"),
    ];
    for (masks, expected) in &cases {
        let errors = built(masks).expect_err("mistakes");
        assert!(errors.iter().any(|e| e.to_string().contains(expected)), "{errors:?}");
    }
    let all: Vec<MaskDeclaration> =
        cases.iter().take(3).flat_map(|(masks, _)| masks.clone()).collect();
    assert_eq!(built(&all).expect_err("mistakes").len(), 3);
}

#[test]
fn a_row_of_another_form_is_an_error() {
    let mut rows = CatalogRows::default();
    for (query, cells) in [
        (CatalogQuery::Relations, vec![Some("1"), Some("s"), Some("t"), Some("r")]),
        (
            CatalogQuery::Relations,
            vec![Some("x"), Some("s"), Some("t"), Some("r"), Some("f"), Some("f"), Some("f")],
        ),
        (
            CatalogQuery::Relations,
            vec![Some("1"), None, Some("t"), Some("r"), Some("f"), Some("f"), Some("f")],
        ),
        (CatalogQuery::Inheritance, vec![Some("1")]),
        (CatalogQuery::Views, vec![]),
    ] {
        assert_eq!(rows.push(query, &cells), Err(CatalogError::MalformedRow { query }));
    }
}

#[test]
fn every_type_of_a_column_can_be_masked() {
    let types = [
        "bool",
        "bytea",
        "char",
        "name",
        "int8",
        "int2",
        "int4",
        "text",
        "oid",
        "json",
        "point",
        "float4",
        "float8",
        "money",
        "macaddr",
        "inet",
        "cidr",
        "varchar",
        "date",
        "time",
        "timestamp",
        "timestamptz",
        "timetz",
        "interval",
        "bit",
        "varbit",
        "numeric",
        "uuid",
        "tsvector",
        "jsonb",
        "int4range",
        "xml",
    ];
    let mut rows = CatalogRows::default();
    let relation = [Some("9"), Some("s"), Some("t"), Some("r"), Some("f"), Some("f"), Some("f")];
    rows.push(CatalogQuery::Relations, &relation).expect("a row");
    let mut masks = Vec::new();
    for (place, name) in types.into_iter().enumerate() {
        let oid = (place + 100).to_string();
        let number = (place + 1).to_string();
        let column = [Some("9"), Some(&*number), Some(name), Some(&*oid), Some("-1")];
        rows.push(CatalogQuery::Columns, &column).expect("a row");
        let row = [&*oid, "pg_catalog", name, "b", "0", "-1", "0"].map(Some);
        rows.push(CatalogQuery::Types, &row).expect("a row");
        masks.push(mask(&format!("s.t.{name}"), Mask::Full));
    }
    let catalog = on_large_stack(move || Catalog::build(rows, &masks, 1)).expect("a catalog");
    for name in types {
        let forward = selected(&catalog, "s.t", &format!("\"{name}\""));
        assert!(forward.as_ref().is_ok_and(|text| !text.contains("t.")), "{name}: {forward:?}");
    }
}

#[test]
fn a_parameter_may_have_only_types_that_run_no_code() {
    let catalog = catalog();
    #[rustfmt::skip]
    let cases = [
        (0, true), (23, true), (25, true), (1009, true), (705, true), (3802, true),
        (2205, false), // regclass
        (142, false),  // xml
        (2278, false), // void
        (2249, false), // record
        (16406, false),
        (u32::MAX, false),
    ];
    for (oid, expected) in cases {
        let allowed = ask(&catalog, &Grants::new(), &[], |r| parameter_type_allowed(r, oid));
        assert_eq!(allowed, expected, "{oid}");
    }
}

#[test]
fn a_view_that_hides_rows_is_usable_only_as_a_barrier() {
    let define = |kind, definition: &str, barrier| {
        let relation = format!(r#"["relations", "99", "s", "v", "{kind}", "f", "f", "{barrier}"]"#);
        let column = r#"["columns", "99", "1", "id", "23", "-1"]"#;
        let view = serde_json::to_string(&["views", "99", definition]).expect("a row");
        let catalog = catalog_edited(&[], &[&relation, column, &view]);
        selected(&catalog, "s.v", "id").err()
    };
    let leaks = Some("view_not_analysable");
    let plans = "billing.plans";
    #[rustfmt::skip]
    let cases = [
        (format!("SELECT price AS id FROM {plans}"),                                  None),
        (format!("SELECT max(price) AS id FROM {plans} GROUP BY plan"),               None),
        (format!("SELECT price AS id FROM {plans} UNION ALL SELECT 1"),               None),
        (format!("SELECT s.id FROM (SELECT price AS id FROM {plans}) s"),             None),
        (format!("SELECT p.id FROM {plans} p(x, id)"),                                None),
        (format!("SELECT unnest AS id FROM (SELECT price AS unnest FROM {plans}) s"), None),
        ("SELECT g.id FROM generate_series(1, 3) g(id)".to_owned(),                   None),
        (format!("SELECT price AS id FROM {plans} WHERE plan = 'x'"),                 leaks),
        // The other side may be empty.
        (format!("SELECT p.price AS id FROM {plans} p, {plans} q"),                   leaks),
        (format!("SELECT p.price AS id FROM {plans} p CROSS JOIN {plans} q"),         leaks),
        (format!("SELECT t.id FROM {plans} p, unnest(ARRAY[p.price]) t(id)"),         leaks),
        (format!("SELECT t.id FROM {plans} p, LATERAL (SELECT p.price AS id) t"),     leaks),
        (format!("SELECT unnest(ARRAY[price]) AS id FROM {plans}"),                   leaks),
        (format!("SELECT generate_series(1, price) + 1 AS id FROM {plans}"),          leaks),
        (format!("SELECT price AS id FROM {plans} ORDER BY unnest(ARRAY[price])"),    leaks),
        (format!("SELECT s.id FROM (SELECT unnest(ARRAY[price]) AS id FROM {plans}) s"), leaks),
        (format!("SELECT p.price AS id FROM {plans} p JOIN {plans} q ON p.price = 1"), leaks),
        (format!("SELECT p.price AS id FROM {plans} p LEFT JOIN {plans} q ON true"),  leaks),
        (format!("SELECT p.price AS id FROM {plans} p JOIN {plans} q USING (plan)"),  leaks),
        (format!("SELECT max(price) AS id FROM {plans} HAVING count(*) > 1"),         leaks),
        (format!("SELECT price AS id FROM {plans} LIMIT 1"),                          leaks),
        (format!("SELECT price AS id FROM {plans} OFFSET 1"),                         leaks),
        (format!("SELECT DISTINCT ON (plan) price AS id FROM {plans}"),               leaks),
        (format!("SELECT price AS id FROM {plans} EXCEPT SELECT 1"),                  leaks),
        (format!("SELECT price AS id FROM {plans} UNION SELECT price FROM {plans} WHERE plan = 'x'"), leaks),
        (format!("SELECT s.id FROM (SELECT price AS id FROM {plans} WHERE plan = 'x') s"), leaks),
        (format!("WITH s AS (SELECT price AS id FROM {plans} LIMIT 1) SELECT s.id FROM s"), leaks),
    ];
    let masked = "SELECT id FROM billing.customers WHERE ssn = 'x'";
    assert_eq!(define('v', masked, "t"), leaks, "a condition on a masked column");
    for (definition, expected) in cases {
        assert_eq!(define('v', &definition, "f"), expected, "{definition}");
        assert_eq!(define('v', &definition, "t"), None, "{definition}");
        assert_eq!(define('m', &definition, "f"), None, "{definition}");
    }
    let reasons = catalog().unusable();
    let reason = reasons.iter().find(|(relation, _)| relation.name == "v_eu").map(|(_, why)| why);
    assert!(reason.is_some_and(|why| why.contains("SET (security_barrier)")), "{reasons:?}");
}
