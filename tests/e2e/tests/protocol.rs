//! The protocol as PostgreSQL speaks it: the same messages, sent to the gateway and straight to the
//! target, get the same answers.

use std::time::Duration;

use e2e::postgres::{SERVICE_PASSWORD, SERVICE_ROLE};
use e2e::wire::{self, bind, execute, message, parse};
use e2e::{Cluster, Gateway, Login, Settings, SqlError, Target, Wire};

const TIMEOUT: Duration = Duration::from_secs(10);
const SCOPE: [&str; 3] = [
    "select:billing.customers(id,name,plan)",
    "select,insert,update,delete:billing.notes",
    "select:billing.numbers",
];

/// One step: bytes to send, and how many `ReadyForQuery` messages to wait for.
type Step = (Vec<u8>, usize);

fn query(sql: &str) -> Vec<u8> {
    message(b'Q', &wire::c_string(sql))
}

fn sync() -> Vec<u8> {
    message(b'S', b"")
}

fn flush() -> Vec<u8> {
    message(b'H', b"")
}

fn describe(kind: u8, name: &str) -> Vec<u8> {
    message(b'D', &[&[kind], &wire::c_string(name)[..]].concat())
}

fn close(kind: u8, name: &str) -> Vec<u8> {
    message(b'C', &[&[kind], &wire::c_string(name)[..]].concat())
}

fn batch(parts: &[Vec<u8>]) -> Step {
    (parts.concat(), 1)
}

const N1: &str = "SELECT n, label FROM billing.numbers WHERE n = $1";
const N: &str = "SELECT n FROM billing.numbers WHERE n = 7";
const MANY: &str = "SELECT n FROM billing.numbers WHERE n <= 5 ORDER BY n";
const BAD: &str = "SELECT 1 / (n - n) FROM billing.numbers WHERE n = 1";

fn unnamed(sql: &str, values: &[Option<&[u8]>]) -> Vec<u8> {
    [parse("", sql), bind("", "", values, 0), describe(b'P', ""), execute("", 0)].concat()
}

