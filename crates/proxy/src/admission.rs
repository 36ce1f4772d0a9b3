//! From a proved identity to a session: the target exists, a grant is live, the client's settings
//! are harmless, and the gateway's own connection stands.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use journal::JournalError;
use ledger::Payload;
use model::{AccessEvent, AccessRecord, RoleChange, SessionEnd, SessionId, Timestamp};
use pgwire::pipeline::ReplyQueue;
use pgwire::{TargetError, TransactionStatus, write};
use sql::ClientSettings;
use tokio::time::Instant;

use crate::asker::Asker;
use crate::authority::Watch;
use crate::cancel::Registration;
use crate::clock;
use crate::copying::CopyIn;
use crate::directory::OpenSession;
use crate::doubts::Doubts;
use crate::fence::{Fence, FenceError, SessionRole, Standing};
use crate::footing::{LABEL, footing};
use crate::gate::Gate;
use crate::greeting::{LoggedIn, Turned, target_of};
use crate::identified::Who;
use crate::judge::{Plans, Scene};
use crate::phase::Phase;
use crate::prepared::Prepared;
use crate::session::{Batch, RECORD_FAILED, Session, Side};
use crate::startup::Starting;
use crate::status;
use crate::target::{ConnectError, Connected, Target};
use crate::transaction::Transaction;
use crate::wire::Refused;

/// A certificate is still good in the second that it names as its last (RFC 5280 section 4.1.2.5).
const CERTIFICATE_LAST_SECOND: Duration = Duration::from_secs(1);
/// PostgreSQL has as many connections as it, the database or the account may have.
const TOO_MANY_CONNECTIONS: &str = "53300";
/// How long a server may take to see that connections were closed.
const ROOM_PAUSE: Duration = Duration::from_millis(100);
/// Characters of a client's `application_name` that are kept.
const APPLICATION_CHARS_MAX: usize = 63;

