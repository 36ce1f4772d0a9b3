//! Grants: made, shown, revoked.
//!
//! Source: NIST SP 800-53 AC-3 (access enforcement), AC-6 (least privilege).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use model::{
    Action, ControlEvent, Grant, GrantHash, GrantId, IdentityName, Limits, RelationName,
    TargetName, Timestamp,
};
use registry::{Ended, GrantEntry, grant_hash};

use crate::answer::{ApiError, Body, check_text, parse};
use crate::peer::Caller;
use crate::{ApiState, Reason, scope, targets};

/// How long a grant may last, in seconds, and how far ahead it may begin: 30 days.
pub const GRANT_LIFETIME_MAX_S: u64 = 30 * 86_400;

/// Lines of a scope, at most.
pub const SCOPE_LINES_MAX: usize = 100;

/// How far in the past a window may begin, for the time that a request takes. The grant on record
/// begins when it is made.
const PAST_START_MAX: Duration = Duration::from_mins(1);

/// The request for a grant.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewGrant {
    /// Who may use it.
    pub identity: IdentityName,
    /// Where.
    pub target: TargetName,
    /// For what.
    pub scope: Vec<NewScopeLine>,
    /// From when on. Nothing means from now on.
    #[serde(default)]
    pub not_before: Option<Timestamp>,
    /// Until when, exclusive. At most [`GRANT_LIFETIME_MAX_S`] after it begins.
    pub expires_at: Timestamp,
    /// How much.
    #[serde(default)]
    pub limits: Limits,
    /// The task that it serves.
    pub task: String,
    /// Why the task needs it.
    pub purpose: String,
    /// The person for whom the identity acts.
    #[serde(default)]
    pub on_behalf_of: Option<IdentityName>,
    /// Holes of the target's fence that are accepted: each by its code, or by code and object.
    #[serde(default)]
    pub accept_holes: BTreeSet<String>,
}

/// One line of the scope that is asked for.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewScopeLine {
    /// The relation.
    pub relation: RelationName,
    /// What may be done to it.
    pub actions: BTreeSet<Action>,
    /// Which columns. Nothing means all that the relation has now.
    #[serde(default)]
    pub columns: Option<BTreeSet<String>>,
}

/// Which grants are to be listed.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantFilter {
    /// Those of this identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<IdentityName>,
    /// Those on this target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<TargetName>,
    /// Those that can be used now.
    #[serde(default)]
    pub live: bool,
}

/// Where a grant stands now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GrantState {
    /// Its window has not begun.
    Pending,
    /// Can be used.
    Live,
    /// Its commands or rows are used up.
    Exhausted,
    /// Its window is over.
    Expired,
    /// Was ended before its time.
    Revoked,
}

/// What is used of a grant, over its whole life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct GrantUsage {
    /// Commands decided under it.
    pub commands: u64,
    /// Rows sent under it.
    pub rows: u64,
    /// Bytes of these rows.
    #[serde(default)]
    pub bytes: u64,
}

/// A grant, as shown: the grant itself and where it stands.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ShownGrant {
    /// The grant.
    #[serde(flatten)]
    pub grant: Grant,
    /// Its hash, as records name it.
    pub hash: GrantHash,
    /// Where it stands now.
    pub state: GrantState,
    /// What is used of it.
    pub usage: GrantUsage,
    /// When it was made.
    pub created_at: Timestamp,
    /// Who made it.
    pub created_by: String,
    /// When it was ended before its time.
    pub revoked: Option<Ended>,
}

impl ShownGrant {
    fn of(entry: &GrantEntry, used: policy::Usage, now: Timestamp) -> Self {
        let limits = &entry.grant.limits;
        let is_used_up = limits.commands.is_some_and(|max| used.commands >= max)
            || limits.rows.is_some_and(|max| used.rows >= max)
            || limits.bytes.is_some_and(|max| used.bytes >= max);
        let state = if entry.revoked.is_some() {
            GrantState::Revoked
        } else if entry.grant.expires_at <= now {
            GrantState::Expired
        } else if now < entry.grant.not_before {
            GrantState::Pending
        } else if is_used_up {
            GrantState::Exhausted
        } else {
            GrantState::Live
        };
        Self {
            grant: entry.grant.clone(),
            hash: entry.hash.clone(),
            state,
            usage: GrantUsage { commands: used.commands, rows: used.rows, bytes: used.bytes },
            created_at: entry.created_at,
            created_by: entry.created_by.clone(),
            revoked: entry.revoked.clone(),
        }
    }
}

pub(crate) async fn list(
    State(state): State<Arc<ApiState>>,
    filter: Result<Query<GrantFilter>, QueryRejection>,
) -> Result<Json<Vec<ShownGrant>>, ApiError> {
    let Query(filter) = filter.map_err(|error| ApiError {
        status: StatusCode::BAD_REQUEST,
        code: "bad_request",
        message: error.body_text(),
    })?;
    let (registry, now) = (state.control.registry(), (state.now)());
    let is_wanted = |entry: &&GrantEntry| {
        filter.identity.as_ref().is_none_or(|wanted| *wanted == entry.grant.identity)
            && filter.target.as_ref().is_none_or(|wanted| *wanted == entry.grant.target)
    };
    let shown =
        |entry: &GrantEntry| ShownGrant::of(entry, state.sessions.usage(entry.grant.id), now);
    let mut grants: Vec<ShownGrant> = registry.grants().filter(is_wanted).map(shown).collect();
    if filter.live {
        grants.retain(|grant| grant.state == GrantState::Live);
    }
    grants.sort_by_key(|shown| (shown.created_at, shown.grant.id));
    Ok(Json(grants))
}

