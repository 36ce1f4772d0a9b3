//! No conversion runs a function of the database's, and ON CONFLICT asks only for what is granted.

use model::Action::{Delete, Insert, Select, Update};
use sql::{Catalog, parameter_type_allowed};

use crate::common::{Grants, analyse_in, ask, catalog_edited, grant, on_large_stack};

/// A table `t` with an enum, an array of it, an hstore, a domain, and columns of PostgreSQL's own.
const TABLE: [&str; 11] = [
    r#"["relations", "99", "billing", "t", "r", "f", "f", "f"]"#,
    r#"["columns", "99", "1", "id", "23", "-1"]"#,
    r#"["columns", "99", "2", "tier", "16393", "-1"]"#,
    r#"["columns", "99", "3", "tiers", "16392", "-1"]"#,
    r#"["columns", "99", "4", "h", "16511", "-1"]"#,
    r#"["columns", "99", "5", "name", "25", "-1"]"#,
    r#"["columns", "99", "6", "doc", "114", "-1"]"#,
    r#"["columns", "99", "7", "d", "90000", "-1"]"#,
    r#"["columns", "99", "8", "other", "90001", "-1"]"#,
    r#"["types", "90000", "billing", "short", "d", "25", "-1", "0"]"#,
    r#"["types", "90001", "billing", "mood", "e", "0", "-1", "0"]"#,
];

fn catalog(more: &[&str]) -> Catalog {
    catalog_edited(&[], &[TABLE.as_slice(), more].concat())
}

fn code(catalog: &Catalog, text: &str) -> Option<&'static str> {
    let mut grants = Grants::new();
    let columns = ["id", "tier", "tiers", "h", "name", "doc", "d", "other"];
    grant(&mut grants, &[Select, Insert, Update, Delete], "billing.t", &columns);
    let path = ["billing"];
    analyse_in(catalog, &grants, &path, text).err().map(|refusal| refusal.code)
}

const REFUSED: Option<&str> = Some("conversion_not_allowed");

#[test]
fn no_conversion_runs_a_function_of_the_database() {
    #[rustfmt::skip]
    let cases = [
        ("SELECT 'gold'::tier, NULL::tier, $1::tier, tier::tier, '{gold}'::tier[] FROM t", None),
        ("SELECT ARRAY['gold', $1]::tier[], tiers::tier[] FROM t",   None),
        ("SELECT tier, tier::text, h, h::text FROM t WHERE tier = 'gold'", None),
        ("SELECT (12 || '3')::billing.tier",                         REFUSED),
        ("SELECT CAST(name AS tier) FROM t",                         REFUSED),
        ("SELECT other::tier FROM t",                                REFUSED),
        ("SELECT 12::tier",                                          REFUSED),
        ("SELECT 'gold'::text::tier",                                REFUSED),
        ("SELECT coalesce($1, name)::tier FROM t",                   REFUSED),
        ("SELECT ARRAY[name]::tier[] FROM t",                        REFUSED),
        ("SELECT (SELECT name FROM t LIMIT 1)::tier",                REFUSED),
        // hstore brings hstore to json and jsonb, and text[] to hstore.
        ("SELECT doc::json, name::json, $1::json, '{}'::jsonb, (name || '')::jsonb FROM t", None),
        ("SELECT h::json FROM t",                                    REFUSED),
        ("SELECT h::jsonb FROM t",                                   REFUSED),
        ("SELECT coalesce(h, h)::json FROM t",                       REFUSED),
        ("SELECT x::json FROM (SELECT coalesce(h, NULL) AS x FROM t) s", REFUSED),
        ("SELECT (SELECT h FROM t LIMIT 1)::json",                   REFUSED),
        // Writing JSON runs that cast, too.
        ("SELECT to_json(name), json_agg(id) FROM t GROUP BY name", None),
        ("SELECT to_json(h) FROM t",                                 REFUSED),
        ("SELECT to_jsonb(ARRAY[h]) FROM t",                         REFUSED),
        ("SELECT row_to_json(t) FROM t",                             REFUSED),
        ("SELECT json_agg(x) FROM (SELECT id, h FROM t) x",          REFUSED),
        ("COPY (SELECT json_build_object('h', h) FROM t) TO STDOUT", REFUSED),
        ("SELECT JSON_ARRAY(h) FROM t",                              REFUSED),
        ("INSERT INTO t (tier, tiers, name, d) VALUES ('gold', '{}', lower('A'), lower('B'))", None),
        ("INSERT INTO t (tier, h) VALUES (DEFAULT, NULL)",           None),
        ("INSERT INTO t (tier, tiers) VALUES ($1, $2), ('gold'::tier, ARRAY['gold']::tier[])", None),
        ("INSERT INTO t (tier, h) SELECT tier, h FROM t",            None),
        ("INSERT INTO t (tier) SELECT 'gold'",                       None),
        ("INSERT INTO t (id, tier) SELECT 1, $1",                    None),
        ("INSERT INTO t (tier) VALUES ('go' || 'ld')",               REFUSED),
        ("INSERT INTO t (id, tier) VALUES (1, 'gold'), (2, lower('gold'))", REFUSED),
        ("INSERT INTO t (tier) SELECT name FROM t",                  REFUSED),
        ("INSERT INTO t (tier) SELECT other FROM t",                 REFUSED),
        ("INSERT INTO t (tier) SELECT lower('gold')",                REFUSED),
        ("INSERT INTO t (tier) SELECT 'gold' UNION SELECT name FROM t", REFUSED),
        ("INSERT INTO t (h) VALUES (ARRAY['a', 'b'])",               REFUSED),
        ("INSERT INTO t (tiers) VALUES (ARRAY['gold'])",             REFUSED),
        ("SELECT ARRAY[ARRAY['gold'], ARRAY[name]]::tier[] FROM t",  REFUSED),
        ("SELECT ARRAY[h]::json[] FROM t",                           REFUSED),
        ("SELECT ARRAY[ARRAY['gold']]::tier[], ARRAY['{}']::json[]", None),
        ("INSERT INTO t (h) VALUES ($1)",                            REFUSED),
        ("INSERT INTO t (doc) SELECT h FROM t",                      REFUSED),
        ("INSERT INTO t VALUES (1, lower('gold'))",                  REFUSED),
        ("UPDATE t SET tier = 'gold', h = h, name = lower(name), doc = '{}', d = name", None),
        ("UPDATE t SET (id, tier) = (1, 'gold')",                    None),
        ("UPDATE t SET tier = lower(name)",                          REFUSED),
        ("UPDATE t SET tier = CASE WHEN id = 1 THEN name END",       REFUSED),
        ("UPDATE t SET tier = name",                                 REFUSED),
        ("UPDATE t SET doc = h",                                     REFUSED),
        ("UPDATE t SET (id, tier) = (1, name)",                      REFUSED),
        ("UPDATE t SET (id, tier) = (SELECT 1, name FROM t)",        REFUSED),
        ("UPDATE t SET tier = (SELECT name FROM t)",                 REFUSED),
        ("INSERT INTO t (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET tier = excluded.tier", None),
        ("INSERT INTO t (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET tier = lower('a')", REFUSED),
    ];
    on_large_stack(move || {
        let catalog = catalog(&[]);
        for (text, expected) in cases {
            assert_eq!(code(&catalog, text), expected, "{text}");
        }
    });
}

