//! `countersign config check`: every mistake in the settings file, at once.

use super::{Context, Exit, Failure};
use crate::settings::{self, SettingsError};

/// Arguments of `countersign config`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Check the settings file without starting anything
    ///
    /// Shows every mistake at once, each with its line, its key and what to do. Reads no secret and
    /// contacts no target: `countersign doctor` does.
    #[command(after_help = "Example:\n  countersign config check --config countersign.toml")]
    Check,
}

pub(crate) fn run(args: &Args, context: &Context) -> Result<Exit, Failure> {
    match args.command {
        Command::Check => check(context),
    }
}

fn check(context: &Context) -> Result<Exit, Failure> {
    let path = context.settings_path();
    let (problems, text) = match settings::load(&path) {
        Ok(settings) => {
            let targets = settings.targets.len();
            let noun = if targets == 1 { "target" } else { "targets" };
            (Vec::new(), format!("{} is right: {targets} {noun}", path.display()))
        }
        Err(SettingsError::Invalid(invalid)) => {
            let text = invalid.to_string();
            (invalid.problems, text)
        }
        Err(error @ SettingsError::Unreadable { .. }) => return Err(error.into()),
    };
    let exit = if problems.is_empty() { Exit::Done } else { Exit::Usage };
    let value = serde_json::json!({ "ok": problems.is_empty(), "problems": problems });
    context.printer.result(&value, |_| text)?;
    Ok(exit)
}
