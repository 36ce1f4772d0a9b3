//! Bind: what the target does for it is a command, where planning may call granted functions.
//!
//! PostgreSQL plans at Bind. Then it evaluates functions that it takes for immutable, and stable ones
//! for its estimates; a function of a schema's owner may do anything. So such a Bind is held back and
//! leaves behind the intent of the Execute that follows it: both are one command. If anything else
//! follows, the Bind is a command of its own.
//!
//! **Invariant:** no Bind whose plan calls a granted function leaves without a permit.
//!
//! Source: PostgreSQL manual, "Function Volatility Categories".

use std::sync::Arc;

use bytes::Bytes;
use model::{Action, Protocol};
use pgwire::frontend::{Close, Execute, FrontendMessage};
use pgwire::pipeline::Expected;
use policy::Coverage;
use sql::Plan;

use crate::clock;
use crate::copying::CopyIn;
use crate::denial::Denial;
use crate::forwarding::{Outgoing, Starting};
use crate::judge::{self, Checked};
use crate::prepared::Statement;
use crate::reply::Reply;
use crate::requests::TOO_LARGE;
use crate::session::{Ending, Session};

/// A message that the target answers.
pub(crate) type Asking = (Bytes, Expected, Reply);

/// A Bind that is not on its way yet.
#[derive(Debug)]
pub(crate) struct Held {
    portal: String,
    /// The Bind, then what is asked about its portal.
    messages: Vec<Asking>,
}

impl Held {
    pub(crate) fn new(portal: &str, bind: Asking, check: Asking) -> Self {
        Self { portal: portal.to_owned(), messages: vec![bind, check] }
    }

    /// True if the message can leave with it.
    fn is_joined_by(&self, message: &FrontendMessage) -> bool {
        match message {
            FrontendMessage::Execute(execute) => *execute.portal == *self.portal,
            FrontendMessage::Describe(describe) => {
                describe.named == pgwire::Named::Portal && *describe.name == *self.portal
            }
            FrontendMessage::Terminate(_) => true,
            FrontendMessage::Sync(_)
            | FrontendMessage::Query(_)
            | FrontendMessage::FunctionCall(_)
            | FrontendMessage::Parse(_)
            | FrontendMessage::Bind(_)
            | FrontendMessage::Close(_)
            | FrontendMessage::Flush(_)
            | FrontendMessage::CopyData(_)
            | FrontendMessage::CopyDone(_)
            | FrontendMessage::CopyFail(_)
            | FrontendMessage::Password(_) => false,
        }
    }
}

/// True if planning the statement may call functions that are not PostgreSQL's own.
pub(crate) fn calls_functions(plan: &Plan) -> bool {
    plan.facts.touches.iter().any(|touch| touch.action == Action::Execute)
}

impl Session {
    /// True if a message must wait until the target has answered what stands before it.
    pub(crate) fn depends_on_others(&self, message: &FrontendMessage) -> bool {
        match message {
            FrontendMessage::Query(_) | FrontendMessage::FunctionCall(_) => true,
            // What an earlier COPY was given is told with its outcome.
            FrontendMessage::Execute(_) if matches!(self.copy_in, CopyIn::Ended(_)) => true,
            FrontendMessage::Execute(_)
            | FrontendMessage::Parse(_)
            | FrontendMessage::Bind(_)
            | FrontendMessage::Describe(_)
            | FrontendMessage::Close(_)
            | FrontendMessage::Flush(_)
            | FrontendMessage::Sync(_)
            | FrontendMessage::Terminate(_)
            | FrontendMessage::CopyData(_)
            | FrontendMessage::CopyDone(_)
            | FrontendMessage::CopyFail(_)
            | FrontendMessage::Password(_) => self.batch.unsettled,
        }
    }

    /// Lets a Bind that was held back go before a message that is not its Execute.
    pub(crate) async fn release_before(&mut self, message: &FrontendMessage) -> Result<(), Ending> {
        match &self.batch.held {
            Some(held) if !held.is_joined_by(message) => self.release().await,
            Some(_) | None => Ok(()),
        }
    }

    /// Lets a Bind that was held back go as a command of its own.
    async fn release(&mut self) -> Result<(), Ending> {
        let Some(held) = self.batch.held.take() else { return Ok(()) };
        let Some(portal) = self.prepared.portal(&held.portal) else { return Ok(()) };
        let planned = match self.plan_again(&portal).await? {
            Ok(planned) => planned,
            Err(denial) => {
                self.batch.held = Some(held);
                return self.deny_in_batch(&portal.statement.planned.text, denial).await;
            }
        };
        let command = self.command(&planned, Protocol::Extended, portal.parameters.clone());
        match judge::decide(self.scene(), command, clock::now()) {
            Ok(allowed) => {
                let Some(pending) = self.intend(allowed).await? else {
                    self.batch.held = Some(held);
                    return self.deny_in_batch(TOO_LARGE, Denial::too_large()).await;
                };
                let starting = Box::new(Starting { pending, planned });
                self.outgoing.push_back(Outgoing::Bind(starting, held.messages));
                Ok(())
            }
            Err(refused) => {
                let (denied, reason) = *refused;
                self.batch.held = Some(held);
                self.record_denial(denied).await?;
                self.fail_batch(&Denial::from(reason).error)
            }
        }
    }

    pub(crate) fn take_close(&mut self, close: Close) {
        let undo = self.prepared.close(close.named, &close.name);
        self.send(close.raw.into_bytes(), Some((Expected::Close, Reply::Close(undo))));
    }

    /// What leaves with an Execute.
    pub(crate) fn held_for(&mut self, execute: &Execute) -> Vec<Asking> {
        match self.batch.held.take() {
            Some(held) if held.portal == *execute.portal => held.messages,
            other => {
                self.batch.held = other;
                Vec::new()
            }
        }
    }

    /// Sends something about a portal behind its Bind.
    pub(crate) fn ask_of_portal(&mut self, portal: &str, (bytes, expected, reply): Asking) {
        match &mut self.batch.held {
            Some(held) if held.portal == portal => held.messages.push((bytes, expected, reply)),
            Some(_) | None => self.send(bytes, Some((expected, reply))),
        }
    }

    /// A Bind that was held back does not go: its batch has failed.
    pub(crate) fn drop_held(&mut self) {
        let Some(held) = self.batch.held.take() else { return };
        for (_, _, reply) in held.messages {
            if let Reply::Bind(undo, _) = reply {
                self.prepared.undo(undo);
            }
        }
    }

    /// Notes the grants under which the target works on a statement, or holds locks for it, before
    /// anything of it is executed. The reason if none covers it any more.
    pub(crate) fn lean_on(
        &mut self,
        statement: &Statement,
        plan: &Arc<Plan>,
    ) -> Result<(), policy::DenyReason> {
        let now = clock::now();
        match &statement.checked {
            Some(checked)
                if checked.control_size == self.gate.registry().size()
                    && now < checked.coverage.until
                    && Arc::ptr_eq(plan, &statement.described) =>
            {
                self.note_grants(&checked.coverage);
            }
            Some(_) | None => {
                let Checked { coverage, .. } = judge::check(self.scene(), &plan.facts, now)?;
                self.note_grants(&coverage);
            }
        }
        Ok(())
    }

    pub(crate) fn note_grants(&mut self, coverage: &Coverage) {
        for grant in &coverage.grants {
            self.transaction_grants.insert(grant.id, coverage.until);
        }
    }
}
