//! Certificates: which names in one prove an identity. Added here; revoked like any credential.
//!
//! **Boundary:** no certificate is seen here. The settings say whose signature is trusted, TLS
//! verifies it, and this says whom the name in it means.
//!
//! Source: NIST SP 800-53 IA-5 (2) (public key-based authentication: a mapping to the account).

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use model::{CertificateName, ControlEvent, CredentialId, IdentityName};

use crate::ApiState;
use crate::answer::{ApiError, Body, parse};
use crate::peer::Caller;
use crate::tokens::{Credential, TOKEN_LIFETIME_MAX_S};

/// How long a certificate's name is accepted if the request does not say.
pub const CERTIFICATE_LIFETIME_DEFAULT_S: u64 = 90 * 86_400;

/// The request to accept certificates with a name.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewCertificate {
    /// What a certificate must name.
    pub certificate: CertificateName,
    /// How long it is accepted, in seconds, up to [`TOKEN_LIFETIME_MAX_S`].
    #[serde(default)]
    pub lifetime_s: Option<u64>,
}

pub(crate) async fn add(
    State(state): State<Arc<ApiState>>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    Body(NewCertificate { certificate, lifetime_s }): Body<NewCertificate>,
) -> Result<(StatusCode, Json<Credential>), ApiError> {
    let identity: IdentityName = parse(&name)?;
    let lifetime_s = lifetime_s.unwrap_or(CERTIFICATE_LIFETIME_DEFAULT_S);
    if !(1..=TOKEN_LIFETIME_MAX_S).contains(&lifetime_s) {
        let days = TOKEN_LIFETIME_MAX_S / 86_400;
        let message = format!("a certificate's name is accepted from 1 second to {days} days");
        return Err(ApiError::invalid(message));
    }
    let now = (state.now)();
    let expires_at = now.saturating_add(Duration::from_secs(lifetime_s));
    let credential = CredentialId::from_random(crypto::random_u64());
    let added = ControlEvent::CertificateAdded { credential, identity, certificate, expires_at };
    state.control.submit(&caller.name(), added, now).await?;
    let registry = state.control.registry();
    let shown = registry
        .credential(credential)
        .ok_or_else(|| ApiError::not_found(format!("there is no credential {credential}")))?;
    Ok((StatusCode::CREATED, Json(Credential::of(shown, now))))
}
