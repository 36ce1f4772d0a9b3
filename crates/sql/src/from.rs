//! FROM: relations, subqueries, functions. Joins are in `join`.

use model::Action;
use pg_query::protobuf::{
    Alias, ColumnDef, FuncCall, List, RangeFunction, RangeSubselect, RangeVar,
};
use pg_query::{Node, NodeEnum};

use crate::catalog::RelationKind;
use crate::names::{self, Named};
use crate::operation::function_name;
use crate::scope::{Beside, Content, Item, Origin, ScopeColumn, Value};
use crate::select::{self, Columns};
use crate::tree::{self, NOWHERE};
use crate::unsupported::unsupported;
use crate::walk::Walk;
use crate::{Refusal, functions, limits, types};

const UNNEST: &str = "unnest";

/// An entry of FROM, checked.
pub(crate) struct Source {
    pub(crate) node: Node,
    /// What names can reach through it. The last one holds its columns.
    pub(crate) items: Vec<Item>,
}

impl Walk<'_> {
    /// Checks a FROM clause, whose items are then known at this level.
    pub(crate) fn sources(&mut self, sources: Vec<Node>) -> Result<Vec<Node>, Refusal> {
        if sources.len() > limits::SOURCES_MAX {
            return Err(Refusal::too_large("entries of FROM", limits::SOURCES_MAX));
        }
        let mut checked = Vec::with_capacity(sources.len());
        for source in sources {
            let Source { node, mut items } = self.source(source)?;
            for item in &mut items {
                item.beside = Beside::Lateral;
            }
            self.items().append(&mut items);
            checked.push(node);
        }
        for item in self.items() {
            item.beside = Beside::Done;
        }
        Ok(checked)
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "a node that is not named is refused")]
    pub(crate) fn source(&mut self, source: Node) -> Result<Source, Refusal> {
        match source.node.ok_or_else(|| Refusal::syntax("FROM has an empty entry"))? {
            NodeEnum::RangeVar(name) => self.named_source(name),
            NodeEnum::RangeSubselect(query) => self.query_source(*query),
            NodeEnum::RangeFunction(function) => self.function_source(function),
            NodeEnum::JoinExpr(join) => self.join(*join),
            other => Err(unsupported(&other)),
        }
    }

    fn named_source(&mut self, name: RangeVar) -> Result<Source, Refusal> {
        match self.find_source(&name)? {
            Named::Relation(relation) => {
                let reach = names::reach(&name);
                let use_index = self.use_relation(relation, Action::Select, reach);
                let alias = names::checked_alias(name.alias)?;
                names::refuse_column_names(self.world, alias.as_ref())?;
                let item = self.relation_item(use_index, alias.as_ref())?;
                let node = tree::node(NodeEnum::RangeVar(self.forwarded(use_index, alias)?));
                Ok(Source { node, items: vec![item] })
            }
            Named::CommonTable(columns) => {
                let RangeVar { relname, inh, relpersistence, .. } = name;
                let alias = names::checked_alias(name.alias)?;
                let shown = alias.as_ref().map_or(relname.as_str(), |a| a.aliasname.as_str());
                let item = self.item_of(Some(shown.to_owned()), columns, alias.as_ref())?;
                let name = RangeVar { relname, inh, relpersistence, alias, ..RangeVar::default() };
                Ok(Source { node: tree::node(NodeEnum::RangeVar(name)), items: vec![item] })
            }
        }
    }

    /// A used relation's name as it is forwarded.
    pub(crate) fn forwarded(
        &self,
        use_index: usize,
        alias: Option<Alias>,
    ) -> Result<RangeVar, Refusal> {
        let used = self.uses.get(use_index).ok_or_else(Refusal::mismatch)?;
        let descends = match used.relation.kind {
            // ONLY also where nothing is below: a table may come to be there before this runs.
            RelationKind::Table | RelationKind::Foreign | RelationKind::Partitioned => {
                used.descends
            }
            RelationKind::View | RelationKind::MaterializedView => true,
        };
        Ok(names::qualified(&used.relation.name, descends, alias))
    }

    /// What names can reach through a relation.
    pub(crate) fn relation_item(
        &mut self,
        use_index: usize,
        alias: Option<&Alias>,
    ) -> Result<Item, Refusal> {
        let used = self.uses.get(use_index).ok_or_else(Refusal::mismatch)?;
        let relation = std::sync::Arc::clone(&used.relation);
        let granted = (self.world.granted)(&relation.name, Action::Select);
        let starred = |name: &str| granted.is_empty() || granted.contains(name);
        let mut columns = Columns::with_capacity(relation.columns.len());
        for (column_index, column) in relation.columns.iter().enumerate() {
            let value = Value {
                content: Content::Raw { use_index, column_index },
                origin: Origin::Column(relation.oid, column.number),
                column_type: Some(column.data_type.clone()),
                exact_type: Some(column.exact_type),
            };
            columns.push((column.name.clone(), value));
        }
        let name = alias.map_or(&relation.name.name, |alias| &alias.aliasname);
        let mut item = self.item_of(Some(name.clone()), columns, alias)?;
        for (column, known) in item.columns.iter_mut().zip(&relation.columns) {
            column.starred = starred(&known.name);
        }
        if alias.is_none() {
            item.schema = Some(relation.name.schema.clone());
            for column in &mut item.columns {
                let home = [&relation.name.schema, &relation.name.name, &column.name];
                column.homes.push(home.map(Clone::clone).to_vec());
            }
        }
        Ok(item)
    }

    /// What names can reach through something with these columns.
    pub(crate) fn item_of(
        &mut self,
        name: Option<String>,
        columns: Columns,
        alias: Option<&Alias>,
    ) -> Result<Item, Refusal> {
        self.reserve_columns(columns.len())?;
        let renamed = alias.map(|alias| select::rename(&columns, &alias.colnames)).transpose()?;
        let mut scoped = Vec::with_capacity(columns.len());
        for (column, value) in renamed.unwrap_or(columns) {
            let home = name.iter().map(|name| vec![name.clone(), column.clone()]).collect();
            scoped.push(ScopeColumn {
                id: self.next_id(),
                name: column,
                value,
                starred: true,
                homes: home,
            });
        }
        Ok(Item {
            by_name: name.is_some(),
            name,
            schema: None,
            columns: scoped,
            by_column: true,
            beside: Beside::Done,
        })
    }

    fn query_source(&mut self, source: RangeSubselect) -> Result<Source, Refusal> {
        let RangeSubselect { lateral, subquery, alias } = source;
        self.set_lateral(lateral);
        let (query, columns) = self.query_node(subquery)?;
        self.set_lateral(false);
        let alias = names::checked_alias(alias)?;
        let name = alias.as_ref().map(|alias| alias.aliasname.clone());
        let item = self.item_of(name, columns, alias.as_ref())?;
        let subquery = Some(Box::new(tree::node(NodeEnum::SelectStmt(Box::new(query)))));
        let node = RangeSubselect { lateral, subquery, alias };
        let node = tree::node(NodeEnum::RangeSubselect(Box::new(node)));
        Ok(Source { node, items: vec![item] })
    }

    fn function_source(&mut self, source: RangeFunction) -> Result<Source, Refusal> {
        let RangeFunction { lateral, ordinality, is_rowsfrom, functions, alias, coldeflist } =
            source;
        let single = match <[Node; 1]>::try_from(functions) {
            Ok([function]) if !is_rowsfrom => function,
            Ok(_) | Err(_) => return Err(Refusal::later("not_supported_rows_from", "ROWS FROM")),
        };
        let Some(NodeEnum::List(List { items })) = single.node else {
            return Err(Refusal::syntax("not a function in FROM"));
        };
        let mut items = items.into_iter();
        let call = match items.next().and_then(|node| node.node) {
            Some(NodeEnum::FuncCall(call)) => *call,
            Some(other) => return Err(unsupported(&other)),
            None => return Err(Refusal::syntax("not a function in FROM")),
        };
        if items.next().is_some_and(|definitions| definitions.node.is_some()) {
            return Err(Refusal::later("not_supported_rows_from", "ROWS FROM"));
        }
        let alias = names::checked_alias(alias)?;
        self.reserve_outputs(0, coldeflist.len().max(call.args.len()))?;
        let (coldeflist, defined) = self.column_definitions(coldeflist)?;
        let mut columns =
            if defined.is_empty() { result_columns(&call, alias.as_ref())? } else { defined };
        if ordinality {
            columns.push(("ordinality".to_owned(), Value::computed()));
        }
        let name = match &alias {
            Some(alias) => alias.aliasname.clone(),
            None => function_name(&call.funcname)?,
        };
        self.set_lateral(true);
        let call = self.call_in_from(call)?;
        self.set_lateral(false);
        let item = self.item_of(Some(name), columns, alias.as_ref())?;
        let functions = vec![tree::list(vec![call, Node { node: None }])];
        let node = RangeFunction { lateral, ordinality, is_rowsfrom, functions, alias, coldeflist };
        Ok(Source { node: tree::node(NodeEnum::RangeFunction(node)), items: vec![item] })
    }

    fn call_in_from(&mut self, call: FuncCall) -> Result<Node, Refusal> {
        let name = function_name(&call.funcname)?;
        if functions::is_session_name(&name) {
            return Err(Refusal::function(&name));
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

/// The columns of a function's result: those that its definition names, or one that is called as
/// its alias, or else as the function.
fn result_columns(call: &FuncCall, alias: Option<&Alias>) -> Result<Columns, Refusal> {
    let name = function_name(&call.funcname)?;
    let named = functions::allowed(&name).ok_or_else(|| Refusal::function(&name))?;
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
