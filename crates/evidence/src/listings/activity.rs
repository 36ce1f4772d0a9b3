//! What was done, denied, hidden, and left without a known end.

use std::collections::{BTreeMap, BTreeSet};

use model::{FinishedResult, IdentityName, MaskedColumn, RelationName, TargetName, Touch};

use super::{Case, Head, add};
use crate::history::{Denial, Ending, Intended};
use crate::report::Artefact;
use crate::rows::{DenialGroup, RedactionRow, UnfinishedRow, UseRow};

pub(super) fn usage(case: &Case<'_>) -> Artefact<UseRow> {
    let mut rows: BTreeMap<(IdentityName, TargetName), UseRow> = BTreeMap::new();
    for command in commands(case) {
        count(row(&mut rows, &command.identity, &command.target, command.record), command);
    }
    for denial in denied(case) {
        add(&mut row(&mut rows, &denial.identity, &denial.target, denial.record).denied, 1);
    }
    Head {
        id: "usage",
        title: "Commands per identity",
        query: "every command allowed or denied in the window, joined with its outcome (wherever it \
                stands), grouped by identity and target",
        population: Some("commands.csv"),
        basis: vec![case.access_window(), case.access_all()],
        excludes: case.filtered(),
    }
    .with(rows.into_values().collect())
}

fn row<'r>(
    rows: &'r mut BTreeMap<(IdentityName, TargetName), UseRow>,
    identity: &IdentityName,
    target: &TargetName,
    record: u64,
) -> &'r mut UseRow {
    let row = rows.entry((identity.clone(), target.clone())).or_insert_with(|| UseRow {
        identity: identity.clone(),
        target: target.clone(),
        allowed: 0,
        denied: 0,
        results: BTreeMap::new(),
        rows: 0,
        affected: 0,
        bytes: 0,
        redacted: 0,
        relations: BTreeSet::new(),
        records: (record, record),
    });
    row.records = (row.records.0.min(record), row.records.1.max(record));
    row
}

fn count(row: &mut UseRow, command: &Intended) {
    add(&mut row.allowed, 1);
    row.relations.extend(relations(&command.facts.touches));
    let Ending::Recorded(finished) = &command.ending else { return };
    add(row.results.entry(finished.result).or_default(), 1);
    add(&mut row.rows, finished.rows);
    add(&mut row.affected, finished.affected.unwrap_or(0));
    add(&mut row.bytes, finished.bytes);
    for redaction in &finished.redactions {
        add(&mut row.redacted, redaction.values);
    }
}

pub(super) fn denials(case: &Case<'_>) -> Artefact<DenialGroup> {
    let mut groups: BTreeMap<String, DenialGroup> = BTreeMap::new();
    for denial in denied(case) {
        let reason = denial.reason.clone();
        let group = groups.entry(reason.clone()).or_insert_with(|| DenialGroup {
            reason,
            count: 0,
            identities: BTreeSet::new(),
            relations: BTreeSet::new(),
            records: Vec::new(),
        });
        add(&mut group.count, 1);
        group.identities.insert(denial.identity.clone());
        group.relations.extend(relations(&denial.touches));
        group.records.push(denial.record);
    }
    let mut rows: Vec<DenialGroup> = groups.into_values().collect();
    rows.sort_by_key(|group| (std::cmp::Reverse(group.count), group.reason.clone()));
    let mut excludes = case.filtered();
    excludes.push("clients that failed to log in, which have a listing of their own".to_owned());
    Head {
        id: "denials",
        title: "Denied commands by reason",
        query: "every denial in the window, grouped by its machine-readable reason",
        population: Some("denials.csv"),
        basis: vec![case.access_window()],
        excludes,
    }
    .with(rows)
}

pub(super) fn redactions(case: &Case<'_>) -> Artefact<RedactionRow> {
    let mut rows: BTreeMap<(TargetName, MaskedColumn), RedactionRow> = BTreeMap::new();
    for command in commands(case) {
        let Ending::Recorded(finished) = &command.ending else { continue };
        for redaction in &finished.redactions {
            let (target, column) = (command.target.clone(), redaction.column.clone());
            let row = rows.entry((target.clone(), column.clone())).or_insert_with(|| {
                RedactionRow { target, column, commands: 0, values: 0, records: Vec::new() }
            });
            add(&mut row.commands, 1);
            add(&mut row.values, redaction.values);
            row.records.push(finished.record);
        }
    }
    let mut excludes = case.filtered();
    excludes.push("values of columns that the settings declare no mask for".to_owned());
    Head {
        id: "redactions",
        title: "Hidden values by column and mask",
        query: "the redactions of every outcome of a command allowed in the window, grouped by \
                target, column and mask",
        population: Some("redactions.csv"),
        basis: vec![case.access_window(), case.access_all()],
        excludes,
    }
    .with(rows.into_values().collect())
}

pub(super) fn unfinished(case: &Case<'_>) -> Artefact<UnfinishedRow> {
    let rows = commands(case).filter_map(unfinished_row).collect();
    Head {
        id: "unfinished",
        title: "Commands without a known end",
        query: "every command allowed in the window whose outcome is recorded as unknown, that was \
                running when the checkpoint was made, or that has no outcome at all",
        population: Some("commands.csv"),
        basis: vec![case.access_window(), case.access_all()],
        excludes: case.filtered(),
    }
    .with(rows)
}

fn unfinished_row(command: &Intended) -> Option<UnfinishedRow> {
    let (state, outcome_record) = match &command.ending {
        Ending::Recorded(finished) => match finished.result {
            FinishedResult::Unknown => ("unknown", Some(finished.record)),
            FinishedResult::Completed
            | FinishedResult::Suspended
            | FinishedResult::Failed
            | FinishedResult::Skipped
            | FinishedResult::Cut => return None,
        },
        Ending::Running => ("running", None),
        Ending::Missing => ("missing", None),
    };
    Some(UnfinishedRow {
        record: command.record,
        at: command.at,
        session: command.id.session,
        sequence: command.id.sequence,
        identity: command.identity.clone(),
        target: command.target.clone(),
        state,
        outcome_record,
    })
}

fn commands<'c>(case: &Case<'c>) -> impl Iterator<Item = &'c Intended> {
    let scope = case.scope;
    case.history.commands.iter().filter(move |command| scope.has(command))
}

fn denied<'c>(case: &Case<'c>) -> impl Iterator<Item = &'c Denial> {
    let scope = case.scope;
    let is_in = move |denial: &&Denial| {
        scope.covers(denial.at, Some(&denial.identity), Some(&denial.target))
    };
    case.history.denials.iter().filter(is_in)
}

fn relations(touches: &[Touch]) -> impl Iterator<Item = String> {
    touches.iter().map(|touch| RelationName::to_string(&touch.relation))
}
