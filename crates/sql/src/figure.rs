//! The name that PostgreSQL gives an output column that has none of its own.
//!
//! Source: `FigureColnameInternal` in PostgreSQL's `parse_target.c`.

use pg_query::protobuf::{
    AExprKind, JsonExprOp, MinMaxOp, SelectStmt, SetOperation, SqlValueFunctionOp, SubLinkType,
};
use pg_query::{Node, NodeEnum};

use crate::tree;

/// The name of what cannot be named.
const NAMELESS: &str = "?column?";

/// The name of a target's value.
pub(crate) fn column_name(value: &Node) -> String {
    figure(value).map_or_else(|| NAMELESS.to_owned(), |(name, _)| name)
}

/// How good a name is: a cast's type gives way to a name of the value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Strength {
    Weak,
    Strong,
}

#[expect(clippy::wildcard_enum_match_arm, reason = "all other nodes have no name")]
fn figure(value: &Node) -> Option<(String, Strength)> {
    let strong = |name: &str| Some((name.to_owned(), Strength::Strong));
    let last = |names: &[Node]| names.iter().rev().find_map(tree::as_text).map(str::to_owned);
    match value.node.as_ref()? {
        NodeEnum::ColumnRef(column) => last(&column.fields).map(|name| (name, Strength::Strong)),
        NodeEnum::AIndirection(part) => match last(&part.indirection) {
            Some(name) => Some((name, Strength::Strong)),
            None => figure(part.arg.as_deref()?),
        },
        NodeEnum::FuncCall(call) => last(&call.funcname).map(|name| (name, Strength::Strong)),
        NodeEnum::AExpr(operation) if operation.kind == AExprKind::AexprNullif as i32 => {
            strong("nullif")
        }
        NodeEnum::TypeCast(cast) => match cast.arg.as_deref().and_then(figure) {
            Some((name, Strength::Strong)) => strong(&name),
            Some((_, Strength::Weak)) | None => {
                last(&cast.type_name.as_ref()?.names).map(|name| (name, Strength::Weak))
            }
        },
        NodeEnum::CollateClause(collate) => figure(collate.arg.as_deref()?),
        NodeEnum::GroupingFunc(_) => strong("grouping"),
        NodeEnum::JsonParseExpr(_) => strong("json"),
        NodeEnum::JsonScalarExpr(_) => strong("json_scalar"),
        NodeEnum::JsonSerializeExpr(_) => strong("json_serialize"),
        NodeEnum::JsonObjectConstructor(_) => strong("json_object"),
        NodeEnum::JsonArrayConstructor(_) | NodeEnum::JsonArrayQueryConstructor(_) => {
            strong("json_array")
        }
        NodeEnum::JsonObjectAgg(_) => strong("json_objectagg"),
        NodeEnum::JsonArrayAgg(_) => strong("json_arrayagg"),
        NodeEnum::JsonFuncExpr(call) => match JsonExprOp::try_from(call.op).ok()? {
            JsonExprOp::JsonExistsOp => strong("json_exists"),
            JsonExprOp::JsonQueryOp => strong("json_query"),
            JsonExprOp::JsonValueOp => strong("json_value"),
            JsonExprOp::JsonTableOp | JsonExprOp::Undefined => None,
        },
        NodeEnum::MergeSupportFunc(_) => strong("merge_action"),
        NodeEnum::SubLink(link) => match SubLinkType::try_from(link.sub_link_type).ok()? {
            SubLinkType::ExistsSublink => strong("exists"),
            SubLinkType::ArraySublink => strong("array"),
            SubLinkType::ExprSublink => match link.subselect.as_deref()?.node.as_ref()? {
                NodeEnum::SelectStmt(query) => strong(&first_name(query)?),
                _ => None,
            },
            SubLinkType::Undefined
            | SubLinkType::AllSublink
            | SubLinkType::AnySublink
            | SubLinkType::RowcompareSublink
            | SubLinkType::MultiexprSublink
            | SubLinkType::CteSublink => None,
        },
        NodeEnum::CaseExpr(case) => match case.defresult.as_deref().and_then(figure) {
            Some((name, Strength::Strong)) => strong(&name),
            Some((_, Strength::Weak)) | None => Some(("case".to_owned(), Strength::Weak)),
        },
        NodeEnum::AArrayExpr(_) => strong("array"),
        NodeEnum::RowExpr(_) => strong("row"),
        NodeEnum::CoalesceExpr(_) => strong("coalesce"),
        NodeEnum::MinMaxExpr(extreme) if extreme.op == MinMaxOp::IsGreatest as i32 => {
            strong("greatest")
        }
        NodeEnum::MinMaxExpr(_) => strong("least"),
        NodeEnum::SqlvalueFunction(keyword) => {
            strong(keyword_name(SqlValueFunctionOp::try_from(keyword.op).ok()?))
        }
        _ => None,
    }
}

/// The name of a query's first column. A star is not expanded here: it then has no name.
#[expect(clippy::wildcard_enum_match_arm, reason = "all other nodes are no target")]
fn first_name(query: &SelectStmt) -> Option<String> {
    if query.op != SetOperation::SetopNone as i32 {
        return first_name(query.larg.as_deref()?);
    }
    if !query.values_lists.is_empty() {
        return Some("column1".to_owned());
    }
    match query.target_list.first()?.node.as_ref()? {
        NodeEnum::ResTarget(target) if target.name.is_empty() => {
            Some(column_name(target.val.as_deref()?))
        }
        NodeEnum::ResTarget(target) => Some(target.name.clone()),
        _ => None,
    }
}

fn keyword_name(keyword: SqlValueFunctionOp) -> &'static str {
    match keyword {
        SqlValueFunctionOp::SvfopCurrentDate => "current_date",
        SqlValueFunctionOp::SvfopCurrentTime | SqlValueFunctionOp::SvfopCurrentTimeN => {
            "current_time"
        }
        SqlValueFunctionOp::SvfopCurrentTimestamp | SqlValueFunctionOp::SvfopCurrentTimestampN => {
            "current_timestamp"
        }
        SqlValueFunctionOp::SvfopLocaltime | SqlValueFunctionOp::SvfopLocaltimeN => "localtime",
        SqlValueFunctionOp::SvfopLocaltimestamp | SqlValueFunctionOp::SvfopLocaltimestampN => {
            "localtimestamp"
        }
        SqlValueFunctionOp::SvfopCurrentRole => "current_role",
        SqlValueFunctionOp::SvfopCurrentUser => "current_user",
        SqlValueFunctionOp::SvfopUser => "user",
        SqlValueFunctionOp::SvfopSessionUser => "session_user",
        SqlValueFunctionOp::SvfopCurrentCatalog => "current_catalog",
        SqlValueFunctionOp::SvfopCurrentSchema => "current_schema",
        SqlValueFunctionOp::SqlvalueFunctionOpUndefined => NAMELESS,
    }
}
