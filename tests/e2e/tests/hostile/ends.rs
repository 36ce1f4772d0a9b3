//! How what runs is ended, and what the record says of it.

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use e2e::wire::{self, Stop};
use e2e::{Wire, ledger};

use super::{LIMIT, PATIENCE, World, read_to_close};

const STREAM: &str =
    "SELECT a.n, a.label, b.label FROM billing.numbers a CROSS JOIN billing.numbers b";
/// The kernel's signal for the limit would end the program; a full disk sends none.
const IGNORE: &str = r#"trap "" XFSZ; exec "$@""#;

#[test]
fn when_the_record_fails_streams_and_open_transactions_end() {
    let world = World::with("SELECT 1", &super::SCOPE, |settings| {
        settings.wrapper = ["sh", "-c", IGNORE, "sh"].map(str::to_owned).into();
    });
    let mut stream = world.connect();
    let mut idle = world.connect();
    let mut third = world.connect();
    for sql in ["BEGIN", "INSERT INTO billing.notes (tag) VALUES ('waits')"] {
        assert!(idle.simple(sql).errors().is_empty());
    }
    stream.send_message(b'Q', &wire::c_string(STREAM));
    assert_eq!(stream.read_until(b"D", PATIENCE).1, Stop::Found);
    let streaming = thread::spawn(move || read_to_close(&mut stream, PATIENCE));

    let pid = world.gateway.pid().to_string();
    let full = Command::new("prlimit").args(["--pid", &pid, "--fsize=1:unlimited"]).status();
    assert!(full.unwrap().success(), "prlimit (package util-linux) failed");
    let refused = third.simple("SELECT n FROM billing.numbers WHERE n = 1");
    let failed = Instant::now();
    assert!(!refused.errors().is_empty(), "{refused:?}");

    assert!(read_to_close(&mut idle, LIMIT * 2).is_some(), "an idle transaction stays open");
    let ended = streaming.join().unwrap().expect("the stream goes on without a record");
    e2e::say!("stream ended {:?} after the record failed", ended.saturating_duration_since(failed));
    assert!(ended < failed + LIMIT * 2, "{:?}", ended.saturating_duration_since(failed));
    world.database.wait_until_idle(LIMIT);
    assert_eq!(world.database.value("SELECT count(*) FROM billing.notes"), "0");
}

#[test]
fn a_write_cut_by_its_limit_on_rows_says_how_many_it_changed() {
    let world = World::new();
    let token = world.gateway.identity("thrifty");
    let scope = ["select,update:billing.customers(id,plan)"];
    let limit = ["--for", "15m", "--max-rows", "5"];
    world.gateway.grant_with("thrifty", "billing", &scope, &limit);
    let mut wire = world.gateway.connect("thrifty", "billing", &token).unwrap();

    let answer = wire.simple("UPDATE billing.customers SET plan = 'changed' RETURNING id");
    assert!(answer.rows().len() <= 5 && !answer.errors().is_empty(), "{answer:?}");
    let rows = answer.rows().len();
    drop(wire);
    let outcome = world.outcome("'changed'");
    world.database.wait_until_idle(PATIENCE);
    let changed =
        world.database.value("SELECT count(*) FROM billing.customers WHERE plan = 'changed'");
    e2e::say!("cut with {changed} rows changed");
    assert_eq!(outcome["result"], "cut", "{outcome}");
    assert_eq!(outcome["affected"].to_string(), changed, "{outcome}");
    assert_eq!(outcome["rows"], rows, "{outcome}");
}

#[test]
fn one_huge_row_is_broken_off_and_does_not_fill_the_memory() {
    let world = World::new();
    let mut wire = world.connect();
    // 100 MB in one value.
    let sql = "SELECT string_agg(repeat(label, 170), '') FROM billing.numbers";
    wire.send_message(b'Q', &wire::c_string(sql));
    e2e::wait::until("the row begins", || {
        drop(wire.read(Duration::from_millis(1)));
        (wire.received.len() > 1_000_000).then_some(())
    });
    world.disable();
    let read = wire.received.len();
    let (_, stop) = wire.read_until(b"", LIMIT);

    let more = wire.received.len() - read;
    let peak = peak_memory_mb(world.gateway.pid());
    e2e::say!("{read} bytes before, {more} after; the gateway's peak: {peak} MB");
    assert_eq!(stop, Stop::Closed, "after {more} bytes more");
    assert!(read + more < 90_000_000, "the whole row came");
    assert!(peak < 200, "{peak} MB");
    assert_eq!(world.outcome("repeat")["result"], "cut");
}

/// What the process had in memory at most.
fn peak_memory_mb(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

#[test]
fn what_the_gateway_ended_is_recorded_as_cut_and_not_as_failed() {
    type Ending = fn(&World, Wire) -> Wire;
    let disabled: Ending = |world, wire| {
        world.disable();
        wire
    };
    let lost: Ending = |world, wire| {
        drop(wire);
        world.connect()
    };
    for (what, end) in [("identity disabled", disabled), ("client lost", lost)] {
        let world = World::new();
        let mut wire = world.connect();
        world.start_endless(&mut wire);
        let _kept = end(&world, wire);
        assert_eq!(world.outcome("CROSS JOIN")["result"], "cut", "{what}");
        assert_eq!(ledger::verify(&world.gateway, "access")["ok"], true);
    }
}
