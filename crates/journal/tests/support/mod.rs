//! What the journal's tests share: a key, a clock that is passed in, realistic records, file images.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::arithmetic_side_effects, reason = "small numbers in tests")]
#![allow(dead_code, clippy::allow_attributes, reason = "each test file uses a part of this")]

pub(crate) mod forge;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crypto::sign::SigningKey;
use journal::{AccessJournal, JournalError, OpenOptions, Opened, Outcome};
use ledger::{Expected, Image, Payload, VKey, Verified, VerifyError};
use model::{
    AccessEvent, AccessRecord, Action, Command, CommandRef, Facts, FinishedResult, Grant,
    GrantHash, GrantId, Limits, Mask, MaskedColumn, Parameter, Protocol, Redaction, RelationName,
    ScopeEntry, SessionEnd, SessionId, StatementKind, TargetName, Timestamp, Touch,
};
use policy::{Allowed, Decision, Denied, LiveGrant, Standing, Usage, decide};

pub(crate) const ORIGIN: &str = "gw1/access";

pub(crate) fn key() -> Arc<SigningKey> {
    Arc::new(SigningKey::from_seed([42; 32]))
}

pub(crate) fn vkey() -> VKey {
    VKey::new("gw1", key().verifying_key()).unwrap()
}

/// So many milliseconds after the beginning of the test's time.
pub(crate) fn at(millis: u64) -> Timestamp {
    Timestamp::from_unix(Duration::from_secs(1_795_000_000)).saturating_add(ms(millis))
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(crate) fn session(number: u64) -> SessionId {
    SessionId::from_random(number)
}

pub(crate) fn options(dir: &Path) -> OpenOptions {
    let mut options = OpenOptions::new(dir, ORIGIN, key(), "0.1.0", at(0));
    // Checkpoints are asked for, so that tests do not depend on time.
    options.checkpoint_interval = Duration::MAX;
    options
}

pub(crate) fn open(dir: &Path) -> Result<(AccessJournal, Opened), JournalError> {
    AccessJournal::open(options(dir), |_seen| {})
}

/// Opens a ledger and returns the records that the caller was shown.
pub(crate) fn open_and_see(dir: &Path) -> (AccessJournal, Opened, Vec<AccessRecord>) {
    let mut records = Vec::new();
    let (journal, opened) = AccessJournal::open(options(dir), |seen| {
        assert_eq!(seen.index, records.len() as u64);
        records.push(seen.record.clone());
    })
    .unwrap();
    (journal, opened, records)
}

fn relation() -> RelationName {
    RelationName::new("billing", "customers")
}

/// The decision to allow a read of one table, as `policy` makes it.
pub(crate) fn allowed(session: SessionId, sequence: u64, text: &str) -> Allowed {
    let identity = "billing-agent".parse().unwrap();
    let target: TargetName = "billing".parse().unwrap();
    let columns: std::collections::BTreeSet<String> = ["id".into(), "ssn".into()].into();
    let grant = Grant {
        id: GrantId::from_random(7),
        identity,
        target: target.clone(),
        scope: vec![ScopeEntry {
            relation: relation(),
            actions: [Action::Select].into(),
            columns: columns.clone(),
        }],
        not_before: at(0),
        expires_at: at(10_000_000),
        limits: Limits::default(),
        task: "T-1".into(),
        purpose: "test".into(),
        on_behalf_of: None,
        requested_by: "uid:1000".into(),
        approved_by: "uid:1000".into(),
        accepted_holes: std::collections::BTreeSet::new(),
    };
    let hash = GrantHash("ab".repeat(32));
    let command = Command {
        id: CommandRef { session, sequence },
        identity: grant.identity.clone(),
        target,
        protocol: Protocol::Extended,
        text: text.into(),
        forwarded: format!("/* qualified */ {text}").into(),
        parameters: vec![
            Parameter::Null,
            Parameter::Text(format!("p{sequence}").into_bytes()),
            Parameter::Binary(vec![0, 255]),
        ],
        facts: Arc::new(Facts {
            kind: StatementKind::Read,
            touches: vec![Touch { relation: relation(), action: Action::Select, columns }],
            masked: vec![masked()],
            functions: ["pg_catalog.count".into()].into(),
        }),
        catalog_version: 3,
    };
    let standing = Standing {
        identity: &grant.identity,
        target: &grant.target,
        enabled: true,
        identity_expires_at: None,
        credential_ok: true,
        credential_expires_at: None,
        grants: vec![LiveGrant { grant: &grant, hash: &hash, usage: Usage::default() }],
        control_size: 9,
    };
    match decide(command, &standing, at(1)) {
        Decision::Allow(allowed) => allowed,
        Decision::Deny(denied, _reason) => denied_unexpectedly(&denied),
    }
}

#[expect(clippy::panic, reason = "a test fails by panicking")]
fn denied_unexpectedly(denied: &Denied) -> ! {
    panic!("denied: {denied:?}")
}

fn masked() -> MaskedColumn {
    MaskedColumn { relation: relation(), column: "ssn".into(), mask: Mask::Last4 }
}

pub(crate) fn denied(session: SessionId, sequence: u64, text: &str) -> Denied {
    Denied {
        id: CommandRef { session, sequence },
        identity: "billing-agent".parse().unwrap(),
        target: "billing".parse().unwrap(),
        text: text.into(),
        touches: Vec::new(),
        reason: "no_grant".into(),
        control_size: 9,
    }
}

pub(crate) fn completed(rows: u64) -> Outcome {
    let redactions = vec![Redaction { column: masked(), values: rows }];
    Outcome { rows, bytes: rows * 40, redactions, ..Outcome::of(FinishedResult::Completed) }
}

pub(crate) fn opened(session: SessionId) -> AccessEvent {
    AccessEvent::SessionOpened {
        session,
        identity: "billing-agent".parse().unwrap(),
        target: "billing".parse().unwrap(),
        peer: "127.0.0.1:40000".into(),
        tls: false,
        mode: "mask-only".into(),
        application: "psql\n\u{202e}".into(),
        control_size: 9,
        credential: None,
        login: None,
        certificate: None,
    }
}

pub(crate) fn closed(session: SessionId, commands: u64) -> AccessEvent {
    AccessEvent::SessionClosed { session, commands, reason: SessionEnd::Terminated }
}

pub(crate) async fn record(journal: &AccessJournal, millis: u64, event: AccessEvent) -> u64 {
    let record = AccessRecord { at: at(millis), event };
    journal.record(record, Payload::new()).await.unwrap()
}

/// Fills a ledger with sessions of allowed and denied commands, and closes it in order. Returns its
/// number of records.
pub(crate) async fn fill(dir: &Path, sessions: u64, commands: u64) -> u64 {
    let (journal, _opened) = open(dir).unwrap();
    for number in 1..=sessions {
        let session = session(number);
        for event in between_sessions(number) {
            record(&journal, number, event).await;
        }
        record(&journal, number, opened(session)).await;
        run_commands(&journal, session, commands).await;
        record(&journal, number + 1, closed(session, commands)).await;
        journal.seal().await.unwrap();
    }
    journal.close(at(1_000_000)).await.unwrap().size
}

/// What else happens at a gateway.
fn between_sessions(number: u64) -> Vec<AccessEvent> {
    let failed = |port: u64| AccessEvent::AuthenticationFailed {
        claimed: "billing-agent".parse().ok(),
        target: None,
        peer: format!("127.0.0.1:{port}"),
        reason: "wrong_token".into(),
    };
    let heartbeats = (0..9).map(|sessions| AccessEvent::Heartbeat { sessions });
    let late_cancel = AccessEvent::CancelRequested { session: session(number - 1) };
    (0..5).map(failed).chain(heartbeats).chain([late_cancel]).collect()
}

/// Two commands are allowed, the third is denied, and so on.
pub(crate) async fn run_commands(journal: &AccessJournal, session: SessionId, commands: u64) {
    for sequence in 1..=commands {
        let text = format!("SELECT id, ssn FROM customers WHERE name = 'O''Hara {sequence}'");
        if sequence % 3 == 0 {
            journal.record_denied(at(sequence), denied(session, sequence, &text)).await.unwrap();
        } else {
            let allowed = allowed(session, sequence, &text);
            let permit = journal.record_allowed(at(sequence), allowed).await.unwrap();
            journal.record_finished(at(sequence + 1), permit, completed(sequence)).await.unwrap();
        }
    }
}

/// A ledger's files in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Files {
    pub(crate) log: Vec<u8>,
    pub(crate) hashes: Vec<u8>,
    pub(crate) checkpoints: Vec<u8>,
    pub(crate) checkpoint: Vec<u8>,
}

