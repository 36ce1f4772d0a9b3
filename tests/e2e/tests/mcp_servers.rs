//! MCP servers that others wrote, unmodified, answer their tools through the gateway.
//!
//! Each is given an ordinary DSN. What a model reads: masks in place of values, and of what is
//! denied a reason that it can act on.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::Command;

use e2e::ledger::{self, Commands};
use e2e::mcp::McpServer;
use e2e::{Cluster, Database, Gateway, Settings, Target, node, python, wait};
use serde_json::{Value, json};

const SCOPE: [&str; 2] = [
    "select:billing.customers(id,name,plan,account_number,ssn,email)",
    "select:billing.numbers(n,label)",
];

const MASKED: &str = "SELECT id, name, ssn, email FROM billing.customers WHERE id = 7";
const UNGRANTED: &str = "SELECT amount FROM hr.salaries";
const COMPUTED: &str = "SELECT name FROM billing.customers WHERE ssn = '900-55-0007'";
const WRITE: &str = "DELETE FROM billing.customers WHERE id = 7";

struct World {
    database: Database,
    gateway: Gateway,
    token: String,
}

impl World {
    fn new() -> Self {
        let database = Cluster::shared().billing();
        let gateway = Gateway::start(&Settings::new(vec![Target::billing(&database)]));
        let token = gateway.identity("agent");
        gateway.grant("agent", "billing", &SCOPE);
        Self { database, gateway, token }
    }

    fn dsn(&self) -> String {
        let port = self.gateway.address.port();
        format!("postgresql://agent:{}@127.0.0.1:{port}/billing", self.token)
    }

    /// Asks a tool that runs SQL, and looks up on the ledger what came of it.
    fn check(&self, server: &mut McpServer, tool: &str) {
        let query = |server: &mut McpServer, sql: &str| server.call(tool, &json!({ "sql": sql }));
        let rows = query(server, MASKED);
        assert!(rows.contains("Customer 7") && rows.contains("********"), "{rows}");
        assert!(rows.contains("@mail.example"), "{rows}");
        assert!(!rows.contains("900-55") && !rows.contains("customer7"), "{rows}");

        let denied = query(server, UNGRANTED);
        assert!(denied.contains("no live grant covers select on it"), "{denied}");
        assert!(!denied.contains("91001"), "{denied}");
        let denied = query(server, COMPUTED);
        assert!(denied.contains("it may be selected, not computed with"), "{denied}");
        assert!(!denied.contains("Customer 7"), "{denied}");
        query(server, WRITE);
        let left = self.database.value("SELECT count(*) FROM billing.customers WHERE id = 7");
        assert_eq!(left, "1");
        // The session goes on after denials.
        assert!(query(server, MASKED).contains("Customer 7"));

        let commands = wait::until("every command has its outcome", || {
            let commands = Commands::read(&self.gateway);
            (commands.intended.len() == commands.finished.len()).then_some(commands)
        });
        let (command, _) = commands.intent_with(MASKED).unwrap();
        let redactions = commands.finished.get(command).unwrap().leaf.get("redactions").cloned();
        assert_eq!(redactions.as_ref().and_then(Value::as_array).map(Vec::len), Some(2));
        assert!(commands.denial_with(UNGRANTED).is_some());
        assert!(commands.denial_with("900-55-0007").is_some());
        assert!(commands.with_result("unknown").is_empty());
        assert!(ledger::verify(&self.gateway, "access").get("ok").is_some_and(|ok| ok == true));
    }
}

/// Asserts that a listing shows what is granted and nothing else.
fn lists_what_is_granted(listing: &str) {
    assert!(listing.contains("customers") && listing.contains("numbers"), "{listing}");
    assert!(!listing.contains("salaries") && !listing.contains("notes"), "{listing}");
}

fn shows_granted_columns(columns: &str) {
    assert!(columns.contains("account_number") && columns.contains("email"), "{columns}");
    assert!(!columns.contains("balance"), "{columns}");
}

#[test]
fn the_reference_server_for_postgresql() {
    let world = World::new();
    let program = node::installed("@modelcontextprotocol/server-postgres/dist/index.js");
    let mut command = Command::new("node");
    command.arg(program).arg(world.dsn());
    let mut server = McpServer::start(command);

    assert_eq!(server.tools(), ["query"]);
    world.check(&mut server, "query");

    // It looks into the schema `public` only, where nothing is granted.
    let resources = server.request("resources/list", &json!({}));
    assert_eq!(resources.pointer("/result/resources"), Some(&json!([])), "{resources}");
}

#[test]
fn dbhub() {
    let world = World::new();
    let program = node::installed("@bytebase/dbhub/dist/index.js");
    let mut command = Command::new("node");
    command.arg(program).args(["--transport", "stdio", "--dsn"]);
    command.arg(format!("{}?sslmode=disable", world.dsn()));
    let mut server = McpServer::start(command);

    assert_eq!(server.tools(), ["execute_sql", "search_objects"]);
    world.check(&mut server, "execute_sql");

    let tables = json!({ "object_type": "table", "schema": "billing" });
    lists_what_is_granted(&server.call("search_objects", &tables));
    let columns = json!({ "object_type": "column", "schema": "billing", "table": "customers" });
    shows_granted_columns(&server.call("search_objects", &columns));
}

#[test]
fn fluid_postgres_mcp() {
    let world = World::new();
    let mut command = Command::new(python::MCP_SERVERS.program("fluid-postgres-mcp"));
    command.arg(world.dsn()).env("HOME", &world.gateway.directory);
    let mut server = McpServer::start(command);

    assert!(server.tools().iter().any(|tool| tool == "execute_sql"));
    world.check(&mut server, "execute_sql");

    assert!(server.call("list_schemas", &json!({})).contains("billing"));
    let tables = server.call("list_objects", &json!({ "schema_name": "billing" }));
    lists_what_is_granted(&tables);
    let customers = json!({ "schema_name": "billing", "object_name": "customers" });
    shows_granted_columns(&server.call("get_object_details", &customers));
}
