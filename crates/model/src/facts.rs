//! What a statement touches: the values on which a decision rests.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use crate::Mask;

/// What stands in the place of a schema in the name of a channel.
const CHANNEL: &str = "channel";

/// The longest name of a channel, in bytes (`NAMEDATALEN` of PostgreSQL less one).
pub const CHANNEL_BYTES_MAX: usize = 63;

/// A relation by schema and name, exactly as the target's catalog spells them.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RelationName {
    /// The schema, for example `billing`.
    pub schema: String,
    /// The relation in it, for example `customers`.
    pub name: String,
}

impl RelationName {
    /// Names a relation.
    pub fn new(schema: impl Into<String>, name: impl Into<String>) -> Self {
        Self { schema: schema.into(), name: name.into() }
    }

    /// Names a channel of LISTEN and NOTIFY. Only the actions [`Action::is_of_channel`] mean it so:
    /// for all others the schema `channel` is a schema.
    pub fn channel(name: impl Into<String>) -> Self {
        Self::new(CHANNEL, name)
    }

    /// True for PostgreSQL's own catalogs. They are shown as far as grants cover what is in them, so
    /// no grant names them.
    pub fn is_catalog(&self) -> bool {
        matches!(self.schema.as_str(), "pg_catalog" | "information_schema")
    }
}

impl fmt::Display for RelationName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.schema, self.name)
    }
}

