//! LISTEN, UNLISTEN, NOTIFY and `pg_notify`: channels, which grants name as `channel.NAME`.
//!
//! A channel is nothing of the catalog: it is there while somebody listens. Its name is an
//! identifier for the statements, folded and cut to 63 bytes as PostgreSQL does it, and a text as it
//! stands for the function.

use model::{Action, CHANNEL_BYTES_MAX, Facts, RelationName, StatementKind, Touch};
use pg_query::protobuf::{FuncCall, ListenStmt, NotifyStmt, UnlistenStmt};
use pg_query::{Node, NodeEnum};

use crate::analyse::{without_rows, write_out};
use crate::tree::NOWHERE;
use crate::walk::Walk;
use crate::{Plan, Refusal, tree};

/// NOTIFY as a function.
pub(crate) const PG_NOTIFY: &str = "pg_notify";

/// Checks LISTEN.
pub(crate) fn listen(statement: ListenStmt) -> Result<Plan, Refusal> {
    let ListenStmt { conditionname } = statement;
    let facts = facts(StatementKind::Session, Action::Listen, &conditionname)?;
    let forward = write_out(NodeEnum::ListenStmt(ListenStmt { conditionname }))?;
    Ok(Plan { errors_quote_only_granted: true, ..Plan::new(facts, &forward) })
}

/// Checks UNLISTEN, of one channel or of all. Whoever stops listening needs no grant.
pub(crate) fn unlisten(statement: UnlistenStmt) -> Result<Plan, Refusal> {
    let UnlistenStmt { conditionname } = statement;
    if !conditionname.is_empty() {
        checked(&conditionname)?;
    }
    let forward = write_out(NodeEnum::UnlistenStmt(UnlistenStmt { conditionname }))?;
    Ok(without_rows(StatementKind::Session, &forward))
}

/// Checks NOTIFY. Its payload is what the client wrote.
pub(crate) fn notify(statement: NotifyStmt) -> Result<Plan, Refusal> {
    let NotifyStmt { conditionname, payload, payload_location: _ } = statement;
    let facts = facts(StatementKind::Write, Action::Notify, &conditionname)?;
    let checked = NotifyStmt { conditionname, payload, payload_location: NOWHERE };
    let forward = write_out(NodeEnum::NotifyStmt(checked))?;
    Ok(Plan { errors_quote_only_granted: true, ..Plan::new(facts, &forward) })
}

fn facts(kind: StatementKind, action: Action, channel: &str) -> Result<Facts, Refusal> {
    let touch = Touch { relation: checked(channel)?, action, columns: [].into() };
    Ok(Facts { touches: vec![touch], ..Facts::nothing(kind) })
}

fn checked(channel: &str) -> Result<RelationName, Refusal> {
    // PostgreSQL's own words.
    let invalid = |what| Refusal { sqlstate: "22023", ..Refusal::never("channel_name", what) };
    if channel.is_empty() {
        return Err(invalid("channel name cannot be empty"));
    }
    if channel.len() > CHANNEL_BYTES_MAX {
        return Err(invalid("channel name too long"));
    }
    Ok(RelationName::channel(channel))
}

impl Walk<'_> {
    /// A call of `pg_notify`, whose channel a literal must name. The payload is any value that may
    /// be computed with.
    pub(crate) fn notify_call(&mut self, call: FuncCall) -> Result<Node, Refusal> {
        if !self.world.forwards {
            // The caller of a view would notify without asking to.
            return Err(Refusal::function(PG_NOTIFY));
        }
        let is_plain = call.agg_order.is_empty()
            && call.agg_filter.is_none()
            && call.over.is_none()
            && !call.agg_star
            && !call.agg_distinct
            && !call.agg_within_group
            && !call.func_variadic;
        let args: Result<[Node; 2], Vec<Node>> = call.args.try_into();
        let (true, Ok([channel, payload])) = (is_plain, args) else {
            return Err(Refusal::no_function(PG_NOTIFY));
        };
        let channel = tree::as_literal_text(&channel).ok_or_else(not_a_literal)?;
        self.notified.insert(checked(channel)?);
        self.writes = true;
        self.functions.insert(PG_NOTIFY.to_owned());
        let channel = tree::typed_text(channel, "text");
        let payload = self.seen_expr(payload)?;
        Ok(tree::call(PG_NOTIFY, vec![channel, payload]))
    }
}

fn not_a_literal() -> Refusal {
    Refusal::never("channel_not_named", "the channel must be named by a literal")
        .with_hint("Write it like pg_notify('channel', $1).")
}
