//! The fixture's catalog, grants and masks, shared by the tests of this crate.

use std::collections::{BTreeMap, BTreeSet};

use model::{Action, Facts, IdentityName, Mask, MaskDeclaration, RelationName, StatementKind};
use sql::{Catalog, CatalogQuery, CatalogRows, ClientSettings, Plan, Refusal, Request};

/// What a grant covers.
pub(crate) type Grants = BTreeMap<(RelationName, Action), BTreeSet<String>>;

/// The catalog rows of `tests/e2e/corpus/fixture_a.sql`, as PostgreSQL 15 answers them.
const ROWS: &str = include_str!("fixture/catalog.jsonl");

/// Some of PostgreSQL's own relations, and what depends on columns of the corpus' tables.
const SYSTEM_ROWS: &str = include_str!("fixture/system.jsonl");

pub(crate) fn rows() -> CatalogRows {
    rows_from(ROWS)
}

fn rows_from(text: &str) -> CatalogRows {
    let mut rows = CatalogRows::default();
    for line in text.lines().chain(SYSTEM_ROWS.lines()) {
        let cells: Vec<String> = serde_json::from_str(line).expect("a row");
        let (query, cells) = cells.split_first().expect("a query");
        let query = match query.as_str() {
            "relations" => CatalogQuery::Relations,
            "columns" => CatalogQuery::Columns,
            "inheritance" => CatalogQuery::Inheritance,
            "types" => CatalogQuery::Types,
            "views" => CatalogQuery::Views,
            "keys" => CatalogQuery::Keys,
            "casts" => CatalogQuery::Casts,
            "functions" => CatalogQuery::Functions,
            "sequences" => CatalogQuery::Sequences,
            "constraints" => CatalogQuery::Constraints,
            "references" => CatalogQuery::References,
            "domains" => CatalogQuery::Domains,
            "system" => CatalogQuery::System,
            "system_views" => CatalogQuery::SystemViews,
            "schemas" => CatalogQuery::Schemas,
            "dependents" => CatalogQuery::Dependents,
            _ => CatalogQuery::Generated,
        };
        let cells: Vec<Option<&str>> = cells.iter().map(|cell| Some(cell.as_str())).collect();
        rows.push(query, &cells).expect("a row of the query");
    }
    rows
}

pub(crate) fn mask(column: &str, mask: Mask) -> MaskDeclaration {
    MaskDeclaration { column: column.to_owned(), mask }
}

pub(crate) fn catalog_with(masks: &[MaskDeclaration]) -> Catalog {
    let rows = rows();
    let masks = masks.to_vec();
    let build = move || Catalog::build(rows, &masks, 1).expect("a catalog");
    on_large_stack(build)
}

/// The catalog with the two masked columns of the corpus.
pub(crate) fn catalog() -> Catalog {
    catalog_with(&[
        mask("billing.customers.account_number", Mask::Full),
        mask("billing.customers.ssn", Mask::Full),
    ])
}

/// The corpus' catalog and masks, with other rows in the place of some, and with more rows.
pub(crate) fn catalog_edited(edits: &[(&str, &str)], more: &[&str]) -> Catalog {
    let mut text = ROWS.to_owned();
    for (from, to) in edits {
        assert!(text.contains(from), "{from} is in the fixture");
        text = text.replacen(from, to, 1);
    }
    for line in more {
        text.push_str(line);
        text.push('\n');
    }
    let masks = ["account_number", "ssn"]
        .map(|column| mask(&format!("billing.customers.{column}"), Mask::Full));
    on_large_stack(move || Catalog::build(rows_from(&text), &masks, 1).expect("a catalog"))
}

/// Runs what recurses with the depth of a statement, as the gateway does.
pub(crate) fn on_large_stack<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let thread = std::thread::Builder::new().stack_size(32 << 20).spawn(work).expect("a thread");
    thread.join().expect("no panic")
}

pub(crate) fn grant(grants: &mut Grants, actions: &[Action], relation: &str, columns: &[&str]) {
    for action in actions {
        let relation = relation.parse().expect("a relation");
        let granted = grants.entry((relation, *action)).or_default();
        granted.extend(columns.iter().map(|column| (*column).to_owned()));
    }
}

/// The grants of the corpus, by their names in its manifest.
pub(crate) fn grants(name: &str) -> Grants {
    let mut grants = Grants::new();
    let customers = "billing.customers";
    if name == "GV" {
        let columns = ["id", "name", "plan", "account_number", "ssn"];
        grant(&mut grants, &[Action::Select], "gw.customers", &columns);
        return grants;
    }
    let columns = ["id", "name", "plan", "account_number", "ssn"];
    grant(&mut grants, &[Action::Select], customers, &columns);
    grant(&mut grants, &[Action::Select], "billing.plans", &["plan", "price"]);
    if name == "GW" {
        grant(&mut grants, &[Action::Update], customers, &["plan"]);
        grant(&mut grants, &[Action::Insert, Action::Delete], customers, &["id", "name", "plan"]);
    }
    grants
}

/// As `policy` covers: every touched column by a grant of the action; no column by any.
pub(crate) fn is_covered(facts: &Facts, grants: &Grants) -> bool {
    let needs_none = facts.touches.is_empty() && facts.kind != StatementKind::Write;
    let covers = |touch: &model::Touch| {
        let granted = grants.get(&(touch.relation.clone(), touch.action));
        granted.is_some_and(|granted| touch.columns.is_subset(granted))
    };
    needs_none || (!facts.touches.is_empty() && facts.touches.iter().all(covers))
}

pub(crate) fn analyse(catalog: &Catalog, grants: &Grants, text: &str) -> Result<Plan, Refusal> {
    analyse_in(catalog, grants, &["$user", "public"], text)
}

pub(crate) fn analyse_in(
    catalog: &Catalog,
    grants: &Grants,
    path: &[&str],
    text: &str,
) -> Result<Plan, Refusal> {
    let path: Vec<String> = path.iter().map(|schema| (*schema).to_owned()).collect();
    ask(catalog, grants, &path, |request| sql::analyse(&Request { text, ..*request }))
}

/// Asks with everything but a text.
pub(crate) fn ask<T>(
    catalog: &Catalog,
    grants: &Grants,
    search_path: &[String],
    analyse: impl FnOnce(&Request<'_>) -> T,
) -> T {
    let granted = |relation: &RelationName, action: Action| {
        grants.get(&(relation.clone(), action)).cloned().unwrap_or_default()
    };
    let identity: IdentityName = "agent".parse().expect("a name");
    analyse(&Request {
        text: "",
        catalog,
        search_path,
        identity: &identity,
        database: "billing",
        granted: &granted,
        settings: &ClientSettings::default(),
    })
}

/// Items that would be denied and are allowed after a review, with their reasons beside the corpus.
pub(crate) fn reviewed() -> BTreeSet<String> {
    let text = include_str!("../../../../tests/e2e/corpus_reviewed.txt");
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

/// The attack corpus, one JSON value a line.
pub(crate) fn corpus() -> Vec<serde_json::Value> {
    let text = include_str!("../../../../tests/e2e/corpus/sql.jsonl");
    text.lines().map(|line| serde_json::from_str(line).expect("an item")).collect()
}
