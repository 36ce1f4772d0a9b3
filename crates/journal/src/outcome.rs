//! How a permitted command ended, as its outcome record tells it.

use ledger::Payload;
use model::{AccessEvent, CommandRef, FinishedResult, Redaction, Written};

use crate::access::hex;

/// How a permitted command ended. Its duration is computed from the permit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// How it ended.
    pub result: FinishedResult,
    /// PostgreSQL's error code, if there was an error.
    pub sqlstate: Option<String>,
    /// Rows sent to the client.
    pub rows: u64,
    /// Rows changed, as the target counts them; nothing if it does not say.
    pub affected: Option<u64>,
    /// Whether it may have changed something in a transaction that had not ended.
    pub uncommitted: bool,
    /// Bytes of rows sent to the client.
    pub bytes: u64,
    /// What was hidden.
    pub redactions: Vec<Redaction>,
    /// What the client sent by COPY, if the target asked for it.
    pub written: Option<WrittenData>,
}

/// Data of a COPY FROM STDIN that were passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrittenData {
    /// How many bytes.
    pub bytes: u64,
    /// Their SHA-256.
    pub sha256: [u8; 32],
}

impl Outcome {
    /// An outcome with nothing to count. What changed nothing says so, and what may have does not.
    pub fn of(result: FinishedResult) -> Self {
        Self {
            result,
            sqlstate: None,
            rows: 0,
            affected: match result {
                FinishedResult::Completed | FinishedResult::Failed | FinishedResult::Skipped => {
                    Some(0)
                }
                FinishedResult::Suspended | FinishedResult::Cut | FinishedResult::Unknown => None,
            },
            uncommitted: false,
            bytes: 0,
            redactions: Vec::new(),
            written: None,
        }
    }

    pub(crate) fn into_event(self, id: CommandRef, duration_us: u64) -> (AccessEvent, Payload) {
        let Self { result, sqlstate, rows, affected, uncommitted, bytes, redactions, written } =
            self;
        let CommandRef { session, sequence } = id;
        let mut payload = Payload::new();
        let written = written.map(|WrittenData { bytes, sha256 }| Written {
            bytes,
            sha256: payload.add("written_sha256", crypto::random(), hex(&sha256)),
        });
        let event = AccessEvent::CommandFinished {
            session,
            sequence,
            result,
            sqlstate,
            rows,
            affected,
            uncommitted,
            bytes,
            duration_us,
            redactions,
            written,
        };
        (event, payload)
    }
}
