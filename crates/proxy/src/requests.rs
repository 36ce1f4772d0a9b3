//! client ─▶ analyse ─▶ decide ─▶ record: what a client asks, up to the edge of the target.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use journal::{JournalError, PendingPermit};
use model::{Command, CommandRef, Parameter, Protocol};
use pgwire::frontend::{Bind, Describe, Execute, FrontendMessage, Parse};
use pgwire::pipeline::Expected;
use pgwire::{Named, TransactionStatus};
use policy::Allowed;
use sql::{Effect, Plan};
use tokio::time::Instant;

use crate::binding::{Held, calls_functions};
use crate::copying::CopyIn;
use crate::denial::Denial;
use crate::doubts::may_change;
use crate::forwarding::{Outgoing, Starting};
use crate::judge::{self, Planned, Scene};
use crate::parameters;
use crate::portals::Portal;
use crate::prepared::{Made, Prepared, Statement};
use crate::reply::{Judged, Reply};
use crate::reports::Asked;
use crate::session::{Ending, Session};
use crate::wire::{self, Refused};
use crate::{clock, names};

/// How long a session may deal with requests before it looks at time and authority again.
const TURN_MAX: Duration = Duration::from_millis(10);
/// Messages for the target that one turn may make.
const TURN_MESSAGES_MAX: usize = 256;

/// What stands in the record in the place of a text that is too large for it.
pub(crate) const TOO_LARGE: &str = "(a command too large to be recorded)";

impl Session {
    /// Deals with every message that has arrived, up to the end of a batch.
    pub(crate) async fn take_requests(&mut self) -> Result<(), Ending> {
        let turn_ends = Instant::now().checked_add(TURN_MAX);
        self.check_server()?;
        self.has_more_requests = false;
        if !self.follow_grants().await? {
            return Ok(());
        }
        if self.is_settled()
            && let Some(message) = self.batch.deferred.take()
        {
            self.batch.unsettled = false;
            self.take_request(message).await?;
        }
        while self.takes_requests() {
            let is_over = turn_ends.is_none_or(|end| end <= Instant::now());
            if is_over || self.outgoing.len() >= TURN_MESSAGES_MAX {
                self.has_more_requests = true;
                break;
            }
            let message = self.client.decoder.poll_message().map_err(Ending::Client)?;
            let Some(message) = message else { break };
            self.take_request(message).await?;
        }
        // What a client does not read, or the target, must not pile up: the rest waits for room.
        self.has_more_requests |= !self.has_room();
        self.flush_outgoing().await
    }

    async fn take_request(&mut self, message: FrontendMessage) -> Result<(), Ending> {
        let Some(message) = self.take_copy_message(message)? else { return Ok(()) };
        self.release_before(&message).await?;
        match message {
            FrontendMessage::Terminate(_) => Err(Ending::Terminated),
            FrontendMessage::Sync(_) if self.must_look_before_sync() => {
                self.defer(message);
                Ok(())
            }
            FrontendMessage::Sync(message) => self.take_sync(message.into_bytes()),
            _ if self.batch.skipping => Ok(()),
            _ if names::is_cut(&message) => self.fail_batch(&names::too_long()),
            _ if self.depends_on_others(&message) && !self.is_settled() => {
                self.defer(message);
                Ok(())
            }
            FrontendMessage::Query(query) => self.take_query(query).await,
            FrontendMessage::Parse(parse) => self.take_parse(parse).await,
            FrontendMessage::Bind(bind) => self.take_bind(&bind).await,
            FrontendMessage::Describe(describe) => self.take_describe(describe),
            FrontendMessage::Execute(execute) => self.take_execute(execute).await,
            FrontendMessage::Close(close) => {
                self.take_close(close);
                Ok(())
            }
            FrontendMessage::Flush(message) => {
                // Outside of a batch it has nothing to flush; PostgreSQL answers nothing either.
                if self.batch.forwarded {
                    self.send(message.into_bytes(), None);
                }
                Ok(())
            }
            FrontendMessage::FunctionCall(_) => self.take_function_call().await,
            // Outside of COPY, PostgreSQL drops these too: one has failed.
            FrontendMessage::CopyData(_)
            | FrontendMessage::CopyDone(_)
            | FrontendMessage::CopyFail(_) => Ok(()),
            FrontendMessage::Password(_) => {
                Err(Ending::ClientRefused("a password message after authentication"))
            }
        }
    }

    /// True if the target has answered all that it was sent.
    pub(crate) fn is_settled(&self) -> bool {
        self.replies.is_empty() && self.outgoing.is_empty()
    }

    /// Lets a message wait for what stands before it in its batch: one that ends the batch without a
    /// Sync, or depends on what a command before it does to the session. If that fails, the message
    /// is dropped unanswered, as everything up to the next Sync.
    fn defer(&mut self, message: FrontendMessage) {
        self.batch.deferred = Some(message);
        self.send(wire::flush(), None);
    }

