//! A snapshot of the target's catalog: what exists, and which of its columns are masked.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use mask::{ColumnType, Placeholder};
use model::{Mask, MaskDeclaration, RelationName};
use pg_query::{Node, NodeEnum};

use crate::cascade::Reference;
use crate::catalog_build;
use crate::catalog_routines::FunctionRow;
use crate::catalog_rows::{Cast, CatalogError, CatalogRows, FINGERPRINT};
use crate::grounds::Definitions;
use crate::masked_view::{FenceViews, Substitutes};
use crate::system::System;
use crate::{analyse, routines, tree};

/// What exists on the target, and which of it is masked.
///
/// No temporary table is in it. PostgreSQL's own relations are kept apart in `system`.
#[derive(Clone, Debug)]
pub struct Catalog {
    pub(crate) version: u64,
    pub(crate) relations: BTreeMap<RelationName, Arc<Relation>>,
    /// The OIDs of enums, by schema and name.
    pub(crate) enums: BTreeMap<(String, String), u32>,
    pub(crate) enum_oids: BTreeSet<u32>,
    /// Array types of the target's and PostgreSQL's own, each with the type of its elements.
    pub(crate) elements: BTreeMap<u32, u32>,
    pub(crate) casts: Vec<Cast>,
    /// Sessions log in as roles that cannot read masked columns.
    pub(crate) is_fenced: bool,
    /// A column of the target is masked.
    pub(crate) has_masks: bool,
    /// What stands in free text of the target for what was found there; nothing if there is none.
    pub(crate) detected: Option<Arc<Placeholder>>,
    /// Domains whose checks run nothing but PostgreSQL's own functions, with their base types.
    pub(crate) domains: BTreeMap<(String, String), Domain>,
    /// Functions and procedures by name; several may share one.
    pub(crate) functions: BTreeMap<RelationName, Vec<FunctionRow>>,
    /// By relation and column, the sequence that the column owns.
    pub(crate) sequences: BTreeMap<(u32, i16), RelationName>,
    /// By the OID of a relation, the foreign keys by which writing to it changes others.
    pub(crate) references: BTreeMap<u32, Vec<Reference>>,
    pub(crate) system: System,
    pub(crate) definitions: Definitions,
}

/// A domain that may be cast to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Domain {
    pub(crate) oid: u32,
    /// Its base, one of PostgreSQL's own types.
    pub(crate) base: u32,
}

/// What sort of thing a relation is (`pg_class.relkind`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RelationKind {
    Table,
    Partitioned,
    View,
    MaterializedView,
    Foreign,
    Sequence,
}

/// A table, view or the like.
#[derive(Clone, Debug)]
pub(crate) struct Relation {
    pub(crate) name: RelationName,
    pub(crate) oid: u32,
    pub(crate) kind: RelationKind,
    /// In the order of their numbers.
    pub(crate) columns: Vec<Column>,
    /// All tables below it, at any depth: partitions or inheritance children.
    pub(crate) descendants: Vec<RelationName>,
    /// What is unique in it.
    pub(crate) keys: Keys,
    /// The columns of constraints that ON CONFLICT can name.
    pub(crate) constraints: BTreeMap<String, Vec<String>>,
    /// Reading it runs expressions of the target's own: a policy, a virtual generated column.
    pub(crate) computes: bool,
    /// Why nothing may be read or written through it.
    pub(crate) unusable: Option<String>,
    /// The views of a fence that show its masks.
    pub(crate) views: Substitutes,
}

/// The columns of a relation's unique indexes and exclusion constraints, all together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Keys {
    pub(crate) columns: BTreeSet<String>,
    /// An expression or a condition is among them, which may read any column.
    pub(crate) computes: bool,
}

impl Relation {
    pub(crate) fn column(&self, name: &str) -> Option<(usize, &Column)> {
        self.columns.iter().enumerate().find(|(_, column)| column.name == name)
    }

    /// True if nothing but the rows that are asked for is computed when it is read.
    pub(crate) fn is_plain(&self) -> bool {
        match self.kind {
            RelationKind::Table | RelationKind::Partitioned | RelationKind::Sequence => {
                !self.computes
            }
            RelationKind::View | RelationKind::MaterializedView | RelationKind::Foreign => false,
        }
    }

    /// True if rows can be written to it as to a table.
    pub(crate) fn is_writable(&self) -> bool {
        match self.kind {
            RelationKind::Table | RelationKind::Partitioned | RelationKind::Foreign => true,
            RelationKind::View | RelationKind::MaterializedView | RelationKind::Sequence => false,
        }
    }
}

/// A column of a relation.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) number: i16,
    pub(crate) data_type: ColumnType,
    /// OID of its type, of the domain itself if it is one.
    pub(crate) exact_type: u32,
    /// The target computes it from other columns.
    pub(crate) is_generated: bool,
    pub(crate) mask: Option<ColumnMask>,
}

