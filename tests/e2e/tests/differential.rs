//! Transparency: with a grant over everything and no mask, a client cannot tell the gateway from
//! the target. Each statement of `corpus/differential` runs on two equal databases, straight and
//! through the gateway, in the simple and the extended protocol, with text and binary results, and
//! every message of the answers is compared byte for byte.
//!
//! What must differ is listed in [`comparable`], what does differ in `deviations.txt`, each with
//! its reason.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails by panicking"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use e2e::postgres::{SERVICE_PASSWORD, SERVICE_ROLE};
use e2e::wire::{self, ANSWER_TIMEOUT, message};
use e2e::{Cluster, Database, Gateway, Login, Message, Settings, SqlError, Target, Wire};
use serde::Deserialize;

const SCHEMA: &str = include_str!("../corpus/differential/schema.sql");
const TYPES: &str = include_str!("../corpus/differential/types.txt");
const PARAMETERS: &str = include_str!("../corpus/differential/parameters.jsonl");
const DEVIATIONS: &str = include_str!("../corpus/differential/deviations.txt");
const FAMILIES: [(&str, &str); 7] = [
    ("expressions", include_str!("../corpus/differential/expressions.sql")),
    ("functions", include_str!("../corpus/differential/functions.sql")),
    ("queries", include_str!("../corpus/differential/queries.sql")),
    ("errors_reading", include_str!("../corpus/differential/errors_reading.sql")),
    ("writes", include_str!("../corpus/differential/writes.sql")),
    ("notices", include_str!("../corpus/differential/notices.sql")),
    ("transactions", include_str!("../corpus/differential/transactions.sql")),
];

/// How a statement is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Mode {
    Simple,
    Text,
    Binary,
}

/// One statement.
#[derive(Clone, Debug)]
struct Case {
    /// `family:line`.
    id: String,
    sql: String,
    bound: Option<Bound>,
}

/// A line of `parameters.jsonl`.
#[derive(Clone, Debug, Deserialize)]
struct Bound {
    sql: String,
    types: Vec<u32>,
    values: Vec<Option<Value>>,
    #[serde(default)]
    binary: bool,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Value {
    Text(String),
    Bytes { hex: String },
}

/// What differs, by case.
type Differences = BTreeMap<String, String>;

/// A pair of equal databases, one with a gateway before it.
struct Pair {
    straight: Database,
    gateway: Gateway,
    token: String,
}

#[test]
fn a_client_cannot_tell_the_gateway_from_the_target() {
    Cluster::shared().load("tmpl_differential", SCHEMA);
    let cases = cases();
    let distinct: BTreeSet<(&str, String)> =
        cases.iter().map(|case| (case.sql.as_str(), format!("{:?}", case.bound))).collect();
    let modes = [Mode::Simple, Mode::Text, Mode::Binary];
    let differences: Vec<(Mode, Differences)> = std::thread::scope(|scope| {
        let cases = &cases;
        let runs = modes.map(|mode| scope.spawn(move || (mode, pair(mode).compare(cases, mode))));
        runs.map(|run| run.join().unwrap()).into_iter().collect()
    });
    let mut unequal: BTreeMap<&str, String> = BTreeMap::new();
    for (mode, differences) in &differences {
        for (id, difference) in differences {
            write!(unequal.entry(id).or_default(), "\n  {mode:?}: {difference}").unwrap();
        }
    }
    let reviewed = reviewed();
    let total = distinct.len();
    e2e::say!(
        "differential: {total} statements, {} equal, {} reviewed deviations; not equal: {:?}",
        total - unequal.len(),
        unequal.keys().filter(|id| reviewed.contains_key(**id)).count(),
        unequal.keys().collect::<Vec<_>>()
    );
    assert!(total >= 1_000);
    let unknown: Vec<String> = unequal
        .iter()
        .filter(|(id, _)| !reviewed.contains_key(**id))
        .map(|(id, what)| format!("{id} {}{what}", sql_of(&cases, id)))
        .collect();
    assert!(unknown.is_empty(), "{} differ:\n{}", unknown.len(), unknown.join("\n"));
    let stale: Vec<_> = reviewed.keys().filter(|id| !unequal.contains_key(id.as_str())).collect();
    if !stale.is_empty() {
        e2e::say!("differential: no deviations any more, take them off the list: {stale:?}");
    }
}

/// What a server says at log-in: settings and their order. The key for cancel requests is the
/// gateway's own, and so is who the client is.
#[test]
fn a_login_reads_the_same() {
    Cluster::shared().load("tmpl_differential_login", "CREATE TABLE t (a int)");
    let pair = Pair::of("tmpl_differential_login", "login");
    let parameters = vec![("application_name".to_owned(), "me".to_owned())];
    let told = |address, login: Login| {
        let login = Login { parameters: parameters.clone(), ..login };
        let mut wire = Wire::connect(address).unwrap();
        wire.send(&login.packet());
        wire.authenticate(&login.password).unwrap();
        let mut bytes = std::mem::take(&mut wire.received);
        let messages: Vec<Message> = std::iter::from_fn(|| Message::take(&mut bytes)).collect();
        let shown = |message: &Message| match message.kind {
            b'R' | b'K' => format!("{}", char::from(message.kind)),
            b'S' if message.body.starts_with(b"session_authorization\0") => "S".to_owned(),
            _ => format!("{message:?}"),
        };
        messages.iter().map(shown).collect::<Vec<_>>()
    };
    let straight = Login::new(SERVICE_ROLE, &pair.straight.name, SERVICE_PASSWORD);
    let through = Login::new("agent", "billing", &pair.token);
    let expected = told(pair.straight.cluster.address, straight);
    assert_eq!(told(pair.gateway.address, through), expected);
}

fn pair(mode: Mode) -> Pair {
    Pair::of("tmpl_differential", &format!("{mode:?}").to_lowercase())
}

impl Pair {
    fn of(template: &str, name: &str) -> Self {
        let cluster = Cluster::shared();
        let straight = cluster.copy_of(template, &format!("differential_{name}_a"));
        let guarded = cluster.copy_of(template, &format!("differential_{name}_b"));
        let target = Target { masks: Vec::new(), ..Target::billing(&guarded) };
        let gateway = Gateway::start(&Settings::new(vec![target]));
        let token = gateway.identity("agent");
        let relations = guarded.run(
            "SELECT relname, relkind IN ('r', 'p') FROM pg_class WHERE relnamespace = 'public'::regnamespace \
             AND relkind IN ('r', 'p', 'v')",
        );
        let scope: Vec<String> = relations
            .texts()
            .iter()
            .map(|row| {
                let is_table = row[1].as_deref() == Some("t");
                let actions = if is_table { "select,insert,update,delete" } else { "select" };
                format!("{actions}:public.{}", row[0].as_deref().unwrap())
            })
            .collect();
        gateway.grant("agent", "billing", &scope.iter().map(String::as_str).collect::<Vec<_>>());
        Self { straight, gateway, token }
    }

