//! One identity on one target: the loop that moves bytes and time.
//!
//! ```text
//!            client bytes            judged, recorded           target bytes
//!  client ──────────────▶ requests ──────────────────▶ target ──────────────▶ answers ──▶ client
//!               ▲            │  waits for ReadyForQuery   ▲                      │
//!               └────────────┘  after Query and Sync      └──── cancel, cut ◀────┘
//! ```
//!
//! One task owns everything of a session; there is no lock in it and nothing is shared but the
//! gate. Commands of one batch (up to Sync) are pipelined; the next batch waits for the end of the
//! last one, so that the state of the transaction is always known when a command is judged.

use std::collections::{BTreeMap, VecDeque};
use std::future::poll_fn;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::{Bytes, BytesMut};
use journal::JournalError;
use ledger::Payload;
use model::{AccessEvent, AccessRecord, GrantId, Timestamp};
use pgwire::frontend::FrontendMessage;
use pgwire::pipeline::ReplyQueue;
use pgwire::{BackendDecoder, FrontendDecoder, ProtocolError, TransactionStatus, WriteError};
use sql::ClientSettings;
use tokio::io::{AsyncRead as _, ReadBuf, ReadHalf, WriteHalf};
use tokio::time::Instant;

use crate::answers::Hold;
use crate::authority::{Cut, CutBy, Watch};
use crate::binding::Held;
use crate::cancel::Registration;
use crate::clock;
use crate::copying::CopyIn;
use crate::directory;
use crate::doubts::Doubts;
use crate::ending::After;
use crate::fence::SessionRole;
use crate::footing::Footing;
use crate::forwarding::Outgoing;
use crate::gate::Gate;
use crate::identified::Who;
use crate::judge::Plans;
use crate::outbox::Outbox;
use crate::parser::ParserStopped;
use crate::phase::Phase;
use crate::portals::Ended;
use crate::prepared::Prepared;
use crate::reply::Reply;
use crate::reports::{Asked, OpenUntil};
use crate::status::Told;
use crate::stream::Stream;
use crate::target::{Target, TargetLink};
use crate::transaction::Transaction;

/// Bytes read from a socket at a time.
const READ_BYTES: usize = 16 * 1024;
/// Bytes of an empty buffer that a session keeps while it waits.
const IDLE_BUFFER_BYTES_MAX: usize = 1024;
/// Bytes of a client that are kept while its batch waits for the target. More stay in the socket.
const READ_AHEAD_BYTES_MAX: usize = 64 * 1024;

/// One side of a session.
#[derive(Debug)]
pub(crate) struct Side<D> {
    pub(crate) reader: ReadHalf<Stream>,
    pub(crate) writer: WriteHalf<Stream>,
    pub(crate) decoder: D,
    pub(crate) outbox: Outbox,
}

impl<D> Side<D> {
    pub(crate) fn new(stream: Stream, decoder: D) -> Self {
        let (reader, writer) = tokio::io::split(stream);
        Self { reader, writer, decoder, outbox: Outbox::default() }
    }
}

/// Where the batch of messages up to the next Sync stands.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each may be true beside any other")]
pub(crate) struct Batch {
    /// Something of it went to the target, so the target must see its Sync.
    pub(crate) forwarded: bool,
    /// It failed: everything up to Sync is dropped.
    pub(crate) skipping: bool,
    /// The Query that runs, if several statements are in it.
    pub(crate) script: Option<Asked>,
    /// It is complete: nothing more of the client is looked at before `ReadyForQuery`.
    pub(crate) waiting: bool,
    /// A message that waits until the target has answered the others: it ends the batch without a
    /// Sync, or depends on one of them.
    pub(crate) deferred: Option<FrontendMessage>,
    /// How the transaction that the batch itself makes will have ended.
    pub(crate) transaction: Ended,
    /// What its next message means depends on a command that the target has not completed yet.
    pub(crate) unsettled: bool,
    /// The target's settings went back to the gateway's; the client's own have to be set again.
    pub(crate) restores: bool,
    /// A command of it may leave something behind.
    pub(crate) may_change: bool,
    /// One that may do so passes only once it was looked whether it means what was judged.
    pub(crate) doubtful: bool,
    /// A Bind that leaves with what follows it.
    pub(crate) held: Option<Held>,
}

