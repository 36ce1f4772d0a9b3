//! What the admin side asks the data path. The binary wires the answers in.

use std::collections::BTreeSet;
use std::fmt;
use std::pin::Pin;

use model::{GrantId, IdentityName, RelationName, SessionId, TargetName, Timestamp};

/// An answer that may need a question to the target.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What the targets hold.
pub trait TargetDirectory: fmt::Debug + Send + Sync {
    /// The columns of a relation, as the target's catalog has them now, in its order.
    fn columns<'a>(
        &'a self,
        target: &'a TargetName,
        relation: &'a RelationName,
    ) -> Answer<'a, Result<Vec<String>, DirectoryError>>;

    /// Looks for what a role of the target's fence could reach beyond its grants: in the schemas that
    /// everybody may use and in `schemas`, or in all if nothing is given.
    fn check<'a>(
        &'a self,
        target: &'a TargetName,
        schemas: Option<BTreeSet<String>>,
    ) -> Answer<'a, Result<TargetCheck, DirectoryError>>;

    /// The targets of the settings.
    fn describe(&self) -> Vec<TargetInfo>;
}

/// What the preflight of a target found.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct TargetCheck {
    /// The target.
    pub target: TargetName,
    /// `fenced`; or `mask-only`, and then only what the catalog tells is found.
    pub mode: String,
    /// What was found, in order.
    pub findings: Vec<TargetFinding>,
}

/// Something that a role of the fence can reach, or that a fence lacks.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct TargetFinding {
    /// What sort of thing it is, for example `definer_function`.
    pub code: String,
    /// What it is about.
    pub object: String,
    /// What a role reaches by it.
    pub what: String,
    /// The SQL that closes it; empty if there is none.
    pub sql: String,
    /// What it means for grants.
    pub weight: FindingWeight,
}

/// What a finding means for grants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FindingWeight {
    /// Data can be reached that no grant gives: no grant is made before it is closed or accepted.
    Hole,
    /// The fence cannot do its work.
    Lack,
    /// Worth knowing.
    Note,
}

impl TargetFinding {
    /// `CODE:OBJECT`, by which it is accepted.
    pub fn id(&self) -> String {
        format!("{}:{}", self.code, self.object)
    }
}

/// Why a directory cannot say.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DirectoryError {
    /// The settings name no such target.
    #[error("there is no target `{0}` in the settings")]
    UnknownTarget(TargetName),
    /// The target has no such relation, or the gateway's own login cannot see it.
    #[error("target has no relation `{0}`, or the gateway's login there cannot see it")]
    UnknownRelation(RelationName),
    /// The target cannot be asked now.
    #[error("target `{target}` cannot be asked: {reason}")]
    Unavailable {
        /// The target.
        target: TargetName,
        /// What went wrong, without any secret.
        reason: String,
    },
}

/// A target of the settings.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct TargetInfo {
    /// Its name.
    pub name: TargetName,
    /// Where it is, without any credential: `host:port/database`.
    pub address: String,
    /// `mask-only` until a fence is set up for it.
    pub mode: String,
    /// How many of its columns are masked.
    pub masked_columns: u64,
    /// In words: whether it can be reached, as far as the gateway knows.
    pub state: String,
}

/// The sessions that are open now, and what is used of the grants.
pub trait SessionDirectory: fmt::Debug + Send + Sync {
    /// The open sessions, by id.
    fn sessions(&self) -> Vec<SessionInfo>;

    /// What is used of a grant, over its whole life.
    fn usage(&self, grant: GrantId) -> policy::Usage;
}

/// One open session.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct SessionInfo {
    /// The session.
    pub session: SessionId,
    /// Who.
    pub identity: IdentityName,
    /// On which target.
    pub target: TargetName,
    /// The client's address.
    pub peer: String,
    /// Whether the client's connection is encrypted.
    pub tls: bool,
    /// Since when.
    pub opened_at: Timestamp,
    /// Commands so far, denied ones included.
    pub commands: u64,
    /// Denied commands so far.
    pub denied: u64,
    /// Rows sent to the client so far.
    pub rows: u64,
    /// In a word: what it is doing.
    pub state: String,
    /// What the client calls itself. A claim, not a fact.
    pub application: String,
}
