//! The portals of a session: those that Bind makes and those that DECLARE makes share one name
//! space, as in the target.
//!
//! PostgreSQL drops a portal with the transaction or savepoint in which it was made, if that is
//! undone, and with the end of the transaction unless it was declared WITH HOLD. A portal that was
//! closed does not come back when the closing is undone.
//!
//! **Invariant:** a name that is here stands on the target for the same portal or for none. When in
//! doubt it is dropped here: a name that is not here is refused.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::{GrantId, Parameter, Timestamp};
use sql::{CursorSpan, Plan};

use crate::prepared::{Made, Statement};

/// A statement with its parameters.
#[derive(Clone, Debug)]
pub(crate) struct Portal {
    pub(crate) statement: Arc<Statement>,
    pub(crate) parameters: Vec<Parameter>,
    /// The plan of what it runs. If the statement names something, as that was when the portal was
    /// made.
    pub(crate) plan: Arc<Plan>,
    pub(crate) span: CursorSpan,
    /// The grants under which the rows of a cursor WITH HOLD are read, with their ends.
    pub(crate) grants: BTreeMap<GrantId, Timestamp>,
    made_in: MadeIn,
}

/// Where a portal was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum MadeIn {
    /// In a transaction that has been committed.
    Earlier,
    /// In the open transaction, after so many of its savepoints.
    This(usize),
}

/// How a transaction ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Ended {
    #[default]
    Committed,
    Undone,
}

impl Portal {
    /// A portal of the open transaction.
    pub(crate) fn new(
        statement: Arc<Statement>,
        parameters: Vec<Parameter>,
        plan: Arc<Plan>,
    ) -> Self {
        let grants = BTreeMap::new();
        let (span, made_in) = (CursorSpan::Transaction, MadeIn::This(0));
        Self { statement, parameters, plan, span, grants, made_in }
    }

    /// With another span, and the grants under which its rows are read.
    pub(crate) fn kept_for(self, span: CursorSpan, grants: BTreeMap<GrantId, Timestamp>) -> Self {
        Self { span, grants, ..self }
    }

    /// Bytes that it keeps.
    pub(crate) fn bytes(&self) -> usize {
        let bytes = self.parameters.iter().map(|parameter| match parameter {
            Parameter::Null => 0,
            Parameter::Text(bytes) | Parameter::Binary(bytes) => bytes.len(),
        });
        let own_text = match self.statement.made {
            Made::Protocol => 0,
            Made::Sql => self.statement.bytes(),
        };
        bytes.fold(own_text, usize::saturating_add)
    }
}

/// The portals of a session, and the savepoints of its transaction.
#[derive(Clone, Debug, Default)]
pub(crate) struct Portals {
    by_name: BTreeMap<String, Arc<Portal>>,
    savepoints: Vec<String>,
}

impl Portals {
    pub(crate) fn get(&self, name: &str) -> Option<&Arc<Portal>> {
        self.by_name.get(name)
    }

    pub(crate) fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Bytes that they keep.
    pub(crate) fn bytes(&self) -> usize {
        self.by_name.values().map(|portal| portal.bytes()).fold(0, usize::saturating_add)
    }

    /// Makes a portal in the open transaction; returns what had its name.
    pub(crate) fn make(&mut self, name: &str, portal: Portal) -> Option<Arc<Portal>> {
        let made_in = MadeIn::This(self.savepoints.len());
        self.by_name.insert(name.to_owned(), Arc::new(Portal { made_in, ..portal }))
    }

    /// Puts back what stood under a name before a message that the target skipped.
    pub(crate) fn put_back(&mut self, name: String, before: Option<Arc<Portal>>) {
        match before {
            Some(portal) => drop(self.by_name.insert(name, portal)),
            None => drop(self.by_name.remove(&name)),
        }
    }

    pub(crate) fn close(&mut self, name: &str) -> Option<Arc<Portal>> {
        self.by_name.remove(name)
    }

    pub(crate) fn close_all(&mut self) {
        self.by_name.clear();
    }

    pub(crate) fn savepoint(&mut self, name: &str) {
        self.savepoints.push(name.to_owned());
    }

    /// What was made since the savepoint belongs to what was before it.
    pub(crate) fn release(&mut self, name: &str) {
        let Some(index) = self.find_savepoint(name) else { return };
        self.savepoints.truncate(index);
        for portal in self.by_name.values_mut() {
            if matches!(portal.made_in, MadeIn::This(depth) if depth > index) {
                Arc::make_mut(portal).made_in = MadeIn::This(index);
            }
        }
    }

    /// What was made since the savepoint is gone.
    pub(crate) fn roll_back_to(&mut self, name: &str) {
        // A savepoint that is not known is taken for the first.
        let index = self.find_savepoint(name).unwrap_or(0);
        self.savepoints.truncate(index.saturating_add(1));
        self.by_name.retain(|_, portal| match portal.made_in {
            MadeIn::Earlier => true,
            MadeIn::This(depth) => depth <= index,
        });
    }

