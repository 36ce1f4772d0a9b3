//! Builds a package: records → joined history and inventory → checks → findings → files.

use std::collections::BTreeMap;

use ledger::leaf_hash;

use crate::checks::{Answers, Scope, examine};
use crate::error::EvidenceError;
use crate::escape::json;
use crate::findings::judge;
use crate::history::History;
use crate::listings::{Case, list};
use crate::manifest::{File, Manifest, NAME};
use crate::provenance::Provenance;
use crate::replay::replay;
use crate::report::{
    Artefacts, Check, CheckId, FORMAT, Filters, LedgerSummary, Report, Totals, Window,
};
use crate::source::Source;
use crate::{html, populations};

pub(crate) const CONTROL_RECORDS: &str = "records/control.jsonl";
pub(crate) const ACCESS_RECORDS: &str = "records/access.jsonl";
pub(crate) const CONTROL_HASHES: &str = "records/control.hashes";
pub(crate) const ACCESS_HASHES: &str = "records/access.hashes";
pub(crate) const CONTROL_CHECKPOINT: &str = "checkpoints/control";
pub(crate) const ACCESS_CHECKPOINT: &str = "checkpoints/access";

/// All that a package is made from.
#[derive(Clone, Debug)]
pub struct Input {
    /// The leaves of the control ledger, from the first one to the checkpoint's last.
    pub control_leaves: Vec<Vec<u8>>,
    /// The control ledger's checkpoint, as a signed note. Read it after the access ledger's, so that
    /// it covers every decision.
    pub control_checkpoint: String,
    /// The leaves of the access ledger, from the first one to the checkpoint's last.
    pub access_leaves: Vec<Vec<u8>>,
    /// The access ledger's checkpoint, as a signed note.
    pub access_checkpoint: String,
    /// The time to cover.
    pub window: Window,
    /// What to limit it to.
    pub filters: Filters,
    /// Version of the program that builds it.
    pub tool_version: String,
}

/// A package: its files, and the report that they hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package {
    /// Content by path, with `/` between the parts.
    pub files: BTreeMap<String, Vec<u8>>,
    /// What `report.json` says.
    pub report: Report,
}

/// Builds a package. Equal inputs give equal bytes.
///
/// The checkpoints' signatures are not checked here: [`crate::verify_package`] does, with a key that
/// comes from elsewhere.
///
/// # Errors
///
/// [`EvidenceError`] if the leaves are not those under the checkpoints, are no records, make no
/// inventory, or if the window or a filter asks for nothing.
pub fn build(input: Input) -> Result<Package, EvidenceError> {
    if input.window.from >= input.window.to {
        return Err(EvidenceError::EmptyWindow);
    }
    let source = Source::read(&input)?;
    let scope = Scope { window: input.window, filters: input.filters.clone() };
    let history = History::fold(&source.access);
    let report = report(&source, &scope, &history, &input.tool_version)?;

    let mut files: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let mut add = |name: &str, content: Vec<u8>| files.insert(name.to_owned(), content);
    add("report.json", json(&report).map_err(write_error)?);
    add("report.html", html::report(&report, &history, &scope).map_err(write_error)?);
    add("README.md", html::readme(&report).map_err(write_error)?);
    for (name, content) in populations::files(&report, &scope, &history) {
        add(name, content);
    }
    add(CONTROL_RECORDS, lines(&input.control_leaves));
    add(CONTROL_HASHES, hashes(&input.control_leaves));
    add(CONTROL_CHECKPOINT, input.control_checkpoint.into_bytes());
    add(ACCESS_RECORDS, lines(&input.access_leaves));
    add(ACCESS_HASHES, hashes(&input.access_leaves));
    add(ACCESS_CHECKPOINT, input.access_checkpoint.into_bytes());

    let manifest = Manifest {
        format: FORMAT.to_owned(),
        tool_version: input.tool_version,
        window: input.window,
        filters: input.filters,
        files: files.iter().map(|(name, content)| (name.clone(), File::of(content))).collect(),
    };
    files.insert(NAME.to_owned(), json(&manifest).map_err(write_error)?);
    Ok(Package { files, report })
}

