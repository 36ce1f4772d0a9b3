//! Connections to targets whose session has ended in order, kept for the next session of the same
//! identity.
//!
//! ```text
//! session ends by Terminate, nothing under way ─▶ DISCARD ALL ─▶ kept ─▶ footing as of a new one ─▶ session
//!                      otherwise, or in doubt ─▶ closed        └─ too long, ended, target spoke ─▶ closed
//! ```
//!
//! **Invariant:** a connection that served an identity serves no other identity, and no other credential
//! of it. What DISCARD ALL leaves behind (the state of procedural languages, say) is that identity's own.
//!
//! **Invariant:** nothing of a client was sent before a kept connection has answered as a new one does.
//!
//! **Boundary:** not for fenced targets: there the role on the target ends with its session.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::{CredentialId, IdentityName, Timestamp};
use registry::Registry;
use tokio::io::AsyncWriteExt as _;
use tokio::time::{Instant, timeout};

use crate::asker::Asker;
use crate::clock;
use crate::footing::footing;
use crate::gate::Gate;
use crate::identified::Who;
use crate::phase::Phase;
use crate::target::{Connected, Target};
use crate::wire;

/// How the gateway's own reset stands in the target's log: no text of a client keeps its comments.
pub(crate) const RESET: &str = "DISCARD ALL /* countersign: the session has ended */";
/// How long a target may take to reset a connection before it is kept.
const RESET_MAX: Duration = Duration::from_secs(1);
/// How long a kept connection may take to show that it is as good as a new one.
const CHECK_MAX: Duration = Duration::from_millis(500);
/// Between two looks at whether kept connections should be kept on.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);
/// How long a target may take to read a goodbye.
const GOODBYE_MAX: Duration = Duration::from_millis(500);

/// All kept connections.
#[derive(Debug, Default)]
pub(crate) struct Warm {
    shelf: Mutex<Shelved>,
}

#[derive(Debug, Default)]
struct Shelved {
    /// Oldest first.
    places: Vec<Place>,
    /// Number of the last place.
    last: u64,
    is_closed: bool,
}

/// A place for a connection of one identity on one target.
#[derive(Debug)]
struct Place {
    number: u64,
    identity: IdentityName,
    credential: CredentialId,
    target: Arc<Target>,
    since: Instant,
    /// Nothing while it is being reset.
    connected: Option<Connected>,
}

impl Place {
    fn is_for(&self, who: &Who, target: &Target) -> bool {
        self.identity == who.identity
            && self.credential == who.credential
            && self.target.name == target.name
    }

    /// True if a session of its identity could begin now.
    fn is_wanted(&self, registry: &Registry, now: Timestamp) -> bool {
        let identity = registry.identity(&self.identity).is_some_and(|own| own.is_usable(now));
        let credential = registry.credential(self.credential).is_some_and(|own| own.is_live(now));
        identity
            && credential
            && registry.live_grants(&self.identity, &self.target.name, now).next().is_some()
    }
}

impl Warm {
    /// A connection for a new session, labelled for it, if one is kept that is as good as new.
    pub(crate) async fn take(
        &self,
        target: &Arc<Target>,
        who: &Who,
        label: &str,
    ) -> Option<Connected> {
        while let Some(mut connected) = self.pick(target, who) {
            let mut asker = Asker::over(&mut connected);
            let answer = timeout(CHECK_MAX, footing(&mut asker, label)).await;
            match answer {
                Ok(Ok(footing))
                    if connected.footing.as_deref() == Some(&footing)
                        && target.is_of(&footing.server) =>
                {
                    return Some(connected);
                }
                Ok(Ok(_other)) => {
                    tracing::warn!(target = %target.name, "a kept connection is not as it was; it is closed");
                    close(connected);
                }
                Ok(Err(error)) => {
                    tracing::debug!(target = %target.name, %error, "a kept connection is lost");
                }
                // The others would take as long.
                Err(_elapsed) => {
                    self.drop_where(|place| place.target.name == target.name);
                    return None;
                }
            }
        }
        None
    }

    /// Resets a connection and keeps it, unless there is no place for it.
    pub(crate) async fn keep(
        &self,
        gate: &Gate,
        target: Arc<Target>,
        who: &Who,
        connected: Connected,
    ) {
        let mut connected = connected;
        let Some(number) = self.take_place(gate, target, who) else { return close(connected) };
        let mut asker = Asker::over(&mut connected);
        let reset = timeout(RESET_MAX, asker.ask(RESET)).await;
        if matches!(&reset, Ok(Ok(rows)) if rows.is_empty()) {
            self.fill(number, connected);
        } else {
            tracing::debug!(?reset, "a connection cannot be kept");
            self.drop_where(|place| place.number == number);
        }
    }

