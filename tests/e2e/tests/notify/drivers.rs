//! LISTEN and NOTIFY by drivers, as their own documentation has it.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use e2e::{node, python, reaper};

use crate::World;

#[test]
fn psycopg_hears_what_is_granted() {
    hears("psycopg", python::DRIVERS.script("listen.py"));
}

#[test]
fn psycopg_hears_what_is_granted_also_asynchronously() {
    hears("psycopg-async", python::DRIVERS.script("listen.py"));
}

#[test]
fn asyncpg_hears_what_is_granted() {
    hears("asyncpg", python::DRIVERS.script("listen.py"));
}

#[test]
fn node_postgres_hears_what_is_granted() {
    hears("node-postgres", node::script("listen.mjs"));
}

#[test]
fn postgres_js_hears_what_is_granted() {
    hears("postgres.js", node::script("listen.mjs"));
}

fn hears(driver: &str, mut command: Command) {
    let scope = ["listen,notify:channel.orders", "listen,notify:channel.Mixed Case"];
    let world = World::with(&scope, &["--for", "15m"]);
    let port = world.gateway.address.port();
    let dsn = format!("postgresql://agent:{}@127.0.0.1:{port}/billing", world.token);
    let mut child = command
        .args([&dsn, driver])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    reaper::end_later(child.id(), reaper::End::Kill);
    let mut said = BTreeSet::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap) {
        if line == "ready" {
            world.notify("orders", "while idle");
            world.notify("other", "not for it");
            world.notify("orders", "end");
        }
        said.insert(line);
    }
    let status = child.wait().unwrap();
    reaper::spare(child.id());
    assert!(status.success(), "{driver}: {status} {said:?}");
    let (own, other) = if driver == "postgres.js" { ("untold", "untold") } else { ("own", "0") };
    let expected = [
        "denied other".to_owned(),
        "ready".to_owned(),
        format!("heard orders by myself {own}"),
        format!("heard Mixed Case with a parameter {own}"),
        format!("heard orders while idle {other}"),
        format!("heard orders end {other}"),
    ];
    assert_eq!(said, expected.into(), "{driver}");
}
