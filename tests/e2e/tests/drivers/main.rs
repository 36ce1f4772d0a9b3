//! Unmodified clients do their ordinary work through the gateway: drivers by scenarios.
//!
//! Each driver's program lies in `tests/e2e/drivers`, gets an ordinary DSN, and says one line per
//! scenario. Here it is run, and what it did is looked up in the ledger. When the last driver is
//! through, the whole table is printed.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and measures time"
)]

mod matrix;
mod scenario;
mod sqlx_driver;
mod tokio_driver;
mod world;

use std::process::Command;

use e2e::{java, node, python};

use crate::matrix::Said;
use crate::world::World;

fn check(driver: &str, work: impl FnOnce(&World) -> Vec<Said>) {
    let world = World::new();
    let said = work(&world);
    let complaints = matrix::enter(driver, &said, &world.recorded(driver));
    assert!(complaints.is_empty(), "{driver}:\n{}", complaints.join("\n"));
}

fn script(driver: &str, command: Command) {
    check(driver, |world| world.run(command, driver));
}

#[test]
fn psql() {
    let program = e2e::programs::workspace().join("tests/e2e/drivers/psql/work.sh");
    let mut command = Command::new("bash");
    command.arg(program).env("PSQL", e2e::programs::postgres("psql"));
    script("psql", command);
}

#[test]
fn psycopg() {
    script("psycopg", python::DRIVERS.script("psycopg_work.py"));
}

#[test]
fn psycopg_binary() {
    script("psycopg-binary", python::DRIVERS.script("psycopg_work.py"));
}

#[test]
fn psycopg_pipeline() {
    script("psycopg-pipeline", python::DRIVERS.script("psycopg_work.py"));
}

#[test]
fn psycopg_async() {
    script("psycopg-async", python::DRIVERS.script("psycopg_async_work.py"));
}

#[test]
fn asyncpg() {
    script("asyncpg", python::DRIVERS.script("asyncpg_work.py"));
}

#[test]
fn sqlalchemy_over_psycopg() {
    script("sqlalchemy-psycopg", python::DRIVERS.script("sqlalchemy_work.py"));
}

#[test]
fn sqlalchemy_over_asyncpg() {
    script("sqlalchemy-asyncpg", python::DRIVERS.script("sqlalchemy_work.py"));
}

#[test]
fn node_postgres() {
    script("node-postgres", node::script("pg_work.mjs"));
}

#[test]
fn postgres_js() {
    script("postgres.js", node::script("postgres_js_work.mjs"));
}

#[test]
fn drizzle() {
    script("drizzle", node::script("drizzle_work.mjs"));
}

#[test]
fn jdbc() {
    script("jdbc", java::script("Work.java"));
}

#[test]
fn tokio_postgres() {
    check("tokio-postgres", tokio_driver::work);
}

#[test]
fn sqlx() {
    check("sqlx", sqlx_driver::work);
}
