//! JSON answers as text for people.

use serde_json::Value;

/// A member as text; `-` if it is absent or null.
pub(crate) fn cell(value: &Value, member: &str) -> String {
    value.get(member).map_or_else(|| "-".to_owned(), plain)
}

/// A value without quotes. Lists are joined by commas, objects stay JSON.
pub(crate) fn plain(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
        Value::Array(list) => list.iter().map(plain).collect::<Vec<_>>().join(","),
    }
}

/// A time as people read it: whole seconds.
pub(crate) fn time(value: &Value, member: &str) -> String {
    let text = cell(value, member);
    match text.split_once('.') {
        Some((seconds, _)) if text.ends_with('Z') => format!("{seconds}Z"),
        Some(_) | None => text,
    }
}

/// Every member of an object on a line of its own, nested ones below their names.
pub(crate) fn document(value: &Value) -> String {
    let mut out = String::new();
    lines(value, 0, &mut out);
    out
}

fn lines(value: &Value, depth: usize, out: &mut String) {
    let Value::Object(members) = value else {
        out.push_str(&format!("{:1$}{2}\n", "", depth.saturating_mul(2), one_line(value)));
        return;
    };
    let is_nested = |value: &Value| match value {
        Value::Object(_) => true,
        Value::Array(list) => list.iter().any(Value::is_object),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    };
    let indent = depth.saturating_mul(2);
    let simple = members.iter().filter(|(_, value)| !is_nested(value));
    let width = simple.map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    for (name, value) in members {
        let name = crate::printer::escape(name);
        if is_nested(value) {
            out.push_str(&format!("{:indent$}{name}\n", ""));
            match value {
                Value::Array(list) => {
                    list.iter().for_each(|value| lines(value, depth.saturating_add(1), out));
                }
                Value::Null
                | Value::Bool(_)
                | Value::Number(_)
                | Value::String(_)
                | Value::Object(_) => lines(value, depth.saturating_add(1), out),
            }
        } else {
            out.push_str(&format!("{:indent$}{name:<width$}  {}\n", "", one_line(value)));
        }
    }
}

fn one_line(value: &Value) -> String {
    crate::printer::escape(&plain(value))
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
            "id    grt_1\nlimits\n  rows  5\nscope\n  columns   x,y\n  relation  a.b\ntask  two\\nlines\n"
        );
    }

    #[test]
    fn a_time_is_shown_to_the_second() {
        let value = json!({ "at": "2026-01-31T12:00:00.123456789Z" });
        assert_eq!(time(&value, "at"), "2026-01-31T12:00:00Z");
        assert_eq!(time(&value, "other"), "-");
    }
}
