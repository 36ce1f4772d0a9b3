//! With a grant for everything, clients see what PostgreSQL itself would show them.

use e2e::postgres::{SERVICE_PASSWORD, SERVICE_ROLE};
use e2e::wire::{self, Login, message};
use e2e::{Message, SqlError, Wire};

use crate::{SOON, World, own};

/// One step: bytes to send, and how many `ReadyForQuery` messages to wait for.
type Step = (Vec<u8>, usize);

fn query(sql: &str) -> Step {
    (message(b'Q', &wire::c_string(sql)), 1)
}

fn batch(statements: &[&str]) -> Step {
    let one = |sql: &&str| {
        let describe = message(b'D', b"P\0");
        [wire::parse("", sql), wire::bind("", "", &[], 0), describe, wire::execute("", 0)].concat()
    };
    let parts: Vec<Vec<u8>> = statements.iter().map(one).collect();
    ([parts.concat(), message(b'S', b"")].concat(), 1)
}

#[rustfmt::skip]
fn steps() -> Vec<Step> {
    let too_long = format!("NOTIFY orders, '{}'", "x".repeat(8000));
    let long = format!("NOTIFY orders, '{}'", "x".repeat(7999));
    vec![
        query("LISTEN orders"), query("listen \"Orders\""), query("NOTIFY orders"), query("NOTIFY \"Orders\", E'a\\nb'"),
        query("NOTIFY orders, 'same'; NOTIFY orders, 'same'; NOTIFY orders, 'other'"),
        query("BEGIN"), query("NOTIFY orders, 'x'"), query("SAVEPOINT s"), query("NOTIFY orders, 'y'"),
        query("ROLLBACK TO s"), query("COMMIT"),
        query("BEGIN; NOTIFY orders; SELECT 1/0; COMMIT"), query("ROLLBACK"),
        query("BEGIN"), query("UNLISTEN orders"), query("NOTIFY orders, 'still'"), query("ROLLBACK"),
        query("NOTIFY orders, 'after'"),
        batch(&["NOTIFY orders, 'in a batch'", "SELECT 1"]), batch(&["NOTIFY orders, 'fails'", "SELECT 1/0"]),
        batch(&["LISTEN orders", "SELECT pg_notify('orders', 'called')", "UNLISTEN \"Orders\""]),
        query("SELECT pg_notify('orders', n::text) FROM generate_series(1, 3) n"),
        query("NOTIFY orders, ''"), query(&long), query(&too_long), query("SELECT pg_notify('orders', NULL)"),
        query("PREPARE p AS SELECT pg_notify('orders', $1)"), query("EXECUTE p('prepared')"), query("DEALLOCATE p"),
        query("LISTEN"), query("NOTIFY"), query("NOTIFY orders, 5"), query("LISTEN a.b"), query("UNLISTEN"),
        query("UNLISTEN *"), query("NOTIFY orders, 'nobody'"), query("SELECT 1"),
    ]
}

fn run(wire: &mut Wire) -> Vec<String> {
    let process = own(wire);
    let mut seen = Vec::new();
    for (bytes, count) in steps() {
        wire.send(&bytes);
        for _ in 0..count {
            let answer = wire.answer(SOON);
            let tell = |message: &Message| match message.kind {
                // Where in PostgreSQL's source the parser is, the gateway does not know of its own.
                b'E' => {
                    let mut fields = SqlError::parse(&message.body).fields;
                    fields.retain(|(kind, _)| !"FLR".contains(*kind));
                    format!("E {fields:?}")
                }
                b'A' => {
                    let heard = crate::Heard::parse(message);
                    let who = if heard.process == process { "own" } else { "other" };
                    format!("A {who} {} {}", heard.channel, heard.payload)
                }
                _ => format!("{message:?}"),
            };
            seen.extend(answer.messages.iter().map(tell));
            assert_eq!(answer.stop, wire::Stop::Found);
        }
    }
    seen
}

#[test]
fn under_a_grant_over_everything_nothing_differs_from_postgresql() {
    let scope = ["listen,notify:channel.orders", "listen,notify:channel.Orders"];
    let world = World::with(&scope, &["--for", "15m"]);
    let address = world.database.cluster.address;
    let direct = Login::new(SERVICE_ROLE, &world.database.name, SERVICE_PASSWORD);
    let direct = run(&mut Wire::login(address, &direct).unwrap());
    let guarded = run(&mut world.connect());
    let heard = direct.iter().filter(|line| line.starts_with("A own")).count();
    assert!(heard >= 15, "the steps notify: {heard}");
    for (n, (direct, guarded)) in direct.iter().zip(&guarded).enumerate() {
        assert_eq!(direct, guarded, "message {n}");
    }
    assert_eq!(direct.len(), guarded.len());
}
