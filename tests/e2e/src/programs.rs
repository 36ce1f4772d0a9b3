//! Finds the programs under test and PostgreSQL's own.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use crate::majors;

/// The gateway program, built if it is missing or stale.
///
/// `COUNTERSIGN_BIN` names a ready-made one, for example a release build.
///
/// # Panics
///
/// If it does not build; the compiler's messages are on stderr.
pub fn countersign() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| match std::env::var_os("COUNTERSIGN_BIN") {
        Some(path) => path.into(),
        None => build(),
    })
}

/// Root of the workspace.
pub fn workspace() -> &'static Path {
    static WORKSPACE: OnceLock<PathBuf> = OnceLock::new();
    WORKSPACE.get_or_init(|| {
        // Asked at run time: build products may have been copied from another checkout.
        let package = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
        let package = package.unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        package.ancestors().nth(2).unwrap().to_owned()
    })
}

/// Where build products go: what the tests install or cache lies here too.
pub fn target_directory() -> PathBuf {
    // The test program itself is `<target>/<profile>/deps/<name>`.
    let own = std::env::current_exe().unwrap();
    own.ancestors().nth(3).expect("a test program lies in target/<profile>/deps").to_owned()
}

/// One of PostgreSQL's programs, of the version that the tests use. Clients, which not every package
/// of the server has, come from the newest that is installed on the machine.
///
/// # Panics
///
/// If PostgreSQL's server is not installed.
pub fn postgres(program: &str) -> PathBuf {
    static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
    let directory = DIRECTORY.get_or_init(|| match majors::wanted() {
        Some(major) => majors::directory(major),
        None => majors::newest_installed(),
    });
    let path = directory.join(program);
    if path.exists() { path } else { majors::newest_installed().join(program) }
}

/// Runs a program that is part of preparing the tests.
///
/// # Panics
///
/// If it does not start or fails; `hint` says what it needs.
pub fn succeed(command: &mut Command, hint: &str) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}; {hint}"));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} failed; {hint}: {stderr}");
}

/// Cargo takes its own lock, and does nothing when nothing changed. Of the whole workspace, so that
/// the dependencies are those that the tests are built with already.
fn build() -> PathBuf {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["build", "--quiet", "--workspace", "--bin", "countersign"])
        .args(["--message-format", "json"])
        .current_dir(workspace())
        .stderr(Stdio::inherit())
        .output()
        .expect("cargo does not start");
    assert!(output.status.success(), "`cargo build` failed; see above");
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|message| message["target"]["name"] == "countersign")
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
        .expect("cargo names the program that it built")
}
