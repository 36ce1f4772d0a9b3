//! All that a statement's names depend on.

use std::collections::BTreeSet;

use model::{Action, RelationName};

use crate::catalog::Catalog;
use crate::request::Granted;
use crate::sight::Sight;
use crate::{ClientSettings, Request};

/// All that a statement's names depend on.
#[derive(Clone)]
pub(crate) struct World<'a> {
    pub(crate) catalog: &'a Catalog,
    /// With `$user` replaced.
    pub(crate) search_path: Vec<&'a str>,
    pub(crate) identity: &'a str,
    pub(crate) database: &'a str,
    pub(crate) granted: &'a Granted<'a>,
    /// What the client has set in its session.
    pub(crate) settings: &'a ClientSettings,
    /// False for a view's definition, which is only judged.
    pub(crate) forwards: bool,
}

impl<'a> World<'a> {
    pub(crate) fn new(request: &Request<'a>) -> Self {
        let identity = request.identity.as_str();
        let schema = |name: &'a String| if name == "$user" { identity } else { name.as_str() };
        Self {
            catalog: request.catalog,
            search_path: request.search_path.iter().map(schema).collect(),
            identity,
            database: request.database,
            granted: request.granted,
            settings: request.settings,
            forwards: true,
        }
    }

    /// True if nothing on the target is hidden from the client.
    pub(crate) fn shows_all(&self) -> bool {
        self.catalog.shows_all(|relation| (self.granted)(relation, Action::Select))
    }

    /// True if some live grant names the relation, whatever it allows there.
    pub(crate) fn is_granted(&self, relation: &RelationName) -> bool {
        !self.granted_columns(relation).is_empty()
    }

    /// True if the grants show a type of the target's: a column, or a part of its type, has it.
    pub(crate) fn sees_type(&self, oid: u32) -> bool {
        if !self.forwards {
            return true;
        }
        let types = Sight::new(self).types;
        let element = self.catalog.elements.get(&oid);
        types.contains(&oid) || element.is_some_and(|element| types.contains(element))
    }

    /// The columns that some live grant names, whatever it allows there.
    pub(crate) fn granted_columns(&self, relation: &RelationName) -> BTreeSet<String> {
        let actions =
            [Action::Select, Action::Insert, Action::Update, Action::Delete, Action::Truncate];
        actions.into_iter().flat_map(|action| (self.granted)(relation, action)).collect()
    }
}
