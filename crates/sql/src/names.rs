//! Which relation a name means.

use std::sync::Arc;

use model::{Action, RelationName};
use pg_query::protobuf::{Alias, RangeVar};

use crate::Refusal;
use crate::catalog::Relation;
use crate::select::Columns;
use crate::system::SystemRelation;
use crate::tree::{self, NOWHERE};
use crate::walk::{Reach, Walk};
use crate::world::World;

/// What an unqualified or qualified name in FROM means.
pub(crate) enum Named {
    Relation(Arc<Relation>),
    CommonTable(Columns),
    System(Arc<SystemRelation>),
}

impl Walk<'_> {
    /// Finds what a name in FROM means: a query of WITH, or a relation.
    pub(crate) fn find_source(&self, name: &RangeVar) -> Result<Named, Refusal> {
        if name.schemaname.is_empty()
            && name.catalogname.is_empty()
            && let Some(table) = self.common_table(&name.relname)
        {
            return match &table.columns {
                Some(columns) => Ok(Named::CommonTable(columns.clone())),
                None => Err(Refusal::later(
                    "not_supported_forward_reference",
                    "a reference to a later query of WITH RECURSIVE",
                )),
            };
        }
        if name.catalogname.is_empty() || name.catalogname == self.world.database {
            let found = self.world.system_relation(&name.schemaname, &name.relname);
            if let Some(relation) = found {
                return Ok(Named::System(relation));
            }
        }
        self.find_relation(name, Action::Select).map(Named::Relation)
    }

    /// Finds the relation that a name means, by the search path.
    pub(crate) fn find_relation(
        &self,
        name: &RangeVar,
        action: Action,
    ) -> Result<Arc<Relation>, Refusal> {
        let RangeVar {
            catalogname,
            schemaname,
            relname,
            inh: _,
            relpersistence,
            alias: _,
            location,
        } = name;
        if relpersistence != "p" || relname.is_empty() {
            return Err(Refusal::later("not_supported_temporary", "a temporary table"));
        }
        let unknown = || {
            let refusal = if self.world.shows_all() {
                let parts = [catalogname, schemaname, relname].map(String::as_str);
                let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
                Refusal::no_relation(&parts.join("."))
            } else {
                Refusal::unknown_relation(relname, action)
            };
            refusal.at(*location)
        };
        if !catalogname.is_empty() && catalogname != self.world.database {
            return Err(unknown());
        }
        if is_system(schemaname) {
            return Err(Refusal::not_shown(relname));
        }
        let in_schema = |schema: &str| {
            self.world.catalog.relations.get(&RelationName::new(schema, relname.as_str()))
        };
        let found = if schemaname.is_empty() {
            self.world.search_path.iter().find_map(|schema| in_schema(schema))
        } else {
            in_schema(schemaname)
        };
        let relation = found.ok_or_else(unknown)?;
        // At the name itself, so that nothing behind it can read otherwise than if it were not
        // there.
        if !self.world.is_granted(&relation.name) && !relation.columns.is_empty() {
            return Err(unknown().of_relation(&relation.name, action));
        }
        match &relation.unusable {
            Some(reason) => Err(Refusal::unusable(relname, reason)),
            None => Ok(Arc::clone(relation)),
        }
    }
}

/// Whether ONLY was written.
pub(crate) fn reach(name: &RangeVar) -> Reach {
    if name.inh { Reach::Below } else { Reach::Only }
}

/// A relation's name as it is forwarded.
pub(crate) fn qualified(relation: &RelationName, descends: bool, alias: Option<Alias>) -> RangeVar {
    RangeVar {
        catalogname: String::new(),
        schemaname: relation.schema.clone(),
        relname: relation.name.clone(),
        inh: descends,
        relpersistence: "p".to_owned(),
        alias,
        location: NOWHERE,
    }
}

pub(crate) fn checked_alias(alias: Option<Alias>) -> Result<Option<Alias>, Refusal> {
    let Some(Alias { aliasname, colnames }) = alias else { return Ok(None) };
    let names = tree::as_texts(&colnames).ok_or_else(|| Refusal::syntax("not a list of names"))?;
    Ok(Some(Alias { aliasname, colnames: tree::names(names) }))
}

/// Refuses names for the columns of a relation or a join: the target would give them out by place,
/// and a column that is added before the statement runs would take another's name.
pub(crate) fn refuse_column_names(world: &World<'_>, alias: Option<&Alias>) -> Result<(), Refusal> {
    match alias {
        Some(alias) if world.forwards && !alias.colnames.is_empty() => Err(Refusal::later(
            "not_supported_column_names",
            "a list of column names behind an alias",
        )
        .with_hint("Rename columns in the SELECT list.")),
        Some(_) | None => Ok(()),
    }
}

/// The schemas that are PostgreSQL's own.
fn is_system(schema: &str) -> bool {
    schema.starts_with("pg_") || schema == "information_schema"
}
