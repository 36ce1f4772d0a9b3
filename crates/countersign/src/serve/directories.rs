//! What the admin side asks the data path.

use std::collections::BTreeSet;

use api::{
    Answer, DirectoryError, FindingWeight, SessionDirectory, SessionInfo, TargetCheck,
    TargetDirectory, TargetFinding, TargetInfo,
};
use model::{GrantId, RelationName, TargetName};
use proxy::{Finding, GatewayView, Preflight, Reach, RelationColumns, Weight};

use crate::settings::Settings;

const REACHABLE: &str = "reachable";
const UNREACHABLE: &str = "cannot be reached; the gateway's log says why";

/// The targets, as the data path sees them.
#[derive(Debug)]
pub(super) struct Targets {
    view: GatewayView,
    known: Vec<Known>,
}

/// What the settings say of a target.
#[derive(Debug)]
struct Known {
    name: TargetName,
    address: String,
    mode: &'static str,
    masked_columns: u64,
}

impl Targets {
    pub(super) fn new(settings: &Settings, view: GatewayView) -> Self {
        let known = settings.targets.iter().map(|target| Known {
            name: target.name.clone(),
            address: target.address(),
            mode: target.mode(),
            masked_columns: u64::try_from(target.masks.len()).unwrap_or(u64::MAX),
        });
        Self { known: known.collect(), view }
    }
}

impl TargetDirectory for Targets {
    fn columns<'a>(
        &'a self,
        target: &'a TargetName,
        relation: &'a RelationName,
    ) -> Answer<'a, Result<Vec<String>, DirectoryError>> {
        let answer = match self.view.columns(target, relation) {
            RelationColumns::Columns(columns) => Ok(columns),
            RelationColumns::UnknownTarget => Err(DirectoryError::UnknownTarget(target.clone())),
            RelationColumns::UnknownRelation => {
                Err(DirectoryError::UnknownRelation(relation.clone()))
            }
            RelationColumns::CatalogUnknown => Err(DirectoryError::Unavailable {
                target: target.clone(),
                reason: "its catalog cannot be read; the gateway's log says why".to_owned(),
            }),
        };
        Box::pin(std::future::ready(answer))
    }

    fn check<'a>(
        &'a self,
        target: &'a TargetName,
        schemas: Option<BTreeSet<String>>,
    ) -> Answer<'a, Result<TargetCheck, DirectoryError>> {
        Box::pin(async move {
            let reach = schemas.map_or(Reach::Everywhere, Reach::Schemas);
            let found = |mode: &str, findings| {
                Ok(TargetCheck { target: target.clone(), mode: mode.to_owned(), findings })
            };
            match self.view.preflight(target, &reach).await {
                Preflight::UnknownTarget => Err(DirectoryError::UnknownTarget(target.clone())),
                Preflight::MaskOnly(findings) => {
                    found(model::MODE_MASK_ONLY, findings.into_iter().map(finding).collect())
                }
                Preflight::Failed(reason) => {
                    Err(DirectoryError::Unavailable { target: target.clone(), reason })
                }
                Preflight::Findings(findings) => {
                    found(model::MODE_FENCED, findings.into_iter().map(finding).collect())
                }
            }
        })
    }

    fn describe(&self) -> Vec<TargetInfo> {
        let describe = |known: &Known| TargetInfo {
            name: known.name.clone(),
            address: known.address.clone(),
            mode: known.mode.to_owned(),
            masked_columns: known.masked_columns,
            state: if self.view.is_reachable(&known.name) { REACHABLE } else { UNREACHABLE }
                .to_owned(),
        };
        self.known.iter().map(describe).collect()
    }
}

fn finding(found: Finding) -> TargetFinding {
    let Finding { code, object, what, sql, weight } = found;
    let weight = match weight {
        Weight::Hole => FindingWeight::Hole,
        Weight::Lack => FindingWeight::Lack,
        Weight::Note => FindingWeight::Note,
    };
    TargetFinding { code, object, what, sql, weight }
}

/// The open sessions, and what is used of the grants.
#[derive(Debug)]
pub(super) struct Sessions(pub(super) GatewayView);

impl SessionDirectory for Sessions {
    fn sessions(&self) -> Vec<SessionInfo> {
        let shown = |session: proxy::OpenSession| SessionInfo {
            session: session.session,
            identity: session.identity,
            target: session.target,
            peer: session.peer,
            tls: session.tls,
            opened_at: session.opened_at,
            commands: session.commands,
            denied: session.denied,
            rows: session.rows,
            state: "open".to_owned(),
            application: session.application,
        };
        self.0.sessions().into_iter().map(shown).collect()
    }

    fn usage(&self, grant: GrantId) -> policy::Usage {
        self.0.usage(grant)
    }
}
