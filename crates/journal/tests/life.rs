//! The life of an access ledger: what a caller writes is what verification and the next run find.
#![expect(clippy::cast_possible_truncation, reason = "small numbers in tests")]

mod support;

use std::time::Duration;

use journal::{AccessJournal, ControlJournal, JournalError, OpenOptions, Outcome, reader};
use ledger::{Contents, Expected, Payload, Record, RuleError};
use model::{
    AccessEvent, AccessRecord, CommandRef, ControlEvent, ControlRecord, FinishedResult, SessionEnd,
};
use support::{
    Files, allowed, at, closed, completed, denied, fill, key, open, open_and_see, opened, options,
    record, run_commands, session, vkey,
};

#[tokio::test]
async fn a_closed_ledger_verifies_and_tells_what_happened() {
    let dir = tempfile::tempdir().unwrap();
    let size = fill(dir.path(), 3, 20).await;
    let files = Files::read(dir.path());
    let verified = files.verify().unwrap();
    assert_eq!(verified.size, size);
    assert_eq!(verified.contents, Some(Contents::Access));
    assert_eq!((verified.unsigned_tail, verified.torn_bytes), (0, 0));
    assert!(verified.unknown.is_empty());
    assert_eq!(files.hashes.len() as u64, 32 * size);
    // One kept checkpoint for each 64 records.
    assert_eq!(verified.checkpoints_bytes, files.checkpoints.len() as u64);
    assert!(size > 64 && !files.checkpoints.is_empty());
}

#[tokio::test]
async fn values_lie_beside_the_record_and_not_in_it() {
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path(), 1, 3).await;
    let stored: Vec<_> =
        reader::Reader::open(dir.path()).unwrap().map(|stored| stored.unwrap()).collect();
    let intended = &stored[17];
    assert!(matches!(
        &intended.record,
        Record::Access(AccessRecord { event: AccessEvent::CommandIntended { .. }, .. })
    ));
    let leaf = String::from_utf8(intended.leaf.clone()).unwrap();
    assert!(!leaf.contains("Hara"), "{leaf}");
    assert!(
        leaf.contains(r#""control_size":9"#) && leaf.contains("grt_0000000000000007"),
        "{leaf}"
    );
    let value = |field| intended.payload.value(field).unwrap();
    assert_eq!(value("sql"), "SELECT id, ssn FROM customers WHERE name = 'O''Hara 1'");
    assert!(value("forwarded").starts_with("/* qualified */ SELECT"));
    assert_eq!(value("parameters"), r#"[null,{"text":"p1"},{"hex":"00ff"}]"#);
    // A session's claim about itself stays one line of one record.
    assert!(stored.iter().all(|stored| !stored.leaf.contains(&b'\n')));
}

#[tokio::test]
async fn each_run_begins_and_ends_with_a_record_that_ties_it_to_the_former() {
    let dir = tempfile::tempdir().unwrap();
    let size = fill(dir.path(), 1, 4).await;
    let head = Files::read(dir.path()).verify().unwrap().tree.head();

    let (journal, opened, records) = open_and_see(dir.path());
    assert_eq!((opened.found.clone(), opened.cut_bytes), (head.clone(), 0));
    assert_eq!(head.size, size);
    assert!(matches!(records[size as usize - 1].event, AccessEvent::EpochEnded {}));
    let AccessEvent::EpochStarted { found, cut_bytes: 0, .. } = &records[size as usize].event
    else {
        panic!("{:?}", records.last())
    };
    assert_eq!(*found, head);
    assert_eq!(journal.close(at(5)).await.unwrap().size, size + 2);
    assert!(Files::read(dir.path()).verify().is_ok());
}

#[tokio::test]
async fn a_pipeline_of_commands_may_share_a_write() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path()).unwrap();
    record(&journal, 1, opened(session(1))).await;
    let mut pending = Vec::new();
    for sequence in 1..=100 {
        pending.push(journal.intend(at(1), allowed(session(1), sequence, "SELECT")).await.unwrap());
    }
    let mut outcomes = Vec::new();
    for pending in pending {
        let permit = pending.durable().await.unwrap();
        assert!(permit.index() < journal.head().size, "acknowledged before it was durable");
        outcomes.push(journal.finish(at(2), permit, completed(1)).await.unwrap());
    }
    for outcome in outcomes {
        outcome.durable().await.unwrap();
    }
    record(&journal, 2, closed(session(1), 100)).await;
    journal.close(at(3)).await.unwrap();
    assert!(Files::read(dir.path()).verify().is_ok());
}

