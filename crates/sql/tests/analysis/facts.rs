//! What statements touch, how they are written out, and what is refused.

use model::Action::{Delete, Insert, Select, Update};
use sql::Refusal;

use crate::common::{Grants, analyse_in, catalog, grant, on_large_stack};

/// Grants on everything of the schema `billing` that the tests name.
fn all_grants() -> Grants {
    let mut grants = Grants::new();
    let customers =
        ["id", "name", "plan", "account_number", "ssn", "balance", "meta", "ssn_copy", "region"];
    let every = [Select, Insert, Update, Delete];
    grant(&mut grants, &every, "billing.customers", &customers);
    grant(&mut grants, &every, "billing.plans", &["plan", "price"]);
    grant(&mut grants, &every, "billing.orders", &["id", "customer_id", "amount"]);
    grant(&mut grants, &[Select], "billing.events", &["id", "region"]);
    grant(&mut grants, &[Select], "billing.v_customers", &["id", "ref"]);
    grants
}

/// `action relation(columns)`, as the analysis found them.
fn touches(text: &str) -> Result<Vec<String>, Refusal> {
    let plan = analyse_in(&catalog(), &all_grants(), &["billing"], text)?;
    let shown = |touch: &model::Touch| {
        let columns: Vec<&str> = touch.columns.iter().map(String::as_str).collect();
        format!("{} {}({})", touch.action, touch.relation, columns.join(","))
    };
    Ok(plan.facts.touches.iter().map(shown).collect())
}

#[test]
fn everything_that_a_statement_reads_or_writes_is_touched() {
    #[rustfmt::skip]
    let cases: [(&str, &[&str]); 24] = [
        ("SELECT 1",                                          &[]),
        ("SELECT count(*) FROM plans",                        &["select billing.plans()"]),
        ("SELECT id FROM customers WHERE region = 'eu' ORDER BY balance",
                                                              &["select billing.customers(balance,id,region)"]),
        ("SELECT * FROM plans",                               &["select billing.plans(plan,price)"]),
        ("SELECT * FROM orders",                              &["select billing.orders(amount,customer_id,id)"]),
        ("SELECT name FROM customers JOIN plans USING (plan)", &["select billing.customers(name,plan)", "select billing.plans(plan)"]),
        ("SELECT name FROM customers NATURAL JOIN plans",     &["select billing.customers(name,plan)", "select billing.plans(plan)"]),
        ("SELECT 1 FROM customers c WHERE EXISTS (SELECT * FROM orders o WHERE o.customer_id = c.id)",
                                                              &["select billing.customers(id)", "select billing.orders(customer_id)"]),
        ("SELECT (SELECT max(price) FROM plans p WHERE p.plan = c.plan) FROM customers c",
                                                              &["select billing.customers(plan)", "select billing.plans(plan,price)"]),
        ("WITH x AS (SELECT id, region FROM customers) SELECT id FROM x",
                                                              &["select billing.customers(id,region)"]),
        ("SELECT id FROM orders LIMIT (SELECT max(price) FROM plans)",
                                                              &["select billing.orders(id)", "select billing.plans(price)"]),
        ("SELECT sum(id) FILTER (WHERE amount > 1) OVER (PARTITION BY customer_id) FROM orders",
                                                              &["select billing.orders(amount,customer_id,id)"]),
        ("SELECT x FROM unnest(ARRAY(SELECT price FROM plans)) x", &["select billing.plans(price)"]),
        ("VALUES ((SELECT price FROM plans LIMIT 1))",        &["select billing.plans(price)"]),
        ("SELECT id, ssn FROM customers",                     &["select billing.customers(id,ssn)"]),
        ("SELECT id FROM events",                             &["select billing.events(id)", "select billing.events_eu(id)", "select billing.events_us(id)"]),
        ("INSERT INTO plans VALUES ('a', 1)",                 &["insert billing.plans(plan,price)"]),
        ("INSERT INTO plans VALUES ('a')",                    &["insert billing.plans(plan)"]),
        ("INSERT INTO orders DEFAULT VALUES",                 &["insert billing.orders()"]),
        ("INSERT INTO orders (id) SELECT price FROM plans RETURNING amount",
                                                              &["insert billing.orders(id)", "select billing.orders(amount)", "select billing.plans(price)"]),
        ("INSERT INTO plans VALUES ('a', 1) ON CONFLICT (plan) DO UPDATE SET price = excluded.price",
                                                              &["select billing.plans(plan,price)", "insert billing.plans(plan,price)", "update billing.plans(price)"]),
        ("UPDATE customers SET plan = p.plan FROM plans p WHERE price = balance",
                                                              &["select billing.customers(balance)", "select billing.plans(plan,price)", "update billing.customers(plan)"]),
        ("DELETE FROM orders",                                &["delete billing.orders()"]),
        ("DELETE FROM orders USING plans WHERE amount = price", &["select billing.orders(amount)", "select billing.plans(price)", "delete billing.orders()"]),
    ];
    on_large_stack(move || {
        for (text, expected) in cases {
            let mut found = touches(text).unwrap_or_else(|refusal| panic!("{text}: {refusal:?}"));
            let mut expected: Vec<String> = expected.iter().map(ToString::to_string).collect();
            found.sort();
            expected.sort();
            assert_eq!(found, expected, "{text}");
        }
    });
}

