//! COPY both ways: as the target itself would, masked, limited, recorded, and ended on time.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and this one measures time"
)]

mod ends;

use std::time::Duration;

use e2e::ledger::{self, Commands, Record};
use e2e::postgres::{SERVICE_PASSWORD, SERVICE_ROLE};
use e2e::wire::{self, Stop, bind, execute, message, parse};
use e2e::{Answer, Cluster, Database, Gateway, Login, Message, Settings, SqlError, Target, Wire};

const TIMEOUT: Duration = Duration::from_secs(20);
const SCOPE: [&str; 4] = [
    "select:billing.customers(id,ssn)",
    "select:billing.numbers",
    "select:billing.kinds",
    "select,insert:billing.notes",
];

struct World {
    database: Database,
    gateway: Gateway,
    token: String,
    grant: String,
}

impl World {
    fn new(limits: &[&str]) -> Self {
        let database = Cluster::shared().billing();
        let gateway = Gateway::start(&Settings::new(vec![Target::billing(&database)]));
        let token = gateway.identity("agent");
        let limits = [&["--for", "15m"], limits].concat();
        let grant = gateway.grant_with("agent", "billing", &SCOPE, &limits);
        Self { database, gateway, token, grant }
    }

    fn connect(&self) -> Wire {
        self.gateway.connect("agent", "billing", &self.token).unwrap()
    }

    fn straight(&self) -> Wire {
        let login = Login::new(SERVICE_ROLE, &self.database.name, SERVICE_PASSWORD);
        Wire::login(self.database.cluster.address, &login).unwrap()
    }

    fn notes(&self) -> String {
        self.database.value("SELECT count(*) || '/' || coalesce(sum(amount), 0) FROM billing.notes")
    }

    /// The outcome of the only command whose text has this in it.
    fn outcome(&self, text: &str) -> Record {
        let commands = Commands::read(&self.gateway);
        let (name, _) = commands.intent_with(text).unwrap();
        commands.finished[name].clone()
    }
}

fn query(sql: &str) -> Vec<u8> {
    message(b'Q', &wire::c_string(sql))
}

/// As some drivers do: a Sync stands behind the Execute before any data, and is dropped there.
fn by_execute(sql: &str) -> Vec<u8> {
    let sync = message(b'S', b"");
    [parse("", sql), bind("", "", &[], 0), execute("", 0), sync].concat()
}

fn data(pieces: &[&[u8]]) -> Vec<u8> {
    pieces.iter().map(|piece| message(b'd', piece)).collect::<Vec<_>>().concat()
}

fn done() -> Vec<u8> {
    message(b'c', b"")
}

/// All data of a COPY to the client.
fn copied(answer: &Answer) -> Vec<u8> {
    let data = answer.messages.iter().filter(|message| message.kind == b'd');
    data.flat_map(|message| message.body.clone()).collect()
}

/// As far as both must agree.
fn seen(answer: &Answer) -> Vec<String> {
    let tell = |message: &Message| match message.kind {
        b'E' => format!("E {}", SqlError::parse(&message.body).sqlstate),
        _ => format!("{message:?}"),
    };
    answer.messages.iter().map(tell).collect()
}

