//! What a statement means by the name of a cursor or of a prepared statement, and what statements do
//! to these names.
//!
//! FETCH, EXECUTE and `WHERE CURRENT OF` name what an earlier command made, perhaps by another
//! protocol. What the name stands for is analysed again at that moment, so that grants, masks and
//! catalog are those of now, and must still be what the target has under the name.
//!
//! **Invariant:** a name that the session does not know is refused. So is one that stands for a
//! statement that itself names something: each name is looked up once.
//!
//! **Invariant:** two names that differ here differ on the target. It keeps the first
//! [`sql::NAME_BYTES_MAX`] bytes of a name, so a longer one is refused wherever it comes from.

use std::sync::Arc;

use model::{Action, RelationName};
use pgwire::Named;
use pgwire::frontend::FrontendMessage;
use pgwire::pipeline::Expected;
use sql::{Effect, Plan, Uses};

use crate::denial::Denial;
use crate::judge::Planned;
use crate::portals::Portal;
use crate::prepared::{Kept, Made, Prepared, Statement};
use crate::reply::Reply;
use crate::session::{Ending, Session};
use crate::wire::{self, Refused};

/// True if the target would cut a name of this message, and so take it for another.
pub(crate) fn is_cut(message: &FrontendMessage) -> bool {
    let is_long = |name: &str| name.len() > sql::NAME_BYTES_MAX;
    match message {
        FrontendMessage::Parse(parse) => is_long(&parse.name),
        FrontendMessage::Bind(bind) => is_long(&bind.portal) || is_long(&bind.statement),
        FrontendMessage::Describe(describe) => is_long(&describe.name),
        FrontendMessage::Execute(execute) => is_long(&execute.portal),
        FrontendMessage::Close(close) => is_long(&close.name),
        FrontendMessage::Query(_)
        | FrontendMessage::Flush(_)
        | FrontendMessage::Sync(_)
        | FrontendMessage::Terminate(_)
        | FrontendMessage::FunctionCall(_)
        | FrontendMessage::CopyData(_)
        | FrontendMessage::CopyDone(_)
        | FrontendMessage::CopyFail(_)
        | FrontendMessage::Password(_) => false,
    }
}

pub(crate) fn too_long() -> Refused {
    let most = sql::NAME_BYTES_MAX;
    let message = format!("the name of a statement or portal may have at most {most} bytes");
    Refused::new("42622", message)
}

impl Session {
    /// Completes the plans of a text's statements. A name that one of them makes is known to those
    /// behind it.
    pub(crate) async fn resolve_all(
        &mut self,
        script: Vec<Planned>,
    ) -> Result<Result<Vec<Planned>, Denial>, Ending> {
        let before = (script.len() > 1).then(|| self.prepared.clone());
        let mut all = Vec::with_capacity(script.len());
        let mut denied = None;
        for planned in script {
            match self.resolve(planned).await? {
                Ok(planned) if before.is_some() => {
                    self.prepared.follow(&planned.plan.effect, Kept::will_be(&planned));
                    all.push(planned);
                }
                Ok(planned) => all.push(planned),
                Err(denial) => {
                    denied = Some(denial);
                    break;
                }
            }
        }
        if let Some(before) = before {
            self.prepared = before;
        }
        Ok(denied.map_or(Ok(all), Err))
    }

    /// Completes the plan of a statement with what its name stands for now.
    pub(crate) async fn resolve(
        &mut self,
        planned: Planned,
    ) -> Result<Result<Planned, Denial>, Ending> {
        if let Err(full) = self.has_room_for(&planned) {
            return Ok(Err(Denial::of_name(full)));
        }
        let named = match &planned.plan.uses {
            Uses::Nothing => return Ok(Ok(planned)),
            Uses::Cursor { name, .. } | Uses::Position { cursor: name, .. } => {
                let portal = self.prepared.portal(name).ok_or_else(|| no_cursor(name));
                portal.map(|portal| Arc::clone(&portal.statement))
            }
            Uses::Statement { name } => {
                let statement = self.prepared.statement(name);
                statement.ok_or_else(|| Prepared::unknown(Named::Statement, name))
            }
        };
        let named = match named {
            Ok(statement) => match self.plan_statement(&statement).await? {
                Ok(named) => named,
                Err(denial) => return Ok(Err(denial)),
            },
            Err(unknown) => return Ok(Err(Denial::of_name(unknown))),
        };
        if let Err(denial) = may_name(&planned.plan.uses, &named.plan) {
            return Ok(Err(denial));
        }
        if let Err(refusal) = planned.plan.check_arguments(&named.plan) {
            return Ok(Err(Denial::from(refusal)));
        }
        let plan = Arc::new(planned.plan.resolved(&named.plan));
        let grounds = match &planned.plan.uses {
            Uses::Cursor { .. } | Uses::Statement { .. } => named.grounds,
            Uses::Nothing | Uses::Position { .. } => Arc::clone(&planned.grounds),
        };
        Ok(Ok(Planned { plan, grounds, ..planned }))
    }

