//! The words of Countersign as types: identities, targets, grants, commands, records.
//!
//! **Boundary:** data and its validation only. No clock, no files, no cryptography, no decision.
//!
//! **Invariant:** a value of a type in this crate is well formed. Parsing is the only way in, also
//! for serde, so no other crate checks a name, an id or a time again.
//!
//! **Invariant:** no secret has a place here. Credentials appear as verifiers, sensitive texts as
//! commitments.

mod access;
mod certificate;
mod command;
mod control;
mod detector;
mod ends;
mod facts;
mod grant;
mod id;
mod identity;
mod mask;
mod name;
mod notification;
mod time;
mod written;

pub use access::{
    AccessEvent, AccessRecord, Commitment, GrantRef, LedgerHead, MODE_FENCED, MODE_MASK_ONLY,
    Redaction,
};
pub use certificate::{CertificateName, ParseCertificateNameError, SpiffeId, SubjectName};
pub use command::{Command, CommandRef, Parameter, Protocol};
pub use control::{ControlEvent, ControlRecord, MaskDeclaration, ScramVerifier};
pub use detector::{Detector, Detectors, ParseDetectorError};
pub use ends::{FinishedResult, RoleChange, SessionEnd};
pub use facts::{
    Action, CHANNEL_BYTES_MAX, Facts, MaskedColumn, ParseRelationNameError, RelationName,
    StatementKind, Touch,
};
pub use grant::{Grant, GrantHash, Limits, Scope, ScopeEntry};
pub use id::{CredentialId, GrantId, ParseIdError, SessionId};
pub use identity::{IdentityKind, Lifecycle, LoginMethod};
pub use mask::{Mask, ParseMaskError};
pub use name::{IdentityName, ParseNameError, TargetName};
pub use notification::Notification;
pub use time::{ParseTimestampError, Timestamp};
pub use written::Written;
