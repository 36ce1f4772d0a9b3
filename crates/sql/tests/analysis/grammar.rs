//! Constructs beyond the plain SELECT: what they touch, how they are written out, why not.

use model::Action::{Delete, Insert, Select, Update};
use model::StatementKind::{self, Read, Write};

use crate::common::{Grants, analyse_in, catalog, grant, on_large_stack};

/// Everything unmasked of `billing.plans` and `billing.orders`, and `billing.customers` with its
/// masked columns.
pub(crate) fn grants() -> Grants {
    let mut grants = Grants::new();
    let every = [Select, Insert, Update, Delete];
    let customers = ["id", "name", "plan", "account_number", "ssn"];
    grant(&mut grants, &every, "billing.customers", &customers);
    grant(&mut grants, &every, "billing.plans", &["plan", "price"]);
    grant(&mut grants, &every, "billing.orders", &["id", "customer_id", "amount"]);
    grants
}

/// A statement, its kind, what it touches, and what is forwarded.
type Case = (&'static str, StatementKind, &'static [&'static str], &'static str);

pub(crate) fn check(cases: &'static [Case]) {
    on_large_stack(move || {
        for (text, kind, touches, forward) in cases {
            let plan = analyse_in(&catalog(), &grants(), &["billing"], text);
            let plan = plan.unwrap_or_else(|refusal| panic!("{text}: {refusal:?}"));
            let shown = |touch: &model::Touch| {
                let columns: Vec<&str> = touch.columns.iter().map(String::as_str).collect();
                format!("{} {}({})", touch.action, touch.relation.name, columns.join(","))
            };
            let mut found: Vec<String> = plan.facts.touches.iter().map(shown).collect();
            let mut expected: Vec<String> = touches.iter().map(ToString::to_string).collect();
            found.sort();
            expected.sort();
            assert_eq!(squeezed(&plan.forward), squeezed(forward), "{text}");
            assert_eq!(found, expected, "{text}");
            assert_eq!(plan.facts.kind, *kind, "{text}");
        }
    });
}

/// A text without the spaces that do not matter, of which the writer is generous.
fn squeezed(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").replace(" ,", ",").replace(" )", ")")
}

/// A statement and the code of its refusal.
pub(crate) fn check_refused(cases: &'static [(&'static str, &'static str)]) {
    on_large_stack(move || {
        for (text, expected) in cases {
            match analyse_in(&catalog(), &grants(), &["billing"], text) {
                Ok(plan) => panic!("{text}: {}", plan.forward),
                Err(refusal) => assert_eq!(refusal.code, *expected, "{text}: {}", refusal.message),
            }
        }
    });
}

#[test]
fn row_locks_need_a_grant_to_update_what_they_lock() {
    #[rustfmt::skip]
    check(&[
        ("SELECT id FROM orders FOR UPDATE", Read,
         &["select orders(id)", "update orders()"],
         "SELECT orders.id AS id FROM ONLY billing.orders FOR UPDATE"),
        ("SELECT o.id FROM orders o JOIN plans p ON o.amount = p.price FOR NO KEY UPDATE OF o SKIP LOCKED", Read,
         &["select orders(amount,id)", "select plans(price)", "update orders()"],
         "SELECT o.id AS id FROM ONLY billing.orders o JOIN ONLY billing.plans p \
          ON o.amount OPERATOR(pg_catalog.=) p.price FOR NO KEY UPDATE OF o SKIP LOCKED"),
        ("SELECT 1 FROM (SELECT id FROM orders WHERE EXISTS (SELECT 1 FROM plans)) s, plans p FOR SHARE OF s NOWAIT", Read,
         &["select orders(id)", "select plans()", "update orders()"],
         "SELECT 1 AS \"?column?\" FROM (SELECT orders.id AS id FROM ONLY billing.orders \
          WHERE EXISTS (SELECT 1 AS \"?column?\" FROM ONLY billing.plans)) s, ONLY billing.plans p FOR SHARE OF s NOWAIT"),
        ("UPDATE orders SET amount = 0 WHERE id = (SELECT id FROM orders ORDER BY id FOR UPDATE SKIP LOCKED LIMIT 1) RETURNING id", Write,
         &["select orders(id)", "update orders(amount)"],
         "UPDATE ONLY billing.orders SET amount = 0 WHERE orders.id OPERATOR(pg_catalog.=) \
          (SELECT orders.id AS id FROM ONLY billing.orders ORDER BY 1 LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING orders.id AS id"),
    ]);
    #[rustfmt::skip]
    check_refused(&[
        ("SELECT 1 FROM orders FOR UPDATE OF billing.orders",   "syntax_error"),
        ("SELECT 1 FROM orders FOR UPDATE OF plans",            "syntax_error"),
        ("SELECT 1 UNION SELECT 2 FOR UPDATE",                  "syntax_error"),
    ]);
}

