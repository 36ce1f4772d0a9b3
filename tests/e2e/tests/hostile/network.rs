//! A target that does not answer the gateway's own questions any more.

use std::time::{Duration, Instant};

use e2e::middleman::Middleman;
use e2e::target_log;

use super::World;

/// A look each second, a second for its answer, and some for a busy machine.
const NOTICED: Duration = Duration::from_secs(5);
const SQL: &str = "SELECT label FROM billing.numbers WHERE n = 1";

#[test]
fn while_the_catalog_cannot_be_read_nothing_is_judged_by_an_old_one() {
    let middleman = Middleman::start(e2e::Cluster::shared().address);
    let world = World::with("SELECT 1", &super::SCOPE, |settings| {
        let port = ("port".to_owned(), middleman.address.port().to_string());
        settings.targets[0].more.push(port);
        settings.limits = "target_connect_timeout_s = 1\ncatalog_poll_interval_s = 1".into();
    });
    let mut wire = world.connect();
    assert_eq!(wire.simple(SQL).rows().len(), 1);

    middleman.swallow("countersign catalog");
    let swallowed = Instant::now();
    let denied = e2e::wait::within(NOTICED, "statements are denied", || {
        wire.simple(SQL).errors().into_iter().next()
    });
    e2e::say!("denied after {:?}: {denied}", swallowed.elapsed());
    assert!(denied.message.contains("catalog"), "{denied}");
    // What is renamed meanwhile is not read under its old name.
    world.database.run("ALTER TABLE billing.numbers RENAME COLUMN label TO hidden");
    for number in 0..10 {
        let answer = wire.simple(&format!("{SQL} AND 'blind-{number}' <> ''"));
        assert!(answer.rows().is_empty() && !answer.errors().is_empty(), "{answer:?}");
        std::thread::sleep(Duration::from_millis(300));
    }
    assert!(!target_log::reached(&world.database, "blind-"));

    middleman.pass_all();
    e2e::wait::within(NOTICED, "statements run again", || {
        let answer = wire.simple("SELECT hidden FROM billing.numbers WHERE n = 1");
        // The grant names the old column: the denial is a judgement again.
        answer.errors().iter().any(|error| !error.message.contains("catalog")).then_some(())
    });
    world.database.run("ALTER TABLE billing.numbers RENAME COLUMN hidden TO label");
    e2e::wait::within(NOTICED, "the table is there again", || {
        (wire.simple(SQL).rows().len() == 1).then_some(())
    });
}