impl Batch {
    /// True if the client has begun none, as far as the session has looked.
    pub(crate) fn is_new(&self) -> bool {
        !self.forwarded
            && !self.skipping
            && !self.waiting
            && self.deferred.is_none()
            && self.held.is_none()
    }
}

/// One identity on one target over one client connection.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) gate: Arc<Gate>,
    pub(crate) who: Who,
    pub(crate) target: Arc<Target>,
    pub(crate) client: Side<FrontendDecoder>,
    pub(crate) server: Side<BackendDecoder>,
    pub(crate) link: TargetLink,
    /// What the target reported at its log-in.
    pub(crate) parameters: Arc<Vec<(String, String)>>,
    /// How the connection to the target stood when it was new.
    pub(crate) footing: Option<Arc<Footing>>,
    /// The role as which it is logged in at the target, if there is a fence.
    pub(crate) role: Option<SessionRole>,
    pub(crate) watch: Watch,
    pub(crate) cancel: Registration,
    pub(crate) entry: directory::Entry,
    pub(crate) settings: ClientSettings,
    /// Settings that the gateway keeps, as the client was last told.
    pub(crate) told: Told,
    pub(crate) status: TransactionStatus,
    pub(crate) batch: Batch,
    /// What the end of the open transaction decides.
    pub(crate) transaction: Transaction,
    pub(crate) copy_in: CopyIn,
    pub(crate) prepared: Prepared,
    pub(crate) plans: Plans,
    pub(crate) replies: ReplyQueue<Reply>,
    /// Messages for the target, in order, some of which wait for their record.
    pub(crate) outgoing: VecDeque<Outgoing>,
    /// Messages for the client, in order, some of which wait for their record.
    pub(crate) holds: Vec<Hold>,
    /// The last command's number.
    pub(crate) sequence: u64,
    /// It is being wound down.
    pub(crate) is_ending: bool,
    /// The client has asked to cancel what runs.
    pub(crate) is_cancelled: bool,
    /// Set while the running command is being ended.
    pub(crate) cut: Option<Cut>,
    /// The grants used in the open transaction, with their ends.
    pub(crate) transaction_grants: BTreeMap<GrantId, Timestamp>,
    /// Bytes of a row that the client has begun to read and has not got.
    pub(crate) row_bytes_owed: usize,
    /// Since when the target works on what it owes an answer for; nothing if it owes none.
    pub(crate) running_since: Option<Instant>,
    /// The client sent more than one turn may deal with.
    pub(crate) has_more_requests: bool,
    /// Until when the target's errors pass whole, as last worked out.
    pub(crate) open_until: Option<OpenUntil>,
    pub(crate) doubts: Doubts,
    pub(crate) last_activity: Instant,
    /// How far the gateway's end is that the session knows of.
    pub(crate) phase: Phase,
    /// Since when the client has not taken what waits for it.
    pub(crate) client_stalled_since: Option<Instant>,
}

