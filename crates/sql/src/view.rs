//! Whether a view hides rows.
//!
//! A view that does is usable only as a security barrier: without, PostgreSQL may try a query's
//! own conditions on rows before the view's, and an error or the time taken tells of hidden rows.
//!
//! Source: PostgreSQL manual, 39.5 "Rules and Privileges".

use pg_query::protobuf::{JoinExpr, JoinType, RangeSubselect, SelectStmt, SetOperation};
use pg_query::{Node, NodeEnum};

use crate::analyse;

/// Why a view that hides rows cannot be used.
pub(crate) const LEAKS: &str = "it hides rows, and a query's conditions can run before its own. \
     Its owner can change that: ALTER VIEW ... SET (security_barrier)";

/// True if the view's definition may leave rows out. What cannot be read does.
pub(crate) fn hides_rows(definition: &str) -> bool {
    match analyse::parse_one(definition) {
        Ok(Some(NodeEnum::SelectStmt(query))) => !keeps_rows(&query),
        Ok(Some(_) | None) | Err(_) => true,
    }
}

/// True if every row of what a query reads is in its result.
fn keeps_rows(query: &SelectStmt) -> bool {
    let has_limit = query.limit_count.is_some() || query.limit_offset.is_some();
    let has_condition = query.where_clause.is_some() || query.having_clause.is_some();
    let with = query.with_clause.iter().flat_map(|with| &with.ctes);
    let arms_keep = match SetOperation::try_from(query.op) {
        Ok(SetOperation::SetopNone) => true,
        Ok(SetOperation::SetopUnion) => {
            let arms = [query.larg.as_deref(), query.rarg.as_deref()];
            arms.into_iter().all(|arm| arm.is_some_and(keeps_rows))
        }
        Ok(SetOperation::SetopIntersect | SetOperation::SetopExcept | SetOperation::Undefined)
        | Err(_) => false,
    };
    // DISTINCT ON keeps one row of many; DISTINCT alone holds one empty node.
    let is_distinct_on = query.distinct_clause.iter().any(|item| item.node.is_some());
    !has_limit
        && !has_condition
        && !is_distinct_on
        && arms_keep
        && with.filter_map(|table| table.node.as_ref()).all(common_table_keeps)
        && query.from_clause.iter().all(source_keeps)
}

fn common_table_keeps(table: &NodeEnum) -> bool {
    let NodeEnum::CommonTableExpr(table) = table else { return false };
    table.ctequery.as_deref().is_some_and(query_keeps)
}

fn query_keeps(query: &Node) -> bool {
    matches!(&query.node, Some(NodeEnum::SelectStmt(query)) if keeps_rows(query))
}

fn source_keeps(source: &Node) -> bool {
    match &source.node {
        Some(NodeEnum::RangeVar(_) | NodeEnum::RangeFunction(_)) => true,
        Some(NodeEnum::RangeSubselect(subquery)) => {
            let RangeSubselect { lateral: _, subquery, alias: _ } = &**subquery;
            subquery.as_deref().is_some_and(query_keeps)
        }
        Some(NodeEnum::JoinExpr(join)) => {
            let JoinExpr { jointype, is_natural, larg, rarg, using_clause, quals, .. } = &**join;
            let is_cross = *jointype == JoinType::JoinInner as i32
                && !is_natural
                && using_clause.is_empty()
                && quals.is_none();
            let mut sides = [larg, rarg].into_iter();
            is_cross && sides.all(|side| side.as_deref().is_some_and(source_keeps))
        }
        Some(_) | None => false,
    }
}
