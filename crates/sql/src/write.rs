//! INSERT, UPDATE and DELETE.
//!
//! A masked column may be written with the client's own values, if a grant covers it, but is
//! never read: not by a condition, not by an assignment, not by ON CONFLICT.

use std::sync::Arc;

use model::Action;
use pg_query::protobuf::{
    DeleteStmt, InsertStmt, List, MultiAssignRef, OverridingKind, RangeVar, ResTarget,
    ReturningClause, SelectStmt, SetToDefault, UpdateStmt,
};
use pg_query::{Node, NodeEnum};

use crate::Refusal;
use crate::catalog::RelationKind;
use crate::guard::Guard;
use crate::names;
use crate::scope::Beside;
use crate::select::Columns;
use crate::system::FIRST_USER_OID;
use crate::tree::{self, NOWHERE};
use crate::unsupported::unsupported;
use crate::walk::{Reach, Walk};

impl Walk<'_> {
    pub(crate) fn insert(&mut self, insert: InsertStmt) -> Result<(InsertStmt, Columns), Refusal> {
        let InsertStmt {
            relation,
            cols,
            select_stmt,
            on_conflict_clause,
            returning_clause,
            with_clause,
            r#override,
        } = insert;
        self.writes = true;
        self.writers = self.writers.saturating_add(1);
        let with_clause = with_clause.map(|with| self.with(with)).transpose()?;
        let (use_index, name) = self.write_target(relation, Action::Insert)?;
        let guards = self.insert_guards(use_index, &cols);
        let source = select_stmt.map(|source| self.insert_source(*source, &guards)).transpose()?;
        let cols =
            self.insert_columns(use_index, cols, source.as_ref().map(|(_, width, _)| *width))?;
        if let Some((node, _, selected)) = &source {
            self.check_inserted(use_index, &cols, Some(node), selected)?;
        }
        match OverridingKind::try_from(r#override) {
            Ok(
                OverridingKind::OverridingNotSet
                | OverridingKind::OverridingUserValue
                | OverridingKind::OverridingSystemValue,
            ) => {}
            Ok(OverridingKind::Undefined) | Err(_) => {
                return Err(Refusal::syntax("unknown kind of OVERRIDING"));
            }
        }
        let alias = names::checked_alias(name.alias)?;
        let item = self.relation_item(use_index, alias.as_ref())?;
        self.items().push(item);
        let on_conflict_clause = on_conflict_clause
            .map(|clause| self.on_conflict(*clause, use_index).map(Box::new))
            .transpose()?;
        let (returning_clause, columns) = self.returning(returning_clause)?;
        let relation = self.uses.get(use_index).ok_or_else(Refusal::mismatch)?;
        let insert = InsertStmt {
            relation: Some(names::qualified(&relation.relation.name, true, alias)),
            cols,
            select_stmt: source.map(|(node, _, _)| Box::new(node)),
            on_conflict_clause,
            returning_clause,
            with_clause,
            r#override,
        };
        Ok((insert, columns))
    }

    pub(crate) fn update(&mut self, update: UpdateStmt) -> Result<(UpdateStmt, Columns), Refusal> {
        let UpdateStmt {
            relation,
            target_list,
            where_clause,
            from_clause,
            returning_clause,
            with_clause,
        } = update;
        self.writes = true;
        self.writers = self.writers.saturating_add(1);
        let with_clause = with_clause.map(|with| self.with(with)).transpose()?;
        let (use_index, name) = self.write_target(relation, Action::Update)?;
        let alias = self.target_item(use_index, name)?;
        let from_clause = self.sources(from_clause)?;
        let target_list = self.assignments(target_list, use_index, Action::Update)?;
        let where_clause = self.where_or_current(where_clause, use_index)?;
        let (returning_clause, columns) = self.returning(returning_clause)?;
        let update = UpdateStmt {
            relation: Some(self.forwarded(use_index, alias)?),
            target_list,
            where_clause,
            from_clause,
            returning_clause,
            with_clause,
        };
        Ok((update, columns))
    }

    pub(crate) fn delete(&mut self, delete: DeleteStmt) -> Result<(DeleteStmt, Columns), Refusal> {
        let DeleteStmt { relation, using_clause, where_clause, returning_clause, with_clause } =
            delete;
        self.writes = true;
        self.writers = self.writers.saturating_add(1);
        let with_clause = with_clause.map(|with| self.with(with)).transpose()?;
        let (use_index, name) = self.write_target(relation, Action::Delete)?;
        let alias = self.target_item(use_index, name)?;
        let using_clause = self.sources(using_clause)?;
        let where_clause = self.where_or_current(where_clause, use_index)?;
        let (returning_clause, columns) = self.returning(returning_clause)?;
        let delete = DeleteStmt {
            relation: Some(self.forwarded(use_index, alias)?),
            using_clause,
            where_clause,
            returning_clause,
            with_clause,
        };
        Ok((delete, columns))
    }

    pub(crate) fn write_target(
        &mut self,
        relation: Option<RangeVar>,
        action: Action,
    ) -> Result<(usize, RangeVar), Refusal> {
        let name = relation.ok_or_else(|| Refusal::syntax("no relation is named"))?;
        let relation = self.find_relation(&name, action)?;
        let is_writable = relation.is_writable();
        // INSERT finds the partition itself and touches no child of a plain table.
        let is_insert = action == Action::Insert;
        let is_partitioned = relation.kind == RelationKind::Partitioned;
        let reach = if is_insert && !is_partitioned { Reach::Only } else { names::reach(&name) };
        let use_index = self.use_relation(relation, action, reach);
        if !is_writable {
            return Err(Refusal::later("not_supported_view_write", "writing to a view"));
        }
        Ok((use_index, name))
    }

    /// Makes the target known to the clauses behind it, but not to FROM.
    pub(crate) fn target_item(
        &mut self,
        use_index: usize,
        name: RangeVar,
    ) -> Result<Option<pg_query::protobuf::Alias>, Refusal> {
        let alias = names::checked_alias(name.alias)?;
        let mut item = self.relation_item(use_index, alias.as_ref())?;
        item.beside = Beside::Forbidden;
        self.items().push(item);
        Ok(alias)
    }

    /// The columns of INSERT. If none is named, as many of the relation as the source has.
    pub(crate) fn insert_columns(
        &mut self,
        use_index: usize,
        cols: Vec<Node>,
        width: Option<usize>,
    ) -> Result<Vec<Node>, Refusal> {
        let mut named = Vec::with_capacity(cols.len());
        for column in cols {
            let Some(NodeEnum::ResTarget(target)) = column.node else {
                return Err(Refusal::syntax("not a column"));
            };
            let ResTarget { name, indirection, val, location } = *target;
            if val.is_some() {
                return Err(Refusal::syntax("not a column"));
            }
            let part = self.written_part(use_index, &name, indirection)?;
            named.push((name, part, location));
        }
        if named.is_empty() {
            let used = self.uses.get(use_index).ok_or_else(Refusal::mismatch)?;
            let columns = used.relation.columns.iter().take(width.unwrap_or(0));
            named = columns.map(|column| (column.name.clone(), Vec::new(), -1)).collect();
        }
        let mut checked = Vec::with_capacity(named.len());
        for (name, part, location) in named {
            self.write_column(use_index, Action::Insert, &name)
                .map_err(|refusal| refusal.at(location))?;
            checked.push(column_target(&name, part, None));
        }
        Ok(checked)
    }

    /// The subscripts behind a column that is written in part: the rest of its value stays.
    fn written_part(
        &mut self,
        use_index: usize,
        name: &str,
        part: Vec<Node>,
    ) -> Result<Vec<Node>, Refusal> {
        let used = self.uses.get(use_index).ok_or_else(Refusal::mismatch)?;
        let column = used.relation.column(name).map(|(_, column)| column);
        let is_own = column
            .is_some_and(|column| column.mask.is_none() && column.exact_type < FIRST_USER_OID);
        if !part.is_empty() && !is_own {
            return Err(Refusal::later("not_supported_part", "writing a part of this column"));
        }
        self.subscripts(part)
    }

    pub(crate) fn write_column(
        &mut self,
        use_index: usize,
        action: Action,
        name: &str,
    ) -> Result<(), Refusal> {
        let used = self.uses.get(use_index).ok_or_else(Refusal::mismatch)?;
        if used.relation.column(name).is_none() {
            return Err(Refusal::unknown_column_of(name, &used.relation.name.name));
        }
        self.touch(use_index, action, Some(name));
        Ok(())
    }

    /// VALUES, where DEFAULT may stand, or a query, whose result is written and so not masked.
    fn insert_source(
        &mut self,
        source: Node,
        guards: &[Option<Arc<Guard>>],
    ) -> Result<(Node, usize, Columns), Refusal> {
        match source.node {
            Some(NodeEnum::SelectStmt(query)) if is_plain_values(&query) => {
                let mut width = 0;
                let mut rows = Vec::with_capacity(query.values_lists.len());
                for row in query.values_lists {
                    let Some(NodeEnum::List(List { items })) = row.node else {
                        return Err(Refusal::syntax("VALUES without a row"));
                    };
                    let items = self.guarded_values(items, guards)?;
                    width = items.len();
                    rows.push(tree::list(items));
                }
                let SelectStmt { limit_option, op, .. } = *query;
                let values =
                    SelectStmt { values_lists: rows, limit_option, op, ..SelectStmt::default() };
                Ok((tree::node(NodeEnum::SelectStmt(Box::new(values))), width, Columns::new()))
            }
            inner => {
                let query = Some(Box::new(Node { node: inner }));
                let (query, columns) = self.guarded(guards.iter().flatten().cloned(), |walk| {
                    walk.guard_all();
                    walk.unmasked_query(query)
                })?;
                Ok((query, columns.len(), columns))
            }
        }
    }

    /// The SET list of UPDATE or ON CONFLICT.
    pub(crate) fn assignments(
        &mut self,
        targets: Vec<Node>,
        use_index: usize,
        action: Action,
    ) -> Result<Vec<Node>, Refusal> {
        let mut checked = Vec::with_capacity(targets.len());
        for target in targets {
            let Some(NodeEnum::ResTarget(target)) = target.node else {
                return Err(Refusal::syntax("not an assignment"));
            };
            let ResTarget { name, indirection, val, location } = *target;
            let part = self.written_part(use_index, &name, indirection)?;
            self.write_column(use_index, action, &name).map_err(|refusal| refusal.at(location))?;
            if !part.is_empty() {
                // Whether the part can be written depends on what is there.
                self.touch(use_index, Action::Select, Some(&name));
            }
            let value = val.ok_or_else(|| Refusal::syntax("an assignment has no value"))?;
            let guard = self.guard_of(use_index, &name, action);
            let value = self.guarded(guard, |walk| walk.written_value(*value, Some(())))?;
            if let Some(target) = self.written_type(use_index, &name) {
                self.check_conversion(target, &value)?;
            }
            checked.push(column_target(&name, part, Some(value)));
        }
        Ok(checked)
    }

    /// An expression, DEFAULT or, in an assignment, one column of a row.
    pub(crate) fn written_value(
        &mut self,
        value: Node,
        assignment: Option<()>,
    ) -> Result<Node, Refusal> {
        match value.node {
            Some(NodeEnum::SetToDefault(_)) => {
                let default = SetToDefault { location: NOWHERE, ..SetToDefault::default() };
                Ok(tree::node(NodeEnum::SetToDefault(Box::new(default))))
            }
            Some(NodeEnum::MultiAssignRef(part)) if assignment.is_some() => {
                let MultiAssignRef { source, colno, ncolumns } = *part;
                let source = Some(Box::new(self.assigned_row(source, colno)?));
                let part = MultiAssignRef { source, colno, ncolumns };
                Ok(tree::node(NodeEnum::MultiAssignRef(Box::new(part))))
            }
            inner => self.expr(Node { node: inner }),
        }
    }

    /// The row of which one column, counted from 1, is assigned.
    fn assigned_row(&mut self, source: Option<Box<Node>>, number: i32) -> Result<Node, Refusal> {
        match source.and_then(|source| source.node) {
            Some(NodeEnum::RowExpr(mut row)) => {
                let args = std::mem::take(&mut row.args);
                let own = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
                let guards: Vec<Arc<Guard>> = self.guarding.clone();
                let guards = |place| if own == Some(place) { guards.clone() } else { Vec::new() };
                let args = self.row_values(args, guards)?;
                let checked = pg_query::protobuf::RowExpr {
                    args,
                    row_format: row.row_format,
                    location: NOWHERE,
                    ..pg_query::protobuf::RowExpr::default()
                };
                Ok(tree::node(NodeEnum::RowExpr(Box::new(checked))))
            }
            Some(NodeEnum::SubLink(link)) => self.subquery_expr(*link),
            Some(other) => Err(unsupported(&other)),
            None => Err(Refusal::syntax("an assignment has no value")),
        }
    }

    pub(crate) fn returning(
        &mut self,
        clause: Option<ReturningClause>,
    ) -> Result<(Option<ReturningClause>, Columns), Refusal> {
        let Some(ReturningClause { options, exprs }) = clause else {
            return Ok((None, Columns::new()));
        };
        if !options.is_empty() {
            return Err(Refusal::later("not_supported_returning_options", "RETURNING WITH"));
        }
        let (exprs, columns) = self.targets(exprs)?;
        Ok((Some(ReturningClause { options, exprs }), columns))
    }
}

/// A column as INSERT and SET name it.
fn column_target(name: &str, part: Vec<Node>, value: Option<Node>) -> Node {
    tree::node(NodeEnum::ResTarget(Box::new(ResTarget {
        name: name.to_owned(),
        indirection: part,
        val: value.map(Box::new),
        location: NOWHERE,
    })))
}

/// `VALUES (…), (…)` with nothing around it.
fn is_plain_values(query: &SelectStmt) -> bool {
    !query.values_lists.is_empty()
        && query.sort_clause.is_empty()
        && query.limit_count.is_none()
        && query.limit_offset.is_none()
        && query.locking_clause.is_empty()
        && query.with_clause.is_none()
}
