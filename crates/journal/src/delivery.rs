//! Notifications in the access journal: recorded, then passed on.
//!
//! ```text
//! policy::Deliverable ──deliver──▶ PendingDelivery ──durable──▶ Notification
//! ```

use ledger::Payload;
use model::{AccessEvent, AccessRecord, Notification, Timestamp};
use policy::{Deliverable, Undelivered};

use crate::access::Pending;
use crate::{AccessJournal, JournalError, Ticket};

/// The record of a notification on its way to the disk.
#[derive(Debug)]
#[must_use = "the notification may not be passed on before its record is durable"]
pub struct PendingDelivery {
    deliverable: Deliverable,
    ticket: Ticket,
}

impl PendingDelivery {
    /// Waits until the record is on disk, and gives out what may then be passed on.
    ///
    /// # Errors
    ///
    /// [`JournalError`] if it is not: the notification must not be passed on.
    pub async fn durable(self) -> Result<Notification, JournalError> {
        self.ticket.durable().await?;
        Ok(self.deliverable.into_notification())
    }
}

impl AccessJournal {
    /// Puts the record of a notification that may be passed on into the queue. `at` is the time of
    /// the decision.
    ///
    /// # Errors
    ///
    /// [`JournalError`] if it cannot be recorded.
    pub async fn deliver(
        &self,
        at: Timestamp,
        deliverable: Deliverable,
    ) -> Result<PendingDelivery, JournalError> {
        let notification = deliverable.notification();
        let mut payload = Payload::new();
        let said = payload.add("payload", crypto::random(), &*notification.payload);
        let event = AccessEvent::NotificationDelivered {
            session: notification.session,
            identity: notification.identity.clone(),
            target: notification.target.clone(),
            control_size: deliverable.control_size(),
            grants: deliverable.grants().to_vec(),
            channel: notification.channel.clone(),
            bytes: notification.bytes(),
            payload: said,
        };
        let ticket = self.append(AccessRecord { at, event }, payload).await?;
        Ok(PendingDelivery { deliverable, ticket })
    }

    /// Puts the record of a notification that was dropped into the queue.
    ///
    /// # Errors
    ///
    /// [`JournalError`] if it cannot be recorded.
    pub async fn drop_notification(
        &self,
        at: Timestamp,
        dropped: Undelivered,
    ) -> Result<Pending, JournalError> {
        let Undelivered { session, identity, target, channel, reason, control_size } = dropped;
        let event = AccessEvent::NotificationDropped {
            session,
            identity,
            target,
            control_size,
            channel,
            reason,
        };
        Pending::of(self.append(AccessRecord { at, event }, Payload::new()).await)
    }
}