    async fn take_parse(&mut self, parse: Parse) -> Result<(), Ending> {
        if let Err(problem) = self.prepared.may_parse(&parse.name, &self.gate.limits) {
            return self.fail_batch(&problem);
        }
        let statement = match self.judge_parse(&parse).await? {
            Ok(statement) => statement,
            Err(denial) => {
                if parse.name.is_empty() {
                    // As in PostgreSQL, a Parse that fails drops the unnamed statement.
                    self.prepared.drop_unnamed_statement();
                }
                return self.deny_in_batch(&parse.text, denial).await;
            }
        };
        let Planned { text, plan, .. } = &statement.planned;
        let asked = Asked { text: Arc::clone(text), forwarded: Arc::clone(&plan.forward) };
        let forward = wire::parse(&parse.name, &plan.forward, &parse.parameter_types)?;
        if let Some(checked) = &statement.checked {
            self.note_grants(&checked.coverage);
        }
        let undo = self.prepared.parse(&parse.name, statement);
        self.send(forward, Some((Expected::Parse, Reply::Parse(undo, asked))));
        Ok(())
    }

    /// Judges a statement that is to be prepared. The grants are asked here too, so that Describe
    /// shows nothing of what is not granted; they are asked again at each Execute.
    async fn judge_parse(&mut self, parse: &Parse) -> Result<Result<Statement, Denial>, Ending> {
        let planned = match self.plan(&parse.text).await? {
            Ok(planned) => planned,
            Err(denial) => return Ok(Err(denial)),
        };
        let described = match self.plan_described(&planned).await? {
            Ok(described) => described,
            Err(denial) => return Ok(Err(denial)),
        };
        let scene = Scene { gate: &self.gate, who: &self.who, target: &self.target };
        let types = &parse.parameter_types;
        if !types.is_empty() && !self.plans.may_take(scene, &self.settings, types) {
            let message = "this type of parameter is not supported";
            return Ok(Err(Denial::not_supported("parameter_type", message)));
        }
        let checked = judge::check(self.scene(), &described.facts, clock::now());
        let types = parse.parameter_types.as_slice().into();
        let of = |checked| {
            let checked = Some(checked);
            Statement { described, types, checked, ..Statement::new(planned, Made::Protocol) }
        };
        Ok(checked.map(of).map_err(Denial::from))
    }

    async fn take_bind(&mut self, bind: &Bind) -> Result<(), Ending> {
        let statement = match self.prepared.may_bind(bind, &self.gate.limits) {
            Ok(statement) => statement,
            Err(problem) => {
                return self.fail_batch(&problem);
            }
        };
        let plan = match self.plan_described(&statement.planned).await? {
            Ok(plan) => plan,
            Err(denial) => return self.deny_in_batch(&statement.planned.text, denial).await,
        };
        let parameters = parameters::of(bind);
        if let Err(refusal) = parameters::check(&plan, &statement, &parameters) {
            return self.deny_in_batch(&statement.planned.text, Denial::from(refusal)).await;
        }
        let columns = plan.outputs.len();
        if bind.result_formats.len() > 1 && bind.result_formats.len() != columns {
            return self.fail_batch(&Refused::new(
                "08P01",
                "bind message has the wrong number of result formats",
            ));
        }
        if let Err(reason) = self.lean_on(&statement, &plan) {
            return self.deny_in_batch(&statement.planned.text, Denial::from(reason)).await;
        }
        let waits = calls_functions(&plan);
        let grounds = Arc::clone(&statement.planned.grounds);
        let portal = Portal::new(statement, parameters, Arc::clone(&plan));
        let undo = self.prepared.bind(&bind.portal, portal);
        // The gateway's own question: the columns that this portal will return are compared with
        // the plan before the first row can pass, whether or not the client asks for them.
        let ask = wire::describe(Named::Portal, &bind.portal)?;
        let bound = Reply::Bind(undo, Arc::clone(&plan));
        let (raw, check) = (bind.raw.bytes().clone(), Reply::Check(Judged { plan, grounds }));
        if waits {
            let bound = (raw, Expected::Bind, bound);
            let check = (ask, Expected::DescribePortal, check);
            self.batch.held = Some(Held::new(&bind.portal, bound, check));
        } else {
            self.send(raw, Some((Expected::Bind, bound)));
            self.send(ask, Some((Expected::DescribePortal, check)));
        }
        Ok(())
    }

