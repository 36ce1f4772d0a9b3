//! A name of FROM that means one of PostgreSQL's own relations: a query that shows what the grants
//! cover stands in its place.
//!
//! A table is shown as `shown.txt` says. A view is PostgreSQL's own definition of it, walked like a
//! client's statement, so it shows nothing but what the tables below it show.

use std::rc::Rc;
use std::sync::Arc;

use model::RelationName;
use pg_query::NodeEnum;
use pg_query::protobuf::{Alias, RangeSubselect, RangeVar, SelectStmt};

use crate::from::Source;
use crate::meaning::Meaning;
use crate::rows::Row;
use crate::scope::{Content, Item, Origin, Value};
use crate::select::Columns;
use crate::shown::{self, Fill, Shown, Spec, TABLE_OID};
use crate::sight::Sight;
use crate::system::{SystemColumn, SystemRelation};
use crate::tree::{self, SYSTEM_SCHEMA};
use crate::walk::Walk;
use crate::world::World;
use crate::{Refusal, analyse, limits, names, splice, types};

/// The number under which `RowDescription` reports `tableoid` (PostgreSQL's `sysattr.h`).
const TABLE_OID_NUMBER: i16 = -6;

impl World<'_> {
    /// The relation of PostgreSQL's own that a name means. A name without a schema is looked up in
    /// `pg_catalog` before the search path, unless the path says where `pg_catalog` comes.
    pub(crate) fn system_relation(&self, schema: &str, name: &str) -> Option<Arc<SystemRelation>> {
        let find = |schema: &str| {
            let name = RelationName::new(schema, name);
            self.catalog.system.relations.get(&name).map(Arc::clone)
        };
        if !schema.is_empty() {
            return find(schema);
        }
        if !self.search_path.contains(&SYSTEM_SCHEMA)
            && let Some(found) = find(SYSTEM_SCHEMA)
        {
            return Some(found);
        }
        let holds = |schema: &str| {
            let name = RelationName::new(schema, name);
            self.catalog.relations.contains_key(&name)
                || self.catalog.system.relations.contains_key(&name)
        };
        self.search_path.iter().find(|schema| holds(schema)).and_then(|schema| find(schema))
    }
}

