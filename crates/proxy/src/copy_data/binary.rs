//! Binary data: values with their lengths before them.

use mask::Encoding;
use sql::Given;

use super::{Columns, HoldsPlaceholder};

/// Signature and flags; the length of what follows them.
const HEADER_BYTES: usize = 11 + 4;

/// Where in binary data the reader is.
#[derive(Debug)]
pub(super) enum Binary {
    /// So many bytes are to be skipped, and then a number read.
    Header(usize),
    /// A number of so many bytes is being read, for this.
    Number(Vec<u8>, Counts),
    Value(usize),
    Ended,
}

/// What a number in binary data counts.
#[derive(Clone, Copy, Debug)]
pub(super) enum Counts {
    Extension,
    Columns,
    Bytes,
}

impl Default for Binary {
    fn default() -> Self {
        Self::Header(HEADER_BYTES)
    }
}

pub(super) fn take_binary(
    mut data: &[u8],
    binary: &mut Binary,
    columns: &mut Columns,
) -> Result<(), HoldsPlaceholder> {
    while !data.is_empty() {
        match binary {
            Binary::Ended => return Ok(()),
            Binary::Header(left) => {
                let (skipped, rest) = data.split_at(data.len().min(*left));
                *left = left.saturating_sub(skipped.len());
                data = rest;
                if *left == 0 {
                    *binary = Binary::Number(Vec::new(), Counts::Extension);
                }
            }
            Binary::Number(bytes, counts) => {
                let needed = match counts {
                    Counts::Extension | Counts::Bytes => 4_usize,
                    Counts::Columns => 2,
                };
                let needed = needed.saturating_sub(bytes.len());
                let (taken, rest) = data.split_at(data.len().min(needed));
                bytes.extend_from_slice(taken);
                data = rest;
                if taken.len() == needed {
                    *binary = counted(bytes, *counts, columns)?;
                }
            }
            Binary::Value(left) => {
                let (taken, rest) = data.split_at(data.len().min(*left));
                columns.push(taken)?;
                *left = left.saturating_sub(taken.len());
                data = rest;
                if *left == 0 {
                    *binary = ended_value(columns)?;
                }
            }
        }
    }
    Ok(())
}

/// What follows a number.
fn counted(
    bytes: &[u8],
    counts: Counts,
    columns: &mut Columns,
) -> Result<Binary, HoldsPlaceholder> {
    let is_negative = bytes.first().is_some_and(|byte| byte & 0x80 != 0);
    let number = bytes.iter().fold(0_usize, |number, byte| (number << 8) | usize::from(*byte));
    Ok(match counts {
        Counts::Extension if number > 0 && !is_negative => skip_extension(number),
        Counts::Extension => Binary::Number(Vec::new(), Counts::Columns),
        // −1 instead of a number of columns ends the data.
        Counts::Columns if is_negative => Binary::Ended,
        Counts::Columns => {
            (columns.column, columns.left, columns.is_header) = (0, number, false);
            next_value(columns)
        }
        Counts::Bytes if is_negative => {
            columns.next();
            columns.left = columns.left.saturating_sub(1);
            next_value(columns)
        }
        Counts::Bytes if number == 0 => ended_value(columns)?,
        Counts::Bytes => Binary::Value(number),
    })
}

/// No extension is known; the target refuses data that have one that it must know.
fn skip_extension(_bytes: usize) -> Binary {
    Binary::Ended
}

fn ended_value(columns: &mut Columns) -> Result<Binary, HoldsPlaceholder> {
    columns.check(|value| Given::Binary(value, Encoding::Inferred))?;
    columns.next();
    columns.left = columns.left.saturating_sub(1);
    Ok(next_value(columns))
}

fn next_value(columns: &Columns) -> Binary {
    let counts = if columns.left == 0 { Counts::Columns } else { Counts::Bytes };
    Binary::Number(Vec::new(), counts)
}
