//! From a proved identity to a session: the target exists, a grant is live, the client's settings
//! are harmless, and the gateway's own connection stands.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use ledger::Payload;
use model::{AccessEvent, AccessRecord, SessionId, Timestamp};
use pgwire::pipeline::ReplyQueue;
use pgwire::{StartupParameters, TransactionStatus, write};
use sql::{ClientSettings, Effect};
use tokio::time::Instant;

use crate::asker::Asker;
use crate::authority::Watch;
use crate::cancel::Registration;
use crate::clock;
use crate::directory::OpenSession;
use crate::gate::Gate;
use crate::greeting::{LoggedIn, Turned, target_of};
use crate::identified::Who;
use crate::judge::{Plans, Scene};
use crate::prepared::Prepared;
use crate::session::{Batch, Session, Side};
use crate::status;
use crate::target::{Connected, Target};
use crate::wire::Refused;

/// How every session is protected until targets can have a fence.
pub(crate) const MODE: &str = "mask-only";
/// Characters of a client's `application_name` that are kept.
const APPLICATION_CHARS_MAX: usize = 63;

/// Settings by name.
type Pairs = Vec<(String, String)>;

/// Makes a session of a client that logged in, and records that it opened.
pub(crate) async fn admit(gate: &Arc<Gate>, client: LoggedIn) -> Result<Session, Turned> {
    let now = clock::now();
    let target = match find_target(gate, &client, now) {
        Ok(target) => target,
        Err((reason, error)) => return Err(refuse(client, reason, error)),
    };
    let session = SessionId::from_random(crypto::random_u64());
    let mut connected = match target.connect(&format!("countersign {session}")).await {
        Ok(connected) => connected,
        Err(error) => {
            tracing::error!(target = %target.name, %error, "no connection to the target");
            let message = "the gateway cannot reach the target: tell its operator, or try again";
            return Err(refuse(client, "target_unreachable", Refused::new("08001", message)));
        }
    };
    let who = Who {
        session,
        identity: client.identified.identity.clone(),
        credential: client.identified.credential,
    };
    let settings = match apply_startup(gate, &who, &target, &client.startup, &mut connected).await {
        Ok(settings) => settings,
        Err((reason, error)) => return Err(refuse(client, reason, error)),
    };
    let event = AccessEvent::SessionOpened {
        session: who.session,
        identity: who.identity.clone(),
        target: target.name.clone(),
        peer: client.peer.to_string(),
        tls: client.stream.is_tls(),
        mode: MODE.to_owned(),
        application: settings.application_name.clone(),
        control_size: gate.registry().size(),
    };
    let record = AccessRecord { at: now, event };
    if let Err(error) = gate.journal.record(record, Payload::new()).await {
        tracing::error!(%error, "a session cannot be recorded, so it is refused");
        let message = "the audit record cannot be written, so no session may open: tell the gateway's operator";
        return Err(refuse(client, "record_failed", Refused::new("58030", message)));
    }
    let admitted = Admitted { who, target, client, connected, settings, at: now };
    Ok(admitted.into_session(gate))
}

fn find_target(
    gate: &Gate,
    client: &LoggedIn,
    now: Timestamp,
) -> Result<Arc<Target>, (&'static str, Refused)> {
    let registry = gate.registry();
    let name = target_of(&client.startup);
    let target = name.as_ref().and_then(|name| gate.targets.get(name));
    let has_grant = name.as_ref().is_some_and(|name| {
        registry.live_grants(&client.identified.identity, name, now).next().is_some()
    });
    match target {
        // One answer for both: who has no grant does not learn which targets there are.
        Some(target) if has_grant => Ok(Arc::clone(target)),
        Some(_) => Err(("no_live_grant", no_grant())),
        None => Err(("unknown_target", no_grant())),
    }
}

fn no_grant() -> Refused {
    let hint = "The database name is the target's name. Ask for a grant, or for a longer one.";
    let message = "no live grant for this identity on a target of this name";
    Refused { hint: Some(hint.to_owned()), ..Refused::new("42501", message) }
}

/// Takes the client's startup settings as if it had sent SET for each: what is not harmless is
/// refused, and the rest is set by texts that the gateway wrote.
async fn apply_startup(
    gate: &Gate,
    who: &Who,
    target: &Target,
    startup: &StartupParameters,
    connected: &mut Connected,
) -> Result<ClientSettings, (&'static str, Refused)> {
    let application = startup.settings.get("application_name").map_or("", String::as_str);
    let application: String = application.chars().take(APPLICATION_CHARS_MAX).collect();
    let mut settings = ClientSettings::at_start(&application);
    let mut plans = Plans::default();
    for (name, value) in asked_for(startup).map_err(|error| ("startup_option", error))? {
        let text = format!("SET {} TO {}", quote(&name, '"'), quote(&value, '\''));
        let plan = match plans.plan(Scene { gate, who, target }, &settings, &text).await {
            Ok(planned) => planned.plan,
            Err(error) => {
                let message = format!("startup setting \"{name}\" is not accepted: {error}");
                return Err(("startup_setting", Refused::new("42501", message)));
            }
        };
        if let Effect::Set { .. } = plan.effect {
            settings.apply(&plan.effect);
            continue;
        }
        match Asker::over(connected).ask(&plan.forward).await {
            Ok(_no_rows) => {}
            Err(error) => {
                tracing::warn!(%error, "a startup setting was refused by the target");
                let message = format!("startup setting \"{name}\" is not accepted by the target");
                return Err(("startup_setting", Refused::new("22023", message)));
            }
        }
    }
    Ok(settings)
}

