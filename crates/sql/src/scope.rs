//! What a column name means at a place in a statement.
//!
//! Source: PostgreSQL's `parse_relation.c` (`colNameToVar`, `refnameNamespaceItem`) and
//! `parse_expr.c` (`transformColumnRef`). The words are theirs: an *item* is one entry of a FROM
//! clause with its columns; a *level* is one query; names are looked up from the innermost level
//! outwards, and the first level that knows a name decides.

use mask::ColumnType;
use model::MaskedColumn;
use pg_query::Node;

use crate::meaning::Meaning;
use crate::rows::Row;
use crate::shown::TABLE_OID;
use crate::work::Work;
use crate::{Refusal, guess, tree};

/// Columns that every table has and that show more than rows (PostgreSQL manual, 5.6).
pub(crate) const SYSTEM_COLUMNS: [&str; 6] = ["ctid", "xmin", "xmax", "cmin", "cmax", "tableoid"];

/// What stands in a column.
#[derive(Clone, Debug)]
pub(crate) struct Value {
    pub(crate) content: Content,
    /// Table and column that `RowDescription` reports for it.
    pub(crate) origin: Origin,
    /// Its type as `RowDescription` reports it.
    pub(crate) column_type: Option<ColumnType>,
    /// OID of its type, of the domain itself if it is one.
    pub(crate) exact_type: Option<u32>,
    pub(crate) meaning: Meaning,
}

/// What `RowDescription` reports as the origin of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Nothing: it is computed.
    Nothing,
    /// A column of a table.
    Column(u32, i16),
    /// One or the other, by conversions that are not followed here.
    Unclear,
}

/// Where a column's values come from.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    /// A column of a relation that this statement names: its use, and its place there.
    Raw { use_index: usize, column_index: usize },
    /// A mask that stands in the place of a masked column. Still not to be computed with.
    Masked(MaskedColumn),
    /// What the view of a fence shows of a masked column. One may compute with that.
    Shown(MaskedColumn),
    /// Anything that may be computed with.
    Free,
}

impl Value {
    pub(crate) fn computed() -> Self {
        Self {
            content: Content::Free,
            origin: Origin::Nothing,
            column_type: None,
            exact_type: None,
            meaning: Meaning::Plain,
        }
    }

    pub(crate) fn type_oid(&self) -> Option<u32> {
        self.column_type.as_ref().map(|column_type| column_type.oid)
    }
}

/// A column that a name can reach.
#[derive(Clone, Debug)]
pub(crate) struct ScopeColumn {
    /// Equal for two ways to the same column, through a join and past it.
    pub(crate) id: u64,
    pub(crate) name: String,
    pub(crate) value: Value,
    /// Whether `*` includes it.
    pub(crate) starred: bool,
    /// Qualified ways to write it, best first.
    pub(crate) homes: Vec<Vec<String>>,
}

/// One entry of a FROM clause.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    /// The name before the dot. Nothing for a join or subquery without an alias.
    pub(crate) name: Option<String>,
    /// Set for a relation without an alias, which can also be written with its schema.
    pub(crate) schema: Option<String>,
    pub(crate) columns: Vec<ScopeColumn>,
    /// Whether `name.column` reaches it.
    pub(crate) by_name: bool,
    /// Whether a bare column name reaches it.
    pub(crate) by_column: bool,
    pub(crate) beside: Beside,
    /// What a whole row of it is.
    pub(crate) row: Row,
    /// The uses of relations whose rows FOR UPDATE of it locks.
    pub(crate) locks: Vec<usize>,
    /// It is a table of PostgreSQL's own, with its columns under their names.
    pub(crate) is_catalog: bool,
}

/// How an item can be reached from what stands beside it in FROM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beside {
    /// FROM is complete: everything behind it reaches the item.
    Done,
    /// Only by a LATERAL query or a function.
    Lateral,
    /// A LATERAL query finds it, but may not use it.
    Forbidden,
}

impl Item {
    fn is_visible(&self, lateral: bool) -> bool {
        self.beside == Beside::Done || lateral
    }
}

/// One query: its FROM items and the common tables that its WITH defines.
#[derive(Debug, Default)]
pub(crate) struct Level {
    pub(crate) items: Vec<Item>,
    pub(crate) ctes: Vec<CommonTable>,
    /// True while a LATERAL query or a function of its FROM is read.
    pub(crate) lateral: bool,
    pub(crate) work: Work,
}

