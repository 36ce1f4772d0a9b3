//! Looks through the free text of an answer's rows, and replaces what is found in it.
//!
//! Only rows of plans with such columns come here; all others pass as they are.
//!
//! **Invariant:** a row leaves whole, after all of its free text was looked through. A row that is
//! too large for that does not leave.

use std::collections::BTreeMap;

use bytes::{BufMut as _, Bytes, BytesMut};
use mask::{Content, Counts};
use model::{Detectors, Mask, MaskedColumn, Redaction};
use sql::Plan;

/// The largest row that is looked through.
pub(crate) const FREE_TEXT_ROW_BYTES_MAX: usize = 16 << 20;

/// OIDs of the types that hold JSON (PostgreSQL, `pg_type.dat`).
const JSON_OIDS: [u32; 2] = [114, 3802];
/// The first byte of a `jsonb` in binary form. No JSON begins so.
const JSONB_VERSION: u8 = 1;
/// Type and length of a message, and the count of columns of a `DataRow`.
const HEADER_BYTES: usize = 5;

/// A row that is too large or not a row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unreadable;

/// What is looked for in one output column.
#[derive(Debug)]
struct Looked {
    /// Index of the column in `Facts::masked`.
    masked: usize,
    content: Content,
    detectors: Detectors,
}

/// Rewrites the rows of one command.
#[derive(Debug)]
pub(crate) struct Rewriter {
    outputs: Vec<Option<Looked>>,
    /// The beginning of a row.
    begun: BytesMut,
    counts: BTreeMap<usize, Counts>,
}

impl Rewriter {
    /// Nothing if no output column is free text.
    pub(crate) fn of(plan: &Plan) -> Option<Box<Self>> {
        let looked = |output: &sql::Output| {
            let masked = output.masked?;
            let Mask::Detect(detectors) = &plan.facts.masked.get(masked)?.mask else { return None };
            let is_json = output.type_oid.is_some_and(|oid| JSON_OIDS.contains(&oid));
            let content = if is_json { Content::Json } else { Content::Text };
            Some(Looked { masked, content, detectors: detectors.clone() })
        };
        let outputs: Vec<Option<Looked>> = plan.outputs.iter().map(looked).collect();
        outputs
            .iter()
            .any(Option::is_some)
            .then(|| Box::new(Self { outputs, begun: BytesMut::new(), counts: BTreeMap::new() }))
    }

    /// Takes bytes of rows and returns the rows that are whole, looked through.
    pub(crate) fn rewrite(&mut self, bytes: &[u8]) -> Result<Bytes, Unreadable> {
        self.begun.extend_from_slice(bytes);
        let mut out = BytesMut::new();
        while let Some(length) = self.begun.get(1..HEADER_BYTES) {
            let length = number(length)?.checked_add(1).ok_or(Unreadable)?;
            if !(HEADER_BYTES..=FREE_TEXT_ROW_BYTES_MAX).contains(&length) {
                return Err(Unreadable);
            }
            if self.begun.len() < length {
                break;
            }
            let row = self.begun.split_to(length).freeze();
            self.rewrite_row(&row, &mut out)?;
        }
        Ok(out.freeze())
    }

    /// What was hidden, per column and detector.
    pub(crate) fn redactions(&self, masked: &[MaskedColumn]) -> Vec<Redaction> {
        let of_column = |(index, counts): (&usize, &Counts)| {
            let column = masked.get(*index).cloned();
            let counts = counts.clone().into_iter();
            counts.filter_map(move |(detector, values)| {
                let mask = Mask::Detect(Detectors::from([detector]));
                Some(Redaction { column: MaskedColumn { mask, ..column.clone()? }, values })
            })
        };
        self.counts.iter().flat_map(of_column).collect()
    }

    fn rewrite_row(&mut self, row: &[u8], out: &mut BytesMut) -> Result<(), Unreadable> {
        let (count, mut rest) =
            row.get(HEADER_BYTES..).and_then(|row| row.split_at_checked(2)).ok_or(Unreadable)?;
        if number(count)? != self.outputs.len() {
            return Err(Unreadable);
        }
        let mut body = BytesMut::with_capacity(row.len());
        body.extend_from_slice(count);
        for looked in &self.outputs {
            let (length, behind) = rest.split_at_checked(4).ok_or(Unreadable)?;
            if length == (-1_i32).to_be_bytes() {
                body.extend_from_slice(length);
                rest = behind;
                continue;
            }
            let (cell, behind) = behind.split_at_checked(number(length)?).ok_or(Unreadable)?;
            rest = behind;
            let redacted = looked.as_ref().and_then(|looked| {
                redact(cell, looked, self.counts.entry(looked.masked).or_default())
            });
            let cell = redacted.as_deref().unwrap_or(cell);
            body.put_i32(i32::try_from(cell.len()).map_err(|_too_long| Unreadable)?);
            body.extend_from_slice(cell);
        }
        if !rest.is_empty() {
            return Err(Unreadable);
        }
        let length = body.len().checked_add(4).and_then(|length| i32::try_from(length).ok());
        out.put_u8(b'D');
        out.put_i32(length.ok_or(Unreadable)?);
        out.extend_from_slice(&body);
        Ok(())
    }
}

