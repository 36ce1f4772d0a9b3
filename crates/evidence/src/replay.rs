//! Decides every command and every notification again, from the inventory as it was, and lists what comes out differently.
//!
//! Each access record names the size of the control ledger under which it was decided. So the
//! inventory at that size is folded, and `policy` is asked the question that the gateway asked.
//!
//! What cannot be replayed: which of an identity's credentials a session used (records do not name
//! it; the identity must have had a live one), and refusals by the SQL analysis (the statement's
//! text is a commitment).

use std::borrow::Cow;
use std::time::Duration;

use model::{
    ControlRecord, CredentialId, Facts, GrantRef, IdentityName, Notification, TargetName, Timestamp,
};
use policy::{DenyReason, LiveGrant, Standing, Usage, check};
use registry::{GrantEntry, Registry};

use crate::EvidenceError;
use crate::checks::{Answers, Scope};
use crate::history::{Fate, History, Intended, Notified};
use crate::report::CheckId;
use crate::source::Source;
use crate::usage::{CountRows, UsageLog};

/// Within this time the end of an authority must bite (promise P8).
const ENDS_WITHIN: Duration = Duration::from_secs(1);

/// What had been used of each grant, by the two ways of counting rows.
struct Used {
    settled: UsageLog,
    in_flight: UsageLog,
}

/// What was decided: a command, or that a notification may pass.
#[derive(Clone)]
struct Judged<'a> {
    record: u64,
    at: Timestamp,
    identity: &'a IdentityName,
    target: &'a TargetName,
    credential: Option<CredentialId>,
    control_size: u64,
    grants: &'a [GrantRef],
    facts: Cow<'a, Facts>,
}

/// One decision to be compared with the inventory of one size.
struct Question<'a> {
    size: usize,
    judged: Judged<'a>,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The size that the record names.
    AsRecorded,
    /// A later size that the gateway must have known.
    Fresh,
}

/// Makes the checks that ask the inventory.
///
/// # Errors
///
/// [`EvidenceError::Inventory`] if a control record says what cannot be.
pub(crate) fn replay(
    answers: &mut Answers,
    scope: &Scope,
    source: &Source,
    history: &History,
) -> Result<(), EvidenceError> {
    let usage = Used {
        settled: UsageLog::new(history, CountRows::AtOutcome),
        in_flight: UsageLog::new(history, CountRows::AtIntent),
    };
    let mut registry = Registry::default();
    let mut applied = 0_usize;
    for question in questions(answers, scope, source, history) {
        for (index, record) in (0..).zip(&source.control).take(question.size).skip(applied) {
            apply(&mut registry, index, record)?;
        }
        applied = applied.max(question.size);
        match question.kind {
            Kind::AsRecorded => compare(answers, &registry, &usage, &question.judged),
            Kind::Fresh => compare_fresh(answers, &registry, &usage, &question.judged),
        }
    }
    for (index, record) in (0..).zip(&source.control).skip(applied) {
        apply(&mut registry, index, record)?;
    }
    examine_limits(answers, scope, &registry, &usage, history);
    examine_sessions(answers, scope, &registry, history);
    Ok(())
}

fn apply(registry: &mut Registry, index: u64, record: &ControlRecord) -> Result<(), EvidenceError> {
    registry
        .apply(record)
        .map_err(|error| EvidenceError::Inventory { index, error: error.to_string() })
}

/// What to ask, in the order of the control ledger's size, so that one fold serves all.
/// Everything that was allowed, commands before notifications.
fn decisions<'a>(scope: &Scope, history: &'a History) -> impl Iterator<Item = Judged<'a>> {
    let commands = history.commands.iter().filter(|command| scope.has(command));
    let notified = history.notifications.iter().filter(|notified| {
        scope.covers(notified.at, Some(&notified.identity), Some(&notified.target))
    });
    commands.map(Judged::of_command).chain(notified.filter_map(Judged::of_notification))
}

impl<'a> Judged<'a> {
    fn of_command(command: &'a Intended) -> Self {
        Self {
            record: command.record,
            at: command.at,
            identity: &command.identity,
            target: &command.target,
            credential: command.credential,
            control_size: command.control_size,
            grants: &command.grants,
            facts: Cow::Borrowed(&command.facts),
        }
    }

    /// Nothing if it was dropped.
    fn of_notification(notified: &'a Notified) -> Option<Self> {
        let Fate::Delivered { grants, bytes: _ } = &notified.fate else { return None };
        Some(Self {
            record: notified.record,
            at: notified.at,
            identity: &notified.identity,
            target: &notified.target,
            credential: notified.credential,
            control_size: notified.control_size,
            grants,
            facts: Cow::Owned(Notification::facts_of(&notified.channel)),
        })
    }
}

