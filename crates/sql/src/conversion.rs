//! Conversions between types: none may run a function that is not PostgreSQL's own.
//!
//! An explicit cast, and the assignment of a written value, run whatever `CREATE CAST` put there.
//! Types of expressions are not known here, so where the target has such a conversion into a
//! type, a value passes only if it cannot be of the type that is converted from.

use pg_query::protobuf::{AArrayExpr, AConst, MultiAssignRef, RowExpr, a_const};
use pg_query::{Node, NodeEnum};

use crate::catalog_rows::Cast;
use crate::scope::{self, Value};
use crate::select::Columns;
use crate::system::FIRST_USER_OID;
use crate::walk::Walk;
use crate::{Refusal, tree, types};

/// Functions that write a value of any type as JSON: by a cast of its type to json, if there is one,
/// whatever function that runs (PostgreSQL manual, "JSON Functions and Operators", `to_json`).
const JSON_WRITERS: [&str; 13] = [
    JSON_SYNTAX,
    "array_to_json",
    "json_agg",
    "json_build_array",
    "json_build_object",
    "json_object_agg",
    "jsonb_agg",
    "jsonb_build_array",
    "jsonb_build_object",
    "jsonb_object_agg",
    "row_to_json",
    "to_json",
    "to_jsonb",
];
/// How the syntax of SQL/JSON stands among the functions of a statement.
pub(crate) const JSON_SYNTAX: &str = "json";

const JSON_OID: u32 = 114;
const BOOL_OID: u32 = 16;
const INT4_OID: u32 = 23;

/// What is known about the type of a value.
enum Operand {
    /// A string literal, NULL or DEFAULT: the type's own input function reads it.
    Untyped,
    /// The client chooses its type when it parses the statement.
    Parameter,
    Typed(u32),
    Unknown,
}