fn redact(cell: &[u8], looked: &Looked, counts: &mut Counts) -> Option<Vec<u8>> {
    let find = |value: &[u8], counts: &mut Counts| {
        mask::redact(value, looked.content, &looked.detectors, counts)
    };
    match (looked.content, cell.split_first()) {
        (Content::Json, Some((&JSONB_VERSION, value))) => {
            Some([&[JSONB_VERSION], find(value, counts)?.as_slice()].concat())
        }
        (Content::Json | Content::Text, _) => find(cell, counts),
    }
}

/// A big-endian number without a sign.
fn number(bytes: &[u8]) -> Result<usize, Unreadable> {
    let value = bytes.iter().fold(0_u64, |value, byte| (value << 8) | u64::from(*byte));
    usize::try_from(value).map_err(|_too_large| Unreadable)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use model::{Detector, Facts, RelationName, StatementKind};
    use proptest::prelude::*;
    use sql::Output;

    use super::*;

    const TEXT_OID: u32 = 25;

    /// A type, a cell of it, and what leaves.
    type Case = (u32, &'static [u8], &'static [u8]);

    fn rewriter(types: &[u32]) -> Rewriter {
        let column = MaskedColumn {
            relation: RelationName::new("support", "tickets"),
            column: "body".to_owned(),
            mask: Mask::Detect(Detector::ALL.into()),
        };
        let facts = Facts { masked: vec![column], ..Facts::nothing(StatementKind::Read) };
        let output = |type_oid: &u32| Output {
            name: "c".to_owned(),
            origin: None,
            type_oid: Some(*type_oid),
            masked: Some(0),
        };
        let outputs = types.iter().map(output).collect();
        let plan = Plan {
            outputs,
            facts: Arc::new(facts),
            ..Plan::new(Facts::nothing(StatementKind::Read), "")
        };
        *Rewriter::of(&plan).unwrap()
    }

    fn row(cells: &[Option<&[u8]>]) -> Vec<u8> {
        let mut body = u16::try_from(cells.len()).unwrap().to_be_bytes().to_vec();
        for cell in cells {
            let length = cell.map_or(-1, |cell| i32::try_from(cell.len()).unwrap());
            body.extend_from_slice(&length.to_be_bytes());
            body.extend_from_slice(cell.unwrap_or_default());
        }
        let length = u32::try_from(body.len()).unwrap().saturating_add(4);
        [&b"D"[..], &length.to_be_bytes(), &body].concat()
    }

    #[test]
    fn cells_are_looked_through_by_their_type() {
        #[rustfmt::skip]
        let cases: [Case; 7] = [
            (TEXT_OID, b"card 4111111111111111!",        b"card [card]!"),
            (TEXT_OID, "ä 4111111111111111 €".as_bytes(), "ä [card] €".as_bytes()),
            (TEXT_OID, b"",                              b""),
            (TEXT_OID, b"4111111111111111 \xff",         b"[withheld]"),
            (114,      b"[\"4111\\u003111111111111\"]",  b"[\"[card]\"]"),
            (3802,     b"\x01{\"ssn\": 123456789}",      b"\x01{\"ssn\": \"[ssn]\"}"),
            (3802,     b"{\"ssn\": 123456789}",          b"{\"ssn\": \"[ssn]\"}"),
        ];
        for (oid, cell, expected) in cases {
            let rewritten = rewriter(&[oid, oid]).rewrite(&row(&[Some(cell), None])).unwrap();
            assert_eq!(
                rewritten,
                row(&[Some(expected), None]),
                "{}",
                String::from_utf8_lossy(cell)
            );
        }
    }

    #[test]
    fn what_is_no_row_and_what_is_too_large_does_not_leave() {
        let cell = Some(b"x".as_slice());
        let mut longer = row(&[cell]);
        longer.push(b'y');
        longer[4] += 1;
        let too_long = u32::try_from(FREE_TEXT_ROW_BYTES_MAX).unwrap().to_be_bytes();
        let too_large = [&b"D"[..], &too_long, &[0, 1]].concat();
        for bytes in [row(&[cell, cell]), row(&[]), longer, too_large, b"D\0\0\0\x03".to_vec()] {
            assert!(rewriter(&[TEXT_OID]).rewrite(&bytes).is_err(), "{bytes:?}");
        }
        let largest = vec![b' '; FREE_TEXT_ROW_BYTES_MAX - HEADER_BYTES - 2 - 4];
        let mut rewriter = rewriter(&[TEXT_OID]);
        assert_eq!(rewriter.rewrite(&row(&[Some(&largest)])).unwrap(), row(&[Some(b"[withheld]")]));
    }

    proptest! {
        /// However the network cuts the bytes, the rows are the same, and each leaves whole.
        #[test]
        fn does_not_depend_on_how_bytes_are_cut(
            texts in prop::collection::vec(prop::option::of("[a-z€„ ]{0,9}[ €„](4111111111111111|a@b.example)? [0-9]{0,9}"), 1..9),
            cut in 1..64_usize,
        ) {
            let rows: Vec<u8> = texts.iter().flat_map(|text| row(&[text.as_deref().map(str::as_bytes)])).collect();
            let whole = rewriter(&[TEXT_OID]).rewrite(&rows).unwrap();
            let mut pieces = rewriter(&[TEXT_OID]);
            let cut: Vec<u8> = rows.chunks(cut).flat_map(|piece| pieces.rewrite(piece).unwrap()).collect();
            prop_assert_eq!(&whole, &cut);
            let has = |text: &[u8]| whole.windows(text.len()).any(|part| part == text);
            prop_assert!(!has(b"4111111111111111") && !has(b"a@b.example"));
        }
    }
}
