//! `countersign log …`: reads a ledger's records, whether or not a gateway is writing them.
//!
//! What is shown is read, not verified: a frame's checksum is looked at, signatures are not.
//! `countersign verify` does that.

use std::collections::VecDeque;
use std::time::Duration;

use journal::JournalError;
use journal::reader::{Reader, Stored};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::filter::{Filter, Sieve};
use super::show::document;
use super::{Context, Exit, Failure, records};

/// Between two looks for new records.
const POLL_INTERVAL: Duration = Duration::from_millis(200);

/// Arguments of `countersign log`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Show the latest records, one on a line
    #[command(after_help = "\
Examples:
  countersign log tail -n 50
  countersign log tail --follow
  countersign log tail --follow --identity billing-agent --decision denied
  countersign log tail --ledger control
  countersign log tail --json -n 1000 | jq 'select(.record.kind == \"command_denied\")'")]
    Tail {
        /// How many records
        #[arg(short = 'n', long, value_name = "N", default_value_t = 10)]
        lines: usize,
        /// Go on with new records as they come, until interrupted
        #[arg(short, long)]
        follow: bool,
        #[command(flatten)]
        filter: Filter,
        #[command(flatten)]
        ledger: Which,
    },
    /// Show one record whole, with the values that lie beside it
    #[command(after_help = "Example:\n  countersign log show 4711")]
    Show {
        /// The record's index, as `log tail` shows it
        index: u64,
        #[command(flatten)]
        ledger: Which,
    },
}

#[derive(Debug, clap::Args)]
struct Which {
    /// Which ledger: of the data path, or of the inventory
    #[arg(long, value_name = "LEDGER", default_value = "access")]
    ledger: Ledger,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Ledger {
    Access,
    Control,
}

pub(crate) fn run(args: &Args, context: &Context) -> Result<Exit, Failure> {
    match &args.command {
        Command::Tail { lines, follow, filter, ledger } => {
            let mut reader = open(ledger, context)?;
            let mut sieve = Sieve::new(filter);
            tail(&mut reader, &mut sieve, *lines, context)?;
            if *follow {
                self::follow(&mut reader, &mut sieve, context)?;
            }
        }
        Command::Show { index, ledger } => {
            show(&mut open(ledger, context)?, *index, context)?;
        }
    }
    Ok(Exit::Done)
}

pub(super) fn open_access(context: &Context) -> Result<Reader, Failure> {
    open(&Which { ledger: Ledger::Access }, context)
}

fn open(which: &Which, context: &Context) -> Result<Reader, Failure> {
    let name = match which.ledger {
        Ledger::Access => "access",
        Ledger::Control => "control",
    };
    Reader::open(context.settings()?.state_dir.join(name)).map_err(|error| {
        Failure::Failed(format!("{error}\nthe gateway makes its ledgers at its first start"))
    })
}

pub(super) fn unreadable(error: JournalError) -> Failure {
    Failure::Failed(format!("{error}\n`countersign verify` says more"))
}

fn tail(
    reader: &mut Reader,
    sieve: &mut Sieve<'_>,
    lines: usize,
    context: &Context,
) -> Result<(), Failure> {
    let mut last = VecDeque::new();
    while let Some(stored) = reader.next_record().map_err(unreadable)? {
        if !sieve.passes(&stored.record) {
            continue;
        }
        last.push_back(stored);
        if last.len() > lines {
            last.pop_front();
        }
    }
    last.iter().try_for_each(|stored| print_line(stored, context))
}

/// Ends only by an error, for example that nobody reads the output any more.
fn follow(reader: &mut Reader, sieve: &mut Sieve<'_>, context: &Context) -> Result<(), Failure> {
    loop {
        std::thread::sleep(POLL_INTERVAL);
        while let Some(stored) = reader.next_record().map_err(unreadable)? {
            if sieve.passes(&stored.record) {
                print_line(&stored, context)?;
            }
        }
    }
}

fn print_line(stored: &Stored, context: &Context) -> Result<(), Failure> {
    let leaf = serde_json::from_slice(&stored.leaf).map_err(Failure::failed)?;
    let line = Line { index: stored.index, record: leaf };
    context.printer.result(&line, |_| records::line(stored.index, &stored.record))?;
    Ok(())
}

fn show(reader: &mut Reader, wanted: u64, context: &Context) -> Result<(), Failure> {
    let mut size = 0_u64;
    while let Some(stored) = reader.next_record().map_err(unreadable)? {
        size = stored.index.saturating_add(1);
        if stored.index == wanted {
            return show_whole(&stored, context);
        }
    }
    Err(Failure::Failed(format!("there is no record {wanted}: the ledger has {size} records")))
}

fn show_whole(stored: &Stored, context: &Context) -> Result<(), Failure> {
    let payload: serde_json::Map<String, Value> = stored
        .payload
        .fields()
        .map(|(field, disclosed)| {
            (field.to_owned(), json!({ "salt": disclosed.salt, "value": disclosed.value }))
        })
        .collect();
    let value = json!({
        "index": stored.index,
        "leaf_hash": ledger::leaf_hash(&stored.leaf),
        "record": serde_json::from_slice::<Value>(&stored.leaf).map_err(Failure::failed)?,
        "payload": payload,
    });
    context.printer.result(&value, |value| {
        format!("{}\n\n{}", records::line(stored.index, &stored.record), document(value))
    })?;
    Ok(())
}

/// The leaf stands in it as it was hashed, but for what [`crate::printer`] escapes.
#[derive(serde::Serialize)]
struct Line<'a> {
    index: u64,
    record: &'a RawValue,
}
