//! How a value is hidden: as SQL that replaces it before a statement leaves for the target, and, for
//! free text, by what is found in it. And how what hides it is recognised in what clients write.
//!
//! Source: DESIGN.md section 10. The text forms are those of PostgreSQL 13 to 18.
//!
//! **Invariant:** the expression of a constant mask names no column, so nothing about the value,
//! not even whether it is NULL, can reach the client through it.
//!
//! **Invariant:** every function, operator and type in an expression is qualified with
//! `pg_catalog`, and no secret stands in it: the key of the hash mask is read from settings of the
//! target session, or from a table.

mod column_type;
mod detect;
mod expression;
mod hash_key;
mod placeholder;

pub use column_type::ColumnType;
pub use detect::{Content, Counts, DETECT_CELL_BYTES_MAX, WITHHELD, redact};
pub use expression::{KeySource, MaskError, PLACEHOLDER, expression, expression_with};
pub use hash_key::{
    HASH_INNER_COLUMN, HASH_INNER_SETTING, HASH_OUTER_COLUMN, HASH_OUTER_SETTING, hash_key_settings,
};
pub use placeholder::{Encoding, Placeholder, TOKEN_BYTES_MAX};
