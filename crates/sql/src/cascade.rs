//! What a write does to tables that it does not name: foreign keys with ON DELETE and ON UPDATE.
//!
//! PostgreSQL deletes and changes the referring rows with its own rights, whoever writes. So they are
//! touched as if the statement named them: denied unless granted, and on record.
//!
//! Source: PostgreSQL manual, 5.5.5 "Foreign Keys"; `ri_triggers.c`.

use std::collections::{BTreeMap, BTreeSet};

use model::{Action, RelationName};

use crate::Refusal;
use crate::catalog::{Catalog, Relation};
use crate::catalog_rows::CatalogRows;
use crate::walk::Walk;

/// A foreign key, seen from the relation that it refers to.
#[derive(Clone, Debug)]
pub(crate) struct Reference {
    /// The relation that refers, and its columns.
    relation: RelationName,
    columns: BTreeSet<String>,
    /// The columns that it refers to.
    referred: BTreeSet<String>,
    /// What happens to the rows that refer when one is deleted.
    on_delete: Option<Action>,
    /// The same when a column of the key is changed.
    on_update: Option<Action>,
}

/// What is done to a relation.
type Done = (RelationName, Action, BTreeSet<String>);

/// Puts the foreign keys into the catalog.
pub(crate) fn add_references(catalog: &mut Catalog, rows: &CatalogRows) {
    let mut found: BTreeMap<u32, Vec<Reference>> = BTreeMap::new();
    for row in rows.routines.references.values() {
        let of = |oid: u32| catalog.relations.values().find(|known| known.oid == oid);
        let (own, other) = row.ends;
        let Some((own, referred)) = of(own).zip(of(other)) else { continue };
        let named = |relation: &Relation, number: i16| {
            let column = relation.columns.iter().find(|column| column.number == number);
            column.map(|column| column.name.clone())
        };
        let columns = row.columns.iter().filter_map(|(number, _)| named(own, *number)).collect();
        let keys = row.columns.iter().filter_map(|(_, number)| named(referred, *number)).collect();
        found.entry(other).or_default().push(Reference {
            relation: own.name.clone(),
            columns,
            referred: keys,
            on_delete: done_by(row.on_delete, Action::Delete),
            on_update: done_by(row.on_update, Action::Update),
        });
    }
    catalog.references = found;
}

/// CASCADE does the same to what refers; SET NULL and SET DEFAULT change it.
fn done_by(code: char, same: Action) -> Option<Action> {
    match code {
        'c' => Some(same),
        'n' | 'd' => Some(Action::Update),
        _ => None,
    }
}

impl Walk<'_> {
    /// Touches what the statement's writes go on to.
    ///
    /// # Errors
    ///
    /// [`Refusal`] if no grants cover that. It names the relation that the statement names.
    pub(crate) fn follow_references(&mut self) -> Result<(), Refusal> {
        let mut cascaded = BTreeMap::new();
        for used in &self.uses {
            let below = used.relation.descendants.iter().filter(|_| used.descends);
            let all = std::iter::once(&used.relation.name).chain(below);
            let done = all.flat_map(|name| {
                let touched = used.touched.iter();
                touched.map(|(action, columns)| (name.clone(), *action, columns.clone()))
            });
            let mut next: Vec<Done> = done.collect();
            let mut seen = BTreeSet::new();
            while let Some(done) = next.pop() {
                self.work.spend(1)?;
                if !seen.insert(done.clone()) {
                    continue;
                }
                for (relation, action, columns) in self.goes_on_to(&done) {
                    let granted = (self.world.granted)(&relation, action);
                    if granted.is_empty() || !columns.is_subset(&granted) {
                        return Err(Refusal::cascade(&used.relation.name.name));
                    }
                    let all: &mut BTreeSet<String> =
                        cascaded.entry((relation.clone(), action)).or_default();
                    all.extend(columns.iter().cloned());
                    next.push((relation, action, columns));
                }
            }
        }
        self.cascaded = cascaded;
        Ok(())
    }

    fn goes_on_to(&self, (relation, action, columns): &Done) -> Vec<Done> {
        let catalog = self.world.catalog;
        let known = catalog.relations.get(relation);
        let references = known.and_then(|known| catalog.references.get(&known.oid));
        let done = references.into_iter().flatten().filter_map(|reference| {
            let done = if *action == Action::Delete {
                reference.on_delete?
            } else if *action == Action::Update && !columns.is_disjoint(&reference.referred) {
                reference.on_update?
            } else {
                return None;
            };
            let is_whole = done == Action::Delete;
            let columns = if is_whole { BTreeSet::new() } else { reference.columns.clone() };
            Some((reference.relation.clone(), done, columns))
        });
        done.collect()
    }
}
