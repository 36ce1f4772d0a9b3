//! The rules as data. To change one, say why in `docs/decisions/`.

/// Which of our crates may import which others of ours, outside their tests.
///
/// The reasons: `docs/decisions/0001-architecture.md` and `0003-two-more-imports.md`.
#[rustfmt::skip]
pub const IMPORTS: &[(&str, &[&str])] = &[
    // Pure.
    ("model",    &[]),
    ("crypto",   &[]),
    ("policy",   &["model"]),
    ("registry", &["model", "policy", "crypto"]),
    ("mask",     &["model"]),
    ("sql",      &["model", "mask"]),
    ("pgwire",   &["crypto"]),
    ("ledger",   &["model", "crypto"]),
    ("evidence", &["model", "crypto", "registry", "policy", "ledger"]),
    // IO.
    ("journal",  &["model", "policy", "ledger", "crypto"]),
    ("identity", &["model", "registry", "crypto"]),
    ("proxy",    &["model", "crypto", "policy", "registry", "sql", "mask", "pgwire", "ledger",
                   "journal", "identity"]),
    ("api",      &["model", "crypto", "policy", "registry", "sql", "mask", "ledger", "evidence",
                   "journal", "identity"]),
    // The program.
    ("countersign", &["model", "crypto", "policy", "registry", "sql", "mask", "pgwire", "ledger",
                      "evidence", "journal", "identity", "proxy", "api"]),
    // Beside the house. The demo knows the product only from outside.
    ("demo",     &[]),
    ("tidy",     &[]),
    ("fuzz",     &["crypto", "mask", "model", "pgwire", "sql"]),
    ("e2e",      &["model", "crypto", "ledger", "pgwire", "journal", "registry", "policy", "sql",
                   "mask", "evidence", "demo"]),
];

/// Crates that know no clock, no file, no network and no other process.
pub const PURE: &[&str] =
    &["model", "crypto", "policy", "registry", "sql", "mask", "pgwire", "ledger", "evidence"];

/// Dependencies that would let the world into a pure crate.
pub(crate) const WORLDLY: &[&str] = &[
    "tokio",
    "nix",
    "hyper",
    "hyper-util",
    "axum",
    "rustls",
    "tokio-rustls",
    "tokio-postgres",
    "tempfile",
    "tracing",
    "anyhow",
];

/// What a pure crate's sources never say outside their tests.
pub(crate) const WORLDLY_PATHS: &[&str] = &[
    "std::fs",
    "std::net",
    "std::process",
    "std::env",
    "std::thread",
    "SystemTime",
    "Instant::now",
    "Timestamp::now",
];

/// Longest source file, in lines. Longer is two files that have not been told apart yet.
pub const LINES_MAX: usize = 400;

/// A file that may be longer, and why.
#[derive(Clone, Copy, Debug)]
pub struct LongFile {
    /// Its path from the root of the repository.
    pub path: &'static str,
    /// How long it may be, in lines.
    pub lines_max: usize,
    /// Why it is better as one file.
    pub reason: &'static str,
}

/// The exceptions to [`LINES_MAX`].
pub const LONG_FILES: &[LongFile] = &[];

/// What no file may say: the project speaks only of itself. In two parts, so that this file
/// does not say it either.
pub(crate) const FORBIDDEN: &[(&str, &str)] =
    &[("../", "shared"), ("/wor", "k/"), ("/far", "m/"), ("sub", "agent")];
