//! The report and the instructions as text: what the templates need beside the report itself.
//!
//! Everything that a template inserts passes through [`crate::escape::Visible`] or
//! [`crate::escape::Markdown`]; no template marks anything as safe.

use askama::Template;
use model::Timestamp;

use crate::charts::{self, BAR_WIDTH, Bar, PLOT_HEIGHT, PLOT_WIDTH, Timeline};
use crate::checks::Scope;
use crate::history::History;
use crate::names::{end_name, kind_name, result_name};
use crate::report::{Report, State};

/// Most rows of a table in the report. The populations have all of them, and the report says so.
const ROWS_MAX: usize = 200;

/// Most exceptions shown of one check. `exceptions.csv` has all of them.
const EXCEPTIONS_MAX: usize = 20;

/// Most record numbers in one cell.
const RECORDS_MAX: usize = 12;

#[derive(Template)]
#[template(path = "report.html")]
struct Page<'r> {
    report: &'r Report,
    timeline: Option<Timeline>,
    decisions: Vec<Bar>,
    redactions: Vec<Bar>,
    counts: Counts,
}

/// Findings by state.
struct Counts {
    satisfied: usize,
    not_satisfied: usize,
    needs_attestation: usize,
}

#[derive(Template)]
#[template(path = "package.md")]
struct Instructions<'r> {
    report: &'r Report,
}

impl Page<'_> {
    /// Id and short name of each listing, for the line of links.
    fn heads(&self) -> [(&'static str, &'static str); 11] {
        let all = &self.report.artefacts;
        [
            (all.inventory.id, "Identities"),
            (all.grants.id, "Grants"),
            (all.usage.id, "Commands"),
            (all.denials.id, "Denials"),
            (all.redactions.id, "Redactions"),
            (all.unfinished.id, "Unfinished"),
            (all.sessions.id, "Sessions"),
            (all.authentication_failures.id, "Failed logons"),
            (all.administration.id, "Changes"),
            (all.event_types.id, "Event types"),
            (all.epochs.id, "Runs"),
        ]
    }
}

/// Writes `report.html`.
///
/// # Errors
///
/// If formatting fails, which no report causes.
pub(crate) fn report(report: &Report, history: &History, scope: &Scope) -> askama::Result<Vec<u8>> {
    let count = |state: State| {
        let findings = report.controls.iter().flat_map(|control| &control.findings);
        findings.filter(|finding| finding.state == state).count()
    };
    let page = Page {
        report,
        timeline: charts::timeline(history, scope),
        decisions: charts::decisions(report),
        redactions: charts::redactions(report),
        counts: Counts {
            satisfied: count(State::Satisfied),
            not_satisfied: count(State::NotSatisfied),
            needs_attestation: count(State::NeedsAttestation),
        },
    };
    page.render().map(String::into_bytes)
}

/// Writes `README.md`.
///
/// # Errors
///
/// If formatting fails, which no report causes.
pub(crate) fn readme(report: &Report) -> askama::Result<Vec<u8>> {
    Instructions { report }.render().map(String::into_bytes)
}

/// A time to the second, for reading. The data have it to the nanosecond.
fn time(at: &Timestamp) -> String {
    let text = at.to_string();
    let seconds = text.get(..19).unwrap_or(&text);
    format!("{}Z", seconds.replacen('T', " ", 1))
}

/// A number with spaces between the thousands.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "templates pass references")]
fn number(value: &u64) -> String {
    let digits = value.to_string();
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        let left = digits.len().saturating_sub(place);
        if place > 0 && left.is_multiple_of(3) {
            out.push('\u{202f}');
        }
        out.push(digit);
    }
    out
}

/// Values with commas between them.
fn listed<T: std::fmt::Display>(values: impl IntoIterator<Item = T>) -> String {
    let values: Vec<String> = values.into_iter().map(|value| value.to_string()).collect();
    values.join(", ")
}

/// Record numbers with commas between them; many are cut, and the text says so.
fn records(all: &[u64]) -> String {
    let first = listed(all.iter().take(RECORDS_MAX));
    match all.len().checked_sub(RECORDS_MAX) {
        None | Some(0) => first,
        Some(more) => format!("{first} and {more} more"),
    }
}

/// The first and last record of a range.
#[expect(clippy::ref_option, reason = "templates pass references")]
fn range(records: &Option<(u64, u64)>) -> String {
    records.map_or("none".to_owned(), |(first, last)| format!("{first}–{last}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_times_are_written_for_people() {
        assert_eq!(number(&7), "7");
        assert_eq!(number(&1234), "1\u{202f}234");
        assert_eq!(number(&1_234_567), "1\u{202f}234\u{202f}567");
        assert_eq!(time(&Timestamp::EPOCH), "1970-01-01 00:00:00Z");
        let many: Vec<u64> = (0..15).collect();
        assert_eq!(records(&many), "0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 3 more");
    }
}
