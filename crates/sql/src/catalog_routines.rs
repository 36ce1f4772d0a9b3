//! Functions, sequences, constraints and domains of the target: the questions and their answers.

use std::collections::BTreeMap;

/// What a function takes and gives. Aggregates and procedures are functions too.
pub(crate) const FUNCTIONS: &str = "\
SELECT n.nspname, p.proname, p.prokind, p.provolatile, \
COALESCE(t.typrelid, 0), p.pronargs, p.pronargdefaults, p.provariadic, \
COALESCE(pg_catalog.array_to_string(p.proargmodes, ''), ''), \
COALESCE(pg_catalog.array_to_string(p.proargnames, pg_catalog.chr(31)), '') \
FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace \
JOIN pg_catalog.pg_type t ON t.oid = p.prorettype \
WHERE n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' \
AND p.prorettype <> 'pg_catalog.trigger'::pg_catalog.regtype \
AND p.prorettype <> 'pg_catalog.event_trigger'::pg_catalog.regtype ORDER BY p.oid";

/// Which column owns a sequence.
pub(crate) const SEQUENCES: &str = "\
SELECT d.objid, d.refobjid, d.refobjsubid FROM pg_catalog.pg_depend d \
JOIN pg_catalog.pg_class c ON c.oid = d.objid AND c.relkind = 'S' \
WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass \
AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass \
AND d.deptype IN ('a', 'i') AND d.refobjsubid > 0 AND c.oid >= 16384 ORDER BY 1, 2, 3";

/// The columns of constraints that ON CONFLICT can name.
pub(crate) const CONSTRAINTS: &str = "\
SELECT c.conrelid, c.conname, u.number FROM pg_catalog.pg_constraint c \
CROSS JOIN LATERAL pg_catalog.unnest(c.conkey) WITH ORDINALITY AS u(number, place) \
WHERE c.contype IN ('p', 'u') AND c.conrelid >= 16384 ORDER BY c.oid, u.place";

/// Foreign keys that change the referring rows when a row is deleted or its key is changed.
pub(crate) const REFERENCES: &str = "\
SELECT c.oid, c.conrelid, c.confrelid, c.confdeltype, c.confupdtype, k.own, k.other \
FROM pg_catalog.pg_constraint c CROSS JOIN LATERAL \
ROWS FROM (pg_catalog.unnest(c.conkey), pg_catalog.unnest(c.confkey)) AS k(own, other) \
WHERE c.contype = 'f' AND c.confrelid >= 16384 \
AND (c.confdeltype IN ('c', 'n', 'd') OR c.confupdtype IN ('c', 'n', 'd')) ORDER BY c.oid, k.own";

/// The checks of domains.
pub(crate) const DOMAINS: &str = "\
SELECT c.contypid, pg_catalog.pg_get_expr(c.conbin, 0) FROM pg_catalog.pg_constraint c \
WHERE c.contypid >= 16384 AND c.contype = 'c' ORDER BY c.oid";

/// Stands between the names of a function's arguments.
const SEPARATOR: char = '\u{1f}';

/// What sort of function it is (`pg_proc.prokind`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FunctionKind {
    Function,
    Procedure,
    Aggregate,
    Window,
}

/// One function, of perhaps several with its name.
#[derive(Clone, Debug)]
pub(crate) struct FunctionRow {
    pub(crate) schema: String,
    pub(crate) name: String,
    pub(crate) kind: FunctionKind,
    /// It says that it may write.
    pub(crate) is_volatile: bool,
    /// The relation whose rows it returns; zero if none.
    pub(crate) row_of: u32,
    /// Least and most arguments that a call may have.
    pub(crate) arguments: (usize, usize),
    /// The names of what it returns beside its result, or instead of it.
    pub(crate) outputs: Vec<String>,
}

/// A foreign key, with what it does to the referring rows (`pg_constraint.confdeltype`).
#[derive(Clone, Debug)]
pub(crate) struct ReferenceRow {
    /// The relation that refers, and the one that is referred to.
    pub(crate) ends: (u32, u32),
    pub(crate) on_delete: char,
    pub(crate) on_update: char,
    /// The numbers of the columns, own and other.
    pub(crate) columns: Vec<(i16, i16)>,
}

