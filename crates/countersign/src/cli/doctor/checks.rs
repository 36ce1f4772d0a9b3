//! What `doctor` looks at on this machine.

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::Path;

use ledger::{Contents, Expected, VKey};

use super::Findings;
use crate::cli::verify::verified;
use crate::settings::{Settings, TargetTls};
use crate::{keys, tls};

/// Below so many free bytes the ledgers may stop traffic within minutes.
const FREE_BYTES_FAIL: u64 = 64 << 20;

/// Below so many free bytes someone should look.
const FREE_BYTES_WARN: u64 = 2 << 30;

/// The state directory: there, and nobody else's to write to.
pub(super) fn state(settings: &Settings, findings: &mut Findings) {
    let dir = &settings.state_dir;
    let shown = dir.display();
    match fs::metadata(dir) {
        Ok(meta) if !meta.is_dir() => {
            findings.fail("state", format!("{shown} is not a directory"), "Set another state_dir");
        }
        Ok(meta) if meta.mode() & 0o022 != 0 => findings.fail(
            "state",
            format!("others can write to {shown}: mode {:04o}", meta.mode() & 0o7777),
            format!("chmod 700 {shown}"),
        ),
        Ok(meta) if meta.uid() != nix::unistd::Uid::effective().as_raw() => findings.warn(
            "state",
            format!("{shown} belongs to uid {}, not to you", meta.uid()),
            "Run doctor as the gateway's account, to see what it sees",
        ),
        Ok(_) => findings.ok("state", format!("{shown} is the gateway's alone to write to")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => findings.warn(
            "state",
            format!("{shown} does not exist"),
            "Nothing: the first `countersign serve` makes it",
        ),
        Err(error) => {
            findings.fail("state", format!("{shown}: {error}"), "Let the gateway read it");
        }
    }
}

/// The private keys: there, whole, and their owner's alone.
pub(super) fn keys(settings: &Settings, findings: &mut Findings) {
    let dir = settings.state_dir.join("keys");
    if !dir.exists() {
        let what = "there are no keys yet";
        findings.warn("keys", what, "Nothing: the first `countersign serve` makes them");
        return;
    }
    let mut sound = true;
    for name in keys::PRIVATE {
        if let Err(error) = keys::read_key(&dir.join(name)) {
            sound = false;
            findings.fail("keys", error.to_string(), "Restore it, or mend its permissions");
        }
    }
    if sound {
        findings.ok("keys", format!("all {} are whole, mode 0600", keys::PRIVATE.len()));
    }
    match (verifier(settings), fs::read_to_string(dir.join(keys::LEDGER_PUBLIC))) {
        (Some(key), Ok(text)) if text.trim() != key.to_string() => findings.fail(
            "keys",
            format!("{} is not the public half of {}", keys::LEDGER_PUBLIC, keys::LEDGER_KEY),
            "Find out who changed it; `countersign serve` writes it anew",
        ),
        (Some(_), Err(error)) => findings.warn(
            "keys",
            format!("{}: {error}", keys::LEDGER_PUBLIC),
            "Nothing: `countersign serve` writes it anew",
        ),
        (Some(_), Ok(_)) | (None, _) => {}
    }
}

/// Both ledgers: sound up to their last signed record.
pub(super) fn ledgers(settings: &Settings, findings: &mut Findings) {
    for contents in [Contents::Control, Contents::Access] {
        let name = contents.name();
        let dir = settings.state_dir.join(name);
        if !dir.exists() {
            let what = format!("the {name} ledger does not exist yet");
            findings.warn("ledger", what, "Nothing: the first `countersign serve` makes it");
            continue;
        }
        let Some(key) = verifier(settings) else { continue };
        let origin = format!("{}/{name}", settings.name);
        let expected = Expected { origin: Some(&origin), ..Expected::live(&key) };
        match verified(&dir, &expected, &mut |_| {}) {
            Ok(verified) => findings.ok(
                "ledger",
                format!("{name}: {} records, signed up to {}", verified.size, verified.signed.size),
            ),
            Err(error) => findings.fail(
                "ledger",
                format!("{name}: {error}"),
                "Keep the directory as it is, and find out who changed it; restore a copy that \
                 `countersign verify` accepts",
            ),
        }
    }
}

/// The public half of the ledger key, under the gateway's name.
fn verifier(settings: &Settings) -> Option<VKey> {
    let seed = keys::read_key(&settings.state_dir.join("keys").join(keys::LEDGER_KEY)).ok()?;
    let key = crypto::sign::SigningKey::from_seed(seed).verifying_key();
    VKey::new(&settings.name, key).ok()
}

/// Room for the ledgers: when there is none, traffic stops.
pub(super) fn disk(settings: &Settings, findings: &mut Findings) {
    let Some(dir) = settings.state_dir.ancestors().find(|dir| dir.exists()) else { return };
    let stat = match nix::sys::statvfs::statvfs(dir) {
        Ok(stat) => stat,
        Err(error) => {
            let what = format!("free space of {} is unknown: {error}", dir.display());
            findings.warn("disk", what, "Look yourself: df");
            return;
        }
    };
    let free = stat.blocks_available().saturating_mul(stat.fragment_size());
    let what = format!("{} MiB free for the ledgers in {}", free >> 20, dir.display());
    let fix = "Make room: when a record cannot be written, traffic stops";
    match free {
        0..FREE_BYTES_FAIL => findings.fail("disk", what, fix),
        FREE_BYTES_FAIL..FREE_BYTES_WARN => findings.warn("disk", what, fix),
        FREE_BYTES_WARN.. => findings.ok("disk", what),
    }
}

/// The port for clients, and TLS on it.
pub(super) fn listener(settings: &Settings, findings: &mut Findings) {
    let address = settings.listen.postgres;
    if let Some(own) = running_at(&settings.state_dir) {
        findings.ok("listener", format!("the gateway listens on {own}"));
    } else {
        match TcpListener::bind(address) {
            Ok(_) => findings.ok("listener", format!("{address} is free; no gateway is running")),
            Err(error) => findings.fail(
                "listener",
                format!("{address} cannot be listened on: {error}"),
                "Set another listen.postgres, or stop what listens there",
            ),
        }
    }
    match &settings.listen.tls {
        Some(files) => match tls::for_clients(files) {
            Ok(_) => findings.ok("listener", "clients can connect with TLS"),
            Err(error) => findings.fail("listener", error.to_string(), "Mend the PEM files"),
        },
        None if address.ip().is_loopback() => {
            findings.ok("listener", "no TLS; only programs on this machine can connect");
        }
        None => findings.warn(
            "listener",
            format!("no TLS, and other machines can reach {address}"),
            "Set tls_certificate and tls_private_key, unless something in front encrypts",
        ),
    }
}

/// Where the running gateway listens, if one runs: its note, and its process.
fn running_at(state_dir: &Path) -> Option<SocketAddr> {
    let note = fs::read(state_dir.join("listen.json")).ok()?;
    let note: serde_json::Value = serde_json::from_slice(&note).ok()?;
    let pid = nix::unistd::Pid::from_raw(i32::try_from(note.get("pid")?.as_u64()?).ok()?);
    let is_alive = !matches!(nix::sys::signal::kill(pid, None), Err(nix::errno::Errno::ESRCH));
    let address = note.get("postgres")?.as_str()?.parse().ok()?;
    is_alive.then_some(address)
}

/// The admin socket: answered, and not open to everyone.
pub(super) fn admin(settings: &Settings, findings: &mut Findings) {
    let path = &settings.listen.admin_socket;
    let shown = path.display();
    match UnixStream::connect(path) {
        Ok(_) => findings.ok("admin", format!("{shown} answers")),
        Err(error) if running_at(&settings.state_dir).is_some() => findings.fail(
            "admin",
            format!("a gateway is running, but {shown} does not answer: {error}"),
            "Run this as the gateway's account, or as one that may use its socket",
        ),
        Err(_) => findings.ok("admin", format!("{shown} is not in use; no gateway is running")),
    }
}

/// What the settings of each target say of secrets and networks, before it is contacted.
pub(super) fn target_settings(settings: &Settings, findings: &mut Findings) {
    for target in &settings.targets {
        let about = format!("target {}", target.name);
        if let Some(password) = &target.password {
            match password.fetch() {
                Ok(_) => {}
                Err(error) => findings.fail(&about, error.to_string(), "Put the secret there"),
            }
            if let Some(exposure) = password.exposure() {
                findings.warn(&about, format!("the password in {password} is exposed"), exposure);
            }
        }
        if target.is_in_the_clear() {
            findings.warn(
                &about,
                format!("what is said to {} can be read on the network", target.address()),
                "Set tls = \"verify-full\"",
            );
        }
        if target.allow_weak_password {
            findings.warn(
                &about,
                "the password may be sent as MD5 or in the clear",
                "Let the target use scram-sha-256, and remove allow_weak_password",
            );
        }
        match &target.tls {
            TargetTls::VerifyFull { ca, .. } => {
                if let Err(error) = tls::for_target(ca) {
                    findings.fail(&about, error.to_string(), "Set ca to the authorities' PEM file");
                }
            }
            TargetTls::Disabled => {}
        }
    }
}
