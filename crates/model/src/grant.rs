//! A grant: time-boxed permission for a task (NIST SP 800-53 AC-3, AC-6).

use std::collections::BTreeSet;

use crate::{Action, GrantId, IdentityName, RelationName, TargetName, Timestamp};

/// SHA-256 of a grant's canonical JSON, as 64 hexadecimal digits.
///
/// It stands in each record that was decided under the grant, so that a record still says what
/// the grant was should someone rewrite the inventory.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct GrantHash(pub String);

/// One line of a scope: these actions on these columns of this relation.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScopeEntry {
    /// The relation.
    pub relation: RelationName,
    /// What may be done to it.
    pub actions: BTreeSet<Action>,
    /// Which columns. `*` was expanded when the grant was made: a column added later is not covered.
    pub columns: BTreeSet<String>,
}

/// All that a grant covers. An entry adds to the others; nothing takes away.
pub type Scope = Vec<ScopeEntry>;

/// What a grant allows at most, over its whole life and all sessions. Nothing means no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Commands decided under the grant.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub commands: Option<u64>,
    /// Rows sent to the client.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub rows: Option<u64>,
    /// Bytes of these rows, as the protocol carries them.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub bytes: Option<u64>,
}

/// Time-boxed permission for a task.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// Its id.
    pub id: GrantId,
    /// Who may use it.
    pub identity: IdentityName,
    /// Where.
    pub target: TargetName,
    /// For what.
    pub scope: Scope,
    /// From when on, inclusive.
    pub not_before: Timestamp,
    /// Until when, exclusive. Compared with the clock at execution, not at connect or parse.
    pub expires_at: Timestamp,
    /// How much.
    pub limits: Limits,
    /// The task that it serves, for example a ticket's number.
    pub task: String,
    /// Why the task needs it, in words.
    pub purpose: String,
    /// The person for whom the identity acts, if any.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub on_behalf_of: Option<IdentityName>,
    /// Who asked for it.
    pub requested_by: String,
    /// Who approved it.
    pub approved_by: String,
    /// What of the target's fence was open when it was made, and accepted: `CODE:OBJECT` each.
    #[serde(skip_serializing_if = "BTreeSet::is_empty", default)]
    pub accepted_holes: BTreeSet<String>,
}
