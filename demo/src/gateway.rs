//! Countersign as its users meet it: the program `countersign`, a settings file, a port.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::cluster::{Cluster, DATABASE, SERVICE_USER};
use crate::files::Files;
use crate::process::{self, Lifetime, Running};

/// What hides which column of `billing.customers`, as the settings file says it.
pub const MASKS: [(&str, &str); 6] = [
    ("email", "email"),
    ("phone", "fixed"),
    ("ssn", "full"),
    ("date_of_birth", "null"),
    ("account_number", "last4"),
    ("card_number", "hash"),
];

/// What the mask `fixed` shows instead of a telephone number.
pub const FIXED_PHONE: &str = "(withheld)";

/// How long the gateway may take to be ready, in milliseconds.
const START_TIMEOUT_MS: u64 = 20_000;
/// Pause between two looks whether it is ready, in milliseconds.
const START_POLL_MS: u64 = 20;

/// A running gateway. Dropping it stops it.
#[derive(Debug)]
pub struct Gateway {
    process: Running,
    cli: Cli,
    address: String,
}

/// The command line of a gateway.
#[derive(Clone, Debug)]
pub struct Cli {
    program: PathBuf,
    settings: PathBuf,
}

/// What a command printed, and its exit code.
#[derive(Debug)]
pub struct Reply {
    /// 0 done, 1 refused, 3 a verification found a fault.
    pub code: i32,
    /// Standard output.
    pub printed: String,
    /// Standard error.
    pub complained: String,
}

impl Gateway {
    /// Writes the settings and starts `countersign serve`.
    ///
    /// # Errors
    ///
    /// It is not ready within 20 s; the message ends with what it printed.
    pub async fn start(
        files: &Files,
        cluster: &Cluster,
        lifetime: Lifetime,
    ) -> anyhow::Result<Self> {
        let program = sibling("countersign")?;
        write_secret(&files.database_password(), cluster.service_password())?;
        fs::write(files.settings(), settings(files, cluster))?;
        let cli = Cli { program: program.clone(), settings: files.settings() };

        let log = files.log("gateway");
        let mut command = process::command(program, None, lifetime);
        command.arg("--config").arg(files.settings()).arg("serve");
        let mut process = Running::start(command, &log, Signal::SIGTERM)?;
        for _ in 0..START_TIMEOUT_MS / START_POLL_MS {
            if let Some(status) = process.ended()? {
                let printed = fs::read_to_string(&log).unwrap_or_default();
                bail!("the gateway ended at once ({status}):\n{printed}");
            }
            if let Some(address) = listening(&files.state().join("listen.json"), process.pid()) {
                return Ok(Self { process, cli, address });
            }
            tokio::time::sleep(Duration::from_millis(START_POLL_MS)).await;
        }
        let printed = fs::read_to_string(&log).unwrap_or_default();
        bail!("the gateway was not ready within {START_TIMEOUT_MS} ms:\n{printed}")
    }

    /// Its command line.
    pub fn cli(&self) -> &Cli {
        &self.cli
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Where it listens, as `address:port`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// All that a tool needs to know of a database.
    pub fn connection_string(&self, identity: &str, token: &str) -> String {
        format!("postgres://{identity}:{token}@{}/{DATABASE}", self.address)
    }

    /// Asks it to stop, and waits.
    pub fn stop(self) -> anyhow::Result<()> {
        self.process.stop().context("the gateway")
    }

    /// Lets it run on after the demo.
    pub fn release(self) {
        self.process.release();
    }
}

impl Cli {
    /// Runs a command with `--json` and reads its answer.
    ///
    /// # Errors
    ///
    /// The command failed, or its answer is not JSON.
    pub async fn ask(&self, arguments: &[&str]) -> anyhow::Result<Value> {
        let reply = self.run(&[&["--json"], arguments].concat()).await?;
        let Reply { code, printed, complained } = &reply;
        let what = arguments.join(" ");
        ensure!(*code == 0, "`countersign {what}` ended with {code}: {printed}{complained}");
        serde_json::from_str(printed)
            .with_context(|| format!("`countersign {what}` printed no JSON: {printed}"))
    }

    /// Runs a command, whatever its exit code.
    pub async fn run(&self, arguments: &[&str]) -> anyhow::Result<Reply> {
        let output = tokio::process::Command::new(&self.program)
            .arg("--config")
            .arg(&self.settings)
            .args(arguments)
            .stdin(std::process::Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .with_context(|| format!("cannot run {}", self.program.display()))?;
        Ok(Reply {
            code: output.status.code().context("countersign was killed by a signal")?,
            printed: String::from_utf8_lossy(&output.stdout).into_owned(),
            complained: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// The directory of the program.
    pub fn programs(&self) -> &Path {
        self.program.parent().unwrap_or(Path::new("/"))
    }
}

/// A program that lies beside this one.
pub fn sibling(name: &str) -> anyhow::Result<PathBuf> {
    let program = std::env::current_exe()?.with_file_name(name);
    ensure!(
        program.is_file(),
        "{} does not exist: build it with `cargo build -p countersign -p demo`",
        program.display()
    );
    Ok(program)
}

fn settings(files: &Files, cluster: &Cluster) -> String {
    let mut lines = vec![
        "# Written by the demo.".to_owned(),
        "[gateway]".to_owned(),
        "name = \"demo\"".to_owned(),
        format!("state_dir = {}", quoted(&files.state())),
        "\n[listen]".to_owned(),
        "postgres = \"127.0.0.1:0\"".to_owned(),
        "\n[[target]]".to_owned(),
        format!("name = \"{DATABASE}\""),
        "kind = \"postgres\"".to_owned(),
        "host = \"127.0.0.1\"".to_owned(),
        format!("port = {}", cluster.port()),
        format!("database = \"{DATABASE}\""),
        format!("user = \"{SERVICE_USER}\""),
        format!("password = {{ file = {} }}", quoted(&files.database_password())),
        "tls = \"disable\"".to_owned(),
    ];
    for (column, mask) in MASKS {
        lines.push("\n[[target.mask]]".to_owned());
        lines.push(format!("column = \"billing.customers.{column}\""));
        lines.push(format!("with = \"{mask}\""));
        if mask == "fixed" {
            lines.push(format!("value = \"{FIXED_PHONE}\""));
        }
    }
    lines.join("\n") + "\n"
}

/// A path as a TOML string.
fn quoted(path: &Path) -> String {
    let escaped = path.display().to_string().replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{escaped}\"")
}

fn write_secret(path: &Path, secret: &str) -> anyhow::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(secret.as_bytes())?;
    Ok(())
}

/// Where the gateway of that process listens, once it has said so.
fn listening(listen_file: &Path, pid: u32) -> Option<String> {
    let said: Value = serde_json::from_str(&fs::read_to_string(listen_file).ok()?).ok()?;
    (said.get("pid")?.as_u64()? == u64::from(pid)).then_some(())?;
    Some(said.get("postgres")?.as_str()?.to_owned())
}
