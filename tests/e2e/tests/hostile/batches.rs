//! Batches without their Sync, and batches that fail after something in them had completed.

use e2e::{ledger, wire};

use super::{LIMIT, PATIENCE, World, flush, read_to_close, run_batch, sync};

const INSERT: &str = "INSERT INTO billing.notes (tag) VALUES ('kept open')";
const BAD: &str = "SELECT 1 / (n - n) FROM billing.numbers WHERE n = 1";

#[test]
fn a_batch_without_sync_ends_with_its_grant_and_is_not_committed() {
    let cases = [("insert alone", vec![INSERT]), ("in a transaction", vec!["BEGIN", INSERT])];
    for (what, texts) in cases {
        let world = World::new();
        let mut wire = world.connect();
        let batch: Vec<u8> = texts.iter().flat_map(|sql| run_batch(sql)).collect();
        wire.send(&[batch, flush()].concat());
        for _ in &texts {
            let (seen, stop) = wire.read_until(b"C", PATIENCE);
            assert_eq!(stop, wire::Stop::Found, "{what}: {seen:?}");
        }

        world.gateway.revoke(&world.grant);
        let ended = read_to_close(&mut wire, LIMIT);

        assert!(ended.is_some(), "{what}: the session goes on after the grant's end");
        world.database.wait_until_idle(LIMIT);
        assert_eq!(world.database.value("SELECT count(*) FROM billing.notes"), "0", "{what}");
        assert_eq!(world.outcome("kept open")["result"], "completed");
    }
}

#[test]
fn a_commit_that_rolled_back_is_recorded_as_failed() {
    let world = World::new();
    let mut wire = world.connect();
    for sql in ["BEGIN", INSERT, BAD] {
        wire.simple(sql);
    }
    assert_eq!(wire.simple("COMMIT").tags(), ["ROLLBACK"]);
    let outcome = world.outcome("COMMIT");
    assert_eq!((&outcome["result"], &outcome["sqlstate"]), (&"failed".into(), &"25P02".into()));

    // The same in a batch.
    let mut wire = world.connect();
    wire.send(&[run_batch("BEGIN"), run_batch(BAD), sync()].concat());
    assert_eq!(wire.answer(PATIENCE).sqlstate().as_deref(), Some("22012"));
    wire.send(&[run_batch("COMMIT /* second */"), sync()].concat());
    assert_eq!(wire.answer(PATIENCE).tags(), ["ROLLBACK"]);
    let outcome = world.outcome("second");
    assert_eq!((&outcome["result"], &outcome["sqlstate"]), (&"failed".into(), &"25P02".into()));
}

#[test]
fn a_batch_that_fails_after_a_completed_write_is_recorded_as_rolled_back() {
    let schema = "CREATE TABLE billing.late(id int UNIQUE DEFERRABLE INITIALLY DEFERRED);
                  INSERT INTO billing.late VALUES (1); GRANT ALL ON billing.late TO svc;";
    let scope =
        ["select:billing.numbers", "select,insert:billing.notes", "select,insert:billing.late"];
    let late = "INSERT INTO billing.late VALUES (1)";
    // what, batch, code, commands that the record names
    let cases = [
        ("a later command fails", vec![INSERT, INSERT, BAD], "22012"),
        ("Sync fails", vec![late], "23505"),
    ];
    for (what, texts, sqlstate) in cases {
        let world = World::with_schema(schema, &scope);
        let mut texts = texts;
        // The first INSERT's tag is unique, so the second is another one.
        let second = INSERT.replace("kept", "also");
        if texts.len() > 1 {
            texts[1] = &second;
        }
        let mut wire = world.connect();
        let batch: Vec<u8> = texts.iter().flat_map(|sql| run_batch(sql)).collect();
        wire.send(&[batch, sync()].concat());
        let answer = wire.answer(PATIENCE);
        assert_eq!(answer.sqlstate().as_deref(), Some(sqlstate), "{what}: {answer:?}");

        let undone = ledger::of_kind(&world.gateway, "batch_rolled_back");
        assert_eq!(undone.len(), 1, "{what}");
        assert_eq!(undone[0].leaf["first"], 1, "{what}");
        assert_eq!(undone[0].leaf["last"], texts.len(), "{what}");
        assert_eq!(undone[0].leaf["sqlstate"], sqlstate, "{what}");
        assert_eq!(world.database.value("SELECT count(*) FROM billing.notes"), "0");
        // The session goes on, and what is committed later is not called undone.
        wire.send(&[run_batch(INSERT), sync()].concat());
        assert_eq!(wire.answer(PATIENCE).tags(), ["INSERT 0 1"]);
        wire.send(&[run_batch(BAD), sync()].concat());
        assert_eq!(wire.answer(PATIENCE).sqlstate().as_deref(), Some("22012"));
        assert_eq!(ledger::of_kind(&world.gateway, "batch_rolled_back").len(), 1, "{what}");
        assert_eq!(ledger::verify(&world.gateway, "access")["ok"], true);
    }
}

#[test]
fn a_denied_query_undoes_what_its_batch_did_before_it_and_that_is_on_record() {
    let world = World::new();
    let mut wire = world.connect();
    let denied = wire::message(b'Q', &wire::c_string("SELECT amount FROM hr.salaries"));
    wire.send(&[run_batch(INSERT), denied].concat());
    let answer = wire.answer(PATIENCE);

    assert_eq!(answer.tags(), ["INSERT 0 1"]);
    assert_eq!(answer.sqlstate().as_deref(), Some("42501"));
    assert_eq!(world.database.value("SELECT count(*) FROM billing.notes"), "0");
    let undone = ledger::of_kind(&world.gateway, "batch_rolled_back");
    assert_eq!(undone.len(), 1);
    assert_eq!(undone[0].leaf["first"], 1);
    assert_eq!(undone[0].leaf["last"], 2);
}
