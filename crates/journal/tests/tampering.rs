//! Tampering with a closed ledger: whatever is changed is found, and the first bad record is named.
#![expect(clippy::arithmetic_side_effects, reason = "small numbers in tests")]
#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]
#![expect(clippy::cast_possible_truncation, reason = "small numbers in tests")]
#![expect(clippy::panic, reason = "a test fails by panicking")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::path::Path;
use std::thread;

use journal::{JournalError, reader};
use ledger::{Checkpoint, Expected, Fault, FaultKind, Hash, LedgerFile, VerifyError};
use support::forge::{self, Raw};
use support::{Files, fill, key, open, vkey};

/// Where the random numbers begin: a failure can be run again.
const SEED: u64 = 0x5eed_c0de;

/// One-byte edits over all files of the ledger.
const EDITS: u64 = 10_000;

#[tokio::test]
async fn ten_thousand_random_one_byte_edits_are_found_and_named() {
    let (sound, spans) = ledger_of_some_hundred_records().await;
    in_parallel(EDITS, |round, random| {
        let mut files = sound.clone();
        // The log gets half of the edits, each other file its share, however small it is.
        let which = [0, 0, 0, 0, 1, 2, 2, 3][random.below(8)];
        let file = &mut *files.all_mut()[which];
        let at = random.below(file.len());
        file[at] ^= 1 + random.below(255) as u8;

        let fault = fault_of(&files, round);
        let expected = match which {
            0 => spans.iter().position(|span| span.contains(&at)).map(|index| index as u64),
            1 => Some(at as u64 / 32),
            _ => None,
        };
        assert_eq!(fault.index, expected, "round {round}: file {which}, byte {at}: {fault}");
        if let Some(index) = expected {
            assert!(fault.intact <= index && index < fault.intact + 64, "{round}: {fault:?}");
        }
    });
}

#[tokio::test]
async fn every_truncation_is_found_and_named() {
    let (sound, spans) = ledger_of_some_hundred_records().await;
    in_parallel(800, |round, random| {
        let mut files = sound.clone();
        let which = (round % 4) as usize;
        let file = &mut *files.all_mut()[which];
        let length = if round < 8 { 0 } else { random.below(file.len()) };
        file.truncate(length);

        let fault = fault_of(&files, round);
        let expected = match which {
            0 => Some(spans.iter().filter(|span| span.end <= length).count() as u64),
            1 => Some(length as u64 / 32),
            _ => None,
        };
        assert_eq!(fault.index, expected, "round {round}: file {which} cut to {length}: {fault}");
    });
}

#[tokio::test]
async fn additions_to_any_file_are_found() {
    let (sound, spans) = ledger_of_some_hundred_records().await;
    for which in 0..4 {
        for added in [b"\0".as_slice(), b"\n", &[0; 32], &sound.checkpoint] {
            let mut files = sound.clone();
            files.all_mut()[which].extend_from_slice(added);
            let fault = fault_of(&files, which as u64);
            let expected = (which == 0).then_some(spans.len() as u64);
            assert_eq!(fault.index, expected, "file {which} and {added:?}: {fault}");
        }
    }
}

/// What is done to whole records.
#[derive(Clone, Copy, Debug)]
enum Act {
    EditLeaf,
    EditPayload,
    DropPayload,
    Delete,
    Swap,
    Duplicate,
    Insert,
}

const ACTS: [Act; 7] = [
    Act::EditLeaf,
    Act::EditPayload,
    Act::DropPayload,
    Act::Delete,
    Act::Swap,
    Act::Duplicate,
    Act::Insert,
];

/// Does it at a random place. Returns the first index at which the records are not what they were.
fn act(act: Act, records: &mut Vec<Raw>, random: &mut Random) -> u64 {
    let last = records.len() - 1;
    let mut at = random.below(records.len());
    match act {
        Act::EditLeaf => {
            let leaf = &mut records[at].leaf;
            let place = random.below(leaf.len());
            leaf[place] ^= 1 + random.below(255) as u8;
        }
        Act::EditPayload => {
            at = with_payload(records, random);
            let payload = &mut records[at].payload;
            let place = random.below(payload.len());
            payload[place] ^= 1 + random.below(255) as u8;
        }
        Act::DropPayload => {
            at = with_payload(records, random);
            records[at].payload.clear();
        }
        Act::Delete => drop(records.remove(at)),
        Act::Swap => {
            at = random.below(last);
            let other = at + 1 + random.below(last - at);
            records.swap(at, other);
        }
        Act::Duplicate => {
            let copy = records[at].clone();
            at += 1 + random.below(last + 1 - at);
            records.insert(at, copy);
        }
        Act::Insert => {
            let leaf =
                br#"{"at":"2026-01-01T00:00:00.000000000Z","kind":"heartbeat","sessions":1}"#;
            records.insert(at, Raw { leaf: leaf.to_vec(), payload: Vec::new() });
        }
    }
    at as u64
}

