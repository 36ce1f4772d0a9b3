//! Everything that the program prints: for people as text and tables, with `--json` for programs.
//!
//! **Invariant:** no character that a terminal or a reader could obey goes out. Text from records,
//! settings or targets may hold escape sequences or reversed writing that would hide what was done;
//! they are printed as `\u{…}`, and in JSON as `\u…`, which reads back as the same text.

use std::fmt::Write as _;
use std::io::{self, Write};

/// Where output goes, and in which form.
#[derive(Debug)]
pub(crate) struct Printer {
    is_json: bool,
}

impl Printer {
    /// Prints for programs if `is_json`, else for people.
    pub(crate) fn new(is_json: bool) -> Self {
        Self { is_json }
    }

    /// Prints one result: as one line of JSON, or as the text that `human` makes of it. The text's
    /// line ends are kept; its other control characters are not.
    ///
    /// # Errors
    ///
    /// What standard output says, for example that nobody reads it any more.
    pub(crate) fn result<T: serde::Serialize + ?Sized>(
        &self,
        value: &T,
        human: impl FnOnce(&T) -> String,
    ) -> io::Result<()> {
        let text = if self.is_json { json(value)? } else { escape_lines(&human(value)) };
        put(&mut io::stdout().lock(), &text)
    }

    /// Prints bytes that are a program's own, for example a completion script.
    ///
    /// # Errors
    ///
    /// What standard output says.
    pub(crate) fn raw(bytes: &[u8]) -> io::Result<()> {
        io::stdout().lock().write_all(bytes)
    }

    /// Prints a failure to standard error, for people or as `{"error": …}`.
    ///
    /// # Errors
    ///
    /// What standard error says.
    pub(crate) fn failure(&self, code: &str, message: &str) -> io::Result<()> {
        let text = if self.is_json {
            json(&serde_json::json!({ "error": { "code": code, "message": message } }))?
        } else {
            format!("error: {}", escape_lines(message))
        };
        put(&mut io::stderr().lock(), &text)
    }

    /// Prints a remark for people to standard error, so that it is no part of the result.
    ///
    /// # Errors
    ///
    /// What standard error says.
    pub(crate) fn remark(&self, message: &str) -> io::Result<()> {
        if self.is_json { Ok(()) } else { put(&mut io::stderr().lock(), &escape_lines(message)) }
    }
}

fn put(out: &mut dyn Write, text: &str) -> io::Result<()> {
    out.write_all(text.as_bytes())?;
    if !text.is_empty() && !text.ends_with('\n') {
        out.write_all(b"\n")?;
    }
    out.flush()
}

fn json<T: serde::Serialize + ?Sized>(value: &T) -> io::Result<String> {
    let text = serde_json::to_string(value)?;
    Ok(escape_json(&text))
}

/// Replaces every character that is obeyed rather than shown, in text of one line.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if is_obeyed(c) => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    out
}

/// As [`escape`], but lines stay lines.
pub(crate) fn escape_lines(text: &str) -> String {
    text.split('\n').map(escape).collect::<Vec<_>>().join("\n")
}

/// In JSON such a character can stand only in a text, where `\uXXXX` means the same.
fn escape_json(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_obeyed(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a text cannot fail.
                let _infallible = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(c);
        }
    }
    out
}

/// True for control characters (C0, DEL, C1), for what changes the direction of writing, for what
/// is invisible, and for separators of lines and paragraphs (Unicode general categories Cc, Cf, Zl, Zp).
fn is_obeyed(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}'
            | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff9}'..='\u{fffb}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// A table for people: columns as wide as their longest cell, two blanks between, no lines.
#[derive(Debug)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Begins with the headings.
    pub(crate) fn new(headings: &[&str]) -> Self {
        Self { rows: vec![headings.iter().map(|heading| (*heading).to_owned()).collect()] }
    }

    /// Adds a row. A cell is one line whatever stands in it.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().map(|cell| escape(&cell)).collect());
    }

    /// Writes it, or `empty` if it has no row.
    pub(crate) fn render(&self, empty: &str) -> String {
        if self.rows.len() == 1 {
            return empty.to_owned();
        }
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns)
            .map(|i| {
                let cells = self.rows.iter().filter_map(|row| row.get(i));
                cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
            })
            .collect();
        let mut out = String::new();
        for row in &self.rows {
            let cells: Vec<String> =
                row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
            out.push_str(cells.join("  ").trim_end());
            out.push('\n');
        }
        out
    }
}

/// Lines as one text, each with its end.
pub(crate) fn joined(mut lines: Vec<String>) -> String {
    lines.push(String::new());
    lines.join("\n")
}

/// Lines of `name  value` for people, values below one another.
pub(crate) fn pairs(pairs: &[(&str, String)]) -> String {
    let width = pairs.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let lines = pairs.iter().map(|(name, value)| format!("{name:<width$}  {}", escape(value)));
    joined(lines.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_obeys_nothing_that_is_printed() {
        #[rustfmt::skip]
        let cases = [
            ("plain ünïcode ✓ 漢字",   "plain ünïcode ✓ 漢字"),
            ("red \u{1b}[31m",         "red \\u{1b}[31m"),
            ("c1 \u{9b}31m",           "c1 \\u{9b}31m"),
            ("two\r\nlines\t",         "two\\r\\nlines\\t"),
            ("bidi \u{202e}txet",      "bidi \\u{202e}txet"),
            ("isolate \u{2066}",       "isolate \\u{2066}"),
            ("tag \u{e0041}",          "tag \\u{e0041}"),
            ("zero\u{200b}width",      "zero\\u{200b}width"),
        ];
        for (text, expected) in cases {
            assert_eq!(escape(text), expected);
            assert!(!escape_lines(text).contains(|c| c != '\n' && is_obeyed(c)));
            let value = serde_json::json!({ "text": text });
            let line = json(&value).unwrap();
            assert!(!line.contains(is_obeyed), "{line}");
            assert_eq!(serde_json::from_str::<serde_json::Value>(&line).unwrap(), value);
        }
    }

    #[test]
    fn a_cell_cannot_begin_a_line() {
        let mut table = Table::new(&["name", "reason"]);
        assert_eq!(table.render("nothing"), "nothing");
        table.row(["a".into(), "x\nfake  row".into()]);
        table.row(["longer".into(), "y".into()]);
        assert_eq!(table.render(""), "name    reason\na       x\\nfake  row\nlonger  y\n");
    }
}