impl Files {
    pub(crate) fn read(dir: &Path) -> Self {
        let read = |name: &str| fs::read(dir.join(name)).unwrap();
        Self {
            log: read("log"),
            hashes: read("hashes"),
            checkpoints: read("checkpoints"),
            checkpoint: read("checkpoint"),
        }
    }

    pub(crate) fn write(&self, dir: &Path) {
        fs::create_dir_all(dir).unwrap();
        fs::write(dir.join("log"), &self.log).unwrap();
        fs::write(dir.join("hashes"), &self.hashes).unwrap();
        fs::write(dir.join("checkpoints"), &self.checkpoints).unwrap();
        fs::write(dir.join("checkpoint"), &self.checkpoint).unwrap();
    }

    /// The four files, to pick one at random.
    pub(crate) fn all_mut(&mut self) -> [&mut Vec<u8>; 4] {
        [&mut self.log, &mut self.hashes, &mut self.checkpoints, &mut self.checkpoint]
    }

    pub(crate) fn verify(&self) -> Result<Verified, VerifyError> {
        self.verify_as(&Expected::closed(&vkey()))
    }

    pub(crate) fn verify_as(&self, expected: &Expected<'_>) -> Result<Verified, VerifyError> {
        let image = Image {
            log: self.log.as_slice(),
            hashes: self.hashes.as_slice(),
            checkpoints: self.checkpoints.as_slice(),
            checkpoint: self.checkpoint.clone(),
        };
        ledger::verify(image, expected, &mut |_visit| {})
    }
}
