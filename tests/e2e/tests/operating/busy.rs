//! Many clients at once: what one costs in memory, and what they take from each other.

use std::net::TcpStream;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use e2e::{Wire, wire};

use super::{PATIENCE, World};

const BUSY: usize = 64;
const BUSY_FOR: Duration = Duration::from_secs(4);
/// Each must get at least a fourth of the mean.
const SHARE: u64 = 4;
const IDLE: u64 = 150;
/// Generous, for a build without optimisation: see `bench/idle` for the figure.
const IDLE_KIB_MAX: u64 = 64;
/// What clients that ask and do not read may cost, all together.
const UNREAD_KIB_MAX: u64 = 16 * 1024;
/// Nothing was taken for so long: the gateway waits for its client.
const WAITS: Duration = Duration::from_secs(2);
const FLOOD_MAX: Duration = Duration::from_secs(40);
const READ: &str = "SELECT label FROM billing.numbers WHERE n = 7";
/// About 100 MB.
const BIG: &str = "SELECT a.n, a.label, b.label FROM billing.numbers a CROSS JOIN billing.numbers b WHERE b.n < 50";

#[test]
fn busy_clients_get_like_shares_beside_a_flood_and_one_that_does_not_read() {
    let world = World::with_limits("");
    let before = memory_kib(&world);
    let mut deaf = world.connect();
    deaf.send_message(b'Q', &wire::c_string(BIG));
    let is_over = AtomicBool::new(false);
    let counts: Vec<AtomicU64> = (0..BUSY).map(|_| AtomicU64::new(0)).collect();
    let begin = Barrier::new(BUSY + 1);
    thread::scope(|scope| {
        let flood = world.connect();
        scope.spawn(|| flood_with_errors(flood, &is_over));
        for count in &counts {
            let mut wire = world.connect();
            let (is_over, begin) = (&is_over, &begin);
            scope.spawn(move || {
                begin.wait();
                while !is_over.load(Ordering::Relaxed) {
                    assert_eq!(wire.simple(READ).rows().len(), 1);
                    wire.received.clear();
                    count.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        begin.wait();
        thread::sleep(BUSY_FOR);
        is_over.store(true, Ordering::Relaxed);
    });
    let counts: Vec<u64> = counts.iter().map(|count| count.load(Ordering::Relaxed)).collect();
    let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
    let mean = counts.iter().sum::<u64>() / counts.len() as u64;
    let after = memory_kib(&world);
    e2e::say!(
        "{BUSY} busy clients: least {least}, mean {mean}, most {most}; least {}% of the mean; \
         memory {before} KiB before, {after} KiB behind",
        least * 100 / mean
    );
    assert!(mean > 5, "too little work to say anything: {counts:?}");
    assert!(least * SHARE >= mean, "{counts:?}");
    // It still gets what it asked for.
    for _ in 0..50_000 {
        let message = deaf.read(PATIENCE).expect("the rows go on");
        assert!(b"TD".contains(&message.kind), "{message:?}");
        deaf.received.clear();
    }
}

/// Fails as fast as the gateway takes it, without a record and without the target: Bind of nothing.
fn flood_with_errors(mut flood: Wire, is_over: &AtomicBool) {
    let batch = [wire::bind("", "nothing", &[], 0), wire::message(b'S', b"")].concat().repeat(200);
    while !is_over.load(Ordering::Relaxed) {
        flood.send(&batch);
        for _ in 0..200 {
            assert_eq!(flood.read_until(b"Z", PATIENCE).1, wire::Stop::Found);
        }
        flood.received.clear();
    }
}

#[test]
fn who_asks_and_does_not_read_is_asked_to_wait() {
    let world = World::with_limits("");
    let mut deaf: Vec<Wire> = (0..3).map(|_| world.connect()).collect();
    let before = memory_kib(&world);
    // A result that is not read; errors of the gateway's own; answers of the target.
    deaf[0].send_message(b'Q', &wire::c_string(BIG));
    let failing = [wire::bind("", "nothing", &[], 0), wire::message(b'S', b"")].concat();
    // Answers that are much longer than what asks for them: the buffers between fill up soon.
    let described = wire::message(b'D', b"S\0").repeat(20);
    let floods = [failing, [wire::parse("", READ), described, wire::message(b'S', b"")].concat()];
    let sent: Vec<Option<usize>> = thread::scope(|scope| {
        let floods = deaf.iter().skip(1).zip(&floods).map(|(wire, flood)| {
            scope.spawn(move || flood_until_it_waits(wire, &flood.repeat(1_000)))
        });
        floods.collect::<Vec<_>>().into_iter().map(|flood| flood.join().unwrap()).collect()
    });
    let after = memory_kib(&world);
    e2e::say!("{sent:?} bytes taken; {before} KiB before, {after} KiB behind");
    assert!(sent.iter().all(Option::is_some), "one is taken on for ever: {sent:?}");
    assert!(after < before + UNREAD_KIB_MAX, "{before} KiB before, {after} KiB behind");
    // The others do not feel it.
    let asked = Instant::now();
    assert_eq!(world.connect().simple(READ).rows().len(), 1);
    assert!(asked.elapsed() < Duration::from_secs(3), "{:?}", asked.elapsed());
}

/// Sends until nothing is taken for a while, and returns how much was by then; nothing if that does not
/// come.
fn flood_until_it_waits(wire: &Wire, flood: &[u8]) -> Option<usize> {
    let stream: TcpStream = wire.stream();
    stream.set_nonblocking(true).unwrap();
    let (started, mut last, mut sent) = (Instant::now(), Instant::now(), 0);
    while started.elapsed() < FLOOD_MAX {
        let rest = &flood[sent % flood.len()..];
        match std::io::Write::write(&mut &stream, rest) {
            Ok(count) => {
                sent += count;
                last = Instant::now();
            }
            Err(_full) if last.elapsed() > WAITS => return Some(sent),
            Err(_full) => thread::sleep(Duration::from_millis(10)),
        }
    }
    None
}

#[test]
fn an_idle_client_costs_little_memory() {
    let world = World::with_limits("");
    let mut first = world.connect();
    assert_eq!(first.simple(READ).rows().len(), 1);
    thread::sleep(Duration::from_secs(2));
    let before = memory_kib(&world);
    let clients: Vec<Wire> = (0..IDLE)
        .map(|_| {
            let mut wire = world.connect();
            assert_eq!(wire.simple(READ).rows().len(), 1);
            wire
        })
        .collect();
    thread::sleep(Duration::from_secs(2));
    let after = memory_kib(&world);
    let each = after.saturating_sub(before) / IDLE;
    e2e::say!("{each} KiB per idle client: {before} KiB before, {after} KiB with {IDLE} more");
    assert!(each <= IDLE_KIB_MAX, "{each} KiB per idle client");
    drop(clients);
}

/// Anonymous memory of the gateway.
fn memory_kib(world: &World) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", world.gateway.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with("RssAnon:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
