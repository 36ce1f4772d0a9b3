//! How a permitted command ended, as its outcome record tells it.

use model::{AccessEvent, CommandRef, FinishedResult, Redaction};

/// How a permitted command ended. Its duration is computed from the permit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// How it ended.
    pub result: FinishedResult,
    /// PostgreSQL's error code, if there was an error.
    pub sqlstate: Option<String>,
    /// Rows sent to the client.
    pub rows: u64,
    /// Rows changed, as the target counts them.
    pub affected: u64,
    /// Bytes of rows sent to the client.
    pub bytes: u64,
    /// What was hidden.
    pub redactions: Vec<Redaction>,
}

impl Outcome {
    /// An outcome with nothing to count.
    pub fn of(result: FinishedResult) -> Self {
        Self { result, sqlstate: None, rows: 0, affected: 0, bytes: 0, redactions: Vec::new() }
    }

    pub(crate) fn into_event(self, id: CommandRef, duration_us: u64) -> AccessEvent {
        let Self { result, sqlstate, rows, affected, bytes, redactions } = self;
        let CommandRef { session, sequence } = id;
        AccessEvent::CommandFinished {
            session,
            sequence,
            result,
            sqlstate,
            rows,
            affected,
            bytes,
            duration_us,
            redactions,
        }
    }
}
