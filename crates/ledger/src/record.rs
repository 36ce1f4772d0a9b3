//! Leaves as records: one line of canonical JSON.

use model::{
    AccessEvent, AccessRecord, Commitment, ControlRecord, Facts, Redaction, RelationName, Touch,
};

/// What a ledger holds. The two are never mixed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contents {
    /// Sessions, commands, outcomes, denials.
    Access,
    /// Identities, grants, targets.
    Control,
}

impl Contents {
    /// The ledger's name, as its directory and the end of its origin spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Control => "control",
        }
    }
}

/// A record of either ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// Of an access ledger.
    Access(AccessRecord),
    /// Of a control ledger.
    Control(ControlRecord),
}

/// A leaf that is not a record, or a record that cannot become a leaf.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The leaf is not a record of the expected ledger.
    #[error("the leaf is not a record of {} ledger", .0.map_or("any", Contents::name))]
    Malformed(Option<Contents>),
    /// The leaf can be read, but is not spelled as it would be written.
    #[error("the leaf is not in canonical form")]
    NotCanonical,
    /// A relation's name has no unambiguous text: an empty part, or a dot in the schema.
    #[error("`{0}` cannot be written as schema.relation")]
    RelationName(String),
}

impl Record {
    /// Reads a leaf, of whichever ledger.
    ///
    /// # Errors
    ///
    /// [`RecordError`] unless it is spelled exactly as it would be written.
    pub fn decode(leaf: &[u8]) -> Result<Self, RecordError> {
        match Self::decode_as(leaf, Contents::Access) {
            Ok(record) => Ok(record),
            Err(_not_access) => Self::decode_as(leaf, Contents::Control)
                .map_err(|_not_control| RecordError::Malformed(None)),
        }
    }

    /// Reads a leaf of a known ledger.
    ///
    /// # Errors
    ///
    /// [`RecordError`] unless it is spelled exactly as it would be written.
    pub fn decode_as(leaf: &[u8], contents: Contents) -> Result<Self, RecordError> {
        let malformed = |_details| RecordError::Malformed(Some(contents));
        let record = match contents {
            Contents::Access => Self::Access(serde_json::from_slice(leaf).map_err(malformed)?),
            Contents::Control => Self::Control(serde_json::from_slice(leaf).map_err(malformed)?),
        };
        // Also finds unknown fields, which the nested form of the types cannot refuse by itself.
        if record.encode() == leaf { Ok(record) } else { Err(RecordError::NotCanonical) }
    }

    /// Which ledger it belongs to.
    pub fn contents(&self) -> Contents {
        match self {
            Self::Access(_) => Contents::Access,
            Self::Control(_) => Contents::Control,
        }
    }

    /// The values to which it commits, by field.
    pub fn commitments(&self) -> Vec<(&'static str, &Commitment)> {
        match self {
            Self::Access(record) => commitments(record),
            Self::Control(_) => Vec::new(),
        }
    }

    fn encode(&self) -> Vec<u8> {
        match self {
            Self::Access(record) => to_line(record),
            Self::Control(record) => to_line(record),
        }
    }
}

/// Returns the values to which a record commits, by the field under which the payload shows them.
pub fn commitments(record: &AccessRecord) -> Vec<(&'static str, &Commitment)> {
    match &record.event {
        AccessEvent::CommandIntended { sql, forwarded, parameters, .. } => {
            let mut fields = vec![("sql", sql), ("forwarded", forwarded)];
            fields.extend(parameters.iter().map(|parameters| ("parameters", parameters)));
            fields
        }
        AccessEvent::CommandDenied { sql, .. } => vec![("sql", sql)],
        AccessEvent::NotificationDelivered { payload, .. } => vec![("payload", payload)],
        AccessEvent::CommandFinished { written: Some(written), .. } => {
            vec![("written_sha256", &written.sha256)]
        }
        AccessEvent::EpochStarted { .. }
        | AccessEvent::EpochEnded {}
        | AccessEvent::Heartbeat { .. }
        | AccessEvent::AuthenticationFailed { .. }
        | AccessEvent::SessionOpened { .. }
        | AccessEvent::SessionClosed { .. }
        | AccessEvent::BatchRolledBack { .. }
        | AccessEvent::BatchCommitted { .. }
        | AccessEvent::BatchUnknown { .. }
        | AccessEvent::FenceRole { .. }
        | AccessEvent::CancelRequested { .. }
        | AccessEvent::NotificationDropped { .. }
        | AccessEvent::CommandFinished { written: None, .. } => Vec::new(),
    }
}

/// Writes a record as a leaf.
pub(crate) fn to_line<T: serde::Serialize>(record: &T) -> Vec<u8> {
    // The records are structs of strings and numbers: they have no value that JSON cannot hold.
    serde_json::to_vec(record).unwrap_or_default()
}

