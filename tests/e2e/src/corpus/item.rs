//! Reads the corpus' files.

use std::collections::BTreeMap;
use std::fs;

use serde_json::Value;

use crate::corpus::roll::{self, Roll};
use crate::programs;

/// All that the tests need of the corpus.
#[derive(Debug)]
pub struct Corpus {
    /// Items that are statements.
    pub sql: Vec<Item>,
    /// Items that are message sequences.
    pub wire: Vec<Item>,
    /// The script that makes the twin and its clone.
    pub fixture_a: String,
    /// The script that makes the other twin.
    pub fixture_b: String,
    /// Secrets of the twin and its clone, by name.
    pub secrets_a: BTreeMap<String, String>,
    /// Secrets of the other twin, by the same names.
    pub secrets_b: BTreeMap<String, String>,
}

/// One attack, or one harmless control.
#[derive(Clone, Debug)]
pub struct Item {
    /// Its name, for example `sql.expr.concat2`.
    pub id: String,
    /// Which of the corpus' grants the client holds: `G`, `GW` or `GV`.
    pub grant: String,
    /// The lowest version of PostgreSQL that knows the statement.
    pub min_postgres: u64,
    /// `simple`, `extended`, `extended_bin`, …: how the item was first tried.
    pub mode: String,
    /// An extension of PostgreSQL's that it tries to get at.
    pub extension: Option<String>,
    /// What a superuser does before.
    pub setup: Option<String>,
    /// What a superuser does after.
    pub teardown: Option<String>,
    /// What the client does.
    pub work: Work,
    /// What the corpus expects: `deny`, `mask`, `mask_or_deny`, `allow`, `noflow`, …
    pub decision: String,
    /// Strings that must not occur in what the server sends; `@all` stands for all secrets.
    pub must_not_appear: Vec<String>,
    /// What the item is about.
    pub why: String,
}

/// What a client does.
#[derive(Clone, Debug)]
pub enum Work {
    /// Runs these statements, one after the other. Some are no UTF-8.
    Statements(Vec<Vec<u8>>),
    /// Sends these messages.
    Steps(Vec<Value>),
}

impl Corpus {
    /// Reads the project's copy, with new secrets.
    pub fn load() -> Self {
        let manifest: Value = serde_json::from_str(&read("manifest.json")).unwrap();
        let secrets = |key: &str| {
            let secrets = manifest[key].as_object().unwrap().iter();
            secrets
                .map(|(name, value)| (name.clone(), text(value).trim_matches('\'').into()))
                .collect::<BTreeMap<String, String>>()
        };
        let (a, b) = (secrets("secrets_A"), secrets("secrets_B"));
        let seed = roll::seed();
        crate::say!("secrets rolled with E2E_SEED={seed}");
        let roll = Roll::new(seed, a.values().chain(b.values()));
        let rolled = |secrets: BTreeMap<String, String>| {
            secrets.into_iter().map(|(name, value)| (name, roll.apply(&value))).collect()
        };
        Self {
            sql: items(&roll.apply(&read("sql.jsonl"))),
            wire: items(&roll.apply(&read("wire.jsonl"))),
            fixture_a: roll.apply(&read("fixture_a.sql")),
            fixture_b: roll.apply(&read("fixture_b.sql")),
            secrets_a: rolled(a),
            secrets_b: rolled(b),
        }
    }
}

impl Item {
    /// All that the client sends as SQL, for the rule that an echo is no leak.
    pub fn sent(&self) -> String {
        match &self.work {
            Work::Statements(statements) => {
                String::from_utf8_lossy(&statements.join(&b'\n')).into_owned()
            }
            Work::Steps(steps) => {
                let mut sent = String::new();
                for step in steps.iter().filter(|step| step["op"] != "admin") {
                    sent.push_str(&decoded(step));
                }
                sent
            }
        }
    }
}

/// The step's texts, with hexadecimal parts as the text that they are.
fn decoded(step: &Value) -> String {
    let hex = step["hex"].as_str().map(bytes_of_hex).unwrap_or_default();
    let sql = step["sql"].as_str().unwrap_or_default();
    format!("{sql}\n{}\n{}\n{}\n", String::from_utf8_lossy(&hex), step["params"], step["args"])
}

/// Bytes written as hexadecimal digits.
pub fn bytes_of_hex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks(2);
    digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn items(lines: &str) -> Vec<Item> {
    lines.lines().map(|line| item(&serde_json::from_str(line).unwrap())).collect()
}

fn item(value: &Value) -> Item {
    let strings = |value: &Value| value.as_array().unwrap().iter().map(text).collect::<Vec<_>>();
    let work = match value["steps"].as_array() {
        Some(steps) => Work::Steps(steps.clone()),
        None => {
            Work::Statements(value["statements"].as_array().unwrap().iter().map(bytes).collect())
        }
    };
    Item {
        id: text(&value["id"]),
        grant: text(&value["grant"]),
        min_postgres: value["min_pg"].as_u64().unwrap_or(0),
        mode: text(&value["mode"]),
        extension: value["needs_extension"].as_str().map(str::to_owned),
        setup: value["setup_sql_superuser"].as_str().map(str::to_owned),
        teardown: value["teardown_sql_superuser"].as_str().map(str::to_owned),
        work,
        decision: text(&value["expected"]["decision"]),
        must_not_appear: strings(&value["must_not_appear"]),
        why: text(&value["why"]),
    }
}

/// A value is text, or `{"hex": …}`.
pub fn bytes(value: &Value) -> Vec<u8> {
    match value.as_str() {
        Some(text) => text.as_bytes().to_vec(),
        None => bytes_of_hex(value["hex"].as_str().unwrap()),
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn read(file: &str) -> String {
    let path = programs::workspace().join("tests/e2e/corpus").join(file);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
