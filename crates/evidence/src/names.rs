//! The names of enumerated values, as they stand in records.

use model::{FinishedResult, IdentityKind, Protocol, SessionEnd, StatementKind};

use crate::report::{Coverage, State};

/// The name of an identity's kind.
pub(crate) fn kind_name(kind: IdentityKind) -> &'static str {
    match kind {
        IdentityKind::Person => "person",
        IdentityKind::Workload => "workload",
    }
}

/// The name of the way in which a command came in.
pub(crate) fn protocol_name(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Simple => "simple",
        Protocol::Extended => "extended",
    }
}

/// The name of a sort of statement.
pub(crate) fn statement_name(kind: StatementKind) -> &'static str {
    match kind {
        StatementKind::Empty => "empty",
        StatementKind::Read => "read",
        StatementKind::Write => "write",
        StatementKind::CopyOut => "copy-out",
        StatementKind::CopyIn => "copy-in",
        StatementKind::Transaction => "transaction",
        StatementKind::Setting => "setting",
        StatementKind::Prepare => "prepare",
        StatementKind::Session => "session",
    }
}

/// The name of the way in which a command ended.
pub(crate) fn result_name(result: FinishedResult) -> &'static str {
    match result {
        FinishedResult::Completed => "completed",
        FinishedResult::Suspended => "suspended",
        FinishedResult::Failed => "failed",
        FinishedResult::Skipped => "skipped",
        FinishedResult::Cut => "cut",
        FinishedResult::Unknown => "unknown",
    }
}

/// The name of the reason why a session ended.
pub(crate) fn end_name(end: SessionEnd) -> &'static str {
    match end {
        SessionEnd::Terminated => "terminated",
        SessionEnd::ClientLost => "client_lost",
        SessionEnd::TargetLost => "target_lost",
        SessionEnd::ProtocolViolation => "protocol_violation",
        SessionEnd::PlanViolation => "plan_violation",
        SessionEnd::AuthorityEnded => "authority_ended",
        SessionEnd::TimedOut => "timed_out",
        SessionEnd::LimitReached => "limit_reached",
        SessionEnd::GatewayStopped => "gateway_stopped",
    }
}

impl State {
    /// Its name, as in `report.json`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Satisfied => "satisfied",
            Self::NotSatisfied => "not-satisfied",
            Self::NeedsAttestation => "needs-attestation",
        }
    }

    /// Its name for reading.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Satisfied => "satisfied",
            Self::NotSatisfied => "not satisfied",
            Self::NeedsAttestation => "needs attestation",
        }
    }
}

impl Coverage {
    /// Its name, as in `report.json`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Partial => "partial",
            Self::None => "none",
        }
    }
}

impl std::fmt::Display for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl std::fmt::Display for Coverage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
