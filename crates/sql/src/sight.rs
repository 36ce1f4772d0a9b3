//! What of the catalogs an identity sees: the objects that its live grants cover, as OIDs.
//!
//! **Invariant:** a pure function of the catalog's entries for granted relations and columns. What
//! is not granted changes nothing here.

use std::collections::{BTreeMap, BTreeSet};

use model::RelationName;

use crate::catalog::Relation;
use crate::system::{Dependent, FIRST_USER_OID};
use crate::system_rows::{DependentKind, Part};
use crate::world::World;

/// The objects of the target's that the grants cover. PostgreSQL's own are seen by everyone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sight {
    /// Granted relations by OID.
    pub(crate) tables: BTreeMap<u32, RelationName>,
    /// Their visible columns, by number.
    pub(crate) columns: BTreeMap<u32, BTreeSet<i16>>,
    /// Of these, the ones that are not masked.
    plain: BTreeMap<u32, BTreeSet<i16>>,
    /// Granted relations of which every column is visible.
    pub(crate) whole: BTreeSet<u32>,
    /// Indexes, sequences and composite types whose columns are all visible.
    pub(crate) others: BTreeMap<u32, RelationName>,
    pub(crate) types: BTreeSet<u32>,
    pub(crate) constraints: BTreeSet<u32>,
    pub(crate) defaults: BTreeSet<u32>,
    /// Views whose text is shown.
    pub(crate) definitions: BTreeSet<u32>,
    /// Partitioned tables whose partitions' bounds are shown.
    pub(crate) bounds: BTreeSet<u32>,
    /// Schemas that hold something visible.
    pub(crate) schemas: BTreeMap<String, u32>,
    /// Columns that own a sequence: relation, column, sequence.
    pub(crate) sequences: Vec<(RelationName, String, RelationName)>,
}

impl Sight {
    pub(crate) fn new(world: &World<'_>) -> Self {
        let mut sight = Self::default();
        let relations = &world.catalog.relations;
        for relation in relations.values() {
            sight.add_relation(relation, &world.granted_columns(&relation.name));
        }
        let system = &world.catalog.system;
        for dependent in &system.dependents {
            sight.add_dependent(world, dependent);
        }
        sight.add_parts(world);
        let names = sight.tables.values().chain(sight.others.values());
        let schemas = names.map(|name| name.schema.as_str());
        let of_types = sight.types.iter().filter_map(|oid| system.type_names.get(oid));
        let schemas: BTreeSet<&str> =
            schemas.chain(of_types.map(|(schema, _)| schema.as_str())).collect();
        let known = system.schemas.iter();
        sight.schemas = known
            .filter(|(name, oid)| schemas.contains(name.as_str()) || **oid < FIRST_USER_OID)
            .map(|(name, oid)| (name.clone(), *oid))
            .collect();
        sight
    }

    fn add_relation(&mut self, relation: &Relation, granted: &BTreeSet<String>) {
        if granted.is_empty() {
            return;
        }
        let visible = relation.columns.iter().filter(|column| granted.contains(&column.name));
        let numbers: BTreeSet<i16> = visible.clone().map(|column| column.number).collect();
        if numbers.len() == relation.columns.len() {
            self.whole.insert(relation.oid);
        }
        let plain = visible.clone().filter(|column| column.mask.is_none());
        self.plain.insert(relation.oid, plain.map(|column| column.number).collect());
        for column in visible {
            self.types.extend([column.exact_type, column.data_type.oid]);
        }
        self.columns.insert(relation.oid, numbers);
        self.tables.insert(relation.oid, relation.name.clone());
    }

