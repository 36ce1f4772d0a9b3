//! A record reads back as it was written.

use super::*;
use crate::{Action, Mask, RelationName, StatementKind};

#[test]
fn a_record_reads_back_as_it_was_written() {
    let relation = RelationName::new("billing", "customers");
    let column =
        MaskedColumn { relation: relation.clone(), column: "ssn".into(), mask: Mask::Full };
    let facts = Facts {
        kind: StatementKind::Read,
        touches: vec![Touch { relation, action: Action::Select, columns: ["ssn".into()].into() }],
        masked: vec![column.clone()],
        functions: ["count".into()].into(),
    };
    let session = SessionId::from_random(1);
    let events = [
        AccessEvent::EpochEnded {},
        AccessEvent::CommandIntended {
            session,
            sequence: 1,
            identity: "agent".parse().unwrap(),
            target: "billing".parse().unwrap(),
            protocol: Protocol::Simple,
            control_size: 3,
            catalog_version: 1,
            grants: vec![GrantRef { id: GrantId::from_random(2), hash: GrantHash("00".into()) }],
            facts,
            sql: Commitment("11".into()),
            forwarded: Commitment("22".into()),
            parameters: None,
        },
        AccessEvent::CommandFinished {
            session,
            sequence: 1,
            result: FinishedResult::Completed,
            sqlstate: None,
            rows: 1,
            affected: Some(0),
            uncommitted: true,
            bytes: 9,
            duration_us: 7,
            redactions: vec![Redaction { column, values: 1 }],
            written: Some(Written { bytes: 3, sha256: Commitment("33".into()) }),
        },
    ];
    for event in events {
        let record = AccessRecord { at: Timestamp::EPOCH, event };
        let line = serde_json::to_string(&record).unwrap();
        assert_eq!(serde_json::from_str::<AccessRecord>(&line).unwrap(), record, "{line}");
    }
}
