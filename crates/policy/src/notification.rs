//! The decision on one notification, and the proof that it may be passed on.
//!
//! That a session may LISTEN is decided when it asks to; that it may read what comes is decided
//! again for each notification, for grants end meanwhile.

use model::{GrantRef, IdentityName, Notification, SessionId, TargetName, Timestamp};

use crate::{DenyReason, Standing, check};

/// Decides whether a notification may be passed on.
///
/// `now` is compared with windows that include their start and exclude their end. The notification
/// is moved into the proof, so what was judged is what can be passed on.
///
/// # Errors
///
/// Why it must be dropped, for the record.
pub fn judge_notification(
    notification: Notification,
    standing: &Standing<'_>,
    now: Timestamp,
) -> Result<Deliverable, Undelivered> {
    let is_own =
        notification.identity == *standing.identity && notification.target == *standing.target;
    let checked = if is_own {
        check(&notification.facts(), standing, now)
    } else {
        Err(DenyReason::StandingMismatch)
    };
    let control_size = standing.control_size;
    match checked {
        Ok(coverage) => Ok(Deliverable { notification, grants: coverage.grants, control_size }),
        Err(reason) => Err(Undelivered::new(notification, &reason, control_size)),
    }
}

/// Proof that a notification may be passed on, once that is on record. It owns the notification.
///
/// Not `Clone`, and made by [`judge_notification`] only.
#[derive(Debug)]
#[must_use = "a notification must be recorded before it is passed on"]
pub struct Deliverable {
    notification: Notification,
    grants: Vec<GrantRef>,
    control_size: u64,
}

impl Deliverable {
    /// The notification.
    pub fn notification(&self) -> &Notification {
        &self.notification
    }

    /// The grants that cover its channel, and against whose limits it counts.
    pub fn grants(&self) -> &[GrantRef] {
        &self.grants
    }

    /// Size of the control ledger under which it was decided.
    pub fn control_size(&self) -> u64 {
        self.control_size
    }

    /// Gives up the proof for the notification.
    pub fn into_notification(self) -> Notification {
        self.notification
    }
}

/// What is recorded of a notification that is dropped. It proves nothing, so anyone may make one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undelivered {
    /// The session that would have got it.
    pub session: SessionId,
    /// Whose session it is.
    pub identity: IdentityName,
    /// Where it came from.
    pub target: TargetName,
    /// Its channel.
    pub channel: String,
    /// Machine-readable reason, in `snake_case`.
    pub reason: String,
    /// Size of the control ledger under which it was decided.
    pub control_size: u64,
}

impl Undelivered {
    /// Drops a notification.
    pub fn new(notification: Notification, reason: &DenyReason, control_size: u64) -> Self {
        let Notification { session, identity, target, channel, payload: _ } = notification;
        let reason = reason.code().to_owned();
        Self { session, identity, target, channel, reason, control_size }
    }
}
