//! Which functions a statement may call.

use std::collections::BTreeMap;
use std::sync::LazyLock;

/// The reviewed list.
const LIST: &str = include_str!("functions.txt");

/// Largest constant that a function which makes its result as large as it is told may be given.
pub(crate) const CONSTANT_MAX: i32 = 1_000_000;

/// Those of the list that return sets (`pg_proc.proretset`).
#[rustfmt::skip]
const SETS: [&str; 24] = [
    "unnest", "generate_series", "generate_subscripts", "regexp_matches", "regexp_split_to_table",
    "string_to_table", "jsonb_path_query", "jsonb_path_query_tz",
    "json_array_elements", "json_array_elements_text", "jsonb_array_elements",
    "jsonb_array_elements_text", "json_each", "json_each_text", "jsonb_each", "jsonb_each_text",
    "json_object_keys", "jsonb_object_keys", "json_to_recordset", "jsonb_to_recordset",
    "ts_debug", "ts_parse", "ts_token_type", "_pg_expandarray",
];

/// By name, the columns of the result of a function for FROM. Empty for the others.
static ALLOWED: LazyLock<BTreeMap<&str, Vec<&str>>> = LazyLock::new(|| {
    let lines = LIST.lines().filter(|line| !line.starts_with('#'));
    lines.flat_map(str::split_whitespace).map(entry).collect()
});

/// The columns that a function's result has in FROM; nothing if it may not be called.
pub(crate) fn allowed(name: &str) -> Option<&'static [&'static str]> {
    ALLOWED.get(name).map(Vec::as_slice)
}

/// True if the function makes as much as an argument says.
pub(crate) fn grows(name: &str) -> bool {
    matches!(name, "repeat" | "lpad" | "rpad" | "array_fill" | "generate_series" | "factorial")
}

/// True if the function returns a set of rows or values.
pub(crate) fn returns_set(name: &str) -> bool {
    SETS.contains(&name)
}

/// True if the function is a keyword's way to say who or where; these are answered by constants.
pub(crate) fn is_session_name(name: &str) -> bool {
    matches!(name, "current_schema" | "current_database" | "current_user" | "session_user")
}

fn entry(text: &'static str) -> (&'static str, Vec<&'static str>) {
    match text.split_once('(') {
        Some((name, columns)) => (name, columns.trim_end_matches(')').split(',').collect()),
        None => (text, Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_reaches_past_its_arguments_is_allowed() {
        let dangerous = [
            "set_config",
            "current_setting",
            "query_to_xml",
            "table_to_xml",
            "database_to_xml",
            "cursor_to_xml",
            "ts_stat",
            "ts_rewrite",
            "nextval",
            "currval",
            "setval",
            "lastval",
            "lo_get",
            "lo_import",
            "pg_sleep",
            "pg_read_file",
            "pg_notify",
            "dblink",
            "crosstab",
            "xpath",
            "xmlparse",
            "to_regclass",
            "obj_description",
            "col_description",
            "setseed",
            "timeofday",
            "has_table_privilege",
            "txid_current",
            "json_populate_record",
            "jsonb_populate_recordset",
            "inet_server_addr",
        ];
        for name in dangerous {
            assert_eq!(allowed(name), None, "{name}");
        }
        let prefixes =
            ["pg_", "lo_", "has_", "xml", "to_reg", "dblink", "query_", "txid_", "inet_client"];
        let reviewed = [
            "pg_client_encoding",
            "pg_column_size",
            "pg_is_in_recovery",
            "pg_size_bytes",
            "pg_size_pretty",
            "pg_typeof",
        ];
        for name in ALLOWED.keys() {
            let is_reviewed = reviewed.contains(name);
            assert!(is_reviewed || !prefixes.iter().any(|p| name.starts_with(p)), "{name}");
            assert!(name.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_')), "{name}");
        }
    }

    #[test]
    fn columns_of_a_result_are_known() {
        assert_eq!(allowed("json_each"), Some(["key", "value"].as_slice()));
        assert_eq!(allowed("lower"), Some([].as_slice()));
        assert!(ALLOWED.len() > 300);
    }
}
