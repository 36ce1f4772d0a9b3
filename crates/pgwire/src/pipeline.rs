//! Which reply of a target answers which message that was forwarded to it.
//!
//! A client may send many messages before it reads a reply, and a failure makes the target skip all
//! messages up to the next Sync. So each message forwarded is pushed with a payload of the caller's,
//! and each reply is matched with the oldest entry.
//!
//! ```text
//! Parse             ParseComplete
//! Bind              BindComplete
//! DescribeStatement ParameterDescription, RowDescription or NoData
//! DescribePortal    RowDescription or NoData
//! Execute           DataRow*                              ┐ CommandComplete, EmptyQueryResponse
//!                   CopyOutResponse, CopyData*, CopyDone  │ or PortalSuspended
//!                   CopyInResponse                        ┘
//! Close             CloseComplete
//! Sync              ErrorResponse?, ReadyForQuery
//! Query             (RowDescription, DataRow*, CommandComplete | CommandComplete | EmptyQueryResponse
//!                   | CopyInResponse, CommandComplete | CopyOutResponse, CopyData*, CopyDone,
//!                   CommandComplete)*, ErrorResponse?, ReadyForQuery
//! ```
//!
//! An `ErrorResponse` ends any entry but Sync and Query, and with it all entries up to the next Sync.
//!
//! **Invariant:** a reply that the protocol does not allow at its place is refused, never given to
//! another entry: rows of one statement cannot pass under the plan of another.
//!
//! **Invariant:** COPY FROM STDIN by Execute is refused if anything was forwarded behind that
//! Execute: the target would take it for data, or swallow it if it is a Sync.
//!
//! **Boundary:** `CopyBoth`, which only replication uses, is refused.
//!
//! Source: PostgreSQL 18 documentation, sections 54.2.2 and 54.2.3.

use std::collections::VecDeque;

use crate::{
    backend::BackendKind,
    error::{ProtocolError, Refused},
    limits::PENDING_REPLIES_MAX,
};

/// What answer a message that was forwarded will get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// That of a Parse.
    Parse,
    /// That of a Bind.
    Bind,
    /// That of a Describe of a statement.
    DescribeStatement,
    /// That of a Describe of a portal.
    DescribePortal,
    /// That of an Execute.
    Execute,
    /// That of a Close.
    Close,
    /// That of a Sync.
    Sync,
    /// That of a Query.
    Query,
    /// None: the message was not forwarded, and the gateway will answer it itself when its turn
    /// comes. See [`ReplyQueue::take_local`].
    Local,
}

/// An entry that left the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<T> {
    /// What answer it was waiting for.
    pub expected: Expected,
    /// What the caller gave with it.
    pub payload: T,
}

/// What became of an entry that was pushed.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub enum Pushed<T> {
    /// It waits for its answer.
    Waiting,
    /// A message before it failed, so the target will skip it: it gets no answer.
    Skipped(T),
}

/// What a reply means.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer<'a, T> {
    /// It answers nothing: a notice, a setting, a notification, or an error that ends the idle
    /// session.
    Unasked,
    /// It is part of the answer of the oldest entry, which waits for more. An `ErrorResponse` is part
    /// of the answer of a Query or a Sync: `ReadyForQuery` follows.
    Part {
        /// What the entry is waiting for.
        expected: Expected,
        /// The caller's payload.
        payload: &'a mut T,
    },
    /// It ends the answer of the oldest entry, with success.
    Done(Entry<T>),
    /// It is an error, and ends the oldest entry. The entries behind it that the target skips left
    /// with it; the next Sync, if it was pushed, is still there.
    Failed {
        /// The entry that failed.
        entry: Entry<T>,
        /// Those skipped, oldest first.
        skipped: Vec<Entry<T>>,
    },
}

/// How far the answer of the oldest entry has come. Another entry begins at `Begun`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    /// Nothing of it came yet.
    Begun,
    /// A Query: at least one of its statements ended.
    Between,
    /// A Describe of a statement: its parameters came.
    Parameters,
    /// Rows come.
    Rows,
    /// Data of a COPY TO STDOUT come.
    CopyOut,
    /// The target takes data of a COPY FROM STDIN.
    CopyIn,
    /// The data of a COPY TO STDOUT ended.
    CopyEnded,
    /// A Query or Sync failed: only `ReadyForQuery` can come.
    Failed,
}

