//! The prepared statements and portals of a session, as the target will have them.
//!
//! The maps change when a message is forwarded. If the target skips it, because something before
//! it failed, the change is undone, last first, so that both sides always agree.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::Parameter;
use pgwire::Named;
use pgwire::frontend::Bind;

use crate::judge::Planned;
use crate::settings::Limits;
use crate::wire::Refused;

/// Bytes of texts and parameters that a session may keep in statements and portals.
const HELD_BYTES_MAX: usize = 8 << 20;

/// A prepared statement.
#[derive(Clone, Debug)]
pub(crate) struct Statement {
    pub(crate) planned: Planned,
}

/// A statement with its parameters.
#[derive(Clone, Debug)]
pub(crate) struct Portal {
    pub(crate) statement: Arc<Statement>,
    pub(crate) parameters: Vec<Parameter>,
}

impl Statement {
    fn bytes(&self) -> usize {
        self.planned.text.len().saturating_add(self.planned.plan.forward.len())
    }
}

impl Portal {
    fn bytes(&self) -> usize {
        let bytes = self.parameters.iter().map(|parameter| match parameter {
            Parameter::Null => 0,
            Parameter::Text(bytes) | Parameter::Binary(bytes) => bytes.len(),
        });
        bytes.fold(0, usize::saturating_add)
    }
}

/// What stood in a map before a message changed it.
#[derive(Debug)]
pub(crate) enum Undo {
    Statement(String, Option<Arc<Statement>>),
    Portal(String, Option<Arc<Portal>>),
}

/// The statements and portals of a session.
#[derive(Debug, Default)]
pub(crate) struct Prepared {
    statements: BTreeMap<String, Arc<Statement>>,
    portals: BTreeMap<String, Arc<Portal>>,
}

impl Prepared {
    pub(crate) fn statement(&self, name: &str) -> Option<Arc<Statement>> {
        self.statements.get(name).cloned()
    }

    pub(crate) fn portal(&self, name: &str) -> Option<Arc<Portal>> {
        self.portals.get(name).cloned()
    }

    /// Checks that a statement of this name may be made. Only the unnamed one may be replaced.
    pub(crate) fn may_parse(&self, name: &str, limits: &Limits) -> Result<(), Refused> {
        if !name.is_empty() && self.statements.contains_key(name) {
            let message = format!("prepared statement \"{name}\" already exists");
            return Err(Refused::new("42P05", message));
        }
        if self.statements.len() >= limits.statements_max {
            let message = "too many prepared statements in this session: close some first";
            return Err(Refused::new("53400", message));
        }
        self.may_hold(0)
    }

    /// Finds the statement of a Bind and checks that its portal may be made.
    pub(crate) fn may_bind(&self, bind: &Bind, limits: &Limits) -> Result<Arc<Statement>, Refused> {
        let statement = self
            .statement(&bind.statement)
            .ok_or_else(|| Self::unknown(Named::Statement, &bind.statement))?;
        if !bind.portal.is_empty() && self.portals.contains_key(&*bind.portal) {
            let message = format!("portal \"{}\" already exists", &*bind.portal);
            return Err(Refused::new("42P03", message));
        }
        if self.portals.len() >= limits.portals_max {
            let message = "too many portals in this session: close some first";
            return Err(Refused::new("53400", message));
        }
        self.may_hold(bind.raw.len())?;
        Ok(statement)
    }

    /// Checks that so many bytes more may be kept.
    fn may_hold(&self, more: usize) -> Result<(), Refused> {
        let statements = self.statements.values().map(|statement| statement.bytes());
        let portals = self.portals.values().map(|portal| portal.bytes());
        let held = statements.chain(portals).fold(more, usize::saturating_add);
        if held > HELD_BYTES_MAX {
            let message =
                "prepared statements and portals of this session hold too much: close some first";
            return Err(Refused::new("53400", message));
        }
        Ok(())
    }

    /// What PostgreSQL says of a name that means nothing.
    pub(crate) fn unknown(named: Named, name: &str) -> Refused {
        match named {
            Named::Statement if name.is_empty() => {
                Refused::new("26000", "unnamed prepared statement does not exist")
            }
            Named::Statement => {
                let message = format!("prepared statement \"{name}\" does not exist");
                Refused::new("26000", message)
            }
            Named::Portal => Refused::new("34000", format!("portal \"{name}\" does not exist")),
        }
    }

    pub(crate) fn parse(&mut self, name: &str, statement: Statement) -> Undo {
        let before = self.statements.insert(name.to_owned(), Arc::new(statement));
        Undo::Statement(name.to_owned(), before)
    }

