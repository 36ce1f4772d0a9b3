//! When the facts change, the findings change.

use crate::fixture::{Fixture, at, touch};
use evidence::{Package, State, build};
use model::{
    AccessEvent, AccessRecord, Action, ControlEvent, ControlRecord, FinishedResult, GrantId, Mask,
    MaskedColumn, RelationName,
};

fn package(spoil: impl Fn(&mut Fixture)) -> Package {
    let mut fixture = Fixture::new();
    spoil(&mut fixture);
    build(fixture.input()).unwrap()
}

fn states(package: &Package, state: State) -> Vec<&'static str> {
    let findings = package.report.controls.iter().flat_map(|control| &control.findings);
    findings.filter(|finding| finding.state == state).map(|finding| finding.objective).collect()
}

fn failed(package: &Package) -> Vec<&'static str> {
    let checks = package.report.checks.iter();
    checks.filter(|check| !check.exceptions.is_empty()).map(|check| check.id.id()).collect()
}

#[test]
fn sound_records_satisfy_what_records_can_decide() {
    let package = package(|_| {});
    assert_eq!(states(&package, State::NotSatisfied), [""; 0]);
    let satisfied = [
        "ac-2_obj.d.1",
        "ac-2_obj.d.2",
        "ac-2_obj.d.3-1",
        "ac-2_obj.d.3-2",
        "ac-2_obj.g",
        "ac-2_obj.i.1",
        "ac-2_obj.i.2",
        "ac-2_obj.i.3",
        "au-2_obj.a",
        "au-2_obj.c-1",
        "au-2_obj.c-2",
        "au-12_obj.a",
    ];
    assert_eq!(states(&package, State::Satisfied), satisfied);
}

/// The first allowed command, its event to be spoiled.
fn first_command(fixture: &mut Fixture) -> &mut AccessEvent {
    let place = fixture.find(|event| matches!(event, AccessEvent::CommandIntended { .. }));
    &mut fixture.access[place].event
}

fn revoke_first_grant(fixture: &mut Fixture, seconds: u64) {
    let event =
        ControlEvent::GrantRevoked { grant: GrantId::from_random(1), reason: "stop".into() };
    let record = ControlRecord { at: at(seconds), by: "uid:1000".into(), event };
    fixture.control.insert(11, record);
}