    fn take_describe(&mut self, describe: Describe) -> Result<(), Ending> {
        let judged = |plan: &Arc<Plan>, statement: &Statement| Judged {
            plan: Arc::clone(plan),
            grounds: Arc::clone(&statement.planned.grounds),
        };
        let judged = match describe.named {
            Named::Statement => self
                .prepared
                .statement(&describe.name)
                .map(|statement| judged(&statement.described, &statement)),
            Named::Portal => self
                .prepared
                .portal(&describe.name)
                .map(|portal| judged(&portal.plan, &portal.statement)),
        };
        let Some(judged) = judged else {
            return self.fail_batch(&Prepared::unknown(describe.named, &describe.name));
        };
        let (raw, reply) = (describe.raw.into_bytes(), Reply::Describe(judged));
        match describe.named {
            Named::Statement => self.send(raw, Some((Expected::DescribeStatement, reply))),
            Named::Portal => {
                self.ask_of_portal(&describe.name, (raw, Expected::DescribePortal, reply));
            }
        }
        Ok(())
    }

    async fn take_execute(&mut self, execute: Execute) -> Result<(), Ending> {
        let Some(portal) = self.prepared.portal(&execute.portal) else {
            return self.fail_batch(&Prepared::unknown(Named::Portal, &execute.portal));
        };
        let old = &portal.statement.planned;
        let planned = match self.plan_again(&portal).await? {
            Ok(planned) => planned,
            Err(denial) => return self.deny_in_batch(&old.text, denial).await,
        };
        if !Arc::ptr_eq(&planned.plan, &portal.plan)
            && let Err(refusal) =
                parameters::check(&planned.plan, &portal.statement, &portal.parameters)
        {
            return self.deny_in_batch(&old.text, Denial::from(refusal)).await;
        }
        if planned.plan.effect == Effect::Commit && self.batch.doubtful && !self.is_settled() {
            // What it would commit is not known yet to be what was judged.
            self.defer(FrontendMessage::Execute(execute));
            return Ok(());
        }
        let command = self.command(&planned, Protocol::Extended, portal.parameters.clone());
        match judge::decide(self.scene(), command, clock::now()) {
            Ok(allowed) => {
                let Some(pending) = self.intend(allowed).await? else {
                    return self.deny_in_batch(TOO_LARGE, Denial::too_large()).await;
                };
                if portal.statement.made == Made::Sql {
                    // No Bind was there behind which its columns could be compared.
                    let ask = wire::describe(Named::Portal, &execute.portal)?;
                    let (plan, grounds) = (Arc::clone(&planned.plan), Arc::clone(&planned.grounds));
                    let judged = Judged { plan, grounds };
                    self.send(ask, Some((Expected::DescribePortal, Reply::Check(judged))));
                }
                self.batch.forwarded = true;
                self.batch.unsettled |= planned.plan.effect.changes_names();
                let writes = may_change(&planned.plan) && !planned.grounds.is_empty();
                self.batch.doubtful |= writes && self.doubts_answers();
                if planned.takes_data() {
                    self.copy_in = CopyIn::Asked(self.sequence);
                }
                let starting = Box::new(Starting { pending, planned });
                let held = self.held_for(&execute);
                self.outgoing.push_back(Outgoing::Execute(starting, held, execute));
                Ok(())
            }
            Err(refused) => {
                let (denied, reason) = *refused;
                self.record_denial(denied).await?;
                self.fail_batch(&Denial::from(reason).error)
            }
        }
    }

    fn take_sync(&mut self, raw: Bytes) -> Result<(), Ending> {
        self.undo_condemned()?;
        if self.batch.skipping && !self.batch.forwarded {
            self.batch.skipping = false;
            self.answer_client(wire::ready_for_query(self.status));
        } else {
            self.send(raw, Some((Expected::Sync, Reply::Ready)));
            self.batch.waiting = true;
        }
        Ok(())
    }

    /// True if the Sync would commit what was written, and it is not known yet whether that is what was
    /// judged.
    fn must_look_before_sync(&self) -> bool {
        let commits = self.status == TransactionStatus::Idle;
        self.batch.doubtful && commits && !self.batch.skipping && !self.is_settled()
    }

    pub(crate) fn scene(&self) -> Scene<'_> {
        Scene { gate: &self.gate, who: &self.who, target: &self.target }
    }

    pub(crate) fn command(
        &mut self,
        planned: &Planned,
        protocol: Protocol,
        parameters: Vec<Parameter>,
    ) -> Command {
        Command {
            id: CommandRef { session: self.who.session, sequence: self.next_sequence() },
            identity: self.who.identity.clone(),
            target: self.target.name.clone(),
            protocol,
            text: Arc::clone(&planned.text),
            forwarded: Arc::clone(&planned.plan.forward),
            parameters,
            facts: Arc::clone(&planned.plan.facts),
            catalog_version: planned.catalog_version,
        }
    }

    /// Puts the intent on its way to the disk; nothing if it cannot be recorded whole.
    pub(crate) async fn intend(
        &mut self,
        allowed: Allowed,
    ) -> Result<Option<PendingPermit>, Ending> {
        match self.gate.journal.intend(clock::now(), allowed).await {
            Ok(pending) => Ok(Some(pending)),
            Err(JournalError::Entry(_)) => {
                // The denial that follows takes the command's number: numbers have no gaps.
                self.sequence = self.sequence.saturating_sub(1);
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }
}
