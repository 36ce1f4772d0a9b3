//! The last step before the target: what was judged and recorded leaves here.
//!
//! **Invariant:** the bytes that start a command leave through [`Session::forward`] only, and it
//! takes commands with their [`journal::Permit`]: none that is not on record can be forwarded. (A Bind
//! that is a command leaves through [`Session::forward_bind`], which does the same.)
//!
//! **Invariant:** authority is looked at again after the wait for the disk, which may be long.
//!
//! **Invariant:** a denied command leaves the transaction exactly as a server-side error would. If
//! the target has anything to undo, it is sent a text that cannot be parsed, so it fails the
//! transaction itself; the client reads the denial in the place of that error.

use std::collections::VecDeque;

use bytes::Bytes;
use journal::PendingPermit;
use pgwire::TransactionStatus;
use pgwire::frontend::Execute;
use pgwire::pipeline::{Expected, Pushed};
use tokio::time::Instant;

use crate::authority::GRANT_ENDED;
use crate::binding::Asking;
use crate::denial::Denial;
use crate::doubts::may_change;
use crate::judge::Planned;
use crate::reply::{Reply, Running};
use crate::session::{Ending, Session};
use crate::wire::{self, Refused};

/// A text that no PostgreSQL parses. It stands in the target's log in the place of a denied one.
pub(crate) const UNPARSABLE: &str = "DENIED BY COUNTERSIGN";
/// Name under which it is prepared, so that its failure drops no statement of the client.
pub(crate) const UNPARSABLE_NAME: &str = "countersign_denied";

/// A message on its way to the target.
#[derive(Debug)]
pub(crate) enum Outgoing {
    /// One that starts nothing: Parse of an allowed statement, Bind, Describe, Close, Flush, Sync.
    Plain(Bytes, Option<(Expected, Reply)>),
    /// A Bind that starts a command, and what is asked about its portal.
    Bind(Box<Starting>, Vec<Asking>),
    /// A Query that starts commands, one for each statement, once their intents are durable.
    Query(Vec<Starting>),
    /// An Execute that starts a command, once its intent is durable, behind the Bind that was held
    /// back for it.
    Execute(Box<Starting>, Vec<Asking>, Execute),
}

/// A command on its way to the target.
#[derive(Debug)]
pub(crate) struct Starting {
    pub(crate) pending: PendingPermit,
    pub(crate) planned: Planned,
}

impl Starting {
    /// Waits until the command is on record.
    async fn durable(self, is_checked: bool) -> Result<Box<Running>, Ending> {
        Ok(Running::new(self.pending.durable().await?, self.planned, is_checked))
    }
}

impl Session {
    /// Answers a denied Query.
    pub(crate) fn refuse_query(&mut self, denial: &Denial) -> Result<(), Ending> {
        let error = denial.error.error();
        if self.batch.forwarded || self.status == TransactionStatus::Open {
            self.send(wire::query(UNPARSABLE)?, Some((Expected::Query, Reply::Unparsable(error))));
            self.batch.waiting = true;
        } else {
            self.answer_client(error);
            self.answer_client(wire::ready_for_query(self.status));
        }
        Ok(())
    }

    /// Fails the batch up to its Sync.
    pub(crate) fn fail_batch(&mut self, error: &Refused) -> Result<(), Ending> {
        let error = error.error();
        self.drop_held();
        self.batch.skipping = true;
        if self.batch.forwarded || self.status == TransactionStatus::Open {
            let parse = wire::parse(UNPARSABLE_NAME, UNPARSABLE, &[])?;
            self.send(parse, Some((Expected::Parse, Reply::Unparsable(error))));
        } else {
            self.answer_client(error);
        }
        Ok(())
    }

    /// Puts a message that starts nothing behind those on their way.
    pub(crate) fn send(&mut self, bytes: Bytes, reply: Option<(Expected, Reply)>) {
        self.batch.forwarded = true;
        self.outgoing.push_back(Outgoing::Plain(bytes, reply));
    }

    /// Waits for the records of the commands on their way, one flush to disk for all, and sends.
    pub(crate) async fn flush_outgoing(&mut self) -> Result<(), Ending> {
        while let Some(outgoing) = self.outgoing.pop_front() {
            match outgoing {
                Outgoing::Plain(bytes, Some((expected, reply))) => {
                    self.push((bytes, expected, reply))?;
                }
                Outgoing::Plain(bytes, None) => self.server.outbox.push(bytes),
                Outgoing::Bind(starting, held) => {
                    let running = starting.durable(true).await?;
                    self.forward_bind(running, held).await?;
                }
                Outgoing::Query(starting) => {
                    let mut all = VecDeque::with_capacity(starting.len());
                    for starting in starting {
                        all.push_back(starting.durable(false).await?);
                    }
                    self.forward_query(all).await?;
                }
                Outgoing::Execute(starting, held, execute) => {
                    // The portal's columns were asked for, and are compared, right after its Bind.
                    let running = starting.durable(true).await?;
                    self.forward_execute(running, held, execute).await?;
                }
            }
        }
        Ok(())
    }

