//! LISTEN, UNLISTEN, NOTIFY, `pg_notify`: what is forwarded, and which channel is touched.

use model::{Action, RelationName, StatementKind};

use crate::common::{Grants, analyse_in, catalog};

#[test]
fn a_channel_is_named_as_postgresql_reads_it() {
    let catalog = catalog();
    let long = format!("LISTEN \"{}\"", "é".repeat(40));
    let whole = "é".repeat(31);
    let cut = format!("LISTEN \"{whole}\"");
    #[rustfmt::skip]
    let cases = [
        ("listen Orders",                   "LISTEN orders",                    Some((Action::Listen, "orders"))),
        (r#"LISTEN "Orders""#,              r#"LISTEN "Orders""#,               Some((Action::Listen, "Orders"))),
        (r#"LISTEN "a""b; c""#,             r#"LISTEN "a""b; c""#,              Some((Action::Listen, r#"a"b; c"#))),
        (r#"LISTEN U&"\006frders""#,        "LISTEN orders",                    Some((Action::Listen, "orders"))),
        (&long,                             &cut,                               Some((Action::Listen, &whole))),
        ("UNLISTEN Orders",                 "UNLISTEN orders",                  None),
        ("UNLISTEN *",                      "UNLISTEN *",                       None),
        ("NOTIFY orders",                   "NOTIFY orders",                    Some((Action::Notify, "orders"))),
        ("NOTIFY orders, 'it''s'",          "NOTIFY orders, 'it''s'",           Some((Action::Notify, "orders"))),
        (r#"NOTIFY "a b", $x$\ 'q'$x$"#,    r#"NOTIFY "a b", E'\\ ''q'''"#,     Some((Action::Notify, "a b"))),
    ];
    for (text, forward, touched) in cases {
        let plan = analyse_in(&catalog, &Grants::new(), &["billing"], text).unwrap();
        assert_eq!(&*plan.forward, forward, "{text}");
        let touches: Vec<_> =
            plan.facts.touches.iter().map(|touch| (touch.action, touch.relation.clone())).collect();
        let expected = touched.map(|(action, name)| (action, RelationName::channel(name)));
        assert_eq!(touches, expected.into_iter().collect::<Vec<_>>(), "{text}");
        let writes = plan.facts.kind == StatementKind::Write;
        assert_eq!(writes, text.starts_with("NOTIFY"), "{text}");
    }
}

#[test]
fn pg_notify_names_its_channel_by_a_literal() {
    let catalog = catalog();
    let analyse = |text: &str| analyse_in(&catalog, &Grants::new(), &["billing"], text);
    let plan = analyse("SELECT pg_notify('Orders'::text, $1), 1").unwrap();
    assert_eq!(plan.facts.kind, StatementKind::Write);
    assert_eq!(plan.facts.touches[0].relation, RelationName::channel("Orders"));
    assert!(plan.forward.contains("pg_catalog.pg_notify('Orders'"), "{}", plan.forward);
    #[rustfmt::skip]
    let cases = [
        ("SELECT pg_notify($1, 'x')",                        "channel_not_named"),
        ("SELECT pg_notify(upper('x'), 'x')",                "channel_not_named"),
        ("SELECT pg_notify('', 'x')",                        "channel_name"),
        ("SELECT pg_notify('x')",                            "unknown_function"),
        ("SELECT pg_notify('x', 'y') OVER ()",               "unknown_function"),
        ("SELECT pg_notify(VARIADIC ARRAY['x', 'y'])",       "unknown_function"),
        ("SELECT * FROM pg_notify('x', 'y')",                "function_not_allowed"),
        ("SELECT other.pg_notify('x', 'y')",                 "function_not_allowed"),
    ];
    for (text, code) in cases {
        assert_eq!(analyse(text).unwrap_err().code, code, "{text}");
    }
}
