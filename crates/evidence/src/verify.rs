//! Verifies a package: signatures, trees, and every byte derived from the records.

use std::collections::BTreeMap;

use ledger::{Excerpt, Hash, RangeProof, VKey, verify_excerpt};

use crate::build::{
    ACCESS_CHECKPOINT, ACCESS_HASHES, ACCESS_RECORDS, CONTROL_CHECKPOINT, CONTROL_HASHES,
    CONTROL_RECORDS, Input, build,
};
use crate::error::Fault;
use crate::manifest::{File, Manifest, NAME};
use crate::report::{FORMAT, Report};

/// Verifies a package, given as its files by path with `/` between the parts, and a verifier key.
///
/// In order: every file is there and is the one that the manifest names; both checkpoints are signed
/// by the key; the records stand under their roots and follow one another; and when the package is
/// built again from them, every file comes out as it is, byte for byte. Nothing in the package is
/// trusted but the records, once their signature holds.
///
/// # Errors
///
/// [`Fault`] names the file, or the first bad record.
pub fn verify_package(files: &BTreeMap<String, Vec<u8>>, vkey: &str) -> Result<Report, Fault> {
    let key: VKey = vkey.parse().map_err(Fault::Key)?;
    let manifest = compare_with_manifest(files)?;
    let control = (CONTROL_RECORDS, CONTROL_HASHES, CONTROL_CHECKPOINT);
    let (control_leaves, control_checkpoint) = verify_ledger(files, &key, control)?;
    let access = (ACCESS_RECORDS, ACCESS_HASHES, ACCESS_CHECKPOINT);
    let (access_leaves, access_checkpoint) = verify_ledger(files, &key, access)?;
    let again = build(Input {
        control_leaves,
        control_checkpoint,
        access_leaves,
        access_checkpoint,
        window: manifest.window,
        filters: manifest.filters,
        tool_version: manifest.tool_version,
    })?;
    compare(files, &again.files)?;
    Ok(again.report)
}

/// Compares the files with those that follow from the records, the manifest last: it follows from
/// the others, so a fault in one of them is named as that.
fn compare(
    files: &BTreeMap<String, Vec<u8>>,
    again: &BTreeMap<String, Vec<u8>>,
) -> Result<(), Fault> {
    if let Some(name) = again.keys().find(|name| !files.contains_key(*name)) {
        return Err(Fault::Missing(name.clone()));
    }
    if let Some(name) = files.keys().find(|name| !again.contains_key(*name)) {
        return Err(Fault::Unexpected(name.clone()));
    }
    let differs = |name: &&String| files.get(*name) != again.get(*name);
    let first = again.keys().filter(|name| *name != NAME).find(differs);
    match first.or_else(|| files.keys().find(differs)) {
        Some(name) => Err(Fault::NotDerived(name.clone())),
        None => Ok(()),
    }
}

/// Compares the files with the manifest, which names each by size and hash.
fn compare_with_manifest(files: &BTreeMap<String, Vec<u8>>) -> Result<Manifest, Fault> {
    let content = get(files, NAME)?;
    let manifest: Manifest = serde_json::from_slice(content)
        .map_err(|error| Fault::Manifest(crate::escape::visible(&error.to_string())))?;
    if manifest.format != FORMAT {
        return Err(Fault::Format { found: manifest.format, expected: FORMAT });
    }
    for (name, file) in &manifest.files {
        if File::of(get(files, name)?) != *file {
            return Err(Fault::Altered(name.clone()));
        }
    }
    match files.keys().find(|name| *name != NAME && !manifest.files.contains_key(*name)) {
        Some(name) => Err(Fault::Unexpected(name.clone())),
        None => Ok(manifest),
    }
}

/// A ledger's leaves and the text of its checkpoint.
type Signed = (Vec<Vec<u8>>, String);

/// Verifies one ledger and returns its leaves and the text of its checkpoint.
fn verify_ledger(
    files: &BTreeMap<String, Vec<u8>>,
    key: &VKey,
    (records, hashes, checkpoint): (&'static str, &'static str, &'static str),
) -> Result<Signed, Fault> {
    let not_text = |file: &'static str| move |_error| Fault::NotDerived(file.to_owned());
    let lines =
        text_lines(get(files, records)?).ok_or_else(|| Fault::NotDerived(records.into()))?;
    let hash_lines =
        text_lines(get(files, hashes)?).ok_or_else(|| Fault::NotDerived(hashes.into()))?;
    let stored: Option<Vec<Hash>> = hash_lines
        .iter()
        .map(|line| std::str::from_utf8(line).ok().and_then(|line| line.parse().ok()))
        .collect();
    let note = std::str::from_utf8(get(files, checkpoint)?).map_err(not_text(checkpoint))?;
    let excerpt = Excerpt {
        checkpoint: note,
        first: 0,
        leaves: &lines,
        hashes: stored.as_deref(),
        proof: &RangeProof::default(),
    };
    verify_excerpt(&excerpt, key).map_err(|fault| Fault::Ledger { file: records, fault })?;
    Ok((lines.into_iter().map(<[u8]>::to_vec).collect(), note.to_owned()))
}

/// The lines of a file, each of which must end with a newline.
fn text_lines(content: &[u8]) -> Option<Vec<&[u8]>> {
    if content.is_empty() {
        return Some(Vec::new());
    }
    let body = content.strip_suffix(b"\n")?;
    Some(body.split(|byte| *byte == b'\n').collect())
}

fn get<'f>(files: &'f BTreeMap<String, Vec<u8>>, name: &str) -> Result<&'f [u8], Fault> {
    files.get(name).map(Vec::as_slice).ok_or_else(|| Fault::Missing(name.to_owned()))
}
