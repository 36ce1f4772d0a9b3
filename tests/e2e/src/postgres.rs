//! A private PostgreSQL cluster per test program, and a database per test.
//!
//! PostgreSQL refuses to run as root; then it runs as `postgres` or `nobody`. Durability is off:
//! the tests are about the gateway's records, not about the target's disk.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use crate::certificate::{self, Certificates};
use crate::reaper::{self, End};
use crate::wire::{Login, Wire};
use crate::wire_answer::Answer;
use crate::{fixture, programs, scratch, wait};

/// The role under which gateways log into the target: a service account with table-level rights.
pub const SERVICE_ROLE: &str = "svc";
/// Its password, which no client of a gateway may ever see.
pub const SERVICE_PASSWORD: &str = "svc-Password-9f3e7a";
/// The account that makes the roles of a fence. It has CREATEROLE and is no superuser.
pub const PROVISION_ROLE: &str = "prov";
/// Its password, which no client of a gateway may ever see.
pub const PROVISION_PASSWORD: &str = "prov-Password-77c1d0";

const SETTINGS: &str = "
listen_addresses = '127.0.0.1'
max_connections = 300
shared_buffers = 64MB
fsync = off
full_page_writes = off
synchronous_commit = off
max_wal_size = 4GB
autovacuum = off
password_encryption = 'scram-sha-256'
logging_collector = on
log_destination = 'jsonlog'
log_filename = 'postgres'
log_rotation_age = 0
log_rotation_size = 0
log_file_mode = 0644
log_statement = 'all'
log_connections = off
log_disconnections = off
wal_level = logical
ssl = on
";

const ACCESS: &str = "
local all all trust
host all postgres 127.0.0.1/32 trust
host all all 127.0.0.1/32 scram-sha-256
host replication all 127.0.0.1/32 scram-sha-256
";

/// A running PostgreSQL.
#[derive(Debug)]
pub struct Cluster {
    /// Where it listens.
    pub address: SocketAddr,
    /// The directory of its Unix socket.
    pub socket_directory: PathBuf,
    /// Its certificate, and the authority that a client must trust.
    pub certificates: Certificates,
    log_directory: PathBuf,
    templates: Mutex<()>,
    template: OnceLock<()>,
    directory: PathBuf,
    process: Mutex<Child>,
}

/// A database of the cluster.
#[derive(Clone, Debug)]
pub struct Database {
    /// Its cluster.
    pub cluster: &'static Cluster,
    /// Its name.
    pub name: String,
}

