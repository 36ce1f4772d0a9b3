//! `countersign verify`: checks what was recorded, and names the first bad record.

use std::fs;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use ledger::{
    Checkpoint, Contents, Expected, Fault, FaultKind, Image, LedgerFile, Record, VKey, Verified,
    VerifyError, Visit,
};
use serde_json::{Value, json};

use super::{Context, Exit, Failure};
use crate::agreement::Named;

/// Arguments of `countersign verify`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  countersign verify /var/lib/countersign --key ledger.pub --live
  countersign verify /mnt/copy/access --key 'gw1+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW'
  countersign verify evidence-2026-11 --key ledger.pub
  countersign verify /var/lib/countersign --key ledger.pub --live --known kept-in-june.checkpoint

Take the key from where you trust it, not from the directory that you check.
A checkpoint that you kept shows that nothing was rolled back since; see SECURITY.md.
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
    /// A file with a checkpoint that you kept, which the ledger of its origin must continue; one for
    /// each ledger at most
    #[arg(long, value_name = "FILE")]
    known: Vec<PathBuf>,
}

pub(crate) fn run(args: &Args, context: &Context) -> Result<Exit, Failure> {
    let key = read_key(&args.key)?;
    let known = Known::read(&args.known, &key)?;
    let (value, text) = match kind_of(&args.path)? {
        Kind::Ledger => one_ledger(args, &key, &known)?,
        Kind::State => both_ledgers(args, &key, &known)?,
        Kind::Package if !args.known.is_empty() => {
            return Err(Failure::Usage(
                "--known applies to a ledger or a state directory, not to a package".to_owned(),
            ));
        }
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

/// Checkpoints that the caller kept, each of another ledger.
struct Known(Vec<Checkpoint>);

impl Known {
    fn read(paths: &[PathBuf], key: &VKey) -> Result<Self, Failure> {
        let mut known: Vec<Checkpoint> = Vec::new();
        for path in paths {
            let wrong = |error: String| Failure::Usage(format!("{}: {error}", path.display()));
            let note = fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
            let checkpoint =
                Checkpoint::open(&note, key).map_err(|error| wrong(error.to_string()))?;
            if known.iter().any(|other| other.origin == checkpoint.origin) {
                let origin = &checkpoint.origin;
                return Err(wrong(format!("a checkpoint of {origin} is given already")));
            }
            known.push(checkpoint);
        }
        Ok(Self(known))
    }

    fn of(&self, origin: &str) -> Option<&Checkpoint> {
        self.0.iter().find(|known| known.origin == origin)
    }
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

fn one_ledger(args: &Args, key: &VKey, known: &Known) -> Result<(Value, String), Failure> {
    let known = match known.0.as_slice() {
        [] => None,
        [known] => Some(known),
        [_, _, ..] => {
            let message = "one ledger continues one checkpoint: give --known once";
            return Err(Failure::Usage(message.to_owned()));
        }
    };
    let origin = known.map(|known| known.origin.as_str());
    let verdict = check(&args.path, expected(key, args.live, origin, known), &mut |_| {})?;
    let mut value = verdict.to_json();
    set(&mut value, "kind", json!("ledger"));
    Ok((value, verdict.to_text(&args.path.display().to_string())))
}

fn both_ledgers(args: &Args, key: &VKey, known: &Known) -> Result<(Value, String), Failure> {
    let origins =
        [Contents::Control, Contents::Access].map(|it| format!("{}/{}", key.name(), it.name()));
    if let Some(stray) = known.0.iter().find(|known| !origins.contains(&known.origin)) {
        let message = format!("--known: the state directory has no ledger {}", stray.origin);
        return Err(Failure::Usage(message));
    }
    let mut value = json!({ "ok": true, "kind": "state" });
    let mut text = String::new();
    let (mut named, mut control_size) = (Named::default(), None);
    for contents in [Contents::Control, Contents::Access] {
        let name = contents.name();
        // Of a gateway's own state the whole origin is known, so that the two cannot be exchanged.
        let origin = format!("{}/{name}", key.name());
        let expected = expected(key, args.live, Some(&origin), known.of(&origin));
        let verdict = check(&args.path.join(name), expected, &mut |seen| match seen.record {
            Record::Access(record) => named.see(seen.index, record),
            Record::Control(_) => control_size = Some(seen.index.saturating_add(1)),
        })?;
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
    if value.get("ok") == Some(&Value::Bool(true))
        && let Err(rolled_back) = named.check(control_size.unwrap_or(0))
    {
        text = format!("{text}control: FAULT. {rolled_back}\n");
        set(&mut value, "ok", json!(false));
        set(&mut value, "fault", json!({ "ledger": "control", "what": rolled_back.to_string() }));
    }
    Ok((value, text))
}

/// What verification of one ledger found.
enum Verdict {
    /// It is what was signed, and continues the kept checkpoint of this size.
    Sound(Box<Verified>, Option<u64>),
    Bad(Fault),
}

fn expected<'a>(
    key: &'a VKey,
    live: bool,
    origin: Option<&'a str>,
    known: Option<&'a Checkpoint>,
) -> Expected<'a> {
    let expected = if live { Expected::live(key) } else { Expected::closed(key) };
    Expected { origin, known, ..expected }
}

fn check(
    dir: &Path,
    expected: Expected<'_>,
    visit: &mut dyn FnMut(&Visit<'_>),
) -> Result<Verdict, Failure> {
    match verified(dir, &expected, visit) {
        Ok(verified) => {
            let known = expected.known.map(|known| known.size);
            Ok(Verdict::Sound(Box::new(verified), known))
        }
        Err(VerifyError::Fault(fault)) => Ok(Verdict::Bad(fault)),
        Err(error @ VerifyError::Read(_)) => {
            Err(Failure::Failed(format!("{}: {error}", dir.display())))
        }
    }
}

/// Verifies the ledger in a directory, and shows its records. A missing file is a fault.
///
/// # Errors
///
/// [`VerifyError`]: what is wrong with it, or why it cannot be read.
pub(crate) fn verified(
    dir: &Path,
    expected: &Expected<'_>,
    visit: &mut dyn FnMut(&Visit<'_>),
) -> Result<Verified, VerifyError> {
    let files = journal::reader::image(dir)?;
    let image = Image {
        log: BufReader::new(files.log),
        hashes: BufReader::new(files.hashes),
        checkpoints: files.checkpoints,
        checkpoint: files.checkpoint,
    };
    ledger::verify(image, expected, visit)
}

impl Verdict {
    fn to_json(&self) -> Value {
        match self {
            Self::Sound(verified, known) => json!({
                "ok": true,
                "known_size": known,
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
            Self::Sound(verified, known) => {
                let continued = known.map_or(String::new(), |size| {
                    format!("  it continues the checkpoint that you kept, of {size} records\n")
                });
                let open = match verified.unknown.len() {
                    0 => String::new(),
                    count => format!("  permitted commands without an outcome yet: {count}\n"),
                };
                format!(
                    "{name}: sound. {} records of {}, signed up to {}, root {}\n{continued}{open}",
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