/// A random record that has a payload.
fn with_payload(records: &[Raw], random: &mut Random) -> usize {
    loop {
        let at = random.below(records.len());
        if !records[at].payload.is_empty() {
            return at;
        }
    }
}

#[tokio::test]
async fn records_changed_with_checksums_to_match_are_named_exactly() {
    let (sound, _spans) = ledger_of_some_hundred_records().await;
    let originals = forge::records(&sound.log);
    assert_eq!(forge::log(&originals), sound.log, "the forger knows the format");
    in_parallel(1400, |round, random| {
        let kind = ACTS[(round % 7) as usize];
        let mut records = originals.clone();
        let at = act(kind, &mut records, random);
        let files = Files { log: forge::log(&records), ..sound.clone() };
        let fault = fault_of(&files, round);
        assert_eq!(fault.index, Some(at), "round {round}: {kind:?}: {fault}");
    });
}

#[tokio::test]
async fn records_changed_with_checksums_and_hashes_to_match_are_found_and_bounded() {
    let (sound, _spans) = ledger_of_some_hundred_records().await;
    let originals = forge::records(&sound.log);
    assert_eq!(forge::hashes(&originals), sound.hashes, "the forger knows the format");
    in_parallel(1400, |round, random| {
        let kind = ACTS[(round % 7) as usize];
        let mut records = originals.clone();
        let at = act(kind, &mut records, random);
        let (log, hashes) = (forge::log(&records), forge::hashes(&records));
        let fault = fault_of(&Files { log, hashes, ..sound.clone() }, round);

        let from = fault.index.unwrap();
        match (kind, &fault.kind) {
            // A payload is not hashed into the tree, so it cannot be covered up at all.
            (Act::EditPayload | Act::DropPayload, _) => assert_eq!(from, at, "{round}: {fault}"),
            (_, FaultKind::Span { last }) => {
                assert!(from <= at && at <= *last && last - from < 64, "{round}: {kind:?} {fault}");
            }
            // Only behind the last record, where there is nothing to bound.
            (_, _) => assert_eq!(from, at, "round {round}: {kind:?}: {fault:?}"),
        }
        assert!(fault.intact <= at, "round {round}: {kind:?}: {fault:?}");
    });
}

#[tokio::test]
async fn a_missing_file_is_found_and_the_journal_does_not_open() {
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path(), 3, 30).await;
    let sound = Files::read(dir.path());
    for file in LedgerFile::ALL {
        sound.write(dir.path());
        std::fs::remove_file(dir.path().join(file.name())).unwrap();
        let fault = match verify_dir(dir.path()) {
            VerifyError::Fault(fault) => fault,
            VerifyError::Read(error) => panic!("{error}"),
        };
        assert_eq!(fault.kind, FaultKind::FileMissing(file));
        match open(dir.path()) {
            Err(JournalError::Damaged { fault, .. }) => {
                assert_eq!(fault.kind, FaultKind::FileMissing(file));
            }
            other => panic!("{} was deleted: {other:?}", file.name()),
        }
        assert!(!dir.path().join(file.name()).exists(), "the damage is left as it is");
    }
    sound.write(dir.path());
    assert!(open(dir.path()).is_ok());
}

fn verify_dir(dir: &Path) -> VerifyError {
    let verified = reader::image(dir)
        .and_then(|image| ledger::verify(image, &Expected::closed(&vkey()), &mut |_| {}));
    verified.unwrap_err()
}

#[tokio::test]
async fn a_damaged_ledger_is_not_opened_and_not_changed() {
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path(), 1, 30).await;
    let mut files = Files::read(dir.path());
    let third = forge::spans(&files.log)[2].clone();
    files.log[third.start + 20] ^= 1;
    files.write(dir.path());
    let error = open(dir.path()).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("record 2:") && text.contains("Nothing was changed"), "{text}");
    assert_eq!(Files::read(dir.path()), files);
}

#[tokio::test]
async fn another_signers_ledger_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path(), 1, 30).await;
    let mut files = Files::read(dir.path());
    let own = crypto::sign::SigningKey::from_seed([1; 32]);
    let signed =
        Checkpoint::open(std::str::from_utf8(&files.checkpoint).unwrap(), &vkey()).unwrap();
    files.checkpoint = signed.sign(&own).into_bytes();
    let fault = fault_of(&files, 0);
    assert!(matches!(fault.kind, FaultKind::Checkpoint(_)), "{fault}");
}

