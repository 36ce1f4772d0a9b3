//! What may follow what in a ledger, as a table.

use model::{Commitment, Facts, Protocol, StatementKind, Timestamp};

use super::*;

const ONE: SessionId = SessionId::from_random(1);
const TWO: SessionId = SessionId::from_random(2);

fn started() -> AccessEvent {
    let found = Tree::default().head();
    AccessEvent::EpochStarted { version: String::new(), found, cut_bytes: 0 }
}

fn opened(session: SessionId) -> AccessEvent {
    AccessEvent::SessionOpened {
        session,
        identity: "agent".parse().unwrap(),
        target: "billing".parse().unwrap(),
        peer: String::new(),
        tls: true,
        mode: String::new(),
        application: String::new(),
        control_size: 0,
        credential: None,
        login: None,
        certificate: None,
    }
}

fn intended(session: SessionId, sequence: u64) -> AccessEvent {
    AccessEvent::CommandIntended {
        session,
        sequence,
        identity: "agent".parse().unwrap(),
        target: "billing".parse().unwrap(),
        protocol: Protocol::Simple,
        control_size: 0,
        catalog_version: 0,
        grants: vec![],
        facts: Facts::nothing(StatementKind::Empty),
        sql: Commitment(String::new()),
        forwarded: Commitment(String::new()),
        parameters: None,
    }
}

fn denied(session: SessionId, sequence: u64, identity: &str) -> AccessEvent {
    AccessEvent::CommandDenied {
        session,
        sequence,
        identity: identity.parse().unwrap(),
        target: "billing".parse().unwrap(),
        control_size: 0,
        reason: String::new(),
        touches: vec![],
        sql: Commitment(String::new()),
    }
}

fn finished(session: SessionId, sequence: u64, result: FinishedResult) -> AccessEvent {
    AccessEvent::CommandFinished {
        session,
        sequence,
        result,
        sqlstate: None,
        rows: 0,
        affected: Some(0),
        uncommitted: false,
        bytes: 0,
        duration_us: 0,
        redactions: vec![],
        written: None,
    }
}

fn notified(session: SessionId, identity: &str) -> [AccessEvent; 2] {
    let identity: IdentityName = identity.parse().unwrap();
    let target: TargetName = "billing".parse().unwrap();
    let (channel, control_size) = ("orders".to_owned(), 0);
    let dropped = AccessEvent::NotificationDropped {
        session,
        identity: identity.clone(),
        target: target.clone(),
        control_size,
        channel: channel.clone(),
        reason: String::new(),
    };
    let delivered = AccessEvent::NotificationDelivered {
        session,
        identity,
        target,
        control_size,
        grants: vec![],
        channel,
        bytes: 0,
        payload: Commitment(String::new()),
    };
    [delivered, dropped]
}

fn closed(session: SessionId, commands: u64, reason: SessionEnd) -> AccessEvent {
    AccessEvent::SessionClosed { session, commands, reason }
}

fn apply(rules: &mut Rules, event: AccessEvent) -> Result<(), RuleError> {
    let record = Record::Access(AccessRecord { at: Timestamp::EPOCH, event });
    let before = rules.clone();
    let applied = rules.apply(&record, &Tree::default());
    assert!(applied.is_ok() || *rules == before, "a refused record changed something");
    applied
}

fn after(events: Vec<AccessEvent>) -> Rules {
    let mut rules = Rules::default();
    for event in events {
        apply(&mut rules, event).unwrap();
    }
    rules
}

#[test]
fn a_record_stands_only_where_it_can_follow() {
    use FinishedResult::{Completed, Unknown};
    use SessionEnd::{GatewayStopped, Terminated};

    let id = |session, sequence| CommandRef { session, sequence };
    let open = || vec![started(), opened(ONE)];
    let running = || [open(), vec![intended(ONE, 1)]].concat();
    let crashed = || [running(), vec![started()]].concat();
    let wrong_start = AccessEvent::EpochStarted {
        version: String::new(),
        found: LedgerHead { size: 1, root: String::new() },
        cut_bytes: 0,
    };
    let gap = |last, found| Err(RuleError::Sequence { session: ONE, last, found });
    #[rustfmt::skip]
    let cases = [
        (vec![], started(), Ok(())),
        (vec![], wrong_start, Err(RuleError::Found { found: 1 })),
        (vec![], AccessEvent::Heartbeat { sessions: 0 }, Err(RuleError::OutsideEpoch)),
        (vec![], opened(ONE), Err(RuleError::OutsideEpoch)),
        (vec![started(), AccessEvent::EpochEnded {}], opened(ONE), Err(RuleError::OutsideEpoch)),
        (open(), AccessEvent::EpochEnded {}, Err(RuleError::SessionOpen(ONE))),
        (open(), opened(ONE), Err(RuleError::SessionKnown(ONE))),
        (open(), intended(TWO, 1), Err(RuleError::SessionUnknown(TWO))),
        (open(), intended(ONE, 1), Ok(())),
        (open(), intended(ONE, 2), gap(0, 2)),
        (open(), denied(ONE, 1, "agent"), Ok(())),
        (open(), denied(ONE, 0, "agent"), gap(0, 0)),
        (open(), denied(ONE, 1, "other"), Err(RuleError::OtherSession(ONE))),
        (open(), finished(ONE, 1, Completed), Err(RuleError::NotPending(id(ONE, 1)))),
        (open(), closed(ONE, 0, Terminated), Ok(())),
        (open(), closed(ONE, 1, Terminated), Err(RuleError::Total { session: ONE, last: 0, found: 1 })),
        (running(), denied(ONE, 1, "agent"), gap(1, 1)),
        (running(), intended(ONE, 2), Ok(())),
        (running(), finished(ONE, 1, Completed), Ok(())),
        (running(), closed(ONE, 1, Terminated), Err(RuleError::Unfinished(id(ONE, 1)))),
        (crashed(), finished(ONE, 1, Completed), Err(RuleError::Unsettled(ONE))),
        (crashed(), finished(ONE, 1, Unknown), Ok(())),
        (crashed(), intended(ONE, 2), Err(RuleError::Unsettled(ONE))),
        (crashed(), opened(TWO), Err(RuleError::Unsettled(ONE))),
        (crashed(), closed(ONE, 1, Terminated), Err(RuleError::Unsettled(ONE))),
        (crashed(), closed(ONE, 1, GatewayStopped), Err(RuleError::Unfinished(id(ONE, 1)))),
        (crashed(), started(), Ok(())),
    ];
    for (before, event, expected) in cases {
        let mut rules = after(before.clone());
        assert_eq!(apply(&mut rules, event.clone()), expected, "{event:?} after {before:?}");
    }
}

