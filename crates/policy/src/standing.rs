//! What an identity has on one target at one moment: the input of a decision beside the command.

use model::{Grant, GrantHash, IdentityName, TargetName, Timestamp};

/// How much of a grant is used up, over its whole life and all sessions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Commands decided under it.
    pub commands: u64,
    /// Rows sent to clients under it.
    pub rows: u64,
    /// Bytes of these rows.
    pub bytes: u64,
}

/// A grant that is not revoked. Its window is not yet compared with the clock.
#[derive(Clone, Copy, Debug)]
pub struct LiveGrant<'a> {
    /// The grant.
    pub grant: &'a Grant,
    /// Its hash.
    pub hash: &'a GrantHash,
    /// What is used of it.
    pub usage: Usage,
}

impl LiveGrant<'_> {
    /// True if `now` is in the grant's window, which includes its start and excludes its end.
    pub(crate) fn is_in_window(&self, now: Timestamp) -> bool {
        self.grant.not_before <= now && now < self.grant.expires_at
    }

    /// True if the grant has something left of every amount that it limits.
    pub(crate) fn is_within_limits(&self) -> bool {
        let limits = &self.grant.limits;
        limits.commands.is_none_or(|max| self.usage.commands < max)
            && limits.rows.is_none_or(|max| self.usage.rows < max)
            && limits.bytes.is_none_or(|max| self.usage.bytes < max)
    }

    /// Rows that may still be sent under the grant. Nothing means no limit.
    pub(crate) fn rows_left(&self) -> Option<u64> {
        self.grant.limits.rows.map(|max| max.saturating_sub(self.usage.rows))
    }

    /// Bytes of rows that may still be sent under the grant. Nothing means no limit.
    pub(crate) fn bytes_left(&self) -> Option<u64> {
        self.grant.limits.bytes.map(|max| max.saturating_sub(self.usage.bytes))
    }
}

/// What an identity has on one target at one moment, as the inventory says.
#[derive(Clone, Debug)]
pub struct Standing<'a> {
    /// Who.
    pub identity: &'a IdentityName,
    /// Where.
    pub target: &'a TargetName,
    /// Whether the identity is enabled.
    pub enabled: bool,
    /// When the identity ends by itself, exclusive.
    pub identity_expires_at: Option<Timestamp>,
    /// Whether the credential of the session is in the inventory and not revoked.
    pub credential_ok: bool,
    /// When that credential ends by itself, exclusive.
    pub credential_expires_at: Option<Timestamp>,
    /// The identity's grants on the target that are not revoked, whatever their windows.
    pub grants: Vec<LiveGrant<'a>>,
    /// Size of the control ledger that says so.
    pub control_size: u64,
}