#[tokio::test]
async fn the_duration_runs_from_the_decision_to_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path()).unwrap();
    record(&journal, 1, opened(session(1))).await;
    let permit = journal.record_allowed(at(10), allowed(session(1), 1, "SELECT")).await.unwrap();
    journal.record_finished(at(35), permit, completed(1)).await.unwrap();
    let last = reader::Reader::open(dir.path()).unwrap().last().unwrap().unwrap();
    let leaf = String::from_utf8(last.leaf).unwrap();
    assert!(leaf.contains(r#""duration_us":25000"#), "{leaf}");
}

#[tokio::test]
async fn what_a_crash_left_open_is_settled_as_unknown() {
    let dir = tempfile::tempdir().unwrap();
    {
        let (journal, _) = open(dir.path()).unwrap();
        record(&journal, 1, opened(session(1))).await;
        run_commands(&journal, session(1), 2).await;
        // The command may have run: the gateway dies before it knows.
        let _permit = journal.record_allowed(at(9), allowed(session(1), 3, "x")).await.unwrap();
        record(&journal, 1, opened(session(2))).await;
    }
    let (journal, found, records) = open_and_see(dir.path());
    assert_eq!(found.unknown, [CommandRef { session: session(1), sequence: 3 }]);
    let size = found.found.size as usize;
    let added: Vec<AccessEvent> = records[size..].iter().map(|r| r.event.clone()).collect();
    assert!(matches!(added[0], AccessEvent::EpochStarted { .. }));
    assert_eq!(
        added[1],
        AccessEvent::CommandFinished {
            session: session(1),
            sequence: 3,
            result: FinishedResult::Unknown,
            sqlstate: None,
            rows: 0,
            affected: None,
            uncommitted: false,
            bytes: 0,
            duration_us: 0,
            redactions: vec![],
            written: None,
        }
    );
    let reason = SessionEnd::GatewayStopped;
    assert_eq!(
        added[2..],
        [
            AccessEvent::SessionClosed { session: session(1), commands: 3, reason },
            AccessEvent::SessionClosed { session: session(2), commands: 0, reason },
        ]
    );
    journal.close(at(20)).await.unwrap();
    assert!(Files::read(dir.path()).verify().unwrap().unknown.is_empty());
}

#[tokio::test]
async fn a_command_that_nobody_finished_is_unknown_when_its_session_ends() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path()).unwrap();
    record(&journal, 1, opened(session(1))).await;
    drop(journal.record_allowed(at(2), allowed(session(1), 1, "x")).await.unwrap());
    let closed = record(&journal, 3, closed(session(1), 1)).await;
    journal.close(at(4)).await.unwrap();
    let stored: Vec<_> = reader::Reader::open(dir.path()).unwrap().map(Result::unwrap).collect();
    let leaf = String::from_utf8(stored[closed as usize - 1].leaf.clone()).unwrap();
    assert!(leaf.contains(r#""result":"unknown""#), "{leaf}");
    assert!(Files::read(dir.path()).verify().is_ok());
}

#[tokio::test]
async fn a_record_that_cannot_follow_is_refused_and_nothing_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path()).unwrap();
    let append = async |event| {
        let refused = journal.record(AccessRecord { at: at(1), event }, Payload::new()).await;
        match refused {
            Err(JournalError::Rule(error)) => error,
            other => panic!("{other:?}"),
        }
    };
    let (one, two) = (session(1), session(2));
    record(&journal, 1, opened(one)).await;
    let before = journal.head();
    assert_eq!(append(opened(one)).await, RuleError::SessionKnown(one));
    assert_eq!(append(closed(two, 0)).await, RuleError::SessionUnknown(two));
    assert_eq!(append(closed(one, 1)).await, RuleError::Total { session: one, last: 0, found: 1 });
    assert_eq!(append(AccessEvent::EpochEnded {}).await, RuleError::SessionOpen(one));
    let skipped = journal.record_denied(at(1), denied(one, 2, "x")).await;
    assert!(matches!(
        skipped,
        Err(JournalError::Rule(RuleError::Sequence { last: 0, found: 2, .. }))
    ));
    assert_eq!(journal.head(), before);
    // None of this has ended the journal.
    record(&journal, 2, closed(one, 0)).await;
    journal.close(at(3)).await.unwrap();
    assert!(Files::read(dir.path()).verify().is_ok());
}

#[tokio::test]
async fn a_command_too_large_to_be_recorded_whole_is_refused_whole() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path()).unwrap();
    record(&journal, 1, opened(session(1))).await;
    let before = journal.head();
    let huge = "x".repeat(ledger::PAYLOAD_BYTES_MAX);
    let refused = journal.intend(at(1), allowed(session(1), 1, &huge)).await;
    assert!(matches!(
        refused,
        Err(JournalError::Entry(ledger::EntryError::PayloadTooLarge { .. }))
    ));
    assert_eq!(journal.head(), before);
}

#[tokio::test]
async fn a_second_opener_is_told_so() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path()).unwrap();
    let error = open(dir.path()).unwrap_err();
    assert!(matches!(error, JournalError::Locked(_)), "{error}");
    assert!(error.to_string().contains("in use by another process"), "{error}");
    drop(journal);
    assert!(open(dir.path()).is_ok());
}

