//! Looks whether the definitions on which plans rest are still those that were judged.
//!
//! ```text
//! sessions ──grounds──▶ queue ──all that wait──▶ one question on one connection ──▶ yes or no each
//! ```
//!
//! One question is under way at a time; what comes meanwhile shares the next. So a look costs a
//! session one round trip to the target, and the target one small query, however many sessions ask.
//!
//! **Invariant:** a yes is about an instant after the session asked, on the server of which the catalog
//! is. Where there is no answer, nothing passes.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use sql::Grounds;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;

use crate::asker::{AskError, Asker, Row};
use crate::footing::footing;
use crate::phase::Phase;
use crate::target::{ConnectError, Connected, Target};

/// How long a session waits for an answer, and a question may take.
const LOOK_MAX: Duration = Duration::from_millis(500);
/// Sessions whose grounds share one question. More wait for the next.
const SHARED_MAX: usize = 256;
/// Sessions that may wait; one beyond that waits to wait.
const QUEUE_MAX: usize = 1_024;
const LABEL: &str = "countersign freshness";

/// Where sessions of one target ask.
#[derive(Debug)]
pub(crate) struct Freshness {
    queue: mpsc::Sender<Waiting>,
}

/// A session that asks.
#[derive(Debug)]
pub(crate) struct Waiting {
    grounds: Arc<Grounds>,
    answer: oneshot::Sender<bool>,
}

/// A connection for questions, and the server to which it leads.
type Kept = (Asker<Connected>, Arc<str>);

/// What a look found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// All is as it was judged.
    Same,
    /// Something is not.
    Changed,
    /// The target could not be asked. That is no yes.
    Unknown,
}

impl Freshness {
    /// A queue, and its end for [`serve`].
    pub(crate) fn new() -> (Self, mpsc::Receiver<Waiting>) {
        let (queue, waiting) = mpsc::channel(QUEUE_MAX);
        (Self { queue }, waiting)
    }

    /// Looks whether all these definitions are, at an instant after this call, as they were read.
    pub(crate) async fn look(&self, grounds: Arc<Grounds>) -> Look {
        if grounds.is_empty() {
            return Look::Same;
        }
        let (answer, answered) = oneshot::channel();
        let look = async {
            self.queue.send(Waiting { grounds, answer }).await.ok()?;
            answered.await.ok()
        };
        match timeout(LOOK_MAX, look).await {
            Ok(Some(true)) => Look::Same,
            Ok(Some(false)) => Look::Changed,
            Ok(None) | Err(_) => Look::Unknown,
        }
    }
}

/// Answers sessions until the gateway stops.
pub(crate) async fn serve(
    target: Arc<Target>,
    mut queue: mpsc::Receiver<Waiting>,
    mut phase: watch::Receiver<Phase>,
) {
    let mut asker = None;
    let mut waiting = Vec::new();
    loop {
        tokio::select! {
            _ = phase.wait_for(|phase| phase.is_stopping()) => return,
            taken = queue.recv_many(&mut waiting, SHARED_MAX) => {
                if taken == 0 {
                    return;
                }
            }
        }
        let relations = waiting.iter().flat_map(|one: &Waiting| one.grounds.relations()).collect();
        match timeout(LOOK_MAX, look(&target, &mut asker, &relations)).await {
            Ok(Ok(now)) => {
                for Waiting { grounds, answer } in waiting.drain(..) {
                    if answer.send(grounds.hold(&now)).is_err() {
                        tracing::trace!("a session that asked has gone");
                    }
                }
                continue;
            }
            Ok(Err(error)) => {
                tracing::warn!(target = %target.name, %error, "definitions cannot be looked at; answers that rest on them are withheld");
            }
            Err(_elapsed) => {
                tracing::warn!(target = %target.name, "definitions cannot be looked at in time; answers that rest on them are withheld");
            }
        }
        // The answer to a question that was given up must not be taken for that of the next.
        asker = None;
        waiting.clear();
    }
}

/// Asks once; over a new connection if the one that was kept is gone, or leads to a server that was
/// replaced since.
async fn look(
    target: &Arc<Target>,
    kept: &mut Option<Kept>,
    relations: &BTreeSet<u32>,
) -> Result<Grounds, AskError> {
    let question = Grounds::question(relations);
    if let Some((mut asker, server)) = kept.take()
        && target.is_of(&server)
        && let Ok(rows) = asker.ask(&question).await
    {
        *kept = Some((asker, server));
        return read(&rows);
    }
    let mut asker = Asker::connect(target, LABEL).await?;
    let server = footing(&mut asker, LABEL).await?.server;
    if !target.is_of(&server) {
        let address = target.settings.address.to_string();
        return Err(AskError::Connect(ConnectError::OtherServer(address)));
    }
    asker.ask(&Grounds::preparation()).await?;
    let rows = asker.ask(&question).await?;
    *kept = Some((asker, server));
    read(&rows)
}

fn read(rows: &[Row]) -> Result<Grounds, AskError> {
    let pair = |row: &'_ Row| match row.as_slice() {
        [Some(oid), Some(stamp)] => Some((oid.clone(), stamp.clone())),
        _ => None,
    };
    let pairs: Option<Vec<(String, String)>> = rows.iter().map(pair).collect();
    let pairs = pairs.ok_or(AskError::Row)?;
    Grounds::read(pairs.iter().map(|(oid, stamp)| Some((&**oid, &**stamp)))).ok_or(AskError::Row)
}
