//! SET, RESET and SHOW of the harmless settings that drivers send.
//!
//! The gateway keeps some settings itself: the target then gets a SET that changes nothing, so
//! that its answer has the right form. Others the target must know, because they change how
//! values look; they are forwarded with a validated value. All else is refused.

use pg_query::NodeEnum;
use pg_query::protobuf::{
    AConst, Integer, VariableSetKind, VariableSetStmt, VariableShowStmt, a_const,
};

use crate::settings::{self, ClientSettings, Setting};
use crate::value::{Kind, is_allowed};
use crate::{Effect, Refusal, Request, SettingSpan, transaction};

/// What changes nothing on the pinned target session.
pub(crate) const NOTHING: &str = "SET client_encoding TO 'UTF8'";

const READ_WRITE: &str = "READ WRITE";

/// What SET, RESET or SHOW does.
pub(crate) struct Variable {
    pub(crate) forward: String,
    pub(crate) effect: Effect,
    /// For SHOW: the setting's name, which is the column's.
    pub(crate) shows: Option<String>,
    pub(crate) tag: Option<String>,
}

/// A setting that clients may see, and how they may change it.
pub(crate) struct Rule {
    pub(crate) name: &'static str,
    pub(crate) change: Change,
}

pub(crate) enum Change {
    /// The gateway keeps it.
    Kept(Setting),
    /// The target gets it, if the value is of this kind.
    Forwarded(Kind),
    /// It may only be set to what it is.
    Pinned(&'static str),
    /// It may only be read.
    ReadOnly,
    /// The gateway answers with the identity's name.
    Identity,
    /// The gateway answers with these words.
    Answer(&'static str),
}

/// The names are spelled as SHOW prints them.
#[rustfmt::skip]
const RULES: [Rule; 41] = [
    Rule { name: "application_name",              change: Change::Kept(Setting::ApplicationName) },
    Rule { name: "search_path",                   change: Change::Kept(Setting::SearchPath) },
    Rule { name: "TimeZone",                      change: Change::Forwarded(Kind::TimeZone) },
    Rule { name: "DateStyle",                     change: Change::Forwarded(Kind::IsoDateStyle) },
    Rule { name: "IntervalStyle",                 change: Change::Forwarded(Kind::OneOf(&["postgres", "postgres_verbose", "sql_standard", "iso_8601"])) },
    Rule { name: "extra_float_digits",            change: Change::Forwarded(Kind::Integer(-15, 3)) },
    Rule { name: "bytea_output",                  change: Change::Pinned("hex") },
    Rule { name: "jit",                           change: Change::Forwarded(Kind::Boolean) },
    Rule { name: "statement_timeout",             change: Change::Forwarded(Kind::Timeout) },
    Rule { name: "lock_timeout",                  change: Change::Forwarded(Kind::Timeout) },
    Rule { name: "idle_in_transaction_session_timeout", change: Change::Forwarded(Kind::Timeout) },
    Rule { name: "transaction_timeout",           change: Change::Forwarded(Kind::Timeout) },
    Rule { name: "synchronous_commit",            change: Change::Forwarded(Kind::OneOf(&["on", "off", "local", "remote_write", "remote_apply"])) },
    Rule { name: "synchronize_seqscans",          change: Change::Forwarded(Kind::Boolean) },
    Rule { name: "xmloption",                     change: Change::Pinned("content") },
    Rule { name: "client_min_messages",           change: Change::Forwarded(Kind::OneOf(&["notice", "warning", "error"])) },
    Rule { name: "default_transaction_isolation", change: Change::Forwarded(Kind::OneOf(&["serializable", "repeatable read", "read committed", "read uncommitted"])) },
    Rule { name: "default_transaction_read_only", change: Change::Forwarded(Kind::OneOf(&["on", "true", "yes", "1"])) },
    Rule { name: "default_transaction_deferrable", change: Change::Forwarded(Kind::Boolean) },
    Rule { name: "transaction_isolation",         change: Change::Forwarded(Kind::OneOf(&["serializable", "repeatable read", "read committed", "read uncommitted"])) },
    Rule { name: "transaction_read_only",         change: Change::Forwarded(Kind::Boolean) },
    Rule { name: "transaction_deferrable",        change: Change::Forwarded(Kind::Boolean) },
    Rule { name: "client_encoding",               change: Change::Pinned("utf8") },
    Rule { name: "standard_conforming_strings",   change: Change::Pinned("on") },
    Rule { name: "escape_string_warning",         change: Change::Pinned("on") },
    Rule { name: "array_nulls",                   change: Change::Pinned("on") },
    Rule { name: "backslash_quote",               change: Change::Pinned("safe_encoding") },
    Rule { name: "server_version",                change: Change::ReadOnly },
    Rule { name: "server_version_num",            change: Change::ReadOnly },
    Rule { name: "server_encoding",               change: Change::ReadOnly },
    Rule { name: "integer_datetimes",             change: Change::ReadOnly },
    Rule { name: "max_identifier_length",         change: Change::ReadOnly },
    Rule { name: "max_index_keys",                change: Change::ReadOnly },
    Rule { name: "in_hot_standby",                change: Change::ReadOnly },
    Rule { name: "lc_collate",                    change: Change::ReadOnly },
    Rule { name: "lc_ctype",                      change: Change::ReadOnly },
    Rule { name: "default_table_access_method",   change: Change::ReadOnly },
    Rule { name: "session_authorization",         change: Change::Identity },
    Rule { name: "role",                          change: Change::Answer("none") },
    Rule { name: "is_superuser",                  change: Change::Answer("off") },
    // Off, PostgreSQL refuses to read where a policy would hide rows; it hides them on.
    Rule { name: "row_security",                  change: Change::Forwarded(Kind::Boolean) },
];

/// The settings that a client may see, as `pg_settings` spells them.
pub(crate) fn shown_names() -> impl Iterator<Item = &'static str> {
    let is_real = |rule: &&Rule| match rule.change {
        Change::Kept(_) | Change::Forwarded(_) | Change::Pinned(_) | Change::ReadOnly => true,
        Change::Identity | Change::Answer(_) => false,
    };
    RULES.iter().filter(is_real).map(|rule| rule.name)
}

/// The target's name of a setting that is on or off and that clients may set.
///
/// # Errors
///
/// [`Refusal`] for any other.
pub(crate) fn switch(name: &str) -> Result<&'static str, Refusal> {
    let rule = rule(name)?;
    match &rule.change {
        Change::Forwarded(Kind::Boolean) if rule.name == "jit" => Ok(rule.name),
        Change::Forwarded(_)
        | Change::Kept(_)
        | Change::Pinned(_)
        | Change::ReadOnly
        | Change::Identity
        | Change::Answer(_) => Err(Refusal::setting_value(rule.name)),
    }
}

