//! From a text to a decision: analyse, ask the policy, count against the limits.
//!
//! What a session has analysed it keeps, keyed by text, until anything changes on which the
//! meaning of a text depends.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use model::{Command, Facts, GrantId, IdentityName, Limits, TargetName, Timestamp};
use policy::{Allowed, Coverage, Decision, Denied};
use registry::Registry;
use sql::{Block, Catalog, ClientSettings, CopyDirection, Grounds, Piece, Plan, Refusal};

use crate::clock;
use crate::gate::Gate;
use crate::identified::Who;
use crate::parser::{GrantedColumns, ParserStopped, Question};
use crate::target::Target;

/// Statements that a session keeps analysed.
const PLANS_MAX: usize = 256;
/// Bytes of text, the client's and the forwarded, that it keeps for them.
const PLAN_TEXT_BYTES_MAX: usize = 256 * 1024;

/// Everything on which the meaning of a text depends, beside the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Context {
    catalog_version: u64,
    control_size: u64,
    settings: ClientSettings,
    /// When a grant begins or ends next: what `*` and the catalogs show changes then.
    until: Option<Timestamp>,
}

/// What is recorded of a denied command, and why it was denied.
pub(crate) type DeniedCommand = (Denied, policy::DenyReason);

/// Who asks what of whom.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scene<'a> {
    pub(crate) gate: &'a Gate,
    pub(crate) who: &'a Who,
    pub(crate) target: &'a Target,
}

/// What a session has analysed.
#[derive(Debug, Default)]
pub(crate) struct Plans {
    context: Option<Context>,
    by_text: HashMap<Arc<str>, Known>,
    text_bytes: usize,
    granted: Arc<GrantedColumns>,
}

/// A plan, and what it rests on.
type Known = (Arc<Plan>, Arc<Grounds>);

/// Why there is no plan for a text.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoPlan {
    /// The text is refused.
    #[error(transparent)]
    Refused(Refusal),
    /// The target's catalog has not been read, or not since the connection to it was lost.
    #[error("the target's catalog is not known")]
    NoCatalog,
    /// The gateway itself cannot go on.
    #[error(transparent)]
    Parser(#[from] ParserStopped),
}

/// A plan and the context in which it was made.
#[derive(Clone, Debug)]
pub(crate) struct Planned {
    pub(crate) text: Arc<str>,
    pub(crate) plan: Arc<Plan>,
    pub(crate) catalog_version: u64,
    /// What it rests on, as it was in that catalog.
    pub(crate) grounds: Arc<Grounds>,
}

impl Planned {
    /// True if the target may ask the client for data.
    pub(crate) fn takes_data(&self) -> bool {
        self.plan.copy.as_ref().is_some_and(|copy| copy.direction == CopyDirection::In)
    }
}

impl Plans {
    /// Analyses a text of one statement, or finds what was analysed before in the same context.
    pub(crate) async fn plan(
        &mut self,
        scene: Scene<'_>,
        settings: &ClientSettings,
        text: &str,
    ) -> Result<Planned, NoPlan> {
        let catalog = self.renew(scene, settings)?;
        let catalog_version = catalog.version();
        if let Some(planned) = self.known(text, catalog_version) {
            return Ok(planned);
        }
        let text: Arc<str> = text.into();
        let question = self.question(scene, settings, Arc::clone(&catalog), &text);
        let plan = scene.gate.parsers.analyse(question).await?.map_err(NoPlan::Refused)?;
        let grounds = Arc::new(catalog.grounds(&plan));
        let planned = Planned { text, plan, catalog_version, grounds };
        self.keep(&planned);
        Ok(planned)
    }

    /// As [`Plans::plan`] for a text that may hold several statements: at least one is returned.
    pub(crate) async fn script(
        &mut self,
        scene: Scene<'_>,
        settings: &ClientSettings,
        (text, block): (&str, Block),
    ) -> Result<Vec<Planned>, NoPlan> {
        let catalog = self.renew(scene, settings)?;
        let catalog_version = catalog.version();
        if let Some(planned) = self.known(text, catalog_version) {
            return Ok(vec![planned]);
        }
        let question = self.question(scene, settings, Arc::clone(&catalog), &text.into());
        let pieces = scene.gate.parsers.analyse_script(question, block).await?;
        let planned = |Piece { text, plan }| {
            let grounds = Arc::new(catalog.grounds(&plan));
            Planned { text, plan: Arc::new(plan), catalog_version, grounds }
        };
        let all: Vec<Planned> = pieces.map_err(NoPlan::Refused)?.into_iter().map(planned).collect();
        if let [one] = all.as_slice() {
            self.keep(one);
        }
        Ok(all)
    }

    /// Forgets what was analysed in another context, and returns the catalog of this one.
    fn renew(
        &mut self,
        Scene { gate, who, target }: Scene<'_>,
        settings: &ClientSettings,
    ) -> Result<Arc<Catalog>, NoPlan> {
        let catalog = target.catalog().ok_or(NoPlan::NoCatalog)?;
        let registry = gate.registry();
        let catalog_version = catalog.version();
        let now = clock::now();
        let is_current = self.context.as_ref().is_some_and(|context| {
            context.catalog_version == catalog_version
                && context.control_size == registry.size()
                && context.settings.mean_the_same(settings)
                && context.until.is_none_or(|until| now < until)
        });
        if !is_current {
            let control_size = registry.size();
            self.forget();
            let until = registry.next_change(&who.identity, &target.name, now);
            let settings = settings.clone();
            self.context = Some(Context { catalog_version, control_size, settings, until });
            self.granted = Arc::new(granted(&registry, &who.identity, &target.name, now));
        }
        Ok(catalog)
    }