#[test]
fn queries_of_with_may_write() {
    #[rustfmt::skip]
    check(&[
        ("WITH gone AS (DELETE FROM orders WHERE amount < 1 RETURNING id) SELECT count(*) FROM gone", Write,
         &["select orders(amount,id)", "delete orders()"],
         "WITH gone AS (DELETE FROM ONLY billing.orders WHERE orders.amount OPERATOR(pg_catalog.<) 1 RETURNING orders.id AS id) \
          SELECT pg_catalog.count(*) AS count FROM gone"),
        ("WITH new AS (INSERT INTO customers (id, ssn) VALUES (1, 'x') RETURNING id, ssn) SELECT * FROM new", Write,
         &["insert customers(id,ssn)", "select customers(id,ssn)"],
         "WITH new AS (INSERT INTO billing.customers (id, ssn) VALUES (1, 'x') RETURNING customers.id AS id, '********'::pg_catalog.text AS ssn) \
          SELECT new.id AS id, new.ssn AS ssn FROM new"),
        ("WITH up AS (UPDATE plans SET price = 1 RETURNING plan) INSERT INTO orders (id) SELECT 1 FROM up", Write,
         &["select plans(plan)", "update plans(price)", "insert orders(id)"],
         "WITH up AS (UPDATE ONLY billing.plans SET price = 1 RETURNING plans.plan AS plan) \
          INSERT INTO billing.orders (id) SELECT 1 AS \"?column?\" FROM up"),
    ]);
    #[rustfmt::skip]
    check_refused(&[
        ("WITH x AS (DELETE FROM customers RETURNING ssn) SELECT 1 FROM x WHERE ssn = 'a'", "masked_column_computed"),
        ("WITH x AS (DELETE FROM customers RETURNING ssn) INSERT INTO plans SELECT ssn, 1 FROM x", "masked_column_computed"),
        ("WITH x AS (DELETE FROM customers WHERE ssn = 'a') SELECT 1", "masked_column_computed"),
        ("WITH x AS (UPDATE customers SET name = ssn RETURNING id) SELECT 1 FROM x", "masked_column_computed"),
        ("WITH x AS (DROP TABLE plans) SELECT 1", "syntax_error"),
    ]);
}

