//! COPY to and from the client.
//!
//! `COPY t TO STDOUT` is forwarded as `COPY (SELECT columns FROM ONLY t) TO STDOUT`, so that masks
//! stand in it like in any query. COPY of files and programs of the target's machine is never
//! allowed: they are not named in the tree that is built here.
//!
//! Source: PostgreSQL 18 documentation, COPY; `copy.c`, `copyto.c`.

use std::sync::Arc;

use model::{Action, StatementKind};
use pg_query::protobuf::{
    ColumnRef, CopyStmt, LimitOption, RangeVar, ResTarget, SelectStmt, SetOperation,
};
use pg_query::{Node, NodeEnum};

use crate::analyse::Checked;
use crate::catalog::{Column, Relation, RelationKind};
use crate::copy_options::{self, Options};
use crate::guard::Guard;
use crate::tree::{self, NOWHERE};
use crate::unsupported::unsupported;
use crate::walk::Walk;
use crate::{Copy, CopyDirection, CopyText, Output, Refusal, names};

/// The form of a COPY, before its columns are known to be masked or not.
#[derive(Clone, Debug)]
pub(crate) struct CopyForm {
    direction: CopyDirection,
    text: Option<CopyText>,
    has_header: bool,
    columns: usize,
    guards: Vec<Option<Arc<Guard>>>,
}

impl CopyForm {
    pub(crate) fn copy(self, outputs: &[Output]) -> Copy {
        let Self { direction, text, has_header, columns, guards } = self;
        let masked = outputs.iter().map(|output| output.masked).collect();
        let is_binary = text.is_none();
        Copy { direction, is_binary, has_header, columns, masked, guards, text }
    }
}

