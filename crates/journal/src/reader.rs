//! Reading a ledger without a lock, also while a gateway writes it.

use std::fs::File;
use std::io::{self, BufReader, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use ledger::{
    Fault, FaultKind, FrameFault, FrameReader, Image, LedgerFile, Payload, ReadError, Record,
    VerifyError,
};

use crate::JournalError;
use crate::directory::read_small;

/// Opens the four files of a ledger for [`ledger::verify`].
///
/// The latest checkpoint is read first: what it covers is then in the other files, even if a gateway
/// is writing.
///
/// # Errors
///
/// [`VerifyError`]: a missing file is a fault.
pub fn image(dir: &Path) -> Result<Image<File, File, File>, VerifyError> {
    let missing = |file| {
        VerifyError::Fault(Fault { index: None, intact: 0, kind: FaultKind::FileMissing(file) })
    };
    let open = |file: LedgerFile| match File::open(dir.join(file.name())) {
        Ok(opened) => Ok(opened),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(missing(file)),
        Err(error) => Err(VerifyError::Read(error)),
    };
    let checkpoint = read_small(&dir.join(LedgerFile::Checkpoint.name()))?;
    Ok(Image {
        checkpoint: checkpoint.ok_or_else(|| missing(LedgerFile::Checkpoint))?,
        log: open(LedgerFile::Log)?,
        hashes: open(LedgerFile::Hashes)?,
        checkpoints: open(LedgerFile::Checkpoints)?,
    })
}

/// A record as it lies in a ledger. Unverified: for looking, not for proving.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its index.
    pub index: u64,
    /// The record.
    pub record: Record,
    /// Its leaf, as hashed.
    pub leaf: Vec<u8>,
    /// The values beside it.
    pub payload: Payload,
}

/// Reads the records of a ledger one after the other.
#[derive(Debug)]
pub struct Reader {
    dir: PathBuf,
    frames: FrameReader<BufReader<File>>,
}

impl Reader {
    /// Opens the ledger in a directory.
    ///
    /// # Errors
    ///
    /// [`JournalError::Files`] if there is none, or it cannot be read.
    pub fn open(dir: impl Into<PathBuf>) -> Result<Self, JournalError> {
        let dir = dir.into();
        let path = dir.join(LedgerFile::Log.name());
        let file = File::open(&path)
            .map_err(|error| JournalError::files("cannot open the log", &path, error))?;
        Ok(Self { dir, frames: FrameReader::new(BufReader::new(file)) })
    }

    /// The latest checkpoint, as text.
    ///
    /// # Errors
    ///
    /// [`JournalError::Files`] if it cannot be read.
    pub fn checkpoint_text(&self) -> Result<String, JournalError> {
        let path = self.dir.join(LedgerFile::Checkpoint.name());
        std::fs::read_to_string(&path)
            .map_err(|error| JournalError::files("cannot read the checkpoint", &path, error))
    }

    /// Reads the next record; nothing at the end. Ask again later to follow a ledger that grows: a
    /// record of which only a part is written counts as not there yet.
    ///
    /// # Errors
    ///
    /// [`JournalError::Damaged`] if the next bytes are no record, [`JournalError::Files`] if they
    /// cannot be read.
    pub fn next_record(&mut self) -> Result<Option<Stored>, JournalError> {
        let (index, offset) = (self.frames.index(), self.frames.offset());
        match self.frames.next_frame() {
            Ok(Some(frame)) => {
                let damaged = |kind| self.damaged(index, kind);
                let record = Record::decode(&frame.leaf).map_err(|e| damaged(e.into()))?;
                let payload = Payload::from_bytes(&frame.payload).map_err(|e| damaged(e.into()))?;
                Ok(Some(Stored { index, record, leaf: frame.leaf, payload }))
            }
            Ok(None) => Ok(None),
            Err(ReadError::Fault(FrameFault::Incomplete)) => {
                self.go_back(index, offset).map(|()| None)
            }
            Err(ReadError::Fault(fault)) => Err(self.damaged(index, fault.into())),
            Err(ReadError::Io(error)) => {
                Err(JournalError::files("cannot read the ledger", &self.dir, error))
            }
        }
    }

    /// Stands again before a record of which only a part was there.
    fn go_back(&mut self, index: u64, offset: u64) -> Result<(), JournalError> {
        let fails = |error| JournalError::files("cannot read the ledger", &self.dir, error);
        let path = self.dir.join(LedgerFile::Log.name());
        let mut file = File::open(path).map_err(fails)?;
        file.seek(SeekFrom::Start(offset)).map_err(fails)?;
        self.frames = FrameReader::starting_at(BufReader::new(file), index, offset);
        Ok(())
    }

    fn damaged(&self, index: u64, kind: FaultKind) -> JournalError {
        let fault = Fault { index: Some(index), intact: 0, kind };
        JournalError::Damaged { dir: self.dir.clone(), fault: Box::new(fault) }
    }
}

impl Iterator for Reader {
    type Item = Result<Stored, JournalError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_record().transpose()
    }
}
