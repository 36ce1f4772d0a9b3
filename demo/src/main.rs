//! The demo: an MCP server's tool reads a real PostgreSQL through Countersign.
//!
//! It starts its own database, its own gateway and its own MCP server, walks through what the
//! product promises, and checks each step as it shows it.
//!
//! **Invariant:** it exits with 0 only if every step did what its text says.
//!
//! **Invariant:** without `--keep` nothing that it started is left running, however it ends.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

use demo::files::Files;
use demo::process::Lifetime;
use demo::screen::Screen;
use demo::stage::Stage;
use demo::{access, clock, keep, proof};

/// Shows what Countersign does, on a real PostgreSQL with made-up billing data.
#[derive(Debug, Parser)]
#[command(name = "countersign-demo", version)]
struct Options {
    /// Leave the database and the gateway running, and print what to try.
    #[arg(long)]
    keep: bool,
    /// Where the settings, ledgers, logs and the evidence package go. It must be new or empty.
    /// [default: the first of .countersign/demo-1, demo-2, … that does not exist]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

// One thread, so that "the parent died" (prctl(2), PR_SET_PDEATHSIG) means the whole demo.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let options = Options::parse();
    let mut screen = Screen::of_stdout();
    let result = tokio::select! {
        result = run(&mut screen, options) => result,
        name = interrupted() => Err(anyhow::anyhow!("stopped by {name}")),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            screen.title("");
            screen.title(&format!("The demo failed in step {}:", screen.current_step()));
            screen.say(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

async fn run(screen: &mut Screen, options: Options) -> anyhow::Result<()> {
    let begin = clock::instant();
    let files = Files::make(options.dir)?;
    let lifetime = if options.keep { Lifetime::Kept } else { Lifetime::EndsWithDemo };
    screen.title("Countersign: the gate on the connection between a tool and the data");
    screen.say(&format!("This run's files: {}", files.root().display()));

    let stage = Stage::set(screen, files, lifetime).await?;
    access::show_masks(screen, &stage).await?;
    access::show_refusals(screen, &stage).await?;
    access::show_revocation(screen, &stage).await?;
    proof::show_record(screen, &stage).await?;
    proof::show_tampering(screen, &stage).await?;
    proof::show_evidence(screen, &stage).await?;

    screen.title("");
    if options.keep {
        return keep::leave_running(screen, stage).await;
    }
    let (files, cli) = stage.strike().await?;
    proof::check_after_stop(screen, &cli, &files).await?;
    screen.say(&format!(
        "Done in {:.1} s. Ledgers, settings and the evidence package stay in",
        begin.elapsed().as_secs_f64()
    ));
    screen.say(&format!("{} (delete it as you like).", files.root().display()));
    screen.say("To try it yourself: the same with --keep.");
    Ok(())
}

/// Waits for someone to end the demo.
async fn interrupted() -> &'static str {
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        // Without handlers the signals end the demo at once, and its children with it.
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => "SIGINT",
        _ = terminate.recv() => "SIGTERM",
    }
}
