//! What an outcome says that was changed, and what the record says became of it.

use super::*;

const PROCEDURES: &str = "
CREATE PROCEDURE billing.parts(fails bool) LANGUAGE plpgsql AS $$BEGIN
  INSERT INTO billing.trace VALUES (1); COMMIT;
  INSERT INTO billing.trace VALUES (2); IF fails THEN RAISE EXCEPTION 'no'; END IF; END$$;
GRANT EXECUTE ON ALL PROCEDURES IN SCHEMA billing TO svc;
";
const INSERT: &str = "INSERT INTO billing.notes (tag) VALUES ('one')";

fn world() -> World {
    World::new(&[])
}

#[test]
fn rows_changed_are_told_only_where_the_target_tells_them() {
    #[rustfmt::skip]
    let cases = [
        // text                                                                rows at once, told
        ("INSERT INTO billing.items VALUES (101), (102)",                      0, Some(2)),
        ("UPDATE billing.items SET kind = 'b' WHERE id <= 3",                  0, Some(3)),
        ("DELETE FROM billing.items WHERE id <= 2 RETURNING id",               0, Some(2)),
        ("INSERT INTO billing.items VALUES (1) ON CONFLICT (id) DO UPDATE SET kind = 'c'", 0, Some(1)),
        ("DELETE FROM billing.items RETURNING id",                             1, None),
        ("SELECT id FROM billing.items",                                       1, Some(0)),
        ("WITH d AS (DELETE FROM billing.items WHERE id <= 30 RETURNING id) SELECT count(*) FROM d", 0, None),
        ("WITH d AS (DELETE FROM billing.items WHERE id <= 5) INSERT INTO billing.items SELECT 200 WHERE false", 0, None),
        ("EXPLAIN DELETE FROM billing.items",                                  0, Some(0)),
        ("SELECT billing.stab(8) UNION ALL SELECT billing.stab(9)",            0, None),
        ("SELECT id FROM billing.items FOR UPDATE",                            0, Some(0)),
    ];
    let world = world();
    let mut wire = world.connect();
    for (number, (text, rows_max, told)) in cases.into_iter().enumerate() {
        let marked = format!("{text} /* {number}. */");
        assert!(wire.simple("BEGIN").errors().is_empty());
        wire.send(&[prepare(&marked), execute("", rows_max), sync()].concat());
        let answer = wire.answer(PATIENCE);
        assert!(answer.errors().is_empty(), "{text}: {answer:?}");
        assert!(wire.simple("ROLLBACK").errors().is_empty());
        let outcome = outcome(&world, &format!("/* {number}. */"));
        assert_eq!(outcome["affected"].as_u64(), told, "{text}: {outcome}");
    }
    drop(wire);
    world.verify();
}

#[test]
fn what_a_procedure_committed_is_not_called_unchanged_or_undone() {
    let world = World::with_scope(PROCEDURES, &["execute:billing.parts"]);
    let mut wire = world.connect();
    let failed = wire.simple("CALL billing.parts(true)");
    assert!(!failed.errors().is_empty());
    assert_eq!(world.count("trace"), "1");
    let told = outcome(&world, "parts(true)");
    assert_eq!((&told["result"], told.get("affected")), (&"failed".into(), None));

    let bad = "SELECT 1 / (n - n) FROM billing.numbers WHERE n = 1";
    wire.send(&[run(INSERT), run("CALL billing.parts(false)"), run(bad), sync()].concat());
    assert_eq!(wire.answer(PATIENCE).sqlstate().as_deref(), Some("22012"));
    assert_eq!(world.count("notes"), "1", "the procedure commits it: else the test is void");
    drop(wire);
    let fates = fates(&world);
    assert_eq!(fates, ["batch_unknown"], "{fates:?}");
    world.verify();
}

