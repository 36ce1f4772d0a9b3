//! Who was connected, who failed to be, what is recorded, and when the gateway ran.

use std::collections::BTreeMap;

use model::AccessEvent;

use super::{Case, Head, add};
use crate::history::{Closed, Session};
use crate::provenance::kind_of;
use crate::report::Artefact;
use crate::rows::{AuthenticationFailureRow, EpochRow, EventTypeRow, SessionRow};

/// Each type of event, where it is recorded, and when. Every one is always recorded.
#[rustfmt::skip]
const EVENT_TYPES: &[(&str, &str, &str)] = &[
    ("control", "epoch_started",         "the gateway opens the control ledger"),
    ("control", "epoch_ended",           "the gateway stops in order"),
    ("control", "settings_loaded",       "the settings file is loaded; its hash is recorded"),
    ("control", "target_loaded",         "a target and its masked columns are loaded"),
    ("control", "identity_created",      "an account is created"),
    ("control", "identity_disabled",     "an account is disabled"),
    ("control", "identity_enabled",      "a disabled account is enabled"),
    ("control", "identity_expiry_set",   "an account's end is set or moved"),
    ("control", "credential_issued",     "a token is issued; only its verifier is kept"),
    ("control", "certificate_added",     "certificates with a name become an account's credential"),
    ("control", "credential_revoked",    "a token or a certificate's name is revoked"),
    ("control", "grant_created",         "privileges are granted"),
    ("control", "grant_revoked",         "privileges are revoked"),
    ("access",  "epoch_started",         "the gateway opens the access ledger"),
    ("access",  "epoch_ended",           "the gateway stops in order"),
    ("access",  "heartbeat",             "nothing else is recorded for a while"),
    ("access",  "authentication_failed", "a logon fails"),
    ("access",  "session_opened",        "a logon succeeds"),
    ("access",  "session_closed",        "a session ends, with its total of commands"),
    ("access",  "cancel_requested",      "a client asks to cancel what runs"),
    ("access",  "batch_rolled_back",     "what had completed is undone, because its transaction failed"),
    ("access",  "batch_committed",       "what had completed stands, because its transaction was committed"),
    ("access",  "batch_unknown",         "whether what had completed stands is not known"),
    ("access",  "fence_role",            "a session's short-lived role is made on the target, changed, or is gone"),
    ("access",  "command_intended",      "data access, change or deletion is allowed, before it takes effect"),
    ("access",  "command_finished",      "an allowed command ends, with rows, bytes, duration and redactions"),
    ("access",  "command_denied",        "a command is denied; the target never saw it"),
    ("access",  "notification_delivered", "a notification is let through to a session that listens"),
    ("access",  "notification_dropped",  "a notification is dropped: no live grant covers its channel"),
];

pub(super) fn sessions(case: &Case<'_>) -> Artefact<SessionRow> {
    let mut open: Vec<(_, &Session)> = case
        .history
        .sessions
        .iter()
        .filter(|(_, session)| was_open(case, session))
        .filter(|(_, session)| {
            case.scope.filters.admit(Some(&session.identity), Some(&session.target))
        })
        .map(|(id, session)| (*id, session))
        .collect();
    open.sort_by_key(|(_, session)| session.record);
    let rows = open
        .into_iter()
        .map(|(id, session)| SessionRow {
            session: id,
            identity: session.identity.clone(),
            target: session.target.clone(),
            peer: session.peer.clone(),
            tls: session.tls,
            mode: session.mode.clone(),
            application: session.application.clone(),
            opened_at: session.opened_at,
            closed_at: session.closed.as_ref().map(|closed| closed.at),
            end: session.closed.as_ref().map(|closed| closed.reason),
            allowed: session.allowed,
            denied: session.denied,
            opened_record: session.record,
            closed_record: session.closed.as_ref().map(|closed| closed.record),
        })
        .collect();
    Head {
        id: "sessions",
        title: "Sessions open in the window",
        query: "every session opened before the window's end and not closed before its start; its \
                counts are those of its whole life",
        population: Some("sessions.csv"),
        basis: vec![case.access_all()],
        excludes: case.filtered(),
    }
    .with(rows)
}

fn was_open(case: &Case<'_>, session: &Session) -> bool {
    let window = case.scope.window;
    let is_over = |closed: &Closed| closed.at < window.from;
    session.opened_at < window.to && !session.closed.as_ref().is_some_and(is_over)
}

