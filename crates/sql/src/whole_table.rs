//! LOCK TABLE and TRUNCATE: what is done to tables as a whole.
//!
//! Source: PostgreSQL manual, LOCK: reading needs SELECT for the weakest lock, and a privilege to
//! write for every stronger one. TRUNCATE has a privilege of its own.

use model::{Action, RelationName};
use pg_query::protobuf::{DropBehavior, LockStmt, RangeVar, TruncateStmt};
use pg_query::{Node, NodeEnum};

use crate::Refusal;
use crate::catalog::RelationKind;
use crate::limits;
use crate::names;
use crate::tree;
use crate::walk::{Reach, Walk};

/// Numbers of PostgreSQL's locks (`lockdefs.h`).
const ACCESS_SHARE: i32 = 1;
const ROW_EXCLUSIVE: i32 = 3;
const ACCESS_EXCLUSIVE: i32 = 8;

impl Walk<'_> {
    pub(crate) fn lock_tables(&mut self, lock: LockStmt) -> Result<LockStmt, Refusal> {
        let LockStmt { relations, mode, nowait } = lock;
        if !(ACCESS_SHARE..=ACCESS_EXCLUSIVE).contains(&mode) {
            return Err(Refusal::syntax("unknown mode of LOCK"));
        }
        self.writes |= mode != ACCESS_SHARE;
        let relations = if mode == ACCESS_SHARE { self.seen_tables(relations)? } else { relations };
        let relations = self.tables(relations, |walk, name| {
            if mode == ACCESS_SHARE {
                return Ok(Action::Select);
            }
            let relation = walk.find_relation(name, Action::Update)?;
            let mut actions = vec![Action::Update, Action::Delete, Action::Truncate];
            actions.extend((mode <= ROW_EXCLUSIVE).then_some(Action::Insert));
            let is_granted =
                |action: &Action| !(walk.world.granted)(&relation.name, *action).is_empty();
            Ok(actions.into_iter().find(is_granted).unwrap_or(Action::Update))
        })?;
        Ok(LockStmt { relations, mode, nowait })
    }

    /// A lock that reads nothing also stands where grants do not cover every table below: the lock
    /// is then on those that they do cover.
    fn seen_tables(&self, relations: Vec<Node>) -> Result<Vec<Node>, Refusal> {
        let mut seen = Vec::with_capacity(relations.len());
        for relation in relations {
            let Some(NodeEnum::RangeVar(name)) = relation.node else {
                return Err(Refusal::syntax("not a table"));
            };
            let found = self.find_relation(&name, Action::Select)?;
            let is_covered =
                |name: &RelationName| !(self.world.granted)(name, Action::Select).is_empty();
            if names::reach(&name) == Reach::Only || found.descendants.iter().all(is_covered) {
                seen.push(tree::node(NodeEnum::RangeVar(name)));
                continue;
            }
            let covered = found.descendants.iter().filter(|name| is_covered(name));
            for table in std::iter::once(&found.name).chain(covered) {
                seen.push(tree::node(NodeEnum::RangeVar(names::qualified(table, false, None))));
            }
        }
        Ok(seen)
    }

    pub(crate) fn truncate(&mut self, truncate: TruncateStmt) -> Result<TruncateStmt, Refusal> {
        let TruncateStmt { relations, restart_seqs, behavior } = truncate;
        self.writes = true;
        match DropBehavior::try_from(behavior) {
            Ok(DropBehavior::DropRestrict) => {}
            Ok(DropBehavior::DropCascade) => {
                return Err(Refusal::never(
                    "truncate_cascade",
                    "TRUNCATE … CASCADE empties tables that it does not name",
                )
                .with_hint("Name all the tables: TRUNCATE a, b."));
            }
            Ok(DropBehavior::Undefined) | Err(_) => {
                return Err(Refusal::syntax("unknown kind of TRUNCATE"));
            }
        }
        let relations = self.tables(relations, |_, _| Ok(Action::Truncate))?;
        Ok(TruncateStmt { relations, restart_seqs, behavior })
    }

    /// Checks a list of tables and touches each.
    fn tables(
        &mut self,
        relations: Vec<Node>,
        action: impl Fn(&Self, &RangeVar) -> Result<Action, Refusal>,
    ) -> Result<Vec<Node>, Refusal> {
        if relations.len() > limits::SOURCES_MAX {
            return Err(Refusal::too_large("tables", limits::SOURCES_MAX));
        }
        let mut checked = Vec::with_capacity(relations.len());
        for relation in relations {
            let Some(NodeEnum::RangeVar(name)) = relation.node else {
                return Err(Refusal::syntax("not a table"));
            };
            let action = action(self, &name)?;
            let relation = self.find_relation(&name, action)?;
            if action == Action::Truncate && !relation.is_writable()
                || relation.kind == RelationKind::Sequence
            {
                return Err(Refusal::later("not_supported_view_write", "this of a view"));
            }
            let use_index = self.use_relation(relation, action, names::reach(&name));
            checked.push(tree::node(NodeEnum::RangeVar(self.forwarded(use_index, None)?)));
        }
        Ok(checked)
    }
}