impl Cluster {
    /// The cluster of this test program, started by the first call.
    ///
    /// # Panics
    ///
    /// If PostgreSQL is not installed or does not start; its log is in the message.
    pub fn shared() -> &'static Self {
        static CLUSTER: OnceLock<Cluster> = OnceLock::new();
        CLUSTER.get_or_init(|| Self::start(&scratch::directory().join("pg")))
    }

    /// A cluster of a test's own, which it may stop.
    ///
    /// # Panics
    ///
    /// As [`Cluster::shared`].
    pub fn own() -> &'static Self {
        let name = format!("pg-{}", scratch::next_number());
        Box::leak(Box::new(Self::start(&scratch::directory().join(name))))
    }

    /// Stops it by a signal (`INT`: sessions are told, `QUIT`: they are not), and waits until it has.
    pub fn stop(&self, signal: &str) {
        let mut process = self.process.lock().unwrap();
        let arguments = [format!("-{signal}"), process.id().to_string()];
        assert!(Command::new("kill").args(arguments).status().unwrap().success());
        process.wait().unwrap();
        reaper::spare(process.id());
    }

    /// Starts it again, at its old address.
    ///
    /// # Panics
    ///
    /// If it does not start; its log is in the message.
    pub fn start_again(&self) {
        let mut process = self.process.lock().unwrap();
        *process = spawn(&self.directory, &Account::for_postgres());
        assert!(is_up(&mut process, self.address), "{}", console(&self.directory));
    }

    /// Opens a superuser's connection.
    pub fn superuser(&self, database: &str) -> Wire {
        let login = Login::new("postgres", database, "");
        Wire::login(self.address, &login).expect("the superuser may log in")
    }

    /// Runs SQL as superuser.
    ///
    /// # Panics
    ///
    /// If it fails.
    pub fn run(&self, database: &str, sql: &str) -> Answer {
        let answer = self.superuser(database).simple(sql);
        assert!(answer.errors().is_empty(), "{sql}: {:?}", answer.errors());
        answer
    }

    /// Makes a database that is a copy of `template`, at about the price of copying its files.
    pub fn copy_of(&'static self, template: &str, name: &str) -> Database {
        // A template must not be in use while it is copied.
        let _one_at_a_time = self.templates.lock().unwrap_or_else(PoisonError::into_inner);
        let sql = format!("CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy");
        self.run("postgres", &sql);
        Database { cluster: self, name: name.to_owned() }
    }

    /// A new database with the billing tables of [`fixture::BILLING`].
    pub fn billing(&'static self) -> Database {
        self.template.get_or_init(|| self.load("tmpl_billing", fixture::BILLING));
        self.copy_of("tmpl_billing", &format!("billing_{}", scratch::next_number()))
    }

    /// The same under a name that a database of another cluster has.
    pub fn copy_of_billing_named(&'static self, name: &str) -> Database {
        self.template.get_or_init(|| self.load("tmpl_billing", fixture::BILLING));
        self.copy_of("tmpl_billing", name)
    }

    /// Creates a database and runs a script in it.
    pub fn load(&self, name: &str, script: &str) {
        self.run("postgres", &format!("CREATE DATABASE {name}"));
        self.run(name, script);
    }

    /// The file into which the server logs every statement, as JSON lines.
    pub fn log_file(&self) -> PathBuf {
        self.log_directory.join("postgres.json")
    }

    fn start(directory: &Path) -> Self {
        let account = Account::for_postgres();
        fs::create_dir(directory).unwrap();
        account.own(directory);
        let data = directory.join("data");
        let initdb = ["--no-sync", "--no-instructions", "--auth=trust", "--username=postgres"];
        let output = account
            .command("initdb")
            .args(initdb)
            .args(["--encoding=UTF8", "--locale=C.UTF-8", "--pgdata"])
            .arg(&data)
            .output()
            .expect("initdb does not start");
        assert!(output.status.success(), "initdb: {}", String::from_utf8_lossy(&output.stderr));
        // Three attempts: another process may take the free port first.
        (0..3)
            .find_map(|_| Self::try_start(directory, &account))
            .unwrap_or_else(|| panic!("PostgreSQL does not start: {}", console(directory)))
    }

    fn try_start(directory: &Path, account: &Account) -> Option<Self> {
        let data = directory.join("data");
        let log_directory = directory.join("log");
        let certificates = certificate::make(directory);
        account.own(&certificates.key);
        account.own(&certificates.certificate);
        fs::set_permissions(&certificates.key, fs::Permissions::from_mode(0o600)).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let settings = format!(
            "{SETTINGS}\nport = {port}\nunix_socket_directories = '{}'\nlog_directory = '{}'\n\
             ssl_cert_file = '{}'\nssl_key_file = '{}'\n",
            directory.display(),
            log_directory.display(),
            certificates.certificate.display(),
            certificates.key.display(),
        );
        fs::write(data.join("postgresql.conf"), settings).unwrap();
        fs::write(data.join("pg_hba.conf"), ACCESS).unwrap();
        let mut process = spawn(directory, account);
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let socket_directory = directory.to_owned();
        if !is_up(&mut process, address) {
            return None;
        }
        let cluster = Self {
            address,
            socket_directory,
            certificates,
            log_directory,
            templates: Mutex::new(()),
            template: OnceLock::new(),
            directory: directory.to_owned(),
            process: Mutex::new(process),
        };
        cluster.run(
            "postgres",
            &format!(
                "{} ALTER ROLE svc PASSWORD '{SERVICE_PASSWORD}'; \
                 ALTER ROLE prov PASSWORD '{PROVISION_PASSWORD}'",
                fixture::ROLES
            ),
        );
        Some(cluster)
    }
}

