//! The questions to the target's catalog and the form of its answers. PostgreSQL 13 to 18.
//!
//! Names that begin with `pg_` are reserved for PostgreSQL's own schemas, temporary ones included.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use mask::MaskError;

use crate::catalog_routines::{
    CONSTRAINTS, DOMAINS, FUNCTIONS, REFERENCES, RoutineRows, SEQUENCES,
};
use crate::grounds;
use crate::system_rows::{self, DependentRow, Part, SystemRow};

/// One of the questions that [`catalog_queries`] asks the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CatalogQuery {
    /// Tables, views and the like.
    Relations,
    /// Their columns.
    Columns,
    /// Which table inherits from which, partitions included.
    Inheritance,
    /// Types: PostgreSQL's own, and the target's enums and domains.
    Types,
    /// The texts of views.
    Views,
    /// Which columns the generated columns are computed from.
    Generated,
    /// Which columns are keys of unique indexes or exclusion constraints.
    Keys,
    /// The conversions between types that run a function which is not PostgreSQL's own.
    Casts,
    /// Functions, aggregates and procedures.
    Functions,
    /// Which column owns a sequence.
    Sequences,
    /// The columns of primary keys and unique constraints.
    Constraints,
    /// Foreign keys that change what refers.
    References,
    /// The checks of domains.
    Domains,
    /// PostgreSQL's own tables and views.
    System,
    /// The texts of PostgreSQL's own views.
    SystemViews,
    /// Schemas.
    Schemas,
    /// What types are made of.
    Parts,
    /// Which columns an index, a constraint and the like depend on.
    Dependents,
    /// Who last changed the definition of each relation.
    Stamps,
}

/// A catalog that cannot be used, with what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CatalogError {
    /// The target answered a catalog query with a row of another form.
    #[error("the target answered the catalog query {query:?} with an unexpected row")]
    MalformedRow {
        /// Which query.
        query: CatalogQuery,
    },
    /// A mask is declared for a column that does not exist.
    #[error(
        "mask on `{column}`: no such column on the target. \
         Write schema.relation.column as the catalog spells them, or remove the mask"
    )]
    UnknownColumn {
        /// As declared.
        column: String,
    },
    /// A mask is declared twice for a column, or differently within one inheritance tree.
    #[error("mask on `{column}`: another mask is declared for the same values. Keep one of them")]
    Conflict {
        /// As declared.
        column: String,
    },
    /// The column's type cannot carry the mask.
    #[error("mask on `{column}`: {error}")]
    Mask {
        /// `schema.relation.column`.
        column: String,
        /// Why not.
        error: MaskError,
    },
    /// The mask's expression cannot be written out unchanged, as for `bpchar` without a length.
    #[error(
        "mask on `{column}`: a value of the column's type cannot be written out. \
         Change the column's type, for example to text"
    )]
    Unwritable {
        /// `schema.relation.column`.
        column: String,
    },
}

const RELATIONS: &str = "\
SELECT c.oid, n.nspname, c.relname, c.relkind, \
EXISTS (SELECT 1 FROM pg_catalog.pg_rewrite r WHERE r.ev_class = c.oid \
AND (r.rulename <> '_RETURN' OR c.relkind NOT IN ('v', 'm'))), \
c.relrowsecurity OR EXISTS (SELECT 1 FROM pg_catalog.pg_attribute a \
WHERE a.attrelid = c.oid AND a.attgenerated = 'v'), \
EXISTS (SELECT 1 FROM pg_catalog.pg_options_to_table(c.reloptions) o \
WHERE o.option_name = 'security_barrier' AND o.option_value::pg_catalog.bool) \
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND c.relpersistence <> 't' \
AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' ORDER BY c.oid";

const COLUMNS: &str = "\
SELECT a.attrelid, a.attnum, a.attname, a.atttypid, a.atttypmod \
FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid \
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') \
AND c.relpersistence <> 't' AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' \
ORDER BY a.attrelid, a.attnum";

const INHERITANCE: &str = "\
SELECT i.inhparent, i.inhrelid FROM pg_catalog.pg_inherits i \
JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid \
WHERE c.relkind IN ('r', 'p', 'f') ORDER BY i.inhparent, i.inhrelid";

