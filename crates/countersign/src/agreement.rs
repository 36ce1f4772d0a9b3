//! Whether the two ledgers of a gateway can have grown beside each other.
//!
//! Each access record names the size of the control ledger under which it was decided. A control
//! ledger that is smaller has lost records: someone put an older copy in its place, and with it took
//! back revocations.

use model::{AccessEvent, AccessRecord};

/// The largest control ledger that access records name.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Named {
    /// Its records.
    pub(crate) size: u64,
    /// The access record that names it.
    index: u64,
}

/// A control ledger that has lost records.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the control ledger has {found} records, but record {index} of the access ledger was decided under \
     {named}: the control ledger was rolled back"
)]
pub(crate) struct RolledBack {
    /// Its records.
    found: u64,
    /// What an access record names.
    named: u64,
    /// That access record.
    index: u64,
}

impl Named {
    /// Looks at the next access record.
    pub(crate) fn see(&mut self, index: u64, record: &AccessRecord) {
        if let Some(size) = control_size(&record.event)
            && size > self.size
        {
            *self = Self { size, index };
        }
    }

    /// Compares with the control ledger's size.
    ///
    /// # Errors
    ///
    /// [`RolledBack`] if it is too small.
    pub(crate) fn check(self, found: u64) -> Result<(), RolledBack> {
        let Self { size: named, index } = self;
        if found < named { Err(RolledBack { found, named, index }) } else { Ok(()) }
    }
}

fn control_size(event: &AccessEvent) -> Option<u64> {
    match event {
        AccessEvent::SessionOpened { control_size, .. }
        | AccessEvent::CommandIntended { control_size, .. }
        | AccessEvent::CommandDenied { control_size, .. }
        | AccessEvent::NotificationDelivered { control_size, .. }
        | AccessEvent::NotificationDropped { control_size, .. } => Some(*control_size),
        AccessEvent::EpochStarted { .. }
        | AccessEvent::EpochEnded {}
        | AccessEvent::Heartbeat { .. }
        | AccessEvent::AuthenticationFailed { .. }
        | AccessEvent::SessionClosed { .. }
        | AccessEvent::CommandFinished { .. }
        | AccessEvent::BatchRolledBack { .. }
        | AccessEvent::BatchCommitted { .. }
        | AccessEvent::BatchUnknown { .. }
        | AccessEvent::FenceRole { .. }
        | AccessEvent::CancelRequested { .. } => None,
    }
}