/// What a reply does to the oldest entry.
enum Step {
    More(Progress),
    Done,
    Fail,
}

/// The replies that a session is waiting for, oldest first.
#[derive(Debug)]
pub struct ReplyQueue<T> {
    entries: VecDeque<Entry<T>>,
    progress: Progress,
    /// A message failed, and no Sync was pushed behind it yet.
    skipping: bool,
}

impl<T> Default for ReplyQueue<T> {
    fn default() -> Self {
        Self { entries: VecDeque::new(), progress: Progress::Begun, skipping: false }
    }
}

impl<T> ReplyQueue<T> {
    /// Begins with a session that waits for nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes that a message was forwarded.
    ///
    /// # Errors
    ///
    /// [`ProtocolError::TooManyReplies`] at [`PENDING_REPLIES_MAX`].
    pub fn push(&mut self, expected: Expected, payload: T) -> Result<Pushed<T>, ProtocolError> {
        if self.skipping && expected != Expected::Sync {
            return Ok(Pushed::Skipped(payload));
        }
        if self.entries.len() >= PENDING_REPLIES_MAX {
            return Err(ProtocolError::TooManyReplies { limit: PENDING_REPLIES_MAX });
        }
        self.skipping = false;
        self.entries.push_back(Entry { expected, payload });
        Ok(Pushed::Waiting)
    }

    /// Says what a reply of the target means.
    ///
    /// # Errors
    ///
    /// [`ProtocolError`] if the target may not send it now. The session must be closed.
    pub fn answer(&mut self, reply: BackendKind) -> Result<Answer<'_, T>, ProtocolError> {
        if is_asynchronous(reply) {
            return Ok(Answer::Unasked);
        }
        let unexpected = ProtocolError::Unexpected(reply.name());
        let Some(head) = self.entries.front() else {
            // A target that shuts down says so at any time.
            let is_error = reply == BackendKind::ErrorResponse;
            return if is_error { Ok(Answer::Unasked) } else { Err(unexpected) };
        };
        if head.expected == Expected::Execute
            && reply == BackendKind::CopyInResponse
            && self.entries.len() > 1
        {
            return Err(ProtocolError::Refused(Refused::Copy));
        }
        match step(head.expected, self.progress, reply)? {
            Step::More(progress) => {
                self.progress = progress;
                let head = self.entries.front_mut().ok_or(unexpected)?;
                Ok(Answer::Part { expected: head.expected, payload: &mut head.payload })
            }
            Step::Done => {
                self.progress = Progress::Begun;
                self.entries.pop_front().map(Answer::Done).ok_or(unexpected)
            }
            Step::Fail => {
                self.progress = Progress::Begun;
                let entry = self.entries.pop_front().ok_or(unexpected)?;
                Ok(Answer::Failed { entry, skipped: self.skip_to_sync() })
            }
        }
    }

    /// Returns the oldest entry if it is [`Expected::Local`]: its turn to be answered has come. To be
    /// called until it returns nothing, after each push of such an entry and after each answer.
    pub fn take_local(&mut self) -> Option<T> {
        match self.entries.front()?.expected {
            Expected::Local => self.entries.pop_front().map(|entry| entry.payload),
            Expected::Parse
            | Expected::Bind
            | Expected::DescribeStatement
            | Expected::DescribePortal
            | Expected::Execute
            | Expected::Close
            | Expected::Sync
            | Expected::Query => None,
        }
    }

    /// Lets the gateway itself fail a batch at this point, as a target would after an error: returns
    /// the entries up to the next Sync, oldest first. What is pushed before a Sync is then skipped.
    ///
    /// Right only when nothing that was forwarded is among them: for a local entry that has just been
    /// taken.
    pub fn skip_to_sync(&mut self) -> Vec<Entry<T>> {
        let sync = self.entries.iter().position(|entry| entry.expected == Expected::Sync);
        self.skipping = sync.is_none();
        self.entries.drain(..sync.unwrap_or(self.entries.len())).collect()
    }

    /// Returns the oldest entry's payload, and what it waits for.
    pub fn front(&self) -> Option<(Expected, &T)> {
        self.entries.front().map(|entry| (entry.expected, &entry.payload))
    }

    /// Returns the payloads of all entries, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.entries.iter().map(|entry| &entry.payload)
    }

    /// Returns how many entries wait.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Tells whether none waits.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Tells whether what is pushed now will be skipped, unless it is a Sync.
    pub fn is_skipping(&self) -> bool {
        self.skipping
    }

    /// Empties the queue when the session ends: returns the entries that got no full answer, oldest
    /// first.
    pub fn drain(&mut self) -> Vec<Entry<T>> {
        self.progress = Progress::Begun;
        self.entries.drain(..).collect()
    }
}

