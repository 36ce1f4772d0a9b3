//! The populations as CSV (RFC 4180): what an assessor draws a sample from.
//!
//! One line per thing, with the number of its record. All cells are quoted and safe for a
//! spreadsheet. Several values in one cell are separated by spaces; a name that is not plain stands
//! in double quotes, as PostgreSQL would write it.

use crate::checks::Scope;
use crate::history::{Ending, History, Intended};
use crate::report::Report;
use crate::table::{Table, joined, or_empty, quoted};

/// The cells of a line, whatever their types.
macro_rules! cells {
    ($($cell:expr),* $(,)?) => { [$(String::from($cell.to_string())),*] };
}

mod notifications;

/// Makes each CSV file by its name.
pub(crate) fn files(
    report: &Report,
    scope: &Scope,
    history: &History,
) -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("identities.csv", identities(report)),
        ("grants.csv", grants(report)),
        ("commands.csv", commands(scope, history)),
        ("denials.csv", denials(scope, history)),
        ("notifications.csv", notifications::notifications(scope, history)),
        ("redactions.csv", redactions(scope, history)),
        ("sessions.csv", sessions(report)),
        ("authentication_failures.csv", failures(report)),
        ("administration.csv", administration(report)),
        ("findings.csv", findings(report)),
        ("exceptions.csv", exceptions(report)),
    ]
}

fn identities(report: &Report) -> Vec<u8> {
    let mut table = Table::new(&[
        "identity",
        "kind",
        "owner",
        "state",
        "created_at",
        "created_by",
        "created_record",
        "changed_record",
        "expires_at",
        "live_credential",
        "sessions",
        "allowed",
        "denied",
        "last_used",
    ]);
    for row in &report.artefacts.inventory.rows {
        let live = row.credentials.iter().filter(|credential| credential.state == "live");
        table.line(cells![
            row.identity,
            crate::names::kind_name(row.kind),
            row.owner,
            row.state,
            row.created_at,
            row.created_by,
            row.created_record,
            row.changed_record,
            or_empty(row.expires_at),
            joined(live.map(|credential| credential.credential)),
            row.sessions,
            row.allowed,
            row.denied,
            or_empty(row.last_used),
        ]);
    }
    table.into_bytes()
}

fn grants(report: &Report) -> Vec<u8> {
    let mut table = Table::new(&[
        "grant",
        "hash",
        "identity",
        "target",
        "task",
        "purpose",
        "on_behalf_of",
        "requested_by",
        "approved_by",
        "accepted_holes",
        "not_before",
        "expires_at",
        "state",
        "revoked_at",
        "commands_max",
        "rows_max",
        "bytes_max",
        "created_record",
        "relation",
        "action",
        "grant_commands",
        "grant_rows",
        "action_commands",
        "columns_used",
        "columns_unused",
    ]);
    for row in &report.artefacts.grants.rows {
        for part in &row.scope {
            table.line(cells![
                row.grant,
                row.hash.0,
                row.identity,
                row.target,
                row.task,
                row.purpose,
                or_empty(row.on_behalf_of.as_ref()),
                row.requested_by,
                row.approved_by,
                row.accepted_holes.join(" "),
                row.not_before,
                row.expires_at,
                row.state,
                or_empty(row.revoked.as_ref().map(|revoked| revoked.at)),
                or_empty(row.limits.commands),
                or_empty(row.limits.rows),
                or_empty(row.limits.bytes),
                row.created_record,
                part.relation,
                part.action,
                row.commands,
                row.rows,
                part.commands,
                joined(&part.used),
                joined(&part.unused),
            ]);
        }
    }
    table.into_bytes()
}

fn commands(scope: &Scope, history: &History) -> Vec<u8> {
    let mut table = Table::new(&[
        "record",
        "at",
        "session",
        "sequence",
        "identity",
        "target",
        "protocol",
        "statement",
        "touches",
        "functions",
        "grants",
        "control_size",
        "outcome_record",
        "result",
        "sqlstate",
        "rows",
        "affected",
        "bytes",
        "duration_us",
        "redacted_values",
    ]);
    for command in history.commands.iter().filter(|command| scope.has(command)) {
        let outcome = outcome(command);
        table.line(
            cells![
                command.record,
                command.at,
                command.id.session,
                command.id.sequence,
                command.identity,
                command.target,
                crate::names::protocol_name(command.protocol),
                crate::names::statement_name(command.facts.kind),
                touches(&command.facts.touches),
                joined(&command.facts.functions),
                joined(command.grants.iter().map(|grant| grant.id)),
                command.control_size,
            ]
            .into_iter()
            .chain(outcome),
        );
    }
    table.into_bytes()
}