#[test]
fn what_no_commit_followed_is_on_record_as_undone() {
    type End = fn(&World, &mut Wire);
    let closed: End = |_, wire| wire.half_close();
    let revoked: End = |world, _| world.gateway.revoke(&world.grant);
    let killed: End = |world, _| {
        world.database.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
             WHERE usename = 'svc' AND datname = current_database() AND state <> 'idle'",
        );
    };
    for (what, end) in [("closed", closed), ("revoked", revoked), ("killed", killed)] {
        for in_block in [false, true] {
            let world = world();
            let mut wire = world.connect();
            if in_block {
                assert!(wire.simple("BEGIN").errors().is_empty());
                assert_eq!(wire.simple(INSERT).tags(), ["INSERT 0 1"]);
            } else {
                wire.send(&[run(INSERT), flush()].concat());
                assert_eq!(wire.read_until(b"C", PATIENCE).1, Stop::Found);
            }
            end(&world, &mut wire);
            e2e::wait::within(PATIENCE, "the session's end is on record", || {
                (!ledger::of_kind(&world.gateway, "session_closed").is_empty()).then_some(())
            });
            assert_eq!(world.count("notes"), "0", "{what}");
            let outcome = outcome(&world, INSERT);
            assert_eq!(
                (&outcome["result"], &outcome["uncommitted"]),
                (&"completed".into(), &true.into())
            );
            assert_eq!(fates(&world), ["batch_rolled_back"], "{what}, in a block: {in_block}");
            world.verify();
        }
    }
}

#[test]
fn what_was_open_when_the_gateway_died_is_not_known() {
    let mut world = world();
    let mut wire = world.connect();
    assert_eq!(
        wire.simple("INSERT INTO billing.notes (tag) VALUES ('kept')").tags(),
        ["INSERT 0 1"]
    );
    wire.send(&[run(INSERT), flush()].concat());
    assert_eq!(wire.read_until(b"C", PATIENCE).1, Stop::Found);
    world.gateway.kill();
    world.gateway.run().unwrap();
    assert_eq!(fates(&world), ["batch_unknown"]);
    let unknown = &ledger::of_kind(&world.gateway, "batch_unknown")[0];
    assert_eq!((&unknown.leaf["first"], &unknown.leaf["last"]), (&2.into(), &2.into()));
    world.verify();
}

#[test]
fn each_copy_of_a_batch_has_the_hash_of_its_own_data() {
    let world = world();
    let mut wire = world.connect();
    let copy = |number: u32| format!("COPY billing.notes (tag) FROM STDIN /* {number}. */");
    let data = |text: &str| [message(b'd', text.as_bytes()), message(b'c', b"")].concat();
    wire.send(&[run(&copy(1)), flush()].concat());
    assert_eq!(wire.read_until(b"G", PATIENCE).1, Stop::Found);
    wire.send(&[data("first\n"), run(&copy(2)), flush()].concat());
    assert_eq!(wire.read_until(b"G", PATIENCE).1, Stop::Found);
    wire.send(&[data("second\n"), sync()].concat());
    assert_eq!(wire.answer(PATIENCE).tags(), ["COPY 1"]);
    assert_eq!(world.count("notes"), "2");
    for (number, bytes) in [(1, 6), (2, 7)] {
        let outcome = outcome(&world, &format!("/* {number}. */"));
        assert_eq!(outcome["written"]["bytes"], bytes, "{outcome}");
    }
}

#[test]
fn a_write_over_its_limit_on_rows_says_whether_it_stands() {
    let delete = "DELETE FROM billing.items RETURNING id";
    for extended in [false, true] {
        let world = World::new(&["--max-rows", "5"]);
        let mut wire = world.connect();
        if extended {
            wire.send(&[run(delete), flush()].concat());
        } else {
            wire.send_message(b'Q', &wire::c_string(delete));
        }
        let (messages, _) = read_to_close(&mut wire, PATIENCE);
        let error = messages.iter().find(|message| message.kind == b'E').unwrap();
        let error = String::from_utf8_lossy(&error.body).into_owned();
        assert!(error.contains("53400"), "{error}");
        e2e::wait::within(PATIENCE, "the session's end is on record", || {
            (!ledger::of_kind(&world.gateway, "session_closed").is_empty()).then_some(())
        });
        world.database.wait_until_idle(PATIENCE);
        let stands = world.count("items") == "0";
        assert_eq!(error.contains("stands"), stands, "{error}");
        assert_eq!(error.contains("undone"), !stands, "{error}");
        let end = &ledger::of_kind(&world.gateway, "session_closed")[0];
        assert_eq!(end.leaf["reason"], "limit_reached");
        let expected = if stands { vec![] } else { vec!["batch_rolled_back"] };
        assert_eq!(fates(&world), expected);
    }
}

