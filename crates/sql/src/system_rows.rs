//! The questions by which the target's own catalogs can be shown: what they are made of, and what
//! each object in them depends on. PostgreSQL 13 to 18.

use crate::catalog_rows::{CatalogQuery, CatalogRows};

/// PostgreSQL's own tables and views with their columns.
pub(crate) const SYSTEM: &str = "\
SELECT c.oid, n.nspname, c.relname, a.attnum, a.attname, a.atttypid, \
pg_catalog.format_type(a.atttypid, a.atttypmod) \
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
WHERE c.relkind IN ('r', 'v') AND c.oid < 16384 \
AND n.nspname IN ('pg_catalog', 'information_schema') ORDER BY c.oid, a.attnum";

/// The texts of PostgreSQL's own views.
pub(crate) const SYSTEM_VIEWS: &str = "\
SELECT c.oid, pg_catalog.pg_get_viewdef(c.oid) \
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
WHERE c.relkind = 'v' AND c.oid < 16384 \
AND n.nspname IN ('pg_catalog', 'information_schema') ORDER BY c.oid";

/// The target's schemas.
pub(crate) const SCHEMAS: &str = "\
SELECT n.oid, n.nspname FROM pg_catalog.pg_namespace n \
WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' ORDER BY n.oid";

/// What a type is made of: another type, or (`t`) the columns of a relation.
pub(crate) const PARTS: &str = "\
SELECT t.oid, t.typelem, 'f' FROM pg_catalog.pg_type t \
WHERE t.oid >= 16384 AND t.typelem <> 0 AND t.typcategory = 'A' \
UNION ALL SELECT t.oid, t.typbasetype, 'f' FROM pg_catalog.pg_type t \
WHERE t.oid >= 16384 AND t.typtype = 'd' \
UNION ALL SELECT t.oid, a.atttypid, 'f' FROM pg_catalog.pg_type t \
JOIN pg_catalog.pg_class c ON c.oid = t.typrelid AND c.relkind = 'c' \
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
WHERE t.oid >= 16384 \
UNION ALL SELECT t.oid, t.typrelid, 't' FROM pg_catalog.pg_type t \
JOIN pg_catalog.pg_class c ON c.oid = t.typrelid AND c.relkind = 'c' WHERE t.oid >= 16384 \
UNION ALL SELECT r.rngtypid, r.rngsubtype, 'f' FROM pg_catalog.pg_range r \
WHERE r.rngtypid >= 16384 \
UNION ALL SELECT m.multirange, m.rngtypid, 'f' FROM (SELECT r.rngtypid, \
(pg_catalog.to_jsonb(r) ->> 'rngmultitypid')::pg_catalog.oid AS multirange \
FROM pg_catalog.pg_range r) m WHERE m.multirange >= 16384 ORDER BY 1, 2";

/// Which columns an object needs to be shown: its kind, itself, its name, a relation, a column of
/// that (zero for the relation itself), and whether an expression has them. An exclusion constraint
/// does not tell the columns of its expressions, so one that has any is left out.
pub(crate) const DEPENDENTS: &str = "\
SELECT 'index', i.indexrelid, n.nspname, c.relname, i.indrelid, k.number, \
i.indexprs IS NOT NULL OR i.indpred IS NOT NULL \
FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid \
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
CROSS JOIN LATERAL (SELECT u.number::pg_catalog.int4 AS number \
FROM pg_catalog.unnest(i.indkey) AS u(number) WHERE u.number <> 0 \
UNION SELECT d.refobjsubid FROM pg_catalog.pg_depend d \
WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = i.indexrelid \
AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = i.indrelid \
AND (i.indexprs IS NOT NULL OR i.indpred IS NOT NULL)) k \
WHERE i.indrelid >= 16384 AND c.relpersistence <> 't' AND n.nspname !~ '^pg_' \
UNION ALL SELECT 'constraint', k.oid, n.nspname, k.conname, u.relation, u.number, \
k.contype NOT IN ('p', 'u', 'f', 'n') \
FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_namespace n ON n.oid = k.connamespace \
CROSS JOIN LATERAL (SELECT k.conrelid AS relation, a.number::pg_catalog.int4 AS number \
FROM pg_catalog.unnest(COALESCE(k.conkey, '{0}')) AS a(number) \
UNION SELECT k.confrelid, b.number FROM pg_catalog.unnest(k.confkey) AS b(number)) u \
WHERE k.conrelid >= 16384 AND k.contype <> 't' AND n.nspname !~ '^pg_' \
AND NOT (k.contype = 'x' AND 0 = ANY (k.conkey)) \
UNION ALL SELECT 'sequence', c.oid, n.nspname, c.relname, d.refobjid, d.refobjsubid, false \
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass \
AND d.objid = c.oid AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass \
AND d.deptype IN ('a', 'i') AND d.refobjsubid > 0 \
WHERE c.relkind = 'S' AND c.relpersistence <> 't' AND n.nspname !~ '^pg_' \
UNION ALL SELECT 'default', f.oid, '', '', f.adrelid, u.number, true \
FROM pg_catalog.pg_attrdef f CROSS JOIN LATERAL (SELECT f.adnum::pg_catalog.int4 AS number \
UNION SELECT d.refobjsubid FROM pg_catalog.pg_depend d \
WHERE d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = f.adrelid \
AND ((d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass AND d.objid = f.oid) \
OR (d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass \
AND d.objid = f.adrelid AND d.objsubid = f.adnum))) u WHERE f.adrelid >= 16384 \
UNION ALL SELECT DISTINCT 'definition', r.ev_class, '', '', d.refobjid, d.refobjsubid, true \
FROM pg_catalog.pg_rewrite r JOIN pg_catalog.pg_depend d \
ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND d.objid = r.oid \
AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid <> r.ev_class \
WHERE r.ev_class >= 16384 AND r.ev_type = '1' \
UNION ALL SELECT 'bound', p.partrelid, '', '', p.partrelid, u.number::pg_catalog.int4, true \
FROM pg_catalog.pg_partitioned_table p CROSS JOIN LATERAL pg_catalog.unnest(p.partattrs) AS u(number) \
WHERE p.partrelid >= 16384 ORDER BY 1, 2, 5, 6";

