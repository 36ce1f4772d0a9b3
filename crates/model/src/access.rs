//! Records of the access ledger: sessions, commands, outcomes, denials. A sensitive text stands
//! here as a [`Commitment`]; its value and salt lie beside the record.

use crate::{
    CommandRef, CredentialId, Facts, FinishedResult, GrantHash, GrantId, IdentityName, LoginMethod,
    MaskedColumn, Protocol, RoleChange, SessionEnd, SessionId, TargetName, Timestamp, Touch,
    Written,
};

/// The mode of a target whose sessions log in as short-lived roles that can do no more than grants.
pub const MODE_FENCED: &str = "fenced";

/// The mode of a target where no database role enforces a grant.
pub const MODE_MASK_ONLY: &str = "mask-only";

/// Salted SHA-256 of a sensitive field, as 64 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Commitment(pub String);

/// A ledger's size and Merkle root at some moment.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerHead {
    /// Number of records.
    pub size: u64,
    /// Root of their RFC 6962 tree, in hexadecimal.
    pub root: String,
}

/// A grant by id and hash, as a record names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantRef {
    /// Its id.
    pub id: GrantId,
    /// Its hash.
    pub hash: GrantHash,
}

/// How many values of a masked column were hidden in one answer.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Redaction {
    /// Which column, and how.
    #[serde(flatten)]
    pub column: MaskedColumn,
    /// How many values.
    pub values: u64,
}

/// One entry of the access ledger.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct AccessRecord {
    /// When.
    pub at: Timestamp,
    /// What happened.
    #[serde(flatten)]
    pub event: AccessEvent,
}

/// What happened on the data path.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum AccessEvent {
    /// The ledger was opened by a gateway. The first record of each run.
    EpochStarted {
        /// Version of the program.
        version: String,
        /// The ledger as found at opening.
        found: LedgerHead,
        /// Bytes of a torn last entry that were cut.
        cut_bytes: u64,
    },
    /// The gateway stopped in order, with every session closed.
    EpochEnded {},
    /// Sign of life while nothing else is recorded.
    Heartbeat {
        /// Sessions open now.
        sessions: u64,
    },
    /// Someone failed to prove who they are, or may not use the target.
    AuthenticationFailed {
        /// The user that the client named, if it can be an identity's name.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        claimed: Option<IdentityName>,
        /// The database that the client named, if it can be a target's name.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        target: Option<TargetName>,
        /// The client's address.
        peer: String,
        /// Machine-readable reason.
        reason: String,
    },
    /// A client proved its identity and reached a target.
    SessionOpened {
        /// The session.
        session: SessionId,
        /// Who.
        identity: IdentityName,
        /// On which target.
        target: TargetName,
        /// The client's address.
        peer: String,
        /// Whether the client's connection is encrypted.
        tls: bool,
        /// `mask-only` or, with a fence, `fenced`.
        mode: String,
        /// What the client calls itself. A claim, not a fact.
        application: String,
        /// Size of the control ledger under which it was admitted.
        control_size: u64,
        /// With which credential. Older records do not say.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        credential: Option<CredentialId>,
        /// How the identity was proved. Older records do not say: by a token.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        login: Option<LoginMethod>,
        /// SHA-256 of the client's certificate, in hexadecimal, if it proved the identity.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        certificate: Option<String>,
    },
    /// A session ended.
    SessionClosed {
        /// The session.
        session: SessionId,
        /// How many commands it had: the last sequence number.
        commands: u64,
        /// Why it ended.
        reason: SessionEnd,
    },
    /// The client asked to cancel what its session runs.
    CancelRequested {
        /// The session.
        session: SessionId,
    },
    /// A short-lived role of the fence was made on a target, changed, or is gone.
    FenceRole {
        /// The target.
        target: TargetName,
        /// The role's name there.
        role: String,
        /// What became of it.
        change: RoleChange,
        /// The session whose role it is; nothing if an earlier run of the gateway left it.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        session: Option<SessionId>,
        /// The group that carries its privileges.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        group: Option<String>,
    },
    /// Commands that had completed are undone: their transaction failed later, was rolled back, could
    /// not be committed, or was left open by the end of the session.
    BatchRolledBack {
        /// The session.
        session: SessionId,
        /// The first command that is undone.
        first: u64,
        /// The session's last command then.
        last: u64,
        /// PostgreSQL's error code, if the target gave one.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        sqlstate: Option<String>,
    },
    /// Commands whose outcome is `uncommitted` stand: their transaction was committed.
    BatchCommitted {
        /// The session.
        session: SessionId,
        /// The first command of the transaction.
        first: u64,
        /// The last one that may have changed something.
        last: u64,
    },
    /// It is not known whether commands stand whose outcome is `uncommitted`: the commit was asked for
    /// and not answered, or a procedure ended transactions between them.
    BatchUnknown {
        /// The session.
        session: SessionId,
        /// The first command of the transaction.
        first: u64,
        /// The session's last command then.
        last: u64,
    },
    /// A command was allowed, and has not yet been forwarded.
    CommandIntended {
        /// The session.
        session: SessionId,
        /// The command's place there.
        sequence: u64,
        /// Who.
        identity: IdentityName,
        /// On which target.
        target: TargetName,
        /// How it came in.
        protocol: Protocol,
        /// Size of the control ledger under which it was decided.
        control_size: u64,
        /// The catalog snapshot under which its names were resolved.
        catalog_version: u64,
        /// The grants that cover it. Empty if it touches no relation.
        grants: Vec<GrantRef>,
        /// What it touches.
        #[serde(flatten)]
        facts: Facts,
        /// What the client wrote.
        sql: Commitment,
        /// What is forwarded.
        forwarded: Commitment,
        /// The bound values, if any.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        parameters: Option<Commitment>,
    },
    /// A permitted command ended.
    CommandFinished {
        /// The session.
        session: SessionId,
        /// The command's place there.
        sequence: u64,
        /// How it ended.
        result: FinishedResult,
        /// PostgreSQL's error code, if there was an error.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        sqlstate: Option<String>,
        /// Rows sent to the client.
        rows: u64,
        /// Rows changed, as the target counts them; nothing if it does not say.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        affected: Option<u64>,
        /// It may have changed something, and its transaction had not ended. A later `batch_committed`,
        /// `batch_rolled_back` or `batch_unknown` says what became of it: the first one that covers it.
        #[serde(skip_serializing_if = "std::ops::Not::not", default)]
        uncommitted: bool,
        /// Bytes of rows sent to the client.
        bytes: u64,
        /// From the decision to the end, in microseconds.
        duration_us: u64,
        /// What was hidden.
        #[serde(skip_serializing_if = "Vec::is_empty", default)]
        redactions: Vec<Redaction>,
        /// What the client sent, for a COPY FROM STDIN that took data.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        written: Option<Written>,
    },
    /// A command was denied. The target never saw it.
    CommandDenied {
        /// The session.
        session: SessionId,
        /// The command's place there.
        sequence: u64,
        /// Who.
        identity: IdentityName,
        /// On which target.
        target: TargetName,
        /// Size of the control ledger under which it was decided.
        control_size: u64,
        /// Machine-readable reason.
        reason: String,
        /// What it would have touched, where that is known.
        #[serde(skip_serializing_if = "Vec::is_empty", default)]
        touches: Vec<Touch>,
        /// What the client wrote.
        sql: Commitment,
    },
    /// A notification was let through to a client that listens: live grants covered its channel.
    NotificationDelivered {
        /// The session.
        session: SessionId,
        /// Who.
        identity: IdentityName,
        /// On which target.
        target: TargetName,
        /// Size of the control ledger under which it was decided.
        control_size: u64,
        /// The grants that cover the channel.
        grants: Vec<GrantRef>,
        /// The channel.
        channel: String,
        /// Bytes of the payload. They count as bytes of one row.
        bytes: u64,
        /// What whoever notified said.
        payload: Commitment,
    },
    /// A notification came for a client that may not, or may no longer, listen. It is gone.
    NotificationDropped {
        /// The session.
        session: SessionId,
        /// Who.
        identity: IdentityName,
        /// On which target.
        target: TargetName,
        /// Size of the control ledger under which it was decided.
        control_size: u64,
        /// The channel.
        channel: String,
        /// Machine-readable reason.
        reason: String,
    },
}

