//! How a command ends: its exit code, and the one error type of the command line.

use std::io;
use std::process::ExitCode;

use api::client::ClientError;
use journal::JournalError;

use crate::settings::SettingsError;

/// Exit codes. They are documented, so they do not change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// The command did what it says.
    Done,
    /// It failed, or the gateway refused it.
    Failed,
    /// The arguments or the settings are wrong.
    Usage,
    /// Verification found a fault.
    Fault,
    /// The gateway cannot be reached.
    Unreachable,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Fault => 3,
            Exit::Unreachable => 4,
        })
    }
}

/// Why a command did not do what it says.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The settings cannot be used.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// An argument is wrong in a way that the parser of arguments cannot see.
    #[error("{0}")]
    Usage(String),
    /// The gateway answered that it will not.
    #[error("{message}")]
    Refused {
        /// The gateway's machine-readable reason.
        code: String,
        /// The same in words.
        message: String,
    },
    /// Something on this machine went wrong.
    #[error("{0}")]
    Failed(String),
    /// Nobody answers on the admin socket, or not as it should be.
    #[error("{0}")]
    Unreachable(String),
    /// A ledger is not what was signed.
    #[error("{0}")]
    Damaged(String),
    /// The result cannot be printed.
    #[error("the output cannot be written: {0}")]
    Output(#[from] io::Error),
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Refused { code, message, .. } => Self::Refused { code, message },
            ClientError::NotRunning { .. }
            | ClientError::NoAccess { .. }
            | ClientError::Broken { .. } => Self::Unreachable(error.to_string()),
        }
    }
}

impl From<JournalError> for Failure {
    fn from(error: JournalError) -> Self {
        let text = error.to_string();
        if let JournalError::Damaged { .. } | JournalError::RolledBack { .. } = error {
            Self::Damaged(text)
        } else {
            Self::Failed(text)
        }
    }
}

impl Failure {
    /// A failure of this machine, in words.
    pub(crate) fn failed(what: impl std::fmt::Display) -> Self {
        Self::Failed(what.to_string())
    }

    /// The exit code.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Settings(_) | Self::Usage(_) => Exit::Usage,
            Self::Refused { .. } | Self::Failed(_) | Self::Output(_) => Exit::Failed,
            Self::Unreachable(_) => Exit::Unreachable,
            Self::Damaged(_) => Exit::Fault,
        }
    }

    /// The machine-readable reason, for `--json`.
    pub(crate) fn code(&self) -> &str {
        match self {
            Self::Settings(_) => "settings",
            Self::Usage(_) => "usage",
            Self::Refused { code, .. } => code,
            Self::Failed(_) => "failed",
            Self::Unreachable(_) => "unreachable",
            Self::Damaged(_) => "damaged",
            Self::Output(_) => "output",
        }
    }

    /// True if the reader of standard output has gone away.
    pub(crate) fn is_broken_pipe(&self) -> bool {
        match self {
            Self::Output(error) => error.kind() == io::ErrorKind::BrokenPipe,
            Self::Settings(_)
            | Self::Usage(_)
            | Self::Refused { .. }
            | Self::Failed(_)
            | Self::Unreachable(_)
            | Self::Damaged(_) => false,
        }
    }
}
