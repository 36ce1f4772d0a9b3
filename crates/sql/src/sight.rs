//! What of the catalogs an identity sees: the objects that its live grants cover, as OIDs.
//!
//! **Invariant:** a pure function of the catalog's entries for granted relations and columns. What
//! is not granted changes nothing here.

use std::collections::{BTreeMap, BTreeSet};

use model::RelationName;

use crate::catalog::{Relation, RelationKind};
use crate::system::{Dependent, FIRST_USER_OID};
use crate::system_rows::{DependentKind, Need, Part};
use crate::world::World;

/// The objects of the target's that the grants cover. PostgreSQL's own are seen by everyone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sight {
    /// Granted relations by OID.
    pub(crate) tables: BTreeMap<u32, RelationName>,
    /// Their visible columns, by number.
    pub(crate) columns: Columns,
    /// Of these, the ones that are not masked.
    plain: Columns,
    /// Of these, the ones that all show NULL.
    pub(crate) nulls: Columns,
    /// Numbers before the last visible one that no visible column has, as of dropped columns.
    pub(crate) gaps: Vec<(u32, i16)>,
    /// Granted relations of which every column is visible.
    pub(crate) whole: BTreeSet<u32>,
    /// Indexes, sequences and composite types whose columns are all visible.
    pub(crate) others: BTreeMap<u32, RelationName>,
    pub(crate) types: BTreeSet<u32>,
    /// The types of columns that are not masked.
    plain_types: BTreeSet<u32>,
    /// The extensions that a visible type belongs to.
    pub(crate) extensions: BTreeSet<u32>,
    pub(crate) constraints: BTreeSet<u32>,
    /// The relations of visible indexes.
    pub(crate) indexed: BTreeSet<u32>,
    /// The relations on both sides of visible foreign keys.
    pub(crate) keyed: BTreeSet<u32>,
    pub(crate) defaults: BTreeSet<u32>,
    /// The columns that have them.
    pub(crate) defaulted: Columns,
    /// Domains whose defaults are shown.
    pub(crate) domains: BTreeSet<u32>,
    /// Views whose text is shown.
    pub(crate) definitions: BTreeSet<u32>,
    /// Partitioned tables whose partitions' bounds are shown.
    pub(crate) bounds: BTreeSet<u32>,
    /// Parent and child, where the child has all visible columns of the parent.
    pub(crate) kin: BTreeSet<(u32, u32)>,
    /// The columns that a child has from such a parent.
    pub(crate) inherited: Columns,
    /// Schemas that hold something visible.
    pub(crate) schemas: BTreeMap<String, u32>,
    /// Columns that own a sequence: relation, column, sequence.
    pub(crate) sequences: Vec<(RelationName, String, RelationName)>,
}

/// Numbers of columns, by their relation.
pub(crate) type Columns = BTreeMap<u32, BTreeSet<i16>>;

impl Sight {
    pub(crate) fn new(world: &World<'_>) -> Self {
        let mut sight = Self::default();
        let relations = &world.catalog.relations;
        for relation in relations.values() {
            sight.add_relation(relation, &world.granted_columns(&relation.name));
        }
        let system = &world.catalog.system;
        sight.extensions = add_parts(world, &mut sight.types, &mut sight.others);
        add_parts(world, &mut sight.plain_types, &mut BTreeMap::new());
        for dependent in &system.dependents {
            sight.add_dependent(world, dependent);
        }
        sight.add_kin(world);
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
        for column in visible {
            let types = [column.exact_type, column.data_type.oid];
            self.types.extend(types);
            let kept = match &column.mask {
                None => {
                    self.plain_types.extend(types);
                    &mut self.plain
                }
                Some(mask) if mask.is_null() => &mut self.nulls,
                Some(_) => continue,
            };
            kept.entry(relation.oid).or_default().insert(column.number);
        }
        let last = numbers.last().copied().unwrap_or_default();
        let hidden = (1..last).filter(|number| !numbers.contains(number));
        self.gaps.extend(hidden.map(|number| (relation.oid, number)));
        self.columns.insert(relation.oid, numbers);
        self.tables.insert(relation.oid, relation.name.clone());
    }

