//! What a NOTIFY on the target brings to a session that listens, as it is judged.

use crate::{
    Action, Facts, IdentityName, RelationName, SessionId, StatementKind, TargetName, Touch,
};

/// A notification on its way from a target to a client.
///
/// Not `Clone`: what was judged is moved into the proof, so nothing else can be passed on with it.
#[derive(Debug)]
pub struct Notification {
    /// The session that is to get it.
    pub session: SessionId,
    /// Whose session it is.
    pub identity: IdentityName,
    /// Where it comes from.
    pub target: TargetName,
    /// Its channel, as the target spells it.
    pub channel: String,
    /// What whoever notified said.
    pub payload: String,
}

impl Notification {
    /// What passing it on touches: its channel, to listen.
    pub fn facts(&self) -> Facts {
        Self::facts_of(&self.channel)
    }

    /// What passing on a notification of this channel touches.
    pub fn facts_of(channel: &str) -> Facts {
        let relation = RelationName::channel(channel);
        let touch = Touch { relation, action: Action::Listen, columns: [].into() };
        Facts { touches: vec![touch], ..Facts::nothing(StatementKind::Session) }
    }

    /// Bytes that it counts for against the limit of a grant.
    pub fn bytes(&self) -> u64 {
        u64::try_from(self.payload.len()).unwrap_or(u64::MAX)
    }
}
