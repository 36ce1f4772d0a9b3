//! How a COPY ends that does not come to its own end.

use std::time::Instant;

use super::*;

/// What is promised.
const LIMIT: Duration = Duration::from_secs(1);

#[test]
fn a_client_that_vanishes_or_breaks_the_protocol_writes_nothing() {
    let world = World::new(&[]);
    let begin = || {
        let mut wire = world.connect();
        wire.send(&query("COPY billing.notes (tag) FROM STDIN"));
        assert_eq!(wire.read_until(b"G", TIMEOUT).1, Stop::Found);
        wire.send(&data(&[b"lost\n"]));
        wire
    };
    drop(begin());
    let mut wire = begin();
    wire.send(&message(b'X', b""));
    let (messages, stop) = wire.read_until(b"C", TIMEOUT);
    assert_eq!(stop, Stop::Closed, "{messages:?}");
    let mut wire = begin();
    wire.send(&query("SELECT 1"));
    let (messages, stop) = wire.read_until(b"C", TIMEOUT);
    let last = SqlError::parse(&messages.last().unwrap().body);
    assert_eq!((last.sqlstate.as_str(), stop), ("08P01", Stop::Closed));
    world.database.wait_until_idle(TIMEOUT);
    assert_eq!(world.notes(), "0/0");
    e2e::wait::until("each has its outcome", || {
        let commands = Commands::read(&world.gateway);
        (commands.finished.len() == 3).then_some(())
    });
    let commands = Commands::read(&world.gateway);
    assert_eq!(commands.with_result("completed").len(), 0);
}

#[test]
fn a_row_limit_ends_a_copy_in_the_middle() {
    let world = World::new(&["--max-rows", "100"]);
    for format in ["text", "binary"] {
        // The session ends if the target was done before it heard the cancel.
        let mut wire = world.connect();
        let answer = wire.simple(&format!("COPY billing.numbers TO STDOUT (FORMAT {format})"));
        let rows = answer.messages.iter().filter(|message| message.kind == b'd').count();
        assert!(rows <= 100, "{format}: {rows} rows");
        assert!(answer.tags().is_empty() && !answer.kinds().contains('c'), "{format}");
        let error = &answer.errors()[0];
        let expected = if format == "text" { "row limit" } else { "used up" };
        assert!(format!("{error:?}").contains(expected) || rows < 100, "{error:?}");
    }
    let cut = world.outcome("FORMAT text");
    assert_eq!(cut.leaf["result"], "cut");
    // An exact fit is not cut by the end of binary data, nor by a line of names.
    let world = World::new(&["--max-rows", "20"]);
    let mut wire = world.connect();
    for options in ["binary", "csv, HEADER"] {
        let sql = format!(
            "COPY (SELECT n FROM billing.numbers WHERE n <= 10) TO STDOUT (FORMAT {options})"
        );
        assert_eq!(wire.simple(&sql).tags(), ["COPY 10"], "{options}");
    }
}

#[test]
fn a_limit_on_bytes_ends_a_copy_both_ways_and_says_so() {
    let world = World::new(&["--max-bytes", "200000"]);
    let mut wire = world.connect();
    let answer = wire.simple("COPY billing.numbers TO STDOUT");
    let rows = answer.messages.iter().filter(|message| message.kind == b'd').count();
    assert!((1_000..15_000).contains(&rows), "{rows} rows");
    assert!(answer.tags().is_empty() && !answer.kinds().contains('c'), "{answer:?}");
    says_limit(&answer);
    assert_eq!(world.outcome("COPY").leaf["result"], "cut");

    for first in [query as fn(&str) -> Vec<u8>, by_execute] {
        let world = World::new(&["--max-bytes", "5000"]);
        let mut wire = world.connect();
        wire.send(&first("COPY billing.notes (tag) FROM STDIN"));
        assert_eq!(wire.read_until(b"G", TIMEOUT).1, Stop::Found);
        for number in 0..10 {
            wire.send(&data(&[format!("{number}{}\n", "x".repeat(998)).as_bytes()]));
        }
        wire.send(&[done(), message(b'S', b"")].concat());
        let answer = wire.answer(TIMEOUT);
        says_limit(&answer);
        assert_eq!(world.notes(), "0/0");
        let outcome = world.outcome("COPY");
        assert_eq!(outcome.leaf["result"], "cut");
        assert_eq!(outcome.leaf["written"]["bytes"], 5000);
        // What has passed counts, and nothing more is taken.
        let next = world.connect().simple("SELECT n FROM billing.numbers WHERE n = 1");
        assert!(next.rows().is_empty() && !next.errors().is_empty(), "{next:?}");
    }
}

