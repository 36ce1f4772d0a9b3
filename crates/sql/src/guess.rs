//! What PostgreSQL says of a column that does not exist, and its hint: "Perhaps you meant …".
//!
//! The hint names columns, so it is given only where nothing on the target is hidden from the client.
//!
//! Source: PostgreSQL's `parse_relation.c` (`searchRangeTableForCol`, `updateFuzzyAttrMatchState`,
//! `errorMissingColumn`).

use crate::Refusal;
use crate::scope::{self, Level};
use crate::walk::Walk;

/// Farther apart, two names have nothing to do with each other (`MAX_FUZZY_DISTANCE`).
const DISTANCE_MAX: usize = 3;

/// Longest name that is compared: PostgreSQL's own are no longer.
const NAME_BYTES_MAX: usize = 63;

/// Most columns that are compared for one hint.
const COLUMNS_MAX: usize = 10_000;

impl Walk<'_> {
    /// Adds the hint to the refusal of a column that does not exist.
    pub(crate) fn guessed(&self, refusal: Refusal, parts: &[&str]) -> Refusal {
        let is_column = refusal.sqlstate == "42703" && refusal.hint.is_none();
        if !is_column || !self.world.shows_all() {
            return refusal;
        }
        let (item, column) = match *parts {
            [column] => (None, column),
            [item, column] | [_, item, column] => (Some(item), column),
            _ => return refusal,
        };
        match hint(&self.levels, item, column) {
            Some(hint) => refusal.with_hint(hint),
            None => refusal,
        }
    }
}

/// What PostgreSQL says of a name that means nothing.
pub(crate) fn not_found(levels: &[Level], parts: &[&str]) -> Refusal {
    let (schema, item) = match *parts {
        [item, _] => (None, item),
        [schema, item, _] => (Some(schema), item),
        _ => return Refusal::unknown_column(&parts.join(".")),
    };
    match scope::find_item(levels, schema, item) {
        Ok(None) => Refusal::missing_item(item),
        Ok(Some(_)) | Err(_) => Refusal::unknown_column(&parts.join(".")),
    }
}

/// The best matches so far: one, or two of the same distance.
struct Matches {
    distance: usize,
    first: Option<String>,
    second: Option<String>,
}

fn hint(levels: &[Level], item: Option<&str>, column: &str) -> Option<String> {
    if column.len() > NAME_BYTES_MAX {
        return None;
    }
    let mut matches =
        Matches { distance: DISTANCE_MAX.saturating_add(1), first: None, second: None };
    let mut compared = 0_usize;
    for level in levels.iter().rev() {
        for known in &level.items {
            let Some(name) = &known.name else { continue };
            let penalty = item.map_or(0, |item| distance(item, name));
            compared = compared.saturating_add(known.columns.len());
            if compared > COLUMNS_MAX {
                return None;
            }
            if known.columns.iter().any(|c| c.name == column) {
                return Some(out_of_reach(name, column));
            }
            for candidate in &known.columns {
                matches.take(penalty, column, name, &candidate.name);
            }
        }
    }
    let first = matches.first?;
    Some(match matches.second {
        None => format!("Perhaps you meant to reference the column \"{first}\"."),
        Some(second) => format!(
            "Perhaps you meant to reference the column \"{first}\" or the column \"{second}\"."
        ),
    })
}

/// The column is there, but not for this part of the query.
fn out_of_reach(item: &str, column: &str) -> String {
    format!(
        "There is a column named \"{column}\" in table \"{item}\", but it cannot be referenced \
         from this part of the query."
    )
}

impl Matches {
    fn take(&mut self, penalty: usize, wanted: &str, item: &str, candidate: &str) {
        if penalty > self.distance {
            return;
        }
        let apart = distance(candidate, wanted);
        // More than half of it is different.
        if apart > wanted.len() / 2 {
            return;
        }
        let apart = apart.saturating_add(penalty);
        let shown = || Some(format!("{item}.{candidate}"));
        match apart.cmp(&self.distance) {
            std::cmp::Ordering::Less => {
                *self = Self { distance: apart, first: shown(), second: None };
            }
            std::cmp::Ordering::Equal if self.second.is_some() => {
                let distance = apart.saturating_sub(1);
                *self = Self { distance, first: None, second: None };
            }
            std::cmp::Ordering::Equal if self.first.is_some() => self.second = shown(),
            std::cmp::Ordering::Equal if self.distance <= DISTANCE_MAX => self.first = shown(),
            std::cmp::Ordering::Equal | std::cmp::Ordering::Greater => {}
        }
    }
}

/// Letters to insert, delete or change, to make one name of another (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (index, letter) in one.chars().enumerate() {
        let mut before = index;
        let mut left = index.saturating_add(1);
        for (place, known) in other.iter().enumerate() {
            let above = row.get(place.saturating_add(1)).copied().unwrap_or(usize::MAX);
            let change = before.saturating_add(usize::from(*known != letter));
            let best = change.min(above.saturating_add(1)).min(left.saturating_add(1));
            if let Some(cell) = row.get_mut(place) {
                *cell = left;
            }
            before = above;
            left = best;
        }
        if let Some(last) = row.last_mut() {
            *last = left;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_distance_is_that_of_levenshtein() {
        #[rustfmt::skip]
        let cases = [
            ("", "", 0), ("", "abc", 3), ("abc", "", 3), ("abc", "abc", 0), ("abc", "abd", 1),
            ("name", "nope", 2), ("code", "nope", 2), ("naem", "name", 2), ("kitten", "sitting", 3),
        ];
        for (one, other, expected) in cases {
            assert_eq!(distance(one, other), expected, "{one} {other}");
        }
    }

    #[test]
    fn three_names_as_near_as_each_other_are_no_guess() {
        let mut matches = Matches { distance: 4, first: None, second: None };
        let shown = |matches: &Matches| (matches.first.clone(), matches.second.clone());
        matches.take(0, "nope", "t", "name");
        assert_eq!(shown(&matches), (Some("t.name".into()), None));
        matches.take(0, "nope", "t", "code");
        assert_eq!(shown(&matches), (Some("t.name".into()), Some("t.code".into())));
        matches.take(0, "nope", "t", "rope2");
        assert_eq!(shown(&matches), (None, None));
        matches.take(0, "nope", "t", "note");
        assert_eq!(shown(&matches), (Some("t.note".into()), None));
    }
}
