//! Notifications on record: in the ledger, on the command line, in evidence, and after a restart.

use std::process::{Command, Stdio};

use e2e::{Gateway, ledger};

use crate::{World, hear, own};

#[test]
fn each_notification_is_on_record_with_its_grant_and_payload() {
    let mut world = World::with(&crate::SCOPE, &["--for", "15m", "--max-rows", "4"]);
    let mut wire = world.connect();
    wire.simple("LISTEN orders");
    wire.simple("NOTIFY orders, 'from within'");
    world.notify("orders", "from \\\\ elsewhere");
    hear(&mut wire).unwrap();
    assert_ne!(own(&wire), 0);

    let delivered = ledger::of_kind(&world.gateway, "notification_delivered");
    let payloads: Vec<&str> = delivered.iter().map(|record| record.value("payload")).collect();
    assert_eq!(payloads, ["from within", "from \\\\ elsewhere"]);
    for record in &delivered {
        assert_eq!(record.leaf["identity"], "agent");
        assert_eq!(record.leaf["channel"], "orders");
        assert_eq!(record.leaf["grants"][0]["id"], world.grant.as_str());
        assert!(!record.leaf.to_string().contains("elsewhere"), "the leaf holds a commitment");
    }
    assert_eq!(delivered[0].leaf["bytes"], 11);
    let intents = ledger::of_kind(&world.gateway, "command_intended");
    let touched = |text: &str| {
        let intent = intents.iter().find(|record| record.value("sql").starts_with(text)).unwrap();
        (intent.leaf["touches"].to_string(), intent.value("forwarded").to_owned())
    };
    let (listens, forwarded) = touched("LISTEN");
    assert_eq!(listens, r#"[{"action":"listen","columns":[],"relation":"channel.orders"}]"#);
    assert_eq!(forwarded, "LISTEN orders");
    assert!(touched("NOTIFY").0.contains(r#""action":"notify""#));

    let session = delivered[0].leaf["session"].as_str().unwrap();
    let shown = said(&world.gateway, &["session", "show", session]);
    for part in
        ["NOTIFIED agent on billing: channel orders, 11 bytes", "from within", "notifications"]
    {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let tail = said(&world.gateway, &["log", "tail", "--grant", &world.grant]);
    assert_eq!(tail.matches("NOTIFIED").count(), 2, "{tail}");
    drop(wire);

    // What was used of the grant is found again: two of four rows.
    world.gateway.kill();
    world.gateway.run().unwrap();
    let mut wire = world.connect();
    wire.simple("LISTEN orders");
    for n in 0..2 {
        assert_eq!(wire.simple("NOTIFY orders, 'more'").kinds(), "CAZ", "{n}");
    }
    assert_eq!(wire.simple("NOTIFY orders, 'too much'").sqlstate().as_deref(), Some("42501"));
    world.notify("orders", "too much");
    assert_eq!(crate::hear_within(&mut wire, crate::LONG_ENOUGH), None);
    drop(wire);
    replays(&world);
}

/// A package of all of it verifies, and replays without an exception.
fn replays(world: &World) {
    let out = world.gateway.directory.join("package");
    let out = out.to_str().unwrap();
    let window = ["--from", "2020-01-01T00:00:00Z", "--to", "2100-01-01T00:00:00Z"];
    said(&world.gateway, &[&["evidence"], &window[..], &["--out", out]].concat());
    let key = world.gateway.state().join("keys/ledger.pub");
    said(&world.gateway, &["verify", out, "--key", key.to_str().unwrap()]);
    let read = |name: &str| std::fs::read_to_string(format!("{out}/{name}")).unwrap();
    let exceptions = read("exceptions.csv");
    assert_eq!(exceptions.lines().count(), 1, "{exceptions}");
    let notifications = read("notifications.csv");
    assert_eq!(notifications.matches("\"delivered\"").count(), 4, "{notifications}");
    assert_eq!(notifications.matches("\"limit_reached\"").count(), 1, "{notifications}");
}

/// What a person reads.
fn said(gateway: &Gateway, arguments: &[&str]) -> String {
    let mut command = Command::new(e2e::programs::countersign());
    command.arg("--config").arg(gateway.settings_file()).args(arguments);
    let output = command.stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    said
}
