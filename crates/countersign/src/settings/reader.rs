//! Reads TOML tables key by key and collects every problem, so that one run shows all mistakes.
//!
//! **Invariant:** a key that nobody took is reported. [`Section::finish`] must be called for each.
//!
//! **Invariant:** no value of the file stands in a problem unless the key's reader put it there, so
//! a secret written into the wrong place is not printed.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::de::{DeTable, DeValue};

use crate::suggest;

/// One mistake in the settings file.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Problem {
    /// Line in the file, from 1.
    pub(crate) line: usize,
    /// The key, for example `target[0].mask[2].with`. Empty where the file is not TOML at all.
    pub(crate) key: String,
    /// What is wrong.
    pub(crate) what: String,
    /// What to do.
    pub(crate) fix: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let stop = if self.fix.ends_with('?') { "" } else { "." };
        match self.key.as_str() {
            "" => write!(f, "line {}: {}. {}{stop}", self.line, self.what, self.fix),
            key => write!(f, "line {}: {key}: {}. {}{stop}", self.line, self.what, self.fix),
        }
    }
}

/// The problems found so far, and where lines begin.
#[derive(Debug)]
pub(crate) struct Problems {
    line_starts: Vec<usize>,
    list: Vec<Problem>,
}

impl Problems {
    /// Begins with none.
    pub(crate) fn new(text: &str) -> Self {
        let breaks = text.bytes().enumerate().filter(|(_, b)| *b == b'\n');
        let line_starts =
            std::iter::once(0).chain(breaks.map(|(at, _)| at.saturating_add(1))).collect();
        Self { line_starts, list: Vec::new() }
    }

    /// Adds one. `what` and `fix` are sentences without a full stop.
    pub(crate) fn add(&mut self, at: &Place, what: impl Into<String>, fix: impl Into<String>) {
        let line = self.line_starts.partition_point(|start| *start <= at.span.start);
        let (what, fix) = (what.into(), fix.into());
        self.list.push(Problem { line, key: at.key.clone(), what, fix });
    }

    /// True if nothing is wrong so far.
    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// All of them, in the order of the file.
    pub(crate) fn into_sorted(mut self) -> Vec<Problem> {
        self.list.sort_by(|a, b| (a.line, &a.key).cmp(&(b.line, &b.key)));
        self.list
    }
}

/// Where a value stands: its key from the top, and its bytes in the file.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// For example `target[0].name`.
    pub(crate) key: String,
    /// Bytes in the file.
    pub(crate) span: Range<usize>,
}

/// A key's value, with the bytes of both.
#[derive(Debug)]
struct Member<'i> {
    key_span: Range<usize>,
    span: Range<usize>,
    value: DeValue<'i>,
}

/// A table of which keys are taken one by one.
#[derive(Debug)]
pub(crate) struct Section<'i> {
    /// Where the table stands.
    pub(crate) place: Place,
    left: BTreeMap<String, Member<'i>>,
    known: Vec<&'static str>,
}

impl<'i> Section<'i> {
    /// The whole file.
    pub(crate) fn root(table: DeTable<'i>) -> Self {
        Self::new(Place { key: String::new(), span: 0..0 }, table)
    }

    fn new(place: Place, table: DeTable<'i>) -> Self {
        let left = table
            .into_iter()
            .map(|(key, value)| {
                let (key_span, span) = (key.span(), value.span());
                let member = Member { key_span, span, value: value.into_inner() };
                (key.into_inner().into_owned(), member)
            })
            .collect();
        Self { place, left, known: Vec::new() }
    }

    fn key(&self, name: &str) -> String {
        match self.place.key.as_str() {
            "" => name.to_owned(),
            parent => format!("{parent}.{name}"),
        }
    }

    /// Takes a key's value, if it is there.
    pub(crate) fn take(&mut self, name: &'static str) -> Option<Field<'i>> {
        self.known.push(name);
        let Member { span, value, .. } = self.left.remove(name)?;
        Some(Field { place: Place { key: self.key(name), span }, value })
    }

    /// Takes a key's value; its absence is a problem. `example` is a line to write instead.
    pub(crate) fn need(
        &mut self,
        name: &'static str,
        example: &str,
        problems: &mut Problems,
    ) -> Option<Field<'i>> {
        let field = self.take(name);
        if field.is_none() {
            let place = Place { key: self.key(name), span: self.place.span.clone() };
            problems.add(&place, "is missing", format!("Add it, for example: {example}"));
        }
        field
    }

    /// Reports every key that nobody took.
    pub(crate) fn finish(self, problems: &mut Problems) {
        for (name, Member { key_span, .. }) in &self.left {
            let place = Place { key: self.key(name), span: key_span.clone() };
            let fix = match suggest::nearest(name, self.known.iter().copied()) {
                Some(near) => format!("Did you mean `{near}`?"),
                None => format!("Remove it; known here are: {}", self.known.join(", ")),
            };
            problems.add(&place, "is not a known key", fix);
        }
    }
}

/// A key's value, not yet of any type.
#[derive(Debug)]
pub(crate) struct Field<'i> {
    /// Where it stands.
    pub(crate) place: Place,
    value: DeValue<'i>,
}