#[test]
fn what_is_forwarded_leaves_nothing_to_the_target_to_resolve() {
    #[rustfmt::skip]
    let cases = [
        ("SELECT lower(name) FROM customers WHERE id + 1 > 2",
         "SELECT pg_catalog.lower(customers.name) AS lower FROM ONLY billing.customers \
          WHERE customers.id OPERATOR(pg_catalog.+) 1 OPERATOR(pg_catalog.>) 2"),
        ("SELECT 1::int4, '{}'::text[]",
         "SELECT 1::int AS int4, '{}'::pg_catalog.text[] AS text"),
        ("select * from Plans natural join (select plan from customers) c",
         "SELECT plan AS plan, plans.price AS price FROM ONLY billing.plans \
          JOIN (SELECT customers.plan AS plan FROM ONLY billing.customers) c USING (plan)"),
        ("SELECT name n FROM billing.billing.plans, customers GROUP BY n ORDER BY n",
         "SELECT customers.name AS n FROM ONLY billing.plans, ONLY billing.customers GROUP BY 1 ORDER BY 1"),
        ("SELECT current_user, current_database()",
         "SELECT 'agent'::pg_catalog.name AS \"current_user\", 'billing'::pg_catalog.name AS current_database"),
        ("SELECT E'a\\nb', U&'\\0061', $x$it's$x$, b'01', x'1F', 1e3",
         "SELECT 'a\nb' AS \"?column?\", 'a' AS \"?column?\", 'it''s' AS \"?column?\", b'01' AS \"?column?\", \
          x'1F' AS \"?column?\", 1e3 AS \"?column?\""),
        ("SELECT id, c.ssn, (account_number) AS a FROM customers c",
         "SELECT c.id AS id, '********'::pg_catalog.text AS ssn, '********'::pg_catalog.text AS a \
          FROM ONLY billing.customers c"),
        ("SELECT ref FROM v_customers",
         "SELECT '********'::pg_catalog.text AS ref FROM billing.v_customers"),
        ("SELECT U&\"\\0073sn\" FROM customers",
         "SELECT '********'::pg_catalog.text AS ssn FROM ONLY billing.customers"),
        ("UPDATE customers SET name = 'x' RETURNING ssn",
         "UPDATE ONLY billing.customers SET name = 'x' RETURNING '********'::pg_catalog.text AS ssn"),
        ("/* a */ begin isolation level serializable read only", "BEGIN ISOLATION LEVEL SERIALIZABLE, READ ONLY"),
        ("SELECT to_tsvector('English', name), ts_headline(name::text, to_tsquery('a'), 'x') FROM customers",
         "SELECT pg_catalog.to_tsvector('pg_catalog.english', customers.name) AS to_tsvector, \
          pg_catalog.ts_headline(customers.name::pg_catalog.text, pg_catalog.to_tsquery('a'), 'x') AS ts_headline \
          FROM ONLY billing.customers"),
        ("SELECT to_tsquery('a'), ts_headline('a', to_tsquery('pg_catalog.simple', 'a'))",
         "SELECT pg_catalog.to_tsquery('a') AS to_tsquery, \
          pg_catalog.ts_headline('a', pg_catalog.to_tsquery('pg_catalog.simple', 'a')) AS ts_headline"),
        ("SELECT s.a FROM (SELECT id FROM customers) s(a)",
         "SELECT s.a AS a FROM (SELECT customers.id AS id FROM ONLY billing.customers) s(a)"),
        ("INSERT INTO plans SELECT 'a', 1",
         "INSERT INTO billing.plans (plan, price) SELECT 'a' AS \"?column?\", 1 AS \"?column?\""),
        ("SET search_path TO a, \"B c\"",           "SET client_encoding TO 'UTF8'"),
        ("SET TIME ZONE 'Europe/Berlin'",           "SET \"TimeZone\" TO 'Europe/Berlin'"),
        ("SHOW search_path",                        "SELECT '\"$user\", public'::pg_catalog.text AS \"search_path\""),
        ("SHOW TRANSACTION ISOLATION LEVEL",        "SHOW \"transaction_isolation\""),
        ("SELECT current_setting('jit') AS cur, set_config('JIT', 'off', false) AS new, pg_advisory_unlock_all()",
         "SELECT pg_catalog.current_setting('jit') AS cur, pg_catalog.set_config('jit', 'off', false) AS new, \
          pg_catalog.pg_advisory_unlock_all() AS pg_advisory_unlock_all"),
        ("SELECT current_setting('search_path'), current_setting('app.tenant', true), current_setting('role')",
         "SELECT '\"$user\", public'::pg_catalog.text AS current_setting, NULL::pg_catalog.text AS current_setting, \
          'none'::pg_catalog.text AS current_setting"),
        ("-- nothing",                              ";"),
    ];
    on_large_stack(move || {
        for (text, expected) in cases {
            let plan = analyse_in(&catalog(), &all_grants(), &["billing"], text);
            let plan = plan.unwrap_or_else(|refusal| panic!("{text}: {refusal:?}"));
            assert_eq!(&*plan.forward, expected, "{text}");
        }
    });
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn what_computes_with_a_mask_or_is_not_understood_is_refused() {
    #[rustfmt::skip]
    let cases = [
        // A masked column anywhere but bare in a target list.
        ("SELECT id FROM customers WHERE ssn = 'x'",                            "masked_column_computed"),
        ("SELECT upper(ssn) FROM customers",                                    "masked_column_computed"),
        ("SELECT ssn::text FROM customers",                                     "masked_column_computed"),
        ("SELECT ssn || '' FROM customers",                                     "masked_column_computed"),
        ("SELECT ssn COLLATE \"C\" FROM customers",                             "masked_column_computed"),
        ("SELECT id FROM customers ORDER BY ssn",                               "masked_column_computed"),
        ("SELECT id, ssn FROM customers ORDER BY 2",                            "masked_column_computed"),
        ("SELECT id, ssn AS s FROM customers ORDER BY s",                       "masked_column_computed"),
        ("SELECT ssn FROM customers GROUP BY 1",                                "masked_column_computed"),
        ("SELECT ssn AS s FROM customers GROUP BY s",                           "masked_column_computed"),
        ("SELECT count(*) FROM customers GROUP BY ROLLUP (ssn)",                "masked_column_computed"),
        ("SELECT DISTINCT ssn FROM customers",                                  "masked_column_computed"),
        ("SELECT DISTINCT ON (ssn) id FROM customers",                          "masked_column_computed"),
        ("SELECT DISTINCT ON (2) id, ssn FROM customers",                       "masked_column_computed"),
        ("SELECT ssn FROM customers UNION ALL SELECT 'x'",                      "masked_column_computed"),
        ("SELECT 'x' EXCEPT SELECT ssn FROM customers",                         "masked_column_computed"),
        ("SELECT (SELECT ssn FROM customers LIMIT 1)",                          "masked_column_computed"),
        ("SELECT ARRAY(SELECT ssn FROM customers)",                             "masked_column_computed"),
        ("SELECT 1 WHERE 'x' IN (SELECT ssn FROM customers)",                   "masked_column_computed"),
        ("SELECT 1 FROM customers a JOIN customers b USING (ssn)",              "masked_column_computed"),
        ("SELECT 1 FROM customers a NATURAL JOIN customers b",                  "masked_column_computed"),
        ("SELECT 1 FROM customers a JOIN customers b ON a.ssn = b.ssn",         "masked_column_computed"),
        ("SELECT s.x FROM (SELECT ssn AS x FROM customers) s WHERE s.x = 'a'",  "masked_column_computed"),
        ("WITH s(x) AS (SELECT ssn FROM customers) SELECT upper(x) FROM s",     "masked_column_computed"),
        ("SELECT x FROM (SELECT ssn AS x FROM customers) s ORDER BY x",         "masked_column_computed"),
        ("SELECT count(ssn) FROM customers",                                    "masked_column_computed"),
        ("SELECT count(*) FILTER (WHERE ssn > 'a') FROM customers",             "masked_column_computed"),
        ("SELECT rank() OVER (ORDER BY ssn) FROM customers",                    "masked_column_computed"),
        ("SELECT string_agg(name, ',' ORDER BY ssn) FROM customers",            "masked_column_computed"),
        ("SELECT l.x FROM customers c, LATERAL (SELECT upper(c.ssn) AS x) l",   "masked_column_computed"),
        ("SELECT x FROM customers c, unnest(ARRAY[c.ssn]) x",                   "masked_column_computed"),
        ("SELECT CASE WHEN ssn IS NULL THEN 1 END FROM customers",              "masked_column_computed"),
        ("SELECT id FROM customers LIMIT (SELECT length(ssn) FROM customers)",  "masked_column_computed"),
        ("SELECT upper(ref) FROM v_customers",                                  "masked_column_computed"),
        ("INSERT INTO plans SELECT ssn, 1 FROM customers",                      "masked_column_computed"),
        ("INSERT INTO customers (id) VALUES (1) RETURNING upper(ssn)",          "masked_column_computed"),
        ("INSERT INTO customers (id, ssn) VALUES (1, 'x') ON CONFLICT (ssn) DO NOTHING", "masked_column_computed"),
        ("INSERT INTO customers (id, ssn) VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET name = excluded.ssn", "masked_column_computed"),
        ("UPDATE customers SET name = ssn",                                     "masked_column_computed"),
        ("UPDATE customers SET (name, plan) = (SELECT ssn, 'x' FROM customers)", "masked_column_computed"),
        ("UPDATE customers SET name = 'x' WHERE ssn = 'y'",                     "masked_column_computed"),
        ("DELETE FROM customers WHERE account_number LIKE 'A%'",                "masked_column_computed"),
        // A whole row carries every column.
        ("SELECT c FROM customers c",                                           "whole_row"),
        ("SELECT customers FROM customers",                                     "whole_row"),
        ("SELECT row_to_json(c) FROM customers c",                              "whole_row"),
        ("SELECT row_to_json(c.*) FROM customers c",                            "whole_row"),
        ("SELECT ((c)).fmt FROM customers c",                                   "whole_row"),
        ("SELECT c.fmt FROM customers c",                                       "whole_row"),
        ("SELECT ssn(c) FROM customers c",                                      "function_not_allowed"),
        ("SELECT c::text FROM customers c",                                     "whole_row"),
        ("SELECT count(c) FROM customers c",                                    "whole_row"),
        ("SELECT ctid FROM customers",                                          "system_column"),
        ("SELECT customers.tableoid FROM customers",                            "system_column"),
        // Names.
        ("SELECT 1 FROM nothing",                                               "unknown_relation"),
        ("SELECT 1 FROM hr.salaries WHERE emp = 'x' AND nothing = 1",           "unknown_relation"),
        ("SELECT nothing FROM plans",                                           "unknown_column"),
        ("SELECT plan FROM plans, customers",                                   "ambiguous_column"),
        ("SELECT 1 FROM other.billing.plans",                                   "unknown_relation"),
        ("SELECT 1 FROM pg_nothing",                                            "unknown_relation"),
        ("SELECT 1 FROM pg_catalog.pg_stat_activity",                           "catalog_not_shown"),
        ("SELECT 1 FROM plans, (SELECT plans.plan) s",                          "unknown_column"),
        // Functions, operators, types.
        ("SELECT pg_sleep(1)",                                                  "function_not_allowed"),
        ("SELECT billing.get_ssn(1)",                                           "function_not_allowed"),
        ("SELECT set_config('a.b', 'c', true)",                                 "setting_not_allowed"),
        ("SELECT set_config('search_path', 'hr', true) FROM plans",             "setting_not_allowed"),
        ("SELECT set_config('statement_timeout', '0', true)",                   "setting_value_not_allowed"),
        ("SELECT set_config('TimeZone', name, true) FROM customers",            "function_not_allowed"),
        ("SELECT set_config('TimeZone', NULL, true)",                           "function_not_allowed"),
        ("SELECT set_config($1, 'UTC', true)",                                  "function_not_allowed"),
        ("SELECT current_setting('data_directory')",                            "setting_not_allowed"),
        ("SELECT current_setting('TimeZone') OVER () FROM customers",           "function_not_allowed"),
        ("SELECT pg_advisory_lock(1)",                                          "function_not_allowed"),
        ("SELECT 1 OPERATOR(public.+) 1",                                       "operator_not_allowed"),
        ("SELECT 'nothing'::regclass",                                          "unknown_name"),
        ("SELECT NULL::customers",                                              "type_not_allowed"),
        ("SELECT '<a/>'::xml",                                                  "type_not_allowed"),
        ("SELECT repeat('a', 100000000)",                                       "constant_too_large"),
        // `char` without a length would be written in its place, which has the length one.
        ("SELECT name::bpchar FROM customers",                                          "deparse_mismatch"),
        // A text search configuration that is not PostgreSQL's own, or not seen.
        ("SELECT to_tsvector('hr.nosuch', 'a')",                                "text_search_configuration"),
        ("SELECT to_tsvector('billing.english', 'a')",                          "text_search_configuration"),
        ("SELECT to_tsvector('english ' || '', 'a')",                           "text_search_configuration"),
        ("SELECT to_tsvector(1, 'a')",                                          "text_search_configuration"),
        ("SELECT to_tsvector($1, 'a')",                                         "text_search_configuration"),
        ("SELECT to_tsvector(config => 'hr.x', document => 'a')",               "text_search_configuration"),
        ("SELECT to_tsquery('hr.nosuch', 'a')",                                 "text_search_configuration"),
        ("SELECT plainto_tsquery('hr.nosuch', 'a')",                            "text_search_configuration"),
        ("SELECT phraseto_tsquery(name, 'a') FROM customers",                   "text_search_configuration"),
        ("SELECT pg_catalog.websearch_to_tsquery('hr.nosuch', 'a')",            "text_search_configuration"),
        ("SELECT ts_headline('hr.nosuch', 'a', to_tsquery('a'))",               "text_search_configuration"),
        ("SELECT ts_headline('hr.nosuch', 'a', to_tsquery('a'), '')",           "text_search_configuration"),
        // Names that the target gives out by place, later.
        ("SELECT j.a FROM (plans JOIN orders ON true) j(a, b)",                 "not_supported_column_names"),
        // PostgreSQL takes the t of the second SELECT for the inner one.
        ("WITH RECURSIVE t(a, b) AS (WITH t(a, b) AS (SELECT id, name FROM customers) \
          SELECT a, 'x'::text FROM t UNION ALL SELECT a + 100, b FROM t WHERE a < 100) SELECT * FROM t",
                                                                                "not_supported_shadowing_with"),
        // Statements.
        ("SELECT 1; SELECT 2",                                                  "syntax_error"),
        ("DO $$ BEGIN END $$",                                                  "code_not_allowed"),
        ("SELECT 1 INTO t",                                                     "definition_not_allowed"),
        ("UPDATE v_customers SET ref = 'x'",                                    "not_supported_view_write"),
        ("UPDATE v_eu SET name = 'x'",                                          "unknown_relation"),
        ("DROP TABLE plans",                                                    "definition_not_allowed"),
        ("SET ROLE postgres",                                                   "setting_not_allowed"),
        ("SET session_replication_role TO replica",                             "setting_not_allowed"),
        ("SET client_encoding TO 'SQL_ASCII'",                                  "setting_value_not_allowed"),
        ("SHOW ALL",                                                            "setting_not_allowed"),
        ("SHOW data_directory",                                                 "setting_not_allowed"),
        ("COMMIT PREPARED 'x'",                                                 "not_supported_two_phase"),
        ("SELEC 1",                                                             "syntax_error"),
    ];
    on_large_stack(move || {
        let grants = all_grants();
        for (text, expected) in cases {
            match analyse_in(&catalog(), &grants, &["billing"], text) {
                Ok(plan) => panic!("{text}: {}", plan.forward),
                Err(refusal) => assert_eq!(refusal.code, expected, "{text}: {}", refusal.message),
            }
        }
    });
}

#[test]
fn what_no_grant_names_reads_as_if_it_were_not_there() {
    on_large_stack(|| {
        let message = |text: &str| {
            let refusal = analyse_in(&catalog(), &all_grants(), &["billing", "hr"], text);
            refusal.map(|plan| plan.forward.to_string()).unwrap_err().to_string()
        };
        let there = "permission denied for relation salaries: no live grant covers select on it";
        for text in [
            "SELECT nothing FROM salaries",
            "SELECT pg_sleep(1) FROM hr.salaries",
            "SELECT s.nothing FROM salaries s",
        ] {
            assert_eq!(message(text), there, "{text}");
        }
        assert_eq!(message("SELECT 1 FROM salarie"), there.replace("salaries", "salarie"));
    });
}

#[test]
fn tables_below_are_included_only_if_grants_cover_them() {
    on_large_stack(|| {
        let text = "SELECT id, ssn FROM billing.customers";
        let mut grants = all_grants();
        let plan =
            |grants: &Grants, text| analyse_in(&catalog(), grants, &[], text).expect("a plan");
        let forward = plan(&grants, text).forward;
        assert!(forward.contains("ONLY"), "{forward}");

        grant(&mut grants, &[Select], "billing.customers_vip", &["id"]);
        let forward = plan(&grants, text).forward;
        assert!(forward.contains("ONLY"), "not all columns are covered: {forward}");

        grant(&mut grants, &[Select], "billing.customers_vip", &["ssn"]);
        let covered = plan(&grants, text);
        assert!(!covered.forward.contains("ONLY"), "{}", covered.forward);
        assert_eq!(covered.facts.touches.len(), 2);

        let asked = plan(&grants, "SELECT id, ssn FROM ONLY billing.customers");
        assert!(asked.forward.contains("ONLY"), "{}", asked.forward);
        assert_eq!(asked.facts.touches.len(), 1);
    });
}

/// What the caps let through fits the stack that the analysis asks for, also without optimisation.
#[test]
fn the_deepest_statements_that_pass_fit_the_stack() {
    let deep = |first: &str, open: &str, inside: &str, close: &str, count: usize| {
        format!("{first}{}{inside}{}", open.repeat(count), close.repeat(count))
    };
    #[rustfmt::skip]
    let cases = [
        deep("SELECT ", "(", "1", ")", 580),
        deep("SELECT 1", "+1", "", "", 580),
        deep("SELECT ", "NOT ", "true", "", 580),
        deep("SELECT ", "(SELECT ", "1", ")", 280),
        deep("SELECT ", "abs(", "1", ")", 280),
        deep("SELECT ", "CASE WHEN true THEN ", "1", " END", 110),
        deep("SELECT 1 FROM plans", " JOIN plans ON true", "", "", 580),
        deep("SELECT 1", " UNION ALL SELECT 1", "", "", 580),
        deep("SELECT 1 FROM ", "(SELECT 1 FROM ", "plans", ") s", 190),
        deep("SELECT ", "CAST(", "1", " AS int)", 140),
        deep("SELECT ", "ARRAY[", "1", "]", 280),
        format!("SELECT price IN (1{}) FROM plans", ",1".repeat(20_000)),
        deep("SELECT 1 WHERE 1 = 1", " OR 1 = 2", "", "", 5_000),
    ];
    on_large_stack(move || {
        for text in cases {
            let shown = text.get(..40).unwrap_or_default().to_owned();
            match analyse_in(&catalog(), &all_grants(), &["billing"], &text) {
                Ok(_) => {}
                // Joins with themselves are ambiguous, not too deep.
                Err(refusal) => assert_ne!(refusal.code, "statement_too_large", "{shown}"),
            }
        }
    });
}

/// What lies beyond the caps is refused before anything recurses.
#[test]
fn what_is_too_deep_or_too_long_is_refused() {
    #[rustfmt::skip]
    let cases = [
        format!("SELECT {}1{}", "(".repeat(10_000), ")".repeat(10_000)),
        format!("SELECT 1{}", "+1".repeat(8_000)),
        format!("SELECT 1 FROM plans{}", " JOIN plans ON true".repeat(5_000)),
        format!("SELECT 1 IN (1{})", ",1".repeat(200_000)),
        format!("SELECT {}1{}", "CASE WHEN true THEN ".repeat(5_000), " END".repeat(5_000)),
        format!("SELECT 1{}", " UNION SELECT 1, 2".repeat(5_000)),
        format!("SELECT 1 FROM plans{}", ", plans".repeat(600)),
        format!("SELECT 1{}", ", 1".repeat(1_664)),
        format!("UPDATE plans SET (a{}) = (SELECT 1)", ", a".repeat(32)),
        wide_query(),
    ];
    for text in cases {
        let refusal =
            analyse_in(&catalog(), &all_grants(), &["billing"], &text).map(|plan| plan.forward);
        assert_eq!(refusal.map_err(|r| r.code), Err("statement_too_large"));
    }
}

/// A query of a thousand columns, named a hundred times.
fn wide_query() -> String {
    let list = |count: usize, item: &dyn Fn(usize) -> String| {
        (0..count).map(item).collect::<Vec<_>>().join(", ")
    };
    let columns = list(1_000, &|number| format!("1 AS c{number}"));
    let sources = list(100, &|number| format!("q AS a{number}"));
    format!("WITH q AS (SELECT {columns}) SELECT 1 FROM {sources}, q")
}
