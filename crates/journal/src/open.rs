//! Opening a ledger: lock, verify, cut a torn tail, settle what an earlier run left open.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crypto::sign::SigningKey;
use ledger::{
    Checkpoint, Contents, Entry, Expected, Image, LedgerFile, Payload, Record, Tree, VKey,
    Verified, Visit,
};
use model::{
    AccessEvent, AccessRecord, CommandRef, ControlEvent, ControlRecord, LedgerHead, SessionEnd,
    Timestamp,
};

use crate::directory::{Directory, GrowingFile, read_small};
use crate::engine::Engine;
use crate::queue::QueueLimits;
use crate::sealer::{CHECKPOINT_INTERVAL, Sealer, Shared};
use crate::writer::{Writer, unknown_outcome};
use crate::{JournalError, reader};

/// What is needed to open a ledger.
#[derive(Clone, Debug)]
pub struct OpenOptions {
    /// The ledger's directory. It is made if it does not exist.
    pub dir: PathBuf,
    /// The ledger's origin, for example `gw1/access`.
    pub origin: String,
    /// The key that signs its checkpoints.
    pub key: Arc<SigningKey>,
    /// The program's version, for the record that begins the run.
    pub version: String,
    /// When the run begins.
    pub at: Timestamp,
    /// How often a checkpoint is signed while records come in.
    pub checkpoint_interval: Duration,
    /// Records that it must hold, because another ledger names them. Fewer: it was rolled back.
    pub size_min: u64,
}

impl OpenOptions {
    /// Options with a checkpoint each second.
    pub fn new(
        dir: impl Into<PathBuf>,
        origin: impl Into<String>,
        key: Arc<SigningKey>,
        version: impl Into<String>,
        at: Timestamp,
    ) -> Self {
        Self {
            dir: dir.into(),
            origin: origin.into(),
            key,
            version: version.into(),
            at,
            checkpoint_interval: CHECKPOINT_INTERVAL,
            size_min: 0,
        }
    }
}

/// A ledger as it was found, before this run added anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// Its size and root, after a torn tail was cut.
    pub found: LedgerHead,
    /// Bytes of a torn last record that were cut. It was never acknowledged.
    pub cut_bytes: u64,
    /// Commands of an earlier run that had no outcome. They have one now: unknown.
    pub unknown: Vec<CommandRef>,
    /// The latest time on record.
    pub last_at: Option<Timestamp>,
}

/// A record as it is shown to the caller of `open`, for folding.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a, R> {
    /// Its index.
    pub index: u64,
    /// The record.
    pub record: &'a R,
}

/// Is shown each record and its index.
type Visitor<'a> = dyn FnMut(u64, &Record) + 'a;

/// Opens a ledger and starts its threads. Shows every record to `visit`, those that begin this run
/// included.
pub(crate) fn open(
    options: OpenOptions,
    contents: Contents,
    visit: &mut Visitor<'_>,
) -> Result<(Engine, Opened), JournalError> {
    let vkey = VKey::new(&options.origin, options.key.verifying_key())
        .map_err(|_name| JournalError::Origin(options.origin.clone()))?;
    let directory = Directory::lock(&options.dir)?;
    create_if_new(&directory, &options)
        .map_err(|error| JournalError::files("cannot make a ledger in", &options.dir, error))?;
    let expected = Expected { origin: Some(&options.origin), ..Expected::live(&vkey) };
    let mut last_at = None;
    let verified = reader::image(&options.dir)
        .and_then(|image: Image<File, File, File>| {
            let mut show = |seen: &Visit<'_>| {
                last_at = last_at.max(Some(time_of(seen.record)));
                visit(seen.index, seen.record);
            };
            ledger::verify(image, &expected, &mut show)
        })
        .map_err(|error| JournalError::verification(&options.dir, error))?;
    let (found, cut_bytes) = (verified.tree.head(), verified.torn_bytes);
    if found.size < options.size_min {
        let (dir, size, named) = (options.dir, found.size, options.size_min);
        return Err(JournalError::RolledBack { dir, size, named });
    }
    let opened = Opened { found, cut_bytes, unknown: verified.unknown.clone(), last_at };
    let Recovered { mut writer, mut sealer } = recover(directory, verified, &options)
        .map_err(|error| JournalError::files("cannot recover the ledger", &options.dir, error))?;
    for record in opening_records(&options, contents, &opened, writer.rules()) {
        let entry = entry(&record)?;
        let index = writer.add(&record, &entry)?;
        visit(index, &record);
    }
    writer.commit()?;
    sealer.seal()?;
    let shared = Arc::clone(&sealer.shared);
    let interval = options.checkpoint_interval;
    Engine::start(shared, writer, sealer, interval, QueueLimits::DEFAULT)
        .map(|engine| (engine, opened))
        .map_err(|error| JournalError::files("cannot start the threads of", &options.dir, error))
}

