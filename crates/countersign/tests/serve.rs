//! `countersign serve` where no target is needed: how it starts, why it does not, how it ends.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;

/// Longest wait for the gateway, in steps of [`STEP`].
const STEPS: u32 = 500;
const STEP: Duration = Duration::from_millis(20);

/// A gateway whose target is down.
struct Gateway {
    dir: tempfile::TempDir,
    listen: String,
}

/// A gateway that runs. It is killed when dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended before.
        let _ended = self.0.kill();
        let _reaped = self.0.wait();
    }
}

impl Gateway {
    fn new() -> Self {
        Self::listening("127.0.0.1:0")
    }

    fn listening(listen: &str) -> Self {
        let gateway = Self { dir: tempfile::tempdir().unwrap(), listen: listen.to_owned() };
        fs::write(gateway.path("password"), "svc-secret\n").unwrap();
        gateway.settings("");
        gateway
    }

    fn settings(&self, more: &str) {
        let text = format!(
            "[gateway]\nname = \"gw1\"\nstate_dir = \"state\"\n[listen]\npostgres = \"{}\"\n\
             [[target]]\nname = \"billing\"\nkind = \"postgres\"\nhost = \"/nonexistent\"\n\
             database = \"b\"\nuser = \"u\"\npassword = {{ file = \"password\" }}\n{more}",
            self.listen
        );
        fs::write(self.path("countersign.toml"), text).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
        command.current_dir(self.dir.path()).args(["--config", "countersign.toml"]);
        command.args(arguments).env_remove("COUNTERSIGN_LOG").stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Starts it and waits until it says where it listens.
    fn start(&self) -> Running {
        let log = fs::File::create(self.path("stderr")).unwrap();
        let child = self.command(&["serve"]).stderr(log).spawn().unwrap();
        let mut running = Running(child);
        let pid = u64::from(running.0.id());
        for _ in 0..STEPS {
            let note = fs::read(self.path("state/listen.json")).unwrap_or_default();
            let note: Value = serde_json::from_slice(&note).unwrap_or_default();
            if note["pid"] == pid {
                return running;
            }
            assert!(running.0.try_wait().unwrap().is_none(), "{}", self.stderr());
            std::thread::sleep(STEP);
        }
        panic!("it is not ready: {}", self.stderr());
    }

    /// Ends it in order, and returns its exit code.
    fn stop(running: &mut Running) -> Option<i32> {
        let pid = nix::unistd::Pid::from_raw(running.0.id().try_into().unwrap());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
        for _ in 0..STEPS {
            if let Some(status) = running.0.try_wait().unwrap() {
                return status.code();
            }
            std::thread::sleep(STEP);
        }
        panic!("it does not stop");
    }

    fn stderr(&self) -> String {
        fs::read_to_string(self.path("stderr")).unwrap()
    }

    /// Exit code and standard error of a start that must fail.
    fn fails(&self) -> (Option<i32>, String) {
        let output = self.run(&["serve"]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!said.contains("svc-secret"), "{said}");
        (output.status.code(), said)
    }

    fn verify(&self, more: &[&str]) -> Option<i32> {
        let arguments = [&["verify", "state", "--key", "state/keys/ledger.pub"], more].concat();
        self.run(&arguments).status.code()
    }
}

#[test]
fn it_starts_though_its_target_is_down_and_ends_in_order() {
    let gateway = Gateway::new();
    let mut running = gateway.start();
    assert!(gateway.stderr().contains("countersign is ready: postgres on 127.0.0.1:"));
    let mode = fs::metadata(gateway.path("state/admin.sock")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(gateway.verify(&["--live"]), Some(0));
    assert_eq!(Gateway::stop(&mut running), Some(0), "{}", gateway.stderr());
    // Signed to the last record, and nothing left that says it is running.
    assert_eq!(gateway.verify(&[]), Some(0));
    assert!(!gateway.path("state/listen.json").exists());
    assert!(!gateway.path("state/admin.sock").exists());
}

#[test]
fn what_administrators_do_survives_a_kill_and_a_restart() {
    let gateway = Gateway::new();
    let running = gateway.start();
    let created = gateway.run(&[
        "identity",
        "create",
        "agent",
        "--kind",
        "workload",
        "--owner",
        "Ada",
        "--expires-in",
        "1d",
    ]);
    assert!(created.status.success(), "{created:?}");
    let issued = gateway.run(&["--json", "identity", "token", "issue", "agent"]);
    let issued: Value = serde_json::from_slice(&issued.stdout).unwrap();
    assert!(issued["token"].as_str().unwrap().starts_with("cst_"));
    drop(running);

    let running = gateway.start();
    let shown = gateway.run(&["--json", "identity", "show", "agent"]);
    let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!((&shown["owner"], &shown["state"]), (&"Ada".into(), &"enabled".into()));
    let refused = gateway.run(&["identity", "create", "agent", "--kind", "person", "--owner", "B"]);
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    let disabled = gateway.run(&["identity", "disable", "agent", "--reason", "it left"]);
    assert!(disabled.status.success(), "{disabled:?}");
    let list = String::from_utf8(gateway.run(&["identity", "list"]).stdout).unwrap();
    assert!(list.contains("agent  workload  disabled  Ada"), "{list}");
    let log = gateway.run(&["log", "tail", "-n", "100", "--ledger", "control"]);
    let log = String::from_utf8(log.stdout).unwrap();
    assert!(log.contains("identity agent disabled: it left  (by uid:"), "{log}");
    // The token is in no ledger, and in no log.
    for file in ["state/control/log", "state/access/log", "stderr"] {
        let bytes = fs::read(gateway.path(file)).unwrap();
        let token = issued["token"].as_str().unwrap().as_bytes();
        assert!(!bytes.windows(token.len()).any(|window| window == token), "{file}");
    }
    drop(running);
    assert_eq!(gateway.verify(&["--live"]), Some(0));
}

#[test]
fn a_damaged_ledger_stops_the_start_and_the_record_is_named() {
    let gateway = Gateway::new();
    let mut running = gateway.start();
    Gateway::stop(&mut running);
    for ledger in ["control", "access"] {
        let path = gateway.path(&format!("state/{ledger}/log"));
        let sound = fs::read(&path).unwrap();
        let mut bytes = sound.clone();
        bytes[40] ^= 1;
        fs::write(&path, &bytes).unwrap();
        let (code, said) = gateway.fails();
        assert_eq!(code, Some(3), "{said}");
        assert!(said.contains(&format!("state/{ledger} fails verification: record 0")), "{said}");
        assert_eq!(fs::read(&path).unwrap(), bytes, "what was found is left as it is");
        fs::write(&path, sound).unwrap();
    }
}

#[test]
fn two_gateways_cannot_share_a_state_directory_or_a_port() {
    let gateway = Gateway::new();
    let _running = gateway.start();
    let (code, said) = gateway.fails();
    assert_eq!(code, Some(1));
    assert!(said.contains("is in use by another process"), "{said}");
    assert!(gateway.path("state/admin.sock").exists(), "the other's socket is left alone");
    assert!(gateway.path("state/listen.json").exists());

    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let gateway = Gateway::listening(&taken.local_addr().unwrap().to_string());
    let (code, said) = gateway.fails();
    assert_eq!(code, Some(1));
    assert!(said.contains("cannot listen on") && said.contains("listen.postgres"), "{said}");
    // The run had begun on record, so it ended there.
    assert_eq!(gateway.verify(&[]), Some(0));
}

#[test]
fn secrets_and_keys_that_cannot_be_used_are_named() {
    let gateway = Gateway::new();
    fs::remove_file(gateway.path("password")).unwrap();
    gateway.settings(
        "[[target]]\nname = \"two\"\nkind = \"postgres\"\nhost = \"/x\"\n\
                      database = \"b\"\nuser = \"u\"\npassword = { env = \"CST_NOT_SET\" }\n",
    );
    let (code, said) = gateway.fails();
    assert_eq!(code, Some(1));
    assert!(
        said.contains("target billing: ") && said.contains("password cannot be read"),
        "{said}"
    );
    assert!(said.contains("target two: ") && said.contains("CST_NOT_SET"), "{said}");
    assert!(!gateway.path("state/control").exists(), "nothing is begun");

    let gateway = Gateway::new();
    drop(gateway.start());
    let key = gateway.path("state/keys/ledger.key");
    fs::set_permissions(&key, Permissions::from_mode(0o644)).unwrap();
    let (code, said) = gateway.fails();
    assert_eq!(code, Some(1));
    assert!(said.contains("ledger.key has mode 0644") && said.contains("chmod 600"), "{said}");
}

#[test]
fn doctor_finds_what_is_wrong_and_fails() {
    let gateway = Gateway::new();
    drop(gateway.start());
    fs::set_permissions(gateway.path("state"), Permissions::from_mode(0o777)).unwrap();
    fs::set_permissions(gateway.path("password"), Permissions::from_mode(0o644)).unwrap();
    let output = gateway.run(&["doctor"]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stdout).unwrap();
    #[rustfmt::skip]
    let expected = [
        "ok    settings",
        "fail  state           others can write to ",
        "ok    keys            all 3 are whole, mode 0600",
        "ok    ledger          control: 3 records",
        "ok    ledger          access: 1 records",
        "ok    listener        127.0.0.1:0 is free",
        "warn  target billing  the password in file ",
        "fail  target billing  /nonexistent:5432/b: cannot reach",
    ];
    for line in expected {
        assert!(said.contains(line), "{line:?} is not in:\n{said}");
    }
    let output = gateway.run(&["--json", "doctor"]);
    let value: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(value["ok"], false);
    assert!(value["findings"].as_array().unwrap().iter().any(|finding| finding["level"] == "fail"));
}
