//! Names in a target's words, as the client would read them from the target itself.
//!
//! On the target every name is written with its schema and nothing but `pg_catalog` is on the
//! search path, so it says `pg_catalog.lower` and `public.mood` where a client without a gateway
//! reads `lower` and `mood`. Only the names of functions, types and operators are touched, in the
//! fields where PostgreSQL itself writes them.

use std::borrow::Cow;
use std::sync::Arc;

use pgwire::backend::Report;
use sql::Catalog;

/// What a client's names mean.
#[derive(Debug, Default)]
pub(crate) struct Names {
    /// With `$user` replaced.
    pub(crate) search_path: Vec<String>,
    pub(crate) catalog: Option<Arc<Catalog>>,
    /// Whether the client itself wrote `pg_catalog`. Then nothing of that schema is touched.
    pub(crate) says_system: bool,
}

/// The schema that the gateway writes before PostgreSQL's own names.
const SYSTEM: &str = "pg_catalog.";

impl Names {
    /// A field of a report in the client's words.
    pub(crate) fn spoken<'f>(&self, report: &Report, code: u8, text: &'f str) -> Cow<'f, str> {
        let file = report.field(b'F').unwrap_or_default();
        match code {
            // What code of the target raises has no names of PostgreSQL's making in its message.
            b'M' if !file.starts_with("pl_") => {
                let text = self.without_schemas(text, |_before| false);
                let is_of_names = file.starts_with("parse_") || file == "namespace.c";
                if is_of_names && !self.says_system && text.contains(SYSTEM) {
                    Cow::Owned(text.replace(SYSTEM, ""))
                } else {
                    text
                }
            }
            // "PL/pgSQL function public.f(public.mood) line 3 at RAISE"
            b'W' => self.without_schemas(text, |before| before.ends_with(" function ")),
            _ => Cow::Borrowed(text),
        }
    }

    /// Leaves out the schemas of the search path before the names of visible types and relations,
    /// and wherever `always` is true of the text before.
    fn without_schemas<'f>(&self, text: &'f str, always: impl Fn(&str) -> bool) -> Cow<'f, str> {
        let mut out = String::new();
        let mut kept = 0;
        let starts = text.char_indices().filter(|(start, _)| is_start(text, *start));
        for (start, _) in starts {
            let rest = text.get(start..).unwrap_or_default();
            let Some((schema, name)) = qualified(rest) else { continue };
            let Some(place) = self.search_path.iter().position(|known| known == schema) else {
                continue;
            };
            let before = text.get(kept..start).unwrap_or_default();
            let path = self.search_path.get(..=place).unwrap_or_default();
            let is_visible =
                self.catalog.as_ref().is_some_and(|catalog| catalog.is_visible(path, name));
            if is_visible || always(before) {
                out.push_str(before);
                kept = start.saturating_add(schema.len()).saturating_add(1);
            }
        }
        if kept == 0 {
            return Cow::Borrowed(text);
        }
        out.push_str(text.get(kept..).unwrap_or_default());
        Cow::Owned(out)
    }
}

/// True if a name can begin here: no letter of a name, no dot and no quote stands before.
fn is_start(text: &str, at: usize) -> bool {
    let before = text.get(..at).unwrap_or_default().chars().next_back();
    before.is_none_or(|before| !is_letter(before) && !matches!(before, '.' | '"'))
}

fn is_letter(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '_' | '$')
}

/// `schema.name` at the beginning of a text, neither of which needs quotes.
fn qualified(text: &str) -> Option<(&str, &str)> {
    let word = |text: &str| text.find(|c| !is_letter(c)).unwrap_or(text.len());
    let (schema, rest) = text.split_at_checked(word(text))?;
    let rest = rest.strip_prefix('.')?;
    let name = rest.get(..word(rest))?;
    (!schema.is_empty() && !name.is_empty()).then_some((schema, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_on_the_search_path_lose_their_schema() {
        let names = Names { search_path: vec!["public".into()], ..Names::default() };
        let always = |before: &str| before.ends_with(" function ");
        #[rustfmt::skip]
        let cases = [
            ("PL/pgSQL function public.f() line 1", "PL/pgSQL function f() line 1"),
            ("PL/pgSQL function other.f() line 1",  "PL/pgSQL function other.f() line 1"),
            ("PL/pgSQL function public.f() line 1 at SQL\nPL/pgSQL function public.g(public.t) line 2",
             "PL/pgSQL function f() line 1 at SQL\nPL/pgSQL function g(public.t) line 2"),
            ("SQL statement \"SELECT public.x\"",   "SQL statement \"SELECT public.x\""),
            ("",                                    ""),
        ];
        for (text, expected) in cases {
            assert_eq!(names.without_schemas(text, always), expected);
        }
    }
}
