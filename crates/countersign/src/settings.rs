//! The settings file (TOML), parsed once into a value that is ready to use.
//!
//! The file is checked whole: one run shows every mistake, each with its line, its key, what is
//! wrong and what to do. A key that is not known is a mistake, so that a typing error in a security
//! setting cannot pass for its default.
//!
//! **Invariant:** no secret stands in a [`Settings`]: it names where secrets are.

mod free_text;
mod limits;
mod listen;
mod reader;
mod secret;
mod target;

use std::fmt;
use std::path::{Path, PathBuf};

use toml::de::DeTable;

pub(crate) use limits::Limits;
pub(crate) use listen::{ClientCertificates, Listen, ListenTls};
pub(crate) use reader::Problem;
use reader::{Field, Place, Problems, Section};
pub(crate) use secret::SecretRef;
pub(crate) use target::{Target, TargetHost, TargetTls};

/// Where the file is, unless `--config` or `COUNTERSIGN_CONFIG` say otherwise.
pub(crate) const PATH_DEFAULT: &str = "/etc/countersign/countersign.toml";

/// Longest settings file, in bytes. A larger file is not one.
const FILE_BYTES_MAX: usize = 1 << 20;

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
    let listen = listen.and_then(|section| Listen::read(section, state_dir, base, problems));
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