/// All settings that a client may see.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    RULES.iter().map(|rule| rule.name)
}

pub(crate) fn rule(name: &str) -> Result<&'static Rule, Refusal> {
    let known = RULES.iter().find(|rule| rule.name.eq_ignore_ascii_case(name));
    known.ok_or_else(|| Refusal::setting(name))
}

/// How a statement reads a setting.
pub(crate) enum Reading {
    /// The target knows it, by this name.
    Target(&'static str),
    /// It is this.
    Known(String),
}

/// How `current_setting` and SHOW read a setting.
///
/// # Errors
///
/// [`Refusal`] if clients may not see it.
pub(crate) fn reading(
    name: &str,
    settings: &ClientSettings,
    identity: &str,
) -> Result<(&'static str, Reading), Refusal> {
    let rule = rule(name)?;
    let reading = match &rule.change {
        Change::Kept(setting) => Reading::Known(settings.shown(*setting).to_owned()),
        Change::Identity => Reading::Known(identity.to_owned()),
        Change::Answer(words) => Reading::Known((*words).to_owned()),
        Change::Forwarded(_) | Change::Pinned(_) | Change::ReadOnly => Reading::Target(rule.name),
    };
    Ok((rule.name, reading))
}

/// The target's name of a setting that `set_config` may give this value in the middle of a
/// statement: one that the target keeps.
///
/// # Errors
///
/// [`Refusal`] for any other.
pub(crate) fn settable(name: &str, value: &str) -> Result<&'static str, Refusal> {
    let rule = rule(name)?;
    match &rule.change {
        Change::Forwarded(kind) if is_allowed(kind, value) => Ok(rule.name),
        Change::Forwarded(_) => Err(Refusal::setting_value(rule.name)),
        Change::Kept(_) => Err(Refusal::setting(rule.name).with_hint("Use SET.")),
        Change::Pinned(_) | Change::ReadOnly | Change::Identity | Change::Answer(_) => {
            Err(Refusal::setting(rule.name))
        }
    }
}

