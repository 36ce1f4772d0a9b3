//! What a hostile review found in the analysis, each with what must now come of it.

use model::Action::{Delete, Execute, Insert, Select, Update};
use sql::{Block, Catalog, Request};

use crate::common::{Grants, analyse_in, ask, catalog_edited, grant, on_large_stack};

/// A function that PostgreSQL puts in place, an enum, and a conversion into it that runs a function.
const MORE: [&str; 6] = [
    r#"["functions", "billing", "mine", "f", "s", "0", "1", "0", "0", "itt", "a\u001fid\u001fnote"]"#,
    r#"["types", "90001", "billing", "mood", "e", "0", "-1", "0"]"#,
    r#"["relations", "90000", "billing", "moods", "r", "f", "f", "f"]"#,
    r#"["columns", "90000", "1", "id", "23", "-1"]"#,
    r#"["columns", "90000", "2", "m", "90001", "-1"]"#,
    r#"["casts", "23", "90001", "a"]"#,
];

fn catalog() -> Catalog {
    catalog_edited(&[], &MORE)
}

fn grants() -> Grants {
    let mut grants = Grants::new();
    let every = ["id", "name", "plan", "account_number", "ssn"];
    grant(&mut grants, &[Select], "billing.customers", &every);
    grant(&mut grants, &[Update], "billing.customers", &["name", "plan", "meta"]);
    grant(&mut grants, &[Select], "billing.plans", &["plan", "price"]);
    grant(&mut grants, &[Select], "billing.orders", &["id", "customer_id", "amount"]);
    grant(&mut grants, &[Select, Insert, Update], "billing.moods", &["id", "m"]);
    grant(&mut grants, &[Execute], "billing.mine", &["mine"]);
    grants
}

/// What a statement touches and what is forwarded.
type Judged = (Vec<String>, String);

/// As [`Judged`], or the code of its refusal.
fn judged(text: &str) -> Result<Judged, &'static str> {
    let plan = analyse_in(&catalog(), &grants(), &["billing"], text).map_err(|why| why.code)?;
    let shown = |touch: &model::Touch| {
        let columns: Vec<&str> = touch.columns.iter().map(String::as_str).collect();
        format!("{} {}({})", touch.action, touch.relation.name, columns.join(","))
    };
    Ok((plan.facts.touches.iter().map(shown).collect(), plan.forward.to_string()))
}

fn touches(text: &str) -> Result<Vec<String>, &'static str> {
    judged(text).map(|(touches, _)| touches)
}

#[test]
fn conditions_stay_outside_of_a_function_that_the_target_may_put_in_place() {
    on_large_stack(|| {
        #[rustfmt::skip]
        let cases = [
            ("SELECT id FROM mine(1) WHERE note = 'x'",
             "SELECT mine.id AS id FROM LATERAL (SELECT mine.id AS id, mine.note AS note FROM billing.mine(1) OFFSET 0) mine \
              WHERE mine.note OPERATOR(pg_catalog.=) 'x'"),
            ("SELECT m.a FROM plans p JOIN mine(p.price) WITH ORDINALITY m(a) ON m.note = p.plan",
             "SELECT m.a AS a FROM ONLY billing.plans p JOIN LATERAL (SELECT m.a AS a, m.note AS note, m.ordinality AS ordinality \
              FROM billing.mine(p.price) WITH ORDINALITY m(a) OFFSET 0) m ON m.note OPERATOR(pg_catalog.=) p.plan"),
        ];
        for (text, forward) in cases {
            let found = judged(text).map(|(_, forward)| forward);
            assert_eq!(found.map(|text| squeezed(&text)), Ok(squeezed(forward)), "{text}");
        }
    });
}

#[test]
fn a_plan_of_a_function_is_not_shown() {
    on_large_stack(|| {
        for text in ["EXPLAIN SELECT id FROM mine(1)", "EXPLAIN SELECT mine(1) FROM plans"] {
            assert_eq!(touches(text), Err("explain_shows_function"), "{text}");
        }
    });
}

#[test]
fn rows_are_locked_in_a_join_with_an_alias_too() {
    on_large_stack(|| {
        let join = "plans p JOIN orders o ON p.price = o.amount";
        #[rustfmt::skip]
        let cases = [
            (format!("SELECT j.id FROM ({join}) j FOR UPDATE"),                     ["orders", "plans"].as_slice()),
            (format!("SELECT j.id FROM ({join}) j JOIN moods m ON true FOR SHARE"), &["moods", "orders", "plans"]),
            // The target finds the hidden name first.
            (format!("SELECT 1 FROM ({join}) j, moods p FOR UPDATE OF p"),          &["moods", "orders", "plans"]),
            (format!("SELECT 1 FROM {join} FOR UPDATE OF p"),                       &["plans"]),
            ("SELECT 1 FROM plans p JOIN (SELECT id FROM orders) ON true FOR UPDATE".to_owned(), &["orders", "plans"]),
        ];
        for (text, expected) in cases {
            let touched = touches(&text).unwrap_or_else(|why| panic!("{text}: {why}"));
            let mut locked: Vec<&str> = touched
                .iter()
                .filter_map(|touch| touch.strip_prefix("update "))
                .filter_map(|touch| touch.split('(').next())
                .collect();
            locked.sort_unstable();
            assert_eq!(locked, expected, "{text}");
        }
    });
}