/// What was used of a grant is not forgotten: the ledger tells it.
#[test]
fn a_restart_forgets_no_use_of_a_grant() {
    let limits = ["--max-bytes", "9000000", "--max-rows", "60000", "--max-commands", "6"];
    let mut world = World::new(&limits);
    let mut wire = world.connect();
    let used = |world: &World| {
        let shown = world.gateway.admin(&["grant", "show", &world.grant]);
        shown["usage"].clone()
    };
    assert_eq!(wire.simple("COPY billing.numbers TO STDOUT").tags(), ["COPY 50000"]);
    wire.send(&query("COPY billing.notes (tag) FROM STDIN"));
    wire.read_until(b"G", TIMEOUT);
    wire.send(&[data(&[b"a\nb\n"]), done()].concat());
    assert_eq!(wire.answer(TIMEOUT).tags(), ["COPY 2"]);
    let before = used(&world);
    assert_eq!((&before["commands"], &before["rows"]), (&2.into(), &50_000.into()), "{before}");
    for crash in [false, true] {
        if crash {
            world.gateway.kill();
        } else {
            assert_eq!(world.gateway.stop(), Some(0));
        }
        world.gateway.run().unwrap();
        assert_eq!(used(&world), before, "crash {crash}");
    }
    let mut wire = world.connect();
    let cut = wire.simple("SELECT n FROM billing.numbers");
    assert!(cut.rows().len() <= 10_000, "{} rows more", cut.rows().len());
    assert_eq!(cut.errors()[0].sqlstate, "53400");
    // The session may have ended with the command.
    let mut wire = world.connect();
    let one = "SELECT n FROM billing.numbers WHERE n = 1";
    for _ in 3..6 {
        assert_eq!(wire.simple(one).tags(), ["SELECT 1"]);
    }
    assert_eq!(used(&world)["commands"], 6);
    assert!(!wire.simple(one).errors().is_empty());
}

fn says_limit(answer: &Answer) {
    let error = &answer.errors()[0];
    assert_eq!(error.sqlstate, "53400", "{error}");
    assert!(error.message.contains("limit on bytes"), "{error}");
}

#[test]
fn revocation_ends_a_copy_both_ways_within_a_second() {
    let endless =
        "COPY (SELECT a.label FROM billing.numbers a CROSS JOIN billing.numbers b) TO STDOUT";
    let stuck = "COPY billing.notes (tag) FROM STDIN";
    for (what, first, wait) in [
        ("out", query(endless), b'H'),
        ("in, by Query", query(stuck), b'G'),
        ("in, by Execute", by_execute(stuck), b'G'),
    ] {
        let world = World::new(&[]);
        let mut wire = world.connect();
        wire.send(&first);
        assert_eq!(wire.read_until(&[wait], TIMEOUT).1, Stop::Found, "{what}");
        if wait == b'G' {
            wire.send(&data(&[b"never\n"]));
        }
        world.gateway.revoke(&world.grant);
        let revoked = Instant::now();
        let (messages, stop) = wire.read_until(b"E", TIMEOUT);
        assert!(revoked.elapsed() < LIMIT, "{what}: {:?}", revoked.elapsed());
        assert_eq!(stop, Stop::Found, "{what}");
        let error = SqlError::parse(&messages.last().unwrap().body);
        assert!(error.message.contains("grant"), "{what}: {error:?}");
        // What the client sends behind its end reaches nothing.
        wire.send(&[data(&[b"late\n"]), done(), message(b'S', b"")].concat());
        world.database.wait_until_idle(TIMEOUT);
        assert_eq!(world.notes(), "0/0", "{what}");
        let outcome = world.outcome("COPY");
        assert_eq!(outcome.leaf["result"], "cut", "{what}");
    }
}

#[test]
fn data_wait_in_the_client_and_not_in_the_gateway() {
    let world = World::new(&[]);
    world.database.run(
        "CREATE FUNCTION billing.slow() RETURNS trigger LANGUAGE plpgsql AS \
         'BEGIN PERFORM pg_sleep(2); RETURN NEW; END'; \
         CREATE TRIGGER slow BEFORE INSERT ON billing.notes \
         FOR EACH ROW WHEN (NEW.tag = 'first') EXECUTE FUNCTION billing.slow()",
    );
    let mut wire = world.connect();
    e2e::wait::until("the gateway knows the table as it is now", || {
        wire.simple("SELECT count(*) FROM billing.notes").errors().is_empty().then_some(())
    });
    wire.send(&query("COPY billing.notes (tag, body) FROM STDIN"));
    assert_eq!(wire.read_until(b"G", TIMEOUT).1, Stop::Found);
    let before = memory(&world.gateway);
    let chunk = vec![b'x'; 256 * 1024];
    let mut all = data(&[b"first\t-\nsecond\t"]);
    for _ in 0..128 {
        all.extend_from_slice(&data(&[&chunk]));
    }
    all.extend_from_slice(&[data(&[b"\n"]), done()].concat());
    let sender = std::thread::spawn(move || {
        wire.send(&all);
        wire.answer(TIMEOUT * 3).tags()
    });
    std::thread::sleep(Duration::from_secs(1));
    let grown = memory(&world.gateway).saturating_sub(before);
    assert!(grown < 8 * 1024, "{grown} KiB more while the target took nothing");
    assert_eq!(sender.join().unwrap(), ["COPY 2"]);
    assert_eq!(world.outcome("COPY").leaf["written"]["bytes"], 16 + 128 * 256 * 1024);
}

/// Resident memory of the gateway, in KiB.
fn memory(gateway: &Gateway) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", gateway.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