impl Walk<'_> {
    pub(crate) fn copy(&mut self, copy: CopyStmt) -> Result<Checked, Refusal> {
        let CopyStmt {
            relation,
            query,
            attlist,
            is_from,
            is_program,
            filename,
            options,
            where_clause,
        } = copy;
        if is_program || !filename.is_empty() {
            let message = "COPY of a file or a program of the database's machine is not allowed";
            return Err(Refusal::never("copy_file_not_allowed", message)
                .with_hint("Copy TO STDOUT or FROM STDIN."));
        }
        if where_clause.is_some() {
            return Err(Refusal::later("not_supported_copy_where", "COPY FROM with WHERE"));
        }
        let listed = tree::as_texts(&attlist).ok_or_else(|| Refusal::syntax("not columns"))?;
        match (relation, query, is_from) {
            (Some(relation), None, true) => self.copy_in(relation, &listed, options),
            (Some(relation), None, false) => {
                let query = self.whole_table(relation, &listed)?;
                self.copy_out(NodeEnum::SelectStmt(Box::new(query)), options)
            }
            (None, Some(query), false) => match query.node {
                Some(node) => self.copy_out(node, options),
                None => Err(Refusal::syntax("a query is missing")),
            },
            (_, _, _) => Err(Refusal::syntax("COPY of nothing")),
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "a query that is not named is refused")]
    fn copy_out(&mut self, query: NodeEnum, options: Vec<Node>) -> Result<Checked, Refusal> {
        match &query {
            NodeEnum::SelectStmt(_)
            | NodeEnum::InsertStmt(_)
            | NodeEnum::UpdateStmt(_)
            | NodeEnum::DeleteStmt(_)
            | NodeEnum::MergeStmt(_) => {}
            other => return Err(unsupported(other)),
        }
        let (node, columns, _) = self.statement(query)?;
        if columns.is_empty() {
            return Err(Refusal::syntax("COPY query must have a RETURNING clause"));
        }
        self.refuse_copied_free_text(&columns)?;
        let names: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
        let Options { nodes, text, has_header } =
            copy_options::checked(options, CopyDirection::Out, &names)?;
        let copy = CopyStmt {
            query: Some(Box::new(tree::node(node))),
            options: nodes,
            ..CopyStmt::default()
        };
        let direction = CopyDirection::Out;
        let (guards, columns_count) = (Vec::new(), columns.len());
        let form = CopyForm { direction, text, has_header, columns: columns_count, guards };
        let kind = StatementKind::CopyOut;
        Ok(Checked { node: NodeEnum::CopyStmt(Box::new(copy)), columns, kind, copy: Some(form) })
    }

    fn copy_in(
        &mut self,
        relation: RangeVar,
        listed: &[&str],
        options: Vec<Node>,
    ) -> Result<Checked, Refusal> {
        let found = self.find_relation(&relation, Action::Insert)?;
        let columns = self.copied_columns(&found, listed, Action::Insert)?;
        let (use_index, _) = self.write_target(Some(relation), Action::Insert)?;
        for column in &columns {
            self.write_column(use_index, Action::Insert, column)?;
        }
        let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
        let guard = |name: &&str| self.guard_of(use_index, name, Action::Insert);
        let guards = columns.iter().map(guard).collect();
        let Options { nodes, text, has_header } =
            copy_options::checked(options, CopyDirection::In, &columns)?;
        let copy = CopyStmt {
            relation: Some(names::qualified(&found.name, true, None)),
            attlist: tree::names(columns.iter().copied()),
            is_from: true,
            options: nodes,
            ..CopyStmt::default()
        };
        let direction = CopyDirection::In;
        let form = CopyForm { direction, text, has_header, columns: columns.len(), guards };
        let (columns, kind) = (Vec::new(), StatementKind::CopyIn);
        Ok(Checked { node: NodeEnum::CopyStmt(Box::new(copy)), columns, kind, copy: Some(form) })
    }

    /// The query that returns what COPY of a table does: its own rows, without those of children.
    fn whole_table(&mut self, relation: RangeVar, listed: &[&str]) -> Result<SelectStmt, Refusal> {
        let found = self.find_relation(&relation, Action::Select)?;
        let what = match found.kind {
            RelationKind::Table => None,
            // As the catalogs show it.
            RelationKind::Partitioned if !self.sight().bounds.contains(&found.oid) => None,
            RelationKind::Partitioned => Some("partitioned table"),
            RelationKind::View => Some("view"),
            RelationKind::MaterializedView => Some("materialized view"),
            RelationKind::Foreign => Some("foreign table"),
            RelationKind::Sequence => Some("sequence"),
        };
        if let Some(what) = what {
            return Err(Refusal::copy_needs_query(what, &relation.relname));
        }
        let columns = self.copied_columns(&found, listed, Action::Select)?;
        let target = |name: &String| {
            tree::node(NodeEnum::ResTarget(Box::new(ResTarget {
                val: Some(Box::new(tree::node(NodeEnum::ColumnRef(ColumnRef {
                    fields: vec![tree::text_node(name)],
                    location: NOWHERE,
                })))),
                ..ResTarget::default()
            })))
        };
        let table = RangeVar { inh: false, ..relation };
        Ok(SelectStmt {
            target_list: columns.iter().map(target).collect(),
            from_clause: vec![tree::node(NodeEnum::RangeVar(table))],
            limit_option: LimitOption::Default.into(),
            op: SetOperation::SetopNone.into(),
            ..SelectStmt::default()
        })
    }

    /// The columns that a COPY passes: those listed, or all that the target does not compute.
    fn copied_columns(
        &mut self,
        relation: &Relation,
        listed: &[&str],
        action: Action,
    ) -> Result<Vec<String>, Refusal> {
        if listed.is_empty() {
            let columns = relation.columns.iter().filter(|column| !column.is_generated);
            let columns: Vec<String> = columns.map(|column| column.name.clone()).collect();
            let granted = (self.world.granted)(&relation.name, action);
            if columns.iter().any(|column| !granted.contains(column)) {
                return Err(Refusal::copy_columns(&relation.name.name, action));
            }
            return Ok(columns);
        }
        let sight = self.sight();
        // Where the catalogs do not show that a column is computed, it is read like any other.
        let is_generated = |column: &Column| {
            let shown = sight.defaulted.get(&relation.oid);
            column.is_generated
                && (action != Action::Select
                    || shown.is_some_and(|shown| shown.contains(&column.number)))
        };
        let mut columns: Vec<String> = Vec::with_capacity(listed.len());
        for name in listed {
            let column = relation.column(name).ok_or_else(|| Refusal::unknown_column(name))?.1;
            if is_generated(column) {
                return Err(Refusal::copy_generated(name));
            }
            if columns.iter().any(|other| other == name) {
                let message = format!("column \"{name}\" specified more than once");
                return Err(Refusal::syntax(message));
            }
            columns.push(column.name.clone());
        }
        Ok(columns)
    }
}
