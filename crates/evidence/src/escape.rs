//! Makes text safe to show: in HTML, CSV and JSON, with invisible characters made visible.
//!
//! Names of relations and columns come from a target's catalog, reasons and purposes from people,
//! application names from clients. None of them may end a tag, start a formula, turn the reading
//! direction or hide a part of itself.
//!
//! Source: Unicode UAX #9 (bidirectional formatting), UAX #44 (`Default_Ignorable_Code_Point`);
//! OWASP, "CSV Injection".

use std::fmt::{self, Write};

/// True for a character that a reader cannot see, or that changes how others are shown.
///
/// Controls, bidirectional formatting, zero-width and other default-ignorable characters, line
/// and paragraph separators, and noncharacters of the specials block.
pub(crate) fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(
            u32::from(c),
            0x00AD | 0x034F | 0x061C | 0x115F..=0x1160 | 0x17B4..=0x17B5 | 0x180B..=0x180F
                | 0x200B..=0x200F | 0x2028..=0x202E | 0x2060..=0x206F | 0x3164
                | 0xFE00..=0xFE0F | 0xFEFF | 0xFFA0 | 0xFFF0..=0xFFFB | 0xFFFE..=0xFFFF
                | 0x1BCA0..=0x1BCA3 | 0x1D173..=0x1D17A | 0xE0000..=0xE0FFF
        )
}

/// Writes one character, a hidden one as `⟦U+202E⟧`.
fn write_visible(dest: &mut impl Write, c: char) -> fmt::Result {
    if is_hidden(c) { write!(dest, "⟦U+{:04X}⟧", u32::from(c)) } else { dest.write_char(c) }
}

/// The text with each hidden character as `⟦U+202E⟧`.
pub(crate) fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        // Writing to a String cannot fail.
        if write_visible(&mut out, c).is_err() {
            break;
        }
    }
    out
}

/// The escaper of the HTML templates: markup characters become references, hidden ones visible.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Visible;

impl askama::filters::Escaper for Visible {
    fn write_escaped_str<W: Write>(&self, mut dest: W, string: &str) -> fmt::Result {
        for c in string.chars() {
            match c {
                '"' => dest.write_str("&#34;")?,
                '&' => dest.write_str("&#38;")?,
                '\'' => dest.write_str("&#39;")?,
                '<' => dest.write_str("&#60;")?,
                '>' => dest.write_str("&#62;")?,
                other => write_visible(&mut dest, other)?,
            }
        }
        Ok(())
    }
}

/// The escaper of the Markdown templates: no tag and no end of a code span, hidden ones visible.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Markdown;

impl askama::filters::Escaper for Markdown {
    fn write_escaped_str<W: Write>(&self, mut dest: W, string: &str) -> fmt::Result {
        for c in string.chars() {
            match c {
                '<' => dest.write_str("&lt;")?,
                '`' => dest.write_char('\'')?,
                other => write_visible(&mut dest, other)?,
            }
        }
        Ok(())
    }
}

/// A value as one cell of a CSV file (RFC 4180), always quoted.
///
/// A cell that a spreadsheet would take for a formula gets an apostrophe in front, and so does one
/// that begins with an apostrophe, so the original can be told.
pub(crate) fn csv_cell(text: &str) -> String {
    let shown = visible(text);
    let begins_badly = shown
        .trim_start()
        .starts_with(['=', '+', '-', '@', '\'', '|', '%', '＝', '＋', '－', '＠']);
    let guard = if begins_badly { "'" } else { "" };
    format!("\"{guard}{}\"", shown.replace('"', "\"\""))
}

/// Serializes as indented JSON in which hidden characters are written as `\u202e`.
///
/// Ends with a newline. Equal values give equal bytes.
///
/// # Errors
///
/// If the value has a map whose keys are no texts, which no type of this crate has.
pub(crate) fn json(value: &impl serde::Serialize) -> serde_json::Result<Vec<u8>> {
    let mut out = Vec::new();
    let formatter = VisibleJson(serde_json::ser::PrettyFormatter::new());
    value.serialize(&mut serde_json::Serializer::with_formatter(&mut out, formatter))?;
    out.push(b'\n');
    Ok(out)
}

