//! Where in a client's text something stands that the target, or the grammar, complains of.
//!
//! The target counts in the forwarded text, the client reads its own. Both are parsed, the two
//! trees are walked side by side, and each pair of nodes gives a pair of places.
//!
//! A place is wrong at worst: nothing is decided by it, and it is a number within the client's
//! own text.

use pg_query::protobuf::ParseResult;
use serde_json::{Map, Value};

use crate::limits;

/// Fields that say where a node begins.
const BEGINNINGS: [&str; 3] = ["location", "name_location", "arg_location"];

/// Parses that the search for a syntax error may take: halving, once more for luck.
const TRIES_MAX: usize = 24;

/// The place in the client's text of what stands at a place in the forwarded text. Both count
/// characters from 1. Nothing if the texts cannot be compared.
///
/// It recurses with the depth of the texts, as the analysis does.
pub fn place_in_client(client: &str, forwarded: &str, place: u32) -> Option<u32> {
    limits::check(client).ok()?;
    let there = i64::try_from(byte_of(forwarded, place)?).ok()?;
    let (own, written) = (tree(client)?, tree(forwarded)?);
    let mut pairs = Vec::new();
    pair(&own, &written, &mut pairs);
    let (_, here) = pairs
        .iter()
        .filter(|(written, _)| *written <= there)
        .max_by_key(|(written, here)| (*written, std::cmp::Reverse(*here)))?;
    character_of(client, usize::try_from(*here).ok()?)
}

/// The place of the error that the grammar reports, in characters from 1.
///
/// The parser tells the token at which it stopped, not where: it is the first token of that text
/// at which the text up to it gives the same error.
pub(crate) fn of_syntax_error(text: &str, message: &str) -> Option<u32> {
    if message.ends_with(" at end of input") {
        return character_of(text, text.len());
    }
    let (_, near) = message.split_once(" at or near \"")?;
    let near = near.strip_suffix('"')?;
    let Ok(scanned) = pg_query::scan(text) else {
        // What begins and does not end, such as a string, goes on to the end of the text.
        let start = text.len().checked_sub(near.len()).filter(|_| text.ends_with(near));
        return character_of(text, start.or_else(|| text.find(near))?);
    };
    let span = |token: &pg_query::protobuf::ScanToken| {
        let (start, end) = (usize::try_from(token.start).ok()?, usize::try_from(token.end).ok()?);
        (text.get(start..end)? == near).then_some((start, end))
    };
    let candidates: Vec<(usize, usize)> = scanned.tokens.iter().filter_map(span).collect();
    let fails = |end: usize| {
        let upto = text.get(..end).unwrap_or_default();
        matches!(pg_query::parse(upto, 0), Err(pg_query::Error::Parse(other)) if other == message)
    };
    let (mut low, mut high) = (0, candidates.len());
    for _ in 0..TRIES_MAX {
        if low >= high {
            break;
        }
        let middle = low.midpoint(high);
        match candidates.get(middle) {
            Some((_, end)) if fails(*end) => high = middle,
            Some(_) => low = middle.saturating_add(1),
            None => break,
        }
    }
    character_of(text, candidates.get(low)?.0)
}

/// The place of a byte, in characters from 1.
pub(crate) fn character_of(text: &str, byte: usize) -> Option<u32> {
    let before = text.get(..byte)?.chars().count();
    u32::try_from(before).ok()?.checked_add(1)
}

fn byte_of(text: &str, place: u32) -> Option<usize> {
    let before = usize::try_from(place.checked_sub(1)?).ok()?;
    let mut bytes = text.char_indices().map(|(byte, _)| byte).chain([text.len()]);
    bytes.nth(before)
}

fn tree(text: &str) -> Option<Value> {
    let ParseResult { version: _, stmts } = pg_query::parse(text, 0).ok()?.protobuf;
    serde_json::to_value(stmts).ok()
}

type Pairs = Vec<(i64, i64)>;

/// Pairs the places of two trees, as (forwarded, own).
fn pair(own: &Value, written: &Value, pairs: &mut Pairs) {
    match (own, written) {
        (Value::Object(own), Value::Object(written)) => pair_fields(own, written, pairs),
        (Value::Array(own), Value::Array(written)) => pair_items(own, written, pairs),
        (_, _) => {}
    }
}

