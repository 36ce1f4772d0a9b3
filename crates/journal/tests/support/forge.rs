//! A forger's tools: takes a log apart and puts it together again, with frames and hashes to match.
//!
//! Written against the description of the format, not with the ledger's own code.
#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]
#![expect(clippy::cast_possible_truncation, reason = "small numbers in tests")]

use std::ops::Range;

/// One record of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Raw {
    pub(crate) leaf: Vec<u8>,
    pub(crate) payload: Vec<u8>,
}

/// Takes a log apart.
pub(crate) fn records(log: &[u8]) -> Vec<Raw> {
    spans(log)
        .into_iter()
        .map(|span| {
            let frame = &log[span];
            let leaf_bytes = length(frame);
            let body = &frame[8..frame.len() - 8];
            Raw { leaf: body[..leaf_bytes].to_vec(), payload: body[leaf_bytes..].to_vec() }
        })
        .collect()
}

/// Where each record lies in a log.
pub(crate) fn spans(log: &[u8]) -> Vec<Range<usize>> {
    let mut spans = Vec::new();
    let mut at = 0;
    while at < log.len() {
        let end = at + 16 + length(&log[at..]) + length(&log[at + 4..]);
        spans.push(at..end);
        at = end;
    }
    spans
}

fn length(bytes: &[u8]) -> usize {
    u32::from_be_bytes(bytes[..4].try_into().unwrap()) as usize
}

/// Puts a log together, with right lengths and checksums.
pub(crate) fn log(records: &[Raw]) -> Vec<u8> {
    let mut log = Vec::new();
    for (index, Raw { leaf, payload }) in (0_u64..).zip(records) {
        let header = [(leaf.len() as u32).to_be_bytes(), (payload.len() as u32).to_be_bytes()];
        let header = header.concat();
        let checksum = crypto::sha256(&[
            b"countersign frame v1\n",
            &index.to_be_bytes(),
            &header,
            &crypto::sha256(&[&[0], leaf]),
            &crypto::sha256(&[payload]),
        ]);
        for part in [&header, leaf, payload, &checksum[..8]] {
            log.extend_from_slice(part);
        }
    }
    log
}

/// The hashes that belong to the records.
pub(crate) fn hashes(records: &[Raw]) -> Vec<u8> {
    records.iter().flat_map(|record| crypto::sha256(&[&[0], &record.leaf])).collect()
}