fn questions<'a>(
    answers: &mut Answers,
    scope: &Scope,
    source: &Source,
    history: &'a History,
) -> Vec<Question<'a>> {
    let latest = running_maximum(source);
    let mut questions = Vec::new();
    for judged in decisions(scope, history) {
        answers.examined(CheckId::ControlCovers);
        answers.examined(CheckId::AuthorityFresh);
        let size = usize::try_from(judged.control_size).unwrap_or(usize::MAX);
        if size > source.control.len() {
            let what = format!(
                "decided under control size {}, but the package has {}",
                judged.control_size,
                source.control.len()
            );
            answers.exception(CheckId::ControlCovers, judged.record, what);
        }
        let size = size.min(source.control.len());
        questions.push(Question { size, judged: judged.clone(), kind: Kind::AsRecorded });
        let is_known = |at: &Timestamp| at.saturating_add(ENDS_WITHIN) <= judged.at;
        let known = latest.partition_point(is_known);
        if known > size {
            questions.push(Question { size: known, judged, kind: Kind::Fresh });
        }
    }
    questions.sort_by_key(|question| question.size);
    questions
}

/// For each control record the latest time up to it, so that a clock set back makes nothing older.
fn running_maximum(source: &Source) -> Vec<Timestamp> {
    let mut latest = Timestamp::EPOCH;
    let times = source.control.iter().map(|record| {
        latest = latest.max(record.at);
        latest
    });
    times.collect()
}

/// Compares a decision with the inventory under which it says it was decided.
fn compare(answers: &mut Answers, registry: &Registry, usage: &Used, judged: &Judged<'_>) {
    let record = judged.record;
    for id in [
        CheckId::IdentityKnown,
        CheckId::IdentityStood,
        CheckId::ScopeCovers,
        CheckId::DecisionReplays,
        CheckId::GrantsAgree,
    ] {
        answers.examined(id);
    }
    let grants = recorded_grants(answers, registry, judged);
    let Some(identity) = registry.identity(judged.identity) else {
        let what = format!("{} is not in the inventory", judged.identity);
        answers.exception(CheckId::IdentityKnown, record, what);
        return;
    };
    let own = Standing {
        identity: &identity.name,
        target: judged.target,
        enabled: true,
        identity_expires_at: None,
        credential_ok: true,
        credential_expires_at: None,
        grants: grants.iter().map(|entry| unused(entry)).collect(),
        control_size: registry.size(),
    };
    match check(&judged.facts, &own, judged.at) {
        Err(
            reason @ (DenyReason::NoGrant { .. }
            | DenyReason::ColumnsNotGranted { .. }
            | DenyReason::NothingToJudge),
        ) => answers.exception(CheckId::ScopeCovers, record, describe(&reason)),
        // A window or a limit is another check's business.
        Ok(_)
        | Err(
            DenyReason::OutsideWindow { .. }
            | DenyReason::LimitReached { .. }
            | DenyReason::StandingMismatch
            | DenyReason::IdentityDisabled
            | DenyReason::IdentityExpired
            | DenyReason::CredentialEnded,
        ) => {}
    }
    let replayed = decide(registry, &usage.settled, judged);
    let with_rows_in_flight = || decide(registry, &usage.in_flight, judged);
    match replayed {
        Ok(covering) if covering == judged.grants => {}
        Ok(_) if with_rows_in_flight().is_ok_and(|covering| covering == judged.grants) => {}
        Ok(covering) => {
            let names = |refs: &[GrantRef]| -> String {
                let ids: Vec<String> = refs.iter().map(|grant| grant.id.to_string()).collect();
                ids.join(", ")
            };
            let what = format!(
                "recorded under [{}], replayed under [{}]",
                names(judged.grants),
                names(&covering)
            );
            answers.exception(CheckId::GrantsAgree, record, what);
        }
        Err(reason) => {
            if reason.ends_session() {
                answers.exception(CheckId::IdentityStood, record, describe(&reason));
            }
            answers.exception(CheckId::DecisionReplays, record, describe(&reason));
        }
    }
}

/// Compares a decision with control records that were older than [`ENDS_WITHIN`] when it was decided.
fn compare_fresh(answers: &mut Answers, registry: &Registry, usage: &Used, judged: &Judged<'_>) {
    if let Err(reason) = decide(registry, &usage.settled, judged) {
        let what = format!(
            "decided under control size {}, but at size {}: {}",
            judged.control_size,
            registry.size(),
            describe(&reason)
        );
        answers.exception(CheckId::AuthorityFresh, judged.record, what);
    }
}

