//! Which records `log tail` shows: by identity, target, session, grant, decision.
//!
//! An outcome names only its command, and a session's end only its session. So the filter remembers
//! what is open, from its first record to its last, and nothing longer.

use std::collections::BTreeMap;

use ledger::Record;
use model::{
    AccessEvent, CommandRef, ControlEvent, CredentialId, GrantId, IdentityName, SessionId,
    TargetName,
};

/// What is asked for. All that is given must fit.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Filter {
    /// Only records of this identity
    #[arg(long, value_name = "NAME")]
    identity: Option<IdentityName>,
    /// Only records of this target
    #[arg(long, value_name = "NAME")]
    target: Option<TargetName>,
    /// Only records of this session
    #[arg(long, value_name = "ID")]
    session: Option<SessionId>,
    /// Only commands decided under this grant; in the control ledger its own records
    #[arg(long, value_name = "ID")]
    grant: Option<GrantId>,
    /// Only what was decided so: commands with their outcomes, or denials with refused log-ins
    #[arg(long, value_name = "DECISION")]
    decision: Option<Decision>,
}

/// How the gateway decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Decision {
    Allowed,
    Denied,
}

/// What a record is about.
#[derive(Clone, Debug, Default)]
struct Subject {
    identity: Option<IdentityName>,
    target: Option<TargetName>,
    session: Option<SessionId>,
    grants: Vec<GrantId>,
    decision: Option<Decision>,
}

/// A filter with what it has to remember of the records before.
#[derive(Debug)]
pub(crate) struct Sieve<'a> {
    filter: &'a Filter,
    sessions: BTreeMap<SessionId, Subject>,
    commands: BTreeMap<CommandRef, Vec<GrantId>>,
    credentials: BTreeMap<CredentialId, IdentityName>,
    grants: BTreeMap<GrantId, Subject>,
}

impl<'a> Sieve<'a> {
    /// A sieve that has seen no record yet. Every record of the ledger must be asked, in order.
    pub(crate) fn new(filter: &'a Filter) -> Self {
        Self {
            filter,
            sessions: BTreeMap::new(),
            commands: BTreeMap::new(),
            credentials: BTreeMap::new(),
            grants: BTreeMap::new(),
        }
    }

    /// True if the record is one of those asked for.
    pub(crate) fn passes(&mut self, record: &Record) -> bool {
        let subject = match record {
            Record::Access(record) => self.of_access(&record.event),
            Record::Control(record) => self.of_control(&record.event),
        };
        self.filter.fits(&subject)
    }

    fn of_access(&mut self, event: &AccessEvent) -> Subject {
        if let AccessEvent::AuthenticationFailed { claimed, target, .. } = event {
            let decision = Some(Decision::Denied);
            let (identity, target) = (claimed.clone(), target.clone());
            return Subject { identity, target, decision, ..Subject::default() };
        }
        let Some(session) = event.session() else { return Subject::default() };
        if let AccessEvent::SessionOpened { identity, target, .. } = event {
            let subject = Subject {
                identity: Some(identity.clone()),
                target: Some(target.clone()),
                session: Some(session),
                ..Subject::default()
            };
            self.sessions.insert(session, subject);
        }
        let ends = matches!(event, AccessEvent::SessionClosed { .. });
        let opened = self.sessions.get(&session).cloned();
        if ends {
            self.sessions.remove(&session);
        }
        let subject =
            opened.unwrap_or_else(|| Subject { session: Some(session), ..Subject::default() });
        if let AccessEvent::CommandIntended { grants, .. } = event {
            let ids: Vec<GrantId> = grants.iter().map(|grant| grant.id).collect();
            self.commands.extend(event.command().map(|command| (command, ids.clone())));
            return Subject { grants: ids, decision: Some(Decision::Allowed), ..subject };
        }
        if let AccessEvent::CommandFinished { .. } = event {
            let grants = event.command().and_then(|command| self.commands.remove(&command));
            let grants = grants.unwrap_or_default();
            return Subject { grants, decision: Some(Decision::Allowed), ..subject };
        }
        if let AccessEvent::NotificationDelivered { grants, .. } = event {
            let grants = grants.iter().map(|grant| grant.id).collect();
            return Subject { grants, decision: Some(Decision::Allowed), ..subject };
        }
        let is_denial = matches!(
            event,
            AccessEvent::CommandDenied { .. } | AccessEvent::NotificationDropped { .. }
        );
        Subject { decision: is_denial.then_some(Decision::Denied), ..subject }
    }