const TYPES: &str = "\
SELECT t.oid, n.nspname, t.typname, t.typtype, t.typbasetype, t.typtypmod, \
CASE WHEN t.typcategory = 'A' THEN t.typelem ELSE 0 END \
FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace \
LEFT JOIN pg_catalog.pg_type e ON e.oid = t.typelem AND t.typcategory = 'A' \
WHERE t.typtype <> 'p' AND (n.nspname !~ '^pg_' OR n.nspname = 'pg_catalog') \
AND ((t.typrelid = 0 AND COALESCE(e.typrelid, 0) = 0) OR EXISTS (SELECT 1 \
FROM pg_catalog.pg_attribute a WHERE a.atttypid = t.oid AND a.attrelid >= 16384)) ORDER BY t.oid";

const VIEWS: &str = "\
SELECT c.oid, pg_catalog.pg_get_viewdef(c.oid) \
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
WHERE c.relkind IN ('v', 'm') AND c.relpersistence <> 't' \
AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' ORDER BY c.oid";

/// Until PostgreSQL 14 the column itself depends on the others, since then its default does.
const GENERATED: &str = "\
SELECT a.attrelid, a.attnum, COALESCE(d.refobjsubid, 0) \
FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_attrdef f \
ON f.adrelid = a.attrelid AND f.adnum = a.attnum \
LEFT JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass \
AND d.refobjid = a.attrelid AND d.refobjsubid > 0 AND d.refobjsubid <> a.attnum \
AND ((d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass \
AND d.objid = a.attrelid AND d.objsubid = a.attnum) \
OR (d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass AND d.objid = f.oid)) \
WHERE a.attgenerated <> '' AND NOT a.attisdropped ORDER BY 1, 2, 3";

/// Zero stands for an expression or a condition, which may read any column.
const KEYS: &str = "\
SELECT DISTINCT i.indrelid, k.number FROM pg_catalog.pg_index i \
JOIN pg_catalog.pg_class c ON c.oid = i.indrelid \
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
CROSS JOIN LATERAL (SELECT u.number FROM pg_catalog.unnest(i.indkey) \
WITH ORDINALITY AS u(number, place) WHERE u.place <= i.indnkeyatts \
UNION SELECT 0 WHERE i.indpred IS NOT NULL) k \
WHERE (i.indisunique OR i.indisexclusion) AND c.relkind IN ('r', 'p', 'f') \
AND c.relpersistence <> 't' AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' \
ORDER BY 1, 2";

const CASTS: &str = "\
SELECT c.castsource, c.casttarget, c.castcontext FROM pg_catalog.pg_cast c \
WHERE c.oid >= 16384 AND c.castmethod = 'f' ORDER BY 1, 2";

pub(crate) const FINGERPRINT: &str = "\
SELECT pg_catalog.concat_ws(' ', \
(SELECT pg_catalog.concat_ws(',', pg_catalog.count(*), pg_catalog.sum(x.xmin::text::bigint)) \
FROM pg_catalog.pg_namespace x WHERE x.nspname !~ '^pg_'), \
(SELECT pg_catalog.concat_ws(',', pg_catalog.count(*), pg_catalog.sum(x.xmin::text::bigint)) \
FROM pg_catalog.pg_class x WHERE x.oid >= 16384 AND x.relpersistence <> 't'), \
(SELECT pg_catalog.concat_ws(',', pg_catalog.count(*), pg_catalog.sum(x.xmin::text::bigint)) \
FROM pg_catalog.pg_attribute x JOIN pg_catalog.pg_class c ON c.oid = x.attrelid \
WHERE c.oid >= 16384 AND c.relpersistence <> 't' AND c.relkind IN ('r', 'p', 'v', 'm', 'f')), \
(SELECT pg_catalog.concat_ws(',', pg_catalog.count(*), pg_catalog.sum(x.xmin::text::bigint)) \
FROM pg_catalog.pg_inherits x), \
(SELECT pg_catalog.concat_ws(',', pg_catalog.count(*), pg_catalog.sum(x.xmin::text::bigint)) \
FROM pg_catalog.pg_rewrite x WHERE x.oid >= 16384), \
(SELECT pg_catalog.concat_ws(',', pg_catalog.count(*), pg_catalog.sum(x.xmin::text::bigint)) \
FROM pg_catalog.pg_attrdef x), \
(SELECT pg_catalog.concat_ws(',', pg_catalog.count(*), pg_catalog.sum(x.xmin::text::bigint)) \
FROM pg_catalog.pg_type x WHERE x.oid >= 16384 AND x.typtype IN ('e', 'd', 'r')), \
(SELECT pg_catalog.concat_ws(',', pg_catalog.count(*), pg_catalog.sum(x.xmin::text::bigint)) \
FROM pg_catalog.pg_index x JOIN pg_catalog.pg_class c ON c.oid = x.indrelid \
WHERE c.oid >= 16384 AND c.relpersistence <> 't'), \
(SELECT pg_catalog.concat_ws(',', pg_catalog.count(*), pg_catalog.sum(x.xmin::text::bigint)) \
FROM pg_catalog.pg_proc x WHERE x.oid >= 16384), \
(SELECT pg_catalog.concat_ws(',', pg_catalog.count(*), pg_catalog.sum(x.xmin::text::bigint)) \
FROM pg_catalog.pg_constraint x WHERE x.oid >= 16384), \
(SELECT pg_catalog.concat_ws(',', pg_catalog.count(*), pg_catalog.sum(x.xmin::text::bigint)) \
FROM pg_catalog.pg_cast x WHERE x.oid >= 16384))";

