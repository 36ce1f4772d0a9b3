//! BEGIN, COMMIT, ROLLBACK and savepoints, and the options of a transaction.

use pg_query::protobuf::{
    self, AConst, DefElem, DefElemAction, Integer, TransactionStmt, TransactionStmtKind, a_const,
};
use pg_query::{Node, NodeEnum};

use crate::settings::{self, ClientSettings};
use crate::tree::{self, NOWHERE};
use crate::{Effect, Refusal};

const ISOLATION_LEVELS: [&str; 4] =
    ["serializable", "repeatable read", "read committed", "read uncommitted"];

/// Checks a statement of transaction control and says what it does to the session.
pub(crate) fn transaction(
    statement: TransactionStmt,
    client: &ClientSettings,
) -> Result<(TransactionStmt, Effect), Refusal> {
    let TransactionStmt { kind, options, savepoint_name, gid, chain, location: _ } = statement;
    if chain {
        return Err(Refusal::later("not_supported_chain", "AND CHAIN"));
    }
    let name = savepoint_name.clone();
    let effect = match TransactionStmtKind::try_from(kind) {
        Ok(TransactionStmtKind::TransStmtBegin | TransactionStmtKind::TransStmtStart) => {
            Effect::Begin
        }
        Ok(TransactionStmtKind::TransStmtCommit) => Effect::Commit,
        Ok(TransactionStmtKind::TransStmtRollback) => Effect::Rollback,
        Ok(TransactionStmtKind::TransStmtSavepoint) => {
            if client.savepoints() >= settings::SAVEPOINTS_MAX {
                return Err(Refusal::too_large("savepoints", settings::SAVEPOINTS_MAX));
            }
            Effect::Savepoint(name)
        }
        Ok(TransactionStmtKind::TransStmtRelease) => Effect::Release(name),
        Ok(TransactionStmtKind::TransStmtRollbackTo) => Effect::RollbackTo(name),
        Ok(
            TransactionStmtKind::TransStmtPrepare
            | TransactionStmtKind::TransStmtCommitPrepared
            | TransactionStmtKind::TransStmtRollbackPrepared,
        ) => return Err(Refusal::later("not_supported_two_phase", "a two-phase commit")),
        Ok(TransactionStmtKind::Undefined) | Err(_) => {
            return Err(Refusal::syntax("unknown transaction statement"));
        }
    };
    let options = options.into_iter().map(option).collect::<Result<_, _>>()?;
    let checked = TransactionStmt { kind, options, savepoint_name, gid, chain, location: NOWHERE };
    Ok((checked, effect))
}

/// One option: isolation level, read only or deferrable.
pub(crate) fn option(option: Node) -> Result<Node, Refusal> {
    let Some(NodeEnum::DefElem(option)) = option.node else {
        return Err(Refusal::syntax("not an option of a transaction"));
    };
    let DefElem { defnamespace, defname, arg, defaction, location: _, arg_location: _ } = *option;
    let value = arg.as_deref().and_then(|arg| arg.node.as_ref()).and_then(constant);
    let is_known = match (defname.as_str(), value) {
        ("transaction_isolation", Some(a_const::Val::Sval(protobuf::String { sval }))) => {
            ISOLATION_LEVELS.contains(&sval.as_str())
        }
        (
            "transaction_read_only" | "transaction_deferrable",
            Some(a_const::Val::Ival(Integer { ival })),
        ) => matches!(ival, 0 | 1),
        _ => false,
    };
    let is_plain = defnamespace.is_empty() && defaction == DefElemAction::DefelemUnspec as i32;
    if !is_known || !is_plain {
        return Err(Refusal::syntax("unknown option of a transaction"));
    }
    let option = DefElem { defname, arg: arg.map(without_place), defaction, ..DefElem::default() };
    Ok(tree::node(NodeEnum::DefElem(Box::new(option))))
}

fn constant(node: &NodeEnum) -> Option<&a_const::Val> {
    if let NodeEnum::AConst(AConst { isnull: false, location: _, val }) = node {
        return val.as_ref();
    }
    None
}

fn without_place(mut node: Box<Node>) -> Box<Node> {
    if let Some(NodeEnum::AConst(value)) = &mut node.node {
        value.location = NOWHERE;
    }
    node
}
