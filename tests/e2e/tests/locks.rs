//! Each of the three locks alone against the attack corpus, and all three together.
//!
//! A lock whose run alone does not change the count would not be tested. The runs are judged by the
//! twin test: a secret in the bytes that the client gets, or bytes that tell two databases apart
//! which differ in secrets only.
//!
//! | lock | alone, means |
//! |---|---|
//! | none | the statement as it is, as a service account |
//! | facts | a gateway without a fence, which judges the statement |
//! | fence | the statement as it is, as the role that the fence made for these grants |
//! | response | a target that answers another statement than the one that was judged |

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeSet;

use e2e::corpus::statements::{Connections, named};
use e2e::corpus::{Corpus, FaultKind, Item, Mode, Report, Work, World};
use e2e::middleman::Middleman;
use e2e::{Cluster, wire};

/// What a role with exactly the grants' rights still reaches, all of it by what everybody may do;
/// and the finding of the preflight that says so.
#[rustfmt::skip]
const REACHED_BY_PUBLIC: [(&str, &str); 9] = [
    ("sql.catalog.dbrolesetting",     "stored_setting"),
    ("sql.catalog.guc_db_setting",    "stored_setting"),
    ("sql.catalog.partbound",         "partition_bound:billing.by_ssn"),
    ("sql.function.col_desc",         "comment:billing.customers.ssn"),
    ("sql.function.secdef",           "definer_function:billing.get_ssn(i integer)"),
    ("sql.function.secdef_do",        "definer_function:billing.get_ssn(i integer)"),
    ("sql.function.secdef_from",      "definer_function:billing.get_ssn(i integer)"),
    ("sql.function.secdef_oracle",    "definer_function:billing.ssn_eq(text)"),
    ("sql.predicate.fn_in_where",     "definer_function:billing.ssn_eq(text)"),
];
/// What PostgreSQL's catalogs tell every role: texts of views, numbers of objects, how many locks there
/// are, statistics of columns that it may read. They differ between any two databases, or at two moments; no secret may stand in them.
const TOLD_TO_EVERY_ROLE: [&str; 5] = [
    "sql.catalog.stats_own_cols",
    "sql.catalog.views",
    "sql.catalog.lo_meta",
    "sql.catalog.locks",
    "sql.function.t2x_oid",
];
/// Kinds of attacks that change nothing in the database, so that they can run as an account that
/// could.
const READING: [&str; 10] = [
    "expr",
    "wholerow",
    "predicate",
    "error",
    "lexer",
    "mask",
    "copy",
    "explain",
    "prepare",
    "catalog",
];
/// What the gateway judges while the target answers an attack.
const JUDGED: &str = "SELECT name FROM billing.customers WHERE id = 1 AND plan <> 'swap-mark'";

type Ids = BTreeSet<String>;

#[test]
fn each_lock_alone_stops_what_it_must_and_together_they_stop_all() {
    let corpus = Corpus::load();
    let mut world = World::direct(&corpus);
    let major = world.postgres_major();
    let known = |item: &&Item| item.min_postgres <= major && !item.id.starts_with("sql.dos");
    let all: Vec<&Item> = corpus.sql.iter().filter(known).collect();
    let is_reading = |id: &str| id.split('.').nth(1).is_some_and(|kind| READING.contains(&kind));
    let reading = all.iter().copied().filter(|item| item.grant == "G" && is_reading(&item.id));
    let reading: Vec<&Item> = reading.collect();
    let none = run(&mut world, &reading);

    world.guard(|target| target.is_fenced = true);
    let (together, controls) = run_with_controls(&mut world, &all);
    let flagged = preflight(&world);
    world.log_in_as_roles();
    let fence = run(&mut world, &all);

    let middlemen: Vec<Middleman> =
        (0..3).map(|_| Middleman::start(Cluster::shared().address)).collect();
    let ports = std::cell::RefCell::new(middlemen.iter().map(|one| one.address.port()));
    world.guard(|target| {
        let port = ports.borrow_mut().next().unwrap().to_string();
        target.more.push(("port".into(), port));
    });
    let leaking: Vec<&Item> =
        reading.iter().copied().filter(|item| none.contains(&item.id)).collect();
    let facts = run(&mut world, &leaking);
    let response = run_swapped(&mut world, &leaking, &middlemen);

    e2e::say!(
        "locks alone, of {} attacks that leak without any: facts {} leak, response {}; fence {} of all {}; \
         together {} of {}",
        none.len(),
        facts.len(),
        response.len(),
        fence.len(),
        all.len(),
        together.len(),
        all.len()
    );
    assert!(none.len() > 200, "only {} attacks leak without a lock", none.len());
    assert_eq!(facts, Ids::new());
    let expected: Ids = REACHED_BY_PUBLIC.iter().map(|(id, _)| (*id).to_owned()).collect();
    assert_eq!(fence, expected);
    assert!(response.len() * 4 < none.len(), "{} of {}: {response:?}", response.len(), none.len());
    assert_eq!(together, Ids::new());
    assert_eq!(controls, Ids::new(), "harmless statements must work through a fence");
    for (id, finding) in REACHED_BY_PUBLIC {
        let is_flagged = flagged.iter().any(|flag| flag.starts_with(finding));
        // Stored settings are set up by the items themselves.
        assert!(is_flagged || finding == "stored_setting", "{id}: {finding} is not in {flagged:?}");
    }
}

