//! However a statement is spelled or nested, a masked use stays refused and no raw masked column
//! is forwarded.

use std::sync::{Arc, LazyLock};

use model::Action::{Delete, Insert, Select, Update};
use pg_query::protobuf::Token;
use proptest::prelude::*;
use sql::Catalog;

use crate::common::{Grants, analyse_in, catalog, corpus, grant, on_large_stack};
use crate::raw::raw_columns;

static CATALOG: LazyLock<Arc<Catalog>> = LazyLock::new(|| Arc::new(catalog()));

fn all_grants() -> Grants {
    let mut grants = Grants::new();
    let customers =
        ["id", "name", "plan", "account_number", "ssn", "balance", "meta", "ssn_copy", "region"];
    grant(&mut grants, &[Select], "billing.customers", &customers);
    grant(&mut grants, &[Select], "billing.customers_vip", &customers);
    grant(&mut grants, &[Select], "billing.v_customers", &["id", "name", "ref", "tin"]);
    let every = [Select, Insert, Update, Delete];
    grant(&mut grants, &every, "billing.plans", &["plan", "price"]);
    grants
}

/// The statement's refusal, or what is forwarded if nothing raw is in it.
fn judge(text: String) -> Result<String, &'static str> {
    on_large_stack(move || {
        let plan = analyse_in(&CATALOG, &all_grants(), &["billing"], &text).map_err(|r| r.code)?;
        let raw = raw_columns(&plan.forward);
        assert!(raw.is_empty(), "{raw:?} in {}\nfrom {text}", plan.forward);
        Ok(plan.forward.to_string())
    })
}

/// Decides what a generator does next.
struct Choices {
    bytes: Vec<u8>,
    next: usize,
}

impl Choices {
    /// A number below `limit`; zero, the simplest choice, once the bytes are used up.
    fn below(&mut self, limit: usize) -> usize {
        let byte = self.bytes.get(self.next).copied().unwrap_or(0);
        self.next += 1;
        usize::from(byte) % limit
    }

    fn of<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[self.below(words.len())]
    }
}

/// The same statement in another spelling.
fn respelled(text: &str, choices: &mut Choices) -> String {
    let tokens = pg_query::scan(text).expect("tokens").tokens;
    let mut spelled = String::new();
    for token in tokens {
        let start = usize::try_from(token.start).expect("a place");
        let end = usize::try_from(token.end).expect("a place");
        let word = &text[start..end];
        let is_word = word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
            && word.starts_with(|c: char| c.is_ascii_alphabetic());
        let plain = word.to_ascii_lowercase();
        match (token.token(), choices.below(6)) {
            (Token::SqlComment | Token::CComment, _) => {}
            (Token::Ident, 1) if is_word => spelled.extend(["\"", &plain, "\""]),
            (Token::Ident, 2) if is_word => {
                let first = u32::from(plain.chars().next().expect("a letter"));
                let escaped = format!("\\{first:04x}");
                spelled.extend(["U&\"", &escaped, &plain[1..], "\""]);
            }
            (Token::Ident, 3) if is_word => {
                let first = u32::from(plain.chars().next().expect("a letter"));
                let escaped = format!("!+{first:06x}");
                spelled.extend(["U&\"", &escaped, &plain[1..], "\" UESCAPE '!'"]);
            }
            (_, 4) if is_word => spelled.push_str(&word.to_ascii_uppercase()),
            _ => spelled.push_str(word),
        }
        spelled.push_str(choices.of(&[
            " ",
            "  ",
            "\n",
            "\t",
            " /**/ ",
            "/* /* ssn */ */ ",
            " --\n",
            " -- ssn, *\r\n",
            "\u{c}",
        ]));
    }
    spelled
}

/// A query around another whose output `v` holds what a masked column gave.
fn nested(inner: String, choices: &mut Choices) -> String {
    match choices.below(12) {
        0 => inner,
        1 => format!("SELECT s.v FROM ({inner}) s"),
        2 => format!("SELECT v FROM ({inner}) AS s(v)"),
        3 => format!("WITH s AS ({inner}) SELECT v FROM s"),
        4 => format!("WITH s(v) AS MATERIALIZED ({inner}) SELECT s.v FROM s, plans p"),
        5 => format!("SELECT l.v FROM plans p CROSS JOIN LATERAL ({inner}) l"),
        6 => format!("SELECT (s).v FROM ({inner}) s"),
        7 => format!("SELECT s.v FROM (VALUES (1)) one(n) LEFT JOIN ({inner}) AS s(v) ON true"),
        8 => format!("WITH s AS NOT MATERIALIZED ({inner}) SELECT s.* FROM s"),
        9 => format!("SELECT s.v FROM ROWS FROM (generate_series(1, 2)) g, LATERAL ({inner}) s(v)"),
        10 => format!("({inner})"),
        _ => format!("SELECT q.* FROM ({inner} OFFSET 0) q"),
    }
}