impl Database {
    /// Runs SQL as superuser.
    ///
    /// # Panics
    ///
    /// If it fails.
    pub fn run(&self, sql: &str) -> Answer {
        self.cluster.run(&self.name, sql)
    }

    /// The only value of the only row that `sql` gives, as text.
    pub fn value(&self, sql: &str) -> String {
        let answer = self.run(sql);
        answer.texts()[0][0].clone().unwrap_or_default()
    }

    /// How many sessions of gateways are open here.
    pub fn service_sessions(&self) -> u64 {
        let sql = format!(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = '{}' AND usename = '{SERVICE_ROLE}'",
            self.name
        );
        self.cluster.run("postgres", &sql).texts()[0][0].as_ref().unwrap().parse().unwrap()
    }

    /// Waits until no statement of a gateway runs here.
    pub fn wait_until_idle(&self, patience: Duration) {
        let sql = format!(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = '{}' AND usename = '{SERVICE_ROLE}' \
             AND state <> 'idle'",
            self.name
        );
        let mut superuser = self.cluster.superuser("postgres");
        wait::within(patience, "no statement runs on the target", || {
            (superuser.simple(&sql).texts()[0][0].as_deref() == Some("0")).then_some(())
        });
    }
}

/// The account under which PostgreSQL runs.
struct Account {
    other: Option<(u32, u32)>,
}

impl Account {
    fn for_postgres() -> Self {
        let own = fs::metadata("/proc/self").unwrap().uid();
        if own != 0 {
            return Self { other: None };
        }
        let accounts = fs::read_to_string("/etc/passwd").unwrap();
        let find = |name: &str| {
            let line = accounts.lines().find(|line| line.split(':').next() == Some(name))?;
            let mut fields = line.split(':').skip(2);
            Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
        };
        let other = find("postgres").or_else(|| find("nobody"));
        assert!(other.is_some(), "as root, the tests need the account `postgres` or `nobody`");
        Self { other }
    }

    fn command(&self, program: &str) -> Command {
        let program = programs::postgres(program);
        match self.other {
            None => Command::new(program),
            Some((user, group)) => {
                let mut command = Command::new("setpriv");
                command.args([format!("--reuid={user}"), format!("--regid={group}")]);
                command.args(["--clear-groups", "--"]).arg(program).current_dir("/");
                command
            }
        }
    }

    fn own(&self, path: &Path) {
        if let Some((user, group)) = self.other {
            std::os::unix::fs::chown(path, Some(user), Some(group)).unwrap();
        }
    }
}

fn spawn(directory: &Path, account: &Account) -> Child {
    let console = File::create(directory.join("console")).unwrap();
    let child = account
        .command("postgres")
        .arg("-D")
        .arg(directory.join("data"))
        .stdin(Stdio::null())
        .stdout(console.try_clone().unwrap())
        .stderr(console)
        .spawn()
        .expect("postgres does not start");
    reaper::end_later(child.id(), End::Quit);
    child
}

/// Waits until it accepts connections. False if it ends instead.
fn is_up(process: &mut Child, address: SocketAddr) -> bool {
    let is_up = wait::until("PostgreSQL accepts connections", || {
        if process.try_wait().unwrap().is_some() {
            return Some(false);
        }
        let login = Login::new("postgres", "postgres", "");
        Wire::login(address, &login).is_ok().then_some(true)
    });
    if !is_up {
        reaper::spare(process.id());
    }
    is_up
}

fn console(directory: &Path) -> String {
    fs::read_to_string(directory.join("console")).unwrap_or_default()
}
