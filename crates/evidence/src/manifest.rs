//! `manifest.json`: what the package covers, and each other file with its size and hash.

use std::collections::BTreeMap;

use crate::report::{Filters, Window};

/// The manifest's own name.
pub(crate) const NAME: &str = "manifest.json";

/// What the package covers, and its files.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    /// [`crate::FORMAT`].
    pub(crate) format: String,
    /// Version of the program that built the package.
    pub(crate) tool_version: String,
    /// The time covered.
    pub(crate) window: Window,
    /// What it is limited to.
    pub(crate) filters: Filters,
    /// Every file but the manifest, by path.
    pub(crate) files: BTreeMap<String, File>,
}

/// One file.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct File {
    /// Bytes.
    pub(crate) size: u64,
    /// SHA-256, in hexadecimal.
    pub(crate) sha256: String,
}

impl File {
    /// Describes a file's content.
    pub(crate) fn of(content: &[u8]) -> Self {
        let size = u64::try_from(content.len()).unwrap_or(u64::MAX);
        Self { size, sha256: hex::encode(crypto::sha256(&[content])) }
    }
}
