//! What the gateway's own log-in at a target needs: who, with what, and what may be shown.

use std::fmt;

use crate::scram::{ChannelBinding, ScramNonce};

/// The gateway's password at a target.
#[derive(Clone)]
pub struct TargetPassword(pub(crate) String);

impl TargetPassword {
    /// Takes a password.
    pub fn new(password: impl Into<String>) -> Self {
        Self(password.into())
    }
}

/// Shows nothing.
impl fmt::Debug for TargetPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TargetPassword")
    }
}

/// Whether the password may be shown to the target in a form that can be used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WeakPasswords {
    /// Cleartext, MD5, and SCRAM with fewer rounds than [`crate::limits::SCRAM_ITERATIONS_MIN`] are refused.
    Refused,
    /// They are accepted.
    Allowed,
}

/// How to log in.
#[derive(Clone, Debug)]
pub struct TargetLogin {
    /// The user.
    pub user: String,
    /// All other startup parameters: `database`, settings.
    pub parameters: Vec<(String, String)>,
    /// The password, if there is one.
    pub password: Option<TargetPassword>,
    /// Whether it may be shown.
    pub weak_passwords: WeakPasswords,
    /// Fresh random bytes.
    pub nonce: ScramNonce,
    /// What SCRAM can be bound to.
    pub binding: ChannelBinding,
    /// Whether it must be.
    pub binding_policy: BindingPolicy,
}

/// Whether a log-in at a target must be bound to the TLS connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BindingPolicy {
    /// It is where the target offers it.
    #[default]
    Preferred,
    /// A target that does not offer it, or asks for something else than SCRAM, gets no proof.
    Required,
}

/// How the target let the gateway in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthMethod {
    /// It asked for nothing.
    Trust,
    /// It asked for the password itself.
    Cleartext,
    /// It asked for the MD5 form.
    Md5,
    /// SCRAM-SHA-256.
    Scram,
    /// SCRAM-SHA-256-PLUS: bound to the TLS connection.
    ScramPlus,
}
