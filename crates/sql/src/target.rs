//! Target lists: where a masked column may stand bare, and where `*` is written out.

use pg_query::protobuf::{ColumnRef, ResTarget, TypeCast};
use pg_query::{Node, NodeEnum};

use crate::figure;
use crate::meaning::Meaning;
use crate::scope::{self, Beside, ScopeColumn, Value};
use crate::select::Columns;
use crate::tree;
use crate::walk::Walk;
use crate::{Refusal, limits};

/// How deep in levels of names the result of a statement is made: inside of it, and of its query.
const RESULT_LEVEL: usize = 2;

/// A checked target.
struct Target {
    name: String,
    node: Node,
    value: Value,
}

impl Walk<'_> {
    /// Checks the targets of SELECT or RETURNING. Each gets an explicit name.
    pub(crate) fn targets(&mut self, targets: Vec<Node>) -> Result<(Vec<Node>, Columns), Refusal> {
        let mut checked = Vec::with_capacity(targets.len());
        let mut columns = Vec::with_capacity(targets.len());
        for target in targets {
            for Target { name, node, value } in self.target(target, columns.len())? {
                checked.push(tree::target(&name, node));
                columns.push((name, value));
            }
        }
        Ok((checked, columns))
    }

    /// Checks one target behind `before` columns.
    fn target(&mut self, target: Node, before: usize) -> Result<Vec<Target>, Refusal> {
        let Some(NodeEnum::ResTarget(target)) = target.node else {
            return Err(Refusal::syntax("not a target"));
        };
        let ResTarget { name, indirection, val, location: _ } = *target;
        let value = val.ok_or_else(|| Refusal::syntax("a target has no value"))?;
        if !indirection.is_empty() {
            return Err(Refusal::syntax("a target cannot have a part"));
        }
        let value = self.flattened(*value)?;
        if let Some(NodeEnum::ColumnRef(ColumnRef { fields, location })) = &value.node {
            let targets = match fields.split_last() {
                Some((last, item)) if tree::is_star(last) => self.star(item, before),
                Some(_) | None => self
                    .reserve_outputs(before, 1)
                    .and_then(|()| self.bare(name, fields))
                    .map(|target| vec![target]),
            };
            return targets.map_err(|refusal| refusal.at(*location));
        }
        self.reserve_outputs(before, 1)?;
        let name = if name.is_empty() { figure::column_name(&value) } else { name };
        let meaning = self.meaning_of(&value);
        let mut node = self.expr(value)?;
        if is_cast_of_column(&node) {
            node = tree::computed(node);
        }
        let (node, value) = self.as_seen(node, Value { meaning, ..Value::computed() })?;
        Ok(vec![Target { name, node, value }])
    }

    /// In the result itself a number that the client asked for as a name becomes one. Inside of the
    /// statement it stays a number, which can be compared.
    fn as_seen(&mut self, node: Node, value: Value) -> Result<(Node, Value), Refusal> {
        match value.meaning {
            Meaning::Named(reg) if self.definitions == 0 && self.levels.len() == RESULT_LEVEL => {
                Ok((self.named(reg, &node)?, Value::computed()))
            }
            Meaning::Named(_) | Meaning::Plain | Meaning::Expanded => Ok((node, value)),
        }
    }

    fn bare(&mut self, name: String, fields: &[Node]) -> Result<Target, Refusal> {
        if let Some(row) = self.whole_row(fields)? {
            let shown = fields.first().and_then(tree::as_text).unwrap_or_default().to_owned();
            let name = if name.is_empty() { shown } else { name };
            // Without the call it would be written out as columns.
            return Ok(Target { name, node: tree::computed(row), value: Value::computed() });
        }
        let parts = self.column_parts(fields)?;
        let shown = parts.last().copied().unwrap_or_default().to_owned();
        let (node, value) = self.selected_column(&parts)?;
        let (node, value) = self.as_seen(node, value)?;
        Ok(Target { name: if name.is_empty() { shown } else { name }, node, value })
    }

    /// `*` or `item.*`, as the columns that grants cover.
    fn star(&mut self, item: &[Node], before: usize) -> Result<Vec<Target>, Refusal> {
        let parts = tree::as_texts(item).ok_or_else(|| Refusal::syntax("not a name"))?;
        let item = match *parts.as_slice() {
            [] => return self.star_of_all(before),
            [item] => scope::find_item(&self.levels, None, item)?,
            [schema, item] => scope::find_item(&self.levels, Some(schema), item)?,
            [database, schema, item] if database == self.world.database => {
                scope::find_item(&self.levels, Some(schema), item)?
            }
            _ => None,
        };
        let item =
            item.ok_or_else(|| Refusal::missing_item(parts.last().copied().unwrap_or_default()))?;
        // One more than allowed is enough to know.
        let most = limits::TARGETS_MAX.saturating_add(1);
        let columns: Vec<ScopeColumn> =
            item.columns.iter().filter(|c| c.starred).take(most).cloned().collect();
        self.reserve_outputs(before, columns.len())?;
        self.written_out(columns)
    }

    fn star_of_all(&mut self, before: usize) -> Result<Vec<Target>, Refusal> {
        let items = self.levels.last().map(|level| level.items.as_slice()).unwrap_or_default();
        let visible = items.iter().filter(|item| item.by_column && item.beside == Beside::Done);
        // One more than allowed is enough to know.
        let columns: Vec<ScopeColumn> = visible
            .flat_map(|item| &item.columns)
            .filter(|c| c.starred)
            .take(limits::TARGETS_MAX.saturating_add(1))
            .cloned()
            .collect();
        self.reserve_outputs(before, columns.len())?;
        if columns.is_empty() {
            return Err(Refusal::syntax("SELECT * with no tables specified is not valid"));
        }
        self.written_out(columns)
    }

    fn written_out(&mut self, columns: Vec<ScopeColumn>) -> Result<Vec<Target>, Refusal> {
        let mut targets = Vec::with_capacity(columns.len());
        for column in columns {
            let name = column.name.clone();
            let written = scope::write(&self.levels, &column, &[&name])
                .ok_or_else(|| Refusal::ambiguous_column(&name))?;
            let (node, value) = self.select_found(column, written)?;
            let (node, value) = self.as_seen(node, value)?;
            targets.push(Target { name, node, value });
        }
        Ok(targets)
    }
}

/// A cast to the type that a column has already is nothing, and the target then reports the
/// column's origin, which the plan could not foresee.
fn is_cast_of_column(node: &Node) -> bool {
    let Some(NodeEnum::TypeCast(cast)) = &node.node else { return false };
    let TypeCast { arg, type_name: _, location: _ } = &**cast;
    arg.as_deref().is_some_and(|arg| {
        matches!(arg.node, Some(NodeEnum::ColumnRef(_))) || is_cast_of_column(arg)
    })
}
