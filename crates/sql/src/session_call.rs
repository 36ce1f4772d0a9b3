//! Functions that are about the session itself: its settings, and its advisory locks.
//!
//! Settings are those that SHOW shows and SET sets; their names and values are literals here, so
//! that what was judged is what runs. Of advisory locks a session may give up its own; it can take
//! none.

use pg_query::protobuf::FuncCall;
use pg_query::{Node, NodeEnum};

use crate::tree::{self, NOWHERE};
use crate::variable::{self, Reading};
use crate::walk::Walk;
use crate::{Refusal, analyse, catalog_call, shown};

/// Whether a function is one of these.
pub(crate) fn is_session_call(name: &str) -> bool {
    matches!(
        name,
        "current_setting"
            | "set_config"
            | "pg_advisory_unlock_all"
            | "inet_client_addr"
            | "inet_client_port"
            | "inet_server_addr"
            | "inet_server_port"
    )
}

impl Walk<'_> {
    /// A call of one of these functions, rewritten.
    pub(crate) fn session_call(&mut self, name: &str, call: &FuncCall) -> Result<Node, Refusal> {
        if !self.world.forwards {
            // In a view the target itself would answer, with what is its own.
            return Err(Refusal::function(name));
        }
        let args: Option<Vec<Literal<'_>>> = call.args.iter().map(literal).collect();
        let is_plain = call.agg_order.is_empty()
            && call.agg_filter.is_none()
            && call.over.is_none()
            && !call.agg_star
            && !call.agg_distinct
            && !call.agg_within_group
            && !call.func_variadic;
        if name == "current_setting"
            && args.is_none()
            && is_plain
            && let [setting] = call.args.as_slice()
        {
            return self.any_setting(setting.clone());
        }
        if let ("set_config", None, true, [setting, value, is_local]) =
            (name, &args, is_plain, call.args.as_slice())
            && let (Some(Literal::Text(setting)), Some(Literal::Truth(is_local))) =
                (literal(setting), literal(is_local))
            && let Ok(setting) = variable::switch(setting)
        {
            return self.set_switch(setting, value.clone(), is_local.to_string());
        }
        if let ("set_config", None, true, [setting, value, is_local]) =
            (name, &args, is_plain, call.args.as_slice())
            && let (Some(Literal::Text(value)), Some(Literal::Truth(is_local))) =
                (literal(value), literal(is_local))
            && matches!(setting.node, Some(NodeEnum::ColumnRef(_)))
        {
            return self.set_any(setting.clone(), value, is_local.to_string());
        }
        let args = args.filter(|_| is_plain);
        let node = match (name, args.as_deref()) {
            ("current_setting", Some([Literal::Text(setting)])) => self.current_setting(setting)?,
            ("current_setting", Some([Literal::Text(setting), Literal::Truth(may_miss)])) => {
                match self.current_setting(setting) {
                    // As of a setting that is not there.
                    Err(_hidden) if *may_miss => tree::typed_null("text"),
                    other => other?,
                }
            }
            (
                "set_config",
                Some([Literal::Text(setting), Literal::Text(value), Literal::Truth(is_local)]),
            ) => {
                let setting = variable::settable(setting, value)?;
                let args = vec![tree::text(setting), tree::text(value), tree::boolean(*is_local)];
                own_call(name, args)
            }
            // As over a Unix socket: the network behind the gateway is not the client's matter.
            ("inet_client_addr" | "inet_server_addr", Some([])) => tree::typed_null("inet"),
            ("inet_client_port" | "inet_server_port", Some([])) => tree::typed_null("int4"),
            ("pg_advisory_unlock_all", Some([])) => own_call(name, Vec::new()),
            (_, Some(_) | None) => {
                return Err(Refusal::function(name)
                    .with_hint("Names and values of settings are literals here."));
            }
        };
        self.functions.insert(name.to_owned());
        Ok(node)
    }

    /// A switch that is set to what is known when the statement runs; to its default if that is not
    /// on or off.
    fn set_switch(
        &mut self,
        setting: &str,
        value: Node,
        is_local: String,
    ) -> Result<Node, Refusal> {
        let setting = shown::quoted(setting);
        let value = self.expr(value)?;
        let value = format!("({})::pg_catalog.text", analyse::expression_text(&value)?);
        self.functions.insert("set_config".to_owned());
        catalog_call::spliced(&format!(
            "pg_catalog.set_config({setting}, CASE WHEN {value} IN ('on', 'off') THEN {value} END, \
             {is_local})"
        ))
    }

    /// A setting that a column names: one that the target keeps and that may have this value;
    /// PostgreSQL's own error for any other. `pg_dump` asks so for what not every version has.
    fn set_any(&mut self, setting: Node, value: &str, is_local: String) -> Result<Node, Refusal> {
        let setting = self.expr(setting)?;
        let setting = format!("({})::pg_catalog.text", analyse::expression_text(&setting)?);
        let settable = variable::names().filter(|name| variable::settable(name, value).is_ok());
        let settable = shown::texts(settable);
        let value = shown::quoted(value);
        self.functions.insert("set_config".to_owned());
        catalog_call::spliced(&format!(
            "pg_catalog.set_config(CASE WHEN {setting} = ANY ({settable}::pg_catalog.text[]) \
             THEN {setting} END, {value}, {is_local})"
        ))
    }

    /// A setting whose name is known when the statement runs: one that clients may see, or NULL.
    fn any_setting(&mut self, setting: Node) -> Result<Node, Refusal> {
        let setting = self.expr(setting)?;
        let setting = analyse::expression_text(&setting)?;
        let mut text = format!("CASE pg_catalog.lower(({setting})::pg_catalog.text)");
        for name in variable::names() {
            let key = shown::quoted(&name.to_ascii_lowercase());
            let value = match variable::reading(name, self.world.settings, self.world.identity)? {
                (_, Reading::Known(value)) => shown::quoted(&value),
                // Not every version has all of them.
                (_, Reading::Target(name)) => {
                    format!("pg_catalog.current_setting({}, true)", shown::quoted(name))
                }
            };
            text.push_str(&[" WHEN ", &key, " THEN ", &value].concat());
        }
        text.push_str(" END");
        self.functions.insert("current_setting".to_owned());
        catalog_call::spliced(&text)
    }

    fn current_setting(&self, setting: &str) -> Result<Node, Refusal> {
        let reading = variable::reading(setting, self.world.settings, self.world.identity)?;
        Ok(match reading {
            (_, Reading::Known(value)) => tree::typed_text(&value, "text"),
            (_, Reading::Target(name)) => own_call("current_setting", vec![tree::text(name)]),
        })
    }
}

enum Literal<'a> {
    Text(&'a str),
    Truth(bool),
}

fn literal(node: &Node) -> Option<Literal<'_>> {
    tree::as_constant_text(node)
        .map(Literal::Text)
        .or_else(|| tree::as_constant_truth(node).map(Literal::Truth))
}

fn own_call(name: &str, args: Vec<Node>) -> Node {
    let call = FuncCall {
        funcname: tree::system_name(name),
        args,
        funcformat: pg_query::protobuf::CoercionForm::CoerceExplicitCall.into(),
        location: NOWHERE,
        ..FuncCall::default()
    };
    tree::node(NodeEnum::FuncCall(Box::new(call)))
}
