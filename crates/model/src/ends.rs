//! How commands, sessions and the roles of fenced sessions end.

/// How a permitted command ended.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum FinishedResult {
    /// The target completed it.
    Completed,
    /// The target returned some rows and holds the rest for a later Execute.
    Suspended,
    /// The target refused it with an error.
    Failed,
    /// The target never began it: an earlier command of the same pipeline failed.
    Skipped,
    /// The gateway cut it: grant ended, limit reached, or the answer was not as planned.
    Cut,
    /// The target vanished, or the gateway stopped, before the end was known.
    Unknown,
}

/// Why a session ended.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum SessionEnd {
    /// The client said goodbye.
    Terminated,
    /// The client's connection broke.
    ClientLost,
    /// The target's connection broke.
    TargetLost,
    /// The client sent what the protocol does not allow.
    ProtocolViolation,
    /// The target answered other than planned.
    PlanViolation,
    /// Its identity, credential or grant ended.
    AuthorityEnded,
    /// A time limit was reached.
    TimedOut,
    /// A grant's limit on rows or bytes was reached where only the end of the session stops it.
    LimitReached,
    /// The gateway stopped.
    GatewayStopped,
}

/// What became of the short-lived role of a fenced session.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum RoleChange {
    /// It was made, and the session logged in as it.
    Created,
    /// It got another group, because the session's grants had changed.
    Regrouped,
    /// It is gone from the target, with its sessions and all that it owned. This was looked up.
    Dropped,
    /// It could not be removed yet. The gateway goes on trying.
    Left,
}
