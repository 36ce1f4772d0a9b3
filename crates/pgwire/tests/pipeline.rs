//! Replies find the messages that they answer.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::type_complexity,
    clippy::indexing_slicing,
    reason = "tests, and their helpers and tables"
)]

use std::collections::VecDeque;

use pgwire::limits::PENDING_REPLIES_MAX;
use pgwire::pipeline::{Answer, Entry, Expected, Pushed, ReplyQueue};
use pgwire::{BackendKind, ProtocolError, Refused};
use proptest::prelude::*;

use BackendKind as R;
use Expected as E;

fn queue(expected: &[Expected]) -> ReplyQueue<usize> {
    let mut queue = ReplyQueue::new();
    for (index, &expected) in expected.iter().enumerate() {
        assert_eq!(queue.push(expected, index), Ok(Pushed::Waiting));
    }
    queue
}

/// Feeds replies and says in short what each meant: `part 0`, `done 0`, `fail 0 skip 1 2`, `-`.
fn meanings(queue: &mut ReplyQueue<usize>, replies: &[BackendKind]) -> Vec<String> {
    replies
        .iter()
        .map(|&reply| match queue.answer(reply) {
            Ok(Answer::Unasked) => "-".to_owned(),
            Ok(Answer::Part { payload, .. }) => format!("part {payload}"),
            Ok(Answer::Done(entry)) => format!("done {}", entry.payload),
            Ok(Answer::Failed { entry, skipped }) => {
                let skipped: Vec<String> =
                    skipped.iter().map(|entry| format!(" {}", entry.payload)).collect();
                format!("fail {} skip{}", entry.payload, skipped.concat())
            }
            Err(error) => format!("error: {error}"),
        })
        .collect()
}

#[test]
fn each_reply_answers_the_oldest_entry() {
    let extended =
        [E::Parse, E::DescribeStatement, E::Bind, E::DescribePortal, E::Execute, E::Sync];
    #[rustfmt::skip]
    let cases: &[(&[Expected], &[BackendKind], &[&str])] = &[
        (&extended,
         &[R::ParseComplete, R::ParameterDescription, R::NoticeResponse, R::RowDescription, R::BindComplete,
           R::NoData, R::DataRow, R::ParameterStatus, R::DataRow, R::CommandComplete, R::ReadyForQuery],
         &["done 0", "part 1", "-", "done 1", "done 2", "done 3", "part 4", "-", "part 4", "done 4", "done 5"]),
        (&[E::Execute, E::Execute, E::Close, E::Sync],
         &[R::DataRow, R::PortalSuspended, R::EmptyQueryResponse, R::CloseComplete, R::ReadyForQuery],
         &["part 0", "done 0", "done 1", "done 2", "done 3"]),
        // Two statements in one Query, then an error.
        (&[E::Query, E::Query],
         &[R::RowDescription, R::DataRow, R::CommandComplete, R::CommandComplete, R::ErrorResponse, R::ReadyForQuery,
           R::EmptyQueryResponse, R::ReadyForQuery],
         &["part 0", "part 0", "part 0", "part 0", "part 0", "done 0", "part 1", "done 1"]),
        // COPY.
        (&[E::Query, E::Query, E::Execute, E::Execute],
         &[R::CopyOutResponse, R::CopyData, R::CopyDone, R::CommandComplete, R::ReadyForQuery,
           R::CopyInResponse, R::CommandComplete, R::ReadyForQuery,
           R::CopyOutResponse, R::CopyData, R::CopyDone, R::CommandComplete,
           R::CopyInResponse, R::CommandComplete],
         &["part 0", "part 0", "part 0", "part 0", "done 0", "part 1", "part 1", "done 1",
           "part 2", "part 2", "part 2", "done 2", "part 3", "done 3"]),
        // A failure skips up to the Sync; the next batch is answered.
        (&[E::Parse, E::Bind, E::Execute, E::Query, E::Sync, E::Parse, E::Sync],
         &[R::ParseComplete, R::ErrorResponse, R::ReadyForQuery, R::ParseComplete, R::ReadyForQuery],
         &["done 0", "fail 1 skip 2 3", "done 4", "done 5", "done 6"]),
        // A commit that fails at Sync.
        (&[E::Execute, E::Sync],
         &[R::CommandComplete, R::ErrorResponse, R::ReadyForQuery],
         &["done 0", "part 1", "done 1"]),
        // A target that shuts down, between rows and while idle.
        (&[E::Execute, E::Sync], &[R::DataRow, R::ErrorResponse], &["part 0", "fail 0 skip"]),
        (&[],                    &[R::ErrorResponse],             &["-"]),
    ];
    for (entries, replies, expected) in cases {
        assert_eq!(meanings(&mut queue(entries), replies), *expected, "{entries:?}");
    }
}

