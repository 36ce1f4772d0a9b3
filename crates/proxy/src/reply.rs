//! What a session waits for: one entry for each message that the target must answer.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use journal::{Outcome, Permit};
use model::{FinishedResult, Redaction};
use sql::Plan;

use crate::prepared::Undo;
use crate::reports::Asked;

/// What to do with the target's answer to one message.
#[derive(Debug)]
pub(crate) enum Reply {
    /// To Parse.
    Parse(Undo, Asked),
    /// To Bind.
    Bind(Undo, Arc<Plan>),
    /// To Close.
    Close(Undo),
    /// To a Describe that the gateway added: compare with the plan, and keep it.
    Check(Arc<Plan>),
    /// To a Describe of the client: compare with the plan, and pass it on.
    Describe(Arc<Plan>),
    /// To Query or Execute: its commands that have not ended, in order. None is left when only
    /// `ReadyForQuery` is to come.
    Commands(VecDeque<Box<Running>>),
    /// To a Query or Parse that must fail: the client reads this error instead of the target's.
    Unparsable(Bytes),
    /// To Sync: `ReadyForQuery`.
    Ready,
    /// To the gateway's own SET statements behind a RESET ALL.
    Restore,
}

impl Reply {
    /// The command to which the next message belongs, if it is the answer to one.
    pub(crate) fn running(&mut self) -> Option<&mut Running> {
        match self {
            Self::Commands(left) => left.front_mut().map(|running| &mut **running),
            Self::Parse(..)
            | Self::Bind(..)
            | Self::Close(_)
            | Self::Check(_)
            | Self::Describe(_)
            | Self::Unparsable(_)
            | Self::Ready
            | Self::Restore => None,
        }
    }
}

/// How a command ended, as far as the target said.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) result: FinishedResult,
    pub(crate) sqlstate: Option<String>,
    /// Rows changed.
    pub(crate) affected: u64,
}

impl End {
    /// An end without error and without changed rows.
    pub(crate) fn of(result: FinishedResult) -> Self {
        Self { result, sqlstate: None, affected: 0 }
    }
}

/// A command that the target has been given.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) permit: Permit,
    pub(crate) plan: Arc<Plan>,
    /// Rows sent to the client.
    pub(crate) rows: u64,
    /// Bytes of rows sent to the client.
    pub(crate) bytes: u64,
    /// Rows of the target that the client did not get.
    pub(crate) withheld: u64,
    /// Whether the columns were compared with the plan. No row passes before.
    pub(crate) is_checked: bool,
}

impl Running {
    pub(crate) fn new(permit: Permit, plan: Arc<Plan>, is_checked: bool) -> Box<Self> {
        Box::new(Self { permit, plan, rows: 0, bytes: 0, withheld: 0, is_checked })
    }

    /// Sums up how it ended.
    pub(crate) fn outcome(&self, end: End) -> Outcome {
        Outcome {
            result: end.result,
            sqlstate: end.sqlstate,
            rows: self.rows,
            affected: end.affected,
            bytes: self.bytes,
            redactions: self.redactions(),
        }
    }

    /// One value for each row and each output column that shows the mask.
    fn redactions(&self) -> Vec<Redaction> {
        let columns = self.plan.facts.masked.iter().enumerate();
        columns
            .map(|(index, column)| {
                let shown = self.plan.outputs.iter().filter(|output| output.masked == Some(index));
                let shown = u64::try_from(shown.count()).unwrap_or(u64::MAX);
                Redaction { column: column.clone(), values: shown.saturating_mul(self.rows) }
            })
            .filter(|redaction| redaction.values > 0)
            .collect()
    }
}
