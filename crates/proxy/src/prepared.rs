//! The prepared statements and portals of a session, as the target will have them.
//!
//! The maps change when a message is forwarded. If the target skips it, because something before
//! it failed, the change is undone, last first, so that both sides always agree. What a statement
//! does to them (PREPARE, DECLARE, CLOSE, …) is done when the target has completed it.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::{GrantId, Parameter, Timestamp};
use pgwire::Named;
use pgwire::frontend::Bind;
use sql::{CursorSpan, Effect, Plan};

use crate::judge::{Checked, Planned};
use crate::portals::{Ended, Portal, Portals};
use crate::reply::Running;
use crate::settings::Limits;
use crate::wire::Refused;

/// Bytes of texts and parameters that a session may keep in statements and portals.
const HELD_BYTES_MAX: usize = 8 << 20;

/// A prepared statement.
#[derive(Clone, Debug)]
pub(crate) struct Statement {
    /// Its text, and the plan of what runs.
    pub(crate) planned: Planned,
    pub(crate) made: Made,
    /// What Describe says of it. If it names something, as that was when it was prepared.
    pub(crate) described: Arc<Plan>,
    /// The types of its parameters as the client has declared them, by OID; zero for none.
    pub(crate) types: Arc<[u32]>,
    /// What covered it when it was prepared.
    pub(crate) checked: Option<Checked>,
}

/// Which plan of a text is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Made {
    /// The text's own: it was prepared by Parse.
    Protocol,
    /// That of the query inside: the text is a PREPARE or a DECLARE.
    Sql,
}

impl Statement {
    pub(crate) fn new(planned: Planned, made: Made) -> Self {
        let described = Arc::clone(&planned.plan);
        Self { planned, made, described, types: Arc::from([]), checked: None }
    }

    /// Bytes that it keeps.
    pub(crate) fn bytes(&self) -> usize {
        self.planned.text.len().saturating_add(self.planned.plan.forward.len())
    }
}

/// What a PREPARE or DECLARE leaves under its name.
#[derive(Debug)]
pub(crate) struct Kept {
    /// The text of the whole, and the plan of what is kept.
    planned: Planned,
    parameters: Vec<Parameter>,
    grants: BTreeMap<GrantId, Timestamp>,
}

impl Kept {
    /// What a command leaves, if it leaves something.
    pub(crate) fn of(running: &Running) -> Option<Self> {
        let command = running.permit.command();
        let allowed = running.permit.allowed();
        let grants = allowed.grants().iter().map(|grant| (grant.id, allowed.until()));
        let planned = Planned {
            text: Arc::clone(&command.text),
            plan: Arc::clone(&running.plan),
            catalog_version: command.catalog_version,
            grounds: Arc::clone(&running.grounds),
        };
        let kept = Self::will_be(&planned)?;
        Some(Self { parameters: command.parameters.clone(), grants: grants.collect(), ..kept })
    }

    /// What a statement would leave.
    pub(crate) fn will_be(planned: &Planned) -> Option<Self> {
        match planned.plan.effect {
            Effect::Declare { .. } | Effect::Prepare(_) => {}
            Effect::None
            | Effect::Begin
            | Effect::Commit
            | Effect::Rollback
            | Effect::Savepoint(_)
            | Effect::Release(_)
            | Effect::RollbackTo(_)
            | Effect::Set { .. }
            | Effect::ResetAll
            | Effect::Close(_)
            | Effect::Deallocate(_)
            | Effect::DiscardAll => return None,
        }
        let plan = Arc::clone(planned.plan.kept.as_ref()?);
        let planned = Planned { plan, ..planned.clone() };
        Some(Self { planned, parameters: Vec::new(), grants: BTreeMap::new() })
    }

    fn portal(self, span: CursorSpan) -> Portal {
        let plan = Arc::clone(&self.planned.plan);
        let statement = Arc::new(Statement::new(self.planned, Made::Sql));
        let grants = match span {
            CursorSpan::Transaction => BTreeMap::new(),
            CursorSpan::Session => self.grants,
        };
        Portal::new(statement, self.parameters, plan).kept_for(span, grants)
    }
}

/// What stood in a map before a message changed it.
#[derive(Debug)]
pub(crate) enum Undo {
    Statement(String, Option<Arc<Statement>>),
    Portal(String, Option<Arc<Portal>>),
}

/// The statements and portals of a session.
#[derive(Clone, Debug, Default)]
pub(crate) struct Prepared {
    statements: BTreeMap<String, Arc<Statement>>,
    pub(crate) portals: Portals,
}

impl Prepared {
    pub(crate) fn statement(&self, name: &str) -> Option<Arc<Statement>> {
        self.statements.get(name).cloned()
    }

