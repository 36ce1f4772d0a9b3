//! The last step before the target: what was judged and recorded leaves here.
//!
//! **Invariant:** the bytes that start a command leave through [`Session::forward`] only, and it
//! takes commands with their [`journal::Permit`]: none that is not on record can be forwarded.
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
    /// A Query that starts commands, one for each statement, once their intents are durable.
    Query(Vec<Starting>),
    /// An Execute that starts a command, once its intent is durable.
    Execute(Box<Starting>, Execute),
}

/// A command on its way to the target.
#[derive(Debug)]
pub(crate) struct Starting {
    pub(crate) pending: PendingPermit,
    pub(crate) planned: Planned,
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
        self.outgoing.push(Outgoing::Plain(bytes, reply));
    }

    /// Waits for the records of the commands on their way, one flush to disk for all, and sends.
    pub(crate) async fn flush_outgoing(&mut self) -> Result<(), Ending> {
        for outgoing in std::mem::take(&mut self.outgoing) {
            match outgoing {
                Outgoing::Plain(bytes, reply) => {
                    if let Some((expected, reply)) = reply {
                        self.expect(expected, reply)?;
                    }
                    self.server.outbox.push(bytes);
                }
                Outgoing::Query(starting) => {
                    let mut all = VecDeque::with_capacity(starting.len());
                    for Starting { pending, planned } in starting {
                        all.push_back(Running::new(pending.durable().await?, planned, false));
                    }
                    self.forward(all, None)?;
                }
                Outgoing::Execute(starting, execute) => {
                    let Starting { pending, planned } = *starting;
                    // The portal's columns were asked for, and are compared, right after its Bind.
                    let running = Running::new(pending.durable().await?, planned, true);
                    self.forward(VecDeque::from([running]), Some(execute))?;
                }
            }
        }
        Ok(())
    }

    /// Sends the bytes that start commands: those of one Query, or that of one Execute. Their permits
    /// go with them and are spent on their outcomes.
    fn forward(
        &mut self,
        mut commands: VecDeque<Box<Running>>,
        execute: Option<Execute>,
    ) -> Result<(), Ending> {
        for command in &mut commands {
            command.is_doubted = !command.grounds.is_empty() && self.doubts_answers();
            self.batch.may_change |= may_change(&command.plan);
            let allowed = command.permit.allowed();
            for grant in allowed.grants() {
                self.transaction_grants.insert(grant.id, allowed.until());
            }
            self.commands_running = self.commands_running.saturating_add(1);
        }
        self.running_since.get_or_insert_with(Instant::now);
        let (bytes, expected) = match execute {
            // The bytes are made from the judged commands that the permits own.
            None => {
                let texts = commands.iter().map(|running| &*running.permit.command().forwarded);
                (wire::query(&sql::join(texts))?, Expected::Query)
            }
            Some(execute) => (execute.raw.into_bytes(), Expected::Execute),
        };
        self.expect(expected, Reply::Commands(commands))?;
        self.server.outbox.push(bytes);
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
