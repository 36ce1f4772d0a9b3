//! What the fold of control records makes of them, as tables. The properties stand in their own
//! file.

#![expect(clippy::unwrap_used, reason = "a test that cannot build its input has failed")]

mod fixture;
mod properties;

use model::{ControlEvent, GrantHash, GrantId, LedgerHead, Lifecycle, ScramVerifier};
use policy::Usage;
use registry::{Registry, RegistryError, grant_hash};

use crate::fixture::{
    apply, at, certificate, certified, created, created_until, credential, disabled, enabled, fold,
    grant, granted, issued, name, revoked, target, token_revoked, verifier,
};

#[test]
fn the_fold_tells_who_exists_and_what_is_granted() {
    let registry = fold(&[
        (1, created("ada")),
        (2, created("agent")),
        (3, issued(1, "agent", 900)),
        (4, granted(&grant(1, "agent", 5, 50))),
        (5, granted(&grant(2, "agent", 5, 60))),
        (6, revoked(1)),
        (7, disabled("ada")),
    ]);

    assert_eq!(registry.size(), 7);
    let names: Vec<_> = registry.identities().map(|identity| identity.name.as_str()).collect();
    assert_eq!(names, ["ada", "agent"]);
    let ada = registry.identity(&name("ada")).unwrap();
    assert_eq!(ada.lifecycle, Lifecycle::Disabled);
    assert_eq!(ada.changed.as_ref().unwrap().by, "uid:1000");
    assert_eq!((ada.owner.as_str(), ada.created_at), ("Grace", at(1)));
    assert!(!ada.is_usable(at(8)));

    let first = registry.grant(GrantId::from_random(1)).unwrap();
    assert_eq!(first.revoked.as_ref().unwrap().at, at(6));
    let live = |now| {
        let live = registry.live_grants(&name("agent"), &target(), at(now));
        live.map(|entry| entry.grant.id).collect::<Vec<_>>()
    };
    assert_eq!(live(4), []);
    assert_eq!(live(5), [GrantId::from_random(2)]);
    assert_eq!(live(60), []);
}

#[test]
fn a_newer_credential_replaces_the_former_one() {
    let registry =
        fold(&[(1, created("agent")), (2, issued(1, "agent", 900)), (3, issued(2, "agent", 500))]);
    let former = registry.credential(credential(1)).unwrap();
    let replaced = former.revoked.as_ref().unwrap();
    assert_eq!(replaced.at, at(3));
    assert_eq!(replaced.reason, format!("replaced by {}", credential(2)));
    let live = |now| registry.token_of(&name("agent"), at(now)).map(|own| own.id);
    assert_eq!(live(499), Some(credential(2)));
    assert_eq!(live(500), None, "the former one does not come back");
}

#[test]
fn a_certificates_name_is_one_identitys_as_long_as_it_lives() {
    let mut registry = fold(&[
        (1, created("agent")),
        (1, created("other")),
        (2, issued(1, "agent", 900)),
        (3, certified(2, "agent", 7, 500)),
        (4, certified(3, "agent", 8, 900)),
    ]);
    let live = |registry: &Registry, now| {
        let live = registry.certificates_of(&name("agent"), at(now)).map(|own| own.id);
        live.collect::<Vec<_>>()
    };
    assert_eq!(live(&registry, 499), [credential(2), credential(3)]);
    assert_eq!(live(&registry, 500), [credential(3)]);
    assert_eq!(registry.token_of(&name("agent"), at(10)).unwrap().id, credential(1));

    let taken = Err(RegistryError::CertificateTaken(certificate(7)));
    assert_eq!(apply(&mut registry, 5, certified(4, "other", 7, 900)), taken);
    // The same name again, for the same identity, replaces the former.
    assert_eq!(apply(&mut registry, 6, certified(4, "agent", 7, 700)), Ok(()));
    assert!(registry.credential(credential(2)).unwrap().revoked.is_some());
    assert_eq!(live(&registry, 600), [credential(4), credential(3)]);
    // Once it has ended, another may have it.
    assert_eq!(apply(&mut registry, 7, token_revoked(4)), Ok(()));
    assert_eq!(apply(&mut registry, 8, certified(5, "other", 7, 900)), Ok(()));
    let holder = registry.certified_by(&certificate(7), at(9)).unwrap();
    assert_eq!((holder.id, &holder.identity), (credential(5), &name("other")));
    assert_eq!(live(&registry, 600), [credential(3)]);
}

