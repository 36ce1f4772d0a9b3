//! How PostgreSQL's own tables are shown: rows and columns that a live grant covers, or that are the
//! same on every server of the version.
//!
//! A name of such a table is replaced by a query on the real one, written from `shown.txt`. It ends
//! with `OFFSET 0`: PostgreSQL then runs none of the client's conditions before the query's own, so
//! neither an error nor the time taken tells of a row that is not shown.
//!
//! **Invariant:** what `shown.txt` does not name is NULL, or cannot be read at all.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use model::RelationName;

use crate::sight::{Columns, Sight};
use crate::system::{SystemColumn, SystemRelation};
use crate::tree::SYSTEM_SCHEMA;
use crate::world::World;
use crate::{settings, variable};

const TEXT: &str = include_str!("shown.txt");

/// The name that a table's own number has as a column.
pub(crate) const TABLE_OID: &str = "tableoid";

/// What a list of privileges is here.
const PRIVILEGES: &str = "pg_catalog.text[]";

static SPECS: LazyLock<BTreeMap<&str, Spec>> = LazyLock::new(specs);

/// How one relation is shown.
#[derive(Debug, Default)]
pub(crate) struct Spec {
    reads: bool,
    /// Which rows. Empty for none.
    rows: &'static str,
    shown: BTreeSet<&'static str>,
    replaced: BTreeMap<&'static str, &'static str>,
    /// What a row for a gap among the visible columns has. Empty if there are no such rows.
    gaps: BTreeMap<&'static str, &'static str>,
}

/// How a column comes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    /// As it is.
    Real,
    /// As it is, but a number in the place of the name of a function.
    Number,
    /// Some other value of its type.
    Other,
    /// A list of privileges, which is a list of texts here.
    Privileges,
}

/// How a relation is shown; nothing if it is not, or if its own definition says so.
pub(crate) fn spec(name: &RelationName) -> Option<&'static Spec> {
    if name.schema == SYSTEM_SCHEMA {
        SPECS.get(name.name.as_str())
    } else {
        SPECS.get(name.to_string().as_str())
    }
}

impl Spec {
    /// True if `tableoid` is that of the real relation.
    pub(crate) fn is_real(&self) -> bool {
        self.reads && !self.replaced.contains_key(TABLE_OID)
    }

    pub(crate) fn shown(&self, column: &SystemColumn) -> Shown {
        if is_privileges(column) {
            Shown::Privileges
        } else if self.shown.contains(column.name.as_str()) {
            if is_reg(column) { Shown::Number } else { Shown::Real }
        } else {
            Shown::Other
        }
    }

    /// True if rows are shown that the relation does not have.
    pub(crate) fn adds_rows(&self, sight: &Sight) -> bool {
        !self.gaps.is_empty() && !sight.gaps.is_empty()
    }

    /// The query that stands in the relation's place. Last of its columns is `tableoid`.
    pub(crate) fn query(&self, relation: &SystemRelation, fill: &Fill<'_>) -> String {
        let mut columns: Vec<String> = Vec::with_capacity(relation.columns.len());
        for column in &relation.columns {
            let name = &column.name;
            let value = match (self.shown(column), self.replaced.get(name.as_str())) {
                (Shown::Real, _) => format!("x.{name}"),
                (Shown::Number, _) => format!("x.{name}::pg_catalog.oid"),
                (Shown::Other, Some(other)) => {
                    format!("({})::{}", fill.fill(other), null_type(column))
                }
                (Shown::Other, None) => format!("NULL::{}", null_type(column)),
                (Shown::Privileges, _) => format!("NULL::{PRIVILEGES}"),
            };
            columns.push(format!("{value} AS {name}"));
        }
        let (own, from) = if self.reads {
            ("x.tableoid".to_owned(), format!(" FROM {} x", relation.name))
        } else {
            (format!("{}::oid", relation.oid), String::new())
        };
        let table_oid = self.replaced.get(TABLE_OID).map_or(own, |other| fill.fill(other));
        let columns = columns.join(", ");
        let rows = if self.rows.is_empty() { "false".to_owned() } else { fill.fill(self.rows) };
        let more = if self.adds_rows(fill.sight) {
            self.gap_rows(relation, fill.sight)
        } else {
            String::new()
        };
        format!("SELECT {columns}, {table_oid} AS {TABLE_OID}{from} WHERE {rows}{more} OFFSET 0")
    }