/// Where the bare masked column comes from, as `v`.
fn source(choices: &mut Choices) -> String {
    let text = choices.of(&[
        "SELECT ssn AS v FROM customers",
        "SELECT c.account_number AS v FROM billing.customers c",
        "SELECT c.v FROM (SELECT id, name, plan, ssn FROM customers) AS c(a, b, d, v)",
        "SELECT ref AS v FROM v_customers",
        "SELECT ssn_copy AS v FROM customers_vip",
        "SELECT ssn AS v FROM customers JOIN plans USING (plan)",
        "SELECT j.ssn AS v FROM (customers NATURAL JOIN plans) AS j",
        "SELECT billing.customers.ssn AS v FROM customers",
        "SELECT (((customers.ssn))) AS v FROM ONLY customers",
        "SELECT x.ssn AS v FROM plans LEFT JOIN customers x ON x.plan = plans.plan",
    ]);
    text.to_owned()
}

/// A query that computes with the `v` of another.
fn computing(inner: &str, choices: &mut Choices) -> String {
    let shape = choices.of(&[
        "SELECT upper(t.v) FROM (@) t",
        "SELECT 1 FROM (@) t WHERE t.v LIKE '1%'",
        "SELECT t.v FROM (@) t ORDER BY 1",
        "SELECT t.v FROM (@) t ORDER BY v",
        "SELECT t.v FROM (@) t ORDER BY t.v",
        "SELECT DISTINCT t.v FROM (@) t",
        "SELECT count(*) FROM (@) t GROUP BY t.v",
        "SELECT t.v AS w FROM (@) t GROUP BY w",
        "SELECT max(t.v) FROM (@) t",
        "SELECT t.v::text FROM (@) t",
        "SELECT coalesce(t.v, '') FROM (@) t",
        "SELECT t FROM (@) t",
        "SELECT t.v FROM (@) t UNION ALL SELECT 'x'",
        "SELECT 1 FROM (@) t JOIN (@) u USING (v)",
        "SELECT 1 FROM (@) t NATURAL JOIN (@) u",
        "SELECT 1 FROM (@) t JOIN plans p ON p.plan = t.v",
        "SELECT (@ LIMIT 1)",
        "SELECT ARRAY(@)",
        "SELECT 1 FROM plans WHERE plan IN (@)",
        "SELECT 1 FROM plans WHERE plan > ALL (@)",
        "SELECT CASE t.v WHEN 'x' THEN 1 END FROM (@) t",
        "SELECT t.v IS NULL FROM (@) t",
        "SELECT row_number() OVER (PARTITION BY t.v) FROM (@) t",
        "SELECT jsonb_build_object('a', t.v) FROM (@) t",
        "SELECT x FROM (@) t, unnest(ARRAY[t.v]) x",
        "SELECT 1 FROM (@) t LIMIT (SELECT length(max(u.v)) FROM (@) u)",
        "WITH RECURSIVE r(v) AS (@ UNION ALL SELECT 'x' FROM r WHERE false) SELECT v FROM r",
        "SELECT 1 HAVING (SELECT true FROM (@) t WHERE t.v = 'x')",
        "VALUES ((@ LIMIT 1))",
        "(@) EXCEPT SELECT 'x'",
        "SELECT row_to_json(t) FROM (@) t",
        "SELECT t.*::text FROM (@) t",
        "SELECT ROW(t.*) FROM (@) t",
        "SELECT JSON_OBJECT('k': t.v) FROM (@) t",
        "SELECT JSON_ARRAY(@)",
        "SELECT j.k FROM (@) t, JSON_TABLE(t.v::jsonb, '$' COLUMNS (k text PATH '$')) j",
        "SELECT t.v IS JSON FROM (@) t",
        "MERGE INTO plans p USING (@) t ON p.plan = t.v WHEN MATCHED THEN DELETE",
        "MERGE INTO plans p USING (@) t ON true WHEN NOT MATCHED THEN INSERT (plan) VALUES (t.v)",
        "MERGE INTO plans p USING (@) t ON true WHEN MATCHED AND t.v > 'a' THEN DO NOTHING",
        "WITH w AS (INSERT INTO plans (plan) @ RETURNING plan) SELECT * FROM w",
        "WITH w AS (UPDATE plans SET plan = t.v FROM (@) t RETURNING 1) SELECT * FROM w",
        "WITH w AS (DELETE FROM plans USING (@) t WHERE plan = t.v) SELECT 1",
        "INSERT INTO plans (plan, price) VALUES ((@ LIMIT 1), 1)",
        "UPDATE plans SET (plan, price) = (SELECT t.v, 1 FROM (@) t LIMIT 1)",
        "DELETE FROM plans WHERE (plan) IN (@)",
        "SELECT nextval((@ LIMIT 1)::regclass)",
    ]);
    shape.replace('@', inner)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    /// A masked column that stays bare is allowed, however deep; only its mask is forwarded.
    #[test]
    fn a_bare_masked_column_is_forwarded_as_its_mask(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut choices = Choices { bytes, next: 0 };
        let mut text = source(&mut choices);
        for _ in 0..choices.below(4) {
            text = nested(text, &mut choices);
        }
        let text = respelled(&text, &mut choices);
        let forward = judge(text.clone());
        prop_assert!(matches!(&forward, Ok(forward) if forward.contains("'********'")), "{text}: {forward:?}");
    }

    /// A masked column that is computed with is refused, however deep and however spelled.
    #[test]
    fn a_computed_masked_column_is_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut choices = Choices { bytes, next: 0 };
        let mut text = source(&mut choices);
        for _ in 0..choices.below(3) {
            text = nested(text, &mut choices);
        }
        let text = computing(&text, &mut choices);
        let text = respelled(&text, &mut choices);
        let forward = judge(text.clone());
        let is_refused =
            matches!(forward, Err("masked_column_computed" | "whole_row" | "sequence_not_named"));
        prop_assert!(is_refused, "{text}: {forward:?}");
    }

    /// Whatever bytes come in, nothing raw goes out, and nothing stops the gateway.
    #[test]
    fn no_text_makes_it_stop(text in "\\PC{0,80}") {
        drop(judge(text));
    }

    /// A statement of the corpus with parts of another put into it still gives nothing away.
    #[test]
    fn spliced_attacks_give_nothing_away(one in 0..470_usize, other in 0..470_usize, cut in 0..40_usize, paste in 0..40_usize) {
        let one = &ATTACKS[one % ATTACKS.len()];
        let other = &ATTACKS[other % ATTACKS.len()];
        let head: Vec<&str> = one.split_inclusive(' ').take(cut).collect();
        let tail: Vec<&str> = other.split_inclusive(' ').skip(paste).collect();
        drop(judge(head.concat() + &tail.concat()));
    }
}