impl Walk<'_> {
    /// What the grants cover, found out once for a statement.
    pub(crate) fn sight(&mut self) -> Rc<Sight> {
        let world = self.world;
        Rc::clone(self.sight.get_or_insert_with(|| Rc::new(Sight::new(world))))
    }

    pub(crate) fn system_source(
        &mut self,
        relation: &SystemRelation,
        name: RangeVar,
    ) -> Result<Source, Refusal> {
        if !self.world.forwards {
            return Err(Refusal::not_shown(&relation.name.name));
        }
        self.has_names = true;
        self.system_sources = self.system_sources.saturating_add(1);
        if self.system_sources > limits::SYSTEM_SOURCES_MAX {
            return Err(Refusal::too_large("mentions of catalogs", limits::SYSTEM_SOURCES_MAX));
        }
        let RangeVar { relname, alias, .. } = name;
        let client_alias = names::checked_alias(alias)?;
        if self.definitions == 0 {
            self.system_reads.insert(relation.name.clone());
        }
        let alias = |alias: Option<&Alias>| {
            let named = Alias { aliasname: relname.clone(), colnames: Vec::new() };
            alias.cloned().unwrap_or(named)
        };
        let (node, columns) = if let Some(spec) = shown::spec(&relation.name) {
            let sight = self.sight();
            let text = || spec.query(relation, &Fill::new(self.world, &sight));
            let number = self.splices.number(&relation.name, text);
            let node = splice::range_var(number, alias(client_alias.as_ref()));
            (NodeEnum::RangeVar(node), shown_columns(relation, spec, &sight))
        } else {
            let (query, columns) = self.defined_query(relation)?;
            let subquery = Some(Box::new(tree::node(NodeEnum::SelectStmt(Box::new(query)))));
            let alias = Some(alias(client_alias.as_ref()));
            let node = RangeSubselect { lateral: false, subquery, alias };
            (NodeEnum::RangeSubselect(Box::new(node)), columns)
        };
        let item = self.system_item(relation, columns, client_alias.as_ref())?;
        Ok(Source { node: tree::node(node), items: vec![item] })
    }

    /// A view, by its definition. Names of the statement around it mean nothing inside.
    fn defined_query(
        &mut self,
        relation: &SystemRelation,
    ) -> Result<(SelectStmt, Columns), Refusal> {
        let Some(definition) = &relation.definition else {
            return Err(Refusal::not_shown(&relation.name.name));
        };
        let refused = |_refusal| Refusal::not_shown(&relation.name.name);
        limits::check(definition).map_err(refused)?;
        let Some(NodeEnum::SelectStmt(query)) = analyse::parse_one(definition).map_err(refused)?
        else {
            return Err(Refusal::not_shown(&relation.name.name));
        };
        let levels = std::mem::take(&mut self.levels);
        self.definitions = self.definitions.saturating_add(1);
        let walked = self.query(*query);
        self.definitions = self.definitions.saturating_sub(1);
        self.levels = levels;
        let (query, columns) = walked.map_err(|refusal| match refusal.code {
            "statement_too_large" => refusal,
            _ => Refusal::not_shown(&relation.name.name),
        })?;
        if columns.len() != relation.columns.len() {
            return Err(Refusal::not_shown(&relation.name.name));
        }
        let named = relation.columns.iter().map(|column| column.name.clone());
        Ok((query, named.zip(columns.into_iter().map(|(_, value)| value)).collect()))
    }

    /// `pg_class.relname` and `pg_catalog.pg_class.relname` both reach a column.
    fn system_item(
        &mut self,
        relation: &SystemRelation,
        columns: Columns,
        alias: Option<&Alias>,
    ) -> Result<Item, Refusal> {
        let name = alias.map_or(&relation.name.name, |alias| &alias.aliasname);
        let mut item = self.item_of(Some(name.clone()), columns, alias)?;
        // A whole row of it would show its last column, which `*` does not.
        item.row = Row::Unknown;
        item.is_catalog =
            alias.is_none_or(|alias| alias.colnames.is_empty()) && relation.definition.is_none();
        if alias.is_none() {
            item.schema = Some(relation.name.schema.clone());
        }
        for column in item.columns.iter_mut().skip(relation.columns.len()) {
            column.starred = false;
        }
        Ok(item)
    }
}

/// The columns of a table, as they are shown.
fn shown_columns(relation: &SystemRelation, spec: &Spec, sight: &Sight) -> Columns {
    // Of a union the target reports no origin.
    let is_one = !spec.adds_rows(sight);
    let mut columns: Columns = Vec::with_capacity(relation.columns.len());
    for column in &relation.columns {
        let mut value = table_value(relation, column, spec.shown(column));
        if !is_one {
            value.origin = Origin::Nothing;
        }
        columns.push((column.name.clone(), value));
    }
    columns.push((TABLE_OID.to_owned(), table_oid(relation, is_one && spec.is_real())));
    columns
}

fn table_value(relation: &SystemRelation, column: &SystemColumn, shown: Shown) -> Value {
    let is_real = shown == Shown::Real;
    let origin =
        if is_real { Origin::Column(relation.oid, column.number) } else { Origin::Nothing };
    let data_type = match shown {
        Shown::Real | Shown::Other if !column.type_name.starts_with("reg") => {
            Some(column.data_type.clone())
        }
        Shown::Real | Shown::Number | Shown::Other | Shown::Privileges => None,
    };
    let meaning = match shown {
        Shown::Number => Meaning::of_column(&column.type_name),
        Shown::Real | Shown::Other | Shown::Privileges => Meaning::Plain,
    };
    let (column_type, exact_type) = match (shown, data_type) {
        (_, Some(data_type)) => (Some(data_type), Some(column.exact_type)),
        (Shown::Privileges, None) => (None, None),
        (Shown::Real | Shown::Number | Shown::Other, None) => {
            (Some(types::oid_type()), Some(types::OID_OID))
        }
    };
    Value { content: Content::Free, origin, column_type, exact_type, meaning }
}

fn table_oid(relation: &SystemRelation, is_real: bool) -> Value {
    let origin =
        if is_real { Origin::Column(relation.oid, TABLE_OID_NUMBER) } else { Origin::Nothing };
    let column_type = Some(types::oid_type());
    Value {
        content: Content::Free,
        origin,
        column_type,
        exact_type: Some(types::OID_OID),
        meaning: Meaning::Plain,
    }
}
