//! The fence: a session is a short-lived role on the target, which can do what the grants give and
//! nothing more, and is gone when the session is.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and these measure time"
)]

mod ends;
mod rights;
mod views;

use std::time::Duration;

use e2e::{Cluster, Database, Gateway, Settings, Target, Wire, wire};

/// What is promised for the end of authority.
const LIMIT: Duration = Duration::from_secs(1);
/// It would run for years.
const ENDLESS: &str = "SELECT count(*) FROM billing.numbers a CROSS JOIN billing.numbers b CROSS JOIN billing.numbers c";
const SCOPE: [&str; 3] = [
    "select:billing.customers(id,name,plan,ssn)",
    "select:billing.numbers",
    "select,insert,update,delete:billing.notes",
];

struct World {
    database: Database,
    gateway: Gateway,
    token: String,
    grant: String,
}

impl World {
    fn new() -> Self {
        Self::with(&SCOPE, |_target| {})
    }

    fn with(scope: &[&str], change: impl FnOnce(&mut Target)) -> Self {
        let database = Cluster::shared().billing();
        let mut target = Target::fenced(&database);
        target.masks.retain(|(column, _)| column.ends_with("ssn"));
        change(&mut target);
        let gateway = Gateway::start(&Settings::new(vec![target]));
        let token = gateway.identity("agent");
        let grant = gateway.grant("agent", "billing", scope);
        Self { database, gateway, token, grant }
    }

    fn connect(&self) -> Wire {
        self.gateway.connect("agent", "billing", &self.token).unwrap()
    }

    /// The role of the only session.
    fn role(&self) -> String {
        let sql = format!(
            "SELECT usename FROM pg_stat_activity WHERE datname = '{}' AND usename LIKE 'css%'",
            self.database.name
        );
        let roles = self.names(&sql);
        assert_eq!(roles.len(), 1, "{roles:?}");
        roles[0].clone()
    }

    fn names(&self, sql: &str) -> Vec<String> {
        let answer = self.database.run(sql);
        answer.texts().into_iter().map(|row| row[0].clone().unwrap()).collect()
    }

    fn exists(&self, role: &str) -> bool {
        self.database.value(&format!("SELECT count(*) FROM pg_roles WHERE rolname = '{role}'"))
            == "1"
    }

    /// Sends the endless statement and waits until the target runs it.
    fn start_endless(&self, wire: &mut Wire) {
        wire.send_message(b'Q', &wire::c_string(ENDLESS));
        let running = format!(
            "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = '{}' AND usename LIKE 'css%' \
             AND state = 'active'",
            self.database.name
        );
        e2e::wait::until("the statement runs", || {
            (self.database.value(&running) == "t").then_some(())
        });
    }
}
