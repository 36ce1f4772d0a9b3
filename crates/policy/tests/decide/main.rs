//! What `decide` allows and denies, as tables. The properties stand in their own file.

#![expect(clippy::unwrap_used, reason = "a test that cannot build its input has failed")]

mod fixture;
mod properties;

use model::{Action, Facts, GrantId, Limits, Notification, RelationName, SessionId, StatementKind};
use policy::{Decision, DenyReason, Standing, Usage, check, decide, judge_notification};

use crate::fixture::{Inventory, at, command, facts, grant, reads, reason, set, touch};

#[test]
fn a_window_includes_its_start_and_excludes_its_end() {
    let grant = grant(1).on("customers", &[Action::Select], &["id"]).during(100, 200);
    #[rustfmt::skip]
    let cases = [
        (0,   Some("outside_window")),
        (99,  Some("outside_window")),
        (100, None),
        (199, None),
        (200, Some("outside_window")),
        (999, Some("outside_window")),
    ];
    for (now, expected) in cases {
        let wanted = reads("customers", &["id"]);
        assert_eq!(reason(&wanted, std::slice::from_ref(&grant), now), expected, "at {now}");
    }
}

#[test]
fn a_notification_passes_while_a_grant_to_listen_covers_its_channel() {
    let on = |number, action, channel: &str| {
        let mut made = grant(number).on(channel, &[action], &[]).during(100, 200);
        made.grant.scope[0].relation = RelationName::channel(channel);
        made
    };
    let mut used_up = on(1, Action::Listen, "orders");
    (used_up.grant.limits.rows, used_up.usage.rows) = (Some(5), 5);
    // A relation of a schema `channel` is no channel.
    let relation = on(1, Action::Select, "orders");
    #[rustfmt::skip]
    let cases = [
        (on(1, Action::Listen, "orders"), 150, None),
        (on(1, Action::Listen, "orders"), 200, Some("outside_window")),
        (on(1, Action::Listen, "Orders"), 150, Some("no_grant")),
        (on(1, Action::Notify, "orders"), 150, Some("no_grant")),
        (used_up,                         150, Some("limit_reached")),
        (relation,                        150, Some("no_grant")),
    ];
    for (made, now, expected) in cases {
        let inventory = Inventory::new(std::slice::from_ref(&made));
        let notification = |identity: &str| Notification {
            session: SessionId::from_random(1),
            identity: identity.parse().unwrap(),
            target: "billing".parse().unwrap(),
            channel: "orders".into(),
            payload: "said".into(),
        };
        let judge =
            |identity| judge_notification(notification(identity), &inventory.standing(), at(now));
        match (judge("billing-agent"), expected) {
            (Ok(deliverable), None) => {
                assert_eq!(deliverable.grants().len(), 1);
                assert_eq!(deliverable.into_notification().payload, "said");
            }
            (Err(dropped), Some(reason)) => assert_eq!(dropped.reason, reason),
            (judged, _) => panic!("{judged:?}, expected {expected:?}"),
        }
        assert_eq!(judge("someone-else").unwrap_err().reason, "standing_mismatch");
    }
}

#[test]
fn a_function_of_the_system_needs_a_grant_that_names_it() {
    let mut calls = facts(StatementKind::Write, vec![touch("x", Action::Execute, &[])]);
    calls.touches[0].relation = RelationName::new("pg_catalog", "pg_advisory_lock");
    let mut made = grant(1).on("x", &[Action::Execute], &[]);
    assert_eq!(reason(&calls, &[made.clone()], 150), Some("no_grant"));
    made.grant.scope[0].relation = calls.touches[0].relation.clone();
    assert_eq!(reason(&calls, &[made], 150), None);
    assert!(calls.counts());
}

