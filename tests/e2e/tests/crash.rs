//! `kill -9` of the gateway in mid-load, twenty times: what the target executed is on record,
//! the ledger verifies after each restart, and nothing is called a success that was none.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::arithmetic_side_effects,
    reason = "a test fails by panicking"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use e2e::ledger::{self, CommandName, Commands};
use e2e::{Cluster, Database, Gateway, Settings, Target, Wire, target_log};

const CYCLES: u64 = 20;
const CLIENTS: u64 = 6;
const SCOPE: [&str; 3] = [
    "select:billing.customers(id,name,ssn)",
    "select,insert:billing.notes",
    "select:billing.numbers",
];

/// What the clients were told.
#[derive(Default)]
struct Told {
    /// Tags of autocommitted inserts and of reads that were answered in full.
    done: BTreeSet<String>,
    /// Tags of inserts whose COMMIT was answered.
    committed: BTreeSet<String>,
}

#[test]
fn twenty_crashes_lose_no_record_and_invent_no_success() {
    let database = Cluster::shared().billing();
    let mut gateway = Gateway::start(&Settings::new(vec![Target::billing(&database)]));
    let token = gateway.identity("agent");
    gateway.grant("agent", "billing", &SCOPE);
    let told = Mutex::new(Told::default());
    let mut unknown = 0;

    for cycle in 1..=CYCLES {
        thread::scope(|scope| {
            for client in 0..CLIENTS {
                let wire = gateway.connect("agent", "billing", &token).unwrap();
                let told = &told;
                scope.spawn(move || work(wire, &format!("t:{cycle}:{client}"), told));
            }
            // A different moment of the load each time.
            thread::sleep(Duration::from_millis(150 + 37 * cycle % 300));
            gateway.kill();
        });
        database.wait_until_idle(Duration::from_secs(10));
        gateway.run().unwrap_or_else(|said| panic!("no restart after crash {cycle}: {said}"));

        assert_eq!(ledger::verify(&gateway, "access")["ok"], true, "crash {cycle}");
        assert_eq!(ledger::verify(&gateway, "control")["ok"], true, "crash {cycle}");
        unknown = check(&gateway, &database, &told.lock().unwrap());
    }

    let told = told.into_inner().unwrap();
    e2e::say!(
        "{} answered, {} committed, {unknown} unknown",
        told.done.len(),
        told.committed.len()
    );
    assert!(told.done.len() > 500, "too little load to prove anything: {}", told.done.len());
    assert!(unknown > 0, "no crash hit a running command: the test proves too little");
    let epochs = ledger::of_kind(&gateway, "epoch_started").len();
    assert_eq!(epochs as u64, CYCLES + 1);
    let opened = sessions(&gateway, "session_opened");
    assert_eq!(opened, sessions(&gateway, "session_closed"), "each session is closed on record");
}

/// Inserts, reads and transactions, each with a tag of its own, until the gateway is gone.
fn work(mut wire: Wire, prefix: &str, told: &Mutex<Told>) {
    for number in 0_u64.. {
        let tag = format!("{prefix}:{number};");
        let insert = format!("INSERT INTO billing.notes (tag) VALUES ('{tag}')");
        let answer = match number % 4 {
            0 => wire.simple(&insert),
            1 => wire.extended(
                "INSERT INTO billing.notes (tag) VALUES ($1)",
                &[Some(tag.as_bytes())],
                0,
            ),
            2 => wire
                .simple(&format!("SELECT id, ssn, '{tag}' FROM billing.customers WHERE id < 20")),
            _ => {
                for sql in ["BEGIN", &insert] {
                    wire.simple(sql);
                }
                wire.simple("COMMIT")
            }
        };
        if answer.is_closed() {
            return;
        }
        assert!(answer.errors().is_empty(), "{:?}", answer.errors());
        wire.received.clear();
        let mut told = told.lock().unwrap();
        if number % 4 == 3 {
            assert_eq!(answer.tags(), ["COMMIT"]);
            told.committed.insert(tag);
        } else {
            told.done.insert(tag);
        }
    }
}

/// Compares ledger, target's log, table and clients. Returns how many outcomes are unknown.
fn check(gateway: &Gateway, database: &Database, told: &Told) -> usize {
    let commands = Commands::read(gateway);
    let committed = ledger::of_kind(gateway, "batch_committed");
    let unfinished = commands.intended.keys().find(|name| !commands.finished.contains_key(*name));
    assert_eq!(unfinished, None, "after a restart, each intent has an outcome");

    let intents: BTreeMap<String, &CommandName> = commands
        .intended
        .iter()
        .filter_map(|(name, intent)| {
            let tag = tag_in(intent.value("sql")).or_else(|| tag_in(intent.value("parameters")))?;
            Some((tag, name))
        })
        .collect();
    let mut completed = commands.with_result("completed");
    completed.retain(|name| stands(name, &commands, &committed));
    let is_completed =
        |tag: &String| intents.get(tag).is_some_and(|name| completed.contains(*name));

    let executed = target_log::executed_by_gateways(database);
    let executed: BTreeSet<String> = executed
        .iter()
        .filter_map(|line| tag_in(&line.sql).or_else(|| tag_in(&line.detail)))
        .collect();
    let lost: Vec<_> = executed.iter().filter(|tag| !intents.contains_key(*tag)).collect();
    assert!(lost.is_empty(), "executed without a record: {lost:?}");

    let rows = database.run("SELECT tag FROM billing.notes").texts();
    let rows: BTreeSet<String> =
        rows.into_iter().filter_map(|row| row.into_iter().next()?).collect();
    for (tag, name) in &intents {
        if !completed.contains(*name) {
            continue;
        }
        assert!(executed.contains(tag), "completed, but never executed: {tag}");
        // Client 0, 1: autocommitted inserts. An insert in a transaction may complete and be undone.
        let number: u64 = tag.trim_end_matches(';').rsplit(':').next().unwrap().parse().unwrap();
        if number % 4 < 2 {
            assert!(rows.contains(tag), "completed, but not in the table: {tag}");
        }
    }
    for tag in told.done.iter().chain(&told.committed) {
        assert!(is_completed(tag), "the client was told of a success that is not on record: {tag}");
    }
    for tag in &told.committed {
        assert!(rows.contains(tag), "the client was told of a commit that did not happen: {tag}");
    }
    commands.with_result("unknown").len()
}

/// False for a command of which the record says that its transaction was not committed, or that it is
/// not known.
fn stands(name: &CommandName, commands: &Commands, committed: &[ledger::Record]) -> bool {
    commands.finished[name].leaf["uncommitted"] != true
        || committed.iter().any(|record| {
            let ends = ["first", "last"].map(|end| record.leaf[end].as_u64().unwrap());
            record.leaf["session"] == name.0.as_str() && (ends[0]..=ends[1]).contains(&name.1)
        })
}

/// The tag in a text: from `t:` to `;`.
fn tag_in(text: &str) -> Option<String> {
    let start = text.find("t:")?;
    let end = text[start..].find(';')?;
    Some(text[start..=start + end].to_owned())
}

fn sessions(gateway: &Gateway, kind: &str) -> BTreeSet<String> {
    let records = ledger::of_kind(gateway, kind);
    records.iter().map(|record| record.leaf["session"].as_str().unwrap().to_owned()).collect()
}
