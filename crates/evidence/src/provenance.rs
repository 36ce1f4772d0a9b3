//! Which control record made and changed what: the "by whom, when, in which record" of the inventory.
//!
//! What exists and how it stands is `registry`'s to say. This fold only remembers the records.

use std::collections::BTreeMap;

use model::{
    ControlEvent, ControlRecord, CredentialId, GrantId, IdentityName, MaskDeclaration, TargetName,
};

/// Where the inventory comes from.
#[derive(Debug, Default)]
pub(crate) struct Provenance {
    pub(crate) identities: BTreeMap<IdentityName, Origin>,
    /// The record that issued each credential.
    pub(crate) credentials: BTreeMap<CredentialId, u64>,
    owners: BTreeMap<CredentialId, IdentityName>,
    pub(crate) grants: BTreeMap<GrantId, GrantOrigin>,
    /// What each target's settings said, from which control size on.
    masks: BTreeMap<TargetName, Vec<Loaded>>,
}

/// The record that loaded a target, and its masks.
type Loaded = (u64, Vec<MaskDeclaration>);

/// Where an identity comes from.
#[derive(Debug)]
pub(crate) struct Origin {
    /// The record that entered it.
    pub(crate) record: u64,
    /// The last record about it or its credentials.
    pub(crate) changed: u64,
}

/// Where a grant comes from, and how it ended.
#[derive(Debug)]
pub(crate) struct GrantOrigin {
    /// The record that made it.
    pub(crate) record: u64,
    /// The record that revoked it.
    pub(crate) revoked: Option<u64>,
}

impl Provenance {
    /// Folds the records, given in the ledger's order from its first one.
    pub(crate) fn fold(records: &[ControlRecord]) -> Self {
        let mut provenance = Self::default();
        for (record, entry) in (0..).zip(records) {
            provenance.apply(record, entry);
        }
        provenance
    }

    /// What the target's settings said when the control ledger had this size.
    pub(crate) fn masks_at(&self, target: &TargetName, size: u64) -> &[MaskDeclaration] {
        let loaded = self.masks.get(target).map_or(&[][..], Vec::as_slice);
        let last = loaded.iter().rev().find(|(record, _)| *record < size);
        last.map_or(&[], |(_, masks)| masks)
    }

    fn apply(&mut self, record: u64, entry: &ControlRecord) {
        match &entry.event {
            ControlEvent::EpochStarted { .. }
            | ControlEvent::EpochEnded {}
            | ControlEvent::SettingsLoaded { .. } => {}
            ControlEvent::TargetLoaded { target, masks, .. } => {
                self.masks.entry(target.clone()).or_default().push((record, masks.clone()));
            }
            ControlEvent::IdentityCreated { identity, .. } => {
                let origin = Origin { record, changed: record };
                self.identities.entry(identity.clone()).or_insert(origin);
            }
            ControlEvent::IdentityDisabled { identity, .. }
            | ControlEvent::IdentityEnabled { identity, .. }
            | ControlEvent::IdentityExpirySet { identity, .. } => self.touch(record, identity),
            ControlEvent::CredentialIssued { credential, identity, .. }
            | ControlEvent::CertificateAdded { credential, identity, .. } => {
                self.touch(record, identity);
                self.credentials.insert(*credential, record);
                self.owners.insert(*credential, identity.clone());
            }
            ControlEvent::CredentialRevoked { credential, .. } => {
                if let Some(identity) = self.owners.get(credential).cloned() {
                    self.touch(record, &identity);
                }
            }
            ControlEvent::GrantCreated { grant, .. } => {
                self.grants.entry(grant.id).or_insert(GrantOrigin { record, revoked: None });
            }
            ControlEvent::GrantRevoked { grant, .. } => {
                if let Some(made) = self.grants.get_mut(grant) {
                    made.revoked = Some(record);
                }
            }
        }
    }

    fn touch(&mut self, record: u64, identity: &IdentityName) {
        if let Some(origin) = self.identities.get_mut(identity) {
            origin.changed = record;
        }
    }
}

/// The event type's name as the record spells it.
pub(crate) fn kind_of(event: &ControlEvent) -> &'static str {
    match event {
        ControlEvent::EpochStarted { .. } => "epoch_started",
        ControlEvent::EpochEnded {} => "epoch_ended",
        ControlEvent::SettingsLoaded { .. } => "settings_loaded",
        ControlEvent::TargetLoaded { .. } => "target_loaded",
        ControlEvent::IdentityCreated { .. } => "identity_created",
        ControlEvent::IdentityDisabled { .. } => "identity_disabled",
        ControlEvent::IdentityEnabled { .. } => "identity_enabled",
        ControlEvent::IdentityExpirySet { .. } => "identity_expiry_set",
        ControlEvent::CredentialIssued { .. } => "credential_issued",
        ControlEvent::CertificateAdded { .. } => "certificate_added",
        ControlEvent::CredentialRevoked { .. } => "credential_revoked",
        ControlEvent::GrantCreated { .. } => "grant_created",
        ControlEvent::GrantRevoked { .. } => "grant_revoked",
    }
}
