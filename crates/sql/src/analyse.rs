//! From a statement's text to its plan, in one straight line:
//!
//! caps ─▶ parse ─▶ walk ─▶ write out ─▶ read again and compare ─▶ plan

use std::sync::Arc;

use model::{Action, Facts, MaskedColumn, StatementKind};
use pg_query::protobuf::{LimitOption, ParseResult, RawStmt, SelectStmt, SetOperation};
use pg_query::{Node, NodeEnum};

use crate::changes;
use crate::copy::CopyForm;
use crate::scope::{Origin, Value};
use crate::select::Columns;
use crate::unsupported::unsupported;
use crate::variable::Variable;
use crate::walk::{Shape, Walk};
use crate::world::World;
use crate::{Effect, Output, Plan, Refusal, Request, Uses};
use crate::{
    channel, cursor, digest, explain, limits, prepare, set_config, transaction, tree, variable,
};

/// OID of the type that SHOW returns.
const TEXT_OID: u32 = 25;

/// Analyses one statement.
///
/// It recurses with the depth of the statement: run it on a thread with a stack of at least
/// 32 MiB.
///
/// # Errors
///
/// [`Refusal`] if the statement is not understood, or not allowed for anyone. A statement that
/// touches what no grant names at all reads the same as one about what does not exist.
pub fn analyse(request: &Request<'_>) -> Result<Plan, Refusal> {
    analysed(request).map_err(|refusal| refusal.placed(request.text))
}

fn analysed(request: &Request<'_>) -> Result<Plan, Refusal> {
    limits::check(request.text)?;
    statement(request, parse_one(request.text)?)
}

/// Analyses what was read of a text whose size was checked; nothing if no statement is in it.
#[expect(clippy::wildcard_enum_match_arm, reason = "a statement that is not named is refused")]
pub(crate) fn statement(
    request: &Request<'_>,
    statement: Option<NodeEnum>,
) -> Result<Plan, Refusal> {
    let Some(statement) = statement else { return Ok(empty(request.text)) };
    let world = World::new(request);
    if let NodeEnum::SelectStmt(query) = &statement
        && let Some(call) = set_config::only_call(query, request.settings)?
    {
        let set_config::Call { forward, effect, shows } = call;
        let shows = Some(shows);
        return Ok(setting(Variable { forward, effect, shows, tag: None }));
    }
    match statement {
        NodeEnum::SelectStmt(_)
        | NodeEnum::InsertStmt(_)
        | NodeEnum::UpdateStmt(_)
        | NodeEnum::DeleteStmt(_)
        | NodeEnum::MergeStmt(_)
        | NodeEnum::CallStmt(_)
        | NodeEnum::LockStmt(_)
        | NodeEnum::TruncateStmt(_)
        | NodeEnum::ExplainStmt(_)
        | NodeEnum::CopyStmt(_) => {
            judged(&world, statement, || parse_one(request.text)?.ok_or_else(Refusal::mismatch))
        }
        NodeEnum::TransactionStmt(statement) => {
            let (checked, effect) = transaction::transaction(statement, request.settings)?;
            let forward = write_out(NodeEnum::TransactionStmt(checked))?;
            // What ends a transaction may run deferred triggers.
            let errors_quote_only_granted = effect == Effect::Begin;
            let plan = without_rows(StatementKind::Transaction, &forward);
            Ok(Plan { effect, errors_quote_only_granted, ..plan })
        }
        NodeEnum::VariableSetStmt(statement) => {
            Ok(setting(variable::set(statement, request.settings)?))
        }
        NodeEnum::VariableShowStmt(statement) => Ok(setting(variable::show(&statement, request)?)),
        NodeEnum::DeclareCursorStmt(statement) => cursor::declare(&world, *statement),
        NodeEnum::FetchStmt(statement) => cursor::fetch(statement),
        NodeEnum::ClosePortalStmt(statement) => cursor::close(statement),
        NodeEnum::PrepareStmt(statement) => prepare::prepare(&world, *statement),
        NodeEnum::ExecuteStmt(statement) => prepare::execute(&world, statement),
        NodeEnum::DeallocateStmt(statement) => prepare::deallocate(statement),
        NodeEnum::DiscardStmt(statement) => prepare::discard(statement),
        NodeEnum::ListenStmt(statement) => channel::listen(statement),
        NodeEnum::UnlistenStmt(statement) => channel::unlisten(statement),
        NodeEnum::NotifyStmt(statement) => channel::notify(statement),
        other => Err(unsupported(&other)),
    }
}

