//! FROM: relations and subqueries. Joins are in `join`, functions in `from_function`.

use model::Action;
use pg_query::protobuf::{Alias, RangeSubselect, RangeVar};
use pg_query::{Node, NodeEnum};

use crate::catalog::RelationKind;
use crate::meaning::Meaning;
use crate::names::{self, Named};
use crate::rows::Row;
use crate::scope::{Beside, Content, Item, Origin, ScopeColumn, Value};
use crate::select::{self, Columns};
use crate::tree;
use crate::unsupported::unsupported;
use crate::walk::Walk;
use crate::{Refusal, limits};

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
            NodeEnum::JsonTable(table) => self.json_table(*table),
            NodeEnum::RangeTableSample(sample) => self.sampled_source(*sample),
            other => Err(unsupported(&other)),
        }
    }

    pub(crate) fn named_source(&mut self, name: RangeVar) -> Result<Source, Refusal> {
        match self.find_source(&name)? {
            Named::Relation(relation) => {
                let reach = names::reach(&name);
                let alias = names::checked_alias(name.alias.clone())?;
                if let Some(columns) = self.spelled_next() {
                    return self.spelled_source(&name, relation, alias, &columns);
                }
                let use_index = self.use_relation(relation, Action::Select, reach);
                self.use_view(use_index)?;
                let mut item = self.relation_item(use_index, alias.as_ref())?;
                item.row = Row::Relation(use_index);
                item.locks = vec![use_index];
                let has_names = alias.as_ref().is_some_and(|alias| !alias.colnames.is_empty());
                if let Some(used) = self.uses.get_mut(use_index) {
                    // The target would give the names out by place, to a new column too.
                    used.spells |= has_names && self.world.forwards;
                }
                let node = tree::node(NodeEnum::RangeVar(self.forwarded(use_index, alias)?));
                Ok(Source { node, items: vec![item] })
            }
            Named::System(relation) => self.system_source(&relation, name),
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
        if let Some(view) = &used.view {
            // Columns are written behind the relation's name, whatever the view is called.
            let name =
                || Alias { aliasname: used.relation.name.name.clone(), colnames: Vec::new() };
            return Ok(names::qualified(&view.name, true, alias.or_else(|| Some(name()))));
        }
        let descends = match used.relation.kind {
            // ONLY also where nothing is below: a table may come to be there before this runs.
            RelationKind::Table | RelationKind::Foreign | RelationKind::Partitioned => {
                used.descends
            }
            RelationKind::View | RelationKind::MaterializedView | RelationKind::Sequence => true,
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
        let view = used.view.clone();
        let granted = (self.world.granted)(&relation.name, Action::Select);
        let starred = |name: &str| granted.is_empty() || granted.contains(name);
        let mut columns = Columns::with_capacity(relation.columns.len());
        for (column_index, column) in relation.columns.iter().enumerate() {
            let origin = match &view {
                None => Origin::Column(relation.oid, column.number),
                Some(view) => match view.numbers.get(&column.name) {
                    Some(number) => Origin::Column(view.oid, *number),
                    // It came to be after the view.
                    None => continue,
                },
            };
            let value = Value {
                content: Content::Raw { use_index, column_index },
                origin,
                column_type: Some(column.data_type.clone()),
                exact_type: Some(column.exact_type),
                meaning: Meaning::Plain,
            };
            columns.push((column.name.clone(), value));
        }
        let name = alias.map_or(&relation.name.name, |alias| &alias.aliasname);
        let mut item = self.item_of(Some(name.clone()), columns, alias)?;
        item.row = Row::Unknown;
        let is_known = |name: &String| view.as_ref().is_none_or(|v| v.numbers.contains_key(name));
        let known = relation.columns.iter().filter(|column| is_known(&column.name));
        for (column, known) in item.columns.iter_mut().zip(known) {
            column.starred = starred(&known.name);
        }
        if alias.is_none() {
            item.schema = Some(relation.name.schema.clone());
            // Behind a view's alias no column can be written with the schema.
            for column in item.columns.iter_mut().filter(|_| view.is_none()) {
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
            row: Row::Named,
            locks: Vec::new(),
            is_catalog: false,
        })
    }

    fn query_source(&mut self, source: RangeSubselect) -> Result<Source, Refusal> {
        let RangeSubselect { lateral, subquery, alias } = source;
        self.set_lateral(lateral);
        let query = match subquery.and_then(|node| node.node) {
            Some(NodeEnum::SelectStmt(query)) => *query,
            Some(other) => return Err(unsupported(&other)),
            None => return Err(Refusal::syntax("a query is missing")),
        };
        let ((query, columns), level) = self.nested_level(|walk| walk.query_here(query, None))?;
        self.set_lateral(false);
        let alias = names::checked_alias(alias)?;
        let name = alias.as_ref().map(|alias| alias.aliasname.clone());
        let mut item = self.item_of(name, columns, alias.as_ref())?;
        item.locks = level.items.iter().flat_map(|item| item.locks.iter().copied()).collect();
        let subquery = Some(Box::new(tree::node(NodeEnum::SelectStmt(Box::new(query)))));
        let node = RangeSubselect { lateral, subquery, alias };
        let node = tree::node(NodeEnum::RangeSubselect(Box::new(node)));
        Ok(Source { node, items: vec![item] })
    }
}
