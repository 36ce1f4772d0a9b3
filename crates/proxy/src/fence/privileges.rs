//! From grants to what a role may do on the target: exactly that, and nothing on masked columns.
//!
//! **Invariant:** a masked column gets no SELECT, whatever a grant says: its mask stands in the
//! forwarded text, or in a view of the fence, of which a grant then gives the column.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use model::{Action, RelationName};
use sql::Catalog;

use super::names::{identifier, literal};
use crate::parser::GrantedColumns;

/// What a role may do, by relation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Privileges {
    relations: BTreeMap<RelationName, OnRelation>,
    /// Functions that grants name. Whoever may reach their schema may call them, unless their owner
    /// took that right from PUBLIC.
    functions: BTreeSet<RelationName>,
}

/// What a role may do to one relation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct OnRelation {
    oid: u32,
    select: Columns,
    insert: Columns,
    update: Columns,
    /// Rights that are not given by column.
    whole: BTreeSet<&'static str>,
}

/// The schema of all that is PostgreSQL's own.
const SYSTEM_SCHEMA: &str = "pg_catalog";

/// Columns by their number, with their name.
type Columns = BTreeMap<i16, String>;

impl Privileges {
    /// What grants give on the relations that the catalog has. What is not there is not given.
    pub(crate) fn of(granted: &GrantedColumns, catalog: &Catalog) -> Self {
        let mut relations = BTreeMap::new();
        let names: BTreeSet<&RelationName> = granted.keys().map(|(name, _)| name).collect();
        for name in names {
            let Some(shape) = catalog.shape(name) else { continue };
            let columns = |action: Action, masked: bool| -> Columns {
                let Some(granted) = granted.get(&(name.clone(), action)) else {
                    return Columns::new();
                };
                let given = shape.columns.iter().filter(|column| {
                    granted.contains(column.name) && (masked || column.mask.is_none())
                });
                given.map(|column| (column.number, column.name.to_owned())).collect()
            };
            let whole = whole(granted, name, shape.is_sequence);
            if shape.is_sequence {
                let given = OnRelation { oid: shape.oid, whole, ..OnRelation::default() };
                relations.insert(name.clone(), given);
                continue;
            }
            let given = OnRelation {
                oid: shape.oid,
                select: columns(Action::Select, false),
                insert: columns(Action::Insert, true),
                update: columns(Action::Update, true),
                whole,
            };
            let shown = columns(Action::Select, true);
            for view in shape.views {
                let select = shown.values().filter_map(|name| {
                    view.numbers.get(name).map(|number| (*number, name.clone()))
                });
                let select: Columns = select.collect();
                if !select.is_empty() {
                    let given = OnRelation { oid: view.oid, select, ..OnRelation::default() };
                    relations.insert(view.name.clone(), given);
                }
            }
            relations.insert(name.clone(), given);
        }
        let functions = granted
            .keys()
            .filter(|(name, action)| *action == Action::Execute && name.schema != SYSTEM_SCHEMA);
        let functions = functions.map(|(name, _)| name.clone()).collect();
        Self { relations, functions }
    }

    /// What tells two sets of privileges apart, also after a table was made anew under its name.
    pub(crate) fn hash(&self, database: &str) -> [u8; 32] {
        let mut text = format!("{database}\n");
        for (name, on) in &self.relations {
            // Writing to a String cannot fail.
            _ = writeln!(text, "{name:?} {on:?}");
        }
        _ = writeln!(text, "{:?}", self.functions);
        crypto::sha256(&[text.as_bytes()])
    }

    /// The statements that give them to a role.
    pub(crate) fn statements(&self, database: &str, role: &str) -> String {
        let role = identifier(role);
        let mut sql = format!("GRANT CONNECT ON DATABASE {} TO {role};\n", identifier(database));
        for schema in self.schemas() {
            _ = writeln!(sql, "GRANT USAGE ON SCHEMA {} TO {role};", identifier(schema));
        }
        for (name, on) in &self.relations {
            let table = format!("{}.{}", identifier(&name.schema), identifier(&name.name));
            for (privilege, columns) in on.by_column() {
                let list: Vec<String> = columns.values().map(|name| identifier(name)).collect();
                let list = list.join(", ");
                _ = writeln!(sql, "GRANT {privilege} ({list}) ON {table} TO {role};");
            }
            for privilege in &on.whole {
                _ = writeln!(sql, "GRANT {privilege} ON {table} TO {role};");
            }
        }
        sql
    }

