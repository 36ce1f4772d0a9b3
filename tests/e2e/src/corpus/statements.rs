//! Runs an item that is a list of statements.

use std::time::Duration;

use crate::corpus::{Transcript, World};
use crate::wire::{self, Stop, Wire};
use crate::wire_answer::Answer;

/// Longer than the gateway's own limit for a command.
const TIMEOUT: Duration = Duration::from_secs(20);

/// How statements are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// One Query message each.
    Simple,
    /// Parse, Bind, Describe, Execute, Sync.
    ExtendedText,
    /// The same, with results in binary format.
    ExtendedBinary,
}

/// Connections of one holder of grants, one per twin, kept from item to item where an item left
/// nothing behind.
#[derive(Debug, Default)]
pub struct Connections([Option<Wire>; 3]);

impl Protocol {
    /// The protocol's name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Simple => "simple",
            Self::ExtendedText => "extended",
            Self::ExtendedBinary => "extended binary",
        }
    }
}

impl Connections {
    /// Forgets all of them.
    pub fn close(&mut self) {
        self.0 = [None, None, None];
    }

    /// Runs the statements on one twin.
    ///
    /// # Panics
    ///
    /// If the login fails, or an answer does not end: neither is ever the right answer.
    pub fn run(
        &mut self,
        world: &World,
        (twin, identity): (usize, &str),
        statements: &[Vec<u8>],
        protocol: Protocol,
    ) -> Transcript {
        let name = world.twins[twin].name;
        let mut wire = self.0[twin].take().unwrap_or_else(|| {
            world
                .connect(twin, identity)
                .unwrap_or_else(|error| panic!("{identity} on {name}: {error}"))
        });
        let mut transcript = Transcript::default();
        let mut is_clean = true;
        for sql in statements {
            wire.send(&messages(&named(sql, name), protocol));
            let answer = wire.answer(TIMEOUT);
            assert_ne!(
                answer.stop,
                Stop::TimedOut,
                "no end of the answer to: {}",
                String::from_utf8_lossy(sql)
            );
            is_clean &= leaves_nothing(&answer);
            transcript.closed |= answer.is_closed();
            transcript.messages.extend(answer.messages);
        }
        transcript.bytes = std::mem::take(&mut wire.received);
        if is_clean && wire.status == b'I' && !transcript.closed {
            self.0[twin] = Some(wire);
        }
        transcript
    }
}

/// The statement with the database's name in the place of the one that the corpus knows.
pub fn named(sql: &[u8], name: &str) -> Vec<u8> {
    match std::str::from_utf8(sql) {
        Ok(text) => text.replace("w_a", name).into_bytes(),
        Err(_) => sql.to_vec(),
    }
}

/// The messages that run the statement. Its bytes stand there as they are.
fn messages(sql: &[u8], protocol: Protocol) -> Vec<u8> {
    let format = match protocol {
        Protocol::Simple => return wire::message(b'Q', &[sql, &[0]].concat()),
        Protocol::ExtendedText => 0,
        Protocol::ExtendedBinary => 1,
    };
    [
        wire::message(b'P', &[&[0], sql, &[0, 0, 0]].concat()),
        wire::bind("", "", &[], format),
        wire::message(b'D', b"P\0"),
        wire::execute("", 0),
        wire::message(b'S', b""),
    ]
    .concat()
}

/// True if nothing but reads succeeded: no setting, no transaction, no name stays in the session.
fn leaves_nothing(answer: &Answer) -> bool {
    answer.tags().iter().all(|tag| tag.starts_with("SELECT"))
}
