//! Secrets by reference: the settings file says where a secret is, never what it is.
//!
//! **Invariant:** a [`Secret`] has no `Display`, its `Debug` shows nothing, and no error here holds
//! a byte of it.

use std::fmt;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::reader::{Field, Problems};

/// Longest secret read, in bytes. Passwords are short; short-lived tokens of clouds are a few KiB.
const SECRET_BYTES_MAX: usize = 16 * 1024;

/// A secret.
pub(crate) struct Secret(String);

impl Secret {
    /// Gives it away, to whoever logs in with it.
    pub(crate) fn into_text(self) -> String {
        self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Where a secret is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SecretRef {
    /// In a file; one line end at its end does not count.
    File(PathBuf),
    /// In an environment variable of the gateway.
    Env(String),
    /// In a file of this name in `$CREDENTIALS_DIRECTORY` (systemd.exec(5), `LoadCredential=`).
    Credential(String),
}

/// A secret that cannot be read. Names where it should be, not what it is.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SecretError {
    /// The file cannot be read.
    #[error("the secret's file {path} cannot be read: {source}")]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The variable is not set.
    #[error("the environment variable {0}, which holds the secret, is not set")]
    NotSet(String),
    /// Not started by systemd with credentials.
    #[error(
        "the secret is the systemd credential {0}, but CREDENTIALS_DIRECTORY is not set: \
         start the gateway as a systemd unit with LoadCredential={0}:/path/to/file"
    )]
    NoCredentials(String),
    /// Empty, too long, not text, or with a NUL, which no password can have.
    #[error(
        "the secret in {0} is empty, longer than {SECRET_BYTES_MAX} bytes, not UTF-8, or has a NUL in it"
    )]
    Unusable(String),
}

impl SecretRef {
    /// Reads `{ file = "…" }`, `{ env = "…" }` or `{ credential = "…" }`.
    ///
    /// Relative files are relative to `base`, the directory of the settings file.
    pub(super) fn read(field: Field<'_>, base: &Path, problems: &mut Problems) -> Option<Self> {
        const FIX: &str = "Write exactly one of { file = \"/path\" }, { env = \"NAME\" }, { credential = \"NAME\" }";
        let place = field.place.clone();
        if field.is_text() {
            problems.add(&place, "a secret must not stand in the settings file", FIX);
            return None;
        }
        let mut section = field.section(problems)?;
        let file = section.take("file");
        let env = section.take("env");
        let credential = section.take("credential");
        section.finish(problems);
        match (file, env, credential) {
            (Some(file), None, None) => Some(Self::File(base.join(file.text(problems)?.value))),
            (None, Some(env), None) => {
                let name = env.text(problems)?;
                if name.value.contains('=') {
                    problems.add(&name.place, "is not the name of a variable", "Remove the `=`");
                    return None;
                }
                Some(Self::Env(name.value))
            }
            (None, None, Some(credential)) => {
                let name = credential.text(problems)?;
                if name.value.contains('/') || name.value.starts_with('.') {
                    let fix = "Write the name that stands before `:` in LoadCredential=";
                    problems.add(&name.place, "is not the name of a credential", fix);
                    return None;
                }
                Some(Self::Credential(name.value))
            }
            (None, None, None) | (Some(_), _, _) | (_, Some(_), _) => {
                problems.add(&place, "must say where the secret is, once", FIX);
                None
            }
        }
    }

    /// Fetches the secret.
    ///
    /// # Errors
    ///
    /// [`SecretError`] if it is not where the settings say, or cannot be a password.
    pub(crate) fn fetch(&self) -> Result<Secret, SecretError> {
        let bytes = match self {
            Self::File(path) => read_file(path)?,
            Self::Env(name) => env(name).ok_or_else(|| SecretError::NotSet(name.clone()))?,
            Self::Credential(name) => read_file(&credential_path(name)?)?,
        };
        // The error of `from_utf8` holds the bytes: it must not be kept.
        String::from_utf8(bytes)
            .ok()
            .filter(|text| {
                !text.is_empty() && text.len() <= SECRET_BYTES_MAX && !text.contains('\0')
            })
            .map(Secret)
            .ok_or_else(|| SecretError::Unusable(self.to_string()))
    }

