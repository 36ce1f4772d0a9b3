//! What clients read while others change definitions as fast as they can: never what a decision on
//! the definitions as they are would have kept from them.
//!
//! Every change here turns a name that shows what is granted into one that shows what is masked, and
//! back. All secrets begin with the same letters, so one search through all bytes finds a leak.

#![expect(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use e2e::wire::{Stop, bind, execute, message, parse};
use e2e::wire_answer::Answer;
use e2e::{Cluster, Database, Gateway, Settings, Target, Wire};

/// How long each race lasts.
const RACE: Duration = Duration::from_secs(3);
/// Changes without a pause; then come two in which the gateway finds the newer catalog.
const BURST: usize = 6;
const PAUSE: Duration = Duration::from_millis(1_500);
const SHORT_PAUSE: Duration = Duration::from_millis(250);
const PATIENCE: Duration = Duration::from_secs(20);
const COPY: &str = "INSERT INTO billing.copies SELECT id, note FROM billing.shown";
const SECRET: &[u8] = b"SECRET";

const TABLES: &str = "
CREATE TABLE billing.hidden(id int PRIMARY KEY, secret text, note text);
INSERT INTO billing.hidden SELECT g, 'SECRET-' || g, 'note ' || g FROM generate_series(1, 50) g;
CREATE VIEW billing.shown AS SELECT id, note FROM billing.hidden;
CREATE TABLE billing.plain(id int, note text);
INSERT INTO billing.plain SELECT g, 'note ' || g FROM generate_series(1, 50) g;
CREATE VIEW billing.other AS SELECT id, secret AS note FROM billing.hidden;
CREATE TABLE billing.spun(id int, secret text, note text,
  a text GENERATED ALWAYS AS (lower(note)) STORED,
  b text GENERATED ALWAYS AS ('SECRET' || lower(secret)) STORED);
INSERT INTO billing.spun SELECT g, 'SECRET-' || g, 'note ' || g FROM generate_series(1, 50) g;
CREATE TABLE billing.family(id int, note text);
INSERT INTO billing.family SELECT g, 'note ' || g FROM generate_series(1, 50) g;
CREATE TABLE billing.child(id int, note text);
INSERT INTO billing.child SELECT g, 'SECRET-' || g FROM generate_series(1, 50) g;
CREATE TABLE billing.copies(id int, note text);
CREATE FUNCTION billing.says(t text) RETURNS text IMMUTABLE LANGUAGE sql AS $$ SELECT t $$;
GRANT ALL ON ALL TABLES IN SCHEMA billing TO svc;
";

/// What is changed there and back, and a statement that reads it.
struct Race {
    there: &'static str,
    back: &'static str,
    reads: [&'static str; 2],
}

#[rustfmt::skip]
const RACES: [Race; 4] = [
    Race {
        there: "CREATE OR REPLACE VIEW billing.shown AS SELECT id, secret AS note FROM billing.hidden",
        back:  "CREATE OR REPLACE VIEW billing.shown AS SELECT id, note FROM billing.hidden",
        reads: ["SELECT id, note FROM billing.shown", "SELECT s.note || '!' FROM billing.shown s"],
    },
    Race {
        there: "BEGIN; ALTER TABLE billing.plain RENAME TO spare; \
                ALTER VIEW billing.other RENAME TO plain; COMMIT",
        back:  "BEGIN; ALTER VIEW billing.plain RENAME TO other; \
                ALTER TABLE billing.spare RENAME TO plain; COMMIT",
        reads: ["SELECT upper(note) FROM billing.plain", "SELECT count(*), max(note) FROM billing.plain"],
    },
    Race {
        there: "BEGIN; ALTER TABLE billing.spun RENAME a TO c; ALTER TABLE billing.spun RENAME b TO a; \
                ALTER TABLE billing.spun RENAME c TO b; COMMIT",
        back:  "BEGIN; ALTER TABLE billing.spun RENAME a TO c; ALTER TABLE billing.spun RENAME b TO a; \
                ALTER TABLE billing.spun RENAME c TO b; COMMIT",
        reads: ["SELECT upper(a) FROM billing.spun", "SELECT billing.says(a) FROM billing.spun"],
    },
    Race {
        there: "ALTER TABLE billing.child INHERIT billing.family",
        back:  "ALTER TABLE billing.child NO INHERIT billing.family",
        reads: ["SELECT note || '' FROM billing.family", "SELECT id FROM billing.family WHERE note LIKE 'SECRET%'"],
    },
];

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    Simple,
    Extended,
    Block,
    RepeatableRead,
}

const WAYS: [Way; 4] = [Way::Simple, Way::Extended, Way::Block, Way::RepeatableRead];

struct World {
    database: Database,
    gateway: Gateway,
    token: String,
}