/// Checks SHOW.
pub(crate) fn show(
    statement: &VariableShowStmt,
    request: &Request<'_>,
) -> Result<Variable, Refusal> {
    let VariableShowStmt { name } = statement;
    let (name, reading) = reading(name, request.settings, request.identity.as_str())?;
    let forward = match reading {
        Reading::Known(value) => {
            let value = value.replace('\'', "''");
            format!("SELECT '{value}'::pg_catalog.text AS \"{name}\"")
        }
        Reading::Target(name) => format!("SHOW \"{name}\""),
    };
    Ok(Variable {
        forward,
        effect: Effect::None,
        shows: Some(name.to_owned()),
        tag: Some("SHOW".to_owned()),
    })
}

/// Checks SET and RESET.
pub(crate) fn set(
    statement: VariableSetStmt,
    client: &ClientSettings,
) -> Result<Variable, Refusal> {
    let VariableSetStmt { kind, name, args, jumble_args: _, is_local, location: _ } = statement;
    match VariableSetKind::try_from(kind) {
        Ok(VariableSetKind::VarSetValue) => {
            let values = args.iter().map(|arg| arg.node.as_ref().and_then(value));
            let values: Option<Vec<String>> = values.collect();
            let values = values.ok_or_else(|| Refusal::setting_value(&name))?;
            changed(rule(&name)?, Some(&values), is_local, client)
        }
        Ok(VariableSetKind::VarSetDefault) => match rule(&name)? {
            // Nobody can have become another one, so this is what it is already. Pools send it.
            Rule { change: Change::Identity, .. } => Ok(plain(NOTHING.to_owned())),
            other => changed(other, None, is_local, client),
        },
        Ok(VariableSetKind::VarReset) => {
            let tag = Some("RESET".to_owned());
            Ok(Variable { tag, ..changed(rule(&name)?, None, is_local, client)? })
        }
        Ok(VariableSetKind::VarSetMulti) => {
            let words = match name.as_str() {
                "TRANSACTION" => "SET TRANSACTION",
                "SESSION CHARACTERISTICS" => "SET SESSION CHARACTERISTICS AS TRANSACTION",
                _ => return Err(Refusal::setting(&name)),
            };
            let options: Result<Vec<_>, _> = args.into_iter().map(transaction::option).collect();
            let options: Vec<String> = options?.iter().filter_map(option_words).collect();
            // A session that was opened read-only stays so; a transaction may still ask.
            if name == "SESSION CHARACTERISTICS" && options.iter().any(|o| o == READ_WRITE) {
                return Err(Refusal::setting_value("default_transaction_read_only"));
            }
            let options = options.join(", ");
            Ok(plain(format!("{words} {options}")))
        }
        Ok(VariableSetKind::VarResetAll) => {
            Ok(Variable { effect: Effect::ResetAll, ..plain("RESET ALL".to_owned()) })
        }
        Ok(VariableSetKind::VarSetCurrent | VariableSetKind::Undefined) | Err(_) => {
            Err(Refusal::later("not_supported_set", "this form of SET"))
        }
    }
}

