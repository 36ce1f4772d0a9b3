//! The result of the analysis: what a statement touches, and what is forwarded in its place.

use std::sync::Arc;

use model::{Facts, RelationName};

use crate::guard::{Guard, GuardedParameter};
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
    /// Set if its answer or its data pass by COPY. It then returns no rows.
    pub copy: Option<Copy>,
    /// How many rows it changes, as far as the target says so.
    pub changes: Changes,
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
    /// The cursor or prepared statement that it names: only the session knows what that is.
    pub uses: Uses,
    /// Its parameters that are written where a mask is.
    pub guards: Vec<GuardedParameter>,
    /// Of EXECUTE, the constants in each argument, in text form; nothing for NULL.
    pub arguments: Vec<Vec<Option<String>>>,
    /// Of DECLARE and PREPARE, the plan of the query that is kept under the name. Of a plan that
    /// [`Plan::resolved`] made, the plan of what its name stands for.
    pub kept: Option<Arc<Plan>>,
}

impl Plan {
    /// The plan of a statement that returns no rows and names nothing.
    pub fn new(facts: Facts, forward: &str) -> Self {
        Self {
            facts: Arc::new(facts),
            forward: Arc::from(forward),
            outputs: Vec::new(),
            copy: None,
            changes: Changes::Nothing,
            tag: None,
            effect: Effect::None,
            parameters_max: 0,
            errors_quote_only_granted: false,
            is_empty: false,
            uses: Uses::Nothing,
            guards: Vec::new(),
            arguments: Vec::new(),
            kept: None,
        }
    }

    /// The plan of a statement that names a cursor or prepared statement, once it is known what the
    /// name stands for: FETCH returns the columns of its cursor and touches what its query touches.
    #[must_use]
    pub fn resolved(&self, named: &Arc<Plan>) -> Self {
        let (facts, outputs) = match &self.uses {
            Uses::Nothing | Uses::Position { .. } => {
                (Arc::clone(&self.facts), self.outputs.clone())
            }
            Uses::Cursor { shows: Shows::Nothing, .. } => (Arc::clone(&named.facts), Vec::new()),
            Uses::Cursor { shows: Shows::Rows, .. } => {
                (Arc::clone(&named.facts), named.outputs.clone())
            }
            Uses::Statement { .. } => {
                let mut facts = Facts::clone(&named.facts);
                facts.functions.extend(self.facts.functions.iter().cloned());
                (Arc::new(facts), named.outputs.clone())
            }
        };
        let changes = match (&self.uses, named.changes) {
            (Uses::Nothing | Uses::Position { .. }, _) => self.changes,
            (Uses::Statement { .. }, changes) => changes,
            (Uses::Cursor { .. }, Changes::Nothing) => Changes::Nothing,
            (Uses::Cursor { .. }, Changes::AsTagged | Changes::Untold | Changes::ByProcedure) => {
                Changes::Untold
            }
        };
        Self {
            facts,
            outputs,
            changes,
            errors_quote_only_granted: self.errors_quote_only_granted
                && named.errors_quote_only_granted,
            kept: Some(Arc::clone(named)),
            ..self.clone()
        }
    }
}

/// What a statement names of the session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Uses {
    /// Nothing.
    Nothing,
    /// FETCH and MOVE: the rows of a cursor.
    Cursor {
        /// Its name.
        name: String,
        /// What is shown of it.
        shows: Shows,
    },
    /// `WHERE CURRENT OF`: the row on which a cursor stands.
    Position {
        /// The cursor's name.
        cursor: String,
        /// The relation of that row.
        relation: RelationName,
    },
    /// EXECUTE: a prepared statement.
    Statement {
        /// Its name.
        name: String,
    },
}

/// What is shown of a cursor's rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shows {
    /// The rows (FETCH).
    Rows,
    /// That there are rows (MOVE).
    Nothing,
}

/// How long a cursor lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CursorSpan {
    /// Until the transaction ends.
    Transaction,
    /// Until it is closed, if the transaction that declares it commits (WITH HOLD).
    Session,
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

/// How many rows a statement changes, as far as the target says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changes {
    /// It changes none.
    Nothing,
    /// As many as the tag of its `CommandComplete` says.
    AsTagged,
    /// It may change some, and the target does not say how many.
    Untold,
    /// Likewise, and outside of a transaction block it may commit some and undo others (CALL).
    ByProcedure,
}

/// How a COPY passes data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copy {
    /// Which way.
    pub direction: CopyDirection,
    /// Whether the target must announce binary format. Text and CSV are text.
    pub is_binary: bool,
    /// Whether the first line holds names and no values.
    pub has_header: bool,
    /// How many columns the target must announce.
    pub columns: usize,
    /// For each column that leaves the target, its masked column's index in `Facts::masked`.
    pub masked: Vec<Option<usize>>,
    /// For each column that comes from the client, what may not be written to it.
    pub guards: Vec<Option<Arc<Guard>>>,
    /// How text and CSV are written; nothing for binary data.
    pub text: Option<CopyText>,
}

/// How the data of a COPY are written as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyText {
    /// Whether they are CSV.
    pub is_csv: bool,
    /// Between two values.
    pub delimiter: u8,
    /// Around a value; of CSV only.
    pub quote: u8,
    /// Before a quotation mark that is part of a value; of CSV only.
    pub escape: u8,
    /// What stands for NULL.
    pub null: Vec<u8>,
}

/// Which way the data of a COPY pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyDirection {
    /// From the target to the client: `TO STDOUT`.
    Out,
    /// From the client to the target: `FROM STDIN`.
    In,
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
    /// All settings go back to what they were at the session's start.
    ResetAll,
    /// A cursor is declared, for the query in `Plan::kept`.
    Declare {
        /// Its name.
        name: String,
        /// For how long.
        span: CursorSpan,
    },
    /// A cursor is closed; all of them without a name.
    Close(Option<String>),
    /// A statement is prepared, the one in `Plan::kept`.
    Prepare(String),
    /// A prepared statement is dropped; all of them without a name.
    Deallocate(Option<String>),
    /// Everything that the session has kept is dropped, and all settings go back.
    DiscardAll,
}

impl Effect {
    /// True if what a later message of the same batch means may depend on it, and does so before
    /// the batch has ended.
    pub fn changes_names(&self) -> bool {
        match self {
            Self::None | Self::Begin => false,
            Self::Commit
            | Self::Rollback
            | Self::Savepoint(_)
            | Self::Release(_)
            | Self::RollbackTo(_)
            | Self::Set { .. }
            | Self::ResetAll
            | Self::Declare { .. }
            | Self::Close(_)
            | Self::Prepare(_)
            | Self::Deallocate(_)
            | Self::DiscardAll => true,
        }
    }
}

/// How long a changed setting stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettingSpan {
    /// Until it is changed again, or the transaction is rolled back.
    Session,
    /// Until the transaction ends (SET LOCAL).
    Transaction,
}
