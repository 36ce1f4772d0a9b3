//! Lock 3: the answer of a target must be the one that the judged statement gives.
//!
//! **Invariant:** a column that the plan does not name, in its place, with its origin and type, ends
//! the session before a row passes.

use std::collections::VecDeque;

use bytes::Bytes;
use pgwire::backend::{CopyResponse, RowDescription};
use pgwire::pipeline::Entry;
use pgwire::{BackendMessage, Format};
use sql::{Copy, CopyDirection, Plan};

use crate::copying::Data;
use crate::reply::{Reply, Running};
use crate::session::Ending;

/// What is wrong with a message that does not fit the entry that it answers.
pub(crate) const KIND: &str = "a message of another kind than was asked for";

/// What a message means for the oldest entry.
pub(crate) enum Took {
    Part(Part),
    Done(Reply),
    Failed(Reply, Vec<Entry<Reply>>),
}

/// What to do with a message that is not the last one of an answer.
pub(crate) enum Part {
    /// Pass it on.
    Show,
    /// It is for the gateway alone.
    Nothing,
    /// The client reads this instead.
    Instead(Bytes),
    /// The implicit transaction of a batch could not be committed.
    CommitFailed,
    /// The target asks for the data of a command.
    CopyIn(Data),
    /// The data of a COPY have come to their end.
    CopyEnded,
    /// A command of a Query ended; more may come, and its `ReadyForQuery`.
    QueryEnded(Box<Running>),
    /// A command of a Query failed, and those behind it will not begin.
    QueryFailed(Box<Running>, VecDeque<Box<Running>>),
}

/// Judges a message that is not the last one of an answer.
pub(crate) fn part(reply: &mut Reply, message: &BackendMessage) -> Result<Part, Ending> {
    match (reply, message) {
        (Reply::Commands(left), message) => part_of_commands(left, message),
        (Reply::Describe(_), BackendMessage::ParameterDescription(_)) => Ok(Part::Show),
        (Reply::Unparsable(error), BackendMessage::ErrorResponse(_)) => {
            Ok(Part::Instead(error.clone()))
        }
        (Reply::Ready, BackendMessage::ErrorResponse(_)) => Ok(Part::CommitFailed),
        (Reply::Restore, BackendMessage::CommandComplete(_)) => Ok(Part::Nothing),
        (_, _) => Err(Ending::Plan(KIND)),
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "all others break the plan")]
fn part_of_commands(
    left: &mut VecDeque<Box<Running>>,
    message: &BackendMessage,
) -> Result<Part, Ending> {
    match message {
        BackendMessage::RowDescription(columns) => {
            // A second result of the last statement has no plan.
            let running = left.front_mut().ok_or(Ending::Plan(KIND))?;
            compare(&running.plan, columns)?;
            running.is_checked = true;
            Ok(Part::Show)
        }
        BackendMessage::CopyOutResponse(response) => {
            let running = left.front_mut().ok_or(Ending::Plan(KIND))?;
            compare_copy(&running.plan, CopyDirection::Out, response)?;
            running.is_copying = true;
            Ok(Part::Show)
        }
        BackendMessage::CopyInResponse(response) => {
            let running = left.front().ok_or(Ending::Plan(KIND))?;
            compare_copy(&running.plan, CopyDirection::In, response)?;
            Ok(Part::CopyIn(Data::of(running)))
        }
        BackendMessage::CopyDone(_) => Ok(Part::CopyEnded),
        BackendMessage::CommandComplete(_) | BackendMessage::EmptyQueryResponse(_) => {
            left.pop_front().map(Part::QueryEnded).ok_or(Ending::Plan(KIND))
        }
        BackendMessage::ErrorResponse(_) => match left.pop_front() {
            Some(failed) => Ok(Part::QueryFailed(failed, std::mem::take(left))),
            None => Ok(Part::CommitFailed),
        },
        _ => Err(Ending::Plan(KIND)),
    }
}

