//! Tokens: issued (which replaces the former one) and revoked.
//!
//! **Invariant:** a token stands in the answer to the request that issued it and nowhere else. The
//! ledger holds its verifier.
//!
//! Source: NIST SP 800-53 IA-5 (authenticator management).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use model::{CertificateName, ControlEvent, CredentialId, IdentityName, Timestamp};
use registry::Ended;

use crate::answer::{ApiError, Body, check_text, parse};
use crate::peer::Caller;
use crate::{ApiState, Reason};

/// How long a token is accepted if the request does not say.
pub const TOKEN_LIFETIME_DEFAULT_S: u64 = 30 * 86_400;

/// How long a token is accepted at most.
pub const TOKEN_LIFETIME_MAX_S: u64 = 366 * 86_400;

/// The request for a token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewToken {
    /// How long it is accepted, in seconds, up to [`TOKEN_LIFETIME_MAX_S`].
    #[serde(default)]
    pub lifetime_s: Option<u64>,
}

/// A token, for the one who asked for it.
#[derive(Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct IssuedToken {
    /// Whom it proves.
    pub identity: IdentityName,
    /// How records name it.
    pub credential: CredentialId,
    /// The token: what the client gives as its password. Shown here and never again.
    pub token: String,
    /// When it ends by itself, exclusive.
    pub expires_at: Timestamp,
    /// The credential that it replaces, if there was one. That one is revoked.
    pub replaces: Option<CredentialId>,
}

impl fmt::Debug for IssuedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IssuedToken")
            .field("identity", &self.identity)
            .field("credential", &self.credential)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// A credential, as shown: neither token nor verifier.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Credential {
    /// Its id.
    pub id: CredentialId,
    /// Whose it is.
    pub identity: IdentityName,
    /// What a certificate must name to be it. Nothing if it is a token.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub certificate: Option<CertificateName>,
    /// Whether it is accepted now.
    pub live: bool,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// Who issued it.
    pub issued_by: String,
    /// When it ends by itself, exclusive.
    pub expires_at: Timestamp,
    /// When it was revoked or replaced.
    pub revoked: Option<Ended>,
}

impl Credential {
    pub(crate) fn of(credential: &registry::Credential, now: Timestamp) -> Self {
        Self {
            id: credential.id,
            identity: credential.identity.clone(),
            certificate: credential.certificate().cloned(),
            live: credential.is_live(now),
            issued_at: credential.issued_at,
            issued_by: credential.issued_by.clone(),
            expires_at: credential.expires_at,
            revoked: credential.revoked.clone(),
        }
    }
}

pub(crate) async fn issue(
    State(state): State<Arc<ApiState>>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    Body(NewToken { lifetime_s }): Body<NewToken>,
) -> Result<(StatusCode, Json<IssuedToken>), ApiError> {
    let identity: IdentityName = parse(&name)?;
    let lifetime_s = lifetime_s.unwrap_or(TOKEN_LIFETIME_DEFAULT_S);
    if !(1..=TOKEN_LIFETIME_MAX_S).contains(&lifetime_s) {
        let days = TOKEN_LIFETIME_MAX_S / 86_400;
        return Err(ApiError::invalid(format!("a token lives from 1 second to {days} days")));
    }
    let now = (state.now)();
    let expires_at = now.saturating_add(Duration::from_secs(lifetime_s));
    let credential = CredentialId::from_random(crypto::random_u64());
    let (token, verifier) = identity::issue(&identity, &state.mock);
    let issued = ControlEvent::CredentialIssued {
        credential,
        identity: identity.clone(),
        verifier,
        expires_at,
    };
    let former = state.control.registry().token_of(&identity, now).map(|former| former.id);
    state.control.submit(&caller.name(), issued, now).await?;
    let token = token.reveal();
    let answer = IssuedToken { identity, credential, token, expires_at, replaces: former };
    Ok((StatusCode::CREATED, Json(answer)))
}

pub(crate) async fn revoke(
    State(state): State<Arc<ApiState>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Body(Reason { reason }): Body<Reason>,
) -> Result<Json<Credential>, ApiError> {
    let credential: CredentialId = parse(&id)?;
    check_text("reason", &reason).map_err(ApiError::invalid)?;
    let revoked = ControlEvent::CredentialRevoked { credential, reason };
    let now = (state.now)();
    state.control.submit(&caller.name(), revoked, now).await?;
    let registry = state.control.registry();
    let shown = registry
        .credential(credential)
        .ok_or_else(|| ApiError::not_found(format!("there is no credential {credential}")))?;
    Ok(Json(Credential::of(shown, now)))
}
