//! What a crash leaves behind: torn tails are cut, signed records are never lost, damage is not a tail.
#![expect(clippy::arithmetic_side_effects, reason = "small numbers in tests")]
#![expect(clippy::cast_possible_truncation, reason = "small numbers in tests")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::path::Path;

use journal::{JournalError, reader};
use ledger::{Expected, FaultKind, Record};
use model::{AccessEvent, AccessRecord};
use support::{
    Files, at, closed, denied, forge, open, open_and_see, opened, record, run_commands, session,
    vkey,
};
use tempfile::TempDir;

/// A ledger whose gateway died: its last records are durable, but no checkpoint covers them.
struct Crashed {
    files: Files,
    /// Where each record ends in the log.
    ends: Vec<usize>,
    /// How many records a checkpoint covers.
    signed: usize,
}

async fn crashed(commands: u64) -> Crashed {
    let dir = memory_dir();
    {
        let (journal, _) = open(dir.path()).unwrap();
        record(&journal, 1, opened(session(1))).await;
        run_commands(&journal, session(1), 2).await;
        journal.seal().await.unwrap();
        for sequence in 3..3 + commands {
            journal.record_denied(at(4), denied(session(1), sequence, "SELECT 1")).await.unwrap();
        }
    }
    let files = Files::read(dir.path());
    let verified = files.verify_as(&Expected::live(&vkey())).unwrap();
    assert_eq!(verified.unsigned_tail, commands);
    let ends = forge::spans(&files.log).into_iter().map(|span| span.end).collect();
    Crashed { files, ends, signed: verified.signed.size as usize }
}

/// A directory in memory where there is one: these tests open a ledger some thousand times.
fn memory_dir() -> TempDir {
    tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_none| tempfile::tempdir().unwrap())
}

#[tokio::test]
async fn a_torn_tail_is_cut_at_every_length_and_the_cut_is_recorded() {
    let Crashed { files, ends, signed } = crashed(2).await;
    let dir = memory_dir();
    for length in ends[signed - 1]..=files.log.len() {
        let mut torn = files.clone();
        torn.log.truncate(length);
        torn.write(dir.path());
        let whole = ends.iter().filter(|end| **end <= length).count();
        let boundary = ends[whole - 1];

        let (journal, found, records) = open_and_see(dir.path());
        assert_eq!(found.found.size, whole as u64, "cut to {length}");
        assert_eq!(found.cut_bytes, (length - boundary) as u64, "cut to {length}");
        let AccessEvent::EpochStarted { cut_bytes, .. } = &records[whole].event else {
            panic!("cut to {length}: {:?}", records[whole])
        };
        assert_eq!(*cut_bytes, found.cut_bytes);
        journal.close(at(9)).await.unwrap();
        drop(journal);
        let after = Files::read(dir.path());
        assert!(after.verify().is_ok(), "cut to {length}");
        assert_eq!(after.log[..boundary], files.log[..boundary], "whole records stay");
    }
}

#[tokio::test]
async fn a_tail_that_did_not_reach_the_disk_is_cut_where_it_breaks() {
    let Crashed { files, ends, signed } = crashed(3).await;
    let dir = memory_dir();
    for broken in (ends[signed - 1]..files.log.len()).step_by(7) {
        let mut torn = files.clone();
        // What a file system may show after a crash: a page of zeros inside the last write.
        torn.log[broken..].fill(0);
        torn.write(dir.path());
        let whole = ends.iter().filter(|end| **end <= broken).count();
        // Zeros may be what stood there.
        let (_journal, found) = open(dir.path()).unwrap();
        assert!(found.found.size >= whole as u64, "zeros from {broken}");
        assert_eq!(found.cut_bytes > 0, found.found.size < ends.len() as u64);
    }
}

