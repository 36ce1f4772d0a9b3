//! How soon a revocation is felt, over many of them, whatever the client does.
//!
//! `E2E_REVOCATIONS=200` makes as many; without it, some of each kind.

use super::*;

/// Revocations where nobody asks for more: two of each kind.
const COUNT: usize = 10;
const STREAM: &str = "SELECT a.n, b.label FROM billing.numbers a CROSS JOIN billing.numbers b CROSS JOIN billing.numbers c";

/// What a client does when its grant is revoked.
type Start = fn(&World, &mut Wire);

#[rustfmt::skip]
const KINDS: [(&str, Start); 5] = [
    ("simple",              by_query),
    ("extended",            by_execute),
    ("COPY",                by_copy),
    ("cursor fetch",        by_fetch),
    ("idle in transaction", in_transaction),
];

fn by_query(world: &World, wire: &mut Wire) {
    world.start_endless(wire);
}

fn by_execute(world: &World, wire: &mut Wire) {
    let (parse, bind) = (wire::parse("", ENDLESS), wire::bind("", "", &[], 0));
    wire.send(&[parse, bind, wire::execute("", 0), wire::message(b'S', &[])].concat());
    world.until_active();
}

fn by_copy(_: &World, wire: &mut Wire) {
    wire.send_message(b'Q', &wire::c_string(&format!("COPY ({STREAM}) TO STDOUT")));
    assert_eq!(wire.read_until(b"d", LIMIT * 20).1, Stop::Found);
}

/// PostgreSQL gathers what FETCH fetches before it sends any.
fn by_fetch(world: &World, wire: &mut Wire) {
    for sql in ["BEGIN", &format!("DECLARE c CURSOR FOR {ENDLESS}")] {
        assert!(wire.simple(sql).errors().is_empty());
    }
    wire.send_message(b'Q', &wire::c_string("FETCH 1 FROM c"));
    world.until_active();
}

fn in_transaction(_: &World, wire: &mut Wire) {
    for sql in ["BEGIN", "UPDATE billing.customers SET plan = 'pro' WHERE id = 1"] {
        assert!(wire.simple(sql).errors().is_empty());
    }
}

#[test]
fn revocations_are_felt_within_a_second_whatever_runs() {
    let count = std::env::var("E2E_REVOCATIONS").map_or(COUNT, |text| text.parse().unwrap());
    let mut world = World::new();
    let mut superuser = world.database.cluster.superuser("postgres");
    let busy = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = '{}' AND usename = 'svc' \
         AND (state = 'active' OR xact_start IS NOT NULL)",
        world.database.name
    );
    let (mut clients, mut targets) = (Vec::new(), Vec::new());
    for round in 0..count {
        let (kind, start) = KINDS[round % KINDS.len()];
        if round > 0 {
            world.grant = world.gateway.grant("agent", "billing", &SCOPE);
        }
        let mut wire = world.connect();
        start(&world, &mut wire);
        // The client reads on, and says when it heard of the end.
        let reader = thread::spawn(move || {
            loop {
                match wire.read(LIMIT * 20) {
                    Ok(message) if message.kind == b'E' => return (Instant::now(), wire),
                    Ok(_) => wire.received.clear(),
                    Err(stop) => {
                        assert_eq!(stop, Stop::Closed, "{kind}: the client heard nothing");
                        return (Instant::now(), wire);
                    }
                }
            }
        });
        world.gateway.revoke(&world.grant);
        let revoked = Instant::now();
        e2e::wait::within(LIMIT * 20, "the target runs nothing of the client's", || {
            (superuser.simple(&busy).texts()[0][0].as_deref() == Some("0")).then_some(())
        });
        let target = revoked.elapsed();
        let (heard, mut wire) = reader.join().unwrap();
        let client = heard.saturating_duration_since(revoked);
        assert!(client < LIMIT && target < LIMIT, "{kind}: client {client:?}, target {target:?}");
        // Behind the error, a session that goes on says that it is ready.
        wire.read_until(b"Z", LIMIT);
        world.next_is_refused(&mut wire, &format!("after revocation {round}"));
        clients.push(client);
        targets.push(target);
    }
    for (what, mut times) in [("the client is told", clients), ("the target is idle", targets)] {
        times.sort();
        let at = |percent: usize| times[(times.len() * percent).div_ceil(100).saturating_sub(1)];
        e2e::say!(
            "revocations: {count}, until {what}: p50 {:?}, p99 {:?}, max {:?}",
            at(50),
            at(99),
            at(100)
        );
    }
}
