//! Makes a catalog from its rows: types, inheritance, masks and where they spread to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use mask::ColumnType;
use model::{Mask, MaskDeclaration, RelationName};

use crate::catalog::{Catalog, Column, ColumnMask, Keys, Relation, RelationKind};
use crate::catalog_rows::{CatalogError, CatalogRows, ColumnRow, RelationRow, TypeRow};
use crate::grounds::Definitions;
use crate::masked_view::{self, FenceViews, Substitute, Substitutes};
use crate::system::System;
use crate::world::World;
use crate::{ClientSettings, analyse, domains, guard, view};

/// Domains over domains that are followed to their base.
const DOMAIN_DEPTH_MAX: usize = 16;
/// A column by its relation's OID and its name.
type ColumnKey = (u32, String);
type Masks = BTreeMap<ColumnKey, Mask>;

pub(crate) fn build(
    rows: CatalogRows,
    (declarations, fence): (&[MaskDeclaration], Option<&FenceViews>),
    version: u64,
) -> Result<Catalog, Vec<CatalogError>> {
    let mut errors = Vec::new();
    let declared = declared(&rows, declarations, &mut errors);
    let masks = spread(&rows, declared, &mut errors);
    let mut catalog = Catalog {
        version,
        relations: BTreeMap::new(),
        enums: BTreeMap::new(),
        enum_oids: BTreeSet::new(),
        elements: BTreeMap::new(),
        casts: rows.casts.clone(),
        is_fenced: fence.is_some(),
        has_masks: !declarations.is_empty(),
        detected: guard::detected(declarations),
        domains: BTreeMap::new(),
        functions: BTreeMap::new(),
        sequences: BTreeMap::new(),
        references: BTreeMap::new(),
        system: System::new(&rows, |oid| column_type(&rows.types, oid, -1)),
        definitions: Definitions::new(&rows),
    };
    add_enums(&mut catalog, &rows);
    let family = Family::new(&rows);
    let is_own = |row: &&RelationRow| fence.is_none_or(|fence| fence.schema != row.schema);
    for row in rows.relations.iter().filter(is_own) {
        let below = family.below(row.oid);
        let keys = family.keys(&rows, row.oid);
        let views = fence.map(|fence| substitutes(&rows, row, fence)).unwrap_or_default();
        let constraints = domains::constraints(&rows, row.oid);
        let base = relation(&rows, row, &masks, &mut errors);
        let relation = Relation { descendants: below, keys, constraints, views, ..base };
        catalog.relations.insert(relation.name.clone(), Arc::new(relation));
    }
    domains::add_routines(&mut catalog, &rows);
    if errors.is_empty() {
        judge_views(&mut catalog, &rows, &mut errors);
    }
    if errors.is_empty() { Ok(catalog) } else { Err(errors) }
}

/// The views of a fence that show a relation, as far as they are sound.
fn substitutes(rows: &CatalogRows, row: &RelationRow, fence: &FenceViews) -> Substitutes {
    let find = |descends: bool| {
        let name = masked_view::view_name(&relation_name(row), descends);
        let is_it = |view: &&RelationRow| view.schema == fence.schema && view.name == name;
        let view = rows.relations.iter().find(is_it).filter(|_| fence.sound.contains(&name))?;
        let numbers = columns_of(rows, view.oid).iter().map(|c| (c.name.clone(), c.number));
        let (name, numbers) = (relation_name(view), numbers.collect());
        Some(Arc::new(Substitute { name, oid: view.oid, numbers }))
    };
    Substitutes { own: find(false), below: find(true) }
}

fn relation_name(row: &RelationRow) -> RelationName {
    RelationName::new(row.schema.as_str(), row.name.as_str())
}

fn columns_of(rows: &CatalogRows, relation: u32) -> &[ColumnRow] {
    rows.columns.get(&relation).map(Vec::as_slice).unwrap_or_default()
}

/// The declared masks, by the columns that they name.
fn declared(
    rows: &CatalogRows,
    declarations: &[MaskDeclaration],
    errors: &mut Vec<CatalogError>,
) -> Masks {
    let mut masks = Masks::new();
    for MaskDeclaration { column, mask } in declarations {
        let of_relation = |row: &RelationRow| {
            let prefix = format!("{}.{}.", row.schema, row.name);
            let name = column.strip_prefix(&prefix)?.to_owned();
            let is_there = columns_of(rows, row.oid).iter().any(|known| known.name == name);
            is_there.then_some((row.oid, name))
        };
        let mut found = rows.relations.iter().filter_map(of_relation);
        match (found.next(), found.next()) {
            (Some(key), None) => {
                if masks.insert(key, mask.clone()).is_some() {
                    errors.push(CatalogError::Conflict { column: column.clone() });
                }
            }
            (Some(_), Some(_)) => errors.push(CatalogError::Conflict { column: column.clone() }),
            (None, _) => errors.push(CatalogError::UnknownColumn { column: column.clone() }),
        }
    }
    masks
}

