//! The settings file (TOML), parsed once into a value that is ready to use.
//!
//! The file is checked whole: one run shows every mistake, each with its line, its key, what is
//! wrong and what to do. A key that is not known is a mistake, so that a typing error in a security
//! setting cannot pass for its default.
//!
//! **Invariant:** no secret stands in a [`Settings`]: it names where secrets are.

mod limits;
mod reader;
mod secret;
mod target;

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use toml::de::DeTable;

pub(crate) use limits::Limits;
pub(crate) use reader::Problem;
use reader::{Field, Place, Problems, Section};
pub(crate) use secret::SecretRef;
pub(crate) use target::{Target, TargetHost, TargetTls};

/// Where the file is, unless `--config` or `COUNTERSIGN_CONFIG` say otherwise.
pub(crate) const PATH_DEFAULT: &str = "/etc/countersign/countersign.toml";

/// Longest settings file, in bytes. A larger file is not one.
const FILE_BYTES_MAX: usize = 1 << 20;

/// Longest path of a Unix socket, in bytes: `sun_path` (unix(7)) without its terminator.
const SOCKET_PATH_BYTES_MAX: usize = 107;

/// Everything that the settings file says.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// SHA-256 of the file.
    pub(crate) sha256: [u8; 32],
    /// The gateway's name: the first part of its ledgers' origins.
    pub(crate) name: String,
    /// Ledgers, keys, admin socket.
    pub(crate) state_dir: PathBuf,
    /// Where clients come in.
    pub(crate) listen: Listen,
    /// Bounds.
    pub(crate) limits: Limits,
    /// What is guarded, in the order of the file. At least one.
    pub(crate) targets: Vec<Target>,
}

/// Where clients and administrators come in.
#[derive(Clone, Debug)]
pub(crate) struct Listen {
    /// For PostgreSQL clients. Port 0 takes a free one.
    pub(crate) postgres: SocketAddr,
    /// For administrators.
    pub(crate) admin_socket: PathBuf,
    /// Users who may use it, besides root and the gateway's own.
    pub(crate) admin_uids: Vec<u32>,
    /// Certificate and private key (PEM files) for clients' connections.
    pub(crate) tls: Option<ListenTls>,
    /// Whether clients of other machines may connect without TLS.
    pub(crate) allow_plaintext: bool,
}

/// PEM files with which the gateway proves itself to clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ListenTls {
    /// Certificate, then the intermediate ones.
    pub(crate) certificate: PathBuf,
    /// Its private key.
    pub(crate) private_key: PathBuf,
}

