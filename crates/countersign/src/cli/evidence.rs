//! `countersign evidence`: writes the evidence package of a window; `verify` checks it.
//!
//! A package is written whole or not at all, and only if it verifies with the gateway's own key.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use evidence::{Filters, Input, Package, Report, Window};
use journal::reader::Reader;
use ledger::{Checkpoint, VKey};
use model::{IdentityName, TargetName, Timestamp};
use serde_json::{Value, json};

use super::{Context, Exit, Failure};
use crate::keys;
use crate::printer::pairs;
use crate::settings::Settings;

/// Files and directories of which any one shows that a directory is, or was, a package.
const MARKS: [&str; 4] = ["manifest.json", "report.json", "report.html", "records"];

/// Deepest directory in a package, and most files: more is not a package.
const DEPTH_MAX: usize = 4;
const FILES_MAX: usize = 1_000;

/// How long to wait until the running gateway has signed the latest records: it does each second.
const SIGNING_WAIT_MS: u64 = 5_000;
/// Pause between two looks, in milliseconds.
const SIGNING_POLL_MS: u64 = 50;

/// Arguments of `countersign evidence`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  countersign evidence --from 2026-11-01T00:00:00Z --to 2026-12-01T00:00:00Z --out evidence-2026-11
  countersign evidence --from 2026-11-01T00:00:00Z --to 2026-12-01T00:00:00Z \\
      --identity billing-agent --out evidence-billing-agent
  countersign verify evidence-2026-11 --key ledger.pub")]
