//! SELECT and VALUES: the clauses of one query, set operations, WITH.

use pg_query::protobuf::{
    CommonTableExpr, CteMaterialize, LimitOption, SelectStmt, SetOperation, WithClause,
};
use pg_query::{Node, NodeEnum};

use crate::scope::{CommonTable, Value};
use crate::tree::{self, NOWHERE};
use crate::unsupported::unsupported;
use crate::walk::Walk;
use crate::{Refusal, types};

/// The columns of a query's result, by name.
pub(crate) type Columns = Vec<(String, Value)>;

impl Walk<'_> {
    /// Checks a query with names of its own, inside all that surrounds it.
    pub(crate) fn query(&mut self, query: SelectStmt) -> Result<(SelectStmt, Columns), Refusal> {
        self.nested(|walk| walk.query_here(query, None))
    }

    /// As [`Walk::query`], from a node that must be one.
    pub(crate) fn query_node(
        &mut self,
        node: Option<Box<Node>>,
    ) -> Result<(SelectStmt, Columns), Refusal> {
        match node.and_then(|node| node.node) {
            Some(NodeEnum::SelectStmt(query)) => self.query(*query),
            Some(other) => Err(unsupported(&other)),
            None => Err(Refusal::syntax("a query is missing")),
        }
    }

    /// A query whose result is computed with: none of its columns may be masked.
    pub(crate) fn unmasked_query(
        &mut self,
        node: Option<Box<Node>>,
    ) -> Result<(Node, Columns), Refusal> {
        let (query, columns) = self.query_node(node)?;
        self.refuse_masked(&columns)?;
        Ok((tree::node(NodeEnum::SelectStmt(Box::new(query))), columns))
    }

    pub(crate) fn refuse_masked(&self, columns: &[(String, Value)]) -> Result<(), Refusal> {
        match columns.iter().find(|(_, value)| self.mask_of(value).is_some()) {
            Some((name, _)) => Err(Refusal::masked(name)),
            None => Ok(()),
        }
    }

    /// Checks a query at the present level. If it is the body of a recursive common table, that
    /// table becomes known behind the left side of its UNION.
    #[expect(clippy::too_many_lines, reason = "each field of a query is named once, in one place")]
    pub(crate) fn query_here(
        &mut self,
        query: SelectStmt,
        recursive: Option<&CommonTableExpr>,
    ) -> Result<(SelectStmt, Columns), Refusal> {
        let SelectStmt {
            distinct_clause,
            into_clause,
            target_list,
            from_clause,
            where_clause,
            group_clause,
            group_distinct,
            having_clause,
            window_clause,
            values_lists,
            sort_clause,
            limit_offset,
            limit_count,
            limit_option,
            mut locking_clause,
            with_clause,
            op,
            all,
            larg,
            rarg,
        } = query;
        if into_clause.is_some() {
            return Err(Refusal::never("definition_not_allowed", "SELECT INTO is not allowed"));
        }
        let limit_option = known_limit(limit_option)?;
        if let (Some(table), Some(with)) = (recursive, &with_clause) {
            refuse_shadowing(&table.ctename, &with.ctes)?;
        }
        let with_clause = with_clause.map(|with| self.with(with)).transpose()?;
        let mut checked = SelectStmt {
            limit_option,
            with_clause,
            op,
            all,
            group_distinct,
            ..SelectStmt::default()
        };
        let columns = match SetOperation::try_from(op) {
            Ok(SetOperation::SetopNone) if !values_lists.is_empty() => {
                let (rows, columns) = self.values(values_lists)?;
                checked.values_lists = rows;
                checked.sort_clause = self.sort_outputs(sort_clause, &columns)?;
                columns
            }
            Ok(SetOperation::SetopNone) => {
                checked.from_clause = self.sources(from_clause)?;
                let (targets, columns) = self.targets(target_list)?;
                checked.target_list = targets;
                checked.where_clause = self.expr_option(where_clause)?;
                checked.group_clause = self.group(group_clause, &columns)?;
                checked.having_clause = self.expr_option(having_clause)?;
                checked.window_clause = self.windows(window_clause)?;
                checked.distinct_clause = self.distinct(distinct_clause, &columns)?;
                checked.sort_clause = self.sort(sort_clause, &columns)?;
                checked.locking_clause = self.row_locks(std::mem::take(&mut locking_clause))?;
                columns
            }
            Ok(
                SetOperation::SetopUnion | SetOperation::SetopIntersect | SetOperation::SetopExcept,
            ) => {
                let (left, columns) = self.arm(larg)?;
                if let Some(table) = recursive {
                    self.define(common_table(table, &columns)?);
                }
                let (right, _) = self.arm(rarg)?;
                checked.larg = Some(left);
                checked.rarg = Some(right);
                checked.sort_clause = self.sort_outputs(sort_clause, &columns)?;
                columns
            }
            Ok(SetOperation::Undefined) | Err(_) => {
                return Err(Refusal::syntax("unknown set operation"));
            }
        };
        if !locking_clause.is_empty() {
            return Err(Refusal::syntax("FOR UPDATE and FOR SHARE need a simple SELECT"));
        }
        checked.limit_offset = self.expr_option(limit_offset)?;
        checked.limit_count = self.expr_option(limit_count)?;
        Ok((checked, columns))
    }

    /// One side of a set operation. Rows are compared, and a mask would be compared with values.
    fn arm(&mut self, arm: Option<Box<SelectStmt>>) -> Result<(Box<SelectStmt>, Columns), Refusal> {
        let arm = arm.ok_or_else(|| Refusal::syntax("a set operation lacks a side"))?;
        let (query, columns) = self.query(*arm)?;
        self.refuse_masked(&columns)?;
        columns.iter().try_for_each(|(_, value)| types::check_computable(value))?;
        let computed = columns.into_iter().map(|(name, _)| (name, Value::computed())).collect();
        Ok((Box::new(query), computed))
    }

    fn values(&mut self, lists: Vec<Node>) -> Result<(Vec<Node>, Columns), Refusal> {
        let mut width = 0;
        let mut rows = Vec::with_capacity(lists.len());
        for row in lists {
            let Some(NodeEnum::List(items)) = row.node else {
                return Err(Refusal::syntax("VALUES without a row"));
            };
            if items.items.len() > width {
                self.reserve_outputs(0, items.items.len())?;
            }
            width = items.items.len();
            rows.push(tree::list(self.row_items(items.items)?));
        }
        let columns = (1..=width).map(|place| (format!("column{place}"), Value::computed()));
        Ok((rows, columns.collect()))
    }

    /// WITH: each query is checked in order and known to those behind it.
    pub(crate) fn with(&mut self, with: WithClause) -> Result<WithClause, Refusal> {
        let WithClause { ctes, recursive, location: _ } = with;
        let mut tables = Vec::with_capacity(ctes.len());
        for cte in ctes {
            let Some(NodeEnum::CommonTableExpr(table)) = cte.node else {
                return Err(Refusal::syntax("WITH without a query"));
            };
            tables.push(*table);
        }
        if recursive {
            // A query may name any of them, so until one is known its name means nothing else.
            for table in &tables {
                self.define(CommonTable { name: table.ctename.clone(), columns: None });
            }
        }
        let mut checked = Vec::with_capacity(tables.len());
        for table in tables {
            let table = self.common_table_expr(table, recursive)?;
            checked.push(tree::node(NodeEnum::CommonTableExpr(Box::new(table))));
        }
        Ok(WithClause { ctes: checked, recursive, location: NOWHERE })
    }

    fn common_table_expr(
        &mut self,
        mut table: CommonTableExpr,
        recursive: bool,
    ) -> Result<CommonTableExpr, Refusal> {
        let (query, columns) = match table.ctequery.take().and_then(|node| node.node) {
            Some(NodeEnum::SelectStmt(body)) => {
                let (query, columns) =
                    self.nested(|walk| walk.query_here(*body, recursive.then_some(&table)))?;
                (NodeEnum::SelectStmt(Box::new(query)), columns)
            }
            Some(writing) => {
                let (written, columns, _) = self.nested(|walk| walk.statement(writing))?;
                (written, columns)
            }
            None => return Err(Refusal::syntax("WITH without a query")),
        };
        self.define(common_table(&table, &columns)?);
        let CommonTableExpr {
            ctename,
            aliascolnames,
            ctematerialized,
            ctequery: _,
            search_clause,
            cycle_clause,
            location: _,
            cterecursive: _,
            cterefcount: _,
            ctecolnames: _,
            ctecoltypes: _,
            ctecoltypmods: _,
            ctecolcollations: _,
        } = table;
        if search_clause.is_some() || cycle_clause.is_some() {
            return Err(Refusal::later("not_supported_search_cycle", "SEARCH or CYCLE"));
        }
        match CteMaterialize::try_from(ctematerialized) {
            Ok(CteMaterialize::Default | CteMaterialize::Always | CteMaterialize::Never) => {}
            Ok(CteMaterialize::CtematerializeUndefined) | Err(_) => {
                return Err(Refusal::syntax("unknown kind of WITH"));
            }
        }
        Ok(CommonTableExpr {
            ctename,
            aliascolnames,
            ctematerialized,
            ctequery: Some(Box::new(tree::node(query))),
            location: NOWHERE,
            ..CommonTableExpr::default()
        })
    }
}