impl World {
    fn new() -> Self {
        let database = Cluster::shared().billing();
        database.run(TABLES);
        let mask = |column: &str| (format!("billing.{column}"), "full".to_owned());
        let masks = vec![mask("hidden.secret"), mask("spun.secret"), mask("child.note")];
        let target = Target { masks, ..Target::billing(&database) };
        let gateway = Gateway::start(&Settings::new(vec![target]));
        let token = gateway.identity("agent");
        gateway.grant(
            "agent",
            "billing",
            &[
                "select:billing.shown(id,note)",
                "select:billing.plain(id,note)",
                "select:billing.spun(id,a)",
                "select:billing.family(id,note)",
                "select:billing.child(id,note)",
                "select:billing.notes",
                "select,insert:billing.copies(id,note)",
                "execute:billing.says",
            ],
        );
        Self { database, gateway, token }
    }

    fn connect(&self) -> Wire {
        self.gateway.connect("agent", "billing", &self.token).unwrap()
    }
}

/// What came of reading.
#[derive(Debug, Default)]
struct Tally {
    answers: usize,
    rows: usize,
    lost: usize,
    leaks: Vec<String>,
    errors: BTreeMap<String, usize>,
}

#[test]
fn no_answer_rests_on_definitions_that_have_changed() {
    let world = World::new();
    let (mut answers, mut withheld, mut rows) = (0, 0, 0);
    for race in &RACES {
        let tally = run(&world, race);
        assert_eq!(tally.leaks, Vec::<String>::new(), "{}", race.there);
        assert!(tally.rows > 0, "nothing was ever read: {tally:?}");
        // What a function did cannot be undone once it is committed.
        let runs_functions = race.reads.iter().any(|sql| sql.contains("says("));
        assert!(tally.lost == 0 || runs_functions, "a session that only reads goes on: {tally:?}");
        // What the gateway denies on a newer catalog, or what the target does not find any more.
        for sqlstate in tally.errors.keys() {
            let is_known = ["40001", "42501", "0A000", "42P01", "42703", "08007"];
            assert!(is_known.contains(&&**sqlstate), "{tally:?}");
        }
        answers += tally.answers;
        rows += tally.rows;
        withheld += tally.errors.get("40001").copied().unwrap_or(0);
    }
    assert!(withheld > 0, "no change was met");
    e2e::say_always(&format!(
        "stale catalog: {answers} answers in {} races, {withheld} withheld, {rows} rows, 0 leaks",
        RACES.len()
    ));
}

/// In a batch of the extended protocol and in a transaction block, what is written is looked at
/// before it is committed.
#[test]
fn nothing_is_copied_from_what_a_name_does_not_mean_any_more() {
    let world = World::new();
    let ends = AtomicBool::new(false);
    let written: usize = thread::scope(|scope| {
        let writers = [false, true].map(|in_block| {
            let (world, ends) = (&world, &ends);
            scope.spawn(move || {
                let mut wire = world.connect();
                let mut written = 0;
                while !ends.load(Ordering::Relaxed) {
                    let answer =
                        if in_block { block(&mut wire, COPY) } else { extended(&mut wire, COPY) };
                    assert!(!answer.is_closed(), "{answer:?}");
                    assert_eq!(wire.status, b'I', "{answer:?}");
                    written += usize::from(answer.errors().is_empty()) * 50;
                }
                written
            })
        });
        change(&world.database, &RACES[0]);
        ends.store(true, Ordering::Relaxed);
        writers.into_iter().map(|writer| writer.join().unwrap()).sum()
    });
    let count = |condition: &str| {
        let sql = format!("SELECT count(*) FROM billing.copies WHERE {condition}");
        world.database.value(&sql)
    };
    assert_eq!(count("note LIKE 'SECRET%'"), "0");
    // What the client read as done is there, and nothing else.
    assert_eq!(count("true"), written.to_string());
    assert!(written > 0);
}

/// A write and its COMMIT in one batch, in a block that is open.
fn block(wire: &mut Wire, sql: &str) -> Answer {
    assert_eq!(wire.simple("BEGIN").errors(), []);
    let statement = |sql| [parse("", sql), bind("", "", &[], 0), execute("", 0)].concat();
    wire.send(&[statement(sql), statement("COMMIT"), message(b'S', b"")].concat());
    let answer = wire.answer(PATIENCE);
    assert_ne!(answer.stop, Stop::TimedOut, "{sql}");
    if wire.status == b'E' {
        assert_eq!(wire.simple("ROLLBACK").errors(), []);
    }
    answer
}

/// Reads in every way while another session changes what is read.
fn run(world: &World, race: &Race) -> Tally {
    let ends = AtomicBool::new(false);
    let tallies: Vec<Tally> = thread::scope(|scope| {
        let readers: Vec<_> = WAYS
            .into_iter()
            .map(|way| {
                let ends = &ends;
                scope.spawn(move || read(world, race, way, ends))
            })
            .collect();
        change(&world.database, race);
        ends.store(true, Ordering::Relaxed);
        readers.into_iter().map(|reader| reader.join().unwrap()).collect()
    });
    let mut all = Tally::default();
    for tally in tallies {
        all.answers += tally.answers;
        all.rows += tally.rows;
        all.lost += tally.lost;
        all.leaks.extend(tally.leaks);
        for (sqlstate, count) in tally.errors {
            *all.errors.entry(sqlstate).or_default() += count;
        }
    }
    all
}

