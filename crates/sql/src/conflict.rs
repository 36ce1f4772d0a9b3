//! ON CONFLICT of INSERT. Its keys are compared with rows that exist, so they count as read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::Action;
use pg_query::protobuf::{
    IndexElem, InferClause, OnConflictAction, OnConflictClause, SortByDir, SortByNulls,
};
use pg_query::{Node, NodeEnum};

use crate::Refusal;
use crate::names;
use crate::scope::Level;
use crate::tree::{self, NOWHERE};
use crate::walk::Walk;

/// The name under which ON CONFLICT sees the row that was to be inserted.
const EXCLUDED: &str = "excluded";

impl Walk<'_> {
    /// Checks the clause; the target is the last item of this level.
    pub(crate) fn on_conflict(
        &mut self,
        clause: OnConflictClause,
        use_index: usize,
    ) -> Result<OnConflictClause, Refusal> {
        let OnConflictClause { action, infer, target_list, where_clause, location: _ } = clause;
        if infer.is_none() {
            self.read_keys(use_index)?;
        }
        let infer = match infer {
            Some(infer) => {
                let used = self.uses.get(use_index).ok_or_else(Refusal::mismatch)?;
                let constraints = used.relation.constraints.clone();
                let infer =
                    self.with_bare_target(use_index, |walk| walk.infer(*infer, &constraints))?;
                Some(Box::new(infer))
            }
            None => None,
        };
        match OnConflictAction::try_from(action) {
            Ok(OnConflictAction::OnconflictNothing) => {}
            Ok(OnConflictAction::OnconflictUpdate) => {
                let alias = pg_query::protobuf::Alias {
                    aliasname: EXCLUDED.to_owned(),
                    colnames: Vec::new(),
                };
                let alias = names::checked_alias(Some(alias))?;
                let excluded = self.relation_item(use_index, alias.as_ref())?;
                self.items().push(excluded);
            }
            Ok(OnConflictAction::Undefined | OnConflictAction::OnconflictNone) | Err(_) => {
                return Err(Refusal::syntax("unknown kind of ON CONFLICT"));
            }
        }
        let target_list = self.assignments(target_list, use_index, Action::Update)?;
        let where_clause = self.expr_option(where_clause)?;
        self.items().retain(|item| item.name.as_deref() != Some(EXCLUDED));
        Ok(OnConflictClause { action, infer, target_list, where_clause, location: NOWHERE })
    }

    /// Without a target every unique index is asked, so all their columns are read.
    fn read_keys(&mut self, use_index: usize) -> Result<(), Refusal> {
        let used = self.uses.get(use_index).ok_or_else(Refusal::mismatch)?;
        let relation = Arc::clone(&used.relation);
        let granted = (self.world.granted)(&relation.name, Action::Select);
        let below = relation.descendants.iter().filter(|_| used.descends);
        let below = below.filter_map(|name| self.world.catalog.relations.get(name));
        let mut columns = BTreeSet::new();
        for keys in std::iter::once(&relation).chain(below).map(|relation| &relation.keys) {
            if keys.computes {
                return Err(target_needed());
            }
            columns.extend(keys.columns.iter().cloned());
        }
        for name in columns {
            let is_open = relation.column(&name).is_some_and(|(_, column)| column.mask.is_none());
            if !is_open || !granted.contains(&name) {
                return Err(target_needed());
            }
            self.touch(use_index, Action::Select, Some(&name));
        }
        Ok(())
    }

    /// Walks with the target's columns in reach by their bare names only, as PostgreSQL reads keys.
    fn with_bare_target<T>(
        &mut self,
        use_index: usize,
        work: impl FnOnce(&mut Self) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let mut item = self.relation_item(use_index, None)?;
        item.by_name = false;
        for column in &mut item.columns {
            column.homes = vec![vec![column.name.clone()]];
        }
        let level = Level { items: vec![item], work: self.work.clone(), ..Level::default() };
        let outside = std::mem::replace(&mut self.levels, vec![level]);
        let result = work(self);
        self.levels = outside;
        result
    }

    fn infer(
        &mut self,
        infer: InferClause,
        constraint: &BTreeMap<String, Vec<String>>,
    ) -> Result<InferClause, Refusal> {
        let InferClause { index_elems, where_clause, conname, location: _ } = infer;
        let named = match conname.as_str() {
            "" => Vec::new(),
            // Its columns stand for it, so that the name cannot come to mean others.
            name => constraint.get(name).cloned().ok_or_else(|| unknown_constraint(name))?,
        };
        let mut checked = Vec::with_capacity(index_elems.len());
        let named = named.into_iter().map(key_column);
        for element in index_elems.into_iter().chain(named) {
            checked.push(self.index_element(element)?);
        }
        let where_clause = self.expr_option(where_clause)?;
        let conname = String::new();
        Ok(InferClause { index_elems: checked, where_clause, conname, location: NOWHERE })
    }

    fn index_element(&mut self, element: Node) -> Result<Node, Refusal> {
        let Some(NodeEnum::IndexElem(element)) = element.node else {
            return Err(Refusal::syntax("not a key of ON CONFLICT"));
        };
        let IndexElem {
            name,
            expr,
            indexcolname,
            collation,
            opclass,
            opclassopts,
            ordering,
            nulls_ordering,
        } = *element;
        let is_plain = (expr.is_some() == name.is_empty())
            && indexcolname.is_empty()
            && collation.is_empty()
            && opclass.is_empty()
            && opclassopts.is_empty()
            && ordering == SortByDir::SortbyDefault as i32
            && nulls_ordering == SortByNulls::SortbyNullsDefault as i32;
        if !is_plain {
            return Err(Refusal::later("not_supported_conflict_key", "this key of ON CONFLICT"));
        }
        if !name.is_empty() {
            self.computed_column(&[&name])?;
        }
        let expr = self.expr_option(expr)?;
        let element = IndexElem { name, expr, ordering, nulls_ordering, ..IndexElem::default() };
        Ok(tree::node(NodeEnum::IndexElem(Box::new(element))))
    }
}

/// A column as a key of ON CONFLICT names it.
fn key_column(name: String) -> Node {
    tree::node(NodeEnum::IndexElem(Box::new(IndexElem {
        name,
        ordering: SortByDir::SortbyDefault as i32,
        nulls_ordering: SortByNulls::SortbyNullsDefault as i32,
        ..IndexElem::default()
    })))
}

fn unknown_constraint(name: &str) -> Refusal {
    Refusal::never(
        "unknown_constraint",
        format!("constraint \"{name}\" is no primary key or unique constraint of the relation"),
    )
    .with_hint("Name the key's columns: ON CONFLICT (column).")
}

/// Says nothing of the keys that the client may not know.
fn target_needed() -> Refusal {
    Refusal::never(
        "conflict_target_needed",
        "ON CONFLICT without a target asks for every unique key of the relation",
    )
    .with_hint("Name the columns of one key that may be read: ON CONFLICT (column).")
}
