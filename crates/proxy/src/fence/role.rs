//! The role of one session: made, logged in as, kept in step with the grants.

use std::num::NonZeroU32;
use std::sync::Arc;

use model::{AccessEvent, CredentialId, IdentityName, RoleChange, SessionId, Timestamp};
use registry::Registry;

use super::names::{digits, identifier, literal};
use super::privileges::Privileges;
use super::{Fence, FenceError};
use crate::judge;
use crate::parser::GrantedColumns;
use crate::settings::Secret;
use crate::target::{Account, Connected, Target};

/// Rounds of PBKDF2. The password is 256 random bits, which no number of rounds makes stronger.
const SCRAM_ROUNDS: NonZeroU32 = NonZeroU32::MIN.saturating_add(4095);

/// What an identity may do on a target now, and until when that stays so by itself.
#[derive(Clone, Debug)]
pub(crate) struct Standing {
    pub(crate) granted: GrantedColumns,
    /// The next instant at which a grant begins or ends.
    pub(crate) changes_at: Option<Timestamp>,
    /// The last instant at which any of them ends.
    ends_at: Option<Timestamp>,
}

/// The role of one session, for as long as the session lives. Dropping it leaves the role to the
/// sweep; [`SessionRole::end`] removes it at once.
#[derive(Debug)]
pub(crate) struct SessionRole {
    pub(super) target: Arc<Target>,
    pub(super) session: SessionId,
    pub(crate) name: String,
    pub(crate) group: Arc<str>,
    /// What its group was made of.
    granted: GrantedColumns,
    /// The catalog and the inventory on which that rests.
    seen: (u64, u64),
    pub(super) is_removed: bool,
}

impl Standing {
    /// Folds the grants of an identity on a target.
    pub(crate) fn of(
        registry: &Registry,
        (identity, credential): (&IdentityName, CredentialId),
        target: &Target,
        now: Timestamp,
    ) -> Self {
        let unused = |_grant| policy::Usage::default();
        let standing = registry.standing(identity, credential, &target.name, &unused);
        let grants = standing.map(|standing| standing.grants).unwrap_or_default();
        let bounds = grants.iter().flat_map(|live| [live.grant.not_before, live.grant.expires_at]);
        let changes_at = bounds.filter(|at| *at > now).min();
        let live = registry.live_grants(identity, &target.name, now);
        let ends_at = live.map(|live| live.grant.expires_at).max();
        Self { granted: judge::granted(registry, identity, &target.name, now), changes_at, ends_at }
    }

    /// True if it gives all that `other` gives.
    fn includes(&self, other: &GrantedColumns) -> bool {
        other.iter().all(|(key, columns)| {
            self.granted.get(key).is_some_and(|granted| columns.is_subset(granted))
        })
    }
}

impl Fence {
    /// Makes the role of a session and logs in as it.
    ///
    /// # Errors
    ///
    /// [`FenceError`]; what was made is then removed by the sweep.
    pub(crate) async fn admit(
        &self,
        target: &Arc<Target>,
        session: SessionId,
        standing: Standing,
        control_size: u64,
    ) -> Result<(Connected, SessionRole), FenceError> {
        let catalog = target.catalog().ok_or(FenceError::NoCatalog)?;
        let server = self.server(target).await?;
        let privileges = Privileges::of(&standing.granted, &catalog);
        let group = self.group(target, &privileges).await?;
        let name = self.names.role(session);
        self.live().insert(name.clone());
        let role = SessionRole {
            target: Arc::clone(target),
            session,
            name,
            group,
            granted: standing.granted,
            seen: (control_size, catalog.version()),
            is_removed: false,
        };
        let password = password();
        let keys = crypto::scram::Keys::derive(
            password.reveal().as_bytes(),
            crypto::random(),
            SCRAM_ROUNDS,
        );
        let until = standing.ends_at.map_or_else(|| "1970-01-01".to_owned(), |at| at.to_string());
        let sql = format!(
            "CREATE ROLE {role} LOGIN INHERIT CONNECTION LIMIT 1 PASSWORD {verifier} \
             VALID UNTIL {until} IN ROLE {group};\nCOMMENT ON ROLE {role} IS {comment};\n{adopt}",
            role = identifier(&role.name),
            verifier = literal(&pgwire::scram_verifier(&keys)),
            until = literal(&until),
            group = identifier(&role.group),
            comment = literal(&self.names.comment(&format!("role of session {session}"))),
            adopt = self.adopt(&role.name, server),
        );
        self.ask(target, &sql).await?;
        let account = Account {
            user: role.name.clone(),
            password: Some(password),
            database: target.settings.database.clone(),
        };
        let connected = target.connect_as(&account, &format!("countersign {session}")).await?;
        // The password has served. Whatever the session does to its own role, nobody can log in with
        // a password as this role again. (NOLOGIN would also stop its parallel workers.)
        let spent = format!("ALTER ROLE {} VALID UNTIL '1970-01-01'", identifier(&role.name));
        self.ask(target, &spent).await?;
        Ok((connected, role))
    }
}

/// A password that nobody ever reads.
fn password() -> Secret {
    let bits: [u8; 32] = crypto::random();
    Secret::new(&digits(&bits, 64))
}

impl SessionRole {
    /// True if grants give less than the role may do: then its session must end.
    pub(crate) fn has_lost(&self, standing: &Standing) -> bool {
        !standing.includes(&self.granted)
    }

    /// Whether the role rests on this inventory and this catalog.
    pub(crate) fn is_current(&self, control_size: u64) -> bool {
        let version = self.target.catalog().map(|catalog| catalog.version());
        version.is_none_or(|version| self.seen == (control_size, version))
    }

    /// Puts the role into the group of what the grants give now.
    ///
    /// Returns what to record, if anything changed on the target.
    ///
    /// # Errors
    ///
    /// [`FenceError`]; the role then has what it had.
    pub(crate) async fn follow(
        &mut self,
        standing: Standing,
        control_size: u64,
    ) -> Result<Option<AccessEvent>, FenceError> {
        let Some(fence) = &self.target.fence else { return Ok(None) };
        let catalog = self.target.catalog().ok_or(FenceError::NoCatalog)?;
        let privileges = Privileges::of(&standing.granted, &catalog);
        let group = fence.group(&self.target, &privileges).await?;
        let is_changed = group != self.group;
        if is_changed {
            let sql = format!(
                "GRANT {new} TO {role};\nREVOKE {old} FROM {role};\n",
                new = identifier(&group),
                old = identifier(&self.group),
                role = identifier(&self.name),
            );
            fence.ask(&self.target, &sql).await?;
            self.group = group;
        }
        self.granted = standing.granted;
        self.seen = (control_size, catalog.version());
        Ok(is_changed.then(|| self.event(RoleChange::Regrouped)))
    }

    /// What to record of the role.
    pub(crate) fn event(&self, change: RoleChange) -> AccessEvent {
        let group = match change {
            RoleChange::Created | RoleChange::Regrouped => Some(self.group.to_string()),
            RoleChange::Dropped | RoleChange::Left => None,
        };
        AccessEvent::FenceRole {
            target: self.target.name.clone(),
            role: self.name.clone(),
            change,
            session: Some(self.session),
            group,
        }
    }
}

impl Drop for SessionRole {
    fn drop(&mut self) {
        let Some(fence) = &self.target.fence else { return };
        fence.live().remove(&self.name);
        if !self.is_removed {
            fence.leftover.notify_one();
        }
    }
}
