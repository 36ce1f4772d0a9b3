//! Which grants cover what a statement touches, and until when.
//!
//! **Invariant:** adding a grant never turns a covered statement into an uncovered one.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::time::Duration;

use model::{Action, Facts, GrantRef, StatementKind, Timestamp, Touch};

use crate::{DenyReason, LiveGrant, Standing};

/// The grants under which a statement may run, and what they limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coverage {
    /// Those that cover it, sorted, each once. Empty if it touches no relation.
    pub grants: Vec<GrantRef>,
    /// When the authority ends, exclusive: the earliest end of the identity, the credential and
    /// the covering grants.
    pub until: Timestamp,
    /// Rows that may be sent: what the tightest covering grant has left. Nothing means no limit.
    pub rows_max: Option<u64>,
    /// Bytes of rows that may be sent, likewise.
    pub bytes_max: Option<u64>,
}

/// Finds the grants that cover what a statement touches.
///
/// `now` is compared with windows that include their start and exclude their end. All live grants
/// count together. A statement that touches no relation (`BEGIN`, `SET`, `SELECT 1`) needs no
/// grant, only an identity that stands. One that reads PostgreSQL's catalogs, which show what grants
/// cover, needs any live grant and rests on all of them.
///
/// The answer proves nothing: at execution, [`decide`](crate::decide) asks again.
///
/// # Errors
///
/// The reason why the statement may not run.
pub fn check(
    facts: &Facts,
    standing: &Standing<'_>,
    now: Timestamp,
) -> Result<Coverage, DenyReason> {
    let mut coverage = Coverage {
        grants: Vec::new(),
        until: identity_stands_until(standing, now)?,
        rows_max: None,
        bytes_max: None,
    };
    if facts.touches.is_empty() {
        return match facts.kind {
            StatementKind::Empty
            | StatementKind::Read
            | StatementKind::CopyOut
            | StatementKind::Transaction
            | StatementKind::Setting
            | StatementKind::Prepare
            | StatementKind::Session => Ok(coverage),
            StatementKind::Write | StatementKind::CopyIn => Err(DenyReason::NothingToJudge),
        };
    }

    let live = live_grants(standing, now);
    for touch in &facts.touches {
        let covering =
            covering_grants(touch, &live).ok_or_else(|| explain(touch, standing, &live, now))?;
        for grant in covering {
            coverage.add(grant);
        }
    }
    if !facts.counts() {
        (coverage.rows_max, coverage.bytes_max) = (None, None);
    }
    coverage.grants.sort();
    coverage.grants.dedup();
    Ok(coverage)
}

impl Coverage {
    fn add(&mut self, live: &LiveGrant<'_>) {
        self.grants.push(GrantRef { id: live.grant.id, hash: live.hash.clone() });
        self.until = self.until.min(live.grant.expires_at);
        self.rows_max = tightest(self.rows_max, live.rows_left());
        self.bytes_max = tightest(self.bytes_max, live.bytes_left());
    }
}

fn tightest(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// The instant at which the identity or its credential ends by itself.
fn identity_stands_until(standing: &Standing<'_>, now: Timestamp) -> Result<Timestamp, DenyReason> {
    let has_ended = |end: Option<Timestamp>| end.is_some_and(|end| end <= now);
    if !standing.enabled {
        return Err(DenyReason::IdentityDisabled);
    }
    if has_ended(standing.identity_expires_at) {
        return Err(DenyReason::IdentityExpired);
    }
    if !standing.credential_ok || has_ended(standing.credential_expires_at) {
        return Err(DenyReason::CredentialEnded);
    }
    let ends = [standing.identity_expires_at, standing.credential_expires_at];
    let never = Timestamp::from_unix(Duration::MAX);
    Ok(ends.into_iter().flatten().min().unwrap_or(never))
}

/// The grants that may be used now, the most generous first.
///
/// Where two grants cover the same column the first one is used, so the order decides which grant
/// is charged and which end applies: the one with more rows left, then the one without a limit of
/// commands, then the one that ends later. A grant that is nearly used up thus never spoils a
/// statement that another grant covers.
fn live_grants<'s>(standing: &'s Standing<'_>, now: Timestamp) -> Vec<&'s LiveGrant<'s>> {
    let mut live: Vec<&LiveGrant<'_>> = own_grants(standing)
        .filter(|grant| grant.is_in_window(now) && grant.is_within_limits())
        .collect();
    live.sort_by_key(|live| {
        let rows = live.rows_left().unwrap_or(u64::MAX);
        let is_unlimited = live.grant.limits.commands.is_none();
        (Reverse((rows, is_unlimited, live.grant.expires_at)), live.grant.id)
    });
    live
}

/// The standing's grants. One of another identity or target has no business there, so it counts
/// for nothing.
fn own_grants<'s>(standing: &'s Standing<'_>) -> impl Iterator<Item = &'s LiveGrant<'s>> {
    standing.grants.iter().filter(|live| {
        live.grant.identity == *standing.identity && live.grant.target == *standing.target
    })
}

/// The grants that together cover the touch, in the order given, or nothing if they do not.
fn covering_grants<'s>(
    touch: &Touch,
    grants: &[&'s LiveGrant<'s>],
) -> Option<Vec<&'s LiveGrant<'s>>> {
    if touch.relation.is_catalog() && touch.action != Action::Execute {
        // What is shown of it is what all live grants cover together.
        let may = touch.action == Action::Select && !grants.is_empty();
        return may.then(|| grants.to_vec());
    }
    let mut missing: BTreeSet<&str> = touch.columns.iter().map(String::as_str).collect();
    let mut covering = Vec::new();
    for live in grants {
        let mut is_used = false;
        for columns in granted_columns(touch, live) {
            let before = missing.len();
            missing.retain(|column| !columns.contains(*column));
            is_used |= missing.len() < before || touch.columns.is_empty();
        }
        if is_used {
            covering.push(*live);
        }
        if missing.is_empty() && !covering.is_empty() {
            return Some(covering);
        }
    }
    None
}

/// The columns on which a grant has the touch's action, one set for each line of its scope.
fn granted_columns<'g>(
    touch: &Touch,
    live: &LiveGrant<'g>,
) -> impl Iterator<Item = &'g BTreeSet<String>> {
    let grant = live.grant;
    grant
        .scope
        .iter()
        .filter(|entry| entry.relation == touch.relation && entry.actions.contains(&touch.action))
        .map(|entry| &entry.columns)
}

/// Says what is wrong with a touch that the live grants do not cover.
fn explain(
    touch: &Touch,
    standing: &Standing<'_>,
    live: &[&LiveGrant<'_>],
    now: Timestamp,
) -> DenyReason {
    let (relation, action) = (touch.relation.clone(), touch.action);
    let all: Vec<&LiveGrant<'_>> = own_grants(standing).collect();
    let in_window: Vec<&LiveGrant<'_>> =
        all.iter().copied().filter(|live| live.is_in_window(now)).collect();
    if covering_grants(touch, &in_window).is_some() {
        return DenyReason::LimitReached { relation, action };
    }
    if covering_grants(touch, &all).is_some() {
        return DenyReason::OutsideWindow { relation, action };
    }
    let granted: Vec<&BTreeSet<String>> =
        live.iter().flat_map(|live| granted_columns(touch, live)).collect();
    if granted.is_empty() {
        return DenyReason::NoGrant { relation, action };
    }
    let is_missing = |column: &&String| !granted.iter().any(|columns| columns.contains(*column));
    let columns = touch.columns.iter().filter(is_missing).cloned().collect();
    DenyReason::ColumnsNotGranted { relation, action, columns }
}