/// What a statement is judged to be: what it touches and masks, or why it is refused.
fn verdict(text: String) -> Result<model::Facts, &'static str> {
    on_large_stack(move || {
        let plan = analyse_in(&CATALOG, &all_grants(), &["billing"], &text).map_err(|r| r.code)?;
        let raw = raw_columns(&plan.forward);
        assert!(raw.is_empty(), "{raw:?} in {}\nfrom {text}", plan.forward);
        Ok(model::Facts::clone(&plan.facts))
    })
}

/// The statement with parameters in the place of literals, where one stands before or behind what
/// takes any value.
fn parametrised(text: &str) -> Option<String> {
    let tokens = pg_query::scan(text).ok()?.tokens;
    let mut spelled = String::new();
    let (mut done, mut number) = (0, 0_usize);
    for pair in tokens.windows(2) {
        let takes_any = matches!(
            pair[0].token(),
            Token::Ascii61 | Token::Op | Token::LessEquals | Token::GreaterEquals
        );
        if takes_any && pair[1].token() == Token::Sconst {
            let start = usize::try_from(pair[1].start).ok()?;
            number += 1;
            spelled.push_str(&text[done..start]);
            spelled.extend(["$", number.to_string().as_str()]);
            done = usize::try_from(pair[1].end).ok()?;
        }
    }
    spelled.push_str(&text[done..]);
    (number > 0).then_some(spelled)
}