#[test]
fn copy_out_is_what_the_target_itself_would_send() {
    let world = World::new(&[]);
    let (mut through, mut straight) = (world.connect(), world.straight());
    #[rustfmt::skip]
    let cases = [
        "COPY billing.kinds TO STDOUT",
        "COPY billing.kinds (t, id, n) TO STDOUT",
        "COPY billing.kinds TO STDOUT WITH CSV HEADER",
        "COPY billing.kinds TO STDOUT (FORMAT csv, DELIMITER ';', NULL '-', QUOTE '''', FORCE_QUOTE *)",
        "COPY billing.kinds (t) TO STDOUT (FORMAT text, HEADER)",
        "COPY billing.kinds TO STDOUT (FORMAT binary)",
        "COPY BINARY billing.kinds TO STDOUT",
        "COPY (SELECT n, label FROM billing.numbers WHERE n < 500 ORDER BY n) TO STDOUT",
        "COPY (SELECT n FROM billing.numbers WHERE n < 0) TO STDOUT (FORMAT binary)",
        "COPY (SELECT n FROM billing.numbers WHERE n < 0) TO STDOUT (FORMAT csv, HEADER)",
        "COPY (VALUES (1, 'a\tb'), (NULL, '\\')) TO STDOUT",
        "COPY (SELECT 1 / (n - 3) FROM billing.numbers WHERE n < 9 ORDER BY n) TO STDOUT",
        "COPY (INSERT INTO billing.notes (tag) VALUES ('r') RETURNING tag, amount) TO STDOUT",
        "SELECT 1; COPY (SELECT n FROM billing.numbers WHERE n < 3) TO STDOUT; SELECT 2",
    ];
    for sql in cases {
        let expected = straight.simple(sql);
        world.database.run("DELETE FROM billing.notes");
        assert_eq!(seen(&through.simple(sql)), seen(&expected), "{sql}");
        world.database.run("DELETE FROM billing.notes");
        if sql.starts_with("COPY") {
            straight.send(&by_execute(sql));
            let expected = straight.answer(TIMEOUT);
            world.database.run("DELETE FROM billing.notes");
            through.send(&by_execute(sql));
            assert_eq!(seen(&through.answer(TIMEOUT)), seen(&expected), "extended: {sql}");
            world.database.run("DELETE FROM billing.notes");
        }
    }
    drop(through);
    // Rows are counted one by one in every format; names and ends are none.
    let commands = Commands::read(&world.gateway);
    for (text, rows) in [("FORCE_QUOTE", 2), ("COPY BINARY", 2), ("n < 0", 0), ("n < 500", 499)] {
        let (name, intent) = commands.intent_with(text).unwrap();
        assert_eq!(intent.leaf["statement"], "copy-out");
        assert_eq!(commands.finished[name].leaf["rows"], rows, "{text}");
    }
    ledger::verify(&world.gateway, "access");
}

#[test]
fn masked_values_do_not_leave_by_copy() {
    let world = World::new(&[]);
    let mut wire = world.connect();
    for options in ["", "(FORMAT csv, HEADER)", "(FORMAT binary)"] {
        for what in ["billing.customers (id, ssn)", "(SELECT id, ssn FROM billing.customers)"] {
            let answer = wire.simple(&format!("COPY {what} TO STDOUT {options}"));
            assert_eq!(answer.tags(), ["COPY 500"], "{what} {options}");
            let text = String::from_utf8_lossy(&copied(&answer)).into_owned();
            assert!(!text.contains("900-55-"), "{what} {options}: {text:.200}");
            assert_eq!(text.matches("********").count(), 500, "{what} {options}");
        }
    }
    #[rustfmt::skip]
    let denied = [
        ("COPY billing.customers TO STDOUT",                         "Name the columns"),
        ("COPY billing.customers (id, name) TO STDOUT",              ""),
        ("COPY (SELECT ssn || '' FROM billing.customers) TO STDOUT", ""),
        ("COPY billing.notes TO '/tmp/countersign-out'",             "STDOUT"),
        ("COPY billing.notes FROM PROGRAM 'echo x'",                 "STDOUT"),
        ("COPY hr.salaries TO STDOUT",                               ""),
        ("COPY billing.customers (id) FROM STDIN",                   ""),
    ];
    for (sql, hint) in denied {
        let answer = wire.simple(sql);
        assert_eq!(answer.kinds(), "EZ", "{sql}");
        let error = format!("{:?}", answer.errors());
        assert!(error.contains("42501") && error.contains(hint), "{sql}: {error}");
    }
    drop(wire);
    let commands = Commands::read(&world.gateway);
    let hidden = commands.finished.values().map(|record| &record.leaf["redactions"][0]["values"]);
    assert_eq!(hidden.collect::<Vec<_>>(), vec![&serde_json::json!(500); 6]);
}

/// What it is, the COPY, and what the client sends behind it.
type CopyCase = (&'static str, &'static str, Vec<u8>);

fn copies_in() -> Vec<CopyCase> {
    let binary = [
        &b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0"[..],
        &[0, 2, 0, 0, 0, 1, b'a', 0, 0, 0, 4, 0, 0, 0, 9],
        &[0xff, 0xff],
    ];
    let text = "COPY billing.notes (tag, amount) FROM STDIN";
    let csv = "COPY billing.notes (tag, amount) FROM STDIN CSV HEADER";
    vec![
        ("two rows", text, [data(&[b"a\t1\nb\t", b"2\n"]), done()].concat()),
        ("no rows", text, done()),
        ("CSV", csv, [data(&[b"tag,amount\n\"a\nb\",7\n"]), done()].concat()),
        (
            "binary",
            "COPY billing.notes (tag, amount) FROM STDIN (FORMAT binary)",
            [data(&binary), done()].concat(),
        ),
        ("a value that is no number", text, [data(&[b"a\t1\nb\tx\n"]), done()].concat()),
        ("a check that fails", text, [data(&[b"a\t1\nb\t-1\n"]), done()].concat()),
        ("a row too short", text, [data(&[b"a\n"]), done()].concat()),
        (
            "the client gives up",
            text,
            [data(&[b"a\t1\n"]), message(b'f', &wire::c_string("no"))].concat(),
        ),
        (
            "Sync and Flush are dropped",
            text,
            [message(b'S', b""), data(&[b"a\t1\n"]), message(b'H', b""), done()].concat(),
        ),
    ]
}