/// The settings that a `StartupMessage` asks for, those in `options` included.
fn asked_for(startup: &StartupParameters) -> Result<Pairs, Refused> {
    let mut asked = Vec::new();
    for (name, value) in &startup.settings {
        match name.as_str() {
            "application_name" => {}
            "options" => asked.extend(options(value)?),
            _ => asked.push((name.clone(), value.clone())),
        }
    }
    Ok(asked)
}

/// Reads `-c name=value` and `--name=value` (PostgreSQL manual, "Connection parameters", options).
fn options(text: &str) -> Result<Pairs, Refused> {
    let error = || {
        Refused::new("42501", "only -c name=value and --name=value are accepted in startup options")
    };
    let mut settings = Vec::new();
    let words = split_options(text);
    let mut words = words.iter().map(String::as_str);
    while let Some(word) = words.next() {
        let setting = match (word, word.strip_prefix("--"), word.strip_prefix("-c")) {
            ("-c", _, _) => words.next().ok_or_else(error)?,
            (_, Some(setting), _) | (_, None, Some(setting)) => setting,
            (_, None, None) => return Err(error()),
        };
        let (name, value) = setting.split_once('=').ok_or_else(error)?;
        settings.push((name.replace('-', "_").to_ascii_lowercase(), value.to_owned()));
    }
    Ok(settings)
}

/// Splits at spaces; a backslash keeps the next character.
fn split_options(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match (character, words.last_mut()) {
            ('\\', Some(word)) => word.extend(characters.next()),
            (' ' | '\t' | '\n', _) => words.push(String::new()),
            (other, Some(word)) => word.push(other),
            (_, None) => {}
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

fn quote(text: &str, mark: char) -> String {
    let mut quoted = String::from(mark);
    for character in text.chars() {
        if character == mark {
            quoted.push(mark);
        }
        quoted.push(character);
    }
    quoted.push(mark);
    quoted
}

/// All that a session begins with.
struct Admitted {
    who: Who,
    target: Arc<Target>,
    client: LoggedIn,
    connected: Connected,
    settings: ClientSettings,
    at: Timestamp,
}

impl Admitted {
    fn into_session(self, gate: &Arc<Gate>) -> Session {
        let entry = gate.directory.enter(OpenSession {
            session: self.who.session,
            identity: self.who.identity.clone(),
            target: self.target.name.clone(),
            peer: self.client.peer.to_string(),
            tls: self.client.stream.is_tls(),
            application: self.settings.application_name.clone(),
            opened_at: self.at,
            commands: 0,
            denied: 0,
            rows: 0,
        });
        let cancel = gate.cancel.register(crypto::random());
        let welcome = self.welcome(&cancel);
        let mut session = Session {
            gate: Arc::clone(gate),
            watch: Watch::new(gate.registry.clone()),
            who: self.who,
            target: self.target,
            client: Side::new(self.client.stream, self.client.decoder),
            server: Side::new(self.connected.stream, self.connected.decoder),
            link: self.connected.link,
            cancel,
            entry,
            settings: self.settings,
            status: TransactionStatus::Idle,
            batch: Batch::default(),
            prepared: Prepared::default(),
            plans: Plans::default(),
            replies: ReplyQueue::new(),
            outgoing: Vec::new(),
            holds: Vec::new(),
            sequence: 0,
            cut: None,
            transaction_grants: BTreeMap::new(),
            row_bytes_owed: 0,
            commands_running: 0,
            running_since: None,
            last_activity: Instant::now(),
            client_stalled_since: None,
        };
        session.answer_client(welcome);
        session
    }

    /// The end of the log-in: the settings that drivers expect, the cancel key, ready.
    fn welcome(&self, cancel: &Registration) -> Bytes {
        let mut welcome = self.client.welcome.clone();
        let search_path = self.settings.search_path.join(", ");
        let told = status::at_login(
            &self.connected.parameters,
            self.who.identity.as_str(),
            &self.settings.application_name,
            &search_path,
        );
        for (name, value) in told {
            if write::parameter_status(&mut welcome, &name, &value).is_err() {
                tracing::warn!(name, "a setting cannot be told to the client");
            }
        }
        if write::backend_key_data(&mut welcome, cancel.process, &cancel.key).is_err() {
            tracing::warn!("a cancel key cannot be told to the client");
        }
        write::ready_for_query(&mut welcome, TransactionStatus::Idle);
        welcome.freeze()
    }
}

fn refuse(client: LoggedIn, reason: &'static str, error: Refused) -> Turned {
    let LoggedIn { stream, identified, startup, .. } = client;
    Turned::Refused {
        stream: Some(Box::new(stream)),
        claimed: Some(identified.identity),
        target: target_of(&startup),
        reason,
        error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn startup_options_are_read_as_postgresql_reads_them() {
        let read = |text| options(text).map_err(|error| error.message);
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(read("-c search_path=billing"), Ok(vec![pair("search_path", "billing")]));
        assert_eq!(
            read("-csearch_path=a\\ b --TimeZone=UTC"),
            Ok(vec![pair("search_path", "a b"), pair("timezone", "UTC")])
        );
        assert_eq!(read("  "), Ok(vec![]));
        for wrong in ["-c", "-c x", "search_path=x", "-d 5", "-cx"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_quoted_text_cannot_end_early() {
        assert_eq!(quote("a'b", '\''), "'a''b'");
        assert_eq!(quote("a\"b", '"'), "\"a\"\"b\"");
    }
}
