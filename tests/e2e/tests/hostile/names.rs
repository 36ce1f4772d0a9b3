//! Names of statements and portals that the target would cut.

use e2e::wire::{self, message};

use super::{PATIENCE, World, sync};

/// Bytes by which PostgreSQL tells names apart.
const KEPT: usize = 63;
const JUDGED: &str = "INSERT INTO billing.notes (tag) SELECT 'x' WHERE false";
const RUN: &str = "UPDATE billing.customers SET plan = 'taken'";

/// If the gateway told names apart by all their bytes, one statement would be judged and recorded,
/// and another would run.
#[test]
fn a_name_that_the_target_cuts_cannot_run_another_statement() {
    let world = World::with_schema("SELECT 1", &["select,insert:billing.notes"]);
    let customers = "select,update:billing.customers(id,name,plan)";
    let other = world.gateway.grant("agent", "billing", &[customers]);
    let name = |last: char| format!("{}{last}", "A".repeat(KEPT));
    let mut wire = world.connect();
    for (batch, codes) in [
        (wire::parse(&name('1'), JUDGED), "42622"),
        (close(b'S', &name('2')), "42622"),
        (wire::parse(&name('3'), RUN), "42622"),
    ] {
        wire.send(&[batch, sync()].concat());
        let answer = wire.answer(PATIENCE);
        assert_eq!(answer.sqlstate().as_deref(), Some(codes), "{answer:?}");
    }
    world.gateway.revoke(&other);
    wire.send(&[wire::bind("", &name('1'), &[], 0), wire::execute("", 0), sync()].concat());
    wire.answer(PATIENCE);

    let taken = "SELECT count(*) FROM billing.customers WHERE plan = 'taken'";
    assert_eq!(world.database.value(taken), "0");
}

#[test]
fn a_name_has_a_limit_wherever_it_stands() {
    let world = World::new();
    let mut wire = world.connect();
    let (whole, cut) = ("A".repeat(KEPT), "A".repeat(KEPT + 1));
    let cases = [
        ("Parse", wire::parse(&cut, JUDGED)),
        ("Bind of a statement", wire::bind("", &cut, &[], 0)),
        ("Bind of a portal", wire::bind(&cut, "", &[], 0)),
        ("Describe", message(b'D', &named(b'S', &cut))),
        ("Execute", wire::execute(&cut, 0)),
        ("Close of a statement", close(b'S', &cut)),
        ("Close of a portal", close(b'P', &cut)),
    ];
    for (what, batch) in cases {
        wire.send(&[batch, sync()].concat());
        let answer = wire.answer(PATIENCE);
        assert_eq!(answer.sqlstate().as_deref(), Some("42622"), "{what}: {answer:?}");
        assert_eq!(answer.kinds(), "EZ", "{what}");
    }

    // The longest that is kept whole still works, and so does closing what was never made.
    let batch = [
        wire::parse(&whole, "SELECT 1 AS one"),
        wire::bind(&whole, &whole, &[], 0),
        wire::execute(&whole, 0),
        close(b'P', &whole),
        close(b'S', &whole),
        close(b'S', "never made"),
        sync(),
    ];
    wire.send(&batch.concat());
    let answer = wire.answer(PATIENCE);
    assert_eq!((answer.sqlstate(), answer.tags()), (None, vec!["SELECT 1".to_owned()]));
}

fn close(kind: u8, name: &str) -> Vec<u8> {
    message(b'C', &named(kind, name))
}

fn named(kind: u8, name: &str) -> Vec<u8> {
    [&[kind], &wire::c_string(name)[..]].concat()
}