#[test]
fn catalogs_need_any_live_grant_and_rest_on_all() {
    let mut catalog = touch("pg_class", Action::Select, &[]);
    catalog.relation = RelationName::new("pg_catalog", "pg_class");
    let reads_catalog = facts(StatementKind::Read, vec![catalog.clone()]);
    let mut writes_catalog = reads_catalog.clone();
    writes_catalog.touches[0].action = Action::Update;
    let all = [
        grant(1).on("customers", &[Action::Select], &["id"]).during(100, 200),
        grant(2).on("plans", &[Action::Insert], &["id"]).during(100, 300),
        grant(3).on("plans", &[Action::Select], &["id"]).during(400, 500),
    ];
    #[rustfmt::skip]
    let cases = [
        (&reads_catalog,  150, None),
        (&reads_catalog,  250, None),
        (&reads_catalog,  350, Some("outside_window")),
        (&writes_catalog, 150, Some("no_grant")),
    ];
    for (wanted, now, expected) in cases {
        assert_eq!(reason(wanted, &all, now), expected, "at {now}");
    }
    assert_eq!(reason(&reads_catalog, &[], 150), Some("no_grant"));

    let inventory = Inventory::new(&all);
    let coverage = check(&reads_catalog, &inventory.standing(), at(150)).unwrap();
    assert_eq!(coverage.grants.len(), 2, "all that are live");
    assert_eq!(coverage.until, at(200), "the first that ends");
    assert!(!reads_catalog.counts(), "drivers read catalogs by themselves");
    let mixed = facts(StatementKind::Read, vec![catalog, touch("customers", Action::Select, &[])]);
    assert!(mixed.counts());
}

#[test]
fn every_action_and_column_needs_a_grant() {
    use Action::{Delete, Insert, Select, Update};
    type Case<'c> = (&'c str, Action, &'c [&'c str], Option<&'c str>);
    let all = [
        grant(1).on("customers", &[Select, Update], &["id", "name"]),
        grant(2).on("customers", &[Select], &["email"]),
        grant(3).on("invoices", &[Delete], &["id"]),
    ];
    #[rustfmt::skip]
    let cases: [Case<'_>; 13] = [
        // relation    action  columns                   reason
        ("customers",  Select, &["id"],                  None),
        ("customers",  Select, &["id", "name"],          None),
        ("customers",  Select, &["id", "name", "email"], None),
        ("customers",  Select, &[],                      None),
        ("customers",  Select, &["ssn"],                 Some("columns_not_granted")),
        ("customers",  Select, &["id", "ssn"],           Some("columns_not_granted")),
        ("customers",  Update, &["name"],                None),
        ("customers",  Update, &["email"],               Some("columns_not_granted")),
        ("customers",  Insert, &["id"],                  Some("no_grant")),
        ("customers",  Insert, &[],                      Some("no_grant")),
        ("invoices",   Delete, &[],                      None),
        ("invoices",   Select, &[],                      Some("no_grant")),
        ("Customers",  Select, &["id"],                  Some("no_grant")),
    ];
    for (relation, action, columns, expected) in cases {
        let wanted = facts(StatementKind::Read, vec![touch(relation, action, columns)]);
        assert_eq!(reason(&wanted, &all, 150), expected, "{action} {columns:?} of {relation}");
    }
}

#[test]
fn the_denial_names_the_missing_columns_to_the_operator_and_not_to_the_client() {
    let grants = [grant(1).on("customers", &[Action::Select], &["id"])];
    let wanted = reads("customers", &["id", "ssn", "salary"]);
    let inventory = Inventory::new(&grants);

    let denied = check(&wanted, &inventory.standing(), at(150)).unwrap_err();

    let DenyReason::ColumnsNotGranted { columns, .. } = &denied else { panic!("{denied:?}") };
    assert_eq!(columns, &set(&["ssn", "salary"]));
    let message = denied.client_message();
    assert!(message.contains("relation customers"), "{message}");
    for hidden in ["ssn", "salary", "billing", "grt_"] {
        assert!(!message.contains(hidden), "{message}");
    }
}

