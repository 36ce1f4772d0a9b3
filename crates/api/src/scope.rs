//! What a grant shall cover, checked against the target's catalog and written out in full.
//!
//! **Invariant:** a scope on record names columns that the relation had when the grant was made. A
//! column added later is not covered.

use std::collections::BTreeSet;

use model::{Action, CHANNEL_BYTES_MAX, RelationName, Scope, ScopeEntry, TargetName};

use crate::grants::{NewScopeLine, SCOPE_LINES_MAX};
use crate::{DirectoryError, TargetDirectory};

/// Writes out a scope.
///
/// # Errors
///
/// Every mistake, as a sentence each.
pub(crate) async fn expand(
    targets: &dyn TargetDirectory,
    target: &TargetName,
    wanted: &[NewScopeLine],
) -> Result<Scope, Vec<String>> {
    if wanted.is_empty() {
        return Err(vec!["the scope is empty: say which actions on which relation".into()]);
    }
    if wanted.len() > SCOPE_LINES_MAX {
        return Err(vec![format!("the scope has more than {SCOPE_LINES_MAX} lines")]);
    }
    let (mut scope, mut faults) = (Scope::new(), Vec::new());
    for line in wanted {
        if line.actions.iter().any(|action| action.is_of_channel()) {
            match channel_line(line) {
                Ok(entry) => scope.push(entry),
                Err(fault) => faults.push(fault),
            }
            if !targets.describe().iter().any(|known| known.name == *target) {
                let error = DirectoryError::UnknownTarget(target.clone());
                faults.push(with_known_targets(&error, targets));
                break;
            }
            continue;
        }
        match targets.columns(target, &line.relation).await {
            Ok(existing) => match expand_line(line, existing) {
                Ok(entry) => scope.push(entry),
                Err(more) => faults.extend(more),
            },
            Err(error @ DirectoryError::UnknownRelation(_)) => faults.push(error.to_string()),
            // The other lines would only say the same again.
            Err(
                error @ (DirectoryError::UnknownTarget(_) | DirectoryError::Unavailable { .. }),
            ) => {
                faults.push(with_known_targets(&error, targets));
                break;
            }
        }
    }
    if faults.is_empty() { Ok(scope) } else { Err(faults) }
}

fn expand_line(line: &NewScopeLine, existing: Vec<String>) -> Result<ScopeEntry, Vec<String>> {
    let NewScopeLine { relation, actions, columns } = line;
    let mut faults = Vec::new();
    if actions.is_empty() {
        faults.push(format!("no action is named for `{relation}`"));
    }
    let is_routine = existing.is_empty() && columns.is_none();
    let executes = actions.contains(&Action::Execute);
    if executes && (actions.len() > 1 || !is_routine) {
        faults.push(format!(
            "`execute` of `{relation}` stands alone: of a function or procedure, without columns"
        ));
    }
    if !executes && existing.is_empty() {
        faults.push(format!("`{relation}` has no columns; a function takes the action `execute`"));
    }
    let existing: BTreeSet<String> = existing.into_iter().collect();
    let columns = match columns {
        None => existing,
        Some(named) => {
            if named.is_empty() {
                faults.push(format!(
                    "no column of `{relation}` is named; leave the list out for all of them"
                ));
            }
            let unknown: Vec<&str> = named.difference(&existing).map(String::as_str).collect();
            if !unknown.is_empty() {
                faults.push(unknown_columns(relation, &unknown));
            }
            named.clone()
        }
    };
    if !faults.is_empty() {
        return Err(faults);
    }
    Ok(ScopeEntry { relation: relation.clone(), actions: actions.clone(), columns })
}

/// A line about a channel. There is nothing in the catalog to look up: a channel is there once
/// somebody listens.
fn channel_line(line: &NewScopeLine) -> Result<ScopeEntry, String> {
    let NewScopeLine { relation, actions, columns } = line;
    let name = &relation.name;
    if *relation != RelationName::channel(&**name) {
        return Err(format!(
            "`{relation}` is no channel: write `channel.NAME` for `listen` and `notify`"
        ));
    }
    if !actions.iter().all(|action| action.is_of_channel()) {
        return Err(format!(
            "`listen` and `notify` of the channel `{name}` stand apart from other actions, which are of \
             relations: give a relation of the schema `channel` a line of its own"
        ));
    }
    if columns.is_some() {
        return Err(format!("the channel `{name}` has no columns"));
    }
    if name.len() > CHANNEL_BYTES_MAX || name.chars().any(char::is_control) {
        return Err(format!(
            "a channel's name has at most {CHANNEL_BYTES_MAX} bytes, none of them a control character"
        ));
    }
    let (relation, actions) = (relation.clone(), actions.clone());
    Ok(ScopeEntry { relation, actions, columns: BTreeSet::new() })
}

fn unknown_columns(relation: &RelationName, unknown: &[&str]) -> String {
    let list = unknown.join("`, `");
    let plural = if unknown.len() == 1 { "" } else { "s" };
    format!("`{relation}` has no column{plural} `{list}`")
}

fn with_known_targets(error: &DirectoryError, targets: &dyn TargetDirectory) -> String {
    match error {
        DirectoryError::UnknownTarget(_) => {
            let known: Vec<String> =
                targets.describe().into_iter().map(|target| target.name.to_string()).collect();
            format!("{error}; it names {}", known.join(", "))
        }
        DirectoryError::UnknownRelation(_) | DirectoryError::Unavailable { .. } => {
            error.to_string()
        }
    }
}