    /// Sends a Query. The bytes are made from the judged commands that the permits own.
    async fn forward_query(&mut self, commands: VecDeque<Box<Running>>) -> Result<(), Ending> {
        if !commands.iter().all(|running| self.is_still_allowed(running)) {
            self.skip(commands).await?;
            let error = Refused::new("57014", GRANT_ENDED).error();
            let query = wire::query(UNPARSABLE)?;
            return self.push((query, Expected::Query, Reply::Unparsable(error)));
        }
        let texts = commands.iter().map(|running| &*running.permit.command().forwarded);
        let query = wire::query(&sql::join(texts))?;
        self.forward((query, Expected::Query), commands)
    }

    /// Sends an Execute, and before it the Bind that was held back for it.
    async fn forward_execute(
        &mut self,
        mut running: Box<Running>,
        held: Vec<Asking>,
        execute: Execute,
    ) -> Result<(), Ending> {
        if !self.is_still_allowed(&running) {
            return self.refuse_late(running, held).await;
        }
        running.began_at_bind = !held.is_empty();
        for message in held {
            self.push(message)?;
        }
        let execute = (execute.raw.into_bytes(), Expected::Execute);
        self.forward(execute, VecDeque::from([running]))
    }

    /// Sends a Bind that is a command of its own.
    async fn forward_bind(
        &mut self,
        running: Box<Running>,
        held: Vec<Asking>,
    ) -> Result<(), Ending> {
        if !self.is_still_allowed(&running) {
            return self.refuse_late(running, held).await;
        }
        self.note_permit(&running);
        let mut running = Some(running);
        for (bytes, expected, reply) in held {
            let reply = match (reply, running.take()) {
                (Reply::Bind(undo, _), Some(running)) => Reply::BindAlone(undo, running),
                (reply, other) => {
                    running = other;
                    reply
                }
            };
            self.push((bytes, expected, reply))?;
        }
        Ok(())
    }

    /// Authority ended while the intent went to the disk: the command does not run. The target fails
    /// the batch, so that it skips what is behind, and what was held back for the command too.
    async fn refuse_late(
        &mut self,
        running: Box<Running>,
        held: Vec<Asking>,
    ) -> Result<(), Ending> {
        self.skip(VecDeque::from([running])).await?;
        self.batch.skipping = true;
        let parse = wire::parse(UNPARSABLE_NAME, UNPARSABLE, &[])?;
        let error = Refused::new("57014", GRANT_ENDED).error();
        self.push((parse, Expected::Parse, Reply::Unparsable(error)))?;
        for message in held {
            self.push(message)?;
        }
        Ok(())
    }

    /// Sends the bytes that start commands: those of one Query, or that of one Execute. Their permits
    /// go with them and are spent on their outcomes.
    fn forward(
        &mut self,
        (bytes, expected): (Bytes, Expected),
        mut commands: VecDeque<Box<Running>>,
    ) -> Result<(), Ending> {
        for command in &mut commands {
            command.is_doubted = !command.grounds.is_empty() && self.doubts_answers();
            self.batch.may_change |= may_change(&command.plan);
            self.note_permit(command);
        }
        self.push((bytes, expected, Reply::Commands(commands)))
    }

    fn note_permit(&mut self, command: &Running) {
        let allowed = command.permit.allowed();
        for grant in allowed.grants() {
            self.transaction_grants.insert(grant.id, allowed.until());
        }
    }

    /// Sends a message that the target answers.
    fn push(&mut self, (bytes, expected, reply): Asking) -> Result<(), Ending> {
        self.running_since.get_or_insert_with(Instant::now);
        self.expect(expected, reply)?;
        self.server.outbox.push(bytes);
        Ok(())
    }

    /// Commands on their way that the session's end keeps from the target.
    pub(crate) async fn skip_outgoing(&mut self) -> Result<(), Ending> {
        while let Some(outgoing) = self.outgoing.pop_front() {
            let starting = match outgoing {
                Outgoing::Plain(..) => continue,
                Outgoing::Query(all) => all,
                Outgoing::Bind(one, _) | Outgoing::Execute(one, ..) => vec![*one],
            };
            for starting in starting {
                let running = starting.durable(false).await?;
                self.skip(VecDeque::from([running])).await?;
            }
        }
        Ok(())
    }

    /// Notes what answer the target owes. The queue skips nothing here: after an error the session
    /// itself drops what the client sends before Sync.
    fn expect(&mut self, expected: Expected, reply: Reply) -> Result<(), Ending> {
        match self.replies.push(expected, reply).map_err(Ending::Client)? {
            Pushed::Waiting => Ok(()),
            Pushed::Skipped(_) => Err(Ending::ClientRefused("a message behind a failed batch")),
        }
    }
}