#[test]
fn what_the_protocol_does_not_allow_is_refused() {
    #[rustfmt::skip]
    let cases: &[(&[Expected], &[BackendKind])] = &[
        (&[],                      &[R::ReadyForQuery]),
        (&[],                      &[R::DataRow]),
        (&[],                      &[R::CommandComplete]),
        (&[E::Parse],              &[R::BindComplete]),
        (&[E::Bind],               &[R::ParseComplete]),
        (&[E::Bind],               &[R::DataRow]),
        (&[E::Close],              &[R::ReadyForQuery]),
        (&[E::DescribeStatement],  &[R::RowDescription]),
        (&[E::DescribeStatement],  &[R::ParameterDescription, R::ParameterDescription]),
        (&[E::DescribePortal],     &[R::ParameterDescription]),
        (&[E::DescribePortal],     &[R::DataRow]),
        (&[E::Execute],            &[R::RowDescription]),
        (&[E::Execute],            &[R::ReadyForQuery]),
        (&[E::Execute],            &[R::NoData]),
        (&[E::Execute],            &[R::CopyData]),
        (&[E::Execute],            &[R::DataRow, R::EmptyQueryResponse]),
        (&[E::Execute],            &[R::CopyOutResponse, R::DataRow]),
        (&[E::Execute],            &[R::CopyOutResponse, R::CommandComplete]),
        (&[E::Execute, E::Execute], &[R::DataRow, R::CommandComplete, R::CommandComplete, R::DataRow]),
        (&[E::Sync],               &[R::CommandComplete]),
        (&[E::Sync],               &[R::DataRow]),
        (&[E::Sync],               &[R::ErrorResponse, R::ErrorResponse]),
        (&[E::Query],              &[R::DataRow]),
        (&[E::Query],              &[R::ReadyForQuery]),
        (&[E::Query],              &[R::ParseComplete]),
        (&[E::Query],              &[R::PortalSuspended]),
        (&[E::Query],              &[R::RowDescription, R::RowDescription]),
        (&[E::Query],              &[R::RowDescription, R::ReadyForQuery]),
        (&[E::Query],              &[R::CommandComplete, R::DataRow]),
        (&[E::Query],              &[R::ErrorResponse, R::CommandComplete]),
        (&[E::Query],              &[R::CopyInResponse, R::CopyData]),
        (&[E::Parse],              &[R::BackendKeyData]),
        (&[E::Parse],              &[R::NegotiateProtocolVersion]),
        (&[E::Local],              &[R::ReadyForQuery]),
    ];
    for (entries, replies) in cases {
        let mut queue = queue(entries);
        let (last, before) = replies.split_last().unwrap();
        for meaning in meanings(&mut queue, before) {
            assert!(!meaning.starts_with("error"), "{entries:?} {replies:?}: {meaning}");
        }
        let error = queue.answer(*last).unwrap_err();
        assert_eq!(error, ProtocolError::Unexpected(last.name()), "{entries:?} {replies:?}");
    }
    for (expected, reply) in [(E::Query, R::CopyBothResponse), (E::Execute, R::CopyBothResponse)] {
        let error = queue(&[expected]).answer(reply).unwrap_err();
        assert_eq!(error, ProtocolError::Refused(Refused::Copy), "{expected:?} {reply:?}");
    }
    // The target would take what was sent behind it for data.
    let error = queue(&[E::Execute, E::Sync]).answer(R::CopyInResponse).unwrap_err();
    assert_eq!(error, ProtocolError::Refused(Refused::Copy));
}

