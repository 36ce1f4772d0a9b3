//! Asks a running gateway over its admin socket. The command line uses it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::{Method, Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use model::{CredentialId, GrantId, IdentityName, TargetName, Timestamp};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

use crate::certificates::NewCertificate;
use crate::grants::{GrantFilter, NewGrant, ShownGrant};
use crate::identities::{Identity, NewExpiry, NewIdentity};
use crate::status::Status;
use crate::tokens::{Credential, IssuedToken, NewToken};
use crate::{ErrorAnswer, Reason, SessionInfo, TargetCheck};

/// Longest answer that is read, in bytes. Ten thousand grants take about ten million.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// Time for connecting, asking and reading the answer. Longer than the gateway itself takes.
const CALL_TIMEOUT: Duration = Duration::from_secs(45);

/// Why the gateway did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens there.
    #[error(
        "the gateway is not running: nobody listens on {socket}; \
         start it with `countersign serve`, or name its settings file with --config"
    )]
    NotRunning {
        /// Where it was looked for.
        socket: PathBuf,
    },
    /// The socket's directory or file does not let this user in.
    #[error("your user may not open {socket}; use the gateway's own user or root")]
    NoAccess {
        /// The socket.
        socket: PathBuf,
    },
    /// The gateway is there, but the exchange broke or took too long.
    #[error("the gateway at {socket} does not answer as it should: {reason}")]
    Broken {
        /// The socket.
        socket: PathBuf,
        /// What happened.
        reason: String,
    },
    /// The gateway refused, in its own words.
    #[error("{message}")]
    Refused {
        /// HTTP's status.
        status: u16,
        /// For programs.
        code: String,
        /// For people.
        message: String,
    },
}

/// A gateway's admin socket.
#[derive(Clone, Debug)]
pub struct Client {
    socket: PathBuf,
}

impl Client {
    /// The gateway that listens on this socket. Nothing is contacted yet.
    pub fn new(socket: &Path) -> Self {
        Self { socket: socket.to_owned() }
    }

    /// Asks how the gateway is.
    ///
    /// # Errors
    ///
    /// [`ClientError`].
    pub async fn status(&self) -> Result<Status, ClientError> {
        self.get("/v1/status").await
    }

    /// Lists the identities, by name.
    ///
    /// # Errors
    ///
    /// [`ClientError`].
    pub async fn identities(&self) -> Result<Vec<Identity>, ClientError> {
        self.get("/v1/identities").await
    }

    /// Shows an identity.
    ///
    /// # Errors
    ///
    /// [`ClientError`].
    pub async fn identity(&self, name: &IdentityName) -> Result<Identity, ClientError> {
        self.get(&format!("/v1/identities/{name}")).await
    }

    /// Makes an identity.
    ///
    /// # Errors
    ///
    /// [`ClientError`].
    pub async fn create_identity(&self, new: &NewIdentity) -> Result<Identity, ClientError> {
        self.post("/v1/identities", new).await
    }

    /// Disables an identity. What it runs is cancelled.
    ///
    /// # Errors
    ///
    /// [`ClientError`].
    pub async fn disable_identity(
        &self,
        name: &IdentityName,
        reason: &str,
    ) -> Result<Identity, ClientError> {
        self.post(&format!("/v1/identities/{name}/disable"), &because(reason)).await
    }

    /// Enables a disabled identity.
    ///
    /// # Errors
    ///
    /// [`ClientError`].
    pub async fn enable_identity(
        &self,
        name: &IdentityName,
        reason: &str,
    ) -> Result<Identity, ClientError> {
        self.post(&format!("/v1/identities/{name}/enable"), &because(reason)).await
    }

    /// Sets or moves an identity's end, exclusive.
    ///
    /// # Errors
    ///
    /// [`ClientError`].
    pub async fn expire_identity(
        &self,
        name: &IdentityName,
        expires_at: Timestamp,
    ) -> Result<Identity, ClientError> {
        self.post(&format!("/v1/identities/{name}/expire"), &NewExpiry { expires_at }).await
    }

    /// Issues a token, which replaces the identity's former one.
    ///
    /// # Errors
    ///
    /// [`ClientError`].
    pub async fn issue_token(
        &self,
        name: &IdentityName,
        new: NewToken,
    ) -> Result<IssuedToken, ClientError> {
        self.post(&format!("/v1/identities/{name}/token"), &new).await
    }

    /// Accepts certificates with a name as the identity's.
    ///
    /// # Errors
    ///
    /// [`ClientError`].
    pub async fn add_certificate(
        &self,
        name: &IdentityName,
        new: &NewCertificate,
    ) -> Result<Credential, ClientError> {
        self.post(&format!("/v1/identities/{name}/certificates"), new).await
    }

