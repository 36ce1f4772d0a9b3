//! The admin side: who exists and what is granted, changed over a Unix socket and nowhere else.
//!
//! `client ─▶ peer credential ─▶ noun ─▶ Control ─▶ journal (durable) ─▶ fold ─▶ published ─▶ answer`
//!
//! One file per noun: `identities`, `tokens`, `certificates`, `grants`, `sessions`, `targets`,
//! `status`. Each holds the JSON
//! of its requests and answers, which [`client`] shares. An error is always
//! `{"error":{"code","message"}}`.
//!
//! **Boundary:** this crate never touches a client's or a target's connection. What it needs to
//! know of them it asks through [`TargetDirectory`] and [`SessionDirectory`].
//!
//! **Invariant:** nothing is published to the data path, or answered, before its record is durable.
//!
//! **Invariant:** a caller is known by what the kernel says of its process, never by what it sends.
//!
//! Source: NIST SP 800-53 AC-2 (account management), AC-3, AU-12 (every admin action is a record).

mod answer;
pub mod certificates;
pub mod client;
mod control;
mod directory;
pub mod grants;
pub mod identities;
mod peer;
mod scope;
mod server;
mod sessions;
pub mod status;
mod targets;
pub mod tokens;

pub use answer::{ErrorAnswer, ErrorBody, Reason};
pub use control::{Control, ControlError};
pub use directory::{
    Answer, DirectoryError, FindingWeight, SessionDirectory, SessionInfo, TargetCheck,
    TargetDirectory, TargetFinding, TargetInfo,
};
pub use peer::Admins;
pub use server::{About, ApiState, CONNECTIONS_MAX, REQUEST_BYTES_MAX, REQUEST_TIMEOUT_S, serve};
