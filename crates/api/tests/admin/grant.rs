//! Making grants: what is written out, what is refused.

use std::time::Duration;

use api::grants::{GrantFilter, GrantState, NewGrant};
use model::{Action, Limits};

use crate::fixture::{Gateway, Line, name, new_grant, new_identity, now, refusal, set, target};

#[tokio::test]
async fn a_scope_without_columns_is_written_out() {
    let dir = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(dir.path());
    gateway.client.create_identity(&new_identity("agent")).await.unwrap();
    let wanted = new_grant(&[
        ("billing.customers", &[Action::Select, Action::Update], None),
        ("billing.invoices", &[Action::Select], Some(&["id"])),
    ]);
    let grant = gateway.client.create_grant(&wanted).await.unwrap().grant;
    assert_eq!(grant.scope[0].columns, set(&["email", "id", "name"]));
    assert_eq!(grant.scope[0].actions, [Action::Select, Action::Update].into());
    assert_eq!(grant.scope[1].columns, set(&["id"]));
    assert_eq!(grant.expires_at, wanted.expires_at);
    assert_eq!(grant.requested_by, grant.approved_by);
    assert!(grant.not_before <= now());
    gateway.stop().await;
}

#[tokio::test]
async fn every_mistake_is_named_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(dir.path());
    let size = gateway.control.registry().size();
    let wanted = NewGrant {
        not_before: Some(now().saturating_add(Duration::from_hours(31 * 24))),
        limits: Limits { commands: Some(0), ..Limits::default() },
        task: String::new(),
        purpose: "two\nlines".into(),
        on_behalf_of: Some(name("ada")),
        ..new_grant(&[
            ("billing.customers", &[Action::Select], Some(&["id", "ssn", "salary"])),
            ("billing.secrets", &[Action::Select], None),
            ("billing.invoices", &[], Some(&[])),
        ])
    };
    let (status, code, message) = refusal(gateway.client.create_grant(&wanted).await);
    assert_eq!((status, code.as_str()), (422, "invalid"));
    for part in [
        "no identity `agent`",
        "no identity `ada`",
        "the task is empty",
        "the purpose has a line break",
        "limit of 0",
        "the window",
        "`billing.customers` has no columns `salary`, `ssn`",
        "no relation `billing.secrets`",
        "no action is named for `billing.invoices`",
        "no column of `billing.invoices` is named",
    ] {
        assert!(message.contains(part), "{part} is missing in:\n{message}");
    }
    assert_eq!(message.lines().count(), 10, "{message}");
    assert_eq!(gateway.control.registry().size(), size);
    gateway.stop().await;
}