#[test]
fn a_standing_says_what_a_decision_needs() {
    let registry = fold(&[
        (1, created_until("agent", 800)),
        (2, created("other")),
        (3, issued(1, "agent", 900)),
        (4, issued(2, "other", 900)),
        (5, granted(&grant(1, "agent", 5, 50))),
        (6, granted(&grant(2, "other", 5, 50))),
    ]);
    let usage = |id: GrantId| {
        assert_eq!(id, GrantId::from_random(1));
        Usage { commands: 3, rows: 4, bytes: 5 }
    };

    let (agent, target) = (name("agent"), target());
    let standing = registry.standing(&agent, credential(1), &target, &usage).unwrap();
    assert!(standing.enabled && standing.credential_ok);
    assert_eq!(standing.identity_expires_at, Some(at(800)));
    assert_eq!(standing.credential_expires_at, Some(at(900)));
    assert_eq!(standing.control_size, 6);
    assert_eq!(standing.grants.len(), 1);
    assert_eq!(standing.grants[0].usage, Usage { commands: 3, rows: 4, bytes: 5 });
    assert_eq!(*standing.grants[0].hash, grant_hash(&grant(1, "agent", 5, 50)));

    let none = |_| Usage::default();
    let borrowed = registry.standing(&agent, credential(2), &target, &none).unwrap();
    assert!(!borrowed.credential_ok, "another identity's credential");
    assert!(registry.standing(&name("nobody"), credential(1), &target, &none).is_none());
    let payroll = "payroll".parse().unwrap();
    let elsewhere = registry.standing(&agent, credential(1), &payroll, &none).unwrap();
    assert!(elsewhere.grants.is_empty(), "another target's grants");
}

#[test]
fn a_decision_looks_at_an_ended_grant_for_a_day() {
    let day = 24 * 3600;
    let mut registry = fold(&[(1, created("agent")), (2, granted(&grant(1, "agent", 5, 50)))]);
    let listed = |registry: &Registry| {
        let (agent, target) = (name("agent"), target());
        let standing =
            registry.standing(&agent, credential(1), &target, &|_| Usage::default()).unwrap();
        standing.grants.len()
    };
    apply(&mut registry, 50 + day, granted(&grant(2, "agent", 5, 50 + day + 1))).unwrap();
    assert_eq!(listed(&registry), 2);
    apply(&mut registry, 51 + day, granted(&grant(3, "agent", 5, 50 + day + 9))).unwrap();
    assert_eq!(listed(&registry), 2, "the first is forgotten");
    assert_eq!(registry.grants().count(), 3, "but not by the inventory");
}

#[test]
fn settings_and_targets_are_those_last_loaded() {
    let loaded = |address: &str| ControlEvent::TargetLoaded {
        target: target(),
        address: address.into(),
        mode: "mask-only".into(),
        masks: Vec::new(),
    };
    let registry = fold(&[
        (1, ControlEvent::SettingsLoaded { sha256: "aa".into() }),
        (2, loaded("one:5432/billing")),
        (3, ControlEvent::SettingsLoaded { sha256: "bb".into() }),
        (4, loaded("two:5432/billing")),
    ]);
    assert_eq!(registry.settings_sha256(), Some("bb"));
    assert_eq!(registry.targets().count(), 1);
    assert_eq!(registry.target(&target()).unwrap().address, "two:5432/billing");
}

#[test]
fn what_cannot_be_is_refused_and_changes_nothing() {
    let before = fold(&[
        (1, created_until("agent", 500)),
        (2, created("gone")),
        (3, disabled("gone")),
        (4, issued(1, "agent", 900)),
        (5, issued(2, "agent", 900)),
        (6, granted(&grant(1, "agent", 5, 50))),
        (7, granted(&grant(2, "agent", 5, 500))),
        (8, revoked(2)),
    ]);
    let found = LedgerHead { size: 8, root: String::new() };
    let started = ControlEvent::EpochStarted { version: "1".into(), found, cut_bytes: 0 };
    let id = GrantId::from_random;
    #[rustfmt::skip]
    let cases = [
        (started,                                 10, None),
        (enabled("gone"),                         10, None),
        (issued(9, "agent", 20),                  10, None),
        (granted(&grant(9, "agent", 20, 30)),     10, None),
        (created("agent"),                        10, Some(RegistryError::DuplicateIdentity(name("agent")))),
        (created("gone"),                         10, Some(RegistryError::DuplicateIdentity(name("gone")))),
        (created_until("new", 10),                10, Some(RegistryError::EndsBeforeItBegins(at(10)))),
        (disabled("nobody"),                      10, Some(RegistryError::UnknownIdentity(name("nobody")))),
        (disabled("gone"),                        10, Some(RegistryError::AlreadyDisabled(name("gone")))),
        (enabled("agent"),                        10, Some(RegistryError::AlreadyEnabled(name("agent")))),
        (issued(9, "nobody", 20),                 10, Some(RegistryError::UnknownIdentity(name("nobody")))),
        (issued(9, "gone", 20),                   10, Some(RegistryError::IdentityEnded(name("gone")))),
        (issued(9, "agent", 900),                500, Some(RegistryError::IdentityEnded(name("agent")))),
        (issued(2, "agent", 20),                  10, Some(RegistryError::DuplicateCredential(credential(2)))),
        (issued(9, "agent", 10),                  10, Some(RegistryError::EndsBeforeItBegins(at(10)))),
        (token_revoked(9),                        10, Some(RegistryError::UnknownCredential(credential(9)))),
        (token_revoked(1),                        10, Some(RegistryError::CredentialRevoked(credential(1)))),
        (granted(&grant(9, "nobody", 20, 30)),    10, Some(RegistryError::UnknownIdentity(name("nobody")))),
        (granted(&grant(9, "gone", 20, 30)),      10, Some(RegistryError::IdentityEnded(name("gone")))),
        (granted(&grant(1, "agent", 20, 30)),     10, Some(RegistryError::DuplicateGrant(id(1)))),
        (granted(&grant(9, "agent", 20, 20)),     10, Some(RegistryError::EmptyWindow(id(9)))),
        (granted(&grant(9, "agent", 30, 20)),     10, Some(RegistryError::EmptyWindow(id(9)))),
        (granted(&grant(9, "agent", 5, 10)),      10, Some(RegistryError::EmptyWindow(id(9)))),
        (revoked(9),                              10, Some(RegistryError::UnknownGrant(id(9)))),
        (revoked(2),                              10, Some(RegistryError::GrantRevoked(id(2)))),
        (revoked(1),                              49, None),
        (revoked(1),                              50, Some(RegistryError::GrantEnded(id(1), at(50)))),
    ];
    for (event, now, expected) in cases {
        let mut after = before.clone();
        let answer = apply(&mut after, now, event.clone());
        assert_eq!(answer.as_ref().err(), expected.as_ref(), "{event:?} at {now}");
        match answer {
            Ok(()) => assert_eq!(after.size(), 9),
            Err(_) => assert_eq!(after, before, "{event:?}"),
        }
    }
}