/// Checks what the types of an access record leave open: that its relations' names read back.
///
/// A record that could be written but not read would make its ledger unusable.
pub(crate) fn check_names(record: &AccessRecord) -> Result<(), RecordError> {
    match &record.event {
        AccessEvent::CommandIntended { facts: Facts { touches, masked, .. }, .. } => {
            let masked = masked.iter().map(|masked| &masked.relation);
            touched(touches).chain(masked).try_for_each(check_name)
        }
        AccessEvent::CommandDenied { touches, .. } => touched(touches).try_for_each(check_name),
        AccessEvent::CommandFinished { redactions, .. } => redactions
            .iter()
            .map(|Redaction { column, .. }| &column.relation)
            .try_for_each(check_name),
        AccessEvent::EpochStarted { .. }
        | AccessEvent::EpochEnded {}
        | AccessEvent::Heartbeat { .. }
        | AccessEvent::AuthenticationFailed { .. }
        | AccessEvent::SessionOpened { .. }
        | AccessEvent::SessionClosed { .. }
        | AccessEvent::BatchRolledBack { .. }
        | AccessEvent::BatchCommitted { .. }
        | AccessEvent::BatchUnknown { .. }
        | AccessEvent::FenceRole { .. }
        | AccessEvent::CancelRequested { .. }
        | AccessEvent::NotificationDelivered { .. }
        | AccessEvent::NotificationDropped { .. } => Ok(()),
    }
}

fn touched(touches: &[Touch]) -> impl Iterator<Item = &RelationName> {
    touches.iter().map(|touch| &touch.relation)
}

fn check_name(name: &RelationName) -> Result<(), RecordError> {
    if name.schema.is_empty() || name.schema.contains('.') || name.name.is_empty() {
        Err(RecordError::RelationName(name.to_string()))
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use model::{Action, ControlEvent, IdentityName, SessionId, Timestamp};

    use super::*;

    fn heartbeat() -> AccessRecord {
        AccessRecord { at: Timestamp::EPOCH, event: AccessEvent::Heartbeat { sessions: 1 } }
    }

    #[test]
    fn a_leaf_has_one_spelling() {
        let right = r#"{"at":"1970-01-01T00:00:00.000000000Z","kind":"heartbeat","sessions":1}"#;
        assert_eq!(Record::decode(right.as_bytes()), Ok(Record::Access(heartbeat())));
        for wrong in [
            r#"{"at":"1970-01-01T00:00:00.000000000Z","kind":"heartbeat","sessions":1} "#,
            r#"{"at":"1970-01-01T00:00:00.000000000Z","kind":"heartbeat","sessions":1,"x":2}"#,
            r#"{"at":"1970-01-01T00:00:00.000000000Z","kind":"heartbeat","sessions":1,"sessions":1}"#,
            r#"{"at":"1970-01-01T00:00:00Z","kind":"heartbeat","sessions":1}"#,
            r#"{"kind":"heartbeat","at":"1970-01-01T00:00:00.000000000Z","sessions":1}"#,
            r#"{"at":"1970-01-01T00:00:00.000000000Z","kind":"he\u0061rtbeat","sessions":1}"#,
            r#"{"at":"1970-01-01T00:00:00.000000000Z","kind":"other"}"#,
            "",
        ] {
            assert!(Record::decode(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_two_ledgers_cannot_be_taken_for_one_another() {
        let found = model::LedgerHead { size: 0, root: String::new() };
        let (version, at) = ("1".to_owned(), Timestamp::EPOCH);
        let event = ControlEvent::EpochStarted {
            version: version.clone(),
            found: found.clone(),
            cut_bytes: 0,
        };
        let control = to_line(&ControlRecord { at, by: "gateway".into(), event });
        let event = AccessEvent::EpochStarted { version, found, cut_bytes: 0 };
        let access = to_line(&AccessRecord { at, event });

        assert_eq!(Record::decode(&control).unwrap().contents(), Contents::Control);
        assert_eq!(Record::decode(&access).unwrap().contents(), Contents::Access);
        assert!(Record::decode_as(&control, Contents::Access).is_err());
        assert!(Record::decode_as(&access, Contents::Control).is_err());
    }

    #[test]
    fn a_relation_that_would_not_read_back_is_refused() {
        let identity: IdentityName = "agent".parse().unwrap();
        for (schema, name, is_right) in [
            ("billing", "customers", true),
            ("billing", "a.b", true),
            ("", "customers", false),
            ("billing", "", false),
            ("a.b", "customers", false),
        ] {
            let event = AccessEvent::CommandDenied {
                session: SessionId::from_random(1),
                sequence: 1,
                identity: identity.clone(),
                target: "billing".parse().unwrap(),
                control_size: 0,
                reason: "no_grant".into(),
                touches: vec![Touch {
                    relation: RelationName::new(schema, name),
                    action: Action::Select,
                    columns: [].into(),
                }],
                sql: Commitment(String::new()),
            };
            let record = AccessRecord { at: Timestamp::EPOCH, event };
            assert_eq!(check_names(&record).is_ok(), is_right, "{schema}|{name}");
            if is_right {
                assert_eq!(Record::decode(&to_line(&record)), Ok(Record::Access(record)));
            }
        }
    }
}
