//! Holds the repository against the rules of the house.

use tidy::{LONG_FILES, SourceFile};

/// Shows every complaint, one to a line.
fn assert_none(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

fn page<'a>(files: &'a [SourceFile], path: &str) -> &'a SourceFile {
    files.iter().find(|file| file.path == path).unwrap_or_else(|| missing(path))
}

#[expect(clippy::panic, reason = "a test fails by panicking")]
fn missing(path: &str) -> ! {
    panic!("{path} is missing")
}

#[test]
fn crates_import_only_what_the_table_allows() {
    let members = tidy::manifests(&tidy::repository().unwrap()).unwrap();
    assert!(members.len() > 10, "the members were found");
    assert_none(&tidy::import_complaints(&members));
}

#[test]
fn pure_crates_stay_pure() {
    let files = tidy::repository().unwrap();
    assert_none(&tidy::purity_complaints(&tidy::manifests(&files).unwrap()));
    assert_none(&tidy::impure_source_complaints(&files));
}

#[test]
fn members_share_versions_and_lints() {
    let members = tidy::manifests(&tidy::repository().unwrap()).unwrap();
    assert_none(&tidy::member_complaints(&members));
}

#[test]
fn every_dependency_has_its_reason() {
    let files = tidy::repository().unwrap();
    let used = tidy::workspace_dependencies(&files).unwrap();
    let reasons = page(&files, "docs/decisions/0002-dependencies.md");
    assert_none(&tidy::dependency_page_complaints(&used, &reasons.text));
}

#[test]
fn every_source_file_says_what_it_is() {
    assert_none(&tidy::first_line_complaints(&tidy::repository().unwrap()));
}

#[test]
fn no_source_file_is_too_long() {
    assert_none(&tidy::length_complaints(&tidy::repository().unwrap(), LONG_FILES));
}

#[test]
fn the_project_speaks_only_of_itself() {
    assert_none(&tidy::forbidden_text_complaints(&tidy::repository().unwrap()));
}

#[test]
fn the_pages_name_what_exists() {
    let files = tidy::repository().unwrap();
    for required in ["README.md", "ARCHITECTURE.md", "GLOSSARY.md", "CONTRIBUTING.md"] {
        page(&files, required);
    }
    assert_none(&tidy::named_file_complaints(&files));
    let architecture = page(&files, "ARCHITECTURE.md");
    assert_none(&tidy::named_item_complaints(architecture, &files));
}
