//! Notices a peer that is gone without a word: a machine that lost power, a cable, a firewall that forgot.
//!
//! Source: tcp(7), `TCP_KEEPIDLE` and its kin; RFC 5482 for the user timeout.

use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

/// Silence before the kernel asks whether the peer is there.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(15);
/// Between two such questions.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
/// Questions without an answer before the connection counts as lost.
const KEEPALIVE_PROBES: u32 = 3;
/// How long a target's machine may take to acknowledge what was sent.
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(30);

/// Has the kernel watch over a client's connection.
///
/// # Errors
///
/// The socket's error: it is lost already.
pub(crate) fn watch_client(tcp: &TcpStream) -> std::io::Result<()> {
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE_IDLE)
        .with_interval(KEEPALIVE_INTERVAL)
        .with_retries(KEEPALIVE_PROBES);
    SockRef::from(tcp).set_tcp_keepalive(&keepalive)
}

/// Has the kernel watch over a connection to a target, also while something is on its way.
///
/// # Errors
///
/// The socket's error: it is lost already.
pub(crate) fn watch_target(tcp: &TcpStream) -> std::io::Result<()> {
    watch_client(tcp)?;
    SockRef::from(tcp).set_tcp_user_timeout(Some(UNACKNOWLEDGED_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_kernel_is_told_to_watch() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let tcp = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        assert!(!SockRef::from(&tcp).keepalive().unwrap());
        watch_target(&tcp).unwrap();
        let socket = SockRef::from(&tcp);
        assert!(socket.keepalive().unwrap());
        assert_eq!(socket.tcp_keepalive_time().unwrap(), KEEPALIVE_IDLE);
        assert_eq!(socket.tcp_keepalive_interval().unwrap(), KEEPALIVE_INTERVAL);
        assert_eq!(socket.tcp_keepalive_retries().unwrap(), KEEPALIVE_PROBES);
        assert_eq!(socket.tcp_user_timeout().unwrap(), Some(UNACKNOWLEDGED_MAX));
    }
}
