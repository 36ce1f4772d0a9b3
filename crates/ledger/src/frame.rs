//! One record as it lies in the file `log`: lengths, leaf, payload, checksum.
//!
//! ```text
//! leaf length (u32 BE) │ payload length (u32 BE) │ leaf │ payload │ checksum (8 bytes)
//! ```
//!
//! The checksum covers the record's index too, so a frame is valid at one place only. It finds a torn
//! write and an accident; whoever alters a frame on purpose can compute it. What finds *that* is the
//! tree. There is no slack: no padding, no header, no byte that is not checked.

use std::io::{self, Read};

use crypto::sha256;
use model::{AccessRecord, ControlRecord};

use crate::record::{check_names, to_line};
use crate::{Hash, Payload, RecordError, leaf_hash};

/// Longest leaf. C2SP tlog-tiles gives a leaf's length 16 bits.
pub const LEAF_BYTES_MAX: usize = 65_535;

/// Longest payload. Statements and parameters are limited to less where they come in.
pub const PAYLOAD_BYTES_MAX: usize = 16 << 20;

const HEADER_BYTES: usize = 8;
const CHECKSUM_BYTES: usize = 8;
const DOMAIN: &[u8] = b"countersign frame v1\n";

/// A record that cannot be written down.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// The leaf is too long: a statement that touches too much.
    #[error("the record takes {bytes} bytes; at most {LEAF_BYTES_MAX} can be recorded")]
    LeafTooLarge {
        /// Its length.
        bytes: usize,
    },
    /// The payload is too long: a statement or its parameters.
    #[error(
        "statement and parameters take {bytes} bytes; at most {PAYLOAD_BYTES_MAX} can be recorded"
    )]
    PayloadTooLarge {
        /// Its length.
        bytes: usize,
    },
    /// The record would not read back.
    #[error(transparent)]
    Record(#[from] RecordError),
}

/// A record ready to be appended: the leaf, which is hashed into the tree, and the payload beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    leaf: Vec<u8>,
    payload: Vec<u8>,
    leaf_hash: Hash,
    payload_hash: [u8; 32],
}

impl Entry {
    /// Writes down a record of the access ledger with the values to which it commits.
    ///
    /// # Errors
    ///
    /// [`EntryError`] if it is too long or would not read back. Nothing is ever truncated.
    pub fn access(record: &AccessRecord, payload: &Payload) -> Result<Self, EntryError> {
        check_names(record)?;
        Self::new(to_line(record), payload.to_bytes())
    }

    /// Writes down a record of the control ledger.
    ///
    /// # Errors
    ///
    /// [`EntryError`] if it is too long or would not read back.
    pub fn control(record: &ControlRecord) -> Result<Self, EntryError> {
        let leaf = to_line(record);
        // Control records are rare, so this one is simply read again.
        crate::Record::decode_as(&leaf, crate::Contents::Control)?;
        Self::new(leaf, Vec::new())
    }

    fn new(leaf: Vec<u8>, payload: Vec<u8>) -> Result<Self, EntryError> {
        if leaf.len() > LEAF_BYTES_MAX {
            return Err(EntryError::LeafTooLarge { bytes: leaf.len() });
        }
        if payload.len() > PAYLOAD_BYTES_MAX {
            return Err(EntryError::PayloadTooLarge { bytes: payload.len() });
        }
        Ok(Self { leaf_hash: leaf_hash(&leaf), payload_hash: sha256(&[&payload]), leaf, payload })
    }

    /// The leaf: one line of JSON without a newline.
    pub fn leaf(&self) -> &[u8] {
        &self.leaf
    }

    /// The payload; empty if the record commits to nothing.
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// The leaf's hash in the tree.
    pub fn leaf_hash(&self) -> Hash {
        self.leaf_hash
    }

    /// Bytes that the frame takes in the file.
    pub fn frame_bytes(&self) -> usize {
        [HEADER_BYTES, self.leaf.len(), self.payload.len(), CHECKSUM_BYTES].iter().sum()
    }

    /// Appends the frame to a buffer. It is valid at this index only.
    pub fn write_frame(&self, index: u64, out: &mut Vec<u8>) {
        let header = header(self.leaf.len(), self.payload.len());
        out.extend_from_slice(&header);
        out.extend_from_slice(&self.leaf);
        out.extend_from_slice(&self.payload);
        out.extend_from_slice(&checksum(index, &header, self.leaf_hash, &self.payload_hash));
    }
}

