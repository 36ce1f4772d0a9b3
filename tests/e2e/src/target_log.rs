//! What the target really executed, from its own log.

use std::fs;

use crate::{Database, scratch, wait};

/// One statement that the target began to execute.
#[derive(Clone, Debug)]
pub struct Executed {
    /// The session's process.
    pub pid: u64,
    /// The role.
    pub user: String,
    /// The session's `application_name`.
    pub application: String,
    /// The statement's text.
    pub sql: String,
    /// Bound values and the like.
    pub detail: String,
}

/// All that was executed in the database until now, in order, by everyone.
///
/// PostgreSQL's collector writes with a delay, but in order: a statement of our own is sent, and
/// waited for.
pub fn executed(database: &Database) -> Vec<Executed> {
    let marker = format!("log marker {} {}", std::process::id(), scratch::next_number());
    database.run(&format!("SELECT '{marker}'"));
    let file = database.cluster.log_file();
    let needle = format!("\"dbname\":\"{}\"", database.name);
    wait::until("the marker stands in the target's log", || {
        let text = fs::read_to_string(&file).ok()?;
        let lines = text.lines().filter(|line| line.contains(&needle));
        let mut all: Vec<Executed> = lines.filter_map(parse).collect();
        let end = all.iter().position(|line| line.sql.contains(&marker))?;
        all.truncate(end);
        all.retain(|line| !line.sql.starts_with("SELECT 'log marker "));
        Some(all)
    })
}

/// What gateways executed there.
pub fn executed_by_gateways(database: &Database) -> Vec<Executed> {
    let mut all = executed(database);
    all.retain(|line| line.user == crate::postgres::SERVICE_ROLE);
    all
}

/// True if a statement with this text in it reached the database through a gateway.
pub fn reached(database: &Database, text: &str) -> bool {
    executed_by_gateways(database)
        .iter()
        .any(|line| line.sql.contains(text) || line.detail.contains(text))
}

fn parse(line: &str) -> Option<Executed> {
    let line: serde_json::Value = serde_json::from_str(line).ok()?;
    let text = |key: &str| line[key].as_str().unwrap_or_default().to_owned();
    let message = text("message");
    let sql = if let Some(sql) = message.strip_prefix("statement: ") {
        sql.to_owned()
    } else if message.starts_with("execute ") {
        message.split_once(": ")?.1.to_owned()
    } else if message.starts_with("fastpath function call") {
        message
    } else {
        return None;
    };
    Some(Executed {
        pid: line["pid"].as_u64()?,
        user: text("user"),
        application: text("application_name"),
        sql,
        detail: text("detail"),
    })
}
