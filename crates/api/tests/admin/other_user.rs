//! A process of another user is told no, whatever it asks.
//!
//! Only root can start one, so as an ordinary user this tests nothing; `peer` tests the rule itself.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use api::client::Client;
use api::identities::NewIdentity;

use crate::fixture::{Gateway, new_identity, refusal};

const NOBODY: u32 = 65_534;

/// Names the socket to the child.
const SOCKET: &str = "COUNTERSIGN_TEST_SOCKET";

#[tokio::test(flavor = "multi_thread")]
async fn a_process_of_another_user_gets_403_and_nothing_else() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(dir.path());
    let size = gateway.control.registry().size();
    // All that a file's mode could refuse is allowed: the peer's credential alone must do.
    let open = |path: &Path| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777)).unwrap();
    };
    open(dir.path());
    open(&gateway.socket);
    let program = dir.path().join("program");
    std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    open(&program);
    let child = Command::new(program)
        .args(["--ignored", "--exact", "other_user::asks_as_another_user"])
        .env(SOCKET, &gateway.socket)
        .current_dir(dir.path())
        .uid(NOBODY)
        .gid(NOBODY)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout).into_owned();
    assert!(child.status.success() && said.contains("1 passed"), "{said}");
    assert_eq!(gateway.control.registry().size(), size);
    gateway.client.create_identity(&new_identity("agent")).await.unwrap();
    gateway.stop().await;
}

#[tokio::test]
#[ignore = "the test above runs it in a child process"]
#[expect(clippy::disallowed_methods, reason = "how a test tells its child where to ask")]
async fn asks_as_another_user() {
    let Ok(socket) = std::env::var(SOCKET) else { return };
    let client = Client::new(Path::new(&socket));
    let new: NewIdentity = new_identity("intruder");
    for (status, code, message) in [
        refusal(client.status().await),
        refusal(client.identities().await),
        refusal(client.create_identity(&new).await),
    ] {
        assert_eq!((status, code.as_str()), (403, "forbidden"));
        assert!(message.contains("may not use the admin socket"), "{message}");
    }
}
