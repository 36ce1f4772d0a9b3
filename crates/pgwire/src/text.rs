//! A text of a message: a slice of the message's own bytes, known to be UTF-8 without NUL.

use std::{borrow::Borrow, fmt, hash};

use bytes::Bytes;

/// A text as a peer sent it, without its terminating NUL.
///
/// It shares memory with the message: a long-lived owner should copy it (`to_owned`), else it keeps
/// the whole network buffer alive. `Debug` shows only the length, for a text may hold literals.
#[derive(Clone, Default)]
pub struct Text(Bytes);

impl Text {
    /// Checks that `bytes` are UTF-8 and hold no NUL.
    pub(crate) fn new(bytes: Bytes) -> Option<Self> {
        (!bytes.contains(&0) && std::str::from_utf8(&bytes).is_ok()).then_some(Self(bytes))
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        // Checked in `new`; the safe way to say so again is to check again, which costs a few
        // nanoseconds for ASCII.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl std::ops::Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl Borrow<str> for Text {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for Text {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for Text {}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        self.0 == other.as_bytes()
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        self.0 == other.as_bytes()
    }
}

impl PartialOrd for Text {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Text {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl hash::Hash for Text {
    fn hash<H: hash::Hasher>(&self, state: &mut H) {
        // As `str` hashes, which `Borrow<str>` requires.
        self.as_str().hash(state);
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Text({} bytes)", self.0.len())
    }
}
