//! What the gateway keeps of the settings that a client has changed.
//!
//! PostgreSQL undoes a SET when its transaction, or the savepoint before it, is rolled back; the
//! gateway does the same with the settings that it keeps for the client.

use crate::{Effect, SettingSpan};

/// Savepoints that a client may hold open: each keeps a copy of its settings.
pub(crate) const SAVEPOINTS_MAX: usize = 64;

/// A setting that the gateway keeps for the client instead of the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Setting {
    /// What the client calls itself. A claim, shown in records.
    ApplicationName,
    /// Where unqualified names are looked up: the names as SHOW prints them, comma-separated.
    SearchPath,
}

/// What a client has set in its session, through transactions and savepoints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientSettings {
    /// Where unqualified names are looked up now, in order.
    pub search_path: Vec<String>,
    /// What the client calls itself now.
    pub application_name: String,
    start: Values,
    /// What the client asked for when it connected and the target keeps: names and quoted values.
    defaults: Vec<(String, String)>,
    now: Values,
    /// Outermost first: the transaction block, then its savepoints.
    saved: Vec<(Option<String>, Values)>,
    /// True if no BEGIN made the outermost block.
    is_implicit: bool,
}

/// The values of one moment. A local one hides the session's until the transaction ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Values {
    application_name: Layers,
    search_path: Layers,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Layers {
    session: String,
    local: Option<String>,
}

impl Default for ClientSettings {
    fn default() -> Self {
        Self::at_start("")
    }
}

impl ClientSettings {
    /// The settings of a new session.
    ///
    /// `application_name` is what the client gave in its `StartupMessage`.
    pub fn at_start(application_name: &str) -> Self {
        let layers = |value: &str| Layers { session: value.to_owned(), local: None };
        let start = Values {
            application_name: layers(application_name),
            search_path: layers(DEFAULT_SEARCH_PATH),
        };
        let mut settings = Self {
            search_path: Vec::new(),
            application_name: String::new(),
            now: start.clone(),
            start,
            defaults: Vec::new(),
            saved: Vec::new(),
            is_implicit: false,
        };
        settings.refresh();
        settings
    }

    /// True if every text means the same under both. What a ROLLBACK would bring back does not matter.
    pub fn mean_the_same(&self, other: &Self) -> bool {
        let is_full = |settings: &Self| settings.savepoints() >= SAVEPOINTS_MAX;
        self.start == other.start
            && self.defaults == other.defaults
            && self.now == other.now
            && is_full(self) == is_full(other)
    }

    /// Begins the transaction that several statements make which are sent together, unless a block
    /// is open.
    pub fn begin_implicit(&mut self) {
        if self.saved.is_empty() {
            self.saved.push((None, self.now.clone()));
            self.is_implicit = true;
        }
    }

    /// Ends that transaction, if it is the one that is open: what was set in it is undone, or stays.
    pub fn end_implicit(&mut self, effect: &Effect) {
        if self.is_implicit {
            self.apply(effect);
        }
    }