    fn known(&self, text: &str, catalog_version: u64) -> Option<Planned> {
        let (text, (plan, grounds)) = self.by_text.get_key_value(text)?;
        let (plan, grounds) = (Arc::clone(plan), Arc::clone(grounds));
        Some(Planned { text: Arc::clone(text), plan, catalog_version, grounds })
    }

    /// True if parameters may have these types.
    pub(crate) fn may_take(
        &self,
        scene: Scene<'_>,
        settings: &ClientSettings,
        types: &[u32],
    ) -> bool {
        let Some(catalog) = scene.target.catalog() else { return false };
        let question = self.question(scene, settings, catalog, &Arc::from(""));
        question.ask(|request| types.iter().all(|oid| sql::parameter_type_allowed(request, *oid)))
    }

    fn question(
        &self,
        Scene { gate: _, who, target }: Scene<'_>,
        settings: &ClientSettings,
        catalog: Arc<Catalog>,
        text: &Arc<str>,
    ) -> Question {
        Question {
            text: Arc::clone(text),
            catalog,
            settings: settings.clone(),
            identity: who.identity.clone(),
            target: target.name.clone(),
            granted: Arc::clone(&self.granted),
        }
    }

    fn keep(&mut self, planned: &Planned) {
        let Planned { text, plan, grounds, .. } = planned;
        let size = text.len().saturating_add(plan.forward.len());
        self.text_bytes = self.text_bytes.saturating_add(size);
        if self.by_text.len() >= PLANS_MAX || self.text_bytes > PLAN_TEXT_BYTES_MAX {
            self.by_text.clear();
            self.text_bytes = size;
        }
        if size <= PLAN_TEXT_BYTES_MAX {
            let known = (Arc::clone(plan), Arc::clone(grounds));
            self.by_text.insert(Arc::clone(text), known);
        }
    }

    fn forget(&mut self) {
        self.by_text.clear();
        self.text_bytes = 0;
    }
}

/// What covered a statement when the policy was asked, and under which inventory.
#[derive(Clone, Debug)]
pub(crate) struct Checked {
    pub(crate) coverage: Coverage,
    pub(crate) control_size: u64,
}

/// Asks the policy whether a statement is covered. Used when it is prepared; proves nothing.
pub(crate) fn check(
    Scene { gate, who, target }: Scene<'_>,
    facts: &Facts,
    now: Timestamp,
) -> Result<Checked, policy::DenyReason> {
    let registry = gate.registry();
    let control_size = registry.size();
    let usage = |grant| gate.usage.of(grant);
    match registry.standing(&who.identity, who.credential, &target.name, &usage) {
        Some(standing) => {
            policy::check(facts, &standing, now).map(|coverage| Checked { coverage, control_size })
        }
        None => Err(policy::DenyReason::StandingMismatch),
    }
}

/// Decides one command and counts it against the limits of the grants that cover it.
pub(crate) fn decide(
    Scene { gate, who, target }: Scene<'_>,
    command: Command,
    now: Timestamp,
) -> Result<Allowed, Box<DeniedCommand>> {
    let registry = gate.registry();
    let usage = |grant| gate.usage.of(grant);
    let Some(standing) = registry.standing(&who.identity, who.credential, &target.name, &usage)
    else {
        let reason = policy::DenyReason::StandingMismatch;
        return Err(Box::new((denied(command, reason.code(), registry.size()), reason)));
    };
    match policy::decide(command, &standing, now) {
        Decision::Deny(denied, reason) => Err(Box::new((denied, reason))),
        Decision::Allow(allowed) => {
            if gate.usage.try_command(allowed.charged(), limits(&registry)) {
                return Ok(allowed);
            }
            // Another session took the last command between the decision and the count.
            let command = allowed.into_command();
            let reason = command.facts.touches.first().map_or(
                policy::DenyReason::StandingMismatch,
                |touch| policy::DenyReason::LimitReached {
                    relation: touch.relation.clone(),
                    action: touch.action,
                },
            );
            Err(Box::new((denied(command, reason.code(), registry.size()), reason)))
        }
    }
}

/// The limits of a grant; a grant that is not in the inventory allows nothing.
pub(crate) fn limits(registry: &Registry) -> impl Fn(GrantId) -> Limits + '_ {
    |id| {
        registry
            .grant(id)
            .map_or(Limits { commands: Some(0), rows: Some(0), bytes: Some(0) }, |entry| {
                entry.grant.limits
            })
    }
}

fn denied(command: Command, code: &str, control_size: u64) -> Denied {
    Denied {
        id: command.id,
        identity: command.identity,
        target: command.target,
        text: command.text,
        touches: command.facts.touches.clone(),
        reason: code.to_owned(),
        control_size,
    }
}

/// The columns that the identity's grants on the target cover now: it expands `*`, says what a
/// session's role may do, and decides nothing.
pub(crate) fn granted(
    registry: &Registry,
    identity: &IdentityName,
    target: &TargetName,
    now: Timestamp,
) -> GrantedColumns {
    let mut granted: GrantedColumns = BTreeMap::new();
    for entry in registry.live_grants(identity, target, now).flat_map(|live| &live.grant.scope) {
        // Nothing of the catalog, and no right of a role, goes by channels.
        for action in entry.actions.iter().filter(|action| !action.is_of_channel()) {
            let columns: &mut BTreeSet<String> =
                granted.entry((entry.relation.clone(), *action)).or_default();
            columns.extend(entry.columns.iter().cloned());
            // A function has no columns: its own name stands for it.
            if entry.columns.is_empty() {
                columns.insert(entry.relation.name.clone());
            }
        }
    }
    granted
}
