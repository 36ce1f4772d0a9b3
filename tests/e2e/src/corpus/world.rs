//! The three databases of the twin test, behind one gateway.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use crate::corpus::{Corpus, Item};
use crate::postgres::SERVICE_PASSWORD;
use crate::wire::{Login, Wire};
use crate::wire_answer::{Answer, Message, SqlError};
use crate::{Cluster, Database, Gateway, Settings, Target, wait};

/// Grants of the corpus' manifest, by the identity that holds them.
const GRANTS: [(&str, &[&str]); 4] =
    [("svc", G), ("eph", G), ("ephw", GW), ("ephv", &["select:gw.customers"])];
const G: &[&str] =
    &["select:billing.customers(id,name,plan,account_number,ssn)", "select:billing.plans"];
const GW: &[&str] = &[
    "select:billing.customers(id,name,plan,account_number,ssn)",
    "select:billing.plans",
    "update:billing.customers(plan)",
    "insert:billing.customers(id,name,plan)",
    "delete:billing.customers",
];

/// What the service account must be able to do itself, so that only the gateway stands in between;
/// and a copy of the rows that writing items change.
const PREPARE: &str = "
GRANT USAGE ON SCHEMA gw TO svc; GRANT ALL ON ALL TABLES IN SCHEMA gw TO svc;
GRANT USAGE ON SCHEMA billing, hr, gw TO prov WITH GRANT OPTION;
GRANT ALL ON ALL TABLES IN SCHEMA billing, hr, gw TO prov WITH GRANT OPTION;
CREATE SCHEMA corpus_backup;
CREATE TABLE corpus_backup.customers AS
  SELECT id, name, plan, account_number, ssn, balance, meta, region FROM ONLY billing.customers;
";
const FINGERPRINT: &str =
    "SELECT md5(string_agg(c::text, ';' ORDER BY id)) FROM ONLY billing.customers c";
const RESTORE: &str = "
SET session_replication_role = replica;
DELETE FROM ONLY billing.customers;
INSERT INTO billing.customers (id, name, plan, account_number, ssn, balance, meta, region)
  SELECT * FROM corpus_backup.customers;
RESET session_replication_role;
";
/// What is open in the corpus' databases, for the roles of a fence.
const HOLES: [&str; 8] = [
    "definer_function",
    "extension_function",
    "public_relation",
    "large_object",
    "comment",
    "partition_bound",
    "stored_setting",
    "database_privilege",
];
/// Undoes what the setup of an item may have done to roles and settings.
const RESET: &str = "
REVOKE eph, app_owner FROM svc; REVOKE app_owner FROM eph;
REVOKE ALL ON ALL TABLES IN SCHEMA billing FROM app_owner; REVOKE USAGE ON SCHEMA billing FROM app_owner;
ALTER ROLE eph LOGIN VALID UNTIL 'infinity'; ALTER ROLE svc RESET ALL; ALTER ROLE eph RESET ALL;
";

/// More than twice the gateway's pause between two looks at a catalog.
const CATALOG_SETTLES: Duration = Duration::from_millis(2500);

/// The gateway and its three databases.
#[derive(Debug)]
pub struct World {
    /// The gateway; nothing if clients reach the databases directly.
    pub gateway: Option<Gateway>,
    /// Twin A, its clone, twin B.
    pub twins: [Twin; 3],
    tokens: BTreeMap<&'static str, String>,
    /// Who logs in at the databases themselves, by twin and identity; nothing if clients go through
    /// the gateway.
    logins: Option<Logins>,
}

