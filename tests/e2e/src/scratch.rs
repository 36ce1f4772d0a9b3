//! One directory per test program for clusters, state directories and settings.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::reaper;

/// The directory. Its path is short, because PostgreSQL's Unix sockets lie below it, and it may be
/// entered by the account under which PostgreSQL runs.
pub fn directory() -> &'static Path {
    static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
    DIRECTORY.get_or_init(|| {
        let path = PathBuf::from(format!("/tmp/cs-e2e-{}", std::process::id()));
        // What an earlier process of the same number could not remove.
        drop(fs::remove_dir_all(&path));
        fs::create_dir_all(&path).expect("the scratch directory cannot be made");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        reaper::remove_later(&path);
        path
    })
}

/// A new directory below it, which only this account may read.
pub fn new_directory(name: &str) -> PathBuf {
    let path = directory().join(format!("{name}-{}", next_number()));
    fs::create_dir(&path).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
    path
}

/// A number that this test program uses once.
pub fn next_number() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}
