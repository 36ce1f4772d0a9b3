//! Runs an item that is a list of statements.

use std::thread;
use std::time::Duration;

use crate::corpus::mode::{Mode, When};
use crate::corpus::{Transcript, World, verdict};
use crate::wire::{Stop, Wire};

/// Longer than the gateway's own limit for a command.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Connections of one holder of grants, one per twin, kept from item to item where an item left
/// nothing behind.
#[derive(Debug, Default)]
pub struct Connections([Option<Wire>; 3]);

impl Connections {
    /// Forgets all of them.
    pub fn close(&mut self) {
        self.0 = [None, None, None];
    }

    /// Runs the statements on both twins at the same time; where the answers differ, on the clone
    /// too, which tells whether they would differ anyway.
    ///
    /// Nothing if they cannot be run in this mode.
    ///
    /// # Panics
    ///
    /// If the login fails, or an answer does not end: neither is ever the right answer.
    pub fn run_on_all(
        &mut self,
        world: &World,
        identity: &str,
        statements: &[Vec<u8>],
        mode: Mode,
    ) -> Option<[Transcript; 3]> {
        let work = (statements, mode);
        let [first, clone, second] = &mut self.0;
        let (one, other) = thread::scope(|scope| {
            let other = scope.spawn(|| run(second, world, (2, identity), work));
            (run(first, world, (0, identity), work), other.join().expect("a client panicked"))
        });
        let (one, other) = (one?, other?);
        let is_alike = verdict::are_alike((&one, &world.twins[0]), (&other, &world.twins[2]));
        let between =
            if is_alike { Transcript::default() } else { run(clone, world, (1, identity), work)? };
        Some([one, between, other])
    }
}

fn run(
    place: &mut Option<Wire>,
    world: &World,
    (twin, identity): (usize, &str),
    (statements, mode): (&[Vec<u8>], Mode),
) -> Option<Transcript> {
    let name = world.twins[twin].name;
    let statements: Vec<Vec<u8>> = statements.iter().map(|sql| named(sql, name)).collect();
    let batches = mode.batches(&statements)?;
    let mut wire = place.take().unwrap_or_else(|| {
        world
            .connect(twin, identity)
            .unwrap_or_else(|error| panic!("{identity} on {name}: {error}"))
    });
    let mut transcript = Transcript::default();
    let (mut tags, mut worked) = (Vec::new(), true);
    for batch in batches {
        match batch.when {
            When::Always => worked = true,
            When::Worked if !worked => continue,
            When::Worked => {}
        }
        wire.send(&batch.messages);
        let answer = wire.answer(TIMEOUT);
        assert_ne!(
            answer.stop,
            Stop::TimedOut,
            "no end of the answer to: {}",
            String::from_utf8_lossy(&batch.sql)
        );
        tags.extend(answer.tags());
        worked &= answer.errors().is_empty();
        if !worked && transcript.refused.is_none() {
            transcript.refused = Some(batch.sql);
        }
        transcript.closed |= answer.is_closed();
        transcript.messages.extend(answer.messages);
    }
    transcript.bytes = std::mem::take(&mut wire.received);
    if leaves_nothing(&tags) && wire.status == b'I' && !transcript.closed {
        *place = Some(wire);
    }
    Some(transcript)
}

/// The statement with the database's name in the place of the one that the corpus knows.
pub fn named(sql: &[u8], name: &str) -> Vec<u8> {
    match std::str::from_utf8(sql) {
        Ok(text) => text.replace("w_a", name).into_bytes(),
        Err(_) => sql.to_vec(),
    }
}

/// True if nothing but reads succeeded, and what they opened was closed: no setting, no
/// transaction, no name stays in the session.
fn leaves_nothing(tags: &[String]) -> bool {
    let reads = ["SELECT", "SHOW", "EXPLAIN", "COPY", "BEGIN", "ROLLBACK"];
    let names = ["PREPARE", "EXECUTE", "DEALLOCATE", "DECLARE", "FETCH", "MOVE", "CLOSE"];
    let word = |tag: &String| tag.split(' ').next().unwrap_or_default().to_owned();
    let words: Vec<String> = tags.iter().map(word).collect();
    let has = |one: &str| words.iter().any(|word| word == one);
    words.iter().all(|word| reads.contains(&word.as_str()) || names.contains(&word.as_str()))
        && (!has("PREPARE") || has("DEALLOCATE"))
        && (!has("DECLARE") || has("CLOSE"))
}