/// Masks spread to the columns of the same name of tables above and below, and to the generated
/// columns that are computed from a masked one, until nothing changes.
fn spread(rows: &CatalogRows, mut masks: Masks, errors: &mut Vec<CatalogError>) -> Masks {
    loop {
        let mut spread = Masks::new();
        for (parent, child) in &rows.inheritance {
            for column in columns_of(rows, *child) {
                let above = (*parent, column.name.clone());
                let below = (*child, column.name.clone());
                let is_shared = columns_of(rows, *parent).iter().any(|c| c.name == column.name);
                match (masks.get(&above), masks.get(&below)) {
                    _ if !is_shared => {}
                    (Some(mask), None) => _ = spread.insert(below, mask.clone()),
                    (None, Some(mask)) => _ = spread.insert(above, mask.clone()),
                    (Some(one), Some(other)) if one != other => {
                        errors.push(CatalogError::Conflict { column: shown(rows, &below) });
                    }
                    (Some(_), Some(_)) | (None, None) => {}
                }
            }
        }
        for (relation, column, source) in &rows.generated {
            let named = |number: i16| {
                let column = columns_of(rows, *relation).iter().find(|c| c.number == number)?;
                Some((*relation, column.name.clone()))
            };
            if let (Some(column), Some(source)) = (named(*column), named(*source))
                && masks.contains_key(&source)
                && !masks.contains_key(&column)
            {
                spread.insert(column, Mask::Full);
            }
        }
        if spread.is_empty() || !errors.is_empty() {
            return masks;
        }
        masks.append(&mut spread);
    }
}

fn shown(rows: &CatalogRows, (relation, column): &ColumnKey) -> String {
    let row = rows.relations.iter().find(|row| row.oid == *relation);
    row.map_or_else(|| column.clone(), |row| format!("{}.{}.{column}", row.schema, row.name))
}

fn relation(
    rows: &CatalogRows,
    row: &RelationRow,
    masks: &Masks,
    errors: &mut Vec<CatalogError>,
) -> Relation {
    let name = relation_name(row);
    let kind = match row.kind {
        'p' => RelationKind::Partitioned,
        'v' => RelationKind::View,
        'm' => RelationKind::MaterializedView,
        'f' => RelationKind::Foreign,
        'S' => RelationKind::Sequence,
        _ => RelationKind::Table,
    };
    let columns = columns_of(rows, row.oid).iter().map(|column| {
        let column_type = column_type(&rows.types, column.type_oid, column.modifier);
        let mask = masks.get(&(row.oid, column.name.clone()));
        let mask = mask.and_then(|mask| {
            let shown = format!("{name}.{}", column.name);
            ColumnMask::new(mask, &column_type, shown).map_err(|error| errors.push(error)).ok()
        });
        Column {
            name: column.name.clone(),
            number: column.number,
            data_type: column_type,
            exact_type: column.type_oid,
            is_generated: rows.computed.contains(&(row.oid, column.number)),
            mask,
        }
    });
    let unusable = match kind {
        _ if row.has_rules => Some("it has rewrite rules".to_owned()),
        RelationKind::View | RelationKind::MaterializedView => Some(PENDING.to_owned()),
        RelationKind::Table
        | RelationKind::Partitioned
        | RelationKind::Foreign
        | RelationKind::Sequence => None,
    };
    let columns = columns.collect();
    let computes = row.computes;
    Relation {
        oid: row.oid,
        kind,
        columns,
        descendants: Vec::new(),
        keys: Keys::default(),
        constraints: BTreeMap::new(),
        computes,
        unusable,
        views: Substitutes::default(),
        name,
    }
}

/// Relations and their children by OID: a partitioned table may have thousands.
struct Family<'a> {
    names: BTreeMap<u32, &'a RelationRow>,
    children: BTreeMap<u32, Vec<u32>>,
    /// The columns of unique indexes, zero for expressions.
    keys: BTreeMap<u32, Vec<i16>>,
}

impl<'a> Family<'a> {
    fn new(rows: &'a CatalogRows) -> Self {
        let names = rows.relations.iter().map(|row| (row.oid, row)).collect();
        let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for (parent, child) in &rows.inheritance {
            children.entry(*parent).or_default().push(*child);
        }
        let mut keys: BTreeMap<u32, Vec<i16>> = BTreeMap::new();
        for (relation, column) in &rows.keys {
            keys.entry(*relation).or_default().push(*column);
        }
        Self { names, children, keys }
    }

    fn keys(&self, rows: &CatalogRows, oid: u32) -> Keys {
        let mut keys = Keys::default();
        for number in self.keys.get(&oid).into_iter().flatten() {
            match columns_of(rows, oid).iter().find(|column| column.number == *number) {
                Some(column) => _ = keys.columns.insert(column.name.clone()),
                None => keys.computes = true,
            }
        }
        keys
    }

