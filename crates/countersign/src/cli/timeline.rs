//! `countersign session show`: one session from its opening to its end, command by command, as the
//! access ledger holds it. No gateway needs to run.
//!
//! What is shown is read, not verified: `countersign verify` does that.

use journal::reader::Stored;
use ledger::Record;
use model::{AccessEvent, AccessRecord, CommandRef, SessionId, Timestamp};
use serde_json::{Value, json};

use super::log::{open_access, unreadable};
use super::{Context, Exit, Failure, records};
use crate::printer::{escape, joined, pairs};

/// Prints the time line of a session.
pub(crate) fn show(session: SessionId, context: &Context) -> Result<Exit, Failure> {
    let mut reader = open_access(context)?;
    let mut found = Vec::new();
    while let Some(stored) = reader.next_record().map_err(unreadable)? {
        if event(&stored).is_some_and(|event| event.session() == Some(session)) {
            found.push(stored);
        }
    }
    if found.is_empty() {
        return Err(Failure::Failed(format!(
            "there is no {session} on record\n`countersign log tail` names the latest sessions"
        )));
    }
    let records = found.iter().map(as_json).collect::<Result<Vec<_>, _>>()?;
    let whole = json!({ "session": session, "records": records });
    context.printer.result(&whole, |_| timeline(session, &found))?;
    Ok(Exit::Done)
}

fn as_json(stored: &Stored) -> Result<Value, Failure> {
    let payload = stored.payload.fields();
    let payload: serde_json::Map<String, Value> =
        payload.map(|(name, disclosed)| (name.to_owned(), json!(disclosed.value))).collect();
    let record: Value = serde_json::from_slice(&stored.leaf).map_err(Failure::failed)?;
    Ok(json!({ "index": stored.index, "record": record, "payload": payload }))
}

fn timeline(session: SessionId, found: &[Stored]) -> String {
    let mut out = vec![pairs(&summary(session, found)).trim_end().to_owned(), String::new()];
    let opening =
        |stored: &&Stored| matches!(event(stored), Some(AccessEvent::SessionOpened { .. }));
    for stored in found.iter().filter(|stored| !opening(stored)) {
        let Some(AccessRecord { at, event }) = access(stored) else { continue };
        out.push(format!(
            "{:>7}  {}  {}",
            stored.index,
            clock(*at),
            escape(&records::access(event))
        ));
        let payload = &stored.payload;
        let fields =
            [("sql", "asked"), ("forwarded", "ran"), ("parameters", "with"), ("payload", "said")];
        for (field, name) in fields {
            if let Some(value) = payload.value(field) {
                out.push(format!("{:24}{name:<6} {}", "", escape(value)));
            }
        }
    }
    let open = open_commands(found);
    if !open.is_empty() {
        let list: Vec<String> = open.iter().map(u64::to_string).collect();
        out.push(String::new());
        out.push(format!("UNKNOWN: no outcome is on record for {}", list.join(", ")));
    }
    joined(out)
}

fn summary(session: SessionId, found: &[Stored]) -> Vec<(&'static str, String)> {
    let mut lines = vec![("session", session.to_string())];
    let mut end = "not on record: it is open, or its gateway was killed".to_owned();
    let (mut allowed, mut denied, mut rows, mut notified) = (0_u64, 0_u64, 0_u64, 0_u64);
    for AccessRecord { at, event } in found.iter().filter_map(access) {
        if let AccessEvent::SessionOpened {
            identity, target, peer, tls, mode, application, ..
        } = event
        {
            lines.push(("identity", identity.to_string()));
            lines.push(("target", format!("{target}, {mode}")));
            let tls = if *tls { "TLS" } else { "no TLS" };
            lines.push(("from", format!("{peer}, {tls}")));
            lines.push(("application", application.clone()));
            lines.push(("opened", at.to_string()));
        } else if let AccessEvent::SessionClosed { reason, .. } = event {
            end = format!("{at}, {}", records::session_end(*reason));
        } else if let AccessEvent::CommandFinished { rows: sent, .. } = event {
            rows = rows.saturating_add(*sent);
        } else if matches!(event, AccessEvent::NotificationDelivered { .. }) {
            notified = notified.saturating_add(1);
        } else if matches!(event, AccessEvent::CommandIntended { .. }) {
            allowed = allowed.saturating_add(1);
        } else if matches!(event, AccessEvent::CommandDenied { .. }) {
            denied = denied.saturating_add(1);
        }
    }
    lines.push(("closed", end));
    lines.push(("commands", format!("{allowed} allowed, {denied} denied, {rows} rows sent")));
    if notified > 0 {
        lines.push(("notifications", notified.to_string()));
    }
    lines
}

/// The numbers of commands that have an intent and no outcome.
fn open_commands(found: &[Stored]) -> Vec<u64> {
    let mut open: Vec<CommandRef> = Vec::new();
    for event in found.iter().filter_map(event) {
        if matches!(event, AccessEvent::CommandIntended { .. }) {
            open.extend(event.command());
        } else if matches!(event, AccessEvent::CommandFinished { .. }) {
            open.retain(|command| event.command() != Some(*command));
        }
    }
    open.into_iter().map(|command| command.sequence).collect()
}

fn access(stored: &Stored) -> Option<&AccessRecord> {
    match &stored.record {
        Record::Access(record) => Some(record),
        Record::Control(_) => None,
    }
}

fn event(stored: &Stored) -> Option<&AccessEvent> {
    access(stored).map(|record| &record.event)
}

/// Time of day to the millisecond; the day stands in the summary.
fn clock(at: Timestamp) -> String {
    at.to_string().get(11..23).unwrap_or_default().to_owned()
}
