//! What the catalog knows of functions, sequences and domains.
//!
//! A domain may be cast to if its base is one of PostgreSQL's own types that may be cast to, and its checks are
//! expressions that a statement could hold itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::RelationName;
use pg_query::NodeEnum;

use crate::ClientSettings;
use crate::analyse;
use crate::cascade;
use crate::catalog::{Catalog, Domain};
use crate::catalog_rows::CatalogRows;
use crate::rows::Row;
use crate::scope::{Beside, Item, ScopeColumn, Value};
use crate::types;
use crate::walk::Walk;
use crate::world::World;

/// The name of the checked value in a check.
const VALUE: &str = "value";

/// Puts functions, sequences, foreign keys and domains into the catalog.
pub(crate) fn add_routines(catalog: &mut Catalog, rows: &CatalogRows) {
    for function in &rows.routines.functions {
        let name = RelationName::new(function.schema.as_str(), function.name.as_str());
        catalog.functions.entry(name).or_default().push(function.clone());
    }
    for (sequence, relation, column) in &rows.routines.sequences {
        let known = catalog.relations.values().find(|known| known.oid == *sequence);
        if let Some(name) = known.map(|known| Arc::clone(known).name.clone()) {
            catalog.sequences.insert((*relation, *column), name);
        }
    }
    cascade::add_references(catalog, rows);
    for (oid, domain) in rows.types.iter().filter(|(_, row)| row.kind == 'd') {
        let checks = rows.routines.checks.get(oid).map(Vec::as_slice).unwrap_or_default();
        // A domain over a domain, an enum or a type of an extension is not followed.
        // Of PostgreSQL's own types, those that look a text up are none that a value may have.
        let is_own = domain.base != 0 && types::is_built_in(domain.base);
        if is_own && checks.iter().all(|check| is_harmless(catalog, check)) {
            let key = (domain.schema.clone(), domain.name.clone());
            catalog.domains.insert(key, Domain { oid: *oid, base: domain.base });
        }
    }
}

/// The columns of the unique constraints of a relation, by their names.
pub(crate) fn constraints(rows: &CatalogRows, relation: u32) -> BTreeMap<String, Vec<String>> {
    let known = rows.columns.get(&relation).map(Vec::as_slice).unwrap_or_default();
    let name = |number: &i16| {
        known.iter().find(|column| column.number == *number).map(|column| column.name.clone())
    };
    let of_relation = rows.routines.constraints.iter().filter(|((oid, _), _)| *oid == relation);
    let named = of_relation.filter_map(|((_, constraint), numbers)| {
        let columns: Option<Vec<String>> = numbers.iter().map(name).collect();
        Some((constraint.clone(), columns?))
    });
    named.collect()
}

/// True if a check is an expression over its value that any statement might hold.
fn is_harmless(catalog: &Catalog, check: &str) -> bool {
    let settings = ClientSettings::default();
    let nothing = |_: &RelationName, _: model::Action| std::collections::BTreeSet::new();
    let world = World {
        catalog,
        search_path: Vec::new(),
        identity: "",
        database: "",
        granted: &nothing,
        settings: &settings,
        forwards: false,
    };
    let Ok(Some(NodeEnum::SelectStmt(query))) = analyse::parse_one(&format!("SELECT {check}"))
    else {
        return false;
    };
    let mut walk = Walk::new(&world, &[]);
    let id = walk.next_id();
    let value = ScopeColumn {
        id,
        name: VALUE.to_owned(),
        value: Value::computed(),
        starred: true,
        homes: Vec::new(),
    };
    walk.items().push(Item {
        name: None,
        schema: None,
        columns: vec![value],
        by_name: false,
        by_column: true,
        beside: Beside::Done,
        is_catalog: false,
        row: Row::Unknown,
        locks: Vec::new(),
    });
    walk.query(*query).is_ok() && walk.uses.is_empty()
}