/// The one statement of a text; nothing if there is none.
///
/// # Errors
///
/// [`Refusal`] if PostgreSQL's grammar does not accept the text, or there is more than one.
pub(crate) fn parse_one(text: &str) -> Result<Option<NodeEnum>, Refusal> {
    let mut statements = parse(text)?.into_iter();
    let first = statements.next();
    if statements.next().is_some() {
        // PostgreSQL's own words for the one place where a client may not send several.
        return Err(Refusal::syntax("cannot insert multiple commands into a prepared statement"));
    }
    first.map(only).transpose()
}

/// All statements of a text, as PostgreSQL's grammar reads it.
pub(crate) fn parse(text: &str) -> Result<Vec<RawStmt>, Refusal> {
    let parsed = pg_query::parse(text, 0).map_err(|error| Refusal::parser(text, &error))?;
    let ParseResult { version: _, stmts } = parsed.protobuf;
    Ok(stmts)
}

/// The statement itself.
pub(crate) fn only(statement: RawStmt) -> Result<NodeEnum, Refusal> {
    let RawStmt { stmt, stmt_location: _, stmt_len: _ } = statement;
    let node = stmt.and_then(|node| node.node);
    node.ok_or_else(|| Refusal::syntax("the statement is empty"))
}

/// SELECT, INSERT, UPDATE, DELETE, MERGE. `again` gives the same statement once more.
pub(crate) fn judged(
    world: &World<'_>,
    statement: NodeEnum,
    again: impl FnOnce() -> Result<NodeEnum, Refusal>,
) -> Result<Plan, Refusal> {
    let (first, shapes) = walk_once(world, &[], statement)?;
    let (Ok(_), Some(shapes)) = (&first, shapes) else { return first };
    // Grants cover tables below one that is named, or columns must be named: walk again.
    walk_once(world, &shapes, again()?)?.0
}

/// The plan, and what another walk has to know, if it would find something else.
type Walked = (Result<Plan, Refusal>, Option<Vec<Shape>>);

fn walk_once(world: &World<'_>, shapes: &[Shape], statement: NodeEnum) -> Result<Walked, Refusal> {
    let mut walk = Walk::new(world, shapes);
    let checked = walk.nested(|walk| {
        let checked = walk.whole_statement(statement)?;
        walk.follow_references()?;
        walk.check_json()?;
        Ok((checked, walk.checked_guards()?))
    });
    let shapes = walk.shapes();
    match checked {
        Ok((Checked { node, columns, kind, copy }, guards)) => {
            let writes = walk.writes && copy.is_none();
            let kind = if writes { StatementKind::Write } else { kind };
            let facts = walk.facts(kind);
            let changes = changes::of(&walk, &node);
            let outputs = outputs(&walk, &facts.masked, columns);
            let (forward, bytes) = written(node)?;
            let forward = walk.splices.fill(forward, &bytes)?;
            let (outputs, copy) = match copy {
                None => (outputs, None),
                Some(form) => (Vec::new(), Some(form.copy(&outputs))),
            };
            let reads = facts.touches.iter().all(|touch| touch.action == Action::Select);
            let answers = kind == StatementKind::Read || (kind == StatementKind::CopyOut && reads);
            let plan = Plan {
                outputs,
                copy,
                changes,
                errors_quote_only_granted: answers && walk.reads_plainly(),
                parameters_max: walk.parameters_max,
                guards,
                facts: Arc::new(facts),
                uses: walk.position.take().unwrap_or(Uses::Nothing),
                ..without_rows(kind, &forward)
            };
            Ok((Ok(plan), shapes))
        }
        Err(refusal) => Err(refusal),
    }
}

/// A statement that was walked over.
pub(crate) struct Checked {
    pub(crate) node: NodeEnum,
    pub(crate) columns: Columns,
    pub(crate) kind: StatementKind,
    pub(crate) copy: Option<CopyForm>,
}

