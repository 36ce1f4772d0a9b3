//! Notifications, joined with their sessions.

use model::{AccessEvent, AccessRecord, CredentialId, GrantRef};
use model::{IdentityName, SessionId, TargetName, Timestamp};

use super::{History, Session, StrayKind};

/// One notification that came for a session.
#[derive(Debug)]
pub(crate) struct Notified {
    pub(crate) record: u64,
    pub(crate) at: Timestamp,
    pub(crate) session: SessionId,
    pub(crate) identity: IdentityName,
    pub(crate) target: TargetName,
    /// With which credential the session was opened, if that is on record.
    pub(crate) credential: Option<CredentialId>,
    pub(crate) control_size: u64,
    pub(crate) channel: String,
    pub(crate) fate: Fate,
}

/// What became of it.
#[derive(Debug)]
pub(crate) enum Fate {
    /// The client got it.
    Delivered {
        /// Under these grants.
        grants: Vec<GrantRef>,
        /// Bytes of its payload.
        bytes: u64,
    },
    /// The client did not get it.
    Dropped {
        /// Why.
        reason: String,
    },
}

impl Notified {
    /// The grants under which it was delivered. None if it was dropped.
    pub(crate) fn grants(&self) -> &[GrantRef] {
        match &self.fate {
            Fate::Delivered { grants, .. } => grants,
            Fate::Dropped { .. } => &[],
        }
    }
}

impl History {
    pub(super) fn notify(&mut self, record: u64, entry: &AccessRecord) {
        let (session, identity, target, control_size, channel, fate) = match &entry.event {
            AccessEvent::NotificationDelivered {
                session,
                identity,
                target,
                control_size,
                grants,
                channel,
                bytes,
                payload: _,
            } => {
                let fate = Fate::Delivered { grants: grants.clone(), bytes: *bytes };
                (session, identity, target, control_size, channel, fate)
            }
            AccessEvent::NotificationDropped {
                session,
                identity,
                target,
                control_size,
                channel,
                reason,
            } => {
                let fate = Fate::Dropped { reason: reason.clone() };
                (session, identity, target, control_size, channel, fate)
            }
            AccessEvent::EpochStarted { .. }
            | AccessEvent::EpochEnded {}
            | AccessEvent::Heartbeat { .. }
            | AccessEvent::AuthenticationFailed { .. }
            | AccessEvent::SessionOpened { .. }
            | AccessEvent::SessionClosed { .. }
            | AccessEvent::CancelRequested { .. }
            | AccessEvent::FenceRole { .. }
            | AccessEvent::BatchRolledBack { .. }
            | AccessEvent::BatchCommitted { .. }
            | AccessEvent::BatchUnknown { .. }
            | AccessEvent::CommandIntended { .. }
            | AccessEvent::CommandFinished { .. }
            | AccessEvent::CommandDenied { .. } => return,
        };
        let opened = self.sessions.get_mut(session);
        let what = contradiction(*session, opened.as_deref(), (identity, target));
        let credential = opened.and_then(|opened| {
            opened.last_at = opened.last_at.max(entry.at);
            opened.credential
        });
        if let Some(what) = what {
            self.stray(record, entry.at, Some((identity, target)), (StrayKind::Session, what));
        }
        self.notifications.push(Notified {
            record,
            at: entry.at,
            session: *session,
            identity: identity.clone(),
            target: target.clone(),
            credential,
            control_size: *control_size,
            channel: channel.clone(),
            fate,
        });
    }
}

/// What of a notification does not fit its session.
fn contradiction(
    session: SessionId,
    opened: Option<&Session>,
    (identity, target): (&IdentityName, &TargetName),
) -> Option<String> {
    match opened {
        None => Some(format!("session {session} was never opened")),
        Some(opened) if opened.identity != *identity || opened.target != *target => Some(format!(
            "session {session} is {} on {}, but the notification says {identity} on {target}",
            opened.identity, opened.target
        )),
        Some(opened) if opened.closed.is_some() => {
            Some(format!("session {session} was closed before"))
        }
        Some(_) => None,
    }
}
