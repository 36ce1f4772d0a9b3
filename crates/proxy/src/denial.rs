//! Why a command is denied: a code for the record, words for the client; and that it is recorded before
//! the client reads them.

use std::sync::atomic::Ordering;

use journal::JournalError;
use model::{CommandRef, Touch};
use pgwire::TransactionStatus;
use policy::Denied;

use crate::session::{Ending, Session};
use crate::wire::Refused;
use crate::{clock, errors};

/// What a denied client reads.
#[derive(Debug)]
pub(crate) struct Denial {
    /// Machine-readable, for the record.
    pub(crate) reason: String,
    /// In words, for the client.
    pub(crate) error: Refused,
    /// What it would have touched, for the record.
    pub(crate) touch: Option<Box<Touch>>,
}

impl Denial {
    fn new(reason: String, error: Refused) -> Self {
        Self { reason, error, touch: None }
    }

    /// A denial of what a later version may support.
    pub(crate) fn not_supported(reason: &str, message: &str) -> Self {
        Self::new(format!("not_supported:{reason}"), Refused::new("0A000", message))
    }

    pub(crate) fn too_large() -> Self {
        let message = "the command is too large to be recorded whole, so it may not run";
        Self::new("too_large_to_record".to_owned(), Refused::new("54000", message))
    }

    pub(crate) fn statement_changed() -> Self {
        let hint = "The catalog, the grants or search_path changed: prepare the statement again.";
        // PostgreSQL's own words and routine: drivers prepare the statement again when they see them.
        let error = Refused::new("0A000", errors::PLAN_CHANGED);
        let (hint, routine) = (Some(hint.to_owned()), Some("RevalidateCachedQuery"));
        let error = Refused { hint, routine, ..error };
        Self::new("statement_changed".to_owned(), error)
    }

    /// A cursor or prepared statement that does not exist, or whose room is not there.
    pub(crate) fn of_name(error: Refused) -> Self {
        Self::new("name_not_usable".to_owned(), error)
    }

    pub(crate) fn not_analysed_in_time() -> Self {
        let message = "the statement could not be analysed in time, so it may not run";
        let hint = "Make it simpler; if it is simple, the gateway is busy: try again.";
        let error = Refused { hint: Some(hint.to_owned()), ..Refused::new("57014", message) };
        Self::new("not_analysed_in_time".to_owned(), error)
    }

    /// In a transaction that has failed PostgreSQL says only that, of whatever it can read.
    pub(crate) fn in_state(self, status: TransactionStatus) -> Self {
        let is_read = self.reason != "syntax_error";
        match status {
            TransactionStatus::Failed if is_read => {
                let message = "current transaction is aborted, commands ignored until end of \
                               transaction block";
                Self { error: Refused::new("25P02", message), ..self }
            }
            TransactionStatus::Idle | TransactionStatus::Open | TransactionStatus::Failed => self,
        }
    }

    pub(crate) fn no_catalog() -> Self {
        let message = "the target's catalog cannot be read now, so no statement can be judged";
        let hint = "The target may be down or restarting: try again.";
        let error = Refused { hint: Some(hint.to_owned()), ..Refused::new("08006", message) };
        Self::new("catalog_unknown".to_owned(), error)
    }
}

impl From<policy::DenyReason> for Denial {
    fn from(reason: policy::DenyReason) -> Self {
        let error = Refused::new(reason.sqlstate(), reason.client_message());
        Self::new(reason.code().to_owned(), error)
    }
}

impl From<sql::Refusal> for Denial {
    fn from(refusal: sql::Refusal) -> Self {
        let sql::Refusal { code, sqlstate, message, hint, place, touch, .. } = refusal;
        let error = Refused { hint, place, ..Refused::new(sqlstate, message) };
        Self { touch, ..Self::new(code.to_owned(), error) }
    }
}

impl Session {
    pub(crate) async fn deny_query(&mut self, text: &str, denial: Denial) -> Result<(), Ending> {
        let denied = self.denied(text, &denial);
        self.record_denial(denied).await?;
        self.refuse_query(&denial.in_state(self.status))
    }

    pub(crate) async fn deny_in_batch(&mut self, text: &str, denial: Denial) -> Result<(), Ending> {
        let denied = self.denied(text, &denial);
        self.record_denial(denied).await?;
        self.fail_batch(&denial.in_state(self.status).error)
    }

    fn denied(&mut self, text: &str, denial: &Denial) -> Denied {
        Denied {
            id: CommandRef { session: self.who.session, sequence: self.next_sequence() },
            identity: self.who.identity.clone(),
            target: self.target.name.clone(),
            text: text.into(),
            touches: denial.touch.as_deref().cloned().into_iter().collect(),
            reason: denial.reason.clone(),
            control_size: self.gate.registry().size(),
        }
    }

    pub(crate) async fn record_denial(&mut self, denied: Denied) -> Result<(), Ending> {
        self.entry.counters.denied.fetch_add(1, Ordering::Relaxed);
        let now = clock::now();
        match self.gate.journal.record_denied(now, denied.clone()).await {
            Ok(()) => Ok(()),
            // What it would have touched does not fit into a record: the denial itself must.
            Err(JournalError::Entry(_)) => {
                let reason = format!("{}; touches too much to be listed", denied.reason);
                let denied = Denied { touches: Vec::new(), reason, ..denied };
                Ok(self.gate.journal.record_denied(now, denied).await?)
            }
            Err(error) => Err(error.into()),
        }
    }
}
