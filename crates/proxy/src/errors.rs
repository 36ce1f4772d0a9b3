//! What a client may read of a target's errors and notices.
//!
//! PostgreSQL quotes values: `Failing row contains (…)`, `Key (ssn)=(…)`, RAISE in a trigger. So a
//! report passes whole only where nothing on the target is hidden from the client. Else it passes
//! field by field, where its origin shows that it can only speak of the statement itself or of
//! columns that the client may read; what does not pass reads as words of our own.
//!
//! What PL code raises comes with a context (`W`), which the code cannot leave out, and no PL code
//! can say that it is another source file (`F`). The page `docs/decisions/0015-errors.md` has the
//! table.
//!
//! Source: PostgreSQL manual, "Error and Notice Message Fields" and Appendix A.

mod names;
mod sqlstates;

use std::borrow::Cow;

use bytes::{Bytes, BytesMut};
use pgwire::backend::Report;
use pgwire::write::{self, Severity};
use sql::Plan;

pub(crate) use names::Names;

use crate::wire::Refused;

/// What the text of an error could quote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Anything, and the client may read it all: nothing on the target is hidden from it.
    Open,
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

/// How much of a report passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Passes {
    /// All of it.
    Whole,
    /// What it says of the statement: message, place, and where PostgreSQL's source says so.
    Spoken,
    /// The same with the names of the constraint, its table and column. No value is in these.
    Named,
    /// Its code, with words of our own.
    Code,
}

/// What PostgreSQL says when a prepared statement's columns have changed. Drivers prepare it again.
pub(crate) const PLAN_CHANGED: &str = "cached plan must not change result type";

/// The fields of [`Passes::Spoken`].
const SPOKEN: &[u8] = b"SVCMPFLR";
/// The fields of [`Passes::Named`].
const NAMED: &[u8] = b"SVCMPFLRstcn";

/// Where PostgreSQL itself says that a constraint is violated: the message names it and no value.
const CONSTRAINTS: [(&str, &str, &str); 6] = [
    ("23502", "execMain.c", "ExecConstraints"),
    ("23502", "execMain.c", "ReportNotNullViolationError"),
    ("23503", "ri_triggers.c", "ri_ReportViolation"),
    ("23505", "nbtinsert.c", "_bt_check_unique"),
    ("23514", "execMain.c", "ExecConstraints"),
    ("23P01", "execIndexing.c", "check_exclusion_or_unique_constraint"),
];

/// How the client's own statement differs from what was forwarded.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// Where in its text the target points.
    pub(crate) place: Option<u32>,
    /// What its names mean.
    pub(crate) names: Names,
    /// Whether the client may read every column of the relation that the report names.
    pub(crate) shows_relation: bool,
}

/// The client's error for an error of the target.
pub(crate) fn error(report: &Report, origin: Origin, told: &Told) -> Bytes {
    let mut out = BytesMut::new();
    let mut passes = passes(report, origin);
    if passes == Passes::Code && told.shows_relation && is_constraint(report) {
        passes = Passes::Named;
    }
    let fields = match passes {
        Passes::Whole => fields(report, told, |_code| true),
        Passes::Spoken => fields(report, told, |code| SPOKEN.contains(&code)),
        Passes::Named => fields(report, told, |code| NAMED.contains(&code)),
        Passes::Code => return withheld(report).error(),
    };
    let written = write::error_fields(&mut out, fields.iter().map(|(code, b)| (*code, &**b)));
    if written.is_ok() { out.freeze() } else { withheld(report).error() }
}

/// The client's notice for a notice of the target, if it may read one.
pub(crate) fn notice(report: &Report, origin: Origin, told: &Told) -> Option<Bytes> {
    let mut out = BytesMut::new();
    let fields = match origin {
        Origin::Open => fields(report, told, |_code| true),
        Origin::Granted | Origin::Hidden if is_harmless(report) => {
            fields(report, told, |code| SPOKEN.contains(&code))
        }
        Origin::Granted | Origin::Hidden => return None,
    };
    write::notice_fields(&mut out, fields.iter().map(|(code, b)| (*code, &**b))).ok()?;
    Some(out.freeze())
}

/// A field of a report: its code and its text.
type Field<'r> = (u8, Cow<'r, [u8]>);

/// The fields that pass, in the client's words: a place is one in its own text, or is left out.
fn fields<'r>(report: &'r Report, told: &Told, passes: impl Fn(u8) -> bool) -> Vec<Field<'r>> {
    let mut fields = Vec::new();
    for (code, bytes) in report.fields().filter(|(code, _)| passes(*code)) {
        let spoken = match (code, std::str::from_utf8(bytes)) {
            (b'P', _) => match told.place {
                Some(place) => Cow::Owned(place.to_string().into_bytes()),
                None => continue,
            },
            (_, Ok(text)) => match told.names.spoken(report, code, text) {
                Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
                Cow::Owned(text) => Cow::Owned(text.into_bytes()),
            },
            (_, Err(_)) => Cow::Borrowed(bytes),
        };
        fields.push((code, spoken));
    }
    fields
}