#[test]
fn what_is_pushed_after_a_failure_is_skipped_until_a_sync() {
    let mut queue = queue(&[E::Parse, E::Bind]);
    assert_eq!(meanings(&mut queue, &[R::ErrorResponse]), ["fail 0 skip 1"]);
    assert!(queue.is_skipping());
    assert_eq!(queue.push(E::Execute, 2), Ok(Pushed::Skipped(2)));
    assert_eq!(queue.push(E::Query, 3), Ok(Pushed::Skipped(3)));
    assert_eq!(queue.push(E::Sync, 4), Ok(Pushed::Waiting));
    assert!(!queue.is_skipping());
    assert_eq!(queue.push(E::Query, 5), Ok(Pushed::Waiting));
    assert_eq!(meanings(&mut queue, &[R::ReadyForQuery]), ["done 4"]);
    assert_eq!(queue.front(), Some((E::Query, &5)));
}

#[test]
fn local_entries_wait_for_their_turn_and_are_skipped_like_others() {
    let mut turns = queue(&[E::Local, E::Parse, E::Local, E::Local, E::Sync]);
    assert_eq!(turns.take_local(), Some(0));
    assert_eq!(turns.take_local(), None);
    assert_eq!(meanings(&mut turns, &[R::ParseComplete]), ["done 1"]);
    assert_eq!(turns.take_local(), Some(2));
    assert_eq!(turns.take_local(), Some(3));
    assert_eq!(turns.take_local(), None);

    let mut failing = queue(&[E::Parse, E::Local, E::Sync]);
    assert_eq!(meanings(&mut failing, &[R::ErrorResponse]), ["fail 0 skip 1"]);
    assert_eq!(failing.take_local(), None);

    let mut denied = queue(&[E::Local, E::Local]);
    assert_eq!(denied.take_local(), Some(0));
    assert_eq!(denied.skip_to_sync(), [Entry { expected: E::Local, payload: 1 }]);
    assert_eq!(denied.push(E::Bind, 2), Ok(Pushed::Skipped(2)));
}

#[test]
fn a_payload_can_be_changed_while_its_answer_comes() {
    let mut queue = ReplyQueue::new();
    assert_eq!(queue.push(E::Execute, 0_u64), Ok(Pushed::Waiting));
    for _ in 0..3 {
        let Ok(Answer::Part { payload, .. }) = queue.answer(R::DataRow) else { panic!("a part") };
        *payload += 10;
    }
    let Ok(Answer::Done(entry)) = queue.answer(R::CommandComplete) else { panic!("the end") };
    assert_eq!(entry, Entry { expected: E::Execute, payload: 30 });
}

#[test]
fn no_more_replies_are_awaited_than_the_limit() {
    let mut queue = ReplyQueue::new();
    for _ in 0..PENDING_REPLIES_MAX {
        assert_eq!(queue.push(E::Parse, ()), Ok(Pushed::Waiting));
    }
    let limit = PENDING_REPLIES_MAX;
    assert_eq!(queue.push(E::Parse, ()), Err(ProtocolError::TooManyReplies { limit }));
    assert_eq!(queue.drain().len(), limit);
    assert!(queue.is_empty());
}

/// What a target does with a message, in a model of PostgreSQL's own loop.
struct Target {
    skipping: bool,
}

impl Target {
    /// Returns the replies to one message; `fails` lets it fail if it can.
    fn run(&mut self, message: Expected, rows: usize, fails: bool) -> Vec<BackendKind> {
        if self.skipping && message != E::Sync {
            return Vec::new();
        }
        self.skipping = false;
        let rows = std::iter::repeat_n(R::DataRow, rows);
        let success: Vec<BackendKind> = match message {
            E::Parse => vec![R::ParseComplete],
            E::Bind => vec![R::BindComplete],
            E::DescribeStatement => vec![R::ParameterDescription, R::RowDescription],
            E::DescribePortal => vec![R::NoData],
            E::Execute => rows.chain([R::CommandComplete]).collect(),
            E::Close => vec![R::CloseComplete],
            E::Sync => vec![R::ReadyForQuery],
            E::Query => [R::RowDescription]
                .into_iter()
                .chain(rows)
                .chain([R::CommandComplete, R::ReadyForQuery])
                .collect(),
            E::Local => Vec::new(),
        };
        match (message, fails) {
            (_, false) | (E::Local, true) => success,
            (E::Sync, true) => vec![R::ErrorResponse, R::ReadyForQuery],
            (E::Query, true) => {
                let before = success[..success.len() - 2].iter().copied();
                before.chain([R::ErrorResponse, R::ReadyForQuery]).collect()
            }
            (_, true) => {
                self.skipping = true;
                let before = success[..success.len() - 1].iter().copied();
                before.chain([R::ErrorResponse]).collect()
            }
        }
    }
}

