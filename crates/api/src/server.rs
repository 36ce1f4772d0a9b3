//! The admin socket: accepts, checks the caller, routes.
//!
//! One request per connection. Every connection has a place and a deadline, so a caller that hangs
//! costs one of [`CONNECTIONS_MAX`] places for [`REQUEST_TIMEOUT_S`]; those who may not use the
//! socket have few places of their own and get the same refusal whatever they ask.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, Request};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use identity::MockSecret;
use journal::AccessJournal;
use model::Timestamp;
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;

use crate::answer::ApiError;
use crate::peer::Caller;
use crate::{
    Admins, Control, SessionDirectory, TargetDirectory, certificates, grants, identities, sessions,
    status, targets, tokens,
};

/// Connections of admins at a time. Later ones wait in the socket's queue.
pub const CONNECTIONS_MAX: usize = 32;

/// Connections of others at a time, only to be told no. Later ones are closed without a word.
const REFUSED_CONNECTIONS_MAX: usize = 4;

/// Longest body of a request, in bytes.
pub const REQUEST_BYTES_MAX: usize = 256 * 1024;

/// Time to answer a request, in seconds, reading it included.
pub const REQUEST_TIMEOUT_S: u64 = 15;

/// Time to send an answer, and at the end for what has begun.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// Pause after a failed accept, for example for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What the admin side works with.
#[derive(Clone, Debug)]
pub struct ApiState {
    /// The inventory's writer.
    pub control: Control,
    /// What the targets hold.
    pub targets: Arc<dyn TargetDirectory>,
    /// Who is connected.
    pub sessions: Arc<dyn SessionDirectory>,
    /// The access ledger, to say how it is.
    pub access: Arc<AccessJournal>,
    /// Who may use the socket.
    pub admins: Admins,
    /// What the gateway is.
    pub about: About,
    /// Gives each name its salt.
    pub mock: Arc<MockSecret>,
    /// The clock of the data path, so that a grant begins and ends by one time everywhere.
    pub now: fn() -> Timestamp,
}

/// What the gateway is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// Its name.
    pub gateway: String,
    /// Version of the program.
    pub version: String,
    /// Since when it runs.
    pub started_at: Timestamp,
    /// Where it listens for PostgreSQL clients.
    pub postgres: String,
}

/// Serves the admin socket until `shutdown` is done, then gives what has begun [`ANSWER_TIMEOUT`].
///
/// A change that was submitted is made even if its connection is cut.
pub async fn serve(
    listener: UnixListener,
    state: ApiState,
    shutdown: impl Future<Output = ()> + Send,
) {
    let state = Arc::new(state);
    let (router, refusal) = (router(&state), Router::new().fallback(refuse));
    let (mut serving, mut refusing) = (JoinSet::new(), JoinSet::new());
    tokio::pin!(shutdown);
    loop {
        let has_place = serving.len() < CONNECTIONS_MAX;
        let accepted = tokio::select! {
            () = &mut shutdown => break,
            Some(_ended) = serving.join_next(), if !serving.is_empty() => continue,
            Some(_ended) = refusing.join_next(), if !refusing.is_empty() => continue,
            accepted = listener.accept(), if has_place => accepted,
        };
        let (stream, caller) = match accepted.and_then(|(stream, _)| identify(stream)) {
            Ok(identified) => identified,
            Err(error) => {
                tracing::warn!(%error, "the admin socket could not accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        if state.admins.may_use(caller.uid) {
            serving.spawn(carry(stream, router.clone().layer(Extension(caller))));
        } else {
            tracing::warn!(uid = caller.uid, "refused on the admin socket");
            if refusing.len() < REFUSED_CONNECTIONS_MAX {
                refusing.spawn(carry(stream, refusal.clone()));
            }
        }
    }
    drop(listener);
    let drained = async { while serving.join_next().await.is_some() {} };
    if tokio::time::timeout(ANSWER_TIMEOUT, drained).await.is_err() {
        tracing::warn!("cut connections on the admin socket that did not end by themselves");
    }
}

fn identify(stream: UnixStream) -> std::io::Result<(UnixStream, Caller)> {
    let uid = stream.peer_cred()?.uid();
    Ok((stream, Caller { uid }))
}

fn router(state: &Arc<ApiState>) -> Router {
    Router::new()
        .route("/v1/status", get(status::show))
        .route("/v1/identities", get(identities::list).post(identities::create))
        .route("/v1/identities/{name}", get(identities::show))
        .route("/v1/identities/{name}/disable", post(identities::disable))
        .route("/v1/identities/{name}/enable", post(identities::enable))
        .route("/v1/identities/{name}/expire", post(identities::expire))
        .route("/v1/identities/{name}/token", post(tokens::issue))
        .route("/v1/identities/{name}/certificates", post(certificates::add))
        .route("/v1/credentials/{id}/revoke", post(tokens::revoke))
        .route("/v1/grants", get(grants::list).post(grants::create))
        .route("/v1/grants/{id}", get(grants::show))
        .route("/v1/grants/{id}/revoke", post(grants::revoke))
        .route("/v1/sessions", get(sessions::list))
        .route("/v1/targets/{name}/check", get(targets::check))
        .fallback(unknown_path)
        .method_not_allowed_fallback(unknown_method)
        .layer(DefaultBodyLimit::max(REQUEST_BYTES_MAX))
        .layer(middleware::from_fn(limit_time))
        .with_state(Arc::clone(state))
}

/// Carries one connection: one request, one answer.
async fn carry(stream: UnixStream, router: Router) {
    let request_timeout = Duration::from_secs(REQUEST_TIMEOUT_S);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(request_timeout)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let deadline = request_timeout.saturating_mul(2).saturating_add(ANSWER_TIMEOUT);
    match tokio::time::timeout(deadline, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a connection on the admin socket broke"),
        Err(_elapsed) => tracing::warn!("a connection on the admin socket took too long"),
    }
}

async fn limit_time(request: Request, next: Next) -> Response {
    match tokio::time::timeout(Duration::from_secs(REQUEST_TIMEOUT_S), next.run(request)).await {
        Ok(answer) => answer,
        Err(_elapsed) => ApiError {
            status: StatusCode::GATEWAY_TIMEOUT,
            code: "timed_out",
            message: format!(
                "no answer within {REQUEST_TIMEOUT_S} s; a change may have been made all the same: \
                 look before you ask again"
            ),
        }
        .into_response(),
    }
}

async fn refuse() -> ApiError {
    ApiError {
        status: StatusCode::FORBIDDEN,
        code: "forbidden",
        message: "your user may not use the admin socket; use the gateway's own user or root, or \
                  have your user id added to the settings"
            .into(),
    }
}

async fn unknown_path() -> ApiError {
    ApiError::not_found("there is nothing at this path")
}

async fn unknown_method() -> ApiError {
    ApiError {
        status: StatusCode::METHOD_NOT_ALLOWED,
        code: "bad_request",
        message: "this path does not know the method".into(),
    }
}