fn outcome(command: &Intended) -> [String; 8] {
    let empty = String::new;
    let without = |state: &str| {
        [empty(), state.to_owned(), empty(), empty(), empty(), empty(), empty(), empty()]
    };
    match &command.ending {
        Ending::Running => without("running"),
        Ending::Missing => without("missing"),
        Ending::Recorded(finished) => cells![
            finished.record,
            if finished.is_undone {
                "rolled_back"
            } else {
                crate::names::result_name(finished.result)
            },
            or_empty(finished.sqlstate.as_ref()),
            finished.rows,
            or_empty(finished.affected.as_ref()),
            finished.bytes,
            finished.duration_us,
            finished.redactions.iter().fold(0_u64, |sum, one| sum.saturating_add(one.values)),
        ],
    }
}

fn touches(touches: &[model::Touch]) -> String {
    let parts = touches.iter().map(|touch| {
        let columns: Vec<String> = touch.columns.iter().map(|column| quoted(column)).collect();
        let relation = quoted(&touch.relation.to_string());
        format!("{}:{relation}({})", touch.action, columns.join(","))
    });
    parts.collect::<Vec<_>>().join(" ")
}

fn denials(scope: &Scope, history: &History) -> Vec<u8> {
    let mut table = Table::new(&[
        "record",
        "at",
        "session",
        "sequence",
        "identity",
        "target",
        "reason",
        "touches",
        "control_size",
    ]);
    for denial in &history.denials {
        if scope.covers(denial.at, Some(&denial.identity), Some(&denial.target)) {
            table.line(cells![
                denial.record,
                denial.at,
                denial.id.session,
                denial.id.sequence,
                denial.identity,
                denial.target,
                denial.reason,
                touches(&denial.touches),
                denial.control_size,
            ]);
        }
    }
    table.into_bytes()
}

fn redactions(scope: &Scope, history: &History) -> Vec<u8> {
    let mut table = Table::new(&[
        "record",
        "command_record",
        "at",
        "identity",
        "target",
        "relation",
        "column",
        "mask",
        "values",
    ]);
    for command in history.commands.iter().filter(|command| scope.has(command)) {
        let Ending::Recorded(finished) = &command.ending else { continue };
        for redaction in &finished.redactions {
            table.line(cells![
                finished.record,
                command.record,
                finished.at,
                command.identity,
                command.target,
                redaction.column.relation,
                redaction.column.column,
                redaction.column.mask,
                redaction.values,
            ]);
        }
    }
    table.into_bytes()
}

fn sessions(report: &Report) -> Vec<u8> {
    let mut table = Table::new(&[
        "session",
        "identity",
        "target",
        "peer",
        "tls",
        "mode",
        "application",
        "opened_at",
        "closed_at",
        "end",
        "allowed",
        "denied",
        "opened_record",
        "closed_record",
    ]);
    for row in &report.artefacts.sessions.rows {
        table.line(cells![
            row.session,
            row.identity,
            row.target,
            row.peer,
            row.tls,
            row.mode,
            row.application,
            row.opened_at,
            or_empty(row.closed_at),
            or_empty(row.end.map(crate::names::end_name)),
            row.allowed,
            row.denied,
            row.opened_record,
            or_empty(row.closed_record),
        ]);
    }
    table.into_bytes()
}

fn failures(report: &Report) -> Vec<u8> {
    let mut table = Table::new(&["record", "at", "claimed", "target", "peer", "reason"]);
    for row in &report.artefacts.authentication_failures.rows {
        table.line(cells![
            row.record,
            row.at,
            or_empty(row.claimed.as_ref()),
            or_empty(row.target.as_ref()),
            row.peer,
            row.reason,
        ]);
    }
    table.into_bytes()
}

fn administration(report: &Report) -> Vec<u8> {
    let mut table = Table::new(&["record", "at", "by", "kind", "subject", "detail"]);
    for row in &report.artefacts.administration.rows {
        table.line(cells![row.record, row.at, row.by, row.kind, row.subject, row.detail]);
    }
    table.into_bytes()
}

fn findings(report: &Report) -> Vec<u8> {
    let mut table = Table::new(&[
        "control",
        "objective",
        "label",
        "state",
        "coverage",
        "why",
        "implemented",
        "who",
        "what",
    ]);
    for control in &report.controls {
        for finding in &control.findings {
            table.line(cells![
                control.control,
                finding.objective,
                finding.label,
                finding.state,
                finding.coverage,
                finding.why,
                or_empty(finding.implemented),
                finding.attestation.who,
                finding.attestation.what,
            ]);
        }
    }
    table.into_bytes()
}

fn exceptions(report: &Report) -> Vec<u8> {
    let mut table = Table::new(&["check", "ledger", "record", "what"]);
    for check in &report.checks {
        for exception in &check.exceptions {
            table.line(cells![check.id.id(), exception.ledger, exception.record, exception.what]);
        }
    }
    table.into_bytes()
}