    /// Closes the oldest ones if, with the open sessions, there are more than clients may be.
    pub(crate) fn make_room(&self, gate: &Gate) {
        let room = gate.limits.clients_max.saturating_sub(gate.directory.count());
        let excess = self.lock().places.len().saturating_sub(room.saturating_sub(1));
        for _ in 0..excess {
            let oldest = self.lock().places.first().map(|place| place.number);
            self.drop_where(|place| Some(place.number) == oldest);
        }
    }

    /// Closes all those to a target. True if there were any.
    pub(crate) fn give_up(&self, target: &Target) -> bool {
        self.drop_where(|place| place.target.name == target.name)
    }

    fn pick(&self, target: &Target, who: &Who) -> Option<Connected> {
        let mut kept = self.lock();
        // The one used last: the others grow old and go.
        let found = kept
            .places
            .iter()
            .rposition(|place| place.is_for(who, target) && place.connected.is_some())?;
        kept.places.remove(found).connected
    }

    fn take_place(&self, gate: &Gate, target: Arc<Target>, who: &Who) -> Option<u64> {
        let mut kept = self.lock();
        let own = kept.places.iter().filter(|place| place.is_for(who, &target)).count();
        let all = kept.places.len().saturating_add(gate.directory.count());
        if kept.is_closed || own >= gate.limits.warm_max || all >= gate.limits.clients_max {
            return None;
        }
        kept.last = kept.last.saturating_add(1);
        let place = Place {
            number: kept.last,
            identity: who.identity.clone(),
            credential: who.credential,
            target,
            since: Instant::now(),
            connected: None,
        };
        let is_wanted = place.is_wanted(&gate.registry(), clock::now());
        is_wanted.then(|| {
            let number = place.number;
            kept.places.push(place);
            number
        })
    }

    fn fill(&self, number: u64, connected: Connected) {
        let mut kept = self.lock();
        match kept.places.iter_mut().find(|place| place.number == number) {
            Some(place) => place.connected = Some(connected),
            None => close(connected),
        }
    }

    fn drop_where(&self, mut is_meant: impl FnMut(&mut Place) -> bool) -> bool {
        let mut kept = self.lock();
        let mut dropped = Vec::new();
        let mut index = 0_usize;
        while let Some(place) = kept.places.get_mut(index) {
            if is_meant(place) {
                dropped.push(kept.places.remove(index));
            } else {
                index = index.saturating_add(1);
            }
        }
        drop(kept);
        let is_any = !dropped.is_empty();
        dropped.into_iter().filter_map(|place| place.connected).for_each(close);
        is_any
    }

    fn lock(&self) -> MutexGuard<'_, Shelved> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Closes what is not to be kept any longer, until the gateway drains; then all.
pub(crate) async fn watch(gate: Arc<Gate>) {
    let mut registry = gate.registry.clone();
    loop {
        let phase = tokio::select! {
            phase = gate.phase_beyond(Phase::Running) => phase,
            changed = registry.changed() => match changed {
                Ok(()) => Phase::Running,
                Err(_) => Phase::Stopping,
            },
            () = tokio::time::sleep(LOOK_INTERVAL) => Phase::Running,
        };
        if phase > Phase::Running {
            gate.warm.lock().is_closed = true;
            gate.warm.drop_where(|_place| true);
            return;
        }
        let (inventory, now) = (gate.registry(), clock::now());
        gate.warm.drop_where(|place| {
            place.since.elapsed() > gate.limits.warm_idle_timeout
                || !place.is_wanted(&inventory, now)
                // A target has nothing to say unless its connection ends or its settings change.
                || place.connected.as_mut().is_some_and(|kept| !kept.stream.is_silent())
        });
    }
}

fn close(connected: Connected) {
    let mut stream = connected.stream;
    tokio::spawn(async move {
        let goodbye = async {
            stream.write_all(&wire::terminate()).await?;
            stream.shutdown().await
        };
        if let Ok(Err(error)) = timeout(GOODBYE_MAX, goodbye).await {
            tracing::trace!(%error, "a kept connection was lost before");
        }
    });
}
