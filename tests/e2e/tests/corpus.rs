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

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;

use e2e::corpus::statements::Connections;
use e2e::corpus::{Corpus, Item, Mode, Report, Transcript, Work, World, campaign, steps, verdict};
use e2e::ledger;

/// Items that the corpus would have denied outright and that the gateway answers without a leak,
/// each reviewed. Any other item that goes through turns the test red.
const REVIEWED: &str = include_str!("../corpus_reviewed.txt");

/// Modes in which statements run against a fenced target too. The simple one is in `locks.rs`.
const FENCED: [Mode; 4] = [Mode::Cursor, Mode::CopyBinary, Mode::Extended, Mode::ExtendedBinary];

/// One world for all tests of this program, one test at a time in it.
fn world() -> (&'static Corpus, MutexGuard<'static, World>) {
    static WORLD: OnceLock<Mutex<World>> = OnceLock::new();
    let world = WORLD.get_or_init(|| Mutex::new(World::start(corpus())));
    (corpus(), world.lock().unwrap_or_else(PoisonError::into_inner))
}

fn corpus() -> &'static Corpus {
    static CORPUS: OnceLock<Corpus> = OnceLock::new();
    CORPUS.get_or_init(Corpus::load)
}

#[test]
fn statements_in_every_mode_give_nothing_away() {
    let (corpus, world) = world();
    let fenced = World::start_fenced(corpus);
    let (open, behind) = thread::scope(|scope| {
        let behind = scope.spawn(|| campaign::run(corpus, &fenced, &FENCED));
        (campaign::run(corpus, &world, &Mode::ALL), behind.join().unwrap())
    });
    say_head(&world);
    let open = open.iter().map(|(mode, report)| (mode.name().to_owned(), report));
    let behind = behind.iter().map(|(mode, report)| (format!("fenced, {}", mode.name()), report));
    let all: Vec<(String, &Report)> = open.chain(behind).collect();
    let unwell: Vec<&str> = all
        .iter()
        .filter(|(what, report)| !is_well(&world, what, report))
        .map(|(what, _)| what.as_str())
        .collect();
    assert!(unwell.is_empty(), "{unwell:?}: see above");
    records_are_whole(&world);
    records_are_whole(&fenced);
}

/// Runs of a sequence whose runs on the databases are not alike: what a client still reads of a session
/// that is closed hangs on the moment.
const ATTEMPTS_MAX: usize = 3;

/// Ways to write the name of a masked column.
const SPELLINGS: [&str; 7] = [
    "ssn",
    "SsN",
    "\"ssn\"",
    "U&\"\\0073sn\"",
    "U&\"!0073s!+00006e\" UESCAPE '!'",
    "/* id */ ssn -- , name\n",
    "c . /**/ \"ssn\"",
];
/// Ways to compute with it.
const USES: [&str; 8] = [
    "SELECT upper(@) AS v FROM billing.customers c",
    "SELECT id AS v FROM billing.customers c WHERE @ LIKE '1%'",
    "SELECT name AS v FROM billing.customers c ORDER BY @",
    "SELECT count(*) AS v FROM billing.customers c GROUP BY @",
    "SELECT c.id AS v FROM billing.customers c JOIN billing.plans p ON p.plan = @",
    "SELECT CASE @ WHEN '123-45-6789' THEN 1 ELSE 2 END AS v FROM billing.customers c",
    "SELECT DISTINCT @ AS v FROM billing.customers c",
    "SELECT max(@) AS v FROM billing.customers c",
];
/// Ways to put a query inside another.
const SHELLS: [&str; 5] = [
    "@",
    "SELECT s.v FROM (@) s",
    "WITH s AS MATERIALIZED (@) SELECT v FROM s",
    "SELECT l.v FROM billing.plans p CROSS JOIN LATERAL (@) l",
    "SELECT (s).v FROM (@ OFFSET 0) s",
];