/// Roles and their passwords, by twin and identity.
type Logins = BTreeMap<(usize, &'static str), (String, String)>;

/// One of the databases.
#[derive(Debug)]
pub struct Twin {
    /// Target name and database name alike; four letters, as the raw startup packets need.
    pub name: &'static str,
    /// The database.
    pub database: Database,
    /// What a client must not learn here, by name.
    pub secrets: BTreeMap<String, String>,
    grants: Mutex<BTreeMap<String, Vec<String>>>,
    fingerprint: String,
    /// Tables were changed, or sessions cut: the gateway must look at the catalog again.
    is_disturbed: AtomicBool,
}

/// All that servers said to the client during one item.
#[derive(Clone, Debug, Default)]
pub struct Transcript {
    /// The messages, connection after connection.
    pub messages: Vec<Message>,
    /// Every byte.
    pub bytes: Vec<u8>,
    /// True if the server closed a connection that the client still used.
    pub closed: bool,
    /// The first statement whose answer was an error.
    pub refused: Option<Vec<u8>>,
}

impl World {
    /// The major version of PostgreSQL that it runs on.
    ///
    /// # Panics
    ///
    /// If the server does not say.
    pub fn postgres_major(&self) -> u64 {
        let number = self.twins[0].database.value("SHOW server_version_num");
        number.parse::<u64>().unwrap() / 10_000
    }

    /// The databases behind a gateway.
    pub fn start(corpus: &Corpus) -> Self {
        let mut world = Self::direct(corpus);
        world.guard(|_target| {});
        world
    }

    /// Databases of their own behind a gateway with a fence.
    pub fn start_fenced(corpus: &Corpus) -> Self {
        let mut world = Self::on(make_twins(corpus, ["fe_a", "fe_c", "fe_b"]));
        world.guard(|target| target.is_fenced = true);
        world
    }

    /// Puts a new gateway before the databases, in the place of a former one.
    pub fn guard(&mut self, change: impl Fn(&mut Target)) {
        let target = |twin: &Twin| {
            let mut target = twin.target();
            change(&mut target);
            target
        };
        let mut settings = Settings::new(self.twins.iter().map(target).collect());
        settings.limits = "command_timeout_s = 5".into();
        let gateway = Gateway::start(&settings);
        self.tokens = GRANTS.map(|(identity, _)| (identity, gateway.identity(identity))).into();
        self.gateway = Some(gateway);
        self.logins = None;
        for twin in 0..self.twins.len() {
            self.twins[twin].grants().clear();
            for (identity, _) in GRANTS {
                self.grant(twin, identity);
            }
        }
    }

    /// From now on clients log in at the databases themselves, as the service account.
    pub fn log_in_as_service(&mut self) {
        self.logins = Some(BTreeMap::new());
    }

    /// From now on clients log in at the databases themselves, as the roles that a fence made for
    /// sessions with the same grants. The gateway is killed, so that nobody removes them.
    ///
    /// # Panics
    ///
    /// If there is no fenced gateway.
    pub fn log_in_as_roles(&mut self) {
        let mut sessions = Vec::new();
        let mut logins = BTreeMap::new();
        for twin in 0..self.twins.len() {
            for (identity, _) in GRANTS {
                let label = "SELECT usename FROM pg_stat_activity WHERE usename LIKE 'css%'";
                let database = &self.twins[twin].database;
                let names = |answer: Answer| -> BTreeSet<String> {
                    answer.texts().into_iter().filter_map(|row| row[0].clone()).collect()
                };
                let before = names(database.run(label));
                sessions.push(self.connect(twin, identity).unwrap());
                let role = names(database.run(label)).difference(&before).next().unwrap().clone();
                // What lets the test in lets nobody reach more.
                database.run(&let_in(&role));
                logins.insert((twin, identity), (role.clone(), role));
            }
        }
        self.logins = Some(logins);
        self.gateway.as_mut().unwrap().kill();
    }

    /// The databases without a gateway: clients log in as the service account. It shows what the
    /// attacks reach when nothing stands in between, and so that the leak test can find a leak.
    pub fn direct(corpus: &Corpus) -> Self {
        Self::on(make_twins(corpus, ["tw_a", "tw_c", "tw_b"]))
    }

    fn on(twins: [Twin; 3]) -> Self {
        let tokens = BTreeMap::from([("svc", SERVICE_PASSWORD.to_owned())]);
        Self { gateway: None, twins, tokens, logins: Some(BTreeMap::new()) }
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        match (&self.gateway, &self.logins) {
            (Some(gateway), None) => gateway.address,
            (Some(_) | None, _) => Cluster::shared().address,
        }
    }

    /// The identity that holds one of the corpus' grants.
    pub fn holder(grant: &str) -> &'static str {
        match grant {
            "GW" => "ephw",
            "GV" => "ephv",
            _ => "svc",
        }
    }

    /// The token of an identity. An unknown one gets that of `svc`, which must not help it.
    pub fn token(&self, identity: &str) -> &str {
        self.tokens.get(identity).unwrap_or(&self.tokens["svc"])
    }

    /// Logs in.
    ///
    /// # Errors
    ///
    /// What the gateway answered.
    pub fn connect(&self, twin: usize, identity: &str) -> Result<Wire, SqlError> {
        let name = self.twins[twin].name;
        let login = match &self.logins {
            None => Login::new(identity, name, self.token(identity)),
            Some(logins) => match logins.iter().find(|(who, _)| **who == (twin, identity)) {
                Some((_, (role, password))) => Login::new(role, name, password),
                None => Login::new("svc", name, SERVICE_PASSWORD),
            },
        };
        Wire::login(self.address(), &login)
    }

    /// Ends what `svc` and `eph` are granted on the twin.
    pub fn revoke(&self, twin: usize) {
        for identity in ["svc", "eph"] {
            let ended = self.twins[twin].grants().remove(identity);
            for grant in ended.unwrap_or_default() {
                self.gateway.as_ref().unwrap().revoke(&grant);
            }
        }
    }

    /// Cuts the target's sessions from the side of the target.
    pub fn terminate(&self, twin: usize) {
        self.twins[twin].is_disturbed.store(true, Ordering::Relaxed);
        let database = &self.twins[twin].database;
        database.run(&format!(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{}' \
             AND (usename = 'svc' OR usename LIKE 'css%')",
            database.name
        ));
        // A client that asks at this very moment may read one error or another; later, only one.
        std::thread::sleep(Duration::from_millis(300));
    }

    /// Does what an administrator does before an item.
    pub fn set_up(&self, twin: usize, item: &Item) {
        if let Some(sql) = &item.setup {
            let database = &self.twins[twin].database;
            database.run(&sql.replace("{db}", &database.name));
        }
    }

    /// Undoes what an item did to rows, roles, settings and grants.
    pub fn restore(&self, twin: usize, teardown: Option<&str>) {
        let database = self.twins[twin].database.clone();
        if teardown.is_some_and(|sql| sql.contains("TABLE") || sql.contains("VIEW")) {
            self.twins[twin].is_disturbed.store(true, Ordering::Relaxed);
        }
        if let Some(sql) = teardown {
            // Some undo what another twin's item has undone already.
            drop(database.cluster.superuser(&database.name).simple(sql));
        }
        self.wait_for_catalog(twin);
        if database.value(FINGERPRINT) != self.twins[twin].fingerprint {
            database.run(RESTORE);
        }
        for identity in ["svc", "eph"] {
            let is_ended = !self.twins[twin].grants().contains_key(identity);
            if is_ended {
                self.grant(twin, identity);
            }
        }
    }

    /// Waits until the gateway knows the tables as they are now: an item may have changed them, or
    /// cut the connection by which it looks.
    fn wait_for_catalog(&self, twin: usize) {
        let is_disturbed = self.twins[twin].is_disturbed.swap(false, Ordering::Relaxed);
        if self.logins.is_some() || !is_disturbed {
            return;
        }
        // Two looks later, nothing of what was in between can come any more.
        let mut since = Instant::now();
        wait::until("the gateway has read the target's catalog again", || {
            if !self.knows_customers(twin) {
                since = Instant::now();
            }
            (since.elapsed() > CATALOG_SETTLES).then_some(())
        });
    }

    fn knows_customers(&self, twin: usize) -> bool {
        // Another holder than that of the item, whose grant may be gone.
        let Ok(mut wire) = self.connect(twin, "ephw") else { return false };
        let answer = wire.simple("SELECT name, ssn FROM billing.customers WHERE id = 1");
        answer.texts() == [[Some("Ada".into()), Some("********".into())]]
    }

    /// Undoes what an item's setup did to roles and settings of the cluster.
    pub fn reset_roles(&self, twin: usize) {
        let database = &self.twins[twin].database;
        database.run(&format!("{RESET} ALTER DATABASE {} RESET ALL;", database.name));
        for (role, _) in self.logins.iter().flat_map(BTreeMap::values) {
            database.run(&format!("ALTER ROLE {role} RESET ALL; {}", let_in(role)));
        }
    }

    fn grant(&self, twin: usize, identity: &'static str) {
        let Some(gateway) = &self.gateway else { return };
        let (_, scope) = GRANTS.iter().find(|(name, _)| *name == identity).unwrap();
        // The corpus' databases are full of holes, which is what some of its items are about.
        let mut accepted = Vec::new();
        for code in HOLES {
            accepted.extend(["--accept-hole", code]);
        }
        let more = [&["--for", "15m"], accepted.as_slice()].concat();
        let id = gateway.grant_with(identity, self.twins[twin].name, scope, &more);
        self.twins[twin].grants().entry(identity.into()).or_default().push(id);
    }
}