#[test]
fn notifications_stand_anywhere_in_an_open_session_of_their_own() {
    let open = || vec![started(), opened(ONE)];
    let running = || [open(), vec![intended(ONE, 1)]].concat();
    let ended = || [open(), vec![closed(ONE, 0, SessionEnd::Terminated)]].concat();
    #[rustfmt::skip]
    let cases = [
        (open(),                               "agent", Ok(())),
        (running(),                            "agent", Ok(())),
        (open(),                               "other", Err(RuleError::OtherSession(ONE))),
        (ended(),                              "agent", Err(RuleError::SessionUnknown(ONE))),
        (vec![started()],                      "agent", Err(RuleError::SessionUnknown(ONE))),
        (vec![],                               "agent", Err(RuleError::OutsideEpoch)),
        ([open(), vec![started()]].concat(),   "agent", Err(RuleError::Unsettled(ONE))),
    ];
    for (before, identity, expected) in cases {
        for event in notified(ONE, identity) {
            let mut rules = after(before.clone());
            assert_eq!(apply(&mut rules, event.clone()), expected, "{event:?} after {before:?}");
            assert_eq!(rules, after(before.clone()), "they have no number and leave nothing open");
        }
    }
}

#[test]
fn what_is_open_can_be_asked() {
    let rules =
        after(vec![started(), opened(ONE), opened(TWO), intended(TWO, 1), intended(TWO, 2)]);
    assert_eq!(rules.open_sessions().collect::<Vec<_>>(), [(ONE, 0), (TWO, 2)]);
    let pending = [1, 2].map(|sequence| CommandRef { session: TWO, sequence });
    assert_eq!(rules.pending().collect::<Vec<_>>(), pending);
    assert_eq!(rules.pending_of(TWO).collect::<Vec<_>>(), pending);
    assert_eq!(rules.pending_of(ONE).count(), 0);
}

#[test]
fn from_the_middle_what_went_before_is_believed_once() {
    let mut rules = Rules::midway();
    apply(&mut rules, finished(ONE, 4, FinishedResult::Completed)).unwrap();
    apply(&mut rules, intended(ONE, 7)).unwrap();
    apply(&mut rules, finished(ONE, 6, FinishedResult::Completed)).unwrap();
    let gap = apply(&mut rules, intended(ONE, 9));
    assert_eq!(gap, Err(RuleError::Sequence { session: ONE, last: 7, found: 9 }));
    apply(&mut rules, finished(ONE, 7, FinishedResult::Completed)).unwrap();
    let id = CommandRef { session: ONE, sequence: 7 };
    let again = apply(&mut rules, finished(ONE, 7, FinishedResult::Completed));
    assert_eq!(again, Err(RuleError::NotPending(id)));
    apply(&mut rules, closed(ONE, 7, SessionEnd::Terminated)).unwrap();
}

#[test]
fn what_became_of_uncommitted_commands_is_open_until_a_record_says_it() {
    let uncommitted = |sequence| {
        let mut event = finished(ONE, sequence, FinishedResult::Completed);
        if let AccessEvent::CommandFinished { uncommitted, .. } = &mut event {
            *uncommitted = true;
        }
        event
    };
    let undone =
        |first, last| AccessEvent::BatchRolledBack { session: ONE, first, last, sqlstate: None };
    let committed = |first, last| AccessEvent::BatchCommitted { session: ONE, first, last };
    let unknown = |first, last| AccessEvent::BatchUnknown { session: ONE, first, last };
    #[rustfmt::skip]
    let cases = [
        (vec![],                               Some((1, 3))),
        (vec![undone(2, 3)],                   Some((1, 1))),
        (vec![undone(2, 3), committed(1, 1)],  None),
        (vec![undone(1, 3)],                   None),
        (vec![committed(1, 3)],                None),
        (vec![unknown(1, 3)],                  None),
        (vec![unknown(1, 3), committed(1, 3)], None),
    ];
    for (records, expected) in cases {
        let mut rules = after(vec![started(), opened(ONE)]);
        for sequence in 1..=3 {
            apply(&mut rules, intended(ONE, sequence)).unwrap();
            apply(&mut rules, uncommitted(sequence)).unwrap();
        }
        for record in records.clone() {
            apply(&mut rules, record).unwrap();
        }
        let open: Vec<_> = rules.uncommitted().collect();
        let expected: Vec<_> =
            expected.map(|(first, last)| (ONE, first, last)).into_iter().collect();
        assert_eq!(open, expected, "{records:?}");
    }
}
