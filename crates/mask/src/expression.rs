//! Writes a mask as an SQL expression.

use model::Mask;

use crate::{
    ColumnType, HASH_INNER_COLUMN, HASH_INNER_SETTING, HASH_OUTER_COLUMN, HASH_OUTER_SETTING,
};

/// The column name that stands for the masked value in an expression. The caller replaces it.
pub const PLACEHOLDER: &str = "countersign_value";

/// What a full mask shows of a text.
const STARS: &str = "********";

/// What a partial mask shows of what it hides.
pub(crate) const HIDDEN: &str = "****";

/// Characters of an HMAC-SHA-256 in hexadecimal.
pub(crate) const HASH_CHARS: usize = 64;

/// A mask that its column cannot carry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MaskError {
    /// A partial mask shows a part of a text, and this column holds no text.
    #[error("mask {mask} needs a text column, but its type is {column}: use full or null")]
    NotText {
        /// The mask's name.
        mask: &'static str,
        /// The column's type.
        column: String,
    },
    /// A hash has 64 characters, and the column holds fewer.
    #[error("mask hash needs room for 64 characters, but its type is {column}: use full or null")]
    TooNarrow {
        /// The column's type.
        column: String,
    },
    /// The text holds a NUL, which PostgreSQL cannot represent.
    #[error("mask fixed has a NUL character in its value: remove it")]
    NulInValue,
}

/// Where the key of the hash mask is, on the target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// In settings of the session: [`crate::hash_key_settings`].
    Settings,
    /// In the only row of a table that only the owner of a view can read. Its name, as SQL.
    Table(String),
}

/// Writes the SQL expression that replaces a masked column. The key of the hash mask is read from
/// settings of the session.
///
/// Its type, with the modifier, is the column's. A partial mask names the value as
/// [`PLACEHOLDER`]; a constant mask does not name it. Both are total: they fail on no value.
///
/// # Errors
///
/// [`MaskError`] if the column's type cannot carry the mask.
pub fn expression(mask: &Mask, column: &ColumnType) -> Result<String, MaskError> {
    expression_with(mask, column, &KeySource::Settings)
}

/// As [`expression`], with the key of the hash mask from elsewhere.
///
/// # Errors
///
/// [`MaskError`] if the column's type cannot carry the mask.
pub fn expression_with(
    mask: &Mask,
    column: &ColumnType,
    key: &KeySource,
) -> Result<String, MaskError> {
    let sql = column.sql();
    let inner = match mask {
        Mask::Full => {
            full_literal(column).map_or_else(|| "NULL".to_owned(), |text| quote_literal(&text))
        }
        Mask::Null => "NULL".to_owned(),
        Mask::Fixed(value) if value.contains('\0') => return Err(MaskError::NulInValue),
        Mask::Fixed(value) => quote_literal(value),
        Mask::Last4 => {
            require_text(mask, column)?;
            last4()
        }
        Mask::Hash => {
            require_text(mask, column)?;
            if column.length_max().is_some_and(|length| length < HASH_CHARS) {
                return Err(MaskError::TooNarrow { column: sql });
            }
            hash(key)
        }
        Mask::Email => {
            require_text(mask, column)?;
            email()
        }
        // The value stays: what is found in it is replaced on its way to the client.
        Mask::Detect(_) => match column.scalar() {
            Some("text" | "varchar" | "bpchar" | "json" | "jsonb") => {
                return Ok(PLACEHOLDER.to_owned());
            }
            Some(_) | None => return Err(MaskError::NotText { mask: mask.name(), column: sql }),
        },
    };
    Ok(format!("CAST({inner} AS {sql})"))
}

fn require_text(mask: &Mask, column: &ColumnType) -> Result<(), MaskError> {
    match column.scalar() {
        Some("text" | "varchar" | "bpchar") => Ok(()),
        Some(_) | None => Err(MaskError::NotText { mask: mask.name(), column: column.sql() }),
    }
}

/// A constant of the type that says nothing, in text form; nothing, and so NULL, where no such
/// constant is known.
pub(crate) fn full_literal(column: &ColumnType) -> Option<String> {
    let literal = match column.scalar() {
        Some("text" | "varchar" | "bpchar" | "name") => {
            STARS.chars().take(column.length_max().unwrap_or(STARS.len())).collect::<String>()
        }
        Some("int2" | "int4" | "int8" | "float4" | "float8" | "numeric" | "money" | "oid") => {
            "0".to_owned()
        }
        Some("bool") => "false".to_owned(),
        Some("date") => "1970-01-01".to_owned(),
        Some("timestamp") => "1970-01-01 00:00:00".to_owned(),
        Some("timestamptz") => "1970-01-01 00:00:00+00".to_owned(),
        Some("time") => "00:00:00".to_owned(),
        Some("timetz") => "00:00:00+00".to_owned(),
        Some("interval") => "PT0S".to_owned(),
        Some("uuid") => "00000000-0000-0000-0000-000000000000".to_owned(),
        Some("json" | "jsonb") => format!("\"{STARS}\""),
        Some("bytea") => "\\x".to_owned(),
        Some("inet") => "0.0.0.0".to_owned(),
        Some("cidr") => "0.0.0.0/0".to_owned(),
        Some(_) | None => return None,
    };
    Some(literal)
}

