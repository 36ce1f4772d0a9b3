//! The attack corpus through the gateway: each item denied or clean, controls green.
//!
//! Each item runs on three databases that differ at most in what the client must not learn. See
//! `e2e::corpus::verdict` for what counts as a leak.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use e2e::corpus::statements::{Connections, Protocol, named};
use e2e::corpus::{Corpus, Item, Report, Work, World, steps};
use e2e::ledger::{self, Commands};

/// Items that the corpus would have denied outright and that the gateway answers without a leak,
/// each reviewed. Any other item that goes through turns the test red.
const REVIEWED: &str = include_str!("../corpus_reviewed.txt");

/// One world for all tests of this program, one test at a time in it.
fn world() -> (&'static Corpus, MutexGuard<'static, World>) {
    static WORLD: OnceLock<(Corpus, Mutex<World>)> = OnceLock::new();
    let (corpus, world) = WORLD.get_or_init(|| {
        let corpus = Corpus::load();
        let world = Mutex::new(World::start(&corpus));
        (corpus, world)
    });
    (corpus, world.lock().unwrap_or_else(PoisonError::into_inner))
}

#[test]
fn statements_by_the_simple_protocol() {
    run_statements(|_| Protocol::Simple);
}

#[test]
fn statements_by_the_extended_protocol() {
    run_statements(|item| match item.mode.as_str() {
        "extended_bin" => Protocol::ExtendedBinary,
        _ => Protocol::ExtendedText,
    });
}

#[test]
fn message_sequences() {
    let (corpus, mut world) = world();
    let mut report = Report::default();
    for item in &corpus.wire {
        let Work::Steps(steps) = &item.work else { panic!("{} has no steps", item.id) };
        let runs = [0, 1, 2].map(|twin| {
            set_up(&world, twin, item);
            let transcript = steps::run(&mut world, twin, steps);
            world.restore(twin, item.teardown.as_deref());
            transcript
        });
        report.judge(item, "wire", &runs, &world.twins);
        if item.setup.is_some() || item.teardown.is_some() {
            (0..3).for_each(|twin| world.reset_roles(twin));
        }
        let is_deed = |step: &serde_json::Value| step["op"] == "admin";
        let changes = item.setup.is_some() || item.teardown.is_some() || steps.iter().any(is_deed);
        let twins = if changes { 0..3 } else { 0..1 };
        twins.for_each(|twin| still_works(&world, twin, item));
    }
    conclude("message sequences", &report);
    records_are_whole(&world);
}

fn run_statements(protocol_of: fn(&Item) -> Protocol) {
    let (corpus, mut world) = world();
    let mut report = Report::default();
    let mut connections: [Connections; 3] = Default::default();
    let mut denied: Vec<(&Item, &[u8])> = Vec::new();
    let major = world.postgres_major();
    for item in &corpus.sql {
        let Work::Statements(statements) = &item.work else {
            panic!("{} has no statements", item.id)
        };
        let identity = World::holder(&item.grant);
        let connections = &mut connections
            [["svc", "ephw", "ephv"].iter().position(|name| *name == identity).unwrap()];
        if item.setup.is_some() {
            connections.close();
        }
        let protocol = protocol_of(item);
        let runs = [0, 1, 2].map(|twin| {
            set_up(&world, twin, item);
            connections.run(&world, (twin, identity), statements, protocol)
        });
        let verdict = report.judge(item, protocol.name(), &runs, &world.twins);
        // What a newer PostgreSQL knows, this one may refuse itself, as no SQL.
        let is_known = item.min_postgres <= major;
        if verdict.is_refusal() && is_known && item.decision == "deny" && statements.len() == 1 {
            denied.push((item, &statements[0]));
        }
        if item.grant == "GW" {
            (0..3).for_each(|twin| world.restore(twin, None));
        }
        if item.setup.is_some() {
            connections.close();
            (0..3).for_each(|twin| world.reset_roles(twin));
        }
    }
    let texts = Texts::read(&world);
    for (item, sql) in denied {
        // What is no text cannot be recorded as one: then the session ended for that reason.
        let Ok(sql) = String::from_utf8(named(sql, world.twins[0].name)) else { continue };
        on_record_as_denied(&texts, item, &sql, &mut report);
    }
    conclude(protocol_of(&corpus.sql[0]).name(), &report);
    records_are_whole(&world);
}

fn set_up(world: &World, twin: usize, item: &Item) {
    if let Some(sql) = &item.setup {
        let database = &world.twins[twin].database;
        database.run(&sql.replace("{db}", &database.name));
    }
}

/// A refused statement is on record as denied, and as nothing else: the target never saw it.
fn on_record_as_denied(commands: &Texts, item: &Item, sql: &str, report: &mut Report) {
    if commands.intended.contains(sql) {
        report.faults.push(format!("{}: the client was refused, but the target saw it", item.id));
    }
    // With a NUL in it, it is no text that could be recorded: the session ends for that reason.
    if !commands.denied.contains(sql) && !sql.contains('\0') {
        report.faults.push(format!("{}: refused without a record: {sql:.100}", item.id));
    }
}

/// The statements on record.
struct Texts {
    intended: BTreeSet<String>,
    denied: BTreeSet<String>,
}

impl Texts {
    fn read(world: &World) -> Self {
        let commands = Commands::read(world.gateway.as_ref().unwrap());
        let texts = |records: BTreeMap<_, ledger::Record>| {
            records.into_values().map(|record| record.value("sql").to_owned()).collect()
        };
        Self { intended: texts(commands.intended), denied: texts(commands.denied) }
    }
}

/// Whatever a client sent, the next client is served.
fn still_works(world: &World, twin: usize, item: &Item) {
    let mut wire =
        world.connect(twin, "svc").unwrap_or_else(|error| panic!("after {}: {error}", item.id));
    // The item may have changed the table, which the gateway notices by this.
    let answer = e2e::wait::until("the new catalog", || {
        let answer = wire.simple("SELECT name FROM billing.customers WHERE id = 1");
        (answer.sqlstate().as_deref() != Some("40001")).then_some(answer)
    });
    assert_eq!(answer.texts(), [[Some("Ada".to_owned())]], "after {}: {answer:?}", item.id);
}

fn conclude(what: &str, report: &Report) {
    e2e::say!("{what}: {report}");
    let reviewed: BTreeSet<&str> = REVIEWED
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    let unreviewed: Vec<&String> = report
        .clean_though_deny
        .iter()
        .filter(|line| !reviewed.contains(line.split_whitespace().next().unwrap()))
        .collect();
    for fault in &report.faults {
        e2e::say!("  {fault}");
    }
    for item in &unreviewed {
        e2e::say!("  not denied, not reviewed: {item}");
    }
    assert!(report.faults.is_empty(), "{what}: {} faults, listed above", report.faults.len());
    assert!(unreviewed.is_empty(), "{what}: {} items went through unreviewed", unreviewed.len());
}

fn records_are_whole(world: &World) {
    let gateway = world.gateway.as_ref().unwrap();
    assert_eq!(ledger::verify(gateway, "access")["ok"], true);
    assert_eq!(ledger::verify(gateway, "control")["ok"], true);
}
