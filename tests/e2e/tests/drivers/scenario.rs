//! What the programs in Rust share: scenarios run one by one, each ending in one line.

use std::error::Error;
use std::fmt::Debug;
use std::future::Future;
use std::time::{Duration, Instant};

use crate::matrix::Said;

/// How a scenario ends.
pub(crate) type Outcome = Result<(), Box<dyn Error>>;

/// It takes minutes, unless somebody ends it.
pub(crate) const ENDLESS: &str = "SELECT count(*) FROM billing.numbers a \
     CROSS JOIN billing.numbers b CROSS JOIN billing.numbers c";
/// How soon a cancelled statement must have ended.
pub(crate) const CANCELLED_WITHIN: Duration = Duration::from_secs(5);

pub(crate) const BIG_ROWS: i64 = 200_000;
pub(crate) const BIG_SUM: i64 = BIG_ROWS * (BIG_ROWS + 1) / 2;
pub(crate) const TABLES: [&str; 6] = ["big", "changing", "customers", "kinds", "notes", "numbers"];

/// SQLSTATE by statement: what PostgreSQL refuses, and what the gateway denies.
pub(crate) const ERRORS: [(&str, &str); 6] = [
    ("INSERT INTO billing.notes (tag, amount) VALUES ('check', -1)", "23514"),
    ("SELECT 1 / (n - n) FROM billing.numbers WHERE n = 1", "22012"),
    ("SELEC 1", "42601"),
    ("SELECT nothing FROM billing.notes", "42703"),
    ("SELECT amount FROM hr.salaries", "42501"),
    ("SELECT name FROM billing.customers WHERE ssn = '900-55-0007'", "42501"),
];

/// Runs one scenario.
pub(crate) async fn run(said: &mut Vec<Said>, name: &str, scenario: impl Future<Output = Outcome>) {
    let began = Instant::now();
    let line = match scenario.await {
        Ok(()) => format!("ok {name}"),
        Err(error) => format!("FAIL {name} {error:?}"),
    };
    said.extend(Said::read(&line, began.elapsed()));
}

/// An error unless both are the same.
pub(crate) fn same<F: Debug + PartialEq<E>, E: Debug>(found: F, expected: E) -> Outcome {
    if found == expected {
        return Ok(());
    }
    Err(format!("found {found:?}, expected {expected:?}").into())
}

/// An error unless the three values are masks.
pub(crate) fn is_masked(account_number: &str, ssn: &str, email: &str) -> Outcome {
    let is_last_four = account_number.ends_with("0007") && !account_number.contains("SECRET");
    let is_domain = email.ends_with("@mail.example") && !email.contains("customer7");
    same((is_last_four, ssn, is_domain), (true, "********", true))
}
