//! ORDER BY, GROUP BY, DISTINCT, WINDOW: what rows are compared by.
//!
//! Source: `findTargetlistEntrySQL92` in PostgreSQL's `parse_clause.c`. A bare name or an integer
//! there can mean an output column; it is written as the column's place, so that it means that
//! column whatever else gets its name.

use pg_query::protobuf::{CoercionForm, GroupingSet, GroupingSetKind, RowExpr, SortBy, WindowDef};
use pg_query::{Node, NodeEnum};

use crate::Refusal;
use crate::operation::operator_name;
use crate::scope::{self, Value};
use crate::tree::{self, NOWHERE};
use crate::walk::Walk;

/// Which name wins where an input and an output column share one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum First {
    /// GROUP BY.
    Input,
    /// ORDER BY and DISTINCT ON.
    Output,
}

impl Walk<'_> {
    pub(crate) fn sort(
        &mut self,
        items: Vec<Node>,
        columns: &[(String, Value)],
    ) -> Result<Vec<Node>, Refusal> {
        self.sort_by(items, |walk, node| walk.item(node, columns, First::Output))
    }

    /// ORDER BY of a set operation or VALUES: only output columns.
    pub(crate) fn sort_outputs(
        &mut self,
        items: Vec<Node>,
        columns: &[(String, Value)],
    ) -> Result<Vec<Node>, Refusal> {
        self.sort_by(items, |walk, node| match walk.output(&node, columns, First::Output)? {
            Some(place) => Ok(place),
            None => Err(Refusal::syntax("ORDER BY can only name a column of the result here")),
        })
    }

    /// ORDER BY of a window or an aggregate: only expressions.
    pub(crate) fn sort_expressions(&mut self, items: Vec<Node>) -> Result<Vec<Node>, Refusal> {
        self.sort_by(items, Walk::expr)
    }

    fn sort_by(
        &mut self,
        items: Vec<Node>,
        mut check: impl FnMut(&mut Self, Node) -> Result<Node, Refusal>,
    ) -> Result<Vec<Node>, Refusal> {
        let mut checked = Vec::with_capacity(items.len());
        for item in items {
            let Some(NodeEnum::SortBy(item)) = item.node else {
                return Err(Refusal::syntax("not an ORDER BY item"));
            };
            let SortBy { node, sortby_dir, sortby_nulls, use_op, location: _ } = *item;
            let node = node.ok_or_else(|| Refusal::syntax("an ORDER BY item is empty"))?;
            let node = Some(Box::new(check(self, *node)?));
            let use_op = if use_op.is_empty() { use_op } else { operator_name(&use_op)? };
            let item = SortBy { node, sortby_dir, sortby_nulls, use_op, location: NOWHERE };
            checked.push(tree::node(NodeEnum::SortBy(Box::new(item))));
        }
        Ok(checked)
    }

    /// DISTINCT compares whole rows; DISTINCT ON only what it names.
    pub(crate) fn distinct(
        &mut self,
        items: Vec<Node>,
        columns: &[(String, Value)],
    ) -> Result<Vec<Node>, Refusal> {
        let is_plain = matches!(items.as_slice(), [Node { node: None }]);
        if is_plain {
            self.refuse_masked(columns)?;
            return Ok(items);
        }
        items.into_iter().map(|item| self.item(item, columns, First::Output)).collect()
    }

    pub(crate) fn group(
        &mut self,
        items: Vec<Node>,
        columns: &[(String, Value)],
    ) -> Result<Vec<Node>, Refusal> {
        items.into_iter().map(|item| self.group_item(item, columns)).collect()
    }

    fn group_item(&mut self, item: Node, columns: &[(String, Value)]) -> Result<Node, Refusal> {
        match item.node {
            Some(NodeEnum::GroupingSet(set)) => {
                let GroupingSet { kind, content, location: _ } = set;
                match GroupingSetKind::try_from(kind) {
                    Ok(
                        GroupingSetKind::GroupingSetEmpty
                        | GroupingSetKind::GroupingSetRollup
                        | GroupingSetKind::GroupingSetCube
                        | GroupingSetKind::GroupingSetSets,
                    ) => {}
                    Ok(GroupingSetKind::Undefined | GroupingSetKind::GroupingSetSimple)
                    | Err(_) => return Err(Refusal::syntax("unknown kind of GROUP BY")),
                }
                let content = self.group(content, columns)?;
                let set = GroupingSet { kind, content, location: NOWHERE };
                Ok(tree::node(NodeEnum::GroupingSet(set)))
            }
            // `(a, b)` is two items, `ROW(a, b)` is one.
            Some(NodeEnum::RowExpr(row))
                if row.row_format == CoercionForm::CoerceImplicitCast as i32 =>
            {
                let RowExpr { xpr: _, args, row_typeid: _, row_format, colnames: _, location: _ } =
                    *row;
                let args = self.group(args, columns)?;
                let row = RowExpr { args, row_format, location: NOWHERE, ..RowExpr::default() };
                Ok(tree::node(NodeEnum::RowExpr(Box::new(row))))
            }
            inner => self.item(Node { node: inner }, columns, First::Input),
        }
    }

    fn item(
        &mut self,
        item: Node,
        columns: &[(String, Value)],
        first: First,
    ) -> Result<Node, Refusal> {
        if first == First::Input
            && let Some(name) = bare_name(&item)
            && scope::resolve_here(&self.levels, name)?.is_some()
        {
            return self.expr(item);
        }
        match self.output(&item, columns, first)? {
            Some(place) => Ok(place),
            None => self.expr(item),
        }
    }

    /// The place of the output column that an item means, if it means one.
    fn output(
        &self,
        item: &Node,
        columns: &[(String, Value)],
        first: First,
    ) -> Result<Option<Node>, Refusal> {
        let place = match (tree::as_integer(item), bare_name(item)) {
            (Some(place), _) => {
                let index = usize::try_from(place).ok().and_then(|place| place.checked_sub(1));
                let is_there = index.is_some_and(|index| index < columns.len());
                if !is_there {
                    let clause = match first {
                        First::Input => "GROUP BY",
                        First::Output => "ORDER BY",
                    };
                    return Err(Refusal::no_such_place(clause, place).at(tree::place(item)));
                }
                index
            }
            (None, Some(name)) => {
                self.work.spend(columns.len())?;
                let mut named =
                    columns.iter().enumerate().filter(|(_, (column, _))| column == name);
                let found = named.next().map(|(index, _)| index);
                if named.next().is_some() {
                    return Err(Refusal::ambiguous_column(name).with_hint("Give its position."));
                }
                found
            }
            (None, None) => None,
        };
        let Some((index, (name, value))) = place.and_then(|i| Some((i, columns.get(i)?))) else {
            return Ok(None);
        };
        if self.mask_of(value).is_some() {
            return Err(Refusal::masked(name));
        }
        let place = i32::try_from(index.saturating_add(1)).unwrap_or(i32::MAX);
        Ok(Some(tree::integer(place)))
    }

    pub(crate) fn windows(&mut self, windows: Vec<Node>) -> Result<Vec<Node>, Refusal> {
        let mut checked = Vec::with_capacity(windows.len());
        for window in windows {
            let Some(NodeEnum::WindowDef(window)) = window.node else {
                return Err(Refusal::syntax("not a window"));
            };
            checked.push(tree::node(NodeEnum::WindowDef(Box::new(self.window(*window)?))));
        }
        Ok(checked)
    }

    pub(crate) fn window(&mut self, window: WindowDef) -> Result<WindowDef, Refusal> {
        let WindowDef {
            name,
            refname,
            partition_clause,
            order_clause,
            frame_options,
            start_offset,
            end_offset,
            location: _,
        } = window;
        Ok(WindowDef {
            name,
            refname,
            partition_clause: self.expr_all(partition_clause)?,
            order_clause: self.sort_expressions(order_clause)?,
            frame_options,
            start_offset: self.expr_option(start_offset)?,
            end_offset: self.expr_option(end_offset)?,
            location: NOWHERE,
        })
    }
}

fn bare_name(item: &Node) -> Option<&str> {
    match &item.node {
        Some(NodeEnum::ColumnRef(column)) => match column.fields.as_slice() {
            [name] => tree::as_text(name),
            _ => None,
        },
        Some(_) | None => None,
    }
}
