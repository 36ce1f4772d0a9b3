//! What stands in a gateway's settings file.

use std::fmt::Write as _;
use std::path::Path;

use crate::postgres::{PROVISION_ROLE, SERVICE_ROLE};
use crate::{Database, fixture};

/// A guarded database as the settings file names it.
#[derive(Clone, Debug)]
pub struct Target {
    /// Its name: what a client gives as database.
    pub name: String,
    /// Where it really is.
    pub database: Database,
    /// Masked columns as (`schema.relation.column`, mask).
    pub masks: Vec<(String, String)>,
    /// Lines to add to the target's table. A key here replaces the usual one.
    pub more: Vec<(String, String)>,
    /// Tables to add behind the masks.
    pub after: String,
    /// Whether sessions log in as short-lived roles.
    pub is_fenced: bool,
}

/// What stands in a gateway's settings file.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The targets.
    pub targets: Vec<Target>,
    /// Lines to add to `[listen]`.
    pub listen: String,
    /// Lines to add to `[limits]`.
    pub limits: String,
    /// A program, with arguments, that runs the gateway as its last step. It must `exec` it.
    pub wrapper: Vec<String>,
}

impl Target {
    /// A target named `billing` with the masks that most tests use.
    pub fn billing(database: &Database) -> Self {
        let mask =
            |column: &str, with: &str| (format!("billing.customers.{column}"), with.to_owned());
        Self {
            name: "billing".into(),
            database: database.clone(),
            masks: vec![
                mask("account_number", "last4"),
                mask("ssn", "full"),
                mask("email", "email"),
            ],
            more: Vec::new(),
            after: String::new(),
            is_fenced: false,
        }
    }

    /// The same with a fence, for which the database is made ready.
    pub fn fenced(database: &Database) -> Self {
        database.run(&fixture::PROVISION.replace("{database}", &database.name));
        Self { is_fenced: true, ..Self::billing(database) }
    }
}

impl Settings {
    /// Settings with these targets.
    pub fn new(targets: Vec<Target>) -> Self {
        let (listen, limits) = (String::new(), String::new());
        Self { targets, listen, limits, wrapper: Vec::new() }
    }

    pub(crate) fn text(&self, directory: &Path) -> String {
        let mut text = format!(
            "[gateway]\nname = \"gw1\"\nstate_dir = \"{}\"\n[listen]\n{}\n",
            directory.join("state").display(),
            self.listen
        );
        if !self.listen.contains("postgres =") {
            text.push_str("postgres = \"127.0.0.1:0\"\n");
        }
        if !self.limits.is_empty() {
            write!(text, "[limits]\n{}\n", self.limits).unwrap();
        }
        for target in &self.targets {
            text.push_str(&target.text(directory));
        }
        text
    }
}

impl Target {
    fn text(&self, directory: &Path) -> String {
        let address = self.database.cluster.address;
        let password = directory.join("svc.password");
        let provision = directory.join("prov.password");
        let usual = [
            ("name", quoted(&self.name)),
            ("kind", quoted("postgres")),
            ("host", quoted(&address.ip().to_string())),
            ("port", address.port().to_string()),
            ("database", quoted(&self.database.name)),
            ("user", quoted(SERVICE_ROLE)),
            ("password", format!("{{ file = \"{}\" }}", password.display())),
            ("tls", quoted("disable")),
        ];
        let mut text = "[[target]]\n".to_owned();
        let is_replaced = |key: &str| self.more.iter().any(|(name, _)| name == key);
        let usual = usual.into_iter().filter(|(key, _)| !is_replaced(key));
        for (key, value) in usual {
            writeln!(text, "{key} = {value}").unwrap();
        }
        for (key, value) in &self.more {
            writeln!(text, "{key} = {value}").unwrap();
        }
        if self.is_fenced {
            let path = provision.display();
            let user = quoted(PROVISION_ROLE);
            write!(text, "[target.provision]\nuser = {user}\npassword = {{ file = \"{path}\" }}\n")
                .unwrap();
        }
        for (column, with) in &self.masks {
            write!(text, "[[target.mask]]\ncolumn = \"{column}\"\nwith = \"{with}\"\n").unwrap();
        }
        text + &self.after + "\n"
    }
}

fn quoted(text: &str) -> String {
    format!("\"{text}\"")
}
