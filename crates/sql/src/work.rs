//! How much looking up a statement may cause.

use std::cell::Cell;
use std::rc::Rc;

use crate::{Refusal, limits};

/// How many columns were looked at so far, counted for a whole statement.
#[derive(Clone, Debug, Default)]
pub(crate) struct Work(Rc<Cell<u64>>);

impl Work {
    /// Counts columns that are about to be looked at.
    ///
    /// # Errors
    ///
    /// [`Refusal`] once they are too many, and ever after.
    pub(crate) fn spend(&self, columns: usize) -> Result<(), Refusal> {
        let columns = u64::try_from(columns).unwrap_or(u64::MAX);
        self.0.set(self.0.get().saturating_add(columns));
        if self.0.get() > limits::LOOKUPS_MAX {
            return Err(Refusal::never_ending());
        }
        Ok(())
    }
}
