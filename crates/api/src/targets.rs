//! Targets: what a role of a target's fence could reach beyond its grants.
//!
//! Source: NIST SP 800-53 AC-6 (least privilege), CA-7 (continuous monitoring).

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use model::{Action, Scope, ScopeEntry, TargetName};

use crate::answer::{ApiError, parse};
use crate::{ApiState, DirectoryError, FindingWeight, TargetCheck, TargetDirectory, TargetFinding};

/// The code of a masked column by which rows are kept in order. It is a hole for who writes it.
const MASKED_ORDER: &str = "masked_order";

pub(crate) async fn check(
    State(state): State<Arc<ApiState>>,
    Path(name): Path<String>,
) -> Result<Json<TargetCheck>, ApiError> {
    let name: TargetName = parse(&name)?;
    match state.targets.check(&name, None).await {
        Ok(found) => Ok(Json(found)),
        Err(error @ (DirectoryError::UnknownTarget(_) | DirectoryError::UnknownRelation(_))) => {
            Err(ApiError::not_found(error.to_string()))
        }
        Err(error @ DirectoryError::Unavailable { .. }) => {
            Err(ApiError::invalid(error.to_string()))
        }
    }
}

/// The holes that a grant of this scope would leave open, each of which someone accepts: its id.
///
/// # Errors
///
/// What is open and not accepted, a line each, with the SQL that closes it.
pub(crate) async fn accepted_holes(
    targets: &dyn TargetDirectory,
    (target, scope): (&TargetName, &Scope),
    accepted: &BTreeSet<String>,
) -> Result<BTreeSet<String>, Vec<String>> {
    let is_of_channel = |line: &&ScopeEntry| line.actions.iter().all(|a| a.is_of_channel());
    let of_catalog = scope.iter().filter(|line| !is_of_channel(line));
    let schemas = of_catalog.map(|line| line.relation.schema.clone()).collect();
    let found = match targets.check(target, Some(schemas)).await {
        Ok(found) => found,
        Err(error) => return Err(vec![error.to_string()]),
    };
    let (mut open, mut taken) = (Vec::new(), BTreeSet::new());
    for mut finding in found.findings {
        if finding.code == MASKED_ORDER && scope.iter().any(|line| writes(line, &finding.object)) {
            finding.weight = FindingWeight::Hole;
        }
        let is_accepted = accepted.contains(&finding.code) || accepted.contains(&finding.id());
        match (finding.weight, is_accepted) {
            (FindingWeight::Note, _) => {}
            (FindingWeight::Hole, true) => _ = taken.insert(finding.id()),
            (FindingWeight::Hole | FindingWeight::Lack, _) => open.push(shown(&finding)),
        }
    }
    if open.is_empty() {
        return Ok(taken);
    }
    open.push(
        "close each with its SQL, or accept one on record with --accept-hole CODE:OBJECT (or CODE)"
            .to_owned(),
    );
    Err(open)
}

/// True if the line lets a column, `schema.relation.column`, be written.
fn writes(line: &ScopeEntry, column: &str) -> bool {
    let writes =
        [Action::Insert, Action::Update].iter().any(|action| line.actions.contains(action));
    writes && line.columns.iter().any(|name| format!("{}.{name}", line.relation) == column)
}

fn shown(finding: &TargetFinding) -> String {
    let close = if finding.sql.is_empty() { "no SQL closes it" } else { &finding.sql };
    format!("{}: {}\n    {close}", finding.id(), finding.what)
}