pub(crate) struct Args {
    /// Start of the window, inclusive
    #[arg(long, value_name = "TIME")]
    from: Timestamp,
    /// End of the window, exclusive
    #[arg(long, value_name = "TIME")]
    to: Timestamp,
    /// Only what concerns this identity
    #[arg(long, value_name = "NAME")]
    identity: Option<IdentityName>,
    /// Only what concerns this target
    #[arg(long, value_name = "NAME")]
    target: Option<TargetName>,
    /// The directory to write; it must not exist
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

pub(crate) fn run(args: &Args, context: &Context) -> Result<Exit, Failure> {
    let settings = context.settings()?;
    if args.out.exists() {
        let out = args.out.display();
        return Err(Failure::Usage(format!("{out} exists already: name a new directory")));
    }
    // In this order: then the control records cover every decision of the access records.
    let access = signed_leaves(&settings, "access")?;
    let control = signed_leaves(&settings, "control")?;
    for (name, ledger) in [("access", &access), ("control", &control)] {
        if ledger.unsigned > 0 {
            context.printer.remark(&format!(
                "the last {} records of the {name} ledger are not signed yet and not in the package; \
                 start the gateway, which signs them",
                ledger.unsigned
            ))?;
        }
    }
    let package = evidence::build(Input {
        control_leaves: control.leaves,
        control_checkpoint: control.checkpoint,
        access_leaves: access.leaves,
        access_checkpoint: access.checkpoint,
        window: Window { from: args.from, to: args.to },
        filters: Filters { identity: args.identity.clone(), target: args.target.clone() },
        tool_version: env!("CARGO_PKG_VERSION").to_owned(),
    })
    .map_err(Failure::failed)?;
    check(&package, &settings)?;
    write(&package, &args.out)?;
    let value = json!({
        "out": args.out, "files": package.files.keys().collect::<Vec<_>>(),
        "totals": package.report.totals,
    });
    let text = format!("{}\n{}", args.out.display(), summary(&package.report));
    context.printer.result(&value, |_| text)?;
    Ok(Exit::Done)
}

/// The leaves of a ledger that its latest checkpoint covers.
struct SignedLeaves {
    leaves: Vec<Vec<u8>>,
    checkpoint: String,
    unsigned: u64,
}

fn signed_leaves(settings: &Settings, name: &str) -> Result<SignedLeaves, Failure> {
    let dir = settings.state_dir.join(name);
    let mut reader = Reader::open(&dir).map_err(Failure::failed)?;
    let mut leaves = Vec::new();
    while let Some(stored) = reader.next_record().map_err(Failure::failed)? {
        leaves.push(stored.leaf);
    }
    let wanted = u64::try_from(leaves.len()).unwrap_or(u64::MAX);
    let mut waited_ms = 0;
    let (checkpoint, size) = loop {
        let text = reader.checkpoint_text().map_err(Failure::failed)?;
        let size = Checkpoint::claimed(&text).map_err(Failure::failed)?.size;
        if size >= wanted || waited_ms >= SIGNING_WAIT_MS {
            break (text, size);
        }
        std::thread::sleep(Duration::from_millis(SIGNING_POLL_MS));
        waited_ms = waited_ms.saturating_add(SIGNING_POLL_MS);
    };
    // While we waited, the gateway may have written and signed more than was read at first.
    while u64::try_from(leaves.len()).unwrap_or(u64::MAX) < size {
        let Some(stored) = reader.next_record().map_err(Failure::failed)? else { break };
        leaves.push(stored.leaf);
    }
    let unsigned = wanted.saturating_sub(size);
    leaves.truncate(usize::try_from(size).unwrap_or(usize::MAX));
    Ok(SignedLeaves { leaves, checkpoint, unsigned })
}

/// What a stranger will do first.
fn check(package: &Package, settings: &Settings) -> Result<(), Failure> {
    let path = settings.state_dir.join("keys").join(keys::LEDGER_PUBLIC);
    let key = fs::read_to_string(&path)
        .map_err(|error| Failure::Failed(format!("{}: {error}", path.display())))?;
    evidence::verify_package(&package.files, key.trim()).map_err(|fault| {
        Failure::Failed(format!(
            "the package would not verify, so it is not written: {fault}\n\
             run countersign verify on the state directory"
        ))
    })?;
    Ok(())
}

/// Writes beside the directory first, so that there is never half a package under its name.
fn write(package: &Package, out: &Path) -> Result<(), Failure> {
    let mut draft = out.as_os_str().to_owned();
    draft.push(".partial");
    let draft = PathBuf::from(draft);
    let written = write_files(package, &draft).and_then(|()| fs::rename(&draft, out));
    written.map_err(|error| {
        // The error that matters is the first one.
        let _left_behind = fs::remove_dir_all(&draft);
        Failure::Failed(format!("{} cannot be written: {error}", out.display()))
    })
}

fn write_files(package: &Package, dir: &Path) -> io::Result<()> {
    fs::create_dir(dir)?;
    for (name, content) in &package.files {
        let path = dir.join(name);
        fs::create_dir_all(path.parent().unwrap_or(dir))?;
        fs::write(path, content)?;
    }
    Ok(())
}

/// True if a directory is an evidence package, or what someone left of one.
pub(super) fn is_package(dir: &Path) -> bool {
    MARKS.iter().any(|name| dir.join(name).exists())
}

/// Checks a package: what it says, as JSON and as text.
pub(super) fn verify(dir: &Path, key: &VKey) -> Result<(Value, String), Failure> {
    let mut files = BTreeMap::new();
    read_files(dir, "", 0, &mut files)
        .map_err(|error| Failure::Failed(format!("{} cannot be read: {error}", dir.display())))?;
    Ok(match evidence::verify_package(&files, &key.to_string()) {
        Ok(report) => {
            let value = json!({
                "ok": true,
                "kind": "package",
                "size": report.access.size,
                "root": report.access.root,
                "control": { "size": report.control.size, "root": report.control.root },
                "access": { "size": report.access.size, "root": report.access.root },
                "window": report.window,
            });
            let shown = dir.display();
            let text = format!("{shown}: sound; every file follows from the signed records\n");
            (value, text + &summary(&report))
        }
        Err(fault) => {
            let value = json!({
                "ok": false,
                "kind": "package",
                "fault": {
                    "index": fault.index(), "file": fault.file(), "what": fault.to_string(),
                },
            });
            (value, format!("{}: FAULT. {fault}\n", dir.display()))
        }
    })
}

/// Reads all files below a directory, by their path with `/` between the parts.
fn read_files(
    dir: &Path,
    prefix: &str,
    depth: usize,
    files: &mut BTreeMap<String, Vec<u8>>,
) -> io::Result<()> {
    if depth > DEPTH_MAX {
        return Err(io::Error::other("it is nested too deeply for a package"));
    }
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        // A name that is not text is none of the package's, and is reported as such.
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            let below = format!("{name}/");
            read_files(&entry.path(), &below, depth.saturating_add(1), files)?;
        } else {
            if files.len() >= FILES_MAX {
                return Err(io::Error::other("it has too many files for a package"));
            }
            files.insert(name, fs::read(entry.path())?);
        }
    }
    Ok(())
}

fn summary(report: &Report) -> String {
    let totals = &report.totals;
    pairs(&[
        ("window", format!("{} to {}", report.window.from, report.window.to)),
        ("records", format!("{} control, {} access", report.control.size, report.access.size)),
        ("identities", totals.identities.to_string()),
        ("grants", format!("{}, of which {} unused", totals.grants, totals.grants_unused)),
        ("commands", format!("{} allowed, {} denied", totals.allowed, totals.denied)),
        ("hidden values", totals.redacted.to_string()),
        ("exceptions", totals.exceptions.to_string()),
    ])
}