fn is_asynchronous(reply: BackendKind) -> bool {
    matches!(
        reply,
        BackendKind::NoticeResponse
            | BackendKind::ParameterStatus
            | BackendKind::NotificationResponse
    )
}

#[expect(
    clippy::match_same_arms,
    reason = "a line per rule of the protocol, in the order of the page"
)]
/// The protocol as a table: what a reply does to an entry that has come so far.
fn step(expected: Expected, progress: Progress, reply: BackendKind) -> Result<Step, ProtocolError> {
    use BackendKind as Reply;
    use Expected as E;
    use Progress as P;

    if reply == Reply::CopyBothResponse {
        return Err(ProtocolError::Refused(Refused::Copy));
    }
    #[rustfmt::skip]
    let step = match (expected, progress, reply) {
        (E::Parse, P::Begun, Reply::ParseComplete)
        | (E::Bind, P::Begun, Reply::BindComplete)
        | (E::Close, P::Begun, Reply::CloseComplete) => Step::Done,

        (E::DescribeStatement, P::Begun, Reply::ParameterDescription) => Step::More(P::Parameters),
        (E::DescribeStatement, P::Parameters, Reply::RowDescription | Reply::NoData)
        | (E::DescribePortal, P::Begun, Reply::RowDescription | Reply::NoData) => Step::Done,

        (E::Execute, P::Begun | P::Rows, Reply::DataRow) => Step::More(P::Rows),
        (E::Execute, P::Begun | P::Rows, Reply::CommandComplete | Reply::PortalSuspended)
        | (E::Execute, P::Begun, Reply::EmptyQueryResponse)
        | (E::Execute, P::CopyIn | P::CopyEnded, Reply::CommandComplete) => Step::Done,
        (E::Execute, P::Begun, Reply::CopyInResponse) => Step::More(P::CopyIn),
        (E::Execute, P::Begun, Reply::CopyOutResponse) => Step::More(P::CopyOut),

        (E::Sync, P::Begun, Reply::ErrorResponse) => Step::More(P::Failed),
        (E::Sync, P::Begun | P::Failed, Reply::ReadyForQuery) => Step::Done,

        (E::Query, P::Begun | P::Between, Reply::RowDescription)
        | (E::Query, P::Rows, Reply::DataRow) => Step::More(P::Rows),
        (E::Query, P::Begun | P::Between, Reply::CopyInResponse) => Step::More(P::CopyIn),
        (E::Query, P::Begun | P::Between, Reply::CopyOutResponse) => Step::More(P::CopyOut),
        (E::Query, P::Begun | P::Between | P::Rows | P::CopyIn | P::CopyEnded, Reply::CommandComplete)
        | (E::Query, P::Begun, Reply::EmptyQueryResponse) => Step::More(P::Between),
        (E::Query, P::Begun | P::Between | P::Rows | P::CopyIn | P::CopyOut | P::CopyEnded, Reply::ErrorResponse)
            => Step::More(P::Failed),
        (E::Query, P::Between | P::Failed, Reply::ReadyForQuery) => Step::Done,

        (E::Execute | E::Query, P::CopyOut, Reply::CopyData) => Step::More(P::CopyOut),
        (E::Execute | E::Query, P::CopyOut, Reply::CopyDone) => Step::More(P::CopyEnded),

        (E::Parse | E::Bind | E::Close | E::DescribeStatement | E::DescribePortal | E::Execute, _, Reply::ErrorResponse)
            => Step::Fail,

        (_, _, reply) => return Err(ProtocolError::Unexpected(reply.name())),
    };
    Ok(step)
}
