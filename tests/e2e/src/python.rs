//! A Python with unmodified PostgreSQL drivers, installed once below the build directory.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use crate::programs;

/// What is installed, pinned: a driver's new release must not turn the tests red.
const PACKAGES: [&str; 3] = ["psycopg[binary]==3.3.9", "asyncpg==0.32.0", "sqlalchemy==2.1.9"];

/// Runs a script of `tests/e2e/drivers`.
pub fn run(script: &str, arguments: &[&str]) -> Output {
    let script = programs::workspace().join("tests/e2e/drivers").join(script);
    Command::new(interpreter())
        .arg("-B")
        .arg(script)
        .args(arguments)
        .output()
        .expect("python does not start")
}

/// The interpreter that knows the drivers.
///
/// # Panics
///
/// If Python or the drivers cannot be installed, saying what is missing.
fn interpreter() -> &'static Path {
    static INTERPRETER: OnceLock<PathBuf> = OnceLock::new();
    INTERPRETER.get_or_init(|| {
        let directory = programs::target_directory().join("e2e-python");
        fs::create_dir_all(&directory).unwrap();
        let lock = File::create(directory.join("lock")).unwrap();
        lock.lock().expect("another test program installs, but its lock cannot be awaited");
        let python = directory.join("venv/bin/python");
        let installed = directory.join("installed");
        let wanted = PACKAGES.join("\n");
        if fs::read_to_string(&installed).ok().as_ref() != Some(&wanted) || !python.exists() {
            install(&directory.join("venv"));
            fs::write(installed, wanted).unwrap();
        }
        python
    })
}

fn install(venv: &Path) {
    let hint = "the driver tests need Python 3 with venv (`apt-get install python3-venv`) \
                and a package index that pip can reach";
    let python = venv.join("bin/python");
    let mut make = Command::new("python3");
    make.args(["-m", "venv", "--clear"]).arg(venv);
    let mut pip = Command::new(python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]).args(PACKAGES);
    for command in [&mut make, &mut pip] {
        let output =
            command.output().unwrap_or_else(|error| panic!("{command:?}: {error}; {hint}"));
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command:?} failed; {hint}: {stderr}");
    }
}
