//! `countersign verify`: checks what was recorded, and names the first bad record.

use std::fs;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use ledger::{
    Contents, Expected, Fault, FaultKind, Image, LedgerFile, VKey, Verified, VerifyError,
};
use serde_json::{Value, json};

use super::{Context, Exit, Failure};

/// Arguments of `countersign verify`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  countersign verify /var/lib/countersign --key ledger.pub --live
  countersign verify /mnt/copy/access --key 'gw1+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW'
  countersign verify evidence-2026-11 --key ledger.pub

Take the key from where you trust it, not from the directory that you check.
Exit code 3 means: a fault was found.")]
pub(crate) struct Args {
    /// A ledger's directory, a gateway's state directory, or an evidence package
    path: PathBuf,
    /// The verifier key, or a file that holds it
    #[arg(long, value_name = "KEY")]
    key: String,
    /// Accept records at the end that are not signed yet: a gateway is writing them, or was
    #[arg(long)]
    live: bool,
}

pub(crate) fn run(args: &Args, context: &Context) -> Result<Exit, Failure> {
    let key = read_key(&args.key)?;
    let (value, text) = match kind_of(&args.path)? {
        Kind::Ledger => one_ledger(args, &key)?,
        Kind::State => both_ledgers(args, &key)?,
        Kind::Package => super::evidence::verify(&args.path, &key)?,
    };
    let is_sound = value.get("ok") == Some(&Value::Bool(true));
    context.printer.result(&value, |_| text)?;
    Ok(if is_sound { Exit::Done } else { Exit::Fault })
}

/// Reads the text of a key, or the file that holds it.
fn read_key(text: &str) -> Result<VKey, Failure> {
    if let Ok(key) = text.parse() {
        return Ok(key);
    }
    let content = fs::read_to_string(text).map_err(|error| {
        Failure::Usage(format!(
            "{text} is neither a verifier key nor a file that can be read: {error}"
        ))
    })?;
    content.parse().map_err(|error| Failure::Usage(format!("{text}: {error}")))
}

enum Kind {
    Ledger,
    State,
    Package,
}

/// Tells the three apart by what is there. One missing file must not make a ledger
/// something else. A package has a directory `checkpoints`, so it is looked for first.
fn kind_of(path: &Path) -> Result<Kind, Failure> {
    let has = |name: &str| path.join(name).exists();
    if super::evidence::is_package(path) {
        return Ok(Kind::Package);
    }
    if LedgerFile::ALL.iter().any(|file| has(file.name())) {
        return Ok(Kind::Ledger);
    }
    if [Contents::Control, Contents::Access].iter().any(|contents| has(contents.name())) {
        return Ok(Kind::State);
    }
    Err(Failure::Usage(format!(
        "{} is neither a ledger's directory, nor a state directory, nor an evidence package",
        path.display()
    )))
}

fn one_ledger(args: &Args, key: &VKey) -> Result<(Value, String), Failure> {
    let verdict = check(&args.path, key, None, args.live)?;
    let mut value = verdict.to_json();
    set(&mut value, "kind", json!("ledger"));
    Ok((value, verdict.to_text(&args.path.display().to_string())))
}

fn both_ledgers(args: &Args, key: &VKey) -> Result<(Value, String), Failure> {
    let mut value = json!({ "ok": true, "kind": "state" });
    let mut text = String::new();
    for contents in [Contents::Control, Contents::Access] {
        let name = contents.name();
        // Of a gateway's own state the whole origin is known, so that the two cannot be exchanged.
        let origin = format!("{}/{name}", key.name());
        let verdict = check(&args.path.join(name), key, Some(&origin), args.live)?;
        text.push_str(&verdict.to_text(name));
        if let Verdict::Bad(_) = &verdict
            && value.get("fault").is_none()
        {
            let mut fault = verdict.to_json().get("fault").cloned().unwrap_or_default();
            set(&mut fault, "ledger", json!(name));
            set(&mut value, "ok", json!(false));
            set(&mut value, "fault", fault);
        }
        set(&mut value, name, verdict.to_json());
    }
    Ok((value, text))
}

/// What verification of one ledger found.
enum Verdict {
    Sound(Box<Verified>),
    Bad(Fault),
}

fn check(dir: &Path, key: &VKey, origin: Option<&str>, live: bool) -> Result<Verdict, Failure> {
    let expected = if live { Expected::live(key) } else { Expected::closed(key) };
    let expected = Expected { origin, ..expected };
    match verified(dir, &expected) {
        Ok(verified) => Ok(Verdict::Sound(Box::new(verified))),
        Err(VerifyError::Fault(fault)) => Ok(Verdict::Bad(fault)),
        Err(error @ VerifyError::Read(_)) => {
            Err(Failure::Failed(format!("{}: {error}", dir.display())))
        }
    }
}

/// Verifies the ledger in a directory. A missing file is a fault.
///
/// # Errors
///
/// [`VerifyError`]: what is wrong with it, or why it cannot be read.
pub(crate) fn verified(dir: &Path, expected: &Expected<'_>) -> Result<Verified, VerifyError> {
    let files = journal::reader::image(dir)?;
    let image = Image {
        log: BufReader::new(files.log),
        hashes: BufReader::new(files.hashes),
        checkpoints: files.checkpoints,
        checkpoint: files.checkpoint,
    };
    ledger::verify(image, expected, &mut |_| {})
}

impl Verdict {
    fn to_json(&self) -> Value {
        match self {
            Self::Sound(verified) => json!({
                "ok": true,
                "origin": verified.signed.origin,
                "size": verified.size,
                "root": verified.root,
                "signed_size": verified.signed.size,
                "unsigned_tail": verified.unsigned_tail,
                "torn_bytes": verified.torn_bytes,
                "unknown": verified.unknown.len(),
            }),
            Self::Bad(fault) => json!({
                "ok": false,
                "fault": {
                    "index": fault.index, "what": fault.kind.to_string(), "intact": fault.intact,
                },
            }),
        }
    }

    fn to_text(&self, name: &str) -> String {
        match self {
            Self::Sound(verified) => {
                let open = match verified.unknown.len() {
                    0 => String::new(),
                    count => format!("  permitted commands without an outcome yet: {count}\n"),
                };
                format!(
                    "{name}: sound. {} records of {}, signed up to {}, root {}\n{open}",
                    verified.size, verified.signed.origin, verified.signed.size, verified.root
                )
            }
            Self::Bad(fault) => {
                let intact = match fault.intact.checked_sub(1) {
                    None => "no record before it is vouched for".to_owned(),
                    Some(last) => format!("records 0 to {last} are as signed"),
                };
                let mut text = format!("{name}: FAULT. {fault}\n  {intact}\n");
                if fault.kind == FaultKind::Unsigned {
                    text.push_str("  if a gateway writes this ledger, or was killed, add --live\n");
                }
                text
            }
        }
    }
}

fn set(value: &mut Value, name: &str, member: Value) {
    if let Value::Object(members) = value {
        members.insert(name.to_owned(), member);
    }
}