    fn connect(&self) -> (Wire, Wire) {
        let login = Login::new(SERVICE_ROLE, &self.straight.name, SERVICE_PASSWORD);
        let straight = Wire::login(self.straight.cluster.address, &login).unwrap();
        (straight, self.gateway.connect("agent", "billing", &self.token).unwrap())
    }

    /// Runs all cases in both ways; returns what differs, by case.
    fn compare(&self, cases: &[Case], mode: Mode) -> Differences {
        let (mut straight, mut through) = self.connect();
        let mut family = "";
        let mut differences = BTreeMap::new();
        for case in cases {
            if case.bound.is_some() && mode == Mode::Simple {
                continue;
            }
            let this = case.id.split(':').next().unwrap();
            if this != family || straight.status != through.status {
                // A family begins on new sessions, and so does what stands behind a difference.
                (straight, through) = self.connect();
                family = this;
            }
            let bytes = case.bytes(mode);
            let answers = [&mut straight, &mut through].map(|wire| {
                wire.send(&bytes);
                wire.answer(ANSWER_TIMEOUT)
            });
            let [expected, seen] = answers.map(|answer| {
                let mut messages = answer.messages;
                if answer.stop != wire::Stop::Found {
                    messages
                        .push(Message { kind: b'!', body: format!("{:?}", answer.stop).into() });
                }
                messages
            });
            let (expected, seen) = comparable(expected, seen);
            if expected != seen {
                let told =
                    format!("\n    target  {}\n    gateway {}", tell(&expected), tell(&seen));
                differences.insert(case.id.clone(), told);
                if seen.last().is_none_or(|last| last.kind != b'Z') {
                    (straight, through) = self.connect();
                }
            }
        }
        differences
    }
}

/// Takes out what must differ:
///
/// - `F`, `L`, `R` of an error that the gateway words itself as the target would: they are places in
///   the source of the target's own version.
fn comparable(mut expected: Vec<Message>, seen: Vec<Message>) -> (Vec<Message>, Vec<Message>) {
    for (target, gateway) in expected.iter_mut().zip(&seen) {
        if target.kind == b'E' && gateway.kind == b'E' && field(gateway, 'F').is_none() {
            let kept = SqlError::parse(&target.body).fields.into_iter();
            let kept = kept.filter(|(code, _)| !matches!(code, 'F' | 'L' | 'R'));
            let fields: Vec<u8> =
                kept.flat_map(|(code, text)| format!("{code}{text}\0").into_bytes()).collect();
            target.body = [&fields[..], &[0]].concat();
        }
    }
    (expected, seen)
}

fn field(message: &Message, code: char) -> Option<String> {
    let fields = SqlError::parse(&message.body).fields.into_iter();
    fields.into_iter().find(|(known, _)| *known == code).map(|(_, text)| text)
}

fn tell(messages: &[Message]) -> String {
    let one = |message: &Message| match message.kind {
        b'E' | b'N' => {
            let fields = SqlError::parse(&message.body).fields;
            let fields: Vec<String> =
                fields.iter().map(|(code, text)| format!("{code}={text}")).collect();
            format!("{}({})", char::from(message.kind), fields.join("|"))
        }
        _ => format!("{message:?}"),
    };
    messages.iter().map(one).collect::<Vec<_>>().join(" ")
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut data_type = "";
    for (number, line) in TYPES.lines().enumerate() {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            data_type = name;
        } else if let Some(value) = line.strip_prefix('=') {
            let sql = format!("SELECT '{}'::{data_type} AS v", unescape(value).replace('\'', "''"));
            cases.push(Case { id: format!("types:{}", number + 1), sql, bound: None });
        }
    }
    for (family, text) in FAMILIES {
        for (number, line) in text.lines().enumerate() {
            if !line.is_empty() && !line.starts_with("--") {
                let sql = line.replace('⏎', "\n");
                cases.push(Case { id: format!("{family}:{}", number + 1), sql, bound: None });
            }
        }
    }
    for (number, line) in PARAMETERS.lines().enumerate() {
        let bound: Bound = serde_json::from_str(line).unwrap();
        let (id, sql) = (format!("parameters:{}", number + 1), bound.sql.clone());
        cases.push(Case { id, sql, bound: Some(bound) });
    }
    cases
}

