//! Reads the repository's text files.

use std::path::{Path, PathBuf};
use std::{fs, io};

/// Directories that hold no source of ours.
const SKIPPED: &[&str] = &["target", ".git", ".countersign", "node_modules", "__pycache__"];
/// Files that programs write. In a linked worktree `.git` is one.
const GENERATED: &[&str] = &["Cargo.lock", "package-lock.json", ".git"];

/// A text file of the repository.
#[derive(Clone, Debug)]
pub struct SourceFile {
    /// Its path from the root, with `/`.
    pub path: String,
    /// What it says.
    pub text: String,
}

impl SourceFile {
    /// The end of its name after the last dot.
    pub(crate) fn extension(&self) -> &str {
        Path::new(&self.path).extension().and_then(|end| end.to_str()).unwrap_or_default()
    }
}

/// Every text file of the repository, sorted by path.
///
/// # Errors
///
/// A directory or file cannot be read. Files that are not UTF-8 are passed over.
pub fn repository() -> io::Result<Vec<SourceFile>> {
    let root = root();
    let mut files = Vec::new();
    walk(&root, &root, &mut files)?;
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

/// The root lies two levels above this crate.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn walk(root: &Path, directory: &Path, files: &mut Vec<SourceFile>) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let kind = entry.file_type()?;
        if kind.is_dir() && !SKIPPED.contains(&name.as_str()) {
            walk(root, &entry.path(), files)?;
        } else if kind.is_file() && !GENERATED.contains(&name.as_str()) {
            let path = entry.path();
            let Ok(text) = String::from_utf8(fs::read(&path)?) else { continue };
            let path = path.strip_prefix(root).unwrap_or(&path).display().to_string();
            files.push(SourceFile { path, text });
        }
    }
    Ok(())
}
