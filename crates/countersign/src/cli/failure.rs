//! How a command ends: its exit code, and the one error type of the command line.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

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
    /// Nobody answers on the admin socket.
    #[error(
        "the gateway cannot be reached at {socket}: {reason}\n\
         is it running (`countersign serve`), with the same settings file, and may you use its socket?"
    )]
    Unreachable {
        /// Where it should listen.
        socket: PathBuf,
        /// What happened instead.
        reason: String,
    },
    /// The result cannot be printed.
    #[error("the output cannot be written: {0}")]
    Output(#[from] io::Error),
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
            Self::Unreachable { .. } => Exit::Unreachable,
        }
    }

    /// The machine-readable reason, for `--json`.
    pub(crate) fn code(&self) -> &str {
        match self {
            Self::Settings(_) => "settings",
            Self::Usage(_) => "usage",
            Self::Refused { code, .. } => code,
            Self::Failed(_) => "failed",
            Self::Unreachable { .. } => "unreachable",
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
            | Self::Unreachable { .. } => false,
        }
    }
}
