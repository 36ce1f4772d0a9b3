//! What the gateway allows, it answers as the target itself would.

use e2e::postgres::{SERVICE_PASSWORD, SERVICE_ROLE};
use e2e::wire::{bind, execute, parse};
use e2e::{Login, Wire};

use crate::{Step, World, batch, close, describe, query, run, together};

/// What it is, and its steps.
pub(crate) type Case = (&'static str, Vec<Step>);

pub(crate) const FIVE: &str =
    "DECLARE c CURSOR FOR SELECT n, label FROM billing.numbers WHERE n <= 5 ORDER BY n";
const OTHER: &str = "DECLARE c CURSOR FOR SELECT label FROM billing.numbers WHERE n = 7";
const BINARY: &str =
    "DECLARE c BINARY INSENSITIVE CURSOR FOR SELECT n, label FROM billing.numbers WHERE n < 3";
const ONE: &str = "SELECT n, label FROM billing.numbers WHERE n = $1";

#[test]
fn cursors_and_prepared_statements_answer_as_on_the_target() {
    let world = World::new();
    let login = Login::new(SERVICE_ROLE, &world.database.name, SERVICE_PASSWORD);
    let mut differences = Vec::new();
    let cases = [cursors(), savepoints(), prepared(), both(), freed(), together::cases()].concat();
    for (what, steps) in &cases {
        let mut straight = Wire::login(world.database.cluster.address, &login).unwrap();
        straight.simple("SET search_path = pg_catalog");
        let expected = run(&mut straight, steps);
        world.database.run("DELETE FROM billing.notes");
        let seen = run(&mut world.connect(), steps);
        world.database.run("DELETE FROM billing.notes");
        if seen != expected {
            differences.push(format!("{what}:\n  target  {expected:?}\n  gateway {seen:?}"));
        }
    }
    let count = cases.len();
    assert!(
        differences.is_empty(),
        "{} of {count} differ:\n{}",
        differences.len(),
        differences.join("\n")
    );
}

/// Queries, with `|` between them; some by the names of the statements above.
pub(crate) fn all(texts: &str) -> Vec<Step> {
    let spelled = |text: &str| match text.trim() {
        "FIVE" => query(FIVE),
        "OTHER" => query(OTHER),
        "BINARY" => query(BINARY),
        text => query(text),
    };
    texts.split('|').map(spelled).collect()
}

fn cursors() -> Vec<Case> {
    #[rustfmt::skip]
    let forms = all(
            "BEGIN | \
             DECLARE c SCROLL CURSOR WITHOUT HOLD FOR SELECT n FROM billing.numbers WHERE n <= 9 ORDER BY n | \
             FETCH c | FETCH NEXT FROM c | FETCH 2 IN c | FETCH FORWARD 1 FROM c | FETCH PRIOR c | \
             FETCH FIRST FROM c | FETCH LAST FROM c | FETCH ABSOLUTE 4 FROM c | \
             FETCH ABSOLUTE -1 FROM c | FETCH RELATIVE -2 FROM c | FETCH RELATIVE 0 FROM c | \
             FETCH BACKWARD 2 FROM c | FETCH BACKWARD FROM c | FETCH FORWARD FROM c | \
             FETCH 0 FROM c | FETCH -1 FROM c | MOVE FIRST c | MOVE FORWARD 3 FROM c | FETCH c | \
             MOVE ALL FROM c | FETCH c | FETCH BACKWARD ALL FROM c | FETCH FORWARD ALL FROM c | \
             FETCH ALL FROM c | CLOSE c | FETCH c | ROLLBACK",
        );
    vec![
        ("every form of FETCH and MOVE", forms),
        ("a binary cursor", all("BEGIN | BINARY | FETCH ALL c | COMMIT")),
        ("no transaction", all("FIVE | FETCH c | CLOSE c")),
        ("a name that is taken", all("BEGIN | FIVE | FIVE | ROLLBACK | FETCH c")),
        (
            "NO SCROLL",
            all("BEGIN | \
             DECLARE c NO SCROLL CURSOR FOR SELECT n FROM billing.numbers WHERE n < 5 ORDER BY n | \
             FETCH 2 c | FETCH BACKWARD c | ROLLBACK"),
        ),
        (
            "a quoted name, and VALUES",
            all("BEGIN | DECLARE \"My \"\"c\" CURSOR FOR VALUES (1, 'a'), (2, 'b') | \
             FETCH 1 FROM \"My \"\"c\" | FETCH My | ROLLBACK"),
        ),
        (
            "WITH HOLD outlives the transaction",
            all("BEGIN | \
             DECLARE c CURSOR WITH HOLD FOR SELECT n FROM billing.numbers WHERE n < 5 ORDER BY n | \
             FETCH c | COMMIT | FETCH 2 c | BEGIN | FETCH c | ROLLBACK | FETCH c | CLOSE c | FETCH c"),
        ),
        (
            "WITH HOLD in a transaction that is undone",
            all(
                "BEGIN | DECLARE c CURSOR WITH HOLD FOR SELECT n FROM billing.numbers WHERE n < 5 | \
             ROLLBACK | FETCH c",
            ),
        ),
        (
            "WITH HOLD without a transaction",
            all(
                "DECLARE c CURSOR WITH HOLD FOR SELECT n FROM billing.numbers WHERE n < 5 ORDER BY n | \
             FETCH c | CLOSE ALL | FETCH c",
            ),
        ),
        ("the end of a transaction", all("BEGIN | FIVE | COMMIT | FETCH c")),
        (
            "an error while it is open",
            all("BEGIN | FIVE | SELECT 1 / (n - n) FROM billing.numbers WHERE n = 1 | FETCH c | \
             ROLLBACK | FETCH c"),
        ),
        (
            "CURRENT OF a cursor that locks",
            all("BEGIN | INSERT INTO billing.notes(tag) VALUES ('a'), ('b') | \
             DECLARE c CURSOR FOR SELECT tag FROM billing.notes ORDER BY tag FOR UPDATE | FETCH c | \
             UPDATE billing.notes SET body = 'x' WHERE CURRENT OF c RETURNING tag | ROLLBACK"),
        ),
        (
            "CURRENT OF",
            all("BEGIN | INSERT INTO billing.notes(tag) VALUES ('a'), ('b'), ('c') | \
             DECLARE c CURSOR FOR SELECT tag FROM billing.notes | FETCH 2 c | \
             UPDATE billing.notes SET body = 'x' WHERE CURRENT OF c RETURNING tag | FETCH c | \
             DELETE FROM billing.notes WHERE CURRENT OF c | \
             SELECT tag, body FROM billing.notes ORDER BY tag | ROLLBACK"),
        ),
    ]
}

fn savepoints() -> Vec<Case> {
    vec![
        (
            "ROLLBACK TO drops what was declared since",
            all("BEGIN | SAVEPOINT s | FIVE | ROLLBACK TO s | FETCH c | ROLLBACK TO s | OTHER | \
             FETCH c | COMMIT"),
        ),
        (
            "ROLLBACK TO keeps what was declared before",
            all(
                "BEGIN | FIVE | FETCH c | SAVEPOINT s | FETCH 2 c | ROLLBACK TO s | FETCH c | COMMIT",
            ),
        ),
        (
            "a closed cursor does not come back",
            all(
                "BEGIN | FIVE | SAVEPOINT s | CLOSE c | OTHER | FETCH c | ROLLBACK TO s | FETCH c | \
             ROLLBACK",
            ),
        ),
        (
            "RELEASE hands it to the outer one",
            all(
                "BEGIN | SAVEPOINT s | SAVEPOINT t | FIVE | RELEASE t | FETCH c | ROLLBACK TO s | \
             FETCH c | ROLLBACK",
            ),
        ),
        (
            "an error, then ROLLBACK TO",
            all("BEGIN | FIVE | SAVEPOINT s | DECLARE d CURSOR FOR SELECT 1 | \
             SELECT 1 / (n - n) FROM billing.numbers WHERE n = 1 | ROLLBACK TO s | FETCH c | \
             FETCH d | ROLLBACK"),
        ),
    ]
}

fn prepared() -> Vec<Case> {
    vec![
        (
            "PREPARE, EXECUTE, DEALLOCATE",
            all(
                "PREPARE p (int) AS SELECT n, label FROM billing.numbers WHERE n = $1 | EXECUTE p(3) | \
             EXECUTE p('4') | EXECUTE p(2 + 3) | EXECUTE p(NULL) | EXECUTE p(6::int) | EXECUTE p | \
             EXECUTE p(1, 2) | EXECUTE p('x') | EXECUTE q(1) | DEALLOCATE p | EXECUTE p(3) | \
             DEALLOCATE p | DEALLOCATE PREPARE p | DEALLOCATE ALL",
            ),
        ),
        (
            "it outlives a transaction that is undone",
            all(
                "BEGIN | PREPARE p AS SELECT n FROM billing.numbers WHERE n = 1 | ROLLBACK | EXECUTE p",
            ),
        ),
        (
            "a name that is taken",
            all("PREPARE p AS SELECT 1 AS a | PREPARE p AS SELECT 2 AS b | EXECUTE p"),
        ),
        (
            "writes",
            all(
                "PREPARE w (text, text) AS INSERT INTO billing.notes(tag, body) VALUES ($1, $2) RETURNING tag | \
             EXECUTE w('a', 'x') | EXECUTE w('a', 'y') | EXECUTE w('b', NULL) | \
             PREPARE u AS UPDATE billing.notes SET body = 'z' WHERE tag = $1 | EXECUTE u('a') | \
             PREPARE d AS DELETE FROM billing.notes | EXECUTE d",
            ),
        ),
        (
            "inferred types",
            all(
                "PREPARE p AS SELECT n FROM billing.numbers WHERE n < $1 AND label LIKE $2 ORDER BY n | \
             EXECUTE p(20, '%5')",
            ),
        ),
        (
            "the unnamed statement is not DEALLOCATE's",
            vec![batch(&[parse("", "SELECT 1 AS a"), unnamed_stays()])],
        ),
    ]
}

fn unnamed_stays() -> Vec<u8> {
    let deallocate = [parse("d", "DEALLOCATE ALL"), bind("", "d", &[], 0), execute("", 0)].concat();
    [deallocate, bind("", "", &[], 0), execute("", 0)].concat()
}

/// One name space for SQL and the protocol.
fn both() -> Vec<Case> {
    let value = |value: &'static [u8]| bind("", "p", &[Some(value)], 0);
    vec![
        (
            "prepared by SQL, bound by the protocol",
            vec![
                query("PREPARE p (int) AS SELECT n, label FROM billing.numbers WHERE n = $1"),
                batch(&[describe(b'S', "p"), value(b"3"), describe(b'P', ""), execute("", 0)]),
                batch(&[close(b'S', "p"), value(b"3")]),
                query("EXECUTE p(1)"),
            ],
        ),
        (
            "parsed by the protocol, executed by SQL",
            vec![
                batch(&[parse("p", ONE)]),
                query("EXECUTE p(3)"),
                query("PREPARE p AS SELECT 1"),
                query("DEALLOCATE p"),
                batch(&[value(b"3"), execute("", 0)]),
            ],
        ),
        (
            "declared by SQL, executed by the protocol",
            vec![
                query("BEGIN"),
                query(FIVE),
                batch(&[describe(b'P', "c"), execute("c", 2)]),
                query("FETCH c"),
                batch(&[execute("c", 0)]),
                batch(&[bind("c", "none", &[], 0)]),
                query("ROLLBACK"),
            ],
        ),
        (
            "bound by the protocol, fetched by SQL",
            vec![
                query("BEGIN"),
                batch(&[
                    parse("p", "SELECT n FROM billing.numbers WHERE n <= 6 ORDER BY n"),
                    bind("c", "p", &[], 0),
                ]),
                query("FETCH 2 FROM c"),
                batch(&[execute("c", 1)]),
                query("MOVE c"),
                query("FETCH ALL c"),
                query("CLOSE c"),
                batch(&[execute("c", 0)]),
                query("ROLLBACK"),
            ],
        ),
        (
            "CLOSE ALL closes the protocol's too",
            vec![
                query("BEGIN"),
                batch(&[parse("p", "SELECT 1 AS a"), bind("c", "p", &[], 0)]),
                query("CLOSE ALL"),
                batch(&[execute("c", 0)]),
                query("ROLLBACK"),
            ],
        ),
    ]
}

/// More of it: what closes a name, and what it stands for then.
fn freed() -> Vec<Case> {
    let value = |value: &'static [u8]| bind("", "p", &[Some(value)], 0);
    vec![
        (
            "closed by the protocol",
            vec![
                query("BEGIN"),
                query(FIVE),
                batch(&[close(b'P', "c")]),
                query("FETCH c"),
                query("ROLLBACK"),
            ],
        ),
        (
            "a cursor with a parameter",
            vec![
                query("BEGIN"),
                batch(&[
                    parse(
                        "",
                        "DECLARE c CURSOR FOR SELECT n FROM billing.numbers WHERE n > $1 ORDER BY n LIMIT 3",
                    ),
                    bind("", "", &[Some(b"10")], 0),
                    execute("", 0),
                ]),
                query("FETCH ALL c"),
                query("ROLLBACK"),
            ],
        ),
        (
            "a FETCH that is prepared once, over two cursors",
            vec![
                query("BEGIN"),
                query(FIVE),
                batch(&[
                    parse("f", "FETCH 2 FROM c"),
                    describe(b'S', "f"),
                    bind("", "f", &[], 0),
                    execute("", 0),
                ]),
                query("CLOSE c"),
                query(OTHER),
                batch(&[bind("", "f", &[], 0), describe(b'P', ""), execute("", 0)]),
                query("ROLLBACK"),
            ],
        ),
        (
            "DISCARD ALL",
            vec![
                batch(&[parse("p", ONE)]),
                query("PREPARE q AS SELECT 1"),
                query("DECLARE c CURSOR WITH HOLD FOR SELECT 1"),
                query("DISCARD ALL"),
                query("EXECUTE q"),
                query("FETCH c"),
                batch(&[value(b"1")]),
            ],
        ),
        (
            "every form of DISCARD",
            all(
                "BEGIN | DISCARD ALL | ROLLBACK | DISCARD PLANS | DISCARD SEQUENCES | DISCARD TEMP | RESET ALL",
            ),
        ),
    ]
}