/// `None` is the default.
pub(crate) fn changed(
    rule: &Rule,
    values: Option<&[String]>,
    is_local: bool,
    client: &ClientSettings,
) -> Result<Variable, Refusal> {
    let refused = || Refusal::setting_value(rule.name);
    let single = || match values {
        None => Ok(None),
        Some([value]) => Ok(Some(value.as_str())),
        Some(_) => Err(refused()),
    };
    match &rule.change {
        Change::Kept(setting) => {
            let value = match setting {
                Setting::ApplicationName => single()?.map(plain_ascii),
                Setting::SearchPath => values.map(search_path).transpose()?,
            };
            let span = if is_local { SettingSpan::Transaction } else { SettingSpan::Session };
            let effect = Effect::Set { setting: *setting, value, span };
            Ok(Variable { effect, ..plain(NOTHING.to_owned()) })
        }
        Change::Forwarded(kind) => {
            let words = if is_local { "SET LOCAL" } else { "SET" };
            let name = rule.name;
            let joined = values.map(|values| values.join(", "));
            match joined {
                None => Ok(plain(format!("{words} \"{name}\" TO {}", client.default_of(name)))),
                // Zero turns a timeout off; the gateway's own then holds.
                Some(zero) if zero == "0" && matches!(kind, Kind::Timeout) => {
                    Ok(plain(format!("{words} \"{name}\" TO DEFAULT")))
                }
                Some(value) if is_allowed(kind, &value) => {
                    Ok(plain(format!("{words} \"{name}\" TO '{value}'")))
                }
                Some(_) => Err(refused()),
            }
        }
        Change::Pinned(pinned) => match single()? {
            None => Ok(plain(NOTHING.to_owned())),
            Some(value) if is_pinned(pinned, value) => Ok(plain(NOTHING.to_owned())),
            Some(_) => Err(refused()),
        },
        Change::ReadOnly | Change::Identity | Change::Answer(_) => Err(Refusal::setting(rule.name)),
    }
}

fn plain(forward: String) -> Variable {
    Variable { forward, effect: Effect::None, shows: None, tag: None }
}

/// `'UTF-8'`, `unicode` and `utf8` are one encoding; `true`, `1` and `on` one truth.
///
/// Source: `clean_encoding_name` in PostgreSQL's `encnames.c` for the encoding.
pub(crate) fn is_pinned(pinned: &str, value: &str) -> bool {
    let value = value.to_ascii_lowercase();
    match pinned {
        "utf8" => {
            let letters = value.chars().filter(char::is_ascii_alphanumeric);
            matches!(letters.collect::<String>().as_str(), "utf8" | "unicode")
        }
        "on" => matches!(value.as_str(), "on" | "true" | "yes" | "1"),
        _ => value == pinned,
    }
}

/// As PostgreSQL stores an application's name: printable ASCII, at most 63 bytes.
fn plain_ascii(value: &str) -> String {
    let shown = |c: char| if matches!(c, ' '..='~') { c } else { '?' };
    value.chars().map(shown).take(63).collect()
}

/// Most schemas of a search path, and the longest name (`NAMEDATALEN`).
const SEARCH_PATH_MAX: usize = 32;
const NAME_BYTES_MAX: usize = 63;

fn search_path(values: &[String]) -> Result<String, Refusal> {
    let is_long = |name: &String| name.len() > NAME_BYTES_MAX;
    if values.len() > SEARCH_PATH_MAX || values.iter().any(is_long) {
        return Err(Refusal::setting_value("search_path"));
    }
    Ok(settings::join_names(values.iter().map(String::as_str)))
}

/// A constant's text; nothing for anything else.
#[expect(clippy::wildcard_enum_match_arm, reason = "only constants are values of a setting")]
fn value(node: &NodeEnum) -> Option<String> {
    match node {
        NodeEnum::AConst(AConst { isnull: false, location: _, val }) => match val.as_ref()? {
            a_const::Val::Ival(Integer { ival }) => Some(ival.to_string()),
            a_const::Val::Fval(number) => Some(number.fval.clone()),
            a_const::Val::Boolval(truth) => {
                Some(if truth.boolval { "on" } else { "off" }.to_owned())
            }
            a_const::Val::Sval(text) => Some(text.sval.clone()),
            a_const::Val::Bsval(_) => None,
        },
        _ => None,
    }
}

/// The words of a checked option of a transaction.
fn option_words(option: &pg_query::Node) -> Option<String> {
    let Some(NodeEnum::DefElem(option)) = &option.node else { return None };
    let value = value(option.arg.as_deref()?.node.as_ref()?)?;
    match (option.defname.as_str(), value.as_str()) {
        ("transaction_isolation", level) => {
            Some(format!("ISOLATION LEVEL {}", level.to_ascii_uppercase()))
        }
        ("transaction_read_only", "0") => Some(READ_WRITE.to_owned()),
        ("transaction_read_only", _) => Some("READ ONLY".to_owned()),
        ("transaction_deferrable", "0") => Some("NOT DEFERRABLE".to_owned()),
        ("transaction_deferrable", _) => Some("DEFERRABLE".to_owned()),
        _ => None,
    }
}
