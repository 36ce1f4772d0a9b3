//! Query: one text, one or more statements, each of them a command.
//!
//! **Invariant:** nothing of a text runs unless every statement in it is allowed and on record. A
//! text that holds a denied statement is denied as a whole, as PostgreSQL refuses a text that it
//! cannot read to its end.

use bytes::Bytes;
use model::{FinishedResult, Protocol};
use pgwire::frontend::Query;
use policy::Allowed;

use crate::clock;
use crate::denial::Denial;
use crate::forwarding::{Outgoing, Starting};
use crate::judge::{self, Planned};
use crate::reply::{End, Running};
use crate::reports::Asked;
use crate::requests::TOO_LARGE;
use crate::session::{Ending, Session};

impl Session {
    pub(crate) async fn take_query(&mut self, query: Query) -> Result<(), Ending> {
        let planned = match self.script(&query.text).await? {
            Ok(planned) => self.resolve_all(planned).await?,
            Err(denial) => Err(denial),
        };
        let planned = match planned {
            Ok(planned) => planned,
            Err(denial) => return self.deny_query(&query.text, denial).await,
        };
        let before = self.sequence;
        let allowed = match self.decide_all(&planned) {
            Ok(allowed) => allowed,
            Err(refused) => {
                let (mut denied, reason) = *refused;
                // Numbers have no gaps: the text is one denied command.
                self.sequence = before;
                denied.id.sequence = self.next_sequence();
                denied.text = (*query.text).into();
                self.record_denial(denied).await?;
                return self.refuse_query(&Denial::from(reason).in_state(self.status));
            }
        };
        let script = (planned.len() > 1).then(|| Asked {
            text: (*query.text).into(),
            forwarded: sql::join(planned.iter().map(|piece| &*piece.plan.forward)).into(),
        });
        let Some(starting) = self.intend_all(allowed, planned).await? else {
            return self.deny_query(TOO_LARGE, Denial::too_large()).await;
        };
        self.batch.script = script;
        self.prepared.drop_unnamed();
        self.batch.forwarded = true;
        self.batch.waiting = true;
        self.outgoing.push_back(Outgoing::Query(starting));
        Ok(())
    }

    /// Denies a fast-path call. It ends a batch, like Query.
    pub(crate) async fn take_function_call(&mut self) -> Result<(), Ending> {
        let denial =
            Denial::not_supported("function_call", "the function call protocol is not supported");
        self.deny_query("", denial).await
    }

    /// Decides each statement of a text; the first denial is that of the text.
    fn decide_all(
        &mut self,
        planned: &[Planned],
    ) -> Result<Vec<Allowed>, Box<judge::DeniedCommand>> {
        let mut all = Vec::with_capacity(planned.len());
        for planned in planned {
            let command = self.command(planned, Protocol::Simple, Vec::new());
            match judge::decide(self.scene(), command, clock::now()) {
                Ok(allowed) => all.push(allowed),
                Err(refused) => {
                    // What was counted before it does not run.
                    for allowed in all {
                        self.gate.usage.uncount_command(allowed.charged());
                    }
                    return Err(refused);
                }
            }
        }
        Ok(all)
    }

    /// Puts the intents of a text on their way to the disk; nothing if one cannot be recorded whole.
    /// Those before it are then on record as skipped.
    async fn intend_all(
        &mut self,
        allowed: Vec<Allowed>,
        planned: Vec<Planned>,
    ) -> Result<Option<Vec<Starting>>, Ending> {
        let last = self.sequence;
        let mut all: Vec<Starting> = Vec::with_capacity(planned.len());
        for (allowed, planned) in allowed.into_iter().zip(planned) {
            self.sequence = allowed.command().id.sequence;
            let Some(pending) = self.intend(allowed).await? else {
                for Starting { pending, planned } in all {
                    let running = Running::new(pending.durable().await?, planned, false);
                    let skipped = End::of(FinishedResult::Skipped);
                    self.finish(running, skipped, Bytes::new()).await?;
                }
                return Ok(None);
            };
            all.push(Starting { pending, planned });
        }
        self.sequence = last;
        Ok(Some(all))
    }
}
