//! A private PostgreSQL: its own directory, its own port, its own passwords, gone after use.

use std::fs;
use std::io::Read as _;
use std::net::TcpListener;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use nix::sys::signal::Signal;
use tempfile::TempDir;
use tokio_postgres::{Client, Config, NoTls};

use crate::process::{self, Account, Lifetime, Running};

/// The database that holds the billing schema, and the name of the target.
pub const DATABASE: &str = "billing";
/// The role with which the gateway logs in.
pub const SERVICE_USER: &str = "billing_service";

const ADMIN_USER: &str = "postgres";
/// Begins each entry of the server's log, so that entries of several lines can be told apart.
const LOG_PREFIX: &str = "pg|";
/// A free port may be taken by another program before PostgreSQL has it.
const START_ATTEMPTS_MAX: u32 = 3;
/// How long PostgreSQL may take to accept connections, in milliseconds.
const START_TIMEOUT_MS: u64 = 30_000;
/// Pause between two attempts to connect, in milliseconds.
const START_POLL_MS: u64 = 50;

/// A running PostgreSQL. Dropping it stops it, then removes its directory.
#[derive(Debug)]
pub struct Cluster {
    // The order matters: fields are dropped from the top, and a server needs its directory.
    server: Running,
    directory: TempDir,
    programs: PathBuf,
    port: u16,
    log: PathBuf,
    admin_password: String,
    service_password: String,
}

impl Cluster {
    /// Makes and starts a cluster; what the server prints goes to `log`.
    ///
    /// # Errors
    ///
    /// PostgreSQL is not installed, or does not start; the message ends with what it printed.
    pub async fn start(log: &Path, lifetime: Lifetime) -> anyhow::Result<Self> {
        let programs = find_programs()?;
        let account = Account::unprivileged()?;
        let directory = tempfile::Builder::new().prefix("countersign-postgres-").tempdir()?;
        let admin_password = random_password()?;
        initialise(&programs, directory.path(), account, &admin_password)?;
        let mut started = serve(&programs, directory.path(), account, log, lifetime).await;
        for _ in 1..START_ATTEMPTS_MAX {
            if started.is_err() {
                started = serve(&programs, directory.path(), account, log, lifetime).await;
            }
        }
        let (server, port) = started.with_context(|| {
            format!("PostgreSQL printed: {}", fs::read_to_string(log).unwrap_or_default())
        })?;
        let service_password = random_password()?;
        let log = log.to_owned();
        Ok(Self { server, directory, programs, port, log, admin_password, service_password })
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The server's process id.
    pub fn pid(&self) -> u32 {
        self.server.pid()
    }

    /// The password of [`SERVICE_USER`].
    pub fn service_password(&self) -> &str {
        &self.service_password
    }

    /// The directory of `psql` and the server's programs.
    pub fn programs(&self) -> &Path {
        &self.programs
    }

    /// The directory that holds the data.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Makes the database, the role of the gateway and what `sql` says.
    pub async fn load(&self, sql: &str) -> anyhow::Result<()> {
        let first = self.connect_to(ADMIN_USER).await?;
        let password = &self.service_password; // Hexadecimal: needs no quoting.
        first
            .batch_execute(&format!("CREATE ROLE {SERVICE_USER} LOGIN PASSWORD '{password}'"))
            .await?;
        first.batch_execute(&format!("CREATE DATABASE {DATABASE}")).await?;
        // The steps look into the log for what reached the database.
        first
            .batch_execute(&format!("ALTER ROLE {SERVICE_USER} SET log_statement = 'all'"))
            .await?;
        let billing = self.connect().await?;
        billing.batch_execute(sql).await.context("cannot load the billing data")?;
        billing
            .batch_execute(&format!(
                "GRANT USAGE ON SCHEMA billing TO {SERVICE_USER};
                 GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA billing \
                 TO {SERVICE_USER}"
            ))
            .await?;
        Ok(())
    }

    /// Connects to the billing database as its administrator, past the gateway.
    pub async fn connect(&self) -> anyhow::Result<Client> {
        self.connect_to(DATABASE).await
    }

    /// What sessions of the gateway have asked of the database so far, by the database's own log.
    ///
    /// Without what the gateway asks on its own account: the catalog, and its sessions' settings.
    pub fn asked_by_sessions(&self) -> anyhow::Result<Vec<String>> {
        let log = fs::read_to_string(&self.log)?;
        let entries = log.split(LOG_PREFIX).filter(|entry| entry.starts_with("countersign ses_"));
        let statements = entries.filter_map(|entry| {
            let (_, rest) = entry.split_once("|LOG:  ")?;
            Some(rest.split_once(": ")?.1.trim().to_owned())
        });
        let is_own = |sql: &String| {
            sql.starts_with("SET client_encoding") || sql.starts_with("DISCARD ALL /* countersign")
        };
        Ok(statements.filter(|sql| !is_own(sql)).collect())
    }

    async fn connect_to(&self, database: &str) -> anyhow::Result<Client> {
        connect(self.port, database, &self.admin_password).await
    }

    /// Stops the server and removes its directory.
    pub fn stop(self) -> anyhow::Result<()> {
        let Self { server, directory, .. } = self;
        server.stop()?;
        directory.close().context("cannot remove PostgreSQL's directory")
    }

    /// Lets it run on after the demo.
    pub fn release(self) {
        let Self { server, directory, .. } = self;
        server.release();
        _ = directory.keep();
    }
}

/// Debian keeps a directory for each major version; others put the programs on the path.
fn find_programs() -> anyhow::Result<PathBuf> {
    let mut versions: Vec<(u32, PathBuf)> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let major = entry.file_name().to_str()?.parse().ok()?;
            Some((major, entry.path().join("bin")))
        })
        .collect();
    versions.sort();
    let path = std::env::var_os("PATH").unwrap_or_default();
    versions
        .into_iter()
        .rev()
        .map(|(_major, directory)| directory)
        .chain(std::env::split_paths(&path))
        .find(|directory| {
            ["initdb", "postgres"].iter().all(|program| directory.join(program).is_file())
        })
        .context(
            "PostgreSQL's server programs (initdb, postgres) are not installed: \
             on Debian and Ubuntu, `apt-get install postgresql` brings them",
        )
}

