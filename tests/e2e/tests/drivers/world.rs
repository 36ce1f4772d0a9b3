//! What every driver finds: a database, a gateway before it, an identity with a grant.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use e2e::ledger::{self, Commands};
use e2e::{Cluster, Database, Gateway, Settings, Target, fixture, reaper, scratch, wait};

use crate::matrix::Said;

/// All that the drivers' programs touch.
const SCOPE: [&str; 6] = [
    "select:billing.customers(id,name,plan,account_number,ssn,email)",
    "select,insert,update,delete:billing.notes",
    "select:billing.numbers",
    "select:billing.big",
    "select,insert:billing.kinds",
    "select:billing.changing",
];

/// On top of the usual tables: one of 200,000 rows and more than 20 MB, and one whose definition
/// changes while a driver has statements prepared on it.
const MORE: &str = "
CREATE TABLE billing.big(id int PRIMARY KEY, filler text NOT NULL);
INSERT INTO billing.big SELECT g, repeat(md5(g::text), 3) FROM generate_series(1, 200000) g;
CREATE TABLE billing.changing(id int PRIMARY KEY, label varchar(40) NOT NULL);
INSERT INTO billing.changing SELECT g, 'label ' || g FROM generate_series(1, 100) g;
GRANT ALL ON billing.big, billing.changing TO svc;
ANALYZE billing.big, billing.changing;
";

/// How long one driver's program may take for everything.
const PROGRAM_MAX: Duration = Duration::from_secs(150);

pub(crate) struct World {
    pub(crate) database: Database,
    pub(crate) gateway: Gateway,
    pub(crate) token: String,
}

/// What the ledger says of a driver's work.
pub(crate) struct Recorded {
    /// Commands, denied ones among them.
    pub(crate) commands: usize,
    /// What is wrong with it.
    pub(crate) complaints: Vec<String>,
}

impl World {
    pub(crate) fn new() -> Self {
        static TEMPLATE: OnceLock<()> = OnceLock::new();
        let cluster = Cluster::shared();
        TEMPLATE.get_or_init(|| {
            cluster.load("tmpl_drivers", &format!("{} {MORE}", fixture::BILLING));
        });
        let name = format!("drivers_{}", scratch::next_number());
        let database = cluster.copy_of("tmpl_drivers", &name);
        let gateway = Gateway::start(&Settings::new(vec![Target::billing(&database)]));
        let token = gateway.identity("agent");
        gateway.grant("agent", "billing", &SCOPE);
        Self { database, gateway, token }
    }

    /// The address as a client's configuration has it.
    pub(crate) fn dsn(&self) -> String {
        let port = self.gateway.address.port();
        format!("postgresql://agent:{}@127.0.0.1:{port}/billing", self.token)
    }

    /// Runs a driver's program, which is given the DSN and the name under which it works, and
    /// does what it asks for: `ask WHAT` on a line of its output, answered by a line of input.
    pub(crate) fn run(&self, mut command: Command, name: &str) -> Vec<Said> {
        let mut child = command
            .args([&self.dsn(), name])
            // Nothing of the account that runs the tests.
            .env("HOME", &self.gateway.directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        reaper::end_later(child.id(), reaper::End::Kill);
        let stderr = child.stderr.take().unwrap();
        let errors = std::thread::spawn(move || std::io::read_to_string(stderr).unwrap());
        let said = self.converse(&mut child);
        let status = wait::until("the driver's program ends", || child.try_wait().unwrap());
        reaper::spare(child.id());
        let errors = errors.join().unwrap();
        assert!(status.success(), "{name}: {status}\n{said:?}\n{errors}");
        said
    }

    fn converse(&self, child: &mut Child) -> Vec<Said> {
        let mut input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let pid = child.id();
        let (sender, done) = std::sync::mpsc::channel::<()>();
        let watch = std::thread::spawn(move || {
            if done.recv_timeout(PROGRAM_MAX).is_err() {
                drop(Command::new("kill").args(["-9", &pid.to_string()]).status());
            }
        });
        let mut said = Vec::new();
        let mut began = Instant::now();
        for line in output.lines() {
            let line = line.unwrap();
            if let Some(what) = line.strip_prefix("ask ") {
                self.change(what);
                writeln!(input, "done").unwrap();
            } else if let Some(cell) = Said::read(&line, began.elapsed()) {
                said.push(cell);
                began = Instant::now();
            }
        }
        sender.send(()).unwrap_or_default();
        watch.join().unwrap();
        said
    }

    /// What an administrator of the database does meanwhile.
    pub(crate) fn change(&self, what: &str) {
        match what {
            "add-column" => {
                self.database.run("ALTER TABLE billing.changing ADD COLUMN more int");
            }
            "change-type" => {
                self.database.run("ALTER TABLE billing.changing ALTER COLUMN label TYPE text");
            }
            other => panic!("a driver asks for something unknown: {other}"),
        }
    }

    /// Looks up what the client did: it must be on record, whole.
    pub(crate) fn recorded(&self, name: &str) -> Recorded {
        let commands = wait::until("every command has its outcome", || {
            let commands = Commands::read(&self.gateway);
            let is_whole = commands.intended.len() == commands.finished.len();
            is_whole.then_some(commands)
        });
        // Each program writes a note of this name and asks for a table that is not granted.
        let mark = format!("{name}-recorded");
        // A value that came in binary format stands in the record in hexadecimal digits.
        let digits = mark.bytes().fold(String::new(), |all, byte| all + &format!("{byte:02x}"));
        let is_noted = [&mark, &digits].iter().any(|mark| commands.intent_with(mark).is_some());
        let checks = [
            ("the ledger does not verify", ledger::verify(&self.gateway, "access")["ok"] == true),
            ("its write is not on record", is_noted),
            ("no denial is on record", commands.denial_with("hr.salaries").is_some()),
            ("a command has no known end", commands.with_result("unknown").is_empty()),
        ];
        let complaints = checks.iter().filter(|(_, is_right)| !is_right);
        Recorded {
            commands: commands.intended.len() + commands.denied.len(),
            complaints: complaints.map(|(what, _)| (*what).to_owned()).collect(),
        }
    }
}
