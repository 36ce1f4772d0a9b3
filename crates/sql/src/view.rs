//! Whether a view hides rows.
//!
//! A view that does is usable only as a security barrier: without, PostgreSQL may try a query's
//! own conditions on rows before the view's, and an error or the time taken tells of hidden rows.
//! A join hides the rows of one side that find none on the other, also where it has no condition:
//! the other side may be empty. So does a function of FROM beside a relation, and one that returns
//! a set in the place of a value, which may be empty too.
//!
//! Source: PostgreSQL manual, 39.5 "Rules and Privileges"; 38.5.9 "SQL Functions Returning Sets".

use std::collections::BTreeSet;

use model::{Action, RelationName};
use pg_query::protobuf::{RangeSubselect, ScanToken, SelectStmt, SetOperation, Token};
use pg_query::{Node, NodeEnum};

use crate::{analyse, functions};

/// Why a view that hides rows cannot be used.
pub(crate) const LEAKS: &str = "it hides rows, and a query's conditions can run before its own. \
     Its owner can change that: ALTER VIEW ... SET (security_barrier)";

/// What a definition may use while it is judged: every relation, but none of the database's own
/// functions. What these show or hide is not seen from here.
pub(crate) fn granted(relation: &RelationName, action: Action) -> BTreeSet<String> {
    if action == Action::Execute {
        return BTreeSet::new();
    }
    BTreeSet::from([relation.name.clone()])
}

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
        && !makes_sets(query)
        && query.from_clause.len() <= 1
        && query.from_clause.iter().all(source_keeps)
}

/// True if a query may call a function that returns a set anywhere but in its FROM and WITH.
fn makes_sets(query: &SelectStmt) -> bool {
    let rest = SelectStmt {
        from_clause: Vec::new(),
        with_clause: None,
        larg: None,
        rarg: None,
        op: SetOperation::SetopNone as i32,
        ..query.clone()
    };
    // Either arm of UNION is looked at by itself; both share one ORDER BY, over names.
    if rest.target_list.is_empty() && rest.values_lists.is_empty() {
        return query.op == SetOperation::SetopNone as i32 && !query.from_clause.is_empty();
    }
    let Ok(text) = analyse::write_out(NodeEnum::SelectStmt(Box::new(rest))) else { return true };
    let Ok(scanned) = pg_query::scan(&text) else { return true };
    let is_set = |token: &ScanToken| {
        let ends = (usize::try_from(token.start), usize::try_from(token.end));
        let (Ok(start), Ok(end)) = ends else { return true };
        text.get(start..end).is_none_or(|name| functions::returns_set(name.trim_matches('"')))
    };
    let mut pairs = scanned.tokens.iter().zip(scanned.tokens.iter().skip(1));
    pairs.any(|(name, next)| next.token() == Token::Ascii40 && is_set(name))
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
        Some(_) | None => false,
    }
}
