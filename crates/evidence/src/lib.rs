//! Records → evidence: a package that an assessor can read, and recompute.
//!
//! [`build`] folds the two ledgers over a window into a report, populations and the records
//! themselves; [`verify_package`] does the same again from the records in the package and compares
//! every byte. So an edit, an addition and a deletion are all refused by name.
//!
//! **Boundary:** bytes in, bytes out. No clock, no files, no network, no decision of its own: what
//! a command was allowed to do is asked of `policy`, what existed of `registry`.
//!
//! **Invariant:** [`build`] is a pure function. Equal inputs give equal bytes.
//!
//! **Invariant:** an objective is `satisfied` only where the records alone decide it. What they
//! contradict is `not-satisfied`; for all else the report names who must attest what.
//!
//! **Invariant:** no payload enters a package: it holds leaves, where sensitive texts are commitments.

mod build;
mod charts;
mod checks;
mod controls;
mod error;
mod escape;
mod findings;
mod history;
mod html;
mod listings;
mod manifest;
mod names;
mod populations;
mod provenance;
mod replay;
mod report;
mod rows;
mod rules;
mod source;
mod table;
mod usage;
mod verify;

pub use build::{Input, Package, build};
pub use error::{EvidenceError, Fault};
pub use report::{
    Artefact, Artefacts, Attestation, Basis, Check, CheckId, ControlFindings, Coverage, Exception,
    FORMAT, Filters, Finding, LedgerSummary, Report, State, Totals, Window,
};
pub use rows::{
    AdministrationRow, AuthenticationFailureRow, CredentialRow, DenialGroup, EpochRow,
    EventTypeRow, GrantRow, IdentityRow, RedactionRow, Revocation, ScopeUse, SessionRow,
    UnfinishedRow, UseRow,
};
pub use verify::verify_package;
