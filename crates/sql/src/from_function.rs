//! FROM with functions: one, or several side by side in ROWS FROM.
//!
//! PostgreSQL may put the query of a function of the database's in the function's place, and then
//! run the client's conditions before that query's own. So such a function stands in a subquery
//! that ends with `OFFSET 0`, which keeps conditions outside.
//!
//! Source: `addRangeTableEntryForFunction` in PostgreSQL's `parse_relation.c`.

use pg_query::protobuf::{
    Alias, ColumnDef, FuncCall, List, RangeFunction, RangeSubselect, SelectStmt,
};
use pg_query::{Node, NodeEnum};

use crate::from::Source;
use crate::names;
use crate::operation::function_name;
use crate::rows::Row;
use crate::scope::{Item, Value};
use crate::select::Columns;
use crate::tree::{self, NOWHERE};
use crate::unsupported::unsupported;
use crate::walk::Walk;
use crate::{Refusal, analyse, catalog_call, functions, routines, types};

const UNNEST: &str = "unnest";

/// One function of an entry of FROM, with the columns that its author defines for it.
struct Called {
    call: FuncCall,
    definitions: Vec<Node>,
}

impl Walk<'_> {
    pub(crate) fn function_source(&mut self, source: RangeFunction) -> Result<Source, Refusal> {
        let RangeFunction { lateral, ordinality, is_rowsfrom, functions, alias, coldeflist } =
            source;
        let mut alias = names::checked_alias(alias)?;
        let mut called = functions.into_iter().map(called).collect::<Result<Vec<_>, Refusal>>()?;
        if let [only] = called.as_slice()
            && is_session_name(&only.call)
            && alias.is_none()
        {
            // What stands in its place has another name.
            let aliasname = last_name(&only.call.funcname)?;
            alias = Some(Alias { aliasname, ..Alias::default() });
        }
        let first = called.first().ok_or_else(|| Refusal::syntax("not a function in FROM"))?;
        let name = match &alias {
            Some(alias) => alias.aliasname.clone(),
            None => last_name(&first.call.funcname)?,
        };
        // The alias of one function names its column too; behind several, it does not.
        let single = alias.as_ref().filter(|_| called.len() == 1);
        let has_definitions = !coldeflist.is_empty();
        if let (true, [only]) = (has_definitions, called.as_mut_slice()) {
            only.definitions = coldeflist;
        }
        let (mut columns, mut row) = (Columns::new(), Row::Named);
        let mut checked = Vec::with_capacity(called.len());
        let mut outer = Vec::new();
        for Called { call, definitions } in called {
            self.reserve_outputs(columns.len(), definitions.len().max(call.args.len()))?;
            let (definitions, defined) = self.column_definitions(definitions)?;
            if defined.is_empty() {
                let (mut found, is_own) = self.function_columns(&call, single)?;
                columns.append(&mut found);
                row = if is_own { row } else { Row::Unknown };
            }
            columns.extend(defined);
            self.set_lateral(true);
            let call = self.call_in_from(call);
            self.set_lateral(false);
            let inner = if has_definitions {
                outer = definitions;
                Node { node: None }
            } else if definitions.is_empty() {
                Node { node: None }
            } else {
                tree::list(definitions)
            };
            checked.push(tree::list(vec![call?, inner]));
        }
        if ordinality {
            columns.push(("ordinality".to_owned(), Value::computed()));
        }
        let mut item = self.item_of(Some(name.clone()), columns, alias.as_ref())?;
        item.row = row;
        let function = RangeFunction {
            lateral,
            ordinality,
            is_rowsfrom,
            functions: checked,
            alias,
            coldeflist: outer,
        };
        let node = match row {
            Row::Unknown => kept_apart(function, name, &item)?,
            Row::Named | Row::Relation(_) => tree::node(NodeEnum::RangeFunction(function)),
        };
        Ok(Source { node, items: vec![item] })
    }

    /// The columns of a call, and whether its function is PostgreSQL's own.
    fn function_columns(
        &mut self,
        call: &FuncCall,
        alias: Option<&Alias>,
    ) -> Result<(Columns, bool), Refusal> {
        let is_listed = function_name(&call.funcname).is_ok_and(|name| {
            functions::allowed(&name).is_some() || catalog_call::columns(&name).is_some()
        });
        if is_listed {
            return Ok((result_columns(call, alias)?, true));
        }
        if let Some(alias) = alias.filter(|_| is_session_name(call)) {
            return Ok((vec![(alias.aliasname.clone(), Value::computed())], true));
        }
        match self.granted_function(&call.funcname)? {
            Some(function) => {
                let shown = alias.map(|alias| alias.aliasname.as_str());
                Ok((self.routine_columns(&function, shown)?, false))
            }
            None => Err(Refusal::function(&routines::shown(&call.funcname))),
        }
    }

    fn call_in_from(&mut self, call: FuncCall) -> Result<Node, Refusal> {
        let name = last_name(&call.funcname)?;
        if is_session_name(&call) {
            // The name, as the gateway answers it, by a function that returns just that.
            let text = tree::typed_text(self.session_text(&name), "text");
            return Ok(tree::call("name", vec![text]));
        }
        // `unnest` of several arrays is syntax, which PostgreSQL knows only without a schema.
        let is_zip = name == UNNEST && call.args.len() > 1;
        let mut node = self.call(call)?;
        if is_zip && let Some(NodeEnum::FuncCall(call)) = &mut node.node {
            call.funcname = tree::names([UNNEST]);
        }
        Ok(node)
    }

    /// `AS t(a int, b text)` behind a function that returns records.
    fn column_definitions(
        &mut self,
        definitions: Vec<Node>,
    ) -> Result<(Vec<Node>, Columns), Refusal> {
        let mut checked = Vec::with_capacity(definitions.len());
        let mut columns = Columns::with_capacity(definitions.len());
        for definition in definitions {
            let Some(NodeEnum::ColumnDef(definition)) = definition.node else {
                return Err(Refusal::syntax("not a column definition"));
            };
            let type_name = definition.type_name.ok_or_else(|| Refusal::syntax("no type"))?;
            if definition.coll_clause.is_some() || !definition.constraints.is_empty() {
                return Err(Refusal::later("not_supported_collation", "this column definition"));
            }
            columns.push((definition.colname.clone(), Value::computed()));
            let type_name = types::type_name(self.world, type_name)?;
            if let Some(oid) = types::oid(self.world.catalog, &type_name) {
                self.note_type(oid);
            }
            let definition = ColumnDef {
                colname: definition.colname,
                type_name: Some(type_name),
                is_local: true,
                location: NOWHERE,
                ..ColumnDef::default()
            };
            checked.push(tree::node(NodeEnum::ColumnDef(Box::new(definition))));
        }
        Ok((checked, columns))
    }
}