#[test]
fn copy_in_does_what_it_does_on_the_target_itself() {
    let world = World::new(&[]);
    for (what, sql, rest) in copies_in() {
        for is_extended in [false, true] {
            let run = |mut wire: Wire| {
                let sync = message(b'S', b"");
                wire.send(&if is_extended { by_execute(sql) } else { query(sql) });
                let (before, stop) = wire.read_until(b"G", TIMEOUT);
                assert_eq!(stop, Stop::Found, "{what}: {before:?}");
                wire.send(&rest);
                if is_extended {
                    wire.send(&sync);
                }
                let after = wire.answer(TIMEOUT);
                let again = wire.simple("SELECT count(*), sum(amount) FROM billing.notes");
                world.database.run("DELETE FROM billing.notes");
                let before: Vec<u8> = before.iter().map(|message| message.kind).collect();
                (before, seen(&after), again.texts())
            };
            let expected = run(world.straight());
            assert_eq!(run(world.connect()), expected, "{what}, extended: {is_extended}");
        }
    }
    // Sent at once, before the target has asked for anything.
    for (text, extended) in [("p", false), ("q", true)] {
        let sql = "COPY billing.notes (tag) FROM STDIN";
        let mut wire = world.connect();
        let first = if extended { by_execute(sql) } else { query(sql) };
        wire.send(&[first, data(&[text.as_bytes(), b"\n"]), done()].concat());
        if extended {
            wire.send(&message(b'S', b""));
        }
        assert_eq!(wire.answer(TIMEOUT).tags(), ["COPY 1"]);
    }
    assert_eq!(world.notes(), "2/0");
    ledger::verify(&world.gateway, "access");
}

#[test]
fn what_was_written_is_on_record_and_provable() {
    let world = World::new(&[]);
    let mut wire = world.connect();
    let sql = "COPY billing.notes (tag, amount) FROM STDIN; SELECT 1";
    let rows = b"one\t1\ntwo\t2\n";
    wire.send(&[query(sql), data(&[&rows[..5], &rows[5..]]), done()].concat());
    assert_eq!(wire.answer(TIMEOUT).tags(), ["COPY 2", "SELECT 1"]);
    assert_eq!(world.notes(), "2/3");
    let outcome = world.outcome("COPY billing.notes");
    assert_eq!(
        (&outcome.leaf["result"], &outcome.leaf["affected"]),
        (&"completed".into(), &2.into())
    );
    assert_eq!(outcome.leaf["written"]["bytes"], rows.len());
    // sha256sum of the bytes, by another program than the gateway.
    let digest = world
        .database
        .value(r"SELECT encode(sha256(convert_to(E'one\t1\ntwo\t2\n', 'UTF8')), 'hex')");
    assert_eq!(outcome.value("written_sha256"), digest);
    assert!(!outcome.leaf.to_string().contains(&digest), "the leaf only commits to it");
    let commands = Commands::read(&world.gateway);
    assert_eq!(commands.intent_with("COPY").unwrap().1.leaf["statement"], "copy-in");

    // What fails says how much had passed; what is skipped says nothing.
    wire.send(&[query("COPY billing.notes (tag, amount) FROM STDIN; COPY billing.notes (tag) FROM STDIN -- 2"), data(&[b"x\ty\n"]), done()].concat());
    assert_eq!(wire.answer(TIMEOUT).sqlstate().as_deref(), Some("22P02"));
    let commands = Commands::read(&world.gateway);
    let last = commands.intended.keys().next_back().unwrap().clone();
    assert_eq!(commands.finished[&last].leaf["result"], "skipped");
    assert!(commands.finished[&last].leaf.get("written").is_none());
    let failed = &commands.finished[&(last.0.clone(), last.1 - 1)].leaf;
    assert_eq!((&failed["result"], &failed["written"]["bytes"]), (&"failed".into(), &4.into()));
    drop(wire);
    ledger::verify(&world.gateway, "access");
}
