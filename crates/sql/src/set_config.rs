//! `SELECT set_config('name', 'value', local)`, which is a SET that returns a row.
//!
//! A setting that the gateway keeps is taken only by itself; among other expressions, see
//! `session_call`.

use pg_query::NodeEnum;
use pg_query::protobuf::{FuncCall, ResTarget, SelectStmt};

use crate::settings::{self, Setting};
use crate::tree::{self, SYSTEM_SCHEMA};
use crate::value::Kind;
use crate::variable::{self, Change, NOTHING};
use crate::{ClientSettings, Effect, Refusal};

const NAME: &str = "set_config";

/// What the call does.
pub(crate) struct Call {
    pub(crate) forward: String,
    pub(crate) effect: Effect,
    /// The name of its column.
    pub(crate) shows: String,
}

/// The call that a query consists of; nothing if it is another query.
///
/// # Errors
///
/// [`Refusal`] if the setting or the value is not allowed.
pub(crate) fn only_call(
    query: &SelectStmt,
    client: &ClientSettings,
) -> Result<Option<Call>, Refusal> {
    let Some((target, call)) = only_target(query) else { return Ok(None) };
    let [name, value, local] = call.args.as_slice() else { return Ok(None) };
    let (Some(name), Some(value), Some(is_local)) = (
        tree::as_constant_text(name),
        tree::as_constant_text(value),
        tree::as_constant_truth(local),
    ) else {
        return Ok(None);
    };
    let rule = variable::rule(name)?;
    let values = match &rule.change {
        Change::Kept(Setting::SearchPath) => settings::split_names(value),
        Change::Kept(_)
        | Change::Forwarded(_)
        | Change::Pinned(_)
        | Change::ReadOnly
        | Change::Identity
        | Change::Answer(_) => vec![value.to_owned()],
    };
    if matches!(rule.change, Change::Forwarded(Kind::Timeout)) && value == "0" {
        // Zero is the gateway's own limit, and the function takes no default.
        return Err(Refusal::setting_value(rule.name));
    }
    let changed = variable::changed(rule, Some(&values), is_local, client)?;
    let literal = value.replace('\'', "''");
    let shows = if target.name.is_empty() { NAME.to_owned() } else { target.name.clone() };
    let column = shows.replace('"', "\"\"");
    let forward = if changed.forward == NOTHING {
        format!("SELECT '{literal}'::pg_catalog.text AS \"{column}\"")
    } else {
        let name = rule.name;
        format!("SELECT pg_catalog.set_config('{name}', '{literal}', {is_local}) AS \"{column}\"")
    };
    Ok(Some(Call { forward, effect: changed.effect, shows }))
}

/// The only target of a query without any other clause, if it is this call.
fn only_target(query: &SelectStmt) -> Option<(&ResTarget, &FuncCall)> {
    let plain = SelectStmt {
        target_list: query.target_list.clone(),
        limit_option: query.limit_option,
        op: query.op,
        ..SelectStmt::default()
    };
    let [target] = query.target_list.as_slice() else { return None };
    let Some(NodeEnum::ResTarget(target)) = &target.node else { return None };
    let Some(NodeEnum::FuncCall(call)) = &target.val.as_deref()?.node else { return None };
    let name = tree::as_texts(&call.funcname)?;
    let is_call = matches!(*name.as_slice(), [NAME] | [SYSTEM_SCHEMA, NAME]);
    (is_call && *query == plain).then_some((&**target, &**call))
}