fn pair_fields(own: &Map<String, Value>, written: &Map<String, Value>, pairs: &mut Pairs) {
    let mut has_common = false;
    for (key, value) in written {
        let Some(own) = own.get(key) else { continue };
        has_common = true;
        match (own.as_i64(), value.as_i64()) {
            (Some(here), Some(there))
                if BEGINNINGS.contains(&key.as_str()) && here >= 0 && there >= 0 =>
            {
                pairs.push((there, here));
            }
            (_, _) => pair(own, value, pairs),
        }
    }
    if !has_common {
        // Another node stands there: one for the other as a whole.
        if let (Some(here), Some(there)) = (beginning(own), beginning(written)) {
            pairs.push((there, here));
        }
    }
}

/// Lists of unlike length: names that were qualified, or a `*` that was written out. What stands
/// before the `*` is paired from the front, what stands behind it from the back.
fn pair_items(own: &[Value], written: &[Value], pairs: &mut Pairs) {
    if own.len() == written.len() {
        for (own, written) in own.iter().zip(written) {
            pair(own, written, pairs);
        }
        return;
    }
    let Some(star) = own.iter().position(is_star) else {
        for (own, written) in own.iter().rev().zip(written.iter().rev()) {
            pair(own, written, pairs);
        }
        return;
    };
    for (own, written) in own.iter().take(star).zip(written) {
        pair(own, written, pairs);
    }
    let behind = own.len().saturating_sub(star).saturating_sub(1);
    for (own, written) in own.iter().rev().zip(written.iter().rev()).take(behind) {
        pair(own, written, pairs);
    }
    // All that the `*` became stands where it stood.
    if let Some(here) = own.get(star).and_then(Value::as_object).and_then(beginning) {
        let end = written.len().saturating_sub(behind);
        let middle = written.get(star..end).unwrap_or_default();
        let places = middle.iter().filter_map(Value::as_object).filter_map(beginning);
        pairs.extend(places.map(|there| (there, here)));
    }
}

/// True for a target that is `*` or `t.*`.
fn is_star(target: &Value) -> bool {
    let fields = target.pointer("/node/ResTarget/val/node/ColumnRef/fields");
    let last = fields.and_then(Value::as_array).and_then(|fields| fields.last());
    last.is_some_and(|last| last.pointer("/node/AStar").is_some())
}

/// The first place in a node.
fn beginning(node: &Map<String, Value>) -> Option<i64> {
    let own = node.get("location").and_then(Value::as_i64).filter(|place| *place >= 0);
    own.or_else(|| node.values().filter_map(Value::as_object).find_map(beginning))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_target_complains_of_is_found_in_the_clients_text() {
        #[rustfmt::skip]
        let cases = [
            // own, with | before the place              forwarded, likewise
            ("SELECT  |a/0 FROM t",                       "SELECT |t.a / 0 FROM ONLY s.t"),
            ("SELECT a |/ 0",                             "SELECT a |OPERATOR(pg_catalog./) 0"),
            ("SELECT 'ü', |'x'::int",                     "SELECT 'ü', |'x'::pg_catalog.int4"),
            ("SELECT *, |lower(1) FROM t",                "SELECT t.a, t.b, |pg_catalog.lower(1) FROM s.t"),
            ("SELECT |* FROM t",                          "SELECT t.a, |t.b FROM s.t"),
            ("select b from t where |c is null",          "SELECT b FROM s.t WHERE |t.c IS NULL"),
            ("INSERT INTO t(a) VALUES (|'x')",            "INSERT INTO s.t (a) VALUES (|'x')"),
        ];
        for (own, written) in cases {
            let place = |text: &str| {
                let byte = text.find('|').unwrap();
                (text.replace('|', ""), character_of(text, byte).unwrap())
            };
            let ((own, expected), (written, there)) = (place(own), place(written));
            assert_eq!(place_in_client(&own, &written, there), Some(expected), "{own}");
        }
    }

    #[test]
    fn a_syntax_error_is_found_where_postgresql_finds_it() {
        #[rustfmt::skip]
        let cases = [
            "|SELEC 1", "SELECT a b |c d", "SELECT 'bar', a b |bar", "SELECT 1 FROM|",
            "SELECT a FROM t WHERE i in (1) |i", "SELECT /* x */ |, 1", "SELECT |'abc",
            "SELECT ((1)|", "SELECT 'ü' |'x", "SELECT 1;; SELECT |) 1", "SELECT FROM |FROM t",
        ];
        for case in cases {
            let place = case.find('|').unwrap();
            let expected = character_of(case, place);
            let text = case.replace('|', "");
            let Err(error) = pg_query::parse(&text, 0) else { continue };
            let pg_query::Error::Parse(message) = error else { panic!("{error}") };
            assert_eq!(of_syntax_error(&text, &message), expected, "{text}: {message}");
        }
    }
}
