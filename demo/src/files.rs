//! Where the demo's files lie.
//!
//! One directory: settings, keys, ledgers, logs and the evidence package. Only PostgreSQL's data lie
//! elsewhere, in the system's temporary directory, because PostgreSQL may need another account.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};

/// Room for the path of a Unix socket (unix(7): 108 bytes with its terminator).
const SOCKET_PATH_BYTES_MAX: usize = 107;

/// The paths, all absolute.
#[derive(Debug)]
pub struct Files {
    root: PathBuf,
}

impl Files {
    /// Makes the directory: the one asked for, which must be new or empty, or else the first of
    /// `.countersign/demo-1`, `demo-2`, … that does not exist.
    pub fn make(asked: Option<PathBuf>) -> anyhow::Result<Self> {
        let root = match asked {
            Some(directory) => {
                fs::create_dir_all(&directory)
                    .with_context(|| format!("cannot make {}", directory.display()))?;
                let mut entries = fs::read_dir(&directory)?;
                ensure!(entries.next().is_none(), "{} is not empty", directory.display());
                directory
            }
            None => make_numbered(Path::new(".countersign"))?,
        };
        let files = Self { root: fs::canonicalize(root)? };
        let socket = files.state().join("admin.sock");
        ensure!(
            socket.as_os_str().len() <= SOCKET_PATH_BYTES_MAX,
            "{} is too long for a Unix socket: choose a shorter directory with --dir",
            socket.display()
        );
        Ok(files)
    }

    /// The directory of everything below.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The gateway's settings.
    pub fn settings(&self) -> PathBuf {
        self.root.join("countersign.toml")
    }

    /// The gateway's state: keys and ledgers.
    pub fn state(&self) -> PathBuf {
        self.root.join("state")
    }

    /// The access ledger.
    pub fn access_ledger(&self) -> PathBuf {
        self.state().join("access")
    }

    /// The key that verifies both ledgers.
    pub fn public_key(&self) -> PathBuf {
        self.state().join("keys").join("ledger.pub")
    }

    /// The database password, for the gateway alone.
    pub fn database_password(&self) -> PathBuf {
        self.root.join("database-password")
    }

    /// The evidence package.
    pub fn evidence(&self) -> PathBuf {
        self.root.join("evidence")
    }

    /// Copies that the demo spoils.
    pub fn tampered(&self, what: &str) -> PathBuf {
        self.root.join(format!("tampered-{what}"))
    }

    /// What a program of the demo prints.
    pub fn log(&self, program: &str) -> PathBuf {
        self.root.join(format!("{program}.log"))
    }
}

fn make_numbered(parent: &Path) -> anyhow::Result<PathBuf> {
    fs::create_dir_all(parent)
        .with_context(|| format!("cannot make {}: say --dir", parent.display()))?;
    for number in 1_u32.. {
        let directory = parent.join(format!("demo-{number}"));
        match fs::create_dir(&directory) {
            Ok(()) => return Ok(directory),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => {
                return Err(error).with_context(|| format!("cannot make {}", directory.display()));
            }
        }
    }
    anyhow::bail!("{} is full", parent.display())
}

/// Copies a directory with all that is in it.
pub fn copy_directory(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::create_dir(to).with_context(|| format!("cannot make {}", to.display()))?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_directory(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target)
                .with_context(|| format!("cannot copy {}", entry.path().display()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_run_without_a_directory_gets_a_new_one() {
        let parent = tempfile::tempdir().unwrap();
        let first = make_numbered(parent.path()).unwrap();
        let second = make_numbered(parent.path()).unwrap();
        assert!(first.ends_with("demo-1") && second.ends_with("demo-2"));
    }

    #[test]
    fn a_directory_with_something_in_it_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        assert!(Files::make(Some(directory.path().into())).is_ok());
        fs::write(directory.path().join("theirs"), "").unwrap();
        assert!(Files::make(Some(directory.path().into())).is_err());
    }
}
