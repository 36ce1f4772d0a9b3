//! `countersign mask …`: what the gateway's masks make of a value.
//!
//! It reads the key of the `hash` mask from the state directory, which only the gateway's account
//! and root can: whoever may run this could read the key as well, so there is nothing to record.

use std::io::Read as _;

use super::{Context, Exit, Failure};
use crate::keys;

/// Longest value, in bytes.
const VALUE_BYTES_MAX: u64 = 64 * 1024;

/// Arguments of `countersign mask`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Print what the mask `hash` shows of a value, which is read from standard input
    #[command(after_help = "\
Example:
  printf %s '900-55-0007' | countersign mask hash

On a fenced target a client that was given this hash finds the row by it, without ever seeing the
value: SELECT id FROM billing.customers WHERE ssn = 'HASH'. All of standard input is the value, a line
end included.")]
    Hash,
}

pub(crate) fn run(args: &Args, context: &Context) -> Result<Exit, Failure> {
    let Command::Hash = &args.command;
    let settings = context.settings()?;
    let path = settings.state_dir.join("keys").join(keys::MASK_KEY);
    let key = keys::read_key(&path).map_err(Failure::failed)?;
    let mut value = Vec::new();
    let mut input = std::io::stdin().lock().take(VALUE_BYTES_MAX.saturating_add(1));
    input.read_to_end(&mut value).map_err(Failure::failed)?;
    if u64::try_from(value.len()).is_ok_and(|length| length > VALUE_BYTES_MAX) {
        return Err(Failure::Usage(format!("the value is longer than {VALUE_BYTES_MAX} bytes")));
    }
    let hash = hex::encode(crypto::hmac_sha256(&key, &value));
    context.printer.result(&serde_json::json!({ "hash": hash }), |_shown| format!("{hash}\n"))?;
    Ok(Exit::Done)
}