    /// What does not outlive its transaction is gone.
    pub(crate) fn end_transaction(&mut self, ended: Ended) {
        self.savepoints.clear();
        self.by_name.retain(|_, portal| match (portal.made_in, ended) {
            (MadeIn::Earlier, Ended::Committed | Ended::Undone) => true,
            (MadeIn::This(_), Ended::Committed) => portal.span == CursorSpan::Session,
            (MadeIn::This(_), Ended::Undone) => false,
        });
        for portal in self.by_name.values_mut() {
            if portal.made_in != MadeIn::Earlier {
                Arc::make_mut(portal).made_in = MadeIn::Earlier;
            }
        }
    }

    /// The grants of the cursors WITH HOLD whose transaction has ended: the target keeps their rows.
    pub(crate) fn held_grants(&self) -> impl Iterator<Item = (GrantId, Timestamp)> + '_ {
        let held = self.by_name.values().filter(|portal| portal.made_in == MadeIn::Earlier);
        held.flat_map(|portal| portal.grants.iter().map(|(id, until)| (*id, *until)))
    }

    fn find_savepoint(&self, name: &str) -> Option<usize> {
        self.savepoints.iter().rposition(|known| known == name)
    }
}

#[cfg(test)]
mod tests {
    use model::{Facts, StatementKind};

    use super::*;
    use crate::judge::Planned;

    #[test]
    fn a_portal_ends_with_what_it_was_made_in() {
        type Step = fn(&mut Portals);
        let short: Step = |portals| drop(portals.make("c", portal(CursorSpan::Transaction)));
        let hold: Step = |portals| drop(portals.make("c", portal(CursorSpan::Session)));
        let save: Step = |portals| portals.savepoint("s");
        let save_t: Step = |portals| portals.savepoint("t");
        let back: Step = |portals| portals.roll_back_to("s");
        let back_t: Step = |portals| portals.roll_back_to("t");
        let back_unknown: Step = |portals| portals.roll_back_to("x");
        let release: Step = |portals| portals.release("s");
        let close: Step = |portals| drop(portals.close("c"));
        let commit: Step = |portals| portals.end_transaction(Ended::Committed);
        let undo: Step = |portals| portals.end_transaction(Ended::Undone);
        #[rustfmt::skip]
        let cases = [
            (vec![short],                                   true),
            (vec![short, commit],                           false),
            (vec![short, undo],                             false),
            (vec![hold, commit],                            true),
            (vec![hold, undo],                              false),
            (vec![hold, commit, undo],                      true),
            (vec![hold, commit, save, back, undo],          true),
            (vec![save, short, back],                       false),
            (vec![short, save, back],                       true),
            (vec![short, save, close, back],                false),
            (vec![short, save, close, short, back],         false),
            (vec![save, short, release, save, back],        true),
            (vec![save, save_t, short, release, save, back], true),
            (vec![save, save_t, short, back],               false),
            (vec![save, short, save_t, back_t],             true),
            (vec![save, short, save, back],                 true),
            (vec![save, short, back_unknown],               false),
            (vec![save, hold, release, undo],               false),
            (vec![save, hold, release, commit],             true),
            (vec![save, hold, back, commit],                false),
        ];
        for (number, (steps, stays)) in cases.into_iter().enumerate() {
            let mut portals = Portals::default();
            for step in steps {
                step(&mut portals);
            }
            assert_eq!(portals.get("c").is_some(), stays, "case {number}");
        }
    }

    #[test]
    fn only_a_cursor_whose_rows_the_target_keeps_holds_its_grants() {
        let mut portals = Portals::default();
        let until = Timestamp::from_unix(std::time::Duration::from_secs(7));
        let mut held = portal(CursorSpan::Session);
        held.grants.insert(GrantId::from_random(1), until);
        portals.make("c", held);
        assert_eq!(portals.held_grants().count(), 0);
        portals.end_transaction(Ended::Committed);
        assert_eq!(portals.held_grants().collect::<Vec<_>>(), [(GrantId::from_random(1), until)]);
        portals.close_all();
        assert_eq!(portals.held_grants().count(), 0);
    }

    fn portal(span: CursorSpan) -> Portal {
        let plan = Arc::new(Plan::new(Facts::nothing(StatementKind::Read), ""));
        let (text, grounds) = ("".into(), Arc::default());
        let planned = Planned { text, plan: Arc::clone(&plan), catalog_version: 1, grounds };
        let statement = Arc::new(Statement::new(planned, Made::Sql));
        Portal { span, ..Portal::new(statement, Vec::new(), plan) }
    }
}
