//! COPY FROM STDIN: the client's data on their way to the target.
//!
//! ```text
//! Idle ─Execute─▶ Asked ─┐                       ┌─ CopyDone, CopyFail ─▶ Ended ─┐
//!   └────Query───────────┴─ CopyInResponse ─▶ Taking ─cut─▶ Dropping ────────────┴─ outcome ─▶ Idle
//! ```
//!
//! Data pass as they come: no more is held than what one message has and the outbox takes. What
//! passed is hashed, so that the outcome says what was written without keeping it.
//!
//! **Invariant:** behind an Execute that may ask for data nothing is forwarded before the target has
//! answered it: PostgreSQL would take it for data, and swallow a Sync.
//!
//! Source: PostgreSQL manual, "COPY Operations".

use bytes::Bytes;
use crypto::Sha256;
use journal::WrittenData;
use model::GrantRef;
use pgwire::frontend::FrontendMessage;

use crate::authority::CutBy;
use crate::copy_data::{CopyReader, HoldsPlaceholder};
use crate::reply::Running;
use crate::session::{Ending, Session};
use crate::usage::Reached;
use crate::{judge, wire};

/// What the target reads when the gateway ends a COPY.
const ENDED: &str = "ended by the gateway";

/// What the client reads when its data hold the placeholder of a mask.
const PLACEHOLDER: &str = "the data hold what a mask shows in the place of a value: leave the \
                           masked column out of the COPY";
pub(crate) const PLACEHOLDER_SQLSTATE: &str = "22023";

/// Where the data of a COPY FROM STDIN stand.
#[derive(Debug, Default)]
pub(crate) enum CopyIn {
    /// There is none.
    #[default]
    Idle,
    /// The command of this number was begun by Execute, and the target may ask for its data.
    Asked(u64),
    /// The target takes data.
    Taking(Box<Data>),
    /// It is being cut: what the client still sends is dropped.
    Dropping(Box<Data>),
    /// The client has said that it was all.
    Ended(Box<Data>),
}

/// What has passed of a COPY FROM STDIN.
#[derive(Debug, Default)]
pub(crate) struct Data {
    sequence: u64,
    bytes: u64,
    hash: Sha256,
    /// Looks at the values, where some may not be written.
    reader: Option<Box<CopyReader>>,
    /// The grants that the bytes count against, if one of them has a limit. Without one they are
    /// counted at the end.
    limited: Vec<GrantRef>,
}

impl Data {
    /// Nothing has passed yet.
    pub(crate) fn of(running: &Running) -> Self {
        let (allowed, sequence) = (running.permit.allowed(), running.permit.command().id.sequence);
        let is_limited = allowed.rows_max().or(allowed.bytes_max()).is_some();
        let limited = if is_limited { allowed.charged().to_vec() } else { Vec::new() };
        let reader = running.plan.copy.as_ref().and_then(CopyReader::of);
        Self { sequence, reader, limited, ..Self::default() }
    }

    /// Looks at values on their way to the target.
    fn look(
        &mut self,
        look: impl FnOnce(&mut CopyReader) -> Result<(), HoldsPlaceholder>,
    ) -> Result<(), HoldsPlaceholder> {
        self.reader.as_deref_mut().map_or(Ok(()), look)
    }

    fn take(&mut self, data: &Bytes) {
        self.bytes = self.bytes.saturating_add(u64::try_from(data.len()).unwrap_or(u64::MAX));
        self.hash.update(data);
    }
}

impl CopyIn {
    /// Ends what belongs to a command that has ended, and sums it up.
    pub(crate) fn end(&mut self, sequence: u64) -> Option<WrittenData> {
        let own = match self {
            Self::Idle => return None,
            Self::Asked(asked) => *asked,
            Self::Taking(data) | Self::Dropping(data) | Self::Ended(data) => data.sequence,
        };
        if own != sequence {
            return None;
        }
        match std::mem::take(self) {
            Self::Idle | Self::Asked(_) => None,
            Self::Taking(data) | Self::Dropping(data) | Self::Ended(data) => {
                Some(WrittenData { bytes: data.bytes, sha256: data.hash.finish() })
            }
        }
    }
}

impl Session {
    /// True if what the client sends may be looked at now.
    pub(crate) fn takes_requests(&self) -> bool {
        let is_turn = match self.copy_in {
            CopyIn::Idle | CopyIn::Ended(_) => !self.batch.waiting && self.batch.deferred.is_none(),
            CopyIn::Asked(_) => false,
            CopyIn::Taking(_) | CopyIn::Dropping(_) => true,
        };
        is_turn && self.has_room()
    }

    /// True if what waits for either side is not so much that more of it must wait.
    pub(crate) fn has_room(&self) -> bool {
        !self.client.outbox.is_full() && !self.server.outbox.is_full()
    }

