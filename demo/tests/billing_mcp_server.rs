//! The MCP server on a PostgreSQL of its own, without a gateway between: what the tools do at all.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::path::Path;

use demo::agent::{Agent, Answer};
use demo::billing;
use demo::cluster::{Cluster, DATABASE, SERVICE_USER};
use demo::process::Lifetime;
use serde_json::{Value, json};

struct Server {
    agent: Agent,
    _cluster: Cluster,
}

impl Server {
    async fn start() -> Self {
        let log = tempfile::NamedTempFile::new().unwrap();
        let cluster = Cluster::start(log.path(), Lifetime::EndsWithDemo).await.unwrap();
        cluster.load(&billing::generate(billing::SEED).sql).await.unwrap();
        let (password, port) = (cluster.service_password(), cluster.port());
        let url = format!("postgres://{SERVICE_USER}:{password}@127.0.0.1:{port}/{DATABASE}");
        let program = Path::new(env!("CARGO_BIN_EXE_billing-mcp-server"));
        let agent = Agent::start(program, &url, log.path()).await.unwrap();
        Self { agent, _cluster: cluster }
    }

    async fn found(&self, tool: &str, arguments: Value) -> Value {
        match self.agent.call(tool, arguments).await.unwrap() {
            Answer::Found(value) => value,
            Answer::Failed(why) => panic!("{why}"),
        }
    }

    async fn failed(&self, tool: &str, arguments: Value) -> String {
        match self.agent.call(tool, arguments).await.unwrap() {
            Answer::Found(value) => panic!("{value}"),
            Answer::Failed(why) => why,
        }
    }
}

#[tokio::test]
async fn the_tools_answer_from_the_database_and_report_its_errors() {
    let server = Server::start().await;
    assert_eq!(server.agent.tools().await.unwrap().len(), 3);

    let by_id = server.found("lookup_customer", json!({ "name_or_id": "42" })).await;
    let name = by_id.pointer("/customers/0/name").unwrap().as_str().unwrap();
    let by_name = server.found("lookup_customer", json!({ "name_or_id": name })).await;
    assert_eq!(by_id, by_name);

    let nobody = server.found("lookup_customer", json!({ "name_or_id": "x' OR '1'='1" })).await;
    assert_eq!(nobody, json!({ "customers": [] }));

    let invoices = server.found("open_invoices", json!({ "customer_id": 42 })).await;
    assert!(invoices.pointer("/invoices/0/number").is_some(), "{invoices}");

    let sql = json!({ "sql": "SELECT 1 AS one" });
    assert_eq!(server.found("run_sql", sql).await, json!({ "rows": [{ "one": "1" }], "count": 1 }));

    let why = server.failed("run_sql", json!({ "sql": "SELECT nothing" })).await;
    assert!(why.starts_with("42703: "), "{why}");

    server.agent.stop().await.unwrap();
}
