//! The admin side on real ledgers and a real socket. Only the targets and sessions are made up.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use api::client::{Client, ClientError};
use api::grants::{NewGrant, NewScopeLine};
use api::identities::NewIdentity;
use api::{
    About, Admins, Answer, ApiState, Control, DirectoryError, FindingWeight, SessionDirectory,
    SessionInfo, TargetCheck, TargetDirectory, TargetFinding, TargetInfo,
};
use crypto::sign::SigningKey;
use journal::{AccessJournal, OpenOptions};
use model::{
    Action, GrantId, IdentityKind, IdentityName, Limits, RelationName, SessionId, TargetName,
    Timestamp,
};
use tokio::net::UnixListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// A gateway without its data path.
pub(crate) struct Gateway {
    pub(crate) control: Control,
    pub(crate) client: Client,
    pub(crate) socket: PathBuf,
    access: Arc<AccessJournal>,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

impl Gateway {
    /// Starts one whose ledgers and socket are in `dir`.
    pub(crate) fn start(dir: &Path) -> Self {
        let (control, _opened) = Control::open(options(dir, "control")).unwrap();
        let (access, _opened) = AccessJournal::open(options(dir, "access"), |_| {}).unwrap();
        let access = Arc::new(access);
        let socket = dir.join("admin.sock");
        let _not_there = std::fs::remove_file(&socket);
        let listener = UnixListener::bind(&socket).unwrap();
        let about = About {
            gateway: "gw1".into(),
            version: "0.1.0".into(),
            started_at: now(),
            postgres: "127.0.0.1:6432".into(),
        };
        let state = ApiState {
            control: control.clone(),
            targets: Arc::new(Targets),
            sessions: Arc::new(Sessions),
            access: Arc::clone(&access),
            admins: Admins::new([]),
            about,
            mock: Arc::new(identity::MockSecret::new([7; 32])),
            now,
        };
        let (stop, stopped) = oneshot::channel();
        let shutdown = async {
            let _sender_gone = stopped.await;
        };
        let serving = tokio::spawn(api::serve(listener, state, shutdown));
        Self { control, client: Client::new(&socket), socket, access, stop, serving }
    }

    /// Stops it in order.
    pub(crate) async fn stop(self) {
        self.stop.send(()).unwrap();
        self.serving.await.unwrap();
        self.control.close(now()).await.unwrap();
        self.access.close(now()).await.unwrap();
    }
}

fn options(dir: &Path, ledger: &str) -> OpenOptions {
    let key = Arc::new(SigningKey::from_seed([7; 32]));
    OpenOptions {
        checkpoint_interval: Duration::from_millis(10),
        ..OpenOptions::new(dir.join(ledger), format!("gw1/{ledger}"), key, "0.1.0", now())
    }
}

/// `billing` has two relations, `down` cannot be asked, `stuck` never answers,
/// `leaky` has a hole in its fence.
#[derive(Debug)]
struct Targets;

impl TargetDirectory for Targets {
    fn columns<'a>(
        &'a self,
        target: &'a TargetName,
        relation: &'a RelationName,
    ) -> Answer<'a, Result<Vec<String>, DirectoryError>> {
        Box::pin(async move {
            let columns: &[&str] = match (target.as_str(), relation.to_string().as_str()) {
                ("billing", "billing.customers") => &["name", "id", "email"],
                ("billing", "billing.wide") => {
                    return Ok((0..2000).map(|number| format!("a_long_name_{number}")).collect());
                }
                ("billing" | "leaky", "billing.invoices") => &["id", "total"],
                ("billing", _) => {
                    return Err(DirectoryError::UnknownRelation(relation.clone()));
                }
                ("stuck", _) => std::future::pending().await,
                ("down", _) => {
                    let (target, reason) = (target.clone(), "connection refused".into());
                    return Err(DirectoryError::Unavailable { target, reason });
                }
                _ => return Err(DirectoryError::UnknownTarget(target.clone())),
            };
            Ok(columns.iter().map(|column| (*column).to_owned()).collect())
        })
    }

    fn check<'a>(
        &'a self,
        target: &'a TargetName,
        schemas: Option<BTreeSet<String>>,
    ) -> Answer<'a, Result<TargetCheck, DirectoryError>> {
        let open = |code: &str, weight| TargetFinding {
            code: code.into(),
            object: "billing.f()".into(),
            what: "everybody may run it".into(),
            sql: "REVOKE ALL ON ROUTINE billing.f() FROM PUBLIC;".into(),
            weight,
        };
        // Grants on `leaky` leave something open; a check without schemas shows all.
        let findings = match (target.as_str(), schemas) {
            ("leaky", _) => vec![
                open("definer_function", FindingWeight::Hole),
                open("language", FindingWeight::Note),
            ],
            _ => Vec::new(),
        };
        let found = TargetCheck { target: target.clone(), mode: "fenced".into(), findings };
        Box::pin(std::future::ready(Ok(found)))
    }

    fn describe(&self) -> Vec<TargetInfo> {
        let of = |name: &str| TargetInfo {
            name: name.parse().unwrap(),
            address: "localhost:5432/billing".into(),
            mode: "mask-only".into(),
            masked_columns: 1,
            state: "reachable".into(),
        };
        ["billing", "down", "stuck"].map(of).into()
    }
}