/// Makes a session of a client that logged in, and records that it opened.
pub(crate) async fn admit(gate: &Arc<Gate>, client: LoggedIn) -> Result<Session, Turned> {
    let now = clock::now();
    let target = match find_target(gate, &client, now) {
        Ok(target) => target,
        Err((reason, error)) => return Err(refuse(client, reason, error)),
    };
    let session = SessionId::from_random(crypto::random_u64());
    let who = Who {
        session,
        identity: client.identified.identity.clone(),
        credential: client.identified.credential,
        certificate_until: client
            .identified
            .certificate
            .as_ref()
            .map(|certificate| certificate.not_after.saturating_add(CERTIFICATE_LAST_SECOND)),
    };
    let (mut connected, role) = match connect(gate, &target, &who).await {
        Ok(connected) => connected,
        Err(error) => {
            tracing::error!(target = %target.name, %error, "no connection to the target");
            let message = "the gateway cannot reach the target: tell its operator, or try again";
            return Err(refuse(client, "target_unreachable", Refused::new("08001", message)));
        }
    };
    let application = client.startup.settings.get("application_name").map_or("", String::as_str);
    let application: String = application.chars().take(APPLICATION_CHARS_MAX).collect();
    let event = AccessEvent::SessionOpened {
        session,
        identity: who.identity.clone(),
        target: target.name.clone(),
        peer: client.peer.to_string(),
        tls: client.stream.is_tls(),
        mode: target.mode().to_owned(),
        application: application.clone(),
        control_size: gate.registry().size(),
        credential: Some(who.credential),
        login: Some(client.identified.method),
        certificate: client.identified.certificate.as_ref().map(|own| own.sha256.clone()),
    };
    let made = role.as_ref().map(|role| role.event(RoleChange::Created));
    for event in std::iter::once(event).chain(made) {
        if let Err(error) = record(gate, event).await {
            return Err(refuse(client, "record_failed", record_failed(&error)));
        }
    }
    let settings = ClientSettings::at_start(&application);
    let scene = Scene { gate, who: &who, target: &target };
    let mut starting = Starting { scene, settings, sequence: 0 };
    let applied = starting.apply(&client.startup, &mut connected).await;
    let Starting { settings, sequence, .. } = starting;
    if let Err((reason, error)) = applied {
        let reason_of_end = SessionEnd::ProtocolViolation;
        let event =
            AccessEvent::SessionClosed { session, commands: sequence, reason: reason_of_end };
        if let Err(error) = record(gate, event).await {
            tracing::error!(%session, %error, "the session's end is not on record");
        }
        return Err(refuse(client, reason, error));
    }
    let admitted = Admitted { who, target, client, connected, role, settings, sequence, at: now };
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

/// A connection for a session: with a fence logged in as a role made for it, else as the gateway itself,
/// and then one that an earlier session of the same identity left, if it is as good as new.
async fn connect(
    gate: &Gate,
    target: &Arc<Target>,
    who: &Who,
) -> Result<(Connected, Option<SessionRole>), FenceError> {
    let label = format!("countersign {}", who.session);
    let (connected, role) = match &target.fence {
        Some(fence) => {
            let (connected, role) = enter(gate, target, who, fence).await?;
            (connected, Some(role))
        }
        None => match gate.warm.take(target, who, &label).await {
            Some(connected) => (connected, None),
            None => (connect_anew(gate, target).await?, None),
        },
    };
    let mut connected = connected;
    if connected.footing.is_none() {
        let limit = target.limits.target_connect_timeout;
        let asker = &mut Asker::over(&mut connected);
        let answer = tokio::time::timeout(limit, footing(asker, &label)).await;
        let timed_out = |_elapsed| ConnectError::TimedOut(target.settings.address.to_string());
        let footing = Arc::new(answer.map_err(timed_out)??);
        target.agree_on(&footing.server).await?;
        connected.footing = Some(footing);
    }
    Ok((connected, role))
}

/// Logs in as the gateway itself. If the target has no place left, those that are kept warm make one.
async fn connect_anew(gate: &Gate, target: &Arc<Target>) -> Result<Connected, ConnectError> {
    gate.warm.make_room(gate);
    match target.connect(LABEL).await {
        Err(ConnectError::Login(TargetError::Refused(report)))
            if report.sqlstate() == Some(TOO_MANY_CONNECTIONS) && gate.warm.give_up(target) =>
        {
            tokio::time::sleep(ROOM_PAUSE).await;
            target.connect(LABEL).await
        }
        connected => connected,
    }
}

/// Logs in as a role made for the session.
async fn enter(
    gate: &Gate,
    target: &Arc<Target>,
    who: &Who,
    fence: &Fence,
) -> Result<(Connected, SessionRole), FenceError> {
    let registry = gate.registry();
    let holder = (&who.identity, who.credential);
    let standing = Standing::of(&registry, holder, target, clock::now());
    fence.admit(target, who.session, standing, registry.size()).await
}

fn no_grant() -> Refused {
    let hint = "The database name is the target's name. Ask for a grant, or for a longer one.";
    let message = "no live grant for this identity on a target of this name";
    Refused { hint: Some(hint.to_owned()), ..Refused::new("42501", message) }
}

async fn record(gate: &Gate, event: AccessEvent) -> Result<u64, JournalError> {
    gate.journal.record(AccessRecord { at: clock::now(), event }, Payload::new()).await
}

fn record_failed(error: &JournalError) -> Refused {
    tracing::error!(%error, "a session cannot be recorded, so it is refused");
    Refused::new("58030", RECORD_FAILED)
}

/// All that a session begins with.
struct Admitted {
    who: Who,
    target: Arc<Target>,
    client: LoggedIn,
    connected: Connected,
    role: Option<SessionRole>,
    settings: ClientSettings,
    sequence: u64,
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
        let key = crypto::random::<32>();
        let key = key.get(..self.client.startup.version.cancel_key_bytes()).unwrap_or(&key);
        let cancel = gate.cancel.register(Bytes::copy_from_slice(key));
        let welcome = self.welcome(&cancel);
        let mut session = Session {
            gate: Arc::clone(gate),
            watch: Watch::new(gate.registry.clone()),
            who: self.who,
            target: self.target,
            client: Side::new(self.client.stream, self.client.decoder),
            server: Side::new(self.connected.stream, self.connected.decoder),
            link: self.connected.link,
            told: status::Told::new(&self.connected.parameters, &self.settings),
            parameters: self.connected.parameters,
            footing: self.connected.footing,
            role: self.role,
            cancel,
            entry,
            settings: self.settings,
            status: TransactionStatus::Idle,
            batch: Batch::default(),
            transaction: Transaction::default(),
            copy_in: CopyIn::Idle,
            prepared: Prepared::default(),
            plans: Plans::default(),
            replies: ReplyQueue::new(),
            outgoing: VecDeque::new(),
            holds: Vec::new(),
            sequence: self.sequence,
            cut: None,
            is_cancelled: false,
            is_ending: false,
            transaction_grants: BTreeMap::new(),
            row_bytes_owed: 0,
            running_since: None,
            has_more_requests: false,
            open_until: None,
            doubts: Doubts::default(),
            last_activity: Instant::now(),
            phase: Phase::Running,
            client_stalled_since: None,
        };
        session.answer_client(welcome);
        session
    }

    /// The end of the log-in: the settings that drivers expect, the cancel key, ready.
    fn welcome(&self, cancel: &Registration) -> Bytes {
        let mut welcome = self.client.welcome.clone();
        let told = status::at_login(
            &self.connected.parameters,
            self.who.identity.as_str(),
            &self.settings,
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
