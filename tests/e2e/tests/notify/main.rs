//! LISTEN and NOTIFY by grant: what comes is judged, counted and recorded one by one, whenever it
//! comes.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod drivers;
mod equal;
mod judged;
mod recorded;

use std::time::Duration;

use e2e::{Answer, Cluster, Database, Gateway, Message, Settings, Target, Wire};

/// How soon a notification must have come.
const SOON: Duration = Duration::from_secs(10);
/// How long one that must not come is waited for.
const LONG_ENOUGH: Duration = Duration::from_millis(300);

const SCOPE: [&str; 3] =
    ["listen,notify:channel.orders", "select:billing.numbers", "execute:pg_catalog.pg_sleep"];

struct World {
    database: Database,
    gateway: Gateway,
    token: String,
    grant: String,
}

/// What a client reads of a notification.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Heard {
    process: u32,
    channel: String,
    payload: String,
}

impl World {
    fn new() -> Self {
        Self::with(&SCOPE, &["--for", "15m"])
    }

    fn with(scope: &[&str], more: &[&str]) -> Self {
        let database = Cluster::shared().billing();
        let target = Target::billing(&database);
        Self::on(database, target, scope, more)
    }

    fn on(database: Database, target: Target, scope: &[&str], more: &[&str]) -> Self {
        let gateway = Gateway::start(&Settings::new(vec![target]));
        let token = gateway.identity("agent");
        let grant = gateway.grant_with("agent", "billing", scope, more);
        Self { database, gateway, token, grant }
    }

    fn connect(&self) -> Wire {
        self.gateway.connect("agent", "billing", &self.token).unwrap()
    }

    /// Notifies from beside the gateway.
    fn notify(&self, channel: &str, payload: &str) {
        self.database.value(&format!("SELECT pg_notify('{channel}', '{payload}')"));
    }

    /// Records of one kind about notifications, as (channel, reason or payload).
    fn recorded(&self, kind: &str) -> Vec<(String, String)> {
        let records = e2e::ledger::of_kind(&self.gateway, kind).into_iter();
        let told = records.map(|record| {
            let channel = record.leaf["channel"].as_str().unwrap().to_owned();
            let reason = record.leaf["reason"].as_str().map(str::to_owned);
            (channel, reason.unwrap_or_else(|| record.values["payload"].clone()))
        });
        told.collect()
    }
}

impl Heard {
    fn new(process: u32, channel: &str, payload: &str) -> Self {
        Self { process, channel: channel.to_owned(), payload: payload.to_owned() }
    }

    fn parse(message: &Message) -> Self {
        let (process, texts) = message.body.split_first_chunk::<4>().unwrap();
        let texts = String::from_utf8(texts.to_vec()).unwrap();
        let (channel, payload) = texts.strip_suffix('\0').unwrap().split_once('\0').unwrap();
        Self::new(u32::from_be_bytes(*process), channel, payload)
    }
}

/// The next notification.
fn hear(wire: &mut Wire) -> Option<Heard> {
    hear_within(wire, SOON)
}

fn hear_within(wire: &mut Wire, patience: Duration) -> Option<Heard> {
    let (messages, _stop) = wire.read_until(b"A", patience);
    let message = messages.last().filter(|message| message.kind == b'A')?;
    assert_eq!(messages.len(), 1, "nothing was asked: {messages:?}");
    Some(Heard::parse(message))
}

fn heard_in(answer: &Answer) -> Vec<Heard> {
    let messages = answer.messages.iter().filter(|message| message.kind == b'A');
    messages.map(Heard::parse).collect()
}

fn own(wire: &Wire) -> u32 {
    wire.cancel_key.as_ref().unwrap().0
}

#[test]
fn a_granted_channel_is_heard_while_idle_and_within_batches() {
    let world = World::new();
    let mut wire = world.connect();

    assert_eq!(wire.simple("LISTEN Orders").tags(), ["LISTEN"]);
    world.notify("orders", "while idle");
    assert_eq!(hear(&mut wire), Some(Heard::new(0, "orders", "while idle")));

    // Its own comes behind the command's end and before `ReadyForQuery`, as from PostgreSQL.
    let answer = wire.simple("NOTIFY orders, 'it''s \\ mine'");
    assert_eq!(answer.kinds(), "CAZ");
    assert_eq!(heard_in(&answer), [Heard::new(own(&wire), "orders", "it's \\ mine")]);
    let answer = wire.extended("SELECT pg_notify('orders', $1)", &[Some(b"bound")], 0);
    assert_eq!(heard_in(&answer), [Heard::new(own(&wire), "orders", "bound")]);

    // In a transaction they wait for its end: the client's own, and those of others.
    assert_eq!(wire.simple("BEGIN; NOTIFY orders, 'inside'").kinds(), "CCZ");
    world.notify("orders", "meanwhile");
    assert_eq!(wire.simple("SELECT n FROM billing.numbers LIMIT 1").kinds(), "TDCZ");
    let answer = wire.simple("COMMIT");
    let payloads: Vec<String> = heard_in(&answer).into_iter().map(|heard| heard.payload).collect();
    assert_eq!(payloads, ["meanwhile", "inside"]);
    wire.simple("BEGIN; NOTIFY orders, 'undone'; ROLLBACK");

    // While a statement runs.
    wire.send_message(b'Q', &e2e::wire::c_string("SELECT pg_sleep(0.3)"));
    world.notify("orders", "while it runs");
    let answer = wire.answer(SOON);
    let heard = heard_in(&answer).pop().or_else(|| hear(&mut wire));
    assert_eq!(heard, Some(Heard::new(0, "orders", "while it runs")));

    for end in ["UNLISTEN orders", "LISTEN orders; UNLISTEN *", "LISTEN orders", "DISCARD ALL"] {
        assert_eq!(wire.simple(end).sqlstate(), None, "{end}");
    }
    world.notify("orders", "not heard");
    assert_eq!(hear_within(&mut wire, LONG_ENOUGH), None);
    assert!(world.recorded("notification_dropped").is_empty(), "DISCARD reached the target");
}

#[test]
fn a_session_that_ended_leaves_nobody_who_listens() {
    let world = World::new();
    let mut wire = world.connect();
    wire.simple("LISTEN orders");
    wire.send_message(b'X', b"");
    assert!(wire.answer(SOON).is_closed());
    // Perhaps over the connection to the target that the other one had.
    let mut next = world.connect();
    world.notify("orders", "for nobody");
    assert_eq!(hear_within(&mut next, LONG_ENOUGH), None);
    assert!(world.recorded("notification_dropped").is_empty());
    assert!(world.recorded("notification_delivered").is_empty());
}

#[test]
fn a_burst_passes_whole_and_in_order() {
    let world = World::new();
    let mut wire = world.connect();
    wire.simple("LISTEN orders");
    let burst = "SELECT pg_notify('orders', n || repeat('x', 7900)) FROM generate_series(1, 500) n";
    world.database.run(burst);
    for n in 1..=500 {
        let heard = hear(&mut wire).unwrap();
        assert!(heard.payload.starts_with(&format!("{n}x")), "{n}: {:.9}", heard.payload);
        assert_eq!(heard.payload.trim_start_matches(char::is_numeric).len(), 7900);
    }
    assert_eq!(world.recorded("notification_delivered").len(), 500);
}