/// A record as read from a log, unverified but for its checksum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The leaf.
    pub leaf: Vec<u8>,
    /// The payload.
    pub payload: Vec<u8>,
    /// The leaf's hash in the tree.
    pub leaf_hash: Hash,
}

/// Bytes that are not a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameFault {
    /// The file ends within the frame.
    #[error("the file ends within the record")]
    Incomplete,
    /// The leaf's length is zero or more than [`LEAF_BYTES_MAX`].
    #[error("the length of the record's leaf is impossible")]
    LeafLength,
    /// The payload's length is more than [`PAYLOAD_BYTES_MAX`].
    #[error("the length of the record's payload is impossible")]
    PayloadLength,
    /// Some byte is not what was written, or the frame stands at the wrong place.
    #[error("the record's checksum is wrong")]
    Checksum,
}

/// Why no frame could be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The bytes are wrong.
    #[error(transparent)]
    Fault(#[from] FrameFault),
    /// The bytes could not be had.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Reads frames one after the other.
#[derive(Debug)]
pub struct FrameReader<R> {
    source: R,
    index: u64,
    offset: u64,
}

impl<R: Read> FrameReader<R> {
    /// Reads from the beginning of a log.
    pub fn new(source: R) -> Self {
        Self::starting_at(source, 0, 0)
    }

    /// Reads on from a place where [`Self::index`] and [`Self::offset`] stood before.
    pub fn starting_at(source: R, index: u64, offset: u64) -> Self {
        Self { source, index, offset }
    }

    /// Index of the next frame.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// Where the next frame begins: the number of bytes of all whole frames before it.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The source, which stands behind the last frame that was read.
    pub fn source_mut(&mut self) -> &mut R {
        &mut self.source
    }

    /// Reads the next frame; nothing at the end of the source.
    ///
    /// # Errors
    ///
    /// [`ReadError`]. After a fault nothing more can be read: where the next frame begins is unknown.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, ReadError> {
        let header = self.take(HEADER_BYTES)?;
        let (leaf_bytes, payload_bytes) = match lengths(&header) {
            Some(lengths) => lengths,
            None if header.is_empty() => return Ok(None),
            None => return Err(FrameFault::Incomplete.into()),
        };
        if leaf_bytes == 0 || leaf_bytes > LEAF_BYTES_MAX {
            return Err(FrameFault::LeafLength.into());
        }
        if payload_bytes > PAYLOAD_BYTES_MAX {
            return Err(FrameFault::PayloadLength.into());
        }
        let leaf = self.take(leaf_bytes)?;
        let payload = self.take(payload_bytes)?;
        let found = self.take(CHECKSUM_BYTES)?;
        if found.len() < CHECKSUM_BYTES {
            return Err(FrameFault::Incomplete.into());
        }
        let leaf_hash = leaf_hash(&leaf);
        if found != checksum(self.index, &header, leaf_hash, &sha256(&[&payload])) {
            return Err(FrameFault::Checksum.into());
        }
        let read = [HEADER_BYTES, leaf.len(), payload.len(), CHECKSUM_BYTES].iter().sum::<usize>();
        self.offset = self.offset.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
        self.index = self.index.saturating_add(1);
        Ok(Some(Frame { leaf, payload, leaf_hash }))
    }

    /// Reads so many bytes, or fewer at the end of the source.
    fn take(&mut self, bytes: usize) -> io::Result<Vec<u8>> {
        // Grows as bytes come in, so that a wrong length does not reserve memory.
        let mut out = Vec::with_capacity(bytes.min(LEAF_BYTES_MAX));
        let limit = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.source.by_ref().take(limit).read_to_end(&mut out)?;
        Ok(out)
    }
}

fn lengths(header: &[u8]) -> Option<(usize, usize)> {
    let (leaf, payload) = header.split_first_chunk::<4>()?;
    let payload = payload.first_chunk::<4>()?;
    let leaf = usize::try_from(u32::from_be_bytes(*leaf)).ok()?;
    let payload = usize::try_from(u32::from_be_bytes(*payload)).ok()?;
    Some((leaf, payload))
}

fn header(leaf_bytes: usize, payload_bytes: usize) -> Vec<u8> {
    // Both are within their limits, which fit into 32 bits.
    let length = |bytes| u32::try_from(bytes).unwrap_or(u32::MAX).to_be_bytes();
    [length(leaf_bytes), length(payload_bytes)].concat()
}

