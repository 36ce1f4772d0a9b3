//! Steps 6 to 8: the record, how an edit of it is found, and the evidence made from it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;

use crate::clock;
use crate::files::{Files, copy_directory};
use crate::gateway::{Cli, Reply};
use crate::screen::Screen;
use crate::stage::{IDENTITY, Stage};

/// The ledger is signed once a second, and a copy that was made during a write may be torn.
const COPY_ATTEMPTS_MAX: u32 = 5;
/// Pause between two attempts to copy, in milliseconds.
const COPY_PAUSE_MS: u64 = 500;
/// Exit code of `countersign verify` that found a fault.
const FAULT_FOUND: i32 = 3;
/// How every record begins, as it lies in the ledger.
const RECORD_BEGIN: &[u8] = b"{\"at\":\"";
/// What the demo looks for in the ledger, to change a letter of it.
const VICTIM: &[u8] = b"\"kind\":\"command_denied\"";

/// Step 6: the records that the steps before have left.
pub async fn show_record(screen: &mut Screen, stage: &Stage) -> anyhow::Result<()> {
    screen.step("All of it is on record, the refusals too");
    let reply = stage.gateway.cli().run(&["log", "tail", "-n", "1000"]).await?;
    let Reply { code, printed, complained } = reply;
    ensure!(code == 0, "`countersign log tail` failed: {complained}");
    for wanted in ["ALLOWED", "DENIED", "CUT", IDENTITY] {
        ensure!(printed.contains(wanted), "no record says {wanted}:\n{printed}");
    }
    screen.quote("countersign log tail");
    let is_told = |line: &&str| !line.contains(" opened by ") && !line.contains(" closed after ");
    // All is of today: the date is left out.
    let date = format!("  {} ", stage.since.get(..10).unwrap_or_default());
    let told: Vec<String> =
        printed.lines().filter(is_told).map(|line| line.replacen(&date, "  ", 1)).collect();
    screen.quote(&told.join("\n"));
    screen.say("Each command's intent was on disk before the database saw it.");
    Ok(())
}

/// Step 7: the ledger verifies, and one changed bit in a copy is named.
pub async fn show_tampering(screen: &mut Screen, stage: &Stage) -> anyhow::Result<()> {
    screen.step("The record shows tampering");
    let cli = stage.gateway.cli();
    let files = &stage.files;
    let copy = files.tampered("ledger");
    let size = copy_verified(cli, files, &copy).await?;
    screen.holds(&format!("the access ledger verifies: {size} records, signed and in order"));

    let (record, what) = flip_one_bit(&copy.join("log"))?;
    screen.say(&format!("In a copy, one bit of record {record} is flipped: {what}."));
    let (code, verdict) = verify(cli, files, &copy, &["--live"]).await?;
    ensure!(code == FAULT_FOUND, "the edit was not found: exit code {code}, {verdict}");
    let named = verdict.pointer("/fault/index").and_then(Value::as_u64);
    ensure!(named == Some(record), "record {record} was edited, but not named: {verdict}");
    let words = verdict.pointer("/fault/what").and_then(Value::as_str).unwrap_or_default();
    screen.refused(&format!("countersign verify: record {record}: {words}"));
    screen.holds(&format!("found, and record {record} is named"));
    Ok(())
}

/// Copies the ledger until the copy is signed to its end, and returns how many records it has.
async fn copy_verified(cli: &Cli, files: &Files, copy: &Path) -> anyhow::Result<u64> {
    let mut verdict = Value::Null;
    for _ in 0..COPY_ATTEMPTS_MAX {
        copy_directory(&files.access_ledger(), copy)?;
        let code;
        (code, verdict) = verify(cli, files, copy, &["--live"]).await?;
        let count = |member| verdict.get(member).and_then(Value::as_u64);
        if let (0, Some(size), Some(0), Some(0)) =
            (code, count("size"), count("unsigned_tail"), count("torn_bytes"))
        {
            return Ok(size);
        }
        fs::remove_dir_all(copy)?;
        tokio::time::sleep(Duration::from_millis(COPY_PAUSE_MS)).await;
    }
    bail!("the ledger does not verify to its end: {verdict}")
}

