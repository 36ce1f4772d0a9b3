//! Two small ledgers, made by hand and signed with a test key, that tests may spoil before signing.

use std::time::Duration;

use crypto::sign::SigningKey;
use evidence::{Filters, Input, Window};
use ledger::{Checkpoint, Tree, VKey, leaf_hash};
use model::{
    AccessEvent, AccessRecord, Action, Commitment, ControlEvent, ControlRecord, CredentialId,
    Facts, FinishedResult, GrantId, GrantRef, IdentityKind, LedgerHead, Mask, MaskDeclaration,
    Protocol, Redaction, ScramVerifier, SessionEnd, SessionId, StatementKind, Timestamp,
};

mod parts;

pub(crate) use parts::{grants, lookup, touch};
use parts::{total, update};

/// 2026-11-23T08:00:00Z.
const START_S: u64 = 1_795_420_800;

/// The ledgers before they are signed.
pub(crate) struct Fixture {
    pub(crate) control: Vec<ControlRecord>,
    pub(crate) access: Vec<AccessRecord>,
    pub(crate) window: Window,
    pub(crate) filters: Filters,
}

/// So many seconds after the start.
pub(crate) fn at(seconds: u64) -> Timestamp {
    Timestamp::from_unix(Duration::from_secs(START_S + seconds))
}

fn key() -> SigningKey {
    SigningKey::from_seed([7; 32])
}

/// The public key of the test ledgers, as text.
pub(crate) fn vkey() -> String {
    VKey::new("gw1", key().verifying_key()).unwrap().to_string()
}

impl Fixture {
    /// Three identities, three grants (one never used, one revoked), two runs, the first crashed.
    pub(crate) fn new() -> Self {
        let window = Window { from: at(0), to: at(3600) };
        Self { control: control(), access: access(), window, filters: Filters::default() }
    }

    /// The index of the first access record that satisfies the condition.
    pub(crate) fn find(&self, is_it: impl Fn(&AccessEvent) -> bool) -> usize {
        self.access.iter().position(|record| is_it(&record.event)).unwrap()
    }

    /// Signs the ledgers.
    pub(crate) fn input(self) -> Input {
        let (control_leaves, control_checkpoint) = seal_control(self.control);
        let (access_leaves, access_checkpoint) = seal_access(self.access);
        Input {
            control_leaves,
            control_checkpoint,
            access_leaves,
            access_checkpoint,
            window: self.window,
            filters: self.filters,
            tool_version: "0.1.0-test".to_owned(),
        }
    }
}

fn seal_control(records: Vec<ControlRecord>) -> (Vec<Vec<u8>>, String) {
    let mut tree = Tree::default();
    let mut leaves = Vec::new();
    for mut record in records {
        if let ControlEvent::EpochStarted { found, .. } = &mut record.event {
            *found = tree.head();
        }
        leaves.push(serde_json::to_vec(&record).unwrap());
        tree.push(leaf_hash(leaves.last().unwrap()));
    }
    (leaves, sign("gw1/control", &tree))
}

fn seal_access(records: Vec<AccessRecord>) -> (Vec<Vec<u8>>, String) {
    let mut tree = Tree::default();
    let mut leaves = Vec::new();
    for mut record in records {
        if let AccessEvent::EpochStarted { found, .. } = &mut record.event {
            *found = tree.head();
        }
        leaves.push(serde_json::to_vec(&record).unwrap());
        tree.push(leaf_hash(leaves.last().unwrap()));
    }
    (leaves, sign("gw1/access", &tree))
}

fn sign(origin: &str, tree: &Tree) -> String {
    Checkpoint { origin: origin.to_owned(), size: tree.size(), root: tree.root() }.sign(&key())
}

/// Signs leaves as they are, also such as no gateway writes.
pub(crate) fn sign_leaves(origin: &str, leaves: &[Vec<u8>]) -> String {
    sign(origin, &leaves.iter().map(|leaf| leaf_hash(leaf)).collect())
}

