//! The geometry of the report's charts, in whole numbers. The templates draw it as SVG.

use std::collections::BTreeMap;

use model::Timestamp;

use crate::checks::Scope;
use crate::history::History;
use crate::report::Report;

/// Width and height of the plot, in the units of its view box.
pub(crate) const PLOT_WIDTH: u64 = 680;
pub(crate) const PLOT_HEIGHT: u64 = 150;

/// Length of the longest horizontal bar.
pub(crate) const BAR_WIDTH: u64 = 300;

/// Most bars of the chart over time.
const BUCKETS_MAX: u64 = 60;

/// Most rows of a chart of horizontal bars. The listing below has them all.
const BARS_MAX: usize = 12;

/// Widths of a bar in seconds, and how they are called.
const STEPS: [(u64, &str); 14] = [
    (1, "second"),
    (5, "5 seconds"),
    (15, "15 seconds"),
    (60, "minute"),
    (300, "5 minutes"),
    (900, "15 minutes"),
    (3600, "hour"),
    (10_800, "3 hours"),
    (21_600, "6 hours"),
    (43_200, "12 hours"),
    (86_400, "day"),
    (604_800, "7 days"),
    (2_592_000, "30 days"),
    (31_536_000, "365 days"),
];

/// Commands over time.
#[derive(Debug)]
pub(crate) struct Timeline {
    /// What one bar stands for.
    pub(crate) step: &'static str,
    /// Start of the first bar.
    pub(crate) from: Timestamp,
    /// Start of the last bar.
    pub(crate) to: Timestamp,
    /// The bars from the left. Those without a command are left out.
    pub(crate) bars: Vec<Column>,
    /// Width of one bar.
    pub(crate) bar_width: u64,
    /// What the highest bar stands for.
    pub(crate) highest: u64,
}

/// One bar of the chart over time.
#[derive(Debug)]
pub(crate) struct Column {
    /// Its left edge.
    pub(crate) x: u64,
    /// Its start.
    pub(crate) at: Timestamp,
    /// Commands allowed, and their height and top.
    pub(crate) allowed: (u64, u64, u64),
    /// Commands denied, and their height and top.
    pub(crate) denied: (u64, u64, u64),
}

/// One row of horizontal bars.
#[derive(Debug)]
pub(crate) struct Bar {
    /// What it is about.
    pub(crate) label: String,
    /// A second line.
    pub(crate) note: String,
    /// The first part and its length.
    pub(crate) first: (u64, u64),
    /// The second part, drawn behind the first, and its length.
    pub(crate) second: (u64, u64),
}

/// Counts the commands in scope by time. Nothing if there is none.
pub(crate) fn timeline(history: &History, scope: &Scope) -> Option<Timeline> {
    let mut counts: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
    for command in history.commands.iter().filter(|command| scope.has(command)) {
        let (allowed, _) = counts.entry(command.at.unix_seconds()).or_default();
        *allowed = allowed.saturating_add(1);
    }
    for denial in &history.denials {
        if scope.covers(denial.at, Some(&denial.identity), Some(&denial.target)) {
            let (_, denied) = counts.entry(denial.at.unix_seconds()).or_default();
            *denied = denied.saturating_add(1);
        }
    }
    let (first, last) = (*counts.keys().next()?, *counts.keys().next_back()?);
    let bucket = |second: u64, step: u64| second.checked_div(step).unwrap_or(0);
    let count =
        |step: u64| bucket(last, step).saturating_sub(bucket(first, step)).saturating_add(1);
    let widest = (31_536_000, "365 days");
    let (seconds, step) =
        STEPS.into_iter().find(|(step, _)| count(*step) <= BUCKETS_MAX).unwrap_or(widest);
    let begin = bucket(first, seconds);
    let mut columns: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
    for (second, (allowed, denied)) in counts {
        let column = columns.entry(bucket(second, seconds).saturating_sub(begin)).or_default();
        column.0 = column.0.saturating_add(allowed);
        column.1 = column.1.saturating_add(denied);
    }
    let total = |(allowed, denied): &(u64, u64)| allowed.saturating_add(*denied);
    let highest = columns.values().map(total).max().unwrap_or(0);
    let start = |place: u64| {
        let since = begin.saturating_add(place).saturating_mul(seconds);
        Timestamp::from_unix(std::time::Duration::from_secs(since))
    };
    let bar_width = scale(1, count(seconds).max(12), PLOT_WIDTH);
    let bars = columns
        .into_iter()
        .map(|(place, (allowed, denied))| {
            let allowed_height = scale(allowed, highest, PLOT_HEIGHT);
            let denied_height = scale(denied, highest, PLOT_HEIGHT);
            let allowed_top = PLOT_HEIGHT.saturating_sub(allowed_height);
            Column {
                x: place.saturating_mul(bar_width),
                at: start(place),
                allowed: (allowed, allowed_height, allowed_top),
                denied: (denied, denied_height, allowed_top.saturating_sub(denied_height)),
            }
        })
        .collect();
    let last = bucket(last, seconds).saturating_sub(begin);
    Some(Timeline { step, from: start(0), to: start(last), bars, bar_width, highest })
}

/// Allowed and denied commands of each identity.
pub(crate) fn decisions(report: &Report) -> Vec<Bar> {
    let rows = report.artefacts.usage.rows.iter();
    let bars = rows.map(|row| {
        (row.identity.to_string(), format!("on {}", row.target), row.allowed, row.denied)
    });
    scaled(bars.collect())
}

/// Hidden values of each column.
pub(crate) fn redactions(report: &Report) -> Vec<Bar> {
    let rows = report.artefacts.redactions.rows.iter();
    let bars = rows.map(|row| {
        let column = format!("{}.{}", row.column.relation, row.column.column);
        (column, format!("{} on {}", row.column.mask, row.target), row.values, 0)
    });
    scaled(bars.collect())
}

/// The largest rows, scaled to the largest of all.
fn scaled(mut rows: Vec<(String, String, u64, u64)>) -> Vec<Bar> {
    let total = |row: &(String, String, u64, u64)| row.2.saturating_add(row.3);
    rows.sort_by_key(|row| std::cmp::Reverse(total(row)));
    let most = rows.first().map_or(0, total);
    rows.into_iter()
        .take(BARS_MAX)
        .map(|(label, note, first, second)| Bar {
            label,
            note,
            first: (first, scale(first, most, BAR_WIDTH)),
            second: (second, scale(second, most, BAR_WIDTH)),
        })
        .collect()
}

/// `value` of `most`, as a length of `length`. What is not nothing is at least one unit long.
fn scale(value: u64, most: u64, length: u64) -> u64 {
    let scaled = u128::from(value).saturating_mul(u128::from(length)).checked_div(u128::from(most));
    let scaled = scaled.and_then(|scaled| u64::try_from(scaled).ok()).unwrap_or(0);
    scaled.max(u64::from(value > 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_in_proportion_and_never_invisible() {
        for (value, most, length, expected) in [
            (0, 10, 100, 0),
            (5, 10, 100, 50),
            (1, 10_000, 100, 1),
            (0, 0, 100, 0),
            (7, 7, 100, 100),
        ] {
            assert_eq!(scale(value, most, length), expected, "{value}/{most}");
        }
    }
}