/// A changed fact, how it is changed, the checks that find it, and an objective that it contradicts.
type Case = (&'static str, fn(&mut Fixture), &'static [&'static str], &'static str);

#[rustfmt::skip]
const AUTHORITY: &[Case] = &[
    ("a command without a grant", |f| {
        let AccessEvent::CommandIntended { grants, .. } = first_command(f) else { panic!() };
        grants.clear();
    }, &["grant.scope", "decision.grants"], "ac-6_obj"),
    ("a grant with another hash", |f| {
        let AccessEvent::CommandIntended { grants, .. } = first_command(f) else { panic!() };
        grants[0].hash.0 = "00".repeat(32);
    }, &["grant.on-record", "grant.scope", "decision.grants"], "ac-2_obj.d.3-1"),
    ("a grant that does not exist", |f| {
        let AccessEvent::CommandIntended { grants, .. } = first_command(f) else { panic!() };
        grants[0].id = GrantId::from_random(99);
    }, &["grant.on-record", "grant.scope", "decision.grants"], "ac-2_obj.d.2"),
    ("a column that was not granted", |f| {
        let AccessEvent::CommandIntended { facts, .. } = first_command(f) else { panic!() };
        facts.touches[0].columns.insert("tax_id".into());
    }, &["grant.scope", "decision.replay"], "ac-2_obj.i.1"),
    ("a relation that was not granted", |f| {
        let AccessEvent::CommandIntended { facts, .. } = first_command(f) else { panic!() };
        facts.touches.push(touch("payments", Action::Select, &[]));
    }, &["grant.scope", "decision.replay"], "ac-2_obj.i.2"),
    ("a grant used after its expiry", |f| {
        let place = f.find(|event| matches!(event, AccessEvent::CommandIntended { .. }));
        f.access[place].at = at(1801);
        f.access[place + 1].at = at(1801);
    }, &["grant.live", "decision.replay"], "ac-2_obj.i.1"),
    ("a grant used after its revocation", |f| {
        revoke_first_grant(f, 125);
        let AccessEvent::CommandIntended { control_size, .. } = first_command(f) else { panic!() };
        *control_size = 12;
    }, &["grant.live", "decision.replay", "authority.fresh"], "ac-2_obj.l-1"),
    ("a revocation that the gateway overlooked", |f| revoke_first_grant(f, 125),
        &["authority.fresh"], "ac-2_obj.i.3"),
    ("a disabled identity", |f| {
        let event = ControlEvent::IdentityDisabled { identity: "billing-agent".parse().unwrap(), reason: "left".into() };
        f.control.insert(10, ControlRecord { at: at(90), by: "uid:1000".into(), event });
    }, &["identity.stood", "decision.replay", "authority.fresh"], "ac-2_obj.i.1"),
    ("an identity without a live credential", |f| {
        let event = ControlEvent::CredentialRevoked { credential: model::CredentialId::from_random(1), reason: "lost".into() };
        f.control.insert(11, ControlRecord { at: at(90), by: "uid:1000".into(), event });
    }, &["authority.fresh"], "ac-2_obj.i.1"),
    ("an identity that never was", |f| {
        for record in &mut f.access {
            if let AccessEvent::SessionOpened { identity, .. } | AccessEvent::CommandIntended { identity, .. }
                | AccessEvent::CommandDenied { identity, .. } = &mut record.event
                && identity.as_str() == "billing-agent" { *identity = "ghost".parse().unwrap(); }
        }
    }, &["identity.known", "grant.on-record"], "ac-2_obj.d.1"),
    ("a decision under a control ledger that is not here", |f| {
        let AccessEvent::CommandIntended { control_size, .. } = first_command(f) else { panic!() };
        *control_size = 13;
    }, &["control.covers"], "ac-2_obj.d.1"),
];

#[rustfmt::skip]
const COMPLETENESS: &[Case] = &[
    ("a missing outcome", |f| {
        let place = f.find(|event| matches!(event, AccessEvent::CommandFinished { .. }));
        f.access.remove(place);
    }, &["command.outcome", "record.content"], "au-12_obj.c"),
    ("a second outcome", |f| {
        let place = f.find(|event| matches!(event, AccessEvent::CommandFinished { .. }));
        let again = f.access[place].clone();
        f.access.insert(place, again);
    }, &["command.outcome"], "au-2_obj.c-2"),
    ("an outcome without a command", |f| {
        let place = f.find(|event| matches!(event, AccessEvent::CommandIntended { .. }));
        f.access.remove(place);
    }, &["session.sequence", "session.total", "command.intent"], "ac-2_obj.g"),
    ("a missing denial", |f| {
        let place = f.find(|event| matches!(event, AccessEvent::CommandDenied { .. }));
        f.access.remove(place);
    }, &["session.sequence", "session.total"], "au-12_obj.a"),
    ("a session that was never opened", |f| {
        let place = f.find(|event| matches!(event, AccessEvent::SessionOpened { .. }));
        f.access.remove(place);
    }, &["session.known", "record.content"], "au-2_obj.c-2"),
    ("a wrong total", |f| {
        let place = f.find(|event| matches!(event, AccessEvent::SessionClosed { .. }));
        let AccessEvent::SessionClosed { commands, .. } = &mut f.access[place].event else { panic!() };
        *commands += 1;
    }, &["session.total"], "ac-2_obj.g"),
    ("another mask than declared", |f| {
        let AccessEvent::CommandIntended { facts, .. } = first_command(f) else { panic!() };
        facts.masked[1].mask = Mask::Hash;
    }, &["mask.declared", "mask.planned"], "au-12_obj.c"),
    ("a redaction that was not planned", |f| {
        let place = f.find(|event| matches!(event, AccessEvent::CommandFinished { .. }));
        let AccessEvent::CommandFinished { redactions, .. } = &mut f.access[place].event else { panic!() };
        let relation = RelationName::new("billing", "customers");
        redactions[0].column = MaskedColumn { relation, column: "name".into(), mask: Mask::Full };
    }, &["mask.planned"], "au-12_obj.c"),
    ("rows over the limit", |f| {
        let place = f.find(|event| matches!(event, AccessEvent::CommandFinished { .. }));
        let AccessEvent::CommandFinished { rows, .. } = &mut f.access[place].event else { panic!() };
        *rows = 10_001;
    }, &["decision.replay", "grant.limits"], "ac-2_obj.i.3"),
    ("a command that ended before it began", |f| {
        let place = f.find(|event| matches!(event, AccessEvent::CommandFinished { .. }));
        f.access[place].at = at(129);
    }, &["record.content"], "au-12_obj.c"),
];

#[test]
fn a_changed_fact_changes_the_finding() {
    for (what, spoil, checks, objective) in AUTHORITY.iter().chain(COMPLETENESS) {
        let package = package(spoil);
        let failed = failed(&package);
        for check in *checks {
            assert!(failed.contains(check), "{what}: {check} in {failed:?}");
        }
        let broken = states(&package, State::NotSatisfied);
        assert!(broken.contains(objective), "{what}: {objective} in {broken:?}");
        assert!(package.report.totals.exceptions > 0, "{what}");
    }
}

#[test]
fn what_lies_outside_the_window_does_not_count() {
    let package = package(|fixture| {
        let AccessEvent::CommandIntended { grants, .. } = first_command(fixture) else { panic!() };
        grants.clear();
        fixture.window.from = at(135);
    });
    assert_eq!(failed(&package), [""; 0]);
}

#[test]
fn a_command_that_runs_at_the_checkpoint_is_no_exception() {
    let package = package(|fixture| {
        let place = fixture.find(|event| matches!(event, AccessEvent::CommandFinished { .. }));
        fixture.access.truncate(place);
    });
    assert_eq!(failed(&package), [""; 0]);
    let unfinished = &package.report.artefacts.unfinished.rows;
    assert_eq!(unfinished.len(), 1);
    assert_eq!(unfinished[0].state, "running");
}

#[test]
fn what_was_rolled_back_changed_nothing() {
    let package = package(|fixture| {
        let completed = |event: &AccessEvent| {
            matches!(event, AccessEvent::CommandFinished { affected: Some(1..), .. })
        };
        let place = fixture.find(completed);
        let command = fixture.access[place].event.command().unwrap();
        let (session, first) = (command.session, command.sequence);
        let sqlstate = Some("23503".to_owned());
        let event = AccessEvent::BatchRolledBack { session, first, last: first, sqlstate };
        let record = AccessRecord { at: fixture.access[place].at, event };
        fixture.access.insert(place + 1, record);
    });
    assert_eq!(package.report.artefacts.grants.rows[0].affected, 0);
    assert_eq!(package.report.totals.affected, 0);
    let commands = &package.files["commands.csv"];
    let text = std::str::from_utf8(commands).unwrap();
    let undone = r#","rolled_back","","0","0","0","1250","0""#;
    assert_eq!(text.lines().filter(|line| line.ends_with(undone)).count(), 1, "{text}");
}

#[test]
fn an_unknown_outcome_is_listed_and_is_not_success() {
    let package = package(|_| {});
    assert_eq!(package.report.totals.unknown, 1);
    let row = &package.report.artefacts.unfinished.rows[0];
    assert_eq!((row.state, row.outcome_record.is_some()), ("unknown", true));
    let usage = &package.report.artefacts.usage.rows;
    let report_agent = usage.iter().find(|row| row.identity.as_str() == "report-agent").unwrap();
    assert_eq!(report_agent.results.get(&FinishedResult::Completed), Some(&1));
    assert_eq!(report_agent.results.get(&FinishedResult::Unknown), Some(&1));
}

#[test]
fn a_grant_shows_what_was_never_used_of_it() {
    let package = package(|_| {});
    let grants = &package.report.artefacts.grants.rows;
    let (first, third) = (&grants[0], &grants[2]);
    assert_eq!((first.commands, first.rows, first.affected), (3, 3, 1));
    let customers = &first.scope[0];
    assert_eq!(customers.relation, "billing.customers");
    assert_eq!(customers.unused.iter().collect::<Vec<_>>(), ["plan"]);
    // 5 of customers, 4 to read and 4 to write of invoices; used: 4, 1 and 1.
    assert_eq!((first.privileges, first.privileges_used), (13, 6));
    assert_eq!((third.commands, third.state), (0, "expired"));
    assert_eq!(package.report.totals.grants_unused, 1);
    let revoked = grants[1].revoked.as_ref().unwrap();
    assert_eq!(
        (grants[1].state, revoked.record, &*revoked.reason),
        ("revoked", 11, "task is done")
    );
}
