//! The gateway's own connections to a target.
//!
//! **Invariant:** nothing of a client reaches a target's log-in. User, password, settings are the
//! gateway's; the session's id goes into `application_name`, so that the target's log can be
//! compared with ours.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arc_swap::ArcSwapOption;
use model::TargetName;
use pgwire::{
    BackendDecoder, BindingPolicy, CancelKey, ChannelBinding, TargetError, TargetEvent,
    TargetHandshake, TargetLogin, TargetPassword, WeakPasswords, write,
};
use sql::Catalog;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::{Notify, watch};

use crate::fence::Fence;
use crate::footing::Footing;
use crate::freshness::Freshness;
use crate::settings::{Limits, Secret, TargetSettings, TargetTls};
use crate::stream::Stream;

/// One guarded database.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) name: TargetName,
    pub(crate) settings: TargetSettings,
    /// Its catalog as last read. Nothing while the target cannot be reached.
    pub(crate) catalog: ArcSwapOption<Catalog>,
    /// Woken when the catalog was read, or could not be: nobody needs to wait any longer.
    pub(crate) tried: Notify,
    /// Woken when an answer disagreed with the catalog: read it again at once.
    pub(crate) stale: Notify,
    /// The running server of which the catalog is, noted before the catalog.
    pub(crate) server: watch::Sender<Option<Arc<str>>>,
    /// Woken when a session is on another server: connect again, and read its catalog.
    pub(crate) replaced: Notify,
    /// The version of the catalog that is being read, or was read last.
    pub(crate) begun: AtomicU64,
    /// Woken when there is a new catalog.
    pub(crate) renewed: Notify,
    /// Where sessions ask whether definitions are still as they were read.
    pub(crate) freshness: Freshness,
    pub(crate) mask_key: [u8; 32],
    pub(crate) limits: Limits,
    /// Where sessions log in as roles of their own. Nothing in mask-only mode.
    pub(crate) fence: Option<Fence>,
}

/// Who logs in at a target, and where.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) user: String,
    pub(crate) password: Option<Secret>,
    pub(crate) database: String,
}

/// A session on a target, logged in and pinned.
#[derive(Debug)]
pub(crate) struct Connected {
    pub(crate) stream: Stream,
    pub(crate) decoder: BackendDecoder,
    pub(crate) link: TargetLink,
    /// What the target reported of its settings.
    pub(crate) parameters: Arc<Vec<(String, String)>>,
    /// How it stood when it was new, once that was asked.
    pub(crate) footing: Option<Arc<Footing>>,
}

/// How to reach a running session on a target from outside of its connection.
#[derive(Clone, Debug)]
pub(crate) struct TargetLink {
    target: Arc<Target>,
    key: Option<CancelKey>,
    /// Whether a cancel was ever sent. It may arrive late, and then cancels what runs by then.
    was_cancelled: Arc<AtomicBool>,
}

/// Why there is no connection to a target. The text is for the operator, not for a client.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    /// The network or the socket.
    #[error("cannot reach {address}: {source}")]
    Io {
        /// Where.
        address: String,
        /// Why.
        source: std::io::Error,
    },
    /// It took too long.
    #[error("no answer from {0} in time")]
    TimedOut(String),
    /// The target does not speak TLS, and the settings ask for it.
    #[error("{0} does not offer TLS; set tls = \"disable\" only if the path to it is safe")]
    NoTls(String),
    /// The target does not say within TLS that it speaks PostgreSQL.
    #[error("{0} does not take TLS without being asked; set tls_negotiation = \"request\"")]
    NoAlpn(String),
    /// Not a name that a certificate can carry.
    #[error("`{0}` cannot be checked against a certificate")]
    Name(String),
    /// Another server answers than the one of which the catalog is.
    #[error("{0} leads to different servers: a target must be one server")]
    OtherServer(String),
    /// The log-in failed.
    #[error(transparent)]
    Login(#[from] TargetError),
}

