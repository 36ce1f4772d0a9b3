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

use crate::sight::Sight;
use crate::system::{SystemColumn, SystemRelation};
use crate::tree::SYSTEM_SCHEMA;
use crate::world::World;
use crate::{settings, variable};

const TEXT: &str = include_str!("shown.txt");

/// The name that a table's own number has as a column.
pub(crate) const TABLE_OID: &str = "tableoid";

static SPECS: LazyLock<BTreeMap<&str, Spec>> = LazyLock::new(specs);

/// How one relation is shown.
#[derive(Debug, Default)]
pub(crate) struct Spec {
    reads: bool,
    /// Which rows. Empty for none.
    rows: &'static str,
    shown: BTreeSet<&'static str>,
    replaced: BTreeMap<&'static str, &'static str>,
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

    /// The query that stands in the relation's place. Last of its columns is `tableoid`.
    pub(crate) fn query(&self, relation: &SystemRelation, fill: &Fill<'_>) -> String {
        let mut columns: Vec<String> = Vec::with_capacity(relation.columns.len());
        for column in &relation.columns {
            let name = &column.name;
            let value = match (self.shown(column), self.replaced.get(name.as_str())) {
                (Shown::Real, _) => format!("x.{name}"),
                (Shown::Number, _) => format!("x.{name}::pg_catalog.oid"),
                (Shown::Other, Some(other)) => fill.fill(other),
                (Shown::Other, None) => format!("NULL::{}", null_type(column)),
                (Shown::Privileges, _) => "NULL::pg_catalog.text[]".to_owned(),
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
        format!("SELECT {columns}, {table_oid} AS {TABLE_OID}{from} WHERE {rows} OFFSET 0")
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
        let relations = || oids(sight.relations().map(|(oid, _)| oid));
        let text = match word {
            "rel" => format!("({own}{argument} = ANY ({}))", relations()),
            "table" => format!("({argument} = ANY ({}))", oids(sight.tables.keys().copied())),
            "type" => format!("({own}{argument} = ANY ({}))", oids(sight.types.iter().copied())),
            "utype" => format!("({argument} = ANY ({}))", oids(sight.types.iter().copied())),
            "own" => format!("({argument} < 16384)"),
            "whole" => format!("({own}{argument} = ANY ({}))", oids(sight.whole.iter().copied())),
            "def" => {
                format!("({own}{argument} = ANY ({}))", oids(sight.definitions.iter().copied()))
            }
            "con" => {
                format!("({own}{argument} = ANY ({}))", oids(sight.constraints.iter().copied()))
            }
            "default" => format!("({argument} = ANY ({}))", oids(sight.defaults.iter().copied())),
            "bound" => format!("({argument} = ANY ({}))", oids(sight.bounds.iter().copied())),
            "schema" => {
                let names = sight.schemas.keys().map(String::as_str);
                format!("({argument} = ANY ({}::pg_catalog.name[]))", texts(names))
            }
            "attr" => self.attribute(argument),
            "identity" => quoted(self.identity),
            "database" => quoted(self.database),
            "application" => quoted(self.application),
            "path" => quoted(&self.path),
            "settings" => format!("{}::pg_catalog.text[]", texts(variable::shown_names())),
            _ => "false".to_owned(),
        };
        out.push_str(&text);
    }

    /// Relations with the same columns stand together, so that the text stays short.
    fn attribute(&self, argument: &str) -> String {
        let Some((relation, number)) = argument.split_once(", ") else { return "false".to_owned() };
        let mut alike: BTreeMap<&BTreeSet<i16>, Vec<u32>> = BTreeMap::new();
        for (oid, columns) in &self.sight.columns {
            alike.entry(columns).or_default().push(*oid);
        }
        let others = oids(self.sight.others.keys().copied());
        let mut ways = vec![format!("({relation} < 16384 OR {relation} = ANY ({others})")];
        for (columns, relations) in alike {
            let numbers: Vec<String> = columns.iter().map(ToString::to_string).collect();
            let (relations, numbers) = (oids(relations.into_iter()), numbers.join(","));
            ways.push(format!(
                "({relation} = ANY ({relations}) \
                 AND {number} = ANY ('{{{numbers}}}'::pg_catalog.int2[]))"
            ));
        }
        format!("{})", ways.join(" OR "))
    }
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