fn bytes_of(hex: &str) -> Vec<u8> {
    let digits: Vec<u32> = hex.chars().map(|digit| digit.to_digit(16).unwrap()).collect();
    digits.chunks(2).map(|pair| u8::try_from(pair[0] * 16 + pair[1]).unwrap()).collect()
}

fn unescape(text: &str) -> String {
    let mut out = String::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => out.push(match characters.next().unwrap() {
                't' => '\t',
                'n' => '\n',
                other => other,
            }),
            other => out.push(other),
        }
    }
    out
}

fn sql_of<'a>(cases: &'a [Case], id: &str) -> &'a str {
    cases.iter().find(|case| case.id == id).map_or("", |case| case.sql.as_str())
}

/// The statements whose answers differ, each with its reason.
fn reviewed() -> BTreeMap<String, &'static str> {
    let lines = DEVIATIONS.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut reviewed = BTreeMap::new();
    for line in lines {
        let (ids, reason) = line.split_once(" | ").unwrap();
        reviewed.extend(ids.split(' ').map(|id| (id.to_owned(), reason)));
    }
    reviewed
}

impl Case {
    fn bytes(&self, mode: Mode) -> Vec<u8> {
        if mode == Mode::Simple {
            return message(b'Q', &wire::c_string(&self.sql));
        }
        let format = i16::from(mode == Mode::Binary);
        let (parse, bind) = match &self.bound {
            None => (wire::parse("", &self.sql), wire::bind("", "", &[], format)),
            Some(bound) => (bound.parse(), bound.bind(format)),
        };
        let describe = [message(b'D', b"S\0"), bind, message(b'D', b"P\0")].concat();
        [parse, describe, wire::execute("", 0), message(b'S', b"")].concat()
    }
}

impl Bound {
    fn parse(&self) -> Vec<u8> {
        let count = i16::try_from(self.types.len()).unwrap().to_be_bytes();
        let types: Vec<u8> = self.types.iter().flat_map(|oid| oid.to_be_bytes()).collect();
        message(b'P', &[&[0], &wire::c_string(&self.sql)[..], &count, &types].concat())
    }

    fn bind(&self, result_format: i16) -> Vec<u8> {
        let mut body = vec![0, 0, 0, 1, 0, u8::from(self.binary)];
        body.extend(i16::try_from(self.values.len()).unwrap().to_be_bytes());
        for value in &self.values {
            let bytes = value.as_ref().map(|value| match value {
                Value::Text(text) => text.clone().into_bytes(),
                Value::Bytes { hex } => bytes_of(hex),
            });
            match bytes {
                None => body.extend((-1_i32).to_be_bytes()),
                Some(bytes) => {
                    body.extend(i32::try_from(bytes.len()).unwrap().to_be_bytes());
                    body.extend(bytes);
                }
            }
        }
        body.extend([0, 1]);
        body.extend(result_format.to_be_bytes());
        message(b'B', &body)
    }
}
