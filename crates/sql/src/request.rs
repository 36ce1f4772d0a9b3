//! What the analysis is asked.

use std::collections::BTreeSet;
use std::fmt;

use model::{Action, IdentityName, RelationName};

use crate::{Catalog, ClientSettings};

/// The columns of a relation on which live grants allow an action.
pub type Granted<'a> = dyn Fn(&RelationName, Action) -> BTreeSet<String> + 'a;

/// A statement and all that its meaning depends on.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// What the client wrote.
    pub text: &'a str,
    /// The target's catalog.
    pub catalog: &'a Catalog,
    /// Where unqualified names are looked up, in order; `$user` is the identity's name.
    pub search_path: &'a [String],
    /// Who asks: the answer of `current_user`.
    pub identity: &'a IdentityName,
    /// The target's name: the answer of `current_database()`.
    pub database: &'a str,
    /// The columns that live grants cover. It expands `*` and chooses `ONLY`. What it does not name at
    /// all reads as if it were not there; of what it names it decides nothing.
    pub granted: &'a Granted<'a>,
    /// What the client has set in this session.
    pub settings: &'a ClientSettings,
}

impl fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("text", &self.text)
            .field("search_path", &self.search_path)
            .field("identity", &self.identity)
            .field("database", &self.database)
            .finish_non_exhaustive()
    }
}
