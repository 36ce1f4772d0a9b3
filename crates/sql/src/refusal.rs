//! Why a statement is refused without asking the policy.

/// A statement that is not understood, not allowed for anyone, or not supported yet.
///
/// The message is safe for the client: it names only what the client itself wrote.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// Machine-readable reason in `snake_case`.
    pub code: &'static str,
    /// SQLSTATE for the client.
    pub sqlstate: &'static str,
    /// What is wrong, for the author of the statement.
    pub message: String,
    /// What to do instead.
    pub hint: Option<String>,
    /// True if a later version may accept the statement.
    pub supported_later: bool,
}
