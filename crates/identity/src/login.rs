//! One login: which verifier to use for the name a client gives, and what its proof is worth.
//!
//! `user ──for_login──▶ Login ──SCRAM with keys()──▶ proof ──conclude──▶ Identified`

use crypto::scram::Keys;
use model::{CredentialId, IdentityName, Lifecycle, LoginMethod, Timestamp};
use registry::{CredentialProof, Registry};

use crate::Certificate;
use crate::mock::MockSecret;
use crate::token::keys_of;

/// A client proved that it holds the identity's token, or the key of one of its certificates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identified {
    /// Who.
    pub identity: IdentityName,
    /// With which credential.
    pub credential: CredentialId,
    /// How.
    pub method: LoginMethod,
    /// The certificate that proves it, if one does.
    pub certificate: Option<Certificate>,
}

/// How a client's exchange of SCRAM ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScramProof {
    /// The proof does not fit the token.
    Wrong,
    /// It does.
    Right,
    /// It does, and is bound to the TLS connection.
    RightAndBound,
}

/// Why a client is not let in.
///
/// For the record alone: the client reads [`AuthError::client_message`], which is always the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// The name is not in the inventory, or cannot be a name.
    #[error("no such identity")]
    UnknownIdentity,
    /// The identity is disabled.
    #[error("the identity is disabled")]
    IdentityDisabled,
    /// The identity's end has come.
    #[error("the identity has expired")]
    IdentityExpired,
    /// No token was issued, or the last one was revoked or has expired.
    #[error("the identity has no live credential")]
    NoCredential,
    /// The proof does not fit the token.
    #[error("wrong token")]
    WrongToken,
    /// Clients need a certificate, and none of the names in this one's is the identity's.
    #[error("the certificate is not the identity's")]
    WrongCertificate,
}

impl AuthError {
    /// The machine-readable name that stands in the record. It never changes once released.
    pub fn code(self) -> &'static str {
        match self {
            Self::UnknownIdentity => "unknown_identity",
            Self::IdentityDisabled => "identity_disabled",
            Self::IdentityExpired => "identity_expired",
            Self::NoCredential => "no_credential",
            Self::WrongToken => "wrong_token",
            Self::WrongCertificate => "wrong_certificate",
        }
    }

    /// What the client reads, whatever the reason: PostgreSQL's own words, without the name.
    pub fn client_message(self) -> &'static str {
        match self {
            Self::UnknownIdentity
            | Self::IdentityDisabled
            | Self::IdentityExpired
            | Self::NoCredential
            | Self::WrongToken => "password authentication failed",
            Self::WrongCertificate => "certificate authentication failed",
        }
    }

    /// PostgreSQL's `invalid_password`, or `invalid_authorization_specification`.
    pub fn sqlstate(self) -> &'static str {
        match self {
            Self::UnknownIdentity
            | Self::IdentityDisabled
            | Self::IdentityExpired
            | Self::NoCredential
            | Self::WrongToken => "28P01",
            Self::WrongCertificate => "28000",
        }
    }
}

/// Finds the verifier for a login.
#[derive(Clone, Copy, Debug)]
pub struct Verifiers;

impl Verifiers {
    /// Begins a login under the name that a client gave as its user.
    ///
    /// `now` is compared with the ends of the identity and of its credential, which are exclusive.
    pub fn for_login(registry: &Registry, user: &str, now: Timestamp, mock: &MockSecret) -> Login {
        // Made for every name, used or not, so that a known name costs no less time.
        let mock = mock.keys_for(user);
        match find(registry, user, now) {
            Ok((identity, credential, keys)) => Login { keys, found: Ok((identity, credential)) },
            Err(error) => Login { keys: mock, found: Err(error) },
        }
    }

    /// Ends a login by a certificate that TLS has verified, under the name that a client gave as its
    /// user.
    ///
    /// # Errors
    ///
    /// [`AuthError::WrongCertificate`] whatever is wrong: who holds a certificate must not learn
    /// from it which identities there are.
    pub fn by_certificate(
        registry: &Registry,
        user: &str,
        now: Timestamp,
        certificate: Certificate,
    ) -> Result<Identified, AuthError> {
        let name = user.parse::<IdentityName>().ok().ok_or(AuthError::WrongCertificate)?;
        let is_usable = registry.identity(&name).is_some_and(|identity| identity.is_usable(now));
        let mut named = certificate.names.iter();
        let credential = named
            .find_map(|held| registry.certified_by(held, now).filter(|own| own.identity == name));
        match credential {
            Some(credential) if is_usable && now <= certificate.not_after => Ok(Identified {
                identity: name,
                credential: credential.id,
                method: LoginMethod::Certificate,
                certificate: Some(certificate),
            }),
            Some(_) | None => Err(AuthError::WrongCertificate),
        }
    }
}

