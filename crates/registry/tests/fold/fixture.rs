//! Control records, short to write. Times are seconds after the epoch.

use std::time::Duration;

use model::{
    Action, CertificateName, ControlEvent, ControlRecord, CredentialId, Grant, GrantId,
    IdentityKind, IdentityName, Limits, RelationName, ScopeEntry, ScramVerifier, TargetName,
    Timestamp,
};
use registry::{Registry, RegistryError, grant_hash};

pub(crate) fn fold(events: &[(u64, ControlEvent)]) -> Registry {
    let mut registry = Registry::default();
    for (now, event) in events {
        apply(&mut registry, *now, event.clone()).unwrap();
    }
    registry
}

pub(crate) fn apply(
    registry: &mut Registry,
    now: u64,
    event: ControlEvent,
) -> Result<(), RegistryError> {
    registry.apply(&ControlRecord { at: at(now), by: "uid:1000".into(), event })
}

pub(crate) fn created(identity: &str) -> ControlEvent {
    ControlEvent::IdentityCreated {
        identity: name(identity),
        identity_kind: IdentityKind::Workload,
        owner: "Grace".into(),
        expires_at: None,
    }
}

pub(crate) fn created_until(identity: &str, end: u64) -> ControlEvent {
    ControlEvent::IdentityCreated {
        identity: name(identity),
        identity_kind: IdentityKind::Workload,
        owner: "Grace".into(),
        expires_at: Some(at(end)),
    }
}

pub(crate) fn disabled(identity: &str) -> ControlEvent {
    ControlEvent::IdentityDisabled { identity: name(identity), reason: "left".into() }
}

pub(crate) fn enabled(identity: &str) -> ControlEvent {
    ControlEvent::IdentityEnabled { identity: name(identity), reason: "came back".into() }
}

pub(crate) fn issued(number: u64, identity: &str, end: u64) -> ControlEvent {
    ControlEvent::CredentialIssued {
        credential: credential(number),
        identity: name(identity),
        verifier: verifier(),
        expires_at: at(end),
    }
}

/// A certificate's name that is the same for the same `agent`.
pub(crate) fn certified(number: u64, identity: &str, agent: u64, end: u64) -> ControlEvent {
    ControlEvent::CertificateAdded {
        credential: credential(number),
        identity: name(identity),
        certificate: certificate(agent),
        expires_at: at(end),
    }
}

pub(crate) fn certificate(agent: u64) -> CertificateName {
    CertificateName::Spiffe(format!("spiffe://example.org/agent-{agent}").parse().unwrap())
}

pub(crate) fn token_revoked(number: u64) -> ControlEvent {
    ControlEvent::CredentialRevoked { credential: credential(number), reason: "leaked".into() }
}

pub(crate) fn granted(grant: &Grant) -> ControlEvent {
    ControlEvent::GrantCreated { grant: Box::new(grant.clone()), hash: grant_hash(grant) }
}

pub(crate) fn revoked(number: u64) -> ControlEvent {
    ControlEvent::GrantRevoked { grant: GrantId::from_random(number), reason: "done".into() }
}

pub(crate) fn grant(number: u64, identity: &str, from: u64, to: u64) -> Grant {
    Grant {
        id: GrantId::from_random(number),
        identity: name(identity),
        target: target(),
        scope: vec![ScopeEntry {
            relation: RelationName::new("billing", "customers"),
            actions: [Action::Select].into(),
            columns: ["id".to_owned(), "name".to_owned()].into(),
        }],
        not_before: at(from),
        expires_at: at(to),
        limits: Limits::default(),
        task: "T-1".into(),
        purpose: "Answer the customer".into(),
        on_behalf_of: None,
        requested_by: "uid:1000".into(),
        approved_by: "uid:1000".into(),
        accepted_holes: std::collections::BTreeSet::new(),
    }
}

pub(crate) fn verifier() -> ScramVerifier {
    ScramVerifier {
        iterations: 4096,
        salt: "00".repeat(16),
        stored_key: "11".repeat(32),
        server_key: "22".repeat(32),
    }
}

pub(crate) fn credential(number: u64) -> CredentialId {
    CredentialId::from_random(number)
}

pub(crate) fn name(text: &str) -> IdentityName {
    text.parse().unwrap()
}

pub(crate) fn target() -> TargetName {
    "billing".parse().unwrap()
}

pub(crate) fn at(seconds: u64) -> Timestamp {
    Timestamp::from_unix(Duration::from_secs(seconds))
}
