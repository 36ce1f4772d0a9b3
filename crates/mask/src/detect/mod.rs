//! Finds what a free text should not show: a last line behind grants and masks, never the only one.
//!
//! Each detector is a scanner of its own, without regular expressions: it looks at each place of
//! the text with a bounded look ahead and back, so its time grows with the length alone. What is
//! found is replaced by the detector's name in brackets, for example `[card]`.
//!
//! **Invariant:** what is put in the place of a finding is a constant: nothing of it remains, not
//! its length either.
//!
//! **Boundary:** one value at a time, in UTF-8. What is spread over two values is not found.

mod card;
mod email;
mod iban;
mod json;
mod phone;
mod secret;
mod ssn;
mod text;

use std::collections::BTreeMap;

use model::{Detector, Detectors};

use self::text::Text;

/// The largest value that is looked through. A larger one is withheld whole.
pub const DETECT_CELL_BYTES_MAX: usize = 1 << 20;

/// What stands in the place of a value that cannot be looked through.
pub const WITHHELD: &str = "[withheld]";

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// A text.
    Text,
    /// JSON: its strings, numbers and keys are looked through one by one.
    Json,
}

/// How many findings there were, per detector. What was withheld whole counts once for each.
pub type Counts = BTreeMap<Detector, u64>;

/// Replaces what is found in a value; nothing if nothing is found.
///
/// The result is a text, or JSON if the value was.
pub fn redact(
    value: &[u8],
    content: Content,
    detectors: &Detectors,
    counts: &mut Counts,
) -> Option<Vec<u8>> {
    let is_readable = value.len() <= DETECT_CELL_BYTES_MAX && std::str::from_utf8(value).is_ok();
    let redacted = match content {
        _ if !is_readable => Err(Unreadable),
        Content::Text => Ok(redact_text(value, value, detectors, counts)),
        Content::Json => json::redact(value, detectors, counts),
    };
    redacted.unwrap_or_else(|Unreadable| {
        for detector in detectors {
            count(counts, *detector);
        }
        Some(match content {
            Content::Text => WITHHELD.as_bytes().to_vec(),
            Content::Json => format!("\"{WITHHELD}\"").into_bytes(),
        })
    })
}

/// A value that cannot be looked through.
#[derive(Clone, Copy, Debug)]
struct Unreadable;

/// A piece of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    start: usize,
    end: usize,
    detector: Detector,
}

/// Replaces what is found in `text`, of which only the last `value.len()` bytes are the value: what
/// stands before them says what it is about.
fn redact_text(
    text: &[u8],
    value: &[u8],
    detectors: &Detectors,
    counts: &mut Counts,
) -> Option<Vec<u8>> {
    let offset = text.len().saturating_sub(value.len());
    let findings = merged(find(text, detectors), offset);
    if findings.is_empty() {
        return None;
    }
    let mut redacted = Vec::with_capacity(value.len());
    let mut done = offset;
    for Finding { start, end, detector } in findings {
        redacted.extend_from_slice(text.get(done..start).unwrap_or_default());
        redacted.extend_from_slice(format!("[{detector}]").as_bytes());
        count(counts, detector);
        done = end;
    }
    redacted.extend_from_slice(text.get(done..).unwrap_or_default());
    Some(redacted)
}

fn find(text: &[u8], detectors: &Detectors) -> Vec<Finding> {
    let text = Text::new(text);
    let mut findings = Vec::new();
    for detector in detectors {
        let mut found = |start: usize, end: usize| {
            findings.push(Finding { start, end, detector: *detector });
        };
        match detector {
            Detector::Secret => secret::find(text, &mut found),
            Detector::Email => email::find(text, &mut found),
            Detector::Iban => iban::find(text, &mut found),
            Detector::Card => card::find(text, &mut found),
            Detector::Ssn => ssn::find(text, &mut found),
            Detector::Phone => phone::find(text, &mut found),
        }
    }
    findings
}

/// Findings behind `offset` without overlaps, in order: those that overlap are one, named by the
/// first detector in the order of [`Detector`].
fn merged(mut findings: Vec<Finding>, offset: usize) -> Vec<Finding> {
    findings.retain(|finding| finding.end > offset);
    findings.sort_unstable();
    let mut merged: Vec<Finding> = Vec::with_capacity(findings.len());
    for mut finding in findings {
        finding.start = finding.start.max(offset);
        match merged.last_mut() {
            Some(last) if finding.start < last.end => {
                last.end = last.end.max(finding.end);
                last.detector = last.detector.min(finding.detector);
            }
            Some(_) | None => merged.push(finding),
        }
    }
    merged
}

fn count(counts: &mut Counts, detector: Detector) {
    let findings = counts.entry(detector).or_default();
    *findings = findings.saturating_add(1);
}

#[cfg(test)]
mod tests;
