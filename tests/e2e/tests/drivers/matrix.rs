//! Drivers by scenarios: what each driver's program said, and the table of it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::world::Recorded;

/// The columns, in the order of the table.
pub(crate) const SCENARIOS: [&str; 13] = [
    "connect",     // logs in, knows the server, is refused with a wrong password
    "parameters",  // reads and writes with parameters
    "types",       // reads and writes a value of each common type
    "masks",       // reads masks in place of values, and cannot compute with what is masked
    "transaction", // commits, with a savepoint
    "rollback",    // leaves nothing behind, also after an error
    "error",       // reads SQLSTATEs, and goes on
    "cancel",      // ends a statement that runs
    "big",         // streams 200,000 rows
    "copy",        // in and out
    "prepared",    // the same statement again and again, also after the catalog changed
    "pool",        // connections are used again, clean
    "catalog",     // the driver's own introspection shows what is granted, and nothing else
];

/// The rows, in the order of the table.
pub(crate) const DRIVERS: [&str; 14] = [
    "psql",
    "psycopg",
    "psycopg-binary",
    "psycopg-pipeline",
    "psycopg-async",
    "asyncpg",
    "sqlalchemy-psycopg",
    "sqlalchemy-asyncpg",
    "node-postgres",
    "postgres.js",
    "drizzle",
    "tokio-postgres",
    "sqlx",
    "jdbc",
];

/// What a driver cannot do by its own design.
#[rustfmt::skip]
const CANNOT: [(&str, &str, &str); 2] = [
    ("psql",    "pool", "it has one connection"),
    ("drizzle", "copy", "it has no COPY; node-postgres below it has"),
];

/// What does not work yet, and why; `*` is every driver. To be emptied.
#[rustfmt::skip]
const NOT_YET: &[(&str, &str, &str)] = &[
    ("*",           "prepared", "after DDL an answer is withheld once (40001), and the driver does not run it again"),
    ("postgres.js", "types",    "a NULL inside of an array of numbers reads as NaN"),
];

/// One line of a driver's program.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    scenario: String,
    end: End,
    took: Duration,
}

#[derive(Clone, Debug)]
enum End {
    Passed,
    Failed(String),
    Skipped(String),
}

impl Said {
    /// Reads `ok SCENARIO`, `FAIL SCENARIO why` or `skip SCENARIO why`.
    pub(crate) fn read(line: &str, took: Duration) -> Option<Self> {
        let (verb, rest) = line.split_once(' ')?;
        let (scenario, why) = rest.split_once(' ').unwrap_or((rest, ""));
        let end = match verb {
            "ok" => End::Passed,
            "FAIL" => End::Failed(why.to_owned()),
            "skip" => End::Skipped(why.to_owned()),
            _ => return None,
        };
        Some(Self { scenario: scenario.to_owned(), end, took })
    }
}

/// Puts a driver's row into the table, and says what is wrong with it.
pub(crate) fn enter(driver: &str, said: &[Said], recorded: &Recorded) -> Vec<String> {
    static ROWS: Mutex<BTreeMap<usize, Row>> = Mutex::new(BTreeMap::new());
    let mut row = Row { driver: driver.to_owned(), commands: recorded.commands, ..Row::default() };
    let mut complaints = row.fill(said);
    // A session that broke leaves a record that is not whole.
    if row.passed + row.skipped == SCENARIOS.len() {
        complaints.extend_from_slice(&recorded.complaints);
    }
    let place = DRIVERS.iter().position(|name| *name == driver).expect("a driver of the table");
    let mut rows = ROWS.lock().unwrap_or_else(PoisonError::into_inner);
    rows.insert(place, row);
    if rows.len() == DRIVERS.len() {
        e2e::say_always(&table(rows.values()));
    }
    complaints
}

#[derive(Default)]
struct Row {
    driver: String,
    cells: Vec<String>,
    passed: usize,
    skipped: usize,
    commands: usize,
}

impl Row {
    fn fill(&mut self, said: &[Said]) -> Vec<String> {
        let mut complaints = Vec::new();
        for scenario in SCENARIOS {
            let mut lines = said.iter().filter(|line| line.scenario == scenario);
            let line = lines.next();
            if lines.next().is_some() {
                complaints.push(format!("{scenario}: said twice"));
            }
            let fits = |pattern: &str, name: &str| pattern == "*" || pattern == name;
            let listed = |list: &[(&str, &str, &str)]| {
                let mut cells = list.iter().map(|(driver, name, _)| (driver, name));
                cells.any(|(driver, name)| fits(driver, &self.driver) && fits(name, scenario))
            };
            let cell = match line.map(|line| (&line.end, line.took)) {
                Some((End::Passed, took)) => {
                    self.passed += 1;
                    format!("{} ms", took.as_millis())
                }
                Some((End::Skipped(why), _)) => {
                    self.skipped += 1;
                    if !listed(&CANNOT) {
                        complaints.push(format!("{scenario}: skipped: {why}"));
                    }
                    "–".to_owned()
                }
                Some((End::Failed(why), _)) => {
                    if !listed(NOT_YET) {
                        complaints.push(format!("{scenario}: {why}"));
                    }
                    "FAILED".to_owned()
                }
                None if listed(NOT_YET) => "FAILED".to_owned(),
                None => {
                    complaints.push(format!("{scenario}: nothing said"));
                    "?".to_owned()
                }
            };
            self.cells.push(cell);
        }
        complaints
    }
}

fn table<'a>(rows: impl Iterator<Item = &'a Row>) -> String {
    let mut text = format!("\n{:20}", "");
    for scenario in SCENARIOS {
        write!(text, "{scenario:>12}").unwrap();
    }
    writeln!(text, "{:>10}", "recorded").unwrap();
    let (mut drivers, mut passed, mut skipped) = (0, 0, 0);
    for row in rows {
        write!(text, "{:20}", row.driver).unwrap();
        for cell in &row.cells {
            write!(text, "{cell:>12}").unwrap();
        }
        writeln!(text, "{:>10}", row.commands).unwrap();
        drivers += 1;
        passed += row.passed;
        skipped += row.skipped;
    }
    let scenarios = SCENARIOS.len();
    let failed = drivers * scenarios - passed - skipped;
    write!(
        text,
        "drivers: {drivers} drivers x {scenarios} scenarios, {passed} passed, {skipped} skipped"
    )
    .unwrap();
    if failed > 0 {
        write!(text, ", {failed} FAILED").unwrap();
    }
    text
}