#[test]
fn what_never_left_is_recorded_as_skipped() {
    let world = world();
    for last in [message(b'X', b""), vec![0xff; 8]] {
        let mut wire = world.connect();
        wire.send(&[run(INSERT), last].concat());
        let _closed = read_to_close(&mut wire, PATIENCE);
    }
    e2e::wait::within(PATIENCE, "both ends are on record", || {
        (ledger::of_kind(&world.gateway, "session_closed").len() == 2).then_some(())
    });
    let commands = world.commands();
    assert_eq!(commands.with_result("skipped").len(), commands.intended.len());
    assert_eq!(world.count("notes"), "0");
}

#[test]
fn a_grant_that_ends_while_its_record_waits_for_the_disk_lets_nothing_through() {
    let stall = StalledDisk::build();
    let world = World::with(&["--for", "3s"], |settings| settings.wrapper = stall.wrapper());
    let mut wire = world.connect();
    let granted = Instant::now();
    let batches = [message(b'Q', &wire::c_string(INSERT)), [run(INSERT), sync()].concat()];
    let mut other = world.connect();
    stall.begin();
    wire.send(&batches[0]);
    other.send(&batches[1]);
    std::thread::sleep(Duration::from_secs(4).saturating_sub(granted.elapsed()));
    stall.end();
    for wire in [&mut wire, &mut other] {
        let (messages, _) = wire.read_until(b"EZ", PATIENCE);
        assert!(messages.iter().any(|message| message.kind == b'E'), "{messages:?}");
    }
    assert_eq!(world.count("notes"), "0");
    let commands = world.commands();
    assert_eq!(commands.with_result("skipped").len(), 2, "{commands:?}");
}

/// A disk whose `fdatasync` can be held up.
struct StalledDisk {
    directory: std::path::PathBuf,
}

impl StalledDisk {
    const SOURCE: &str = "
        #include <unistd.h>
        #include <stdlib.h>
        #include <sys/syscall.h>
        int fdatasync(int file) {
            const char *stall = getenv(\"STALL\");
            while (stall && access(stall, F_OK) == 0) usleep(10000);
            return syscall(SYS_fdatasync, file);
        }";

    fn build() -> Self {
        let directory = e2e::scratch::new_directory("stalled-disk");
        let (source, library) = (directory.join("stall.c"), directory.join("stall.so"));
        std::fs::write(&source, Self::SOURCE).unwrap();
        let built = std::process::Command::new("cc")
            .args(["-shared", "-fPIC", "-o"])
            .args([&library, &source])
            .status();
        assert!(built.unwrap().success(), "the C compiler failed");
        Self { directory }
    }

    fn wrapper(&self) -> Vec<String> {
        let preload = format!("LD_PRELOAD={}", self.directory.join("stall.so").display());
        let stall = format!("STALL={}", self.directory.join("now").display());
        vec!["env".into(), preload, stall]
    }

    fn begin(&self) {
        std::fs::write(self.directory.join("now"), "").unwrap();
    }

    fn end(&self) {
        std::fs::remove_file(self.directory.join("now")).unwrap();
    }
}

/// The outcome of the only command whose text has this in it.
fn outcome(world: &World, text: &str) -> serde_json::Value {
    let commands = world.commands();
    let (name, _) = commands.intent_with(text).unwrap();
    commands.finished[name].leaf.clone()
}

/// The kinds of the records that say what became of what had completed.
fn fates(world: &World) -> Vec<String> {
    let records = ledger::records(&world.gateway, "access");
    let kinds = records.iter().map(|record| record.kind().to_owned());
    kinds.filter(|kind| kind.starts_with("batch_")).collect()
}
