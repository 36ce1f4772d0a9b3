//! How many rows a statement changes, as far as the target's tag says so.
//!
//! PostgreSQL counts in the tag what the outermost statement wrote. What a WITH, a function or a
//! statement under EXPLAIN ANALYZE writes is in no tag.
//!
//! Source: PostgreSQL manual, "Message Formats" (`CommandComplete`).

use pg_query::NodeEnum;

use crate::plan::Changes;
use crate::walk::Walk;

/// What a statement that was walked over changes. `node` is as it is written out.
#[expect(clippy::wildcard_enum_match_arm, reason = "what writes no rows has no count in its tag")]
pub(crate) fn of(walk: &Walk<'_>, node: &NodeEnum) -> Changes {
    let has_tag = match node {
        NodeEnum::CallStmt(_) => return Changes::ByProcedure,
        NodeEnum::CopyStmt(copy) if copy.is_from => walk.writers == 0,
        NodeEnum::CopyStmt(copy) => {
            let query = copy.query.as_ref().and_then(|query| query.node.as_ref());
            query.is_some_and(writes_rows) && walk.writers == 1
        }
        other => writes_rows(other) && walk.writers == 1,
    };
    match (has_tag, walk.writes) {
        (_, _) if !walk.executed.is_empty() => Changes::Untold,
        (true, _) => Changes::AsTagged,
        (false, true) => Changes::Untold,
        (false, false) => Changes::Nothing,
    }
}

fn writes_rows(node: &NodeEnum) -> bool {
    matches!(
        node,
        NodeEnum::InsertStmt(_)
            | NodeEnum::UpdateStmt(_)
            | NodeEnum::DeleteStmt(_)
            | NodeEnum::MergeStmt(_)
    )
}
