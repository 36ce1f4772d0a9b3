//! Python programs of others, unmodified, installed once below the build directory.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;

use crate::programs;

/// A virtual environment. What is in it is pinned: a new release must not turn the tests red.
#[derive(Debug)]
pub struct Environment {
    name: &'static str,
    requirements: &'static str,
    ready: OnceLock<PathBuf>,
}

/// The database drivers.
pub static DRIVERS: Environment =
    Environment::new("drivers", include_str!("../drivers/python/requirements.txt"));

/// MCP servers that others wrote.
pub static MCP_SERVERS: Environment =
    Environment::new("mcp", include_str!("../drivers/python/mcp-requirements.txt"));

impl Environment {
    const fn new(name: &'static str, requirements: &'static str) -> Self {
        Self { name, requirements, ready: OnceLock::new() }
    }

    /// The command that runs a script of `tests/e2e/drivers/python`.
    pub fn script(&self, script: &str) -> Command {
        let scripts = programs::workspace().join("tests/e2e/drivers/python");
        let mut command = Command::new(self.program("python"));
        command.arg("-B").arg(scripts.join(script));
        command
    }

    /// Runs a script with a password in `PGPASSWORD`.
    pub fn run(&self, script: &str, arguments: &[&str], password: &str) -> Output {
        let mut command = self.script(script);
        command.args(arguments).env("PGPASSWORD", password);
        command.output().expect("python does not start")
    }

    /// Starts a script that prints one line and then runs until its standard input ends, and returns
    /// the process with the line.
    pub fn start(&self, script: &str, arguments: &[&str]) -> (Child, String) {
        let mut command = self.script(script);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("python does not start");
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        (child, line.trim().to_owned())
    }

    /// A program of the environment, which is installed first if need be.
    ///
    /// # Panics
    ///
    /// If Python or the packages cannot be installed, saying what is missing.
    pub fn program(&self, name: &str) -> PathBuf {
        self.ready.get_or_init(|| self.install()).join("bin").join(name)
    }

    fn install(&self) -> PathBuf {
        let directory = programs::target_directory().join("e2e-python").join(self.name);
        fs::create_dir_all(&directory).unwrap();
        let lock = File::create(directory.join("lock")).unwrap();
        lock.lock().expect("another test program installs, but its lock cannot be awaited");
        let venv = directory.join("venv");
        let installed = directory.join("installed");
        let is_there = fs::read_to_string(&installed).is_ok_and(|text| text == self.requirements);
        if !is_there || !venv.join("bin/python").exists() {
            install(&venv, self.requirements);
            fs::write(installed, self.requirements).unwrap();
        }
        venv
    }
}

fn install(venv: &Path, requirements: &str) {
    let hint = "the driver tests need Python 3 with venv (`apt-get install python3-venv`) \
                and a package index that pip can reach";
    let packages = requirements.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut make = Command::new("python3");
    make.args(["-m", "venv", "--clear"]).arg(venv);
    let mut pip = Command::new(venv.join("bin/python"));
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]);
    pip.args(packages);
    for command in [&mut make, &mut pip] {
        programs::succeed(command, hint);
    }
}