    /// Rows for the gaps among the visible columns.
    fn gap_rows(&self, relation: &SystemRelation, sight: &Sight) -> String {
        let columns = relation.columns.iter().map(|column| match column.name.as_str() {
            "attrelid" | "attnum" => format!("x.{}", column.name),
            name => {
                let value = self.gaps.get(name).copied().unwrap_or("NULL");
                let is_list = is_privileges(column);
                let data_type = if is_list { PRIVILEGES } else { null_type(column) };
                format!("({value})::{data_type}")
            }
        });
        let columns: Vec<String> = columns.collect();
        let relations = oids(sight.gaps.iter().map(|(relation, _)| *relation));
        let numbers: Vec<String> =
            sight.gaps.iter().map(|(_, number)| number.to_string()).collect();
        format!(
            " UNION ALL SELECT {}, {}::oid FROM ROWS FROM (pg_catalog.unnest({relations}), \
             pg_catalog.unnest('{{{}}}'::pg_catalog.int2[])) AS x(attrelid, attnum)",
            columns.join(", "),
            relation.oid,
            numbers.join(",")
        )
    }
}

fn is_reg(column: &SystemColumn) -> bool {
    column.type_name.starts_with("reg")
}

fn is_privileges(column: &SystemColumn) -> bool {
    column.type_name == "aclitem[]"
}

/// NULL has the column's type, or that of a number where the type looks names up.
fn null_type(column: &SystemColumn) -> &str {
    if is_reg(column) { "pg_catalog.oid" } else { &column.type_name }
}

fn specs() -> BTreeMap<&'static str, Spec> {
    let mut specs = BTreeMap::new();
    let mut current: Option<(&str, Spec)> = None;
    for line in TEXT.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
        match (line.strip_prefix("  "), line.strip_prefix("none ")) {
            (_, Some(names)) => {
                specs.extend(names.split_whitespace().map(|name| (name, Spec::default())));
            }
            (Some(rule), None) => {
                if let Some((_, spec)) = &mut current {
                    spec.rule(rule);
                }
            }
            (None, None) => {
                specs.extend(
                    current.replace((line.trim(), Spec { reads: true, ..Spec::default() })),
                );
            }
        }
    }
    specs.extend(current);
    specs
}

impl Spec {
    fn rule(&mut self, rule: &'static str) {
        if let Some(rows) = rule.strip_prefix("where ") {
            self.rows = rows;
        } else if let Some(names) = rule.strip_prefix("show ") {
            self.shown = names.split_whitespace().collect();
        } else if let Some((name, value)) =
            rule.strip_prefix("gap ").and_then(|rule| rule.split_once(" = "))
        {
            self.gaps.insert(name, value);
        } else if rule == "from nothing" {
            self.reads = false;
            self.rows = "true";
        } else if let Some((name, value)) = rule.split_once(" = ") {
            self.replaced.insert(name, value);
        }
    }
}

/// What the words in braces of `shown.txt` stand for.
#[derive(Debug)]
pub(crate) struct Fill<'a> {
    pub(crate) sight: &'a Sight,
    pub(crate) identity: &'a str,
    pub(crate) database: &'a str,
    pub(crate) application: &'a str,
    pub(crate) path: String,
}

impl<'a> Fill<'a> {
    pub(crate) fn new(world: &World<'a>, sight: &'a Sight) -> Self {
        Self {
            sight,
            identity: world.identity,
            database: world.database,
            application: &world.settings.application_name,
            path: settings::join_names(world.search_path.iter().copied()),
        }
    }

    /// Replaces the words in braces.
    pub(crate) fn fill(&self, template: &str) -> String {
        let mut filled = String::with_capacity(template.len());
        let mut rest = template;
        while let Some((before, after)) = rest.split_once('{') {
            filled.push_str(before);
            let Some((word, after)) = after.split_once('}') else { break };
            let (word, argument) = word.split_once(' ').unwrap_or((word, ""));
            self.word(&mut filled, word, argument);
            rest = after;
        }
        filled.push_str(rest);
        filled
    }

    /// The condition that a word of `shown.txt` stands for.
    pub(crate) fn is(&self, word: &str, argument: &str) -> String {
        let mut text = String::new();
        self.word(&mut text, word, argument);
        text
    }

