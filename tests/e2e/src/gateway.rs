//! A gateway of a test's own: its process, its command line.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;

use crate::postgres::{PROVISION_PASSWORD, SERVICE_PASSWORD};
use crate::reaper::{self, End};
use crate::wire::{Login, Wire};
use crate::wire_answer::SqlError;
use crate::{Settings, programs, scratch, wait};

/// A gateway: a settings file, a state directory and, while it runs, a process.
#[derive(Debug)]
pub struct Gateway {
    /// Holds the settings file and the state directory.
    pub directory: PathBuf,
    /// Where it listens, while it runs.
    pub address: SocketAddr,
    process: Option<Child>,
    wrapper: Vec<String>,
    stderr: Arc<Mutex<String>>,
}

impl Gateway {
    /// Writes the settings and starts the gateway.
    ///
    /// # Panics
    ///
    /// If it does not become ready; what it said is in the message.
    pub fn start(settings: &Settings) -> Self {
        let mut gateway = Self::prepare(settings);
        if let Err(said) = gateway.run() {
            panic!("the gateway does not start: {said}");
        }
        gateway
    }

    /// Writes the settings and starts nothing.
    pub fn prepare(settings: &Settings) -> Self {
        let directory = scratch::new_directory("gw");
        let passwords = [("svc.password", SERVICE_PASSWORD), ("prov.password", PROVISION_PASSWORD)];
        for (name, password) in passwords {
            let path = directory.join(name);
            fs::write(&path, password).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        }
        fs::write(directory.join("countersign.toml"), settings.text(&directory)).unwrap();
        Self {
            directory,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            process: None,
            wrapper: settings.wrapper.clone(),
            stderr: Arc::default(),
        }
    }

    /// Starts the process, and waits until it is ready.
    ///
    /// # Errors
    ///
    /// Its exit code and all that it wrote to stderr, if it ends instead.
    pub fn run(&mut self) -> Result<(), String> {
        let program = programs::countersign();
        let (first, rest) = match self.wrapper.split_first() {
            Some((first, rest)) => (Path::new(first), rest),
            None => (program, &[][..]),
        };
        let mut command = Command::new(first);
        command.args(rest);
        if !self.wrapper.is_empty() {
            command.arg(program);
        }
        let mut child = command
            .arg("--config")
            .arg(self.settings_file())
            .arg("serve")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the gateway does not start");
        reaper::end_later(child.id(), End::Kill);
        let reader = self.collect_stderr(&mut child);
        let listen = self.state().join("listen.json");
        let ready = wait::until("the gateway is ready or ends", || {
            if let Some(status) = child.try_wait().unwrap() {
                return Some(Err(status));
            }
            let listen: Value = serde_json::from_str(&fs::read_to_string(&listen).ok()?).ok()?;
            let is_own = listen["pid"].as_u64() == Some(u64::from(child.id()));
            is_own.then(|| Ok(listen["postgres"].as_str().unwrap().parse().unwrap()))
        });
        match ready {
            Ok(address) => {
                self.address = address;
                self.process = Some(child);
                Ok(())
            }
            Err(status) => {
                reaper::spare(child.id());
                reader.join().unwrap();
                Err(format!("{status}\n{}", self.stderr()))
            }
        }
    }

