//! The settings that a client asks for when it connects.
//!
//! Each is taken as if the client had sent SET: what is not harmless is refused, and what the target
//! must know is a command like any other, judged, recorded and then run.

use std::sync::Arc;

use journal::{JournalError, Outcome};
use model::{Command, CommandRef, FinishedResult, Protocol};
use pgwire::StartupParameters;
use sql::{ClientSettings, Effect};
use tokio::time::timeout;

use crate::asker::Asker;
use crate::clock;
use crate::judge::{self, Planned, Plans, Scene};
use crate::planning::ANALYSIS_MAX;
use crate::session::RECORD_FAILED;
use crate::target::Connected;
use crate::wire::Refused;

/// Settings by name.
type Pairs = Vec<(String, String)>;

/// A code for the record and words for the client.
type Refusal = (&'static str, Refused);

/// A session that is not open to its client yet.
pub(crate) struct Starting<'a> {
    pub(crate) scene: Scene<'a>,
    pub(crate) settings: ClientSettings,
    /// The last command's number.
    pub(crate) sequence: u64,
}

impl Starting<'_> {
    /// Applies what the client asks for, in order, until something is refused.
    pub(crate) async fn apply(
        &mut self,
        startup: &StartupParameters,
        connected: &mut Connected,
    ) -> Result<(), Refusal> {
        let mut plans = Plans::default();
        // RESET ALL goes back to the label of a connection without a session.
        let label = format!("SET application_name TO 'countersign {}'", self.scene.who.session);
        let mut forwarded: Vec<Arc<str>> = vec![label.into()];
        for (name, value) in asked_for(startup).map_err(|error| ("startup_option", error))? {
            let text = format!("SET {} TO {}", quote(&name, '"'), quote(&value, '\''));
            let planning = plans.plan(self.scene, &self.settings, &text);
            let Ok(planned) = timeout(ANALYSIS_MAX, planning).await else {
                return Err((
                    "not_analysed_in_time",
                    Refused::new("57014", "the gateway is busy: try again"),
                ));
            };
            let planned = planned.map_err(|error| {
                let message = format!("startup setting \"{name}\" is not accepted: {error}");
                ("startup_setting", Refused::new("42501", message))
            })?;
            if let Effect::Set { .. } = planned.plan.effect {
                // Only the gateway keeps it.
                self.settings.apply(&planned.plan.effect);
            } else {
                forwarded.push(Arc::clone(&planned.plan.forward));
                self.run(&name, planned, connected).await?;
            }
        }
        self.settings.begin(forwarded.iter().map(|text| &**text));
        Ok(())
    }

    /// Judges, records and runs one SET on the target.
    async fn run(
        &mut self,
        name: &str,
        planned: Planned,
        connected: &mut Connected,
    ) -> Result<(), Refusal> {
        let Scene { gate, who, target } = self.scene;
        self.sequence = self.sequence.saturating_add(1);
        let command = Command {
            id: CommandRef { session: who.session, sequence: self.sequence },
            identity: who.identity.clone(),
            target: target.name.clone(),
            protocol: Protocol::Simple,
            text: planned.text,
            forwarded: Arc::clone(&planned.plan.forward),
            parameters: Vec::new(),
            facts: Arc::clone(&planned.plan.facts),
            catalog_version: planned.catalog_version,
        };
        let allowed = match judge::decide(self.scene, command, clock::now()) {
            Ok(allowed) => allowed,
            Err(refused) => {
                let (denied, reason) = *refused;
                gate.journal.record_denied(clock::now(), denied).await.map_err(record_failed)?;
                let error = Refused::new(reason.sqlstate(), reason.client_message());
                return Err((reason.code(), error));
            }
        };
        let permit =
            gate.journal.record_allowed(clock::now(), allowed).await.map_err(record_failed)?;
        let mut asker = Asker::over(connected);
        let question = asker.ask(&permit.command().forwarded);
        let answer = timeout(gate.limits.target_connect_timeout, question).await;
        let result = match &answer {
            Ok(Ok(_no_rows)) => FinishedResult::Completed,
            Ok(Err(_)) => FinishedResult::Failed,
            Err(_elapsed) => FinishedResult::Unknown,
        };
        let outcome = Outcome::of(result);
        gate.journal.record_finished(clock::now(), permit, outcome).await.map_err(record_failed)?;
        if matches!(answer, Ok(Ok(_))) {
            return Ok(());
        }
        let message = format!("startup setting \"{name}\" is not accepted by the target");
        Err(("startup_setting", Refused::new("22023", message)))
    }
}

fn record_failed(error: JournalError) -> Refusal {
    tracing::error!(%error, "a command cannot be recorded, so it may not run");
    ("record_failed", Refused::new("58030", RECORD_FAILED))
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