#[test]
fn merge_reads_what_its_conditions_read_and_writes_by_branch() {
    #[rustfmt::skip]
    check(&[
        ("MERGE INTO plans t USING orders s ON t.price = s.amount \
          WHEN MATCHED AND s.id > 5 THEN UPDATE SET price = s.amount + 1 \
          WHEN MATCHED THEN DELETE \
          WHEN NOT MATCHED THEN INSERT (plan, price) VALUES ('x', s.amount)", Write,
         &["select orders(amount,id)", "select plans(price)", "update plans(price)", "delete plans()", "insert plans(plan,price)"],
         "MERGE INTO ONLY billing.plans t USING ONLY billing.orders s ON t.price OPERATOR(pg_catalog.=) s.amount \
          WHEN MATCHED AND s.id OPERATOR(pg_catalog.>) 5 THEN UPDATE SET price = s.amount OPERATOR(pg_catalog.+) 1 \
          WHEN MATCHED THEN DELETE \
          WHEN NOT MATCHED THEN INSERT (plan, price) VALUES ('x', s.amount)"),
        ("MERGE INTO customers c USING (VALUES (1, 'x')) v(id, name) ON c.id = v.id \
          WHEN NOT MATCHED THEN INSERT VALUES (v.id, v.name) WHEN NOT MATCHED BY SOURCE THEN DO NOTHING RETURNING merge_action(), c.ssn", Write,
         &["select customers(id,ssn)", "insert customers(id,name)"],
         "MERGE INTO ONLY billing.customers c USING (VALUES (1, 'x')) v(id, name) ON c.id OPERATOR(pg_catalog.=) v.id \
          WHEN NOT MATCHED THEN INSERT (id, name) VALUES (v.id, v.name) WHEN NOT MATCHED BY SOURCE THEN DO NOTHING \
          RETURNING merge_action()  AS \"merge_action\", '********'::pg_catalog.text AS ssn"),
    ]);
    #[rustfmt::skip]
    check_refused(&[
        ("MERGE INTO customers c USING plans p ON c.ssn = p.plan WHEN MATCHED THEN DELETE", "masked_column_computed"),
        ("MERGE INTO customers c USING plans p ON c.plan = p.plan WHEN MATCHED AND c.ssn > 'a' THEN DELETE", "masked_column_computed"),
        ("MERGE INTO customers c USING plans p ON c.plan = p.plan WHEN MATCHED THEN UPDATE SET name = c.ssn", "masked_column_computed"),
        ("MERGE INTO plans p USING customers c ON c.plan = p.plan WHEN NOT MATCHED THEN INSERT VALUES (c.ssn, 1)", "masked_column_computed"),
        ("MERGE INTO plans p USING (SELECT ssn FROM customers) c ON true WHEN NOT MATCHED THEN INSERT VALUES (c.ssn, 1)", "masked_column_computed"),
        ("MERGE INTO customers c USING plans p ON c.plan = p.plan WHEN MATCHED THEN DELETE RETURNING upper(c.ssn)", "masked_column_computed"),
        ("MERGE INTO plans p USING orders o ON true WHEN NOT MATCHED THEN INSERT VALUES (p.plan, 1)", "unknown_column"),
        ("MERGE INTO plans p USING orders o ON true WHEN NOT MATCHED BY SOURCE THEN UPDATE SET price = o.amount", "unknown_column"),
        ("MERGE INTO gw.customers v USING plans p ON true WHEN MATCHED THEN DELETE", "unknown_relation"),
    ]);
}

