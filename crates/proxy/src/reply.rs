//! What a session waits for: one entry for each message that the target must answer.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use journal::{Outcome, Permit, WrittenData};
use model::{FinishedResult, Mask, Redaction};
use pgwire::BackendKind;
use sql::{Changes, Grounds, Plan};

use crate::binding::calls_functions;
use crate::free_text::Rewriter;
use crate::judge::Planned;
use crate::prepared::Undo;
use crate::reports::Asked;
use crate::session::Ending;

/// What to do with the target's answer to one message.
#[derive(Debug)]
pub(crate) enum Reply {
    /// To Parse.
    Parse(Undo, Asked),
    /// To Bind.
    Bind(Undo, Arc<Plan>),
    /// To a Bind that is a command, because planning may call functions.
    BindAlone(Undo, Box<Running>),
    /// To Close.
    Close(Undo),
    /// To a Describe that the gateway added: compare with the plan, and keep it.
    Check(Judged),
    /// To a Describe of the client: compare with the plan, and pass it on.
    Describe(Judged),
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
            | Self::BindAlone(..)
            | Self::Close(_)
            | Self::Check(_)
            | Self::Describe(_)
            | Self::Unparsable(_)
            | Self::Ready
            | Self::Restore => None,
        }
    }
}

impl Reply {
    /// The command that an error in the place of the answer is about.
    pub(crate) fn first(&self) -> Option<&Running> {
        match self {
            Self::Commands(left) => left.front().map(|running| &**running),
            Self::BindAlone(_, running) => Some(running),
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

    /// The commands whose answer it is, as far as they have not ended.
    pub(crate) fn into_commands(self) -> VecDeque<Box<Running>> {
        match self {
            Self::Commands(left) => left,
            Self::BindAlone(_, running) => VecDeque::from([running]),
            Self::Parse(..)
            | Self::Bind(..)
            | Self::Close(_)
            | Self::Check(_)
            | Self::Describe(_)
            | Self::Unparsable(_)
            | Self::Ready
            | Self::Restore => VecDeque::new(),
        }
    }
}

/// A plan with which columns are compared, and what it rests on.
#[derive(Clone, Debug)]
pub(crate) struct Judged {
    pub(crate) plan: Arc<Plan>,
    pub(crate) grounds: Arc<Grounds>,
}

/// How a command ended, as far as the target said.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) result: FinishedResult,
    pub(crate) sqlstate: Option<String>,
    /// Rows changed, if the target said so.
    pub(crate) affected: Option<u64>,
    /// Whether it may have changed something in a transaction that has not ended.
    pub(crate) uncommitted: bool,
}

impl End {
    /// An end without error. What was not begun changed nothing; of all else the target has not said
    /// how many rows it changed.
    pub(crate) fn of(result: FinishedResult) -> Self {
        let affected = (result == FinishedResult::Skipped).then_some(0);
        Self { result, sqlstate: None, affected, uncommitted: false }
    }
}

/// A command that the target has been given.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each may be true beside any other")]
pub(crate) struct Running {
    pub(crate) permit: Permit,
    pub(crate) plan: Arc<Plan>,
    pub(crate) grounds: Arc<Grounds>,
    /// Whether its answer waits for a look at these.
    pub(crate) is_doubted: bool,
    /// Rows sent to the client.
    pub(crate) rows: u64,
    /// Bytes of rows sent to the client.
    pub(crate) bytes: u64,
    /// Rows of the target that the client did not get.
    pub(crate) withheld: u64,
    /// Whether the columns were compared with the plan. No row passes before.
    pub(crate) is_checked: bool,
    /// Whether a COPY to the client was compared with the plan. None of its data pass before.
    pub(crate) is_copying: bool,
    /// Whether it began with the Bind that left together with its Execute.
    pub(crate) began_at_bind: bool,
    /// Whether a line of names is still to come, which is no row.
    header_left: bool,
    /// Looks through the rows, if there is free text in them.
    pub(crate) rewriter: Option<Box<Rewriter>>,
}

impl Running {
    pub(crate) fn new(permit: Permit, planned: Planned, is_checked: bool) -> Box<Self> {
        let Planned { plan, grounds, .. } = planned;
        let rewriter = Rewriter::of(&plan);
        let header_left = plan.copy.as_ref().is_some_and(|copy| copy.has_header);
        Box::new(Self {
            permit,
            plan,
            grounds,
            is_doubted: false,
            rows: 0,
            bytes: 0,
            withheld: 0,
            is_checked,
            is_copying: false,
            began_at_bind: false,
            header_left,
            rewriter,
        })
    }

    /// How many rows the target announces with these bytes; an error if it may not send them.
    pub(crate) fn announced(&mut self, kind: BackendKind, rows: u64) -> Result<u64, Ending> {
        let is_expected = if kind == BackendKind::CopyData {
            self.is_copying
        } else {
            self.is_checked && !self.plan.outputs.is_empty()
        };
        if !is_expected {
            return Err(Ending::Plan("rows without columns"));
        }
        let is_header = self.header_left && rows > 0;
        self.header_left &= !is_header;
        Ok(rows.saturating_sub(u64::from(is_header)))
    }

    /// How many rows it changes, as far as the target says so. What DECLARE and PREPARE plan may call
    /// functions too.
    pub(crate) fn changes(&self) -> Changes {
        match self.plan.changes {
            Changes::Nothing if calls_functions(&self.plan) => Changes::Untold,
            told @ (Changes::Nothing
            | Changes::AsTagged
            | Changes::Untold
            | Changes::ByProcedure) => told,
        }
    }

    /// Sums up how it ended.
    pub(crate) fn outcome(&self, end: End, written: Option<WrittenData>) -> Outcome {
        let affected = match self.changes() {
            Changes::Nothing => Some(0),
            Changes::AsTagged | Changes::Untold | Changes::ByProcedure => end.affected,
        };
        Outcome {
            result: end.result,
            sqlstate: end.sqlstate,
            rows: self.rows,
            affected,
            uncommitted: end.uncommitted,
            bytes: self.bytes,
            redactions: self.redactions(),
            written,
        }
    }

    /// One value for each row and each output column that shows the mask.
    fn redactions(&self) -> Vec<Redaction> {
        let masked = &self.plan.facts.masked;
        let found = self.rewriter.iter().flat_map(|rewriter| rewriter.redactions(masked));
        masked
            .iter()
            .enumerate()
            .filter(|(_, column)| !matches!(column.mask, Mask::Detect(_)))
            .map(|(index, column)| {
                let outputs = self.plan.outputs.iter().map(|output| output.masked);
                let copied = self.plan.copy.iter().flat_map(|copy| copy.masked.iter().copied());
                let shown = outputs.chain(copied).filter(|masked| *masked == Some(index));
                let shown = u64::try_from(shown.count()).unwrap_or(u64::MAX);
                Redaction { column: column.clone(), values: shown.saturating_mul(self.rows) }
            })
            .chain(found)
            .filter(|redaction| redaction.values > 0)
            .collect()
    }
}
