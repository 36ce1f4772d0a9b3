//! Identities: made, shown, disabled, enabled, ended.
//!
//! Source: NIST SP 800-53 AC-2 (account management): c, d, f, h.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use model::{ControlEvent, IdentityKind, IdentityName, Lifecycle, Timestamp};
use registry::{Ended, Registry};

use crate::answer::{ApiError, Body, check_text, parse};
use crate::peer::Caller;
use crate::tokens::Credential;
use crate::{ApiState, Reason};

/// The request for a new identity.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewIdentity {
    /// Its name. A name is never used again.
    pub name: IdentityName,
    /// Person or workload.
    pub kind: IdentityKind,
    /// Who answers for it.
    pub owner: String,
    /// When it ends by itself, exclusive. Nothing means never.
    #[serde(default)]
    pub expires_at: Option<Timestamp>,
}

/// The request to set or move an identity's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewExpiry {
    /// When it ends, exclusive. A time that has passed ends it at once.
    pub expires_at: Timestamp,
}

/// Where an identity stands now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IdentityState {
    /// May be used.
    Enabled,
    /// May not be used until it is enabled.
    Disabled,
    /// Its end has come.
    Expired,
}

/// An identity, as shown.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Identity {
    /// Its name.
    pub name: IdentityName,
    /// Person or workload.
    pub kind: IdentityKind,
    /// Who answers for it.
    pub owner: String,
    /// Where it stands now.
    pub state: IdentityState,
    /// When it ends by itself, exclusive.
    pub expires_at: Option<Timestamp>,
    /// When it entered the inventory.
    pub created_at: Timestamp,
    /// Who entered it.
    pub created_by: String,
    /// The last time it was disabled or enabled.
    pub changed: Option<Ended>,
    /// The token that is accepted now, if any.
    pub credential: Option<Credential>,
    /// The certificates' names that are accepted now.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub certificates: Vec<Credential>,
}

impl Identity {
    fn of(identity: &registry::Identity, registry: &Registry, now: Timestamp) -> Self {
        let state = match identity.lifecycle {
            Lifecycle::Disabled => IdentityState::Disabled,
            Lifecycle::Enabled if identity.is_usable(now) => IdentityState::Enabled,
            Lifecycle::Enabled => IdentityState::Expired,
        };
        Self {
            name: identity.name.clone(),
            kind: identity.kind,
            owner: identity.owner.clone(),
            state,
            expires_at: identity.expires_at,
            created_at: identity.created_at,
            created_by: identity.created_by.clone(),
            changed: identity.changed.clone(),
            credential: registry
                .token_of(&identity.name, now)
                .map(|credential| Credential::of(credential, now)),
            certificates: registry
                .certificates_of(&identity.name, now)
                .map(|credential| Credential::of(credential, now))
                .collect(),
        }
    }
}

pub(crate) async fn list(State(state): State<Arc<ApiState>>) -> Json<Vec<Identity>> {
    let (registry, now) = (state.control.registry(), (state.now)());
    Json(registry.identities().map(|identity| Identity::of(identity, &registry, now)).collect())
}

pub(crate) async fn show(
    State(state): State<Arc<ApiState>>,
    Path(name): Path<String>,
) -> Result<Json<Identity>, ApiError> {
    shown(&state, &parse(&name)?)
}

pub(crate) async fn create(
    State(state): State<Arc<ApiState>>,
    Extension(caller): Extension<Caller>,
    Body(new): Body<NewIdentity>,
) -> Result<(StatusCode, Json<Identity>), ApiError> {
    check_text("owner", &new.owner).map_err(ApiError::invalid)?;
    let created = ControlEvent::IdentityCreated {
        identity: new.name.clone(),
        identity_kind: new.kind,
        owner: new.owner,
        expires_at: new.expires_at,
    };
    state.control.submit(&caller.name(), created, (state.now)()).await?;
    Ok((StatusCode::CREATED, shown(&state, &new.name)?))
}

pub(crate) async fn disable(
    State(state): State<Arc<ApiState>>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    Body(Reason { reason }): Body<Reason>,
) -> Result<Json<Identity>, ApiError> {
    let name: IdentityName = parse(&name)?;
    check_text("reason", &reason).map_err(ApiError::invalid)?;
    let disabled = ControlEvent::IdentityDisabled { identity: name.clone(), reason };
    state.control.submit(&caller.name(), disabled, (state.now)()).await?;
    shown(&state, &name)
}

pub(crate) async fn enable(
    State(state): State<Arc<ApiState>>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    Body(Reason { reason }): Body<Reason>,
) -> Result<Json<Identity>, ApiError> {
    let name: IdentityName = parse(&name)?;
    check_text("reason", &reason).map_err(ApiError::invalid)?;
    let enabled = ControlEvent::IdentityEnabled { identity: name.clone(), reason };
    state.control.submit(&caller.name(), enabled, (state.now)()).await?;
    shown(&state, &name)
}

pub(crate) async fn expire(
    State(state): State<Arc<ApiState>>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    Body(NewExpiry { expires_at }): Body<NewExpiry>,
) -> Result<Json<Identity>, ApiError> {
    let name: IdentityName = parse(&name)?;
    let moved = ControlEvent::IdentityExpirySet { identity: name.clone(), expires_at };
    state.control.submit(&caller.name(), moved, (state.now)()).await?;
    shown(&state, &name)
}

fn shown(state: &ApiState, name: &IdentityName) -> Result<Json<Identity>, ApiError> {
    let registry = state.control.registry();
    let identity = registry
        .identity(name)
        .ok_or_else(|| ApiError::not_found(format!("there is no identity `{name}`")))?;
    Ok(Json(Identity::of(identity, &registry, (state.now)())))
}
