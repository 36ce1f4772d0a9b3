//! RESET ALL and DISCARD ALL go back to the settings of the session's start: the client's own, on
//! top of those that the gateway pins.

use e2e::{Cluster, Gateway, Login, Settings, Target, Wire};

use crate::{World, batch, query, run, unnamed};

const STARTUP: [(&str, &str); 4] = [
    ("TimeZone", "Asia/Tokyo"),
    ("extra_float_digits", "3"),
    ("application_name", "tool"),
    ("options", "-c search_path=billing -c IntervalStyle=iso_8601"),
];
/// What they must be after a reset.
const EXPECTED: [(&str, &str); 8] = [
    ("TimeZone", "Asia/Tokyo"),
    ("extra_float_digits", "3"),
    ("application_name", "tool"),
    ("search_path", "billing"),
    ("IntervalStyle", "iso_8601"),
    ("DateStyle", "ISO, MDY"),
    ("standard_conforming_strings", "on"),
    ("client_encoding", "UTF8"),
];

#[test]
fn a_reset_goes_back_to_the_session_s_start() {
    let world = World::new();
    let login = Login {
        parameters: STARTUP.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
        ..Login::new("agent", "billing", &world.token)
    };
    let change = [
        "SET TimeZone = 'UTC'",
        "SET extra_float_digits = 0",
        "SET application_name = 'other'",
        "SET search_path = public",
        "SET IntervalStyle = 'postgres'",
        "SET DateStyle = 'ISO, DMY'",
        "SET statement_timeout = '5s'",
    ];
    #[rustfmt::skip]
    let resets: [(&str, Vec<crate::Step>); 8] = [
        ("RESET ALL",                vec![query("RESET ALL")]),
        ("RESET ALL, extended",      vec![batch(&[unnamed("RESET ALL")])]),
        ("DISCARD ALL",              vec![query("DISCARD ALL")]),
        ("DISCARD ALL, extended",    vec![batch(&[unnamed("DISCARD ALL")])]),
        ("in a transaction",         vec![query("BEGIN"), query("RESET ALL"), query("COMMIT")]),
        ("in a batch",               vec![batch(&[unnamed("RESET ALL"), unnamed("SELECT 1 AS a")])]),
        ("one by one",               EXPECTED.iter().map(|(name, _)| query(&format!("RESET {name}"))).collect()),
        ("SET … TO DEFAULT",         EXPECTED.iter().map(|(name, _)| query(&format!("SET {name} TO DEFAULT"))).collect()),
    ];
    for (what, steps) in resets {
        let mut wire = Wire::login(world.gateway.address, &login).unwrap();
        assert_eq!(shown(&mut wire), expected(), "at the start");
        for text in change {
            assert_eq!(wire.simple(text).errors(), [], "{text}");
        }
        assert_ne!(shown(&mut wire), expected());
        let seen = run(&mut wire, &steps);
        assert!(!seen.iter().any(|line| line.starts_with("E ")), "{what}: {seen:?}");
        assert_eq!(shown(&mut wire), expected(), "{what}");
        assert_eq!(wire.simple("SELECT n FROM numbers WHERE n = 1").rows().len(), 1, "{what}");
    }
}

#[test]
fn a_reset_that_is_undone_changes_nothing() {
    let world = World::new();
    let login = Login {
        parameters: STARTUP.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
        ..Login::new("agent", "billing", &world.token)
    };
    let mut wire = Wire::login(world.gateway.address, &login).unwrap();
    wire.simple("SET TimeZone = 'UTC'");
    wire.simple("SET search_path = hr");
    let steps = [query("BEGIN"), query("RESET ALL"), query("ROLLBACK")];
    run(&mut wire, &steps);
    assert_eq!(wire.simple("SHOW TimeZone").texts(), [[Some("UTC".to_owned())]]);
    assert_eq!(wire.simple("SHOW search_path").texts(), [[Some("hr".to_owned())]]);
}

/// The key of the `hash` mask is a setting of the target's session.
#[test]
fn a_reset_keeps_what_the_gateway_has_pinned() {
    let database = Cluster::shared().billing();
    let mut target = Target::billing(&database);
    target.masks = vec![("billing.customers.ssn".into(), "hash".into())];
    let gateway = Gateway::start(&Settings::new(vec![target]));
    let token = gateway.identity("agent");
    gateway.grant("agent", "billing", &["select:billing.customers(id,ssn)"]);
    let mut wire = gateway.connect("agent", "billing", &token).unwrap();
    let hash = "SELECT ssn FROM billing.customers WHERE id = 1";
    let before = wire.simple(hash).texts();
    assert_eq!(before[0][0].as_ref().unwrap().len(), 64);
    for reset in ["RESET ALL", "DISCARD ALL"] {
        assert_eq!(wire.simple(reset).errors(), []);
        assert_eq!(wire.simple(hash).texts(), before, "{reset}");
        let literal = wire.simple("SELECT 'a\\b' AS a, '2026-02-28'::date AS d");
        let expected = ["a\\b", "2026-02-28"].map(|text| Some(text.to_owned()));
        assert_eq!(literal.texts(), [expected], "{reset}");
    }
}

fn shown(wire: &mut Wire) -> Vec<String> {
    let show = |(name, _): &(&str, &str)| {
        wire.simple(&format!("SHOW {name}")).texts()[0][0].clone().unwrap()
    };
    EXPECTED.iter().map(show).collect()
}

fn expected() -> Vec<String> {
    EXPECTED.iter().map(|(_, value)| (*value).to_owned()).collect()
}