    /// The target asks for the data of a command.
    pub(crate) fn begin_copy_in(&mut self, data: Data) -> Result<(), Ending> {
        let data = Box::new(data);
        if self.doubts.condemned {
            // The client has read an error and does not know that it should send data.
            self.server.outbox.push(wire::copy_fail(ENDED)?);
            self.copy_in = CopyIn::Ended(data);
            return Ok(());
        }
        self.copy_in = CopyIn::Taking(data);
        if self.cut.is_some() { self.cut_copy_in() } else { Ok(()) }
    }

    /// Ends a COPY that waits for the client's data: PostgreSQL hears no cancel while it waits.
    pub(crate) fn cut_copy_in(&mut self) -> Result<(), Ending> {
        match std::mem::take(&mut self.copy_in) {
            CopyIn::Taking(data) => {
                self.server.outbox.push(wire::copy_fail(ENDED)?);
                self.copy_in = CopyIn::Dropping(data);
            }
            other @ (CopyIn::Idle | CopyIn::Asked(_) | CopyIn::Dropping(_) | CopyIn::Ended(_)) => {
                self.copy_in = other;
            }
        }
        Ok(())
    }

    /// Ends a COPY whose data hold what may not be written. Nothing of it stays on the target.
    fn refuse_copy_in(&mut self, data: Box<Data>) -> Result<(), Ending> {
        self.copy_in = CopyIn::Taking(data);
        self.end_for(CutBy::Placeholder, PLACEHOLDER);
        self.cut_copy_in()
    }

    /// A message while the target takes data; any other is handed back.
    #[expect(clippy::wildcard_enum_match_arm, reason = "no other message may come during a COPY")]
    pub(crate) fn take_copy_message(
        &mut self,
        message: FrontendMessage,
    ) -> Result<Option<FrontendMessage>, Ending> {
        let mut data = match std::mem::take(&mut self.copy_in) {
            CopyIn::Taking(data) => data,
            // The gateway's CopyFail went before it, so the target takes this Sync for the batch's end.
            CopyIn::Dropping(data)
                if matches!(message, FrontendMessage::Sync(_)) && !self.batch.waiting =>
            {
                self.copy_in = CopyIn::Ended(data);
                return Ok(Some(message));
            }
            CopyIn::Dropping(data) => {
                // Behind the client's own end a Sync counts again, as for the target.
                let is_end =
                    matches!(message, FrontendMessage::CopyDone(_) | FrontendMessage::CopyFail(_));
                self.copy_in = if is_end { CopyIn::Ended(data) } else { CopyIn::Dropping(data) };
                return dropped(&message);
            }
            other @ (CopyIn::Idle | CopyIn::Asked(_) | CopyIn::Ended(_)) => {
                self.copy_in = other;
                return Ok(Some(message));
            }
        };
        self.copy_in = match message {
            FrontendMessage::CopyData(copy) => {
                if data.look(|reader| reader.take(&copy.data)).is_err() {
                    return self.refuse_copy_in(data).map(|()| None);
                }
                if let Err(reached) = self.count_copied(&data, copy.data.len()) {
                    // It passes whole or not at all.
                    self.copy_in = CopyIn::Taking(data);
                    self.cut(CutBy::Limit, reached.client_message());
                    return Ok(None);
                }
                data.take(&copy.data);
                self.server.outbox.push(copy.raw.into_bytes());
                CopyIn::Taking(data)
            }
            FrontendMessage::CopyDone(frame) => {
                if data.look(CopyReader::finish).is_err() {
                    self.refuse_copy_in(data)?;
                    // This message was the client's end.
                    return self.take_copy_message(FrontendMessage::CopyDone(frame));
                }
                self.server.outbox.push(frame.into_bytes());
                CopyIn::Ended(data)
            }
            FrontendMessage::CopyFail(fail) => {
                self.server.outbox.push(fail.raw.into_bytes());
                CopyIn::Ended(data)
            }
            other => {
                self.copy_in = CopyIn::Taking(data);
                return dropped(&other);
            }
        };
        Ok(None)
    }

    fn count_copied(&self, data: &Data, bytes: usize) -> Result<(), Reached> {
        if data.limited.is_empty() {
            return Ok(());
        }
        let registry = self.gate.registry();
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.gate.usage.try_rows(&data.limited, (0, bytes), judge::limits(&registry))
    }
}

/// A message that no COPY passes on: PostgreSQL drops a Flush or a Sync there too, and ends the
/// session at any other.
#[expect(clippy::wildcard_enum_match_arm, reason = "no other message may come during a COPY")]
fn dropped(message: &FrontendMessage) -> Result<Option<FrontendMessage>, Ending> {
    match message {
        FrontendMessage::Flush(_)
        | FrontendMessage::Sync(_)
        | FrontendMessage::CopyData(_)
        | FrontendMessage::CopyDone(_)
        | FrontendMessage::CopyFail(_) => Ok(None),
        FrontendMessage::Terminate(_) => Err(Ending::Terminated),
        _ => Err(Ending::ClientRefused("a message other than data during COPY FROM STDIN")),
    }
}
