//! One address with sockets that say nothing.

use std::time::Duration;

use e2e::Wire;

use super::{PATIENCE, World};

#[test]
fn silent_sockets_of_one_address_take_only_so_many_places() {
    let world = World::with_limits("handshakes_per_address_max = 5\nhandshake_timeout_s = 60");
    let open = || Wire::connect(world.gateway.address).unwrap();
    // Who has logged in does not count.
    let mut logged_in: Vec<Wire> = (0..8).map(|_| world.connect()).collect();
    let mut silent: Vec<Wire> = (0..5).map(|_| open()).collect();

    let mut refused = open();
    let error = refused.read(PATIENCE).expect("it is told why");
    assert_eq!(error.kind, b'E', "{error:?}");
    let error = e2e::SqlError::parse(&error.body);
    assert_eq!(error.sqlstate, "53300", "{error}");
    assert!(error.message.contains("address"), "{error}");

    for wire in &mut logged_in {
        assert!(wire.simple("SELECT n FROM billing.numbers WHERE n = 1").errors().is_empty());
    }
    drop(silent.pop());
    e2e::wait::within(Duration::from_secs(5), "the place is free again", || {
        world.gateway.connect("agent", "billing", &world.token).ok()
    });
}
