//! MERGE: what its conditions read, and what each branch writes.
//!
//! Source: `transformMergeStmt` in PostgreSQL's `parse_merge.c`. A branch for rows that match sees
//! both sides, one for rows that only one side has sees that side.

use model::Action;
use pg_query::protobuf::{CmdType, MergeMatchKind, MergeStmt, MergeWhenClause, OverridingKind};
use pg_query::{Node, NodeEnum};

use crate::Refusal;
use crate::scope::Item;
use crate::select::Columns;
use crate::tree;
use crate::walk::Walk;

/// What a branch does to the target.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Branch {
    Update,
    Delete,
    Insert,
    Nothing,
}

impl Walk<'_> {
    pub(crate) fn merge(&mut self, merge: MergeStmt) -> Result<(MergeStmt, Columns), Refusal> {
        let MergeStmt {
            relation,
            source_relation,
            join_condition,
            merge_when_clauses,
            returning_clause,
            with_clause,
        } = merge;
        self.writes = true;
        self.writers = self.writers.saturating_add(1);
        let with_clause = with_clause.map(|with| self.with(with)).transpose()?;
        // Rows of the target are read by the join, whatever happens to them then.
        let (use_index, name) = self.write_target(relation, Action::Select)?;
        let source = source_relation.ok_or_else(|| Refusal::syntax("MERGE without a source"))?;
        let mut source = self.sources(vec![*source])?;
        let source_items = std::mem::take(self.items());
        let alias = self.target_item(use_index, name)?;
        let target_item = std::mem::take(self.items());
        let sides = [source_items, target_item];
        let join_condition = self.with_items(&sides, |walk| walk.expr_option(join_condition))?;
        let mut clauses = Vec::with_capacity(merge_when_clauses.len());
        for clause in merge_when_clauses {
            let Some(NodeEnum::MergeWhenClause(clause)) = clause.node else {
                return Err(Refusal::syntax("not a branch of MERGE"));
            };
            let clause = self.branch(*clause, use_index, &sides)?;
            clauses.push(tree::node(NodeEnum::MergeWhenClause(Box::new(clause))));
        }
        let (returning_clause, columns) =
            self.with_items(&sides, |walk| walk.returning(returning_clause))?;
        let merge = MergeStmt {
            relation: Some(self.forwarded(use_index, alias)?),
            source_relation: source.pop().map(Box::new),
            join_condition,
            merge_when_clauses: clauses,
            returning_clause,
            with_clause,
        };
        Ok((merge, columns))
    }

    /// Walks with these entries of FROM in reach, all complete.
    fn with_items<T>(
        &mut self,
        sides: &[Vec<Item>],
        work: impl FnOnce(&mut Self) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        *self.items() = sides.iter().flatten().cloned().collect();
        for item in self.items() {
            item.beside = crate::scope::Beside::Done;
        }
        work(self)
    }

    fn branch(
        &mut self,
        clause: MergeWhenClause,
        use_index: usize,
        sides: &[Vec<Item>; 2],
    ) -> Result<MergeWhenClause, Refusal> {
        let MergeWhenClause {
            match_kind,
            command_type,
            r#override,
            condition,
            target_list,
            values,
        } = clause;
        let [source, target] = sides;
        let kind = MergeMatchKind::try_from(match_kind);
        let visible = match kind {
            Ok(MergeMatchKind::MergeWhenMatched) => sides.as_slice(),
            Ok(MergeMatchKind::MergeWhenNotMatchedBySource) => std::slice::from_ref(target),
            Ok(MergeMatchKind::MergeWhenNotMatchedByTarget) => std::slice::from_ref(source),
            Ok(MergeMatchKind::Undefined) | Err(_) => return Err(unknown_branch()),
        };
        let does = known_command(command_type)?;
        let is_insert = kind == Ok(MergeMatchKind::MergeWhenNotMatchedByTarget);
        let fits = match does {
            Branch::Insert => is_insert,
            Branch::Update | Branch::Delete => !is_insert,
            Branch::Nothing => true,
        };
        if !fits || OverridingKind::try_from(r#override).is_err() {
            return Err(unknown_branch());
        }
        self.with_items(visible, |walk| {
            let condition = walk.expr_option(condition)?;
            let (mut checked, mut written) = (Vec::new(), Vec::new());
            match does {
                Branch::Nothing => {}
                Branch::Delete => walk.touch(use_index, Action::Delete, None),
                Branch::Update => {
                    walk.touch(use_index, Action::Update, None);
                    checked = walk.assignments(target_list, use_index, Action::Update)?;
                }
                Branch::Insert => {
                    walk.touch(use_index, Action::Insert, None);
                    let guards = walk.insert_guards(use_index, &target_list);
                    written = walk.guarded_values(values, &guards)?;
                    let width = Some(written.len());
                    checked = walk.insert_columns(use_index, target_list, width)?;
                    walk.check_merged(use_index, &checked, &written)?;
                }
            }
            Ok(MergeWhenClause {
                match_kind,
                command_type,
                r#override,
                condition,
                target_list: checked,
                values: written,
            })
        })
    }

    /// Checks the types of what a branch inserts.
    fn check_merged(
        &self,
        use_index: usize,
        columns: &[Node],
        values: &[Node],
    ) -> Result<(), Refusal> {
        // DEFAULT VALUES names no value.
        if columns.len() != values.len() && !values.is_empty() {
            return Err(Refusal::syntax("INSERT has not as many expressions as target columns"));
        }
        for (column, value) in columns.iter().zip(values) {
            let Some(NodeEnum::ResTarget(column)) = &column.node else { continue };
            if let Some(target) = self.written_type(use_index, &column.name) {
                self.check_conversion(target, value)?;
            }
        }
        Ok(())
    }
}

fn known_command(command: i32) -> Result<Branch, Refusal> {
    match CmdType::try_from(command) {
        Ok(CmdType::CmdUpdate) => Ok(Branch::Update),
        Ok(CmdType::CmdInsert) => Ok(Branch::Insert),
        Ok(CmdType::CmdDelete) => Ok(Branch::Delete),
        Ok(CmdType::CmdNothing) => Ok(Branch::Nothing),
        Ok(
            CmdType::Undefined
            | CmdType::CmdUnknown
            | CmdType::CmdSelect
            | CmdType::CmdMerge
            | CmdType::CmdUtility,
        )
        | Err(_) => Err(unknown_branch()),
    }
}

fn unknown_branch() -> Refusal {
    Refusal::syntax("unknown kind of branch of MERGE")
}