    fn word(&self, out: &mut String, word: &str, argument: &str) {
        let sight = self.sight;
        let own = format!("{argument} < 16384 OR ");
        let one_of =
            |set: &BTreeSet<u32>| format!("{argument} = ANY ({})", oids(set.iter().copied()));
        let relations = || oids(sight.relations().map(|(oid, _)| oid));
        let text = match word {
            "rel" => format!("({own}{argument} = ANY ({}))", relations()),
            "table" => format!("({argument} = ANY ({}))", oids(sight.tables.keys().copied())),
            "type" => format!("({own}{})", one_of(&sight.types)),
            "utype" => format!("({})", one_of(&sight.types)),
            "domain" => format!("({own}{})", one_of(&sight.domains)),
            "ext" => format!("({})", one_of(&sight.extensions)),
            "own" => format!("({argument} < 16384)"),
            "whole" => format!("({own}{})", one_of(&sight.whole)),
            "def" => format!("({own}{})", one_of(&sight.definitions)),
            "con" => format!("({own}{})", one_of(&sight.constraints)),
            "default" => format!("({})", one_of(&sight.defaults)),
            "bound" => format!("({})", one_of(&sight.bounds)),
            "schema" => {
                let names = sight.schemas.keys().map(String::as_str);
                format!("({argument} = ANY ({}::pg_catalog.name[]))", texts(names))
            }
            "attr" => {
                let others = oids(sight.others.keys().copied());
                let relation = argument.split(", ").next().unwrap_or(argument);
                let own = format!("{relation} < 16384 OR {relation} = ANY ({others})");
                columns(argument, &sight.columns, Some(own))
            }
            "null" => columns(argument, &sight.nulls, None),
            "inherited" => columns(argument, &sight.inherited, None),
            "defaulted" => columns(argument, &sight.defaulted, None),
            "kin" => kin(argument, sight),
            "indexed" => format!("({})", one_of(&sight.indexed)),
            "keyed" => format!("({})", one_of(&sight.keyed)),
            "parent" => {
                format!("({})", one_of(&sight.kin.iter().map(|(above, _)| *above).collect()))
            }
            "child" => {
                format!("({})", one_of(&sight.kin.iter().map(|(_, below)| *below).collect()))
            }
            "identity" => quoted(self.identity),
            "database" => quoted(self.database),
            "application" => quoted(self.application),
            "path" => quoted(&self.path),
            "settings" => format!("{}::pg_catalog.text[]", texts(variable::shown_names())),
            _ => "false".to_owned(),
        };
        out.push_str(&text);
    }
}

/// Whether a column is one of some. Relations with the same columns stand together, so that the text
/// stays short.
fn columns(argument: &str, columns: &Columns, own: Option<String>) -> String {
    let Some((relation, number)) = argument.split_once(", ") else { return "false".to_owned() };
    let mut alike: BTreeMap<&BTreeSet<i16>, Vec<u32>> = BTreeMap::new();
    for (oid, columns) in columns {
        alike.entry(columns).or_default().push(*oid);
    }
    let mut ways: Vec<String> = own.into_iter().collect();
    for (columns, relations) in alike {
        let numbers: Vec<String> = columns.iter().map(ToString::to_string).collect();
        let (relations, numbers) = (oids(relations.into_iter()), numbers.join(","));
        ways.push(format!(
            "({relation} = ANY ({relations}) AND {number} = ANY ('{{{numbers}}}'::pg_catalog.int2[]))"
        ));
    }
    if ways.is_empty() { "false".to_owned() } else { format!("({})", ways.join(" OR ")) }
}

/// Whether a child is shown as one of a parent.
fn kin(argument: &str, sight: &Sight) -> String {
    let Some((child, parent)) = argument.split_once(", ") else { return "false".to_owned() };
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for (above, below) in &sight.kin {
        children.entry(*above).or_default().push(*below);
    }
    let ways = children.into_iter().map(|(above, below)| {
        format!("({parent} = {above} AND {child} = ANY ({}))", oids(below.into_iter()))
    });
    let ways: Vec<String> = ways.collect();
    if ways.is_empty() { "false".to_owned() } else { format!("({})", ways.join(" OR ")) }
}

/// An array of OIDs, as SQL.
pub(crate) fn oids(oids: impl Iterator<Item = u32>) -> String {
    let oids: Vec<String> = oids.map(|oid| oid.to_string()).collect();
    format!("'{{{}}}'::pg_catalog.oid[]", oids.join(","))
}

/// A text as SQL.
pub(crate) fn quoted(text: &str) -> String {
    let quotes = text.replace('\'', "''");
    // With the prefix a backslash means itself whatever standard_conforming_strings says.
    if quotes.contains('\\') {
        format!("E'{}'", quotes.replace('\\', "\\\\"))
    } else {
        format!("'{quotes}'")
    }
}

/// An array of texts, as SQL without its type.
pub(crate) fn texts<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    let items: Vec<String> = texts
        .map(|text| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")))
        .collect();
    quoted(&format!("{{{}}}", items.join(",")))
}
