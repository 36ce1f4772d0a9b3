//! A look at a target without running a gateway: for `countersign doctor`.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use arc_swap::ArcSwapOption;
use model::RelationName;
use tokio::sync::{Notify, watch};

use crate::asker::{AskError, Asker, Row};
use crate::freshness::Freshness;
use crate::parser::Parsers;
use crate::settings::{Limits, TargetSettings};
use crate::target::Target;
use crate::watcher;

const LABEL: &str = "countersign doctor";

/// Version; what the gateway's own role may do beyond its tables; roles that can log in besides it.
const QUESTION: &str = "SELECT pg_catalog.current_setting('server_version'), \
     r.rolsuper, r.rolcreaterole, r.rolreplication, r.rolbypassrls, \
     (SELECT pg_catalog.count(*) FROM pg_catalog.pg_roles o WHERE o.rolcanlogin AND o.oid <> r.oid) \
     FROM pg_catalog.pg_roles r WHERE r.rolname = current_user";

/// What a target shows of itself to the gateway's role.
#[derive(Clone, Debug, Default)]
pub struct Probe {
    /// PostgreSQL's version.
    pub version: String,
    /// Attributes that make the role stronger than a gateway needs, by their names in `CREATE ROLE`.
    pub attributes: Vec<&'static str>,
    /// How many other roles can log in, and so could go round the gateway.
    pub other_logins: u64,
    /// Relations that no grant can name, and why.
    pub unusable: Vec<(RelationName, String)>,
}

/// Why a target cannot be used. The text is for the operator.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// It cannot be reached, refuses the log-in, or does not answer.
    #[error("{0}")]
    Unreachable(String),
    /// Its catalog cannot be used, for example because a masked column is not there.
    #[error("{0}")]
    Catalog(String),
}

/// Logs into a target, asks what it is, and reads its catalog with the masks of the settings.
///
/// # Errors
///
/// [`ProbeError`], in words for the operator.
pub async fn probe(settings: TargetSettings, limits: Limits) -> Result<Probe, ProbeError> {
    let name = settings.name.clone();
    let catalog = ArcSwapOption::empty();
    let target = Target {
        name,
        settings,
        catalog,
        tried: Notify::new(),
        stale: Notify::new(),
        server: watch::Sender::new(None),
        replaced: Notify::new(),
        begun: AtomicU64::new(0),
        renewed: Notify::new(),
        freshness: Freshness::new().0,
        mask_key: [0; 32],
        limits,
        fence: None,
    };
    let target = Arc::new(target);
    let unreachable = |error: AskError| ProbeError::Unreachable(error.to_string());
    let mut asker = Asker::connect(&target, LABEL).await.map_err(unreachable)?;
    let rows = asker.ask(QUESTION).await.map_err(unreachable)?;
    let parsers = Parsers::start().map_err(|error| ProbeError::Catalog(error.to_string()))?;
    let catalog = watcher::read(&mut asker, &target, &parsers, 1).await;
    let catalog = catalog.map_err(|error| ProbeError::Catalog(error.to_string()))?;
    Ok(Probe { unusable: catalog.unusable(), ..answer(rows.first()) })
}

fn answer(row: Option<&Row>) -> Probe {
    let cell = |at: usize| row.and_then(|row| row.get(at)).cloned().flatten().unwrap_or_default();
    let attributes = ["SUPERUSER", "CREATEROLE", "REPLICATION", "BYPASSRLS"];
    let held = (1..).zip(attributes).filter(|(at, _)| cell(*at) == "t");
    Probe {
        version: cell(0),
        attributes: held.map(|(_, name)| name).collect(),
        other_logins: cell(5).parse().unwrap_or(0),
        unusable: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_by_its_columns() {
        let row: Row = ["17.2", "f", "t", "f", "t", "3"].map(|cell| Some(cell.to_owned())).into();
        let probe = answer(Some(&row));
        assert_eq!(probe.version, "17.2");
        assert_eq!(probe.attributes, ["CREATEROLE", "BYPASSRLS"]);
        assert_eq!(probe.other_logins, 3);
        assert_eq!(answer(None).attributes, Vec::<&str>::new());
    }
}