/// The table that a WITH query makes: its columns under the names that WITH gives them.
fn common_table(
    table: &CommonTableExpr,
    columns: &[(String, Value)],
) -> Result<CommonTable, Refusal> {
    let renamed = rename(columns, &table.aliascolnames)?;
    Ok(CommonTable { name: table.ctename.clone(), columns: Some(renamed) })
}

/// Columns under the names of an alias; those behind its last name keep theirs.
pub(crate) fn rename(columns: &[(String, Value)], names: &[Node]) -> Result<Columns, Refusal> {
    let names = tree::as_texts(names).ok_or_else(|| Refusal::syntax("not a list of names"))?;
    if names.len() > columns.len() {
        return Err(Refusal::syntax("an alias names more columns than there are"));
    }
    let mut columns = columns.to_vec();
    for ((column, _), name) in columns.iter_mut().zip(names) {
        name.clone_into(column);
    }
    Ok(columns)
}

/// The name of a query of WITH RECURSIVE means that query in its own UNION, whatever else the
/// gateway and the target could take it for.
fn refuse_shadowing(name: &str, tables: &[Node]) -> Result<(), Refusal> {
    let is_named = |table: &Node| match &table.node {
        Some(NodeEnum::CommonTableExpr(table)) => table.ctename == name,
        Some(_) | None => false,
    };
    if tables.iter().any(is_named) {
        return Err(Refusal::later(
            "not_supported_shadowing_with",
            "a query of WITH RECURSIVE with a query of the same name inside",
        )
        .with_hint("Give the inner query another name."));
    }
    Ok(())
}

fn known_limit(option: i32) -> Result<i32, Refusal> {
    match LimitOption::try_from(option) {
        Ok(LimitOption::Default | LimitOption::Count | LimitOption::WithTies) => Ok(option),
        Ok(LimitOption::Undefined) | Err(_) => Err(Refusal::syntax("unknown kind of LIMIT")),
    }
}