/// True for `current_schema()` and its like, without arguments.
fn is_session_name(call: &FuncCall) -> bool {
    call.args.is_empty()
        && function_name(&call.funcname).is_ok_and(|name| functions::is_session_name(&name))
}

/// A function as a subquery of the same name and columns, into which no condition is moved.
fn kept_apart(function: RangeFunction, name: String, item: &Item) -> Result<Node, Refusal> {
    let columns = item.columns.iter();
    let columns = columns.map(|column| {
        tree::target(&column.name, tree::column_ref([name.as_str(), column.name.as_str()]))
    });
    let Some(NodeEnum::SelectStmt(fence)) = analyse::parse_one("SELECT 1 OFFSET 0")? else {
        return Err(Refusal::mismatch());
    };
    let query = SelectStmt {
        target_list: columns.collect(),
        from_clause: vec![tree::node(NodeEnum::RangeFunction(function))],
        ..*fence
    };
    let source = RangeSubselect {
        // As a function in FROM may use what stands before it, so may the query.
        lateral: true,
        subquery: Some(Box::new(tree::node(NodeEnum::SelectStmt(Box::new(query))))),
        alias: Some(Alias { aliasname: name.clone(), colnames: Vec::new() }),
    };
    Ok(tree::node(NodeEnum::RangeSubselect(Box::new(source))))
}

/// The last part of a function's name.
fn last_name(funcname: &[Node]) -> Result<String, Refusal> {
    let last = funcname.last().and_then(tree::as_text);
    last.map(str::to_owned).ok_or_else(|| Refusal::no_function("this"))
}

/// A call and its definitions, as the grammar pairs them.
fn called(function: Node) -> Result<Called, Refusal> {
    let Some(NodeEnum::List(List { items })) = function.node else {
        return Err(Refusal::syntax("not a function in FROM"));
    };
    let mut items = items.into_iter();
    let call = match items.next().and_then(|node| node.node) {
        Some(NodeEnum::FuncCall(call)) => *call,
        Some(other) => return Err(unsupported(&other)),
        None => return Err(Refusal::syntax("not a function in FROM")),
    };
    let definitions = match items.next().and_then(|node| node.node) {
        Some(NodeEnum::List(List { items })) => items,
        Some(other) => return Err(unsupported(&other)),
        None => Vec::new(),
    };
    Ok(Called { call, definitions })
}

/// The columns of a function's result: those that its definition names, or one that is called as
/// its alias, or else as the function.
fn result_columns(call: &FuncCall, alias: Option<&Alias>) -> Result<Columns, Refusal> {
    let name = function_name(&call.funcname)?;
    let named = functions::allowed(&name).or_else(|| catalog_call::columns(&name));
    let named = named.ok_or_else(|| Refusal::function(&name))?;
    let computed = |column: &str| (column.to_owned(), Value::computed());
    if !named.is_empty() {
        return Ok(named.iter().copied().map(computed).collect());
    }
    if name == UNNEST && call.args.len() > 1 {
        return Ok(call.args.iter().map(|_| computed(UNNEST)).collect());
    }
    let column = alias.map_or(name.as_str(), |alias| alias.aliasname.as_str());
    Ok(vec![computed(column)])
}
