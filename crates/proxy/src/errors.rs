//! What a client may read of a target's errors and notices.
//!
//! PostgreSQL quotes values: `Failing row contains (…)`, `Key (ssn)=(…)`, RAISE in a trigger. So an
//! error is rebuilt: an SQLSTATE that PostgreSQL defines passes; the text passes where it can only
//! speak of the statement itself or of columns that the statement was allowed to read; DETAIL, HINT,
//! CONTEXT, internal query and object names never pass.
//!
//! Source: PostgreSQL manual, "Error and Notice Message Fields" and Appendix A.

use bytes::{Bytes, BytesMut};
use pgwire::backend::Report;
use pgwire::write::{self, ErrorFields, Severity};
use sql::Plan;

use crate::wire::Refused;

/// What the text of an error could quote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Granted columns and the client's own values: nothing else was looked at.
    Granted,
    /// Anything: constraints, triggers, policies, generated columns and views see whole rows.
    Hidden,
}

impl Origin {
    /// Of an error raised while a statement runs.
    pub(crate) fn of(plan: &Plan) -> Self {
        if plan.errors_quote_only_granted { Self::Granted } else { Self::Hidden }
    }
}

/// Rebuilds an error for the client.
pub(crate) fn rebuild(report: &Report, origin: Origin) -> Refused {
    let sqlstate = known_sqlstate(report.sqlstate().unwrap_or("XX000"));
    let passes = match origin {
        Origin::Granted => text_passes(sqlstate),
        // Raised while the statement itself was analysed, before any row was looked at. What a
        // trigger or policy raises comes with its context, also if it parses a text of its own.
        Origin::Hidden => {
            let file = report.field(b'F').unwrap_or_default();
            sqlstate.starts_with("42") && file.starts_with("parse_") && report.field(b'W').is_none()
        }
    };
    let message =
        if passes { report.message().into_owned() } else { canonical(sqlstate).to_owned() };
    Refused::new(sqlstate, message)
}

/// Rebuilds a notice, if it is one of those that say nothing of data.
pub(crate) fn notice(report: &Report) -> Option<Bytes> {
    let sqlstate = report.sqlstate()?;
    // "there is already a transaction in progress", "there is no transaction in progress"
    if !matches!(sqlstate, "25001" | "25P01") {
        return None;
    }
    let message = report.message();
    let mut out = BytesMut::new();
    let fields =
        ErrorFields { severity: Severity::Warning, ..ErrorFields::error(sqlstate, &message) };
    write::notice_response(&mut out, &fields);
    Some(out.freeze())
}

/// True if PostgreSQL itself words such an error, when nothing hidden was looked at.
fn text_passes(sqlstate: &str) -> bool {
    let classes = ["08", "21", "22", "25", "26", "34", "3B", "40", "42", "53", "54", "55", "57"];
    sqlstate.get(..2).is_some_and(|class| classes.contains(&class))
}

/// Words of our own for what may not be quoted (PostgreSQL manual, Appendix A, in short).
fn canonical(sqlstate: &str) -> &'static str {
    match sqlstate {
        "0A000" => "the target does not support this",
        "22001" => "a value is too long for its type",
        "22003" => "a number is out of range",
        "22007" | "22008" => "a date or time is not valid",
        "22012" => "division by zero",
        "22P02" => "a value does not have the form of its type",
        "23502" => "a column that must have a value has none",
        "23503" => "a foreign key constraint is violated",
        "23505" => "duplicate key value violates a unique constraint",
        "23514" => "a check constraint is violated",
        "23P01" => "an exclusion constraint is violated",
        "25006" => "cannot write in a read-only transaction",
        "25P02" => {
            "current transaction is aborted, commands ignored until end of transaction block"
        }
        "25P03" => "the transaction was idle for too long",
        "40001" => "could not serialize access due to concurrent transactions",
        "40P01" => "deadlock detected",
        "42501" => "the target's own rights or policies do not allow this",
        "55P03" => "a lock could not be had",
        "57014" => "canceling statement due to a request or a timeout",
        "57P01" => "terminating connection due to administrator command",
        "P0001" => "the target raised an error (its text is withheld)",
        _ => "the target refused the command (its text is withheld)",
    }
}

/// Interns the code: what a target could put there is five characters of its own choice, for
/// example by RAISE in a trigger, so only codes that PostgreSQL itself defines pass.
fn known_sqlstate(sqlstate: &str) -> &'static str {
    let known = SQLSTATES.iter().find(|known| **known == sqlstate);
    known.copied().unwrap_or("XX000")
}