impl<'i> Field<'i> {
    /// The value as text that is not empty.
    pub(crate) fn text(self, problems: &mut Problems) -> Option<Text> {
        let DeValue::String(text) = self.value else {
            return wrong_type(&self.place, &self.value, "a text in quotes", problems);
        };
        if text.is_empty() || text.contains('\0') {
            problems.add(&self.place, "is empty or has a NUL in it", "Give it a value");
            return None;
        }
        Some(Text { place: self.place, value: text.into_owned() })
    }

    /// The value as true or false.
    pub(crate) fn boolean(self, problems: &mut Problems) -> Option<bool> {
        let DeValue::Boolean(value) = self.value else {
            return wrong_type(&self.place, &self.value, "true or false, without quotes", problems);
        };
        Some(value)
    }

    /// The value as a whole number within bounds.
    pub(crate) fn integer(
        self,
        bounds: std::ops::RangeInclusive<u64>,
        problems: &mut Problems,
    ) -> Option<u64> {
        let (low, high) = (bounds.start(), bounds.end());
        let DeValue::Integer(number) = &self.value else {
            return wrong_type(
                &self.place,
                &self.value,
                "a whole number, without quotes",
                problems,
            );
        };
        let value = u64::from_str_radix(number.as_str(), number.radix()).ok();
        let value = value.filter(|value| bounds.contains(value));
        if value.is_none() {
            problems.add(
                &self.place,
                format!("{number} is out of bounds"),
                format!("Use a number from {low} to {high}"),
            );
        }
        value
    }

    /// The value as whole numbers within bounds, in brackets.
    pub(crate) fn integers(
        self,
        bounds: std::ops::RangeInclusive<u64>,
        problems: &mut Problems,
    ) -> Option<Vec<u64>> {
        let DeValue::Array(array) = self.value else {
            return wrong_type(&self.place, &self.value, "numbers in brackets: [1000]", problems);
        };
        let fields = (0..).zip(array).map(|(i, value): (usize, _)| Field {
            place: Place { key: format!("{}[{i}]", self.place.key), span: value.span() },
            value: value.into_inner(),
        });
        // Every number is looked at, so that every mistake shows.
        let numbers: Vec<Option<u64>> =
            fields.map(|field| field.integer(bounds.clone(), problems)).collect();
        numbers.into_iter().collect()
    }

    /// The value as texts, in brackets.
    pub(crate) fn texts(self, problems: &mut Problems) -> Option<Vec<Text>> {
        let DeValue::Array(array) = self.value else {
            return wrong_type(&self.place, &self.value, "texts in brackets", problems);
        };
        let fields = (0..).zip(array).map(|(i, value): (usize, _)| Field {
            place: Place { key: format!("{}[{i}]", self.place.key), span: value.span() },
            value: value.into_inner(),
        });
        // Every text is looked at, so that every mistake shows.
        let texts: Vec<Option<Text>> = fields.map(|field| field.text(problems)).collect();
        texts.into_iter().collect()
    }

    /// The value as a table.
    pub(crate) fn section(self, problems: &mut Problems) -> Option<Section<'i>> {
        let DeValue::Table(table) = self.value else {
            return wrong_type(&self.place, &self.value, "a table", problems);
        };
        Some(Section::new(self.place, table))
    }

    /// The value as tables, one for each `[[…]]`.
    pub(crate) fn sections(self, problems: &mut Problems) -> Vec<Section<'i>> {
        let key = self.place.key.clone();
        let DeValue::Array(array) = self.value else {
            let expected = format!("a list of tables: write it as [[{}]]", without_indices(&key));
            wrong_type::<()>(&self.place, &self.value, &expected, problems);
            return Vec::new();
        };
        if array.is_empty() {
            let fix = format!("Write at least one [[{}]]", without_indices(&key));
            problems.add(&self.place, "is empty", fix);
        }
        let fields = array.into_iter().enumerate().map(|(i, value)| Field {
            place: Place { key: format!("{key}[{i}]"), span: value.span() },
            value: value.into_inner(),
        });
        fields.filter_map(|field| field.section(problems)).collect()
    }

    /// True if the value is text. For keys where text in itself is the mistake.
    pub(crate) fn is_text(&self) -> bool {
        matches!(self.value, DeValue::String(_))
    }
}

/// A text with its place, so that a later check can name it.
#[derive(Clone, Debug)]
pub(crate) struct Text {
    /// Where it stands.
    pub(crate) place: Place,
    /// What it says.
    pub(crate) value: String,
}

/// `target[0].mask` as the file's author writes it: `target.mask`.
fn without_indices(key: &str) -> String {
    key.split('.')
        .map(|part| part.split_once('[').map_or(part, |(name, _)| name))
        .collect::<Vec<_>>()
        .join(".")
}

fn wrong_type<T>(
    place: &Place,
    value: &DeValue<'_>,
    expected: &str,
    problems: &mut Problems,
) -> Option<T> {
    let found = match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    };
    problems.add(place, format!("is {found}"), format!("It must be {expected}"));
    None
}
