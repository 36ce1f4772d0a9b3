//! The fold: what each control record does to the inventory, and which it refuses.

use std::time::Duration;

use model::{
    ControlEvent, ControlRecord, CredentialId, Grant, GrantHash, GrantId, IdentityName, Lifecycle,
    ScramVerifier, Timestamp,
};

use crate::{
    Credential, CredentialProof, Ended, GrantEntry, Identity, Registry, RegistryError, Target,
    grant_hash,
};

/// How long a decision still looks at a grant that has ended, to be able to say so.
///
/// Without a bound, each decision would walk over every grant that the identity ever had. The
/// distance is that to the latest record, so that the fold needs no clock.
const ENDED_GRANT_KEPT: Duration = Duration::from_hours(24);

/// Fewest PBKDF2 rounds of a verifier (RFC 7677 section 4).
const ITERATIONS_MIN: u32 = 4096;

/// The part of a record that is not its event.
struct Stamp<'r> {
    at: Timestamp,
    by: &'r str,
}

impl Stamp<'_> {
    fn ended(&self, reason: &str) -> Ended {
        Ended { at: self.at, by: self.by.to_owned(), reason: reason.to_owned() }
    }

    fn credential(
        &self,
        id: CredentialId,
        identity: &IdentityName,
        proof: CredentialProof,
        expires_at: Timestamp,
    ) -> Credential {
        Credential {
            id,
            identity: identity.clone(),
            proof,
            issued_at: self.at,
            issued_by: self.by.to_owned(),
            expires_at,
            revoked: None,
        }
    }
}

impl Registry {
    /// Applies the next record of the control ledger.
    ///
    /// # Errors
    ///
    /// [`RegistryError`] if the record says what cannot be. The inventory is then unchanged.
    pub fn apply(&mut self, record: &ControlRecord) -> Result<(), RegistryError> {
        let stamp = Stamp { at: record.at, by: &record.by };
        match &record.event {
            ControlEvent::EpochStarted { .. } | ControlEvent::EpochEnded {} => Ok(()),
            ControlEvent::SettingsLoaded { sha256 } => {
                self.settings_sha256 = Some(sha256.clone());
                Ok(())
            }
            ControlEvent::TargetLoaded { target, address, mode, masks } => {
                let loaded = Target {
                    name: target.clone(),
                    address: address.clone(),
                    mode: mode.clone(),
                    masks: masks.clone(),
                    loaded_at: stamp.at,
                };
                self.targets.insert(target.clone(), loaded);
                Ok(())
            }
            ControlEvent::IdentityCreated { identity, identity_kind, owner, expires_at } => self
                .create_identity(Identity {
                    name: identity.clone(),
                    kind: *identity_kind,
                    owner: owner.clone(),
                    created_at: stamp.at,
                    created_by: stamp.by.to_owned(),
                    lifecycle: Lifecycle::Enabled,
                    changed: None,
                    expires_at: *expires_at,
                }),
            ControlEvent::IdentityDisabled { identity, reason } => {
                self.set_lifecycle(&stamp, identity, Lifecycle::Disabled, reason)
            }
            ControlEvent::IdentityEnabled { identity, reason } => {
                self.set_lifecycle(&stamp, identity, Lifecycle::Enabled, reason)
            }
            ControlEvent::IdentityExpirySet { identity, expires_at } => {
                self.identity_mut(identity)?.expires_at = Some(*expires_at);
                Ok(())
            }
            ControlEvent::CredentialIssued { credential, identity, verifier, expires_at } => {
                let proof = CredentialProof::Token(verifier.clone());
                self.add_credential(stamp.credential(*credential, identity, proof, *expires_at))
            }
            ControlEvent::CertificateAdded { credential, identity, certificate, expires_at } => {
                let proof = CredentialProof::Certificate(certificate.clone());
                self.add_credential(stamp.credential(*credential, identity, proof, *expires_at))
            }
            ControlEvent::CredentialRevoked { credential, reason } => {
                self.revoke_credential(&stamp, *credential, reason)
            }
            ControlEvent::GrantCreated { grant, hash } => self.create_grant(&stamp, grant, hash),
            ControlEvent::GrantRevoked { grant, reason } => {
                self.revoke_grant(&stamp, *grant, reason)
            }
        }?;
        self.size = self.size.saturating_add(1);
        Ok(())
    }