/// The queries whose answers make a [`Catalog`](crate::Catalog).
///
/// Run each in simple protocol with text results, all in one read-only transaction of isolation
/// level REPEATABLE READ so that they fit together, on a session whose search path is
/// `pg_catalog`: then the texts of views qualify every other name.
pub fn catalog_queries() -> Vec<(CatalogQuery, Cow<'static, str>)> {
    vec![
        (CatalogQuery::Relations, RELATIONS.into()),
        (CatalogQuery::Columns, COLUMNS.into()),
        (CatalogQuery::Inheritance, INHERITANCE.into()),
        (CatalogQuery::Types, TYPES.into()),
        (CatalogQuery::Views, VIEWS.into()),
        (CatalogQuery::Generated, GENERATED.into()),
        (CatalogQuery::Keys, KEYS.into()),
        (CatalogQuery::Casts, CASTS.into()),
        (CatalogQuery::Functions, FUNCTIONS.into()),
        (CatalogQuery::Sequences, SEQUENCES.into()),
        (CatalogQuery::Constraints, CONSTRAINTS.into()),
        (CatalogQuery::References, REFERENCES.into()),
        (CatalogQuery::Domains, DOMAINS.into()),
        (CatalogQuery::System, system_rows::SYSTEM.into()),
        (CatalogQuery::SystemViews, system_rows::SYSTEM_VIEWS.into()),
        (CatalogQuery::Schemas, system_rows::SCHEMAS.into()),
        (CatalogQuery::Parts, system_rows::PARTS.into()),
        (CatalogQuery::Dependents, system_rows::DEPENDENTS.into()),
        (CatalogQuery::Stamps, grounds::stamps_query().into()),
    ]
}

/// The rows that the target answered.
#[derive(Clone, Debug, Default)]
pub struct CatalogRows {
    pub(crate) relations: Vec<RelationRow>,
    /// By the OID of their relation.
    pub(crate) columns: BTreeMap<u32, Vec<ColumnRow>>,
    /// Parent and child.
    pub(crate) inheritance: Vec<(u32, u32)>,
    pub(crate) types: BTreeMap<u32, TypeRow>,
    pub(crate) views: Vec<(u32, String)>,
    /// Relation, generated column, column that it is computed from; zero if from none.
    pub(crate) generated: Vec<(u32, i16, i16)>,
    /// Relation and generated column.
    pub(crate) computed: BTreeSet<(u32, i16)>,
    /// Relation, column that is a key; zero for any.
    pub(crate) keys: Vec<(u32, i16)>,
    pub(crate) casts: Vec<Cast>,
    pub(crate) routines: RoutineRows,
    pub(crate) system: Vec<SystemRow>,
    /// By the OID of the view.
    pub(crate) system_views: BTreeMap<u32, String>,
    pub(crate) schemas: BTreeMap<String, u32>,
    pub(crate) parts: Vec<(u32, Part)>,
    pub(crate) dependents: Vec<DependentRow>,
    /// By the OID of their relation.
    pub(crate) stamps: BTreeMap<u32, i64>,
}

