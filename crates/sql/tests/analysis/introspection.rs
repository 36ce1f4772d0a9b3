//! PostgreSQL's own catalogs: what stands in their place shows what grants cover.

use crate::common::{analyse, analyse_in, catalog, grants, is_covered, on_large_stack};

#[test]
fn only_what_grants_cover_is_named_in_the_text_that_reads_a_catalog() {
    on_large_stack(|| {
        let (catalog, grants) = (catalog(), grants("G"));
        let plan = analyse(&catalog, &grants, "SELECT * FROM pg_class").unwrap();
        // customers, plans, and of their indexes and sequences those of granted columns.
        for shown in ["16406", "16399", "90001", "90004", "90010"] {
            assert!(plan.forward.contains(shown), "{shown}: {}", plan.forward);
        }
        // Other tables, an index on an ungranted column, an expression over a masked one.
        // Two that need a function or a type which is not shown, one of which nothing else is known.
        for hidden in ["16440", "16447", "90002", "90003", "90011", "90012", "90015"] {
            assert!(!plan.forward.contains(hidden), "{hidden}: {}", plan.forward);
        }
        let plan = analyse(&catalog, &grants, "SELECT * FROM pg_constraint").unwrap();
        assert!(plan.forward.contains("90005") && plan.forward.contains("90014"));
        for hidden in ["90006", "90007", "90013", "90016"] {
            assert!(!plan.forward.contains(hidden), "{hidden}: {}", plan.forward);
        }
        let plan = analyse(&catalog, &grants, "SELECT * FROM pg_attrdef").unwrap();
        assert!(plan.forward.contains("90008") && !plan.forward.contains("90009"));
        let plan = analyse(&catalog, &grants, "SELECT attname FROM pg_attribute").unwrap();
        assert!(plan.forward.contains("'{1,2,3,4,5}'"), "granted columns: {}", plan.forward);
    });
}

#[test]
fn a_condition_cannot_run_on_rows_that_are_not_shown() {
    on_large_stack(|| {
        let text = "SELECT 1 FROM pg_class WHERE 1 / (CASE relname WHEN 'x' THEN 0 ELSE 1 END) = 1";
        let plan = analyse(&catalog(), &grants("G"), text).unwrap();
        assert!(plan.forward.contains("OFFSET 0) pg_class"), "{}", plan.forward);
    });
}

#[test]
fn what_a_catalog_is_asked_is_a_fact_and_needs_no_grant_of_its_name() {
    on_large_stack(|| {
        let plan = analyse(
            &catalog(),
            &grants("G"),
            "SELECT t.table_name, c.relname FROM information_schema.tables t, pg_class c",
        )
        .unwrap();
        let touched: Vec<String> =
            plan.facts.touches.iter().map(|touch| touch.relation.to_string()).collect();
        assert_eq!(touched, ["information_schema.tables", "pg_catalog.pg_class"]);
        assert!(!plan.facts.counts() && plan.errors_quote_only_granted);
        assert!(!is_covered(&plan.facts, &grants("G")), "no grant names it; the policy decides");
    });
}