/// The place that a report gives.
pub(crate) fn place(report: &Report) -> Option<u32> {
    report.field(b'P')?.parse().ok()
}

fn withheld(report: &Report) -> Refused {
    let sqlstate = sqlstates::known(report.sqlstate().unwrap_or("XX000"));
    Refused::new(sqlstate, sqlstates::canonical(sqlstate))
}

fn passes(report: &Report, origin: Origin) -> Passes {
    let sqlstate = report.sqlstate().unwrap_or("XX000");
    if report.is_fatal() {
        return Passes::Code;
    }
    match origin {
        Origin::Open => Passes::Whole,
        Origin::Granted | Origin::Hidden if says_plan_changed(report) => Passes::Spoken,
        Origin::Granted if runs_code(report) || sqlstates::known(sqlstate) != sqlstate => {
            Passes::Code
        }
        Origin::Granted => match sqlstate.get(..2).unwrap_or_default() {
            // Their details and hints name columns that are not granted, or other sessions.
            "42" if matches!(sqlstate, "42703" | "42P01") => Passes::Spoken,
            "08" | "40" | "53" | "54" | "55" | "57" => Passes::Spoken,
            "21" | "22" | "25" | "26" | "34" | "3B" | "42" => Passes::Whole,
            _ => Passes::Code,
        },
        // Raised while the statement itself was analysed, before any row was looked at. What a
        // trigger or policy raises comes with its context, also if it parses a text of its own.
        Origin::Hidden => {
            let file = report.field(b'F').unwrap_or_default();
            let is_analysis = sqlstate.starts_with("42") && file.starts_with("parse_");
            if is_analysis && report.field(b'W').is_none() { Passes::Spoken } else { Passes::Code }
        }
    }
}

/// True if it is PostgreSQL's own word that a prepared statement must be prepared again.
pub(crate) fn says_plan_changed(report: &Report) -> bool {
    report.sqlstate() == Some("0A000")
        && report.message() == PLAN_CHANGED
        && report.field(b'F').as_deref() == Some("plancache.c")
        && !runs_code(report)
}

/// True if it was raised inside of something that runs a text of its own: a function, a trigger, a
/// query of the target's.
fn runs_code(report: &Report) -> bool {
    let is_of_value = |line: &str| line.starts_with("JSON data, line ");
    report.field(b'W').is_some_and(|context| !context.lines().all(is_of_value))
        || report.field(b'q').is_some()
}

/// True if PostgreSQL itself, and no code of the target's, says that a constraint is violated.
fn is_constraint(report: &Report) -> bool {
    let field = |code| report.field(code).unwrap_or_default();
    let (file, routine) = (field(b'F'), field(b'R'));
    let is_known = |(sqlstate, from, by): &(&str, &str, &str)| {
        report.sqlstate() == Some(*sqlstate) && file == *from && routine == *by
    };
    let is_code = report.field(b'W').is_some() || report.field(b'q').is_some();
    !is_code && !report.is_fatal() && CONSTRAINTS.iter().any(is_known)
}

/// True for the notices that say nothing of data, and that no code of the target raises.
fn is_harmless(report: &Report) -> bool {
    let is_known = match report.sqlstate() {
        // "there is already a transaction in progress", "there is no transaction in progress"
        Some("25001" | "25P01") => true,
        // "identifier "…" will be truncated to "…""
        Some("42622") => report.field(b'F').as_deref() == Some("scansup.c"),
        Some(_) | None => false,
    };
    let severity = report.field(b'V');
    is_known && severity.as_deref() != Some(Severity::Error.as_str()) && !runs_code(report)
}

#[cfg(test)]
mod tests {
    use pgwire::{BackendDecoder, BackendEvent, BackendMessage};

    use super::*;