fn message() -> impl Strategy<Value = Expected> {
    prop::sample::select(vec![
        E::Parse,
        E::Bind,
        E::DescribeStatement,
        E::DescribePortal,
        E::Execute,
        E::Close,
        E::Sync,
        E::Query,
    ])
}

proptest! {
    /// However far the client runs ahead of the replies, each entry leaves once, in order, answered
    /// as the target did: replies are given to the message that caused them, and those that the
    /// target skipped are skipped.
    #[test]
    fn every_message_gets_the_answer_that_the_target_gave_it(
        script in prop::collection::vec((message(), 0..3_usize, prop::bool::weighted(0.2)), 0..30),
        ahead in 1..10_usize,
    ) {
        let mut target = Target { skipping: false };
        let mut replies: VecDeque<(usize, BackendKind)> = VecDeque::new();
        let mut skipped_by_target = Vec::new();
        let mut queue = ReplyQueue::new();
        let mut left = Vec::new();
        let mut skipped_by_queue = Vec::new();
        let mut script = script.into_iter().enumerate();
        loop {
            let mut sent = 0;
            for (index, (message, rows, fails)) in script.by_ref().take(ahead) {
                sent += 1;
                let was_skipping = target.skipping && message != E::Sync;
                if was_skipping {
                    skipped_by_target.push(index);
                }
                replies.extend(target.run(message, rows, fails).into_iter().map(|r| (index, r)));
                if let Pushed::Skipped(index) = queue.push(message, index).unwrap() {
                    skipped_by_queue.push(index);
                    left.push(index);
                }
            }
            // The client reads about half of what came, and all of it at the end.
            let count = if sent == 0 { replies.len() } else { replies.len().div_ceil(2) };
            for (index, reply) in replies.drain(..count) {
                match queue.answer(reply).unwrap() {
                    Answer::Unasked => panic!("every reply was asked for"),
                    Answer::Part { payload, .. } => prop_assert_eq!(*payload, index),
                    Answer::Done(entry) => {
                        prop_assert_eq!(entry.payload, index);
                        left.push(index);
                    }
                    Answer::Failed { entry, skipped } => {
                        prop_assert_eq!(entry.payload, index);
                        left.push(index);
                        for entry in skipped {
                            skipped_by_queue.push(entry.payload);
                            left.push(entry.payload);
                        }
                    }
                }
            }
            if sent == 0 {
                break;
            }
        }
        prop_assert!(queue.is_empty());
        prop_assert_eq!(skipped_by_queue, skipped_by_target);
        prop_assert!(left.is_sorted(), "{:?}", left);
    }

    /// No sequence of replies makes the queue panic, or lets an entry leave twice.
    #[test]
    fn no_replies_make_the_queue_panic(
        entries in prop::collection::vec(message(), 0..8),
        replies in prop::collection::vec(prop::sample::select(vec![
            R::RowDescription, R::ParameterDescription, R::NoData, R::DataRow, R::CommandComplete,
            R::EmptyQueryResponse, R::PortalSuspended, R::ParseComplete, R::BindComplete,
            R::CloseComplete, R::ErrorResponse, R::NoticeResponse, R::ReadyForQuery,
            R::CopyInResponse, R::CopyOutResponse, R::CopyBothResponse, R::CopyData, R::CopyDone,
        ]), 0..30),
    ) {
        let mut queue = queue(&entries);
        let mut left = 0;
        for reply in replies {
            match queue.answer(reply) {
                Ok(Answer::Unasked | Answer::Part { .. }) => {}
                Ok(Answer::Done(_)) => left += 1,
                Ok(Answer::Failed { skipped, .. }) => left += 1 + skipped.len(),
                Err(_) => break,
            }
        }
        prop_assert_eq!(left + queue.len(), entries.len());
    }
}