#[test]
fn a_whole_row_is_the_columns_that_grants_cover_named_in_a_subquery() {
    #[rustfmt::skip]
    check(&[
        ("SELECT p FROM plans p", Read, &["select plans(plan,price)"],
         "SELECT COALESCE(p.*) AS p FROM (SELECT plans.plan AS plan, plans.price AS price FROM ONLY billing.plans) p"),
        ("SELECT row_to_json(plans) FROM plans WHERE billing.plans.price > 1", Read, &["select plans(plan,price)"],
         "SELECT pg_catalog.row_to_json(plans.*) AS row_to_json FROM (SELECT plans.plan AS plan, plans.price AS price FROM ONLY billing.plans) plans \
          WHERE plans.price OPERATOR(pg_catalog.>) 1"),
        ("SELECT json_agg(o.* ORDER BY o.id), count(o), ROW(o.*, 1), ROW(o) FROM orders o GROUP BY (o).id", Read, &["select orders(amount,customer_id,id)"],
         "SELECT pg_catalog.json_agg(o.* ORDER BY o.id) AS json_agg, pg_catalog.count(o.*) AS count, \
          ROW(o.id, o.customer_id, o.amount, 1) AS \"row\", ROW(COALESCE(o.*)) AS \"row\" \
          FROM (SELECT orders.id AS id, orders.customer_id AS customer_id, orders.amount AS amount FROM ONLY billing.orders) o GROUP BY o.id"),
        ("SELECT to_jsonb(s) FROM (SELECT id, name FROM customers) s", Read, &["select customers(id,name)"],
         "SELECT pg_catalog.to_jsonb(s.*) AS to_jsonb FROM (SELECT customers.id AS id, customers.name AS name FROM ONLY billing.customers) s"),
        ("SELECT (c).name, (c).ssn FROM customers c", Read, &["select customers(name,ssn)"],
         "SELECT c.name AS name, '********'::pg_catalog.text AS ssn FROM ONLY billing.customers c"),
        // Names by place: only what is used is in the subquery, and a masked column as its mask.
        ("SELECT c.a, c.e FROM customers AS c(a, b, c, d, e) WHERE c.c = 'x'", Read, &["select customers(id,plan,ssn)"],
         "SELECT c.a AS a, c.e AS e FROM (SELECT customers.id AS a, customers.plan AS c, '********'::pg_catalog.text AS e FROM ONLY billing.customers) c \
          WHERE c.c OPERATOR(pg_catalog.=) 'x'"),
        ("SELECT count(*) FROM plans p(a)", Read, &["select plans()"],
         "SELECT pg_catalog.count(*) AS count FROM (SELECT FROM ONLY billing.plans) p"),
        ("SELECT p.a FROM plans p(a) FOR UPDATE", Read, &["select plans(plan)", "update plans()"],
         "SELECT p.a AS a FROM (SELECT plans.plan AS a FROM ONLY billing.plans) p FOR UPDATE"),
    ]);
    #[rustfmt::skip]
    check_refused(&[
        ("SELECT c FROM customers c",                                       "whole_row"),
        ("SELECT s FROM (SELECT id, ssn FROM customers) s",                 "whole_row"),
        ("WITH s AS (SELECT ssn FROM customers) SELECT row_to_json(s) FROM s", "whole_row"),
        ("SELECT ROW(c.*) FROM customers c",                                "masked_column_computed"),
        ("VALUES ((SELECT c FROM customers c LIMIT 1))",                    "whole_row"),
        ("SELECT upper((c).ssn) FROM customers c",                          "masked_column_computed"),
        ("SELECT j FROM (plans CROSS JOIN orders) j",                       "whole_row"),
        ("UPDATE plans SET price = 1 RETURNING plans",                      "whole_row"),
        ("SELECT c.upper FROM plans c",                                     "whole_row"),
        ("SELECT c.e FROM customers c(a, b, c, d, e) WHERE e = 'x'",        "masked_column_computed"),
        ("SELECT p FROM plans p(a, b, c)",                                  "syntax_error"),
    ]);
}

#[test]
fn functions_stand_side_by_side_in_from() {
    #[rustfmt::skip]
    check(&[
        ("SELECT * FROM ROWS FROM (generate_series(1, 3), jsonb_each('{}')) WITH ORDINALITY AS r(n, k, v, o)", Read, &[],
         "SELECT r.n AS n, r.k AS k, r.v AS v, r.o AS o FROM ROWS FROM (pg_catalog.generate_series(1, 3) , pg_catalog.jsonb_each('{}') ) WITH ORDINALITY r(n, k, v, o)"),
        ("SELECT a, generate_series FROM ROWS FROM (json_to_record('{}') AS (a int), generate_series(1, 2)) x", Read, &[],
         "SELECT x.a AS a, x.generate_series AS generate_series FROM ROWS FROM (pg_catalog.json_to_record('{}') AS (a int), pg_catalog.generate_series(1, 2) ) x"),
    ]);
}

