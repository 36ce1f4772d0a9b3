//! What a plan rests on: the relations whose definitions decide what its statement means, each with a
//! stamp of them that changes whenever they do.
//!
//! A statement names relations. What these are follows from their own definitions, from the tables
//! above and below them (masks spread there), and from what views read. A stamp is made of the ids of
//! the transactions that last wrote the rows of PostgreSQL's catalogs about a relation, so a definition
//! that was changed and changed back has another one.
//!
//! Left out are the partitions below a table that are not partitioned themselves: their columns
//! change with the table's.

use std::collections::{BTreeMap, BTreeSet};

use crate::catalog::Catalog;
use crate::catalog_rows::CatalogRows;
use crate::plan::Plan;
use crate::system_rows::{DependentKind, Need};

/// One row for each relation of whose number `{which}` says yes: the number, and the stamp.
const STAMPS: &str = "\
SELECT c.oid, pg_catalog.hashtextextended(pg_catalog.concat(c.xmin, ' ', n.xmin, ' ', \
(SELECT pg_catalog.sum(pg_catalog.hashtextextended(pg_catalog.concat(x.attnum, ' ', x.xmin), 0)) \
FROM pg_catalog.pg_attribute x WHERE x.attrelid = c.oid AND x.attnum > 0), ' ', \
(SELECT pg_catalog.sum(pg_catalog.hashtextextended(pg_catalog.concat(x.oid, ' ', x.xmin), 0)) \
FROM pg_catalog.pg_rewrite x WHERE x.ev_class = c.oid), ' ', \
(SELECT pg_catalog.sum(pg_catalog.hashtextextended(pg_catalog.concat(x.oid, ' ', x.xmin), 0)) \
FROM pg_catalog.pg_attrdef x WHERE x.adrelid = c.oid), ' ', \
(SELECT pg_catalog.sum(pg_catalog.hashtextextended(pg_catalog.concat(x.inhrelid, ' ', x.xmin), 0)) \
FROM pg_catalog.pg_inherits x WHERE x.inhparent = c.oid), ' ', \
(SELECT pg_catalog.sum(pg_catalog.hashtextextended(pg_catalog.concat(x.inhparent, ' ', x.xmin), 0)) \
FROM pg_catalog.pg_inherits x WHERE x.inhrelid = c.oid)), 0) \
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE {which}";

/// The name under which [`Grounds::preparation`] prepares the question.
const STATEMENT: &str = "countersign_stamps";

/// The stamps of all relations, as part of reading a catalog.
pub(crate) fn stamps_query() -> String {
    let which = "c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND c.oid >= 16384 \
                 AND c.relpersistence <> 't'";
    STAMPS.replace("{which}", which)
}

/// The stamps of some relations, by their numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grounds(BTreeMap<u32, i64>);

impl Grounds {
    /// Prepares the question for stamps on a connection.
    pub fn preparation() -> String {
        let query = STAMPS.replace("{which}", "c.oid = ANY ($1)");
        format!("PREPARE {STATEMENT}(pg_catalog.oid[]) AS {query}")
    }

    /// Asks for the stamps of relations, in a session that has prepared the question.
    pub fn question(relations: &BTreeSet<u32>) -> String {
        let numbers: Vec<String> = relations.iter().map(u32::to_string).collect();
        format!("EXECUTE {STATEMENT}('{{{}}}')", numbers.join(","))
    }

    /// Reads the answer. Nothing if it has another form.
    pub fn read<'a>(rows: impl Iterator<Item = Option<(&'a str, &'a str)>>) -> Option<Self> {
        let stamp = |row: Option<(&str, &str)>| {
            let (oid, stamp) = row?;
            Some((oid.parse().ok()?, stamp.parse().ok()?))
        };
        rows.map(stamp).collect::<Option<BTreeMap<u32, i64>>>().map(Self)
    }

    /// The relations.
    pub fn relations(&self) -> impl Iterator<Item = u32> + '_ {
        self.0.keys().copied()
    }

    /// True if there are none: what a statement means depends on no relation.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of both.
    #[must_use]
    pub fn and(mut self, other: &Self) -> Self {
        for (oid, stamp) in &other.0 {
            // Two stamps of one relation: one of them no longer holds, so none does.
            let known = self.0.entry(*oid).or_insert(*stamp);
            if known != stamp {
                *known = i64::MIN;
            }
        }
        self
    }

    /// True if all of them are the same in what was read later.
    pub fn hold(&self, now: &Self) -> bool {
        self.0.iter().all(|(oid, stamp)| now.0.get(oid) == Some(stamp))
    }
}