    fn add_dependent(&mut self, world: &World<'_>, dependent: &Dependent) {
        let seen = if dependent.computes { &self.plain } else { &self.columns };
        let is_bound = dependent.kind == DependentKind::Bound;
        let is_seen = |(relation, column): &(u32, i16)| {
            seen.get(relation).is_some_and(|columns| match *column {
                // A partition key that is an expression does not tell its columns.
                0 => !is_bound,
                number => columns.contains(&number),
            })
        };
        if !dependent.needs.iter().all(is_seen) {
            return;
        }
        let Dependent { kind, oid, name, needs, computes: _ } = dependent;
        match kind {
            DependentKind::Index => _ = self.others.insert(*oid, name.clone()),
            DependentKind::Sequence => {
                self.others.insert(*oid, name.clone());
                let owner = needs.first().and_then(|need| owner(world, *need));
                self.sequences.extend(owner.map(|(table, column)| (table, column, name.clone())));
            }
            DependentKind::Constraint => _ = self.constraints.insert(*oid),
            DependentKind::Default => _ = self.defaults.insert(*oid),
            DependentKind::Definition => _ = self.definitions.insert(*oid),
            DependentKind::Bound => _ = self.bounds.insert(*oid),
        }
    }

    /// Types are seen with all that they are made of.
    fn add_parts(&mut self, world: &World<'_>) {
        let system = &world.catalog.system;
        let mut next: Vec<u32> = self.types.iter().copied().collect();
        while let Some(whole) = next.pop() {
            for part in system.parts.get(&whole).into_iter().flatten() {
                match *part {
                    Part::Type(part) => {
                        if self.types.insert(part) {
                            next.push(part);
                        }
                    }
                    Part::Relation(relation) => {
                        if let Some((schema, name)) = system.type_names.get(&whole) {
                            let name = RelationName::new(schema.as_str(), name.as_str());
                            self.others.insert(relation, name);
                        }
                    }
                }
            }
        }
        self.types.retain(|oid| *oid >= FIRST_USER_OID);
    }

    /// Every relation that is seen: tables, views, indexes, sequences, composite types.
    pub(crate) fn relations(&self) -> impl Iterator<Item = (u32, &RelationName)> {
        self.tables.iter().chain(&self.others).map(|(oid, name)| (*oid, name))
    }

    /// The OID of a relation; by the search path if no schema is given.
    pub(crate) fn relation(&self, path: &[&str], parts: &[String]) -> Option<u32> {
        let find = |schema: &str, name: &str| {
            let mut all = self.relations();
            all.find(|(_, known)| known.schema == schema && known.name == name).map(|(oid, _)| oid)
        };
        match parts {
            [name] => path.iter().find_map(|schema| find(schema, name)),
            [schema, name] => find(schema, name),
            _ => None,
        }
    }

    /// The OID of a type of the target's; by the search path if no schema is given.
    pub(crate) fn data_type(&self, world: &World<'_>, parts: &[String]) -> Option<u32> {
        let names = &world.catalog.system.type_names;
        let find = |schema: &str, name: &str| {
            let is_it = |oid: &&u32| names.get(oid).is_some_and(|(s, n)| s == schema && n == name);
            self.types.iter().find(is_it).copied()
        };
        match parts {
            [name] => world.search_path.iter().find_map(|schema| find(schema, name)),
            [schema, name] => find(schema, name),
            _ => None,
        }
    }

    /// The relations that their bare names reach by the search path.
    pub(crate) fn reached_relations(&self, path: &[&str]) -> BTreeSet<u32> {
        let reach = |name: &RelationName| self.relation(path, std::slice::from_ref(&name.name));
        self.relations()
            .filter(|(oid, name)| reach(name) == Some(*oid))
            .map(|(oid, _)| oid)
            .collect()
    }

    /// The types that their bare names reach by the search path.
    pub(crate) fn reached_types(&self, world: &World<'_>) -> BTreeSet<u32> {
        let names = &world.catalog.system.type_names;
        let is_reached = |oid: &&u32| {
            let name = names.get(oid).map(|(_, name)| name.clone());
            name.is_some_and(|name| self.data_type(world, &[name]) == Some(**oid))
        };
        self.types.iter().filter(is_reached).copied().collect()
    }
}

fn owner(world: &World<'_>, (relation, number): (u32, i16)) -> Option<(RelationName, String)> {
    let relation = world.catalog.relations.values().find(|known| known.oid == relation)?;
    let column = relation.columns.iter().find(|column| column.number == number)?;
    Some((relation.name.clone(), column.name.clone()))
}