/// A login whose proof is awaited. Not `Clone`: one login, one conclusion.
#[derive(Debug)]
pub struct Login {
    keys: Keys,
    found: Result<(IdentityName, CredentialId), AuthError>,
}

impl Login {
    /// The keys against which the client's proof is checked. For a name that cannot log in they
    /// are made up, and no proof fits them.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Says who the client is, once its proof was checked against [`Login::keys`].
    ///
    /// # Errors
    ///
    /// [`AuthError`] if the proof was wrong or the identity cannot log in.
    pub fn conclude(self, proof: ScramProof) -> Result<Identified, AuthError> {
        let (identity, credential) = self.found?;
        let method = match proof {
            ScramProof::Wrong => return Err(AuthError::WrongToken),
            ScramProof::Right => LoginMethod::Scram,
            ScramProof::RightAndBound => LoginMethod::ScramPlus,
        };
        Ok(Identified { identity, credential, method, certificate: None })
    }
}

fn find(
    registry: &Registry,
    user: &str,
    now: Timestamp,
) -> Result<(IdentityName, CredentialId, Keys), AuthError> {
    let name = user.parse::<IdentityName>().ok().ok_or(AuthError::UnknownIdentity)?;
    let identity = registry.identity(&name).ok_or(AuthError::UnknownIdentity)?;
    match identity.lifecycle {
        Lifecycle::Enabled => {}
        Lifecycle::Disabled => return Err(AuthError::IdentityDisabled),
    }
    if !identity.is_usable(now) {
        return Err(AuthError::IdentityExpired);
    }
    let credential = registry.token_of(&name, now).ok_or(AuthError::NoCredential)?;
    let keys = match &credential.proof {
        CredentialProof::Token(verifier) => keys_of(verifier).ok_or(AuthError::NoCredential)?,
        CredentialProof::Certificate(_) => return Err(AuthError::NoCredential),
    };
    Ok((name, credential.id, keys))
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;
    use std::time::Duration;

    use crypto::scram;
    use model::{ControlEvent, ControlRecord, IdentityKind};

    use super::*;
    use crate::issue;

    #[test]
    fn only_a_usable_identity_with_its_own_token_is_let_in() {
        let (registry, token, id) = inventory();
        #[rustfmt::skip]
        let cases = [
            // user         at    token            expected
            ("agent",        50,  token.as_str(),  Ok(())),
            ("agent",        50,  "cst_wrong",     Err(AuthError::WrongToken)),
            ("agent",        100, token.as_str(),  Err(AuthError::NoCredential)),
            ("agent",        200, token.as_str(),  Err(AuthError::IdentityExpired)),
            ("disabled",     50,  token.as_str(),  Err(AuthError::IdentityDisabled)),
            ("tokenless",    50,  token.as_str(),  Err(AuthError::NoCredential)),
            ("nobody",       50,  token.as_str(),  Err(AuthError::UnknownIdentity)),
            ("Agent",        50,  token.as_str(),  Err(AuthError::UnknownIdentity)),
            ("agent\0",      50,  token.as_str(),  Err(AuthError::UnknownIdentity)),
            ("",             50,  token.as_str(),  Err(AuthError::UnknownIdentity)),
        ];
        for (user, now, token, expected) in cases {
            let answer = log_in(&registry, user, now, token);
            let expected = expected.map(|()| agent_with(id));
            assert_eq!(answer, expected, "{user:?} at {now}");
        }
    }

    #[test]
    fn the_salt_of_a_name_is_the_same_whatever_becomes_of_the_identity() {
        let salt = |registry: &Registry, now| {
            Verifiers::for_login(registry, "agent", at(now), &mock()).keys().salt
        };
        let nobody = salt(&Registry::default(), 50);
        let (mut registry, _, _) = inventory();
        assert_eq!(salt(&registry, 50), nobody, "with a token");
        assert_eq!(salt(&registry, 100), nobody, "its token has ended");
        give_token(&mut registry, "agent", 3);
        assert_eq!(salt(&registry, 50), nobody, "another token");
        let event =
            ControlEvent::IdentityDisabled { identity: name("agent"), reason: "left".into() };
        apply(&mut registry, event);
        assert_eq!(salt(&registry, 50), nobody, "disabled");
    }

    #[test]
    fn every_failure_says_the_same_to_the_client() {
        let errors = [
            AuthError::UnknownIdentity,
            AuthError::IdentityDisabled,
            AuthError::IdentityExpired,
            AuthError::NoCredential,
            AuthError::WrongToken,
        ];
        for error in errors {
            assert_eq!(error.client_message(), AuthError::WrongToken.client_message());
            assert_eq!(error.sqlstate(), "28P01");
        }
    }

    #[test]
    fn a_name_that_cannot_log_in_looks_like_one_that_can() {
        let (registry, _, _) = inventory();
        let mock = mock();
        let real = Verifiers::for_login(&registry, "agent", at(50), &mock);
        for user in ["nobody", "disabled", "tokenless", "Not A Name"] {
            let first = Verifiers::for_login(&registry, user, at(50), &mock);
            let again = Verifiers::for_login(&registry, user, at(51), &mock);
            assert_eq!(first.keys(), again.keys(), "{user}");
            assert_eq!(first.keys().iterations, real.keys().iterations, "{user}");
            assert_ne!(first.keys().salt, real.keys().salt, "{user}: a salt is a name's own");
            // Even if the exchange were said to have succeeded, nobody would be let in.
            assert!(first.conclude(ScramProof::RightAndBound).is_err(), "{user}");
        }
        let elsewhere = MockSecret::new([8; 32]);
        let one = Verifiers::for_login(&registry, "nobody", at(50), &mock);
        let other = Verifiers::for_login(&registry, "nobody", at(50), &elsewhere);
        assert_ne!(one.keys().salt, other.keys().salt, "another gateway");
        let other = Verifiers::for_login(&registry, "nobody-else", at(50), &mock);
        assert_ne!(one.keys().salt, other.keys().salt, "another name");
        assert_eq!(format!("{mock:?}"), "MockSecret(…)");
    }

    #[test]
    fn a_new_token_replaces_the_former_one() {
        let (mut registry, former, _) = inventory();
        let (token, id) = give_token(&mut registry, "agent", 2);
        assert_eq!(log_in(&registry, "agent", 50, &former), Err(AuthError::WrongToken));
        assert_eq!(log_in(&registry, "agent", 50, &token), Ok(agent_with(id)));
    }

    /// Does what client and server do in a SCRAM exchange.
    fn log_in(
        registry: &Registry,
        user: &str,
        now: u64,
        token: &str,
    ) -> Result<Identified, AuthError> {
        let login = Verifiers::for_login(registry, user, at(now), &mock());
        let keys = login.keys();
        let rounds = NonZeroU32::new(keys.iterations).unwrap();
        let salted = scram::salted_password(token.as_bytes(), &keys.salt, rounds);
        let proof = scram::client_proof(&salted, b"auth message");
        let proof_ok = scram::verify_proof(&keys.stored_key, b"auth message", &proof);
        login.conclude(if proof_ok { ScramProof::Right } else { ScramProof::Wrong })
    }

    fn agent_with(credential: CredentialId) -> Identified {
        let (identity, method) = (name("agent"), LoginMethod::Scram);
        Identified { identity, credential, method, certificate: None }
    }

    /// `agent` has a token until 100 and lives until 200; the others cannot log in.
    fn inventory() -> (Registry, String, CredentialId) {
        let mut registry = Registry::default();
        for (user, end) in [("agent", Some(at(200))), ("disabled", None), ("tokenless", None)] {
            let created = ControlEvent::IdentityCreated {
                identity: name(user),
                identity_kind: IdentityKind::Workload,
                owner: "Ada".into(),
                expires_at: end,
            };
            apply(&mut registry, created);
        }
        give_token(&mut registry, "disabled", 9);
        let disabled =
            ControlEvent::IdentityDisabled { identity: name("disabled"), reason: "left".into() };
        apply(&mut registry, disabled);
        let (token, id) = give_token(&mut registry, "agent", 1);
        (registry, token, id)
    }

    fn give_token(registry: &mut Registry, user: &str, number: u64) -> (String, CredentialId) {
        let (token, verifier) = issue(&name(user), &mock());
        let credential = CredentialId::from_random(number);
        let (identity, expires_at) = (name(user), at(100));
        apply(
            registry,
            ControlEvent::CredentialIssued { credential, identity, verifier, expires_at },
        );
        (token.reveal(), credential)
    }

    fn mock() -> MockSecret {
        MockSecret::new([7; 32])
    }

    fn apply(registry: &mut Registry, event: ControlEvent) {
        let record = ControlRecord { at: at(10), by: "uid:0".into(), event };
        registry.apply(&record).unwrap();
    }

    fn name(text: &str) -> IdentityName {
        text.parse().unwrap()
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_unix(Duration::from_secs(seconds))
    }
}
