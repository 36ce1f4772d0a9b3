//! Cursors and prepared statements: what is kept is judged, and what names it says so.

use model::Action::{Delete, Select, Update};
use model::{RelationName, StatementKind};
use sql::{CursorSpan, Effect, Plan, Refusal, Shows, Uses};

use crate::common::{Grants, analyse_in, catalog, grant};

fn analyse(text: &str) -> Result<Plan, Refusal> {
    let mut grants = Grants::new();
    grant(&mut grants, &[Select, Update, Delete], "billing.customers", &["id", "name", "ssn"]);
    analyse_in(&catalog(), &grants, &["billing"], text)
}

fn plan(text: &str) -> Plan {
    analyse(text).unwrap_or_else(|refusal| panic!("{text}: {refusal:?}"))
}

#[test]
fn each_form_is_written_out_as_it_was_judged() {
    let bare = "SELECT id, ssn FROM customers";
    let masked =
        "SELECT customers.id AS id, '********'::pg_catalog.text AS ssn FROM ONLY billing.customers";
    #[rustfmt::skip]
    let cases = [
        (format!("DECLARE c CURSOR FOR {bare}"),                format!("DECLARE c CURSOR FOR {masked}")),
        (format!("DECLARE C BINARY NO SCROLL CURSOR WITH HOLD FOR {bare}"),
                                                                format!("DECLARE c BINARY NO SCROLL CURSOR WITH HOLD FOR {masked}")),
        (format!("PREPARE p (int, text[]) AS {bare}"),          format!("PREPARE p(int, pg_catalog.text[]) AS {masked}")),
    ];
    for (text, expected) in cases {
        let forward = plan(&text).forward;
        let plain = |text: &str| text.replace("pg_catalog.", "").replace('"', "").to_lowercase();
        assert_eq!(plain(&forward), plain(&expected), "{text}");
    }
    #[rustfmt::skip]
    let same = [
        "FETCH 5 FROM c", "FETCH ALL FROM c", "FETCH BACKWARD ALL FROM c", "FETCH ABSOLUTE -3 FROM c",
        "MOVE 5 FROM c", "CLOSE c", "CLOSE ALL", "DEALLOCATE ALL", "EXECUTE p", "DISCARD ALL", "DISCARD PLANS",
        "DISCARD SEQUENCES", "DISCARD TEMP", "RESET ALL",
    ];
    for text in same {
        let plain = |text: &str| text.replace("FORWARD ", "").replace("FROM ", "");
        assert_eq!(plain(&plan(text).forward), plain(text), "{text}");
    }
}

#[test]
fn what_is_kept_and_what_is_named_stand_in_the_plan() {
    let declare =
        plan("DECLARE \"C c\" CURSOR WITH HOLD FOR SELECT id FROM customers WHERE id > $2");
    assert_eq!(declare.effect, Effect::Declare { name: "C c".into(), span: CursorSpan::Session });
    assert_eq!((declare.facts.kind, declare.facts.touches.len()), (StatementKind::Read, 1));
    assert!(declare.outputs.is_empty());
    assert_eq!(declare.parameters_max, 2);
    assert_eq!(declare.kept.unwrap().outputs.len(), 1);

    let prepare = plan("PREPARE p AS DELETE FROM customers WHERE id = $1");
    assert_eq!(prepare.effect, Effect::Prepare("p".into()));
    assert_eq!(prepare.facts.kind, StatementKind::Prepare);
    assert_eq!(prepare.parameters_max, 0);
    let kept = prepare.kept.unwrap();
    assert_eq!(kept.facts.kind, StatementKind::Write);
    assert_eq!(kept.facts.touches, prepare.facts.touches);

    let fetch = plan("FETCH 2 FROM c");
    assert_eq!(fetch.uses, Uses::Cursor { name: "c".into(), shows: Shows::Rows });
    let select = plan("SELECT id, ssn FROM customers").into();
    let resolved = fetch.resolved(&select);
    assert_eq!(resolved.outputs, select.outputs);
    assert_eq!(resolved.facts, select.facts);
    assert_eq!(resolved.forward, fetch.forward);
    assert!(plan("MOVE 2 FROM c").resolved(&select).outputs.is_empty());

    let execute = plan("EXECUTE p(7, 'x', true, NULL, '1'::int)").resolved(&kept);
    assert_eq!(execute.facts, kept.facts);

    let update = plan("UPDATE customers SET name = 'x' WHERE CURRENT OF c");
    let relation = RelationName::new("billing", "customers");
    assert_eq!(update.uses, Uses::Position { cursor: "c".into(), relation });
    assert_eq!(update.resolved(&select).facts, update.facts);
}

#[test]
fn what_is_refused_says_why() {
    #[rustfmt::skip]
    let cases = [
        ("DECLARE c CURSOR FOR SELECT id FROM customers WHERE ssn = 'x'",       "masked_column_computed"),
        ("DECLARE c CURSOR FOR SELECT * FROM nothing",                          "unknown_relation"),
        ("PREPARE p AS SELECT upper(ssn) FROM customers",                       "masked_column_computed"),
        ("PREPARE p (regclass) AS SELECT $1",                                   "type_not_allowed"),
        ("PREPARE p (nothing.t) AS SELECT $1",                                  "type_not_allowed"),
        ("PREPARE p AS DELETE FROM customers WHERE CURRENT OF c",               "nested_use"),
        ("EXECUTE p(id)",                                                       "unknown_column"),
        ("EXECUTE p((SELECT id FROM customers LIMIT 1))",                       "not_supported_argument"),
        ("EXECUTE p($1)",                                                       "not_supported_argument"),
        // A cast that hstore brings could take what is computed.
        ("EXECUTE p(lower('x'))",                                               "conversion_not_allowed"),
        ("EXECUTE p(pg_read_file('x'))",                                        "function_not_allowed"),
        ("SELECT 1 FROM customers WHERE id IN (SELECT 1) AND CURRENT OF c",     "syntax_error"),
        ("EXPLAIN EXECUTE p",                                                   "not_supported_explain"),
        ("CREATE TABLE t AS EXECUTE p",                                         "definition_not_allowed"),
    ];
    for (text, code) in cases {
        match analyse(text) {
            Ok(plan) => panic!("{text} is allowed: {}", plan.forward),
            Err(refusal) => assert_eq!(refusal.code, code, "{text}: {refusal:?}"),
        }
    }
}
