//! Accepts clients and carries each to its end.
//!
//! ```text
//! accept ─▶ greet: TLS, cancel, SCRAM ─▶ admit: target, live grant ─▶ session ─▶ end
//! ```

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ledger::Payload;
use model::{AccessEvent, AccessRecord, IdentityName, TargetName};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::admission;
use crate::arrivals::Arrival;
use crate::clock;
use crate::gate::Gate;
use crate::greeting::{self, Turned};
use crate::lifeline;
use crate::stream::Stream;
use crate::wire::Refused;

/// Pause after the operating system refused a connection, most likely for want of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Clients that are turned away with words at one time. More are closed without.
const TURNED_AWAY_MAX: usize = 64;
/// How long a client that is turned away may take to read why.
const REFUSAL_MAX: Duration = Duration::from_secs(1);

/// Accepts clients until the gateway drains; then waits for the sessions to end.
pub(crate) async fn listen(gate: Arc<Gate>, listener: TcpListener) {
    let places = Arc::new(Semaphore::new(gate.limits.clients_max));
    let doorways = Arc::new(Semaphore::new(TURNED_AWAY_MAX));
    let mut tasks = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = gate.draining() => break,
            accepted = listener.accept() => accepted,
            Some(ended) = tasks.join_next() => {
                if let Err(error) = ended {
                    tracing::error!(%error, "a session's task failed");
                }
                continue;
            }
        };
        match accepted {
            Ok((tcp, peer)) => match Arc::clone(&places).try_acquire_owned() {
                Ok(place) => {
                    let gate = Arc::clone(&gate);
                    // Here, so that they stand in the order in which they came.
                    let arrival = gate.arrivals.enter(peer.ip(), gate.limits.handshakes_max);
                    tasks.spawn(async move {
                        serve(&gate, tcp, peer, arrival).await;
                        drop(place);
                    });
                }
                Err(_full) => {
                    if let Ok(doorway) = Arc::clone(&doorways).try_acquire_owned() {
                        tasks.spawn(async move {
                            turn_away(tcp).await;
                            drop(doorway);
                        });
                    }
                }
            },
            Err(error) => {
                tracing::error!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    while tasks.join_next().await.is_some() {}
}

/// One connection, from its first byte to its last.
async fn serve(gate: &Arc<Gate>, tcp: TcpStream, peer: SocketAddr, arrival: Arrival) {
    if let Err(error) = tcp.set_nodelay(true).and_then(|()| lifeline::watch_client(&tcp)) {
        tracing::debug!(%peer, %error, "a connection ended before it began");
        return;
    }
    let limit = gate.limits.handshake_timeout;
    let greeted = tokio::select! {
        () = gate.draining() => return,
        () = arrival.displaced() => {
            tracing::info!(%peer, "a client that did not finish its log-in gives way to others");
            return record_refusal(gate, None, None, peer, "handshake_displaced").await;
        }
        greeted = tokio::time::timeout(limit, greeting::greet(gate, tcp, peer)) => greeted,
    };
    drop(arrival);
    let logged_in = match greeted {
        Ok(Ok(logged_in)) => logged_in,
        Ok(Err(turned)) => return report(gate, turned, peer).await,
        Err(_elapsed) => {
            tracing::info!(%peer, "a client did not finish its log-in in time");
            return record_refusal(gate, None, None, peer, "handshake_timed_out").await;
        }
    };
    match admission::admit(gate, logged_in).await {
        Ok(session) => session.run().await,
        Err(turned) => report(gate, turned, peer).await,
    }
}

/// Records why a connection became no session, and tells the client.
async fn report(gate: &Gate, turned: Turned, peer: SocketAddr) {
    match turned {
        Turned::Away => {}
        Turned::Refused { stream, claimed, target, reason, error } => {
            tracing::info!(%peer, reason, "a client is refused");
            record_refusal(gate, claimed, target, peer, reason).await;
            if let Some(stream) = stream {
                tell(*stream, &error).await;
            }
        }
    }
}

async fn record_refusal(
    gate: &Gate,
    claimed: Option<IdentityName>,
    target: Option<TargetName>,
    peer: SocketAddr,
    reason: &str,
) {
    if !gate.refusals.count(peer.ip(), clock::now()) {
        return;
    }
    let event = AccessEvent::AuthenticationFailed {
        claimed,
        target,
        peer: peer.to_string(),
        reason: reason.to_owned(),
    };
    let record = AccessRecord { at: clock::now(), event };
    if let Err(error) = gate.journal.record(record, Payload::new()).await {
        tracing::error!(%error, "a refused log-in is not on record");
    }
}

/// Tells a client that there is no room for it. Not recorded: it has not said anything yet, and a
/// flood of connections must not fill the ledger.
async fn turn_away(tcp: TcpStream) {
    let error =
        Refused::new("53300", "the gateway has as many clients as it may have: try again later");
    tell(Stream::Tcp(tcp), &error).await;
}

async fn tell(mut stream: Stream, error: &Refused) {
    let told = async {
        stream.write_all(&error.fatal()).await?;
        stream.shutdown().await
    };
    if !matches!(tokio::time::timeout(REFUSAL_MAX, told).await, Ok(Ok(()))) {
        tracing::debug!("a refused client did not read why");
    }
}
