//! The result of the analysis: what a statement touches, and what is forwarded in its place.

use std::sync::Arc;

use model::Facts;

use crate::settings::Setting;

/// What was found out about a statement.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What it touches.
    pub facts: Arc<Facts>,
    /// What is sent to the target in its place.
    pub forward: Arc<str>,
    /// The columns that the target must announce, in order. Empty if it returns no rows.
    pub outputs: Vec<Output>,
    /// What the client must read as the tag of `CommandComplete`, if not the target's.
    pub tag: Option<String>,
    /// What it does to the session once the target has completed it.
    pub effect: Effect,
    /// The highest number of a parameter (`$1`, `$2`, …) in it; zero for none.
    pub parameters_max: u16,
    /// True if an error that is raised while it runs can quote nothing but granted columns and
    /// the client's own values: no trigger, constraint, policy, view or foreign table has a say,
    /// and no mask is computed from a value.
    pub errors_quote_only_granted: bool,
    /// True if there is no statement in the text (`;`, only a comment).
    pub is_empty: bool,
}

/// A column of the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Its name in `RowDescription`.
    pub name: String,
    /// OID of the table and number of the column that `RowDescription` must report. `None`: zeros.
    pub origin: Option<(u32, i16)>,
    /// OID of its type, where it is known without the target.
    pub type_oid: Option<u32>,
    /// If it is masked, the index of its column in `Facts::masked`.
    pub masked: Option<usize>,
}

/// What a statement does to the session once the target has completed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing beyond its rows.
    None,
    /// A transaction block begins.
    Begin,
    /// The transaction block ends, for good if it had not failed.
    Commit,
    /// The transaction block ends, undone.
    Rollback,
    /// A savepoint is set.
    Savepoint(String),
    /// A savepoint is forgotten, with those after it.
    Release(String),
    /// Work since the savepoint is undone.
    RollbackTo(String),
    /// A setting that the gateway keeps for the client changes.
    Set {
        /// Which.
        setting: Setting,
        /// Its new value as SHOW would print it; `None` for the default.
        value: Option<String>,
        /// For how long.
        span: SettingSpan,
    },
}

/// How long a changed setting stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettingSpan {
    /// Until it is changed again, or the transaction is rolled back.
    Session,
    /// Until the transaction ends (SET LOCAL).
    Transaction,
}