impl fmt::Debug for RelationName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is not `schema.relation`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` does not name a relation: write schema.relation, without quotes")]
pub struct ParseRelationNameError(String);

impl FromStr for RelationName {
    type Err = ParseRelationNameError;

    /// Splits at the first dot: a schema whose name has a dot cannot be written this way.
    fn from_str(text: &str) -> Result<Self, ParseRelationNameError> {
        match text.split_once('.') {
            Some((schema, name)) if !schema.is_empty() && !name.is_empty() => {
                Ok(Self::new(schema, name))
            }
            Some(_) | None => Err(ParseRelationNameError(text.chars().take(128).collect())),
        }
    }
}

impl serde::Serialize for RelationName {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for RelationName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// What is done to a relation.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Rows are read, also by a predicate or by RETURNING.
    Select,
    /// Rows are added.
    Insert,
    /// Rows are changed.
    Update,
    /// Rows are removed.
    Delete,
    /// All rows are removed at once (TRUNCATE).
    Truncate,
    /// A function or procedure is called. It is named in the place of a relation, without columns.
    Execute,
    /// Notifications of a channel are received. It is named in the place of a relation, as
    /// `channel.NAME`, without columns.
    Listen,
    /// Whoever listens on a channel is notified.
    Notify,
}

impl Action {
    /// All of them, in order.
    pub const ALL: [Self; 8] = [
        Self::Select,
        Self::Insert,
        Self::Update,
        Self::Delete,
        Self::Truncate,
        Self::Execute,
        Self::Listen,
        Self::Notify,
    ];

    /// True if what it is done to is a channel, and no relation of the schema `channel`.
    pub fn is_of_channel(self) -> bool {
        match self {
            Self::Listen | Self::Notify => true,
            Self::Select
            | Self::Insert
            | Self::Update
            | Self::Delete
            | Self::Truncate
            | Self::Execute => false,
        }
    }

    /// What it is done to, in a word.
    pub fn object(self) -> &'static str {
        match self {
            Self::Listen | Self::Notify => "channel",
            Self::Execute => "function",
            Self::Select | Self::Insert | Self::Update | Self::Delete | Self::Truncate => {
                "relation"
            }
        }
    }

    /// The action's name as in grants and records.
    pub fn name(self) -> &'static str {
        match self {
            Self::Select => "select",
            Self::Insert => "insert",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Truncate => "truncate",
            Self::Execute => "execute",
            Self::Listen => "listen",
            Self::Notify => "notify",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One action of a statement on one relation.
///
/// `columns` holds every column that the action reads or writes. It may be empty: `count(*)` reads
/// no column, yet it needs a grant that covers the action on the relation. DELETE names no column;
/// the columns of its predicate stand in a [`Action::Select`] touch.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Touch {
    /// The relation, resolved against the target's catalog.
    pub relation: RelationName,
    /// What is done to it.
    pub action: Action,
    /// The columns read or written, masked ones included.
    pub columns: BTreeSet<String>,
}

/// A masked column that a statement selects; what leaves the database is the mask.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct MaskedColumn {
    /// The relation that holds the column.
    pub relation: RelationName,
    /// The column.
    pub column: String,
    /// How it is hidden.
    pub mask: Mask,
}

impl MaskedColumn {
    /// True if what was hidden under `found` was hidden by this column's mask: it is the same, or a
    /// detector among those of a free text.
    pub fn hides(&self, found: &Self) -> bool {
        let is_column = self.relation == found.relation && self.column == found.column;
        match (&self.mask, &found.mask) {
            (Mask::Detect(all), Mask::Detect(some)) => is_column && some.is_subset(all),
            (_, _) => self == found,
        }
    }
}

/// What sort of statement it is, for records and for the decision.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum StatementKind {
    /// No statement at all (`;`, only a comment).
    Empty,
    /// SELECT or VALUES.
    Read,
    /// INSERT, UPDATE, DELETE, NOTIFY: what others can see changes.
    Write,
    /// COPY … TO STDOUT.
    CopyOut,
    /// COPY … FROM STDIN.
    CopyIn,
    /// BEGIN, COMMIT, ROLLBACK, SAVEPOINT, RELEASE.
    Transaction,
    /// SET, RESET or SHOW of a harmless setting, emulated by the gateway.
    Setting,
    /// PREPARE: a statement is kept, and nothing runs. Its touches are those of what it keeps.
    Prepare,
    /// CLOSE, DEALLOCATE, DISCARD, UNLISTEN: what the session has kept is dropped. LISTEN: it keeps
    /// one thing more.
    Session,
}

impl StatementKind {
    /// True if it was written to get rows.
    pub fn answers(self) -> bool {
        match self {
            Self::Read | Self::CopyOut => true,
            Self::Empty
            | Self::Write
            | Self::CopyIn
            | Self::Transaction
            | Self::Setting
            | Self::Prepare
            | Self::Session => false,
        }
    }
}

/// What a statement touches, as far as a decision needs to know.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Facts {
    /// The sort of statement. (`statement` in JSON: `kind` is the record's.)
    #[serde(rename = "statement")]
    pub kind: StatementKind,
    /// Every action on every relation, sorted, at most one entry for a pair.
    pub touches: Vec<Touch>,
    /// The masked columns that it selects, sorted, each once.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub masked: Vec<MaskedColumn>,
    /// The functions that it calls by name, sorted. Operators are not listed.
    #[serde(skip_serializing_if = "BTreeSet::is_empty", default)]
    pub functions: BTreeSet<String>,
}

impl Facts {
    /// Facts of a statement that touches no relation.
    pub fn nothing(kind: StatementKind) -> Self {
        Self { kind, touches: Vec::new(), masked: Vec::new(), functions: BTreeSet::new() }
    }

    /// True if the statement counts against what grants limit: one that reads nothing but catalogs,
    /// as drivers do by themselves, does not.
    pub fn counts(&self) -> bool {
        let reads_catalog =
            |touch: &Touch| touch.relation.is_catalog() && touch.action == Action::Select;
        self.touches.is_empty() || !self.touches.iter().all(reads_catalog)
    }

    /// Builds the sorted list of touches from a map.
    pub fn touches_from(map: BTreeMap<(RelationName, Action), BTreeSet<String>>) -> Vec<Touch> {
        map.into_iter()
            .map(|((relation, action), columns)| Touch { relation, action, columns })
            .collect()
    }
}
