//! What a statement does where it names a relation.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::Action;

use crate::catalog::Relation;
use crate::masked_view::Substitute;

/// One mention of a relation in a statement, and what the statement does there.
#[derive(Debug)]
pub(crate) struct Use {
    pub(crate) relation: Arc<Relation>,
    pub(crate) touched: BTreeMap<Action, BTreeSet<String>>,
    /// Whether the statement asked for the tables below it too.
    pub(crate) reach: Reach,
    /// Whether they are included.
    pub(crate) descends: bool,
    /// The view of a fence that is read in its place.
    pub(crate) view: Option<Arc<Substitute>>,
    /// Whether its columns must be named in a subquery.
    pub(crate) spells: bool,
    /// The columns of its whole rows, where one is asked for.
    pub(crate) rows: BTreeSet<String>,
}

impl Use {
    /// The columns that a subquery in its place must name; nothing if it needs none.
    pub(crate) fn spelled(&self) -> Option<Vec<String>> {
        let read = self.touched.get(&Action::Select).into_iter().flatten();
        let columns: BTreeSet<String> = read.chain(&self.rows).cloned().collect();
        self.spells.then(|| columns.into_iter().collect())
    }
}

/// What a walk found out about one mention of a relation, for the next one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shape {
    /// Whether the tables below it are included.
    pub(crate) descends: bool,
    /// The columns that a subquery in its place names.
    pub(crate) spelled: Option<Vec<String>>,
}

/// Whether a mention of a relation means the tables below it too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// `ONLY t`.
    Only,
    /// `t`.
    Below,
}
