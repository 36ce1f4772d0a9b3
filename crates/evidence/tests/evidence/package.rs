//! A package is accepted as it was built, and in no other form.

use std::collections::BTreeMap;

use crate::fixture::{Fixture, at, sign_leaves, vkey};
use crypto::sha256;
use evidence::{EvidenceError, Fault, State, Window, build, verify_package};

type Files = BTreeMap<String, Vec<u8>>;

fn package() -> Files {
    build(Fixture::new().input()).unwrap().files
}

#[test]
fn a_package_is_accepted_as_it_was_built() {
    let package = build(Fixture::new().input()).unwrap();
    let report = verify_package(&package.files, &vkey()).unwrap();
    assert_eq!(report, package.report);
    assert_eq!(report.totals.exceptions, 0, "{:#?}", report.checks);
}

#[test]
fn equal_inputs_give_equal_bytes() {
    assert_eq!(package(), package());
}

#[test]
fn only_the_right_key_accepts_it() {
    let files = package();
    for (vkey, is_key) in [("", false), ("gw1+00000000+AQ==", false), (&*other_key(), true)] {
        let fault = verify_package(&files, vkey).unwrap_err();
        assert_eq!(matches!(fault, Fault::Ledger { .. }), is_key, "{fault}");
    }
}

fn other_key() -> String {
    let key = crypto::sign::SigningKey::from_seed([8; 32]).verifying_key();
    ledger::VKey::new("gw1", key).unwrap().to_string()
}

/// Draws numbers that are the same in each run.
struct Draw(u64);

impl Draw {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(1);
        let [a, b, c, d, ..] = sha256(&[&self.0.to_be_bytes()]);
        usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap() % end
    }
}

#[test]
fn two_thousand_single_byte_edits_are_refused() {
    let files = package();
    let vkey = vkey();
    let names: Vec<String> = files.keys().cloned().collect();
    let mut draw = Draw(1);
    let mut edited = files.clone();
    for turn in 0..2_000 {
        // Every file in turn, so that the small ones are not left to chance.
        let name = &names[turn % names.len()];
        let place = draw.below(files[name].len());
        let flip = u8::try_from(1 + draw.below(255)).unwrap();
        edited.get_mut(name).unwrap()[place] ^= flip;
        let fault = verify_package(&edited, &vkey).unwrap_err();
        assert!(fault.file().is_some(), "{name}, byte {place} ^ {flip}: {fault}");
        if name != "manifest.json" {
            assert_eq!(fault.file(), Some(name.as_str()), "byte {place} ^ {flip}: {fault}");
        }
        edited.get_mut(name).unwrap()[place] ^= flip;
    }
    assert_eq!(edited, files);
}

#[test]
fn edits_under_a_corrected_manifest_are_refused() {
    let files = package();
    let vkey = vkey();
    let names: Vec<String> =
        files.keys().filter(|name| *name != "manifest.json").cloned().collect();
    let mut draw = Draw(2);
    for turn in 0..300 {
        let name = &names[turn % names.len()];
        let mut edited = files.clone();
        let place = draw.below(files[name].len());
        edited.get_mut(name).unwrap()[place] ^= 1;
        correct_manifest(&mut edited);
        let fault = verify_package(&edited, &vkey).unwrap_err();
        assert!(!matches!(fault, Fault::Altered(_)), "{name}, byte {place}: {fault}");
        assert!(fault.file().is_some(), "{name}, byte {place}: {fault}");
    }
}

/// Writes the sizes and hashes of the files as they are into the manifest.
fn correct_manifest(files: &mut Files) {
    let mut manifest: serde_json::Value = serde_json::from_slice(&files["manifest.json"]).unwrap();
    let listed =
        files.iter().filter(|(name, _)| *name != "manifest.json").map(|(name, content)| {
            let sha256 = hex::encode(sha256(&[content]));
            (name.clone(), serde_json::json!({ "size": content.len(), "sha256": sha256 }))
        });
    manifest["files"] = serde_json::Value::Object(listed.collect());
    let mut text = serde_json::to_vec_pretty(&manifest).unwrap();
    text.push(b'\n');
    files.insert("manifest.json".to_owned(), text);
}

#[test]
fn correcting_the_manifest_of_an_unaltered_package_changes_nothing() {
    let mut files = package();
    let manifest: serde_json::Value = serde_json::from_slice(&files["manifest.json"]).unwrap();
    correct_manifest(&mut files);
    let corrected: serde_json::Value = serde_json::from_slice(&files["manifest.json"]).unwrap();
    assert_eq!(manifest, corrected);
}

#[test]
fn a_missing_or_additional_file_is_named() {
    let (files, vkey) = (package(), vkey());
    for name in files.keys() {
        let mut fewer = files.clone();
        fewer.remove(name);
        assert_eq!(verify_package(&fewer, &vkey), Err(Fault::Missing(name.clone())));
        if name != "manifest.json" {
            correct_manifest(&mut fewer);
            assert_eq!(verify_package(&fewer, &vkey), Err(Fault::Missing(name.clone())));
        }
    }
    let mut more = files;
    more.insert("records/more.jsonl".to_owned(), b"{}\n".to_vec());
    let unexpected = Err(Fault::Unexpected("records/more.jsonl".to_owned()));
    assert_eq!(verify_package(&more, &vkey), unexpected);
    correct_manifest(&mut more);
    assert_eq!(verify_package(&more, &vkey), unexpected);
}

