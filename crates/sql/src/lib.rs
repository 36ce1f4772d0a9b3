//! What an SQL statement touches, and what is forwarded to the target in its place.
//!
//! Source: the grammar is PostgreSQL's own (libpg_query); DESIGN.md sections 8 to 10.
//!
//! **Invariant:** what is not understood is refused. The walk names every node and every field
//! that it allows; a node that it does not name, and a field that it does not know, do not pass.
//!
//! **Invariant:** a masked column is selected bare and replaced by its mask, or the statement is
//! refused. The raw column never stands in the forwarded text outside its own partial mask.
//!
//! **Invariant:** what was judged is what runs. The forwarded text is written from the checked
//! tree, read again and compared.

mod catalog;
mod plan;
mod refusal;
mod request;
mod settings;

pub use catalog::{Catalog, CatalogError, CatalogQuery, CatalogRows, catalog_queries};
pub use plan::{Effect, Output, Plan, SettingSpan};
pub use refusal::Refusal;
pub use request::Request;
pub use settings::{ClientSettings, Setting};

/// Analyses one statement.
///
/// It recurses with the depth of the statement: run it on a thread with a stack of at least
/// 32 MiB.
///
/// # Errors
///
/// [`Refusal`] if the statement is not understood or not allowed for anyone.
pub fn analyse(_request: &Request<'_>) -> Result<Plan, Refusal> {
    Err(Refusal {
        code: "not_supported",
        sqlstate: "0A000",
        message: "not supported yet".to_owned(),
        hint: None,
        supported_later: true,
    })
}

/// True if a parameter may have this type: reading a value of it runs no code of the target's.
///
/// Zero, the unspecified type, is allowed: the target then infers the type.
pub fn parameter_type_allowed(_catalog: &Catalog, oid: u32) -> bool {
    oid == 0
}
