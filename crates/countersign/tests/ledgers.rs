//! `verify`, `log` and `evidence` on ledgers that no gateway is writing any more.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::Duration;

use crypto::sign::SigningKey;
use journal::{AccessJournal, ControlJournal, OpenOptions};
use ledger::{Payload, VKey};
use model::{
    AccessEvent, AccessRecord, ControlEvent, ControlRecord, IdentityKind, SessionEnd, SessionId,
    Timestamp,
};
use serde_json::Value;

/// Two ledgers as a gateway leaves them that stopped in order.
struct State {
    dir: tempfile::TempDir,
    key: Arc<SigningKey>,
}

impl State {
    /// The statement that `log show` finds, with what an attacker of terminals would write.
    const HOSTILE: &'static str = "SELECT 1 -- \u{1b}[2J\u{202e}";

    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let key = Arc::new(SigningKey::from_seed([7; 32]));
        let state = Self { dir, key };
        fs::create_dir_all(state.path("keys")).unwrap();
        fs::write(state.path("keys/ledger.pub"), format!("{}\n", state.vkey())).unwrap();
        let settings = format!(
            "[gateway]\nname = \"gw1\"\nstate_dir = \"{}\"\n[listen]\npostgres = \"127.0.0.1:0\"\n\
             [[target]]\nname = \"billing\"\nkind = \"postgres\"\nhost = \"/run\"\n\
             database = \"b\"\nuser = \"u\"\n",
            state.dir.path().display()
        );
        fs::write(state.path("countersign.toml"), settings).unwrap();
        state.write_control().await;
        state.write_access().await;
        state
    }

    fn vkey(&self) -> String {
        VKey::new("gw1", self.key.verifying_key()).unwrap().to_string()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn options(&self, name: &str) -> OpenOptions {
        let (dir, key) = (self.path(name), Arc::clone(&self.key));
        OpenOptions::new(dir, format!("gw1/{name}"), key, "0.1.0", at(1))
    }

    async fn write_control(&self) {
        let (journal, _) = ControlJournal::open(self.options("control"), |_| {}).unwrap();
        let event = ControlEvent::IdentityCreated {
            identity: "agent".parse().unwrap(),
            identity_kind: IdentityKind::Workload,
            owner: "Ada".into(),
            expires_at: None,
        };
        let record = ControlRecord { at: at(2), by: "uid:0".into(), event };
        journal.append(1, record).await.unwrap();
        journal.close(at(9)).await.unwrap();
    }

    async fn write_access(&self) {
        let (journal, _) = AccessJournal::open(self.options("access"), |_| {}).unwrap();
        let session = SessionId::from_random(1);
        let mut payload = Payload::new();
        let sql = payload.add("sql", crypto::random(), Self::HOSTILE);
        let opened = AccessEvent::SessionOpened {
            session,
            identity: "agent".parse().unwrap(),
            target: "billing".parse().unwrap(),
            peer: "127.0.0.1:5".into(),
            tls: false,
            mode: "mask-only".into(),
            application: "psql\u{1b}[31m".into(),
            control_size: 2,
            credential: None,
            login: None,
            certificate: None,
        };
        let denied = AccessEvent::CommandDenied {
            session,
            sequence: 1,
            identity: "agent".parse().unwrap(),
            target: "billing".parse().unwrap(),
            control_size: 2,
            reason: "no_grant".into(),
            touches: Vec::new(),
            sql,
        };
        let closed =
            AccessEvent::SessionClosed { session, commands: 1, reason: SessionEnd::Terminated };
        for (event, payload) in
            [(opened, Payload::new()), (denied, payload), (closed, Payload::new())]
        {
            journal.record(AccessRecord { at: at(3), event }, payload).await.unwrap();
        }
        journal.close(at(9)).await.unwrap();
    }

    fn countersign(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_countersign"))
            .current_dir(self.dir.path())
            .args(["--config", "countersign.toml"])
            .args(arguments)
            .output()
            .unwrap()
    }

    /// The exit code of `verify PATH` and what it says.
    fn verify(&self, path: &str) -> (i32, Value) {
        let output = self.countersign(&["--json", "verify", path, "--key", &self.vkey()]);
        let said = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
        (output.status.code().unwrap(), said)
    }
}

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_unix(Duration::from_secs(seconds))
}

/// Changes one byte of a file where a text begins.
fn flip(path: &Path, text: &str) {
    let mut bytes = fs::read(path).unwrap();
    let place = bytes.windows(text.len()).position(|window| window == text.as_bytes()).unwrap();
    bytes[place] ^= 1;
    fs::write(path, bytes).unwrap();
}

