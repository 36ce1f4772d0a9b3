//! Text search functions name their configuration by a text that the target looks up.
//!
//! Only PostgreSQL's own configurations may be named, each by a literal: any other text would ask
//! which objects exist, or run dictionaries of the target.

use pg_query::protobuf::{AConst, TypeCast, TypeName, a_const};
use pg_query::{Node, NodeEnum};

use crate::tree::{self, SYSTEM_SCHEMA};
use crate::{Refusal, types};

/// The configurations of PostgreSQL 13 to 18 (`src/backend/snowball`, and `simple`).
#[rustfmt::skip]
const CONFIGURATIONS: [&str; 30] = [
    "simple", "arabic", "armenian", "basque", "catalan", "danish", "dutch", "english", "estonian",
    "finnish", "french", "german", "greek", "hindi", "hungarian", "indonesian", "irish", "italian",
    "lithuanian", "nepali", "norwegian", "portuguese", "romanian", "russian", "serbian", "spanish",
    "swedish", "tamil", "turkish", "yiddish",
];

/// The arguments of a call, a configuration among them qualified.
///
/// # Errors
///
/// [`Refusal`] if an argument may be a configuration and is not one of PostgreSQL's own.
pub(crate) fn qualified(function: &str, mut args: Vec<Node>) -> Result<Vec<Node>, Refusal> {
    let has_configuration = match function {
        "to_tsvector"
        | "to_tsquery"
        | "plainto_tsquery"
        | "phraseto_tsquery"
        | "websearch_to_tsquery" => args.len() > 1,
        "json_to_tsvector" | "jsonb_to_tsvector" => args.len() > 2,
        // A document, a query and options, or a configuration, a document and a query.
        "ts_headline" => match args.as_slice() {
            [document, _, _] => !is_document(document),
            _ => args.len() > 2,
        },
        _ => false,
    };
    if has_configuration && let Some(first) = args.first_mut() {
        let name = literal(first).and_then(own).ok_or_else(unknown_configuration)?;
        *first = tree::text(&format!("{SYSTEM_SCHEMA}.{name}"));
    }
    Ok(args)
}

/// The configuration of PostgreSQL's own that a text names.
fn own(text: &str) -> Option<&'static str> {
    let name = text.to_ascii_lowercase();
    let name = name.strip_prefix("pg_catalog.").unwrap_or(&name);
    CONFIGURATIONS.into_iter().find(|configuration| *configuration == name)
}

fn literal(argument: &Node) -> Option<&str> {
    match &argument.node {
        Some(NodeEnum::AConst(AConst { val: Some(a_const::Val::Sval(text)), .. })) => {
            Some(&text.sval)
        }
        Some(NodeEnum::TypeCast(cast)) => match (&cast.arg, &cast.type_name) {
            (Some(text), Some(name)) if is_configuration(name) => literal(text),
            (Some(_) | None, Some(_) | None) => None,
        },
        Some(_) | None => None,
    }
}

/// True for `regconfig`, which names a configuration.
fn is_configuration(name: &TypeName) -> bool {
    name.array_bounds.is_empty()
        && matches!(
            tree::as_texts(&name.names).as_deref(),
            Some(["regconfig"] | [SYSTEM_SCHEMA, "regconfig"])
        )
}

/// True if an argument says of itself that it is a document.
fn is_document(argument: &Node) -> bool {
    let Some(NodeEnum::TypeCast(cast)) = &argument.node else { return false };
    let TypeCast { arg: _, type_name, location: _ } = &**cast;
    type_name.as_ref().is_some_and(|name| {
        name.array_bounds.is_empty()
            && types::built_in(name).is_some_and(|name| matches!(name, "text" | "json" | "jsonb"))
    })
}

fn unknown_configuration() -> Refusal {
    Refusal::never(
        "text_search_configuration",
        "a text search configuration must be a literal that names one of PostgreSQL's own",
    )
    .with_hint("Write it like 'english'. Cast the document of ts_headline to text.")
}
