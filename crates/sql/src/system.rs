//! PostgreSQL's own tables and views, as the target has them, and what the target's objects depend
//! on: all that is needed to show the catalogs of what is granted and of nothing else.

use std::collections::BTreeMap;
use std::sync::Arc;

use mask::ColumnType;
use model::RelationName;

use crate::catalog_rows::CatalogRows;
use crate::system_rows::{DependentKind, DependentRow, Need, Part};

/// OIDs below are PostgreSQL's own (`FirstNormalObjectId`).
pub(crate) const FIRST_USER_OID: u32 = 16_384;

/// PostgreSQL's own relations and the dependencies of the target's.
#[derive(Clone, Debug, Default)]
pub(crate) struct System {
    pub(crate) relations: BTreeMap<RelationName, Arc<SystemRelation>>,
    pub(crate) schemas: BTreeMap<String, u32>,
    /// What each type of the target's is made of.
    pub(crate) parts: BTreeMap<u32, Vec<Part>>,
    /// In the order of their kinds.
    pub(crate) dependents: Vec<Dependent>,
    /// Which table is right above which: parent and child.
    pub(crate) inheritance: Vec<(u32, u32)>,
    /// The types of the target's, by OID: schema and name.
    pub(crate) type_names: BTreeMap<u32, (String, String)>,
}

/// One of PostgreSQL's own tables or views.
#[derive(Clone, Debug)]
pub(crate) struct SystemRelation {
    pub(crate) name: RelationName,
    pub(crate) oid: u32,
    pub(crate) columns: Vec<SystemColumn>,
    /// The text of a view.
    pub(crate) definition: Option<String>,
}

/// A column of it.
#[derive(Clone, Debug)]
pub(crate) struct SystemColumn {
    pub(crate) name: String,
    pub(crate) number: i16,
    pub(crate) data_type: ColumnType,
    pub(crate) exact_type: u32,
    /// As a cast writes it.
    pub(crate) type_name: String,
}

/// An object that is shown where all that it needs is.
#[derive(Clone, Debug)]
pub(crate) struct Dependent {
    pub(crate) kind: DependentKind,
    pub(crate) oid: u32,
    pub(crate) name: RelationName,
    pub(crate) needs: Vec<Need>,
    /// None of the columns may be masked.
    pub(crate) computes: bool,
}

impl System {
    /// From the rows of the catalog. `column_type` finds a type as `RowDescription` reports it.
    pub(crate) fn new(rows: &CatalogRows, column_type: impl Fn(u32) -> ColumnType) -> Self {
        let mut relations: BTreeMap<RelationName, SystemRelation> = BTreeMap::new();
        for row in &rows.system {
            let name = RelationName::new(row.schema.as_str(), row.relation.as_str());
            let relation = relations.entry(name).or_insert_with_key(|name| SystemRelation {
                name: name.clone(),
                oid: row.oid,
                columns: Vec::new(),
                definition: rows.system_views.get(&row.oid).cloned(),
            });
            relation.columns.push(SystemColumn {
                name: row.column.clone(),
                number: row.number,
                data_type: column_type(row.type_oid),
                exact_type: row.type_oid,
                type_name: row.type_name.clone(),
            });
        }
        let mut parts: BTreeMap<u32, Vec<Part>> = BTreeMap::new();
        for (whole, part) in &rows.parts {
            parts.entry(*whole).or_default().push(*part);
        }
        let user_types = rows.types.iter().filter(|(oid, _)| **oid >= FIRST_USER_OID);
        Self {
            relations: relations.into_iter().map(|(name, r)| (name, Arc::new(r))).collect(),
            schemas: rows.schemas.clone(),
            parts,
            dependents: dependents(&rows.dependents),
            inheritance: rows.inheritance.clone(),
            type_names: user_types
                .map(|(oid, row)| (*oid, (row.schema.clone(), row.name.clone())))
                .collect(),
        }
    }
}

/// Rows that name columns say which objects there are; the others only what these need besides.
fn dependents(rows: &[DependentRow]) -> Vec<Dependent> {
    let mut dependents: BTreeMap<(DependentKind, u32), Dependent> = BTreeMap::new();
    let is_main = |row: &&DependentRow| match row.need {
        Need::Column(..) | Need::PlainType(_) => true,
        Need::Type(_)
        | Need::Relation(_)
        | Need::Constraint(_)
        | Need::Extension(_)
        | Need::Never => false,
    };
    for row in rows.iter().filter(is_main) {
        let dependent = dependents.entry((row.kind, row.oid)).or_insert_with(|| Dependent {
            kind: row.kind,
            oid: row.oid,
            name: RelationName::new(row.schema.as_str(), row.name.as_str()),
            needs: Vec::new(),
            computes: false,
        });
        dependent.needs.push(row.need);
        dependent.computes |= row.computes;
    }
    for row in rows.iter().filter(|row| !is_main(row)) {
        if let Some(dependent) = dependents.get_mut(&(row.kind, row.oid)) {
            dependent.needs.push(row.need);
        }
    }
    dependents.into_values().collect()
}
