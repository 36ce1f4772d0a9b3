//! The inventory and the questions it answers.

use std::collections::BTreeMap;

use model::{
    CertificateName, CredentialId, GrantId, IdentityName, Lifecycle, TargetName, Timestamp,
};
use policy::{LiveGrant, Standing, Usage};

use crate::{Credential, GrantEntry, Identity, Target};

/// Who exists and what is granted, after so many control records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Registry {
    pub(crate) size: u64,
    pub(crate) identities: BTreeMap<IdentityName, Identity>,
    pub(crate) credentials: BTreeMap<CredentialId, Credential>,
    pub(crate) grants: BTreeMap<GrantId, GrantEntry>,
    pub(crate) targets: BTreeMap<TargetName, Target>,
    pub(crate) settings_sha256: Option<String>,
    /// The identity's newest token, whether or not it is still live.
    pub(crate) newest_token: BTreeMap<IdentityName, CredentialId>,
    /// The newest credential with each certificate's name, whether or not it is still live.
    pub(crate) certificates: BTreeMap<CertificateName, CredentialId>,
    /// The grants that a decision looks at: neither revoked nor long over.
    pub(crate) current_grants: BTreeMap<(IdentityName, TargetName), Vec<GrantId>>,
}

impl Registry {
    /// Number of records applied: the size of the control ledger that says so.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// SHA-256 of the settings file last loaded, in hexadecimal.
    pub fn settings_sha256(&self) -> Option<&str> {
        self.settings_sha256.as_deref()
    }

    /// The identity of that name.
    pub fn identity(&self, name: &IdentityName) -> Option<&Identity> {
        self.identities.get(name)
    }

    /// All identities by name, those that ended included.
    pub fn identities(&self) -> impl Iterator<Item = &Identity> {
        self.identities.values()
    }

    /// The credential of that id.
    pub fn credential(&self, id: CredentialId) -> Option<&Credential> {
        self.credentials.get(&id)
    }

    /// All credentials, those that ended included.
    pub fn credentials(&self) -> impl Iterator<Item = &Credential> {
        self.credentials.values()
    }

    /// The token with which the identity can log in at `now`. Issuing one replaces the former.
    pub fn token_of(&self, name: &IdentityName, now: Timestamp) -> Option<&Credential> {
        let newest = self.newest_token.get(name)?;
        self.credentials.get(newest).filter(|credential| credential.is_live(now))
    }

    /// The credential that a certificate with this name is at `now`, whosever it is.
    pub fn certified_by(&self, name: &CertificateName, now: Timestamp) -> Option<&Credential> {
        let newest = self.certificates.get(name)?;
        self.credentials.get(newest).filter(|credential| credential.is_live(now))
    }

    /// The certificates' names with which the identity can log in at `now`.
    pub fn certificates_of<'s>(
        &'s self,
        name: &IdentityName,
        now: Timestamp,
    ) -> impl Iterator<Item = &'s Credential> + use<'s> {
        let own = name.clone();
        self.certificates
            .values()
            .filter_map(|id| self.credentials.get(id))
            .filter(move |credential| credential.identity == own && credential.is_live(now))
    }

    /// The grant of that id.
    pub fn grant(&self, id: GrantId) -> Option<&GrantEntry> {
        self.grants.get(&id)
    }

    /// All grants, those that ended included.
    pub fn grants(&self) -> impl Iterator<Item = &GrantEntry> {
        self.grants.values()
    }

    /// The grants that the identity can use on the target at `now`, usage aside.
    pub fn live_grants<'s>(
        &'s self,
        identity: &IdentityName,
        target: &TargetName,
        now: Timestamp,
    ) -> impl Iterator<Item = &'s GrantEntry> + use<'s> {
        self.current_grants_of(identity, target).filter(move |entry| entry.is_live(now))
    }

    /// The next instant at which a grant of the identity on the target begins or ends by itself.
    pub fn next_change(
        &self,
        identity: &IdentityName,
        target: &TargetName,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let grants = self.current_grants_of(identity, target);
        let instants = grants.flat_map(|entry| [entry.grant.not_before, entry.grant.expires_at]);
        instants.filter(|instant| *instant > now).min()
    }

    /// The targets as last loaded from the settings, by name.
    pub fn targets(&self) -> impl Iterator<Item = &Target> {
        self.targets.values()
    }

    /// The target of that name as last loaded.
    pub fn target(&self, name: &TargetName) -> Option<&Target> {
        self.targets.get(name)
    }

    /// What a decision needs to know of an identity that logged in with `credential`.
    ///
    /// `usage` tells how much of a grant is used up. Nothing if there is no such identity.
    pub fn standing<'a>(
        &'a self,
        identity: &IdentityName,
        credential: CredentialId,
        target: &'a TargetName,
        usage: &dyn Fn(GrantId) -> Usage,
    ) -> Option<Standing<'a>> {
        let identity = self.identities.get(identity)?;
        let credential =
            self.credentials.get(&credential).filter(|own| own.identity == identity.name);
        let live = |entry: &'a GrantEntry| LiveGrant {
            grant: &entry.grant,
            hash: &entry.hash,
            usage: usage(entry.grant.id),
        };
        Some(Standing {
            identity: &identity.name,
            target,
            enabled: identity.lifecycle == Lifecycle::Enabled,
            identity_expires_at: identity.expires_at,
            credential_ok: credential.is_some_and(|credential| credential.revoked.is_none()),
            credential_expires_at: credential.map(|credential| credential.expires_at),
            grants: self.current_grants_of(&identity.name, target).map(live).collect(),
            control_size: self.size,
        })
    }

    fn current_grants_of<'s>(
        &'s self,
        identity: &IdentityName,
        target: &TargetName,
    ) -> impl Iterator<Item = &'s GrantEntry> + use<'s> {
        self.current_grants
            .get(&(identity.clone(), target.clone()))
            .into_iter()
            .flatten()
            .filter_map(|id| self.grants.get(id))
    }
}
