//! Why a command is denied: for the record, and in words for the client.

use std::collections::BTreeSet;

use model::{Action, RelationName};

/// Why a command is denied.
///
/// The displayed text is what the client reads. It names the relation as the client itself named
/// it, without the schema that was found for it, and no column: a client could otherwise learn
/// from a denial what exists. PostgreSQL names no column either.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DenyReason {
    /// The standing is not that of the command's identity and target.
    #[error("permission denied")]
    StandingMismatch,
    /// The identity is disabled.
    #[error("this identity is disabled")]
    IdentityDisabled,
    /// The identity's end has come.
    #[error("this identity has expired")]
    IdentityExpired,
    /// The session's credential was revoked or replaced, or its end has come.
    #[error("the credential of this session is no longer valid")]
    CredentialEnded,
    /// A statement that writes names nothing that it writes, so it cannot be judged.
    #[error("permission denied")]
    NothingToJudge,
    /// No grant in its window has the action on the relation.
    #[error("permission denied for {} {}: no live grant covers {action} on it", .action.object(), .relation.name)]
    NoGrant {
        /// The relation.
        relation: RelationName,
        /// What the command would do to it.
        action: Action,
    },
    /// The grants have the action on the relation, but not on all the columns.
    #[error(
        "permission denied for relation {}: \
         no live grant covers {action} on every column that the statement uses", .relation.name
    )]
    ColumnsNotGranted {
        /// The relation.
        relation: RelationName,
        /// What the command would do to it.
        action: Action,
        /// The columns that no grant covers.
        columns: BTreeSet<String>,
    },
    /// A grant would cover it, but its window has not begun or is over.
    #[error("permission denied for {} {}: the grant for {action} on it is not in its time", .action.object(), .relation.name)]
    OutsideWindow {
        /// The relation.
        relation: RelationName,
        /// What the command would do to it.
        action: Action,
    },
    /// A grant would cover it, but its commands or rows are used up.
    #[error("permission denied for {} {}: the grant for {action} on it is used up", .action.object(), .relation.name)]
    LimitReached {
        /// The relation.
        relation: RelationName,
        /// What the command would do to it.
        action: Action,
    },
}

impl DenyReason {
    /// The machine-readable name that stands in the record. It never changes once released.
    pub fn code(&self) -> &'static str {
        match self {
            Self::StandingMismatch => "standing_mismatch",
            Self::IdentityDisabled => "identity_disabled",
            Self::IdentityExpired => "identity_expired",
            Self::CredentialEnded => "credential_ended",
            Self::NothingToJudge => "nothing_to_judge",
            Self::NoGrant { .. } => "no_grant",
            Self::ColumnsNotGranted { .. } => "columns_not_granted",
            Self::OutsideWindow { .. } => "outside_window",
            Self::LimitReached { .. } => "limit_reached",
        }
    }

    /// A sentence that is safe to show to the client: it names no rule and no other user.
    pub fn client_message(&self) -> String {
        self.to_string()
    }

    /// PostgreSQL's error code for the denial.
    ///
    /// Source: PostgreSQL manual, "PostgreSQL Error Codes": `insufficient_privilege`, and
    /// `invalid_authorization_specification` where the identity itself no longer stands.
    pub fn sqlstate(&self) -> &'static str {
        if self.ends_session() { "28000" } else { "42501" }
    }

    /// True if no later command of the session can fare better, so the session should be ended.
    pub fn ends_session(&self) -> bool {
        match self {
            Self::StandingMismatch
            | Self::IdentityDisabled
            | Self::IdentityExpired
            | Self::CredentialEnded => true,
            Self::NothingToJudge
            | Self::NoGrant { .. }
            | Self::ColumnsNotGranted { .. }
            | Self::OutsideWindow { .. }
            | Self::LimitReached { .. } => false,
        }
    }
}