/// A query of a WITH clause.
#[derive(Clone, Debug)]
pub(crate) struct CommonTable {
    pub(crate) name: String,
    /// Nothing if it is not defined yet: a query of WITH RECURSIVE that comes later.
    pub(crate) columns: Option<Vec<(String, Value)>>,
}

/// A column that a name was found to mean.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) column: ScopeColumn,
    /// How it is written in the forwarded text.
    pub(crate) written: Node,
}

/// Finds what a column name means.
///
/// # Errors
///
/// [`Refusal`] if it means nothing, more than one thing, a whole row or a system column.
pub(crate) fn resolve(levels: &[Level], parts: &[&str]) -> Result<Found, Refusal> {
    let shown = parts.join(".");
    let is_system = parts.last().is_some_and(|name| SYSTEM_COLUMNS.contains(name));
    if is_system && !is_shown_table_oid(levels, parts) {
        return Err(Refusal::never(
            "system_column",
            format!("system column \"{shown}\" is not allowed"),
        ));
    }
    match find(levels, parts)? {
        Some(column) => {
            let written = write(levels, column, parts);
            spend(levels, 0)?;
            let written = written.ok_or_else(Refusal::mismatch)?;
            Ok(Found { column: column.clone(), written })
        }
        None if parts.len() > 1 && names_a_row(levels, parts) => Err(Refusal::row_part(&shown)),
        None if names_a_row(levels, parts) => Err(Refusal::whole_row(&shown)),
        None => Err(guess::not_found(levels, parts)),
    }
}

/// True if a bare name means a column.
pub(crate) fn means_column(levels: &[Level], name: &str) -> Result<bool, Refusal> {
    Ok(SYSTEM_COLUMNS.contains(&name) || find_bare(levels, name)?.is_some())
}

/// The number of a catalog is a column of the query that stands in its place.
fn is_shown_table_oid(levels: &[Level], parts: &[&str]) -> bool {
    let is_catalog = |column: &ScopeColumn| {
        column.name == TABLE_OID && !column.starred && !column.homes.is_empty()
    };
    matches!(find(levels, parts), Ok(Some(column)) if is_catalog(column))
}

/// As [`resolve`], but only in the innermost level, and finding nothing is no error.
pub(crate) fn resolve_here<'a>(
    levels: &'a [Level],
    name: &str,
) -> Result<Option<&'a ScopeColumn>, Refusal> {
    let start = levels.len().saturating_sub(1);
    find(levels.get(start..).unwrap_or_default(), &[name])
}

/// Of the ways to write a column, the first that means this very column at this place; last the
/// one that is given. Nothing if none does.
pub(crate) fn write(levels: &[Level], column: &ScopeColumn, given: &[&str]) -> Option<Node> {
    let homes = column.homes.iter().map(|home| home.iter().map(String::as_str).collect());
    let mut ways = homes.chain(std::iter::once(given.to_vec()));
    let means_it =
        |way: &Vec<&str>| matches!(find(levels, way), Ok(Some(found)) if found.id == column.id);
    ways.find(means_it).map(tree::column_ref)
}

fn spend(levels: &[Level], columns: usize) -> Result<(), Refusal> {
    levels.last().map_or(Ok(()), |level| level.work.spend(columns))
}

fn find<'a>(levels: &'a [Level], parts: &[&str]) -> Result<Option<&'a ScopeColumn>, Refusal> {
    match *parts {
        [name] => find_bare(levels, name),
        [item, name] => match find_item(levels, None, item)? {
            Some(item) => {
                spend(levels, item.columns.len())?;
                column_of(item, name)
            }
            None => Ok(None),
        },
        [schema, item, name] => match find_item(levels, Some(schema), item)? {
            Some(item) => {
                spend(levels, item.columns.len())?;
                column_of(item, name)
            }
            None => Ok(None),
        },
        _ => Ok(None),
    }
}

fn find_bare<'a>(levels: &'a [Level], name: &str) -> Result<Option<&'a ScopeColumn>, Refusal> {
    for level in levels.iter().rev() {
        spend(levels, level.items.len())?;
        let mut found = None;
        for item in level.items.iter().filter(|i| i.by_column && i.is_visible(level.lateral)) {
            spend(levels, item.columns.len())?;
            if let Some(column) = column_of(item, name)? {
                if found.is_some() {
                    return Err(Refusal::ambiguous_column(name));
                }
                check_lateral(item, name)?;
                found = Some(column);
            }
        }
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// Finds an item by its name, with the schema if one is written.
pub(crate) fn find_item<'a>(
    levels: &'a [Level],
    schema: Option<&str>,
    name: &str,
) -> Result<Option<&'a Item>, Refusal> {
    for level in levels.iter().rev() {
        spend(levels, level.items.len())?;
        let mut matching = level.items.iter().filter(|item| {
            item.by_name
                && item.is_visible(level.lateral)
                && item.name.as_deref() == Some(name)
                && (schema.is_none() || item.schema.as_deref() == schema)
        });
        if let Some(item) = matching.next() {
            if matching.next().is_some() {
                return Err(Refusal::never(
                    "ambiguous_relation",
                    format!("table reference \"{name}\" is ambiguous"),
                ));
            }
            check_lateral(item, name)?;
            return Ok(Some(item));
        }
    }
    Ok(None)
}