#[tokio::test]
async fn signed_records_are_never_cut() {
    let Crashed { files, ends, signed } = crashed(1).await;
    let dir = memory_dir();
    for length in (0..ends[signed - 1]).step_by(13) {
        let mut short = files.clone();
        short.log.truncate(length);
        short.write(dir.path());
        match open(dir.path()) {
            Err(JournalError::Damaged { fault, .. }) => {
                let whole = ends.iter().filter(|end| **end <= length).count() as u64;
                assert_eq!(fault.index, Some(whole), "cut to {length}: {fault}");
            }
            other => panic!("cut to {length}: {other:?}"),
        }
        assert_eq!(Files::read(dir.path()), short, "nothing was changed");
    }
}

#[tokio::test]
async fn an_unsigned_record_that_makes_no_sense_is_damage_and_no_torn_tail() {
    let Crashed { files, .. } = crashed(2).await;
    let dir = memory_dir();
    let mut records = forge::records(&files.log);
    let last = records.len() - 1;
    records.swap(last, last - 1);
    let forged = Files { log: forge::log(&records), ..files };
    forged.write(dir.path());
    match open(dir.path()) {
        Err(JournalError::Damaged { fault, .. }) => {
            assert_eq!(fault.index, Some(last as u64 - 1));
            assert!(matches!(fault.kind, FaultKind::Rule(_)), "{fault}");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_a_crashed_sealer_left_is_written_again() {
    let Crashed { files, .. } = crashed(2).await;
    let dir = memory_dir();
    // The sealer writes hashes, then kept checkpoints, then the latest checkpoint.
    for (hashes, checkpoints) in [(32, 0), (17, 0), (64, 0), (64, 9), (0, 200)] {
        let mut half = files.clone();
        half.hashes.extend(std::iter::repeat_n(7, hashes));
        half.checkpoints.extend(std::iter::repeat_n(b'x', checkpoints));
        half.write(dir.path());
        fs::write(dir.path().join("checkpoint.new"), "half a checkpoi").unwrap();
        let (journal, _) = open(dir.path()).unwrap();
        journal.close(at(9)).await.unwrap();
        drop(journal);
        assert!(Files::read(dir.path()).verify().is_ok(), "{hashes} {checkpoints}");
        assert!(!dir.path().join("checkpoint.new").exists());
    }
}

#[tokio::test]
async fn a_crash_while_the_ledger_is_made_leaves_a_new_ledger() {
    for made in [&[][..], &["log"], &["log", "hashes"], &["log", "hashes", "checkpoints"]] {
        let dir = memory_dir();
        for name in made {
            fs::write(dir.path().join(name), "").unwrap();
        }
        let (journal, found) = open(dir.path()).unwrap();
        assert_eq!((found.found.size, found.cut_bytes), (0, 0));
        journal.close(at(1)).await.unwrap();
        assert_eq!(Files::read(dir.path()).verify().unwrap().size, 2);
    }
}

#[tokio::test]
async fn runs_that_crash_again_and_again_keep_every_acknowledged_record() {
    let dir = memory_dir();
    let mut acknowledged = Vec::new();
    for run in 1..=12 {
        let (journal, _) = open(dir.path()).unwrap();
        acknowledged.push(record(&journal, run, opened(session(run))).await);
        if run % 3 == 0 {
            acknowledged.push(record(&journal, run, closed(session(run), 0)).await);
        }
        if run % 4 == 0 {
            journal.seal().await.unwrap();
        }
    }
    let stored: Vec<_> = reader::Reader::open(dir.path()).unwrap().map(Result::unwrap).collect();
    for index in acknowledged {
        let record = &stored[usize::try_from(index).unwrap()].record;
        assert!(matches!(
            record,
            Record::Access(AccessRecord {
                event: AccessEvent::SessionOpened { .. } | AccessEvent::SessionClosed { .. },
                ..
            })
        ));
    }
    close_and_verify(dir.path()).await;
}

async fn close_and_verify(dir: &Path) {
    let (journal, _) = open(dir).unwrap();
    journal.close(at(99)).await.unwrap();
    assert!(Files::read(dir).verify().is_ok());
}