#[test]
#[rustfmt::skip]
fn names_that_are_not_shown_read_as_if_they_were_not_there() {
    on_large_stack(|| {
        let (catalog, grants) = (catalog(), grants("G"));
        let refused = [
            ("SELECT 'hr.salaries'::regclass",                     "unknown_name"),
            ("SELECT 'hr.nothing'::regclass",                      "unknown_name"),
            ("SELECT 'billing.orders'::regclass::oid",             "unknown_name"),
            ("SELECT 'billing.tier'::regtype",                     "unknown_name"),
            ("SELECT 'hr'::regnamespace",                          "unknown_name"),
            ("SELECT 'svc'::regrole",                              "unknown_name"),
            ("SELECT pg_get_indexdef('billing.customers_balance')", "unknown_name"),
            ("SELECT 1 FROM pg_statistic",                         "catalog_not_shown"),
            ("SELECT 1 FROM pg_stat_activity",                     "catalog_not_shown"),
            ("SELECT 1 FROM pg_catalog.nothing",                   "catalog_not_shown"),
            ("INSERT INTO pg_catalog.pg_class(oid) VALUES (1)",    "catalog_not_shown"),
            ("SELECT has_database_privilege(ssn, 'connect') FROM billing.customers", "masked_column_computed"),
            ("SELECT ssn::regclass FROM billing.customers",        "masked_column_computed"),
            ("SELECT obj_description(ssn::oid) FROM billing.customers", "masked_column_computed"),
            ("SELECT has_table_privilege('billing.customers', name) FROM billing.customers", "function_not_allowed"),
            ("SELECT information_schema._pg_truetypid(1, 2)",      "function_not_allowed"),
            ("SELECT c FROM pg_class c",                           "whole_row"),
            ("SELECT c.xmin FROM pg_class c",                      "system_column"),
            ("SELECT '{hr.salaries}'::regclass[]",                 "type_not_allowed"),
            ("SELECT 'svc=r/svc'::aclitem",                        "type_not_allowed"),
        ];
        for (text, code) in refused {
            let refusal = analyse(&catalog, &grants, text).unwrap_err();
            assert_eq!(refusal.code, code, "{text}: {refusal}");
        }
        let one = analyse(&catalog, &grants, "SELECT 'hr.salaries'::regclass").unwrap_err();
        let other = analyse(&catalog, &grants, "SELECT 'hr.salariez'::regclass").unwrap_err();
        assert_eq!(one.message.replace("salaries", "salariez"), other.message);
    });
}

#[test]
fn names_that_are_shown_are_known_by_their_numbers() {
    on_large_stack(|| {
        let (catalog, grants) = (catalog(), grants("G"));
        #[rustfmt::skip]
        let cases = [
            // path                 text                                              forwarded
            ("public",              "'billing.customers'::regclass::oid",             "'16406'::pg_catalog.oid::pg_catalog.oid"),
            ("billing",             "'customers'::regclass = 5",                      "'16406'::pg_catalog.oid OPERATOR(pg_catalog.=) 5"),
            ("billing",             "'CUSTOMERS'::regclass = 5",                      "'16406'::pg_catalog.oid OPERATOR(pg_catalog.=) 5"),
            ("public",              "to_regclass('customers') IS NULL",               "NULL::pg_catalog.oid IS NULL"),
            ("public",              "'billing.customers_pkey'::regclass = 5",         "'90001'::pg_catalog.oid OPERATOR(pg_catalog.=) 5"),
            ("public",              "'agent'::regrole = 5",                           "'10'::pg_catalog.oid OPERATOR(pg_catalog.=) 5"),
            ("public",              "'-'::regclass = 0",                              "'0'::pg_catalog.oid OPERATOR(pg_catalog.=) 0"),
            ("public",              "current_schemas(true)",                          "'{\"pg_catalog\",\"public\"}'::pg_catalog.name[]"),
            ("billing, hr",         "current_schemas(false)",                         "'{\"billing\"}'::pg_catalog.name[]"),
        ];
        for (path, text, forwarded) in cases {
            let path: Vec<&str> = path.split(", ").collect();
            let plan = analyse_in(&catalog, &grants, &path, &format!("SELECT {text}")).unwrap();
            assert!(plan.forward.contains(forwarded), "{text}: {}", plan.forward);
        }
    });
}

#[test]
fn no_value_of_a_type_that_looks_names_up_is_forwarded() {
    on_large_stack(|| {
        let (catalog, grants) = (catalog(), grants("G"));
        let texts = [
            "SELECT conrelid::regclass, conname FROM pg_constraint",
            "SELECT CASE WHEN false THEN conrelid::regclass ELSE 16440 END FROM pg_constraint",
            "SELECT coalesce(conrelid::regclass, '16440') FROM pg_constraint",
            "SELECT conrelid::regclass FROM pg_constraint UNION SELECT 16440",
            "SELECT $1::regclass, to_regtype($2), x.t FROM (SELECT atttypid::regtype AS t FROM pg_attribute) x",
            "SELECT array_agg(oid::regclass), string_agg(oid::regclass::text, ',') FROM pg_class",
            "SELECT typinput, typinput = 'array_in'::regproc FROM pg_type",
            "SELECT relnamespace::regnamespace || '.' || relname FROM pg_class",
            "SELECT relacl FROM pg_class",
        ];
        for text in texts {
            let plan = analyse(&catalog, &grants, text).unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_no_bare_reg(&plan.forward);
        }
    });
}

