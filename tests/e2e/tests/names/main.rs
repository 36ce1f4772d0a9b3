//! Names that a session keeps: cursors and prepared statements, by SQL and by the protocol, which
//! share one name space; and what DISCARD and RESET do to a session.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and one measures time"
)]

mod ends;
mod equal;
mod judged;
mod settings;
mod together;

use std::time::Duration;

use e2e::wire::{self, message};
use e2e::{Cluster, Database, Gateway, Settings, SqlError, Target, Wire};

const TIMEOUT: Duration = Duration::from_secs(10);
const SCOPE: [&str; 3] = [
    "select,update:billing.customers(id,name,plan,ssn)",
    "select,insert,update,delete:billing.notes",
    "select:billing.numbers",
];

struct World {
    database: Database,
    gateway: Gateway,
    token: String,
    grant: String,
}

impl World {
    fn new() -> Self {
        Self::with(&SCOPE)
    }

    fn with(scope: &[&str]) -> Self {
        let database = Cluster::shared().billing();
        let gateway = Gateway::start(&Settings::new(vec![Target::billing(&database)]));
        let token = gateway.identity("agent");
        let grant = gateway.grant("agent", "billing", scope);
        Self { database, gateway, token, grant }
    }

    fn connect(&self) -> Wire {
        self.gateway.connect("agent", "billing", &self.token).unwrap()
    }
}

/// One step: bytes to send, and how many `ReadyForQuery` messages to wait for.
type Step = (Vec<u8>, usize);

fn query(sql: &str) -> Step {
    (message(b'Q', &wire::c_string(sql)), 1)
}

/// Parts of a batch, with the Sync that ends it.
fn batch(parts: &[Vec<u8>]) -> Step {
    ([parts.concat(), message(b'S', b"")].concat(), 1)
}

fn describe(kind: u8, name: &str) -> Vec<u8> {
    message(b'D', &[&[kind], &wire::c_string(name)[..]].concat())
}

fn close(kind: u8, name: &str) -> Vec<u8> {
    message(b'C', &[&[kind], &wire::c_string(name)[..]].concat())
}

/// A statement by the extended protocol, without a name.
fn unnamed(sql: &str) -> Vec<u8> {
    [wire::parse("", sql), wire::bind("", "", &[], 0), describe(b'P', ""), wire::execute("", 0)]
        .concat()
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