    fn create_identity(&mut self, identity: Identity) -> Result<(), RegistryError> {
        if self.identities.contains_key(&identity.name) {
            return Err(RegistryError::DuplicateIdentity(identity.name));
        }
        if identity.owner.trim().is_empty() {
            return Err(RegistryError::NoOwner(identity.name));
        }
        if let Some(end) = identity.expires_at.filter(|end| *end <= identity.created_at) {
            return Err(RegistryError::EndsBeforeItBegins(end));
        }
        self.identities.insert(identity.name.clone(), identity);
        Ok(())
    }

    fn set_lifecycle(
        &mut self,
        stamp: &Stamp<'_>,
        name: &IdentityName,
        lifecycle: Lifecycle,
        reason: &str,
    ) -> Result<(), RegistryError> {
        let identity = self.identity_mut(name)?;
        if identity.lifecycle == lifecycle {
            return Err(match lifecycle {
                Lifecycle::Enabled => RegistryError::AlreadyEnabled(name.clone()),
                Lifecycle::Disabled => RegistryError::AlreadyDisabled(name.clone()),
            });
        }
        identity.lifecycle = lifecycle;
        identity.changed = Some(stamp.ended(reason));
        Ok(())
    }

    /// Adds a credential. A token replaces the identity's former one: a leaked one is of use only
    /// until the next is issued. A certificate's name replaces the same name of the identity.
    fn add_credential(&mut self, credential: Credential) -> Result<(), RegistryError> {
        let (id, at) = (credential.id, credential.issued_at);
        self.usable_identity(&credential.identity, at)?;
        if self.credentials.contains_key(&id) {
            return Err(RegistryError::DuplicateCredential(id));
        }
        if credential.expires_at <= at {
            return Err(RegistryError::EndsBeforeItBegins(credential.expires_at));
        }
        let former = match &credential.proof {
            CredentialProof::Token(verifier) => {
                if !is_well_formed(verifier) {
                    return Err(RegistryError::BadVerifier(id));
                }
                self.newest_token.insert(credential.identity.clone(), id)
            }
            CredentialProof::Certificate(name) => {
                let holder = self.certified_by(name, at).map(|held| &held.identity);
                if holder.is_some_and(|holder| *holder != credential.identity) {
                    return Err(RegistryError::CertificateTaken(name.clone()));
                }
                self.certificates.insert(name.clone(), id)
            }
        };
        if let Some(former) = former.and_then(|former| self.credentials.get_mut(&former)) {
            let replaced =
                Ended { at, by: credential.issued_by.clone(), reason: format!("replaced by {id}") };
            former.revoked.get_or_insert(replaced);
        }
        self.credentials.insert(id, credential);
        Ok(())
    }

    fn revoke_credential(
        &mut self,
        stamp: &Stamp<'_>,
        id: CredentialId,
        reason: &str,
    ) -> Result<(), RegistryError> {
        let credential =
            self.credentials.get_mut(&id).ok_or(RegistryError::UnknownCredential(id))?;
        if credential.revoked.is_some() {
            return Err(RegistryError::CredentialRevoked(id));
        }
        credential.revoked = Some(stamp.ended(reason));
        Ok(())
    }

