//! What was granted, and what was used of it.
//!
//! Source: NIST SP 800-53 AC-6 (least privilege), AC-6(7) (review of user privileges).

use std::collections::{BTreeMap, BTreeSet};

use model::{Action, GrantId, RelationName, Timestamp};
use registry::GrantEntry;

use super::{Case, Head, add};
use crate::history::{Ending, Intended};
use crate::report::Artefact;
use crate::rows::{GrantRow, Revocation, ScopeUse};

/// What was used of one grant.
#[derive(Default)]
struct Use {
    commands: u64,
    rows: u64,
    affected: u64,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
    touched: BTreeMap<(RelationName, Action), Touched>,
}

impl Use {
    /// Notes that the grant was used then.
    fn note(&mut self, at: Timestamp) {
        self.first = Some(self.first.map_or(at, |first| first.min(at)));
        self.last = self.last.max(Some(at));
    }
}

#[derive(Default)]
struct Touched {
    commands: u64,
    columns: BTreeSet<String>,
}

pub(super) fn grants(case: &Case<'_>) -> Artefact<GrantRow> {
    let uses = uses(case);
    let rows = case
        .inventory
        .grants()
        .filter(|entry| was_in_force(case, entry))
        .filter(|entry| {
            case.scope.filters.admit(Some(&entry.grant.identity), Some(&entry.grant.target))
        })
        .map(|entry| row(case, entry, uses.get(&entry.grant.id).unwrap_or(&Use::default())))
        .collect();
    let mut excludes = case.filtered();
    excludes.push("grants that ended before the window, or were made after it".to_owned());
    Head {
        id: "grants",
        title: "Grants in force in the window, and what was used of them",
        query: "fold the control records; keep each grant whose life, from its making to its expiry \
                or revocation, meets the window; for each pair of action and column in its scope \
                look for a command in the window that touched it and names the grant",
        population: Some("grants.csv"),
        basis: vec![case.control_until_end(), case.access_window()],
        excludes,
    }
    .with(rows)
}

fn was_in_force(case: &Case<'_>, entry: &GrantEntry) -> bool {
    let window = case.scope.window;
    let revoked = entry.revoked.as_ref().map(|revoked| revoked.at);
    let end = revoked.map_or(entry.grant.expires_at, |at| at.min(entry.grant.expires_at));
    // One revoked before it began was never in force, but belongs to the window in which it was made.
    entry.created_at < window.to && end.max(entry.created_at) >= window.from
}

fn uses(case: &Case<'_>) -> BTreeMap<GrantId, Use> {
    let mut uses: BTreeMap<GrantId, Use> = BTreeMap::new();
    for command in case.history.commands.iter().filter(|command| case.scope.has(command)) {
        for named in &command.grants {
            count(case, uses.entry(named.id).or_default(), named.id, command);
        }
    }
    for notified in &case.history.notifications {
        if !case.scope.covers(notified.at, Some(&notified.identity), Some(&notified.target)) {
            continue;
        }
        for named in notified.grants() {
            let of_grant = uses.entry(named.id).or_default();
            add(&mut of_grant.rows, 1);
            of_grant.note(notified.at);
        }
    }
    uses
}

fn count(case: &Case<'_>, used: &mut Use, id: GrantId, command: &Intended) {
    add(&mut used.commands, 1);
    if let Ending::Recorded(finished) = &command.ending {
        add(&mut used.rows, finished.rows);
        add(&mut used.affected, finished.affected.unwrap_or(0));
    }
    used.note(command.at);
    let Some(entry) = case.inventory.grant(id) else { return };
    for touch in &command.facts.touches {
        let granted = columns(entry, &touch.relation, touch.action);
        let columns: Vec<&String> = touch.columns.intersection(&granted).collect();
        let gives_action =
            entry.grant.scope.iter().any(|line| {
                line.relation == touch.relation && line.actions.contains(&touch.action)
            });
        if columns.is_empty() && !(touch.columns.is_empty() && gives_action) {
            continue;
        }
        let touched = used.touched.entry((touch.relation.clone(), touch.action)).or_default();
        add(&mut touched.commands, 1);
        touched.columns.extend(columns.into_iter().cloned());
    }
}