impl Walk<'_> {
    /// A statement that is not part of another.
    #[expect(clippy::wildcard_enum_match_arm, reason = "`statement` names all others")]
    fn whole_statement(&mut self, statement: NodeEnum) -> Result<Checked, Refusal> {
        let plain = |(node, columns, kind)| Checked { node, columns, kind, copy: None };
        let checked = match statement {
            NodeEnum::CopyStmt(copy) => return self.copy(*copy),
            NodeEnum::CallStmt(call) => {
                let (call, columns) = self.call_procedure(*call)?;
                Ok((NodeEnum::CallStmt(Box::new(call)), columns, StatementKind::Write))
            }
            NodeEnum::LockStmt(lock) => {
                let lock = self.lock_tables(lock)?;
                Ok((NodeEnum::LockStmt(lock), Columns::new(), StatementKind::Read))
            }
            NodeEnum::TruncateStmt(truncate) => {
                let truncate = self.truncate(truncate)?;
                Ok((NodeEnum::TruncateStmt(truncate), Columns::new(), StatementKind::Write))
            }
            NodeEnum::ExplainStmt(statement) => {
                let (statement, options) = explain::taken_apart(*statement)?;
                let (statement, _, _) = self.statement(statement)?;
                self.check_explained(options.runs)?;
                // Only what runs writes; what it would touch is needed either way.
                self.writes &= options.runs;
                let columns = explain::columns(options.type_oid);
                Ok((explain::explain(statement, options.checked), columns, StatementKind::Read))
            }
            other => self.statement(other),
        };
        checked.map(plain)
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "a node that is not named is refused")]
    pub(crate) fn statement(
        &mut self,
        statement: NodeEnum,
    ) -> Result<(NodeEnum, Columns, StatementKind), Refusal> {
        match statement {
            NodeEnum::SelectStmt(query) => {
                let (query, columns) = self.query(*query)?;
                if columns.is_empty() {
                    return Err(Refusal::later("not_supported_no_columns", "a row of no columns"));
                }
                Ok((NodeEnum::SelectStmt(Box::new(query)), columns, StatementKind::Read))
            }
            NodeEnum::InsertStmt(insert) => {
                let (insert, columns) = self.insert(*insert)?;
                Ok((NodeEnum::InsertStmt(Box::new(insert)), columns, StatementKind::Write))
            }
            NodeEnum::UpdateStmt(update) => {
                let (update, columns) = self.update(*update)?;
                Ok((NodeEnum::UpdateStmt(Box::new(update)), columns, StatementKind::Write))
            }
            NodeEnum::DeleteStmt(delete) => {
                let (delete, columns) = self.delete(*delete)?;
                Ok((NodeEnum::DeleteStmt(Box::new(delete)), columns, StatementKind::Write))
            }
            NodeEnum::MergeStmt(merge) => {
                let (merge, columns) = self.merge(*merge)?;
                Ok((NodeEnum::MergeStmt(Box::new(merge)), columns, StatementKind::Write))
            }
            other => Err(unsupported(&other)),
        }
    }
}

fn outputs(walk: &Walk<'_>, masked: &[MaskedColumn], columns: Columns) -> Vec<Output> {
    let output = |(name, value): (String, Value)| {
        let mask = walk.shown_mask_of(&value);
        let masked = mask.and_then(|mask| masked.iter().position(|column| *column == mask));
        let origin = match value.origin {
            Origin::Column(table, column) => Some((table, column)),
            Origin::Nothing | Origin::Unclear => None,
        };
        Output { name, origin, type_oid: value.type_oid(), masked }
    };
    columns.into_iter().map(output).collect()
}

/// Writes the checked tree as text and proves that the text reads as that tree.
pub(crate) fn write_out(statement: NodeEnum) -> Result<String, Refusal> {
    written(statement).map(|(text, _)| text)
}

/// As [`write_out`], with the bytes of the tree.
fn written(statement: NodeEnum) -> Result<(String, Vec<u8>), Refusal> {
    let tree = ParseResult {
        version: 0,
        stmts: vec![RawStmt {
            stmt: Some(Box::new(tree::node(statement))),
            stmt_location: 0,
            stmt_len: 0,
        }],
    };
    let text = pg_query::deparse(&tree, pg_query::DeparseOptions::default())
        .map_err(|_unwritable| Refusal::mismatch())?;
    if text.len() > limits::FORWARD_BYTES_MAX {
        return Err(Refusal::too_large(
            "bytes with its names written out",
            limits::FORWARD_BYTES_MAX,
        ));
    }
    let again = pg_query::parse(&text, 0).map_err(|_unreadable| Refusal::mismatch())?.protobuf;
    match (digest::digest(&tree.stmts), digest::digest(&again.stmts)) {
        (Some(judged), Some(written)) if judged == written => Ok((text, judged)),
        (Some(_) | None, Some(_) | None) => Err(Refusal::mismatch()),
    }
}

