//! Operators, function calls and the keywords that are functions.

use pg_query::protobuf::{
    AExpr, AExprKind, CoercionForm, FuncCall, SqlValueFunction, SqlValueFunctionOp,
};
use pg_query::{Node, NodeEnum};

use crate::tree::{self, NOWHERE, SYSTEM_SCHEMA};
use crate::walk::Walk;
use crate::{
    Refusal, catalog_call, channel, functions, routines, sequences, session_call, text_search,
};

/// What a call turned out to be.
enum Called {
    /// The gateway answers it.
    Done(Box<Node>),
    /// A function, by its name in records, its qualified name and its arguments.
    Function(String, Vec<Node>, Vec<Node>),
}

impl Walk<'_> {
    pub(crate) fn operation(&mut self, operation: AExpr) -> Result<Node, Refusal> {
        let AExpr { kind, name, lexpr, rexpr, rexpr_list_start: _, rexpr_list_end: _, location: _ } =
            operation;
        let known = AExprKind::try_from(kind).map_err(|_unknown| unknown_operator())?;
        let name = match known {
            AExprKind::AexprOp | AExprKind::AexprOpAny | AExprKind::AexprOpAll => {
                operator_name(&name)?
            }
            // Keywords, which the grammar turns into operators that the target looks up on its
            // pinned search path.
            AExprKind::AexprDistinct
            | AExprKind::AexprNotDistinct
            | AExprKind::AexprNullif
            | AExprKind::AexprIn
            | AExprKind::AexprLike
            | AExprKind::AexprIlike
            | AExprKind::AexprSimilar
            | AExprKind::AexprBetween
            | AExprKind::AexprNotBetween
            | AExprKind::AexprBetweenSym
            | AExprKind::AexprNotBetweenSym => match tree::as_texts(&name).as_deref() {
                Some([_]) => name,
                Some(_) | None => return Err(unknown_operator()),
            },
            AExprKind::Undefined => return Err(unknown_operator()),
        };
        let joins_texts = tree::as_texts(&name).is_some_and(|name| name.last() == Some(&"||"));
        let operand = if joins_texts { Self::seen_operand } else { Self::operand };
        let lexpr = operand(self, lexpr)?;
        let rexpr = operand(self, rexpr)?;
        let checked = AExpr { kind, name, lexpr, rexpr, location: NOWHERE, ..AExpr::default() };
        Ok(tree::node(NodeEnum::AExpr(Box::new(checked))))
    }

    fn operand(&mut self, operand: Option<Box<Node>>) -> Result<Option<Box<Node>>, Refusal> {
        match operand.map(|operand| operand.node) {
            None => Ok(None),
            Some(Some(NodeEnum::List(items))) => Ok(Some(Box::new(self.expr_list(items)?))),
            Some(inner) => Ok(Some(Box::new(self.expr(Node { node: inner })?))),
        }
    }

    /// An operand of `||`.
    fn seen_operand(&mut self, operand: Option<Box<Node>>) -> Result<Option<Box<Node>>, Refusal> {
        operand.map(|operand| self.seen_expr(*operand).map(Box::new)).transpose()
    }

    /// A function call anywhere but in FROM.
    pub(crate) fn call(&mut self, call: FuncCall) -> Result<Node, Refusal> {
        if let Some([catalog_call::INFORMATION_SCHEMA, name]) =
            tree::as_texts(&call.funcname).as_deref()
        {
            let name = (*name).to_owned();
            return self.information_call(&name, call);
        }
        if let Ok(name) = function_name(&call.funcname)
            && let Some(rule) = catalog_call::rule(&name)
        {
            return self.catalog_call(&name, rule, call);
        }
        if let Ok(name) = function_name(&call.funcname)
            && session_call::is_session_call(&name)
        {
            return self.session_call(&name, &call);
        }
        if function_name(&call.funcname).is_ok_and(|name| name == channel::PG_NOTIFY) {
            return self.notify_call(call);
        }
        let FuncCall {
            funcname,
            args,
            agg_order,
            agg_filter,
            over,
            agg_within_group,
            agg_star,
            agg_distinct,
            func_variadic,
            funcformat,
            location: _,
        } = call;
        let (name, funcname, args) = match self.called(&funcname, args, over.is_some())? {
            Called::Done(node) => return Ok(*node),
            Called::Function(name, funcname, args) => (name, funcname, args),
        };
        let args = args.into_iter().map(|arg| self.seen_expr(arg)).collect::<Result<_, _>>()?;
        let agg_order = self.sort_expressions(agg_order)?;
        let agg_filter = self.expr_option(agg_filter)?;
        let over = over.map(|window| self.window(*window).map(Box::new)).transpose()?;
        self.functions.insert(name.clone());
        let checked = FuncCall {
            funcname,
            args,
            agg_order,
            agg_filter,
            over,
            agg_within_group,
            agg_star,
            agg_distinct,
            func_variadic,
            funcformat: known_format(funcformat)?,
            location: NOWHERE,
        };
        Ok(tree::node(NodeEnum::FuncCall(Box::new(checked))))
    }

    /// Finds the function of a call, or answers the call itself.
    fn called(
        &mut self,
        funcname: &[Node],
        args: Vec<Node>,
        is_window: bool,
    ) -> Result<Called, Refusal> {
        let own = function_name(funcname).ok();
        if let Some(name) = own {
            if functions::is_session_name(&name) && args.is_empty() && !is_window {
                return Ok(Called::Done(Box::new(self.session_name(&name))));
            }
            if sequences::is_of_sequence(&name) {
                let node = self.sequence_call(&name, args)?;
                return Ok(Called::Done(Box::new(node)));
            }
            if functions::allowed(&name).is_some() {
                let args = text_search::qualified(&name, args)?;
                if functions::grows(&name) {
                    check_growth(&name, &args)?;
                }
                let funcname = tree::system_name(&name);
                return Ok(Called::Function(name, funcname, args));
            }
        }
        match self.granted_function(funcname)? {
            Some(function) => {
                let parts = [function.schema.as_str(), function.name.as_str()];
                Ok(Called::Function(function.to_string(), tree::names(parts), args))
            }
            None => Err(Refusal::function(&routines::shown(funcname))),
        }
    }

    /// `current_date` and its like. Who and where are answered by the gateway's own words.
    pub(crate) fn keyword(&mut self, keyword: SqlValueFunction) -> Result<Node, Refusal> {
        let SqlValueFunction { xpr: _, op, r#type: _, typmod, location: _ } = keyword;
        let known = SqlValueFunctionOp::try_from(op)
            .map_err(|_unknown| Refusal::no_function("this keyword"))?;
        match known {
            SqlValueFunctionOp::SvfopCurrentDate
            | SqlValueFunctionOp::SvfopCurrentTime
            | SqlValueFunctionOp::SvfopCurrentTimeN
            | SqlValueFunctionOp::SvfopCurrentTimestamp
            | SqlValueFunctionOp::SvfopCurrentTimestampN
            | SqlValueFunctionOp::SvfopLocaltime
            | SqlValueFunctionOp::SvfopLocaltimeN
            | SqlValueFunctionOp::SvfopLocaltimestamp
            | SqlValueFunctionOp::SvfopLocaltimestampN => {
                let checked = SqlValueFunction { op, typmod, ..SqlValueFunction::default() };
                Ok(tree::node(NodeEnum::SqlvalueFunction(Box::new(checked))))
            }
            SqlValueFunctionOp::SvfopCurrentRole
            | SqlValueFunctionOp::SvfopCurrentUser
            | SqlValueFunctionOp::SvfopUser
            | SqlValueFunctionOp::SvfopSessionUser => Ok(self.session_name("current_user")),
            SqlValueFunctionOp::SvfopCurrentCatalog => Ok(self.session_name("current_database")),
            SqlValueFunctionOp::SvfopCurrentSchema => Ok(self.session_name("current_schema")),
            SqlValueFunctionOp::SqlvalueFunctionOpUndefined => {
                Err(Refusal::no_function("this keyword"))
            }
        }
    }

    fn session_name(&mut self, name: &str) -> Node {
        tree::typed_text(self.session_text(name), "name")
    }

    /// What a function of [`functions::is_session_name`] answers.
    pub(crate) fn session_text(&mut self, name: &str) -> &str {
        match name {
            "current_database" => self.world.database,
            "current_schema" => self.first_schema(),
            _ => self.world.identity,
        }
    }

    /// The first schema of the search path that the client sees.
    fn first_schema(&mut self) -> &str {
        let sight = self.sight();
        let mut path = self.world.search_path.iter();
        let is_seen = |schema: &&&str| sight.schemas.contains_key(**schema);
        path.find(is_seen).or(self.world.search_path.last()).copied().unwrap_or("public")
    }
}

