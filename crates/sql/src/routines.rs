//! The database's own functions and procedures: callable where a grant names them.
//!
//! What such a function does is not seen from here. Who grants it vouches for it: it may read and
//! show whatever the gateway's own user may. A masked column is no argument of it, and one that
//! returns rows of a relation with masked columns cannot be called at all.

use model::{Action, RelationName};
use pg_query::Node;
use pg_query::protobuf::{CallStmt, CoercionForm, FuncCall};

use crate::Refusal;
use crate::catalog_routines::{FunctionKind, FunctionRow};
use crate::scope::Value;
use crate::select::Columns;
use crate::tree::{self, SYSTEM_SCHEMA};
use crate::walk::Walk;
use crate::world::World;

/// Functions of PostgreSQL's own that are callable only where a grant names them: sessions can tell
/// each other something by them, or they tell of the target itself.
#[rustfmt::skip]
const BY_GRANT: [&str; 20] = [
    "pg_advisory_lock", "pg_advisory_lock_shared", "pg_advisory_unlock",
    "pg_advisory_unlock_shared", "pg_advisory_xact_lock", "pg_advisory_xact_lock_shared",
    "pg_try_advisory_lock", "pg_try_advisory_lock_shared", "pg_try_advisory_xact_lock",
    "pg_try_advisory_xact_lock_shared", "pg_backend_pid", "pg_current_snapshot",
    "pg_current_xact_id", "pg_current_xact_id_if_assigned", "pg_postmaster_start_time", "pg_sleep",
    "pg_sleep_for", "pg_snapshot_xmin", "txid_current", "txid_current_if_assigned",
];

/// True if a grant may name this function of PostgreSQL's own.
pub(crate) fn is_by_grant(name: &str) -> bool {
    BY_GRANT.contains(&name)
}

impl World<'_> {
    pub(crate) fn may_execute(&self, function: &RelationName) -> bool {
        !(self.granted)(function, Action::Execute).is_empty()
    }

    /// The function of the database, or of those that need a grant, that a name means.
    fn routine(&self, parts: &[&str]) -> Option<RelationName> {
        let candidate = |schema: &str, name: &str| {
            let function = RelationName::new(schema, name);
            let exists = if schema == SYSTEM_SCHEMA {
                is_by_grant(name)
            } else {
                self.catalog.functions.contains_key(&function)
            };
            (exists && self.may_execute(&function)).then_some(function)
        };
        match *parts {
            [name] => candidate(SYSTEM_SCHEMA, name)
                .or_else(|| self.search_path.iter().find_map(|schema| candidate(schema, name))),
            [schema, name] => candidate(schema, name),
            [database, schema, name] if database == self.database => candidate(schema, name),
            _ => None,
        }
    }

    /// All functions of a name.
    pub(crate) fn overloads(&self, function: &RelationName) -> &[FunctionRow] {
        self.catalog.functions.get(function).map(Vec::as_slice).unwrap_or_default()
    }
}

impl Walk<'_> {
    /// The granted function that a call means, touched; nothing if it means none.
    ///
    /// # Errors
    ///
    /// [`Refusal`] if it may return rows with masked columns.
    pub(crate) fn granted_function(
        &mut self,
        funcname: &[Node],
    ) -> Result<Option<RelationName>, Refusal> {
        let Some(parts) = tree::as_texts(funcname) else { return Ok(None) };
        let Some(function) = self.world.routine(&parts) else { return Ok(None) };
        let overloads = self.world.overloads(&function);
        let may_write = overloads.is_empty() || overloads.iter().any(|row| row.is_volatile);
        if overloads.iter().any(|row| self.shows_masked(row)) {
            return Err(Refusal::never(
                "function_shows_masked",
                format!("function {} returns rows that have masked columns", parts.join(".")),
            ));
        }
        self.writes |= may_write;
        self.executed.insert(function.clone());
        Ok(Some(function))
    }

    fn shows_masked(&self, function: &FunctionRow) -> bool {
        let mut relations = self.world.catalog.relations.values();
        function.row_of != 0
            && relations
                .find(|relation| relation.oid == function.row_of)
                .is_none_or(|relation| relation.columns.iter().any(|c| c.mask.is_some()))
    }

    /// The columns of a granted function in FROM, under the name that the entry gives a single one.
    pub(crate) fn routine_columns(
        &self,
        function: &RelationName,
        shown: Option<&str>,
    ) -> Result<Columns, Refusal> {
        let overloads = self.world.overloads(function);
        let computed = |name: &str| (name.to_owned(), Value::computed());
        let mut all = overloads.iter().map(|row| {
            let relation =
                self.world.catalog.relations.values().find(|known| known.oid == row.row_of);
            match (relation, row.outputs.as_slice()) {
                (Some(relation), []) => {
                    relation.columns.iter().map(|column| computed(&column.name)).collect()
                }
                (_, []) => vec![computed(shown.unwrap_or(&function.name))],
                (_, outputs) => outputs.iter().map(|name| computed(name)).collect(),
            }
        });
        let first: Columns =
            all.next().unwrap_or_else(|| vec![computed(shown.unwrap_or(&function.name))]);
        let same = |columns: &Columns| {
            columns.iter().map(|(name, _)| name).eq(first.iter().map(|(name, _)| name))
        };
        if all.any(|columns| !same(&columns)) {
            return Err(Refusal::later(
                "not_supported_overloads",
                "a function in FROM whose namesakes return other columns",
            ));
        }
        Ok(first)
    }

    /// CALL of a granted procedure.
    pub(crate) fn call_procedure(
        &mut self,
        call: CallStmt,
    ) -> Result<(CallStmt, Columns), Refusal> {
        let CallStmt { funccall, funcexpr: _, outargs: _ } = call;
        let call = funccall.ok_or_else(|| Refusal::syntax("CALL names no procedure"))?;
        let count = call.args.len();
        let shown = tree::as_texts(&call.funcname).unwrap_or_default().join(".");
        let function = self.granted_function(&call.funcname)?;
        let function = function.ok_or_else(|| Refusal::function(&shown))?;
        let fits = |row: &&FunctionRow| {
            row.kind == FunctionKind::Procedure
                && (row.arguments.0..=row.arguments.1).contains(&count)
        };
        let mut outputs = self.world.overloads(&function).iter().filter(fits);
        let columns = match (outputs.next(), outputs.next()) {
            (Some(one), None) => one.outputs.clone(),
            (Some(one), Some(_)) if one.outputs.is_empty() => Vec::new(),
            (Some(_), Some(_)) => {
                return Err(Refusal::later("not_supported_overloads", "CALL of one of several")
                    .with_hint("Several procedures of this name take as many arguments."));
            }
            (None, _) => return Err(Refusal::function(&shown)),
        };
        self.writes = true;
        let columns = columns.into_iter().map(|name| (name, Value::computed())).collect();
        let args = self.expr_all(call.args)?;
        let call = FuncCall {
            funcname: tree::names([function.schema.as_str(), function.name.as_str()]),
            args,
            func_variadic: call.func_variadic,
            funcformat: CoercionForm::CoerceExplicitCall as i32,
            location: tree::NOWHERE,
            ..FuncCall::default()
        };
        let call = CallStmt { funccall: Some(Box::new(call)), ..CallStmt::default() };
        Ok((call, columns))
    }
}

/// The parts of a function's name, for a refusal.
pub(crate) fn shown(funcname: &[Node]) -> String {
    tree::as_texts(funcname).unwrap_or_default().join(".")
}