/// Lets the test log in as a role of the fence, which otherwise nobody can.
fn let_in(role: &str) -> String {
    format!("ALTER ROLE {role} PASSWORD '{role}' LOGIN CONNECTION LIMIT -1 VALID UNTIL 'infinity'")
}

/// Makes the twin, its clone and the other twin.
fn make_twins(corpus: &Corpus, names: [&'static str; 3]) -> [Twin; 3] {
    static TEMPLATES: OnceLock<()> = OnceLock::new();
    let cluster = Cluster::shared();
    TEMPLATES.get_or_init(|| {
        for (twin, fixture) in [('a', &corpus.fixture_a), ('b', &corpus.fixture_b)] {
            let template = format!("tmpl_{twin}");
            cluster.load(&template, fixture);
            cluster.run(&template, PREPARE);
        }
    });
    let twin = |name: &'static str, template: &str, secrets: &BTreeMap<String, String>| {
        let database = cluster.copy_of(template, name);
        let fingerprint = database.value(FINGERPRINT);
        Twin {
            name,
            database,
            secrets: secrets.clone(),
            grants: Mutex::default(),
            fingerprint,
            is_disturbed: AtomicBool::new(false),
        }
    };
    [
        twin(names[0], "tmpl_a", &corpus.secrets_a),
        twin(names[1], "tmpl_a", &corpus.secrets_a),
        twin(names[2], "tmpl_b", &corpus.secrets_b),
    ]
}

impl Twin {
    fn grants(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Vec<String>>> {
        self.grants.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn target(&self) -> Target {
        let mask = |column: &str| (format!("billing.customers.{column}"), "full".to_owned());
        Target {
            name: self.name.into(),
            database: self.database.clone(),
            masks: vec![mask("account_number"), mask("ssn")],
            more: Vec::new(),
            after: String::new(),
            is_fenced: false,
        }
    }
}
