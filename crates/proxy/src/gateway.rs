//! Starts and stops the data path.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use identity::MockSecret;
use journal::AccessJournal;
use ledger::Payload;
use model::{AccessEvent, AccessRecord, GrantId, RelationName, TargetName};
use registry::Registry;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::cancel::CancelKeys;
use crate::clock;
use crate::directory::{Directory, OpenSession};
use crate::fence::{self, Fence, Finding, Reach};
use crate::freshness::{self, Freshness};
use crate::gate::{Gate, Tls};
use crate::listener;
use crate::parser::Parsers;
use crate::phase::Phase;
use crate::refusals::Refusals;
use crate::settings::Settings;
use crate::target::Target;
use crate::usage::UsageBook;
use crate::warm::{self, Warm};
use crate::watcher;

/// Between two looks at whether records can still be written.
const JOURNAL_LOOK_INTERVAL: Duration = Duration::from_millis(100);
/// Between two signs of life in the access ledger.
const HEARTBEAT_INTERVAL: Duration = Duration::from_mins(1);

/// The running data path.
#[derive(Debug)]
pub struct Gateway {
    gate: Arc<Gate>,
    address: SocketAddr,
    phase: watch::Sender<Phase>,
    /// Nothing once it has ended.
    listener: Option<JoinHandle<()>>,
    helpers: Vec<JoinHandle<()>>,
}

/// Why the data path cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address cannot be taken.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// No thread could be started.
    #[error("cannot start a parser thread: {0}")]
    Thread(#[source] std::io::Error),
}

/// What a target has under a relation's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RelationColumns {
    /// There is no such target.
    UnknownTarget,
    /// The target's catalog is not known now: it cannot be reached.
    CatalogUnknown,
    /// There is no such relation.
    UnknownRelation,
    /// Its columns in their order.
    Columns(Vec<String>),
}

/// What the preflight of a target found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Preflight {
    /// There is no such target.
    UnknownTarget,
    /// The target has no fence. What its catalog alone tells.
    MaskOnly(Vec<Finding>),
    /// It could not be asked. Why, for the operator.
    Failed(String),
    /// What it let through, in order.
    Findings(Vec<Finding>),
}

impl Gateway {
    /// Starts to accept clients.
    ///
    /// Returns once each target was tried, so that a client that comes at once is served.
    ///
    /// # Errors
    ///
    /// [`StartError`] if the address is taken or the operating system refuses a thread. A target
    /// that cannot be reached is no error: its clients are refused until it can.
    pub async fn start(
        settings: Settings,
        journal: Arc<AccessJournal>,
        registry: watch::Receiver<Arc<Registry>>,
        usage: UsageBook,
        mock: MockSecret,
    ) -> Result<Self, StartError> {
        let listen = |source| StartError::Listen { address: settings.listen, source };
        let listener = TcpListener::bind(settings.listen).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let parsers = Parsers::start().map_err(StartError::Thread)?;
        // Catalogs are built by threads of their own: no client can hold them up.
        let builders = Parsers::start().map_err(StartError::Thread)?;
        let (phase, phases) = watch::channel(Phase::Running);
        let (broken, is_broken) = watch::channel(false);
        let mut targets = BTreeMap::new();
        let mut helpers = Vec::new();
        for target in &settings.targets {
            let (freshness, questions) = Freshness::new();
            let target = Arc::new(Target {
                name: target.name.clone(),
                settings: target.clone(),
                fence: Fence::of(&settings, target),
                catalog: arc_swap::ArcSwapOption::empty(),
                tried: tokio::sync::Notify::new(),
                stale: tokio::sync::Notify::new(),
                server: watch::Sender::new(None),
                replaced: tokio::sync::Notify::new(),
                begun: AtomicU64::new(0),
                renewed: tokio::sync::Notify::new(),
                freshness,
                mask_key: settings.mask_key,
                limits: settings.limits.clone(),
            });
            let watcher = watcher::watch(Arc::clone(&target), builders.clone(), phases.clone());
            helpers.push(tokio::spawn(watcher));
            let looks = freshness::serve(Arc::clone(&target), questions, phases.clone());
            helpers.push(tokio::spawn(looks));
            targets.insert(target.name.clone(), target);
        }
        let first_look = async {
            for target in targets.values() {
                target.tried.notified().await;
            }
        };
        let limit = settings.limits.target_connect_timeout;
        if tokio::time::timeout(limit, first_look).await.is_err() {
            tracing::warn!("a target has not answered yet; its clients are refused until it does");
        }
        let gate = Arc::new(Gate {
            registry,
            journal,
            usage,
            parsers,
            cancel: Arc::new(CancelKeys::default()),
            directory: Arc::new(Directory::default()),
            targets,
            refusals: Refusals::default(),
            limits: settings.limits,
            mock,
            tls: settings.tls.map(Tls::new),
            allow_plaintext: settings.allow_plaintext,
            broken: is_broken,
            arrivals: Arc::default(),
            warm: Warm::default(),
            phase: phases,
        });
        for target in gate.targets.values() {
            helpers.push(tokio::spawn(fence::keep(Arc::clone(&gate), Arc::clone(target))));
        }
        helpers.push(tokio::spawn(watch_journal(Arc::clone(&gate), broken)));
        helpers.push(tokio::spawn(heartbeat(Arc::clone(&gate))));
        helpers.push(tokio::spawn(warm::watch(Arc::clone(&gate))));
        let listener = Some(tokio::spawn(listener::listen(Arc::clone(&gate), listener)));
        Ok(Self { gate, address, phase, listener, helpers })
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A view of the running data path that can be kept apart from it.
    pub fn view(&self) -> GatewayView {
        GatewayView { gate: Arc::clone(&self.gate) }
    }

    /// Stops accepting and lets sessions end by themselves: those at rest end at once, others when
    /// their command or transaction has ended. Returns when none is left, or after `drain_timeout`.
    ///
    /// Safe to drop half-way: what is left is ended by [`Gateway::stop`].
    pub async fn drain(&mut self) {
        self.phase.send_replace(Phase::Draining);
        let Some(listener) = &mut self.listener else { return };
        match tokio::time::timeout(self.gate.limits.drain_timeout, listener).await {
            Ok(ended) => {
                self.listener = None;
                if let Err(error) = ended {
                    tracing::error!(%error, "a task of the data path failed");
                }
            }
            Err(_elapsed) => {
                let sessions = self.gate.directory.count();
                tracing::warn!(sessions, "some sessions did not end in time; they are cut");
            }
        }
    }

    /// Stops accepting, ends every session, and returns when all of it is on record.
    pub async fn stop(self) {
        self.phase.send_replace(Phase::Stopping);
        for task in self.helpers.into_iter().chain(self.listener) {
            if let Err(error) = task.await {
                tracing::error!(%error, "a task of the data path failed");
            }
        }
        for target in self.gate.targets.values() {
            if let Some(fence) = &target.fence
                && let Err(error) = fence.sweep(&self.gate, target).await
            {
                tracing::error!(target = %target.name, %error, "roles of the fence may be left; the next start removes them");
            }
        }
    }
}

/// What others may see of the running data path.
#[derive(Clone, Debug)]
pub struct GatewayView {
    gate: Arc<Gate>,
}

impl GatewayView {
    /// The open sessions, by id.
    pub fn sessions(&self) -> Vec<OpenSession> {
        self.gate.directory.list()
    }

