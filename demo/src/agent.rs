//! The side of the model: an MCP client that starts the billing server and calls its tools.

use std::fs::File;
use std::path::Path;

use anyhow::Context as _;
use rmcp::model::CallToolRequestParams;
use rmcp::service::{Peer, RunningService};
use rmcp::transport::TokioChildProcess;
use rmcp::{RoleClient, ServiceExt as _};
use serde_json::Value;

/// A connected MCP client. The server ends with it.
#[derive(Debug)]
pub struct Agent {
    service: RunningService<RoleClient, ()>,
}

/// A tool's answer, as the model reads it.
#[derive(Debug)]
pub enum Answer {
    /// What the tool found.
    Found(Value),
    /// What went wrong, in words.
    Failed(String),
}

impl Agent {
    /// Starts an MCP server. All it is told of a database is `database_url`.
    ///
    /// # Errors
    ///
    /// It cannot be started, or does not greet as MCP asks for.
    pub async fn start(program: &Path, database_url: &str, log: &Path) -> anyhow::Result<Self> {
        let mut command = tokio::process::Command::new(program);
        command.env_clear().env("DATABASE_URL", database_url).kill_on_drop(true);
        let (transport, _stderr) =
            TokioChildProcess::builder(command).stderr(File::create(log)?).spawn()?;
        let service = ().serve(transport).await.context("the MCP server did not greet")?;
        Ok(Self { service })
    }

    /// The names of the tools that the server offers.
    pub async fn tools(&self) -> anyhow::Result<Vec<String>> {
        let tools = self.service.peer().list_all_tools().await?;
        Ok(tools.into_iter().map(|tool| tool.name.into_owned()).collect())
    }

    /// Calls a tool and waits for its answer.
    pub async fn call(&self, tool: &str, arguments: Value) -> anyhow::Result<Answer> {
        call(self.service.peer(), tool, arguments).await
    }

    /// Calls a tool in the background.
    pub fn begin(
        &self,
        tool: &'static str,
        arguments: Value,
    ) -> tokio::task::JoinHandle<anyhow::Result<Answer>> {
        let peer = self.service.peer().clone();
        tokio::spawn(async move { call(&peer, tool, arguments).await })
    }

    /// Says goodbye; the server ends.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.service.cancel().await?;
        Ok(())
    }
}

async fn call(peer: &Peer<RoleClient>, tool: &str, arguments: Value) -> anyhow::Result<Answer> {
    let arguments = arguments.as_object().cloned().context("arguments are a JSON object")?;
    let request = CallToolRequestParams::new(tool.to_owned()).with_arguments(arguments);
    let result = peer.call_tool(request).await?;
    let text: Vec<&str> = result
        .content
        .iter()
        .filter_map(|block| block.as_text())
        .map(|block| block.text.as_str())
        .collect();
    let text = text.join("\n");
    if result.is_error == Some(true) {
        Ok(Answer::Failed(text))
    } else {
        Ok(Answer::Found(serde_json::from_str(&text).context("the tool's answer is not JSON")?))
    }
}
