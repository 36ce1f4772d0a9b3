//! Writes CSV (RFC 4180), a line at a time, every cell quoted and safe for a spreadsheet.

use std::fmt::Display;

use crate::escape::csv_cell;

/// A table being written.
#[derive(Debug)]
pub(crate) struct Table(String);

impl Table {
    /// Begins with a line of column names.
    pub(crate) fn new(columns: &[&str]) -> Self {
        let mut table = Self(String::new());
        table.line(columns.iter());
        table
    }

    /// Adds a line.
    pub(crate) fn line<T: Display>(&mut self, cells: impl IntoIterator<Item = T>) {
        let cells: Vec<String> =
            cells.into_iter().map(|cell| csv_cell(&cell.to_string())).collect();
        self.0.push_str(&cells.join(","));
        self.0.push_str("\r\n");
    }

    /// The table as a file.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.0.into_bytes()
    }
}

/// Nothing as an empty cell.
pub(crate) fn or_empty<T: Display>(value: Option<T>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

/// Several values in one cell, separated by spaces.
pub(crate) fn joined<T: Display>(values: impl IntoIterator<Item = T>) -> String {
    let values: Vec<String> = values.into_iter().map(|value| quoted(&value.to_string())).collect();
    values.join(" ")
}

/// A name, in double quotes unless it is plain.
pub(crate) fn quoted(name: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '$' | '-');
    if !name.is_empty() && name.chars().all(is_plain) {
        name.to_owned()
    } else {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}
