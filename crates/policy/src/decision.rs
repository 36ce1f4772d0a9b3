//! The decision on one command, and the proof that it was allowed.

use std::sync::Arc;

use model::{Command, CommandRef, GrantRef, IdentityName, TargetName, Timestamp, Touch};

use crate::{Coverage, DenyReason, Standing, check};

/// Decides one command.
///
/// `now` is compared with windows that include their start and exclude their end. The command is
/// moved into the proof, so what was judged is what can be forwarded.
///
/// Source: NIST SP 800-53 AC-3 (access enforcement) and AC-6 (least privilege).
pub fn decide(command: Command, standing: &Standing<'_>, now: Timestamp) -> Decision {
    let is_own = command.identity == *standing.identity && command.target == *standing.target;
    let checked = if is_own {
        check(&command.facts, standing, now)
    } else {
        Err(DenyReason::StandingMismatch)
    };
    match checked {
        Ok(coverage) => {
            Decision::Allow(Allowed { command, coverage, control_size: standing.control_size })
        }
        Err(reason) => Decision::Deny(Denied::new(command, &reason, standing), reason),
    }
}

/// Whether a command may run.
#[derive(Debug)]
pub enum Decision {
    /// It may, once the proof is on record.
    Allow(Allowed),
    /// It may not. The reason has the words for the client.
    Deny(Denied, DenyReason),
}

/// Proof that a command was allowed. It owns the command.
///
/// Not `Clone`, and made by [`decide`] only.
#[derive(Debug)]
#[must_use = "an allowed command must be recorded before anything else happens to it"]
pub struct Allowed {
    command: Command,
    coverage: Coverage,
    control_size: u64,
}

impl Allowed {
    /// The command.
    pub fn command(&self) -> &Command {
        &self.command
    }

    /// The grants that cover it, sorted. Empty if it touches no relation.
    pub fn grants(&self) -> &[GrantRef] {
        &self.coverage.grants
    }

    /// The grants whose limits the command counts against.
    pub fn charged(&self) -> &[GrantRef] {
        if self.command.facts.counts() { &self.coverage.grants } else { &[] }
    }

    /// When the authority ends, exclusive: the earliest end of the identity, the credential and
    /// the covering grants.
    pub fn until(&self) -> Timestamp {
        self.coverage.until
    }

    /// Rows that may be sent to the client. Nothing means no limit.
    pub fn rows_max(&self) -> Option<u64> {
        self.coverage.rows_max
    }

    /// Bytes of rows that may be sent to the client. Nothing means no limit.
    pub fn bytes_max(&self) -> Option<u64> {
        self.coverage.bytes_max
    }

    /// Size of the control ledger under which it was decided.
    pub fn control_size(&self) -> u64 {
        self.control_size
    }

    /// Gives up the proof for the command.
    pub fn into_command(self) -> Command {
        self.command
    }
}

/// What is recorded of a denied command. It proves nothing, so anyone may make one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    /// Which command it is.
    pub id: CommandRef,
    /// Who asked.
    pub identity: IdentityName,
    /// Of which target.
    pub target: TargetName,
    /// What the client wrote.
    pub text: Arc<str>,
    /// What it would have touched, where that is known.
    pub touches: Vec<Touch>,
    /// Machine-readable reason, in `snake_case`.
    pub reason: String,
    /// Size of the control ledger under which it was decided.
    pub control_size: u64,
}

impl Denied {
    fn new(command: Command, reason: &DenyReason, standing: &Standing<'_>) -> Self {
        Self {
            id: command.id,
            identity: command.identity,
            target: command.target,
            text: command.text,
            touches: command.facts.touches.clone(),
            reason: reason.code().to_owned(),
            control_size: standing.control_size,
        }
    }
}