    fn has(&self, need: Need, dependent: &Dependent) -> bool {
        match need {
            Need::Column(relation, column) => {
                let seen = if dependent.computes { &self.plain } else { &self.columns };
                match column {
                    // A partition key that is an expression does not tell its columns.
                    0 => {
                        dependent.kind != DependentKind::Bound
                            && self.columns.contains_key(&relation)
                    }
                    number => seen.get(&relation).is_some_and(|seen| seen.contains(&number)),
                }
            }
            Need::Type(oid) => self.types.contains(&oid),
            Need::Relation(oid) => self.tables.contains_key(&oid) || self.others.contains_key(&oid),
            Need::Constraint(oid) => self.constraints.contains(&oid),
            Need::PlainType(oid) => self.plain_types.contains(&oid),
            Need::Extension(oid) => self.extensions.contains(&oid),
            Need::Never => false,
        }
    }

    fn add_dependent(&mut self, world: &World<'_>, dependent: &Dependent) {
        if !dependent.needs.iter().all(|need| self.has(*need, dependent)) {
            return;
        }
        let Dependent { kind, oid, name, needs, computes: _ } = dependent;
        let column = needs.iter().find_map(|need| need.of_column());
        match kind {
            DependentKind::Index => {
                self.others.insert(*oid, name.clone());
                self.indexed.extend(column.map(|(relation, _)| relation));
            }
            DependentKind::Sequence => {
                self.others.insert(*oid, name.clone());
                let owner = column.and_then(|column| owner(world, column));
                self.sequences.extend(owner.map(|(table, column)| (table, column, name.clone())));
            }
            DependentKind::Constraint => _ = self.constraints.insert(*oid),
            DependentKind::ForeignKey => {
                self.constraints.insert(*oid);
                self.keyed.extend(needs.iter().filter_map(|need| need.of_column()).map(|(r, _)| r));
            }
            DependentKind::Default => {
                self.defaults.insert(*oid);
                if let (Some((relation, _)), Ok(number)) = (column, name.name.parse()) {
                    self.defaulted.entry(relation).or_default().insert(number);
                }
            }
            DependentKind::Definition => _ = self.definitions.insert(*oid),
            DependentKind::Bound => _ = self.bounds.insert(*oid),
            DependentKind::Domain => _ = self.domains.insert(*oid),
        }
    }

    /// A child is shown as one if nothing of its columns tells otherwise.
    fn add_kin(&mut self, world: &World<'_>) {
        let relations = &world.catalog.relations;
        let find = |oid: &u32| self.tables.get(oid).and_then(|name| relations.get(name));
        for (parent, child) in &world.catalog.system.inheritance {
            let (Some(above), Some(below)) = (find(parent), find(child)) else { continue };
            let visible = |relation: &Relation| -> BTreeMap<String, i16> {
                let seen = self.columns.get(&relation.oid);
                let columns = relation.columns.iter();
                columns
                    .filter(|column| seen.is_some_and(|seen| seen.contains(&column.number)))
                    .map(|column| (column.name.clone(), column.number))
                    .collect()
            };
            let (above, below, is_split) =
                (visible(above), visible(below), above.kind == RelationKind::Partitioned);
            let is_kin = above.keys().all(|name| below.contains_key(name))
                && (!is_split || (above.len() == below.len() && self.bounds.contains(parent)));
            if is_kin {
                self.kin.insert((*parent, *child));
                let inherited = self.inherited.entry(*child).or_default();
                inherited.extend(above.keys().filter_map(|name| below.get(name)));
            }
        }
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

/// Types are seen with all that they are made of. Returns the extensions that they belong to.
fn add_parts(
    world: &World<'_>,
    types: &mut BTreeSet<u32>,
    relations: &mut BTreeMap<u32, RelationName>,
) -> BTreeSet<u32> {
    let system = &world.catalog.system;
    let mut extensions = BTreeSet::new();
    let mut next: Vec<u32> = types.iter().copied().collect();
    while let Some(whole) = next.pop() {
        for part in system.parts.get(&whole).into_iter().flatten() {
            match *part {
                Part::Type(part) => {
                    if types.insert(part) {
                        next.push(part);
                    }
                }
                Part::Relation(relation) => {
                    if let Some((schema, name)) = system.type_names.get(&whole) {
                        let name = RelationName::new(schema.as_str(), name.as_str());
                        relations.insert(relation, name);
                    }
                }
                Part::Extension(extension) => _ = extensions.insert(extension),
            }
        }
    }
    types.retain(|oid| *oid >= FIRST_USER_OID);
    extensions
}

fn owner(world: &World<'_>, (relation, number): (u32, i16)) -> Option<(RelationName, String)> {
    let relation = world.catalog.relations.values().find(|known| known.oid == relation)?;
    let column = relation.columns.iter().find(|column| column.number == number)?;
    Some((relation.name.clone(), column.name.clone()))
}
