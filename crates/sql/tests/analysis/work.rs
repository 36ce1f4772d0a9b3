//! No statement makes the analysis work out of proportion to its length.

use std::time::{Duration, Instant};

use crate::common::{Grants, analyse_in, catalog, on_large_stack};

/// Far above what any of these takes, far below what the product of their parts would take.
const LONGEST: Duration = Duration::from_secs(5);

fn numbers(count: usize) -> String {
    vec!["1"; count].join(",")
}

fn nested_stars(levels: usize, columns: usize) -> String {
    let mut text = format!("(VALUES ({})) v", numbers(columns));
    for level in 0..levels {
        text = format!("(SELECT * FROM {text}) v{level}");
    }
    format!("SELECT column1 FROM {text}")
}

fn cross_joins(sides: usize, columns: usize, what: &str) -> String {
    let mut text = format!("SELECT {what} FROM (VALUES ({})) v0", numbers(columns));
    for side in 1..sides {
        let side = format!(" CROSS JOIN (VALUES ({})) v{side}", numbers(columns));
        text.push_str(&side);
    }
    text
}

fn conditions(sides: usize) -> String {
    let mut text = "SELECT 1 FROM (VALUES (1)) v0".to_owned();
    for side in 1..sides {
        let before = side - 1;
        let side = format!(" JOIN (VALUES (1)) v{side} ON v{side}.column1 = v{before}.column1");
        text.push_str(&side);
    }
    text
}

fn wide_names(names: usize, columns: usize) -> String {
    let wanted = vec!["v.column1600"; names].join(",");
    format!("SELECT 1 FROM (VALUES ({})) v WHERE 1 IN ({wanted})", numbers(columns))
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the test measures how long the work takes")]
fn work_is_in_proportion_to_a_statement() {
    #[rustfmt::skip]
    let cases = [
        ("1,000 stars of 1,000 columns", format!("SELECT {} FROM (VALUES ({})) v", vec!["*"; 1_000].join(","), numbers(1_000)), false),
        ("1,000 named stars",            format!("SELECT {} FROM (VALUES ({})) v", vec!["v.*"; 1_000].join(","), numbers(1_000)), false),
        ("8,000 columns of VALUES",      nested_stars(60, 8_000), false),
        ("60 stars of 100 columns",     nested_stars(60, 100), true),
        ("60 stars of 1,600 columns",    nested_stars(60, 1_600), false),
        ("590 joins",                    cross_joins(590, 1, "1"), true),
        ("300 joins of 30 columns",     cross_joins(300, 30, "1"), true),
        ("16 joins of 100 columns",      cross_joins(16, 100, "*"), true),
        ("300 joins, all columns",       cross_joins(300, 30, "*"), false),
        ("500 joins with conditions",    conditions(500), true),
        ("names in a wide table",       wide_names(13_000, 1_600), false),
    ];
    let catalog = catalog();
    on_large_stack(move || {
        for (name, text, expected) in cases {
            let timed = || {
                let start = Instant::now();
                let judged = analyse_in(&catalog, &Grants::new(), &["billing"], &text);
                (judged, start.elapsed())
            };
            // The best of three: what else the machine does is not the statement's work.
            let mut best = timed();
            for _ in 0..2 {
                if best.1 >= LONGEST {
                    best = timed();
                }
            }
            let (judged, taken) = best;
            println!("{name}: {taken:?} for {} bytes", text.len());
            assert!(taken < LONGEST, "{name}: {taken:?}");
            let refused = judged.map(|_| ()).map_err(|refusal| refusal.code);
            let verdict = if expected { Ok(()) } else { Err("statement_too_large") };
            assert_eq!(refused, verdict, "{name}");
        }
    });
}
