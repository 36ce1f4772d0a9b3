//! Names that are looked up among what is shown: how PostgreSQL reads one, all ways to write one.

use model::RelationName;

use crate::reg::{OWNER_OID, Reg};
use crate::walk::Walk;
use crate::{Refusal, shown, types};

impl Walk<'_> {
    /// A name or a number that is known when the statement runs: what is shown is found by its
    /// spelling, and the target looks up only what must be its own.
    pub(crate) fn looked_up(&mut self, reg: Reg, value: &str) -> Result<String, Refusal> {
        let sight = self.sight();
        let path = &self.world.search_path;
        let (names, numbers) = match reg {
            Reg::Class => {
                let reached = sight.reached_relations(path);
                let named = |(oid, name): (u32, &RelationName)| {
                    spellings(oid, &name.schema, &name.name, reached.contains(&oid))
                };
                table(sight.relations().flat_map(named))
            }
            Reg::Type => {
                let reached = sight.reached_types(self.world);
                let names = &self.world.catalog.system.type_names;
                let known = sight.types.iter().filter_map(|oid| Some((oid, names.get(oid)?)));
                table(known.flat_map(|(oid, (schema, name))| {
                    spellings(*oid, schema, name, reached.contains(oid))
                }))
            }
            Reg::Namespace => table(sight.schemas.iter().map(|(name, oid)| (name.clone(), *oid))),
            Reg::Role => table([(self.world.identity.to_owned(), OWNER_OID)].into_iter()),
            Reg::Proc
            | Reg::Procedure
            | Reg::Oper
            | Reg::Operator
            | Reg::Collation
            | Reg::Config
            | Reg::Dictionary => table(std::iter::empty()),
        };
        let system = match reg {
            Reg::Role => String::new(),
            Reg::Namespace => "WHEN v.t IN ('pg_catalog', 'pg_toast', 'information_schema') \
                 THEN pg_catalog.to_regnamespace(v.t)::pg_catalog.oid "
                .to_owned(),
            Reg::Collation | Reg::Config | Reg::Dictionary => {
                return Err(Refusal::data_type(reg.type_name()));
            }
            Reg::Class | Reg::Type | Reg::Proc | Reg::Procedure | Reg::Oper | Reg::Operator => {
                format!(
                    "WHEN pg_catalog.strpos(v.t, '.') = 0 \
                 OR v.t ~ '^(pg_catalog|information_schema)[.][^.]*$' \
                 THEN pg_catalog.to_{}(v.t)::pg_catalog.oid ",
                    reg.type_name()
                )
            }
        };
        Ok(format!(
            "(SELECT CASE WHEN v.t ~ '^[0-9]+$' THEN v.t::pg_catalog.oid \
             WHEN v.t = ANY ({names}) THEN ({numbers})[pg_catalog.array_position({names}, v.t)] \
             {system}END FROM (SELECT ({value})::pg_catalog.text AS t OFFSET 0) v)"
        ))
    }
}

/// The parts of a name as PostgreSQL reads them: folded to lower case unless quoted.
pub(crate) fn identifiers(text: &str) -> Option<Vec<String>> {
    let mut parts = Vec::new();
    let mut rest = text.trim().chars().peekable();
    loop {
        let mut part = String::new();
        if rest.next_if_eq(&'"').is_some() {
            loop {
                match rest.next()? {
                    '"' if rest.next_if_eq(&'"').is_none() => break,
                    character => part.push(character),
                }
            }
        } else {
            let is_plain =
                |c: &char| c.is_alphanumeric() || matches!(c, '_' | '$') || !c.is_ascii();
            while let Some(character) = rest.next_if(is_plain) {
                part.push(character.to_ascii_lowercase());
            }
        }
        if part.is_empty() {
            return None;
        }
        parts.push(part);
        match rest.next() {
            None => return Some(parts),
            Some('.') => {}
            Some(_) => return None,
        }
    }
}

/// True if the target looks the name up among PostgreSQL's own only: its search path is pinned.
pub(crate) fn is_system_name(text: &str) -> bool {
    let bare = text.strip_prefix("pg_catalog.").unwrap_or(text);
    !bare.contains('.')
}

pub(crate) fn is_system_schema(parts: &[String]) -> bool {
    matches!(parts, [name] if matches!(name.as_str(), "pg_catalog" | "pg_toast" | "information_schema"))
}

pub(crate) fn is_built_in(parts: &[String]) -> bool {
    matches!(parts, [name] if types::built_in_oid(name).is_some())
}

/// The ways to write a name, each with the number.
pub(crate) fn spellings(
    oid: u32,
    schema: &str,
    name: &str,
    is_reached: bool,
) -> Vec<(String, u32)> {
    let ways = |part: &str| {
        let quoted = format!("\"{}\"", part.replace('"', "\"\""));
        let is_plain = part.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_'));
        if is_plain { vec![part.to_owned(), quoted] } else { vec![quoted] }
    };
    let mut spelled = Vec::new();
    for name in ways(name) {
        spelled.extend(ways(schema).iter().map(|schema| (format!("{schema}.{name}"), oid)));
        if is_reached {
            spelled.push((name, oid));
        }
    }
    spelled
}

/// Two arrays: names, and the number of each.
fn table(entries: impl Iterator<Item = (String, u32)>) -> (String, String) {
    let entries: Vec<(String, u32)> = entries.collect();
    let names = shown::texts(entries.iter().map(|(name, _)| name.as_str()));
    let numbers = shown::oids(entries.iter().map(|(_, number)| *number));
    (format!("{names}::pg_catalog.text[]"), numbers)
}
