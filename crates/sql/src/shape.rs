//! What a fence must know of a relation, to grant its columns by number and name.

use std::collections::BTreeMap;

use model::{Mask, RelationName};

use crate::catalog::{Catalog, Relation, RelationKind};

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

impl Catalog {
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