/// The columns on which a grant has the action.
fn columns(entry: &GrantEntry, relation: &RelationName, action: Action) -> BTreeSet<String> {
    let lines = entry.grant.scope.iter();
    lines
        .filter(|line| line.relation == *relation && line.actions.contains(&action))
        .flat_map(|line| line.columns.iter().cloned())
        .collect()
}

fn row(case: &Case<'_>, entry: &GrantEntry, used: &Use) -> GrantRow {
    let grant = &entry.grant;
    let pairs: BTreeSet<(RelationName, Action)> = grant
        .scope
        .iter()
        .flat_map(|line| line.actions.iter().map(|action| (line.relation.clone(), *action)))
        .collect();
    let scope: Vec<ScopeUse> = pairs
        .into_iter()
        .map(|(relation, action)| scope_use(entry, used, relation, action))
        .collect();
    let sum = |of: fn(&ScopeUse) -> usize| {
        scope.iter().map(of).fold(0_u64, |sum, n| sum.saturating_add(u64::try_from(n).unwrap_or(0)))
    };
    // An action without columns (DELETE) is one privilege.
    let privileges = sum(|part| part.used.len().saturating_add(part.unused.len()).max(1));
    let privileges_used = sum(|part| part.used.len().max(usize::from(part.is_used_whole())));
    let origin = case.provenance.grants.get(&grant.id);
    GrantRow {
        grant: grant.id,
        hash: entry.hash.clone(),
        identity: grant.identity.clone(),
        target: grant.target.clone(),
        task: grant.task.clone(),
        purpose: grant.purpose.clone(),
        on_behalf_of: grant.on_behalf_of.clone(),
        requested_by: grant.requested_by.clone(),
        approved_by: grant.approved_by.clone(),
        accepted_holes: grant.accepted_holes.iter().cloned().collect(),
        not_before: grant.not_before,
        expires_at: grant.expires_at,
        state: state(case.end(), entry),
        revoked: entry.revoked.as_ref().map(|revoked| Revocation {
            at: revoked.at,
            by: revoked.by.clone(),
            reason: revoked.reason.clone(),
            record: origin.and_then(|origin| origin.revoked).unwrap_or(0),
        }),
        limits: grant.limits,
        created_record: origin.map_or(0, |origin| origin.record),
        commands: used.commands,
        rows: used.rows,
        affected: used.affected,
        first_used: used.first,
        last_used: used.last,
        scope,
        privileges,
        privileges_used,
    }
}

fn scope_use(entry: &GrantEntry, used: &Use, relation: RelationName, action: Action) -> ScopeUse {
    let granted = columns(entry, &relation, action);
    let name = relation.to_string();
    let touched = used.touched.get(&(relation, action));
    let used = touched.map(|touched| touched.columns.clone()).unwrap_or_default();
    ScopeUse {
        relation: name,
        action: action.name(),
        commands: touched.map_or(0, |touched| touched.commands),
        // These take no column: those of its line belong to the line's other actions.
        unused: match action {
            Action::Delete
            | Action::Truncate
            | Action::Execute
            | Action::Listen
            | Action::Notify => BTreeSet::new(),
            Action::Select | Action::Insert | Action::Update => {
                granted.difference(&used).cloned().collect()
            }
        },
        used,
    }
}

fn state(end: Timestamp, entry: &GrantEntry) -> &'static str {
    if entry.revoked.is_some() {
        "revoked"
    } else if entry.grant.expires_at <= end {
        "expired"
    } else if end < entry.grant.not_before {
        "pending"
    } else {
        "live"
    }
}