pub(crate) async fn show(
    State(state): State<Arc<ApiState>>,
    Path(id): Path<String>,
) -> Result<Json<ShownGrant>, ApiError> {
    shown(&state, parse(&id)?)
}

pub(crate) async fn create(
    State(state): State<Arc<ApiState>>,
    Extension(caller): Extension<Caller>,
    Body(new): Body<NewGrant>,
) -> Result<(StatusCode, Json<ShownGrant>), ApiError> {
    let now = (state.now)();
    let mut faults = check(&new, &state, now);
    let scope = match scope::expand(&*state.targets, &new.target, &new.scope).await {
        Ok(scope) => scope,
        Err(more) => {
            faults.extend(more);
            Vec::new()
        }
    };
    if !faults.is_empty() {
        return Err(ApiError::invalid(faults.join("\n")));
    }
    let asked = (&new.target, &scope);
    let accepted = targets::accepted_holes(&*state.targets, asked, &new.accept_holes).await;
    let accepted_holes = accepted.map_err(|open| ApiError {
        status: StatusCode::CONFLICT,
        code: "target_has_holes",
        message: format!(
            "target `{}` lets its roles reach more than a grant\n{}",
            new.target,
            open.join("\n")
        ),
    })?;
    let grant = Grant {
        id: GrantId::from_random(crypto::random_u64()),
        identity: new.identity,
        target: new.target,
        scope,
        not_before: new.not_before.unwrap_or(now).max(now),
        expires_at: new.expires_at,
        limits: new.limits,
        task: new.task,
        purpose: new.purpose,
        on_behalf_of: new.on_behalf_of,
        requested_by: caller.name(),
        approved_by: caller.name(),
        accepted_holes,
    };
    let (id, hash) = (grant.id, grant_hash(&grant));
    let created = ControlEvent::GrantCreated { grant: Box::new(grant), hash };
    state.control.submit(&caller.name(), created, now).await?;
    Ok((StatusCode::CREATED, shown(&state, id)?))
}

pub(crate) async fn revoke(
    State(state): State<Arc<ApiState>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Body(Reason { reason }): Body<Reason>,
) -> Result<Json<ShownGrant>, ApiError> {
    let grant: GrantId = parse(&id)?;
    check_text("reason", &reason).map_err(ApiError::invalid)?;
    let revoked = ControlEvent::GrantRevoked { grant, reason };
    state.control.submit(&caller.name(), revoked, (state.now)()).await?;
    shown(&state, grant)
}

fn shown(state: &ApiState, id: GrantId) -> Result<Json<ShownGrant>, ApiError> {
    let registry = state.control.registry();
    let entry =
        registry.grant(id).ok_or_else(|| ApiError::not_found(format!("there is no grant {id}")))?;
    Ok(Json(ShownGrant::of(entry, state.sessions.usage(id), (state.now)())))
}

/// Lists what is wrong with a request, the scope aside.
fn check(new: &NewGrant, state: &ApiState, now: Timestamp) -> Vec<String> {
    let mut faults = Vec::new();
    let registry = state.control.registry();
    for name in [Some(&new.identity), new.on_behalf_of.as_ref()].into_iter().flatten() {
        match registry.identity(name) {
            Some(identity) if identity.is_usable(now) => {}
            Some(_) => faults.push(format!("identity `{name}` is disabled or has expired")),
            None => faults.push(format!("there is no identity `{name}`")),
        }
    }
    faults.extend(check_text("task", &new.task).err());
    faults.extend(check_text("purpose", &new.purpose).err());
    if [new.limits.commands, new.limits.rows, new.limits.bytes].contains(&Some(0)) {
        faults.push("a limit of 0 would allow nothing; leave it out for no limit".into());
    }
    faults.extend(check_window(new.not_before.unwrap_or(now), new.expires_at, now).err());
    faults
}

fn check_window(start: Timestamp, end: Timestamp, now: Timestamp) -> Result<(), String> {
    let longest = Duration::from_secs(GRANT_LIFETIME_MAX_S);
    let days = GRANT_LIFETIME_MAX_S / 86_400;
    if end <= start || end <= now {
        Err(format!("the window from {start} to {end} is empty or over"))
    } else if now.saturating_since(start) > PAST_START_MAX {
        Err(format!("the window begins in the past, at {start}; leave the start out for now"))
    } else if start.saturating_since(now) > longest {
        Err(format!("the window begins more than {days} days from now, at {start}"))
    } else if end.saturating_since(start) > longest {
        Err(format!("the window from {start} to {end} is longer than {days} days"))
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_of_a_sane_length_and_not_in_the_past() {
        let day = 86_400;
        let now = 1000 * day;
        #[rustfmt::skip]
        let cases = [
            // start               end                      is right
            (now,                  now + 1,                 true),
            (now,                  now + 30 * day,          true),
            (now,                  now + 30 * day + 1,      false),
            (now + 30 * day,       now + 60 * day,          true),
            (now + 30 * day + 1,   now + 31 * day,          false),
            (now,                  now,                     false),
            (now + 5,              now + 4,                 false),
            (now - 60,             now + 1,                 true),
            (now - 60,             now,                     false),
            (now - 61,             now + 1,                 false),
        ];
        let at = |seconds| Timestamp::from_unix(Duration::from_secs(seconds));
        for (start, end, is_right) in cases {
            let answer = check_window(at(start), at(end), at(now));
            assert_eq!(answer.is_ok(), is_right, "{start} to {end} at {now}: {answer:?}");
        }
    }
}