impl AccessEvent {
    /// The session that the record is about, if it is about one.
    pub fn session(&self) -> Option<SessionId> {
        match self {
            Self::SessionOpened { session, .. }
            | Self::SessionClosed { session, .. }
            | Self::CancelRequested { session }
            | Self::BatchRolledBack { session, .. }
            | Self::BatchCommitted { session, .. }
            | Self::BatchUnknown { session, .. }
            | Self::CommandIntended { session, .. }
            | Self::CommandFinished { session, .. }
            | Self::CommandDenied { session, .. }
            | Self::NotificationDelivered { session, .. }
            | Self::NotificationDropped { session, .. } => Some(*session),
            Self::FenceRole { session, .. } => *session,
            Self::EpochStarted { .. }
            | Self::EpochEnded {}
            | Self::Heartbeat { .. }
            | Self::AuthenticationFailed { .. } => None,
        }
    }

    /// The command that the record is about, if it is about one.
    pub fn command(&self) -> Option<CommandRef> {
        match self {
            Self::CommandIntended { session, sequence, .. }
            | Self::CommandFinished { session, sequence, .. }
            | Self::CommandDenied { session, sequence, .. } => {
                Some(CommandRef { session: *session, sequence: *sequence })
            }
            Self::EpochStarted { .. }
            | Self::EpochEnded {}
            | Self::Heartbeat { .. }
            | Self::AuthenticationFailed { .. }
            | Self::SessionOpened { .. }
            | Self::SessionClosed { .. }
            | Self::BatchRolledBack { .. }
            | Self::BatchCommitted { .. }
            | Self::BatchUnknown { .. }
            | Self::FenceRole { .. }
            | Self::CancelRequested { .. }
            | Self::NotificationDelivered { .. }
            | Self::NotificationDropped { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests;
