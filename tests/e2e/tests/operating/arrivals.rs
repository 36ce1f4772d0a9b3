//! One address with sockets that say nothing.

use e2e::{Wire, ledger, wire::Stop};

use super::{PATIENCE, World};

#[test]
fn silent_sockets_of_one_address_take_only_so_many_places() {
    let world = World::with_limits("handshakes_per_address_max = 5\nhandshake_timeout_s = 60");
    let open = || Wire::connect(world.gateway.address).unwrap();
    // Who has logged in does not count.
    let mut logged_in: Vec<Wire> = (0..8).map(|_| world.connect()).collect();
    let mut silent: Vec<Wire> = (0..5).map(|_| open()).collect();

    // Who means it gets in at once: the oldest that says nothing makes room.
    for number in 0..3 {
        let mut wire = world.connect();
        assert_eq!(silent[number].read_until(b"", PATIENCE).1, Stop::Closed, "{number}");
        assert!(wire.simple("SELECT n FROM billing.numbers WHERE n = 1").errors().is_empty());
        silent.push(open());
    }
    for wire in &mut logged_in {
        assert!(wire.simple("SELECT n FROM billing.numbers WHERE n = 1").errors().is_empty());
    }
    let (messages, stop) = silent[7].read_until(b"", std::time::Duration::from_millis(100));
    assert_eq!((messages, stop), (Vec::new(), Stop::TimedOut), "the newest still waits");
    e2e::wait::within(PATIENCE, "what gave way is on record", || {
        let failed = ledger::of_kind(&world.gateway, "authentication_failed");
        let displaced = failed.iter().filter(|one| one.leaf["reason"] == "handshake_displaced");
        (displaced.count() >= 3).then_some(())
    });
}
