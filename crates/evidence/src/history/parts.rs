//! The parts of a joined access ledger: sessions, commands, outcomes, denials, failures, runs.

use model::{
    CommandRef, CredentialId, Facts, FinishedResult, GrantRef, IdentityName, Protocol, Redaction,
    SessionEnd, TargetName, Timestamp, Touch,
};

/// One session.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) record: u64,
    pub(crate) opened_at: Timestamp,
    pub(crate) identity: IdentityName,
    pub(crate) target: TargetName,
    pub(crate) peer: String,
    pub(crate) tls: bool,
    pub(crate) mode: String,
    pub(crate) application: String,
    /// With which credential it was opened, if its record says so.
    pub(crate) credential: Option<CredentialId>,
    pub(crate) closed: Option<Closed>,
    pub(crate) allowed: u64,
    pub(crate) denied: u64,
    /// The last command or denial, or the opening.
    pub(crate) last_at: Timestamp,
    /// How many runs had begun when it was opened.
    pub(super) epoch: usize,
    /// The highest sequence number so far.
    pub(super) last_sequence: u64,
}

/// How a session ended.
#[derive(Debug)]
pub(crate) struct Closed {
    pub(crate) record: u64,
    pub(crate) at: Timestamp,
    pub(crate) reason: SessionEnd,
}

/// One allowed command.
#[derive(Debug)]
pub(crate) struct Intended {
    pub(crate) record: u64,
    pub(crate) at: Timestamp,
    pub(crate) id: CommandRef,
    pub(crate) identity: IdentityName,
    pub(crate) target: TargetName,
    pub(crate) protocol: Protocol,
    pub(crate) control_size: u64,
    pub(crate) grants: Vec<GrantRef>,
    pub(crate) facts: Facts,
    /// The credential of its session, if the session's record says so.
    pub(crate) credential: Option<CredentialId>,
    pub(crate) ending: Ending,
}

/// How an allowed command ended, as far as the records say.
#[derive(Debug)]
pub(crate) enum Ending {
    /// An outcome is on record.
    Recorded(Finished),
    /// It was running when the checkpoint was made.
    Running,
    /// No outcome is on record although the session or the run is over.
    Missing,
}

/// An outcome.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) record: u64,
    pub(crate) at: Timestamp,
    pub(crate) result: FinishedResult,
    pub(crate) sqlstate: Option<String>,
    pub(crate) rows: u64,
    /// Rows that it changed and that stayed changed, as far as the target says.
    pub(crate) affected: Option<u64>,
    /// Its batch was rolled back after it had completed.
    pub(crate) is_undone: bool,
    pub(crate) bytes: u64,
    /// Bytes that a COPY took from the client.
    pub(crate) written: u64,
    pub(crate) duration_us: u64,
    pub(crate) redactions: Vec<Redaction>,
}

/// One denied command.
#[derive(Debug)]
pub(crate) struct Denial {
    pub(crate) record: u64,
    pub(crate) at: Timestamp,
    pub(crate) id: CommandRef,
    pub(crate) identity: IdentityName,
    pub(crate) target: TargetName,
    pub(crate) control_size: u64,
    pub(crate) reason: String,
    pub(crate) touches: Vec<Touch>,
}

/// One failed authentication.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) record: u64,
    pub(crate) at: Timestamp,
    pub(crate) claimed: Option<IdentityName>,
    pub(crate) target: Option<TargetName>,
    pub(crate) peer: String,
    pub(crate) reason: String,
}

/// One run of the gateway.
#[derive(Debug)]
pub(crate) struct Epoch {
    pub(crate) record: u64,
    pub(crate) started_at: Timestamp,
    pub(crate) version: String,
    pub(crate) cut_bytes: u64,
    pub(crate) last_record: u64,
    pub(crate) last_at: Timestamp,
    pub(crate) is_ended: bool,
}

/// A record that does not fit those before it.
#[derive(Debug)]
pub(crate) struct Stray {
    pub(crate) record: u64,
    pub(crate) at: Timestamp,
    pub(crate) identity: Option<IdentityName>,
    pub(crate) target: Option<TargetName>,
    pub(crate) kind: StrayKind,
    pub(crate) what: String,
}

/// What a stray record contradicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StrayKind {
    /// The session's opening.
    Session,
    /// The order of sequence numbers.
    Sequence,
    /// The session's total.
    Total,
    /// Each command's single outcome.
    Outcome,
    /// Each outcome's command.
    Intent,
}
