//! What all sessions share: the inventory, the journal, the targets, the limits.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use identity::MockSecret;
use journal::AccessJournal;
use model::TargetName;
use pgwire::ChannelBinding;
use registry::Registry;
use tokio::sync::watch;

use crate::arrivals::Arrivals;
use crate::cancel::CancelKeys;
use crate::directory::Directory;
use crate::parser::Parsers;
use crate::phase::Phase;
use crate::refusals::Refusals;
use crate::settings::{ClientCertificates, ClientTls, Limits};
use crate::target::Target;
use crate::usage::UsageBook;
use crate::warm::Warm;

/// What all sessions share. Nothing in it is locked across an await.
pub(crate) struct Gate {
    pub(crate) registry: watch::Receiver<Arc<Registry>>,
    pub(crate) journal: Arc<AccessJournal>,
    pub(crate) usage: UsageBook,
    pub(crate) parsers: Parsers,
    pub(crate) cancel: Arc<CancelKeys>,
    pub(crate) directory: Arc<Directory>,
    pub(crate) targets: BTreeMap<TargetName, Arc<Target>>,
    pub(crate) refusals: Refusals,
    pub(crate) limits: Limits,
    pub(crate) mock: MockSecret,
    pub(crate) tls: Option<Tls>,
    pub(crate) allow_plaintext: bool,
    /// True once nothing can be recorded any more.
    pub(crate) broken: watch::Receiver<bool>,
    /// Clients that have not finished logging in.
    pub(crate) arrivals: Arc<Arrivals>,
    /// Connections to targets that wait for a session.
    pub(crate) warm: Warm,
    /// Whether the gateway drains or stops.
    pub(crate) phase: watch::Receiver<Phase>,
}

/// Encryption of client connections.
pub(crate) struct Tls {
    pub(crate) acceptor: tokio_rustls::TlsAcceptor,
    /// What clients can bind their log-in to.
    pub(crate) binding: ChannelBinding,
    pub(crate) clients: ClientCertificates,
}

impl Tls {
    pub(crate) fn new(settings: ClientTls) -> Self {
        let hash = identity::end_point(&settings.certificate);
        Self {
            acceptor: tokio_rustls::TlsAcceptor::from(settings.config),
            binding: hash.map_or(ChannelBinding::Unavailable, ChannelBinding::EndPoint),
            clients: settings.clients,
        }
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Gate")
    }
}

impl Gate {
    /// The inventory as it is now.
    pub(crate) fn registry(&self) -> Arc<Registry> {
        Arc::clone(&self.registry.borrow())
    }

    /// Whether clients need a certificate, and so TLS.
    pub(crate) fn certificates(&self) -> ClientCertificates {
        self.tls.as_ref().map_or(ClientCertificates::Off, |tls| tls.clients)
    }

    /// Returns when nothing can be recorded any more.
    pub(crate) async fn record_failed(&self) {
        let mut broken = self.broken.clone();
        if broken.wait_for(|broken| *broken).await.is_err() {
            // Whoever watches the journal is gone: the gateway is stopping, which is told elsewhere.
            std::future::pending::<()>().await;
        }
    }

    /// Returns when the gateway stops.
    pub(crate) async fn stopping(&self) {
        self.phase_beyond(Phase::Draining).await;
    }

    /// Returns when the gateway lets nobody in any more.
    pub(crate) async fn draining(&self) {
        self.phase_beyond(Phase::Running).await;
    }

    /// Returns the phase once it is beyond this one.
    pub(crate) async fn phase_beyond(&self, known: Phase) -> Phase {
        let mut phase = self.phase.clone();
        // If whoever could say so is gone, the gateway is stopping.
        phase.wait_for(|now| *now > known).await.map_or(Phase::Stopping, |phase| *phase)
    }
}
