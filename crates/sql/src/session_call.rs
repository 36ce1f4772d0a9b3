//! Functions that are about the session itself: its settings, and its advisory locks.
//!
//! Settings are those that SHOW shows and SET sets; their names and values are literals here, so
//! that what was judged is what runs. Of advisory locks a session may give up its own; it can take
//! none.

use pg_query::protobuf::FuncCall;
use pg_query::{Node, NodeEnum};

use crate::Refusal;
use crate::tree::{self, NOWHERE};
use crate::variable::{self, Reading};
use crate::walk::Walk;

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