/// The answers to the questions of this page.
#[derive(Clone, Debug, Default)]
pub(crate) struct RoutineRows {
    pub(crate) functions: Vec<FunctionRow>,
    /// Sequence, relation, column.
    pub(crate) sequences: Vec<(u32, u32, i16)>,
    /// By relation and name, the numbers of the columns in order.
    pub(crate) constraints: BTreeMap<(u32, String), Vec<i16>>,
    /// By the constraint's OID.
    pub(crate) references: BTreeMap<u32, ReferenceRow>,
    /// By domain.
    pub(crate) checks: BTreeMap<u32, Vec<String>>,
}

impl RoutineRows {
    pub(crate) fn take_function(&mut self, cells: &[&str]) -> Option<()> {
        let [schema, name, kind, volatility, row_of, arguments, defaults, variadic, modes, names] =
            cells
        else {
            return None;
        };
        let kind = match *kind {
            "p" => FunctionKind::Procedure,
            "a" => FunctionKind::Aggregate,
            "w" => FunctionKind::Window,
            _ => FunctionKind::Function,
        };
        let inputs: usize = arguments.parse().ok()?;
        let outs = modes.bytes().filter(|mode| *mode == b'o').count();
        // CALL takes a place for each output too.
        let most = if kind == FunctionKind::Procedure { inputs.checked_add(outs)? } else { inputs };
        let defaults: usize = defaults.parse().ok()?;
        let is_variadic = *variadic != "0";
        let least = most.saturating_sub(defaults).saturating_sub(usize::from(is_variadic));
        self.functions.push(FunctionRow {
            schema: (*schema).to_owned(),
            name: (*name).to_owned(),
            kind,
            is_volatile: *volatility == "v",
            row_of: row_of.parse().ok()?,
            arguments: (least, if is_variadic { usize::MAX } else { most }),
            outputs: outputs(modes, names),
        });
        Some(())
    }

    pub(crate) fn take_sequence(&mut self, cells: &[&str]) -> Option<()> {
        let [sequence, relation, column] = cells else { return None };
        let row = (sequence.parse().ok()?, relation.parse().ok()?, column.parse().ok()?);
        self.sequences.push(row);
        Some(())
    }

    pub(crate) fn take_constraint(&mut self, cells: &[&str]) -> Option<()> {
        let [relation, name, column] = cells else { return None };
        let key = (relation.parse().ok()?, (*name).to_owned());
        self.constraints.entry(key).or_default().push(column.parse().ok()?);
        Some(())
    }

    pub(crate) fn take_reference(&mut self, cells: &[&str]) -> Option<()> {
        let [constraint, own, other, on_delete, on_update, column, referred] = cells else {
            return None;
        };
        let row = ReferenceRow {
            ends: (own.parse().ok()?, other.parse().ok()?),
            on_delete: on_delete.chars().next()?,
            on_update: on_update.chars().next()?,
            columns: Vec::new(),
        };
        let row = self.references.entry(constraint.parse().ok()?).or_insert(row);
        row.columns.push((column.parse().ok()?, referred.parse().ok()?));
        Some(())
    }

    pub(crate) fn take_check(&mut self, cells: &[&str]) -> Option<()> {
        let [domain, expression] = cells else { return None };
        self.checks.entry(domain.parse().ok()?).or_default().push((*expression).to_owned());
        Some(())
    }
}

/// The names of OUT, INOUT and TABLE parameters, in order; numbered where they have none.
fn outputs(modes: &str, names: &str) -> Vec<String> {
    let names: Vec<&str> = names.split(SEPARATOR).collect();
    let given = modes.bytes().enumerate().filter(|(_, mode)| matches!(mode, b'o' | b'b' | b't'));
    let written = given.enumerate().map(|(place, (argument, _))| {
        match names.get(argument).filter(|name| !name.is_empty()) {
            Some(name) => (*name).to_owned(),
            None => format!("column{}", place.saturating_add(1)),
        }
    });
    written.collect()
}
