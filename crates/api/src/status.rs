//! Status: what the gateway is, and how it is.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use journal::JournalError;
use model::{LedgerHead, Timestamp};

use crate::{ApiState, TargetInfo};

/// What the gateway is, and how it is.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Status {
    /// The gateway's name.
    pub gateway: String,
    /// Version of the program.
    pub version: String,
    /// Since when it runs.
    pub started_at: Timestamp,
    /// Where it listens for PostgreSQL clients.
    pub postgres: String,
    /// How many sessions are open.
    pub sessions: u64,
    /// Size of the control ledger that the data path decides under.
    pub control_size: u64,
    /// The ledgers that it writes.
    pub ledgers: Vec<LedgerInfo>,
    /// The targets that it guards.
    pub targets: Vec<TargetInfo>,
}

/// A ledger that the gateway writes.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct LedgerInfo {
    /// `control` or `access`.
    pub name: String,
    /// Number of durable records.
    pub size: u64,
    /// Root of their Merkle tree, in hexadecimal.
    pub root: String,
    /// Why it can no longer be written. Then nothing runs any more.
    pub fault: Option<String>,
}

impl LedgerInfo {
    fn of(name: &str, head: LedgerHead, state: Result<(), JournalError>) -> Self {
        let fault = state.err().map(|error| error.to_string());
        Self { name: name.to_owned(), size: head.size, root: head.root, fault }
    }
}

pub(crate) async fn show(State(state): State<Arc<ApiState>>) -> Json<Status> {
    let about = state.about.clone();
    let (head, health) = state.control.ledger();
    let control = LedgerInfo::of("control", head, health);
    let access = LedgerInfo::of("access", state.access.head(), state.access.check());
    Json(Status {
        gateway: about.gateway,
        version: about.version,
        started_at: about.started_at,
        postgres: about.postgres,
        sessions: state.sessions.sessions().len().try_into().unwrap_or(u64::MAX),
        control_size: state.control.registry().size(),
        ledgers: vec![control, access],
        targets: state.targets.describe(),
    })
}
