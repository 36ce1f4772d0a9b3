//! Whole rows: `c`, `c.*` and `(c).x`, where `c` is an entry of FROM.
//!
//! What a row of a relation is, the target would say when the statement runs: a column that was
//! added meanwhile would be part of it. So a relation of which a row is asked for is put into a
//! subquery that names the columns that grants cover, in a second walk over the statement.
//!
//! Source: `transformColumnRef` and `transformWholeRowRef` in PostgreSQL's `parse_expr.c`.

use std::sync::Arc;

use model::{Action, RelationName};
use pg_query::protobuf::{
    AIndirection, Alias, ColumnRef, LimitOption, RangeSubselect, RangeVar, SelectStmt, SetOperation,
};
use pg_query::{Node, NodeEnum};

use crate::Refusal;
use crate::catalog::Relation;
use crate::from::Source;
use crate::names;
use crate::scope::{self, Item, ScopeColumn};
use crate::tree::{self, NOWHERE};
use crate::walk::{Reach, Shape, Use, Walk};

/// What the row of an entry of FROM is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Row {
    /// The columns that the statement itself names.
    Named,
    /// Those of a relation, by its use.
    Relation(usize),
    /// Not known here: a join, or what is written to.
    Unknown,
}

/// An entry of FROM and the name before the dot.
type NamedItem<'a> = (String, &'a Item);

