//! From settings to what the data path takes: secrets fetched, certificates read, units converted.

use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use proxy::{ProvisionSettings, Secret, TargetAddress, TargetSettings};

use crate::cli::Failure;
use crate::keys::Keys;
use crate::settings::{Limits, SecretRef, Settings, Target, TargetHost, TargetTls};
use crate::tls;

/// Open files besides those of clients: ledgers, catalogs, admin connections, libraries.
const OTHER_FILES: u64 = 128;

/// Open files of one client: its connection, the target's, and one to cancel.
const FILES_PER_CLIENT: u64 = 3;

/// Makes the data path's settings.
///
/// # Errors
///
/// [`Failure::Failed`] with every secret and certificate that cannot be read.
pub(super) fn data_path(settings: &Settings, keys: &Keys) -> Result<proxy::Settings, Failure> {
    let mut mistakes = Vec::new();
    let tls = match settings.listen.tls.as_ref().map(tls::for_clients).transpose() {
        Ok(tls) => tls,
        Err(error) => {
            mistakes.push(format!("listen: {error}"));
            None
        }
    };
    let mut targets = Vec::new();
    for target in &settings.targets {
        match self::target(target) {
            Ok(target) => targets.push(target),
            Err(error) => mistakes.push(format!("target {}: {error}", target.name)),
        }
    }
    if !mistakes.is_empty() {
        return Err(Failure::Failed(mistakes.join("\n")));
    }
    Ok(proxy::Settings {
        gateway: settings.name.clone(),
        installation: keys.ledger.verifying_key().as_bytes().to_vec(),
        listen: settings.listen.postgres,
        tls,
        allow_plaintext: settings.listen.allow_plaintext,
        targets,
        mask_key: keys.mask,
        limits: limits(&settings.limits),
    })
}

/// One target's.
///
/// # Errors
///
/// What is wrong with its secret or its certificates.
pub(crate) fn target(target: &Target) -> Result<TargetSettings, anyhow::Error> {
    let password = target.password.as_ref().map(SecretRef::fetch).transpose()?;
    let provision = target.provision.as_ref();
    let provision_password = provision.and_then(|provision| provision.password.as_ref());
    for reference in target.password.iter().chain(provision_password) {
        if let Some(exposure) = reference.exposure() {
            tracing::warn!(target = %target.name, "a password's file is exposed: {exposure}");
        }
    }
    let secret = provision_password.map(SecretRef::fetch).transpose()?;
    let provision = provision.map(|provision| ProvisionSettings {
        user: provision.user.clone(),
        password: secret.map(|password| Secret::new(&password.into_text())),
    });
    Ok(TargetSettings {
        name: target.name.clone(),
        address: match &target.host {
            TargetHost::Tcp(host) => TargetAddress::Tcp { host: host.clone(), port: target.port },
            TargetHost::Unix(directory) => {
                TargetAddress::Unix { directory: directory.clone(), port: target.port }
            }
        },
        database: target.database.clone(),
        user: target.user.clone(),
        password: password.map(|password| Secret::new(&password.into_text())),
        allow_weak_password: target.allow_weak_password,
        tls: match &target.tls {
            TargetTls::Disabled => proxy::TargetTls::Disabled,
            TargetTls::VerifyFull { ca, negotiation, binding } => proxy::TargetTls::VerifyFull {
                config: tls::for_target(ca)?,
                negotiation: *negotiation,
                binding: *binding,
            },
        },
        masks: target.masks.clone(),
        provision,
    })
}

/// The bounds, in the data path's units.
pub(crate) fn limits(limits: &Limits) -> proxy::Limits {
    // The settings' bounds fit into a word of every machine on which this runs.
    let count = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    proxy::Limits {
        clients_max: count(limits.clients_max),
        handshake_timeout: Duration::from_secs(limits.handshake_timeout_s),
        handshakes_max: count(limits.handshakes_per_address_max),
        drain_timeout: Duration::from_secs(limits.drain_timeout_s),
        command_timeout: Duration::from_secs(limits.command_timeout_s),
        idle_timeout: Duration::from_secs(limits.idle_timeout_s),
        stalled_client_timeout: Duration::from_secs(limits.stalled_client_timeout_s),
        warm_max: count(limits.warm_connections_max),
        warm_idle_timeout: Duration::from_secs(limits.warm_idle_s),
        target_connect_timeout: Duration::from_secs(limits.target_connect_timeout_s),
        catalog_poll_interval: Duration::from_secs(limits.catalog_poll_interval_s),
        client_message_bytes_max: count(limits.client_message_bytes_max),
        statements_max: count(limits.statements_per_session_max),
        portals_max: count(limits.portals_per_session_max),
    }
}

/// Raises the limit on open files to what the settings' clients need, as far as the system lets.
pub(super) fn allow_open_files(settings: &Settings) {
    let clients = settings.limits.clients_max;
    let needed = clients.saturating_mul(FILES_PER_CLIENT).saturating_add(OTHER_FILES);
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return };
    if soft >= needed {
        return;
    }
    let raised = needed.min(hard);
    if setrlimit(Resource::RLIMIT_NOFILE, raised, hard).is_err() || raised < needed {
        tracing::warn!(
            needed,
            hard,
            "the system allows too few open files for limits.clients_max: raise LimitNOFILE or ulimit -n"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_of_the_settings_are_those_of_the_data_path() {
        let (ours, theirs) = (limits(&Limits::default()), proxy::Limits::default());
        assert_eq!(format!("{ours:?}"), format!("{theirs:?}"));
    }
}