fn change(database: &Database, race: &Race) {
    let mut superuser = database.cluster.superuser(&database.name);
    let began = Instant::now();
    while began.elapsed() < RACE {
        for _ in 0..BURST {
            for sql in [race.there, race.back] {
                let answer = superuser.simple(sql);
                assert_eq!(answer.errors(), [], "{sql}");
            }
        }
        thread::sleep(PAUSE);
        assert_eq!(superuser.simple(race.there).errors(), []);
        thread::sleep(SHORT_PAUSE);
        assert_eq!(superuser.simple(race.back).errors(), []);
    }
}

fn read(world: &World, race: &Race, way: Way, ends: &AtomicBool) -> Tally {
    let mut tally = Tally::default();
    let mut wire = world.connect();
    while !ends.load(Ordering::Relaxed) {
        for sql in race.reads {
            wire.received.clear();
            for answer in ask(&mut wire, sql, way) {
                tally.answers += 1;
                tally.rows += answer.rows().len();
                // That a condition on a secret holds tells it, too.
                if sql.contains("LIKE") && !answer.rows().is_empty() {
                    tally.leaks.push(format!("{way:?}: {sql}"));
                }
                for error in answer.errors() {
                    *tally.errors.entry(error.sqlstate).or_default() += 1;
                }
                if answer.is_closed() {
                    tally.lost += 1;
                    wire = world.connect();
                }
            }
            if wire.received.windows(SECRET.len()).any(|window| window == SECRET) {
                tally.leaks.push(format!("{way:?}: {sql}"));
            }
        }
    }
    tally
}

fn ask(wire: &mut Wire, sql: &str, way: Way) -> Vec<Answer> {
    match way {
        Way::Simple => vec![wire.simple(sql)],
        Way::Extended => vec![extended(wire, sql)],
        Way::Block | Way::RepeatableRead => {
            let begin = match way {
                Way::RepeatableRead => "BEGIN ISOLATION LEVEL REPEATABLE READ",
                Way::Block | Way::Simple | Way::Extended => "BEGIN",
            };
            let before = [wire.simple(begin), wire.simple("SELECT count(*) FROM billing.notes")];
            assert!(before.iter().all(|answer| answer.errors().is_empty()), "{before:?}");
            let answer = wire.simple(sql);
            let has_failed = !answer.errors().is_empty();
            if !answer.is_closed() {
                // The client read an error, so the transaction is one that has failed.
                assert_eq!(wire.status, if has_failed { b'E' } else { b'T' }, "{sql}: {answer:?}");
                let end = wire.simple("COMMIT");
                assert_eq!(end.tags(), [if has_failed { "ROLLBACK" } else { "COMMIT" }]);
            }
            vec![answer]
        }
    }
}

/// One statement in a batch of its own.
fn extended(wire: &mut Wire, sql: &str) -> Answer {
    let bytes = [
        parse("", sql),
        bind("", "", &[], 0),
        message(b'D', b"P\0"),
        execute("", 0),
        message(b'S', b""),
    ];
    wire.send(&bytes.concat());
    let answer = wire.answer(PATIENCE);
    assert_ne!(answer.stop, Stop::TimedOut, "{sql}");
    answer
}

/// The target announces other columns than were judged: the client reads why, and its session goes on.
#[test]
fn a_column_that_was_renamed_since_it_was_prepared_is_withheld_and_the_session_goes_on() {
    let world = World::new();
    let mut wire = world.connect();
    let prepared = [parse("s", "SELECT note FROM billing.plain"), message(b'D', b"Ss\0")];
    wire.send(&[prepared.concat(), message(b'S', b"")].concat());
    assert_eq!(wire.answer(PATIENCE).errors(), []);
    world.database.run(
        "ALTER TABLE billing.plain RENAME note TO old; ALTER TABLE billing.plain ADD note text DEFAULT 'x'",
    );
    let run = [bind("", "s", &[], 0), message(b'D', b"P\0"), execute("", 0), message(b'S', b"")];
    wire.send(&run.concat());
    let answer = wire.answer(PATIENCE);
    assert_eq!(answer.sqlstate().as_deref(), Some("40001"), "{answer:?}");
    assert_eq!((answer.rows().len(), wire.status), (0, b'I'), "{answer:?}");
    // The next statement waits for the new catalog.
    let again = wire.simple("SELECT note FROM billing.plain LIMIT 1");
    assert_eq!(again.texts(), [[Some("x".to_owned())]], "{again:?}");
}
