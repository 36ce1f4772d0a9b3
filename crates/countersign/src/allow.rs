//! What a grant is to allow, as written on the command line: `select,update:billing.customers(id,name)`,
//! `listen,notify:channel.orders`.

use std::collections::BTreeSet;
use std::str::FromStr;

use model::{Action, RelationName};

use crate::suggest;

/// One `--allow`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Allow {
    /// What may be done.
    pub(crate) actions: BTreeSet<Action>,
    /// To which relation, function or channel.
    pub(crate) relation: RelationName,
    /// On which columns; nothing means all that the relation has when the grant is made.
    pub(crate) columns: Option<BTreeSet<String>>,
}

/// A text that is not an `--allow`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ParseAllowError {
    /// Not of the form.
    #[error(
        "write ACTIONS:SCHEMA.TABLE or ACTIONS:SCHEMA.TABLE(COLUMNS), for example select,update:billing.customers(id,name)"
    )]
    Malformed,
    /// Not an action.
    #[error("`{found}` is not an action{hint}")]
    Action {
        /// What stands there.
        found: String,
        /// What may have been meant.
        hint: String,
    },
    /// Not a relation.
    #[error(transparent)]
    Relation(#[from] model::ParseRelationNameError),
    /// A name twice, or an empty one.
    #[error("the columns are not a list of different names")]
    Columns,
}

impl FromStr for Allow {
    type Err = ParseAllowError;

    fn from_str(text: &str) -> Result<Self, ParseAllowError> {
        let (actions, rest) = text.split_once(':').ok_or(ParseAllowError::Malformed)?;
        let actions = actions.split(',').map(parse_action).collect::<Result<_, _>>()?;
        let (relation, columns) = match rest.split_once('(') {
            None => (rest, None),
            Some((relation, columns)) => {
                let columns = columns.strip_suffix(')').ok_or(ParseAllowError::Malformed)?;
                (relation, parse_columns(columns)?)
            }
        };
        Ok(Self { actions, relation: relation.trim().parse()?, columns })
    }
}

fn parse_action(text: &str) -> Result<Action, ParseAllowError> {
    let text = text.trim();
    Action::ALL.into_iter().find(|action| action.name() == text).ok_or_else(|| {
        let hint = match suggest::nearest(text, Action::ALL.map(Action::name)) {
            Some(near) => format!("; did you mean `{near}`?"),
            None => format!("; use {}", Action::ALL.map(Action::name).join(", ")),
        };
        ParseAllowError::Action { found: text.chars().take(64).collect(), hint }
    })
}

fn parse_columns(text: &str) -> Result<Option<BTreeSet<String>>, ParseAllowError> {
    if text.trim() == "*" {
        return Ok(None);
    }
    let mut columns = BTreeSet::new();
    for column in text.split(',').map(str::trim) {
        if column.is_empty() || column == "*" || !columns.insert(column.to_owned()) {
            return Err(ParseAllowError::Columns);
        }
    }
    Ok(Some(columns))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_allow_names_actions_relation_and_columns() {
        let allow: Allow = "select,update:billing.customers(id, name)".parse().unwrap();
        assert_eq!(allow.actions, [Action::Select, Action::Update].into());
        assert_eq!(allow.relation, RelationName::new("billing", "customers"));
        assert_eq!(allow.columns, Some(["id".to_owned(), "name".to_owned()].into()));
        let channel: Allow = "listen,notify:channel.Orders.new".parse().unwrap();
        assert_eq!(channel.relation, RelationName::channel("Orders.new"));
        for all in ["select:a.b", "select:a.b(*)", " select : a.b ( * )"] {
            assert_eq!(all.parse::<Allow>().unwrap().columns, None, "{all}");
        }
    }

    #[test]
    fn what_is_not_an_allow_says_why() {
        #[rustfmt::skip]
        let cases = [
            ("",                      "write ACTIONS:SCHEMA.TABLE"),
            ("billing.customers",     "write ACTIONS:SCHEMA.TABLE"),
            ("select:a.b(c",          "write ACTIONS:SCHEMA.TABLE"),
            ("selct:a.b",             "did you mean `select`?"),
            ("vacuum:a.b",            "use select, insert, update, delete, truncate, execute, listen, notify"),
            (":a.b",                  "is not an action"),
            ("select:customers",      "does not name a relation"),
            ("select:a.b()",          "not a list of different names"),
            ("select:a.b(c,,d)",      "not a list of different names"),
            ("select:a.b(c,c)",       "not a list of different names"),
            ("select:a.b(c,*)",       "not a list of different names"),
        ];
        for (text, message) in cases {
            let error = text.parse::<Allow>().unwrap_err().to_string();
            assert!(error.contains(message), "{text}: {error}");
        }
    }
}