pub(super) fn failures(case: &Case<'_>) -> Artefact<AuthenticationFailureRow> {
    let failures = case.history.failures.iter();
    let rows = failures
        .filter(|failed| {
            case.scope.covers(failed.at, failed.claimed.as_ref(), failed.target.as_ref())
        })
        .map(|failed| AuthenticationFailureRow {
            record: failed.record,
            at: failed.at,
            claimed: failed.claimed.clone(),
            target: failed.target.clone(),
            peer: failed.peer.clone(),
            reason: failed.reason.clone(),
        })
        .collect();
    Head {
        id: "authentication-failures",
        title: "Failed logons",
        query: "every failed authentication in the window; the user named is a claim",
        population: Some("authentication_failures.csv"),
        basis: vec![case.access_window()],
        excludes: case.filtered(),
    }
    .with(rows)
}

/// A ledger and an event type's name there.
type Type = (&'static str, &'static str);

pub(super) fn event_types(case: &Case<'_>) -> Artefact<EventTypeRow> {
    let mut counts: BTreeMap<Type, (u64, u64)> = BTreeMap::new();
    let window = case.scope.window;
    let control = case.source.control.iter().map(|r| ("control", kind_of(&r.event), r.at));
    let access = case.source.access.iter().map(|r| ("access", access_kind(&r.event), r.at));
    for (ledger, kind, at) in control.chain(access) {
        let (in_window, in_ledger) = counts.entry((ledger, kind)).or_default();
        add(in_ledger, 1);
        add(in_window, u64::from(window.contains(at)));
    }
    let rows = EVENT_TYPES
        .iter()
        .map(|(ledger, kind, situation)| {
            let (in_window, in_ledger) = counts.get(&(*ledger, *kind)).copied().unwrap_or_default();
            EventTypeRow { ledger, kind, situation, in_window, in_ledger }
        })
        .collect();
    Head {
        id: "event-types",
        title: "Event types",
        query: "every type of event that the gateway records, with the number of its records; none \
                can be turned off",
        population: None,
        basis: vec![case.control_all(), case.access_all()],
        excludes: vec!["nothing: the filters do not apply".to_owned()],
    }
    .with(rows)
}

/// The event type's name as the record spells it.
fn access_kind(event: &AccessEvent) -> &'static str {
    match event {
        AccessEvent::EpochStarted { .. } => "epoch_started",
        AccessEvent::EpochEnded {} => "epoch_ended",
        AccessEvent::Heartbeat { .. } => "heartbeat",
        AccessEvent::AuthenticationFailed { .. } => "authentication_failed",
        AccessEvent::SessionOpened { .. } => "session_opened",
        AccessEvent::SessionClosed { .. } => "session_closed",
        AccessEvent::CancelRequested { .. } => "cancel_requested",
        AccessEvent::BatchRolledBack { .. } => "batch_rolled_back",
        AccessEvent::BatchCommitted { .. } => "batch_committed",
        AccessEvent::BatchUnknown { .. } => "batch_unknown",
        AccessEvent::FenceRole { .. } => "fence_role",
        AccessEvent::CommandIntended { .. } => "command_intended",
        AccessEvent::CommandFinished { .. } => "command_finished",
        AccessEvent::CommandDenied { .. } => "command_denied",
        AccessEvent::NotificationDelivered { .. } => "notification_delivered",
        AccessEvent::NotificationDropped { .. } => "notification_dropped",
    }
}

pub(super) fn epochs(case: &Case<'_>) -> Artefact<EpochRow> {
    let epochs = &case.history.epochs;
    let mut rows = Vec::new();
    let mut before = None;
    for (place, epoch) in epochs.iter().enumerate() {
        let is_last = place.saturating_add(1) == epochs.len();
        let down_s = before.map(|end| epoch.started_at.saturating_since(end).as_secs());
        before = Some(epoch.last_at);
        let window = case.scope.window;
        if epoch.started_at >= window.to || (epoch.last_at < window.from && !is_last) {
            continue;
        }
        rows.push(EpochRow {
            record: epoch.record,
            started_at: epoch.started_at,
            version: epoch.version.clone(),
            cut_bytes: epoch.cut_bytes,
            last_record: epoch.last_record,
            last_at: epoch.last_at,
            end: match (epoch.is_ended, is_last) {
                (true, _) => "orderly",
                (false, true) => "running",
                (false, false) => "crashed",
            },
            down_s,
        });
    }
    Head {
        id: "epochs",
        title: "Runs of the gateway",
        query: "every run that meets the window, from its first record to its last; the time between \
                two runs is that between the last record of one and the first of the next",
        population: None,
        basis: vec![case.access_all()],
        excludes: vec!["nothing: the filters do not apply".to_owned()],
    }
    .with(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_type_is_listed_once() {
        let mut names: Vec<_> =
            EVENT_TYPES.iter().map(|(ledger, kind, _)| (ledger, kind)).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), EVENT_TYPES.len());
        // Sixteen variants of `AccessEvent`, thirteen of `ControlEvent`; their matches are exhaustive.
        assert_eq!(names.len(), 29);
    }
}