#[tokio::test]
async fn another_ledger_of_the_same_key_is_refused_where_the_origin_is_known() {
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path(), 1, 30).await;
    let (files, vkey) = (Files::read(dir.path()), vkey());
    for (origin, is_right) in [("gw1/access", true), ("gw1/control", false), ("gw1", false)] {
        let expected = Expected { origin: Some(origin), ..Expected::closed(&vkey) };
        assert_eq!(files.verify_as(&expected).is_ok(), is_right, "{origin}");
    }
}

#[tokio::test]
async fn a_known_checkpoint_finds_a_ledger_that_went_back_or_forked() {
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path(), 2, 20).await;
    let early = Files::read(dir.path());
    fill(dir.path(), 2, 20).await;
    let late = Files::read(dir.path());
    let (key, vkey) = (key(), vkey());
    let known = |files: &Files| {
        Checkpoint::open(std::str::from_utf8(&files.checkpoint).unwrap(), &vkey).unwrap()
    };
    let verify = |files: &Files, known: &Checkpoint| {
        files.verify_as(&Expected { known: Some(known), ..Expected::closed(&vkey) })
    };
    assert!(verify(&early, &known(&early)).is_ok());
    assert!(verify(&late, &known(&early)).is_ok());
    // Restored from an old copy: sound in itself, and still not what it was.
    let back = verify(&early, &known(&late)).unwrap_err();
    assert!(matches!(back.fault().unwrap().kind, FaultKind::RolledBack { .. }), "{back}");
    let other = Checkpoint { root: Hash([1; 32]), ..known(&early) };
    let fork = verify(&late, &other).unwrap_err();
    assert!(matches!(fork.fault().unwrap().kind, FaultKind::Fork { .. }), "{fork}");
    // Two histories of one size, both signed: the key was misused.
    let mut forked = late.clone();
    forked.checkpoint = Checkpoint { size: 64, ..other }.sign(&key).into_bytes();
    let fork = fault_of(&forked, 0);
    assert!(matches!(fork.kind, FaultKind::Fork { size: 64 }), "{fork}");
}

#[tokio::test]
async fn what_the_key_signed_still_has_to_make_sense() {
    let (sound, _spans) = ledger_of_some_hundred_records().await;
    let mut records = forge::records(&sound.log);
    // Whoever has the key can sign anything, but a session whose commands do not add up shows.
    records.remove(40);
    let hashes = forge::hashes(&records);
    let leaves: Vec<Hash> = hashes.chunks(32).map(|hash| Hash(hash.try_into().unwrap())).collect();
    let sign = |size: usize| {
        let root = leaves[..size].iter().copied().collect::<ledger::Tree>().root();
        Checkpoint { origin: support::ORIGIN.into(), size: size as u64, root }.sign(&key())
    };
    let kept = (1..).map(|n| n * 64).take_while(|size| *size <= leaves.len()).map(sign);
    let files = Files {
        log: forge::log(&records),
        checkpoints: kept.collect::<String>().into_bytes(),
        checkpoint: sign(leaves.len()).into_bytes(),
        hashes,
    };
    let fault = fault_of(&files, 0);
    assert!(matches!(fault.kind, FaultKind::Rule(_)), "{fault}");
    assert!((40..64).contains(&fault.index.unwrap()), "{fault}");
}

/// A closed ledger, and where its records lie in the log.
async fn ledger_of_some_hundred_records() -> (Files, Vec<std::ops::Range<usize>>) {
    let dir = tempfile::tempdir().unwrap();
    let size = fill(dir.path(), 5, 14).await;
    assert!(size > 200, "{size}");
    let sound = Files::read(dir.path());
    assert!(sound.verify().is_ok());
    let spans = forge::spans(&sound.log);
    assert_eq!(spans.len() as u64, size);
    (sound, spans)
}

/// The fault, which there must be.
fn fault_of(files: &Files, round: u64) -> Fault {
    match files.verify() {
        Err(VerifyError::Fault(fault)) => fault,
        other => panic!("round {round}: not found: {other:?}"),
    }
}

/// Runs so many rounds on all processors. Each has random numbers of its own.
fn in_parallel(rounds: u64, check: impl Fn(u64, &mut Random) + Sync) {
    let threads = thread::available_parallelism().map_or(1, |threads| threads.get() as u64);
    thread::scope(|scope| {
        for first in 0..threads {
            let check = &check;
            scope.spawn(move || {
                for round in (first..rounds).step_by(threads as usize) {
                    check(round, &mut Random(SEED ^ round.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
                }
            });
        }
    });
}

/// `SplitMix64`: enough for choosing places.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound as u64) as usize
    }
}
