//! The type of a masked column, as far as its mask must know it.

/// Where PostgreSQL keeps its own types and functions.
const SYSTEM_SCHEMA: &str = "pg_catalog";

/// Bytes that `varchar(n)` and `char(n)` add to `n` in their modifier.
const LENGTH_HEADER: i32 = 4;

/// The type of a column, by the names of the catalog. A domain stands as its base type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnType {
    /// OID of the type, as `RowDescription` reports it.
    pub oid: u32,
    /// The schema that holds the type.
    pub schema: String,
    /// The type's name in `pg_type`, for example `varchar`; of the element if it is an array.
    pub name: String,
    /// True if it is an array of that type.
    pub is_array: bool,
    /// `atttypmod`; −1 for none.
    pub modifier: i32,
}

impl ColumnType {
    /// A type of PostgreSQL's own, without a modifier.
    pub fn built_in(oid: u32, name: &str) -> Self {
        Self {
            oid,
            schema: SYSTEM_SCHEMA.to_owned(),
            name: name.to_owned(),
            is_array: false,
            modifier: -1,
        }
    }

    /// The name of the type if it is one of PostgreSQL's own and no array.
    pub(crate) fn scalar(&self) -> Option<&str> {
        (self.schema == SYSTEM_SCHEMA && !self.is_array).then_some(self.name.as_str())
    }

    /// Characters that fit, if `varchar(n)` or `char(n)` limits them.
    pub(crate) fn length_max(&self) -> Option<usize> {
        match self.scalar() {
            Some("varchar" | "bpchar") if self.modifier >= LENGTH_HEADER => {
                usize::try_from(self.modifier.saturating_sub(LENGTH_HEADER)).ok()
            }
            Some(_) | None => None,
        }
    }

    /// The type as SQL: quoted where needed, qualified, with its modifier.
    pub fn sql(&self) -> String {
        let brackets = if self.is_array { "[]" } else { "" };
        let schema = quote_identifier(&self.schema);
        let name = quote_identifier(&self.name);
        format!("{schema}.{name}{}{brackets}", self.modifier_sql())
    }

    fn modifier_sql(&self) -> String {
        let modifier = self.modifier;
        if modifier < 0 || self.schema != SYSTEM_SCHEMA {
            return String::new();
        }
        match self.name.as_str() {
            "varchar" | "bpchar" => format!("({})", modifier.saturating_sub(LENGTH_HEADER)),
            "numeric" => numeric_modifier(modifier.saturating_sub(LENGTH_HEADER)),
            "bit" | "varbit" | "time" | "timetz" | "timestamp" | "timestamptz" => {
                format!("({modifier})")
            }
            _ => String::new(),
        }
    }
}

/// Precision in the upper half, scale as eleven bits of two's complement in the lower
/// (PostgreSQL, `make_numeric_typmod`).
fn numeric_modifier(packed: i32) -> String {
    let precision = (packed >> 16) & 0xffff;
    let scale = ((packed & 0x7ff) ^ 1024).saturating_sub(1024);
    format!("({precision},{scale})")
}

/// An identifier in double quotes: always quoted, so no list of keywords is needed.
fn quote_identifier(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_written_with_its_modifier() {
        #[rustfmt::skip]
        let cases = [
            ("text",        -1,       r#""pg_catalog"."text""#),
            ("varchar",     24,       r#""pg_catalog"."varchar"(20)"#),
            ("bpchar",      7,        r#""pg_catalog"."bpchar"(3)"#),
            ("numeric",     655_366,  r#""pg_catalog"."numeric"(10,2)"#),
            ("numeric",     198_658,  r#""pg_catalog"."numeric"(3,-2)"#),
            ("timestamptz", 3,        r#""pg_catalog"."timestamptz"(3)"#),
        ];
        for (name, modifier, expected) in cases {
            let column = ColumnType { modifier, ..ColumnType::built_in(0, name) };
            assert_eq!(column.sql(), expected);
        }
    }
}