/// A column of one of PostgreSQL's own relations.
#[derive(Clone, Debug)]
pub(crate) struct SystemRow {
    pub(crate) oid: u32,
    pub(crate) schema: String,
    pub(crate) relation: String,
    pub(crate) number: i16,
    pub(crate) column: String,
    pub(crate) type_oid: u32,
    pub(crate) type_name: String,
}

/// What a type is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Type(u32),
    Relation(u32),
}

/// What sort of object depends on columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum DependentKind {
    Index,
    Constraint,
    /// A sequence that a column owns.
    Sequence,
    /// What a column is when nothing is written to it.
    Default,
    /// A view's text.
    Definition,
    /// The bounds of a table's partitions.
    Bound,
}

/// One column that an object needs to be shown.
#[derive(Clone, Debug)]
pub(crate) struct DependentRow {
    pub(crate) kind: DependentKind,
    pub(crate) oid: u32,
    pub(crate) schema: String,
    pub(crate) name: String,
    pub(crate) relation: u32,
    /// Zero for the relation itself.
    pub(crate) column: i16,
    /// An expression has it: what is shown is then more than a name.
    pub(crate) computes: bool,
}

/// Takes one row of an answer to one of the queries above; nothing if it has another form.
pub(crate) fn take(rows: &mut CatalogRows, query: CatalogQuery, cells: &[&str]) -> Option<()> {
    match query {
        CatalogQuery::System => rows.system.push(system_row(cells)?),
        CatalogQuery::SystemViews => {
            let [oid, text] = cells else { return None };
            rows.system_views.insert(oid.parse().ok()?, (*text).to_owned());
        }
        CatalogQuery::Schemas => {
            let [oid, name] = cells else { return None };
            rows.schemas.insert((*name).to_owned(), oid.parse().ok()?);
        }
        CatalogQuery::Parts => rows.parts.push(part_row(cells)?),
        CatalogQuery::Dependents => rows.dependents.push(dependent_row(cells)?),
        CatalogQuery::Relations
        | CatalogQuery::Columns
        | CatalogQuery::Inheritance
        | CatalogQuery::Types
        | CatalogQuery::Views
        | CatalogQuery::Generated
        | CatalogQuery::Keys
        | CatalogQuery::Casts
        | CatalogQuery::Functions
        | CatalogQuery::Sequences
        | CatalogQuery::Constraints
        | CatalogQuery::Domains => return None,
    }
    Some(())
}

fn system_row(cells: &[&str]) -> Option<SystemRow> {
    let [oid, schema, relation, number, column, type_oid, type_name] = cells else { return None };
    Some(SystemRow {
        oid: oid.parse().ok()?,
        schema: (*schema).to_owned(),
        relation: (*relation).to_owned(),
        number: number.parse().ok()?,
        column: (*column).to_owned(),
        type_oid: type_oid.parse().ok()?,
        type_name: (*type_name).to_owned(),
    })
}

fn part_row(cells: &[&str]) -> Option<(u32, Part)> {
    let [oid, part, is_relation] = cells else { return None };
    let part = part.parse().ok()?;
    let part = if *is_relation == "t" { Part::Relation(part) } else { Part::Type(part) };
    Some((oid.parse().ok()?, part))
}

fn dependent_row(cells: &[&str]) -> Option<DependentRow> {
    let [kind, oid, schema, name, relation, column, computes] = cells else { return None };
    let kind = match *kind {
        "index" => DependentKind::Index,
        "constraint" => DependentKind::Constraint,
        "sequence" => DependentKind::Sequence,
        "default" => DependentKind::Default,
        "definition" => DependentKind::Definition,
        "bound" => DependentKind::Bound,
        _ => return None,
    };
    Some(DependentRow {
        kind,
        oid: oid.parse().ok()?,
        schema: (*schema).to_owned(),
        name: (*name).to_owned(),
        relation: relation.parse().ok()?,
        column: column.parse().ok()?,
        computes: *computes != "f",
    })
}
