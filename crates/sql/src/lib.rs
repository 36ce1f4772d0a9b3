//! What an SQL statement touches, and what is forwarded to the target in its place.
//!
//! Source: the grammar is PostgreSQL's own (`libpg_query`); DESIGN.md sections 8 to 10.
//!
//! **Invariant:** what is not understood is refused. The walk names every node and every field
//! that it allows; a node that it does not name, and a field that it does not know, do not pass.
//!
//! **Invariant:** a masked column is selected bare and replaced by its mask, or the statement is
//! refused. The raw column never stands in the forwarded text outside its own partial mask.
//!
//! **Invariant:** what was judged is what runs. The forwarded text is written from the checked
//! tree, read again and compared.

mod analyse;
mod cascade;
mod catalog;
mod catalog_answer;
mod catalog_build;
mod catalog_call;
mod catalog_routines;
mod catalog_rows;
mod catalog_source;
mod changes;
mod channel;
mod conflict;
mod conversion;
mod copy;
mod copy_options;
mod cursor;
mod digest;
mod domains;
mod explain;
mod expr;
mod figure;
mod free_text;
mod from;
mod from_function;
mod functions;
mod grounds;
mod guard;
mod guess;
mod information;
mod join;
mod json;
mod limits;
mod locks;
mod lookup;
mod masked_view;
mod meaning;
mod mention;
mod merge;
mod names;
mod operation;
mod order;
mod place;
mod plan;
mod prepare;
mod privilege;
mod refusal;
mod reg;
mod request;
mod routines;
mod rows;
mod sample;
mod scope;
mod script;
mod select;
mod sequences;
mod session_call;
mod set_config;
mod settings;
mod shape;
mod shown;
mod sight;
mod splice;
mod sublink;
mod substitute;
mod system;
mod system_rows;
mod target;
mod text_search;
mod transaction;
mod tree;
mod types;
mod unsupported;
mod value;
mod variable;
mod view;
mod walk;
mod whole_table;
mod work;
mod world;
mod write;

pub use analyse::analyse;
pub use catalog::Catalog;
pub use catalog_rows::{CatalogError, CatalogQuery, CatalogRows, catalog_queries};
pub use grounds::Grounds;
pub use guard::{Given, Guard, GuardedParameter};
pub use limits::{
    ASSIGNED_ROW_MAX, CHAIN_MAX, DEPTH_MAX, FORWARD_BYTES_MAX, LOOKUPS_MAX, NAME_BYTES_MAX,
    OUTPUTS_MAX, SCOPE_COLUMNS_MAX, SOURCES_MAX, STATEMENT_BYTES_MAX, STATEMENTS_MAX,
    SYSTEM_SOURCES_MAX, TARGETS_MAX, TOKENS_MAX,
};
pub use masked_view::{FenceViews, MaskedView};
pub use place::place_in_client;
pub use plan::{
    Changes, Copy, CopyDirection, CopyText, CursorSpan, Effect, Output, Plan, SettingSpan, Shows,
    Uses,
};
pub use refusal::Refusal;
pub use request::{Granted, Request};
pub use script::{Block, Piece, analyse_script, join};
pub use settings::{ClientSettings, Setting};
pub use shape::{ColumnShape, MaskedOrder, RelationShape, ViewShape};
pub use types::parameter_type_allowed;