/// PostgreSQL manual, Appendix A: the codes that a target may report.
#[rustfmt::skip]
const SQLSTATES: &[&str] = &[
    "08000", "08003", "08006", "08001", "08004", "08P01", "0A000", "0B000", "21000",
    "22000", "2202E", "22021", "22008", "22012", "22005", "2200B", "22022", "22015", "2201E",
    "22014", "22016", "2201F", "2201G", "22018", "22007", "22019", "2200D", "22025", "22P06",
    "22010", "22023", "22013", "2201B", "2201W", "2201X", "2202H", "2202G", "22009", "2200C",
    "2200G", "22004", "22002", "22003", "2200H", "22026", "22001", "22011", "22027", "22024",
    "2200F", "22P01", "22P02", "22P03", "22P04", "22P05", "2200L", "2200M", "2200N", "2200S",
    "2200T", "22030", "22031", "22032", "22033", "22034", "22035", "22036", "22037", "22038",
    "22039", "2203A", "2203B", "2203C", "2203D", "2203E", "2203F", "2203G",
    "23000", "23001", "23502", "23503", "23505", "23514", "23P01", "24000",
    "25000", "25001", "25002", "25008", "25003", "25004", "25005", "25006", "25007", "25P01",
    "25P02", "25P03", "25P04", "26000", "27000", "28000", "2B000", "2BP01", "2D000", "2F000",
    "34000", "38000", "39000", "3B000", "3B001", "3D000", "3F000",
    "40000", "40002", "40001", "40003", "40P01",
    "42000", "42601", "42501", "42846", "42803", "42P20", "42P19", "42830", "42602", "42622",
    "42939", "42804", "42P18", "42P21", "42P22", "42809", "428C9", "42703", "42883", "42P01",
    "42P02", "42704", "42701", "42P03", "42P04", "42723", "42P05", "42P06", "42P07", "42712",
    "42710", "42702", "42725", "42P08", "42P09", "42P10", "42611", "42P11", "42P12", "42P13",
    "42P14", "42P15", "42P16", "42P17", "44000",
    "53000", "53100", "53200", "53300", "53400", "54000", "54001", "54011", "54023",
    "55000", "55006", "55P02", "55P03", "55P04", "57000", "57014", "57P01", "57P02", "57P03",
    "57P04", "57P05", "58000", "58030", "58P01", "58P02", "72000", "F0000", "F0001", "HV000",
    "P0000", "P0001", "P0002", "P0003", "P0004", "XX000", "XX001", "XX002",
];

#[cfg(test)]
mod tests {
    use pgwire::{BackendDecoder, BackendEvent, BackendMessage};

    use super::*;

    #[test]
    fn a_text_passes_only_where_it_can_quote_nothing_hidden() {
        use Origin::{Granted, Hidden};
        #[rustfmt::skip]
        let cases = [
            // code   file              context  origin   passes
            ("22P02", "numutils.c",     None,    Granted, true),
            ("22P02", "numutils.c",     None,    Hidden,  false),
            ("42703", "parse_rel.c",    None,    Hidden,  true),
            ("42703", "parse_rel.c",    Some(1), Hidden,  false),
            ("42501", "pl_exec.c",      None,    Hidden,  false),
            ("23505", "nbtinsert.c",    None,    Granted, false),
            ("23514", "pl_exec.c",      Some(1), Hidden,  false),
            ("40001", "pl_exec.c",      Some(1), Hidden,  false),
            ("P0001", "pl_exec.c",      Some(1), Granted, false),
            ("XX000", "x.c",            None,    Granted, false),
        ];
        for (sqlstate, file, context, origin, passes) in cases {
            let mut fields = vec![('C', sqlstate), ('M', "quotes 123-45-6789"), ('F', file)];
            fields.extend(context.map(|_| ('W', "PL/pgSQL function f() line 1")));
            let refused = rebuild(&report(&fields), origin);
            assert_eq!(refused.message.contains("123"), passes, "{sqlstate} {file} {origin:?}");
        }
    }

    fn report(fields: &[(char, &str)]) -> Report {
        let mut body = Vec::new();
        for (code, text) in fields {
            body.push(u8::try_from(*code).unwrap());
            body.extend_from_slice(text.as_bytes());
            body.push(0);
        }
        body.push(0);
        let mut decoder = BackendDecoder::new();
        decoder.receive(b"E");
        decoder.receive(&u32::try_from(body.len()).unwrap().saturating_add(4).to_be_bytes());
        decoder.receive(&body);
        let event = decoder.poll_event().unwrap().unwrap();
        let BackendEvent::Message(BackendMessage::ErrorResponse(report)) = event else {
            panic!("{event:?}");
        };
        report
    }

    #[test]
    fn a_code_that_postgresql_does_not_define_carries_nothing() {
        assert_eq!(known_sqlstate("23505"), "23505");
        assert_eq!(known_sqlstate("A1B2C"), "XX000");
    }
}
