//! The PostgreSQL protocol, version 3: bytes to messages and back, and both log-ins.
//!
//! | piece | what it does |
//! |---|---|
//! | [`ClientHandshake`] | a client's start and SCRAM-SHA-256, as the server |
//! | [`FrontendDecoder`] | bytes of a client that is logged in → [`FrontendMessage`] |
//! | [`TargetHandshake`] | start and log-in at a target, as the client |
//! | [`BackendDecoder`] | bytes of a target → rows in chunks, and [`BackendMessage`] |
//! | [`pipeline::ReplyQueue`] | which reply of a target answers which forwarded message |
//! | [`mod@write`] | every message that the gateway itself sends |
//!
//! **Boundary:** no sockets, no clock, no random source: bytes in, values and bytes out. No session
//! state either: which statements and portals there are is the proxy's to know.
//!
//! **Invariant:** at least as strict as PostgreSQL. A message that could be read in two ways is
//! refused, so a client cannot hide from the gateway what the target would do.
//!
//! **Invariant:** however the network cuts the bytes, the events are the same.
//!
//! **Invariant:** no `Debug` output and no error shows SQL, values, passwords or keys.
//!
//! Source: PostgreSQL 18 documentation, chapter 54.

pub mod backend;
pub mod frontend;
pub mod limits;
pub mod pipeline;
pub mod write;

mod client_handshake;
mod error;
mod frame;
mod message;
mod reader;
mod scram;
mod startup;
mod target_handshake;
mod target_login;
mod text;
mod tls;

pub use backend::{BackendKind, BackendMessage};
pub use client_handshake::{
    ClientEvent, ClientHandshake, OutOfTurn, Proof, ScramOutcome, TlsOffer,
};
pub use error::{Fault, ProtocolError, Refused, WriteError};
pub use frame::{BackendDecoder, BackendEvent, Frame, FrontendDecoder};
pub use frontend::FrontendMessage;
pub use message::{Format, Named, TransactionStatus};
pub use scram::{ChannelBinding, ScramNonce, verifier as scram_verifier};
pub use startup::{CancelKey, ProtocolVersion, StartupParameters, TLS_FIRST_BYTE};
pub use target_handshake::{TargetError, TargetEvent, TargetHandshake, TargetSession};
pub use target_login::{AuthMethod, BindingPolicy, TargetLogin, TargetPassword, WeakPasswords};
pub use text::Text;
pub use tls::{ALPN, TlsAnswer, tls_answer};