impl Walk<'_> {
    /// Notes that a value of a type is in the statement.
    pub(crate) fn note_type(&mut self, oid: u32) {
        self.types.insert(oid);
        self.types.extend(self.world.catalog.elements.get(&oid));
    }

    /// Checks that a value may be cast to a type.
    ///
    /// # Errors
    ///
    /// [`Refusal`] if that may run a function of the target's.
    pub(crate) fn check_cast(&self, target: u32, value: &Node) -> Result<(), Refusal> {
        let Some(NodeEnum::AArrayExpr(AArrayExpr { elements, .. })) = &value.node else {
            return self.check_conversion(target, value);
        };
        // The cast of `ARRAY[…]` is one of each element.
        let Some(element) = self.world.catalog.elements.get(&target) else {
            return self.check_conversion(target, value);
        };
        elements.iter().try_for_each(|item| match &item.node {
            Some(NodeEnum::AArrayExpr(_)) => self.check_cast(target, item),
            Some(_) | None => self.check_conversion(*element, item),
        })
    }

    /// Checks that a value may be written to a column of a type.
    ///
    /// # Errors
    ///
    /// [`Refusal`] if that may run a function of the target's.
    pub(crate) fn check_conversion(&self, target: u32, value: &Node) -> Result<(), Refusal> {
        self.check_operand(target, &self.operand_type(value))
    }

    /// As [`Walk::check_conversion`], for what INSERT takes from a query.
    pub(crate) fn check_selected(
        &self,
        target: u32,
        value: &Value,
        node: Option<&Node>,
    ) -> Result<(), Refusal> {
        match (value.type_oid(), node) {
            (Some(oid), _) => self.check_operand(target, &Operand::Typed(oid)),
            (None, Some(node)) if !matches!(node.node, Some(NodeEnum::ColumnRef(_))) => {
                self.check_conversion(target, node)
            }
            (None, Some(_) | None) => self.check_operand(target, &Operand::Unknown),
        }
    }

    /// Checks that an argument of EXECUTE may become whatever type its parameter has.
    pub(crate) fn check_argument(&self, value: &Node) -> Result<(), Refusal> {
        let catalog = self.world.catalog;
        let is_right = match self.operand_type(value) {
            Operand::Untyped => true,
            Operand::Typed(oid) => {
                let element = catalog.elements.get(&oid).copied().unwrap_or(oid);
                !catalog.casts.iter().any(|cast| cast.source == oid || cast.source == element)
            }
            Operand::Parameter | Operand::Unknown => !catalog
                .casts
                .iter()
                .any(|cast| cast.source < FIRST_USER_OID || self.types.contains(&cast.source)),
        };
        if is_right { Ok(()) } else { Err(refusal()) }
    }

    /// Refuses to compute with a type that PostgreSQL converts by itself with another's function.
    pub(crate) fn check_implicit(&self, value: &Value) -> Result<(), Refusal> {
        value.type_oid().map_or(Ok(()), |oid| self.check_implicit_type(oid))
    }

    /// Refuses to write JSON where a value in the statement may be of a type of the target's that has a
    /// cast to json by a function.
    pub(crate) fn check_json(&self) -> Result<(), Refusal> {
        let writes = |name: &String| JSON_WRITERS.contains(&name.as_str());
        if !self.functions.iter().any(writes) {
            return Ok(());
        }
        // What a function of the target's returns is not known.
        let is_any = self.functions.iter().any(|name| name.contains('.'));
        let meets = |cast: &Cast| {
            let may_be = is_any || self.types.contains(&cast.source);
            cast.target == JSON_OID && cast.source >= FIRST_USER_OID && may_be
        };
        if self.world.catalog.casts.iter().any(meets) { Err(refusal()) } else { Ok(()) }
    }

    /// As [`Walk::check_implicit`], for a type.
    pub(crate) fn check_implicit_type(&self, oid: u32) -> Result<(), Refusal> {
        if oid < FIRST_USER_OID {
            return Ok(());
        }
        let element = self.world.catalog.elements.get(&oid).copied().unwrap_or(oid);
        let meets = |cast: &Cast| {
            let ends = [cast.source, cast.target];
            cast.is_implicit && (ends.contains(&oid) || ends.contains(&element))
        };
        if self.world.catalog.casts.iter().any(meets) { Err(refusal()) } else { Ok(()) }
    }

    /// Checks what INSERT puts into its columns.
    pub(crate) fn check_inserted(
        &self,
        use_index: usize,
        columns: &[Node],
        source: Option<&Node>,
        selected: &Columns,
    ) -> Result<(), Refusal> {
        let Some(NodeEnum::SelectStmt(query)) = source.and_then(|node| node.node.as_ref()) else {
            return Ok(());
        };
        for (place, column) in columns.iter().enumerate() {
            let Some(NodeEnum::ResTarget(column)) = &column.node else { continue };
            let Some(target) = self.written_type(use_index, &column.name) else { continue };
            if let Some((_, value)) = selected.get(place) {
                let node = match query.target_list.get(place).and_then(|node| node.node.as_ref()) {
                    Some(NodeEnum::ResTarget(target)) => target.val.as_deref(),
                    Some(_) | None => None,
                };
                self.check_selected(target, value, node)?;
                continue;
            }
            for row in &query.values_lists {
                let Some(NodeEnum::List(row)) = &row.node else { continue };
                row.items.get(place).map_or(Ok(()), |item| self.check_conversion(target, item))?;
            }
        }
        Ok(())
    }

    /// The type that a value has to get to be written to a column, without domains.
    pub(crate) fn written_type(&self, use_index: usize, name: &str) -> Option<u32> {
        let used = self.uses.get(use_index)?;
        used.relation.column(name).map(|(_, column)| column.data_type.oid)
    }

    fn check_operand(&self, target: u32, operand: &Operand) -> Result<(), Refusal> {
        let catalog = self.world.catalog;
        let element = catalog.elements.get(&target).copied().unwrap_or(target);
        let into = |cast: &&Cast| cast.target == target || cast.target == element;
        let mut casts = catalog.casts.iter().filter(into);
        let is_users = element >= FIRST_USER_OID;
        let is_right = match operand {
            Operand::Untyped => true,
            Operand::Parameter => !casts.any(|cast| {
                cast.source < FIRST_USER_OID || catalog.enum_oids.contains(&cast.source)
            }),
            Operand::Typed(oid) if *oid == target => true,
            Operand::Typed(oid) => {
                let from = catalog.elements.get(oid).copied().unwrap_or(*oid);
                !is_users && !casts.any(|cast| cast.source == *oid || cast.source == from)
            }
            Operand::Unknown => {
                !is_users
                    && !casts.any(|cast| {
                        cast.source < FIRST_USER_OID || self.types.contains(&cast.source)
                    })
            }
        };
        if is_right { Ok(()) } else { Err(refusal()) }
    }

    /// The OID of a checked expression's type, where it is known.
    pub(crate) fn known_type(&self, value: &Node) -> Option<u32> {
        match self.operand_type(value) {
            Operand::Typed(oid) => Some(oid),
            Operand::Untyped | Operand::Parameter | Operand::Unknown => None,
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the type of all else is not known")]
    fn operand_type(&self, value: &Node) -> Operand {
        let Some(inner) = &value.node else { return Operand::Unknown };
        match inner {
            NodeEnum::AConst(AConst { isnull, location: _, val }) => match val {
                Some(a_const::Val::Sval(_)) => Operand::Untyped,
                None if *isnull => Operand::Untyped,
                Some(a_const::Val::Ival(_)) => Operand::Typed(INT4_OID),
                Some(a_const::Val::Boolval(_)) => Operand::Typed(BOOL_OID),
                Some(_) | None => Operand::Unknown,
            },
            NodeEnum::SetToDefault(_) => Operand::Untyped,
            NodeEnum::ParamRef(_) => Operand::Parameter,
            NodeEnum::TypeCast(cast) => {
                let name = cast.type_name.as_ref();
                let oid = name.and_then(|name| types::oid(self.world.catalog, name));
                oid.map_or(Operand::Unknown, Operand::Typed)
            }
            NodeEnum::ColumnRef(column) => {
                let found = tree::as_texts(&column.fields)
                    .and_then(|parts| scope::resolve(&self.levels, &parts).ok())
                    .and_then(|found| found.column.value.type_oid());
                found.map_or(Operand::Unknown, Operand::Typed)
            }
            NodeEnum::MultiAssignRef(part) => {
                let MultiAssignRef { source, colno, ncolumns: _ } = &**part;
                let place = usize::try_from(*colno).ok().and_then(|place| place.checked_sub(1));
                match source.as_deref().and_then(|source| source.node.as_ref()) {
                    Some(NodeEnum::RowExpr(row)) => {
                        let RowExpr { args, .. } = &**row;
                        let item = place.and_then(|place| args.get(place));
                        item.map_or(Operand::Unknown, |item| self.operand_type(item))
                    }
                    Some(_) | None => Operand::Unknown,
                }
            }
            _ => Operand::Unknown,
        }
    }
}

fn refusal() -> Refusal {
    Refusal::never(
        "conversion_not_allowed",
        "a conversion between these types is not allowed: it may run a function of the database's",
    )
    .with_hint("Give a value of such a type as a literal, or as a column of the same type.")
}