/// The pretty formatter, but hidden characters are escaped.
struct VisibleJson(serde_json::ser::PrettyFormatter<'static>);

impl serde_json::ser::Formatter for VisibleJson {
    fn write_string_fragment<W: ?Sized + std::io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> std::io::Result<()> {
        for c in fragment.chars() {
            if is_hidden(c) {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    write!(writer, "\\u{unit:04x}")?;
                }
            } else {
                writer.write_all(c.encode_utf8(&mut [0; 4]).as_bytes())?;
            }
        }
        Ok(())
    }

    fn begin_array<W: ?Sized + std::io::Write>(&mut self, w: &mut W) -> std::io::Result<()> {
        self.0.begin_array(w)
    }

    fn end_array<W: ?Sized + std::io::Write>(&mut self, w: &mut W) -> std::io::Result<()> {
        self.0.end_array(w)
    }

    fn begin_array_value<W: ?Sized + std::io::Write>(
        &mut self,
        w: &mut W,
        first: bool,
    ) -> std::io::Result<()> {
        self.0.begin_array_value(w, first)
    }

    fn end_array_value<W: ?Sized + std::io::Write>(&mut self, w: &mut W) -> std::io::Result<()> {
        self.0.end_array_value(w)
    }

    fn begin_object<W: ?Sized + std::io::Write>(&mut self, w: &mut W) -> std::io::Result<()> {
        self.0.begin_object(w)
    }

    fn end_object<W: ?Sized + std::io::Write>(&mut self, w: &mut W) -> std::io::Result<()> {
        self.0.end_object(w)
    }

    fn begin_object_key<W: ?Sized + std::io::Write>(
        &mut self,
        w: &mut W,
        first: bool,
    ) -> std::io::Result<()> {
        self.0.begin_object_key(w, first)
    }

    fn begin_object_value<W: ?Sized + std::io::Write>(&mut self, w: &mut W) -> std::io::Result<()> {
        self.0.begin_object_value(w)
    }

    fn end_object_value<W: ?Sized + std::io::Write>(&mut self, w: &mut W) -> std::io::Result<()> {
        self.0.end_object_value(w)
    }
}

#[cfg(test)]
mod tests {
    use askama::filters::Escaper;
    use proptest::prelude::*;

    use super::*;

    fn html(text: &str) -> String {
        let mut out = String::new();
        Visible.write_escaped_str(&mut out, text).unwrap();
        out
    }

    #[test]
    fn markup_and_hidden_characters_are_shown_not_obeyed() {
        assert_eq!(html("<b a='\"'>&"), "&#60;b a=&#39;&#34;&#39;&#62;&#38;");
        assert_eq!(html("a\u{202e}b\0\n"), "a⟦U+202E⟧b⟦U+0000⟧⟦U+000A⟧");
        assert_eq!(html("Zoë 請求書"), "Zoë 請求書");
    }

    #[test]
    fn no_cell_is_a_formula() {
        #[rustfmt::skip]
        let cases = [
            ("plain",       "\"plain\""),
            ("a \"b\"",     "\"a \"\"b\"\"\""),
            ("=1+1",        "\"'=1+1\""),
            ("  @SUM(A1)",  "\"'  @SUM(A1)\""),
            ("-2",          "\"'-2\""),
            ("'=1",         "\"''=1\""),
            ("\t=1",        "\"⟦U+0009⟧=1\""),
            ("a\r\nb",      "\"a⟦U+000D⟧⟦U+000A⟧b\""),
        ];
        for (text, cell) in cases {
            assert_eq!(csv_cell(text), cell);
        }
    }

    proptest! {
        /// Whatever the text, nothing hidden and no markup comes out, and JSON reads back.
        #[test]
        fn hides_nothing(text in "\\PC*|[\\x00-\\x7f\u{200b}-\u{202e}\u{e0001}]*") {
            let shown = html(&text);
            prop_assert!(!shown.contains(['<', '>', '"', '\'']) && !shown.chars().any(is_hidden));
            let bytes = json(&text).unwrap();
            let back: String = serde_json::from_slice(&bytes).unwrap();
            prop_assert_eq!(back, text);
            let line = std::str::from_utf8(&bytes).unwrap().trim_end_matches('\n');
            prop_assert!(!line.chars().any(is_hidden));
        }
    }
}
