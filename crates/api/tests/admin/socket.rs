//! The socket itself: malformed requests, limits, deadlines.

use std::path::Path;
use std::time::Duration;

use api::{CONNECTIONS_MAX, ErrorAnswer, REQUEST_BYTES_MAX};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use crate::fixture::Gateway;

#[tokio::test]
async fn whatever_is_wrong_with_a_request_is_said_in_json() {
    let dir = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(dir.path());
    let reason = r#"{"reason":"x"}"#;
    let unknown = r#"{"reason":"x","more":1}"#;
    let long = format!(r#"{{"reason":"{}"}}"#, "x".repeat(REQUEST_BYTES_MAX));
    #[rustfmt::skip]
    let cases = [
        // method path                          body            status  code
        ("GET",    "/",                         "",             404, "not_found"),
        ("GET",    "/v1/identities/x/disable",  "",             405, "bad_request"),
        ("DELETE", "/v1/identities",            "",             405, "bad_request"),
        ("GET",    "/v1/identities/Not%20one",  "",             400, "bad_request"),
        ("GET",    "/v1/grants/grt_1",          "",             400, "bad_request"),
        ("GET",    "/v1/grants?live=perhaps",   "",             400, "bad_request"),
        ("GET",    "/v1/grants?more=1",         "",             400, "bad_request"),
        ("POST",   "/v1/identities/x/disable",  "",             400, "bad_request"),
        ("POST",   "/v1/identities/x/disable",  "{",            400, "bad_request"),
        ("POST",   "/v1/identities/x/disable",  unknown,        400, "bad_request"),
        ("POST",   "/v1/identities/x/disable",  r#"{"reason":" "}"#, 422, "invalid"),
        ("POST",   "/v1/identities/x/token",    r#"{"lifetime_s":0}"#, 422, "invalid"),
        ("POST",   "/v1/identities/x/token",    r#"{"lifetime_s":99999999999}"#, 422, "invalid"),
        ("POST",   "/v1/identities/x/disable",  reason,         404, "not_found"),
        ("POST",   "/v1/identities/x/disable",  long.as_str(),  413, "bad_request"),
    ];
    for (method, path, body, status, code) in cases {
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let answer = ask(&gateway.socket, &[head.as_bytes(), body.as_bytes()].concat()).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{method} {path}: {head}");
        let answer: ErrorAnswer = serde_json::from_str(body).unwrap();
        assert_eq!(answer.error.code, code, "{method} {path}");
        assert!(!answer.error.message.is_empty());
    }
    gateway.stop().await;
}

#[tokio::test]
async fn later_connections_wait_until_there_is_a_place() {
    let dir = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(dir.path());
    let mut idle = Vec::new();
    for _ in 0..CONNECTIONS_MAX {
        idle.push(UnixStream::connect(&gateway.socket).await.unwrap());
    }
    let client = gateway.client.clone();
    let mut asked = tokio::spawn(async move { client.status().await });
    assert!(tokio::time::timeout(Duration::from_millis(200), &mut asked).await.is_err());
    idle.pop();
    asked.await.unwrap().unwrap();
    drop(idle);
    gateway.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_hangs_loses_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(dir.path());
    let silent = "";
    let half_a_head = "GET /v1/status HTTP/1.1\r\nhost:";
    let half_a_body = "POST /v1/identities HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n{";
    for begun in [silent, half_a_head, half_a_body] {
        let mut stream = UnixStream::connect(&gateway.socket).await.unwrap();
        stream.write_all(begun.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
    }
    gateway.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_hangs_does_not_hold_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(dir.path());
    let mut idle = UnixStream::connect(&gateway.socket).await.unwrap();
    // Connections are accepted in order, so the idle one is in by now.
    gateway.client.status().await.unwrap();
    let begun = tokio::time::Instant::now();
    gateway.stop().await;
    assert!(begun.elapsed() < Duration::from_secs(6), "{:?}", begun.elapsed());
    assert_eq!(idle.read(&mut [0]).await.unwrap(), 0);
}

/// Sends raw bytes and reads until the server closes.
async fn ask(socket: &Path, request: &[u8]) -> String {
    let mut stream = UnixStream::connect(socket).await.unwrap();
    let (mut reader, mut writer) = stream.split();
    let mut answer = Vec::new();
    // A refused body may not be read to its end, so the write may fail while the answer stands.
    let write = async {
        let _refused_half_way = writer.write_all(request).await;
    };
    let read = async {
        let _reset = reader.read_to_end(&mut answer).await;
    };
    tokio::join!(write, read);
    String::from_utf8(answer).unwrap()
}