/// Checks that a command returns exactly the columns that were judged.
fn compare(plan: &Plan, columns: &RowDescription) -> Result<(), Ending> {
    if plan.outputs.len() != columns.fields.len() {
        return Err(Ending::Plan("other columns"));
    }
    for (output, field) in plan.outputs.iter().zip(&columns.fields) {
        if output.name != *field.name {
            return Err(Ending::Plan("another column name"));
        }
        if output.origin.unwrap_or((0, 0)) != (field.table_oid, field.attnum) {
            return Err(Ending::Plan("another origin of a column"));
        }
        if output.type_oid.is_some_and(|oid| oid != field.type_oid) {
            return Err(Ending::Plan("another type of a column"));
        }
    }
    Ok(())
}

/// Checks that a COPY is the one that was judged.
fn compare_copy(
    plan: &Plan,
    direction: CopyDirection,
    response: &CopyResponse,
) -> Result<(), Ending> {
    let format = |copy: &Copy| if copy.is_binary { Format::Binary } else { Format::Text };
    match &plan.copy {
        Some(copy)
            if copy.direction == direction
                && copy.columns == response.column_formats.len()
                && format(copy) == response.format =>
        {
            Ok(())
        }
        Some(_) | None => Err(Ending::Plan("another COPY")),
    }
}

/// Checks the answer to Describe.
#[expect(clippy::wildcard_enum_match_arm, reason = "all others break the plan")]
pub(crate) fn described(plan: &Plan, message: &BackendMessage) -> Result<(), Ending> {
    match message {
        BackendMessage::RowDescription(columns) => compare(plan, columns),
        BackendMessage::NoData(_) => no_columns(plan),
        _ => Err(Ending::Plan(KIND)),
    }
}

/// Checks that a command without columns was meant to have none.
fn no_columns(plan: &Plan) -> Result<(), Ending> {
    if plan.outputs.is_empty() { Ok(()) } else { Err(Ending::Plan("no columns")) }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use model::{Facts, StatementKind};
    use pgwire::write::{self, Column};
    use pgwire::{BackendDecoder, BackendEvent, Format};
    use sql::Output;

    use super::*;

    #[test]
    fn only_the_planned_columns_pass() {
        let plan = plan(vec![
            Output { name: "id".into(), origin: Some((7, 1)), type_oid: Some(23), masked: None },
            Output { name: "n".into(), origin: None, type_oid: None, masked: None },
        ]);
        #[rustfmt::skip]
        let cases = [
            // first column        second column        passes
            (("id", 7, 1, 23), Some(("n", 0, 0, 20)), true),
            (("id", 7, 1, 23), Some(("n", 0, 0, 25)), true),
            (("id", 7, 1, 23), None,                  false),
            (("ID", 7, 1, 23), Some(("n", 0, 0, 20)), false),
            (("id", 7, 2, 23), Some(("n", 0, 0, 20)), false),
            (("id", 8, 1, 23), Some(("n", 0, 0, 20)), false),
            (("id", 0, 0, 23), Some(("n", 0, 0, 20)), false),
            (("id", 7, 1, 25), Some(("n", 0, 0, 20)), false),
            (("id", 7, 1, 23), Some(("n", 7, 5, 20)), false),
        ];
        for (first, second, passes) in cases {
            let columns: Vec<_> = [Some(first), second].into_iter().flatten().collect();
            let described = describe(&columns);
            assert_eq!(compare(&plan, &described).is_ok(), passes, "{columns:?}");
        }
        assert!(no_columns(&plan).is_err());
    }

    fn plan(outputs: Vec<Output>) -> Plan {
        Plan { outputs, ..Plan::new(Facts::nothing(StatementKind::Read), "") }
    }

    /// Name, table, number, type.
    type Case = (&'static str, u32, i16, u32);

    fn describe(columns: &[Case]) -> RowDescription {
        let columns: Vec<Column<'_>> = columns
            .iter()
            .map(|&(name, table_oid, attnum, type_oid)| Column {
                name,
                table_oid,
                attnum,
                type_oid,
                typlen: 4,
                typmod: -1,
                format: Format::Text,
            })
            .collect();
        let mut bytes = BytesMut::new();
        write::row_description(&mut bytes, &columns).unwrap();
        let mut decoder = BackendDecoder::new();
        decoder.receive(&bytes);
        let event = decoder.poll_event().unwrap().unwrap();
        let BackendEvent::Message(BackendMessage::RowDescription(described)) = event else {
            panic!("{event:?}");
        };
        described
    }
}