/// What it is, and its steps.
type Case = (&'static str, Vec<Step>);

fn cases() -> Vec<Case> {
    [messages(), names(), batches(), queries_in_batches(), portals(), transactions(), scripts()]
        .concat()
}

fn messages() -> Vec<Case> {
    let describe_write =
        [parse("s", "DELETE FROM billing.notes WHERE id = $1"), describe(b'S', "s"), sync()];
    let binary = [parse("", N1), bind("", "", &[Some(b"3")], 1), execute("", 0), sync()];
    vec![
        ("simple query", vec![(query(MANY), 1)]),
        ("empty query", vec![(query(""), 1), (query("  ;  "), 1), (query("-- nothing"), 1)]),
        ("empty statement, extended", vec![batch(&[unnamed("", &[]), sync()])]),
        ("extended query", vec![batch(&[unnamed(N1, &[Some(b"3")]), sync()])]),
        ("binary result", vec![batch(&binary)]),
        ("nothing but Sync", vec![batch(&[sync()]), batch(&[sync()])]),
        ("pipelined Syncs", vec![(sync().repeat(3), 3)]),
        ("describe a statement", vec![batch(&[parse("s", N1), describe(b'S', "s"), sync()])]),
        ("describe what returns nothing", vec![batch(&describe_write)]),
        ("too few parameters", vec![batch(&[parse("", N1), bind("", "", &[], 0), sync()])]),
        (
            "a parameter of the wrong form",
            vec![batch(&[parse("", N1), bind("", "", &[Some(b"x")], 0), sync()])],
        ),
        ("a NULL parameter", vec![batch(&[unnamed(N1, &[None]), sync()])]),
    ]
}

fn names() -> Vec<Case> {
    let use_s = |value: &[u8]| batch(&[bind("", "s", &[Some(value)], 0), execute("", 0), sync()]);
    vec![
        (
            "a statement prepared once, executed in later batches",
            vec![batch(&[parse("s", N1), sync()]), use_s(b"1"), use_s(b"2")],
        ),
        (
            "a name that is taken, and the statement that keeps it",
            vec![batch(&[parse("s", N1), parse("s", MANY), sync()]), use_s(b"1")],
        ),
        (
            "a statement that does not exist",
            vec![batch(&[bind("", "none", &[], 0), execute("", 0), sync()])],
        ),
        ("a portal that does not exist", vec![batch(&[execute("none", 0), sync()])]),
        (
            "describing what does not exist",
            vec![
                batch(&[describe(b'S', "none"), sync()]),
                batch(&[describe(b'P', "none"), sync()]),
            ],
        ),
        (
            "closing what does not exist",
            vec![batch(&[close(b'S', "none"), close(b'P', "none"), sync()])],
        ),
        (
            "a closed statement is gone",
            vec![batch(&[parse("s", MANY), close(b'S', "s"), bind("", "s", &[], 0), sync()])],
        ),
        (
            "a closed name can be used again",
            vec![batch(&[parse("s", MANY), close(b'S', "s"), parse("s", N1), sync()]), use_s(b"4")],
        ),
        (
            "a failed Parse of the unnamed statement drops the one before",
            vec![
                batch(&[parse("", MANY), sync()]),
                batch(&[parse("", "SELEC 1"), sync()]),
                batch(&[bind("", "", &[], 0), execute("", 0), sync()]),
            ],
        ),
    ]
}

fn batches() -> Vec<Case> {
    let one = || unnamed(N1, &[Some(b"1")]);
    let many = || unnamed(MANY, &[]);
    vec![
        ("many executions before one Sync", vec![batch(&[one(), many(), one(), sync()])]),
        (
            "many batches sent before any answer",
            vec![([one(), sync(), many(), sync(), query(MANY)].concat(), 3)],
        ),
        (
            "an error skips to Sync, and only to it",
            vec![([unnamed(BAD, &[]), many(), sync(), many(), sync()].concat(), 2)],
        ),
        (
            "a syntax error in Parse",
            vec![batch(&[unnamed("SELEC 1", &[]), many(), sync()]), (query(MANY), 1)],
        ),
        ("a Flush outside of a batch", vec![([flush(), query(MANY)].concat(), 1)]),
        ("a Flush behind a Sync", vec![([many(), sync(), flush()].concat(), 1), (query(MANY), 1)]),
        (
            "a Flush within a batch",
            vec![batch(&[parse("", MANY), flush(), many(), flush(), sync()])],
        ),
    ]
}

/// A Query, too, ends a batch; JDBC and asyncpg send them so.
fn queries_in_batches() -> Vec<Case> {
    let insert = || unnamed("INSERT INTO billing.notes (tag) VALUES ($1)", &[Some(b"in-a-batch")]);
    let count = || query("SELECT count(*) FROM billing.notes WHERE tag = 'in-a-batch'");
    let clean = || (query("DELETE FROM billing.notes WHERE tag = 'in-a-batch'"), 1);
    vec![
        ("a Query behind a Parse", vec![([parse("s", N1), count()].concat(), 1)]),
        (
            "a Query behind a Parse that was answered",
            vec![([parse("s", N1), describe(b'S', "s"), flush()].concat(), 0), (count(), 1)],
        ),
        (
            "a Query behind a write, which it commits",
            vec![([insert(), count()].concat(), 1), (count(), 1), clean()],
        ),
        (
            "a Query that fails undoes the write before it",
            vec![([insert(), query(BAD)].concat(), 1), (count(), 1)],
        ),
        (
            "a Query behind an error is dropped",
            vec![([unnamed(BAD, &[]), count(), count(), sync()].concat(), 1), (count(), 1)],
        ),
        (
            "a Query and a Sync",
            vec![([unnamed(MANY, &[]), count(), sync(), unnamed(N, &[]), sync()].concat(), 3)],
        ),
        (
            "a transaction around it",
            vec![
                (query("BEGIN"), 1),
                ([insert(), query("SAVEPOINT s"), unnamed(BAD, &[]), sync()].concat(), 2),
                (query("ROLLBACK TO SAVEPOINT s"), 1),
                (count(), 1),
                (query("ROLLBACK"), 1),
            ],
        ),
    ]
}

fn portals() -> Vec<Case> {
    let open = || batch(&[parse("", MANY), bind("p", "", &[], 0), execute("p", 2), sync()]);
    let more = || batch(&[execute("p", 2), sync()]);
    let begin = || (query("BEGIN"), 1);
    let commit = || (query("COMMIT"), 1);
    vec![
        ("a portal in portions", vec![begin(), open(), more(), more(), more(), commit()]),
        ("a portal ends with its transaction", vec![open(), more()]),
        (
            "a portal outlives its statement",
            vec![
                begin(),
                batch(&[parse("s", MANY), bind("p", "s", &[], 0), close(b'S', "s"), sync()]),
                more(),
                commit(),
            ],
        ),
        (
            "a closed portal is gone",
            vec![begin(), open(), batch(&[close(b'P', "p"), sync()]), more(), commit()],
        ),
    ]
}

fn transactions() -> Vec<Case> {
    let all = |texts: &[&str]| texts.iter().map(|sql| (query(sql), 1)).collect::<Vec<Step>>();
    let mut failed = all(&["BEGIN", BAD, MANY]);
    failed.push(batch(&[unnamed(MANY, &[]), sync()]));
    failed.extend(all(&["ROLLBACK", MANY]));
    vec![
        ("a transaction that failed", failed),
        ("a failed transaction that is committed is rolled back", all(&["BEGIN", BAD, "COMMIT"])),
        (
            "savepoints",
            all(&[
                "BEGIN",
                "SAVEPOINT a",
                BAD,
                "ROLLBACK TO SAVEPOINT a",
                "RELEASE SAVEPOINT a",
                "COMMIT",
            ]),
        ),
        ("COMMIT and ROLLBACK without BEGIN", all(&["COMMIT", "ROLLBACK"])),
        ("a second BEGIN", all(&["BEGIN", "BEGIN", "COMMIT"])),
        (
            "writes and their tags",
            all(&[
                "INSERT INTO billing.notes (tag) VALUES ('p1'), ('p2')",
                "UPDATE billing.notes SET amount = 1 WHERE tag = 'p1'",
                "INSERT INTO billing.notes (tag) VALUES ('p3') RETURNING tag, amount",
                "INSERT INTO billing.notes (tag) VALUES ('p3')",
                "INSERT INTO billing.notes (tag, amount) VALUES ('p4', -1)",
                "DELETE FROM billing.notes WHERE tag LIKE 'p%'",
            ]),
        ),
    ]
}

/// Several statements in one Query.
fn scripts() -> Vec<Case> {
    let insert = |tag: &str| format!("INSERT INTO billing.notes (tag) VALUES ('{tag}')");
    let (a, b) = (insert("a"), insert("b"));
    let count = "SELECT count(*) FROM billing.notes";
    let all = |texts: &[String]| texts.iter().map(|sql| (query(sql), 1)).collect::<Vec<Step>>();
    let case = |what, text: String| (what, all(&[text, count.to_owned()]));
    vec![
        case("several results", format!("{MANY};; {N} ;SHOW DateStyle; VALUES (1)")),
        case("nothing but semicolons", ";;;".to_owned()),
        case("several writes", format!("{a}; {b}; DELETE FROM billing.notes WHERE tag = 'a'")),
        case("an error undoes what was before it", format!("{a}; {b}; {BAD}; {MANY}")),
        case("a unique key undoes what was before it", format!("{a}; {a}; {b}")),
        case("an error at the first", format!("{BAD}; {a}")),
        case("COMMIT keeps what was before it", format!("{a}; COMMIT; {b}; {BAD}")),
        case("ROLLBACK undoes it", format!("{a}; ROLLBACK; {b}")),
        case("a block in the text", format!("BEGIN; {a}; COMMIT; {b}")),
        (
            "a block that is left open",
            all(&[format!("{a}; BEGIN; {b}"), count.to_owned(), "ROLLBACK".to_owned()]),
        ),
        case("a block that fails", format!("BEGIN; {a}; {BAD}; {b}")),
        case("a savepoint without a block", format!("{a}; SAVEPOINT s; {b}")),
        case("SET LOCAL", format!("SET LOCAL TimeZone = 'UTC'; SHOW TimeZone; {a}")),
        (
            "a block over several texts",
            all(&[
                format!("BEGIN; {a}; SAVEPOINT s"),
                format!("{BAD}; {b}"),
                format!("ROLLBACK TO s; {b}; COMMIT; {count}"),
            ]),
        ),
        (
            "a failed block that is committed",
            all(&[format!("BEGIN; {a}; {BAD}"), format!("COMMIT; {b}; {count}")]),
        ),
        ("a syntax error at the end", all(&[format!("{a}; SELEC 1"), count.to_owned()])),
        (
            "a setting goes with the transaction",
            all(&[
                format!("SET application_name = 'x'; {BAD}"),
                "SHOW application_name".to_owned(),
                "SET application_name = 'y'; SHOW application_name".to_owned(),
                "SHOW application_name".to_owned(),
            ]),
        ),
    ]
}

#[test]
fn the_gateway_answers_as_the_target_itself_would() {
    let database = Cluster::shared().billing();
    let gateway = Gateway::start(&Settings::new(vec![Target::billing(&database)]));
    let token = gateway.identity("agent");
    gateway.grant("agent", "billing", &SCOPE);
    let login = Login::new(SERVICE_ROLE, &database.name, SERVICE_PASSWORD);
    let mut differences = Vec::new();
    for (what, steps) in cases() {
        let mut straight = Wire::login(database.cluster.address, &login).unwrap();
        straight.simple("SET search_path = pg_catalog");
        let expected = run(&mut straight, &steps);
        // What the one wrote must not be there for the other.
        database.run("DELETE FROM billing.notes");
        let mut through = gateway.connect("agent", "billing", &token).unwrap();
        let seen = run(&mut through, &steps);
        database.run("DELETE FROM billing.notes");
        if seen != expected {
            differences.push(format!("{what}:\n  target  {expected:?}\n  gateway {seen:?}"));
        }
    }
    let count = cases().len();
    assert!(
        differences.is_empty(),
        "{} of {count} differ:\n{}",
        differences.len(),
        differences.join("\n")
    );
}

/// What PostgreSQL does and the gateway refuses, each cleanly: the session goes on where it can.
#[test]
fn what_the_gateway_refuses_of_the_protocol() {
    let database = Cluster::shared().billing();
    let gateway = Gateway::start(&Settings::new(vec![Target::billing(&database)]));
    let token = gateway.identity("agent");
    gateway.grant("agent", "billing", &SCOPE);
    let function_call = message(b'F', &[&2078_i32.to_be_bytes()[..], &[0; 6]].concat());
    let call_in_batch = [parse("s", MANY), function_call.clone()].concat();
    #[rustfmt::skip]
    let cases = [
        // what                             message                              answer
        ("statements in one Parse",         [parse("", "SELECT 1; SELECT 2"), sync()].concat(), ["E 42601", "Z(\"I\")"]),
        ("a function call in a batch",      call_in_batch,                       ["E 0A000", "Z(\"I\")"]),
        ("a function call",                 function_call,                       ["E 0A000", "Z(\"I\")"]),
        ("LISTEN",                          query("LISTEN everything"),          ["E 42501", "Z(\"I\")"]),
    ];
    for (what, bytes, expected) in cases {
        let mut wire = gateway.connect("agent", "billing", &token).unwrap();
        let mut seen = run(&mut wire, &[(bytes, 1)]);
        seen.retain(|line| !line.starts_with('1'));
        assert_eq!(seen, expected, "{what}");
        assert_eq!(wire.simple(MANY).rows().len(), 5, "after {what}");
    }
}

/// The answers, as far as both must agree: errors by SQLSTATE, all else byte for byte, but for the
/// origin of columns.
fn run(wire: &mut Wire, steps: &[Step]) -> Vec<String> {
    let mut seen = Vec::new();
    for (bytes, count) in steps {
        wire.send(bytes);
        for _ in 0..*count {
            let answer = wire.answer(TIMEOUT);
            let tell = |message: &e2e::Message| match message.kind {
                b'E' => format!("E {}", SqlError::parse(&message.body).sqlstate),
                b'T' => format!("T {:?}", names_and_types(&message.body)),
                _ => format!("{message:?}"),
            };
            seen.extend(answer.messages.iter().filter(|message| message.kind != b'N').map(tell));
            if answer.stop != wire::Stop::Found {
                seen.push(format!("{:?}", answer.stop));
                return seen;
            }
        }
    }
    seen
}

fn names_and_types(body: &[u8]) -> Vec<(String, u32, i16)> {
    let fields = e2e::wire_answer::fields(body).into_iter();
    fields.map(|field| (field.name, field.type_oid, field.format)).collect()
}