fn setting(variable: Variable) -> Plan {
    let Variable { forward, effect, shows, tag } = variable;
    let output =
        shows.map(|name| Output { name, origin: None, type_oid: Some(TEXT_OID), masked: None });
    let outputs = output.into_iter().collect();
    Plan { outputs, tag, effect, ..without_rows(StatementKind::Setting, &forward) }
}

pub(crate) fn empty(text: &str) -> Plan {
    // Comments are not passed on: nothing but the gateway's own text reaches the target.
    let forward = if text.is_empty() { "" } else { ";" };
    Plan { is_empty: true, ..without_rows(StatementKind::Empty, forward) }
}

pub(crate) fn without_rows(kind: StatementKind, forward: &str) -> Plan {
    let errors_quote_only_granted = match kind {
        StatementKind::Empty | StatementKind::Setting | StatementKind::Session => true,
        StatementKind::Read
        | StatementKind::Write
        | StatementKind::CopyOut
        | StatementKind::CopyIn
        | StatementKind::Transaction
        | StatementKind::Prepare => false,
    };
    Plan { errors_quote_only_granted, ..Plan::new(Facts::nothing(kind), forward) }
}

/// The columns of a view's definition, judged as a statement without grants.
///
/// # Errors
///
/// [`Refusal`] if the definition computes with a masked column or is not understood.
pub(crate) fn view_columns(
    world: &World<'_>,
    text: &str,
) -> Result<Vec<Option<MaskedColumn>>, Refusal> {
    limits::check(text)?;
    let Some(NodeEnum::SelectStmt(query)) = parse_one(text)? else {
        return Err(Refusal::syntax("a view is not a query"));
    };
    let mut walk = Walk::new(world, &[]);
    let (_, columns) = walk.query(*query)?;
    Ok(columns.iter().map(|(_, value)| walk.mask_of(value)).collect())
}

/// A checked expression as text that reads as it.
///
/// # Errors
///
/// [`Refusal`] if it cannot be written out unchanged.
pub(crate) fn expression_text(node: &Node) -> Result<String, Refusal> {
    if let Some(name) = column_text(node) {
        return Ok(name);
    }
    let query = SelectStmt {
        target_list: vec![tree::target("", node.clone())],
        limit_option: LimitOption::Default as i32,
        op: SetOperation::SetopNone as i32,
        ..SelectStmt::default()
    };
    let text = write_out(NodeEnum::SelectStmt(Box::new(query)))?;
    text.strip_prefix("SELECT ").map(str::to_owned).ok_or_else(Refusal::mismatch)
}

/// The name of a column as text: no more than its parts in quotes.
fn column_text(node: &Node) -> Option<String> {
    let Some(NodeEnum::ColumnRef(column)) = &node.node else { return None };
    let parts = tree::as_texts(&column.fields)?;
    let quoted = parts.iter().map(|part| format!("\"{}\"", part.replace('"', "\"\"")));
    Some(quoted.collect::<Vec<_>>().join("."))
}

/// The expression of a text, for masks; nothing if it cannot be written out unchanged.
pub(crate) fn parse_expression(text: &str) -> Option<Node> {
    let statement = parse_one(&format!("SELECT {text}")).ok()??;
    write_out(statement.clone()).ok()?;
    only_target(statement)
}

/// The expression of a text that becomes part of a statement, which is proved as a whole.
pub(crate) fn read_expression(text: &str) -> Option<Node> {
    only_target(parse_one(&format!("SELECT {text}")).ok()??)
}

fn only_target(statement: NodeEnum) -> Option<Node> {
    let NodeEnum::SelectStmt(mut query) = statement else { return None };
    let Some(NodeEnum::ResTarget(mut target)) = query.target_list.pop()?.node else { return None };
    target.val.take().map(|value| *value)
}