    /// All tables below one, at any depth.
    fn below(&self, oid: u32) -> Vec<RelationName> {
        let mut below = BTreeSet::new();
        let mut next = vec![oid];
        while let Some(parent) = next.pop() {
            for child in self.children.get(&parent).into_iter().flatten() {
                if below.insert(*child) {
                    next.push(*child);
                }
            }
        }
        below.iter().filter_map(|oid| self.names.get(oid)).map(|row| relation_name(row)).collect()
    }
}

/// A type by its names; a domain as its base, as `RowDescription` reports it.
fn column_type(types: &BTreeMap<u32, TypeRow>, oid: u32, modifier: i32) -> ColumnType {
    let (mut oid, mut modifier) = (oid, modifier);
    for _ in 0..DOMAIN_DEPTH_MAX {
        let Some(row) = types.get(&oid) else { break };
        if row.kind != 'd' {
            let (schema, name, is_array) = match types.get(&row.element) {
                Some(element) => (&element.schema, &element.name, true),
                None => (&row.schema, &row.name, false),
            };
            return ColumnType {
                oid,
                schema: schema.clone(),
                name: name.clone(),
                is_array,
                modifier,
            };
        }
        oid = row.base;
        if modifier < 0 {
            modifier = row.base_modifier;
        }
    }
    ColumnType { oid, schema: String::new(), name: String::new(), is_array: false, modifier }
}

fn add_enums(catalog: &mut Catalog, rows: &CatalogRows) {
    for (oid, row) in &rows.types {
        if row.element != 0 {
            catalog.elements.insert(*oid, row.element);
        }
        if row.kind == 'e' {
            catalog.enums.insert((row.schema.clone(), row.name.clone()), *oid);
            catalog.enum_oids.insert(*oid);
        }
        if types_of(rows, row.element).is_some_and(|element| element.kind == 'e') {
            catalog.enum_oids.insert(*oid);
        }
    }
}

fn types_of(rows: &CatalogRows, oid: u32) -> Option<&TypeRow> {
    rows.types.get(&oid)
}

/// Why a view cannot be used before it is judged; stays if it reads one that never is.
const PENDING: &str = "its definition is not understood";

/// Judges the definitions of views, those that read other views after these.
fn judge_views(catalog: &mut Catalog, rows: &CatalogRows, errors: &mut Vec<CatalogError>) {
    let family = Family::new(rows);
    let mut waiting: Vec<(RelationName, &str)> = rows
        .views
        .iter()
        .filter_map(|(oid, text)| Some((*family.names.get(oid)?, text)))
        .filter(|(row, _)| !row.has_rules)
        .filter(|(row, text)| !leaks(catalog, row, text))
        .map(|(row, text)| (relation_name(row), text.as_str()))
        .collect();
    loop {
        let before = waiting.len();
        waiting.retain(|(name, text)| !judge_view(catalog, name, text, errors));
        if waiting.is_empty() || waiting.len() == before {
            return;
        }
    }
}

/// Finds and notes that conditions can run before those of a view.
fn leaks(catalog: &mut Catalog, row: &RelationRow, text: &str) -> bool {
    // The rows of a materialized view are there already.
    let leaks = row.kind == 'v' && !row.is_barrier && view::hides_rows(text);
    if leaks && let Some(relation) = catalog.relations.get_mut(&relation_name(row)) {
        Arc::make_mut(relation).unusable = Some(view::LEAKS.to_owned());
    }
    leaks
}

/// True once the view can be used.
fn judge_view(
    catalog: &mut Catalog,
    name: &RelationName,
    text: &str,
    errors: &mut Vec<CatalogError>,
) -> bool {
    let settings = ClientSettings::default();
    let world = World {
        catalog,
        search_path: Vec::new(),
        identity: "",
        database: "",
        granted: &view::granted,
        settings: &settings,
        forwards: false,
    };
    let judged = analyse::view_columns(&world, text);
    let Some(relation) = catalog.relations.get(name) else { return true };
    let mut relation = Relation::clone(relation);
    let is_usable = match judged {
        Ok(masks) if masks.len() == relation.columns.len() => {
            for (column, masked) in relation.columns.iter_mut().zip(masks) {
                if let (None, Some(masked)) = (&column.mask, masked) {
                    let shown = format!("{name}.{}", column.name);
                    match ColumnMask::new(&masked.mask, &column.data_type, shown) {
                        Ok(mask) => column.mask = Some(mask),
                        Err(error) => errors.push(error),
                    }
                }
            }
            relation.unusable = None;
            true
        }
        Ok(_) => false,
        Err(refusal) => {
            relation.unusable = Some(refusal.message);
            false
        }
    };
    catalog.relations.insert(name.clone(), Arc::new(relation));
    is_usable
}
