//! A second, independent look at a forwarded text: does a raw masked column stand in it?
//!
//! It shares no code with the analysis. It reads the text again, goes through the tree as JSON,
//! and knows only which columns of which relations are masked, in the order of their columns.

use std::collections::BTreeMap;

use serde_json::Value;

/// Schema, name and columns of a relation.
type Known = (&'static str, &'static str, &'static [&'static str]);
/// The relations of the fixture through which a masked column can be read.
const RELATIONS: [Known; 5] = [
    ("billing", "customers", &CUSTOMERS),
    ("billing", "customers_vip", &CUSTOMERS),
    ("billing", "v_customers", &["id", "name", "ref", "tin"]),
    ("billing", "v_eu", &["id", "name", "plan", "ssn"]),
    ("billing", "mv_customers", &["id", "tin"]),
];
const CUSTOMERS: [&str; 9] =
    ["id", "name", "plan", "account_number", "ssn", "balance", "meta", "ssn_copy", "region"];
const MASKED: [&str; 5] = ["account_number", "ssn", "ssn_copy", "ref", "tin"];

/// The raw masked columns in a text, as they are written there.
pub(crate) fn raw_columns(text: &str) -> Vec<String> {
    let read = pg_query::parse(text, 0).expect("a forwarded text parses");
    let tree = serde_json::to_value(&read.protobuf).expect("a tree");
    let mut names = BTreeMap::new();
    each(&tree, &mut |kind, node| {
        if kind == "RangeVar" {
            relation_names(node, &mut names);
        }
    });
    let mut found = Vec::new();
    each(&tree, &mut |kind, node| {
        if kind == "ColumnRef" {
            let parts = strings(&node["fields"]);
            let reaches_raw = match parts.as_slice() {
                [column] => names.values().flatten().any(|masked| masked == column),
                [item, column] | [_, item, column] => {
                    names.get(item).is_some_and(|masked| masked.contains(column))
                }
                _ => true,
            };
            // A star of what is no such relation is one of a subquery, whose columns are looked at.
            let is_star = parts.last().is_some_and(|last| last == "*")
                && (parts.len() < 2 || names.contains_key(&parts[parts.len() - 2]));
            let whole = parts.len() == 1 && names.contains_key(&parts[0]);
            if reaches_raw || is_star || whole {
                found.push(parts.join("."));
            }
        }
    });
    found
}

/// By the name before the dot, the names under which its masked columns can be read.
fn relation_names(node: &Value, names: &mut BTreeMap<String, Vec<String>>) {
    let text = |key: &str| node[key].as_str().unwrap_or_default();
    let known = RELATIONS
        .iter()
        .find(|(schema, name, _)| *schema == text("schemaname") && *name == text("relname"));
    let Some((_, relation, columns)) = known else { return };
    let alias = &node["alias"];
    let name = alias["aliasname"].as_str().unwrap_or(relation).to_owned();
    let renamed = strings(&alias["colnames"]);
    let masked = columns
        .iter()
        .enumerate()
        .filter(|(_, column)| MASKED.contains(column))
        .map(|(place, column)| renamed.get(place).cloned().unwrap_or((*column).to_owned()));
    names.entry(name).or_default().extend(masked);
}

/// Calls for each node of the tree with its kind.
fn each(tree: &Value, look: &mut impl FnMut(&str, &Value)) {
    match tree {
        Value::Array(items) => items.iter().for_each(|item| each(item, look)),
        Value::Object(fields) => {
            for (key, value) in fields {
                look(key, value);
                // The target of a write is a field, not a node of its own kind.
                if key == "relation" {
                    look("RangeVar", value);
                }
                each(value, look);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn strings(fields: &Value) -> Vec<String> {
    let items = fields.as_array().map(Vec::as_slice).unwrap_or_default();
    let text = |item: &Value| {
        let sval = item["node"]["String"]["sval"].as_str();
        sval.map_or_else(|| "*".to_owned(), str::to_owned)
    };
    items.iter().map(text).collect()
}

#[test]
fn the_second_look_sees_raw_columns() {
    #[rustfmt::skip]
    let cases = [
        ("SELECT c.id FROM billing.customers c",                                  false),
        ("SELECT c.ssn FROM billing.customers c",                                 true),
        ("SELECT ssn FROM ONLY billing.customers",                                true),
        ("SELECT c FROM billing.customers c",                                     true),
        ("SELECT c.* FROM billing.customers c",                                   true),
        ("SELECT row_to_json(c.*) FROM billing.customers c",                      true),
        ("SELECT row_to_json(s.*) FROM (SELECT c.id FROM billing.customers c) s", false),
        ("SELECT row_to_json(s.*) FROM (SELECT c.ssn FROM billing.customers c) s", true),
        ("SELECT * FROM billing.plans",                                           true),
        ("SELECT c.e FROM billing.customers c(a, b, c, d, e)",                    true),
        ("SELECT c.a FROM billing.customers c(a, b, c, d, e)",                    false),
        ("SELECT 1 FROM billing.customers c WHERE upper(c.ssn) = 'x'",            true),
        ("SELECT s.ssn FROM (SELECT 'x' AS ssn FROM billing.customers c) s",      false),
        ("INSERT INTO billing.customers (ssn) VALUES ('x')",                      false),
        ("INSERT INTO billing.customers (id) VALUES (1) RETURNING customers.ssn", true),
        ("UPDATE billing.customers SET name = customers.ssn",                     true),
        ("UPDATE billing.customers SET ssn = 'x'",                                false),
        ("DELETE FROM billing.customers USING billing.plans p WHERE ssn = 'x'",   true),
        ("SELECT v.tin FROM billing.v_customers v",                               true),
    ];
    for (text, expected) in cases {
        assert_eq!(!raw_columns(text).is_empty(), expected, "{text}");
    }
}