    /// Ends it without warning, as `kill -9` does.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.process.take() {
            child.kill().unwrap();
            child.wait().unwrap();
            reaper::spare(child.id());
        }
    }

    /// Ends it in order (SIGTERM), and returns its exit code.
    pub fn stop(&mut self) -> Option<i32> {
        self.signal("TERM");
        self.wait_until_it_ends()
    }

    /// Sends it a signal, by its name without `SIG`.
    pub fn signal(&self, name: &str) {
        let arguments = [format!("-{name}"), self.pid().to_string()];
        assert!(Command::new("kill").args(arguments).status().unwrap().success());
    }

    /// Waits until it has ended by itself, and returns its exit code.
    pub fn wait_until_it_ends(&mut self) -> Option<i32> {
        let mut child = self.process.take().expect("the gateway does not run");
        let status = wait::until("the gateway stops in order", || child.try_wait().unwrap());
        reaper::spare(child.id());
        status.code()
    }

    /// Its process id, while it runs.
    pub fn pid(&self) -> u32 {
        self.process.as_ref().expect("the gateway does not run").id()
    }

    /// True while the process is there.
    pub fn is_running(&mut self) -> bool {
        self.process.as_mut().is_some_and(|child| child.try_wait().unwrap().is_none())
    }

    /// All that it wrote to stderr so far.
    pub fn stderr(&self) -> String {
        self.stderr.lock().unwrap().clone()
    }

    /// The settings file.
    pub fn settings_file(&self) -> PathBuf {
        self.directory.join("countersign.toml")
    }

    /// The state directory.
    pub fn state(&self) -> PathBuf {
        self.directory.join("state")
    }

    /// Runs `countersign ARGUMENTS`, with JSON as output.
    pub fn command_line(&self, arguments: &[&str]) -> Output {
        self.command_line_as(&[], arguments)
    }

    /// The same, run by another program, such as `setpriv`.
    pub fn command_line_as(&self, wrapper: &[&str], arguments: &[&str]) -> Output {
        let program = programs::countersign();
        let mut command = match wrapper.split_first() {
            None => Command::new(program),
            Some((first, rest)) => {
                let mut command = Command::new(first);
                command.args(rest).arg(program);
                command
            }
        };
        command.arg("--config").arg(self.settings_file()).arg("--json").args(arguments);
        command.stdin(Stdio::null()).output().expect("the command line does not start")
    }

    /// Runs `countersign ARGUMENTS` and reads its answer.
    ///
    /// # Panics
    ///
    /// If it fails.
    pub fn admin(&self, arguments: &[&str]) -> Value {
        let output = self.command_line(arguments);
        let stdout = String::from_utf8_lossy(&output.stdout);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "countersign {arguments:?}: {stderr}{stdout}\n{}",
            self.stderr()
        );
        serde_json::from_str(stdout.trim())
            .unwrap_or_else(|error| panic!("{arguments:?}: {error}: {stdout}"))
    }

    /// Creates an identity and issues its token.
    pub fn identity(&self, name: &str) -> String {
        self.admin(&[
            "identity",
            "create",
            name,
            "--kind",
            "workload",
            "--owner",
            "e2e@company.example",
        ]);
        self.token(name)
    }

    /// Issues a token, in place of a former one.
    pub fn token(&self, name: &str) -> String {
        let issued = self.admin(&["identity", "token", "issue", name]);
        issued["token"].as_str().expect("the answer holds the token").to_owned()
    }

    /// Makes a grant for 15 minutes, and returns its id.
    pub fn grant(&self, identity: &str, target: &str, allow: &[&str]) -> String {
        self.grant_with(identity, target, allow, &["--for", "15m"])
    }

    /// Makes a grant with further options, and returns its id.
    pub fn grant_with(
        &self,
        identity: &str,
        target: &str,
        allow: &[&str],
        more: &[&str],
    ) -> String {
        let mut arguments = vec!["grant", "create", "--identity", identity, "--target", target];
        arguments.extend(["--task", "E2E-1", "--purpose", "end-to-end test"]);
        for scope in allow {
            arguments.extend(["--allow", scope]);
        }
        arguments.extend(more);
        self.admin(&arguments)["id"].as_str().expect("the answer holds the grant's id").to_owned()
    }

    /// Ends a grant.
    pub fn revoke(&self, grant: &str) {
        self.admin(&["grant", "revoke", grant, "--reason", "end-to-end test"]);
    }

    /// Opens a client's connection.
    ///
    /// # Errors
    ///
    /// What the gateway answered.
    pub fn connect(&self, identity: &str, target: &str, token: &str) -> Result<Wire, SqlError> {
        Wire::login(self.address, &Login::new(identity, target, token))
    }

    /// Waits until it has said something on stderr.
    pub fn wait_until_it_says(&self, text: &str) {
        wait::within(Duration::from_secs(10), &format!("`{text}` in: {}", self.stderr()), || {
            self.stderr().contains(text).then_some(())
        });
    }

    fn collect_stderr(&self, child: &mut Child) -> std::thread::JoinHandle<()> {
        let pipe = child.stderr.take().expect("the pipe was asked for");
        let said = Arc::clone(&self.stderr);
        std::thread::spawn(move || {
            for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                let mut said = said.lock().unwrap();
                said.push_str(&line);
                said.push('\n');
            }
        })
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.kill();
    }
}