#[test]
fn writing_a_part_of_a_column_reads_it() {
    on_large_stack(|| {
        let text = "UPDATE customers SET meta['a']['b'] = '1' WHERE id = 1";
        let found = touches(text).unwrap_or_default();
        assert!(found.contains(&"select customers(id,meta)".to_owned()), "{found:?}");
    });
}

#[test]
fn every_value_of_a_row_is_compared_with_its_own_column() {
    on_large_stack(|| {
        let merge = "MERGE INTO moods t USING (SELECT id, amount FROM orders) s ON t.id = s.id \
                     WHEN NOT MATCHED THEN INSERT";
        let update = "UPDATE moods SET (id, m) =";
        let from = "FROM (SELECT id, amount FROM orders) s";
        let not_allowed = Err("conversion_not_allowed");
        #[rustfmt::skip]
        let cases = [
            (format!("{merge} (id, m) VALUES (s.id, s.amount)"),    not_allowed),
            (format!("{merge} (id, m) VALUES (s.*)"),               not_allowed),
            (format!("{merge} (m, id) VALUES (s.*)"),               not_allowed),
            (format!("{merge} (id, m) VALUES (s)"),                 Err("syntax_error")),
            (format!("{merge} (id, m) VALUES (s.id)"),              Err("syntax_error")),
            (format!("{merge} (id, m) VALUES (s.id, 'x')"),         Ok(())),
            (format!("{merge} (id) VALUES (s.id)"),                 Ok(())),
            (format!("{merge} DEFAULT VALUES"),                     Ok(())),
            (format!("{update} ROW(s.*) {from}"),                   not_allowed),
            (format!("{update} (s.id, s.amount) {from}"),           not_allowed),
            (format!("{update} (s.id, 'x') {from}"),                Ok(())),
            (format!("UPDATE moods SET (id, m, id) = ROW(s.*, 'x') {from}"), not_allowed),
        ];
        for (text, expected) in cases {
            assert_eq!(touches(&text).map(|_| ()), expected, "{text}");
        }
    });
}

fn squeezed(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").replace(" ,", ",").replace(" )", ")")
}

/// What is there and named by no grant reads as if it were not there, to the byte.
#[test]
fn what_no_grant_names_cannot_be_told_from_what_is_not_there() {
    on_large_stack(|| {
        let read = |text: &str| {
            let path = ["billing".to_owned()];
            ask(&catalog(), &grants(), &path, |request| {
                sql::analyse_script(&Request { text, ..*request }, Block::Outside)
                    .map(|pieces| pieces.len())
                    .map_err(|why| (why.sqlstate, why.message, why.hint, why.place))
            })
        };
        // NAME is a table of another schema, a view, a materialized view, or nothing.
        let kinds =
            ["hr.salaries", "billing.v_customers", "billing.mv_customers", "billing.ledger"];
        let texts = [
            "SELECT 1 FROM NAME",
            "SELECT 1 FROM plans, NAME",
            "SELECT nothing FROM NAME",
            "SELECT pg_sleep(1) FROM NAME WHERE nothing = 1",
            "SELECT price FROM plans; SELECT 1 FROM NAME; SELECT 1 FROM nothing.nothing",
            "INSERT INTO NAME (id) VALUES (1)",
            "INSERT INTO NAME (nothing) VALUES (1)",
            "INSERT INTO NAME (id) VALUES (1) ON CONFLICT (id) DO NOTHING",
            "UPDATE NAME SET id = 1 WHERE id = 2",
            "DELETE FROM NAME WHERE id = 1",
            "MERGE INTO NAME t USING plans p ON t.id = p.price WHEN MATCHED THEN DELETE",
            "TRUNCATE NAME",
            "LOCK NAME",
            "LOCK NAME IN ACCESS SHARE MODE",
            "COPY NAME TO STDOUT",
            "COPY NAME (id) FROM STDIN",
            "SELECT nextval('NAME')",
            "SELECT currval('NAME')",
            "SELECT pg_get_serial_sequence('NAME', 'id')",
            "SELECT nextval(pg_get_serial_sequence('NAME', 'id'))",
            "EXPLAIN SELECT 1 FROM NAME",
        ];
        for text in texts {
            for kind in kinds {
                let there = read(&text.replace("NAME", kind));
                let (schema, name) = kind.split_once('.').expect("a schema");
                let other = format!("{}x", &name[1..]);
                let mut nothing = read(&text.replace("NAME", &format!("{schema}.{other}")));
                if let Err(why) = &mut nothing {
                    why.1 = why.1.replace(&other, name);
                }
                assert_eq!(there, nothing, "{text}: {kind}");
                assert!(there.is_err() || text.contains("serial"), "{text}: {kind}");
            }
        }
        // Nor a column that no grant names, where a function takes its name.
        let of = |column| {
            read(&format!("SELECT nextval(pg_get_serial_sequence('customers', '{column}'))"))
        };
        let (there, nothing) = (of("region").unwrap_err(), of("regiox").unwrap_err());
        assert_eq!(there.1.replace("region", "regiox"), nothing.1);
    });
}