fn checksum(
    index: u64,
    header: &[u8],
    leaf_hash: Hash,
    payload_hash: &[u8; 32],
) -> [u8; CHECKSUM_BYTES] {
    let digest = sha256(&[DOMAIN, &index.to_be_bytes(), header, &leaf_hash.0, payload_hash]);
    let mut out = [0; CHECKSUM_BYTES];
    for (to, from) in out.iter_mut().zip(digest) {
        *to = from;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(leaf: &str, payload: &str) -> Entry {
        Entry::new(leaf.into(), payload.into()).unwrap()
    }

    fn log(entries: &[Entry]) -> Vec<u8> {
        let mut log = Vec::new();
        for (index, entry) in entries.iter().enumerate() {
            entry.write_frame(index as u64, &mut log);
        }
        log
    }

    fn read(log: &[u8]) -> (usize, Option<FrameFault>) {
        let mut reader = FrameReader::new(log);
        let fault = loop {
            match reader.next_frame() {
                Ok(Some(_)) => {}
                Ok(None) => break None,
                Err(ReadError::Fault(fault)) => break Some(fault),
                Err(ReadError::Io(error)) => panic!("{error}"),
            }
        };
        (usize::try_from(reader.index()).unwrap(), fault)
    }

    #[test]
    fn frames_read_back() {
        let entries = [entry("{}", ""), entry("{\"a\":1}", "payload")];
        let log = log(&entries);
        let mut reader = FrameReader::new(log.as_slice());
        for entry in &entries {
            let frame = reader.next_frame().unwrap().unwrap();
            assert_eq!((frame.leaf, frame.payload), (entry.leaf.clone(), entry.payload.clone()));
            assert_eq!(frame.leaf_hash, entry.leaf_hash());
        }
        assert!(reader.next_frame().unwrap().is_none());
        assert_eq!(reader.index(), 2);
        assert_eq!(reader.offset(), log.len() as u64);
        assert_eq!(log.len(), entries.iter().map(Entry::frame_bytes).sum::<usize>());
    }

    #[test]
    fn every_flipped_bit_is_found_in_the_frame_where_it_is() {
        let log = log(&[entry("{}", "p"), entry("{\"a\":1}", ""), entry("{\"b\":2}", "pay")]);
        let second = entry("{}", "p").frame_bytes();
        let third = second + entry("{\"a\":1}", "").frame_bytes();
        for bit in 0..log.len() * 8 {
            let mut wrong = log.clone();
            wrong[bit / 8] ^= 1 << (bit % 8);
            let (whole, fault) = read(&wrong);
            let expected = usize::from(bit / 8 >= second) + usize::from(bit / 8 >= third);
            assert!(fault.is_some(), "bit {bit}");
            assert_eq!(whole, expected, "bit {bit}: {fault:?}");
        }
    }

    #[test]
    fn a_log_cut_anywhere_else_than_between_frames_is_incomplete() {
        let log = log(&[entry("{}", "p"), entry("{\"a\":1}", "")]);
        let boundary = entry("{}", "p").frame_bytes();
        for length in 0..log.len() {
            let expected = match length {
                0 => (0, None),
                _ if length == boundary => (1, None),
                _ => (usize::from(length > boundary), Some(FrameFault::Incomplete)),
            };
            assert_eq!(read(&log[..length]), expected, "length {length}");
        }
    }

    #[test]
    fn a_frame_is_valid_at_one_place_only() {
        let mut log = Vec::new();
        entry("{}", "").write_frame(1, &mut log);
        assert_eq!(read(&log), (0, Some(FrameFault::Checksum)));
    }

    #[test]
    fn what_is_too_long_is_refused() {
        let limits = [
            (LEAF_BYTES_MAX, 0, true),
            (LEAF_BYTES_MAX + 1, 0, false),
            (2, PAYLOAD_BYTES_MAX, true),
            (2, PAYLOAD_BYTES_MAX + 1, false),
        ];
        for (leaf, payload, fits) in limits {
            let entry = Entry::new(vec![b'x'; leaf], vec![b'x'; payload]);
            assert_eq!(entry.is_ok(), fits, "{leaf} {payload}");
        }
    }

    #[test]
    fn an_impossible_length_reserves_no_memory() {
        let mut log = vec![0xff; HEADER_BYTES];
        assert_eq!(read(&log), (0, Some(FrameFault::LeafLength)));
        log[..4].copy_from_slice(&[0, 0, 0, 2]);
        assert_eq!(read(&log), (0, Some(FrameFault::PayloadLength)));
        log[..4].copy_from_slice(&[0; 4]);
        assert_eq!(read(&log), (0, Some(FrameFault::LeafLength)));
    }
}