/// `crates/sql/tests/analysis/mutations.rs` makes thousands of these for the analysis alone.
#[test]
fn a_spelling_or_a_shell_makes_no_attack_stronger() {
    let (_, world) = world();
    let mut connections = Connections::default();
    let mut report = Report::default();
    let modes = [Mode::Simple, Mode::Extended, Mode::Parameters, Mode::CopyText, Mode::Cursor];
    let bare = "SELECT @ AS v FROM billing.customers c";
    let mut masked = 0;
    for (number, spelling) in SPELLINGS.into_iter().enumerate() {
        for (index, text) in USES.into_iter().chain([bare]).enumerate() {
            let shell = SHELLS[(number + index) % SHELLS.len()];
            let sql = shell.replace('@', &text.replace('@', spelling));
            let mode = modes[(number * 2 + index) % modes.len()];
            let statements = vec![sql.clone().into_bytes()];
            let item = mutation(&sql, if text == bare { "mask" } else { "deny" }, &statements);
            let runs = connections.run_on_all(&world, "svc", &statements, mode);
            let simple = || connections.run_on_all(&world, "svc", &statements, Mode::Simple);
            let Some(runs) = runs.or_else(simple) else { panic!("{sql} cannot be run") };
            let verdict = report.judge(&item, mode.name(), &runs, &world.twins);
            if text == bare {
                assert_eq!(verdict, verdict::Verdict::Masked, "{sql}: {}", verdict::told(&runs[0]));
                masked += 1;
            }
        }
    }
    say_head(&world);
    assert!(is_well(&world, "mutations", &report), "see above");
    assert_eq!(masked, SPELLINGS.len());
}

fn mutation(sql: &str, decision: &str, statements: &[Vec<u8>]) -> Item {
    Item {
        id: sql.to_owned(),
        grant: "G".into(),
        min_postgres: 15,
        mode: "simple".into(),
        extension: None,
        setup: None,
        teardown: None,
        work: Work::Statements(statements.to_vec()),
        decision: decision.to_owned(),
        must_not_appear: vec!["@all".into()],
        why: "another way to write it".into(),
    }
}

#[test]
fn message_sequences_give_nothing_away() {
    let (corpus, world) = world();
    let mut report = Report::default();
    for item in &corpus.wire {
        let mut runs = run_on_all(&world, item);
        for _ in 1..ATTEMPTS_MAX {
            if verdict::all_are_alike(&runs, &world.twins) {
                break;
            }
            report.look_for_secrets(item, "messages", &runs, &world.twins);
            runs = run_on_all(&world, item);
        }
        report.judge(item, "messages", &runs, &world.twins);
        if changes_roles(item) {
            (0..3).for_each(|twin| world.reset_roles(twin));
        }
        let Work::Steps(steps) = &item.work else { panic!("{} has no steps", item.id) };
        let has_deeds = steps.iter().any(|step| step["op"] == "admin");
        let changes = item.setup.is_some() || item.teardown.is_some() || has_deeds;
        let twins = if changes { 0..3 } else { 0..1 };
        twins.for_each(|twin| still_works(&world, twin, item));
    }
    say_head(&world);
    assert!(is_well(&world, "message sequences", &report), "see above");
    records_are_whole(&world);
}

fn run_on_all(world: &World, item: &Item) -> [Transcript; 3] {
    if changes_roles(item) {
        return [0, 1, 2].map(|twin| run_sequence(world, twin, item));
    }
    thread::scope(|scope| {
        let start = |twin| scope.spawn(move || run_sequence(world, twin, item));
        [0, 1, 2].map(start).map(|run| run.join().unwrap())
    })
}

fn run_sequence(world: &World, twin: usize, item: &Item) -> Transcript {
    let Work::Steps(steps) = &item.work else { panic!("{} has no steps", item.id) };
    world.set_up(twin, item);
    let transcript = steps::run(world, twin, steps);
    world.restore(twin, item.teardown.as_deref());
    transcript
}

/// Roles are the cluster's: such an item must not run on two databases at once.
fn changes_roles(item: &Item) -> bool {
    let Work::Steps(steps) = &item.work else { return false };
    let deeds = steps.iter().filter(|step| step["op"] == "admin" && step["gw"].is_null());
    let deeds = deeds.filter_map(|step| step["sql"].as_str());
    let all: Vec<&str> =
        deeds.chain(item.setup.as_deref()).chain(item.teardown.as_deref()).collect();
    let is_of_roles = |sql: &&str| {
        ["ROLE ", "app_owner", "GRANT eph ", "REVOKE eph "].iter().any(|part| sql.contains(part))
    };
    all.iter().any(is_of_roles)
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

fn say_head(world: &World) {
    e2e::say!(
        "corpus | PostgreSQL {:>2} | {:<24} | {}",
        world.postgres_major(),
        "mode",
        verdict::COLUMNS
    );
}

/// Prints the line of the table, and all that must not be.
fn is_well(world: &World, what: &str, report: &Report) -> bool {
    e2e::say!("corpus | PostgreSQL {:>2} | {what:<24} | {report}", world.postgres_major());
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
    report.faults.is_empty() && unreviewed.is_empty() && report.tried() > 50
}

fn records_are_whole(world: &World) {
    let gateway = world.gateway.as_ref().unwrap();
    assert_eq!(ledger::verify(gateway, "access")["ok"], true);
    assert_eq!(ledger::verify(gateway, "control")["ok"], true);
}
