//! FOR UPDATE and FOR SHARE: rows are locked, which needs a grant to update the relation.
//!
//! Source: `transformLockingClause` in PostgreSQL's `analyze.c`; PostgreSQL manual, SELECT: a row
//! lock of any strength needs the privilege UPDATE on some column.

use model::Action;
use pg_query::protobuf::{LockClauseStrength, LockWaitPolicy, LockingClause, RangeVar};
use pg_query::{Node, NodeEnum};

use crate::Refusal;
use crate::rows::Row;
use crate::tree::{self, NOWHERE};
use crate::walk::Walk;

impl Walk<'_> {
    /// Checks the clauses behind a query whose FROM is known at this level.
    pub(crate) fn row_locks(&mut self, clauses: Vec<Node>) -> Result<Vec<Node>, Refusal> {
        let mut checked = Vec::with_capacity(clauses.len());
        for clause in clauses {
            let Some(NodeEnum::LockingClause(clause)) = clause.node else {
                return Err(Refusal::syntax("not a locking clause"));
            };
            checked.push(tree::node(NodeEnum::LockingClause(self.row_lock(clause)?)));
        }
        Ok(checked)
    }

    fn row_lock(&mut self, clause: LockingClause) -> Result<LockingClause, Refusal> {
        let LockingClause { locked_rels, strength, wait_policy } = clause;
        match LockClauseStrength::try_from(strength) {
            Ok(
                LockClauseStrength::LcsForkeyshare
                | LockClauseStrength::LcsForshare
                | LockClauseStrength::LcsFornokeyupdate
                | LockClauseStrength::LcsForupdate,
            ) => {}
            Ok(LockClauseStrength::Undefined | LockClauseStrength::LcsNone) | Err(_) => {
                return Err(Refusal::syntax("unknown kind of row lock"));
            }
        }
        match LockWaitPolicy::try_from(wait_policy) {
            Ok(
                LockWaitPolicy::LockWaitBlock
                | LockWaitPolicy::LockWaitSkip
                | LockWaitPolicy::LockWaitError,
            ) => {}
            Ok(LockWaitPolicy::Undefined) | Err(_) => {
                return Err(Refusal::syntax("unknown kind of waiting for a row lock"));
            }
        }
        let mut named = Vec::with_capacity(locked_rels.len());
        let mut locked = Vec::new();
        for relation in &locked_rels {
            let name = locked_name(relation)?;
            let mut items = self.items().iter();
            let item = items.find(|item| item.by_name && item.name.as_deref() == Some(name));
            let item = item.ok_or_else(|| {
                Refusal::syntax(format!("relation \"{name}\" of the row lock is not in FROM"))
            })?;
            locked.extend(item.locks.iter().copied());
            // PostgreSQL also finds the name inside of a join that has an alias, before this one.
            let joined = self.items().iter().filter(|item| item.row == Row::Unknown);
            locked.extend(joined.flat_map(|item| item.locks.iter().copied()));
            named.push(tree::node(NodeEnum::RangeVar(range_var(name))));
        }
        if locked_rels.is_empty() {
            locked = self.items().iter().flat_map(|item| item.locks.iter().copied()).collect();
        }
        for use_index in locked {
            if self.uses.get(use_index).is_some_and(|used| used.view.is_some()) {
                return Err(Refusal::masked_lock());
            }
            self.touch(use_index, Action::Update, None);
        }
        Ok(LockingClause { locked_rels: named, strength, wait_policy })
    }
}

/// The name of an entry of FROM, which PostgreSQL takes only without a schema.
fn locked_name(relation: &Node) -> Result<&str, Refusal> {
    match &relation.node {
        Some(NodeEnum::RangeVar(name)) if name.schemaname.is_empty() => Ok(&name.relname),
        Some(_) | None => Err(Refusal::syntax("a row lock takes names without a schema")),
    }
}

fn range_var(name: &str) -> RangeVar {
    RangeVar {
        relname: name.to_owned(),
        inh: true,
        relpersistence: "p".to_owned(),
        location: NOWHERE,
        ..RangeVar::default()
    }
}