/// Why a session cannot go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Ending {
    /// The client said goodbye.
    #[error("the client closed the session")]
    Terminated,
    /// The client's connection broke.
    #[error("the client's connection was lost")]
    ClientLost,
    /// The target's connection broke.
    #[error("the connection to the target was lost")]
    TargetLost,
    /// The client broke the protocol.
    #[error("protocol violation: {0}")]
    Client(ProtocolError),
    /// The client did something that the protocol allows and the gateway does not.
    #[error("{0}")]
    ClientRefused(&'static str),
    /// The target broke the protocol.
    #[error("the target broke the protocol: {0}")]
    Target(ProtocolError),
    /// The target's answer is not what the judged statement must give.
    #[error("the target's answer is not as planned ({0}); its catalog may have changed: reconnect")]
    Plan(&'static str),
    /// What a command uses was changed while it ran, and what it did cannot be undone.
    #[error(
        "what a statement uses was changed while it ran, so its result is withheld; what it wrote may stand"
    )]
    Changed,
    /// Nothing can be recorded, so nothing may run.
    #[error("the audit record cannot be written, so no command may run: {0}")]
    Journal(#[from] JournalError),
    /// Nothing can be analysed, so nothing may run.
    #[error(transparent)]
    Parser(#[from] ParserStopped),
    /// A message cannot be written.
    #[error("a message cannot be written: {0}")]
    Write(#[from] WriteError),
    /// Identity, credential or grant ended.
    #[error("{0}")]
    Authority(&'static str),
    /// What ran was cut, and only the end of the session is the same on both sides.
    #[error("{message}{note}")]
    Cut {
        /// By what.
        by: CutBy,
        /// Why, for the client.
        message: &'static str,
        /// What else the client has to know.
        note: &'static str,
    },
    /// The server behind the target's address is another one than the session's.
    #[error("the target is on another server now: reconnect")]
    ServerReplaced,
    /// A time limit was reached.
    #[error("{0}")]
    TimedOut(&'static str),
    /// The gateway stops.
    #[error("the gateway is shutting down")]
    GatewayStopped,
}

/// What woke the loop.
enum Event {
    Phase(Phase),
    Authority,
    Deadline,
    CancelAsked,
    ClientWritten(std::io::Result<()>),
    TargetWritten(std::io::Result<()>),
    FromTarget(std::io::Result<usize>),
    FromClient(std::io::Result<usize>),
    MoreRequests,
    RecordFailed,
}

impl Session {
    /// Carries the session to its end and records that end.
    pub(crate) async fn run(mut self) {
        let ending = match self.check_authority() {
            Err(ending) => ending,
            Ok(()) => loop {
                if let Err(ending) = self.step().await {
                    break ending;
                }
            },
        };
        tracing::info!(session = %self.who.session, reason = %ending, "session ends");
        let end = ending.recorded_as();
        let after = self.after(&ending);
        self.wind_down(&ending, after).await;
        let event = AccessEvent::SessionClosed {
            session: self.who.session,
            commands: self.sequence,
            reason: end,
        };
        let record = AccessRecord { at: clock::now(), event };
        if let Err(error) = self.gate.journal.record(record, Payload::new()).await {
            tracing::error!(session = %self.who.session, %error, "the session's end is not on record");
        }
        match (self.role.take(), after) {
            (Some(role), _) => role.end(&self.gate).await,
            (None, After::Keep) => self.leave_warm().await,
            (None, After::Close) => {}
        }
    }

    /// Waits for the next event and deals with it.
    async fn step(&mut self) -> Result<(), Ending> {
        let deadline = self.next_deadline();
        let takes_requests = self.takes_requests();
        let reads_client = !self.server.outbox.is_full()
            && (takes_requests || self.client.decoder.inbox().len() < READ_AHEAD_BYTES_MAX);
        let reads_target = !self.client.outbox.is_full();
        let has_more_requests = self.has_more_requests && takes_requests;
        let event = tokio::select! {
            biased;
            phase = self.gate.phase_beyond(self.phase) => Event::Phase(phase),
            () = self.gate.record_failed() => Event::RecordFailed,
            () = self.watch.changed() => Event::Authority,
            () = tokio::time::sleep_until(deadline) => Event::Deadline,
            () = self.cancel.wake.notified() => Event::CancelAsked,
            result = self.client.outbox.write_some(&mut self.client.writer),
                if !self.client.outbox.is_empty() => Event::ClientWritten(result),
            result = self.server.outbox.write_some(&mut self.server.writer),
                if !self.server.outbox.is_empty() => Event::TargetWritten(result),
            result = read(&mut self.server.reader, self.server.decoder.inbox()),
                if reads_target => Event::FromTarget(result),
            () = std::future::ready(()), if has_more_requests => Event::MoreRequests,
            result = read(&mut self.client.reader, self.client.decoder.inbox()),
                if reads_client => Event::FromClient(result),
        };
        self.handle(event).await?;
        if self.phase == Phase::Draining && self.is_at_rest() {
            return Err(Ending::GatewayStopped);
        }
        Ok(())
    }

    async fn handle(&mut self, event: Event) -> Result<(), Ending> {
        match event {
            Event::Phase(Phase::Stopping) => Err(Ending::GatewayStopped),
            Event::Phase(phase @ (Phase::Running | Phase::Draining)) => {
                self.phase = phase;
                Ok(())
            }
            Event::RecordFailed => match self.gate.journal.check() {
                Err(error) => Err(error.into()),
                Ok(()) => Ok(()),
            },
            Event::MoreRequests => {
                // It was ready at once: others have to come in between.
                tokio::task::yield_now().await;
                self.take_requests().await
            }
            Event::Authority => self.check_authority(),
            Event::Deadline => self.handle_deadline(),
            Event::CancelAsked => self.pass_on_cancel().await,
            Event::ClientWritten(result) => {
                self.client_stalled_since = (!self.client.outbox.is_empty()).then(Instant::now);
                result.map_err(|_broken| Ending::ClientLost)
            }
            Event::TargetWritten(result) => result.map_err(|_broken| Ending::TargetLost),
            Event::FromTarget(Ok(1..)) => {
                self.last_activity = Instant::now();
                self.doubts.arrivals = self.doubts.arrivals.saturating_add(1);
                self.take_answers().await?;
                // The client may have sent the next batch while this one was answered.
                self.take_requests().await
            }
            Event::FromTarget(Ok(0) | Err(_)) => Err(Ending::TargetLost),
            Event::FromClient(Ok(1..)) => {
                self.last_activity = Instant::now();
                self.take_requests().await
            }
            Event::FromClient(Ok(0) | Err(_)) => Err(Ending::ClientLost),
        }
    }

    /// Puts bytes for the client behind everything that waits for it.
    pub(crate) fn answer_client(&mut self, bytes: Bytes) {
        if self.client_stalled_since.is_none() {
            self.client_stalled_since = Some(Instant::now());
        }
        self.client.outbox.push(bytes);
    }

    /// Numbers the next command.
    pub(crate) fn next_sequence(&mut self) -> u64 {
        self.sequence = self.sequence.saturating_add(1);
        self.entry.counters.commands.store(self.sequence, Ordering::Relaxed);
        self.sequence
    }
}

/// Reads once into a decoder's buffer. Safe to drop: what was read is in the buffer.
///
/// The bytes take a way over the stack, so that who waits holds no buffer.
pub(crate) async fn read(
    reader: &mut ReadHalf<Stream>,
    inbox: &mut BytesMut,
) -> std::io::Result<usize> {
    poll_fn(|context| {
        let mut space = [MaybeUninit::uninit(); READ_BYTES];
        let mut buffer = ReadBuf::uninit(&mut space);
        let read = Pin::new(&mut *reader).poll_read(context, &mut buffer)?;
        if read.is_ready() {
            inbox.extend_from_slice(buffer.filled());
        } else if inbox.is_empty() && inbox.capacity() > IDLE_BUFFER_BYTES_MAX {
            *inbox = BytesMut::new();
        }
        read.map(|()| Ok(buffer.filled().len()))
    })
    .await
}

/// What a client reads when the record fails.
pub(crate) const RECORD_FAILED: &str =
    "the audit record cannot be written, so no command may run: tell the gateway's operator";
