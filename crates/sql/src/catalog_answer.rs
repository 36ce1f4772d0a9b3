//! Answers to functions of the catalogs that are made of what is shown.

use std::collections::BTreeSet;
use std::sync::Arc;

use model::Action;
use pg_query::Node;

use crate::catalog::{Relation, RelationKind};
use crate::catalog_call::{INFORMATION_SCHEMA, spliced};
use crate::reg::Reg;
use crate::shown::{self, Fill};
use crate::tree::{self, SYSTEM_SCHEMA};
use crate::walk::Walk;
use crate::{Refusal, analyse, lookup};

impl Walk<'_> {
    pub(crate) fn reach_call(
        &mut self,
        name: &str,
        reg: Reg,
        args: Vec<Node>,
    ) -> Result<Node, Refusal> {
        let number = self.number_text(reg, args)?;
        let sight = self.sight();
        let (reached, word) = if reg == Reg::Type {
            (sight.reached_types(self.world), "type")
        } else {
            (sight.reached_relations(&self.world.search_path), "rel")
        };
        let is_shown = Fill::new(self.world, &sight).is(word, &number);
        let reached = shown::oids(reached.into_iter());
        // The target's own search path holds nothing but PostgreSQL's own.
        spliced(&format!(
            "CASE WHEN {number} < 16384 THEN pg_catalog.{name}({number}) \
             WHEN {number} = ANY ({reached}) THEN true WHEN {is_shown} THEN false END"
        ))
    }

    /// `pg_get_viewdef(…)`. Where the text is not shown, one with the same columns stands for it.
    pub(crate) fn definition(&mut self, args: Vec<Node>) -> Result<Node, Refusal> {
        let mut args = args.into_iter();
        let view = args.next().ok_or_else(|| Refusal::function("pg_get_viewdef"))?;
        let number = self.argument_number(Reg::Class, view)?;
        let mut texts = vec![number.clone()];
        for arg in args {
            let checked = self.expr(arg)?;
            texts.push(analyse::expression_text(&checked)?);
        }
        let sight = self.sight();
        let is_shown = Fill::new(self.world, &sight).is("def", &number);
        let (mut numbers, mut others) = (Vec::new(), Vec::new());
        for relation in self.world.catalog.relations.values().filter(|relation| {
            matches!(relation.kind, RelationKind::View | RelationKind::MaterializedView)
                && !sight.definitions.contains(&relation.oid)
        }) {
            let Some(columns) = sight.columns.get(&relation.oid) else { continue };
            numbers.push(relation.oid);
            others.push(stand_in(relation, columns));
        }
        let numbers = shown::oids(numbers.into_iter());
        let others = shown::texts(others.iter().map(String::as_str));
        spliced(&format!(
            "CASE WHEN {is_shown} THEN pg_catalog.pg_get_viewdef({}) \
             ELSE ({others}::pg_catalog.text[])[pg_catalog.array_position({numbers}, {number})] END",
            texts.join(", ")
        ))
    }

    /// `current_schemas(…)`: the schemas of the search path that the client sees.
    pub(crate) fn schemas(&mut self, args: Vec<Node>) -> Result<Node, Refusal> {
        let with_implicit = match args.as_slice() {
            [flag] => tree::as_boolean(flag),
            _ => None,
        };
        let with_implicit = with_implicit.ok_or_else(|| Refusal::function("current_schemas"))?;
        let path = &self.world.search_path;
        let mut names = Vec::new();
        if with_implicit && !path.contains(&SYSTEM_SCHEMA) {
            names.push(SYSTEM_SCHEMA);
        }
        let sight = self.sight();
        let is_seen = |name: &&&str| {
            matches!(**name, SYSTEM_SCHEMA | INFORMATION_SCHEMA)
                || sight.schemas.contains_key(**name)
        };
        names.extend(path.iter().filter(is_seen).copied());
        spliced(&format!("{}::pg_catalog.name[]", shown::texts(names.into_iter())))
    }

    /// `pg_get_serial_sequence(table, column)`, by the spellings of what is shown.
    pub(crate) fn sequence(&mut self, args: Vec<Node>) -> Result<Node, Refusal> {
        let Ok([table, column]) = <[Node; 2]>::try_from(args) else {
            return Err(Refusal::function("pg_get_serial_sequence"));
        };
        let table = self.seen_expr(table)?;
        let column = self.expr(column)?;
        let (table, column) =
            (analyse::expression_text(&table)?, analyse::expression_text(&column)?);
        let sight = self.sight();
        let path = &self.world.search_path;
        let mut keys = Vec::new();
        let mut sequences = Vec::new();
        for (owner, owned, sequence) in &sight.sequences {
            let Some(oid) = sight.relation(&[], &[owner.schema.clone(), owner.name.clone()]) else {
                continue;
            };
            let is_reached = sight.relation(path, std::slice::from_ref(&owner.name)) == Some(oid);
            let named = lookup::spellings(0, &sequence.schema, &sequence.name, false);
            let Some((shown, _)) = named.into_iter().next() else { continue };
            for (spelled, _) in lookup::spellings(oid, &owner.schema, &owner.name, is_reached) {
                keys.push(format!("{spelled} {owned}"));
                sequences.push(shown.clone());
            }
        }
        let array = |items: &[String]| {
            format!("{}::pg_catalog.text[]", shown::texts(items.iter().map(String::as_str)))
        };
        let (keys, sequences) = (array(&keys), array(&sequences));
        spliced(&format!(
            "({sequences})[pg_catalog.array_position({keys}, \
             pg_catalog.concat(({table})::pg_catalog.text, ' ', ({column})::pg_catalog.text))]"
        ))
    }

    /// `pg_get_sequence_data(sequence)` of a sequence that may be selected from; NULLs for any other,
    /// as PostgreSQL answers where there is no privilege.
    pub(crate) fn sequence_data(&mut self, args: Vec<Node>) -> Result<Node, Refusal> {
        let number = self.number_text(Reg::Class, args)?;
        let relations = self.world.catalog.relations.values();
        let is_granted = |relation: &&Arc<Relation>| {
            let granted = (self.world.granted)(&relation.name, Action::Select);
            relation.kind == RelationKind::Sequence
                && relation.columns.iter().all(|column| granted.contains(&column.name))
        };
        let granted = shown::oids(relations.filter(is_granted).map(|relation| relation.oid));
        spliced(&format!(
            "pg_catalog.pg_get_sequence_data((CASE WHEN {number} = ANY ({granted}) THEN {number} \
             END)::pg_catalog.regclass)"
        ))
    }

    /// `pg_partition_ancestors(partition)`: itself, and what grants cover above it.
    pub(crate) fn ancestors(&mut self, args: Vec<Node>) -> Result<Node, Refusal> {
        let number = self.number_text(Reg::Class, args)?;
        let sight = self.sight();
        let relations = self.world.catalog.relations.values();
        let (mut below, mut above) = (Vec::new(), Vec::new());
        for relation in relations.filter(|relation| sight.tables.contains_key(&relation.oid)) {
            for (oid, name) in &sight.tables {
                if relation.descendants.contains(name) {
                    below.push(*oid);
                    above.push(relation.oid);
                }
            }
        }
        let (below, above) = (shown::oids(below.into_iter()), shown::oids(above.into_iter()));
        spliced(&format!(
            "pg_catalog.unnest({number} || ARRAY(SELECT m.above FROM ROWS FROM \
             (pg_catalog.unnest({below}), pg_catalog.unnest({above})) AS m(below, above) \
             WHERE m.below = {number}))"
        ))
    }
}

/// A view's text of which only the columns are told, in the form of `pg_get_viewdef`.
fn stand_in(relation: &Relation, visible: &BTreeSet<i16>) -> String {
    let shown = relation.columns.iter().filter(|column| visible.contains(&column.number));
    let columns = shown.map(|column| {
        let name = column.name.replace('"', "\"\"");
        format!("NULL::{} AS \"{name}\"", column.data_type.sql())
    });
    let columns: Vec<String> = columns.collect();
    format!(" SELECT {}\n  WHERE false /* the definition is not shown */;", columns.join(",\n    "))
}
