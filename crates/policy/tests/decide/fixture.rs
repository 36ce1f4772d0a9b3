//! An identity `billing-agent` on the target `billing`, and grants to give it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use model::{
    Action, Command, CommandRef, Facts, Grant, GrantHash, GrantId, Limits, Protocol, RelationName,
    ScopeEntry, SessionId, StatementKind, Timestamp, Touch,
};
use policy::{LiveGrant, Standing, Usage, check};

/// A grant with its hash and usage, as an inventory holds it.
#[derive(Clone, Debug)]
pub(crate) struct Made {
    pub(crate) grant: Grant,
    pub(crate) hash: GrantHash,
    pub(crate) usage: Usage,
}

pub(crate) struct Inventory {
    identity: model::IdentityName,
    target: model::TargetName,
    pub(crate) made: Vec<Made>,
}

impl Inventory {
    pub(crate) fn new(made: &[Made]) -> Self {
        Self {
            identity: "billing-agent".parse().unwrap(),
            target: "billing".parse().unwrap(),
            made: made.to_vec(),
        }
    }

    pub(crate) fn standing(&self) -> Standing<'_> {
        let grants = self.made.iter().map(Made::live).collect();
        Standing {
            identity: &self.identity,
            target: &self.target,
            enabled: true,
            identity_expires_at: None,
            credential_ok: true,
            credential_expires_at: None,
            grants,
            control_size: 7,
        }
    }
}

impl Made {
    fn live(&self) -> LiveGrant<'_> {
        LiveGrant { grant: &self.grant, hash: &self.hash, usage: self.usage }
    }

    pub(crate) fn on(mut self, relation: &str, actions: &[Action], columns: &[&str]) -> Self {
        self.grant.scope.push(ScopeEntry {
            relation: RelationName::new("billing", relation),
            actions: actions.iter().copied().collect(),
            columns: set(columns),
        });
        self
    }

    pub(crate) fn during(mut self, from: u64, to: u64) -> Self {
        (self.grant.not_before, self.grant.expires_at) = (at(from), at(to));
        self
    }

    pub(crate) fn renumber(&mut self, number: u64) {
        self.grant.id = GrantId::from_random(number);
        self.hash = GrantHash(format!("hash-{number}"));
    }
}

pub(crate) fn grant(number: u64) -> Made {
    let grant = Grant {
        id: GrantId::from_random(number),
        identity: "billing-agent".parse().unwrap(),
        target: "billing".parse().unwrap(),
        scope: Vec::new(),
        not_before: at(100),
        expires_at: at(200),
        limits: Limits::default(),
        task: "T-1".into(),
        purpose: "test".into(),
        on_behalf_of: None,
        requested_by: "uid:0".into(),
        approved_by: "uid:0".into(),
        accepted_holes: BTreeSet::new(),
    };
    Made { grant, hash: GrantHash(format!("hash-{number}")), usage: Usage::default() }
}

pub(crate) fn reason(facts: &Facts, grants: &[Made], now: u64) -> Option<&'static str> {
    let inventory = Inventory::new(grants);
    check(facts, &inventory.standing(), at(now)).err().map(|reason| reason.code())
}

pub(crate) fn reads(relation: &str, columns: &[&str]) -> Facts {
    facts(StatementKind::Read, vec![touch(relation, Action::Select, columns)])
}

pub(crate) fn facts(kind: StatementKind, touches: Vec<Touch>) -> Facts {
    Facts { touches, ..Facts::nothing(kind) }
}

pub(crate) fn touch(relation: &str, action: Action, columns: &[&str]) -> Touch {
    Touch { relation: RelationName::new("billing", relation), action, columns: set(columns) }
}

pub(crate) fn command(facts: Facts) -> Command {
    Command {
        id: CommandRef { session: SessionId::from_random(1), sequence: 1 },
        identity: "billing-agent".parse().unwrap(),
        target: "billing".parse().unwrap(),
        protocol: Protocol::Simple,
        text: "the client's text".into(),
        forwarded: "the forwarded text".into(),
        parameters: Vec::new(),
        facts: Arc::new(facts),
        catalog_version: 1,
    }
}

pub(crate) fn set(columns: &[&str]) -> BTreeSet<String> {
    columns.iter().map(|column| (*column).to_owned()).collect()
}

pub(crate) fn at(seconds: u64) -> Timestamp {
    Timestamp::from_unix(Duration::from_secs(seconds))
}
