//! What an expression stands for beyond its type, and how a number is shown as a name.

use pg_query::protobuf::FuncCall;
use pg_query::{Node, NodeEnum};

use crate::catalog_call::INFORMATION_SCHEMA;
use crate::reg::Reg;
use crate::shown::{self, Fill};
use crate::tree::{self, SYSTEM_SCHEMA};
use crate::walk::Walk;
use crate::{Refusal, analyse, scope};

/// What a value stands for beyond its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// Nothing.
    Plain,
    /// A number that the client asked for as a name.
    Named(Reg),
    /// A row of `information_schema._pg_expandarray`.
    Expanded,
}

impl Meaning {
    /// Of a column whose type shows a number as a name.
    pub(crate) fn of_column(type_name: &str) -> Self {
        Reg::of(type_name).map_or(Self::Plain, Self::Named)
    }
}

impl Walk<'_> {
    /// What an expression of the client's stands for, before it is walked.
    pub(crate) fn meaning_of(&self, node: &Node) -> Meaning {
        match &node.node {
            Some(NodeEnum::TypeCast(cast)) => {
                let named = cast.type_name.as_ref().and_then(Reg::of_type);
                named.map_or(Meaning::Plain, Meaning::Named)
            }
            // Looking a name up costs, and few statements have one that means more.
            Some(NodeEnum::ColumnRef(column)) if self.has_names => {
                let parts = tree::as_texts(&column.fields);
                let found = parts.and_then(|parts| scope::resolve(&self.levels, &parts).ok());
                found.map_or(Meaning::Plain, |found| found.column.value.meaning)
            }
            Some(NodeEnum::FuncCall(call)) => meaning_of_call(call),
            Some(_) | None => Meaning::Plain,
        }
    }

    /// An expression as the client means to see it: a number that it asked for as a name is one.
    pub(crate) fn seen_expr(&mut self, node: Node) -> Result<Node, Refusal> {
        let meaning = self.meaning_of(&node);
        let checked = self.expr(node)?;
        match meaning {
            Meaning::Named(reg) => self.named(reg, &checked),
            Meaning::Plain | Meaning::Expanded => Ok(checked),
        }
    }

    /// A checked number as the name of what it stands for.
    pub(crate) fn named(&mut self, reg: Reg, number: &Node) -> Result<Node, Refusal> {
        let number = analyse::expression_text(number)?;
        let n = format!("({number})::pg_catalog.oid");
        let name = reg.type_name();
        let shown_if = |condition: &str| {
            format!(
                "CASE WHEN {condition} THEN {n}::pg_catalog.{name}::pg_catalog.text \
                 ELSE {n}::pg_catalog.text END"
            )
        };
        let sight = self.sight();
        let fill = Fill::new(self.world, &sight);
        let text = match reg {
            Reg::Class => shown_if(&fill.is("rel", &n)),
            Reg::Type => shown_if(&fill.is("type", &n)),
            Reg::Proc
            | Reg::Procedure
            | Reg::Oper
            | Reg::Operator
            | Reg::Collation
            | Reg::Config
            | Reg::Dictionary => shown_if(&format!("{n} < 16384")),
            Reg::Namespace => format!(
                "(SELECT n.nspname::pg_catalog.text FROM pg_catalog.pg_namespace n \
                 WHERE n.oid = {n} AND (n.oid < 16384 OR {}))",
                fill.is("schema", "n.nspname")
            ),
            Reg::Role => format!(
                "CASE {n} WHEN 10 THEN {} ELSE {n}::pg_catalog.text END",
                shown::quoted(self.world.identity)
            ),
        };
        analyse::read_expression(&text).ok_or_else(Refusal::mismatch)
    }
}

fn meaning_of_call(call: &FuncCall) -> Meaning {
    match tree::as_texts(&call.funcname).as_deref() {
        Some([INFORMATION_SCHEMA, "_pg_expandarray"]) => Meaning::Expanded,
        Some([name] | [SYSTEM_SCHEMA, name]) => {
            let reg = name.strip_prefix("to_").and_then(Reg::of);
            reg.map_or(Meaning::Plain, Meaning::Named)
        }
        Some(_) | None => Meaning::Plain,
    }
}