/// The name of a function, which must be PostgreSQL's own.
pub(crate) fn function_name(funcname: &[Node]) -> Result<String, Refusal> {
    match tree::as_texts(funcname).as_deref() {
        Some([name] | [SYSTEM_SCHEMA, name]) => Ok((*name).to_owned()),
        Some(parts) => Err(Refusal::function(&parts.join("."))),
        None => Err(Refusal::no_function("this")),
    }
}

pub(crate) fn check_growth(name: &str, args: &[Node]) -> Result<(), Refusal> {
    let is_large = |value: i32| value > functions::CONSTANT_MAX;
    if args.iter().filter_map(tree::as_integer).any(is_large) {
        let limit = functions::CONSTANT_MAX;
        let message = format!("{name} is limited to {limit}");
        return Err(Refusal::never("constant_too_large", message));
    }
    Ok(())
}

/// An operator of PostgreSQL's own, qualified so that no other can be meant.
pub(crate) fn operator_name(name: &[Node]) -> Result<Vec<Node>, Refusal> {
    match tree::as_texts(name).as_deref() {
        Some([operator] | [SYSTEM_SCHEMA, operator]) => Ok(tree::system_name(operator)),
        Some(_) | None => Err(unknown_operator()),
    }
}

fn unknown_operator() -> Refusal {
    Refusal::never("operator_not_allowed", "only PostgreSQL's own operators are allowed")
}

fn known_format(format: i32) -> Result<i32, Refusal> {
    match CoercionForm::try_from(format) {
        Ok(CoercionForm::CoerceExplicitCall | CoercionForm::CoerceSqlSyntax) => Ok(format),
        Ok(
            CoercionForm::Undefined
            | CoercionForm::CoerceExplicitCast
            | CoercionForm::CoerceImplicitCast,
        )
        | Err(_) => Err(Refusal::syntax("not a function call")),
    }
}
