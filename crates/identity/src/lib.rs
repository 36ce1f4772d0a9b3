//! Proves who a client is: issues tokens, checks them by SCRAM-SHA-256 against the inventory, and finds
//! whose a certificate is that TLS has verified.
//!
//! **Boundary:** this crate speaks no protocol. `pgwire` holds the messages of SCRAM; here are the
//! verifier that it needs and the conclusion that its result allows.
//!
//! **Invariant:** an unknown, disabled or expired identity gets the same messages, at the same
//! cost, as a known one with a wrong token. Only the record knows the difference.
//!
//! **Invariant:** an [`Identified`] is made only from a correct proof for a usable identity.
//!
//! Source: NIST SP 800-53 IA-9 (service identification and authentication), IA-6 (authentication
//! feedback).

mod certificate;
mod login;
mod mock;
mod token;

pub use certificate::{Certificate, end_point};
pub use login::{AuthError, Identified, Login, ScramProof, Verifiers};
pub use mock::MockSecret;
pub use token::{Token, issue};
