//! The demo's parts: a private PostgreSQL with made-up billing data, a gateway, an MCP client, and
//! the steps that show them. The program `countersign-demo` puts them in a row.
//!
//! **Boundary:** none of Countersign's crates. The demo knows the product as its users do, by its
//! command line, its settings file and its port.

#![expect(
    clippy::missing_errors_doc,
    reason = "every error means the same: the demo does not go on, and the error says why"
)]

pub mod access;
pub mod agent;
pub mod billing;
pub mod clock;
pub mod cluster;
pub mod files;
pub mod gateway;
pub mod keep;
pub mod process;
pub mod proof;
pub mod screen;
pub mod stage;
