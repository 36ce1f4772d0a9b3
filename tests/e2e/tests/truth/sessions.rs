//! Random sessions: what the record says stands is what the table holds, tag by tag.

use std::collections::BTreeSet;

use super::*;

/// Sessions, and requests in each.
const SESSIONS: u64 = 120;
const REQUESTS: u64 = 7;

#[test]
fn the_record_of_random_sessions_says_what_the_table_holds() {
    let world = World::new(&[]);
    let mut chance = Chance(0x9e37_79b9_7f4a_7c15);
    let mut tag = 0;
    for _ in 0..SESSIONS {
        let mut wire = world.connect();
        for _ in 0..REQUESTS {
            let statements: Vec<String> =
                (0..=chance.below(4)).map(|_| statement(&mut chance, &mut tag)).collect();
            let is_batch = chance.below(2) == 0;
            if is_batch {
                let batch: Vec<u8> = statements.iter().flat_map(|text| run(text)).collect();
                // Now and then the session ends before the Sync.
                let last = if chance.below(20) == 0 { flush() } else { sync() };
                wire.send(&[batch, last].concat());
            } else {
                wire.send_message(b'Q', &wire::c_string(&statements.join("; ")));
            }
            let (_, stop) = wire.read_until(b"Z", Duration::from_millis(400));
            if stop != Stop::Found {
                break;
            }
        }
    }
    e2e::wait::within(PATIENCE, "all sessions have ended", || {
        let ended = ledger::of_kind(&world.gateway, "session_closed").len();
        (ended as u64 == SESSIONS).then_some(())
    });
    world.database.wait_until_idle(PATIENCE);
    let (stands, unknown) = told(&world);
    let held: BTreeSet<String> = world
        .database
        .value("SELECT coalesce(string_agg(tag, ','), '') FROM billing.notes")
        .split(',')
        .map(str::to_owned)
        .filter(|tag| !tag.is_empty())
        .collect();
    e2e::say!("{tag} inserts, {} stand, {} not known", stands.len(), unknown.len());
    let wrong: Vec<&String> =
        stands.symmetric_difference(&held).filter(|tag| !unknown.contains(*tag)).collect();
    assert!(wrong.is_empty(), "{} differ: {wrong:?}", wrong.len());
    assert!(stands.len() > 100 && stands.len() < tag, "the sessions do not try enough");
    // Nothing here has an end that nobody could know.
    assert!(unknown.is_empty(), "{unknown:?}");
    world.verify();
}

/// The tags whose insertion stands according to the record, and those of which it does not know.
fn told(world: &World) -> (BTreeSet<String>, BTreeSet<String>) {
    let commands = world.commands();
    let records = ledger::records(&world.gateway, "access");
    let (mut stands, mut unknown) = (BTreeSet::new(), BTreeSet::new());
    for (name, intent) in &commands.intended {
        let Some((_, rest)) = intent.value("sql").split_once("('t") else { continue };
        let tag = format!("t{}", rest.split('\'').next().unwrap());
        let outcome = &commands.finished[name];
        if outcome.leaf["result"] == "unknown" {
            unknown.insert(tag);
            continue;
        }
        if outcome.leaf["result"] != "completed" {
            continue;
        }
        if outcome.leaf["uncommitted"] != true {
            stands.insert(tag);
            continue;
        }
        let covers = |record: &&ledger::Record| {
            record.index > outcome.index
                && record.kind().starts_with("batch_")
                && record.leaf["session"] == name.0.as_str()
                && (record.leaf["first"].as_u64()..=record.leaf["last"].as_u64())
                    .contains(&Some(name.1))
        };
        let fate = records.iter().find(covers).map(ledger::Record::kind);
        match fate {
            Some("batch_committed") => drop(stands.insert(tag)),
            Some("batch_rolled_back") => {}
            Some("batch_unknown") => drop(unknown.insert(tag)),
            other => panic!("{name:?} is uncommitted, and then: {other:?}"),
        }
    }
    (stands, unknown)
}

fn statement(chance: &mut Chance, tag: &mut usize) -> String {
    let fixed = match chance.below(18) {
        0..=7 => {
            *tag += 1;
            return format!("INSERT INTO billing.notes (tag) VALUES ('t{tag}')");
        }
        8 | 9 => "BEGIN",
        10 => "COMMIT",
        11 => "ROLLBACK",
        12 => "SAVEPOINT s",
        13 => "SAVEPOINT t",
        14 => "ROLLBACK TO s",
        15 => "RELEASE s",
        16 => "SELECT 1 / (n - n) FROM billing.numbers WHERE n = 1",
        _ => "SELECT count(*) FROM billing.items",
    };
    fixed.to_owned()
}

/// Numbers that are the same in every run (xorshift).
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}
