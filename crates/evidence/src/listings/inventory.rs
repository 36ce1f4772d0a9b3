//! Who is in the inventory at the end of the window, and who changed it.

use std::collections::BTreeMap;

use model::{ControlEvent, ControlRecord, IdentityName, Lifecycle, Timestamp};
use registry::{Credential, Identity};

use super::{Case, Head, add};
use crate::provenance::kind_of;
use crate::report::Artefact;
use crate::rows::{AdministrationRow, CredentialRow, IdentityRow};

/// What one identity did.
#[derive(Default)]
struct Use {
    sessions: u64,
    allowed: u64,
    denied: u64,
    last: Option<Timestamp>,
}

pub(super) fn identities(case: &Case<'_>) -> Artefact<IdentityRow> {
    let uses = uses(case);
    let wanted = |identity: &&Identity| case.scope.filters.admit(Some(&identity.name), None);
    let rows = case.inventory.identities().filter(wanted);
    let rows = rows.map(|identity| row(case, identity, uses.get(&identity.name))).collect();
    let filter = case.scope.filters.identity.as_ref();
    let mut excludes: Vec<String> =
        filter.map(|name| format!("identities other than {name}")).into_iter().collect();
    excludes.push("accounts of the targets themselves, which the gateway alone uses".to_owned());
    Head {
        id: "inventory",
        title: "Identities as of the end of the window",
        query: "fold every control record up to the last one made before the window's end; list all \
                identities, also those disabled or expired; add what access records show of their use",
        population: Some("identities.csv"),
        basis: vec![case.control_until_end(), case.access_until_end()],
        excludes,
    }
    .with(rows)
}

fn row(case: &Case<'_>, identity: &Identity, used: Option<&Use>) -> IdentityRow {
    let origin = case.provenance.identities.get(&identity.name);
    let created_record = origin.map_or(0, |origin| origin.record);
    let is_own = |credential: &&Credential| credential.identity == identity.name;
    let mut credentials: Vec<CredentialRow> =
        case.inventory.credentials().filter(is_own).map(|own| credential(case, own)).collect();
    credentials.sort_by_key(|credential| credential.issued_record);
    IdentityRow {
        identity: identity.name.clone(),
        kind: identity.kind,
        owner: identity.owner.clone(),
        state: match identity.lifecycle {
            Lifecycle::Disabled => "disabled",
            Lifecycle::Enabled if identity.expires_at.is_some_and(|end| end <= case.end()) => {
                "expired"
            }
            Lifecycle::Enabled => "enabled",
        },
        created_at: identity.created_at,
        created_by: identity.created_by.clone(),
        created_record,
        changed_record: origin.map_or(created_record, |origin| origin.changed),
        expires_at: identity.expires_at,
        credentials,
        sessions: used.map_or(0, |used| used.sessions),
        allowed: used.map_or(0, |used| used.allowed),
        denied: used.map_or(0, |used| used.denied),
        last_used: used.and_then(|used| used.last),
    }
}

fn credential(case: &Case<'_>, credential: &Credential) -> CredentialRow {
    let state = match &credential.revoked {
        Some(_) => "revoked",
        None if credential.expires_at <= case.end() => "expired",
        None => "live",
    };
    CredentialRow {
        credential: credential.id,
        state,
        issued_at: credential.issued_at,
        expires_at: credential.expires_at,
        issued_record: case.provenance.credentials.get(&credential.id).copied().unwrap_or(0),
    }
}

/// Counts in the window; the last use is sought from the ledger's beginning.
fn uses(case: &Case<'_>) -> BTreeMap<IdentityName, Use> {
    let mut uses: BTreeMap<IdentityName, Use> = BTreeMap::new();
    let window = case.scope.window;
    let target = |name| case.scope.filters.admit(None, Some(name));
    let mut saw = |identity: &IdentityName, at: Timestamp, count: fn(&mut Use) -> &mut u64| {
        if at >= window.to {
            return;
        }
        let own = uses.entry(identity.clone()).or_default();
        own.last = own.last.max(Some(at));
        if window.contains(at) {
            add(count(own), 1);
        }
    };
    for session in case.history.sessions.values().filter(|session| target(&session.target)) {
        saw(&session.identity, session.opened_at, |used| &mut used.sessions);
    }
    for command in case.history.commands.iter().filter(|command| target(&command.target)) {
        saw(&command.identity, command.at, |used| &mut used.allowed);
    }
    for denial in case.history.denials.iter().filter(|denial| target(&denial.target)) {
        saw(&denial.identity, denial.at, |used| &mut used.denied);
    }
    uses
}

