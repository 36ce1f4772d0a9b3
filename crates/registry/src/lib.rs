//! Who exists and what is granted: the inventory as the fold of the control records.
//!
//! The running gateway, the evidence and the verification all fold the same records with
//! [`Registry::apply`], so the inventory as of any instant needs no second source.
//!
//! **Invariant:** the fold depends on the records and their order alone. It reads no clock; a
//! record's own time is the only one it knows.
//!
//! **Invariant:** a record that is refused changes nothing.
//!
//! Source: NIST SP 800-53 AC-2 (account management), AC-3 (access enforcement).

mod apply;
mod entry;
mod error;
mod hash;
mod registry;

pub use entry::{Credential, CredentialProof, Ended, GrantEntry, Identity, Target};
pub use error::RegistryError;
pub use hash::grant_hash;
pub use registry::Registry;