fn report(
    source: &Source,
    scope: &Scope,
    history: &History,
    tool_version: &str,
) -> Result<Report, EvidenceError> {
    let everything = source.registry(source.control.len())?;
    if let Some(name) = &scope.filters.identity
        && everything.identity(name).is_none()
    {
        return Err(EvidenceError::UnknownIdentity(name.clone()));
    }
    if let Some(name) = &scope.filters.target
        && everything.target(name).is_none()
    {
        return Err(EvidenceError::UnknownTarget(name.clone()));
    }
    let size = source.control_size_at(scope.window.to);
    let inventory = source.registry(size)?;
    let until_end = source.control.get(..size).unwrap_or(&source.control);
    let (control, access) =
        (source.control_summary(&scope.window), source.access_summary(&scope.window));
    let artefacts = list(&Case {
        scope,
        source,
        history,
        inventory: &inventory,
        provenance: &Provenance::fold(until_end),
        control: &control,
        access: &access,
    });
    let mut answers = Answers::new();
    examine(&mut answers, scope, history, &Provenance::fold(&source.control));
    replay(&mut answers, scope, source, history)?;
    examine_owners(&mut answers, &artefacts);
    let checks = answers.into_checks();
    Ok(Report {
        format: FORMAT,
        tool_version: tool_version.to_owned(),
        window: scope.window,
        filters: scope.filters.clone(),
        excludes: excludes(scope, &access),
        totals: totals(&artefacts, &checks),
        controls: judge(&checks),
        control,
        access,
        checks,
        artefacts,
    })
}

fn examine_owners(answers: &mut Answers, artefacts: &Artefacts) {
    for row in &artefacts.inventory.rows {
        answers.examined(CheckId::OwnerPresent);
        if row.owner.trim().is_empty() {
            let what = format!("{} has no owner", row.identity);
            answers.control_exception(CheckId::OwnerPresent, row.created_record, what);
        }
    }
}

fn totals(artefacts: &Artefacts, checks: &[Check]) -> Totals {
    let sum = |of: &dyn Fn(&crate::rows::UseRow) -> u64| {
        artefacts.usage.rows.iter().map(of).fold(0_u64, u64::saturating_add)
    };
    let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    let unused = artefacts.grants.rows.iter().filter(|grant| grant.commands == 0).count();
    let unknown = artefacts.unfinished.rows.iter().filter(|row| row.state == "unknown").count();
    Totals {
        identities: artefacts.inventory.count,
        grants: artefacts.grants.count,
        grants_unused: count(unused),
        sessions: artefacts.sessions.count,
        allowed: sum(&|row| row.allowed),
        denied: sum(&|row| row.denied),
        authentication_failures: artefacts.authentication_failures.count,
        unknown: count(unknown),
        rows: sum(&|row| row.rows),
        affected: sum(&|row| row.affected),
        redacted: sum(&|row| row.redacted),
        exceptions: count(checks.iter().map(|check| check.exceptions.len()).sum()),
    }
}

/// What the whole package cannot show, said in the report.
fn excludes(scope: &Scope, access: &LedgerSummary) -> Vec<String> {
    let mut out = vec![
        "Traffic that does not pass the gateway. It shows in the target's own log, which is not here."
            .to_owned(),
        "The texts of statements and their parameters: the records hold salted commitments to them."
            .to_owned(),
        "Which of an identity's credentials a session used, where its record is of a release that did \
         not name it. The replay then asks that the identity had a live token."
            .to_owned(),
        "Commands running when the checkpoint was made have no outcome yet.".to_owned(),
    ];
    if let Some(last) = access.last_at.filter(|last| *last < scope.window.to) {
        out.push(format!(
            "Anything after {last}: the access ledger's checkpoint reaches no further, although the \
             window ends later."
        ));
    }
    let filters = &scope.filters;
    out.extend(filters.identity.as_ref().map(|name| {
        format!("Identities other than {name}. The records of all of them are in the package.")
    }));
    out.extend(filters.target.as_ref().map(|name| {
        format!("Targets other than {name}. The records of all of them are in the package.")
    }));
    out
}

fn lines(leaves: &[Vec<u8>]) -> Vec<u8> {
    leaves.iter().flat_map(|leaf| leaf.iter().copied().chain([b'\n'])).collect()
}

fn hashes(leaves: &[Vec<u8>]) -> Vec<u8> {
    let hash = |leaf: &Vec<u8>| leaf_hash(leaf).to_string().into_bytes();
    lines(&leaves.iter().map(hash).collect::<Vec<_>>())
}

fn write_error(error: impl std::fmt::Display) -> EvidenceError {
    EvidenceError::Write(error.to_string())
}