    /// Takes what the client has set until now as what RESET goes back to, as PostgreSQL does with
    /// the settings of a `StartupMessage`.
    ///
    /// `forwarded` are the texts of the SET statements that the target got.
    pub fn begin<'a>(&mut self, forwarded: impl IntoIterator<Item = &'a str>) {
        self.start = self.now.clone();
        let pair = |text: &'a str| text.strip_prefix("SET ")?.split_once(" TO ");
        for (name, value) in forwarded.into_iter().filter_map(pair) {
            let name = name.trim_matches('"').to_owned();
            self.defaults.retain(|(known, _)| *known != name);
            self.defaults.push((name, value.to_owned()));
        }
    }

    /// The statements that the target needs after RESET ALL or DISCARD ALL, so that its settings
    /// are those of the session's start; nothing if none.
    pub fn restoring(&self) -> Option<String> {
        let texts = self.defaults.iter().map(|(name, value)| format!("SET \"{name}\" TO {value}"));
        let texts: Vec<String> = texts.collect();
        (!texts.is_empty()).then(|| texts.join("; "))
    }

    /// What RESET gives the target for a setting that it keeps, as it stands behind TO.
    pub(crate) fn default_of(&self, name: &str) -> &str {
        let own = self.defaults.iter().find(|(known, _)| known == name);
        own.map_or("DEFAULT", |(_, value)| value)
    }

    /// Follows a statement that the target has completed.
    ///
    /// For a COMMIT that the target answered with the tag `ROLLBACK`, pass [`Effect::Rollback`].
    pub fn apply(&mut self, effect: &Effect) {
        match effect {
            Effect::None
            | Effect::Declare { .. }
            | Effect::Close(_)
            | Effect::Prepare(_)
            | Effect::Deallocate(_) => {}
            Effect::ResetAll | Effect::DiscardAll => self.now = self.start.clone(),
            Effect::Begin => {
                self.begin_implicit();
                self.is_implicit = false;
            }
            Effect::Commit => self.saved.clear(),
            Effect::Rollback => {
                if let Some((_, before)) = self.saved.drain(..).next() {
                    self.now = before;
                }
            }
            Effect::Savepoint(name) => self.saved.push((Some(name.clone()), self.now.clone())),
            Effect::Release(name) => {
                if let Some(index) = self.savepoint(name) {
                    self.saved.truncate(index);
                }
            }
            Effect::RollbackTo(name) => {
                if let Some(index) = self.savepoint(name) {
                    self.saved.truncate(index.saturating_add(1));
                    if let Some((_, before)) = self.saved.last() {
                        self.now = before.clone();
                    }
                }
            }
            Effect::Set { setting, value, span } => self.set(*setting, value.as_deref(), *span),
        }
        if self.saved.is_empty() {
            self.is_implicit = false;
            self.now.application_name.local = None;
            self.now.search_path.local = None;
        }
        self.refresh();
    }

    /// A setting as SHOW prints it.
    pub fn shown(&self, setting: Setting) -> &str {
        self.now.layers(setting).current()
    }

    /// How many savepoints are open.
    pub(crate) fn savepoints(&self) -> usize {
        self.saved.len().saturating_sub(1)
    }

    fn set(&mut self, setting: Setting, value: Option<&str>, span: SettingSpan) {
        let value = value.unwrap_or(&self.start.layers(setting).session).to_owned();
        let layers = match setting {
            Setting::ApplicationName => &mut self.now.application_name,
            Setting::SearchPath => &mut self.now.search_path,
        };
        *layers = match span {
            SettingSpan::Session => Layers { session: value, local: None },
            SettingSpan::Transaction => {
                Layers { session: std::mem::take(&mut layers.session), local: Some(value) }
            }
        };
    }

    fn savepoint(&self, name: &str) -> Option<usize> {
        self.saved.iter().rposition(|(saved, _)| saved.as_deref() == Some(name))
    }

    fn refresh(&mut self) {
        self.application_name = self.shown(Setting::ApplicationName).to_owned();
        self.search_path = split_names(self.shown(Setting::SearchPath));
    }
}

impl Values {
    fn layers(&self, setting: Setting) -> &Layers {
        match setting {
            Setting::ApplicationName => &self.application_name,
            Setting::SearchPath => &self.search_path,
        }
    }
}

impl Layers {
    fn current(&self) -> &str {
        self.local.as_deref().unwrap_or(&self.session)
    }
}

/// PostgreSQL's own default.
const DEFAULT_SEARCH_PATH: &str = "\"$user\", public";

/// Writes names as SHOW prints a list of them: quoted where they are not plain.
pub(crate) fn join_names<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let quoted = names.into_iter().map(|name| {
        let is_plain = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
            && name.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_'));
        if is_plain { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
    });
    quoted.collect::<Vec<_>>().join(", ")
}

