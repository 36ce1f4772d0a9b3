//! The rules of the house that the compiler does not know, as data and as functions.
//!
//! The tests are in `tests/tidy.rs`. Each rule is a pure function from what lies in the repository
//! to a list of complaints, so that it can be shown to find what it looks for.

mod files;
mod manifests;
mod rules;
mod text;

pub use files::{SourceFile, repository};
pub use manifests::{
    Manifest, dependency_page_complaints, import_complaints, manifests, member_complaints,
    purity_complaints, workspace_dependencies,
};
pub use rules::{IMPORTS, LINES_MAX, LONG_FILES, LongFile, PURE};
pub use text::{
    first_line_complaints, forbidden_text_complaints, impure_source_complaints, length_complaints,
    named_file_complaints, named_item_complaints,
};