    /// Says who else can read the secret, if its file's permissions let others than its owner.
    ///
    /// A warning and not an error, because Kubernetes mounts secrets so.
    pub(crate) fn exposure(&self) -> Option<String> {
        let path = match self {
            Self::File(path) => path.clone(),
            Self::Env(_) => return None,
            Self::Credential(name) => credential_path(name).ok()?,
        };
        let mode = std::fs::metadata(&path).ok()?.mode();
        let whom = match (mode & 0o040 != 0, mode & 0o004 != 0) {
            (_, true) => "everyone on this machine",
            (true, false) => "its group",
            (false, false) => return None,
        };
        Some(format!("{} can be read by {whom}: run chmod 600 {}", path.display(), path.display()))
    }
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Env(name) => write!(f, "environment variable {name}"),
            Self::Credential(name) => write!(f, "systemd credential {name}"),
        }
    }
}

fn env(name: &str) -> Option<Vec<u8>> {
    std::env::var_os(name).map(std::os::unix::ffi::OsStringExt::into_vec)
}

fn credential_path(name: &str) -> Result<PathBuf, SecretError> {
    let dir = std::env::var_os("CREDENTIALS_DIRECTORY")
        .ok_or_else(|| SecretError::NoCredentials(name.to_owned()))?;
    Ok(Path::new(&dir).join(name))
}

fn read_file(path: &Path) -> Result<Vec<u8>, SecretError> {
    let limit = u64::try_from(SECRET_BYTES_MAX).unwrap_or(u64::MAX).saturating_add(3);
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(limit).read_to_end(&mut bytes))
        .map_err(|source| SecretError::File { path: path.to_owned(), source })?;
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn file_with(content: &[u8]) -> (tempfile::TempDir, SecretRef) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        std::fs::write(&path, content).unwrap();
        (dir, SecretRef::File(path))
    }

    #[test]
    fn one_line_end_does_not_belong_to_the_secret() {
        for (content, secret) in
            [("s3cret", "s3cret"), ("s3cret\n", "s3cret"), ("a\r\n", "a"), ("a\n\n", "a\n")]
        {
            let (_dir, reference) = file_with(content.as_bytes());
            assert_eq!(reference.fetch().unwrap().into_text(), secret);
        }
    }

    #[test]
    fn what_cannot_be_a_password_is_refused_without_showing_it() {
        for content in [&b""[..], b"\n", b"pass\0word", b"\xff", &vec![b'x'; SECRET_BYTES_MAX + 1]]
        {
            let (_dir, reference) = file_with(content);
            let error = reference.fetch().unwrap_err();
            assert!(matches!(error, SecretError::Unusable(_)), "{error}");
            assert!(!error.to_string().contains("word"), "{error}");
        }
        let (dir, _) = file_with(b"x");
        let error = SecretRef::File(dir.path().join("absent")).fetch().unwrap_err();
        assert!(error.to_string().contains("absent"), "{error}");
        let error = SecretRef::Env("COUNTERSIGN_TEST_NOT_SET".into()).fetch().unwrap_err();
        assert!(error.to_string().contains("COUNTERSIGN_TEST_NOT_SET"), "{error}");
    }

    #[test]
    fn a_file_that_others_can_read_is_named() {
        let (dir, reference) = file_with(b"x");
        let path = dir.path().join("secret");
        for (mode, expected) in
            [(0o600, None), (0o640, Some("its group")), (0o604, Some("everyone"))]
        {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let exposure = reference.exposure();
            assert_eq!(exposure.is_some(), expected.is_some(), "{mode:o}");
            assert!(exposure.unwrap_or_default().contains(expected.unwrap_or_default()));
        }
    }

    #[test]
    fn debug_shows_no_byte_of_a_secret() {
        assert_eq!(format!("{:?}", Secret("hunter2".to_owned())), "Secret(…)");
    }
}
