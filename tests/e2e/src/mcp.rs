//! A client of MCP servers that others wrote: JSON-RPC, one line per message, over their stdio.
//!
//! Source: Model Context Protocol, revision 2024-11-05, "Transports" (stdio) and "Lifecycle".

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::{Value, json};

use crate::reaper::{self, End};

/// How long a server may take for one answer.
const ANSWER_MAX: Duration = Duration::from_mins(1);

/// A running MCP server.
#[derive(Debug)]
pub struct McpServer {
    child: Child,
    input: ChildStdin,
    messages: Receiver<Value>,
    last_id: u64,
}

impl McpServer {
    /// Starts a server and initializes the session.
    ///
    /// # Panics
    ///
    /// If it does not start or does not answer.
    pub fn start(mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        reaper::end_later(child.id(), End::Kill);
        let input = child.stdin.take().expect("the pipe was asked for");
        let output = child.stdout.take().expect("the pipe was asked for");
        let (sender, messages) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                // Some servers greet people on the same pipe.
                let Ok(message) = serde_json::from_str(&line) else { continue };
                if sender.send(message).is_err() {
                    return;
                }
            }
        });
        let mut server = Self { child, input, messages, last_id: 0 };
        server.request(
            "initialize",
            &json!({
                "protocolVersion": "2024-11-05",
                "capabilities": {},
                "clientInfo": { "name": "e2e", "version": "1" },
            }),
        );
        server.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
        server
    }

    /// Asks, and waits for the answer: `result` or `error`.
    ///
    /// # Panics
    ///
    /// If none comes in time.
    pub fn request(&mut self, method: &str, parameters: &Value) -> Value {
        self.last_id += 1;
        let id = self.last_id;
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": parameters }));
        loop {
            let message = self.messages.recv_timeout(ANSWER_MAX);
            let message = message.unwrap_or_else(|error| panic!("{method}: no answer: {error}"));
            if message["id"] == id {
                return message;
            }
        }
    }

    /// Calls a tool; all that its answer says, be it a result or an error.
    pub fn call(&mut self, tool: &str, arguments: &Value) -> String {
        let parameters = json!({ "name": tool, "arguments": arguments });
        let answer = self.request("tools/call", &parameters);
        let content = answer["result"]["content"].as_array().cloned().unwrap_or_default();
        let texts: Vec<&str> = content.iter().filter_map(|part| part["text"].as_str()).collect();
        let error = answer["error"]["message"].as_str().unwrap_or_default();
        format!("{}{error}", texts.join("\n"))
    }

    /// The names of its tools.
    pub fn tools(&mut self) -> Vec<String> {
        let answer = self.request("tools/list", &json!({}));
        let tools = answer["result"]["tools"].as_array().cloned().unwrap_or_default();
        tools.iter().filter_map(|tool| tool["name"].as_str().map(str::to_owned)).collect()
    }

    fn send(&mut self, message: &Value) {
        writeln!(self.input, "{message}").expect("the MCP server has gone");
    }
}

impl Drop for McpServer {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        reaper::spare(self.child.id());
    }
}
