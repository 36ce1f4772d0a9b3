//! "Did you mean": the known word nearest to one that is not known.

/// Longest word compared, in bytes. A longer one gets no suggestion.
const WORD_BYTES_MAX: usize = 64;

/// Returns the known word that needs the fewest edits to become `word`, if it needs few enough that
/// it can be what was meant: at most a third of its letters, and at least one.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > WORD_BYTES_MAX {
        return None;
    }
    known
        .into_iter()
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(edits, candidate)| *edits <= (candidate.len() / 3).max(1))
        .min()
        .map(|(_, candidate)| candidate)
}

/// Optimal string alignment distance: one edit inserts, removes or replaces one character, or
/// swaps two neighbours.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    // Distances of the last three beginnings of `left` to each beginning of `right`.
    let mut before_last = Vec::new();
    let mut last: Vec<usize> = (0..=right.len()).collect();
    let mut previous = None;
    for (i, l) in left.chars().enumerate() {
        let mut row = vec![i.saturating_add(1)];
        let mut previous_right = None;
        for (j, r) in right.iter().copied().enumerate() {
            let at = |row: &[usize], j: usize| row.get(j).copied().unwrap_or(usize::MAX / 2);
            let next = j.saturating_add(1);
            let mut edits = at(&last, j).saturating_add(usize::from(l != r));
            edits = edits.min(at(&last, next).saturating_add(1));
            edits = edits.min(at(&row, j).saturating_add(1));
            if previous == Some(r) && previous_right == Some(l) {
                edits = edits.min(at(&before_last, j.saturating_sub(1)).saturating_add(1));
            }
            row.push(edits);
            previous_right = Some(r);
        }
        previous = Some(l);
        before_last = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_suggested_only_if_it_is_near() {
        let known = ["postgres", "admin_socket", "tls_certificate", "ca"];
        #[rustfmt::skip]
        let cases = [
            ("postgress",       Some("postgres")),
            ("postgre",         Some("postgres")),
            ("admin-socket",    Some("admin_socket")),
            ("tls_certifcate",  Some("tls_certificate")),
            ("cb",              Some("ca")),
            ("potsgres",        Some("postgres")),
            ("mysql",           None),
            ("",                None),
        ];
        for (word, expected) in cases {
            assert_eq!(nearest(word, known), expected, "{word}");
        }
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("nmae", "name"), 1);
        assert_eq!(distance("", "name"), 4);
        assert_eq!(nearest(&"a".repeat(65), ["a"]), None);
    }
}