/// Reads what [`join_names`] wrote.
pub(crate) fn split_names(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut rest = text.trim_start_matches([',', ' ']).chars().peekable();
    while rest.peek().is_some() {
        let is_quoted = rest.next_if_eq(&'"').is_some();
        let mut name = String::new();
        while let Some(character) = rest.next() {
            match character {
                '"' if is_quoted && rest.next_if_eq(&'"').is_none() => break,
                ',' if !is_quoted => break,
                _ => name.push(character),
            }
        }
        names.push(name);
        while rest.next_if(|c| matches!(c, ',' | ' ')).is_some() {}
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use SettingSpan::{Session, Transaction};

    fn set(value: &str, span: SettingSpan) -> Effect {
        Effect::Set { setting: Setting::SearchPath, value: Some(value.to_owned()), span }
    }

    #[test]
    fn a_list_of_names_reads_back_as_it_was_written() {
        let names = ["$user", "public", "a b", "q\"q", "x, y", ""];
        assert_eq!(split_names(&join_names(names)), names);
        assert_eq!(ClientSettings::default().search_path, ["$user", "public"]);
    }

    #[test]
    fn a_reset_goes_back_to_what_the_client_asked_for_when_it_connected() {
        let mut settings = ClientSettings::default();
        assert_eq!(settings.restoring(), None);
        settings.apply(&set("a", Session));
        settings.begin(["SET \"TimeZone\" TO 'UTC'", "SET \"TimeZone\" TO 'CET'"]);
        settings.apply(&set("b", Session));
        settings.apply(&Effect::ResetAll);
        assert_eq!(settings.shown(Setting::SearchPath), "a");
        assert_eq!(settings.restoring().unwrap(), "SET \"TimeZone\" TO 'CET'");
        assert_eq!(settings.default_of("TimeZone"), "'CET'");
        assert_eq!(settings.default_of("DateStyle"), "DEFAULT");
    }

    #[test]
    fn only_what_a_text_can_mean_tells_settings_apart() {
        let before = ClientSettings::default();
        let after = |effects: &[Effect]| {
            let mut settings = before.clone();
            for effect in effects {
                settings.apply(effect);
            }
            settings
        };
        let savepoint = || Effect::Savepoint("s".to_owned());
        assert!(before.mean_the_same(&after(&[Effect::Begin, savepoint()])));
        assert!(!before.mean_the_same(&after(&[set("a", Session)])));
        assert!(!before.mean_the_same(&after(&[Effect::Begin, set("a", Transaction)])));
        let full: Vec<Effect> = (0..=SAVEPOINTS_MAX).map(|_| savepoint()).collect();
        assert!(!before.mean_the_same(&after(&full)));
        let mut begun = before.clone();
        begun.begin(["SET \"TimeZone\" TO 'UTC'"]);
        assert!(!before.mean_the_same(&begun));
    }

    #[test]
    fn a_setting_ends_with_what_it_was_set_in() {
        use Effect::{Begin, Commit, DiscardAll, ResetAll, Rollback};
        let save = |name: &str| Effect::Savepoint(name.to_owned());
        let back = |name: &str| Effect::RollbackTo(name.to_owned());
        let release = |name: &str| Effect::Release(name.to_owned());
        #[rustfmt::skip]
        let cases = [
            (vec![set("a", Session)],                                                   "a"),
            (vec![set("a", Transaction)],                                               "\"$user\", public"),
            (vec![Begin, set("a", Session), Rollback],                                  "\"$user\", public"),
            (vec![Begin, set("a", Session), Commit],                                    "a"),
            (vec![Begin, set("a", Transaction)],                                        "a"),
            (vec![Begin, set("a", Transaction), Commit],                                "\"$user\", public"),
            (vec![Begin, set("b", Session), set("a", Transaction), Commit],             "b"),
            (vec![Begin, set("a", Session), save("s"), set("b", Session), back("s")],   "a"),
            (vec![Begin, save("s"), set("b", Session), release("s"), Rollback],         "\"$user\", public"),
            (vec![Begin, save("s"), set("b", Session), release("s"), Commit],           "b"),
            (vec![Begin, save("s"), save("s"), set("b", Session), back("s"), back("t")], "\"$user\", public"),
            (vec![Rollback, Commit, back("s")],                                         "\"$user\", public"),
            (vec![set("a", Session), ResetAll],                                         "\"$user\", public"),
            (vec![set("a", Session), Begin, set("b", Transaction), ResetAll],           "\"$user\", public"),
            (vec![set("a", Session), Begin, ResetAll, Rollback],                        "a"),
            (vec![set("a", Session), DiscardAll],                                       "\"$user\", public"),
        ];
        for (effects, expected) in cases {
            let mut settings = ClientSettings::default();
            for effect in &effects {
                settings.apply(effect);
            }
            assert_eq!(settings.shown(Setting::SearchPath), expected, "{effects:?}");
        }
    }
}