#[derive(Debug)]
struct Sessions;

impl SessionDirectory for Sessions {
    fn sessions(&self) -> Vec<SessionInfo> {
        vec![SessionInfo {
            session: SessionId::from_random(1),
            identity: name("agent"),
            target: target("billing"),
            peer: "127.0.0.1:5000".into(),
            tls: false,
            opened_at: now(),
            commands: 3,
            denied: 1,
            rows: 20,
            state: "idle".into(),
            application: "psql".into(),
        }]
    }

    fn usage(&self, _grant: GrantId) -> policy::Usage {
        policy::Usage { commands: 3, rows: 20, bytes: 400 }
    }
}

pub(crate) fn new_identity(identity: &str) -> NewIdentity {
    NewIdentity {
        name: name(identity),
        kind: IdentityKind::Workload,
        owner: "Billing platform".into(),
        expires_at: None,
    }
}

/// Relation, actions, columns.
pub(crate) type Line<'a> = (&'a str, &'a [Action], Option<&'a [&'a str]>);

/// A grant for a quarter of an hour to `agent` on `billing`.
pub(crate) fn new_grant(lines: &[Line<'_>]) -> NewGrant {
    let line = |(relation, actions, columns): &Line<'_>| NewScopeLine {
        relation: relation.parse().unwrap(),
        actions: actions.iter().copied().collect(),
        columns: columns.map(set),
    };
    NewGrant {
        accept_holes: BTreeSet::new(),
        identity: name("agent"),
        target: target("billing"),
        scope: lines.iter().map(line).collect(),
        not_before: None,
        expires_at: now().saturating_add(Duration::from_mins(15)),
        limits: Limits::default(),
        task: "TICKET-1".into(),
        purpose: "answer a customer".into(),
        on_behalf_of: None,
    }
}

pub(crate) fn set(columns: &[&str]) -> BTreeSet<String> {
    columns.iter().map(|column| (*column).to_owned()).collect()
}

pub(crate) fn name(text: &str) -> IdentityName {
    text.parse().unwrap()
}

pub(crate) fn target(text: &str) -> TargetName {
    text.parse().unwrap()
}

#[expect(clippy::disallowed_methods, reason = "the server reads the same clock")]
pub(crate) fn now() -> Timestamp {
    Timestamp::from_unix(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap())
}

/// Status, code and message of a refusal.
pub(crate) fn refusal<T: std::fmt::Debug>(answer: Result<T, ClientError>) -> (u16, String, String) {
    match answer {
        Err(ClientError::Refused { status, code, message }) => (status, code, message),
        other => panic!("not a refusal: {other:?}"),
    }
}