    #[test]
    fn a_text_passes_only_where_it_can_quote_nothing_hidden() {
        use Origin::{Granted, Hidden, Open};
        #[rustfmt::skip]
        let cases = [
            // code   file              context  origin   passes
            ("22P02", "numutils.c",     None,    Granted, true),
            ("22P02", "numutils.c",     None,    Hidden,  false),
            ("22P02", "pl_exec.c",      Some(1), Granted, false),
            ("42703", "parse_rel.c",    None,    Hidden,  true),
            ("42703", "parse_rel.c",    Some(1), Hidden,  false),
            ("42501", "pl_exec.c",      None,    Hidden,  false),
            ("23505", "nbtinsert.c",    None,    Granted, false),
            ("23505", "nbtinsert.c",    None,    Open,    true),
            ("23514", "pl_exec.c",      Some(1), Hidden,  false),
            ("40001", "pl_exec.c",      Some(1), Hidden,  false),
            ("P0001", "pl_exec.c",      Some(1), Granted, false),
            ("P0001", "pl_exec.c",      Some(1), Open,    true),
            ("XX000", "x.c",            None,    Granted, false),
            ("A1B2C", "x.c",            None,    Granted, false),
            ("A1B2C", "pl_exec.c",      Some(1), Open,    true),
        ];
        for (sqlstate, file, context, origin, passes) in cases {
            let mut fields = vec![
                ('S', "ERROR"),
                ('V', "ERROR"),
                ('C', sqlstate),
                ('M', "quotes 123-45-6789"),
                ('F', file),
            ];
            fields.extend(context.map(|_| ('W', "PL/pgSQL function f() line 1")));
            let bytes = error(&report(&fields), origin, &Told::default());
            let text = String::from_utf8_lossy(&bytes).into_owned();
            assert_eq!(text.contains("123"), passes, "{sqlstate} {file} {origin:?}: {text}");
        }
    }

    #[test]
    fn drivers_read_that_a_plan_has_changed_if_postgresql_itself_says_so() {
        #[rustfmt::skip]
        let cases = [
            // file          message                  context  passes
            ("plancache.c",  PLAN_CHANGED,            None,    true),
            ("plancache.c",  "cached plan 123-45",    None,    false),
            ("plancache.c",  PLAN_CHANGED,            Some(1), false),
            ("pl_exec.c",    PLAN_CHANGED,            None,    false),
        ];
        for (file, message, context, passes) in cases {
            let mut fields = vec![('C', "0A000"), ('M', message), ('F', file), ('R', "Routine")];
            fields.extend(context.map(|_| ('W', "PL/pgSQL function f() line 1")));
            for origin in [Origin::Granted, Origin::Hidden] {
                let bytes = error(&report(&fields), origin, &Told::default());
                let text = String::from_utf8_lossy(&bytes).into_owned();
                let seen = text.contains(PLAN_CHANGED) && text.contains("RRoutine");
                assert_eq!(seen, passes, "{file} {message} {origin:?}: {text}");
            }
        }
    }

    #[test]
    fn a_place_is_the_clients_or_none() {
        let fields = [('S', "ERROR"), ('C', "42883"), ('M', "no"), ('H', "help"), ('P', "77")];
        let text = |place| {
            let bytes = error(&report(&fields), Origin::Open, &Told { place, ..Told::default() });
            String::from_utf8_lossy(bytes.get(5..).unwrap()).into_owned()
        };
        assert_eq!(text(Some(8)), "SERROR\0C42883\0Mno\0Hhelp\0P8\0\0");
        assert_eq!(text(None), "SERROR\0C42883\0Mno\0Hhelp\0\0");
    }

    #[test]
    fn the_name_of_a_violated_constraint_passes_where_its_relation_is_shown_and_no_value_does() {
        #[rustfmt::skip]
        let cases = [
            // code   file           routine             context  shown  passes
            ("23505", "nbtinsert.c", "_bt_check_unique", None,    true,  true),
            ("23505", "nbtinsert.c", "_bt_check_unique", None,    false, false),
            ("23505", "nbtinsert.c", "_bt_check_unique", Some(1), true,  false),
            ("23505", "pl_exec.c",   "_bt_check_unique", None,    true,  false),
            ("23514", "execMain.c",  "ExecConstraints",  None,    true,  true),
            ("23514", "pl_exec.c",   "exec_stmt_raise",  Some(1), true,  false),
        ];
        for (sqlstate, file, routine, context, shown, passes) in cases {
            let mut fields = vec![
                ('S', "ERROR"),
                ('V', "ERROR"),
                ('C', sqlstate),
                ('M', "violates \"t_key\""),
                ('D', "Key (ssn)=(123-45-6789)"),
                ('t', "t"),
                ('n', "t_key"),
                ('F', file),
                ('R', routine),
            ];
            fields.extend(context.map(|_| ('W', "SQL statement \"INSERT …\"")));
            let told = Told { shows_relation: shown, ..Told::default() };
            for origin in [Origin::Granted, Origin::Hidden] {
                let bytes = error(&report(&fields), origin, &told);
                let text = String::from_utf8_lossy(&bytes).into_owned();
                assert_eq!(text.contains("t_key"), passes, "{sqlstate} {file} {shown}: {text}");
                assert!(!text.contains("123"), "{text}");
            }
        }
    }

    #[test]
    fn a_hint_that_could_name_a_column_is_left_out() {
        let fields =
            [('S', "ERROR"), ('C', "42703"), ('M', "no"), ('H', "ssn"), ('F', "parse_r.c")];
        for origin in [Origin::Granted, Origin::Hidden] {
            let bytes = error(&report(&fields), origin, &Told::default());
            assert!(!String::from_utf8_lossy(&bytes).contains("ssn"), "{origin:?}");
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
}