/// Asks the question that the gateway asked.
fn decide(
    registry: &Registry,
    usage: &UsageLog,
    judged: &Judged<'_>,
) -> Result<Vec<GrantRef>, DenyReason> {
    // Records that do not name the credential are of sessions with a token: there was nothing else.
    let credential = judged
        .credential
        .or_else(|| registry.token_of(judged.identity, judged.at).map(|token| token.id));
    let Some(credential) = credential else { return Err(DenyReason::CredentialEnded) };
    let used = |grant| usage.before(grant, judged.record);
    let standing = registry
        .standing(judged.identity, credential, judged.target, &used)
        .ok_or(DenyReason::StandingMismatch)?;
    check(&judged.facts, &standing, judged.at).map(|coverage| coverage.grants)
}

/// Looks up the grants that the record names, and says what is wrong with them.
fn recorded_grants<'r>(
    answers: &mut Answers,
    registry: &'r Registry,
    judged: &Judged<'_>,
) -> Vec<&'r GrantEntry> {
    let record = judged.record;
    let mut found = Vec::new();
    for named in judged.grants {
        answers.examined(CheckId::GrantOnRecord);
        answers.examined(CheckId::GrantLive);
        answers.examined(CheckId::PurposePresent);
        let id = named.id;
        let Some(entry) = registry.grant(id) else {
            answers.exception(
                CheckId::GrantOnRecord,
                record,
                format!("{id} is not in the inventory"),
            );
            continue;
        };
        let grant = &entry.grant;
        if entry.hash != named.hash {
            let what = format!("{id} has another hash in the inventory");
            answers.exception(CheckId::GrantOnRecord, record, what);
            continue;
        }
        if grant.identity != *judged.identity || grant.target != *judged.target {
            let what = format!("{id} is {} on {}", grant.identity, grant.target);
            answers.exception(CheckId::GrantOnRecord, record, what);
        }
        if let Some(revoked) = &entry.revoked {
            let what = format!("{id} was revoked at {}", revoked.at);
            answers.exception(CheckId::GrantLive, record, what);
        } else if !entry.is_live(judged.at) {
            let what = format!("{id} was live from {} to {}", grant.not_before, grant.expires_at);
            answers.exception(CheckId::GrantLive, record, what);
        }
        if grant.task.trim().is_empty() || grant.purpose.trim().is_empty() {
            answers.exception(
                CheckId::PurposePresent,
                record,
                format!("{id} has no task or purpose"),
            );
        }
        found.push(entry);
    }
    found
}

fn unused(entry: &GrantEntry) -> LiveGrant<'_> {
    LiveGrant { grant: &entry.grant, hash: &entry.hash, usage: Usage::default() }
}

/// The code and what it is about. The reader of a package may see what a client may not.
fn describe(reason: &DenyReason) -> String {
    let code = reason.code();
    match reason {
        DenyReason::NoGrant { relation, action }
        | DenyReason::OutsideWindow { relation, action }
        | DenyReason::LimitReached { relation, action } => {
            format!("{code}: {action} on {relation}")
        }
        DenyReason::ColumnsNotGranted { relation, action, columns } => {
            let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
            format!("{code}: {action} on {relation} ({})", columns.join(", "))
        }
        DenyReason::StandingMismatch
        | DenyReason::IdentityDisabled
        | DenyReason::IdentityExpired
        | DenyReason::CredentialEnded
        | DenyReason::NothingToJudge => code.to_owned(),
    }
}

/// Compares the use of each grant over its whole life with its limits.
fn examine_limits(
    answers: &mut Answers,
    scope: &Scope,
    registry: &Registry,
    usage: &Used,
    history: &History,
) {
    let ids: std::collections::BTreeSet<_> = decisions(scope, history)
        .flat_map(|judged| judged.grants.iter().map(|grant| grant.id))
        .collect();
    for entry in ids.into_iter().filter_map(|id| registry.grant(id)) {
        answers.examined(CheckId::LimitsKept);
        if let Some((record, over)) = usage.settled.over(&entry.grant).next() {
            let what = format!(
                "{} is over its limits: {} commands and {} rows",
                entry.grant.id, over.commands, over.rows
            );
            answers.exception(CheckId::LimitsKept, record, what);
        }
    }
}

/// Each session's identity and target must exist at the end, as nothing is ever removed.
fn examine_sessions(answers: &mut Answers, scope: &Scope, registry: &Registry, history: &History) {
    for session in history.sessions.values() {
        if !scope.covers(session.opened_at, Some(&session.identity), Some(&session.target)) {
            continue;
        }
        answers.examined(CheckId::IdentityKnown);
        if registry.identity(&session.identity).is_none() {
            let what = format!("{} is not in the inventory", session.identity);
            answers.exception(CheckId::IdentityKnown, session.record, what);
        }
    }
}
