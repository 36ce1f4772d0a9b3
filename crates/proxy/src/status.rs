//! Settings that a server reports (PostgreSQL manual, "Asynchronous Operations"): which the client
//! sees as the target says them, which as the gateway says them, which may never change.

use sql::{ClientSettings, Setting};

/// What to do with a `ParameterStatus` of the target after log-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Drift {
    /// The client may change it, so the client sees the change.
    Pass,
    /// The client sees the gateway's own value.
    Keep,
    /// It is pinned: names or literals would mean something else now.
    Break,
}

/// Judges a setting that the target reports after log-in.
pub(crate) fn of_target(name: &str, value: &str) -> Drift {
    match name {
        "TimeZone" | "IntervalStyle" | "default_transaction_read_only" | "in_hot_standby" => {
            Drift::Pass
        }
        "DateStyle" if value.starts_with("ISO") => Drift::Pass,
        "client_encoding" if value == "UTF8" => Drift::Keep,
        "standard_conforming_strings" if value == "on" => Drift::Keep,
        "search_path" if value == "pg_catalog" => Drift::Keep,
        "client_encoding"
        | "standard_conforming_strings"
        | "search_path"
        | "DateStyle"
        | "session_authorization"
        | "is_superuser"
        | "server_encoding" => Drift::Break,
        // application_name is the gateway's; others nobody needs to know.
        _ => Drift::Keep,
    }
}

/// The settings that a client is told at log-in, from those that the target reported.
pub(crate) fn at_login(
    of_target: &[(String, String)],
    identity: &str,
    settings: &ClientSettings,
) -> Vec<(String, String)> {
    let own = |name: &str| match name {
        "application_name" => Some(settings.shown(Setting::ApplicationName)),
        "session_authorization" => Some(identity),
        "is_superuser" => Some("off"),
        "search_path" => Some(settings.shown(Setting::SearchPath)),
        _ => None,
    };
    of_target
        .iter()
        .filter(|(name, _)| SHOWN.contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), own(name).unwrap_or(value).to_owned()))
        .collect()
}

/// Settings that the gateway keeps, as the client was last told.
#[derive(Debug)]
pub(crate) struct Told {
    application_name: String,
    /// Nothing where the target is too old to report it.
    search_path: Option<String>,
}

impl Told {
    /// What the log-in tells.
    pub(crate) fn new(of_target: &[(String, String)], settings: &ClientSettings) -> Self {
        let is_reported = of_target.iter().any(|(name, _)| name == "search_path");
        Self {
            application_name: settings.shown(Setting::ApplicationName).to_owned(),
            search_path: is_reported.then(|| settings.shown(Setting::SearchPath).to_owned()),
        }
    }

    /// What has changed since.
    pub(crate) fn changes(&mut self, settings: &ClientSettings) -> Vec<(&'static str, String)> {
        let mut changes = Vec::new();
        let mut compare = |told: &mut String, name, setting| {
            let shown = settings.shown(setting);
            if told != shown {
                shown.clone_into(told);
                changes.push((name, shown.to_owned()));
            }
        };
        compare(&mut self.application_name, "application_name", Setting::ApplicationName);
        if let Some(told) = &mut self.search_path {
            compare(told, "search_path", Setting::SearchPath);
        }
        changes
    }
}

/// What drivers expect to be told.
const SHOWN: &[&str] = &[
    "application_name",
    "client_encoding",
    "DateStyle",
    "default_transaction_read_only",
    "in_hot_standby",
    "integer_datetimes",
    "IntervalStyle",
    "is_superuser",
    "scram_iterations",
    "search_path",
    "server_encoding",
    "server_version",
    "session_authorization",
    "standard_conforming_strings",
    "TimeZone",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pinned_setting_may_not_drift() {
        assert_eq!(of_target("search_path", "pg_catalog"), Drift::Keep);
        assert_eq!(of_target("search_path", "billing"), Drift::Break);
        assert_eq!(of_target("standard_conforming_strings", "off"), Drift::Break);
        assert_eq!(of_target("client_encoding", "SJIS"), Drift::Break);
        assert_eq!(of_target("TimeZone", "UTC"), Drift::Pass);
    }

    #[test]
    fn the_client_never_learns_the_account_on_the_target() {
        let reported =
            [("session_authorization", "svc"), ("is_superuser", "on"), ("server_version", "15.1")];
        let reported = reported.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let told = at_login(&reported, "agent", &ClientSettings::at_start("tool"));
        assert!(told.contains(&("session_authorization".to_owned(), "agent".to_owned())));
        assert!(told.contains(&("is_superuser".to_owned(), "off".to_owned())));
        assert!(told.contains(&("server_version".to_owned(), "15.1".to_owned())));
    }

    #[test]
    fn a_change_of_the_search_path_is_told_where_the_target_reports_it() {
        let reported = [("search_path".to_owned(), "pg_catalog".to_owned())];
        let mut settings = ClientSettings::at_start("tool");
        let (mut new, mut old) = (Told::new(&reported, &settings), Told::new(&[], &settings));
        assert_eq!(at_login(&reported, "agent", &settings)[0].1, "\"$user\", public");
        let value = Some("billing".to_owned());
        let (setting, span) = (Setting::SearchPath, sql::SettingSpan::Session);
        settings.apply(&sql::Effect::Set { setting, value, span });
        assert_eq!(new.changes(&settings), [("search_path", "billing".to_owned())]);
        assert_eq!(new.changes(&settings), []);
        assert_eq!(old.changes(&settings), []);
    }
}