#[tokio::test]
async fn sound_ledgers_verify_one_by_one_and_together() {
    let state = State::new().await;
    let (code, said) = state.verify("access");
    assert_eq!((code, &said["ok"], &said["size"]), (0, &true.into(), &5.into()), "{said}");
    assert_eq!(said["origin"], "gw1/access");
    let (code, said) = state.verify(".");
    assert_eq!((code, &said["ok"], &said["kind"]), (0, &true.into(), &"state".into()), "{said}");
    assert_eq!((&said["control"]["size"], &said["access"]["size"]), (&3.into(), &5.into()));
    // A key may also be given as a file.
    let output = state.countersign(&["verify", ".", "--key", "keys/ledger.pub"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

#[tokio::test]
async fn the_first_bad_record_is_named_with_exit_code_3() {
    let state = State::new().await;
    flip(&state.path("access/log"), "no_grant");
    for (path, what) in [("access", "fault"), (".", "fault")] {
        let (code, said) = state.verify(path);
        assert_eq!((code, &said["ok"]), (3, &false.into()), "{said}");
        assert_eq!(said[what]["index"], 2, "{said}");
    }
    let (_, said) = state.verify(".");
    assert_eq!(said["fault"]["ledger"], "access", "{said}");
    assert_eq!(said["control"]["ok"], true, "{said}");
    let output = state.countersign(&["verify", "access", "--key", &state.vkey()]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with("access: FAULT. record 2: "), "{text}");
}

#[tokio::test]
async fn a_ledger_that_is_missing_exchanged_or_another_ones_is_a_fault() {
    let state = State::new().await;
    fs::remove_file(state.path("access/hashes")).unwrap();
    assert_eq!(state.verify("access").0, 3);

    let state = State::new().await;
    fs::remove_dir_all(state.path("control")).unwrap();
    let (code, said) = state.verify(".");
    assert_eq!((code, &said["fault"]["ledger"]), (3, &"control".into()), "{said}");

    let state = State::new().await;
    fs::rename(state.path("control"), state.path("x")).unwrap();
    fs::rename(state.path("access"), state.path("control")).unwrap();
    fs::rename(state.path("x"), state.path("access")).unwrap();
    assert_eq!(state.verify(".").0, 3);

    let state = State::new().await;
    let other = VKey::new("gw1", SigningKey::from_seed([8; 32]).verifying_key()).unwrap();
    let output = state.countersign(&["verify", ".", "--key", &other.to_string()]);
    assert_eq!(output.status.code(), Some(3));
}

#[tokio::test]
async fn a_control_ledger_that_was_rolled_back_alone_is_a_fault() {
    let state = State::new().await;
    fs::remove_dir_all(state.path("control")).unwrap();
    // Sound by itself, as an older copy is: its first record only, while records of the other name two.
    // (A kill: nothing is recorded at the end.)
    drop(ControlJournal::open(state.options("control"), |_| {}).unwrap());
    let (code, said) = state.verify(".");
    assert_eq!(
        (code, &said["ok"], &said["fault"]["ledger"]),
        (3, &false.into(), &"control".into())
    );
    assert!(said["fault"]["what"].as_str().unwrap().contains("rolled back"), "{said}");
    assert_eq!(said["control"]["ok"], true, "{said}");
}

#[tokio::test]
async fn what_cannot_be_verified_is_wrong_usage_and_not_a_fault() {
    let state = State::new().await;
    fs::create_dir(state.path("empty")).unwrap();
    for arguments in [
        ["verify", "empty", "--key", &state.vkey()],
        ["verify", "absent", "--key", &state.vkey()],
        ["verify", ".", "--key", "not-a-key"],
        ["verify", ".", "--key", "countersign.toml"],
    ] {
        let output = state.countersign(&arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {output:?}");
    }
}

#[tokio::test]
async fn the_log_is_shown_so_that_no_terminal_obeys_it() {
    let state = State::new().await;
    let output = state.countersign(&["log", "tail", "-n", "3"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.lines().count(), 3, "{text}");
    assert!(text.contains("      2  1970-01-01 00:00:03.000  ses_0000000000000001/1  DENIED agent on billing, no_grant"), "{text}");

    let output = state.countersign(&["log", "tail", "--json"]);
    let text = String::from_utf8(output.stdout).unwrap();
    let records: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(records.len(), 5);
    assert_eq!(records[1]["index"], 1);
    assert_eq!(records[1]["record"]["application"], "psql\u{1b}[31m");

    for arguments in [&["log", "show", "2"][..], &["log", "show", "2", "--json"]] {
        let output = state.countersign(arguments);
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains("SELECT 1 -- "), "{text}");
        assert!(!text.contains(['\u{1b}', '\u{202e}']), "{text}");
    }
    let output = state.countersign(&["log", "show", "2", "--json"]);
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(said["payload"]["sql"]["value"], State::HOSTILE);

    let output = state.countersign(&["log", "tail", "--ledger", "control"]);
    assert!(String::from_utf8(output.stdout).unwrap().contains("identity agent created"));
    assert_eq!(state.countersign(&["log", "show", "5"]).status.code(), Some(1));
}

/// A filter, and the indexes of the records that pass.
type Case = (&'static [&'static str], &'static [u64]);

#[tokio::test]
async fn the_log_is_filtered_by_what_a_record_is_about() {
    let state = State::new().await;
    #[rustfmt::skip]
    let cases: &[Case] = &[
        // filter                                        indexes
        (&["--identity", "agent"],                       &[1, 2, 3]),
        (&["--identity", "another"],                     &[]),
        (&["--target", "billing"],                       &[1, 2, 3]),
        (&["--target", "other"],                         &[]),
        (&["--session", "ses_0000000000000001"],         &[1, 2, 3]),
        (&["--session", "ses_0000000000000002"],         &[]),
        (&["--decision", "denied"],                      &[2]),
        (&["--decision", "allowed"],                     &[]),
        (&["--decision", "denied", "--identity", "x"],   &[]),
        (&["--grant", "grt_0000000000000001"],           &[]),
        (&["--ledger", "control", "--identity", "agent"], &[1]),
    ];
    for (filter, expected) in cases {
        let output = state.countersign(&[&["--json", "log", "tail"], *filter].concat());
        let text = String::from_utf8(output.stdout).unwrap();
        let found: Vec<u64> = text
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap()["index"].as_u64().unwrap())
            .collect();
        assert_eq!(found, *expected, "{filter:?}: {text}");
    }
}

#[tokio::test]
async fn a_session_is_shown_from_its_opening_to_its_end() {
    let state = State::new().await;
    let output = state.countersign(&["session", "show", "ses_0000000000000001"]);
    let text = String::from_utf8(output.stdout).unwrap();
    for part in [
        "identity     agent",
        "0 allowed, 1 denied, 0 rows sent",
        "the client said goodbye",
        "DENIED agent on billing, no_grant",
        "asked  SELECT 1 -- ",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains(['\u{1b}', '\u{202e}']), "{text}");

    let output = state.countersign(&["--json", "session", "show", "ses_0000000000000001"]);
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(said["records"].as_array().unwrap().len(), 3, "{said}");
    assert_eq!(said["records"][1]["payload"]["sql"], State::HOSTILE);

    let output = state.countersign(&["session", "show", "ses_0000000000000002"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
}

#[tokio::test]
async fn an_evidence_package_verifies_until_it_is_edited() {
    let state = State::new().await;
    let window = ["--from", "1970-01-01T00:00:00Z", "--to", "1970-01-02T00:00:00Z"];
    let arguments = [&["--json", "evidence"][..], &window, &["--out", "package"]].concat();
    let output = state.countersign(&arguments);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(said["totals"]["denied"], 1, "{said}");
    // What is there is never overwritten.
    assert_eq!(state.countersign(&arguments).status.code(), Some(2));

    let (code, said) = state.verify("package");
    assert_eq!((code, &said["ok"], &said["size"]), (0, &true.into(), &5.into()), "{said}");
    for file in said_files(&state) {
        let path = state.path("package").join(&file);
        let content = fs::read(&path).unwrap();
        let mut edited = content.clone();
        edited[content.len() / 2] ^= 1;
        fs::write(&path, edited).unwrap();
        assert_eq!(state.verify("package").0, 3, "edited: {file}");
        fs::remove_file(&path).unwrap();
        assert_eq!(state.verify("package").0, 3, "removed: {file}");
        fs::write(&path, content).unwrap();
    }
    fs::write(state.path("package/extra"), "").unwrap();
    assert_eq!(state.verify("package").0, 3);
}

/// All files of the package.
fn said_files(state: &State) -> Vec<String> {
    let manifest = fs::read(state.path("package/manifest.json")).unwrap();
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    let files = manifest["files"].as_object().unwrap().keys().cloned();
    files.chain(["manifest.json".to_owned()]).collect()
}
