//! JavaScript programs of others, unmodified, installed once below the build directory.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::programs;

/// The versions that `npm ci` installs.
const LOCK: &str = include_str!("../drivers/node/package-lock.json");

/// The command that runs a script of `tests/e2e/drivers/node`.
pub fn script(script: &str) -> Command {
    let mut command = Command::new("node");
    command.arg(directory().join(script));
    command
}

/// A file of an installed package, for example `pg/package.json`.
pub fn installed(path: &str) -> PathBuf {
    directory().join("node_modules").join(path)
}

/// Where the scripts and what they import lie side by side, as Node wants it.
///
/// # Panics
///
/// If Node is missing or the packages cannot be installed.
fn directory() -> &'static Path {
    static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
    DIRECTORY.get_or_init(|| {
        let directory = programs::target_directory().join("e2e-node");
        fs::create_dir_all(&directory).unwrap();
        let lock = File::create(directory.join("lock")).unwrap();
        lock.lock().expect("another test program installs, but its lock cannot be awaited");
        let sources = programs::workspace().join("tests/e2e/drivers/node");
        for source in fs::read_dir(sources).unwrap() {
            let source = source.unwrap().path();
            if source.is_file() {
                fs::copy(&source, directory.join(source.file_name().unwrap())).unwrap();
            }
        }
        let installed = directory.join("installed");
        if fs::read_to_string(&installed).is_ok_and(|text| text == LOCK) {
            return directory;
        }
        let hint = "the driver tests need Node with npm (`apt-get install nodejs npm`) \
                    and a package registry that npm can reach";
        let mut npm = Command::new("npm");
        // No package may run a script of its own while it is installed.
        npm.args(["ci", "--ignore-scripts", "--omit=optional", "--no-audit", "--no-fund"]);
        programs::succeed(npm.current_dir(&directory), hint);
        fs::write(installed, LOCK).unwrap();
        directory
    })
}