    fn create_grant(
        &mut self,
        stamp: &Stamp<'_>,
        grant: &Grant,
        hash: &GrantHash,
    ) -> Result<(), RegistryError> {
        self.usable_identity(&grant.identity, stamp.at)?;
        if let Some(person) = &grant.on_behalf_of {
            self.usable_identity(person, stamp.at)?;
        }
        if self.grants.contains_key(&grant.id) {
            return Err(RegistryError::DuplicateGrant(grant.id));
        }
        check_grant(grant, hash, stamp.at)?;
        let entry = GrantEntry {
            grant: grant.clone(),
            hash: hash.clone(),
            created_at: stamp.at,
            created_by: stamp.by.to_owned(),
            revoked: None,
        };
        self.grants.insert(grant.id, entry);
        self.list_current_grant(grant, stamp.at);
        Ok(())
    }

    /// Lists a new grant among those that decisions look at, and forgets there what is long over.
    fn list_current_grant(&mut self, grant: &Grant, at: Timestamp) {
        let key = (grant.identity.clone(), grant.target.clone());
        let current = self.current_grants.entry(key).or_default();
        current.retain(|id| {
            self.grants.get(id).is_some_and(|entry| {
                at.saturating_since(entry.grant.expires_at) <= ENDED_GRANT_KEPT
            })
        });
        current.push(grant.id);
    }

    fn revoke_grant(
        &mut self,
        stamp: &Stamp<'_>,
        id: GrantId,
        reason: &str,
    ) -> Result<(), RegistryError> {
        let entry = self.grants.get_mut(&id).ok_or(RegistryError::UnknownGrant(id))?;
        if entry.revoked.is_some() {
            return Err(RegistryError::GrantRevoked(id));
        }
        if entry.grant.expires_at <= stamp.at {
            return Err(RegistryError::GrantEnded(id, entry.grant.expires_at));
        }
        entry.revoked = Some(stamp.ended(reason));
        let key = (entry.grant.identity.clone(), entry.grant.target.clone());
        if let Some(current) = self.current_grants.get_mut(&key) {
            current.retain(|current| *current != id);
        }
        Ok(())
    }

    fn identity_mut(&mut self, name: &IdentityName) -> Result<&mut Identity, RegistryError> {
        self.identities.get_mut(name).ok_or_else(|| RegistryError::UnknownIdentity(name.clone()))
    }

    fn usable_identity(&self, name: &IdentityName, at: Timestamp) -> Result<(), RegistryError> {
        match self.identities.get(name) {
            None => Err(RegistryError::UnknownIdentity(name.clone())),
            Some(identity) if identity.is_usable(at) => Ok(()),
            Some(_) => Err(RegistryError::IdentityEnded(name.clone())),
        }
    }
}

/// Checks what a grant says by itself.
fn check_grant(grant: &Grant, hash: &GrantHash, at: Timestamp) -> Result<(), RegistryError> {
    if grant.expires_at <= grant.not_before || grant.expires_at <= at {
        return Err(RegistryError::EmptyWindow(grant.id));
    }
    if grant.scope.is_empty() || grant.scope.iter().any(|line| line.actions.is_empty()) {
        return Err(RegistryError::EmptyScope(grant.id));
    }
    if grant.task.trim().is_empty() || grant.purpose.trim().is_empty() {
        return Err(RegistryError::NoTask(grant.id));
    }
    if grant.requested_by == grant.approved_by && !grant.approved_by.starts_with("uid:") {
        return Err(RegistryError::SelfApproved(grant.id));
    }
    if grant_hash(grant) != *hash {
        return Err(RegistryError::WrongHash(grant.id));
    }
    Ok(())
}

fn is_well_formed(verifier: &ScramVerifier) -> bool {
    let is_hex = |text: &str, bytes: usize| {
        hex::decode(text)
            .is_ok_and(|decoded| decoded.len() == bytes && hex::encode(decoded) == text)
    };
    verifier.iterations >= ITERATIONS_MIN
        && is_hex(&verifier.salt, 16)
        && is_hex(&verifier.stored_key, 32)
        && is_hex(&verifier.server_key, 32)
}