fn control() -> Vec<ControlRecord> {
    let mut records = Vec::new();
    let mut add = |seconds, by: &str, event| {
        records.push(ControlRecord { at: at(seconds), by: by.to_owned(), event });
    };
    add(
        0,
        "gateway",
        ControlEvent::EpochStarted { version: "0.1.0".into(), found: head(), cut_bytes: 0 },
    );
    add(0, "gateway", ControlEvent::SettingsLoaded { sha256: "5e".repeat(32) });
    let mask = |column: &str, mask| MaskDeclaration { column: column.into(), mask };
    add(
        0,
        "gateway",
        ControlEvent::TargetLoaded {
            target: "billing".parse().unwrap(),
            address: "127.0.0.1:5432/billing".into(),
            mode: "mask-only".into(),
            masks: vec![
                mask("billing.customers.account_number", Mask::Last4),
                mask("billing.customers.email", Mask::Email),
            ],
        },
    );
    for (name, kind, owner) in [
        ("billing-agent", IdentityKind::Workload, "Dana Wirth"),
        ("report-agent", IdentityKind::Workload, "Dana Wirth"),
        ("mika", IdentityKind::Person, "Mika Aalto"),
    ] {
        let event = ControlEvent::IdentityCreated {
            identity: name.parse().unwrap(),
            identity_kind: kind,
            owner: owner.into(),
            expires_at: Some(at(90 * 86_400)),
        };
        add(60, "uid:1000", event);
    }
    for (id, name) in [(1, "billing-agent"), (2, "report-agent")] {
        let verifier = ScramVerifier {
            iterations: 4096,
            salt: "ab".repeat(16),
            stored_key: "cd".repeat(32),
            server_key: "ef".repeat(32),
        };
        let event = ControlEvent::CredentialIssued {
            credential: CredentialId::from_random(id),
            identity: name.parse().unwrap(),
            verifier,
            expires_at: at(30 * 86_400),
        };
        add(70, "uid:1000", event);
    }
    for grant in grants() {
        let hash = registry::grant_hash(&grant);
        add(80, "uid:1000", ControlEvent::GrantCreated { grant: Box::new(grant), hash });
    }
    add(
        900,
        "uid:1000",
        ControlEvent::GrantRevoked {
            grant: GrantId::from_random(2),
            reason: "task is done".into(),
        },
    );
    records
}

fn access() -> Vec<AccessRecord> {
    let mut log = Log::default();
    log.add(
        100,
        AccessEvent::EpochStarted { version: "0.1.0".into(), found: head(), cut_bytes: 0 },
    );
    log.add(
        110,
        AccessEvent::AuthenticationFailed {
            claimed: Some("billing-agent".parse().unwrap()),
            target: Some("billing".parse().unwrap()),
            peer: "127.0.0.1:50001".into(),
            reason: "proof_wrong".into(),
        },
    );
    log.open(120, 1, "billing-agent");
    log.command(130, (1, 1), lookup(), (FinishedResult::Completed, 3));
    log.command(
        140,
        (1, 2),
        Facts::nothing(StatementKind::Transaction),
        (FinishedResult::Completed, 0),
    );
    log.command(150, (1, 3), update(), (FinishedResult::Completed, 0));
    log.deny(160, (1, 4), "no_grant", Some("payments"));
    log.deny(170, (1, 5), "masked_computed", None);
    log.open(200, 2, "report-agent");
    log.command(210, (2, 1), total(), (FinishedResult::Completed, 12));
    log.command(400, (1, 6), lookup(), (FinishedResult::Failed, 0));
    log.close(500, 1, 6, SessionEnd::Terminated);
    // The gateway dies while this one runs.
    log.command(880, (2, 2), total(), (FinishedResult::Unknown, 0));
    let outcome = log.0.pop().unwrap();
    log.add(
        1000,
        AccessEvent::EpochStarted { version: "0.1.0".into(), found: head(), cut_bytes: 17 },
    );
    log.add(1000, outcome.event);
    log.close(1000, 2, 2, SessionEnd::GatewayStopped);
    log.open(1100, 3, "report-agent");
    log.deny(1110, (3, 1), "no_grant", Some("invoices"));
    log.deny(1120, (3, 2), "no_grant", Some("invoices"));
    log.close(1130, 3, 2, SessionEnd::Terminated);
    log.add(1190, AccessEvent::Heartbeat { sessions: 0 });
    log.0
}

