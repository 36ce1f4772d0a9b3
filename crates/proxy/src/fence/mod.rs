//! Lock 2: a session logs in *as* a short-lived role whose privileges are those of its grants.
//!
//! ```text
//! grants ─▶ privileges ─▶ group ─▶ role, a member of it ─▶ log in once ─▶ commands
//!   change ──▶ another group                                                 │
//!   end ──▶ stop relaying ─▶ NOLOGIN ─▶ terminate ─▶ look ─▶ DROP OWNED ─▶ DROP ROLE ─▶ look
//! ```
//!
//! A role is a *member* of its group and inherits from it; nothing is ever done by SET ROLE, which
//! a client could undo. Its password is made here, sent as a SCRAM verifier, and worthless once it
//! was used.
//!
//! **Invariant:** a role that is not of a live session is removed: when its session ends, or by the
//! sweep at start, at each failure and every minute.
//!
//! **Boundary:** nothing is removed that does not bear the names of this gateway and target.

mod group;
mod names;
mod pool;
mod preflight;
mod preflight_sql;
mod privileges;
mod removal;
mod role;
mod sweep;
mod views;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::SessionId;
use sql::FenceViews;
use tokio::sync::{Notify, OnceCell};

use crate::asker::{AskError, Row};
use crate::settings::{Settings, TargetSettings};
use crate::target::{Account, ConnectError, Target};

pub(crate) use preflight::masked_orders;
pub use preflight::{Finding, Reach, Weight};
pub(crate) use role::{SessionRole, Standing};
pub(crate) use sweep::keep;
pub(crate) use views::ViewsWere;

/// The fence of one target.
#[derive(Debug)]
pub(crate) struct Fence {
    names: names::Names,
    pool: pool::Pool,
    server: OnceCell<Server>,
    groups: group::Groups,
    /// The roles of sessions that live or are being made.
    live: Mutex<BTreeSet<String>>,
    /// The roles that could not be removed, which is on record.
    left: Mutex<BTreeSet<String>>,
    /// Woken when a role may have been left behind.
    leftover: Notify,
    /// The views that show masks, as they were last compared.
    views: Mutex<FenceViews>,
}

/// What the provisioning account and its server are.
#[derive(Clone, Copy, Debug)]
struct Server {
    /// Memberships carry options of their own since PostgreSQL 16.
    has_membership_options: bool,
}

/// Why there is no fence around a session. For the operator.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FenceError {
    /// The target cannot be asked, or refused.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// The session's own log-in failed.
    #[error("the session's role cannot log in: {0}")]
    Connect(#[from] ConnectError),
    /// The target's catalog is not known.
    #[error("the target's catalog is not known")]
    NoCatalog,
    /// The account cannot pass on what a grant gives.
    #[error("the provisioning account may not pass on: {}; see `countersign target check`", .0.join(", "))]
    Missing(Vec<String>),
    /// The account is a superuser.
    #[error("the provisioning account {0} is a superuser: use one with CREATEROLE")]
    Superuser(String),
    /// The account may not make roles.
    #[error("the provisioning account {0} has not CREATEROLE")]
    NoCreateRole(String),
}

impl Fence {
    /// A fence for a target whose settings name a provisioning account.
    pub(crate) fn of(settings: &Settings, target: &TargetSettings) -> Option<Self> {
        let provision = target.provision.as_ref()?;
        let account = Account {
            user: provision.user.clone(),
            password: provision.password.clone(),
            database: target.database.clone(),
        };
        let names = names::Names::new(&settings.gateway, &settings.installation, &target.name);
        let views = FenceViews { schema: names.schema(), sound: BTreeSet::new() };
        Some(Self {
            names,
            views: Mutex::new(views),
            pool: pool::Pool::new(account),
            server: OnceCell::new(),
            groups: group::Groups::default(),
            live: Mutex::default(),
            left: Mutex::default(),
            leftover: Notify::new(),
        })
    }

    /// Asks as the provisioning account, with a text of the gateway's own.
    pub(crate) async fn ask(&self, target: &Arc<Target>, sql: &str) -> Result<Vec<Row>, AskError> {
        self.pool.ask(target, sql).await
    }

    /// What the account and its server are, asked once.
    ///
    /// # Errors
    ///
    /// [`FenceError`] if the account is stronger or weaker than a fence needs.
    async fn server(&self, target: &Arc<Target>) -> Result<Server, FenceError> {
        const QUESTION: &str = "SELECT rolsuper, rolcreaterole, \
            current_setting('server_version_num')::int >= 160000 \
            FROM pg_roles WHERE rolname = session_user";
        let asked = self.server.get_or_try_init(async || {
            let row = self.ask(target, QUESTION).await?.into_iter().next().unwrap_or_default();
            let is = |at: usize| row.get(at).and_then(Option::as_deref) == Some("t");
            match (is(0), is(1)) {
                (true, _) => Err(FenceError::Superuser(self.pool.user().to_owned())),
                (false, false) => Err(FenceError::NoCreateRole(self.pool.user().to_owned())),
                (false, true) => Ok(Server { has_membership_options: is(2) }),
            }
        });
        asked.await.copied()
    }

    /// Makes the provisioning account a member of a role, without which it could neither end the
    /// role's sessions nor remove what the role owns.
    fn adopt(&self, role: &str, server: Server) -> String {
        let options = if server.has_membership_options { " WITH INHERIT TRUE" } else { "" };
        let (role, user) = (names::identifier(role), names::identifier(self.pool.user()));
        format!("GRANT {role} TO {user}{options};\n")
    }

    fn live(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn left(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The session whose role bears this name.
    fn session_of(&self, role: &str) -> Option<SessionId> {
        let digits = role.strip_prefix(&self.names.role_prefix())?;
        format!("ses_{digits}").parse().ok()
    }
}