fn column_of<'a>(item: &'a Item, name: &str) -> Result<Option<&'a ScopeColumn>, Refusal> {
    let mut matching = item.columns.iter().filter(|column| column.name == name);
    let found = matching.next();
    if matching.next().is_some() {
        return Err(Refusal::ambiguous_column(name));
    }
    Ok(found)
}

fn check_lateral(item: &Item, name: &str) -> Result<(), Refusal> {
    if item.beside == Beside::Forbidden {
        return Err(Refusal::syntax(format!("invalid reference to FROM-clause entry \"{name}\"")));
    }
    Ok(())
}

/// PostgreSQL reads `c` as a row, and `c.f` as the function `f` of the row, if `c` is an item.
fn names_a_row(levels: &[Level], parts: &[&str]) -> bool {
    let is_item = |schema, name| matches!(find_item(levels, schema, name), Ok(Some(_)) | Err(_));
    match *parts {
        [item] | [item, _] => is_item(None, item),
        [schema, item, _] => is_item(Some(schema), item),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(name: &str, columns: &[(u64, &str)]) -> Item {
        let column = |(id, column): &(u64, &str)| ScopeColumn {
            id: *id,
            name: (*column).to_owned(),
            value: Value::computed(),
            starred: true,
            homes: vec![vec![name.to_owned(), (*column).to_owned()]],
        };
        Item {
            name: Some(name.to_owned()),
            schema: None,
            columns: columns.iter().map(column).collect(),
            by_name: true,
            by_column: true,
            beside: Beside::Done,
            row: Row::Named,
            locks: Vec::new(),
            is_catalog: false,
        }
    }

    fn level(items: Vec<Item>) -> Level {
        Level { items, ..Level::default() }
    }

    #[test]
    fn the_innermost_level_that_knows_a_name_decides() {
        let levels = [
            level(vec![item("a", &[(1, "x"), (2, "y")])]),
            level(vec![item("a", &[(3, "x")]), item("b", &[(4, "z"), (5, "w"), (6, "w")])]),
        ];
        #[rustfmt::skip]
        let cases: Vec<(&[&str], _)> = vec![
            (&["x"],       Ok(3)),
            (&["y"],       Ok(2)),
            (&["a", "x"],  Ok(3)),
            (&["a", "y"],  Err("whole_row")),
            (&["a"],       Err("whole_row")),
            (&["w"],       Err("ambiguous_column")),
            (&["q"],       Err("unknown_column")),
            (&["b", "ctid"], Err("system_column")),
            (&["s", "a", "x"], Err("unknown_column")),
        ];
        for (parts, expected) in cases {
            let found = resolve(&levels, parts).map(|f| f.column.id).map_err(|e| e.code);
            assert_eq!(found, expected, "{parts:?}");
        }
    }

    #[test]
    fn a_column_is_written_so_that_it_means_the_same() {
        let levels =
            [level(vec![item("a", &[(1, "x"), (2, "y")])]), level(vec![item("a", &[(3, "z")])])];
        let found = resolve(&levels, &["y"]).unwrap();
        assert_eq!(found.written, tree::column_ref(["y"]), "`a.y` would mean the inner a");
        let found = resolve(&levels, &["z"]).unwrap();
        assert_eq!(found.written, tree::column_ref(["a", "z"]));
    }

    #[test]
    fn an_item_beside_is_reached_only_by_lateral() {
        let mut beside = item("a", &[(1, "x")]);
        beside.beside = Beside::Lateral;
        let mut levels = [level(vec![beside]), level(vec![])];
        assert_eq!(resolve(&levels, &["x"]).map_err(|e| e.code).unwrap_err(), "unknown_column");
        levels[0].lateral = true;
        assert_eq!(resolve(&levels, &["x"]).unwrap().column.id, 1);
        levels[0].items[0].beside = Beside::Forbidden;
        assert_eq!(resolve(&levels, &["x"]).unwrap_err().code, "syntax_error");
    }
}