#[tokio::test]
async fn a_target_that_is_unknown_or_down_is_named_once() {
    let dir = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(dir.path());
    gateway.client.create_identity(&new_identity("agent")).await.unwrap();
    #[rustfmt::skip]
    let cases = [
        ("payroll", "there is no target `payroll` in the settings; it names billing, down, stuck"),
        ("down",    "target `down` cannot be asked: connection refused"),
    ];
    for (asked, expected) in cases {
        let lines: [Line<'_>; 2] =
            [("a.b", &[Action::Select], None), ("a.c", &[Action::Select], None)];
        let wanted = NewGrant { target: target(asked), ..new_grant(&lines) };
        assert_eq!(refusal(gateway.client.create_grant(&wanted).await).2, expected);
    }
    gateway.stop().await;
}

#[tokio::test]
async fn a_grant_that_fits_into_no_record_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(dir.path());
    gateway.client.create_identity(&new_identity("agent")).await.unwrap();
    let lines: [Line<'_>; 3] = [("billing.wide", &[Action::Select], None); 3];
    let answer = gateway.client.create_grant(&new_grant(&lines)).await;
    let (status, code, message) = refusal(answer);
    assert_eq!((status, code.as_str()), (422, "too_large"), "{message}");
    // It was refused before anything was written: the next one is made.
    gateway.client.create_grant(&new_grant(&lines[..1])).await.unwrap();

    let one: Line<'_> = ("billing.invoices", &[Action::Select], None);
    let many = vec![one; api::grants::SCOPE_LINES_MAX + 1];
    let answer = gateway.client.create_grant(&new_grant(&many)).await;
    assert!(refusal(answer).2.contains("more than 100 lines"));
    gateway.client.create_grant(&new_grant(&many[1..])).await.unwrap();
    gateway.stop().await;
}

#[tokio::test]
async fn grants_are_listed_by_identity_target_and_state() {
    let dir = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(dir.path());
    let client = &gateway.client;
    for user in ["agent", "other"] {
        client.create_identity(&new_identity(user)).await.unwrap();
    }
    let wanted = new_grant(&[("billing.invoices", &[Action::Select], None)]);
    let live = client.create_grant(&wanted).await.unwrap();
    let later = Some(now().saturating_add(Duration::from_mins(1)));
    let pending = NewGrant { not_before: later, ..wanted.clone() };
    let pending = client.create_grant(&pending).await.unwrap();
    assert_eq!(pending.state, GrantState::Pending);
    // The fixture says that three commands are used of every grant.
    let limits = Limits { commands: Some(3), ..Limits::default() };
    let used_up = client.create_grant(&NewGrant { limits, ..wanted.clone() }).await.unwrap();
    assert_eq!((used_up.state, used_up.usage.commands), (GrantState::Exhausted, 3));
    let theirs = NewGrant { identity: name("other"), ..wanted };
    let theirs = client.create_grant(&theirs).await.unwrap();

    let ids = [&live, &pending, &used_up, &theirs].map(|grant| grant.grant.id);
    let (agent, elsewhere) = (Some(name("agent")), Some(target("down")));
    #[rustfmt::skip]
    let cases = [
        (GrantFilter::default(),                                           vec![0, 1, 2, 3]),
        (GrantFilter { live: true, ..GrantFilter::default() },             vec![0, 3]),
        (GrantFilter { identity: agent.clone(), ..GrantFilter::default() }, vec![0, 1, 2]),
        (GrantFilter { identity: agent, live: true, target: None },        vec![0]),
        (GrantFilter { target: elsewhere, ..GrantFilter::default() },      vec![]),
    ];
    for (filter, expected) in cases {
        let listed = client.grants(&filter).await.unwrap();
        let listed: Vec<_> = listed.iter().map(|grant| grant.grant.id).collect();
        let expected: Vec<_> = expected.into_iter().map(|index: usize| ids[index]).collect();
        assert_eq!(listed, expected, "{filter:?}");
    }
    gateway.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_target_that_never_answers_does_not_hold_the_caller() {
    let dir = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(dir.path());
    let lines: [Line<'_>; 1] = [("a.b", &[Action::Select], None)];
    let wanted = NewGrant { target: target("stuck"), ..new_grant(&lines) };
    let (status, code, _) = refusal(gateway.client.create_grant(&wanted).await);
    assert_eq!((status, code.as_str()), (504, "timed_out"));
    gateway.stop().await;
}

#[tokio::test]
async fn a_hole_in_the_fence_is_closed_or_accepted_on_record() {
    let dir = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(dir.path());
    gateway.client.create_identity(&new_identity("agent")).await.unwrap();
    let lines: [Line<'_>; 1] = [("billing.invoices", &[Action::Select], None)];
    let wanted = NewGrant { target: target("leaky"), ..new_grant(&lines) };
    let size = gateway.control.registry().size();

    let (status, code, message) = refusal(gateway.client.create_grant(&wanted).await);
    assert_eq!((status, code.as_str()), (409, "target_has_holes"));
    assert!(message.contains("definer_function:billing.f(): everybody may run it"), "{message}");
    assert!(message.contains("REVOKE ALL ON ROUTINE billing.f() FROM PUBLIC;"), "{message}");
    assert!(!message.contains("language"), "a note stops no grant: {message}");
    assert_eq!(gateway.control.registry().size(), size);

    for accepted in ["definer_function", "definer_function:billing.f()"] {
        let accept_holes = set(&[accepted, "large_object"]);
        let wanted = NewGrant { accept_holes, ..wanted.clone() };
        let grant = gateway.client.create_grant(&wanted).await.unwrap().grant;
        // On record is what was open, not what was said.
        assert_eq!(grant.accepted_holes, set(&["definer_function:billing.f()"]));
    }
    let check = gateway.client.check_target(&target("leaky")).await.unwrap();
    assert_eq!(check.findings.len(), 2);
    gateway.stop().await;
}
