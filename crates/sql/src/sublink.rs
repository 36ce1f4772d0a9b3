//! Subqueries inside expressions. Their result is computed with, so nothing masked may be in it.

use pg_query::protobuf::{ResTarget, SelectStmt, SetOperation, SubLink, SubLinkType};
use pg_query::{Node, NodeEnum};

use crate::Refusal;
use crate::operation::operator_name;
use crate::tree::{self, NOWHERE};
use crate::walk::Walk;

impl Walk<'_> {
    pub(crate) fn subquery_expr(&mut self, link: SubLink) -> Result<Node, Refusal> {
        let SubLink {
            xpr: _,
            sub_link_type,
            sub_link_id: _,
            testexpr,
            oper_name,
            mut subselect,
            location: _,
        } = link;
        match SubLinkType::try_from(sub_link_type) {
            Ok(SubLinkType::ExistsSublink) => ignore_star(subselect.as_deref_mut()),
            Ok(
                SubLinkType::AllSublink
                | SubLinkType::AnySublink
                | SubLinkType::ExprSublink
                | SubLinkType::ArraySublink,
            ) => {}
            Ok(
                SubLinkType::Undefined
                | SubLinkType::RowcompareSublink
                | SubLinkType::MultiexprSublink
                | SubLinkType::CteSublink,
            )
            | Err(_) => return Err(Refusal::syntax("unknown kind of subquery")),
        }
        let testexpr = self.expr_option(testexpr)?;
        let oper_name = if oper_name.is_empty() { oper_name } else { operator_name(&oper_name)? };
        let (query, _) = self.unmasked_query(subselect)?;
        let checked = SubLink {
            sub_link_type,
            testexpr,
            oper_name,
            subselect: Some(Box::new(query)),
            location: NOWHERE,
            ..SubLink::default()
        };
        Ok(tree::node(NodeEnum::SubLink(Box::new(checked))))
    }
}

/// `EXISTS (SELECT * …)` asks for rows, not for columns, so `*` is written as a constant.
fn ignore_star(query: Option<&mut Node>) {
    let Some(NodeEnum::SelectStmt(query)) = query.and_then(|node| node.node.as_mut()) else {
        return;
    };
    let SelectStmt { op, distinct_clause, sort_clause, group_clause, target_list, .. } =
        &mut **query;
    let is_simple = *op == SetOperation::SetopNone as i32
        && distinct_clause.is_empty()
        && sort_clause.is_empty()
        && group_clause.is_empty();
    if is_simple
        && let [target] = target_list.as_mut_slice()
        && is_star_target(target)
    {
        *target = tree::target("", tree::integer(1));
    }
}

fn is_star_target(target: &Node) -> bool {
    let Some(NodeEnum::ResTarget(target)) = &target.node else { return false };
    let ResTarget { val, .. } = &**target;
    match val.as_deref().and_then(|value| value.node.as_ref()) {
        Some(NodeEnum::ColumnRef(column)) => column.fields.last().is_some_and(tree::is_star),
        Some(_) | None => false,
    }
}
