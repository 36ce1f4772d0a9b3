//! The running gateway: opens the ledgers, starts the data path and the admin side, waits, and takes
//! all of it down in order.
//!
//! `keys ─▶ ledgers (verified, folded) ─▶ settings recorded ─▶ data path ─▶ admin socket ─▶ ready`
//!
//! **Invariant:** nothing listens before both ledgers are verified and what was loaded is on record.
//!
//! **Invariant:** whatever ends the run after that, the ledgers are closed in order if they can be.

mod directories;
mod files;
pub(crate) mod wiring;

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use api::{About, Admins, ApiState, Control, ControlError};
use identity::MockSecret;
use journal::{AccessJournal, OpenOptions, Seen};
use ledger::VKey;
use model::{ControlEvent, Timestamp};
use proxy::{Gateway, UsageBook, UsageFold};
use tokio::net::UnixListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tracing_subscriber::EnvFilter;

use crate::agreement::Named;
use crate::cli::Failure;
use crate::keys::{self, Keys};
use crate::settings::{Settings, Target};

/// Version of the program, for records.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The author of records that no person asked for.
const GATEWAY: &str = "gateway";

/// A clock that is behind the last record by more is worth a warning.
const CLOCK_BEHIND_SAID: Duration = Duration::from_secs(1);

/// Runs the gateway until a signal ends it.
///
/// # Errors
///
/// [`Failure`] if it cannot start, or could not be stopped in order.
pub(crate) fn run(settings: Settings) -> Result<(), Failure> {
    start_logging()?;
    wiring::allow_open_files(&settings);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(Failure::failed)?.block_on(serve(settings))
}

/// Logs go to standard error, for whoever runs the program; records go into the ledgers.
fn start_logging() -> Result<(), Failure> {
    let wanted = std::env::var_os("COUNTERSIGN_LOG").unwrap_or_else(|| "info".into());
    let filter = EnvFilter::try_new(wanted.to_string_lossy())
        .map_err(|error| Failure::Usage(format!("COUNTERSIGN_LOG: {error}")))?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .try_init()
        .map_err(Failure::failed)
}

async fn serve(settings: Settings) -> Result<(), Failure> {
    let mut signals = Signals::new()?;
    let keys = keys::open_or_create(&settings.state_dir).map_err(Failure::failed)?;
    let vkey = VKey::new(&settings.name, keys.ledger.verifying_key()).map_err(Failure::failed)?;
    keys::publish(&settings.state_dir, &format!("{vkey}\n")).map_err(Failure::failed)?;
    let data_path = wiring::data_path(&settings, &keys)?;
    let ledgers = Ledgers::open(&settings, &keys)?;
    let control = ledgers.control.clone();
    let access = Arc::clone(&ledgers.access);

    let served = match Running::start(&settings, data_path, ledgers, &keys).await {
        Ok(mut running) => {
            tracing::info!("countersign is ready: postgres on {}", running.address);
            signals.next().await;
            tokio::select! {
                () = running.drain() => {}
                () = signals.next() => tracing::info!("told to stop again: what runs is cut"),
            }
            tokio::select! {
                () = running.stop() => Ok(()),
                () = signals.next() => Err(Failure::Failed(
                    "told to stop while sessions were cut: their records end here".into(),
                )),
            }
        }
        Err(failure) => Err(failure),
    };
    files::withdraw(&settings);
    // Also after a failed start: the run has begun on record, so it ends there.
    let closed_access = access.close(proxy::now()).await;
    let closed_control = control.close(proxy::now()).await;
    served?;
    closed_access.map_err(|error| Failure::Failed(format!("the access ledger: {error}")))?;
    closed_control.map_err(|error| Failure::Failed(format!("the control ledger: {error}")))?;
    tracing::info!("stopped in order");
    Ok(())
}

/// Both ledgers, open, verified and folded.
struct Ledgers {
    control: Control,
    access: Arc<AccessJournal>,
    usage: UsageBook,
    at: Timestamp,
}

impl Ledgers {
    fn open(settings: &Settings, keys: &Keys) -> Result<Self, Failure> {
        let at = proxy::now();
        let options = |name: &str| {
            let (dir, origin) =
                (settings.state_dir.join(name), format!("{}/{name}", settings.name));
            OpenOptions::new(dir, origin, Arc::clone(&keys.ledger), VERSION, at)
        };
        let (mut usage, mut named) = (UsageFold::default(), Named::default());
        let fold = |Seen { index, record }: Seen<'_, model::AccessRecord>| {
            usage.apply(record);
            named.see(index, record);
        };
        let (access, found) = AccessJournal::open(options("access"), fold)?;
        report("access", &found);
        // Before anything is added to it: a control ledger that was rolled back stays as it is.
        let options = OpenOptions { size_min: named.size, ..options("control") };
        let (control, control_found) = Control::open(options).map_err(control_failure)?;
        report("control", &control_found);
        go_on_behind(control_found.last_at.max(found.last_at));
        let (access, at) = (Arc::new(access), proxy::now());
        Ok(Self { control, access, usage: usage.finish(), at })
    }

    /// Records what was loaded, so that every decision can be traced to the settings under which
    /// it was made.
    async fn record_loaded(&self, settings: &Settings) -> Result<(), Failure> {
        let sha256 = hex::encode(settings.sha256);
        self.submit(ControlEvent::SettingsLoaded { sha256 }).await?;
        for target in &settings.targets {
            self.submit(loaded(target)).await?;
        }
        Ok(())
    }

    async fn submit(&self, event: ControlEvent) -> Result<(), Failure> {
        let recorded = self.control.submit(GATEWAY, event, self.at).await;
        recorded.map(|_size| ()).map_err(control_failure)
    }
}

