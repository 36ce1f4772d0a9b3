//! A disk that fails, a file that is taken away: recording stops, and so must everything.
#![expect(clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::path::Path;
use std::process::Command;

use journal::{AccessJournal, JournalError};
use ledger::Payload;
use model::{AccessEvent, AccessRecord};
use support::{Files, allowed, at, open, opened, options, record, session};

fn heartbeat() -> AccessRecord {
    AccessRecord { at: at(1), event: AccessEvent::Heartbeat { sessions: 1 } }
}

async fn assert_poisoned(journal: &AccessJournal, why: &str) {
    let reason = match journal.record(heartbeat(), Payload::new()).await {
        Err(JournalError::Poisoned { reason }) => reason,
        other => panic!("{other:?}"),
    };
    assert!(reason.contains(why), "{reason}");
    assert!(matches!(journal.check(), Err(JournalError::Poisoned { .. })));
    let intent = journal.record_allowed(at(2), allowed(session(1), 1, "SELECT 1")).await;
    assert!(matches!(intent, Err(JournalError::Poisoned { .. })), "a permit was given");
    assert!(matches!(journal.close(at(3)).await, Err(JournalError::Poisoned { .. })));
}

/// What someone does to the log.
type Tamper = fn(&Path);

#[tokio::test]
async fn a_log_that_is_deleted_or_replaced_stops_the_journal() {
    let cases: [(&str, Tamper); 4] = [
        ("No such file", |log| fs::remove_file(log).unwrap()),
        ("No such file", |log| fs::rename(log, log.with_extension("old")).unwrap()),
        ("deleted, moved or replaced", |log| {
            let copy = log.with_extension("copy");
            fs::copy(log, &copy).unwrap();
            fs::rename(copy, log).unwrap();
        }),
        ("changed by someone else", |log| {
            fs::OpenOptions::new().write(true).open(log).unwrap().set_len(10).unwrap();
        }),
    ];
    for (why, tamper) in cases {
        let dir = tempfile::tempdir().unwrap();
        let (journal, _) = open(dir.path()).unwrap();
        record(&journal, 1, opened(session(1))).await;
        tamper(&dir.path().join("log"));
        assert_poisoned(&journal, why).await;
    }
}

#[tokio::test]
async fn checkpoint_files_that_are_taken_away_stop_the_journal() {
    for name in ["hashes", "checkpoints"] {
        let dir = tempfile::tempdir().unwrap();
        let (journal, _) = open(dir.path()).unwrap();
        record(&journal, 1, opened(session(1))).await;
        fs::remove_file(dir.path().join(name)).unwrap();
        assert!(matches!(journal.seal().await, Err(JournalError::Poisoned { .. })), "{name}");
        assert_poisoned(&journal, "checkpoint").await;
    }
}

/// The part of the next test that runs under a limit, in the directory of the ledger.
#[tokio::test]
#[ignore = "run by the next test, in a process whose files cannot grow"]
async fn write_until_the_file_cannot_grow() {
    let (journal, _) = AccessJournal::open(options(Path::new("ledger")), |_| {}).unwrap();
    record(&journal, 1, opened(session(1))).await;
    for _attempt in 0..10_000 {
        if journal.record(heartbeat(), Payload::new()).await.is_err() {
            fs::write("acknowledged", journal.head().size.to_string()).unwrap();
            assert_poisoned(&journal, "the log cannot be written").await;
            return;
        }
    }
    panic!("the file grew beyond its limit");
}

#[tokio::test]
async fn a_full_disk_stops_the_journal_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    // The kernel cuts the write at the limit, as a full disk does: a real short write.
    let script = r#"trap '' XFSZ; ulimit -f 40; exec "$0" --ignored --exact write_until_the_file_cannot_grow"#;
    let child = Command::new("sh")
        .args(["-c", script])
        .arg(std::env::current_exe().unwrap())
        .current_dir(dir.path())
        .output()
        .unwrap();
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));

    let acknowledged: u64 =
        fs::read_to_string(dir.path().join("acknowledged")).unwrap().parse().unwrap();
    let ledger = dir.path().join("ledger");
    let (journal, found) = open(&ledger).unwrap();
    assert_eq!(found.found.size, acknowledged, "what was acknowledged, and nothing else");
    assert!(found.cut_bytes > 0, "the write was cut within a record");
    journal.close(at(9)).await.unwrap();
    assert!(Files::read(&ledger).verify().is_ok());
}
