//! The test bench against PostgreSQL without a gateway: what it reports must be true.

use std::collections::BTreeSet;
use std::sync::OnceLock;
use std::time::Duration;

use e2e::corpus::statements::Connections;
use e2e::corpus::{Corpus, Item, Mode, Report, Transcript, Work, World, steps};
use e2e::postgres::{SERVICE_PASSWORD, SERVICE_ROLE};
use e2e::{Cluster, Login, Wire, target_log};

#[test]
fn the_client_speaks_both_protocols_and_sees_errors() {
    let database = Cluster::shared().billing();
    let login = Login::new(SERVICE_ROLE, &database.name, SERVICE_PASSWORD);
    let mut wire = Wire::login(database.cluster.address, &login).unwrap();

    let simple = wire.simple("SELECT id, ssn FROM billing.customers WHERE id < 3 ORDER BY 1");
    assert_eq!(simple.kinds(), "TDDCZ");
    assert_eq!(simple.texts()[1], [Some("2".into()), Some("900-55-0002".into())]);
    assert_eq!(simple.tags(), ["SELECT 2"]);
    assert_eq!(simple.fields()[1].name, "ssn");

    let extended = wire.extended("SELECT $1::int + 1, NULL", &[Some(b"41")], 1);
    assert_eq!(extended.kinds(), "12TDCZ");
    assert_eq!(extended.rows(), [[Some(vec![0, 0, 0, 42]), None]]);

    let failed = wire.simple("SELECT 1/0");
    assert_eq!(failed.sqlstate().as_deref(), Some("22012"));
    assert_eq!(wire.simple("SELECT 1").texts(), [[Some("1".into())]]);
}

#[test]
fn a_wrong_password_is_an_error_and_a_cancel_reaches_its_statement() {
    let database = Cluster::shared().billing();
    let wrong = Login::new(SERVICE_ROLE, &database.name, "wrong");
    assert_eq!(Wire::login(database.cluster.address, &wrong).unwrap_err().sqlstate, "28P01");

    let right = Login::new(SERVICE_ROLE, &database.name, SERVICE_PASSWORD);
    let mut wire = Wire::login(database.cluster.address, &right).unwrap();
    wire.send_message(b'Q', b"SELECT pg_sleep(60)\0");
    std::thread::sleep(Duration::from_millis(100));
    wire.cancel(None);
    assert_eq!(wire.answer(Duration::from_secs(5)).sqlstate().as_deref(), Some("57014"));
}

#[test]
fn the_targets_log_tells_what_was_executed_by_whom() {
    let database = Cluster::shared().billing();
    let login = Login::new(SERVICE_ROLE, &database.name, SERVICE_PASSWORD);
    let mut wire = Wire::login(database.cluster.address, &login).unwrap();
    wire.simple("SELECT 'by simple'");
    wire.extended("SELECT $1, 'by extended'", &[Some(b"bound value")], 0);
    wire.simple("SELEC 'never executed'");

    let log = target_log::executed_by_gateways(&database);
    let texts: Vec<&str> = log.iter().map(|line| line.sql.as_str()).collect();
    assert_eq!(texts, ["SELECT 'by simple'", "SELECT $1, 'by extended'"]);
    assert!(target_log::reached(&database, "bound value"));
    assert!(!target_log::reached(&database, "never executed"));
}

/// The leak test is worth something only if it finds the leaks that are there when nothing
/// protects: of the public part of the corpus, most attacks succeed through a service account.
#[test]
fn without_a_gateway_most_attacks_leak_and_the_controls_work() {
    let (corpus, world) = (corpus(), world());
    // Only what reads: what changes roles or settings would change the next item's result.
    let reading = ["control", "expr", "wholerow", "predicate", "error", "lexer", "mask", "copy"];
    let is_reading = |id: &str| id.split('.').nth(1).is_some_and(|part| reading.contains(&part));
    let reading = corpus.sql.iter().filter(|item| item.grant == "G" && is_reading(&item.id));
    let statements = leaking_statements(&reading.collect::<Vec<_>>(), world, Mode::Simple);
    let controls: Vec<_> = statements.iter().filter(|id| id.starts_with("sql.control")).collect();
    assert!(controls.is_empty(), "{controls:?}");
    assert!(statements.len() > 200, "only {} attacks leak: {statements:?}", statements.len());

    let sequences = leaking_sequences(corpus, world);
    e2e::say!("{} items of statements leak, {} of messages", statements.len(), sequences.len());
    assert!(sequences.len() > 20, "only {} sequences leak: {sequences:?}", sequences.len());
    assert!(!sequences.contains("wire.frame.split_bytes"), "a control leaks");
}

/// A mode that finds no leaks where nothing protects would show nothing where something does.
#[test]
fn without_a_gateway_attacks_leak_in_every_mode() {
    let is_sample =
        |item: &&Item| item.id.starts_with("sql.expr") || item.id.starts_with("sql.predicate");
    let sample: Vec<&Item> = corpus().sql.iter().filter(is_sample).step_by(4).collect();
    let world = world();
    for mode in Mode::ALL {
        let leaking = leaking_statements(&sample, world, mode).len();
        e2e::say!("{}: {leaking} of {} leak without a gateway", mode.name(), sample.len());
        let at_least = if mode == Mode::Parameters { 5 } else { 18 };
        assert!(leaking > at_least, "{}: only {leaking}", mode.name());
    }
}

fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| World::direct(corpus()))
}

fn corpus() -> &'static Corpus {
    static CORPUS: OnceLock<Corpus> = OnceLock::new();
    CORPUS.get_or_init(Corpus::load)
}

fn leaking_statements(items: &[&Item], world: &World, mode: Mode) -> BTreeSet<String> {
    let mut connections = Connections::default();
    let mut leaking = BTreeSet::new();
    for item in items {
        let Work::Statements(statements) = &item.work else { continue };
        if let Some(runs) = connections.run_on_all(world, "svc", statements, mode) {
            note_leak(item, &runs, world, &mut leaking);
        }
    }
    leaking
}

fn leaking_sequences(corpus: &Corpus, world: &World) -> BTreeSet<String> {
    let mut leaking = BTreeSet::new();
    for item in corpus
        .wire
        .iter()
        .filter(|item| item.id.starts_with("wire.ext") || item.id.starts_with("wire.frame"))
    {
        let Work::Steps(steps) = &item.work else { continue };
        let runs = [0, 1, 2].map(|twin| {
            let transcript = steps::run(world, twin, steps);
            world.restore(twin, item.teardown.as_deref());
            transcript
        });
        note_leak(item, &runs, world, &mut leaking);
    }
    leaking
}

fn note_leak(item: &Item, runs: &[Transcript; 3], world: &World, leaking: &mut BTreeSet<String>) {
    let mut report = Report::default();
    report.judge(item, "direct", runs, &world.twins);
    if !report.faults.is_empty() {
        leaking.insert(item.id.clone());
    }
}
