//! The gateway's own keys: made at the first start, read at each later one.
//!
//! | file | what | mode |
//! |---|---|---|
//! | `ledger.key` | seed of the Ed25519 key that signs checkpoints, in hexadecimal | 0600 |
//! | `ledger.pub` | its public half, a line for each ledger, for `countersign verify --key` | 0644 |
//! | `mask.key` | key of the `hash` mask, in hexadecimal | 0600 |
//! | `mock.key` | key from which the answers to unknown users are derived, in hexadecimal | 0600 |
//!
//! **Invariant:** a key file is never overwritten. It appears whole or not at all: written under
//! another name, made durable, then linked to its own.
//!
//! **Invariant:** a private key that anyone but its owner can read is not used.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crypto::sign::SigningKey;

/// Seed of the key that signs checkpoints.
pub(crate) const LEDGER_KEY: &str = "ledger.key";
/// Public half of the same, as text.
pub(crate) const LEDGER_PUBLIC: &str = "ledger.pub";
/// Key of the `hash` mask.
pub(crate) const MASK_KEY: &str = "mask.key";
/// Key of the answers to unknown users.
pub(crate) const MOCK_KEY: &str = "mock.key";

/// Every private key's file.
pub(crate) const PRIVATE: [&str; 3] = [LEDGER_KEY, MASK_KEY, MOCK_KEY];

/// The gateway's own keys.
pub(crate) struct Keys {
    /// Signs the checkpoints of both ledgers.
    pub(crate) ledger: Arc<SigningKey>,
    /// Key of the `hash` mask.
    pub(crate) mask: [u8; 32],
    /// Key of the answers to unknown users.
    pub(crate) mock: [u8; 32],
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("ledger", &self.ledger).finish_non_exhaustive()
    }
}

/// Why the keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyError {
    /// A file or directory cannot be read or made.
    #[error("{path}: {source}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others than its owner can read a private key, or write to a directory of the gateway's.
    #[error("{path} has mode {mode:04o}, which lets others at it: run chmod {expected:o} {path}")]
    Exposed {
        /// Which.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
        /// What they should be.
        expected: u32,
    },
    /// A key file is not 64 hexadecimal digits.
    #[error("{0} is not a key: restore it from a backup; a new key could not continue its ledgers")]
    Malformed(PathBuf),
    /// The ledgers are there, the key that signs them is not.
    #[error(
        "{0} is missing, but there are ledgers that it signs: restore it from a backup, \
         or move the ledgers away and begin new ones"
    )]
    Missing(PathBuf),
}

/// Makes the state directory and the keys that are missing, and reads all of them.
///
/// The ledger key is made only while there is no ledger: a lost key is an error, not a new start.
///
/// # Errors
///
/// [`KeyError`] says which file, and what to do.
pub(crate) fn open_or_create(state_dir: &Path) -> Result<Keys, KeyError> {
    make_directory(state_dir)?;
    let dir = state_dir.join("keys");
    make_directory(&dir)?;
    let ledger_path = dir.join(LEDGER_KEY);
    let has_ledger = ["control", "access"].iter().any(|name| state_dir.join(name).exists());
    if has_ledger && !ledger_path.exists() {
        return Err(KeyError::Missing(ledger_path));
    }
    for name in PRIVATE {
        create_if_missing(&dir.join(name))?;
    }
    Ok(Keys {
        ledger: Arc::new(SigningKey::from_seed(read_key(&ledger_path)?)),
        mask: read_key(&dir.join(MASK_KEY))?,
        mock: read_key(&dir.join(MOCK_KEY))?,
    })
}

/// Writes the public half beside the private one, for whoever verifies.
///
/// # Errors
///
/// [`KeyError::Io`].
pub(crate) fn publish(state_dir: &Path, verifier_lines: &str) -> Result<(), KeyError> {
    let path = state_dir.join("keys").join(LEDGER_PUBLIC);
    if fs::read(&path).is_ok_and(|bytes| bytes == verifier_lines.as_bytes()) {
        return Ok(());
    }
    let draft = path.with_extension("pub.new");
    remove_if_there(&draft)
        .and_then(|()| write_durably(&draft, 0o644, verifier_lines.as_bytes()))
        .and_then(|()| fs::rename(&draft, &path))
        .and_then(|()| sync_parent(&path))
        .map_err(|source| KeyError::Io { path, source })
}

/// Reads one private key.
///
/// # Errors
///
/// [`KeyError`]: it is not there, others can read it, or it is no key.
pub(crate) fn read_key(path: &Path) -> Result<[u8; 32], KeyError> {
    let io = |source| KeyError::Io { path: path.to_owned(), source };
    let file = File::open(path).map_err(io)?;
    let mode = file.metadata().map_err(io)?.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(KeyError::Exposed { path: path.to_owned(), mode, expected: 0o600 });
    }
    // 64 digits, a line end, and one byte more so that a longer file shows.
    let mut text = String::new();
    file.take(66).read_to_string(&mut text).map_err(io)?;
    let mut key = [0; 32];
    let digits = text.strip_suffix('\n').unwrap_or(&text);
    // The error would name a character of the key.
    hex::decode_to_slice(digits, &mut key)
        .map_err(|_not_a_key| KeyError::Malformed(path.to_owned()))?;
    Ok(key)
}

