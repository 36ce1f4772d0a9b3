//! Settings that a server reports (PostgreSQL manual, "Asynchronous Operations"): which the client
//! sees as the target says them, which as the gateway says them, which may never change.

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
    application_name: &str,
    search_path: &str,
) -> Vec<(String, String)> {
    let own = |name: &str| match name {
        "application_name" => Some(application_name),
        "session_authorization" => Some(identity),
        "is_superuser" => Some("off"),
        "search_path" => Some(search_path),
        _ => None,
    };
    of_target
        .iter()
        .filter(|(name, _)| SHOWN.contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), own(name).unwrap_or(value).to_owned()))
        .collect()
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
        let told = at_login(&reported, "agent", "tool", "public");
        assert!(told.contains(&("session_authorization".to_owned(), "agent".to_owned())));
        assert!(told.contains(&("is_superuser".to_owned(), "off".to_owned())));
        assert!(told.contains(&("server_version".to_owned(), "15.1".to_owned())));
    }
}