#[test]
fn small_forms_of_sql_pass() {
    #[rustfmt::skip]
    check(&[
        ("SELECT to_tsvector('english'::regconfig, plan) FROM plans ORDER BY plan COLLATE \"en-x-icu\"", Read, &["select plans(plan)"],
         "SELECT pg_catalog.to_tsvector('pg_catalog.english', plans.plan) AS to_tsvector FROM ONLY billing.plans ORDER BY plans.plan COLLATE pg_catalog.\"en-x-icu\""),
        ("INSERT INTO plans VALUES ('a', 1) ON CONFLICT (lower(plan)) WHERE price > 0 DO NOTHING", Write,
         &["insert plans(plan,price)", "select plans(plan,price)"],
         "INSERT INTO billing.plans (plan, price) VALUES ('a', 1) ON CONFLICT (pg_catalog.lower(plan)) WHERE price OPERATOR(pg_catalog.>) 0 DO NOTHING"),
        ("SELECT plan FROM plans WHERE EXISTS (SELECT FROM orders)", Read, &["select plans(plan)", "select orders()"],
         "SELECT plans.plan AS plan FROM ONLY billing.plans WHERE EXISTS (SELECT FROM ONLY billing.orders)"),
    ]);
}

#[test]
fn tables_are_locked_emptied_and_sampled_as_grants_say() {
    #[rustfmt::skip]
    check(&[
        ("LOCK TABLE plans, ONLY orders IN ACCESS SHARE MODE NOWAIT", Read, &["select plans()", "select orders()"],
         "LOCK TABLE ONLY billing.plans, ONLY billing.orders IN ACCESS SHARE MODE NOWAIT"),
        ("LOCK plans", Write, &["update plans()"], "LOCK TABLE ONLY billing.plans"),
        ("SELECT count(*) FROM plans p TABLESAMPLE bernoulli (10) REPEATABLE (1)", Read, &["select plans()"],
         "SELECT pg_catalog.count(*) AS count FROM ONLY billing.plans p TABLESAMPLE pg_catalog.bernoulli(10) REPEATABLE (1)"),
    ]);
    #[rustfmt::skip]
    check_refused(&[
        ("SELECT 1 FROM customers TABLESAMPLE system (10)",     "sample_tells_sizes"),
        ("SELECT 1 FROM plans TABLESAMPLE public.mine (10)",    "sampling_not_allowed"),
        ("SELECT 1 FROM plans TABLESAMPLE system_rows (10)",    "sampling_not_allowed"),
        ("TRUNCATE plans CASCADE",                              "truncate_cascade"),
    ]);
}

#[test]
fn a_plan_is_shown_only_of_tables_that_may_be_read_whole() {
    #[rustfmt::skip]
    check(&[
        ("EXPLAIN (COSTS off, FORMAT json) SELECT plan FROM plans", Read, &["select plans(plan)"],
         "EXPLAIN (COSTS OFF, FORMAT \"json\") SELECT plans.plan AS plan FROM ONLY billing.plans"),
        ("EXPLAIN ANALYZE SELECT plan FROM plans", Read, &["select plans(plan)"],
         "EXPLAIN (ANALYZE) SELECT plans.plan AS plan FROM ONLY billing.plans"),
        ("EXPLAIN (ANALYZE 0) UPDATE plans SET price = 1", Read, &["update plans(price)"],
         "EXPLAIN (ANALYZE \"0\") UPDATE ONLY billing.plans SET price = 1"),
    ]);
    #[rustfmt::skip]
    check_refused(&[
        ("EXPLAIN SELECT id FROM customers",                        "explain_shows_statistics"),
        ("EXPLAIN SELECT 1 FROM plans WHERE EXISTS (SELECT 1 FROM customers)", "explain_shows_statistics"),
        // It names the constraints of other tables that run.
        ("EXPLAIN ANALYZE DELETE FROM plans",                       "explain_shows_triggers"),
        ("EXPLAIN ANALYZE WITH x AS (DELETE FROM plans RETURNING plan) SELECT * FROM x", "explain_shows_triggers"),
        ("EXPLAIN SELECT 1 FROM pg_class",                          "explain_counts_hidden"),
        ("EXPLAIN (SETTINGS) SELECT 1",                             "explain_option"),
        ("EXPLAIN (FORMAT csv) SELECT 1",                           "explain_option"),
        ("EXPLAIN CREATE TABLE t AS SELECT 1",                      "definition_not_allowed"),
        ("EXPLAIN EXECUTE s",                                       "not_supported_explain"),
    ]);
}