/// Lets time go on behind what is on record.
fn go_on_behind(last: Option<Timestamp>) {
    let behind = last.map_or(Duration::ZERO, proxy::resume_clock);
    if behind > CLOCK_BEHIND_SAID {
        tracing::warn!(
            seconds = behind.as_secs(),
            "this machine's clock is behind the last record; time goes on behind that record, so grants end earlier than the clock says. Set the clock right"
        );
    }
}

fn loaded(target: &Target) -> ControlEvent {
    ControlEvent::TargetLoaded {
        target: target.name.clone(),
        address: target.address(),
        mode: target.mode().to_owned(),
        masks: target.masks.clone(),
    }
}

fn report(ledger: &str, found: &journal::Opened) {
    let (size, cut, unknown) = (found.found.size, found.cut_bytes, found.unknown.len());
    tracing::info!(records = size, "the {ledger} ledger is sound");
    if cut > 0 {
        tracing::warn!(bytes = cut, "the {ledger} ledger ended in a torn record, which was cut");
    }
    if unknown > 0 {
        tracing::warn!(commands = unknown, "an earlier run left commands without an outcome");
    }
}

fn control_failure(error: ControlError) -> Failure {
    if let ControlError::Ledger(error) = error { error.into() } else { Failure::failed(error) }
}

/// Everything that runs.
struct Running {
    address: SocketAddr,
    gateway: Gateway,
    admin: JoinHandle<()>,
    stop_admin: oneshot::Sender<()>,
}

impl Running {
    async fn start(
        settings: &Settings,
        data_path: proxy::Settings,
        ledgers: Ledgers,
        keys: &Keys,
    ) -> Result<Self, Failure> {
        ledgers.record_loaded(settings).await?;
        let Ledgers { control, access, usage, at } = ledgers;
        let socket = files::bind_admin(&settings.listen)?;
        let (registry, mock) = (control.subscribe(), MockSecret::new(keys.mock));
        let gateway = Gateway::start(data_path, Arc::clone(&access), registry, usage, mock)
            .await
            .map_err(|error| {
            Failure::Failed(format!(
                "{error}\nset another listen.postgres in the settings, or stop what is there"
            ))
        })?;
        let address = gateway.address();
        let state = ApiState {
            targets: Arc::new(directories::Targets::new(settings, gateway.view())),
            sessions: Arc::new(directories::Sessions(gateway.view())),
            access,
            admins: Admins::new(settings.listen.admin_uids.iter().copied()),
            about: About {
                gateway: settings.name.clone(),
                version: VERSION.to_owned(),
                started_at: at,
                postgres: address.to_string(),
            },
            control,
            mock: Arc::new(MockSecret::new(keys.mock)),
            now: proxy::now,
        };
        let (stop_admin, admin) = serve_admin(socket, state);
        let running = Self { address, gateway, admin, stop_admin };
        match files::announce(settings, address) {
            Ok(()) => Ok(running),
            Err(failure) => {
                running.stop().await;
                Err(failure)
            }
        }
    }

    /// Lets sessions end by themselves. Admin calls go on: a revocation counts here, too.
    async fn drain(&mut self) {
        tracing::info!("stopping: no new clients, sessions end when they are at rest");
        self.gateway.drain().await;
    }

    /// Admin calls end first, so that nothing changes while sessions are closed.
    async fn stop(self) {
        if self.stop_admin.send(()).is_err() {
            tracing::warn!("the admin side had ended before");
        }
        if let Err(error) = self.admin.await {
            tracing::error!(%error, "the admin side failed");
        }
        self.gateway.stop().await;
    }
}

fn serve_admin(socket: UnixListener, state: ApiState) -> (oneshot::Sender<()>, JoinHandle<()>) {
    let (stop, stopped) = oneshot::channel::<()>();
    let shutdown = async {
        // A dropped sender means the same as a message.
        let _either = stopped.await;
    };
    (stop, tokio::spawn(api::serve(socket, state, shutdown)))
}

/// What tells the program to stop.
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    hangup: tokio::signal::unix::Signal,
}

impl Signals {
    /// Catches them from now on: before it is ready, too, the program ends in order.
    fn new() -> Result<Self, Failure> {
        let catch = |kind| signal(kind).map_err(Failure::failed);
        Ok(Self {
            terminate: catch(SignalKind::terminate())?,
            interrupt: catch(SignalKind::interrupt())?,
            hangup: catch(SignalKind::hangup())?,
        })
    }

    /// Returns at the next one. Someone who asks again does not want to wait.
    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}
