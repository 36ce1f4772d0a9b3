//! `countersign serve`: runs the gateway until it is told to stop.

use super::{Context, Exit, Failure};
use crate::serve;

/// Arguments of `countersign serve`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  countersign serve --config /etc/countersign/countersign.toml

SIGTERM, SIGINT and SIGHUP end it in order: no new clients; sessions end when their command or
transaction has, and are cut after limits.drain_timeout_s, or at a second signal; the ledgers are signed
to their last record. It logs to standard error; COUNTERSIGN_LOG says what: debug, or proxy=trace,info.")]
pub(crate) struct Args {}

pub(crate) fn run(_args: &Args, context: &Context) -> Result<Exit, Failure> {
    serve::run(context.settings()?)?;
    Ok(Exit::Done)
}