    pub(crate) fn bind(&mut self, name: &str, portal: Portal) -> Undo {
        let before = self.portals.insert(name.to_owned(), Arc::new(portal));
        Undo::Portal(name.to_owned(), before)
    }

    pub(crate) fn close(&mut self, named: Named, name: &str) -> Undo {
        match named {
            Named::Statement => Undo::Statement(name.to_owned(), self.statements.remove(name)),
            Named::Portal => Undo::Portal(name.to_owned(), self.portals.remove(name)),
        }
    }

    /// A Query drops the unnamed statement and portal.
    pub(crate) fn drop_unnamed(&mut self) {
        self.statements.remove("");
        self.portals.remove("");
    }

    /// A Parse without a name drops the unnamed statement first.
    pub(crate) fn drop_unnamed_statement(&mut self) {
        self.statements.remove("");
    }

    /// The end of a transaction drops every portal.
    pub(crate) fn drop_portals(&mut self) {
        self.portals.clear();
    }

    /// Takes back a change that the target never made.
    pub(crate) fn undo(&mut self, undo: Undo) {
        match undo {
            Undo::Statement(name, Some(before)) => drop(self.statements.insert(name, before)),
            Undo::Statement(name, None) => drop(self.statements.remove(&name)),
            Undo::Portal(name, Some(before)) => drop(self.portals.insert(name, before)),
            Undo::Portal(name, None) => drop(self.portals.remove(&name)),
        }
    }

    /// A failed Parse of the unnamed statement drops the one before; of a named one, nothing.
    pub(crate) fn failed_parse(&mut self, undo: Undo) {
        match undo {
            Undo::Statement(name, _) if name.is_empty() => drop(self.statements.remove("")),
            undo @ (Undo::Statement(..) | Undo::Portal(..)) => self.undo(undo),
        }
    }
}

#[cfg(test)]
mod tests {
    use model::{Facts, StatementKind};
    use sql::{Effect, Plan};

    use super::*;

    #[test]
    fn what_the_target_skipped_is_undone_last_first() {
        let mut prepared = Prepared::default();
        prepared.parse("a", statement("one"));
        let undo = [
            prepared.close(Named::Statement, "a"),
            prepared.parse("a", statement("two")),
            prepared.parse("", statement("three")),
        ];
        for undo in undo.into_iter().rev() {
            prepared.undo(undo);
        }
        assert_eq!(
            prepared.statement("a").map(|kept| kept.planned.text.to_string()),
            Some("one".into())
        );
        assert!(prepared.statement("").is_none());
    }

    #[test]
    fn a_failed_parse_drops_the_unnamed_statement_and_keeps_a_named_one() {
        let mut prepared = Prepared::default();
        prepared.parse("", statement("old"));
        let undo = prepared.parse("", statement("new"));
        prepared.failed_parse(undo);
        assert!(prepared.statement("").is_none());

        let undo = prepared.parse("a", statement("new"));
        prepared.failed_parse(undo);
        assert!(prepared.statement("a").is_none());
    }

    #[test]
    fn a_name_can_be_taken_once_and_there_is_a_limit() {
        let limits = Limits { statements_max: 2, ..Limits::default() };
        let mut prepared = Prepared::default();
        prepared.parse("a", statement("one"));
        assert_eq!(prepared.may_parse("a", &limits).unwrap_err().sqlstate, "42P05");
        assert!(prepared.may_parse("", &limits).is_ok());
        prepared.parse("", statement("two"));
        assert_eq!(prepared.may_parse("b", &limits).unwrap_err().sqlstate, "53400");
    }

    #[test]
    fn a_session_cannot_keep_more_than_its_share() {
        let mut prepared = Prepared::default();
        let text = "x".repeat(HELD_BYTES_MAX / 4);
        prepared.parse("a", statement(&text));
        assert!(prepared.may_parse("b", &Limits::default()).is_ok());
        prepared.parse("b", statement(&text));
        prepared.parse("c", statement("y"));
        assert_eq!(prepared.may_parse("d", &Limits::default()).unwrap_err().sqlstate, "53400");
        prepared.close(Named::Statement, "a");
        assert!(prepared.may_parse("d", &Limits::default()).is_ok());
    }

    fn statement(text: &str) -> Statement {
        let plan = Plan {
            facts: Arc::new(Facts::nothing(StatementKind::Read)),
            forward: text.into(),
            outputs: Vec::new(),
            tag: None,
            effect: Effect::None,
            parameters_max: 0,
            errors_quote_only_granted: true,
            is_empty: false,
        };
        Statement {
            planned: Planned { text: text.into(), plan: Arc::new(plan), catalog_version: 1 },
        }
    }
}
