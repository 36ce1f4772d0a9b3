//! Several statements in one text.

use sql::{Block, ClientSettings, Effect, Piece, Refusal, Request, Setting, SettingSpan};

use crate::common::{ask, catalog, grants};

fn script(text: &str, block: Block) -> Result<Vec<Piece>, Refusal> {
    script_after(&ClientSettings::default(), text, block)
}

fn script_after(
    settings: &ClientSettings,
    text: &str,
    block: Block,
) -> Result<Vec<Piece>, Refusal> {
    ask(&catalog(), &grants("GW"), &settings.search_path, |request| {
        sql::analyse_script(&Request { text, settings, ..*request }, block)
    })
}

/// What would be forwarded, or the code of the refusal.
fn forwarded(text: &str, block: Block) -> String {
    match script(text, block) {
        Ok(pieces) => sql::join(pieces.iter().map(|piece| &*piece.plan.forward)),
        Err(refusal) => refusal.code.to_owned(),
    }
}

/// What is forwarded for a SET that the gateway keeps.
const KEPT: &str = "SET client_encoding TO 'UTF8'";

#[test]
fn each_statement_is_judged_under_what_those_before_it_set() {
    let plans = "SELECT plans.plan AS plan FROM ONLY billing.plans";
    let kept = KEPT;
    #[rustfmt::skip]
    let cases = [
        ("SET search_path = billing; SELECT plan FROM plans",            format!("{kept}; {plans}")),
        ("SELECT plan FROM plans; SET search_path = billing",            "unknown_relation".to_owned()),
        ("SET LOCAL search_path = billing; SELECT plan FROM plans",      format!("{kept}; {plans}")),
        ("SET LOCAL search_path = billing; COMMIT; SELECT plan FROM plans", "unknown_relation".to_owned()),
        ("SET search_path = billing; COMMIT; SELECT plan FROM plans",    format!("{kept}; COMMIT; {plans}")),
        ("SET search_path = billing; ROLLBACK; SELECT plan FROM plans",  "unknown_relation".to_owned()),
        ("BEGIN; SET search_path = billing; ROLLBACK; SELECT plan FROM plans", "unknown_relation".to_owned()),
        ("SET search_path = billing; BEGIN; ROLLBACK; SELECT plan FROM plans", "unknown_relation".to_owned()),
        ("BEGIN; SET search_path = billing; COMMIT; SELECT plan FROM plans", format!("BEGIN; {kept}; COMMIT; {plans}")),
        (";; SELECT 1 ;; -- nothing\n; VALUES (2);",                     r#"SELECT 1 AS "?column?"; VALUES (2)"#.to_owned()),
        (" ; -- nothing",                                                ";".to_owned()),
        ("",                                                             String::new()),
        ("SELECT 1; SELEC 2",                                            "syntax_error".to_owned()),
        ("SELECT 1; DROP TABLE billing.plans",                           "definition_not_allowed".to_owned()),
        ("SELECT 1; SELECT ssn || '' FROM billing.customers",            "masked_column_computed".to_owned()),
    ];
    for (text, expected) in cases {
        assert_eq!(forwarded(text, Block::Outside), expected, "{text}");
    }
}

#[test]
fn commit_undoes_what_was_set_in_a_transaction_that_has_failed() {
    let mut settings = ClientSettings::default();
    let set = |value: &str| Effect::Set {
        setting: Setting::SearchPath,
        value: Some(value.to_owned()),
        span: SettingSpan::Session,
    };
    for effect in [Effect::Begin, Effect::Savepoint("s".to_owned()), set("billing")] {
        settings.apply(&effect);
    }
    let text = "COMMIT; SELECT plan FROM plans";
    assert!(script_after(&settings, text, Block::Open).is_ok());
    let refused = script_after(&settings, text, Block::Failed).unwrap_err();
    assert_eq!(refused.code, "unknown_relation");
    let text = "ROLLBACK TO s; SET search_path = billing; COMMIT; SELECT plan FROM plans";
    assert!(script_after(&settings, text, Block::Failed).is_ok());
}

#[test]
fn each_statement_keeps_its_own_text() {
    let pieces = script("SELECT 1 ; /* é */ SELECT plan FROM billing.plans;", Block::Outside);
    let texts: Vec<_> = pieces.unwrap().into_iter().map(|piece| piece.text.to_string()).collect();
    assert_eq!(texts, ["SELECT 1", "/* é */ SELECT plan FROM billing.plans;"]);
    let one = script("  SELECT 1 ;; ", Block::Outside).unwrap();
    assert_eq!(&*one[0].text, "  SELECT 1 ;; ", "the only statement is the whole text");
}

#[test]
fn a_text_has_so_many_statements_and_no_more() {
    let text = |count| "SELECT 1;".repeat(count);
    assert_eq!(script(&text(sql::STATEMENTS_MAX), Block::Outside).unwrap().len(), 500);
    let refused = script(&text(sql::STATEMENTS_MAX + 1), Block::Outside).unwrap_err();
    assert_eq!(refused.code, "statement_too_large");
    // Together they may not become longer than one may.
    let wide = "SELECT * FROM billing.customers;";
    let wide = format!("SELECT '{}';", "x".repeat(200_000)) + &wide.repeat(400);
    assert!(script(&wide, Block::Outside).is_ok());
}