/// A conversion that runs a function of the target's own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cast {
    pub(crate) source: u32,
    pub(crate) target: u32,
    /// PostgreSQL runs it wherever the types meet.
    pub(crate) is_implicit: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct RelationRow {
    pub(crate) oid: u32,
    pub(crate) schema: String,
    pub(crate) name: String,
    pub(crate) kind: char,
    pub(crate) has_rules: bool,
    /// Row-level security, or a generated column that is computed when it is read.
    pub(crate) computes: bool,
    /// The view's own conditions run before those of a query on it.
    pub(crate) is_barrier: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct ColumnRow {
    pub(crate) number: i16,
    pub(crate) name: String,
    pub(crate) type_oid: u32,
    pub(crate) modifier: i32,
}

#[derive(Clone, Debug)]
pub(crate) struct TypeRow {
    pub(crate) schema: String,
    pub(crate) name: String,
    pub(crate) kind: char,
    pub(crate) base: u32,
    pub(crate) base_modifier: i32,
    pub(crate) element: u32,
}

impl CatalogRows {
    /// Takes one row of an answer.
    ///
    /// # Errors
    ///
    /// [`CatalogError::MalformedRow`] if it has not the form that the query asks for.
    pub fn push(
        &mut self,
        query: CatalogQuery,
        cells: &[Option<&str>],
    ) -> Result<(), CatalogError> {
        let cells: Option<Vec<&str>> = cells.iter().copied().collect();
        cells.and_then(|cells| self.take(query, &cells)).ok_or(CatalogError::MalformedRow { query })
    }

    fn take(&mut self, query: CatalogQuery, cells: &[&str]) -> Option<()> {
        match query {
            CatalogQuery::Relations => {
                let [oid, schema, name, kind, has_rules, computes, is_barrier] = cells else {
                    return None;
                };
                self.relations.push(RelationRow {
                    oid: oid.parse().ok()?,
                    schema: (*schema).to_owned(),
                    name: (*name).to_owned(),
                    kind: character(kind)?,
                    has_rules: *has_rules != "f",
                    computes: *computes != "f",
                    is_barrier: *is_barrier == "t",
                });
            }
            CatalogQuery::Columns => {
                let [relation, number, name, type_oid, modifier] = cells else { return None };
                self.columns.entry(relation.parse().ok()?).or_default().push(ColumnRow {
                    number: number.parse().ok()?,
                    name: (*name).to_owned(),
                    type_oid: type_oid.parse().ok()?,
                    modifier: modifier.parse().ok()?,
                });
            }
            CatalogQuery::Inheritance => {
                let [parent, child] = cells else { return None };
                self.inheritance.push((parent.parse().ok()?, child.parse().ok()?));
            }
            CatalogQuery::Types => {
                let [oid, schema, name, kind, base, base_modifier, element] = cells else {
                    return None;
                };
                let row = TypeRow {
                    schema: (*schema).to_owned(),
                    name: (*name).to_owned(),
                    kind: character(kind)?,
                    base: base.parse().ok()?,
                    base_modifier: base_modifier.parse().ok()?,
                    element: element.parse().ok()?,
                };
                self.types.insert(oid.parse().ok()?, row);
            }
            CatalogQuery::Views => {
                let [oid, text] = cells else { return None };
                self.views.push((oid.parse().ok()?, (*text).to_owned()));
            }
            CatalogQuery::Generated => {
                let [relation, column, source] = cells else { return None };
                let (relation, column) = (relation.parse().ok()?, column.parse().ok()?);
                self.generated.push((relation, column, source.parse().ok()?));
                self.computed.insert((relation, column));
            }
            CatalogQuery::Keys => {
                let [relation, column] = cells else { return None };
                self.keys.push((relation.parse().ok()?, column.parse().ok()?));
            }
            CatalogQuery::Casts => self.casts.push(cast(cells)?),
            CatalogQuery::Functions => self.routines.take_function(cells)?,
            CatalogQuery::Sequences => self.routines.take_sequence(cells)?,
            CatalogQuery::Constraints => self.routines.take_constraint(cells)?,
            CatalogQuery::References => self.routines.take_reference(cells)?,
            CatalogQuery::Domains => self.routines.take_check(cells)?,
            CatalogQuery::System
            | CatalogQuery::SystemViews
            | CatalogQuery::Schemas
            | CatalogQuery::Parts
            | CatalogQuery::Dependents
            | CatalogQuery::Stamps => return system_rows::take(self, query, cells),
        }
        Some(())
    }
}

fn cast(cells: &[&str]) -> Option<Cast> {
    let [source, target, context] = cells else { return None };
    let (source, target) = (source.parse().ok()?, target.parse().ok()?);
    Some(Cast { source, target, is_implicit: *context == "i" })
}

fn character(text: &str) -> Option<char> {
    let mut characters = text.chars();
    characters.next().filter(|_| characters.next().is_none())
}
