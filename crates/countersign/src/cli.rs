//! The command line: a file per command, one way to fail, exit codes that a script can rely on.

mod completions;
mod config;
mod connect_string;
mod demo;
mod doctor;
mod evidence;
mod failure;
mod filter;
mod grant;
mod identity;
mod log;
mod mask;
mod records;
mod serve;
mod session;
mod show;
mod target;
mod timeline;
mod verify;

use std::path::PathBuf;
use std::process::ExitCode;

use api::client::{Client, ClientError};
use clap::{Parser, Subcommand};

pub(crate) use failure::{Exit, Failure};

use crate::printer::Printer;
use crate::settings::{self, Settings};

/// Shown below the list of commands.
const AFTER_HELP: &str = "\
Examples:
  countersign config check                      every mistake in the settings, at once
  countersign serve                             run the gateway
  countersign identity create billing-agent --kind workload --owner 'Billing Platform'
  countersign identity token issue billing-agent
  countersign grant create --identity billing-agent --target billing \\
      --allow 'select:billing.customers(id,name,plan)' --for 15m \\
      --task TICKET-4711 --purpose 'answer a customer'
  countersign connect-string --identity billing-agent --target billing
  countersign log tail --follow
  countersign verify /var/lib/countersign --key ledger.pub

Exit codes:
  0  done
  1  failed or refused
  2  wrong usage or settings
  3  verification found a fault
  4  the gateway cannot be reached";

/// The gate between an agent's tools and production data: named identities, time-boxed grants,
/// masked values, and a signed record of every command.
#[derive(Debug, Parser)]
#[command(name = "countersign", version, after_help = AFTER_HELP, max_term_width = 100)]
struct Cli {
    /// Settings file [default: `$COUNTERSIGN_CONFIG`, else `/etc/countersign/countersign.toml`]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print results as JSON, one value on a line, for programs
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gateway
    Serve(serve::Args),
    /// Name who may come in: the inventory and its tokens
    Identity(identity::Args),
    /// Allow what they may do, for a task, for a while
    Grant(grant::Args),
    /// See who is connected
    Session(session::Args),
    /// Check what a target lets the fence's roles reach
    Target(target::Args),
    /// See what a mask makes of a value
    Mask(mask::Args),
    /// Read what was recorded
    Log(log::Args),
    /// Check what was recorded, and name the first bad record
    Verify(verify::Args),
    /// Write the evidence package of a window, for an assessor
    Evidence(evidence::Args),
    /// Check the settings
    Config(config::Args),
    /// Check settings, state, keys, ledgers, disk and targets
    Doctor(doctor::Args),
    /// Print the address that a tool connects with
    ConnectString(connect_string::Args),
    /// Print a completion script for a shell
    Completions(completions::Args),
    /// Show the whole product on a database of its own, in under a minute
    Demo(demo::Args),
}

/// What every command is given.
#[derive(Debug)]
pub(crate) struct Context {
    /// Where output goes.
    pub(crate) printer: Printer,
    config: Option<PathBuf>,
}

impl Context {
    /// Where the settings file is.
    pub(crate) fn settings_path(&self) -> PathBuf {
        settings::locate(self.config.clone())
    }

    /// Loads the settings.
    ///
    /// # Errors
    ///
    /// [`Failure::Settings`] with every mistake.
    pub(crate) fn settings(&self) -> Result<Settings, Failure> {
        Ok(settings::load(&self.settings_path())?)
    }

    /// Asks the running gateway something.
    ///
    /// # Errors
    ///
    /// [`Failure::Settings`], because only the settings say where its socket is; then what the
    /// gateway says, or that it cannot be reached.
    pub(crate) fn ask<T>(
        &self,
        call: impl AsyncFnOnce(&Client) -> Result<T, ClientError>,
    ) -> Result<T, Failure> {
        let client = Client::new(&self.settings()?.listen.admin_socket);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        Ok(runtime.map_err(Failure::failed)?.block_on(call(&client))?)
    }
}

/// Runs the command that the arguments name, and says how it ended.
pub(crate) fn run() -> ExitCode {
    let Cli { config, json, command } = Cli::parse();
    let context = Context { printer: Printer::new(json), config };
    let result = match command {
        Command::Serve(args) => serve::run(&args, &context),
        Command::Identity(args) => identity::run(&args, &context),
        Command::Grant(args) => grant::run(&args, &context),
        Command::Session(args) => session::run(&args, &context),
        Command::Target(args) => target::run(&args, &context),
        Command::Mask(args) => mask::run(&args, &context),
        Command::Log(args) => log::run(&args, &context),
        Command::Verify(args) => verify::run(&args, &context),
        Command::Evidence(args) => evidence::run(&args, &context),
        Command::Config(args) => config::run(&args, &context),
        Command::Doctor(args) => doctor::run(&args, &context),
        Command::ConnectString(args) => connect_string::run(&args, &context),
        Command::Completions(args) => completions::run(&args),
        Command::Demo(args) => demo::run(&args),
    };
    match result {
        Ok(exit) => exit.into(),
        // Whoever read our output has seen enough, as in `countersign log tail | head`.
        Err(failure) if failure.is_broken_pipe() => Exit::Done.into(),
        Err(failure) => {
            // Nothing is left to be told to if standard error is closed.
            let _unreadable = context.printer.failure(failure.code(), &failure.to_string());
            failure.exit().into()
        }
    }
}

/// The tree of commands, for completion scripts and for tests.
fn tree() -> clap::Command {
    <Cli as clap::CommandFactory>::command()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_of_commands_is_sound() {
        tree().debug_assert();
    }

    #[test]
    fn the_documentation_names_every_command_and_every_option() {
        let page = include_str!("../../../docs/cli.md");
        for (path, option) in leaves(&tree(), "") {
            assert!(page.contains(&format!("`{path}")), "docs/cli.md lacks {path}");
            if let Some(option) = option {
                assert!(page.contains(&option), "docs/cli.md lacks {option} of {path}");
            }
        }
    }

    /// Each command without subcommands, with each of its long options.
    fn leaves(command: &clap::Command, path: &str) -> Vec<(String, Option<String>)> {
        if command.has_subcommands() {
            let below = command.get_subcommands().map(|sub| {
                let path = format!("{path} {}", sub.get_name());
                leaves(sub, path.trim())
            });
            return below.flatten().collect();
        }
        let options = command.get_arguments().filter_map(clap::Arg::get_long);
        let options = options.map(|long| (path.to_owned(), Some(format!("--{long}"))));
        std::iter::once((path.to_owned(), None)).chain(options).collect()
    }
}
