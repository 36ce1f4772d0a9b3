//! Talks to the running gateway over its admin socket: HTTP on a Unix socket, JSON both ways.
//!
//! Who may use the socket is decided by the gateway, from what the kernel says about the caller.

use std::path::{Path, PathBuf};
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

use crate::cli::Failure;

/// Longest answer that is read, in bytes. An inventory of ten thousand grants takes about 10 MiB.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// Time for connecting, asking and reading the answer.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// The running gateway.
#[derive(Debug)]
pub(crate) struct Admin {
    socket: PathBuf,
}

impl Admin {
    /// The gateway that listens on this socket. Nothing is contacted yet.
    pub(crate) fn new(socket: &Path) -> Self {
        Self { socket: socket.to_owned() }
    }

    /// Asks for something.
    ///
    /// # Errors
    ///
    /// [`Failure::Unreachable`] if nobody answers, [`Failure::Refused`] with the gateway's reason.
    pub(crate) fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.call(Method::GET, path, Vec::new())
    }

    /// Asks for a change.
    ///
    /// # Errors
    ///
    /// As [`Admin::get`].
    pub(crate) fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, Failure> {
        self.call(Method::POST, path, serde_json::to_vec(body).map_err(Failure::failed)?)
    }

    fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
    ) -> Result<T, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let answer = runtime.map_err(Failure::failed)?.block_on(async {
            tokio::time::timeout(CALL_TIMEOUT, self.exchange(method, path, body))
                .await
                .unwrap_or_else(|_elapsed| Err(self.unreachable("it does not answer in time")))
        });
        let (status, bytes) = answer?;
        if status.is_success() {
            serde_json::from_slice(&bytes).map_err(|error| {
                Failure::Failed(format!("the gateway's answer cannot be read: {error}"))
            })
        } else {
            Err(refusal(status, &bytes))
        }
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
    ) -> Result<(StatusCode, Bytes), Failure> {
        let lost = |error: &dyn std::fmt::Display| self.unreachable(error);
        let stream = UnixStream::connect(&self.socket).await.map_err(|error| lost(&error))?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream))
                .await
                .map_err(|error| lost(&error))?;
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "countersign")
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(body)))
            .map_err(Failure::failed)?;
        // The connection must be driven while the answer is awaited; it ends when the sender is gone.
        let exchange = async {
            let response = sender.send_request(request).await.map_err(|error| lost(&error))?;
            let status = response.status();
            let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
            Ok((status, body.map_err(|error| lost(&error))?.to_bytes()))
        };
        tokio::pin!(exchange);
        tokio::pin!(connection);
        tokio::select! {
            answer = &mut exchange => answer,
            _closed = &mut connection => exchange.await,
        }
    }

    fn unreachable(&self, reason: impl std::fmt::Display) -> Failure {
        Failure::Unreachable { socket: self.socket.clone(), reason: reason.to_string() }
    }
}

/// The gateway's refusal in its own words, or the status where it has none.
fn refusal(status: StatusCode, bytes: &[u8]) -> Failure {
    #[derive(serde::Deserialize)]
    struct Answer {
        error: Reason,
    }
    #[derive(serde::Deserialize)]
    struct Reason {
        code: String,
        message: String,
    }
    match serde_json::from_slice(bytes) {
        Ok(Answer { error: Reason { code, message } }) => Failure::Refused { code, message },
        Err(_other_form) => Failure::Refused {
            code: "refused".into(),
            message: format!("the gateway answered {status}"),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixListener;

    use super::*;

    /// Answers one request with these bytes, and returns what was asked.
    fn answering(dir: &Path, answer: &'static str) -> (Admin, std::thread::JoinHandle<String>) {
        let socket = dir.join("admin.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let thread = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = vec![0; 4096];
            let length = stream.read(&mut request).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
            String::from_utf8_lossy(&request[..length]).into_owned()
        });
        (Admin::new(&socket), thread)
    }

    #[test]
    fn an_answer_is_read_and_a_refusal_keeps_its_reason() {
        let dir = tempfile::tempdir().unwrap();
        let (admin, thread) =
            answering(dir.path(), "HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n{\"a\":1}");
        let answer: serde_json::Value = admin.get("/v1/x").unwrap();
        assert_eq!(answer["a"], 1);
        assert!(thread.join().unwrap().starts_with("GET /v1/x HTTP/1.1\r\n"));

        let dir = tempfile::tempdir().unwrap();
        let (admin, thread) = answering(
            dir.path(),
            "HTTP/1.1 409 Conflict\r\nconnection: close\r\n\r\n{\"error\":{\"code\":\"exists\",\"message\":\"no\"}}",
        );
        let failure = admin.post::<serde_json::Value>("/v1/x", &7).unwrap_err();
        assert_eq!((failure.code(), failure.to_string().as_str()), ("exists", "no"));
        assert!(thread.join().unwrap().ends_with("\r\n\r\n7"));
    }

    #[test]
    fn a_gateway_that_is_not_there_is_unreachable() {
        let failure = Admin::new(Path::new("/nonexistent/admin.sock"))
            .get::<serde_json::Value>("/")
            .unwrap_err();
        assert!(matches!(failure, Failure::Unreachable { .. }));
        assert!(failure.to_string().contains("countersign serve"));
    }
}
