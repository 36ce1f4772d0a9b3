//! The rows of the report's listings.

use std::collections::{BTreeMap, BTreeSet};

use model::{
    CredentialId, FinishedResult, GrantHash, GrantId, IdentityKind, IdentityName, Limits,
    MaskedColumn, SessionEnd, SessionId, TargetName, Timestamp,
};

/// One identity as of the end of the window.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct IdentityRow {
    /// Its name.
    pub identity: IdentityName,
    /// Person or workload.
    pub kind: IdentityKind,
    /// Who answers for it.
    pub owner: String,
    /// `enabled`, `disabled` or `expired`.
    pub state: &'static str,
    /// When it entered the inventory.
    pub created_at: Timestamp,
    /// Who entered it.
    pub created_by: String,
    /// Index of the control record that entered it.
    pub created_record: u64,
    /// Index of the last control record that changed it or its credentials.
    pub changed_record: u64,
    /// When it ends by itself.
    pub expires_at: Option<Timestamp>,
    /// Its credentials.
    pub credentials: Vec<CredentialRow>,
    /// Sessions that it had in the window.
    pub sessions: u64,
    /// Commands allowed in the window.
    pub allowed: u64,
    /// Commands denied in the window.
    pub denied: u64,
    /// Its last command or session before the end of the window.
    pub last_used: Option<Timestamp>,
}

/// One credential as of the end of the window.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct CredentialRow {
    /// Its id.
    pub credential: CredentialId,
    /// `live`, `revoked` or `expired`.
    pub state: &'static str,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// When it ends by itself.
    pub expires_at: Timestamp,
    /// Index of the control record that issued it.
    pub issued_record: u64,
}

/// One grant and what was used of it in the window.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct GrantRow {
    /// Its id.
    pub grant: GrantId,
    /// Its hash.
    pub hash: GrantHash,
    /// Who may use it.
    pub identity: IdentityName,
    /// Where.
    pub target: TargetName,
    /// The task.
    pub task: String,
    /// Why the task needs it.
    pub purpose: String,
    /// For which person, if any.
    pub on_behalf_of: Option<IdentityName>,
    /// Who asked.
    pub requested_by: String,
    /// Who approved.
    pub approved_by: String,
    /// What of the target's fence was open when it was made, and accepted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub accepted_holes: Vec<String>,
    /// Start, inclusive.
    pub not_before: Timestamp,
    /// End, exclusive.
    pub expires_at: Timestamp,
    /// `pending`, `live`, `expired` or `revoked`, as of the end of the window.
    pub state: &'static str,
    /// When and why it was revoked, if it was.
    pub revoked: Option<Revocation>,
    /// At most so much.
    pub limits: Limits,
    /// Index of the control record that made it.
    pub created_record: u64,
    /// Commands decided under it in the window.
    pub commands: u64,
    /// Rows that those sent to the client.
    pub rows: u64,
    /// Rows that those changed, as far as the target says.
    pub affected: u64,
    /// Its first command in the window.
    pub first_used: Option<Timestamp>,
    /// Its last command in the window.
    pub last_used: Option<Timestamp>,
    /// Each relation and action of its scope.
    pub scope: Vec<ScopeUse>,
    /// How many pairs of an action and a column it gives.
    pub privileges: u64,
    /// How many of them were used in the window.
    pub privileges_used: u64,
}

/// A grant's early end.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Revocation {
    /// When.
    pub at: Timestamp,
    /// By whom.
    pub by: String,
    /// Why.
    pub reason: String,
    /// Index of the control record.
    pub record: u64,
}

/// One action on one relation of a grant, and what was used of it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct ScopeUse {
    /// `schema.relation`.
    pub relation: String,
    /// The action's name.
    pub action: &'static str,
    /// Commands that did this to the relation under the grant.
    pub commands: u64,
    /// Columns granted and used.
    pub used: BTreeSet<String>,
    /// Columns granted and never used.
    pub unused: BTreeSet<String>,
}

/// What one identity did on one target.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct UseRow {
    /// Who.
    pub identity: IdentityName,
    /// Where.
    pub target: TargetName,
    /// Commands allowed.
    pub allowed: u64,
    /// Commands denied.
    pub denied: u64,
    /// How the allowed ones ended. Those without any outcome are not in it.
    pub results: BTreeMap<FinishedResult, u64>,
    /// Rows sent to the client.
    pub rows: u64,
    /// Rows changed, as far as the target says.
    pub affected: u64,
    /// Bytes of rows sent to the client.
    pub bytes: u64,
    /// Values hidden.
    pub redacted: u64,
    /// Relations touched by allowed commands.
    pub relations: BTreeSet<String>,
    /// First and last record of its commands and denials.
    pub records: (u64, u64),
}

