//! The access journal: sessions, and the life of a command from intent to outcome.
//!
//! ```text
//! policy::Allowed ──intend──▶ PendingPermit ──durable──▶ Permit ──finish──▶ Pending ──durable──▶ ()
//! ```
//!
//! Each step takes the value that the step before made, so a command without a durable intent cannot
//! be forwarded, and a permit can be spent once.

use std::fmt::Write;

use ledger::{Contents, Entry, Payload, Record};
use model::{AccessEvent, AccessRecord, Command, Commitment, LedgerHead, Parameter, Timestamp};
use policy::{Allowed, Denied};

use crate::engine::Engine;
use crate::open::open;
use crate::{JournalError, OpenOptions, Opened, Outcome, Seen, Ticket};

/// The journal of an access ledger.
#[derive(Debug)]
pub struct AccessJournal {
    engine: Engine,
}

/// Proof that a decision to allow a command is on record. Not `Clone`: finishing spends it.
#[derive(Debug)]
pub struct Permit {
    allowed: Allowed,
    at: Timestamp,
    index: u64,
}

impl Permit {
    /// The command that may run.
    pub fn command(&self) -> &Command {
        self.allowed.command()
    }

    /// The decision, with its deadline and limits.
    pub fn allowed(&self) -> &Allowed {
        &self.allowed
    }

    /// Index of the intent in the ledger.
    pub fn index(&self) -> u64 {
        self.index
    }
}

/// An intent on its way to the disk. Becomes a [`Permit`] once it is there.
#[derive(Debug)]
#[must_use = "the command may not run before the intent is durable"]
pub struct PendingPermit {
    allowed: Allowed,
    at: Timestamp,
    ticket: Ticket,
}

impl PendingPermit {
    /// The command, which may be prepared but whose effects must not be seen yet.
    pub fn command(&self) -> &Command {
        self.allowed.command()
    }

    /// Waits until the intent is on disk.
    ///
    /// # Errors
    ///
    /// [`JournalError`] if it is not: the command must not run.
    pub async fn durable(self) -> Result<Permit, JournalError> {
        let index = self.ticket.durable().await?;
        Ok(Permit { allowed: self.allowed, at: self.at, index })
    }
}

/// An outcome on its way to the disk.
#[derive(Debug)]
#[must_use = "the outcome is not durable yet"]
pub struct Pending {
    ticket: Ticket,
}

impl Pending {
    pub(crate) fn of(queued: Result<Ticket, JournalError>) -> Result<Self, JournalError> {
        queued.map(|ticket| Self { ticket })
    }

    /// Waits until the outcome is on disk.
    ///
    /// # Errors
    ///
    /// [`JournalError`] if it is not. The command will show as unknown.
    pub async fn durable(self) -> Result<(), JournalError> {
        self.ticket.durable().await.map(|_index| ())
    }
}

