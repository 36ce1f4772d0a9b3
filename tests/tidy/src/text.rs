//! Rules about what files say and how long they are.

use std::collections::BTreeSet;

use crate::files::{self, SourceFile};
use crate::rules::{FORBIDDEN, LINES_MAX, LongFile, PURE, WORLDLY_PATHS};

/// Rust files that do not begin by saying what they are.
pub fn first_line_complaints(files: &[SourceFile]) -> Vec<String> {
    rust(files)
        .filter(|file| !file.text.starts_with("//! "))
        .map(|file| format!("{} does not begin with `//! `", file.path))
        .collect()
}

/// Rust files that are longer than they may be, and exceptions that are not needed.
pub fn length_complaints(files: &[SourceFile], exceptions: &[LongFile]) -> Vec<String> {
    let mut complaints = Vec::new();
    for file in rust(files) {
        let lines = file.text.lines().count();
        let exception = exceptions.iter().find(|exception| exception.path == file.path);
        let lines_max = exception.map_or(LINES_MAX, |exception| exception.lines_max);
        if lines > lines_max {
            complaints.push(format!("{} has {lines} lines; {lines_max} is the limit", file.path));
        } else if exception.is_some() && lines <= LINES_MAX {
            complaints.push(format!("{} needs no exception: {lines} lines", file.path));
        }
    }
    let paths: BTreeSet<&str> = files.iter().map(|file| file.path.as_str()).collect();
    let gone = exceptions.iter().filter(|exception| !paths.contains(exception.path));
    complaints.extend(gone.map(|exception| format!("{} does not exist", exception.path)));
    complaints
}

/// Files that speak of something other than the project.
pub fn forbidden_text_complaints(files: &[SourceFile]) -> Vec<String> {
    let mut complaints = Vec::new();
    for file in files {
        for (number, line) in (1..).zip(file.text.lines()) {
            for (head, tail) in FORBIDDEN {
                if line.contains(&format!("{head}{tail}")) {
                    complaints.push(format!("{}:{number} says `{head}{tail}`", file.path));
                }
            }
        }
    }
    complaints
}

/// Sources of pure crates that reach for the world. Tests, which come last in a file, may.
pub fn impure_source_complaints(files: &[SourceFile]) -> Vec<String> {
    let mut complaints = Vec::new();
    for name in PURE {
        let directory = format!("crates/{name}/src/");
        for file in rust(files).filter(|file| file.path.starts_with(&directory)) {
            let is_test = file.path.ends_with("/tests.rs") || file.path.contains("/tests/");
            let code = file.text.lines().take_while(|line| !is_test && *line != "#[cfg(test)]");
            for (number, line) in (1..).zip(code) {
                let code = line.split("//").next().unwrap_or_default();
                for path in WORLDLY_PATHS.iter().filter(|path| code.contains(**path)) {
                    complaints.push(format!("{}:{number} says `{path}`", file.path));
                }
            }
        }
    }
    complaints
}

/// Paths of source files that a page names in backquotes and that do not exist.
///
/// Only what begins with a directory of the root or of `crates/` is taken for a path of ours. It is
/// looked up from the root, then in `crates/`, then in `crates/<name>/src`, so that `proxy/path.rs`
/// may be written for `crates/proxy/src/path.rs`.
pub fn named_file_complaints(files: &[SourceFile]) -> Vec<String> {
    let mut complaints = Vec::new();
    for page in files.iter().filter(|file| file.extension() == "md") {
        let named = page.text.split('`').skip(1).step_by(2).filter(|code| is_path(code));
        for path in named.filter(|path| !exists(path)) {
            complaints.push(format!("{} names `{path}`, which does not exist", page.path));
        }
    }
    complaints
}

/// Items that a page names in backquotes, as `module::item` or `Type::method`, and that are nowhere.
///
/// The last part must stand as a word in a source file of the crate or module that the first part
/// names; if that is a type, in any file that has the type's name too.
pub fn named_item_complaints(page: &SourceFile, files: &[SourceFile]) -> Vec<String> {
    let code = page.text.split('`').skip(1).step_by(2);
    let named = code.filter(|code| code.contains("::") && !code.contains([' ', '/', '*']));
    let missing = named.filter(|item| !is_somewhere(item, files));
    missing.map(|item| format!("{} names `{item}`, which is nowhere", page.path)).collect()
}