/// A parameter in the place of a literal changes neither what is touched nor what is refused.
#[test]
fn a_parameter_changes_no_verdict() {
    let mut tried = 0;
    for text in ATTACKS.iter() {
        let Some(spelled) = parametrised(text) else { continue };
        // The name of a relation that a parameter gives is looked up when it runs, among those shown.
        if spelled.contains("::reg") {
            continue;
        }
        let (plain, with_parameters) = (verdict(text.clone()), verdict(spelled.clone()));
        // A conversion of a literal is another matter than one of a parameter.
        let is_of_types = |verdict: &Result<_, &str>| {
            matches!(
                verdict,
                Err("conversion_not_allowed"
                    | "syntax_error"
                    | "setting_not_allowed"
                    | "setting_value_not_allowed")
            )
        };
        if is_of_types(&plain) || is_of_types(&with_parameters) {
            continue;
        }
        tried += 1;
        assert_eq!(plain, with_parameters, "{text}\n{spelled}");
    }
    assert!(tried > 25, "{tried} statements were tried");
}

/// An attack inside another query stays refused, or still gives nothing raw away, and touches no
/// less than it did alone.
#[test]
fn an_attack_inside_another_query_is_no_weaker() {
    let shells = [
        "SELECT * FROM (@) shell",
        "WITH shell AS (@) SELECT * FROM shell",
        "WITH shell AS MATERIALIZED (@) SELECT 1 FROM shell",
        "SELECT 1 WHERE EXISTS (@)",
        "SELECT l.* FROM plans outside CROSS JOIN LATERAL (@) l",
        "SELECT count(*) FROM (@) shell",
        "(@) LIMIT 1",
    ];
    let mut refused = 0;
    for (index, text) in ATTACKS.iter().enumerate() {
        let alone = verdict(text.trim_end_matches([';', ' ', '\n']).to_owned());
        let shell = shells[index % shells.len()];
        let inner = text.trim_end_matches([';', ' ', '\n']);
        let inside = verdict(shell.replace('@', inner));
        match (alone, inside) {
            (Ok(alone), Ok(inside)) => {
                let covers = |touch: &model::Touch| {
                    inside.touches.iter().any(|other| {
                        other.relation == touch.relation
                            && other.action == touch.action
                            && touch.columns.is_subset(&other.columns)
                    })
                };
                // EXISTS asks for rows: what a star would read is not read.
                let is_whole = shell.contains("EXISTS") || alone.touches.iter().all(covers);
                assert!(is_whole, "{text}\nin {shell}: {inside:?}");
            }
            (Err(_), Err(_)) => refused += 1,
            // Something that a query may not stand inside, or that cannot stand there.
            (Ok(_), Err(_)) => {}
            (Err(code), Ok(facts)) => {
                let is_harmless = code == "syntax_error" || shell.contains("EXISTS");
                assert!(is_harmless, "{text}\nrefused alone as {code}, not in {shell}: {facts:?}");
            }
        }
    }
    assert!(refused > 200, "{refused} were refused in both");
}

static ATTACKS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let statements = corpus().into_iter().flat_map(|item| {
        let statements = item["statements"].as_array().cloned().unwrap_or_default();
        statements.into_iter().filter_map(|s| s.as_str().map(str::to_owned))
    });
    statements.collect()
});

/// Spelling changes no verdict of the corpus.
#[test]
fn a_spelling_changes_no_verdict() {
    let mut bytes = Vec::new();
    let mut state = 1_u32;
    for _ in 0..4096 {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        bytes.push(u8::try_from(state >> 24).expect("a byte"));
    }
    for (index, text) in ATTACKS.iter().enumerate() {
        // `N'x'` is two tokens that mean something else with a space between them.
        if text.contains("N'") {
            continue;
        }
        let verdict = judge(text.clone());
        if matches!(verdict, Err("syntax_error" | "statement_too_large")) {
            continue;
        }
        let mut choices = Choices { bytes: bytes.clone(), next: index };
        let spelled = respelled(text, &mut choices);
        assert_eq!(verdict, judge(spelled.clone()), "{text}\n{spelled}");
    }
}