/// A settings file that cannot be used.
#[derive(Debug)]
pub(crate) struct Invalid {
    /// The file.
    pub(crate) path: PathBuf,
    /// Every mistake in it, in the order of the file. At least one.
    pub(crate) problems: Vec<Problem>,
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.problems.len();
        let noun = if count == 1 { "mistake" } else { "mistakes" };
        write!(f, "the settings in {} have {count} {noun}:", self.path.display())?;
        for problem in &self.problems {
            write!(f, "\n  {problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Invalid {}

/// Why settings could not be loaded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SettingsError {
    /// The file cannot be read.
    #[error(
        "the settings file {path} cannot be read: {source}\nname another one with --config FILE or the environment variable COUNTERSIGN_CONFIG"
    )]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file has mistakes.
    #[error(transparent)]
    Invalid(#[from] Invalid),
}

/// Finds the settings file: `--config`, then `COUNTERSIGN_CONFIG`, then [`PATH_DEFAULT`].
pub(crate) fn locate(option: Option<PathBuf>) -> PathBuf {
    option
        .or_else(|| std::env::var_os("COUNTERSIGN_CONFIG").map(PathBuf::from))
        .unwrap_or_else(|| PATH_DEFAULT.into())
}

/// Reads and checks a settings file.
///
/// # Errors
///
/// [`SettingsError`]: the file cannot be read, or it has mistakes, of which all are given.
pub(crate) fn load(path: &Path) -> Result<Settings, SettingsError> {
    let unreadable = |source| SettingsError::Unreadable { path: path.to_owned(), source };
    let bytes = std::fs::read(path).map_err(unreadable)?;
    let too_long = bytes.len() > FILE_BYTES_MAX;
    let text = String::from_utf8(bytes).ok().filter(|_| !too_long).ok_or_else(|| {
        unreadable(std::io::Error::new(
            std::io::ErrorKind::InvalidData,
            format!("it is not UTF-8 text of at most {FILE_BYTES_MAX} bytes"),
        ))
    })?;
    let path = std::path::absolute(path).map_err(unreadable)?;
    let base = path.parent().unwrap_or(Path::new("/"));
    parse(&text, base).map_err(|problems| Invalid { path: path.clone(), problems }.into())
}

/// Checks the text of a settings file. Relative paths in it are relative to `base`.
///
/// # Errors
///
/// Every mistake, in the order of the file.
pub(crate) fn parse(text: &str, base: &Path) -> Result<Settings, Vec<Problem>> {
    let mut problems = Problems::new(text);
    let (document, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        let place = Place { key: String::new(), span: error.span().unwrap_or(0..0) };
        problems.add(&place, error.message(), "The file must be TOML: see https://toml.io");
    }
    if !errors.is_empty() {
        return Err(problems.into_sorted());
    }
    let settings = read(Section::root(document.into_inner()), text, base, &mut problems);
    match settings {
        Some(settings) if problems.is_empty() => Ok(settings),
        Some(_) | None => Err(problems.into_sorted()),
    }
}

fn read(
    mut root: Section<'_>,
    text: &str,
    base: &Path,
    problems: &mut Problems,
) -> Option<Settings> {
    let gateway = root.need("gateway", "[gateway]", problems);
    let gateway = gateway.and_then(|field| field.section(problems));
    let gateway = gateway.and_then(|section| read_gateway(section, base, problems));
    let listen = root.need("listen", "[listen]", problems);
    let listen = listen.and_then(|field| field.section(problems));
    let state_dir = gateway.as_ref().map(|(_, dir)| dir.as_path());
    let listen = listen.and_then(|section| read_listen(section, state_dir, base, problems));
    let limits = root.take("limits").and_then(|field| field.section(problems));
    let limits = limits.map(|section| Limits::read(section, problems)).unwrap_or_default();
    let targets = root.need("target", "[[target]]", problems);
    let targets = targets.map(|field| read_targets(field, base, problems)).unwrap_or_default();
    root.finish(problems);
    let (name, state_dir) = gateway?;
    let sha256 = crypto::sha256(&[text.as_bytes()]);
    Some(Settings { sha256, name, state_dir, listen: listen?, limits, targets })
}

fn read_gateway(
    mut section: Section<'_>,
    base: &Path,
    problems: &mut Problems,
) -> Option<(String, PathBuf)> {
    let name = section.need("name", "name = \"gw1\"", problems);
    let name = name.and_then(|field| field.text(problems)).filter(|text| {
        // The same alphabet as names of targets, because it becomes part of a ledger's origin.
        let is_name = text.value.parse::<model::TargetName>().is_ok();
        if !is_name {
            let fix = "Use 1 to 63 of a-z, 0-9, `-`, `_`, `.`, and begin with a letter or digit";
            problems.add(&text.place, format!("`{}` is not a name", text.value), fix);
        }
        is_name
    });
    let state_dir = section.need("state_dir", "state_dir = \"/var/lib/countersign\"", problems);
    let state_dir = state_dir.and_then(|field| field.text(problems));
    section.finish(problems);
    Some((name?.value, base.join(state_dir?.value)))
}

fn read_listen(
    mut section: Section<'_>,
    state_dir: Option<&Path>,
    base: &Path,
    problems: &mut Problems,
) -> Option<Listen> {
    let postgres = section.need("postgres", "postgres = \"127.0.0.1:6432\"", problems);
    let postgres = postgres.and_then(|field| field.text(problems));
    let address = postgres.as_ref().and_then(|text| {
        let address = text.value.parse::<SocketAddr>().ok();
        if address.is_none() {
            let what = format!("`{}` is not an IP address and a port", text.value);
            problems.add(
                &text.place,
                what,
                "Write, for example, \"127.0.0.1:6432\" or \"[::]:6432\"",
            );
        }
        address
    });
    let socket = section.take("admin_socket").map(|field| field.text(problems));
    let uids = section.take("admin_uids");
    let uids = uids.map_or(Some(Vec::new()), |f| f.integers(0..=u64::from(u32::MAX), problems));
    let certificate = section.take("tls_certificate").map(|field| field.text(problems));
    let private_key = section.take("tls_private_key").map(|field| field.text(problems));
    let plaintext = section.take("allow_plaintext");
    let plaintext = plaintext.map_or(Some(false), |field| field.boolean(problems));
    let place = section.place.clone();
    section.finish(problems);

    let tls = match (certificate, private_key) {
        (None, None) => None,
        (Some(certificate), Some(private_key)) => Some(ListenTls {
            certificate: base.join(certificate?.value),
            private_key: base.join(private_key?.value),
        }),
        (Some(_), None) | (None, Some(_)) => {
            let fix = "Give both tls_certificate and tls_private_key, or neither";
            problems.add(&place, "has one of two TLS files only", fix);
            return None;
        }
    };
    let (address, text, plaintext) = (address?, postgres?, plaintext?);
    if tls.is_none() && !plaintext && !address.ip().is_loopback() {
        problems.add(
            &text.place,
            format!("{address} can be reached from other machines, and there is no TLS"),
            "Set tls_certificate and tls_private_key; or, behind something that encrypts, \
             allow_plaintext = true",
        );
    }
    let admin_socket = match socket {
        Some(text) => base.join(text?.value),
        None => state_dir?.join("admin.sock"),
    };
    if admin_socket.as_os_str().len() > SOCKET_PATH_BYTES_MAX {
        let what = format!("the admin socket's path {} is too long", admin_socket.display());
        let fix = format!("Set admin_socket to a path of at most {SOCKET_PATH_BYTES_MAX} bytes");
        problems.add(&place, what, fix);
    }
    let admin_uids = uids?.into_iter().filter_map(|uid| u32::try_from(uid).ok()).collect();
    Some(Listen { postgres: address, admin_socket, admin_uids, tls, allow_plaintext: plaintext })
}

fn read_targets(field: Field<'_>, base: &Path, problems: &mut Problems) -> Vec<Target> {
    let mut targets: Vec<Target> = Vec::new();
    for section in field.sections(problems) {
        let place = section.place.clone();
        let Some(target) = Target::read(section, base, problems) else { continue };
        if targets.iter().any(|other| other.name == target.name) {
            let what = format!("there are two targets with the name `{}`", target.name);
            problems.add(&place, what, "Give each its own name");
            continue;
        }
        targets.push(target);
    }
    targets
}

#[cfg(test)]
mod tests;
