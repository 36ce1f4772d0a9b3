//! What a fence must know of a relation, to grant its columns by number and name.

use std::collections::{BTreeMap, BTreeSet};

use model::{Mask, RelationName};

use crate::catalog::{Catalog, Column, Relation, RelationKind};
use crate::system_rows::{DependentKind, Need};

/// A relation, as far as rights on it can be given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelationShape<'a> {
    /// Its name.
    pub name: &'a RelationName,
    /// Its OID: a table that was dropped and made again under its name is another one.
    pub oid: u32,
    /// Whether it is a sequence, on whose columns no rights can be given.
    pub is_sequence: bool,
    /// Its columns in their order.
    pub columns: Vec<ColumnShape<'a>>,
    /// The views of a fence that show its masks, if there are any.
    pub views: Vec<ViewShape<'a>>,
}

/// A view of a fence, as far as rights on it can be given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewShape<'a> {
    /// Its name.
    pub name: &'a RelationName,
    /// Its OID.
    pub oid: u32,
    /// The numbers of its columns.
    pub numbers: &'a BTreeMap<String, i16>,
}

/// A column, as far as rights on it can be given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnShape<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its number, which no other column of the relation ever gets.
    pub number: i16,
    /// How it is hidden.
    pub mask: Option<&'a Mask>,
}

/// A masked column by which rows are kept in order: a client that reads them sees that order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MaskedOrder {
    /// Its relation.
    pub relation: RelationName,
    /// Its name.
    pub column: String,
}

impl Catalog {
    /// The masked columns in indexes and partition keys, of the relation itself or of one above or
    /// below it.
    pub fn masked_orders(&self) -> BTreeSet<MaskedOrder> {
        let mut ordered = BTreeSet::new();
        let sorts = |kind| matches!(kind, DependentKind::Index | DependentKind::Bound);
        for dependent in self.system.dependents.iter().filter(|known| sorts(known.kind)) {
            for need in &dependent.needs {
                let Need::Column(oid, number) = need else { continue };
                let relation = self.relations.values().find(|known| known.oid == *oid);
                let Some(relation) = relation else { continue };
                // Of an expression it is not known here which columns are in it.
                let is_in = |column: &&Column| *number == 0 || column.number == *number;
                for column in relation.columns.iter().filter(is_in) {
                    let masked = column.mask.is_some();
                    ordered.extend(masked.then(|| (relation.name.clone(), column.name.clone())));
                }
            }
        }
        let mut spread = BTreeSet::new();
        for relation in self.relations.values() {
            let family = || std::iter::once(&relation.name).chain(&relation.descendants);
            let known = family().filter_map(|name| self.relations.get(name));
            let columns = known.flat_map(|known| known.columns.iter().map(|c| c.name.as_str()));
            let columns: BTreeSet<&str> = columns.collect();
            let is_ordered = |column: &&str| {
                let mut names = family();
                names.any(|name| ordered.contains(&(name.clone(), (*column).to_owned())))
            };
            for column in columns.into_iter().filter(is_ordered) {
                let order = |relation: &RelationName| MaskedOrder {
                    relation: relation.clone(),
                    column: column.to_owned(),
                };
                spread.extend(family().map(order));
            }
        }
        spread
    }

    /// What a relation looks like; nothing if it does not exist.
    pub fn shape(&self, relation: &RelationName) -> Option<RelationShape<'_>> {
        self.relations.get(relation).map(|relation| shape(relation))
    }

    /// What every relation but the sequences looks like, by name.
    pub fn shapes(&self) -> impl Iterator<Item = RelationShape<'_>> {
        let is_sequence = |relation: &Relation| relation.kind == RelationKind::Sequence;
        let relations = self.relations.values().filter(move |relation| !is_sequence(relation));
        relations.map(|relation| shape(relation))
    }
}

fn shape(relation: &Relation) -> RelationShape<'_> {
    let columns = relation.columns.iter().map(|column| ColumnShape {
        name: &column.name,
        number: column.number,
        mask: column.mask.as_ref().map(|mask| &mask.mask),
    });
    let views = [&relation.views.own, &relation.views.below].into_iter().flatten();
    let views =
        views.map(|view| ViewShape { name: &view.name, oid: view.oid, numbers: &view.numbers });
    RelationShape {
        name: &relation.name,
        oid: relation.oid,
        is_sequence: relation.kind == RelationKind::Sequence,
        columns: columns.collect(),
        views: views.collect(),
    }
}
