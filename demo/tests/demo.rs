//! The demo itself: it ends well, and however it ends, it leaves nothing running.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

/// How long the demo may take, in milliseconds. Its promise is a minute.
const DEMO_TIMEOUT_MS: u64 = 60_000;
/// How long programs may take to notice that the demo was killed, in milliseconds.
const ORPHANS_TIMEOUT_MS: u64 = 15_000;
/// Pause between two looks, in milliseconds.
const POLL_MS: u64 = 20;

#[test]
fn every_step_does_what_it_says_and_nothing_is_left_running() {
    let place = Place::make();
    let output = place.demo(&[]).output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{printed}");
    assert!(!printed.contains('\u{1b}'), "no colour where there is no terminal");
    assert!(place.files().join("evidence/report.html").is_file());
    assert_eq!(place.processes(), Vec::<String>::new());
    assert_eq!(place.temporary_files(), 0, "PostgreSQL's directory is gone");
}

#[test]
fn an_interrupted_demo_fails_and_leaves_nothing_running() {
    let place = Place::make();
    let mut demo = place.start_and_wait_for_the_gateway();
    kill(pid(&demo), Signal::SIGINT).unwrap();
    assert_eq!(demo.wait().unwrap().code(), Some(1));
    assert_eq!(place.processes(), Vec::<String>::new());
    assert_eq!(place.temporary_files(), 0);
}

#[test]
fn a_killed_demo_takes_its_programs_with_it() {
    let place = Place::make();
    let mut demo = place.start_and_wait_for_the_gateway();
    demo.kill().unwrap();
    demo.wait().unwrap();
    let ended = wait(ORPHANS_TIMEOUT_MS, || place.processes().is_empty());
    assert!(ended, "{:?}", place.processes());
}

#[test]
fn kept_programs_run_on_until_they_are_told_to_stop() {
    let place = Place::make();
    let output = place.demo(&["--keep"]).output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    let left = place.processes();
    let stopped = Command::new(place.files().join("stop")).status();
    assert!(output.status.success(), "{printed}");
    assert!(left.iter().any(|line| line.contains("serve")), "{left:?}");
    assert!(left.iter().any(|line| line.contains("postgres")), "{left:?}");
    assert!(stopped.unwrap().success());
    assert_eq!(place.processes(), Vec::<String>::new());
    assert_eq!(place.temporary_files(), 0);
}

/// A directory of its own, by whose path everything that was started in it can be known.
struct Place {
    directory: TempDir,
}

impl Place {
    fn make() -> Self {
        build_the_gateway();
        let directory = tempfile::Builder::new().prefix("demo-test-").tempdir().unwrap();
        // PostgreSQL may run as another account, and must reach its files.
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let temporary = directory.path().join("tmp");
        fs::create_dir(&temporary).unwrap();
        Self { directory }
    }

    fn files(&self) -> std::path::PathBuf {
        self.directory.path().join("files")
    }

    fn demo(&self, options: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign-demo"));
        command
            .args(options)
            .arg("--dir")
            .arg(self.files())
            .env("TMPDIR", self.directory.path().join("tmp"))
            .stdin(Stdio::null());
        command
    }

    fn start_and_wait_for_the_gateway(&self) -> Child {
        let demo = self.demo(&[]).stdout(Stdio::null()).spawn().unwrap();
        let listens = || self.files().join("state/listen.json").exists();
        assert!(wait(DEMO_TIMEOUT_MS, listens), "the gateway did not start");
        let running = self.processes();
        for program in ["countersign-demo", "postgres -D", "serve"] {
            assert!(running.iter().any(|line| line.contains(program)), "{program}: {running:?}");
        }
        demo
    }

    /// The command lines of all processes that name this place.
    fn processes(&self) -> Vec<String> {
        let mine = self.directory.path().to_str().unwrap();
        let processes = fs::read_dir("/proc").unwrap().flatten();
        let command_lines = processes.filter_map(|process| {
            let bytes = fs::read(process.path().join("cmdline")).ok()?;
            Some(String::from_utf8_lossy(&bytes).replace('\0', " "))
        });
        command_lines.filter(|line| line.contains(mine)).collect()
    }

    fn temporary_files(&self) -> usize {
        fs::read_dir(self.directory.path().join("tmp")).unwrap().count()
    }
}

/// The demo starts the program `countersign` that lies beside it.
fn build_the_gateway() {
    let program = Path::new(env!("CARGO_BIN_EXE_countersign-demo"));
    let is_release = program.parent().is_some_and(|profile| profile.ends_with("release"));
    let profile = if is_release { "release" } else { "dev" };
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--package", "countersign", "--profile", profile])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status();
    assert!(built.unwrap().success(), "the gateway does not build");
}

fn wait(timeout_ms: u64, is_so: impl Fn() -> bool) -> bool {
    (0..timeout_ms / POLL_MS).any(|_| {
        std::thread::sleep(Duration::from_millis(POLL_MS));
        is_so()
    })
}

fn pid(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).unwrap())
}