#[test]
fn the_first_bad_record_is_named() {
    let mut files = package();
    let text = String::from_utf8(files["records/access.jsonl"].clone()).unwrap();
    // Record 4 is the first outcome with three rows.
    let edited = text.replacen("\"rows\":3", "\"rows\":2", 1);
    assert_ne!(text, edited);
    files.insert("records/access.jsonl".to_owned(), edited.into_bytes());
    correct_manifest(&mut files);
    let fault = verify_package(&files, &vkey()).unwrap_err();
    assert_eq!((fault.file(), fault.index()), (Some("records/access.jsonl"), Some(4)), "{fault}");
}

#[test]
fn another_window_or_filter_in_the_manifest_is_refused() {
    let files = package();
    for (from, to) in [
        ("2026-11-23T09:00:00.000000000Z", "2026-11-23T08:30:00.000000000Z"),
        ("\"identity\": null", "\"identity\": \"mika\""),
        ("0.1.0-test", "0.1.1-test"),
    ] {
        let mut edited = files.clone();
        let text = String::from_utf8(files["manifest.json"].clone()).unwrap();
        assert!(text.contains(from), "{text}");
        edited.insert("manifest.json".to_owned(), text.replace(from, to).into_bytes());
        assert!(matches!(verify_package(&edited, &vkey()), Err(Fault::NotDerived(_))));
    }
}

#[test]
fn a_package_of_another_format_says_so() {
    let mut files = package();
    let text = String::from_utf8(files["manifest.json"].clone()).unwrap();
    let newer = text.replace("countersign-evidence/1", "countersign-evidence/2");
    files.insert("manifest.json".to_owned(), newer.into_bytes());
    assert!(matches!(verify_package(&files, &vkey()), Err(Fault::Format { .. })));
}

#[test]
fn the_two_ledgers_cannot_stand_in_for_each_other() {
    let mut input = Fixture::new().input();
    std::mem::swap(&mut input.control_leaves, &mut input.access_leaves);
    std::mem::swap(&mut input.control_checkpoint, &mut input.access_checkpoint);
    assert!(matches!(build(input), Err(EvidenceError::Leaf { index: 0, .. })));
}

#[test]
fn what_cannot_make_a_package_is_refused() {
    let mut short = Fixture::new().input();
    short.access_leaves.pop();
    assert!(matches!(build(short), Err(EvidenceError::Root { .. })));

    let mut empty = Fixture::new();
    empty.window = Window { from: at(10), to: at(10) };
    assert_eq!(build(empty.input()), Err(EvidenceError::EmptyWindow));

    let mut unknown = Fixture::new();
    unknown.filters.identity = Some("nobody".parse().unwrap());
    assert!(matches!(build(unknown.input()), Err(EvidenceError::UnknownIdentity(_))));

    let mut unknown = Fixture::new();
    unknown.filters.target = Some("nothing".parse().unwrap());
    assert!(matches!(build(unknown.input()), Err(EvidenceError::UnknownTarget(_))));

    let mut wrong = Fixture::new().input();
    wrong.access_leaves[1].push(b' ');
    wrong.access_checkpoint = sign_leaves("gw1/access", &wrong.access_leaves);
    assert!(matches!(build(wrong), Err(EvidenceError::Leaf { index: 1, .. })));
}

#[test]
fn a_filter_limits_the_listings_but_not_the_records() {
    let whole = package();
    let mut fixture = Fixture::new();
    fixture.filters.identity = Some("report-agent".parse().unwrap());
    let package = build(fixture.input()).unwrap();
    let totals = &package.report.totals;
    assert_eq!((totals.allowed, totals.denied, totals.identities, totals.grants), (2, 2, 1, 2));
    assert_eq!(package.files["records/access.jsonl"], whole["records/access.jsonl"]);
    verify_package(&package.files, &vkey()).unwrap();
}

#[test]
fn a_window_in_which_nothing_happened_proves_nothing() {
    let mut fixture = Fixture::new();
    fixture.window = Window { from: at(3000), to: at(3600) };
    let package = build(fixture.input()).unwrap();
    verify_package(&package.files, &vkey()).unwrap();
    let findings = package.report.controls.iter().flat_map(|control| &control.findings);
    for finding in findings {
        if ["ac-2_obj.g", "ac-2_obj.i.1", "au-2_obj.c-2", "au-12_obj.a"]
            .contains(&finding.objective)
        {
            assert_eq!(finding.state, State::NeedsAttestation, "{}", finding.objective);
        }
    }
}

#[test]
fn empty_ledgers_make_a_package_too() {
    let mut fixture = Fixture::new();
    fixture.control.clear();
    fixture.access.clear();
    let package = build(fixture.input()).unwrap();
    verify_package(&package.files, &vkey()).unwrap();
}