#[test]
fn a_grant_must_be_whole() {
    type Change = fn(&mut model::Grant);

    let before = fold(&[(1, created("agent")), (2, created("ada"))]);
    let id = GrantId::from_random(9);
    #[rustfmt::skip]
    let cases: [(Change, Option<RegistryError>); 10] = [
        (|_| {},                                                   None),
        (|grant| grant.on_behalf_of = Some(name("ada")),           None),
        (|grant| grant.on_behalf_of = Some(name("bob")),           Some(RegistryError::UnknownIdentity(name("bob")))),
        (|grant| grant.scope.clear(),                              Some(RegistryError::EmptyScope(id))),
        (|grant| grant.scope[0].actions.clear(),                   Some(RegistryError::EmptyScope(id))),
        (|grant| grant.task = "  ".into(),                         Some(RegistryError::NoTask(id))),
        (|grant| grant.purpose.clear(),                            Some(RegistryError::NoTask(id))),
        (|grant| grant.requested_by = "ada".into(),                None),
        (|grant| (grant.requested_by, grant.approved_by) = ("ada".into(), "ada".into()),
                                                                   Some(RegistryError::SelfApproved(id))),
        (|grant| (grant.requested_by, grant.approved_by) = ("uid:0".into(), "uid:0".into()), None),
    ];
    for (index, (change, expected)) in cases.into_iter().enumerate() {
        let mut wanted = grant(9, "agent", 20, 30);
        change(&mut wanted);
        let answer = apply(&mut before.clone(), 10, granted(&wanted));
        assert_eq!(answer.err(), expected, "case {index}");
    }

    let grant = Box::new(grant(9, "agent", 20, 30));
    let forged = ControlEvent::GrantCreated { grant, hash: GrantHash("00".repeat(32)) };
    assert_eq!(apply(&mut before.clone(), 10, forged), Err(RegistryError::WrongHash(id)));
}

#[test]
fn a_verifier_must_be_one_of_scram() {
    type Change = fn(&mut ScramVerifier);

    let before = fold(&[(1, created("agent"))]);
    #[rustfmt::skip]
    let cases: [(Change, bool); 6] = [
        (|_| {},                                          true),
        (|verifier| verifier.iterations = 4095,           false),
        (|verifier| verifier.salt.clear(),                false),
        (|verifier| verifier.salt.replace_range(..2, "AA"), false),
        (|verifier| verifier.stored_key.push_str("00"),   false),
        (|verifier| verifier.server_key.replace_range(..1, "g"), false),
    ];
    for (index, (change, is_accepted)) in cases.into_iter().enumerate() {
        let mut verifier = verifier();
        change(&mut verifier);
        let (credential, identity, expires_at) = (credential(1), name("agent"), at(900));
        let event = ControlEvent::CredentialIssued { credential, identity, verifier, expires_at };
        assert_eq!(apply(&mut before.clone(), 10, event).is_ok(), is_accepted, "case {index}");
    }
}

#[test]
fn the_hash_of_a_grant_never_changes() {
    // If this fails, every record that names a grant no longer fits it: the hash is on record.
    assert_eq!(
        grant_hash(&grant(1, "agent", 5, 50)).0,
        "fd628db21edcc8fa19d3c4cb8c764dbda466c674cc6c96abddfc6a0265e4b939"
    );
    assert_ne!(grant_hash(&grant(1, "agent", 5, 50)), grant_hash(&grant(1, "agent", 5, 51)));
}
