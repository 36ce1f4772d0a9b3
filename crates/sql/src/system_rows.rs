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

/// What a type is made of: another type, or (`t`) the columns of a relation; or (`e`) the extension
/// that it belongs to.
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
UNION ALL SELECT d.objid, d.refobjid, 'e' FROM pg_catalog.pg_depend d \
WHERE d.classid = 'pg_catalog.pg_type'::pg_catalog.regclass AND d.objid >= 16384 \
AND d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND d.deptype = 'e' \
UNION ALL SELECT m.multirange, m.rngtypid, 'f' FROM (SELECT r.rngtypid, \
(pg_catalog.to_jsonb(r) ->> 'rngmultitypid')::pg_catalog.oid AS multirange \
FROM pg_catalog.pg_range r) m WHERE m.multirange >= 16384 ORDER BY 1, 2";

/// What an object needs to be shown: its kind, itself, its name, a relation, a column of that (zero
/// for the relation itself), and whether more than a name is shown of the column. What is unique is
/// so by its values, not by their masks, so it counts as more. An exclusion constraint does not tell
/// the columns of its expressions, so one that has any is left out. A default's name is the number
/// of its column.
///
/// Below zero the column says what else is needed, by its OID: see [`Need`].
pub(crate) const DEPENDENTS: &str = "\
SELECT 'index', i.indexrelid, n.nspname, c.relname, i.indrelid, k.number, \
i.indisunique OR i.indisexclusion OR i.indexprs IS NOT NULL OR i.indpred IS NOT NULL \
FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid \
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
CROSS JOIN LATERAL (SELECT u.number::pg_catalog.int4 AS number \
FROM pg_catalog.unnest(i.indkey) AS u(number) WHERE u.number <> 0 \
UNION SELECT d.refobjsubid FROM pg_catalog.pg_depend d \
WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = i.indexrelid \
AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = i.indrelid \
AND (i.indexprs IS NOT NULL OR i.indpred IS NOT NULL)) k \
WHERE i.indrelid >= 16384 AND c.relpersistence <> 't' AND n.nspname !~ '^pg_' \
UNION ALL SELECT CASE k.contype WHEN 'f' THEN 'key' ELSE 'constraint' END, \
k.oid, n.nspname, k.conname, u.relation, u.number, true \
FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_namespace n ON n.oid = k.connamespace \
CROSS JOIN LATERAL (SELECT k.conrelid AS relation, a.number::pg_catalog.int4 AS number \
FROM pg_catalog.unnest(COALESCE(k.conkey, '{0}')) AS a(number) WHERE k.conrelid <> 0 \
UNION SELECT k.confrelid, b.number FROM pg_catalog.unnest(k.confkey) AS b(number) \
UNION SELECT k.contypid, -5 WHERE k.contypid <> 0) u \
WHERE (k.conrelid >= 16384 OR k.contypid >= 16384) AND k.contype <> 't' AND n.nspname !~ '^pg_' \
AND NOT (k.contype = 'x' AND 0 = ANY (k.conkey)) \
UNION ALL SELECT 'sequence', c.oid, n.nspname, c.relname, d.refobjid, d.refobjsubid, false \
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass \
AND d.objid = c.oid AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass \
AND d.deptype IN ('a', 'i') AND d.refobjsubid > 0 \
WHERE c.relkind = 'S' AND c.relpersistence <> 't' AND n.nspname !~ '^pg_' \
UNION ALL SELECT 'default', f.oid, '', f.adnum::pg_catalog.text, f.adrelid, u.number, true \
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
WHERE p.partrelid >= 16384 \
UNION ALL SELECT 'domain', t.oid, '', '', t.oid, -5, false \
FROM pg_catalog.pg_type t WHERE t.oid >= 16384 AND t.typtype = 'd' \
UNION ALL SELECT DISTINCT o.kind, o.oid, '', o.name, COALESCE(e.refobjid, d.refobjid), CASE \
WHEN e.refobjid IS NOT NULL THEN -6 \
WHEN d.refclassid = 'pg_catalog.pg_type'::pg_catalog.regclass THEN -1 \
WHEN d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass THEN -2 \
WHEN d.refclassid = 'pg_catalog.pg_constraint'::pg_catalog.regclass THEN -4 ELSE -3 END, false \
FROM (SELECT 'index' AS kind, i.indexrelid AS oid, '' AS name, \
'pg_catalog.pg_class'::pg_catalog.regclass AS class, i.indexrelid AS object \
FROM pg_catalog.pg_index i WHERE i.indrelid >= 16384 \
UNION ALL SELECT CASE k.contype WHEN 'f' THEN 'key' ELSE 'constraint' END, \
k.oid, '', 'pg_catalog.pg_constraint'::pg_catalog.regclass, k.oid \
FROM pg_catalog.pg_constraint k \
UNION ALL SELECT 'default', f.oid, f.adnum::pg_catalog.text, \
'pg_catalog.pg_attrdef'::pg_catalog.regclass, f.oid FROM pg_catalog.pg_attrdef f \
UNION ALL SELECT 'definition', r.ev_class, '', 'pg_catalog.pg_rewrite'::pg_catalog.regclass, r.oid \
FROM pg_catalog.pg_rewrite r WHERE r.ev_class >= 16384 AND r.ev_type = '1' \
UNION ALL SELECT 'domain', t.oid, '', 'pg_catalog.pg_type'::pg_catalog.regclass, t.oid \
FROM pg_catalog.pg_type t WHERE t.oid >= 16384 AND t.typtype = 'd') o \
JOIN pg_catalog.pg_depend d ON d.classid = o.class AND d.objid = o.object \
AND d.refobjid >= 16384 AND d.deptype = 'n' \
AND d.refclassid <> 'pg_catalog.pg_namespace'::pg_catalog.regclass \
LEFT JOIN pg_catalog.pg_depend e ON e.classid = d.refclassid AND e.objid = d.refobjid \
AND e.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND e.deptype = 'e' \
ORDER BY 1, 2, 5, 6";

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
    /// The extension that it belongs to.
    Extension(u32),
}

