//! DECLARE, FETCH, MOVE, CLOSE, and `WHERE CURRENT OF`.
//!
//! A cursor's query is judged like any SELECT when it is declared; the plan of it is kept in the
//! plan of DECLARE. FETCH and MOVE name no relation: what they touch is known once the session says
//! what the name stands for ([`Plan::resolved`]).
//!
//! Source: PostgreSQL manual, "DECLARE", "FETCH"; the options' bits are those of `parsenodes.h`.

use std::sync::Arc;

use model::StatementKind;
use pg_query::NodeEnum;
use pg_query::protobuf::{
    ClosePortalStmt, CurrentOfExpr, DeclareCursorStmt, FetchDirection, FetchStmt,
};

use crate::analyse::{judged, parse_one, without_rows, write_out};
use crate::limits::NAME_BYTES_MAX;
use crate::tree;
use crate::walk::Walk;
use crate::world::World;
use crate::{CursorSpan, Effect, Plan, Refusal, Shows, Uses, limits};

const BINARY: i32 = 0x0001;
const SCROLL: i32 = 0x0002;
const NO_SCROLL: i32 = 0x0004;
const INSENSITIVE: i32 = 0x0008;
const ASENSITIVE: i32 = 0x0010;
const HOLD: i32 = 0x0020;
/// Set by the grammar for every cursor.
const FAST_PLAN: i32 = 0x0100;

/// Checks DECLARE.
pub(crate) fn declare(world: &World<'_>, statement: DeclareCursorStmt) -> Result<Plan, Refusal> {
    let DeclareCursorStmt { portalname, options, query } = statement;
    let name = checked_name(&portalname)?;
    let known = BINARY | SCROLL | NO_SCROLL | INSENSITIVE | ASENSITIVE | HOLD | FAST_PLAN;
    if options & !known != 0 {
        return Err(Refusal::later("not_supported_cursor", "this option of a cursor"));
    }
    let kept = kept(world, query.and_then(|query| query.node))?;
    let forward = before(&kept, |query| {
        let query = Some(Box::new(tree::node(query)));
        let declared = DeclareCursorStmt { portalname: name.clone(), options, query };
        NodeEnum::DeclareCursorStmt(Box::new(declared))
    })?;
    let span = if options & HOLD == 0 { CursorSpan::Transaction } else { CursorSpan::Session };
    Ok(Plan {
        facts: Arc::clone(&kept.facts),
        effect: Effect::Declare { name, span },
        parameters_max: kept.parameters_max,
        errors_quote_only_granted: kept.errors_quote_only_granted,
        kept: Some(Arc::new(kept)),
        ..without_rows(StatementKind::Read, &forward)
    })
}

/// The plan of a query or statement that is kept under a name.
pub(crate) fn kept(world: &World<'_>, statement: Option<NodeEnum>) -> Result<Plan, Refusal> {
    let statement = statement.ok_or_else(|| Refusal::syntax("nothing stands behind the name"))?;
    let again = statement.clone();
    let plan = judged(world, statement, || Ok(again))?;
    match plan.uses {
        Uses::Nothing => Ok(plan),
        Uses::Cursor { .. } | Uses::Position { .. } | Uses::Statement { .. } => {
            Err(Refusal::nested_use("a prepared statement WHERE CURRENT OF a cursor"))
        }
    }
}

/// The text of a statement that ends in one that was judged.
pub(crate) fn before(
    kept: &Plan,
    statement: impl FnOnce(NodeEnum) -> NodeEnum,
) -> Result<String, Refusal> {
    const OTHER: &str = "SELECT 1";
    let other = parse_one(OTHER)?.ok_or_else(Refusal::mismatch)?;
    let text = write_out(statement(other))?;
    let before = text.strip_suffix(OTHER).ok_or_else(Refusal::mismatch)?;
    let text = [before, &kept.forward].concat();
    if text.len() > limits::FORWARD_BYTES_MAX {
        let limit = limits::FORWARD_BYTES_MAX;
        return Err(Refusal::too_large("bytes with its names written out", limit));
    }
    Ok(text)
}

/// Checks FETCH and MOVE.
pub(crate) fn fetch(statement: FetchStmt) -> Result<Plan, Refusal> {
    let FetchStmt { direction, how_many, portalname, ismove } = statement;
    let name = checked_name(&portalname)?;
    match FetchDirection::try_from(direction) {
        Ok(
            FetchDirection::FetchForward
            | FetchDirection::FetchBackward
            | FetchDirection::FetchAbsolute
            | FetchDirection::FetchRelative,
        ) => {}
        Ok(FetchDirection::Undefined) | Err(_) => {
            return Err(Refusal::later("not_supported_cursor", "this direction of FETCH"));
        }
    }
    let fetch = FetchStmt { direction, how_many, portalname: name.clone(), ismove };
    let forward = write_out(NodeEnum::FetchStmt(fetch))?;
    let shows = if ismove { Shows::Nothing } else { Shows::Rows };
    Ok(Plan {
        uses: Uses::Cursor { name, shows },
        errors_quote_only_granted: true,
        ..without_rows(StatementKind::Read, &forward)
    })
}

/// Checks CLOSE. Without a name it closes all.
pub(crate) fn close(statement: ClosePortalStmt) -> Result<Plan, Refusal> {
    let ClosePortalStmt { portalname } = statement;
    let name = if portalname.is_empty() { None } else { Some(checked_name(&portalname)?) };
    let forward = write_out(NodeEnum::ClosePortalStmt(ClosePortalStmt { portalname }))?;
    let effect = Effect::Close(name);
    Ok(Plan { effect, ..without_rows(StatementKind::Session, &forward) })
}

/// A name that the target keeps as it is written: a longer one would be cut there and not here.
pub(crate) fn checked_name(name: &str) -> Result<String, Refusal> {
    if name.is_empty() {
        return Err(Refusal::syntax("a name is empty"));
    }
    if name.len() > NAME_BYTES_MAX {
        return Err(Refusal::too_large("bytes in a name", NAME_BYTES_MAX));
    }
    Ok(name.to_owned())
}

impl Walk<'_> {
    /// The condition of UPDATE or DELETE, which may be `CURRENT OF cursor`.
    pub(crate) fn where_or_current(
        &mut self,
        clause: Option<Box<pg_query::Node>>,
        use_index: usize,
    ) -> Result<Option<Box<pg_query::Node>>, Refusal> {
        let Some(NodeEnum::CurrentOfExpr(current)) =
            clause.as_deref().and_then(|clause| clause.node.as_ref())
        else {
            return self.expr_option(clause);
        };
        let CurrentOfExpr { xpr, cvarno, cursor_name, cursor_param } = &**current;
        if xpr.is_some() || *cvarno != 0 || *cursor_param != 0 || self.position.is_some() {
            return Err(Refusal::later("not_supported_cursor", "CURRENT OF here"));
        }
        let cursor = checked_name(cursor_name)?;
        let used = self.uses.get(use_index).ok_or_else(Refusal::mismatch)?;
        let relation = used.relation.name.clone();
        let checked = CurrentOfExpr { cursor_name: cursor.clone(), ..CurrentOfExpr::default() };
        self.position = Some(Uses::Position { cursor, relation });
        Ok(Some(Box::new(tree::node(NodeEnum::CurrentOfExpr(Box::new(checked))))))
    }
}
