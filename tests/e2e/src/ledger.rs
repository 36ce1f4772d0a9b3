//! What the gateway recorded, read from its files without its own code.
//!
//! A frame is two lengths (u32, big endian), leaf, payload and eight bytes of checksum. Whether the
//! bytes are right is for `countersign verify` to say; here they are only read.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::Gateway;

/// One record.
#[derive(Clone, Debug)]
pub struct Record {
    /// Its place in the ledger.
    pub index: u64,
    /// The leaf.
    pub leaf: Value,
    /// The values beside it, by field.
    pub values: BTreeMap<String, String>,
}

/// Names a command: session and sequence.
pub type CommandName = (String, u64);

/// All records of a ledger: `access` or `control`.
pub fn records(gateway: &Gateway, ledger: &str) -> Vec<Record> {
    read(&gateway.state().join(ledger).join("log"))
}

/// All records of the access ledger of one kind.
pub fn of_kind(gateway: &Gateway, kind: &str) -> Vec<Record> {
    let mut records = records(gateway, "access");
    records.retain(|record| record.kind() == kind);
    records
}

/// Reads a log file as far as it has whole frames.
pub fn read(log: &Path) -> Vec<Record> {
    let bytes = fs::read(log).unwrap_or_else(|error| panic!("{}: {error}", log.display()));
    let mut rest = bytes.as_slice();
    let mut records = Vec::new();
    while let Some((leaf, payload, behind)) = frame(rest) {
        let index = records.len() as u64;
        records.push(Record {
            index,
            leaf: serde_json::from_slice(leaf).unwrap(),
            values: values(payload),
        });
        rest = behind;
    }
    records
}

/// Runs `countersign verify` on a ledger of the gateway's, which may be running.
///
/// # Panics
///
/// If the ledger does not verify.
pub fn verify(gateway: &Gateway, ledger: &str) -> Value {
    let directory = gateway.state().join(ledger);
    let key = gateway.state().join("keys/ledger.pub");
    gateway.admin(&[
        "verify",
        directory.to_str().unwrap(),
        "--key",
        key.to_str().unwrap(),
        "--live",
    ])
}

/// Values that were intended, and how they ended.
#[derive(Debug, Default)]
pub struct Commands {
    /// Intents, by command.
    pub intended: BTreeMap<CommandName, Record>,
    /// Outcomes, by command.
    pub finished: BTreeMap<CommandName, Record>,
    /// Denials, by command.
    pub denied: BTreeMap<CommandName, Record>,
}

impl Commands {
    /// Sorts the records of the access ledger.
    ///
    /// # Panics
    ///
    /// If a command was decided twice, ended twice, or ended without an intent.
    pub fn read(gateway: &Gateway) -> Self {
        let mut commands = Self::default();
        for record in records(gateway, "access") {
            let map = match record.kind() {
                "command_intended" => &mut commands.intended,
                "command_finished" => &mut commands.finished,
                "command_denied" => &mut commands.denied,
                _ => continue,
            };
            let twice = map.insert(record.command(), record);
            assert!(twice.is_none(), "recorded twice: {twice:?}");
        }
        for command in commands.finished.keys() {
            assert!(
                commands.intended.contains_key(command),
                "ended without an intent: {command:?}"
            );
        }
        for command in commands.denied.keys() {
            assert!(!commands.intended.contains_key(command), "denied and intended: {command:?}");
        }
        commands
    }

    /// Intended commands whose outcome is this: `completed`, `failed`, `cut`, `unknown`, …
    pub fn with_result(&self, result: &str) -> BTreeSet<CommandName> {
        let ended = self.finished.iter().filter(|(_, record)| record.leaf["result"] == result);
        ended.map(|(command, _)| command.clone()).collect()
    }

    /// The intent whose SQL has this text in it.
    pub fn intent_with(&self, text: &str) -> Option<(&CommandName, &Record)> {
        self.intended.iter().find(|(_, record)| record.mentions(text))
    }

    /// The denial whose SQL has this text in it.
    pub fn denial_with(&self, text: &str) -> Option<(&CommandName, &Record)> {
        self.denied.iter().find(|(_, record)| record.mentions(text))
    }
}

impl Record {
    /// What kind of record it is.
    pub fn kind(&self) -> &str {
        self.leaf["kind"].as_str().expect("each record has a kind")
    }

    /// The command that it is about.
    pub fn command(&self) -> CommandName {
        let session = self.leaf["session"].as_str().expect("the record names its session");
        (session.to_owned(), self.leaf["sequence"].as_u64().expect("the record names its place"))
    }

    /// One of the values beside the leaf.
    pub fn value(&self, field: &str) -> &str {
        self.values.get(field).map_or("", String::as_str)
    }

    /// True if the client's text or a bound value has this text in it.
    pub fn mentions(&self, text: &str) -> bool {
        self.value("sql").contains(text) || self.value("parameters").contains(text)
    }
}

/// Leaf and payload of the first frame, and the bytes behind it.
type Parts<'a> = (&'a [u8], &'a [u8], &'a [u8]);

fn frame(bytes: &[u8]) -> Option<Parts<'_>> {
    let length =
        |at: usize| Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?) as usize);
    let (leaf, payload) = (length(0)?, length(4)?);
    // A preallocated file ends in zeros.
    if leaf == 0 || bytes.len() < 16 + leaf + payload {
        return None;
    }
    let (leaf, rest) = bytes[8..].split_at(leaf);
    let (payload, rest) = rest.split_at(payload);
    Some((leaf, payload, &rest[8..]))
}

fn values(payload: &[u8]) -> BTreeMap<String, String> {
    let payload: Value = serde_json::from_slice(payload).unwrap_or(Value::Null);
    let fields = payload.as_object().into_iter().flatten();
    fields
        .filter_map(|(field, value)| Some((field.clone(), value["value"].as_str()?.to_owned())))
        .collect()
}
