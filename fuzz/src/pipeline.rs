//! The queue that says which reply answers which message.

use pgwire::BackendKind;
use pgwire::pipeline::{Answer, Expected, Pushed, ReplyQueue};

const EXPECTED: [Expected; 8] = [
    Expected::Parse,
    Expected::Bind,
    Expected::DescribeStatement,
    Expected::DescribePortal,
    Expected::Execute,
    Expected::Close,
    Expected::Sync,
    Expected::Query,
];

const REPLIES: [BackendKind; 20] = [
    BackendKind::RowDescription,
    BackendKind::ParameterDescription,
    BackendKind::NoData,
    BackendKind::DataRow,
    BackendKind::CommandComplete,
    BackendKind::EmptyQueryResponse,
    BackendKind::PortalSuspended,
    BackendKind::ParseComplete,
    BackendKind::BindComplete,
    BackendKind::CloseComplete,
    BackendKind::ErrorResponse,
    BackendKind::NoticeResponse,
    BackendKind::ReadyForQuery,
    BackendKind::ParameterStatus,
    BackendKind::NotificationResponse,
    BackendKind::CopyInResponse,
    BackendKind::CopyOutResponse,
    BackendKind::CopyBothResponse,
    BackendKind::CopyData,
    BackendKind::CopyDone,
];

/// Messages and replies in any order: entries leave in the order in which they came, each with the
/// message that it was pushed with, and none is answered by what the protocol does not allow.
pub fn replies(data: &[u8]) {
    let mut queue = ReplyQueue::new();
    let mut pushed = 0_usize;
    let mut gone = 0_usize;
    for byte in data {
        if byte & 0x80 == 0 {
            let expected = EXPECTED[usize::from(*byte) % EXPECTED.len()];
            match queue.push(expected, pushed) {
                Ok(Pushed::Waiting) => pushed += 1,
                Ok(Pushed::Skipped(payload)) => assert_eq!(payload, pushed),
                // The queue is full: the session ends.
                Err(_) => return,
            }
            continue;
        }
        let reply = REPLIES[usize::from(byte & 0x7f) % REPLIES.len()];
        match queue.answer(reply) {
            Ok(Answer::Unasked) => {}
            Ok(Answer::Part { expected, payload }) => {
                assert!(
                    fits(expected, reply),
                    "{reply:?} is no part of the answer to {expected:?}"
                );
                assert!(*payload >= gone, "an entry answers twice");
            }
            Ok(Answer::Done(entry)) => {
                assert!(fits(entry.expected, reply), "{reply:?} ends {:?}", entry.expected);
                assert!(entry.payload >= gone, "an entry answers twice");
                gone = entry.payload + 1;
            }
            Ok(Answer::Failed { entry, skipped }) => {
                assert_eq!(reply, BackendKind::ErrorResponse);
                for payload in
                    std::iter::once(entry.payload).chain(skipped.iter().map(|e| e.payload))
                {
                    assert!(payload >= gone, "an entry answers twice");
                    gone = payload + 1;
                }
            }
            // What is not allowed at its place ends the session.
            Err(_) => return,
        }
    }
    let left: Vec<usize> = queue.drain().into_iter().map(|entry| entry.payload).collect();
    assert!(left.is_sorted() && left.first().is_none_or(|first| *first >= gone));
}

/// Whether a reply can be part of the answer to a message (PostgreSQL manual, "Message Flow").
fn fits(expected: Expected, reply: BackendKind) -> bool {
    use BackendKind as K;
    let result = matches!(
        reply,
        K::RowDescription
            | K::DataRow
            | K::CommandComplete
            | K::EmptyQueryResponse
            | K::CopyInResponse
            | K::CopyOutResponse
            | K::CopyData
            | K::CopyDone
    );
    let error = reply == K::ErrorResponse;
    match expected {
        Expected::Parse => reply == K::ParseComplete,
        Expected::Bind => reply == K::BindComplete,
        Expected::DescribeStatement => {
            matches!(reply, K::ParameterDescription | K::RowDescription | K::NoData)
        }
        Expected::DescribePortal => matches!(reply, K::RowDescription | K::NoData),
        Expected::Execute => (result && reply != K::RowDescription) || reply == K::PortalSuspended,
        Expected::Close => reply == K::CloseComplete,
        Expected::Sync => error || reply == K::ReadyForQuery,
        Expected::Query => result || error || reply == K::ReadyForQuery,
        Expected::Local => false,
    }
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    // Parse, Bind, DescribePortal, Execute, Sync and their answers; then a Query and its answer.
    let batch = vec![0, 1, 3, 4, 6, 0x87, 0x88, 0x80, 0x83, 0x84, 0x8c];
    let query = vec![7, 0x80, 0x83, 0x84, 0x8c];
    let failed = vec![0, 1, 4, 6, 0x8a, 0x8c];
    vec![[&batch[..], &query].concat(), batch, query, failed]
}
