//! Queries of the gateway's own in a client's statement.
//!
//! In the tree a name stands for each, and its text takes the name's place once the statement is
//! written out: so the statement is as small to write, to read again and to compare as the client
//! made it, however long the queries are.
//!
//! **Invariant:** a name is replaced only if it stands for a relation wherever it is in the tree; a
//! tree that has it in any other text is refused.

use std::collections::BTreeMap;

use model::RelationName;
use pg_query::protobuf::{Alias, RangeVar};

use crate::tree::NOWHERE;
use crate::{Refusal, digest, limits};

/// How the names begin. The control character keeps them apart from every name in use.
const FIRST: u8 = 1;
const MARK: &str = "\u{1}shown:";
/// How they end.
const END: char = ';';

/// The queries of one statement.
#[derive(Debug, Default)]
pub(crate) struct Splices {
    texts: Vec<String>,
    by_relation: BTreeMap<RelationName, usize>,
}

impl Splices {
    /// The number of the query that stands in a relation's place; `text` makes it the first time.
    pub(crate) fn number(
        &mut self,
        relation: &RelationName,
        text: impl FnOnce() -> String,
    ) -> usize {
        if let Some(number) = self.by_relation.get(relation) {
            return *number;
        }
        let number = self.texts.len();
        self.texts.push(text());
        self.by_relation.insert(relation.clone(), number);
        number
    }

    /// Puts the queries into a text, in the place of their names. `tree` are the bytes of the tree
    /// that the text was written from.
    ///
    /// # Errors
    ///
    /// [`Refusal`] if such a name is anything else than a relation's in the tree, or if the whole
    /// becomes too long.
    pub(crate) fn fill(&self, text: String, tree: &[u8]) -> Result<String, Refusal> {
        if self.texts.is_empty() {
            return Ok(text);
        }
        let mentions = self.mentions(tree).ok_or_else(Refusal::mismatch)?;
        let begin = format!("\"{MARK}");
        let mut pieces = text.split(&begin);
        let mut filled = pieces.next().unwrap_or_default().to_owned();
        let mut replaced = 0_usize;
        for piece in pieces {
            let (number, rest) = piece.split_once(END).ok_or_else(Refusal::mismatch)?;
            let number: usize = number.parse().map_err(|_other| Refusal::mismatch())?;
            let query = self.texts.get(number).ok_or_else(Refusal::mismatch)?;
            let rest = rest.strip_prefix('"').ok_or_else(Refusal::mismatch)?;
            if filled.len().saturating_add(query.len()) > limits::FORWARD_BYTES_MAX {
                let limit = limits::FORWARD_BYTES_MAX;
                return Err(Refusal::too_large("bytes with its names written out", limit));
            }
            filled.extend(["(", query, ")", rest]);
            replaced = replaced.saturating_add(1);
        }
        if replaced == mentions { Ok(filled) } else { Err(Refusal::mismatch()) }
    }
}

impl Splices {
    /// How often the names stand for relations; nothing if one is in any other text.
    fn mentions(&self, tree: &[u8]) -> Option<usize> {
        let fields = (0..self.texts.len()).map(|number| {
            let name = name(number);
            let field = digest::field("relname", &name);
            (field.len().saturating_sub(name.len()), field)
        });
        let fields: Vec<(usize, Vec<u8>)> = fields.collect();
        let mut mentions = 0_usize;
        for (at, _) in (0_usize..).zip(tree).filter(|(_, byte)| **byte == FIRST) {
            if !tree.get(at..)?.starts_with(MARK.as_bytes()) {
                continue;
            }
            let is_one = |(before, field): &(usize, Vec<u8>)| {
                let start = at.checked_sub(*before);
                start.and_then(|start| tree.get(start..)).is_some_and(|t| t.starts_with(field))
            };
            fields.iter().any(is_one).then_some(())?;
            mentions = mentions.saturating_add(1);
        }
        Some(mentions)
    }
}

/// An entry of FROM that stands for a query.
pub(crate) fn range_var(number: usize, alias: Alias) -> RangeVar {
    RangeVar {
        relname: name(number),
        inh: true,
        relpersistence: "p".to_owned(),
        alias: Some(alias),
        location: NOWHERE,
        ..RangeVar::default()
    }
}

fn name(number: usize) -> String {
    format!("{MARK}{number}{END}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analyse::parse;

    /// Nothing if it is refused.
    fn filled(text: &str) -> Option<String> {
        let mut splices = Splices::default();
        for (number, query) in ["SELECT 'one'", "SELECT 2"].into_iter().enumerate() {
            let relation = RelationName::new("pg_catalog", format!("r{number}"));
            assert_eq!(splices.number(&relation, || query.to_owned()), number);
            assert_eq!(splices.number(&relation, || "not asked again".to_owned()), number);
        }
        let text = text.replace('#', MARK);
        let digest = digest::digest(&parse(&text).ok()?)?;
        splices.fill(text.clone(), &digest).ok()
    }

    #[test]
    fn a_query_takes_the_place_of_its_name_and_of_nothing_else() {
        assert_eq!(filled("SELECT 1").unwrap(), "SELECT 1");
        assert_eq!(
            filled(r##"SELECT * FROM "#1;" a, "#0;" b, "#1;" AS c"##).unwrap(),
            "SELECT * FROM (SELECT 2) a, (SELECT 'one') b, (SELECT 2) AS c"
        );
        for text in [
            r##"SELECT '"#0;"'"##,
            r##"SELECT '"#0;"' FROM "#0;" a"##,
            r##"SELECT "#0;" FROM "#0;" a"##,
            r##"SELECT * FROM "#0;" AS "#0;""##,
            r##"SELECT * FROM "#2;" a"##,
            r##"SELECT U&'\0001shown:0;' FROM "#0;" a"##,
            r##"SELECT * FROM s."#0;x" a"##,
        ] {
            assert_eq!(filled(text), None, "{text}");
        }
    }
}