pub(super) fn administration(case: &Case<'_>) -> Artefact<AdministrationRow> {
    let records = (0..).zip(&case.source.control);
    let rows = records
        .filter(|(_, entry)| case.scope.window.contains(entry.at))
        .filter(|(_, entry)| concerns(case, entry))
        .map(|(record, entry)| {
            let (subject, detail) = describe(&entry.event);
            let (kind, by) = (kind_of(&entry.event), entry.by.clone());
            AdministrationRow { record, at: entry.at, by, kind, subject, detail }
        })
        .collect();
    Head {
        id: "administration",
        title: "Changes of the inventory and the settings",
        query: "every control record in the window",
        population: Some("administration.csv"),
        basis: vec![case.control_window()],
        excludes: case.filtered(),
    }
    .with(rows)
}

/// True if the filters want the record. What concerns everyone is always wanted.
fn concerns(case: &Case<'_>, entry: &ControlRecord) -> bool {
    let filters = &case.scope.filters;
    match &entry.event {
        ControlEvent::EpochStarted { .. }
        | ControlEvent::EpochEnded {}
        | ControlEvent::SettingsLoaded { .. } => true,
        ControlEvent::TargetLoaded { target, .. } => filters.admit(None, Some(target)),
        ControlEvent::IdentityCreated { identity, .. }
        | ControlEvent::IdentityDisabled { identity, .. }
        | ControlEvent::IdentityEnabled { identity, .. }
        | ControlEvent::IdentityExpirySet { identity, .. }
        | ControlEvent::CredentialIssued { identity, .. }
        | ControlEvent::CertificateAdded { identity, .. } => filters.admit(Some(identity), None),
        ControlEvent::CredentialRevoked { credential, .. } => {
            let credential = case.inventory.credential(*credential);
            filters.admit(credential.map(|credential| &credential.identity), None)
        }
        ControlEvent::GrantCreated { grant, .. } => {
            filters.admit(Some(&grant.identity), Some(&grant.target))
        }
        ControlEvent::GrantRevoked { grant, .. } => {
            let grant = case.inventory.grant(*grant).map(|entry| &entry.grant);
            filters.admit(grant.map(|grant| &grant.identity), grant.map(|grant| &grant.target))
        }
    }
}

/// What the event is about, and with what reason or value.
fn describe(event: &ControlEvent) -> (String, String) {
    match event {
        ControlEvent::EpochStarted { version, found, cut_bytes } => {
            let detail =
                format!("version {version}, {} records found, {cut_bytes} bytes cut", found.size);
            ("gateway".to_owned(), detail)
        }
        ControlEvent::EpochEnded {} => ("gateway".to_owned(), String::new()),
        ControlEvent::SettingsLoaded { sha256 } => {
            ("settings".to_owned(), format!("SHA-256 {sha256}"))
        }
        ControlEvent::TargetLoaded { target, address, mode, masks } => {
            (target.to_string(), format!("{address}, {mode}, {} masked columns", masks.len()))
        }
        ControlEvent::IdentityCreated { identity, owner, .. } => {
            (identity.to_string(), format!("owner {owner}"))
        }
        ControlEvent::IdentityDisabled { identity, reason }
        | ControlEvent::IdentityEnabled { identity, reason } => {
            (identity.to_string(), reason.clone())
        }
        ControlEvent::IdentityExpirySet { identity, expires_at } => {
            (identity.to_string(), format!("expires {expires_at}"))
        }
        ControlEvent::CredentialIssued { credential, identity, expires_at, .. } => {
            (identity.to_string(), format!("{credential}, expires {expires_at}"))
        }
        ControlEvent::CertificateAdded { credential, identity, certificate, expires_at } => {
            (identity.to_string(), format!("{credential}, {certificate}, expires {expires_at}"))
        }
        ControlEvent::CredentialRevoked { credential, reason } => {
            (credential.to_string(), reason.clone())
        }
        ControlEvent::GrantCreated { grant, .. } => {
            let what = format!("{} on {}, {}", grant.identity, grant.target, grant.task);
            (grant.id.to_string(), what)
        }
        ControlEvent::GrantRevoked { grant, reason } => (grant.to_string(), reason.clone()),
    }
}