fn is_somewhere(item: &str, files: &[SourceFile]) -> bool {
    let mut parts = item.split("::").map(|part| part.split(['(', '<', '{']).next().unwrap_or(part));
    let first = parts.next().unwrap_or_default();
    let last = parts.last().unwrap_or_default();
    let is_type = first.starts_with(char::is_uppercase);
    rust(files).any(|file| {
        let begins = [format!("crates/{first}/"), format!("/{first}/"), format!("/{first}.rs")];
        let is_there = if is_type {
            has_word(&file.text, first)
        } else {
            begins.iter().any(|begin| file.path.contains(begin)) || file.path.starts_with(first)
        };
        is_there && has_word(&file.text, last)
    })
}

fn has_word(text: &str, word: &str) -> bool {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').any(|found| found == word)
}

/// True if the code begins like a path of this repository and ends like a file of it.
fn is_path(code: &str) -> bool {
    let ends = [".rs", ".md", ".toml", ".sh", ".sql", ".py", ".js", ".jsonl", ".txt", "/"];
    let Some((begin, _)) = code.split_once('/') else { return false };
    let is_plain =
        code.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'.' | b'_' | b'-'));
    let is_ours = [begin.to_owned(), format!("crates/{begin}")]
        .iter()
        .any(|directory| !begin.is_empty() && files::root().join(directory).is_dir());
    is_plain && is_ours && ends.iter().any(|end| code.ends_with(end))
}

fn exists(path: &str) -> bool {
    let root = files::root();
    let in_source = path.split_once('/').map(|(name, rest)| format!("crates/{name}/src/{rest}"));
    let tries = [Some(path.to_owned()), Some(format!("crates/{path}")), in_source];
    tries.iter().flatten().any(|path| root.join(path).exists())
}

fn rust(files: &[SourceFile]) -> impl Iterator<Item = &SourceFile> {
    files.iter().filter(|file| file.extension() == "rs")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> SourceFile {
        SourceFile { path: path.into(), text: text.into() }
    }

    #[test]
    fn each_rule_about_text_finds_what_it_looks_for() {
        let long = format!("//! Long.\n{}", "\n".repeat(LINES_MAX));
        let good = file("crates/policy/src/lib.rs", "//! Good.\n#[cfg(test)]\nuse std::fs;\n");
        let bad = file("crates/policy/src/bad.rs", "use std::fs;\n// see HERE\n");
        assert_eq!(first_line_complaints(&[good.clone(), bad.clone()]).len(), 1);
        assert_eq!(impure_source_complaints(&[good.clone(), bad.clone()]).len(), 1);
        assert_eq!(length_complaints(&[good.clone(), file("x.rs", &long)], &[]).len(), 1);
        let speaks = bad.text.replace("HERE", &["../", "shared"].concat());
        assert_eq!(forbidden_text_complaints(&[good, file("bad.md", &speaks)]).len(), 1);
        let page = file(
            "page.md",
            "`tests/tidy/src/text.rs`, `model/lib.rs`, `tests/none.rs`, `records/x.md`",
        );
        assert_eq!(named_file_complaints(&[page]).len(), 1);
        let source = file("crates/policy/src/lib.rs", "pub fn decide() {}");
        let page = file("page.md", "`policy::decide`, `policy::guess`, `other::decide`, `a b::c`");
        assert_eq!(named_item_complaints(&page, &[source]).len(), 2);
    }

    #[test]
    fn an_exception_must_be_needed() {
        let exception = LongFile { path: "x.rs", lines_max: 500, reason: "a table" };
        let short = file("x.rs", "//! Short.\n");
        assert_eq!(length_complaints(&[short], &[exception]).len(), 1);
        assert_eq!(length_complaints(&[], &[exception]).len(), 1);
        let long = file("x.rs", &"\n".repeat(450));
        assert!(length_complaints(&[long], &[exception]).is_empty());
    }
}
