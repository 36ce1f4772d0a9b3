//! JSON answers as text for people.

use model::Timestamp;
use serde::Serialize;
use serde_json::Value;

use crate::printer::{escape, joined};

/// A value without quotes. Lists are joined by commas, objects stay JSON.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
        Value::Array(list) => list.iter().map(plain).collect::<Vec<_>>().join(","),
    }
}

/// A time as people read it: in UTC, whole seconds.
pub(crate) fn time(at: Timestamp) -> String {
    let text = at.to_string();
    match text.split_once('.') {
        Some((seconds, _)) => format!("{seconds}Z"),
        None => text,
    }
}

/// A name as it stands in JSON, for one of the enumerations that are shown.
pub(crate) fn name(value: &impl Serialize) -> String {
    serde_json::to_value(value).map_or_else(|_| "-".to_owned(), |value| plain(&value))
}

/// Every member of an object on a line of its own, nested ones below their names.
pub(crate) fn document<T: Serialize + ?Sized>(value: &T) -> String {
    let mut out = Vec::new();
    match serde_json::to_value(value) {
        Ok(value) => lines(&value, 0, &mut out),
        Err(error) => out.push(format!("it cannot be shown: {error}")),
    }
    joined(out)
}

/// Two blanks for each level.
fn lines(value: &Value, depth: usize, out: &mut Vec<String>) {
    let indent = depth.saturating_mul(2);
    let below = depth.saturating_add(1);
    let Value::Object(members) = value else {
        out.push(format!("{:indent$}{}", "", one_line(value)));
        return;
    };
    let simple = members.iter().filter(|(_, value)| !is_nested(value));
    let width = simple.map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    for (name, value) in members {
        let name = escape(name);
        if !is_nested(value) {
            out.push(format!("{:indent$}{name:<width$}  {}", "", one_line(value)));
            continue;
        }
        out.push(format!("{:indent$}{name}", ""));
        let Value::Array(list) = value else {
            lines(value, below, out);
            continue;
        };
        for (i, value) in list.iter().enumerate() {
            out.push(format!("{:1$}[{i}]", "", below.saturating_mul(2)));
            lines(value, below.saturating_add(1), out);
        }
    }
}

fn is_nested(value: &Value) -> bool {
    match value {
        Value::Object(_) => true,
        Value::Array(list) => list.iter().any(Value::is_object),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

fn one_line(value: &Value) -> String {
    escape(&plain(value))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_object_is_shown_line_by_line_and_no_value_makes_a_line() {
        let value = json!({
            "id": "grt_1", "scope": [{ "relation": "a.b", "columns": ["x", "y"] }],
            "limits": { "rows": 5 }, "task": "two\nlines",
        });
        assert_eq!(
            document(&value),
            "id    grt_1\nlimits\n  rows  5\nscope\n  [0]\n    columns   x,y\n    relation  a.b\ntask  two\\nlines\n"
        );
    }

    #[test]
    fn a_time_is_shown_to_the_second() {
        let at = "2026-01-31T12:00:00.123456789Z".parse().unwrap();
        assert_eq!(time(at), "2026-01-31T12:00:00Z");
    }
}
