//! target ─▶ decide ─▶ record ─▶ client: what a NOTIFY of some session brings to one that listens.
//!
//! It may come at any time, also while nothing was asked.
//!
//! **Invariant:** that a session could LISTEN is no permission to read: grants are asked again for
//! each notification, and one that none covers is dropped, which is on record too.
//!
//! **Invariant:** nothing of a notification passes before the record of it is durable.
//!
//! **Invariant:** the client learns no process of the target: of its own session it reads the one
//! that it was told when it connected, of all others [`OTHER_PROCESS`].

use bytes::Bytes;
use model::{Action, Notification, RelationName, Timestamp};
use pgwire::backend::NotificationResponse;
use policy::{Deliverable, DenyReason, Undelivered};

use crate::answers::Hold;
use crate::clock;
use crate::judge;
use crate::session::{Ending, Session};

/// What a client reads as the process that notified, if it is not its own.
const OTHER_PROCESS: u32 = 0;

impl Session {
    /// A notification of the target.
    pub(crate) async fn take_notification(
        &mut self,
        message: &NotificationResponse,
    ) -> Result<(), Ending> {
        let notification = Notification {
            session: self.who.session,
            identity: self.who.identity.clone(),
            target: self.target.name.clone(),
            channel: message.channel.to_string(),
            payload: message.payload.to_string(),
        };
        let now = clock::now();
        match self.judge(notification, now) {
            Ok(deliverable) => {
                let is_own = self.link.process() == Some(message.pid);
                let process = if is_own { self.cancel.process } else { OTHER_PROCESS };
                let pending = self.gate.journal.deliver(now, deliverable).await?;
                self.holds.push(Hold::Notification(Box::new(pending), process));
            }
            Err(dropped) => {
                let pending = self.gate.journal.drop_notification(now, dropped).await?;
                self.holds.push(Hold::Outcome(pending, Bytes::new()));
            }
        }
        Ok(())
    }

    /// Asks the policy, and counts the notification as a row of the grants that cover it.
    fn judge(
        &self,
        notification: Notification,
        now: Timestamp,
    ) -> Result<Deliverable, Undelivered> {
        let registry = self.gate.registry();
        let usage = |grant| self.gate.usage.of(grant);
        let (identity, target) = (&self.who.identity, &self.target.name);
        let Some(standing) = registry.standing(identity, self.who.credential, target, &usage)
        else {
            let reason = DenyReason::StandingMismatch;
            return Err(Undelivered::new(notification, &reason, registry.size()));
        };
        let deliverable = policy::judge_notification(notification, &standing, now)?;
        let amount = (1, deliverable.notification().bytes());
        let limits = judge::limits(&registry);
        if self.gate.usage.try_rows(deliverable.grants(), amount, limits).is_ok() {
            return Ok(deliverable);
        }
        // Another session took the last row between the decision and the count, or the payload is
        // larger than the bytes that are left.
        let notification = deliverable.into_notification();
        let (relation, action) = (RelationName::channel(&*notification.channel), Action::Listen);
        let reason = DenyReason::LimitReached { relation, action };
        Err(Undelivered::new(notification, &reason, registry.size()))
    }
}
