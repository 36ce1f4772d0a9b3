//! A cursor WITH HOLD ends with the grant under which its rows were read.

use std::time::{Duration, Instant};

use e2e::wire::Stop;
use e2e::{Wire, wait};

use crate::World;

/// What is promised.
const LIMIT: Duration = Duration::from_secs(1);
const HELD: &str = "DECLARE c CURSOR WITH HOLD FOR SELECT id FROM billing.customers ORDER BY id";

/// What it is, what is sent, and whether the session ends.
type Case = (&'static str, &'static [&'static str], bool);

#[test]
fn the_rows_that_the_target_keeps_end_with_their_grant() {
    let world = World::with(&["select:billing.numbers"]);
    let grant = || world.gateway.grant("agent", "billing", &["select:billing.customers(id)"]);
    #[rustfmt::skip]
    let cases: [Case; 4] = [
        ("held, idle",                 &[HELD, "FETCH c"],                                     true),
        ("held, in a transaction",     &["BEGIN", HELD, "COMMIT", "BEGIN", "SELECT 1"],        true),
        ("closed",                     &[HELD, "CLOSE c"],                                     false),
        ("not held",                   &["SELECT id FROM billing.customers"],                  false),
    ];
    for (what, texts, ends) in cases {
        let used = grant();
        let mut wire = world.connect();
        for text in texts {
            assert_eq!(wire.simple(text).errors(), [], "{what}: {text}");
        }
        world.gateway.revoke(&used);
        let revoked = Instant::now();
        if ends {
            assert!(is_closed_within(&mut wire, LIMIT), "{what}: {:?}", revoked.elapsed());
            wait::within(LIMIT, "the target's session is gone", || {
                (world.database.service_sessions() == sessions_of_the_gateway()).then_some(())
            });
        } else {
            assert_eq!(wire.simple("SELECT n FROM billing.numbers WHERE n = 1").rows().len(), 1);
            assert_eq!(wire.simple("FETCH c").sqlstate().as_deref(), Some("34000"), "{what}");
        }
    }
}

#[test]
fn a_cursor_that_runs_under_another_grant_is_left_alone() {
    let world = World::with(&["select:billing.customers(id)"]);
    let other = world.gateway.grant("agent", "billing", &["select:billing.numbers"]);
    let mut wire = world.connect();
    wire.simple(HELD);
    wire.simple("SELECT n FROM billing.numbers WHERE n = 1");
    world.gateway.revoke(&other);
    assert_eq!(wire.simple("FETCH c").rows().len(), 1);
    world.gateway.revoke(&world.grant);
    assert!(is_closed_within(&mut wire, LIMIT));
}

/// The gateway's own connections: one reads the catalog, one looks whether it still holds.
fn sessions_of_the_gateway() -> u64 {
    2
}

fn is_closed_within(wire: &mut Wire, limit: Duration) -> bool {
    let (messages, stop) = wire.read_until(b"", limit);
    stop == Stop::Closed && messages.iter().any(|message| message.kind == b'E')
}
