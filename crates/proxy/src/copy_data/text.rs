//! Text and CSV, byte by byte: where a value ends, and which bytes are meant.

use sql::CopyText;

use super::{Columns, HoldsPlaceholder};

/// Where in a text or CSV the reader is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Place {
    /// A byte was read that says how the next is meant.
    pub(super) escape: Option<Escape>,
    is_quoted: bool,
    /// The last byte was a carriage return at the end of a line.
    ended_by_return: bool,
}

/// What stands between a backslash or an escape and what it makes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Escape {
    Begun,
    Octal(u8, u8),
    Hexadecimal(u8, u8),
}

fn is_line_end(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

/// True for the second half of a line's end.
fn skips(byte: u8, place: &mut Place) -> bool {
    let skips = place.ended_by_return && byte == b'\n';
    place.ended_by_return = false;
    skips
}

fn end_line(
    byte: u8,
    text: &CopyText,
    place: &mut Place,
    columns: &mut Columns,
) -> Result<(), HoldsPlaceholder> {
    columns.end_text(text)?;
    columns.end_row();
    place.ended_by_return = byte == b'\r';
    Ok(())
}

pub(super) fn take_text(
    byte: u8,
    text: &CopyText,
    place: &mut Place,
    columns: &mut Columns,
) -> Result<(), HoldsPlaceholder> {
    if skips(byte, place) {
        return Ok(());
    }
    if let Some(escape) = place.escape.take() {
        let digit = char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        match (escape, byte, digit) {
            (Escape::Begun, b'0'..=b'7', Some(digit)) => {
                place.escape = Some(Escape::Octal(digit, 1));
                return Ok(());
            }
            (Escape::Begun, b'x', _) => {
                place.escape = Some(Escape::Hexadecimal(0, 0));
                return Ok(());
            }
            (Escape::Octal(value, count @ 1..=2), b'0'..=b'7', Some(digit)) => {
                let value = (value << 3) | digit;
                place.escape = Some(Escape::Octal(value, count.saturating_add(1)));
                return Ok(());
            }
            (Escape::Hexadecimal(value, count @ 0..=1), _, Some(digit)) => {
                let value = (value << 4) | digit;
                place.escape = Some(Escape::Hexadecimal(value, count.saturating_add(1)));
                return Ok(());
            }
            (Escape::Begun, _, _) => {
                let meant = match byte {
                    b'b' => 8,
                    b'f' => 12,
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'v' => 11,
                    other => other,
                };
                return columns.push(&[meant]);
            }
            // `\x` without a digit is an `x`.
            (Escape::Hexadecimal(_, 0), _, _) => columns.push(b"x")?,
            (Escape::Octal(value, _) | Escape::Hexadecimal(value, _), _, _) => {
                columns.push(&[value])?;
            }
        }
    }
    match byte {
        b'\\' => {
            columns.is_special = true;
            place.escape = Some(Escape::Begun);
            Ok(())
        }
        _ if byte == text.delimiter => columns.end_text(text),
        _ if is_line_end(byte) => end_line(byte, text, place, columns),
        _ => columns.push(&[byte]),
    }
}

pub(super) fn take_csv(
    byte: u8,
    text: &CopyText,
    place: &mut Place,
    columns: &mut Columns,
) -> Result<(), HoldsPlaceholder> {
    if skips(byte, place) {
        return Ok(());
    }
    if place.escape.take().is_some() {
        if byte == text.quote || byte == text.escape {
            return columns.push(&[byte]);
        }
        if text.escape == text.quote {
            // It was the end of what is quoted.
            place.is_quoted = false;
        } else {
            columns.push(&[text.escape])?;
        }
    }
    match byte {
        _ if place.is_quoted && byte == text.escape => place.escape = Some(Escape::Begun),
        _ if byte == text.quote => {
            columns.is_special = true;
            place.is_quoted = !place.is_quoted;
        }
        _ if place.is_quoted => columns.push(&[byte])?,
        _ if byte == text.delimiter => columns.end_text(text)?,
        _ if is_line_end(byte) => end_line(byte, text, place, columns)?,
        _ => columns.push(&[byte])?,
    }
    Ok(())
}