#[tokio::test]
async fn nothing_is_accepted_after_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path()).unwrap();
    journal.close(at(1)).await.unwrap();
    let record = AccessRecord { at: at(2), event: AccessEvent::Heartbeat { sessions: 0 } };
    let late = journal.record(record, Payload::new()).await;
    assert!(matches!(late, Err(JournalError::Closed)), "{late:?}");
}

#[tokio::test]
async fn checkpoints_come_by_themselves_while_records_come_in() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = options(dir.path());
    options.checkpoint_interval = Duration::from_millis(1);
    let (journal, _) = AccessJournal::open(options, |_| {}).unwrap();
    record(&journal, 1, opened(session(1))).await;
    let size = journal.head().size;
    // A live ledger can be verified while it is written, and catches up within the interval.
    for _attempt in 0..10_000 {
        let image = reader::image(dir.path()).unwrap();
        let verified = ledger::verify(image, &Expected::live(&vkey()), &mut |_| {}).unwrap();
        assert_eq!(verified.size, size);
        if verified.unsigned_tail == 0 {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("no checkpoint was signed");
}

#[tokio::test]
async fn a_reader_follows_a_growing_ledger() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path()).unwrap();
    let mut reader = reader::Reader::open(dir.path()).unwrap();
    assert_eq!(reader.next_record().unwrap().unwrap().index, 0);
    for number in 1..4 {
        assert!(reader.next_record().unwrap().is_none());
        record(&journal, 1, opened(session(number))).await;
        assert_eq!(reader.next_record().unwrap().unwrap().index, number);
    }
    assert!(reader.checkpoint_text().unwrap().starts_with("gw1/access\n1\n"));
}

#[tokio::test]
async fn a_control_record_is_appended_under_the_size_its_author_saw() {
    let dir = tempfile::tempdir().unwrap();
    let options = OpenOptions::new(dir.path(), "gw1/control", key(), "0.1.0", at(0));
    let (journal, _) = ControlJournal::open(options.clone(), |_| {}).unwrap();
    let loaded = || ControlRecord {
        at: at(1),
        by: "gateway".into(),
        event: ControlEvent::SettingsLoaded { sha256: "00".repeat(32) },
    };
    assert_eq!(journal.append(1, loaded()).await.unwrap(), 2);
    let stale = journal.append(1, loaded()).await;
    assert!(matches!(stale, Err(JournalError::Conflict { expected: 1, actual: 2 })), "{stale:?}");
    assert_eq!(journal.append(2, loaded()).await.unwrap(), 3);
    assert_eq!(journal.close(at(2)).await.unwrap().size, 4);
    drop(journal);

    let mut kinds = Vec::new();
    let (journal, opened) =
        ControlJournal::open(options, |seen| kinds.push(seen.record.event.clone())).unwrap();
    assert_eq!(opened.found.size, 4);
    assert_eq!(kinds.len(), 5, "the record that begins the run is shown too");
    drop(journal);
    let verified = Files::read(dir.path()).verify_as(&Expected::live(&vkey())).unwrap();
    assert_eq!(verified.contents, Some(Contents::Control));
}

#[test]
fn an_outcome_of_nothing_counts_nothing() {
    let outcome = Outcome::of(FinishedResult::Skipped);
    assert_eq!((outcome.rows, outcome.affected, outcome.bytes), (0, Some(0), 0));
}

#[tokio::test]
async fn a_run_never_begins_before_what_is_on_record() {
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path(), 1, 3).await;
    let (journal, opened, records) = open_and_see(dir.path());
    let (last, started) = (opened.last_at.unwrap(), records.last().unwrap());
    // The options say that it begins before anything was recorded, as after a clock that was set back.
    assert!(options(dir.path()).at < last);
    assert!(matches!(started.event, AccessEvent::EpochStarted { .. }), "{started:?}");
    assert_eq!(started.at, last);
    journal.close(last).await.unwrap();
}

#[tokio::test]
async fn a_ledger_that_is_shorter_than_another_one_says_is_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let size = fill(dir.path(), 1, 3).await;
    let before = Files::read(dir.path());
    let too_much = OpenOptions { size_min: size + 1, ..options(dir.path()) };
    let error = AccessJournal::open(too_much, |_| {}).unwrap_err();
    assert!(matches!(error, JournalError::RolledBack { .. }), "{error}");
    let after = Files::read(dir.path());
    assert_eq!((after.log, after.checkpoint), (before.log, before.checkpoint));
    let enough = OpenOptions { size_min: size, ..options(dir.path()) };
    let (journal, _) = AccessJournal::open(enough, |_| {}).unwrap();
    journal.close(at(1_000_000)).await.unwrap();
}