/// Runs `countersign verify --json`: its exit code and what it said.
async fn verify(
    cli: &Cli,
    files: &Files,
    path: &Path,
    options: &[&str],
) -> anyhow::Result<(i32, Value)> {
    let (key, path) = (files.public_key(), path.display().to_string());
    let key = key.display().to_string();
    let arguments = [&["--json", "verify", &path, "--key", &key], options].concat();
    let Reply { code, printed, complained } = cli.run(&arguments).await?;
    let said = serde_json::from_str(&printed)
        .with_context(|| format!("`countersign verify` said no JSON: {printed}{complained}"))?;
    Ok((code, said))
}

/// Makes a denial look like something else. Returns the record's index and what was done.
fn flip_one_bit(log: &Path) -> anyhow::Result<(u64, &'static str)> {
    let mut bytes = fs::read(log)?;
    let place = find(&bytes, VICTIM).context("there is no denial in the ledger")?;
    let before = bytes.get(..place).unwrap_or_default();
    let begun = before.windows(RECORD_BEGIN.len()).filter(|window| *window == RECORD_BEGIN);
    let record = u64::try_from(begun.count())?.checked_sub(1).context("no record begins there")?;
    let letter = find(bytes.get(place..).unwrap_or_default(), b"denied").context("no letter")?;
    let byte = place.checked_add(letter).and_then(|at| bytes.get_mut(at)).context("no byte")?;
    *byte ^= 1;
    fs::write(log, bytes)?;
    Ok((record, "`command_denied` now reads `command_eenied`"))
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

/// Step 8: the evidence package, verified without the gateway.
pub async fn show_evidence(screen: &mut Screen, stage: &Stage) -> anyhow::Result<()> {
    screen.step("An evidence package for the assessor");
    let cli = stage.gateway.cli();
    let files = &stage.files;
    let package = files.evidence();
    let (out, until) = (package.display().to_string(), clock::rfc3339());
    cli.ask(&["evidence", "--from", &stage.since, "--to", &until, "--out", &out]).await?;
    let mut listed = Vec::new();
    list(&package, &package, &mut listed)?;
    let kilobytes = listed.iter().map(|(_, bytes)| *bytes).fold(0, u64::saturating_add) / 1_000;
    let names: Vec<&str> = listed.iter().map(|(name, _)| name.as_str()).collect();
    screen.say(&format!("{} files, {kilobytes} kB: {}", names.len(), names.join(", ")));

    let (code, verdict) = verify(cli, files, &package, &[]).await?;
    ensure!(code == 0, "the package does not verify: {verdict}");
    screen.holds("it verifies offline, with the public key alone");

    let is_report = |name: &&String| Path::new(name).extension().is_some_and(|end| end == "html");
    let report = listed.iter().map(|(name, _)| name).find(is_report);
    let report = report.context("the package has no report for people")?;
    let copy = files.tampered("evidence");
    copy_directory(&package, &copy)?;
    let path = copy.join(report);
    let mut bytes = fs::read(&path)?;
    let middle = bytes.len() / 2;
    *bytes.get_mut(middle).context("the report is empty")? ^= 1;
    fs::write(&path, bytes)?;
    let (code, verdict) = verify(cli, files, &copy, &[]).await?;
    ensure!(code == FAULT_FOUND, "an edited package was accepted: {code}, {verdict}");
    screen.holds(&format!("with one bit of {report} flipped it does not"));
    screen.say(&format!("Open {}", package.join(report).display()));
    Ok(())
}

/// All files below a directory, by their path in it, with their size.
fn list(root: &Path, directory: &Path, into: &mut Vec<(String, u64)>) -> anyhow::Result<()> {
    let entries: Result<Vec<_>, _> = fs::read_dir(directory)?.collect();
    let mut paths: Vec<PathBuf> = entries?.into_iter().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            list(root, &path, into)?;
        } else {
            let name = path.strip_prefix(root)?.display().to_string();
            into.push((name, fs::metadata(&path)?.len()));
        }
    }
    Ok(())
}

/// After the stop: both ledgers are whole, signed to their last record.
pub async fn check_after_stop(screen: &Screen, cli: &Cli, files: &Files) -> anyhow::Result<()> {
    let (code, verdict) = verify(cli, files, &files.state(), &[]).await?;
    ensure!(code == 0, "after the stop the ledgers do not verify: {verdict}");
    screen.holds("everything is stopped, and both ledgers verify to their last record");
    Ok(())
}
