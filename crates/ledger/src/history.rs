//! The file `checkpoints`: signed notes, one behind the other, at each kept size.

use std::io::{self, BufRead, BufReader, Read};

use crate::audit::is_at_end;
use crate::{Checkpoint, CheckpointError, Fault, FaultKind, VKey, VerifyError};

/// More than any of our notes takes: two origins, a size, a root and a signature.
const NOTE_BYTES_MAX: u64 = 1024;

/// Lines of a note with one signature.
const NOTE_LINES: usize = 5;

/// Reads the kept checkpoints in their order.
pub(crate) struct History<'a, C> {
    source: BufReader<C>,
    key: &'a VKey,
    origin: String,
    bytes: u64,
}

impl<'a, C: Read> History<'a, C> {
    pub(crate) fn new(source: C, key: &'a VKey, origin: &str) -> Self {
        Self { source: BufReader::new(source), key, origin: origin.to_owned(), bytes: 0 }
    }

    /// Bytes of the checkpoints read so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Reads the next checkpoint, which must be the one at this size.
    pub(crate) fn next(&mut self, size: u64, intact: u64) -> Result<Checkpoint, VerifyError> {
        let note = self.read_note()?;
        let checkpoint = std::str::from_utf8(&note)
            .map_err(|_bytes| CheckpointError::Malformed)
            .and_then(|note| Checkpoint::open(note, self.key));
        let error = match checkpoint {
            Ok(checkpoint) if checkpoint.origin != self.origin => {
                let (found, expected) = (checkpoint.origin, self.origin.clone());
                CheckpointError::Origin { found, expected }
            }
            Ok(checkpoint) if checkpoint.size != size => CheckpointError::Malformed,
            Ok(checkpoint) => {
                let bytes = u64::try_from(note.len()).unwrap_or(u64::MAX);
                self.bytes = self.bytes.saturating_add(bytes);
                return Ok(checkpoint);
            }
            Err(error) => error,
        };
        let kind = FaultKind::EarlierCheckpoint { size, error };
        Err(Fault { index: None, intact, kind }.into())
    }

    pub(crate) fn is_at_end(&mut self) -> io::Result<bool> {
        is_at_end(&mut self.source)
    }

    fn read_note(&mut self) -> io::Result<Vec<u8>> {
        let mut note = Vec::new();
        let mut source = self.source.by_ref().take(NOTE_BYTES_MAX);
        for _line in 0..NOTE_LINES {
            source.read_until(b'\n', &mut note)?;
        }
        Ok(note)
    }
}
