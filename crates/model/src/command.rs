//! One thing asked of a target, as it is judged.

use std::sync::Arc;

use crate::{Facts, IdentityName, SessionId, TargetName};

/// Names a command: its session and its place there. Places are dense and begin with 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommandRef {
    /// The session.
    pub session: SessionId,
    /// The place in the session.
    pub sequence: u64,
}

/// How a command came in (PostgreSQL manual, "Message Flow").
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// One Query message.
    Simple,
    /// Parse, Bind, Execute.
    Extended,
}

/// A value bound to `$1`, `$2`, … as the client sent it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parameter {
    /// NULL.
    Null,
    /// In text format.
    Text(Vec<u8>),
    /// In binary format.
    Binary(Vec<u8>),
}

/// One thing asked of a target: what is judged, and what will be forwarded if it is allowed.
///
/// Not `Clone`: what was judged is moved into the proof, so nothing else can be forwarded with it.
#[derive(Debug)]
pub struct Command {
    /// Which command it is.
    pub id: CommandRef,
    /// Who asks.
    pub identity: IdentityName,
    /// Of which target.
    pub target: TargetName,
    /// How it came in.
    pub protocol: Protocol,
    /// What the client wrote.
    pub text: Arc<str>,
    /// What the gateway forwards instead: the checked tree, written out with qualified names.
    pub forwarded: Arc<str>,
    /// The values bound to it.
    pub parameters: Vec<Parameter>,
    /// What it touches.
    pub facts: Arc<Facts>,
    /// The catalog snapshot against which its names were resolved.
    pub catalog_version: u64,
}
