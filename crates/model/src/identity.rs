//! What an account is and where it stands in its life (NIST SP 800-53 AC-2).

/// Whether a person or a program stands behind an identity.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum IdentityKind {
    /// A human being.
    Person,
    /// A program, for example an MCP server.
    Workload,
}

/// Where an identity stands in its life.
///
/// Expiry is not a state: it is a time in the inventory, compared with the clock at each use.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Lifecycle {
    /// May be used until it expires.
    Enabled,
    /// May not be used.
    Disabled,
}

/// How a client proved its identity at log-in.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
pub enum LoginMethod {
    /// A token, by SCRAM-SHA-256.
    #[serde(rename = "scram-sha-256")]
    Scram,
    /// A token, by SCRAM-SHA-256 bound to the TLS connection (`tls-server-end-point`).
    #[serde(rename = "scram-sha-256-plus")]
    ScramPlus,
    /// A certificate, by TLS.
    #[serde(rename = "certificate")]
    Certificate,
}
