//! Why a statement is refused without asking the policy.

use std::collections::BTreeSet;

use model::{Action, RelationName, Touch};

use crate::place;

/// A statement that is not understood, not allowed for anyone, or not supported yet.
///
/// The message is safe for the client: it names only what the client itself wrote.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// Machine-readable reason in `snake_case`.
    pub code: &'static str,
    /// SQLSTATE for the client.
    pub sqlstate: &'static str,
    /// What is wrong, for the author of the statement.
    pub message: String,
    /// What to do instead.
    pub hint: Option<String>,
    /// Where in the client's text, in characters from 1.
    pub place: Option<u32>,
    /// The same in bytes from 0, until the analysis ends.
    pub(crate) byte: Option<i32>,
    /// True if a later version may accept the statement.
    pub supported_later: bool,
    /// The relation that is there and that no grant names, for the record. The client cannot tell it
    /// from one that is not there.
    pub touch: Option<Box<Touch>>,
}

/// PostgreSQL's codes (manual, appendix "PostgreSQL Error Codes").
const SYNTAX_ERROR: &str = "42601";
const INSUFFICIENT_PRIVILEGE: &str = "42501";
const FEATURE_NOT_SUPPORTED: &str = "0A000";
const STATEMENT_TOO_COMPLEX: &str = "54001";
const UNDEFINED_COLUMN: &str = "42703";
const AMBIGUOUS_COLUMN: &str = "42702";
const UNDEFINED_TABLE: &str = "42P01";
const INVALID_COLUMN_REFERENCE: &str = "42P10";
const UNDEFINED_FUNCTION: &str = "42883";
const INVALID_SCHEMA_NAME: &str = "3F000";
const UNDEFINED_OBJECT: &str = "42704";
const INVALID_PARAMETER_VALUE: &str = "22023";
const WRONG_OBJECT_TYPE: &str = "42809";
const INTERNAL_ERROR: &str = "XX000";