/// Which definitions bear on which, beside all stamps.
#[derive(Clone, Debug, Default)]
pub(crate) struct Definitions {
    stamps: BTreeMap<u32, i64>,
    /// By relation, those whose definitions decide what it is.
    rests_on: BTreeMap<u32, BTreeSet<u32>>,
}

impl Definitions {
    pub(crate) fn new(rows: &CatalogRows) -> Self {
        let mut rests_on: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
        let parents: BTreeSet<u32> = rows.inheritance.iter().map(|(parent, _)| *parent).collect();
        let partitioned = rows.relations.iter().filter(|row| row.kind == 'p').map(|row| row.oid);
        let partitioned: BTreeSet<u32> = partitioned.collect();
        for (parent, child) in &rows.inheritance {
            rests_on.entry(*child).or_default().insert(*parent);
            if parents.contains(child) || !partitioned.contains(parent) {
                rests_on.entry(*parent).or_default().insert(*child);
            }
        }
        let definitions =
            rows.dependents.iter().filter(|row| row.kind == DependentKind::Definition);
        for row in definitions {
            let relation = match row.need {
                Need::Column(relation, _) | Need::Relation(relation) => relation,
                Need::Type(_)
                | Need::Constraint(_)
                | Need::PlainType(_)
                | Need::Extension(_)
                | Need::Never => continue,
            };
            rests_on.entry(row.oid).or_default().insert(relation);
        }
        Self { stamps: rows.stamps.clone(), rests_on }
    }
}

impl Catalog {
    /// What a plan rests on, and the plan of what it keeps under a name.
    pub fn grounds(&self, plan: &Plan) -> Grounds {
        let mut next: Vec<u32> = Vec::new();
        let facts = [Some(&plan.facts), plan.kept.as_ref().map(|kept| &kept.facts)];
        let touches = facts.into_iter().flatten().flat_map(|facts| &facts.touches);
        for relation in touches.filter_map(|touch| self.relations.get(&touch.relation)) {
            next.push(relation.oid);
            let views = [&relation.views.own, &relation.views.below];
            next.extend(views.into_iter().flatten().map(|view| view.oid));
        }
        let mut found = BTreeSet::new();
        while let Some(oid) = next.pop() {
            if found.insert(oid) {
                next.extend(self.definitions.rests_on.get(&oid).into_iter().flatten());
            }
        }
        let stamps = &self.definitions.stamps;
        // PostgreSQL's own relations, which a view may read, have none.
        Grounds(found.iter().filter_map(|oid| Some((*oid, *stamps.get(oid)?))).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Rows = &'static [(&'static str, &'static str)];

    #[test]
    fn grounds_hold_as_long_as_every_stamp_is_the_same() {
        let read = |rows: &[(&'static str, &'static str)]| {
            Grounds::read(rows.iter().map(|row| Some(*row))).unwrap()
        };
        let before = read(&[("16400", "-5"), ("16401", "9")]);
        #[rustfmt::skip]
        let cases: [(Rows, bool); 5] = [
            (&[("16400", "-5"), ("16401", "9")],                  true),
            (&[("16400", "-5"), ("16401", "9"), ("16402", "1")],  true),
            (&[("16400", "-5"), ("16401", "8")],                  false),
            (&[("16400", "-5")],                                  false),
            (&[],                                                 false),
        ];
        for (now, holds) in cases {
            assert_eq!(before.hold(&read(now)), holds, "{now:?}");
        }
        assert!(Grounds::default().hold(&read(&[])));
        assert_eq!(Grounds::read([Some(("16400", "x"))].into_iter()), None);
        assert_eq!(Grounds::read([None].into_iter()), None);
    }

    #[test]
    fn the_question_names_every_relation_once() {
        let relations = BTreeSet::from([7, 9]);
        assert_eq!(Grounds::question(&relations), "EXECUTE countersign_stamps('{7,9}')");
    }
}