/// What an object needs to be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// A column of a relation; zero for the relation itself.
    Column(u32, i16),
    /// A type.
    Type(u32),
    /// A relation of any sort.
    Relation(u32),
    /// A constraint.
    Constraint(u32),
    /// A type of a column that is not masked.
    PlainType(u32),
    /// An extension, of which it needs some member.
    Extension(u32),
    /// Something that is never shown: a function, an operator, a collation.
    Never,
}

impl Need {
    /// The relation and the column, if it is one.
    pub(crate) fn of_column(self) -> Option<(u32, i16)> {
        match self {
            Self::Column(relation, column) => Some((relation, column)),
            Self::Type(_)
            | Self::Relation(_)
            | Self::Constraint(_)
            | Self::PlainType(_)
            | Self::Extension(_)
            | Self::Never => None,
        }
    }

    fn new(object: u32, column: i16) -> Self {
        match column {
            0.. => Self::Column(object, column),
            -1 => Self::Type(object),
            -2 => Self::Relation(object),
            -4 => Self::Constraint(object),
            -5 => Self::PlainType(object),
            -6 => Self::Extension(object),
            _ => Self::Never,
        }
    }
}

/// What sort of object depends on columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum DependentKind {
    Index,
    Constraint,
    ForeignKey,
    /// A sequence that a column owns.
    Sequence,
    /// What a column is when nothing is written to it.
    Default,
    /// A view's text.
    Definition,
    /// The bounds of a table's partitions.
    Bound,
    /// The default of a domain, and whether it may be NULL.
    Domain,
}

/// One column that an object needs to be shown.
#[derive(Clone, Debug)]
pub(crate) struct DependentRow {
    pub(crate) kind: DependentKind,
    pub(crate) oid: u32,
    pub(crate) schema: String,
    pub(crate) name: String,
    pub(crate) need: Need,
    /// More than a name is shown of a column.
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
        CatalogQuery::Stamps => {
            let [oid, stamp] = cells else { return None };
            rows.stamps.insert(oid.parse().ok()?, stamp.parse().ok()?);
        }
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
        | CatalogQuery::References
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
    let [oid, part, kind] = cells else { return None };
    let part = part.parse().ok()?;
    let part = match *kind {
        "t" => Part::Relation(part),
        "e" => Part::Extension(part),
        _ => Part::Type(part),
    };
    Some((oid.parse().ok()?, part))
}

fn dependent_row(cells: &[&str]) -> Option<DependentRow> {
    let [kind, oid, schema, name, relation, column, computes] = cells else { return None };
    let kind = match *kind {
        "index" => DependentKind::Index,
        "constraint" => DependentKind::Constraint,
        "key" => DependentKind::ForeignKey,
        "sequence" => DependentKind::Sequence,
        "default" => DependentKind::Default,
        "definition" => DependentKind::Definition,
        "bound" => DependentKind::Bound,
        "domain" => DependentKind::Domain,
        _ => return None,
    };
    Some(DependentRow {
        kind,
        oid: oid.parse().ok()?,
        schema: (*schema).to_owned(),
        name: (*name).to_owned(),
        need: Need::new(relation.parse().ok()?, column.parse().ok()?),
        computes: *computes != "f",
    })
}
