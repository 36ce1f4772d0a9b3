//! When a record cannot be written, nothing runs: the target sees no command, the client and the
//! operator are told why.
//!
//! The disk is made full by a limit on file sizes (`prlimit --fsize`), which works without root:
//! a write behind the limit fails with EFBIG as one on a full disk fails with ENOSPC.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::Command;
use std::time::Duration;

use e2e::ledger::{self, Commands};
use e2e::wire::Stop;
use e2e::{Cluster, Database, Gateway, Settings, Target, target_log};

struct World {
    database: Database,
    gateway: Gateway,
    token: String,
}

impl World {
    fn new() -> Self {
        let database = Cluster::shared().billing();
        let mut settings = Settings::new(vec![Target::billing(&database)]);
        // The kernel's signal for the limit would end the program; a full disk sends none.
        let ignore = r#"trap "" XFSZ; exec "$@""#;
        settings.wrapper = ["sh", "-c", ignore, "sh"].map(str::to_owned).into();
        let gateway = Gateway::start(&settings);
        let token = gateway.identity("agent");
        gateway.grant(
            "agent",
            "billing",
            &["select:billing.numbers", "select,insert:billing.notes"],
        );
        Self { database, gateway, token }
    }

    /// From now on no file of the gateway's can be written behind its first byte.
    fn fill_disk(&self) {
        let pid = self.gateway.pid().to_string();
        let status = Command::new("prlimit").args(["--pid", &pid, "--fsize=1:unlimited"]).status();
        assert!(status.unwrap().success(), "prlimit (package util-linux) failed");
    }

    fn empty_disk(&self) {
        let pid = self.gateway.pid().to_string();
        let status =
            Command::new("prlimit").args(["--pid", &pid, "--fsize=unlimited:unlimited"]).status();
        assert!(status.unwrap().success());
    }
}

#[test]
fn with_the_disk_full_no_command_reaches_the_target() {
    let world = World::new();
    let mut simple = world.gateway.connect("agent", "billing", &world.token).unwrap();
    let mut extended = world.gateway.connect("agent", "billing", &world.token).unwrap();
    assert!(
        simple.simple("INSERT INTO billing.notes (tag) VALUES ('before-1')").errors().is_empty()
    );
    let insert = "INSERT INTO billing.notes (tag) VALUES ($1)";
    assert!(extended.extended(insert, &[Some(b"before-2")], 0).errors().is_empty());

    world.fill_disk();
    for attempt in 0..3 {
        let write =
            simple.simple(&format!("INSERT INTO billing.notes (tag) VALUES ('full-{attempt}')"));
        let read = extended.extended("SELECT n, 'full-read' FROM billing.numbers", &[], 0);
        for answer in [write, read] {
            assert_ne!(answer.stop, Stop::TimedOut, "the client waits for nothing");
            assert!(answer.rows().is_empty() && answer.tags().is_empty(), "{answer:?}");
            if attempt == 0 {
                let error = answer.errors().into_iter().next().expect("the client is told");
                assert!(error.message.to_lowercase().contains("record"), "it says why: {error}");
                assert!(
                    ["53", "58", "57"].iter().any(|class| error.sqlstate.starts_with(class)),
                    "{error}"
                );
            }
        }
    }
    let login = world.gateway.connect("agent", "billing", &world.token);
    let refused =
        login.map(|mut wire| wire.simple("SELECT n, 'full-late' FROM billing.numbers WHERE n = 1"));
    assert!(
        refused.is_err_and(|error| error.sqlstate != "08006" || !error.message.is_empty())
            || !target_log::reached(&world.database, "full-late")
    );

    assert!(!target_log::reached(&world.database, "full-"), "the target saw an unrecorded command");
    assert_eq!(
        world.database.value("SELECT count(*) FROM billing.notes WHERE tag LIKE 'full%'"),
        "0"
    );
    let said = world.gateway.stderr().to_lowercase();
    assert!(said.contains("ledger") && said.contains("error"), "the operator is told: {said}");
}

#[test]
fn an_open_transaction_is_not_committed_when_the_disk_fills_up() {
    let world = World::new();
    let mut wire = world.gateway.connect("agent", "billing", &world.token).unwrap();
    for sql in ["BEGIN", "INSERT INTO billing.notes (tag) VALUES ('in-transaction')"] {
        assert!(wire.simple(sql).errors().is_empty());
    }
    world.fill_disk();
    let commit = wire.simple("COMMIT");
    assert!(!commit.tags().contains(&"COMMIT".to_owned()), "{commit:?}");
    drop(wire);
    world.database.wait_until_idle(Duration::from_secs(5));
    assert_eq!(world.database.value("SELECT count(*) FROM billing.notes"), "0");
}

#[test]
fn space_alone_does_not_mend_a_ledger_that_failed_but_a_restart_does() {
    let mut world = World::new();
    let mut wire = world.gateway.connect("agent", "billing", &world.token).unwrap();
    world.fill_disk();
    assert!(!wire.simple("SELECT n FROM billing.numbers WHERE n = 1").errors().is_empty());
    world.empty_disk();

    // A ledger whose last write failed is in an unknown state: only a check from the start may trust it.
    let attempt = world.gateway.connect("agent", "billing", &world.token);
    if let Ok(mut wire) = attempt {
        let answer = wire.simple("SELECT n, 'mended' FROM billing.numbers WHERE n = 1");
        assert!(answer.rows().is_empty(), "{answer:?}");
    }
    assert!(!target_log::reached(&world.database, "mended"));

    world.gateway.kill();
    world.gateway.run().unwrap();
    assert_eq!(ledger::verify(&world.gateway, "access")["ok"], true);
    let mut wire = world.gateway.connect("agent", "billing", &world.token).unwrap();
    let answer = wire.simple("SELECT n, 'restarted' FROM billing.numbers WHERE n = 1");
    assert_eq!(answer.rows().len(), 1, "{answer:?}");
    assert!(Commands::read(&world.gateway).intent_with("restarted").is_some());
}

#[test]
fn with_the_control_ledgers_disk_full_no_administrators_deed_succeeds() {
    let mut world = World::new();
    world.fill_disk();
    let deeds: [&[&str]; 3] = [
        &["identity", "create", "late", "--kind", "workload", "--owner", "e2e@company.example"],
        &["identity", "token", "issue", "agent"],
        &[
            "grant",
            "create",
            "--identity",
            "agent",
            "--target",
            "billing",
            "--allow",
            "select:billing.customers",
            "--for",
            "1h",
            "--task",
            "T",
            "--purpose",
            "P",
        ],
    ];
    for deed in deeds {
        let output = world.gateway.command_line(deed);
        assert_eq!(output.status.code(), Some(1), "{deed:?}: {output:?}");
        let said = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stderr),
            String::from_utf8_lossy(&output.stdout)
        );
        assert!(!said.trim().is_empty() && !said.contains("cst_"), "{said}");
    }
    world.gateway.kill();
    world.gateway.run().unwrap();
    assert_eq!(ledger::verify(&world.gateway, "control")["ok"], true);
    let identities = world.gateway.admin(&["identity", "list"]).to_string();
    assert!(identities.contains("agent") && !identities.contains("late"), "{identities}");
    // The old token still works: the failed rotation changed nothing.
    assert!(world.gateway.connect("agent", "billing", &world.token).is_ok());
}
