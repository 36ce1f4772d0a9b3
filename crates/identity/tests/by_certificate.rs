//! Whom a certificate proves that TLS has verified.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use identity::{AuthError, Certificate, Verifiers};
use model::{
    CertificateName, ControlEvent, ControlRecord, CredentialId, IdentityKind, LoginMethod,
    Timestamp,
};
use registry::Registry;

const AGENT: &str = "spiffe://example.org/agent";

#[test]
fn a_certificate_proves_the_identity_that_has_its_name_and_no_other() {
    let registry = inventory();
    #[rustfmt::skip]
    let cases = [
        // user       at   names in the certificate                       credential
        ("agent",     50,  &[AGENT][..],                                  Some(1)),
        ("agent",     50,  &["CN=agent,O=Company"],                       Some(2)),
        ("agent",     50,  &["CN=other", AGENT],                          Some(1)),
        ("agent",     50,  &["spiffe://example.org/agent2"],              None),
        ("agent",     50,  &["spiffe://example.org/Agent"],               None),
        ("agent",     50,  &["CN=agent"],                                 None),
        ("agent",     50,  &["O=Company,CN=agent"],                       None),
        ("agent",     50,  &[],                                           None),
        ("other",     50,  &[AGENT],                                      None),
        ("nobody",    50,  &[AGENT],                                      None),
        ("Agent",     50,  &[AGENT],                                      None),
        ("",          50,  &[AGENT],                                      None),
        // The credential ends at 100, the identity at 200, the certificate itself after 150.
        ("agent",     99,  &[AGENT],                                      Some(1)),
        ("agent",     100, &[AGENT],                                      None),
        ("agent",     150, &["CN=agent,O=Company"],                       Some(2)),
        ("agent",     151, &["CN=agent,O=Company"],                       None),
        ("disabled",  50,  &["CN=disabled"],                              None),
        ("revoked",   50,  &["CN=revoked"],                               None),
    ];
    for (user, now, names, expected) in cases {
        let answer = Verifiers::by_certificate(&registry, user, at(now), certificate(names));
        let name = format!("{user:?} at {now} with {names:?}");
        match expected {
            Some(number) => {
                let identified = answer.unwrap();
                assert_eq!(identified.identity.as_str(), user, "{name}");
                assert_eq!(identified.credential, CredentialId::from_random(number), "{name}");
                assert_eq!(identified.method, LoginMethod::Certificate, "{name}");
            }
            // Whatever is wrong, the answer is the same.
            None => assert_eq!(answer.unwrap_err(), AuthError::WrongCertificate, "{name}"),
        }
    }
}

fn certificate(names: &[&str]) -> Certificate {
    Certificate {
        names: names.iter().map(|text| named(text)).collect(),
        sha256: "00".to_owned(),
        not_after: at(150),
    }
}

fn named(text: &str) -> CertificateName {
    if text.starts_with("spiffe:") {
        CertificateName::Spiffe(text.parse().unwrap())
    } else {
        CertificateName::Subject(text.parse().unwrap())
    }
}

fn inventory() -> Registry {
    let mut registry = Registry::default();
    for user in ["agent", "other", "disabled", "revoked"] {
        let created = ControlEvent::IdentityCreated {
            identity: user.parse().unwrap(),
            identity_kind: IdentityKind::Workload,
            owner: "Ada".into(),
            expires_at: Some(at(200)),
        };
        apply(&mut registry, created);
    }
    #[rustfmt::skip]
    let credentials = [
        (1, "agent",    AGENT,                100),
        (2, "agent",    "CN=agent,O=Company", 300),
        (3, "disabled", "CN=disabled",        300),
        (4, "revoked",  "CN=revoked",         300),
    ];
    for (number, user, text, end) in credentials {
        let (credential, certificate) = (CredentialId::from_random(number), named(text));
        let (identity, expires_at) = (user.parse().unwrap(), at(end));
        let added =
            ControlEvent::CertificateAdded { credential, identity, certificate, expires_at };
        apply(&mut registry, added);
    }
    let identity = "disabled".parse().unwrap();
    apply(&mut registry, ControlEvent::IdentityDisabled { identity, reason: "left".into() });
    let credential = CredentialId::from_random(4);
    apply(&mut registry, ControlEvent::CredentialRevoked { credential, reason: "lost".into() });
    registry
}

fn apply(registry: &mut Registry, event: ControlEvent) {
    registry.apply(&ControlRecord { at: at(10), by: "uid:0".into(), event }).unwrap();
}

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_unix(Duration::from_secs(seconds))
}