impl Refusal {
    fn new(code: &'static str, sqlstate: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            sqlstate,
            message: message.into(),
            hint: None,
            place: None,
            byte: None,
            supported_later: false,
            touch: None,
        }
    }

    /// Says for the record which relation is meant.
    #[must_use]
    pub(crate) fn of_relation(mut self, relation: &RelationName, action: Action) -> Self {
        let (relation, columns) = (relation.clone(), BTreeSet::new());
        self.touch = Some(Box::new(Touch { relation, action, columns }));
        self
    }

    /// Notes where the node stands that is refused. The innermost one counts.
    #[must_use]
    pub(crate) fn at(mut self, location: i32) -> Self {
        if location >= 0 {
            self.byte = self.byte.or(Some(location));
        }
        self
    }

    /// Says the place in characters of the client's text.
    #[must_use]
    pub(crate) fn placed(mut self, text: &str) -> Self {
        if self.place.is_none() {
            let byte = self.byte.and_then(|byte| usize::try_from(byte).ok());
            self.place = byte.and_then(|byte| place::character_of(text, byte));
        }
        self
    }

    /// Adds what to do instead.
    #[must_use]
    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(crate) fn syntax(message: impl Into<String>) -> Self {
        Self::new("syntax_error", SYNTAX_ERROR, message)
    }

    /// Counts the place from the beginning of a text in which the statement begins at a byte.
    #[must_use]
    pub(crate) fn behind(mut self, text: &str, start: usize) -> Self {
        let before = text.get(..start).unwrap_or_default().chars().count();
        let before = u32::try_from(before).unwrap_or(u32::MAX);
        self.place = self.place.map(|place| place.saturating_add(before));
        self
    }

    /// PostgreSQL's own grammar does not accept the text: its own words, and where.
    pub(crate) fn parser(text: &str, error: &pg_query::Error) -> Self {
        match error {
            pg_query::Error::Parse(message) | pg_query::Error::Scan(message) => {
                let place = place::of_syntax_error(text, message);
                Self { place, ..Self::syntax(message.clone()) }
            }
            pg_query::Error::Conversion(_)
            | pg_query::Error::Decode(_)
            | pg_query::Error::InvalidJson(_)
            | pg_query::Error::InvalidPointer
            | pg_query::Error::IsUtility(_)
            | pg_query::Error::Split(_) => Self::syntax("the statement cannot be read"),
        }
    }

    pub(crate) fn too_large(what: &str, limit: usize) -> Self {
        Self::new(
            "statement_too_large",
            STATEMENT_TOO_COMPLEX,
            format!("the statement has more than {limit} {what}"),
        )
    }

    /// Too many names in reach of too many others.
    pub(crate) fn never_ending() -> Self {
        let message = "the statement has too many names in reach of too many columns";
        Self::new("statement_too_large", STATEMENT_TOO_COMPLEX, message)
    }

    /// Something that a later version may analyse.
    pub(crate) fn later(code: &'static str, what: &str) -> Self {
        Self {
            supported_later: true,
            ..Self::new(code, FEATURE_NOT_SUPPORTED, format!("{what} is not supported"))
        }
    }

    /// Something that will not be analysed.
    pub(crate) fn never(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(code, INSUFFICIENT_PRIVILEGE, message)
    }

    /// A relation that does not exist, or that no grant names: the client cannot tell which.
    pub(crate) fn unknown_relation(name: &str, action: Action) -> Self {
        Self::new(
            "unknown_relation",
            INSUFFICIENT_PRIVILEGE,
            format!("permission denied for relation {name}: no live grant covers {action} on it"),
        )
    }

    /// A foreign key changes what no grant covers. Which table that is may be hidden.
    pub(crate) fn cascade(name: &str) -> Self {
        Self::never(
            "cascade_not_granted",
            format!(
                "permission denied for relation {name}: a foreign key would change a table that no \
                 live grant covers for it"
            ),
        )
        .with_hint("ON DELETE and ON UPDATE of foreign keys change tables that refer to this one.")
    }

    /// The same where nothing is hidden from the client: it does not exist.
    pub(crate) fn no_relation(name: &str) -> Self {
        let message = format!("relation \"{name}\" does not exist");
        Self::new("unknown_relation", UNDEFINED_TABLE, message)
    }

    /// A catalog of PostgreSQL's own, or an object of it, that no client sees.
    pub(crate) fn not_shown(name: &str) -> Self {
        Self::new(
            "catalog_not_shown",
            INSUFFICIENT_PRIVILEGE,
            format!("permission denied for {name}: the gateway does not show it"),
        )
        .with_hint("Catalogs show what grants cover. Activity, statistics and roles are not shown.")
    }

    /// A literal that is to be looked up by name and means nothing that is shown.
    pub(crate) fn unknown_name(what: &str, name: &str) -> Self {
        let sqlstate = match what {
            "relation" => UNDEFINED_TABLE,
            "function" => UNDEFINED_FUNCTION,
            "schema" => INVALID_SCHEMA_NAME,
            _ => UNDEFINED_OBJECT,
        };
        Self::new("unknown_name", sqlstate, format!("{what} \"{name}\" does not exist"))
    }

    pub(crate) fn unknown_column(name: &str) -> Self {
        // As PostgreSQL says it: a bare name in quotes, a qualified one without.
        let shown = if name.contains('.') { name.to_owned() } else { format!("\"{name}\"") };
        Self::new("unknown_column", UNDEFINED_COLUMN, format!("column {shown} does not exist"))
    }

    /// A name before the dot that FROM does not have.
    pub(crate) fn missing_item(name: &str) -> Self {
        let message = format!("missing FROM-clause entry for table \"{name}\"");
        Self::new("unknown_column", UNDEFINED_TABLE, message)
    }

    /// A column of USING.
    pub(crate) fn unknown_join_column(name: &str, side: &str) -> Self {
        let message =
            format!("column \"{name}\" specified in USING clause does not exist in {side} table");
        Self::new("unknown_column", UNDEFINED_COLUMN, message)
    }

    /// A number that stands for a column which the query does not have.
    pub(crate) fn no_such_place(clause: &str, place: i32) -> Self {
        let message = format!("{clause} position {place} is not in select list");
        Self::new("syntax_error", INVALID_COLUMN_REFERENCE, message)
    }

    /// A column to be written.
    pub(crate) fn unknown_column_of(name: &str, relation: &str) -> Self {
        let message = format!("column \"{name}\" of relation \"{relation}\" does not exist");
        Self::new("unknown_column", UNDEFINED_COLUMN, message)
    }

    pub(crate) fn ambiguous_column(name: &str) -> Self {
        Self::new(
            "ambiguous_column",
            AMBIGUOUS_COLUMN,
            format!("column reference \"{name}\" is ambiguous"),
        )
    }

    /// A masked column where it would be computed with.
    pub(crate) fn masked(column: &str) -> Self {
        Self::new(
            "masked_column_computed",
            INSUFFICIENT_PRIVILEGE,
            format!("column \"{column}\" is masked: it may be selected, not computed with"),
        )
        .with_hint(
            "Select the column by its bare name. Leave it out of conditions, joins, ORDER BY, \
             GROUP BY, DISTINCT, set operations and expressions.",
        )
    }

    pub(crate) fn whole_row(name: &str) -> Self {
        Self::new(
            "whole_row",
            INSUFFICIENT_PRIVILEGE,
            format!("\"{name}\" stands for a whole row, which is not allowed"),
        )
        .with_hint("Name the columns.")
    }

    /// `item.name` where the item has no such column: a function of the whole row, or nothing.
    pub(crate) fn row_part(name: &str) -> Self {
        Self { code: "whole_row", ..Self::unknown_column(name) }
    }

    /// What PostgreSQL says of a relation whose own rows it does not copy.
    pub(crate) fn copy_needs_query(what: &str, name: &str) -> Self {
        Self::new(
            "copy_needs_query",
            WRONG_OBJECT_TYPE,
            format!("cannot copy from {what} \"{name}\""),
        )
        .with_hint("Try the COPY (SELECT ...) TO variant.")
    }

    /// COPY without a list of columns, where not all of them are granted. None is named.
    pub(crate) fn copy_columns(name: &str, action: Action) -> Self {
        let message = format!(
            "permission denied for relation {name}: COPY without a list of columns means all of \
             them, and no live grant covers {action} on all"
        );
        Self::new("copy_columns_not_granted", INSUFFICIENT_PRIVILEGE, message)
            .with_hint("Name the columns that the grant covers: COPY t (a, b) …")
    }

    pub(crate) fn copy_generated(name: &str) -> Self {
        Self::new(
            "copy_generated_column",
            INVALID_COLUMN_REFERENCE,
            format!("column \"{name}\" is a generated column"),
        )
    }

    pub(crate) fn copy_option(name: &str) -> Self {
        Self::new(
            "copy_option_not_allowed",
            INVALID_PARAMETER_VALUE,
            format!("option \"{name}\" of COPY, or this value of it, is not allowed"),
        )
    }

    pub(crate) fn function(name: &str) -> Self {
        Self::new(
            "function_not_allowed",
            INSUFFICIENT_PRIVILEGE,
            format!("function {name} is not allowed"),
        )
    }

    pub(crate) fn no_function(name: &str) -> Self {
        Self::new("unknown_function", UNDEFINED_FUNCTION, format!("{name} is not a function here"))
    }

    /// A prepared statement that is run where the gateway cannot say what it is.
    pub(crate) fn nested_use(what: &str) -> Self {
        Self::new("nested_use", FEATURE_NOT_SUPPORTED, format!("{what} is not supported"))
    }

    pub(crate) fn data_type(name: &str) -> Self {
        Self::new("type_not_allowed", UNDEFINED_OBJECT, format!("type {name} is not allowed"))
    }

    pub(crate) fn setting(name: &str) -> Self {
        Self::new(
            "setting_not_allowed",
            INSUFFICIENT_PRIVILEGE,
            format!("setting \"{name}\" is not allowed"),
        )
    }

    pub(crate) fn setting_value(name: &str) -> Self {
        Self::new(
            "setting_value_not_allowed",
            INVALID_PARAMETER_VALUE,
            format!("this value of setting \"{name}\" is not allowed"),
        )
    }

    /// The forwarded text does not read as what was judged. A fault of the writer, never forwarded.
    pub(crate) fn mismatch() -> Self {
        Self::new(
            "deparse_mismatch",
            INTERNAL_ERROR,
            "the statement cannot be written out unchanged",
        )
        .with_hint("Write it in another way.")
    }

    /// Rows of a view of the fence cannot be locked by who may only read it.
    pub(crate) fn masked_lock() -> Self {
        let message = "rows of a table whose masks come from a view cannot be locked";
        Self::never("masked_row_lock", message.to_owned())
    }

    /// The role of a fenced session cannot read the column itself.
    /// The placeholder of a mask in the place of a value.
    pub(crate) fn placeholder_written(column: &str) -> Self {
        let message = format!(
            "the value for column \"{column}\" is what a mask shows in the place of a value"
        );
        Self::new("mask_placeholder_written", INVALID_PARAMETER_VALUE, message).with_hint(
            "It would overwrite data with a placeholder. Leave the column out, and what it holds \
             stays as it is. To clear it on purpose, write DEFAULT.",
        )
    }

    /// Free text in a COPY to the client.
    pub(crate) fn copied_free_text(column: &str) -> Self {
        let message = format!("column \"{column}\" is free text: it may be selected, not copied");
        Self::never("free_text_copied", message).with_hint("SELECT it, or leave the column out.")
    }

    pub(crate) fn masked_returning(column: &str) -> Self {
        let message =
            format!("column \"{column}\" is masked by a view, so a write cannot return it");
        Self::never("masked_returning", message).with_hint("Select it after the write.")
    }

    /// The relation's definition could not be judged, so nothing may be read through it.
    pub(crate) fn unusable(name: &str, reason: &str) -> Self {
        Self::new(
            "view_not_analysable",
            INSUFFICIENT_PRIVILEGE,
            format!("relation {name} cannot be used: {reason}"),
        )
    }
}
