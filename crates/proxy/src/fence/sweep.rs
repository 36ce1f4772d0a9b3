//! Removes what an earlier run, a failure or a vanished task left behind: at start, whenever
//! something may have been left, every minute, and at the end of the run.

use std::sync::Arc;
use std::time::Duration;

use super::names::literal;
use super::removal::texts;
use super::{Fence, FenceError};
use crate::gate::Gate;
use crate::target::Target;

/// Between two sweeps when nothing calls for one.
const SWEEP_INTERVAL: Duration = Duration::from_mins(1);
/// Before a sweep that failed is tried again.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// Sweeps until the gateway stops.
pub(crate) async fn keep(gate: Arc<Gate>, target: Arc<Target>) {
    let Some(fence) = &target.fence else { return };
    let mut told = String::new();
    loop {
        let pause = match fence.sweep(&gate, &target).await {
            Ok(true) => SWEEP_INTERVAL,
            Ok(false) => RETRY_PAUSE,
            Err(error) => {
                // Said once, not at every try.
                if error.to_string() != told {
                    told = error.to_string();
                    tracing::error!(target = %target.name, %error, "the fence cannot be kept; clients are refused until it can");
                }
                RETRY_PAUSE
            }
        };
        tokio::select! {
            () = gate.stopping() => return,
            () = fence.leftover.notified() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

impl Fence {
    /// Removes every role and group of this gateway and target that no session uses. True if all of
    /// them are gone.
    pub(crate) async fn sweep(
        &self,
        gate: &Gate,
        target: &Arc<Target>,
    ) -> Result<bool, FenceError> {
        self.server(target).await?;
        let mut is_clean = true;
        for role in self.roles(target, &self.names.role_prefix()).await? {
            // Looked up after the list was made: a role is live before it is there.
            if !self.live().contains(&role) {
                is_clean &= self.remove(target, &role, gate).await;
            }
        }
        let mut groups = self.groups.lock().await;
        for group in self.roles(target, &self.names.group_prefix()).await? {
            let is_used = groups.get(&group).is_some_and(|held| Arc::strong_count(held) > 1);
            if !is_used {
                groups.remove(&group);
                self.drop_group(target, &group).await?;
            }
        }
        Ok(is_clean)
    }

    async fn roles(&self, target: &Arc<Target>, prefix: &str) -> Result<Vec<String>, FenceError> {
        let question = format!(
            "SELECT rolname FROM pg_roles WHERE left(rolname, {}) = {} ORDER BY rolname",
            prefix.chars().count(),
            literal(prefix)
        );
        Ok(texts(self.ask(target, &question).await?))
    }
}