#[test]
fn what_foreign_keys_change_is_touched_too() {
    on_large_stack(|| {
        // moods refers to plans, and ledger to moods.
        let rows = [
            MORE.as_slice(),
            &[
                r#"["references", "1", "90000", "16399", "c", "n", "1", "1"]"#,
                r#"["references", "2", "16501", "90000", "n", "c", "1", "1"]"#,
            ],
        ];
        let catalog = catalog_edited(&[], &rows.concat());
        let judge = |grants: &Grants, text: &str| {
            let plan = analyse_in(&catalog, grants, &["billing"], text).map_err(|why| why.code)?;
            let shown = |touch: &model::Touch| {
                let columns: Vec<&str> = touch.columns.iter().map(String::as_str).collect();
                format!("{} {}({})", touch.action, touch.relation.name, columns.join(","))
            };
            Ok(plan.facts.touches.iter().map(shown).collect::<Vec<_>>())
        };
        let refused = Err("cascade_not_granted");
        let mut grants = Grants::new();
        let every = [Select, Insert, Update, Delete];
        grant(&mut grants, &every, "billing.plans", &["plan", "price"]);
        grant(&mut grants, &every, "billing.moods", &["id"]);
        for text in [
            "DELETE FROM plans",
            "WITH gone AS (DELETE FROM plans RETURNING plan) SELECT * FROM gone",
            "MERGE INTO plans p USING moods m ON true WHEN MATCHED THEN DELETE",
            "UPDATE plans SET plan = 'x'",
            "INSERT INTO plans VALUES ('x', 1) ON CONFLICT (plan) DO UPDATE SET plan = 'y'",
            "EXPLAIN DELETE FROM plans",
        ] {
            assert_eq!(judge(&grants, text), refused, "{text}");
        }
        for text in ["UPDATE plans SET price = 1", "SELECT 1 FROM plans FOR UPDATE"] {
            assert!(judge(&grants, text).is_ok(), "{text}");
        }
        grant(&mut grants, &[Update], "billing.ledger", &["id"]);
        let gone = judge(&grants, "DELETE FROM plans WHERE price = 1").unwrap_or_default();
        let expected =
            ["update ledger(id)", "delete moods()", "select plans(price)", "delete plans()"];
        assert_eq!(gone, expected);
        let changed = judge(&grants, "UPDATE plans SET plan = 'x'").unwrap_or_default();
        assert_eq!(changed, ["update ledger(id)", "update moods(id)", "update plans(plan)"]);
    });
}

#[test]
fn a_type_is_there_where_a_granted_column_has_it() {
    on_large_stack(|| {
        // A domain over a type that looks names up, and one that does not.
        let rows = [
            MORE.as_slice(),
            &[
                r#"["types", "90002", "billing", "relref", "d", "2205", "-1", "0"]"#,
                r#"["types", "90003", "billing", "short", "d", "25", "-1", "0"]"#,
                r#"["columns", "90000", "3", "r", "90002", "-1"]"#,
                r#"["columns", "90000", "4", "s", "90003", "-1"]"#,
            ],
        ];
        let catalog = catalog_edited(&[], &rows.concat());
        let judge = |columns: &[&str], text: &str| {
            let mut grants = Grants::new();
            grant(&mut grants, &[Select], "billing.moods", columns);
            let plan = analyse_in(&catalog, &grants, &["billing"], text);
            plan.map(|plan| plan.forward.to_string()).map_err(|why| why.code)
        };
        let unknown = Err("type_not_allowed");
        for text in
            ["SELECT 'x'::mood", "SELECT enum_range(NULL::billing.mood)", "SELECT NULL::mood[]"]
        {
            assert_eq!(judge(&["id", "s"], text), unknown, "{text}");
            assert!(judge(&["m"], text).is_ok(), "{text}");
        }
        let forward = "SELECT 'x'::billing.mood AS mood";
        assert_eq!(judge(&["m"], "SELECT 'x'::mood").as_deref(), Ok(forward));
        assert_eq!(judge(&["m"], "SELECT 'x'::short"), unknown);
        assert!(judge(&["s"], "SELECT 'x'::short").is_ok());
        assert_eq!(judge(&["r"], "SELECT 'hidden.secret'::billing.relref"), unknown);
    });
}

#[test]
fn masked_columns_by_which_rows_are_ordered_are_known() {
    let catalog = catalog_edited(
        &[],
        &[
            r#"["dependents", "index", "80001", "billing", "by_plan", "16406", "3", "f"]"#,
            r#"["dependents", "index", "80001", "billing", "by_plan", "16406", "5", "f"]"#,
        ],
    );
    let found: Vec<String> = catalog
        .masked_orders()
        .into_iter()
        .map(|order| format!("{}.{}", order.relation, order.column))
        .collect();
    assert_eq!(found, ["billing.customers.ssn", "billing.customers_vip.ssn"]);
}
