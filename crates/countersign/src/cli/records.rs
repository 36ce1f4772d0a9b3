//! Records as lines for people.

use ledger::Record;
use model::{
    AccessEvent, ControlEvent, FinishedResult, Grant, GrantRef, IdentityName, Redaction,
    RoleChange, ScopeEntry, SessionEnd, SessionId, TargetName, Touch,
};

/// When, and what happened, in one line. Holds no payload: statements are not shown here.
pub(crate) fn line(index: u64, record: &Record) -> String {
    let (at, what) = match record {
        Record::Access(record) => (record.at, access(&record.event)),
        Record::Control(record) => (record.at, control(&record.event, &record.by)),
    };
    let at = at.to_string();
    // To the millisecond: `2026-01-31T12:00:00.123`.
    let at = at.get(..23).unwrap_or(&at);
    format!("{index:>7}  {}  {}", at.replace('T', " "), crate::printer::escape(&what))
}

/// What happened on the data path, in one line.
pub(crate) fn access(event: &AccessEvent) -> String {
    match event {
        AccessEvent::EpochStarted { version, found, cut_bytes } => {
            epoch(version, found.size, *cut_bytes)
        }
        AccessEvent::EpochEnded {} => "gateway stopped in order".into(),
        AccessEvent::Heartbeat { sessions } => format!("alive, {sessions} sessions"),
        AccessEvent::AuthenticationFailed { claimed, target, peer, reason } => {
            login_refused(claimed.as_ref(), target.as_ref(), (peer, reason))
        }
        AccessEvent::SessionOpened {
            session, identity, target, peer, tls, mode, login, ..
        } => {
            let tls = if *tls { "TLS" } else { "no TLS" };
            let login = logged_in(login.as_ref());
            format!("{session}  opened by {identity} on {target} from {peer}, {tls}{login}, {mode}")
        }
        AccessEvent::SessionClosed { session, commands, reason } => {
            format!("{session}  closed after {commands} commands: {}", session_end(*reason))
        }
        AccessEvent::CancelRequested { session } => format!("{session}  cancel asked for"),
        AccessEvent::FenceRole { target, role, change, session, group } => {
            let session = session.map_or_else(String::new, |id| format!("{id}  "));
            let group = group.as_ref().map(|group| format!(" in {group}")).unwrap_or_default();
            format!("{session}role {role} on {target}{group}: {}", role_change(*change))
        }
        AccessEvent::BatchRolledBack { session, first, last, sqlstate } => {
            fate(*session, (*first, *last), &rolled_back(sqlstate.as_deref()))
        }
        AccessEvent::BatchCommitted { session, first, last } => {
            fate(*session, (*first, *last), "COMMITTED: what had completed stands")
        }
        AccessEvent::BatchUnknown { session, first, last } => {
            fate(*session, (*first, *last), "NOT KNOWN whether what had completed stands")
        }
        AccessEvent::CommandIntended {
            session, sequence, identity, target, grants, facts, ..
        } => {
            let what = Some(touches(&facts.touches)).filter(|what| !what.is_empty());
            let what = what.unwrap_or_else(|| "nothing".to_owned());
            let grants = grant_refs(grants);
            format!("{session}/{sequence}  ALLOWED {identity} on {target}: {what}{grants}")
        }
        AccessEvent::CommandFinished { .. } => outcome(event),
        AccessEvent::NotificationDelivered { session, .. }
        | AccessEvent::NotificationDropped { session, .. } => {
            format!("{session}  {}", notification(event))
        }
        AccessEvent::CommandDenied {
            session, sequence, identity, target, reason, touches, ..
        } => {
            let touched = touched(touches);
            format!("{session}/{sequence}  DENIED {identity} on {target}, {reason}{touched}")
        }
    }
}

/// What a denied command would have touched, if that is known.
fn touched(touches: &[Touch]) -> String {
    let list = self::touches(touches);
    if list.is_empty() { list } else { format!(": {list}") }
}