fn initialise(
    programs: &Path,
    directory: &Path,
    account: Option<Account>,
    admin_password: &str,
) -> anyhow::Result<()> {
    let password_file = directory.join("password");
    fs::write(&password_file, admin_password)?;
    if let Some(Account { uid, gid }) = account {
        chown(directory, Some(uid), Some(gid))?;
        chown(&password_file, Some(uid), Some(gid))?;
    }
    let output = process::command(programs.join("initdb"), account, Lifetime::Kept)
        .args(["--encoding=UTF8", "--locale=C", "--auth=scram-sha-256", "--no-sync"])
        .arg(format!("--username={ADMIN_USER}"))
        .arg(format!("--pwfile={}", password_file.display()))
        .arg(format!("--pgdata={}", directory.join("data").display()))
        .current_dir("/")
        .output()
        .context("cannot run initdb")?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "initdb failed: {complaint}");
    fs::remove_file(password_file)?;
    Ok(())
}

async fn serve(
    programs: &Path,
    directory: &Path,
    account: Option<Account>,
    log: &Path,
    lifetime: Lifetime,
) -> anyhow::Result<(Running, u16)> {
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let mut command = process::command(programs.join("postgres"), account, lifetime);
    command.arg("-D").arg(directory.join("data")).current_dir("/");
    let settings = [
        "listen_addresses=127.0.0.1".to_owned(),
        format!("port={port}"),
        format!("unix_socket_directories={}", directory.display()),
        // The data are made anew each time; a crash may lose them.
        "fsync=off".to_owned(),
        format!("log_line_prefix={LOG_PREFIX}%a|"),
    ];
    for setting in settings {
        command.arg("-c").arg(setting);
    }
    let mut server = Running::start(command, log, Signal::SIGINT)?;
    for _ in 0..START_TIMEOUT_MS / START_POLL_MS {
        if let Some(status) = server.ended()? {
            bail!("PostgreSQL ended at once ({status})");
        }
        // Refused, or not yet ready to say so with a password check: both mean wait.
        if is_ready(port).await {
            return Ok((server, port));
        }
        tokio::time::sleep(Duration::from_millis(START_POLL_MS)).await;
    }
    bail!("PostgreSQL accepted no connection within {START_TIMEOUT_MS} ms")
}

/// A server that asks for a password is up: 28P01 is its answer to a wrong one.
async fn is_ready(port: u16) -> bool {
    let error = connect(port, ADMIN_USER, "wrong").await.err();
    error
        .and_then(|error| error.downcast::<tokio_postgres::Error>().ok())
        .and_then(|error| error.code().cloned())
        .is_some_and(|code| code.code() == "28P01")
}

async fn connect(port: u16, database: &str, password: &str) -> anyhow::Result<Client> {
    let (client, connection) = Config::new()
        .host("127.0.0.1")
        .port(port)
        .user(ADMIN_USER)
        .password(password)
        .dbname(database)
        .connect(NoTls)
        .await?;
    // The client reports a broken connection at its next use.
    tokio::spawn(connection);
    Ok(client)
}

/// 128 random bits in hexadecimal.
fn random_password() -> anyhow::Result<String> {
    let mut bytes = [0_u8; 16];
    fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(format!("{:032x}", u128::from_ne_bytes(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::billing;

    #[tokio::test]
    async fn the_generated_database_loads_and_is_gone_after_use() {
        let log = tempfile::NamedTempFile::new().unwrap();
        let cluster = Cluster::start(log.path(), Lifetime::EndsWithDemo).await.unwrap();
        let data = billing::generate(1);
        cluster.load(&data.sql).await.unwrap();
        let client = cluster.connect().await.unwrap();
        let row = client
            .query_one(
                "SELECT (SELECT count(*) FROM billing.customers),
                        (SELECT count(*) FROM billing.invoices),
                        (SELECT count(*) FROM billing.payments)",
                &[],
            )
            .await
            .unwrap();
        let counts: [i64; 3] = [row.get(0), row.get(1), row.get(2)];
        assert_eq!(
            counts.map(i64::unsigned_abs),
            [billing::CUSTOMERS, data.invoices, data.payments]
        );
        let directory = cluster.directory().to_owned();
        cluster.stop().unwrap();
        assert!(!directory.exists());
    }
}