/// The items that leak.
fn run(world: &mut World, items: &[&Item]) -> Ids {
    run_with_controls(world, items).0
}

/// The items that leak, and the harmless ones that do not work.
fn run_with_controls(world: &mut World, items: &[&Item]) -> (Ids, Ids) {
    let mut connections: [Connections; 3] = Default::default();
    let (mut leaking, mut broken) = (Ids::new(), Ids::new());
    for item in items {
        let Work::Statements(statements) = &item.work else { panic!("{}", item.id) };
        let identity = World::holder(&item.grant);
        let place = ["svc", "ephw", "ephv"].iter().position(|name| *name == identity).unwrap();
        let text = item.sent().to_uppercase();
        let is_lasting = item.setup.is_some() || text.contains("ALTER ") || text.contains("SET");
        if is_lasting {
            connections[place].close();
        }
        (0..3).for_each(|twin| world.set_up(twin, item));
        let runs =
            connections[place].run_on_all(world, identity, statements, Mode::Simple).unwrap();
        let mut report = Report::default();
        report.judge(item, "alone", &runs, &world.twins);
        // A difference that everybody is told is none of the lock's; a secret always is.
        let is_told = TOLD_TO_EVERY_ROLE.contains(&item.id.as_str());
        if report.faults_of(FaultKind::Leak) > 0 || (report.has_leak() && !is_told) {
            leaking.insert(item.id.clone());
        }
        if report.faults_of(FaultKind::Control) > 0 {
            broken.insert(item.id.clone());
        }
        if item.grant == "GW" {
            (0..3).for_each(|twin| world.restore(twin, None));
        }
        if is_lasting {
            connections[place].close();
            (0..3).for_each(|twin| world.reset_roles(twin));
        }
    }
    (leaking, broken)
}

/// The items that leak when the target answers them in the place of a harmless statement.
fn run_swapped(world: &mut World, items: &[&Item], middlemen: &[Middleman]) -> Ids {
    // The target does answer the other statement, as long as its answer looks right.
    middlemen[0].swap("swap-mark", b"SELECT name FROM billing.customers WHERE id = 2");
    let shown = e2e::wait::until("what the items before changed was noticed", || {
        let shown = world.connect(0, "svc").unwrap().simple(JUDGED);
        shown.errors().iter().all(|error| error.sqlstate != "40001").then_some(shown)
    });
    assert_eq!(shown.texts(), [[Some("Bob".to_owned())]], "{shown:?}");
    let mut leaking = Ids::new();
    for item in items {
        let Work::Statements(statements) = &item.work else { panic!("{}", item.id) };
        let runs = [0, 1, 2].map(|twin| {
            let mut transcript = e2e::corpus::Transcript::default();
            for sql in statements {
                let sql = named(sql, world.twins[twin].name);
                middlemen[twin].swap("swap-mark", &sql);
                let mut wire = world.connect(twin, "svc").unwrap();
                wire.send_message(b'Q', &wire::c_string(JUDGED));
                let answer = wire.answer(std::time::Duration::from_secs(10));
                transcript.closed |= answer.is_closed();
                transcript.messages.extend(answer.messages);
                transcript.bytes.append(&mut wire.received);
            }
            transcript
        });
        let mut report = Report::default();
        report.judge(item, "swapped", &runs, &world.twins);
        if report.has_leak() {
            leaking.insert(item.id.clone());
        }
    }
    leaking
}

/// What the preflight finds on the first twin.
fn preflight(world: &World) -> Vec<String> {
    let gateway = world.gateway.as_ref().unwrap();
    let output = gateway.command_line(&["target", "check", world.twins[0].name]);
    let checks: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let findings = checks[0]["findings"].as_array().unwrap().iter();
    let id = |finding: &serde_json::Value| {
        format!("{}:{}", finding["code"].as_str().unwrap(), finding["object"].as_str().unwrap())
    };
    findings.map(id).collect()
}
