//! Decides whether a command may run, from an identity, its grants and a clock reading.
//!
//! **Invariant:** [`decide`] is a pure function. Equal arguments give equal decisions, so any
//! decision on record can be recomputed from the records alone.
//!
//! **Invariant:** the absence of a rule denies. Only a covering grant lets a command touch a
//! relation, and nothing that a grant says takes away what another one gives.
//!
//! **Invariant:** nothing outside this crate makes an [`Allowed`] or a [`Deliverable`].
//!
//! Source: NIST SP 800-53 AC-3 (access enforcement) and AC-6 (least privilege).

mod coverage;
mod decision;
mod notification;
mod reason;
mod standing;

pub use coverage::{Coverage, check};
pub use decision::{Allowed, Decision, Denied, decide};
pub use notification::{Deliverable, Undelivered, judge_notification};
pub use reason::DenyReason;
pub use standing::{LiveGrant, Standing, Usage};