/// Makes a directory for its owner only, or checks that nobody else can write to it.
fn make_directory(path: &Path) -> Result<(), KeyError> {
    let io = |source| KeyError::Io { path: path.to_owned(), source };
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(io)?;
    let mode = fs::metadata(path).map_err(io)?.mode() & 0o7777;
    if mode & 0o022 != 0 {
        return Err(KeyError::Exposed { path: path.to_owned(), mode, expected: 0o700 });
    }
    Ok(())
}

fn create_if_missing(path: &Path) -> Result<(), KeyError> {
    if path.exists() {
        return Ok(());
    }
    let text = format!("{}\n", hex::encode(crypto::random::<32>()));
    let draft = path.with_extension("key.new");
    // Linked, not renamed: a key that appeared meanwhile must not be replaced.
    remove_if_there(&draft)
        .and_then(|()| write_durably(&draft, 0o600, text.as_bytes()))
        .and_then(|()| fs::hard_link(&draft, path))
        .and_then(|()| fs::remove_file(&draft))
        .and_then(|()| sync_parent(path))
        .map_err(|source| KeyError::Io { path: path.to_owned(), source })
}

/// What a start that was cut off half-way left.
fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Writes a file that does not exist yet (`O_EXCL`), and makes its content durable.
fn write_durably(path: &Path, mode: u32, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn sync_parent(path: &Path) -> io::Result<()> {
    File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn state() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state");
        (dir, path)
    }

    #[test]
    fn keys_are_made_once_for_their_owner_only() {
        let (_dir, state) = state();
        let first = open_or_create(&state).unwrap();
        for name in PRIVATE {
            let meta = fs::metadata(state.join("keys").join(name)).unwrap();
            assert_eq!((meta.mode() & 0o7777, meta.len()), (0o600, 65), "{name}");
        }
        assert_eq!(fs::metadata(&state).unwrap().mode() & 0o7777, 0o700);
        assert_eq!(fs::read_dir(state.join("keys")).unwrap().count(), PRIVATE.len());
        let second = open_or_create(&state).unwrap();
        assert_eq!(first.ledger.verifying_key(), second.ledger.verifying_key());
        assert_eq!((first.mask, first.mock), (second.mask, second.mock));
        assert_ne!(first.mask, first.mock);
    }

    #[test]
    fn a_key_that_others_can_read_is_not_used() {
        let (_dir, state) = state();
        open_or_create(&state).unwrap();
        for (name, mode) in PRIVATE.into_iter().zip([0o640, 0o604, 0o601]) {
            let path = state.join("keys").join(name);
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let error = open_or_create(&state).unwrap_err();
            assert!(matches!(&error, KeyError::Exposed { path: p, .. } if *p == path), "{error}");
            assert!(error.to_string().contains("chmod 600"), "{error}");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        }
        fs::set_permissions(&state, fs::Permissions::from_mode(0o770)).unwrap();
        assert!(matches!(open_or_create(&state), Err(KeyError::Exposed { .. })));
    }

    #[test]
    fn a_lost_ledger_key_is_an_error_while_there_is_a_ledger() {
        let (_dir, state) = state();
        open_or_create(&state).unwrap();
        fs::create_dir(state.join("access")).unwrap();
        fs::remove_file(state.join("keys/ledger.key")).unwrap();
        assert!(matches!(open_or_create(&state), Err(KeyError::Missing(_))));
        assert!(!state.join("keys/ledger.key").exists());
    }

    #[test]
    fn a_damaged_key_is_refused_and_not_shown() {
        let (_dir, state) = state();
        open_or_create(&state).unwrap();
        let path = state.join("keys/mask.key");
        for text in ["", "\n", &"ab".repeat(31), &"ab".repeat(33), &"zz".repeat(32)] {
            fs::write(&path, text).unwrap();
            let error = open_or_create(&state).unwrap_err();
            assert!(matches!(error, KeyError::Malformed(_)), "{text:?}: {error}");
            assert!(!error.to_string().contains("abab"), "{error}");
        }
    }

    #[test]
    fn what_an_interrupted_start_left_is_no_obstacle() {
        let (_dir, state) = state();
        fs::create_dir_all(state.join("keys")).unwrap();
        fs::set_permissions(&state, fs::Permissions::from_mode(0o700)).unwrap();
        fs::set_permissions(state.join("keys"), fs::Permissions::from_mode(0o700)).unwrap();
        fs::write(state.join("keys/mask.key.new"), "ab").unwrap();
        open_or_create(&state).unwrap();
        assert!(!state.join("keys/mask.key.new").exists());
    }

    #[test]
    fn the_public_half_is_replaced_whole() {
        let (_dir, state) = state();
        open_or_create(&state).unwrap();
        publish(&state, "one\n").unwrap();
        publish(&state, "two\n").unwrap();
        publish(&state, "two\n").unwrap();
        assert_eq!(fs::read_to_string(state.join("keys/ledger.pub")).unwrap(), "two\n");
    }
}