    pub(crate) fn portal(&self, name: &str) -> Option<Arc<Portal>> {
        self.portals.get(name).map(Arc::clone)
    }

    /// Checks that a statement of this name may be made. Only the unnamed one may be replaced.
    pub(crate) fn may_parse(&self, name: &str, limits: &Limits) -> Result<(), Refused> {
        if !name.is_empty() && self.statements.contains_key(name) {
            let message = format!("prepared statement \"{name}\" already exists");
            return Err(Refused::new("42P05", message));
        }
        self.may_prepare(limits)
    }

    /// Checks that there is room for one more statement.
    pub(crate) fn may_prepare(&self, limits: &Limits) -> Result<(), Refused> {
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
        if !bind.portal.is_empty() && self.portals.get(&bind.portal).is_some() {
            let message = format!("cursor \"{}\" already exists", &*bind.portal);
            return Err(Refused::new("42P03", message));
        }
        self.may_declare(bind.raw.len(), limits)?;
        Ok(statement)
    }

    /// Checks that there is room for one more portal, of so many bytes.
    pub(crate) fn may_declare(&self, bytes: usize, limits: &Limits) -> Result<(), Refused> {
        if self.portals.len() >= limits.portals_max {
            let message = "too many portals in this session: close some first";
            return Err(Refused::new("53400", message));
        }
        self.may_hold(bytes)
    }

    /// Checks that so many bytes more may be kept.
    fn may_hold(&self, more: usize) -> Result<(), Refused> {
        let statements = self.statements.values().map(|statement| statement.bytes());
        let portals = self.portals.bytes();
        let held = statements.fold(more.saturating_add(portals), usize::saturating_add);
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
        let before = self.portals.make(name, portal);
        Undo::Portal(name.to_owned(), before)
    }

    pub(crate) fn close(&mut self, named: Named, name: &str) -> Undo {
        match named {
            Named::Statement => Undo::Statement(name.to_owned(), self.statements.remove(name)),
            Named::Portal => Undo::Portal(name.to_owned(), self.portals.close(name)),
        }
    }

    /// A Query drops the unnamed statement and portal.
    pub(crate) fn drop_unnamed(&mut self) {
        self.statements.remove("");
        self.portals.close("");
    }

    /// A Parse without a name drops the unnamed statement first.
    pub(crate) fn drop_unnamed_statement(&mut self) {
        self.statements.remove("");
    }

    /// DEALLOCATE. Without a name, all go but the unnamed one.
    pub(crate) fn deallocate(&mut self, name: Option<&str>) {
        match name {
            Some(name) => drop(self.statements.remove(name)),
            None => self.statements.retain(|name, _| name.is_empty()),
        }
    }

    /// Follows a command that the target has completed.
    pub(crate) fn follow(&mut self, effect: &Effect, kept: Option<Kept>) {
        match effect {
            Effect::None | Effect::Begin | Effect::Set { .. } | Effect::ResetAll => {}
            Effect::Commit => self.portals.end_transaction(Ended::Committed),
            Effect::Rollback => self.portals.end_transaction(Ended::Undone),
            Effect::Savepoint(name) => self.portals.savepoint(name),
            Effect::Release(name) => self.portals.release(name),
            Effect::RollbackTo(name) => self.portals.roll_back_to(name),
            Effect::Close(Some(name)) => drop(self.portals.close(name)),
            Effect::Close(None) => self.portals.close_all(),
            Effect::Deallocate(name) => self.deallocate(name.as_deref()),
            Effect::DiscardAll => {
                self.portals.close_all();
                self.deallocate(None);
            }
            // The target has taken the name, so whatever was known under it is gone.
            Effect::Declare { name, span } => match kept {
                Some(kept) => drop(self.portals.make(name, kept.portal(*span))),
                None => drop(self.portals.close(name)),
            },
            Effect::Prepare(name) => match kept {
                Some(kept) => drop(self.parse(name, Statement::new(kept.planned, Made::Sql))),
                None => self.deallocate(Some(name)),
            },
        }
    }

    /// Takes back a change that the target never made.
    pub(crate) fn undo(&mut self, undo: Undo) {
        match undo {
            Undo::Statement(name, Some(before)) => drop(self.statements.insert(name, before)),
            Undo::Statement(name, None) => drop(self.statements.remove(&name)),
            Undo::Portal(name, before) => self.portals.put_back(name, before),
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
        let plan = Arc::new(Plan::new(Facts::nothing(StatementKind::Read), text));
        let grounds = Arc::default();
        let planned = Planned { text: text.into(), plan, catalog_version: 1, grounds };
        Statement::new(planned, Made::Protocol)
    }
}