impl Walk<'_> {
    /// The whole row that a name in an expression means; nothing if it means a column.
    ///
    /// # Errors
    ///
    /// [`Refusal`] if a masked column is in the row, or the row is not known.
    pub(crate) fn whole_row(&mut self, fields: &[Node]) -> Result<Option<Node>, Refusal> {
        let Some((name, item)) = self.row_item(fields)? else { return Ok(None) };
        let (row, columns) = (item.row, item.columns.clone());
        self.guard_all();
        self.read_row(&name, row, &columns)?;
        let star = tree::node(NodeEnum::AStar(pg_query::protobuf::AStar {}));
        let fields = vec![tree::text_node(&name), star];
        Ok(Some(tree::node(NodeEnum::ColumnRef(ColumnRef { fields, location: NOWHERE }))))
    }

    /// `(c).x` as `c.x`, and `(c).*` as `c.*`: PostgreSQL takes them for the same.
    pub(crate) fn flattened(&self, value: Node) -> Result<Node, Refusal> {
        let Some(NodeEnum::AIndirection(part)) = value.node else { return Ok(value) };
        let AIndirection { arg, indirection } = *part;
        let row = match arg.as_deref().and_then(|arg| arg.node.as_ref()) {
            Some(NodeEnum::ColumnRef(column)) => Some(column.fields.clone()),
            Some(_) | None => None,
        };
        let is_field = |step: &Node| tree::as_text(step).is_some() || tree::is_star(step);
        let steps = indirection.split_first().filter(|(first, _)| is_field(first));
        if let (Some(row), Some((field, rest))) = (row, steps)
            && let Some((name, _)) = self.row_item(&row)?
        {
            let fields = vec![tree::text_node(&name), field.clone()];
            let column = tree::node(NodeEnum::ColumnRef(ColumnRef { fields, location: NOWHERE }));
            if rest.is_empty() {
                return Ok(column);
            }
            let part = AIndirection { arg: Some(Box::new(column)), indirection: rest.to_vec() };
            return Ok(tree::node(NodeEnum::AIndirection(Box::new(part))));
        }
        Ok(tree::node(NodeEnum::AIndirection(Box::new(AIndirection { arg, indirection }))))
    }

    /// The columns of `c.*` in a row constructor; nothing for anything else.
    pub(crate) fn row_star(&mut self, item: &Node) -> Result<Option<Vec<Node>>, Refusal> {
        let Some(NodeEnum::ColumnRef(column)) = &item.node else { return Ok(None) };
        if !column.fields.last().is_some_and(tree::is_star) {
            return Ok(None);
        }
        let Some((_, item)) = self.row_item(&column.fields)? else {
            return Err(Refusal::whole_row("*"));
        };
        let columns: Vec<ScopeColumn> =
            item.columns.iter().filter(|column| column.starred).cloned().collect();
        let mut written = Vec::with_capacity(columns.len());
        for column in columns {
            self.note_source(&column.value)?;
            self.read(&column.value);
            if self.mask_of(&column.value).is_some() {
                return Err(Refusal::masked(&column.name));
            }
            let way = scope::write(&self.levels, &column, &[&column.name]);
            written.push(way.ok_or_else(|| Refusal::ambiguous_column(&column.name))?);
        }
        Ok(Some(written))
    }

    /// The entry of FROM whose row a name means, if it means no column.
    fn row_item(&self, fields: &[Node]) -> Result<Option<NamedItem<'_>>, Refusal> {
        let found = match fields.split_last() {
            Some((last, item)) if tree::is_star(last) => {
                let parts = tree::as_texts(item).unwrap_or_default();
                match *parts.as_slice() {
                    [name] => scope::find_item(&self.levels, None, name)?,
                    [schema, name] => scope::find_item(&self.levels, Some(schema), name)?,
                    _ => None,
                }
            }
            Some((last, [])) => match tree::as_text(last) {
                Some(name) => match scope::find_item(&self.levels, None, name) {
                    // Few names are those of entries, so this is asked first.
                    Ok(None) => None,
                    _ if scope::means_column(&self.levels, name)? => None,
                    found => found?,
                },
                None => None,
            },
            Some(_) | None => None,
        };
        Ok(found.and_then(|item| Some((item.name.clone()?, item))))
    }

    fn read_row(&mut self, name: &str, row: Row, columns: &[ScopeColumn]) -> Result<(), Refusal> {
        let starred = |column: &&ScopeColumn| column.starred || !self.world.forwards;
        let columns: Vec<&ScopeColumn> = columns.iter().filter(starred).collect();
        for column in &columns {
            self.read(&column.value);
        }
        let has_mask = columns.iter().any(|column| self.mask_of(&column.value).is_some());
        match row {
            Row::Unknown => Err(Refusal::whole_row(name)),
            Row::Named | Row::Relation(_) if has_mask || columns.is_empty() => {
                Err(Refusal::whole_row(name).with_hint(
                    "A masked column is in the row, or no column that a grant covers. Name the \
                     columns.",
                ))
            }
            Row::Named => Ok(()),
            Row::Relation(use_index) => {
                if let Some(used) = self.uses.get_mut(use_index) {
                    used.spells = true;
                    let names = columns.iter().map(|column| column.name.clone());
                    used.rows.extend(names);
                }
                Ok(())
            }
        }
    }

    /// A relation as a subquery that names its columns, under the names that an alias gives them.
    pub(crate) fn spelled_source(
        &mut self,
        name: &RangeVar,
        relation: Arc<Relation>,
        alias: Option<Alias>,
        columns: &[String],
    ) -> Result<Source, Refusal> {
        let (names, shown) = match &alias {
            Some(alias) => (tree::as_texts(&alias.colnames), alias.aliasname.clone()),
            None => (Some(Vec::new()), relation.name.name.clone()),
        };
        let names = names.ok_or_else(|| Refusal::syntax("not a list of names"))?;
        if names.len() > relation.columns.len() {
            return Err(Refusal::syntax("an alias names more columns than there are"));
        }
        let schema = alias.is_none().then(|| relation.name.schema.clone());
        let wanted = relation.columns.iter().enumerate();
        let targets =
            wanted.filter(|(_, column)| columns.contains(&column.name)).map(|(place, column)| {
                let value = tree::column_ref([&*relation.name.name, &*column.name]);
                tree::target(names.get(place).unwrap_or(&column.name.as_str()), value)
            });
        let targets: Vec<Node> = targets.collect();
        let reach = names::reach(name);
        let ((query, outputs), level) = self.nested_level(|walk| {
            let use_index = walk.use_relation(Arc::clone(&relation), Action::Select, reach);
            walk.use_view(use_index)?;
            let mut item = walk.relation_item(use_index, None)?;
            item.locks = vec![use_index];
            walk.items().push(item);
            let (target_list, outputs) = walk.targets(targets)?;
            let from = tree::node(NodeEnum::RangeVar(walk.forwarded(use_index, None)?));
            let query = SelectStmt {
                target_list,
                from_clause: vec![from],
                limit_option: LimitOption::Default as i32,
                op: SetOperation::SetopNone as i32,
                ..SelectStmt::default()
            };
            Ok((query, outputs))
        })?;
        let alias = Alias { aliasname: shown.clone(), colnames: Vec::new() };
        let mut item = self.item_of(Some(shown), outputs, None)?;
        item.schema = schema;
        item.locks = level.items.iter().flat_map(|item| item.locks.iter().copied()).collect();
        let subquery = Some(Box::new(tree::node(NodeEnum::SelectStmt(Box::new(query)))));
        let node = RangeSubselect { lateral: false, subquery, alias: Some(alias) };
        let node = tree::node(NodeEnum::RangeSubselect(Box::new(node)));
        Ok(Source { node, items: vec![item] })
    }

    /// For each mention of a relation, whether grants cover the tables below it for what was done.
    fn covered_descendants(&self) -> Vec<bool> {
        let covers = |relation: &RelationName, used: &Use| {
            used.touched.iter().all(|(action, columns)| {
                let granted = (self.world.granted)(relation, *action);
                !granted.is_empty() && columns.is_subset(&granted)
            })
        };
        let all_below = |used: &Use| {
            let below = &used.relation.descendants;
            used.reach == Reach::Below
                && !below.is_empty()
                && below.iter().all(|relation| covers(relation, used))
        };
        self.uses.iter().map(all_below).collect()
    }

    /// What a second walk has to know, for each mention of a relation; nothing if it would find
    /// nothing else.
    pub(crate) fn shapes(&self) -> Option<Vec<Shape>> {
        let covered = self.covered_descendants();
        let shapes: Vec<Shape> = self
            .uses
            .iter()
            .zip(covered)
            .map(|(used, descends)| Shape { descends, spelled: used.spelled() })
            .collect();
        let is_new = |shape: &Shape| shape.descends || shape.spelled.is_some();
        shapes.iter().any(is_new).then_some(shapes)
    }
}
