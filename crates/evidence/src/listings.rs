//! The listings of the report: what an assessor first asks for, each with its query and its basis.

mod activity;
mod grants;
mod inventory;
mod operation;

use model::Timestamp;
use registry::Registry;

use crate::checks::Scope;
use crate::history::History;
use crate::provenance::Provenance;
use crate::report::{Artefact, Artefacts, Basis, LedgerSummary};
use crate::source::Source;

/// All that the listings read.
#[derive(Debug)]
pub(crate) struct Case<'a> {
    pub(crate) scope: &'a Scope,
    pub(crate) source: &'a Source,
    pub(crate) history: &'a History,
    /// The inventory as of the end of the window.
    pub(crate) inventory: &'a Registry,
    /// Where that inventory comes from.
    pub(crate) provenance: &'a Provenance,
    pub(crate) control: &'a LedgerSummary,
    pub(crate) access: &'a LedgerSummary,
}

/// What a listing is, apart from its rows.
struct Head {
    id: &'static str,
    title: &'static str,
    query: &'static str,
    population: Option<&'static str>,
    basis: Vec<Basis>,
    excludes: Vec<String>,
}

impl Head {
    fn with<T>(self, rows: Vec<T>) -> Artefact<T> {
        let Self { id, title, query, population, mut basis, excludes } = self;
        basis.dedup();
        let count = u64::try_from(rows.len()).unwrap_or(u64::MAX);
        Artefact { id, title, query, basis, excludes, population, count, rows }
    }
}

/// Makes every listing.
pub(crate) fn list(case: &Case<'_>) -> Artefacts {
    Artefacts {
        inventory: inventory::identities(case),
        grants: grants::grants(case),
        usage: activity::usage(case),
        denials: activity::denials(case),
        redactions: activity::redactions(case),
        unfinished: activity::unfinished(case),
        sessions: operation::sessions(case),
        authentication_failures: operation::failures(case),
        administration: inventory::administration(case),
        event_types: operation::event_types(case),
        epochs: operation::epochs(case),
    }
}

impl Case<'_> {
    /// The end of the window.
    fn end(&self) -> Timestamp {
        self.scope.window.to
    }

    /// The records of the access ledger in the window.
    fn access_window(&self) -> Basis {
        basis("access", self.access, self.access.window_first.zip(self.access.window_last))
    }

    /// The records of the access ledger from the first one to the last one in the window.
    fn access_until_end(&self) -> Basis {
        basis("access", self.access, self.access.window_last.map(|last| (0, last)))
    }

    /// All records of the access ledger.
    fn access_all(&self) -> Basis {
        basis("access", self.access, self.access.size.checked_sub(1).map(|last| (0, last)))
    }

    /// The records of the control ledger in the window.
    fn control_window(&self) -> Basis {
        basis("control", self.control, self.control.window_first.zip(self.control.window_last))
    }

    /// The records of the control ledger from which the inventory is folded.
    fn control_until_end(&self) -> Basis {
        let last = self.inventory.size().checked_sub(1);
        basis("control", self.control, last.map(|last| (0, last)))
    }

    /// All records of the control ledger.
    fn control_all(&self) -> Basis {
        basis("control", self.control, self.control.size.checked_sub(1).map(|last| (0, last)))
    }

    /// What the filters leave out, in words.
    fn filtered(&self) -> Vec<String> {
        let filters = &self.scope.filters;
        let identity = filters.identity.as_ref();
        let target = filters.target.as_ref();
        let mut out = Vec::new();
        out.extend(identity.map(|name| format!("records of identities other than {name}")));
        out.extend(target.map(|name| format!("records of targets other than {name}")));
        out
    }
}

fn basis(ledger: &'static str, of: &LedgerSummary, records: Option<(u64, u64)>) -> Basis {
    Basis { ledger, records, origin: of.origin.clone(), size: of.size, root: of.root.clone() }
}

/// Adds to a count that no ledger can bring to its limit.
fn add(count: &mut u64, more: u64) {
    *count = count.saturating_add(more);
}