    fn of_control(&mut self, event: &ControlEvent) -> Subject {
        let of = |identity: &IdentityName| Subject {
            identity: Some(identity.clone()),
            ..Subject::default()
        };
        match event {
            ControlEvent::EpochStarted { .. }
            | ControlEvent::EpochEnded {}
            | ControlEvent::SettingsLoaded { .. } => Subject::default(),
            ControlEvent::TargetLoaded { target, .. } => {
                Subject { target: Some(target.clone()), ..Subject::default() }
            }
            ControlEvent::IdentityCreated { identity, .. }
            | ControlEvent::IdentityDisabled { identity, .. }
            | ControlEvent::IdentityEnabled { identity, .. }
            | ControlEvent::IdentityExpirySet { identity, .. } => of(identity),
            ControlEvent::CredentialIssued { credential, identity, .. }
            | ControlEvent::CertificateAdded { credential, identity, .. } => {
                self.credentials.insert(*credential, identity.clone());
                of(identity)
            }
            ControlEvent::CredentialRevoked { credential, .. } => {
                self.credentials.get(credential).map_or_else(Subject::default, of)
            }
            ControlEvent::GrantCreated { grant, .. } => {
                let subject = Subject {
                    target: Some(grant.target.clone()),
                    grants: vec![grant.id],
                    ..of(&grant.identity)
                };
                self.grants.insert(grant.id, subject.clone());
                subject
            }
            ControlEvent::GrantRevoked { grant, .. } => {
                self.grants.get(grant).cloned().unwrap_or_default()
            }
        }
    }
}

impl Filter {
    fn fits(&self, subject: &Subject) -> bool {
        fn is<T: PartialEq>(wanted: Option<&T>, found: Option<&T>) -> bool {
            wanted.is_none() || wanted == found
        }
        is(self.identity.as_ref(), subject.identity.as_ref())
            && is(self.target.as_ref(), subject.target.as_ref())
            && is(self.session.as_ref(), subject.session.as_ref())
            && is(self.decision.as_ref(), subject.decision.as_ref())
            && self.grant.is_none_or(|grant| subject.grants.contains(&grant))
    }
}

#[cfg(test)]
mod tests {
    use model::{
        AccessRecord, Commitment, Facts, FinishedResult, GrantHash, GrantRef, Protocol,
        StatementKind, Timestamp,
    };

    use super::*;

    #[test]
    fn an_outcome_belongs_to_the_grants_of_its_intent() {
        let grant = GrantId::from_random(7);
        let filter = Filter { grant: Some(grant), ..Filter::default() };
        let mut sieve = Sieve::new(&filter);
        let passed: Vec<bool> = [
            intent(1, vec![GrantRef { id: grant, hash: GrantHash("00".into()) }]),
            intent(2, Vec::new()),
            finished(2),
            finished(1),
            finished(1),
        ]
        .into_iter()
        .map(|event| sieve.passes(&Record::Access(AccessRecord { at: Timestamp::EPOCH, event })))
        .collect();
        // The last one has no intent any more: what is done with is forgotten.
        assert_eq!(passed, [true, false, false, true, false]);
    }

    fn intent(sequence: u64, grants: Vec<GrantRef>) -> AccessEvent {
        AccessEvent::CommandIntended {
            session: SessionId::from_random(1),
            sequence,
            identity: "agent".parse().unwrap(),
            target: "billing".parse().unwrap(),
            protocol: Protocol::Simple,
            control_size: 1,
            catalog_version: 1,
            grants,
            facts: Facts::nothing(StatementKind::Read),
            sql: Commitment("11".into()),
            forwarded: Commitment("22".into()),
            parameters: None,
        }
    }

    fn finished(sequence: u64) -> AccessEvent {
        AccessEvent::CommandFinished {
            session: SessionId::from_random(1),
            sequence,
            result: FinishedResult::Completed,
            sqlstate: None,
            rows: 0,
            affected: Some(0),
            uncommitted: false,
            bytes: 0,
            duration_us: 0,
            redactions: Vec::new(),
            written: None,
        }
    }
}