/// What became of a notification.
fn notification(event: &AccessEvent) -> String {
    if let AccessEvent::NotificationDelivered { identity, target, grants, channel, bytes, .. } =
        event
    {
        let grants = grant_refs(grants);
        format!("NOTIFIED {identity} on {target}: channel {channel}, {bytes} bytes{grants}")
    } else if let AccessEvent::NotificationDropped { identity, target, channel, reason, .. } = event
    {
        format!("NOTIFICATION DROPPED for {identity} on {target}, {reason}: channel {channel}")
    } else {
        String::new()
    }
}

fn login_refused(
    claimed: Option<&IdentityName>,
    target: Option<&TargetName>,
    (peer, reason): (&str, &str),
) -> String {
    let claimed = claimed.map_or("?", IdentityName::as_str);
    let target = target.map_or("?", TargetName::as_str);
    format!("LOGIN REFUSED  {claimed} on {target} from {peer}: {reason}")
}

fn outcome(event: &AccessEvent) -> String {
    let AccessEvent::CommandFinished {
        session,
        sequence,
        result,
        sqlstate,
        rows,
        affected,
        duration_us,
        redactions,
        written,
        uncommitted,
        ..
    } = event
    else {
        return String::new();
    };
    let sqlstate = sqlstate.as_ref().map(|code| format!(" {code}")).unwrap_or_default();
    let copied = written.as_ref().map(|data| format!("{} bytes copied in, ", data.bytes));
    format!(
        "{session}/{sequence}  {}{sqlstate}: {rows} rows sent, {}, {}{}{}",
        finished(*result),
        changed(*affected, *uncommitted),
        copied.unwrap_or_default(),
        duration(*duration_us),
        hidden(redactions)
    )
}

/// What became of commands of a session.
fn fate(session: SessionId, (first, last): (u64, u64), what: &str) -> String {
    format!("{session}/{first}-{last}  {what}")
}

fn rolled_back(sqlstate: Option<&str>) -> String {
    let code = sqlstate.map(|code| format!(" {code}")).unwrap_or_default();
    format!("ROLLED BACK{code}: what had completed is undone")
}

/// How many rows were changed, and whether they may be undone yet.
fn changed(affected: Option<u64>, uncommitted: bool) -> String {
    let rows =
        affected.map_or_else(|| "changed not known".to_owned(), |rows| format!("{rows} changed"));
    if uncommitted { format!("{rows} (uncommitted)") } else { rows }
}

/// How the identity was proved, if the record says so.
fn logged_in(login: Option<&impl serde::Serialize>) -> String {
    login.map(|login| format!(", {}", super::show::name(login))).unwrap_or_default()
}

fn control(event: &ControlEvent, by: &str) -> String {
    let what = match event {
        ControlEvent::EpochStarted { version, found, cut_bytes } => {
            epoch(version, found.size, *cut_bytes)
        }
        ControlEvent::EpochEnded {} => "gateway stopped in order".into(),
        ControlEvent::SettingsLoaded { sha256 } => format!("settings loaded, sha256 {sha256}"),
        ControlEvent::TargetLoaded { target, address, mode, masks } => {
            format!("target {target} loaded: {address}, {mode}, {} masked columns", masks.len())
        }
        ControlEvent::IdentityCreated { identity, owner, .. } => {
            format!("identity {identity} created, owner {owner}")
        }
        ControlEvent::IdentityDisabled { identity, reason } => {
            format!("identity {identity} disabled: {reason}")
        }
        ControlEvent::IdentityEnabled { identity, reason } => {
            format!("identity {identity} enabled: {reason}")
        }
        ControlEvent::IdentityExpirySet { identity, expires_at } => {
            format!("identity {identity} ends at {expires_at}")
        }
        ControlEvent::CredentialIssued { credential, identity, expires_at, .. } => {
            format!("{credential} issued to {identity} until {expires_at}")
        }
        ControlEvent::CertificateAdded { credential, identity, certificate, expires_at } => {
            format!("{credential} of {identity} until {expires_at}: certificates of {certificate}")
        }
        ControlEvent::CredentialRevoked { credential, reason } => {
            format!("{credential} revoked: {reason}")
        }
        ControlEvent::GrantCreated { grant, .. } => granted(grant),
        ControlEvent::GrantRevoked { grant, reason } => format!("{grant} revoked: {reason}"),
    };
    format!("{what}  (by {by})")
}