#[test]
fn what_touches_nothing_needs_no_grant_unless_it_writes() {
    #[rustfmt::skip]
    let cases = [
        (StatementKind::Empty,       None),
        (StatementKind::Transaction, None),
        (StatementKind::Setting,     None),
        (StatementKind::Read,        None),
        (StatementKind::Write,       Some("nothing_to_judge")),
    ];
    for (kind, expected) in cases {
        assert_eq!(reason(&Facts::nothing(kind), &[], 150), expected, "{kind:?}");
    }
}

#[test]
fn nothing_is_allowed_once_the_identity_or_its_credential_has_ended() {
    type Change = fn(&mut Standing<'_>);
    let grants = [grant(1).on("customers", &[Action::Select], &["id"])];
    let inventory = Inventory::new(&grants);
    #[rustfmt::skip]
    let cases: [(Change, Option<&str>); 7] = [
        (|_| {},                                                None),
        (|standing| standing.enabled = false,                   Some("identity_disabled")),
        (|standing| standing.identity_expires_at = Some(at(150)), Some("identity_expired")),
        (|standing| standing.identity_expires_at = Some(at(151)), None),
        (|standing| standing.credential_ok = false,             Some("credential_ended")),
        (|standing| standing.credential_expires_at = Some(at(150)), Some("credential_ended")),
        (|standing| standing.credential_expires_at = Some(at(151)), None),
    ];
    for (index, (change, expected)) in cases.into_iter().enumerate() {
        let mut standing = inventory.standing();
        change(&mut standing);
        for wanted in [reads("customers", &["id"]), Facts::nothing(StatementKind::Transaction)] {
            let answer = check(&wanted, &standing, at(150)).err();
            let code = answer.as_ref().map(DenyReason::code);
            assert_eq!(code, expected, "case {index}");
            if let Some(reason) = answer {
                assert!(reason.ends_session(), "case {index}");
                assert_eq!(reason.sqlstate(), "28000", "case {index}");
            }
        }
    }
}

#[test]
fn a_used_up_grant_covers_nothing() {
    #[rustfmt::skip]
    let cases = [
        // limit of commands and rows  used    expected
        (None,    None,     (900, 900), None),
        (Some(3), None,     (2, 900),   None),
        (Some(3), None,     (3, 0),     Some("limit_reached")),
        (Some(0), None,     (0, 0),     Some("limit_reached")),
        (None,    Some(10), (900, 9),   None),
        (None,    Some(10), (0, 10),    Some("limit_reached")),
        (Some(3), Some(10), (2, 11),    Some("limit_reached")),
    ];
    for (commands, rows, used, expected) in cases {
        let mut made = grant(1).on("customers", &[Action::Select], &["id"]);
        made.grant.limits = Limits { commands, rows, bytes: None };
        made.usage = Usage { commands: used.0, rows: used.1, bytes: 900 };
        let wanted = reads("customers", &["id"]);
        assert_eq!(reason(&wanted, &[made], 150), expected, "{commands:?} {rows:?} {used:?}");
    }
}

#[test]
fn a_limit_on_bytes_ends_like_the_others() {
    let wanted = reads("customers", &["id"]);
    for (max, used, expected) in [(10, 9, None), (10, 10, Some("limit_reached"))] {
        let mut made = grant(1).on("customers", &[Action::Select], &["id"]);
        made.grant.limits.bytes = Some(max);
        made.usage.bytes = used;
        let inventory = Inventory::new(std::slice::from_ref(&made));
        let left = check(&wanted, &inventory.standing(), at(150)).ok().map(|c| c.bytes_max);
        assert_eq!(left, expected.is_none().then_some(Some(1)));
        assert_eq!(reason(&wanted, &[made], 150), expected);
    }
}

#[test]
fn the_covering_grants_bound_the_end_and_the_rows() {
    let short = grant(1).on("customers", &[Action::Select], &["id"]).during(100, 180);
    let mut narrow = grant(2).on("customers", &[Action::Select], &["name"]).during(100, 190);
    narrow.grant.limits.rows = Some(10);
    narrow.usage.rows = 4;
    let other = grant(3).on("invoices", &[Action::Select], &["id"]).during(100, 160);
    let inventory = Inventory::new(&[short, narrow, other]);

    let both = check(&reads("customers", &["id", "name"]), &inventory.standing(), at(150)).unwrap();
    assert_eq!(both.until, at(180));
    assert_eq!(both.rows_max, Some(6));
    let ids: Vec<_> = both.grants.iter().map(|grant| grant.id).collect();
    assert_eq!(ids, [GrantId::from_random(1), GrantId::from_random(2)]);

    let mut standing = inventory.standing();
    standing.credential_expires_at = Some(at(170));
    let one = check(&reads("customers", &["id"]), &standing, at(150)).unwrap();
    assert_eq!(one.until, at(170));
    assert_eq!(one.rows_max, None);
}

#[test]
fn the_most_generous_grant_is_used_first() {
    let mut counted = grant(1).on("customers", &[Action::Select], &["id"]).during(100, 900);
    counted.grant.limits.commands = Some(5);
    let mut few_rows = grant(2).on("customers", &[Action::Select], &["id"]).during(100, 999);
    few_rows.grant.limits.rows = Some(1);
    let short = grant(3).on("customers", &[Action::Select], &["id"]).during(100, 160);
    let long = grant(4).on("customers", &[Action::Select], &["id"]).during(100, 170);
    let mut made = vec![counted, few_rows, short, long];
    for expected in [4, 3, 1, 2] {
        let inventory = Inventory::new(&made);
        let coverage = check(&reads("customers", &["id"]), &inventory.standing(), at(150)).unwrap();
        let expected = GrantId::from_random(expected);
        assert_eq!(coverage.grants.iter().map(|grant| grant.id).collect::<Vec<_>>(), [expected]);
        made.retain(|made| made.grant.id != expected);
    }
}

#[test]
fn a_grant_of_someone_else_counts_for_nothing() {
    let mut theirs = grant(1).on("customers", &[Action::Select], &["id"]);
    theirs.grant.identity = "someone-else".parse().unwrap();
    let mut elsewhere = grant(2).on("customers", &[Action::Select], &["id"]);
    elsewhere.grant.target = "payroll".parse().unwrap();
    let wanted = reads("customers", &["id"]);
    assert_eq!(reason(&wanted, &[theirs, elsewhere], 150), Some("no_grant"));
}

#[test]
fn a_command_is_judged_only_by_its_own_standing() {
    let inventory = Inventory::new(&[grant(1).on("customers", &[Action::Select], &["id"])]);
    let mut other = command(reads("customers", &["id"]));
    other.identity = "someone-else".parse().unwrap();
    let Decision::Deny(denied, reason) = decide(other, &inventory.standing(), at(150)) else {
        panic!("allowed");
    };
    assert_eq!(reason, DenyReason::StandingMismatch);
    assert_eq!(denied.reason, "standing_mismatch");
    assert_eq!(denied.identity.as_str(), "someone-else");
}

#[test]
fn the_proof_owns_what_was_judged() {
    let inventory = Inventory::new(&[grant(1).on("customers", &[Action::Select], &["id"])]);
    let Decision::Allow(allowed) =
        decide(command(reads("customers", &["id"])), &inventory.standing(), at(150))
    else {
        panic!("denied");
    };
    assert_eq!(allowed.control_size(), 7);
    assert_eq!(allowed.until(), at(200));
    assert_eq!(allowed.grants().len(), 1);
    assert_eq!(&*allowed.command().text, "the client's text");
    assert_eq!(&*allowed.into_command().forwarded, "the forwarded text");
}
