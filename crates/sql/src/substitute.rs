//! Puts the value's column into the expression of a partial mask.

use mask::PLACEHOLDER;
use pg_query::protobuf::{AExpr, CaseExpr, CaseWhen, CoalesceExpr, FuncCall, TypeCast};
use pg_query::{Node, NodeEnum};

use crate::{Refusal, tree};

/// The expression of a mask with `value` in the place of the placeholder.
///
/// # Errors
///
/// [`Refusal`] if the expression holds a node that no mask uses.
pub(crate) fn fill(expression: &Node, value: &Node) -> Result<Node, Refusal> {
    let mut filled = expression.clone();
    fill_node(&mut filled, value)?;
    Ok(filled)
}

fn fill_node(node: &mut Node, value: &Node) -> Result<(), Refusal> {
    match &mut node.node {
        None | Some(NodeEnum::AConst(_)) => Ok(()),
        Some(NodeEnum::ColumnRef(column)) => {
            if tree::as_texts(&column.fields).as_deref() != Some(&[PLACEHOLDER]) {
                return Err(Refusal::mismatch());
            }
            *node = value.clone();
            Ok(())
        }
        Some(NodeEnum::TypeCast(cast)) => {
            let TypeCast { arg, type_name: _, location: _ } = &mut **cast;
            fill_option(arg, value)
        }
        Some(NodeEnum::AExpr(operation)) => {
            let AExpr { lexpr, rexpr, .. } = &mut **operation;
            fill_option(lexpr, value)?;
            fill_option(rexpr, value)
        }
        Some(NodeEnum::FuncCall(call)) => {
            let FuncCall { args, .. } = &mut **call;
            fill_all(args, value)
        }
        Some(NodeEnum::CoalesceExpr(coalesce)) => {
            let CoalesceExpr { args, .. } = &mut **coalesce;
            fill_all(args, value)
        }
        Some(NodeEnum::CaseExpr(case)) => {
            let CaseExpr { arg, args, defresult, .. } = &mut **case;
            fill_option(arg, value)?;
            fill_all(args, value)?;
            fill_option(defresult, value)
        }
        Some(NodeEnum::CaseWhen(when)) => {
            let CaseWhen { expr, result, .. } = &mut **when;
            fill_option(expr, value)?;
            fill_option(result, value)
        }
        Some(_) => Err(Refusal::mismatch()),
    }
}

fn fill_option(node: &mut Option<Box<Node>>, value: &Node) -> Result<(), Refusal> {
    node.as_deref_mut().map_or(Ok(()), |node| fill_node(node, value))
}

fn fill_all(nodes: &mut [Node], value: &Node) -> Result<(), Refusal> {
    nodes.iter_mut().try_for_each(|node| fill_node(node, value))
}
