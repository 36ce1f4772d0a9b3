//! The end of a role: no log-in, no session, nothing owned, no role. Each step is looked up, not
//! believed.
//!
//! REVOKE, VALID UNTIL and DROP ROLE alone end neither a suspended portal nor a held cursor nor a
//! running COPY; the end of the session's backend does.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use model::{AccessEvent, AccessRecord, RoleChange};
use tokio::time::Instant;

use super::group::UNDEFINED_OBJECT;
use super::names::{identifier, literal};
use super::{Fence, SessionRole};
use crate::asker::{AskError, Row};
use crate::clock;
use crate::gate::Gate;
use crate::target::Target;

/// How long a backend may take to end once it was told to.
const GONE_MAX: Duration = Duration::from_secs(5);
/// Between two looks at whether it has.
const LOOK_PAUSE: Duration = Duration::from_millis(5);
/// SQLSTATE for a role on which something still depends.
const DEPENDENT_OBJECTS: &str = "2BP01";

/// Why a role is still there.
#[derive(Debug, thiserror::Error)]
pub(super) enum RemovalError {
    /// The target cannot be asked, or refused.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// A backend did not end.
    #[error("a session of the role goes on")]
    StillRuns,
    /// The role did not go.
    #[error("the role is still there")]
    StillThere,
}

impl SessionRole {
    /// Removes the role, and records that it is gone or was left behind.
    pub(crate) async fn end(mut self, gate: &Gate) {
        let target = Arc::clone(&self.target);
        let Some(fence) = &target.fence else { return };
        self.is_removed = fence.remove(&target, &self.name, gate).await;
    }
}

impl Fence {
    /// Removes a role and records what became of it. True if it is gone.
    pub(super) async fn remove(&self, target: &Arc<Target>, role: &str, gate: &Gate) -> bool {
        let change = match self.remove_role(target, role).await {
            Ok(()) => {
                self.left().remove(role);
                RoleChange::Dropped
            }
            Err(error) => {
                tracing::error!(target = %target.name, role, %error, "a role of the fence could not be removed; it is tried again");
                if !self.left().insert(role.to_owned()) {
                    return false;
                }
                RoleChange::Left
            }
        };
        let event = AccessEvent::FenceRole {
            target: target.name.clone(),
            role: role.to_owned(),
            change,
            session: self.session_of(role),
            group: None,
        };
        let record = AccessRecord { at: clock::now(), event };
        if let Err(error) = gate.journal.record(record, ledger::Payload::new()).await {
            tracing::error!(role, %error, "the end of a role is not on record");
        }
        change == RoleChange::Dropped
    }

    async fn remove_role(&self, target: &Arc<Target>, role: &str) -> Result<(), RemovalError> {
        let quoted = identifier(role);
        let sql = format!(
            "ALTER ROLE {quoted} NOLOGIN;\n\
             SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = {}",
            literal(role)
        );
        match self.ask(target, &sql).await {
            Ok(_answers) => {}
            Err(AskError::Refused { sqlstate, .. }) if sqlstate == UNDEFINED_OBJECT => {
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        }
        self.wait_until_gone(target, role).await?;
        let sql = self.drop_sql(target, role).await?;
        match self.ask(target, &sql).await {
            Ok(_no_rows) => {}
            Err(AskError::Refused { sqlstate, .. }) if sqlstate == DEPENDENT_OBJECTS => {
                self.drop_owned_elsewhere(target, role).await?;
                self.ask(target, &sql).await?;
            }
            Err(error) => return Err(error.into()),
        }
        let sql = format!("SELECT 1 FROM pg_roles WHERE rolname = {}", literal(role));
        if self.ask(target, &sql).await?.is_empty() {
            Ok(())
        } else {
            Err(RemovalError::StillThere)
        }
    }

    async fn wait_until_gone(&self, target: &Arc<Target>, role: &str) -> Result<(), RemovalError> {
        let sql =
            format!("SELECT 1 FROM pg_stat_activity WHERE usename = {} LIMIT 1", literal(role));
        let since = Instant::now();
        while !self.ask(target, &sql).await?.is_empty() {
            if since.elapsed() > GONE_MAX {
                return Err(RemovalError::StillRuns);
            }
            tokio::time::sleep(LOOK_PAUSE).await;
        }
        Ok(())
    }

    /// Takes the role out of its groups, drops what it owns in the target's database, and the role.
    async fn drop_sql(&self, target: &Arc<Target>, role: &str) -> Result<String, AskError> {
        let question = format!(
            "SELECT DISTINCT g.rolname FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid \
             JOIN pg_roles r ON r.oid = m.member WHERE r.rolname = {}",
            literal(role)
        );
        let role = identifier(role);
        let mut sql = String::new();
        for group in texts(self.ask(target, &question).await?) {
            // Writing to a String cannot fail.
            _ = writeln!(sql, "REVOKE {} FROM {role};", identifier(&group));
        }
        _ = write!(sql, "DROP OWNED BY {role};\nDROP ROLE {role};\n");
        Ok(sql)
    }

    /// A role that could log in only once, here, owns nothing in another database; unless someone
    /// gave it something there.
    async fn drop_owned_elsewhere(&self, target: &Arc<Target>, role: &str) -> Result<(), AskError> {
        let question = format!(
            "SELECT DISTINCT d.datname FROM pg_shdepend s JOIN pg_database d ON d.oid = s.dbid \
             JOIN pg_roles r ON r.oid = s.refobjid \
             WHERE s.refclassid = 'pg_authid'::regclass AND r.rolname = {} AND d.datallowconn",
            literal(role)
        );
        let sql = format!("DROP OWNED BY {}", identifier(role));
        for database in texts(self.ask(target, &question).await?) {
            self.pool.ask_in(target, &database, &sql).await?;
        }
        Ok(())
    }
}

/// The first cells of rows.
pub(super) fn texts(rows: Vec<Row>) -> Vec<String> {
    rows.into_iter().filter_map(|row| row.into_iter().next().flatten()).collect()
}