/// Makes the files of a new ledger, if there is none.
///
/// The checkpoint is made last: a crash on the way leaves only empty files, which is a new ledger
/// again. A ledger that has lost its checkpoint has something in another file, and is refused.
fn create_if_new(directory: &Directory, options: &OpenOptions) -> io::Result<()> {
    if read_small(&directory.file(LedgerFile::Checkpoint))?.is_some() {
        return Ok(());
    }
    for file in [LedgerFile::Log, LedgerFile::Hashes, LedgerFile::Checkpoints] {
        if file_bytes(&directory.file(file))? > 0 {
            return Ok(());
        }
    }
    for file in [LedgerFile::Log, LedgerFile::Hashes, LedgerFile::Checkpoints] {
        GrowingFile::open_cut(directory.file(file), 0, 0)?;
    }
    directory.sync()?;
    let root = Tree::default().root();
    let empty = Checkpoint { origin: options.origin.clone(), size: 0, root };
    directory.replace_checkpoint(&empty.sign(&options.key))
}

fn file_bytes(path: &Path) -> io::Result<u64> {
    match std::fs::metadata(path) {
        Ok(metadata) => Ok(metadata.len()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error),
    }
}

/// A ledger ready to be written to.
struct Recovered {
    writer: Writer<GrowingFile>,
    sealer: Sealer<GrowingFile>,
}

/// Cuts what a crash left unfinished, and sets up writer and sealer behind it.
fn recover(
    directory: Directory,
    verified: Verified,
    options: &OpenOptions,
) -> io::Result<Recovered> {
    let open = |file, durable, bytes| GrowingFile::open_cut(directory.file(file), durable, bytes);
    let hashes_bytes = verified.signed.size.saturating_mul(32);
    let log = open(LedgerFile::Log, verified.signed_log_bytes, verified.log_bytes)?;
    let hashes = open(LedgerFile::Hashes, hashes_bytes, hashes_bytes)?;
    let kept_bytes = verified.checkpoints_bytes;
    let checkpoints = open(LedgerFile::Checkpoints, kept_bytes, kept_bytes)?;
    let shared = Arc::new(Shared::new(verified.signed_tree));
    shared.add(&verified.tail_hashes);
    let sealer = Sealer {
        shared: Arc::clone(&shared),
        origin: options.origin.clone(),
        key: Arc::clone(&options.key),
        hashes,
        checkpoints,
        sealed: verified.signed.size,
        directory: Arc::new(directory),
    };
    Ok(Recovered { writer: Writer::new(log, shared, verified.rules, verified.tree), sealer })
}

/// The records that begin a run: its start, then an end for all that an earlier run left open.
fn opening_records(
    options: &OpenOptions,
    contents: Contents,
    opened: &Opened,
    rules: &ledger::Rules,
) -> Vec<Record> {
    // Also where the time of day was set back meanwhile.
    let at = opened.last_at.map_or(options.at, |last| last.max(options.at));
    let Opened { found, cut_bytes, .. } = opened.clone();
    let version = options.version.clone();
    match contents {
        Contents::Control => {
            let event = ControlEvent::EpochStarted { version, found, cut_bytes };
            vec![Record::Control(ControlRecord { at, by: "gateway".to_owned(), event })]
        }
        Contents::Access => {
            let started = AccessEvent::EpochStarted { version, found, cut_bytes };
            let finished = opened.unknown.iter().map(|id| unknown_outcome(at, *id));
            // Nobody can say any more what the target made of these.
            let left = rules.uncommitted().map(|(session, first, last)| {
                let event = AccessEvent::BatchUnknown { session, first, last };
                AccessRecord { at, event }
            });
            let closed = rules.open_sessions().map(|(session, commands)| {
                let reason = SessionEnd::GatewayStopped;
                let event = AccessEvent::SessionClosed { session, commands, reason };
                AccessRecord { at, event }
            });
            let first = AccessRecord { at, event: started };
            let settled = finished.chain(left).chain(closed);
            std::iter::once(first).chain(settled).map(Record::Access).collect()
        }
    }
}

fn time_of(record: &Record) -> Timestamp {
    match record {
        Record::Access(record) => record.at,
        Record::Control(record) => record.at,
    }
}

fn entry(record: &Record) -> Result<Entry, JournalError> {
    Ok(match record {
        Record::Access(record) => Entry::access(record, &Payload::new())?,
        Record::Control(record) => Entry::control(record)?,
    })
}