/// A cast to such a type is itself cast at once.
fn assert_no_bare_reg(forwarded: &str) {
    assert!(!forwarded.contains("aclitem"), "{forwarded}");
    for after in forwarded.split("::pg_catalog.reg").skip(1) {
        let name = after.find("::").map_or("", |at| &after[at..]);
        let is_plain = after
            .find("::")
            .is_some_and(|at| after[..at].bytes().all(|byte| byte.is_ascii_lowercase()));
        let is_cast = ["::pg_catalog.text", "::pg_catalog.oid"].map(|to| name.starts_with(to));
        assert!(is_plain && is_cast.contains(&true), "{forwarded}");
    }
    for after in forwarded.split("pg_catalog.to_reg").skip(1) {
        let end = after.find(')').unwrap_or(0);
        assert!(after[end..].starts_with(")::pg_catalog.oid"), "{forwarded}");
    }
}

#[test]
fn settings_that_are_named_late_are_those_that_clients_may_see() {
    on_large_stack(|| {
        let (catalog, grants) = (catalog(), grants("G"));
        let plan = analyse(&catalog, &grants, "SELECT current_setting($1::varchar)").unwrap();
        assert!(plan.forward.contains("WHEN 'search_path' THEN"), "{}", plan.forward);
        assert!(!plan.forward.contains("data_directory"), "{}", plan.forward);
        let plan = analyse(&catalog, &grants, "SELECT set_config('jit', $1, false)").unwrap();
        assert!(plan.forward.contains("IN ('on', 'off')"), "{}", plan.forward);
        for text in
            ["SELECT set_config($1, 'on', false)", "SELECT set_config('TimeZone', $1, false)"]
        {
            assert!(analyse(&catalog, &grants, text).is_err(), "{text}");
        }
        let masked = "SELECT current_setting(ssn) FROM billing.customers";
        let refusal = analyse(&catalog, &grants, masked).unwrap_err();
        assert_eq!(refusal.code, "masked_column_computed");
    });
}

#[test]
fn a_statement_may_not_name_catalogs_without_end() {
    on_large_stack(|| {
        let (catalog, grants) = (catalog(), grants("G"));
        let text = |count: usize| {
            let names: Vec<String> = (0..count).map(|n| format!("pg_namespace n{n}")).collect();
            format!("SELECT 1 FROM {}", names.join(", "))
        };
        assert!(analyse(&catalog, &grants, &text(sql::SYSTEM_SOURCES_MAX)).is_ok());
        let refusal = analyse(&catalog, &grants, &text(sql::SYSTEM_SOURCES_MAX + 1)).unwrap_err();
        assert_eq!(refusal.code, "statement_too_large");
    });
}

#[test]
fn what_pg_dump_asks_is_answered_for_what_is_shown() {
    on_large_stack(|| {
        let (catalog, grants) = (catalog(), grants("G"));
        let forward = |text: &str| analyse(&catalog, &grants, text).unwrap().forward;
        let values = "SELECT c.oid, last_value FROM pg_class c, pg_get_sequence_data(c.oid)";
        assert!(forward(values).contains(" = ANY('{}'::pg_catalog.oid[])"), "{}", forward(values));
        let text = "SELECT set_config(name, 'on', false) FROM pg_settings WHERE name = 'jit'";
        assert!(forward(text).contains("\"jit\"") && !forward(text).contains("\"is_superuser\""));
        // What stands between the columns 1 and 3 looks like a column that was dropped.
        let columns = grants.iter().map(|(key, columns)| {
            let kept = columns.iter().filter(|name| *name != "name").cloned().collect();
            (key.clone(), kept)
        });
        let fewer = columns.collect();
        let plan = analyse(&catalog, &fewer, "SELECT attname, attnum FROM pg_attribute").unwrap();
        assert!(plan.forward.contains("pg.dropped") && plan.forward.contains("'{2}'"));
        assert_eq!(plan.outputs[0].origin, None);
        let text = "SELECT pg_get_viewdef(16480), pg_get_viewdef(c.oid, true) FROM pg_class c";
        assert!(!forward(text).contains("16480}"), "a view that no grant names");
    });
}