    /// The columns of a relation, by the catalog as last read.
    pub fn columns(&self, target: &TargetName, relation: &RelationName) -> RelationColumns {
        let Some(target) = self.gate.targets.get(target) else {
            return RelationColumns::UnknownTarget;
        };
        let Some(catalog) = target.catalog() else { return RelationColumns::CatalogUnknown };
        match catalog.columns_of(relation) {
            Some(columns) => RelationColumns::Columns(columns),
            None => RelationColumns::UnknownRelation,
        }
    }

    /// What a role of a target's fence would reach beyond its grants.
    pub async fn preflight(&self, target: &TargetName, reach: &Reach) -> Preflight {
        let Some(target) = self.gate.targets.get(target) else { return Preflight::UnknownTarget };
        let orders = fence::masked_orders(target);
        let Some(fence) = &target.fence else { return Preflight::MaskOnly(orders) };
        match fence.preflight(target, reach).await {
            Ok(mut findings) => {
                findings.extend(orders);
                Preflight::Findings(findings)
            }
            Err(error) => Preflight::Failed(error.to_string()),
        }
    }

    /// What is used of a grant, over its whole life.
    pub fn usage(&self, grant: GrantId) -> policy::Usage {
        self.gate.usage.of(grant)
    }

    /// Whether a target's catalog is known, which says that it can be reached.
    pub fn is_reachable(&self, target: &TargetName) -> bool {
        self.gate.targets.get(target).is_some_and(|target| target.catalog().is_some())
    }
}

/// Tells every session, also those that stream or wait, when nothing can be recorded any more.
async fn watch_journal(gate: Arc<Gate>, broken: watch::Sender<bool>) {
    loop {
        if gate.journal.check().is_err() {
            tracing::error!("nothing can be recorded any more: every session ends");
            broken.send_replace(true);
            return gate.stopping().await;
        }
        tokio::select! {
            () = gate.stopping() => return,
            () = tokio::time::sleep(JOURNAL_LOOK_INTERVAL) => {}
        }
    }
}

/// Records that the gateway lives, so that a gap in the record shows, and the failed log-ins that
/// were not recorded singly.
async fn heartbeat(gate: Arc<Gate>) {
    loop {
        let stops = tokio::select! {
            () = gate.stopping() => true,
            () = tokio::time::sleep(HEARTBEAT_INTERVAL) => false,
        };
        let sessions = u64::try_from(gate.directory.count()).unwrap_or(u64::MAX);
        let mut events = vec![AccessEvent::Heartbeat { sessions }];
        events.extend(gate.refusals.take_sums().into_iter().map(|(address, count)| {
            AccessEvent::AuthenticationFailed {
                claimed: None,
                target: None,
                peer: address.to_string(),
                reason: format!("{count} more, not recorded singly"),
            }
        }));
        for event in events {
            let record = AccessRecord { at: clock::now(), event };
            if let Err(error) = gate.journal.record(record, Payload::new()).await {
                tracing::error!(%error, "no sign of life is on record");
            }
        }
        if stops {
            return;
        }
    }
}