    /// The plan that says which columns a statement is described with. As in PostgreSQL, a name that
    /// stands for nothing is an error only when the statement runs; until then it has no columns.
    pub(crate) async fn plan_described(
        &mut self,
        planned: &Planned,
    ) -> Result<Result<Arc<Plan>, Denial>, Ending> {
        let names_something = match &planned.plan.uses {
            Uses::Nothing => false,
            Uses::Cursor { name, .. } | Uses::Position { cursor: name, .. } => {
                self.prepared.portal(name).is_some()
            }
            Uses::Statement { name } => self.prepared.statement(name).is_some(),
        };
        if !names_something {
            if let Err(full) = self.has_room_for(planned) {
                return Ok(Err(Denial::of_name(full)));
            }
            return Ok(Ok(Arc::clone(&planned.plan)));
        }
        Ok(self.resolve(planned.clone()).await?.map(|planned| planned.plan))
    }

    /// Analyses what a portal runs once more.
    pub(crate) async fn plan_again(
        &mut self,
        portal: &Portal,
    ) -> Result<Result<Planned, Denial>, Ending> {
        let planned = match self.plan_statement(&portal.statement).await? {
            Ok(planned) => match self.resolve(planned).await? {
                Ok(planned) => planned,
                Err(denial) => return Ok(Err(denial)),
            },
            Err(denial) => return Ok(Err(denial)),
        };
        let named = |plan: &Plan| plan.kept.as_ref().map(|kept| Arc::clone(&kept.forward));
        if named(&portal.plan) == named(&planned.plan) {
            Ok(Ok(planned))
        } else {
            Ok(Err(Denial::statement_changed()))
        }
    }

    /// Analyses a prepared statement once more. It must be the one that the target has.
    async fn plan_statement(
        &mut self,
        statement: &Statement,
    ) -> Result<Result<Planned, Denial>, Ending> {
        let planned = match self.plan(&statement.planned.text).await? {
            Ok(planned) => planned,
            Err(denial) => return Ok(Err(denial)),
        };
        let plan = match statement.made {
            Made::Protocol => Some(Arc::clone(&planned.plan)),
            Made::Sql => planned.plan.kept.clone(),
        };
        match plan {
            Some(plan) if plan.forward == statement.planned.plan.forward => {
                Ok(Ok(Planned { plan, ..planned }))
            }
            Some(_) | None => Ok(Err(Denial::statement_changed())),
        }
    }

    /// Checks that what a statement would keep has room.
    fn has_room_for(&self, planned: &Planned) -> Result<(), Refused> {
        let bytes = planned.text.len().saturating_add(planned.plan.forward.len());
        match &planned.plan.effect {
            Effect::Declare { .. } => self.prepared.may_declare(bytes, &self.gate.limits),
            Effect::Prepare(_) => self.prepared.may_prepare(&self.gate.limits),
            Effect::None
            | Effect::Begin
            | Effect::Commit
            | Effect::Rollback
            | Effect::Savepoint(_)
            | Effect::Release(_)
            | Effect::RollbackTo(_)
            | Effect::Set { .. }
            | Effect::ResetAll
            | Effect::Close(_)
            | Effect::Deallocate(_)
            | Effect::DiscardAll => Ok(()),
        }
    }

    /// Sets again on the target what the client asked for when it connected. Returns whether there is
    /// anything: then the client's `ReadyForQuery` waits for it.
    pub(crate) fn restore(&mut self) -> Result<bool, Ending> {
        let Some(text) = self.settings.restoring() else { return Ok(false) };
        self.send(wire::query(&text)?, Some((Expected::Query, Reply::Restore)));
        self.batch.waiting = true;
        Ok(true)
    }
}

fn no_cursor(name: &str) -> Refused {
    Refused::new("34000", format!("cursor \"{name}\" does not exist"))
}

/// Checks that a statement may name such another one.
fn may_name(uses: &Uses, named: &Plan) -> Result<(), Denial> {
    if named.effect != Effect::None || named.uses != Uses::Nothing || named.is_empty {
        let message = "only SELECT, INSERT, UPDATE and DELETE can be run by a name";
        return Err(Denial::not_supported("nested_use", message));
    }
    match uses {
        Uses::Nothing | Uses::Statement { .. } => Ok(()),
        Uses::Cursor { .. } if !named.outputs.is_empty() => Ok(()),
        Uses::Cursor { .. } => {
            Err(Denial::not_supported("cursor_without_rows", "a portal without rows"))
        }
        Uses::Position { relation, .. } if reads_only(named, relation) => Ok(()),
        Uses::Position { .. } => {
            let message = "CURRENT OF needs a cursor that reads the changed relation and no other";
            Err(Denial::not_supported("current_of", message))
        }
    }
}

fn reads_only(plan: &Plan, relation: &RelationName) -> bool {
    let mut touches = plan.facts.touches.iter();
    // FOR UPDATE touches what it locks as UPDATE does.
    !plan.facts.touches.is_empty()
        && touches.all(|touch| {
            touch.relation == *relation && matches!(touch.action, Action::Select | Action::Update)
        })
}