#[test]
fn sql_json_computes_with_what_may_be_computed_with() {
    #[rustfmt::skip]
    check(&[
        ("SELECT JSON_OBJECT('plan': plan, 'price': price ABSENT ON NULL), JSON_ARRAY(plan, 1), plan IS JSON OBJECT FROM plans", Read, &["select plans(plan,price)"],
         "SELECT JSON_OBJECT('plan': plans.plan, 'price': plans.price ABSENT ON NULL) AS \"json_object\", JSON_ARRAY(plans.plan, 1) AS \"json_array\", \
          plans.plan IS JSON OBJECT AS \"?column?\" FROM ONLY billing.plans"),
        ("SELECT JSON_OBJECTAGG(plan: price), JSON_ARRAYAGG(plan ORDER BY price) FROM plans", Read, &["select plans(plan,price)"],
         "SELECT JSON_OBJECTAGG(plans.plan: plans.price) AS \"json_objectagg\", JSON_ARRAYAGG(plans.plan ORDER BY plans.price) AS \"json_arrayagg\" FROM ONLY billing.plans"),
        ("SELECT JSON_VALUE($1, '$.a' RETURNING int DEFAULT 0 ON ERROR), JSON_QUERY(plan::jsonb, '$.x' PASSING price AS p), JSON_EXISTS(plan::jsonb, '$') FROM plans", Read, &["select plans(plan,price)"],
         "SELECT JSON_VALUE($1, '$.a' RETURNING int DEFAULT 0 ON ERROR) AS \"json_value\", JSON_QUERY(plans.plan::pg_catalog.jsonb, '$.x' PASSING plans.price AS p) AS \"json_query\", \
          JSON_EXISTS(plans.plan::pg_catalog.jsonb, '$') AS \"json_exists\" FROM ONLY billing.plans"),
        ("SELECT p.plan, j.n, j.k FROM plans p, JSON_TABLE(p.plan::jsonb, '$[*]' COLUMNS (n FOR ORDINALITY, k text PATH '$.k', NESTED PATH '$.b[*]' COLUMNS (c int))) j", Read, &["select plans(plan)"],
         "SELECT p.plan AS plan, j.n AS n, j.k AS k FROM ONLY billing.plans p, JSON_TABLE(p.plan::pg_catalog.jsonb, '$[*]' \
          COLUMNS (n FOR ORDINALITY, k pg_catalog.text PATH '$.k', NESTED PATH '$.b[*]' COLUMNS (c int))) j"),
    ]);
    #[rustfmt::skip]
    check_refused(&[
        ("SELECT JSON_OBJECT('a': ssn) FROM customers",                                 "masked_column_computed"),
        ("SELECT JSON_ARRAY(ssn) FROM customers",                                       "masked_column_computed"),
        ("SELECT JSON_ARRAY(SELECT ssn FROM customers)",                                "masked_column_computed"),
        ("SELECT JSON_ARRAYAGG(name ORDER BY ssn) FROM customers",                      "masked_column_computed"),
        ("SELECT JSON_OBJECTAGG(ssn: 1) FROM customers",                                "masked_column_computed"),
        ("SELECT ssn IS JSON FROM customers",                                           "masked_column_computed"),
        ("SELECT JSON_SCALAR(ssn) FROM customers",                                      "masked_column_computed"),
        ("SELECT JSON_EXISTS('{}'::jsonb, '$ ? (@ == $x)' PASSING ssn AS x) FROM customers", "masked_column_computed"),
        ("SELECT JSON_VALUE('{}'::jsonb, '$' DEFAULT ssn ON EMPTY) FROM customers",     "masked_column_computed"),
        ("SELECT k FROM customers c, JSON_TABLE(c.ssn::jsonb, '$' COLUMNS (k text PATH '$')) j", "masked_column_computed"),
        ("SELECT JSON_VALUE('1'::jsonb, '$' RETURNING customers)",                      "type_not_allowed"),
        ("SELECT JSON_VALUE('1'::jsonb, '$' RETURNING billing.tier)",                   "type_not_allowed"),
    ]);
}
