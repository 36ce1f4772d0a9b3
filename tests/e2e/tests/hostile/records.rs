//! What must be on record, however large, early or frequent it is.

use std::fmt::Write as _;

use e2e::ledger::{self, Commands};
use e2e::wire::{ANSWER_TIMEOUT, Stop};
use e2e::{Login, Wire, target_log};

use super::World;

const TABLES: usize = 30;

/// Tables of 100 columns with long names.
fn wide() -> String {
    let columns: Vec<String> = columns().map(|column| format!("{column} int")).collect();
    let mut sql = "CREATE SCHEMA wide; GRANT USAGE ON SCHEMA wide TO svc;".to_owned();
    for table in 0..TABLES {
        write!(sql, "CREATE TABLE wide.t{table}({});", columns.join(",")).unwrap();
    }
    sql.push_str("GRANT ALL ON ALL TABLES IN SCHEMA wide TO svc;");
    sql
}

fn columns() -> impl Iterator<Item = String> {
    (0..100)
        .map(|column| format!("a_rather_long_name_of_a_column_to_fill_a_record_number_{column:03}"))
}

#[test]
fn a_denial_that_touches_too_much_to_be_listed_is_on_record() {
    let mut world = World::with_schema(&wide(), &super::SCOPE);
    // One more identity reads half of the tables: what it asks can be judged, but not recorded.
    let token = world.gateway.identity("reader");
    for four in (0..16).collect::<Vec<_>>().chunks(4) {
        let scope: Vec<String> = four.iter().map(|table| format!("select:wide.t{table}")).collect();
        let scope: Vec<&str> = scope.iter().map(String::as_str).collect();
        world.gateway.grant("reader", "billing", &scope);
        // The first one's grants name the tables, but let it read none.
        let first = columns().next().unwrap();
        let scope: Vec<String> =
            four.iter().map(|table| format!("insert:wide.t{table}({first})")).collect();
        let scope: Vec<&str> = scope.iter().map(String::as_str).collect();
        world.gateway.grant("agent", "billing", &scope);
    }
    let tables: Vec<String> = (0..16).map(|table| format!("wide.t{table}")).collect();
    let from = tables.join(", ");
    let named: Vec<String> = (0..12)
        .flat_map(|table| columns().map(move |column| format!("t{table}.{column}")))
        .collect();
    let all = format!("SELECT * FROM {from}");
    let each = format!("SELECT {} FROM {from}", named.join(", "));
    let cases = [("agent", world.token.clone()), ("reader", token)];
    let mut denials = 0;
    for (identity, token) in cases {
        let mut wire = world.gateway.connect(identity, "billing", &token).unwrap();
        for sql in [&all, &each] {
            for answer in [wire.simple(sql), wire.extended(sql, &[], 0)] {
                assert_eq!(answer.stop, Stop::Found, "{identity}: the session ended: {answer:?}");
                assert_eq!(answer.errors().len(), 1, "{identity}: {answer:?}");
                assert!(answer.rows().is_empty());
                denials += 1;
            }
        }
        assert_eq!(wire.simple("SELECT 1").rows().len(), 1, "{identity}: the session goes on");
    }
    let commands = Commands::read(&world.gateway);
    let reasons: Vec<String> =
        commands.denied.values().map(|denial| denial.leaf["reason"].to_string()).collect();
    e2e::say!("{reasons:?}");
    assert_eq!(commands.denied.len(), denials, "{reasons:?}");
    let unlisted = |denial: &&ledger::Record| {
        denial.leaf["reason"].to_string().contains("too much to be listed")
            && denial.leaf.get("touches").is_none()
    };
    assert!(commands.denied.values().filter(unlisted).count() >= 1, "{reasons:?}");
    assert_eq!(world.gateway.stop(), Some(0));
    verify_closed(&world);
}

fn verify_closed(world: &World) {
    let state = world.gateway.state();
    let key = state.join("keys/ledger.pub");
    let path = state.join("access");
    let arguments = ["verify", path.to_str().unwrap(), "--key", key.to_str().unwrap()];
    assert_eq!(world.gateway.admin(&arguments)["ok"], true);
}

#[test]
fn startup_settings_that_reach_the_target_are_recorded_commands() {
    let world = World::new();
    let options = "-c statement_timeout=12345 -c TimeZone=Asia/Tokyo -c search_path=billing";
    let mut login = Login::new("agent", "billing", &world.token);
    login.parameters.push(("options".into(), options.into()));
    let mut wire = Wire::login(world.gateway.address, &login).unwrap();
    assert_eq!(wire.simple("SELECT n FROM numbers WHERE n = 1").rows().len(), 1);

    let opened = ledger::of_kind(&world.gateway, "session_opened").pop().unwrap();
    let session = opened.leaf["session"].as_str().unwrap().to_owned();
    let commands = Commands::read(&world.gateway);
    let recorded: Vec<&str> =
        commands.intended.values().map(|intent| intent.value("forwarded")).collect();
    let executed = target_log::executed_by_gateways(&world.database);
    let executed: Vec<&str> = executed
        .iter()
        .filter(|line| line.application.contains(&session))
        .map(|line| line.sql.as_str())
        .collect();
    e2e::say!("{executed:?}");
    assert_eq!(executed, recorded);
    assert!(executed.iter().any(|sql| sql.to_lowercase().contains("timezone")), "{executed:?}");
    assert!(executed.iter().any(|sql| sql.contains("12345")), "{executed:?}");
    assert_eq!(commands.with_result("completed").len(), recorded.len());
    assert!(commands.intended.values().all(|intent| intent.index > opened.index));
}

#[test]
fn a_flood_of_garbage_leaves_few_records_and_the_numbers_add_up() {
    const FLOOD: u64 = 2_000;
    let mut world = World::new();
    for number in 0..FLOOD {
        let mut wire = Wire::connect(world.gateway.address).unwrap();
        wire.send(format!("GET /{number} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
        assert_eq!(wire.read_until(b"", ANSWER_TIMEOUT).1, Stop::Closed);
    }
    assert_eq!(world.connect().simple("SELECT 1").rows().len(), 1);
    assert_eq!(world.gateway.stop(), Some(0));

    let records = ledger::of_kind(&world.gateway, "authentication_failed");
    let counted = |record: &ledger::Record| {
        let reason = record.leaf["reason"].as_str().unwrap();
        reason.split_once(" more").map_or(1, |(count, _)| count.parse::<u64>().unwrap())
    };
    e2e::say!("{} records", records.len());
    assert!(records.len() < 200, "{} records", records.len());
    assert_eq!(records.iter().map(counted).sum::<u64>(), FLOOD);
    verify_closed(&world);
}
