//! What the data path is told when it starts. Parsed and checked by the binary; nothing here is
//! read from a file or from the environment.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use model::{MaskDeclaration, TargetName};
use pgwire::BindingPolicy;
use rustls_pki_types::CertificateDer;

/// A password of a target. Never printed.
#[derive(Clone)]
pub struct Secret(Arc<str>);

impl Secret {
    /// Takes a secret.
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// Shows it to the code that must send it.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Where a target listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetAddress {
    /// A host name or address, and a port.
    Tcp {
        /// Name or address.
        host: String,
        /// Port.
        port: u16,
    },
    /// The directory of a Unix socket, and the port that is part of its name.
    Unix {
        /// Directory.
        directory: PathBuf,
        /// Port.
        port: u16,
    },
}

impl fmt::Display for TargetAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix { directory, port } => {
                write!(f, "{}", directory.join(format!(".s.PGSQL.{port}")).display())
            }
        }
    }
}

/// Whether the connection to a target is encrypted.
#[derive(Clone, Debug)]
pub enum TargetTls {
    /// It is not: for a Unix socket or the loopback interface.
    Disabled,
    /// TLS with a certificate that chains to a known authority and names the host.
    VerifyFull {
        /// Authorities and algorithms.
        config: Arc<rustls::ClientConfig>,
        /// How TLS begins.
        negotiation: TlsNegotiation,
        /// Whether the log-in must be bound to it.
        binding: BindingPolicy,
    },
}

/// How TLS begins on the connection to a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsNegotiation {
    /// By `SSLRequest`.
    Requested,
    /// With the first byte, as PostgreSQL 17 and later take it.
    Direct,
}

/// Encryption of client connections.
#[derive(Clone, Debug)]
pub struct ClientTls {
    /// Certificate, key, authorities of clients, algorithms.
    pub config: Arc<rustls::ServerConfig>,
    /// The certificate that clients see, to which they can bind their log-in.
    pub certificate: CertificateDer<'static>,
    /// Whether clients prove themselves by certificates.
    pub clients: ClientCertificates,
}

/// Whether clients prove themselves by certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientCertificates {
    /// They are not asked for one.
    Off,
    /// A client that has one that is its identity's needs no token.
    Optional,
    /// A client needs one that is its identity's, and TLS.
    Required,
}

/// One guarded PostgreSQL database.
#[derive(Clone, Debug)]
pub struct TargetSettings {
    /// The name that clients give as their database.
    pub name: TargetName,
    /// Where it listens.
    pub address: TargetAddress,
    /// The database there.
    pub database: String,
    /// The account with which the gateway logs in.
    pub user: String,
    /// Its password, if it has one.
    pub password: Option<Secret>,
    /// Whether md5 and cleartext authentication may be answered.
    pub allow_weak_password: bool,
    /// Encryption.
    pub tls: TargetTls,
    /// Columns to hide.
    pub masks: Vec<MaskDeclaration>,
    /// Who makes the roles of a fence. Without it, the target runs in mask-only mode.
    pub provision: Option<ProvisionSettings>,
}

/// The account that makes and removes the short-lived roles of a fence.
#[derive(Clone, Debug)]
pub struct ProvisionSettings {
    /// Its name. It has CREATEROLE, is no superuser, and may pass on the rights that grants give.
    pub user: String,
    /// Its password, if it has one.
    pub password: Option<Secret>,
}

/// Everything the data path needs to know.
#[derive(Debug)]
pub struct Settings {
    /// The gateway's name.
    pub gateway: String,
    /// What no other gateway has, such as the public half of its key.
    pub installation: Vec<u8>,
    /// Where clients connect. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// Encryption of client connections; without it, clients speak in the clear.
    pub tls: Option<ClientTls>,
    /// Whether clients of other machines may speak in the clear. Those of this machine may.
    pub allow_plaintext: bool,
    /// What is guarded.
    pub targets: Vec<TargetSettings>,
    /// Key of the `hash` mask.
    pub mask_key: [u8; 32],
    /// Bounds on everything that could grow.
    pub limits: Limits,
}

/// Bounds on everything that could grow or last. Each has a test that reaches it.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Client connections at one time; the next one is told so and closed.
    pub clients_max: usize,
    /// From connect to the end of authentication.
    pub handshake_timeout: Duration,
    /// Clients of one address that have not finished logging in, at one time.
    pub handshakes_max: usize,
    /// From the signal to stop until what still runs is cut.
    pub drain_timeout: Duration,
    /// One command on the target; also set there as `statement_timeout`.
    pub command_timeout: Duration,
    /// A session on which nothing happens.
    pub idle_timeout: Duration,
    /// A client that does not read what it asked for.
    pub stalled_client_timeout: Duration,
    /// Connections to a target that are kept for one identity.
    pub warm_max: usize,
    /// How long one is kept.
    pub warm_idle_timeout: Duration,
    /// Connecting to a target and logging in.
    pub target_connect_timeout: Duration,
    /// Between two looks at a target's catalog for changes.
    pub catalog_poll_interval: Duration,
    /// One message of a client.
    pub client_message_bytes_max: usize,
    /// Prepared statements that one session may keep.
    pub statements_max: usize,
    /// Portals that one session may keep.
    pub portals_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            clients_max: 512,
            handshake_timeout: Duration::from_secs(10),
            handshakes_max: 64,
            drain_timeout: Duration::from_secs(10),
            command_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_hours(1),
            stalled_client_timeout: Duration::from_mins(1),
            warm_max: 2,
            warm_idle_timeout: Duration::from_mins(1),
            target_connect_timeout: Duration::from_secs(5),
            catalog_poll_interval: Duration::from_secs(1),
            client_message_bytes_max: 1 << 20,
            statements_max: 1_024,
            portals_max: 256,
        }
    }
}