    /// Revokes a credential. The sessions that logged in with it end.
    ///
    /// # Errors
    ///
    /// [`ClientError`].
    pub async fn revoke_credential(
        &self,
        id: CredentialId,
        reason: &str,
    ) -> Result<Credential, ClientError> {
        self.post(&format!("/v1/credentials/{id}/revoke"), &because(reason)).await
    }

    /// Looks for what a role of a target's fence could reach beyond its grants.
    ///
    /// # Errors
    ///
    /// [`ClientError`].
    pub async fn check_target(&self, name: &TargetName) -> Result<TargetCheck, ClientError> {
        self.get(&format!("/v1/targets/{name}/check")).await
    }

    /// Lists grants, oldest first.
    ///
    /// # Errors
    ///
    /// [`ClientError`].
    pub async fn grants(&self, filter: &GrantFilter) -> Result<Vec<ShownGrant>, ClientError> {
        let mut path = format!("/v1/grants?live={}", filter.live);
        // Names hold nothing that a query string would have to escape.
        for (key, name) in [
            ("identity", filter.identity.as_ref().map(IdentityName::as_str)),
            ("target", filter.target.as_ref().map(TargetName::as_str)),
        ] {
            path.extend(name.map(|name| format!("&{key}={name}")));
        }
        self.get(&path).await
    }

    /// Shows a grant.
    ///
    /// # Errors
    ///
    /// [`ClientError`].
    pub async fn grant(&self, id: GrantId) -> Result<ShownGrant, ClientError> {
        self.get(&format!("/v1/grants/{id}")).await
    }

    /// Makes a grant.
    ///
    /// # Errors
    ///
    /// [`ClientError`].
    pub async fn create_grant(&self, new: &NewGrant) -> Result<ShownGrant, ClientError> {
        self.post("/v1/grants", new).await
    }

    /// Revokes a grant. What runs under it is cancelled.
    ///
    /// # Errors
    ///
    /// [`ClientError`].
    pub async fn revoke_grant(&self, id: GrantId, reason: &str) -> Result<ShownGrant, ClientError> {
        self.post(&format!("/v1/grants/{id}/revoke"), &because(reason)).await
    }

    /// Lists the open sessions.
    ///
    /// # Errors
    ///
    /// [`ClientError`].
    pub async fn sessions(&self) -> Result<Vec<SessionInfo>, ClientError> {
        self.get("/v1/sessions").await
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.call(Method::GET, path, Vec::new()).await
    }

    async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &(impl Serialize + Sync),
    ) -> Result<T, ClientError> {
        let body = serde_json::to_vec(body).map_err(|error| self.broken(&error))?;
        self.call(Method::POST, path, body).await
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
    ) -> Result<T, ClientError> {
        let exchange = self.exchange(method, path, body);
        let (status, bytes) = tokio::time::timeout(CALL_TIMEOUT, exchange)
            .await
            .map_err(|_elapsed| self.broken(&"it took too long"))??;
        if status.is_success() {
            serde_json::from_slice(&bytes).map_err(|error| self.broken(&error))
        } else {
            Err(refusal(status, &bytes))
        }
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
    ) -> Result<(StatusCode, Bytes), ClientError> {
        let stream =
            UnixStream::connect(&self.socket).await.map_err(|error| self.unreachable(&error))?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| self.broken(&error))?;
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "countersign")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| self.broken(&error))?;
        let exchange = async {
            let response =
                sender.send_request(request).await.map_err(|error| self.broken(&error))?;
            let status = response.status();
            let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
            Ok((status, body.map_err(|error| self.broken(&error))?.to_bytes()))
        };
        tokio::pin!(exchange, connection);
        // The connection must be driven while the answer is awaited.
        tokio::select! {
            answer = &mut exchange => answer,
            _closed = &mut connection => exchange.await,
        }
    }

    fn unreachable(&self, error: &std::io::Error) -> ClientError {
        use std::io::ErrorKind;
        let socket = self.socket.clone();
        let kind = error.kind();
        if kind == ErrorKind::NotFound || kind == ErrorKind::ConnectionRefused {
            ClientError::NotRunning { socket }
        } else if kind == ErrorKind::PermissionDenied {
            ClientError::NoAccess { socket }
        } else {
            self.broken(error)
        }
    }

    fn broken(&self, reason: &dyn std::fmt::Display) -> ClientError {
        ClientError::Broken { socket: self.socket.clone(), reason: reason.to_string() }
    }
}

fn because(reason: &str) -> Reason {
    Reason { reason: reason.to_owned() }
}

/// The gateway's refusal in its own words, or the status where it has none.
fn refusal(status: StatusCode, bytes: &[u8]) -> ClientError {
    let (code, message) = match serde_json::from_slice(bytes) {
        Ok(ErrorAnswer { error }) => (error.code, error.message),
        Err(_other_form) => ("refused".into(), format!("the gateway answered {status}")),
    };
    ClientError::Refused { status: status.as_u16(), code, message }
}
