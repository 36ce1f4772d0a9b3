//! The `[[target.free_text]]` sections: which columns hold free text, and what is looked for there.

use model::{Detector, Detectors, Mask, MaskDeclaration};

use super::reader::{Problems, Section, Text};
use super::target::is_column;

/// Reads the sections, behind the masks of the same target: a column has one or the other.
pub(super) fn read(
    sections: Vec<Section<'_>>,
    masks: &mut Vec<MaskDeclaration>,
    problems: &mut Problems,
) {
    for mut section in sections {
        let column = section.need("column", "column = \"support.tickets.body\"", problems);
        let column = column.and_then(|field| field.text(problems));
        let column = column.filter(|text| is_column(text, problems));
        let detect = match section.take("detect") {
            None => Some(Detector::ALL.into()),
            Some(field) => {
                let place = field.place.clone();
                let named = field.texts(problems);
                if named.as_ref().is_some_and(Vec::is_empty) {
                    problems.add(
                        &place,
                        "names no detector",
                        "Name one, or remove the key for all",
                    );
                }
                named.and_then(|named| detectors(&named, problems))
            }
        };
        section.finish(problems);
        let (Some(column), Some(detect)) = (column, detect) else { continue };
        if masks.iter().any(|other| other.column == column.value) {
            let what = format!("`{}` is masked or free text already", column.value);
            problems.add(&column.place, what, "Keep one of the two");
            continue;
        }
        masks.push(MaskDeclaration { column: column.value, mask: Mask::Detect(detect) });
    }
}

fn detectors(named: &[Text], problems: &mut Problems) -> Option<Detectors> {
    let one = |text: &Text| {
        let detector = text.value.parse::<Detector>();
        if let Err(error) = &detector {
            problems.add(&text.place, error.to_string(), "Remove it, or name another one");
        }
        detector.ok()
    };
    named.iter().map(one).collect::<Vec<_>>().into_iter().collect()
}