/// Of a text with at least eight characters the last four, so that at least half stays hidden.
fn last4() -> String {
    let value = as_text();
    format!(
        "CASE WHEN pg_catalog.length({value}) OPERATOR(pg_catalog.>=) 8 \
         THEN '{HIDDEN}'::pg_catalog.text OPERATOR(pg_catalog.||) pg_catalog.right({value}, 4) \
         ELSE '{HIDDEN}'::pg_catalog.text END"
    )
}

/// What stands behind the last `@`: a quoted local part may hold one too (RFC 5321 section 4.1.2).
fn email() -> String {
    let value = as_text();
    format!(
        "CASE WHEN pg_catalog.strpos({value}, '@') OPERATOR(pg_catalog.>) 1 \
         THEN '{HIDDEN}@'::pg_catalog.text OPERATOR(pg_catalog.||) pg_catalog.right({value}, \
         pg_catalog.strpos(pg_catalog.reverse({value}), '@') OPERATOR(pg_catalog.-) 1) \
         ELSE '{HIDDEN}'::pg_catalog.text END"
    )
}

/// HMAC-SHA-256 of the value in UTF-8. NULL looks like the empty text.
fn hash(key: &KeySource) -> String {
    let value = as_text();
    let part = |setting: &str, column: &str| match key {
        KeySource::Settings => {
            format!("pg_catalog.decode(pg_catalog.current_setting('{setting}'), 'hex')")
        }
        KeySource::Table(table) => format!("(SELECT k.{column} FROM {table} k)"),
    };
    let inner = part(HASH_INNER_SETTING, HASH_INNER_COLUMN);
    let outer = part(HASH_OUTER_SETTING, HASH_OUTER_COLUMN);
    format!(
        "pg_catalog.encode(pg_catalog.sha256({outer} OPERATOR(pg_catalog.||) \
         pg_catalog.sha256({inner} OPERATOR(pg_catalog.||) \
         pg_catalog.convert_to(COALESCE({value}, ''), 'UTF8'))), 'hex')"
    )
}

fn as_text() -> String {
    format!("{PLACEHOLDER}::pg_catalog.text")
}

/// A literal without backslash escapes, as `standard_conforming_strings = on` reads it.
fn quote_literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn varchar(length: i32) -> ColumnType {
        ColumnType { modifier: length.saturating_add(4), ..ColumnType::built_in(1043, "varchar") }
    }

    #[test]
    fn a_constant_mask_names_no_value() {
        for name in ["text", "int4", "bool", "jsonb", "uuid", "point", "timestamptz"] {
            for mask in [Mask::Full, Mask::Null, Mask::Fixed("x".into())] {
                let sql = expression(&mask, &ColumnType::built_in(1, name)).unwrap();
                assert!(!sql.contains(PLACEHOLDER), "{sql}");
            }
        }
    }

    #[test]
    fn a_full_mask_fits_its_type() {
        #[rustfmt::skip]
        let cases = [
            (ColumnType::built_in(25, "text"),  r#"CAST('********' AS "pg_catalog"."text")"#),
            (varchar(3),                        r#"CAST('***' AS "pg_catalog"."varchar"(3))"#),
            (ColumnType::built_in(23, "int4"),  r#"CAST('0' AS "pg_catalog"."int4")"#),
            (ColumnType { is_array: true, ..ColumnType::built_in(1007, "int4") },
                                                r#"CAST(NULL AS "pg_catalog"."int4"[])"#),
            (ColumnType { schema: "app".into(), ..ColumnType::built_in(9, "tier") },
                                                r#"CAST(NULL AS "app"."tier")"#),
        ];
        for (column, expected) in cases {
            assert_eq!(expression(&Mask::Full, &column).unwrap(), expected);
        }
    }

    #[test]
    fn a_partial_mask_needs_a_text() {
        let int4 = ColumnType::built_in(23, "int4");
        for mask in [Mask::Last4, Mask::Hash, Mask::Email] {
            assert!(matches!(expression(&mask, &int4), Err(MaskError::NotText { .. })));
            assert!(expression(&mask, &ColumnType::built_in(25, "text")).is_ok());
        }
        assert!(matches!(expression(&Mask::Hash, &varchar(63)), Err(MaskError::TooNarrow { .. })));
        assert!(expression(&Mask::Hash, &varchar(64)).is_ok());
    }

    #[test]
    fn a_fixed_mask_cannot_leave_its_literal() {
        let text = ColumnType::built_in(25, "text");
        let sql = expression(&Mask::Fixed("a'||ssn||'\\".into()), &text).unwrap();
        assert_eq!(sql, r#"CAST('a''||ssn||''\' AS "pg_catalog"."text")"#);
        assert_eq!(expression(&Mask::Fixed("\0".into()), &text), Err(MaskError::NulInValue));
    }
}