/// How a column is hidden.
#[derive(Clone, Debug)]
pub(crate) struct ColumnMask {
    pub(crate) mask: Mask,
    /// The mask's expression, with the placeholder where the value goes.
    pub(crate) expression: Arc<Node>,
    /// What the mask shows, which is not to be written back.
    pub(crate) placeholder: Arc<Placeholder>,
}

impl ColumnMask {
    /// The mask of a column, which is called `shown` in an error.
    pub(crate) fn new(
        mask: &Mask,
        column_type: &ColumnType,
        shown: String,
    ) -> Result<Self, CatalogError> {
        let text = mask::expression(mask, column_type)
            .map_err(|error| CatalogError::Mask { column: shown.clone(), error })?;
        let expression =
            analyse::parse_expression(&text).ok_or(CatalogError::Unwritable { column: shown })?;
        let placeholder = Arc::new(Placeholder::of(mask, column_type));
        Ok(Self { mask: mask.clone(), expression: Arc::new(expression), placeholder })
    }
}

impl ColumnMask {
    /// True if it shows every value as NULL.
    pub(crate) fn is_null(&self) -> bool {
        let Some(NodeEnum::TypeCast(cast)) = &self.expression.node else { return false };
        let constant = cast.arg.as_ref().and_then(|arg| arg.node.as_ref());
        matches!(constant, Some(NodeEnum::AConst(constant)) if constant.isnull)
    }
}

impl Catalog {
    /// Builds the catalog from all rows of all queries, and lays the masks over it.
    ///
    /// `version` is the number under which records name this snapshot. Views are analysed here,
    /// which recurses with their depth: run it on a thread with a stack of at least 32 MiB.
    ///
    /// # Errors
    ///
    /// Every mistake, not only the first.
    pub fn build(
        rows: CatalogRows,
        masks: &[MaskDeclaration],
        version: u64,
    ) -> Result<Self, Vec<CatalogError>> {
        catalog_build::build(rows, (masks, None), version)
    }

    /// As [`Catalog::build`], for a target with a fence: partial masks are read from its views.
    ///
    /// # Errors
    ///
    /// Every mistake, not only the first.
    pub fn build_fenced(
        rows: CatalogRows,
        masks: &[MaskDeclaration],
        views: &FenceViews,
        version: u64,
    ) -> Result<Self, Vec<CatalogError>> {
        catalog_build::build(rows, (masks, Some(views)), version)
    }

    /// The number under which records name this snapshot.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// A cheap query with one row of one text that changes whenever the catalog changes.
    ///
    /// It sums the transaction ids that last wrote the rows of the catalog's tables, so it also
    /// changes for changes that do not matter here.
    pub fn fingerprint_query() -> &'static str {
        FINGERPRINT
    }

    /// All columns of a relation in order; none for a function; nothing if there is neither.
    /// Expands `*` of a grant.
    pub fn columns_of(&self, relation: &RelationName) -> Option<Vec<String>> {
        let is_own =
            relation.schema == tree::SYSTEM_SCHEMA && routines::is_by_grant(&relation.name);
        let Some(relation) = self.relations.get(relation) else {
            return (is_own || self.functions.contains_key(relation)).then(Vec::new);
        };
        Some(relation.columns.iter().map(|column| column.name.clone()).collect())
    }

    /// True if a type or relation of that name is in the last schema of `path`, and in none before.
    pub fn is_visible(&self, path: &[String], name: &str) -> bool {
        let exists = |schema: &String| {
            self.enums.contains_key(&(schema.clone(), name.to_owned()))
                || self.relations.contains_key(&RelationName::new(schema.as_str(), name))
        };
        path.split_last().is_some_and(|(last, before)| exists(last) && !before.iter().any(exists))
    }

    /// True if the relation exists, none of its columns is masked, and all are covered.
    pub fn shows(&self, relation: &RelationName, covered: &BTreeSet<String>) -> bool {
        self.relations.get(relation).is_some_and(|relation| {
            let shows = |column: &Column| column.mask.is_none() && covered.contains(&column.name);
            relation.columns.iter().all(shows)
        })
    }

    /// True if no column is masked and all columns of all relations are among those that `covered`
    /// gives.
    pub fn shows_all(&self, covered: impl Fn(&RelationName) -> BTreeSet<String>) -> bool {
        let is_masked =
            |relation: &Arc<Relation>| relation.columns.iter().any(|c| c.mask.is_some());
        if self.relations.values().any(is_masked) {
            return false;
        }
        self.relations.values().all(|relation| {
            let covered = covered(&relation.name);
            relation.columns.iter().all(|column| covered.contains(&column.name))
        })
    }

    /// The relations that cannot be used by any client, each with the reason.
    pub fn unusable(&self) -> Vec<(RelationName, String)> {
        let relations = self.relations.values();
        let reason = |relation: &Arc<Relation>| relation.unusable.clone();
        relations.filter_map(|r| Some((r.name.clone(), reason(r)?))).collect()
    }
}
