//! What the demo shows: numbered steps, indented lines, a table.
//!
//! Colour only on a terminal, and not if `NO_COLOR` is set (no-color.org).

use std::io::{self, IsTerminal as _, Write as _};

/// Room for text, without its indent, in characters.
const LINE_WIDTH: usize = 92;
/// Room for a label before the text, in characters.
const LABEL_WIDTH: usize = 10;

/// Writes to standard output.
#[derive(Debug)]
pub struct Screen {
    has_colour: bool,
    step: u32,
}

/// What a line is, which decides its colour.
#[derive(Clone, Copy)]
enum Tone {
    Title,
    Plain,
    Good,
    Refused,
    Quoted,
}

impl Tone {
    fn escape(self) -> &'static str {
        match self {
            Self::Title => "\x1b[1m",
            Self::Plain => "",
            Self::Good => "\x1b[32m",
            Self::Refused => "\x1b[33m",
            Self::Quoted => "\x1b[2m",
        }
    }
}

impl Screen {
    /// Looks at standard output once.
    pub fn of_stdout() -> Self {
        let wants_none = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { has_colour: io::stdout().is_terminal() && !wants_none, step: 0 }
    }

    /// A headline.
    pub fn title(&self, text: &str) {
        self.line(Tone::Title, "", text);
    }

    /// The headline of the next step.
    pub fn step(&mut self, text: &str) {
        self.step = self.step.saturating_add(1);
        self.line(Tone::Plain, "", "");
        self.line(Tone::Title, "", &format!("{}. {text}", self.step));
    }

    /// Which step it is.
    pub fn current_step(&self) -> u32 {
        self.step
    }

    /// A sentence of explanation.
    pub fn say(&self, text: &str) {
        self.paragraph(Tone::Plain, "", text);
    }

    /// A thing and what is to be known of it.
    pub fn fact(&self, label: &str, text: &str) {
        self.paragraph(Tone::Plain, label, text);
    }

    /// Something that was checked and holds.
    pub fn holds(&self, text: &str) {
        self.paragraph(Tone::Good, "ok", text);
    }

    /// A command as the model asked for it.
    pub fn asks(&self, text: &str) {
        self.paragraph(Tone::Plain, "asks", text);
    }

    /// The refusal that it got.
    pub fn refused(&self, text: &str) {
        self.paragraph(Tone::Refused, "refused", text);
    }

    /// What the gateway sent to the database instead of what was asked.
    pub fn forwarded(&self, text: &str) {
        self.paragraph(Tone::Quoted, "forwards", text);
    }

    /// What another program printed.
    pub fn quote(&self, text: &str) {
        for line in text.lines() {
            self.line(Tone::Quoted, "   | ", line);
        }
    }

    /// Columns under headings, as wide as they need to be.
    pub fn table<const N: usize>(&self, heading: [&str; N], rows: &[[String; N]]) {
        let width = |column: usize| {
            let cells = rows.iter().filter_map(|row| row.get(column)).map(String::as_str);
            cells
                .chain(heading.get(column).copied())
                .map(|cell| cell.chars().count())
                .max()
                .unwrap_or(0)
        };
        let show = |tone, row: [&str; N]| {
            let cells = row.iter().enumerate();
            let cells: Vec<String> =
                cells.map(|(column, cell)| format!("{cell:<0$}", width(column))).collect();
            self.line(tone, "   ", cells.join("   ").trim_end());
        };
        show(Tone::Quoted, heading);
        for row in rows {
            show(Tone::Plain, row.each_ref().map(String::as_str));
        }
    }

    /// Text in lines that fit, behind a label if there is one.
    fn paragraph(&self, tone: Tone, label: &str, text: &str) {
        let label_width = if label.is_empty() { 0 } else { LABEL_WIDTH };
        let mut label = label;
        for line in wrap(text, LINE_WIDTH.saturating_sub(label_width)) {
            self.line(tone, &format!("   {label:<label_width$}"), &line);
            label = "";
        }
    }

    fn line(&self, tone: Tone, indent: &str, text: &str) {
        let (on, off) = match (self.has_colour, tone.escape()) {
            (true, escape) if !escape.is_empty() => (escape, "\x1b[0m"),
            (true | false, _) => ("", ""),
        };
        // A closed pipe (`| head`) must not end the demo before it has cleaned up.
        _ = writeln!(io::stdout(), "{indent}{on}{text}{off}");
    }
}

/// Breaks a text at spaces into lines of at most `width` characters. A longer word stays whole.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let used = lines.last().map_or(0, |line| line.chars().count());
        let wanted = used.saturating_add(1).saturating_add(word.chars().count());
        match lines.last_mut() {
            Some(line) if used == 0 => line.push_str(word),
            Some(line) if wanted <= width => {
                line.push(' ');
                line.push_str(word);
            }
            Some(_) | None => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrapped_text_fits_and_loses_nothing() {
        let text = "a masked column may be selected, not computed with";
        for width in 8..60 {
            let lines = wrap(text, width);
            assert!(lines.iter().all(|line| line.chars().count() <= width.max(9)), "{lines:?}");
            assert_eq!(lines.join(" "), text);
        }
    }
}