impl AccessJournal {
    /// Opens the ledger, verifies it, and begins a run: the first record is `epoch_started`, then
    /// commands of an earlier run that have no outcome get one (unknown), and its sessions end.
    ///
    /// `visit` is shown every record in order, those that begin this run included; what it has seen
    /// can be relied on only if `open` succeeds.
    ///
    /// # Errors
    ///
    /// [`JournalError`]: locked by another process, damaged (names the first bad record; nothing is
    /// changed), or the files cannot be read or written.
    pub fn open(
        options: OpenOptions,
        mut visit: impl FnMut(Seen<'_, AccessRecord>),
    ) -> Result<(Self, Opened), JournalError> {
        let mut show = |index, record: &Record| match record {
            Record::Access(record) => visit(Seen { index, record }),
            // Then the rules refuse the first record of this run.
            Record::Control(_) => {}
        };
        let (engine, opened) = open(options, Contents::Access, &mut show)?;
        Ok((Self { engine }, opened))
    }

    /// Puts a record into the queue: of sessions, failed authentication, heartbeats.
    ///
    /// Commands have their own ways in: [`Self::intend`], [`Self::record_denied`], [`Self::finish`].
    ///
    /// # Errors
    ///
    /// [`JournalError`] if it cannot be recorded.
    pub async fn append(
        &self,
        record: AccessRecord,
        payload: Payload,
    ) -> Result<Ticket, JournalError> {
        let entry = Entry::access(&record, &payload)?;
        self.engine.append(Record::Access(record), entry).await
    }

    /// Records something and waits until it is on disk. Returns its index.
    ///
    /// # Errors
    ///
    /// [`JournalError`] if it cannot be recorded.
    pub async fn record(
        &self,
        record: AccessRecord,
        payload: Payload,
    ) -> Result<u64, JournalError> {
        self.append(record, payload).await?.durable().await
    }

    /// Puts the intent of an allowed command into the queue. `at` is the time of the decision.
    ///
    /// # Errors
    ///
    /// [`JournalError`] if it cannot be recorded, for example because the command is too large to be
    /// recorded whole: it must then be denied.
    pub async fn intend(
        &self,
        at: Timestamp,
        allowed: Allowed,
    ) -> Result<PendingPermit, JournalError> {
        let (record, payload) = intent(at, &allowed);
        let ticket = self.append(record, payload).await?;
        Ok(PendingPermit { allowed, at, ticket })
    }

    /// Records the intent of an allowed command, and permits it once that is on disk.
    ///
    /// # Errors
    ///
    /// [`JournalError`] if it is not on disk: the command must not run.
    pub async fn record_allowed(
        &self,
        at: Timestamp,
        allowed: Allowed,
    ) -> Result<Permit, JournalError> {
        self.intend(at, allowed).await?.durable().await
    }

    /// Records that a command was denied, and waits until that is on disk.
    ///
    /// # Errors
    ///
    /// [`JournalError`] if it cannot be recorded.
    pub async fn record_denied(&self, at: Timestamp, denied: Denied) -> Result<(), JournalError> {
        let (record, payload) = denial(at, denied);
        self.record(record, payload).await.map(|_index| ())
    }

    /// Spends a permit: puts the outcome of its command into the queue. `at` is when it ended.
    ///
    /// # Errors
    ///
    /// [`JournalError`] if it cannot be recorded.
    pub async fn finish(
        &self,
        at: Timestamp,
        permit: Permit,
        outcome: Outcome,
    ) -> Result<Pending, JournalError> {
        let took = at.saturating_since(permit.at).as_micros();
        let duration_us = u64::try_from(took).unwrap_or(u64::MAX);
        let (event, payload) = outcome.into_event(permit.command().id, duration_us);
        let ticket = self.append(AccessRecord { at, event }, payload).await?;
        Ok(Pending { ticket })
    }

    /// Spends a permit and waits until the outcome of its command is on disk.
    ///
    /// # Errors
    ///
    /// [`JournalError`] if it is not.
    pub async fn record_finished(
        &self,
        at: Timestamp,
        permit: Permit,
        outcome: Outcome,
    ) -> Result<(), JournalError> {
        self.finish(at, permit, outcome).await?.durable().await
    }

    /// Size and root of the durable ledger.
    pub fn head(&self) -> LedgerHead {
        self.engine.head()
    }

    /// An error if nothing can be recorded any more.
    ///
    /// # Errors
    ///
    /// [`JournalError::Poisoned`] with the reason.
    pub fn check(&self) -> Result<(), JournalError> {
        self.engine.check()
    }

    /// Signs a checkpoint over all durable records now, and returns what it covers.
    ///
    /// # Errors
    ///
    /// [`JournalError`] if it cannot be written.
    pub async fn seal(&self) -> Result<LedgerHead, JournalError> {
        self.engine.seal().await
    }

    /// Ends the run in order: a last record, a last checkpoint. Later appends fail.
    ///
    /// # Errors
    ///
    /// [`JournalError`]; [`JournalError::Rule`] if sessions are open: the ledger is then closed as
    /// after a crash, and the next run settles them.
    pub async fn close(&self, at: Timestamp) -> Result<LedgerHead, JournalError> {
        let ended = AccessRecord { at, event: AccessEvent::EpochEnded {} };
        let recorded = self.record(ended, Payload::new()).await;
        let head = self.engine.close().await?;
        recorded.map(|_index| head)
    }
}

fn intent(at: Timestamp, allowed: &Allowed) -> (AccessRecord, Payload) {
    let command = allowed.command();
    let mut payload = Payload::new();
    let sql = payload.add("sql", crypto::random(), &*command.text);
    let forwarded = payload.add("forwarded", crypto::random(), &*command.forwarded);
    let parameters: Option<Commitment> = (!command.parameters.is_empty())
        .then(|| payload.add("parameters", crypto::random(), parameters_json(&command.parameters)));
    let event = AccessEvent::CommandIntended {
        session: command.id.session,
        sequence: command.id.sequence,
        identity: command.identity.clone(),
        target: command.target.clone(),
        protocol: command.protocol,
        control_size: allowed.control_size(),
        catalog_version: command.catalog_version,
        grants: allowed.grants().to_vec(),
        facts: (*command.facts).clone(),
        sql,
        forwarded,
        parameters,
    };
    (AccessRecord { at, event }, payload)
}

fn denial(at: Timestamp, denied: Denied) -> (AccessRecord, Payload) {
    let mut payload = Payload::new();
    let sql = payload.add("sql", crypto::random(), &*denied.text);
    let event = AccessEvent::CommandDenied {
        session: denied.id.session,
        sequence: denied.id.sequence,
        identity: denied.identity,
        target: denied.target,
        control_size: denied.control_size,
        reason: denied.reason,
        touches: denied.touches,
        sql,
    };
    (AccessRecord { at, event }, payload)
}

/// The bound values as a JSON array: `null`, `{"text":…}`, or `{"hex":…}` for what is no text.
fn parameters_json(parameters: &[Parameter]) -> String {
    let value = |parameter: &Parameter| match parameter {
        Parameter::Null => serde_json::Value::Null,
        Parameter::Text(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => serde_json::json!({ "text": text }),
            Err(_not_utf8) => serde_json::json!({ "hex": hex(bytes) }),
        },
        Parameter::Binary(bytes) => serde_json::json!({ "hex": hex(bytes) }),
    };
    serde_json::Value::Array(parameters.iter().map(value).collect()).to_string()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        // Writing into a string cannot fail.
        let _written = write!(text, "{byte:02x}");
    }
    text
}