impl Target {
    /// The catalog as last read.
    pub(crate) fn catalog(&self) -> Option<Arc<Catalog>> {
        self.catalog.load_full()
    }

    /// `fenced` or `mask-only`, as records name it.
    pub(crate) fn mode(&self) -> &'static str {
        if self.fence.is_some() { model::MODE_FENCED } else { model::MODE_MASK_ONLY }
    }

    /// Logs in as the gateway itself. `label` becomes the session's `application_name` on the
    /// target.
    pub(crate) async fn connect(self: &Arc<Self>, label: &str) -> Result<Connected, ConnectError> {
        let login = TargetLogin {
            parameters: self.parameters(&self.settings.database, label, self.mask_settings()),
            ..self.login(&self.settings.user, self.settings.password.as_ref())
        };
        self.connect_with(login).await
    }

    /// Logs in as another account. The key of the `hash` mask is not given to it.
    pub(crate) async fn connect_as(
        self: &Arc<Self>,
        account: &Account,
        label: &str,
    ) -> Result<Connected, ConnectError> {
        let login = TargetLogin {
            parameters: self.parameters(&account.database, label, Vec::new()),
            ..self.login(&account.user, account.password.as_ref())
        };
        self.connect_with(login).await
    }

    /// As [`Target::connect_as`], with the key of the `hash` mask in settings of the session.
    pub(crate) async fn connect_with_key(
        self: &Arc<Self>,
        account: &Account,
        label: &str,
    ) -> Result<Connected, ConnectError> {
        let login = TargetLogin {
            parameters: self.parameters(&account.database, label, self.mask_settings()),
            ..self.login(&account.user, account.password.as_ref())
        };
        self.connect_with(login).await
    }

    async fn connect_with(self: &Arc<Self>, login: TargetLogin) -> Result<Connected, ConnectError> {
        let limit = self.limits.target_connect_timeout;
        match tokio::time::timeout(limit, self.connect_untimed(login)).await {
            Ok(connected) => connected,
            Err(_elapsed) => Err(ConnectError::TimedOut(self.settings.address.to_string())),
        }
    }

    async fn connect_untimed(
        self: &Arc<Self>,
        login: TargetLogin,
    ) -> Result<Connected, ConnectError> {
        let mut stream = self.open().await?;
        let binding = stream.peer_certificates().first().and_then(|own| identity::end_point(own));
        let binding = binding.map_or(ChannelBinding::Unavailable, ChannelBinding::EndPoint);
        let login = TargetLogin { binding, ..login };
        let mut handshake =
            TargetHandshake::new(login).map_err(|error| ConnectError::Login(error.into()))?;
        loop {
            while let Some(event) = handshake.poll_event()? {
                match event {
                    TargetEvent::Notice(_) => {}
                    TargetEvent::Ready(session) => {
                        let link = TargetLink {
                            target: Arc::clone(self),
                            key: session.cancel_key,
                            was_cancelled: Arc::default(),
                        };
                        let parameters = Arc::new(session.parameters);
                        return Ok(Connected {
                            stream,
                            decoder: session.decoder,
                            link,
                            parameters,
                            footing: None,
                        });
                    }
                }
            }
            // After the events: reading them is what makes the next message.
            let output = handshake.take_output();
            stream.write_all(&output).await.map_err(|source| self.io(source))?;
            stream.flush().await.map_err(|source| self.io(source))?;
            let read =
                stream.read_buf(handshake.inbox()).await.map_err(|source| self.io(source))?;
            if read == 0 {
                return Err(self.io(std::io::ErrorKind::UnexpectedEof.into()));
            }
        }
    }

    fn login(&self, user: &str, password: Option<&Secret>) -> TargetLogin {
        TargetLogin {
            user: user.to_owned(),
            parameters: Vec::new(),
            password: password.map(|secret| TargetPassword::new(secret.reveal())),
            weak_passwords: if self.settings.allow_weak_password {
                WeakPasswords::Allowed
            } else {
                WeakPasswords::Refused
            },
            nonce: pgwire::ScramNonce::new(crypto::random()),
            // Known once the connection stands.
            binding: ChannelBinding::Unavailable,
            binding_policy: match &self.settings.tls {
                TargetTls::Disabled => BindingPolicy::Preferred,
                TargetTls::VerifyFull { binding, .. } => *binding,
            },
        }
    }

    /// The gateway's own `StartupMessage`: everything on which the meaning of a text or the form of
    /// an answer depends is pinned.
    fn parameters(
        &self,
        database: &str,
        label: &str,
        more: Vec<(String, String)>,
    ) -> Vec<(String, String)> {
        let timeout = self.limits.command_timeout.as_millis().to_string();
        let idle = self.limits.idle_timeout.as_millis().to_string();
        let pinned = [
            ("database", database),
            ("application_name", label),
            ("client_encoding", "UTF8"),
            ("search_path", "pg_catalog"),
            ("standard_conforming_strings", "on"),
            ("DateStyle", "ISO, MDY"),
            ("bytea_output", "hex"),
            ("extra_float_digits", "1"),
            ("row_security", "on"),
            ("statement_timeout", &timeout),
            ("idle_in_transaction_session_timeout", &idle),
        ];
        let pinned = pinned.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
        pinned.chain(more).collect()
    }

    fn mask_settings(&self) -> Vec<(String, String)> {
        let key = mask::hash_key_settings(&self.mask_key);
        key.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    pub(crate) fn io(&self, source: std::io::Error) -> ConnectError {
        ConnectError::Io { address: self.settings.address.to_string(), source }
    }
}

