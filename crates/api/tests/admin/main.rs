//! The admin side from outside: over its socket, with real ledgers.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a helper that cannot go on has failed")]

mod fixture;
mod grant;
mod other_user;
mod socket;

use api::client::{Client, ClientError};
use api::grants::{GrantFilter, GrantState};
use api::identities::IdentityState;
use api::tokens::NewToken;
use model::{Action, ControlEvent, CredentialId, GrantId};

use crate::fixture::{Gateway, name, new_grant, new_identity, now, refusal};

#[tokio::test]
async fn the_inventory_is_the_same_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(dir.path());
    let client = &gateway.client;
    let made = client.create_identity(&new_identity("agent")).await.unwrap();
    assert_eq!(made.state, IdentityState::Enabled);
    assert!(made.created_by.starts_with("uid:"), "{}", made.created_by);
    let token = client.issue_token(&name("agent"), NewToken::default()).await.unwrap();
    let wanted = new_grant(&[("billing.customers", &[Action::Select], None)]);
    let kept = client.create_grant(&wanted).await.unwrap();
    let ended = client.create_grant(&wanted).await.unwrap();
    assert_eq!(kept.state, GrantState::Live);
    assert_eq!(kept.hash, registry::grant_hash(&kept.grant));
    let ended = client.revoke_grant(ended.grant.id, "the task is done").await.unwrap();
    assert_eq!(ended.state, GrantState::Revoked);
    assert_eq!(ended.revoked.as_ref().unwrap().reason, "the task is done");
    let before = gateway.control.registry();
    let (identities, grants) =
        (client.identities().await.unwrap(), client.grants(&GrantFilter::default()).await.unwrap());
    assert_eq!(grants, [kept.clone(), ended]);
    gateway.stop().await;

    let gateway = Gateway::start(dir.path());
    let client = &gateway.client;
    assert_eq!(client.identities().await.unwrap(), identities);
    assert_eq!(client.grants(&GrantFilter::default()).await.unwrap(), grants);
    assert_eq!(client.grant(kept.grant.id).await.unwrap(), kept);
    let after = gateway.control.registry();
    assert_eq!(
        after.credential(token.credential).unwrap(),
        before.credential(token.credential).unwrap()
    );
    // The end of the first run and the beginning of the second.
    assert_eq!(after.size(), before.size() + 2);
    gateway.stop().await;
}

#[tokio::test]
async fn what_is_answered_is_published_and_what_is_refused_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(dir.path());
    let mut published = gateway.control.subscribe();
    let size = published.borrow_and_update().size();

    gateway.client.create_identity(&new_identity("agent")).await.unwrap();
    assert!(published.has_changed().unwrap());
    assert_eq!(published.borrow_and_update().size(), size + 1);

    let again = gateway.client.create_identity(&new_identity("agent")).await;
    assert_eq!(refusal(again).0, 409);
    assert!(!published.has_changed().unwrap());
    assert_eq!(gateway.control.ledger().0.size, size + 1);
    gateway.stop().await;
}

#[tokio::test]
async fn many_changes_at_once_are_made_one_after_the_other() {
    let dir = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(dir.path());
    let size = gateway.control.registry().size();
    let changes: Vec<_> = (0..100)
        .map(|number| {
            let control = gateway.control.clone();
            tokio::spawn(async move { control.submit("uid:7", created(number), now()).await })
        })
        .collect();
    let mut sizes = Vec::new();
    for change in changes {
        sizes.push(change.await.unwrap().unwrap());
    }
    sizes.sort_unstable();
    assert_eq!(sizes, (size + 1..=size + 100).collect::<Vec<_>>());
    assert_eq!(gateway.control.registry().identities().count(), 100);
    gateway.stop().await;
}

#[tokio::test]
async fn what_cannot_be_recorded_is_not_published() {
    let dir = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(dir.path());
    std::fs::remove_file(dir.path().join("control/log")).unwrap();
    // The journal notices when it next signs a checkpoint.
    let mut recorded = gateway.control.registry().size();
    let error = loop {
        match gateway.control.submit("uid:7", created(recorded), now()).await {
            Ok(size) => recorded = size,
            Err(error) => break error,
        }
        assert!(recorded < 10_000, "the loss of the ledger goes unnoticed");
    };
    assert!(matches!(error, api::ControlError::NotRecorded(_)), "{error}");
    assert_eq!(gateway.control.registry().size(), recorded);

    let answer = gateway.client.create_identity(&new_identity("agent")).await;
    let (status, code, message) = refusal(answer);
    assert_eq!((status, code.as_str()), (503, "not_recorded"));
    assert!(message.contains("restart"), "{message}");
    assert_eq!(gateway.control.registry().size(), recorded);
    let status = gateway.client.status().await.unwrap();
    assert!(status.ledgers[0].fault.is_some() && status.ledgers[1].fault.is_none());
}

