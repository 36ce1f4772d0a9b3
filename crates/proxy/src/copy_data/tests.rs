//! What is found in data, however they are written and cut.

use mask::{ColumnType, Placeholder};
use model::{Detector, Mask};
use proptest::prelude::*;
use sql::CopyDirection;

use super::*;

const FOUND: Result<(), HoldsPlaceholder> = Err(HoldsPlaceholder);

/// Three columns: the first may hold anything, the second no stars, the third no `[card]`.
fn copy(text: Option<CopyText>, has_header: bool) -> Copy {
    let column = ColumnType::built_in(25, "text");
    let guard =
        |mask: Mask| Some(Arc::new(Guard::new("c", Arc::new(Placeholder::of(&mask, &column)))));
    let detect = Mask::Detect([Detector::Card].into());
    Copy {
        direction: CopyDirection::In,
        is_binary: text.is_none(),
        has_header,
        columns: 3,
        masked: Vec::new(),
        guards: vec![None, guard(Mask::Full), guard(detect)],
        text,
    }
}

fn text(is_csv: bool) -> CopyText {
    let (delimiter, null) = if is_csv { (b',', Vec::new()) } else { (b'\t', b"\\N".to_vec()) };
    CopyText { is_csv, delimiter, quote: b'"', escape: b'"', null }
}

fn read(copy: &Copy, data: &[u8], piece: usize) -> Result<(), HoldsPlaceholder> {
    let mut reader = CopyReader::of(copy).unwrap();
    data.chunks(piece).try_for_each(|piece| reader.take(piece))?;
    reader.finish()
}

fn row(cells: [Option<&[u8]>; 3]) -> Vec<u8> {
    let mut row = vec![0, 3];
    for cell in cells {
        let length = cell.map_or(-1, |cell| i32::try_from(cell.len()).unwrap());
        row.extend_from_slice(&length.to_be_bytes());
        row.extend_from_slice(cell.unwrap_or_default());
    }
    row
}

fn binary(rows: &[Vec<u8>]) -> Vec<u8> {
    let header = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
    [header.as_slice(), &rows.concat(), &[0xff, 0xff]].concat()
}

#[test]
fn a_placeholder_is_found_however_it_is_written_and_cut() {
    let escape = CopyText { escape: b'\\', ..text(true) };
    let named_null = CopyText { null: b"********".to_vec(), ..text(true) };
    let long = format!("1\tx\t{}[card]{}", "y".repeat(70_000), "z".repeat(70_000));
    let stars = format!("1\t{}********\tx\n", "y".repeat(70_000));
    #[rustfmt::skip]
    let cases: [(CopyText, &str, bool); 26] = [
        (text(false), "1\t********\tx\n",                   true),
        (text(false), "1\t********\tx",                     true),
        (text(false), "1\tx\ty\n2\t********\tx\n",          true),
        (text(false), "1\tx\ty\r\n2\t********\tx\r\n",      true),
        (text(false), "1\t\\x2a\\52\\052*****\tx\n",        true),
        (text(false), "1\t\\*\\*\\*\\*\\*\\*\\*\\*\tx\n",   true),
        (text(false), "1\tx\ta [card]\n",                   true),
        (text(false), "1\tx\ta \\[card\\]\n",               true),
        (text(false), &long,                                true),
        (text(false), "********\tx\ty\n",                   false),
        (text(false), "1\t*********\tx\n",                  false),
        (text(false), "1\t*******\\t\tx\n",                 false),
        (text(false), "1\t\\N\t\\N\n\\.\n",                 false),
        (text(false), "1\tx\t********\n",                   false),
        (text(false), &stars,                               false),
        (text(true),  "1,********,x\n",                     true),
        (text(true),  "1,\"********\",x\n",                 true),
        (text(true),  "1,\"****\"****,x\n",                 true),
        (text(true),  "\"a\nb,\"\"\",********,x\n",         true),
        (text(true),  "1,x,\"a \"\"[card]\"\"\"\n",         true),
        (text(true),  "1,\"a,********,b\",x\n",             false),
        (text(true),  "1,\"\n********\n\",x\n",             false),
        (text(true),  "1,\"\"\"********\",x\n",             false),
        (escape,      "\"a\\\"b\",********,x\n",            true),
        (named_null.clone(), "1,********,x\n",              false),
        (named_null,  "1,\"********\",x\n",                 true),
    ];
    for (form, data, is_found) in cases {
        let copy = copy(Some(form), false);
        for piece in [1, 2, 3, 5, 7, 4_096, 200_000] {
            let expected = if is_found { FOUND } else { Ok(()) };
            let data = data.as_bytes();
            let shown: String = String::from_utf8_lossy(data).chars().take(40).collect();
            assert_eq!(read(&copy, data, piece), expected, "{shown} in pieces of {piece}");
        }
    }
}

#[test]
fn a_header_is_no_row() {
    let copy = copy(Some(text(true)), true);
    assert_eq!(read(&copy, b"id,********,[card]\n1,x,y\n", 3), Ok(()));
    assert_eq!(read(&copy, b"id,b,c\n1,********,y\n", 3), FOUND);
}

#[test]
fn a_placeholder_is_found_in_binary_data() {
    let stars: Option<&[u8]> = Some(b"********");
    #[rustfmt::skip]
    let cases = [
        (vec![row([None, stars, None])],                                    FOUND),
        (vec![row([stars, None, stars]), row([None, stars, Some(b"")])],     FOUND),
        (vec![row([None, Some(b""), Some(b"a [card] b")])],                 FOUND),
        (vec![row([stars, Some(b"x"), stars]), row([None, None, None])],     Ok(())),
        (Vec::new(),                                                        Ok(())),
    ];
    for (rows, expected) in cases {
        for piece in [1, 2, 3, 5, 4_096] {
            assert_eq!(read(&copy(None, false), &binary(&rows), piece), expected, "{rows:?}");
        }
    }
}

proptest! {
    /// However the client cuts its data, the same is found; and no data make it panic.
    #[test]
    fn does_not_depend_on_how_data_are_cut(
        data in "[\\[card\\],\t\n\r\"\\\\*x1]{0,80}",
        piece in 1..16_usize,
    ) {
        for copy in [copy(Some(text(false)), false), copy(Some(text(true)), true), copy(None, false)] {
            prop_assert_eq!(
                read(&copy, data.as_bytes(), piece),
                read(&copy, data.as_bytes(), usize::MAX)
            );
        }
    }
}
