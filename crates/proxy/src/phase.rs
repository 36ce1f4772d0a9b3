//! How far the gateway is on its way to its end.
//!
//! `Running ─▶ Draining: nobody comes in, who is at rest goes ─▶ Stopping: whoever is left is cut`

/// Where the gateway stands. It never goes back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// Clients come in.
    #[default]
    Running,
    /// No client comes in. Sessions end as soon as they are at rest.
    Draining,
    /// Every session ends now.
    Stopping,
}

impl Phase {
    /// True if everything ends now.
    pub(crate) fn is_stopping(self) -> bool {
        self == Self::Stopping
    }
}