/// All denials of one reason.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct DenialGroup {
    /// The machine-readable reason.
    pub reason: String,
    /// How many.
    pub count: u64,
    /// Whose.
    pub identities: BTreeSet<IdentityName>,
    /// What they would have touched, where that is known.
    pub relations: BTreeSet<String>,
    /// The records.
    pub records: Vec<u64>,
}

/// One masked column and how often it was hidden.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct RedactionRow {
    /// On which target.
    pub target: TargetName,
    /// The column, and how it is hidden.
    #[serde(flatten)]
    pub column: MaskedColumn,
    /// In how many commands.
    pub commands: u64,
    /// How many values.
    pub values: u64,
    /// The records of the outcomes.
    pub records: Vec<u64>,
}

/// An allowed command whose end is not known.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct UnfinishedRow {
    /// The record of its being allowed.
    pub record: u64,
    /// When.
    pub at: Timestamp,
    /// Its session.
    pub session: SessionId,
    /// Its place there.
    pub sequence: u64,
    /// Who.
    pub identity: IdentityName,
    /// Where.
    pub target: TargetName,
    /// `unknown` (so recorded), `running` at the checkpoint, or `missing`.
    pub state: &'static str,
    /// The record that says so, if one does.
    pub outcome_record: Option<u64>,
}

/// One session that was open in the window.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct SessionRow {
    /// Its id.
    pub session: SessionId,
    /// Who.
    pub identity: IdentityName,
    /// Where.
    pub target: TargetName,
    /// The client's address.
    pub peer: String,
    /// Whether the client's connection was encrypted.
    pub tls: bool,
    /// How the target was guarded.
    pub mode: String,
    /// What the client called itself.
    pub application: String,
    /// Start.
    pub opened_at: Timestamp,
    /// End, if it has ended.
    pub closed_at: Option<Timestamp>,
    /// Why it ended.
    pub end: Option<SessionEnd>,
    /// Commands allowed, over its whole life.
    pub allowed: u64,
    /// Commands denied, over its whole life.
    pub denied: u64,
    /// The record that opened it.
    pub opened_record: u64,
    /// The record that closed it.
    pub closed_record: Option<u64>,
}

/// A client that failed to prove who it is.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct AuthenticationFailureRow {
    /// The record.
    pub record: u64,
    /// When.
    pub at: Timestamp,
    /// The user that it named. A claim.
    pub claimed: Option<IdentityName>,
    /// The database that it named.
    pub target: Option<TargetName>,
    /// Its address.
    pub peer: String,
    /// The machine-readable reason.
    pub reason: String,
}

/// One change of the inventory or the settings.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct AdministrationRow {
    /// The control record.
    pub record: u64,
    /// When.
    pub at: Timestamp,
    /// By whom.
    pub by: String,
    /// The event type.
    pub kind: &'static str,
    /// About what.
    pub subject: String,
    /// With what reason or value.
    pub detail: String,
}

/// One type of event that the gateway records.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct EventTypeRow {
    /// In which ledger.
    pub ledger: &'static str,
    /// Its name in the record.
    pub kind: &'static str,
    /// When it is recorded.
    pub situation: &'static str,
    /// Records in the window, whatever the filters.
    pub in_window: u64,
    /// Records in the whole ledger.
    pub in_ledger: u64,
}

/// One run of the gateway.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct EpochRow {
    /// Its first record in the access ledger.
    pub record: u64,
    /// When it began.
    pub started_at: Timestamp,
    /// The program's version.
    pub version: String,
    /// Bytes of a torn last entry that were cut at its start.
    pub cut_bytes: u64,
    /// Its last record.
    pub last_record: u64,
    /// When that was made.
    pub last_at: Timestamp,
    /// `orderly`, `crashed`, or `running` at the checkpoint.
    pub end: &'static str,
    /// Seconds between the former run's last record and this one's first.
    pub down_s: Option<u64>,
}

impl ScopeUse {
    /// True for an action that names no column and was used.
    pub(crate) fn is_used_whole(&self) -> bool {
        self.commands > 0 && self.used.is_empty() && self.unused.is_empty()
    }

    /// True if no command in the window did this under the grant.
    pub(crate) fn is_unused(&self) -> bool {
        self.commands == 0
    }
}
