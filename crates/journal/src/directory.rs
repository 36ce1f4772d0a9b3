//! A ledger's directory: its lock, its files, and how each is made durable.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use ledger::LedgerFile;

use crate::JournalError;

/// Only the gateway's user may read a ledger: payloads hold what clients wrote.
const FILE_MODE: u32 = 0o600;
const DIR_MODE: u32 = 0o700;

/// A locked ledger directory. The lock ends when the value is dropped.
#[derive(Debug)]
pub(crate) struct Directory {
    path: PathBuf,
    /// Holds the lock, and makes renames durable.
    handle: File,
}

impl Directory {
    /// Opens the directory, makes it if needed, and locks it against every other process.
    pub(crate) fn lock(path: &Path) -> Result<Self, JournalError> {
        let fails = |error| JournalError::files("cannot open the ledger's directory", path, error);
        DirBuilder::new().recursive(true).mode(DIR_MODE).create(path).map_err(fails)?;
        let handle = File::open(path).map_err(fails)?;
        match handle.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), handle }),
            Err(fs::TryLockError::WouldBlock) => Err(JournalError::Locked(path.to_owned())),
            Err(fs::TryLockError::Error(error)) => Err(fails(error)),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn file(&self, file: LedgerFile) -> PathBuf {
        self.path.join(file.name())
    }

    /// Makes the names of new files durable.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.handle.sync_all()
    }

    /// Replaces the latest checkpoint: whoever reads it sees the old one or the new one, whole.
    pub(crate) fn replace_checkpoint(&self, note: &str) -> io::Result<()> {
        let new = self.path.join("checkpoint.new");
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(FILE_MODE)
            .open(&new)?;
        file.write_all(note.as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, self.file(LedgerFile::Checkpoint))?;
        self.sync()
    }
}

/// What the writer and the sealer need of a file that only grows. Real files, and in tests failing ones.
pub(crate) trait Disk: Send + 'static {
    /// Adds bytes at the end.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Makes what was added durable.
    fn sync(&mut self) -> io::Result<()>;
    /// Finds out whether what was added is in the file that the ledger's readers will open.
    fn check(&mut self) -> io::Result<()>;
}

/// A file that only grows.
#[derive(Debug)]
pub(crate) struct GrowingFile {
    path: PathBuf,
    file: File,
    bytes: u64,
}

impl GrowingFile {
    /// Opens a file and cuts it to a length, durably.
    ///
    /// The bytes from `durable` to `bytes` are written once more: after a failed `fdatasync` of an
    /// earlier process the system may show them though they never reached the disk.
    pub(crate) fn open_cut(path: PathBuf, durable: u64, bytes: u64) -> io::Result<Self> {
        let file = fs::OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(FILE_MODE)
            .open(&path)?;
        file.set_len(bytes)?;
        rewrite(&path, durable)?;
        file.sync_all()?;
        Ok(Self { path, file, bytes })
    }
}

/// Writes the bytes behind `from` once more, in place.
fn rewrite(path: &Path, from: u64) -> io::Result<()> {
    use std::os::unix::fs::FileExt;

    let file = fs::OpenOptions::new().read(true).write(true).open(path)?;
    let mut at = from;
    let mut buffer = vec![0; 1 << 20];
    loop {
        let read = file.read_at(&mut buffer, at)?;
        let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else {
            return Ok(());
        };
        file.write_all_at(bytes, at)?;
        at = at.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
    }
}

impl Disk for GrowingFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.bytes = self.bytes.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn check(&mut self) -> io::Result<()> {
        let open = self.file.metadata()?;
        let named = fs::metadata(&self.path)?;
        if open.nlink() == 0 || (open.dev(), open.ino()) != (named.dev(), named.ino()) {
            return Err(io::Error::other("the file was deleted, moved or replaced"));
        }
        if open.len() != self.bytes {
            return Err(io::Error::other("the file was changed by someone else"));
        }
        Ok(())
    }
}

/// Reads a whole small file; nothing if there is none.
pub(crate) fn read_small(path: &Path) -> io::Result<Option<Vec<u8>>> {
    /// More than a checkpoint with many cosignatures takes.
    const SMALL_BYTES_MAX: u64 = 1 << 20;
    match File::open(path) {
        Ok(file) => {
            let mut bytes = Vec::new();
            file.take(SMALL_BYTES_MAX).read_to_end(&mut bytes)?;
            Ok(Some(bytes))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