impl TargetLink {
    /// True if a cancel was ever sent to the session.
    pub(crate) fn was_cancelled(&self) -> bool {
        self.was_cancelled.load(Ordering::Relaxed)
    }

    /// The process of the session on the target, if it told.
    pub(crate) fn process(&self) -> Option<u32> {
        self.key.as_ref().map(|key| key.pid)
    }

    /// Asks the target to cancel what the session runs. Returns at once; a failure is logged, and
    /// the session's own deadline ends what was not cancelled.
    pub(crate) fn cancel(&self) {
        self.was_cancelled.store(true, Ordering::Relaxed);
        let link = self.clone();
        tokio::spawn(async move {
            let limit = link.target.limits.target_connect_timeout;
            match tokio::time::timeout(limit, link.send_cancel()).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::warn!(%error, "a command could not be cancelled"),
                Err(_elapsed) => tracing::warn!("a command could not be cancelled in time"),
            }
        });
    }

    async fn send_cancel(&self) -> Result<(), ConnectError> {
        let Some(key) = &self.key else { return Ok(()) };
        let mut stream = self.target.open().await?;
        let mut request = bytes::BytesMut::new();
        if write::cancel_request(&mut request, key.pid, &key.key).is_ok() {
            stream.write_all(&request).await.map_err(|source| self.target.io(source))?;
            stream.flush().await.map_err(|source| self.target.io(source))?;
        }
        Ok(())
    }

    /// Ends the session's backend from outside, when it did not answer a cancel. Returns at once.
    ///
    /// A role may end its own sessions, and those of roles whose member it is (PostgreSQL manual,
    /// "Server Signaling Functions").
    pub(crate) fn terminate(&self) {
        let link = self.clone();
        tokio::spawn(async move {
            let Some(key) = &link.key else { return };
            let sql = format!("SELECT pg_catalog.pg_terminate_backend({})", key.pid);
            let limit = link.target.limits.target_connect_timeout;
            let ended = async {
                if let Some(fence) = &link.target.fence {
                    return fence.ask(&link.target, &sql).await;
                }
                let mut connection =
                    crate::asker::Asker::connect(&link.target, "countersign end").await?;
                connection.ask(&sql).await
            };
            match tokio::time::timeout(limit, ended).await {
                Ok(Ok(_rows)) => {}
                Ok(Err(error)) => tracing::warn!(%error, "a backend could not be terminated"),
                Err(_elapsed) => tracing::warn!("a backend could not be terminated in time"),
            }
        });
    }
}