fn epoch(version: &str, size: u64, cut_bytes: u64) -> String {
    let cut = match cut_bytes {
        0 => String::new(),
        bytes => format!(", {bytes} bytes of a torn record cut"),
    };
    format!("gateway {version} started, {size} records found{cut}")
}

fn granted(grant: &Grant) -> String {
    let scope: Vec<String> = grant.scope.iter().map(scope_entry).collect();
    format!(
        "{} for {} on {} until {}, task {}: {}",
        grant.id,
        grant.identity,
        grant.target,
        grant.expires_at,
        grant.task,
        scope.join(" ")
    )
}

/// As it is written after `--allow`.
pub(crate) fn scope_entry(entry: &ScopeEntry) -> String {
    let actions: Vec<&str> = entry.actions.iter().map(|action| action.name()).collect();
    let columns: Vec<&str> = entry.columns.iter().map(String::as_str).collect();
    let actions = actions.join(",");
    match columns.as_slice() {
        // A function or a channel.
        [] => format!("{actions}:{}", entry.relation),
        columns => format!("{actions}:{}({})", entry.relation, columns.join(",")),
    }
}

fn touches(touches: &[Touch]) -> String {
    let one = |touch: &Touch| {
        let columns: Vec<&str> = touch.columns.iter().map(String::as_str).collect();
        format!("{} {}({})", touch.action, touch.relation, columns.join(","))
    };
    touches.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn grant_refs(grants: &[GrantRef]) -> String {
    match grants {
        [] => String::new(),
        grants => {
            let ids: Vec<String> = grants.iter().map(|grant| grant.id.to_string()).collect();
            format!(" under {}", ids.join(","))
        }
    }
}

fn hidden(redactions: &[Redaction]) -> String {
    let one = |redaction: &Redaction| {
        let column = &redaction.column;
        format!("{} {} ×{}", column.column, column.mask, redaction.values)
    };
    match redactions {
        [] => String::new(),
        redactions => {
            let all: Vec<String> = redactions.iter().map(one).collect();
            format!("; masked {}", all.join(", "))
        }
    }
}

fn duration(micros: u64) -> String {
    let (millis, rest) = (micros.div_euclid(1_000), micros.rem_euclid(1_000));
    format!("{millis}.{rest:03} ms")
}

fn finished(result: FinishedResult) -> &'static str {
    match result {
        FinishedResult::Completed => "completed",
        FinishedResult::Suspended => "suspended",
        FinishedResult::Failed => "FAILED",
        FinishedResult::Skipped => "skipped",
        FinishedResult::Cut => "CUT",
        FinishedResult::Unknown => "UNKNOWN",
    }
}

fn role_change(change: RoleChange) -> &'static str {
    match change {
        RoleChange::Created => "made",
        RoleChange::Regrouped => "its privileges changed with the grants",
        RoleChange::Dropped => "gone",
        RoleChange::Left => "LEFT BEHIND, will be tried again",
    }
}

/// Why a session ended, in words.
pub(crate) fn session_end(end: SessionEnd) -> &'static str {
    match end {
        SessionEnd::Terminated => "the client said goodbye",
        SessionEnd::ClientLost => "the client's connection broke",
        SessionEnd::TargetLost => "the target's connection broke",
        SessionEnd::ProtocolViolation => "the client broke the protocol",
        SessionEnd::PlanViolation => "the target answered other than planned",
        SessionEnd::AuthorityEnded => "its identity, credential or grant ended",
        SessionEnd::TimedOut => "a time limit was reached",
        SessionEnd::LimitReached => "a grant's limit on rows or bytes was reached",
        SessionEnd::GatewayStopped => "the gateway stopped",
    }
}
