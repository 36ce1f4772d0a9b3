//! EXPLAIN: a plan shows statistics, so it is shown only over what the client may read whole.
//!
//! Row estimates come from samples of every column, and what a filter removed is counted row by
//! row. So every relation of the statement must be a plain table of which a grant covers each
//! column to select, none of them masked, and the same of the tables below it.

use std::collections::BTreeSet;

use mask::ColumnType;
use model::Action;
use pg_query::protobuf::{DefElem, DefElemAction, ExplainStmt, Integer, String as Text, a_const};
use pg_query::{Node, NodeEnum};

use crate::Refusal;
use crate::catalog::Relation;
use crate::scope::Value;
use crate::select::Columns;
use crate::tree;
use crate::walk::Walk;

/// Options that are on or off.
const SWITCHES: [&str; 9] = [
    "analyze",
    "verbose",
    "costs",
    "buffers",
    "wal",
    "timing",
    "summary",
    "generic_plan",
    "memory",
];

/// The type of the plan's column, by format (`pg_type.dat`).
const FORMATS: [(&str, u32); 4] = [("text", 25), ("json", 114), ("yaml", 25), ("xml", 142)];

/// The name of the plan's column.
const COLUMN: &str = "QUERY PLAN";

/// What EXPLAIN was asked for.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) checked: Vec<Node>,
    /// Whether the statement runs.
    pub(crate) runs: bool,
    pub(crate) type_oid: u32,
}

/// Takes the statement out of an EXPLAIN, and its options apart.
pub(crate) fn taken_apart(explain: ExplainStmt) -> Result<(NodeEnum, Options), Refusal> {
    let ExplainStmt { query, options } = explain;
    let mut checked = Vec::with_capacity(options.len());
    let (mut runs, mut type_oid) = (false, 25);
    for option in options {
        let Some(NodeEnum::DefElem(option)) = option.node else {
            return Err(Refusal::syntax("not an option of EXPLAIN"));
        };
        let DefElem { defnamespace, defname, arg, defaction, .. } = *option;
        let value = arg.as_deref().map(word).transpose()?;
        let is_plain = defnamespace.is_empty() && defaction == DefElemAction::DefelemUnspec as i32;
        let is_known = match (defname.as_str(), value.as_deref()) {
            ("format", Some(format)) => match FORMATS.iter().find(|(name, _)| *name == format) {
                Some((_, oid)) => {
                    type_oid = *oid;
                    true
                }
                None => false,
            },
            ("serialize", None | Some("none" | "off" | "text" | "binary")) => true,
            (name, value) if SWITCHES.contains(&name) => {
                let is_on = matches!(value, None | Some("on" | "true" | "1"));
                // Whatever is written twice, the last one holds.
                if name == "analyze" {
                    runs = is_on;
                }
                is_on || matches!(value, Some("off" | "false" | "0"))
            }
            _ => false,
        };
        if !is_known || !is_plain {
            return Err(Refusal::never(
                "explain_option",
                format!("option {defname} of EXPLAIN is not allowed"),
            ));
        }
        let arg = value.map(|value| Box::new(tree::text_node(&value)));
        let option = DefElem { defname, arg, defaction, ..DefElem::default() };
        checked.push(tree::node(NodeEnum::DefElem(Box::new(option))));
    }
    let statement = query.and_then(|query| query.node);
    let statement = statement.ok_or_else(|| Refusal::syntax("EXPLAIN of nothing"))?;
    if matches!(statement, NodeEnum::ExecuteStmt(_) | NodeEnum::DeclareCursorStmt(_)) {
        return Err(Refusal::later("not_supported_explain", "EXPLAIN of this statement")
            .with_hint("Explain the query itself."));
    }
    Ok((statement, Options { checked, runs, type_oid }))
}

/// The words of an option's value.
fn word(value: &Node) -> Result<String, Refusal> {
    match &value.node {
        Some(NodeEnum::String(Text { sval })) => Ok(sval.to_ascii_lowercase()),
        Some(NodeEnum::Integer(Integer { ival })) => Ok(ival.to_string()),
        Some(NodeEnum::Boolean(truth)) => Ok(if truth.boolval { "on" } else { "off" }.to_owned()),
        Some(NodeEnum::AConst(constant)) => match &constant.val {
            Some(a_const::Val::Sval(text)) => Ok(text.sval.to_ascii_lowercase()),
            Some(a_const::Val::Ival(number)) => Ok(number.ival.to_string()),
            Some(a_const::Val::Boolval(truth)) => {
                Ok(if truth.boolval { "on" } else { "off" }.to_owned())
            }
            Some(a_const::Val::Fval(_) | a_const::Val::Bsval(_)) | None => {
                Err(Refusal::syntax("not a value of an option"))
            }
        },
        Some(_) | None => Err(Refusal::syntax("not a value of an option")),
    }
}

impl Walk<'_> {
    /// Makes sure that a plan of what was walked tells nothing of what the client may not read.
    pub(crate) fn check_explained(&self, runs: bool) -> Result<(), Refusal> {
        if let Some(function) = self.executed.first() {
            // The target may put its definition into the plan, with whatever that reads.
            return Err(Refusal::never(
                "explain_shows_function",
                format!("EXPLAIN shows what function {} does", function.name),
            ));
        }
        if !self.system_reads.is_empty() {
            return Err(Refusal::never(
                "explain_counts_hidden",
                "EXPLAIN of a catalog counts what it does not show",
            ));
        }
        if runs && self.writes {
            return Err(Refusal::never(
                "explain_shows_triggers",
                "EXPLAIN ANALYZE of a write shows triggers and constraints of other tables",
            )
            .with_hint("EXPLAIN without ANALYZE shows the plan."));
        }
        for used in &self.uses {
            let below = used.relation.descendants.iter().filter(|_| used.descends);
            let below = below.map(|name| self.world.catalog.relations.get(name).map(|r| &**r));
            for relation in std::iter::once(Some(&*used.relation)).chain(below) {
                if !relation.is_some_and(|relation| self.is_open(relation)) {
                    return Err(Refusal::never(
                        "explain_shows_statistics",
                        format!(
                            "EXPLAIN shows statistics of relation {}, and not all of its columns \
                             may be read",
                            used.relation.name.name
                        ),
                    )
                    .with_hint(
                        "EXPLAIN is for plain tables of which a grant covers every column and no \
                         column is masked.",
                    ));
                }
            }
        }
        Ok(())
    }

    /// True if every column of a plain table may be read as it is.
    pub(crate) fn is_open(&self, relation: &Relation) -> bool {
        let granted: BTreeSet<String> = (self.world.granted)(&relation.name, Action::Select);
        let is_read = |name: &String| granted.contains(name);
        relation.is_plain() && relation.columns.iter().all(|c| c.mask.is_none() && is_read(&c.name))
    }
}

/// The one column of a plan.
pub(crate) fn columns(type_oid: u32) -> Columns {
    let column_type = ColumnType::built_in(type_oid, "text");
    vec![(COLUMN.to_owned(), Value { column_type: Some(column_type), ..Value::computed() })]
}

/// EXPLAIN of a checked statement.
pub(crate) fn explain(statement: NodeEnum, options: Vec<Node>) -> NodeEnum {
    let query = Some(Box::new(tree::node(statement)));
    NodeEnum::ExplainStmt(Box::new(ExplainStmt { query, options }))
}
