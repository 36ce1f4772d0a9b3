//! Cases in which what a statement means depends on others that are sent together with it.

use e2e::wire::{bind, execute};

use crate::equal::{Case, FIVE, all};
use crate::{batch, query, unnamed};

pub(crate) fn cases() -> Vec<Case> {
    [scripts(), pipelined()].concat()
}

/// Several statements in one Query.
fn scripts() -> Vec<Case> {
    vec![
        (
            "a cursor's whole life",
            all(
                "BEGIN; DECLARE c CURSOR FOR SELECT n FROM billing.numbers WHERE n < 5 ORDER BY n; FETCH 2 c; CLOSE c; COMMIT | \
             FETCH c",
            ),
        ),
        (
            "a cursor without a block",
            all(
                "DECLARE c CURSOR FOR SELECT n FROM billing.numbers WHERE n < 5 ORDER BY n; FETCH 2 c; MOVE c; FETCH c | \
             FETCH c",
            ),
        ),
        (
            "PREPARE and EXECUTE",
            all(
                "PREPARE p (int) AS SELECT $1 + 1 AS a; EXECUTE p(1); DEALLOCATE p; PREPARE p AS SELECT 'x' AS b; EXECUTE p | \
             EXECUTE p",
            ),
        ),
        (
            "WITH HOLD in a text that fails",
            all(
                "DECLARE c CURSOR WITH HOLD FOR SELECT 1 AS a; FETCH c; SELECT 1 / (n - n) FROM billing.numbers WHERE n = 1 | \
             FETCH c",
            ),
        ),
        (
            "savepoints",
            all(
                "BEGIN; SAVEPOINT s; DECLARE c CURSOR FOR SELECT 1 AS a; ROLLBACK TO s; DECLARE c CURSOR FOR SELECT 2 AS b; FETCH c | \
             ROLLBACK",
            ),
        ),
    ]
}

/// All in one batch: what a message means depends on the ones before it.
fn pipelined() -> Vec<Case> {
    vec![
        (
            "a cursor's whole life",
            vec![batch(&[
                unnamed("BEGIN"),
                unnamed(FIVE),
                unnamed("FETCH 2 c"),
                unnamed("MOVE c"),
                unnamed("FETCH ALL c"),
                unnamed("CLOSE c"),
                unnamed("COMMIT"),
                unnamed("SELECT 1 AS a"),
            ])],
        ),
        (
            "PREPARE, then EXECUTE",
            vec![batch(&[
                unnamed("PREPARE p AS SELECT 7 AS a"),
                unnamed("EXECUTE p"),
                bind("", "p", &[], 0),
                execute("", 0),
                unnamed("DEALLOCATE p"),
                unnamed("EXECUTE p"),
                unnamed("SELECT 1 AS a"),
            ])],
        ),
        (
            "savepoints",
            vec![
                query("BEGIN"),
                batch(&[
                    unnamed("SAVEPOINT s"),
                    unnamed(FIVE),
                    unnamed("ROLLBACK TO s"),
                    unnamed(FIVE),
                    unnamed("FETCH c"),
                ]),
                batch(&[unnamed("ROLLBACK TO s"), unnamed("FETCH c")]),
                query("ROLLBACK"),
            ],
        ),
        (
            "what fails is skipped to Sync, and the next batch works",
            vec![
                batch(&[
                    unnamed("PREPARE p AS SELECT 1 AS a"),
                    unnamed("PREPARE p AS SELECT 2 AS b"),
                    unnamed("EXECUTE p"),
                ]),
                batch(&[unnamed("EXECUTE p")]),
            ],
        ),
        (
            "WITH HOLD in an implicit transaction that is undone",
            vec![
                batch(&[
                    unnamed("DECLARE c CURSOR WITH HOLD FOR SELECT 1 AS a"),
                    unnamed("SELECT 1 / (n - n) FROM billing.numbers WHERE n = 1"),
                ]),
                query("FETCH c"),
                batch(&[unnamed("DECLARE c CURSOR WITH HOLD FOR SELECT 1 AS a")]),
                query("FETCH c"),
            ],
        ),
    ]
}