/// The access ledger while it is written.
#[derive(Default)]
pub(crate) struct Log(pub(crate) Vec<AccessRecord>);

impl Log {
    pub(crate) fn add(&mut self, seconds: u64, event: AccessEvent) {
        self.0.push(AccessRecord { at: at(seconds), event });
    }

    pub(crate) fn open(&mut self, seconds: u64, session: u64, identity: &str) {
        let event = AccessEvent::SessionOpened {
            session: SessionId::from_random(session),
            identity: identity.parse().unwrap(),
            target: "billing".parse().unwrap(),
            peer: format!("127.0.0.1:{}", 50_000 + session),
            tls: true,
            mode: "mask-only".into(),
            application: "mcp-billing".into(),
            control_size: 11,
            credential: None,
            login: None,
            certificate: None,
        };
        self.add(seconds, event);
    }

    pub(crate) fn close(&mut self, seconds: u64, session: u64, commands: u64, reason: SessionEnd) {
        let session = SessionId::from_random(session);
        self.add(seconds, AccessEvent::SessionClosed { session, commands, reason });
    }

    pub(crate) fn command(
        &mut self,
        seconds: u64,
        (session, sequence): (u64, u64),
        facts: Facts,
        (result, rows): (FinishedResult, u64),
    ) {
        let (identity, grant) = match session {
            1 => ("billing-agent", &grants()[0]),
            _ => ("report-agent", &grants()[1]),
        };
        let named = GrantRef { id: grant.id, hash: registry::grant_hash(grant) };
        let masked = facts.masked.iter().filter(|_| rows > 0);
        let redactions =
            masked.map(|column| Redaction { column: column.clone(), values: rows }).collect();
        let grants = if facts.touches.is_empty() { Vec::new() } else { vec![named] };
        let affected = Some(u64::from(facts.kind == StatementKind::Write));
        let session = SessionId::from_random(session);
        let event = AccessEvent::CommandIntended {
            session,
            sequence,
            identity: identity.parse().unwrap(),
            target: "billing".parse().unwrap(),
            protocol: Protocol::Extended,
            control_size: 11,
            catalog_version: 1,
            grants,
            facts,
            sql: Commitment("11".repeat(32)),
            forwarded: Commitment("22".repeat(32)),
            parameters: None,
        };
        self.add(seconds, event);
        let sqlstate = (result == FinishedResult::Failed).then(|| "22012".to_owned());
        let event = AccessEvent::CommandFinished {
            session,
            sequence,
            result,
            sqlstate,
            rows,
            affected,
            uncommitted: false,
            bytes: rows * 84,
            duration_us: 1_250,
            redactions,
            written: None,
        };
        self.add(seconds, event);
    }

    pub(crate) fn deny(
        &mut self,
        seconds: u64,
        (session, sequence): (u64, u64),
        reason: &str,
        relation: Option<&str>,
    ) {
        let identity = if session == 1 { "billing-agent" } else { "report-agent" };
        let touches = relation.map(|relation| touch(relation, Action::Select, &["id"]));
        let event = AccessEvent::CommandDenied {
            session: SessionId::from_random(session),
            sequence,
            identity: identity.parse().unwrap(),
            target: "billing".parse().unwrap(),
            control_size: if seconds > 900 { 12 } else { 11 },
            reason: reason.into(),
            touches: touches.into_iter().collect(),
            sql: Commitment("33".repeat(32)),
        };
        self.add(seconds, event);
    }
}

fn head() -> LedgerHead {
    Tree::default().head()
}