#[test]
fn a_conversion_that_the_database_defines_is_never_used() {
    let into = catalog(&[r#"["casts", "25", "16393", "e"]"#]);
    let from = catalog(&[r#"["casts", "16393", "25", "a"]"#]);
    let implicit = catalog(&[r#"["casts", "16393", "25", "i"]"#]);
    #[rustfmt::skip]
    let cases = [
        (&into, "SELECT 'gold'::tier, tier FROM t WHERE tier = 'gold'", None),
        (&into, "SELECT $1::tier",                        REFUSED), // The client may say that $1 is a text.
        (&into, "INSERT INTO t (tier) VALUES ($1)",       REFUSED),
        (&into, "SELECT (12 || '3')::tier",               REFUSED),
        (&from, "SELECT name::text, 'a'::text, 1::text, tier FROM t", None),
        (&from, "SELECT tier::text FROM t",               REFUSED),
        (&from, "SELECT 'gold'::tier::text",              REFUSED),
        (&from, "SELECT max(tier)::text FROM t",          REFUSED),
        (&from, "SELECT $1::text",                        REFUSED), // Or a tier.
        (&from, "UPDATE t SET name = tier",               REFUSED),
        (&from, "INSERT INTO t (name) SELECT tier FROM t", REFUSED),
        (&implicit, "SELECT tier, name FROM t",           None),
        (&implicit, "SELECT lower(tier) FROM t",          REFUSED),
        (&implicit, "SELECT id FROM t WHERE tier = name", REFUSED),
        (&implicit, "SELECT lower('gold'::tier)",         REFUSED),
        (&implicit, "SELECT lower('{gold}'::tier[])",     REFUSED),
    ];
    for (catalog, expected) in [(&into, true), (&from, false), (&implicit, false)] {
        let mut grants = Grants::new();
        let nothing = ask(catalog, &grants, &[], |r| parameter_type_allowed(r, 16393));
        assert!(!nothing, "a type that no grant shows");
        grant(&mut grants, &[Select], "billing.t", &["tier"]);
        let allowed = ask(catalog, &grants, &[], |r| parameter_type_allowed(r, 16393));
        assert_eq!(allowed, expected);
    }
    for (catalog, text, expected) in cases {
        assert_eq!(code(catalog, text), expected, "{text}");
    }
}

#[test]
fn on_conflict_asks_only_for_keys_that_may_be_read() {
    let plain = catalog(&[r#"["keys", "99", "1"]"#, r#"["keys", "99", "5"]"#]);
    let expression = catalog(&[r#"["keys", "99", "1"]"#, r#"["keys", "99", "0"]"#]);
    let nothing = catalog(&[]);
    let text = "INSERT INTO t (id) VALUES (1) ON CONFLICT DO NOTHING";
    let judge = |catalog: &Catalog, text: &str, readable: &[&str]| {
        let mut grants = Grants::new();
        grant(&mut grants, &[Insert], "billing.t", &["id", "name"]);
        grant(&mut grants, &[Select], "billing.t", readable);
        grant(&mut grants, &[Select, Insert], "billing.customers", &["id", "account_number"]);
        analyse_in(catalog, &grants, &["billing"], text).map_err(|refusal| refusal.code)
    };
    let needed = "conflict_target_needed";
    let allowed = judge(&plain, text, &["id", "name"]).expect("a plan");
    let read: Vec<_> =
        allowed.facts.touches.iter().filter(|touch| touch.action == Select).collect();
    assert!(read.len() == 1 && read[0].columns.iter().eq(["id", "name"]), "{read:?}");
    assert_eq!(judge(&plain, text, &["id"]).err(), Some(needed));
    assert_eq!(judge(&expression, text, &["id", "name"]).err(), Some(needed));
    assert_eq!(judge(&nothing, text, &["id"]).err(), None);
    let named = "INSERT INTO t (id) VALUES (1) ON CONFLICT (id) DO NOTHING";
    assert_eq!(judge(&expression, named, &["id"]).err(), None);
    let masked = "INSERT INTO customers (id) VALUES (1) ON CONFLICT DO NOTHING";
    assert_eq!(judge(&plain, masked, &["id"]).err(), Some(needed));
}