#[tokio::test]
async fn a_token_stands_in_no_other_answer_and_in_no_file() {
    let dir = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(dir.path());
    let client = &gateway.client;
    client.create_identity(&new_identity("agent")).await.unwrap();
    let first = client.issue_token(&name("agent"), NewToken::default()).await.unwrap();
    let second =
        client.issue_token(&name("agent"), NewToken { lifetime_s: Some(60) }).await.unwrap();
    assert!(first.token.starts_with("cst_") && first.token != second.token);
    assert_eq!((first.replaces, second.replaces), (None, Some(first.credential)));
    assert!(!format!("{first:?}").contains(&first.token));

    let shown = client.identity(&name("agent")).await.unwrap();
    let live = shown.credential.as_ref().unwrap();
    assert!(live.live && live.id == second.credential);
    let revoked = client.revoke_credential(second.credential, "leaked").await.unwrap();
    assert_eq!(revoked.revoked.unwrap().reason, "leaked");
    assert_eq!(client.identity(&name("agent")).await.unwrap().credential, None);
    let answers = serde_json::to_string(&shown).unwrap();
    gateway.stop().await;

    let mut files = answers.into_bytes();
    for ledger in ["control", "access"] {
        for entry in std::fs::read_dir(dir.path().join(ledger)).unwrap() {
            files.extend(std::fs::read(entry.unwrap().path()).unwrap());
        }
    }
    for token in [first.token, second.token] {
        let secret = token.strip_prefix("cst_").unwrap().as_bytes();
        assert!(!files.windows(secret.len()).any(|window| window == secret));
    }
}

#[tokio::test]
async fn an_identity_is_disabled_enabled_and_ended() {
    let dir = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(dir.path());
    let (client, agent) = (&gateway.client, name("agent"));
    client.create_identity(&new_identity("agent")).await.unwrap();

    let disabled = client.disable_identity(&agent, "under review").await.unwrap();
    assert_eq!(disabled.state, IdentityState::Disabled);
    assert_eq!(disabled.changed.unwrap().reason, "under review");
    let token = client.issue_token(&agent, NewToken::default()).await;
    assert_eq!(refusal(token).1, "wrong_state");
    let again = client.disable_identity(&agent, "under review").await;
    assert_eq!(refusal(again).1, "wrong_state");
    let enabled = client.enable_identity(&agent, "reviewed").await.unwrap();
    assert_eq!(enabled.state, IdentityState::Enabled);
    let ended = client.expire_identity(&agent, now()).await.unwrap();
    assert_eq!(ended.state, IdentityState::Expired);
    gateway.stop().await;
}

#[tokio::test]
async fn status_and_sessions_tell_how_the_gateway_is() {
    let dir = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(dir.path());
    let status = gateway.client.status().await.unwrap();
    assert_eq!((status.gateway.as_str(), status.sessions), ("gw1", 1));
    assert_eq!(status.control_size, gateway.control.registry().size());
    let ledgers: Vec<_> = status.ledgers.iter().map(|ledger| ledger.name.as_str()).collect();
    assert_eq!(ledgers, ["control", "access"]);
    assert!(status.ledgers.iter().all(|ledger| ledger.fault.is_none() && ledger.size > 0));
    assert_eq!(status.targets.len(), 3);
    let sessions = gateway.client.sessions().await.unwrap();
    assert_eq!((sessions.len(), sessions[0].identity.as_str()), (1, "agent"));
    gateway.stop().await;
}

#[tokio::test]
async fn what_does_not_exist_is_not_found() {
    let dir = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(dir.path());
    let client = &gateway.client;
    let (nobody, grant) = (name("nobody"), GrantId::from_random(1));
    let refusals = [
        refusal(client.identity(&nobody).await),
        refusal(client.disable_identity(&nobody, "x").await),
        refusal(client.expire_identity(&nobody, now()).await),
        refusal(client.issue_token(&nobody, NewToken::default()).await),
        refusal(client.revoke_credential(CredentialId::from_random(1), "x").await),
        refusal(client.grant(grant).await),
        refusal(client.revoke_grant(grant, "x").await),
    ];
    for (status, code, message) in refusals {
        assert_eq!((status, code.as_str()), (404, "not_found"), "{message}");
        assert!(message.starts_with("there is no "), "{message}");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn a_gateway_that_is_not_there_is_said_to_be_so() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("admin.sock");
    let missing = Client::new(&socket).status().await.unwrap_err();
    assert!(matches!(missing, ClientError::NotRunning { .. }), "{missing:?}");
    assert!(missing.to_string().contains("countersign serve"), "{missing}");
    // A socket that a dead gateway left behind.
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    let stale = Client::new(&socket).status().await.unwrap_err();
    assert!(matches!(stale, ClientError::NotRunning { .. }), "{stale:?}");
}

fn created(number: u64) -> ControlEvent {
    ControlEvent::IdentityCreated {
        identity: name(&format!("agent-{number}")),
        identity_kind: model::IdentityKind::Workload,
        owner: "Billing platform".into(),
        expires_at: None,
    }
}
