//! JSON in and out, and errors as `{"error":{"code","message"}}`.

use std::fmt;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use registry::RegistryError;
use serde::de::DeserializeOwned;

use crate::ControlError;

/// Longest text of a reason, a purpose, an owner, in bytes.
const TEXT_BYTES_MAX: usize = 1000;

/// An answer that is not what was asked for.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ErrorAnswer {
    /// What is wrong.
    pub error: ErrorBody,
}

/// What is wrong with a request.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ErrorBody {
    /// For programs, in `snake_case`. It never changes once released.
    pub code: String,
    /// For people: what is wrong and what to do. One line for each mistake.
    pub message: String,
}

/// The request of a change that needs nothing but its reason.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reason {
    /// Why.
    pub reason: String,
}

/// An error on its way to the caller.
#[derive(Debug)]
pub(crate) struct ApiError {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    pub(crate) message: String,
}

impl ApiError {
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self { status: StatusCode::UNPROCESSABLE_ENTITY, code: "invalid", message: message.into() }
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self { status: StatusCode::NOT_FOUND, code: "not_found", message: message.into() }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let error = ErrorBody { code: self.code.to_owned(), message: self.message };
        (self.status, Json(ErrorAnswer { error })).into_response()
    }
}

impl From<ControlError> for ApiError {
    fn from(error: ControlError) -> Self {
        let (status, code) = match &error {
            ControlError::Refused(reason) => refusal(reason),
            ControlError::Unfit(_) => (StatusCode::UNPROCESSABLE_ENTITY, "too_large"),
            ControlError::NotRecorded(_) | ControlError::Stopped => {
                (StatusCode::SERVICE_UNAVAILABLE, "not_recorded")
            }
            ControlError::Ledger(_)
            | ControlError::Contradiction { .. }
            | ControlError::UnknownActor(_)
            | ControlError::OutOfStep { .. } => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
        };
        if status.is_server_error() {
            tracing::error!(%error, "a change of the inventory failed");
        }
        Self { status, code, message: error.to_string() }
    }
}

fn refusal(reason: &RegistryError) -> (StatusCode, &'static str) {
    match reason {
        RegistryError::UnknownIdentity(_)
        | RegistryError::UnknownCredential(_)
        | RegistryError::UnknownGrant(_) => (StatusCode::NOT_FOUND, "not_found"),
        RegistryError::DuplicateIdentity(_)
        | RegistryError::DuplicateCredential(_)
        | RegistryError::CertificateTaken(_)
        | RegistryError::DuplicateGrant(_) => (StatusCode::CONFLICT, "exists"),
        RegistryError::AlreadyDisabled(_)
        | RegistryError::AlreadyEnabled(_)
        | RegistryError::IdentityEnded(_)
        | RegistryError::CredentialRevoked(_)
        | RegistryError::GrantRevoked(_)
        | RegistryError::GrantEnded(..) => (StatusCode::CONFLICT, "wrong_state"),
        RegistryError::NoOwner(_)
        | RegistryError::EmptyWindow(_)
        | RegistryError::EmptyScope(_)
        | RegistryError::NoTask(_)
        | RegistryError::SelfApproved(_)
        | RegistryError::WrongHash(_)
        | RegistryError::BadVerifier(_)
        | RegistryError::EndsBeforeItBegins(_) => (StatusCode::UNPROCESSABLE_ENTITY, "invalid"),
    }
}

/// The JSON body of a request, whatever its content type says.
#[derive(Debug)]
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let bytes = Bytes::from_request(request, state).await.map_err(|error| ApiError {
            status: error.status(),
            code: "bad_request",
            message: error.body_text(),
        })?;
        serde_json::from_slice(&bytes).map(Self).map_err(|error| ApiError {
            status: StatusCode::BAD_REQUEST,
            code: "bad_request",
            message: format!("the request is not the JSON that is expected here: {error}"),
        })
    }
}

/// Reads a name or an id from the path.
pub(crate) fn parse<T>(text: &str) -> Result<T, ApiError>
where
    T: std::str::FromStr,
    T::Err: fmt::Display,
{
    text.parse().map_err(|error: T::Err| ApiError {
        status: StatusCode::BAD_REQUEST,
        code: "bad_request",
        message: error.to_string(),
    })
}

/// Checks a text that a person will read in records: something, not endless, no control characters.
///
/// # Errors
///
/// What is wrong, as a sentence.
pub(crate) fn check_text(what: &str, text: &str) -> Result<(), String> {
    if text.trim().is_empty() {
        Err(format!("the {what} is empty"))
    } else if text.len() > TEXT_BYTES_MAX {
        Err(format!("the {what} is longer than {TEXT_BYTES_MAX} bytes"))
    } else if text.chars().any(char::is_control) {
        Err(format!("the {what} has a line break or another control character"))
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_for_the_record_is_one_line_of_something() {
        let just = "é".repeat(TEXT_BYTES_MAX / 2);
        for right in ["x", "TICKET-1: refund", just.as_str()] {
            assert_eq!(check_text("reason", right), Ok(()), "{right}");
        }
        let long = "x".repeat(TEXT_BYTES_MAX + 1);
        for wrong in ["", " \u{a0}", "a\nb", "a\u{1b}[31mb", "\0", long.as_str()] {
            assert!(check_text("reason", wrong).is_err(), "{wrong:?}");
        }
    }
}