    /// A query that names, one in a row, what the role has not got after all: whoever gives what
    /// it may not give is only warned.
    pub(crate) fn missing(&self, database: &str, role: &str) -> String {
        let role = literal(role);
        let mut lacks = vec![format!(
            "SELECT 'CONNECT ON DATABASE' WHERE NOT has_database_privilege({role}, {}, 'CONNECT')",
            literal(database)
        )];
        for schema in self.schemas() {
            let schema = literal(schema);
            lacks.push(format!(
                "SELECT concat('USAGE ON SCHEMA ', {schema}) \
                 WHERE NOT has_schema_privilege({role}, {schema}, 'USAGE')"
            ));
        }
        for (name, on) in &self.relations {
            let (shown, oid) = (literal(&name.to_string()), on.oid);
            for (privilege, columns) in on.by_column() {
                let numbers: Vec<String> = columns.keys().map(ToString::to_string).collect();
                let numbers = numbers.join(",");
                lacks.push(format!(
                    "SELECT concat('{privilege} ON ', {shown}) WHERE EXISTS (SELECT 1 \
                     FROM unnest(ARRAY[{numbers}]::int2[]) n \
                     WHERE has_column_privilege({role}, {oid}::oid, n, '{privilege}') IS NOT TRUE)"
                ));
            }
            for privilege in &on.whole {
                lacks.push(format!(
                    "SELECT concat('{privilege} ON ', {shown}) \
                     WHERE has_table_privilege({role}, {oid}::oid, '{privilege}') IS NOT TRUE"
                ));
            }
        }
        lacks.join(" UNION ALL ")
    }

    /// A query for the sequences, by schema and name, that defaults of tables with INSERT draw on.
    pub(crate) fn sequences(&self) -> Option<String> {
        let inserted = self.relations.values().filter(|on| !on.insert.is_empty());
        let oids: Vec<String> = inserted.map(|on| on.oid.to_string()).collect();
        (!oids.is_empty()).then(|| {
            format!(
                "SELECT DISTINCT n.nspname, s.relname FROM pg_attrdef d \
                 JOIN pg_depend p ON p.classid = 'pg_attrdef'::regclass AND p.objid = d.oid \
                 AND p.refclassid = 'pg_class'::regclass \
                 JOIN pg_class s ON s.oid = p.refobjid AND s.relkind = 'S' \
                 JOIN pg_namespace n ON n.oid = s.relnamespace WHERE d.adrelid IN ({}) ORDER BY 1, 2",
                oids.join(",")
            )
        })
    }

    fn schemas(&self) -> BTreeSet<&str> {
        let names = self.relations.keys().chain(&self.functions);
        names.map(|name| name.schema.as_str()).collect()
    }
}

/// The rights that grants give on a relation as a whole.
fn whole(
    granted: &GrantedColumns,
    name: &RelationName,
    is_sequence: bool,
) -> BTreeSet<&'static str> {
    let tables = [(Action::Delete, "DELETE"), (Action::Truncate, "TRUNCATE")];
    let sequences = [(Action::Select, "SELECT"), (Action::Update, "UPDATE")];
    let rights = if is_sequence { sequences } else { tables };
    let is_granted = |action: Action| granted.contains_key(&(name.clone(), action));
    rights.into_iter().filter(|(action, _)| is_granted(*action)).map(|(_, right)| right).collect()
}

impl OnRelation {
    fn by_column(&self) -> impl Iterator<Item = (&'static str, &Columns)> {
        let all = [("SELECT", &self.select), ("INSERT", &self.insert), ("UPDATE", &self.update)];
        all.into_iter().filter(|(_, columns)| !columns.is_empty())
    }
}
