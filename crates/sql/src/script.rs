//! Several statements in one text, as a Query message may hold them.
//!
//! The text is cut where PostgreSQL's grammar ends a statement, and each piece is analysed as if it
//! had come by itself, under the settings that those before it leave. PostgreSQL runs such a text as
//! one transaction, unless the text itself ends it (manual, "Multiple Statements in a Simple Query").
//!
//! **Invariant:** what was judged is what runs. The texts to forward, joined, read as exactly the
//! statements that were judged one by one.

use std::sync::Arc;

use pg_query::protobuf::RawStmt;

use crate::analyse::{only, parse, statement};
use crate::{ClientSettings, Effect, Plan, Refusal, Request, digest, limits};

/// What stands between two statements that are forwarded in one text.
const BETWEEN: &str = "; ";

/// Where a session stands when a text is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Block {
    /// In no transaction block: the text makes a transaction of its own.
    Outside,
    /// In a transaction block.
    Open,
    /// In one that has failed, so COMMIT will undo it.
    Failed,
}

/// One statement of a text.
#[derive(Clone, Debug)]
pub struct Piece {
    /// What the client wrote. The whole text if no other statement is in it.
    pub text: Arc<str>,
    /// What was found out about it.
    pub plan: Plan,
}

/// Analyses all statements of a text, in order. There is at least one: an empty text is one too.
///
/// It recurses with the depth of the statements: run it on a thread with a stack of at least
/// 32 MiB.
///
/// # Errors
///
/// [`Refusal`] of the first statement that is refused; then none of them may run, as none does in
/// PostgreSQL if the text cannot be read to its end.
pub fn analyse_script(request: &Request<'_>, block: Block) -> Result<Vec<Piece>, Refusal> {
    analysed(request, block).map_err(|refusal| refusal.placed(request.text))
}

fn analysed(request: &Request<'_>, block: Block) -> Result<Vec<Piece>, Refusal> {
    limits::check(request.text)?;
    let mut statements = parse(request.text)?;
    if statements.len() > limits::STATEMENTS_MAX {
        return Err(Refusal::too_large("statements", limits::STATEMENTS_MAX));
    }
    if statements.len() > 1 {
        return analyse_pieces(request, block, &statements);
    }
    let plan = statement(request, statements.pop().map(only).transpose()?)?;
    Ok(vec![Piece { text: request.text.into(), plan }])
}

/// One text for all statements that are to run in it.
pub fn join<'a>(forwards: impl IntoIterator<Item = &'a str>) -> String {
    forwards.into_iter().collect::<Vec<_>>().join(BETWEEN)
}

fn analyse_pieces(
    request: &Request<'_>,
    block: Block,
    statements: &[RawStmt],
) -> Result<Vec<Piece>, Refusal> {
    let mut state = State { settings: request.settings.clone(), block };
    let mut pieces: Vec<Piece> = Vec::with_capacity(statements.len());
    let mut forwarded = 0_usize;
    for text in texts_of(request.text, statements).ok_or_else(Refusal::mismatch)? {
        // The piece is a part of the text, so their addresses tell how far in.
        let start = text.as_ptr().addr().saturating_sub(request.text.as_ptr().addr());
        state.begin();
        let settings = &state.settings;
        let own = Request { text, search_path: &settings.search_path, settings, ..*request };
        let plan = crate::analyse(&own).map_err(|refusal| refusal.behind(request.text, start))?;
        state.follow(&plan.effect);
        forwarded = forwarded.saturating_add(plan.forward.len()).saturating_add(BETWEEN.len());
        if forwarded > limits::FORWARD_BYTES_MAX {
            let max = limits::FORWARD_BYTES_MAX;
            return Err(Refusal::too_large("bytes with its names written out", max));
        }
        pieces.push(Piece { text: text.into(), plan });
    }
    check_joined(&pieces)?;
    Ok(pieces)
}

/// The text of each statement: from the end of the one before it, so that comments stay.
fn texts_of<'a>(text: &'a str, statements: &[RawStmt]) -> Option<Vec<&'a str>> {
    let mut texts = Vec::with_capacity(statements.len());
    let mut start = 0;
    for (index, statement) in statements.iter().enumerate() {
        let end = usize::try_from(statement.stmt_location.checked_add(statement.stmt_len)?).ok()?;
        let is_last = index.checked_add(1)? == statements.len();
        let piece = if is_last { text.get(start..)? } else { text.get(start..end)? };
        let is_between = |character: char| character == ';' || character.is_ascii_whitespace();
        texts.push(piece.trim_start_matches(is_between).trim_end());
        start = end;
    }
    Some(texts)
}

/// What the statements before leave to the next one.
struct State {
    settings: ClientSettings,
    block: Block,
}

impl State {
    /// A statement outside of a block begins an implicit one, which lasts to the end of the text.
    fn begin(&mut self) {
        if self.block == Block::Outside {
            self.settings.begin_implicit();
        }
    }

    fn follow(&mut self, effect: &Effect) {
        // PostgreSQL answers COMMIT with ROLLBACK when the transaction had failed.
        let is_undone = self.block == Block::Failed && *effect == Effect::Commit;
        self.settings.apply(if is_undone { &Effect::Rollback } else { effect });
        match effect {
            Effect::Begin | Effect::RollbackTo(_) => self.block = Block::Open,
            Effect::Commit | Effect::Rollback => self.block = Block::Outside,
            Effect::None
            | Effect::Savepoint(_)
            | Effect::Release(_)
            | Effect::Set { .. }
            | Effect::ResetAll
            | Effect::Declare { .. }
            | Effect::Close(_)
            | Effect::Prepare(_)
            | Effect::Deallocate(_)
            | Effect::DiscardAll => {}
        }
    }
}

/// Proves that the joined text holds the statements that were judged, and no other.
fn check_joined(pieces: &[Piece]) -> Result<(), Refusal> {
    let joined = join(pieces.iter().map(|piece| &*piece.plan.forward));
    let all = parse(&joined)?;
    let mut same = all.len() == pieces.len();
    for (piece, read) in pieces.iter().zip(all) {
        let alone = parse(&piece.plan.forward)?;
        same &= digest::digest(&alone) == digest::digest(&vec![read]);
    }
    if same { Ok(()) } else { Err(Refusal::mismatch()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_where_its_statements_end() {
        #[rustfmt::skip]
        let cases: Vec<(&str, &[&str])> = vec![
            ("SELECT 1",                              &["SELECT 1"]),
            ("SELECT 1;;  ; SELECT 2;",               &["SELECT 1", "SELECT 2;"]),
            ("SELECT ';'; -- a; b\nSELECT 2 -- c;",   &["SELECT ';'", "-- a; b\nSELECT 2 -- c;"]),
            ("SELECT 'é;' ; /* ; */ SELECT $$;$$",    &["SELECT 'é;'", "/* ; */ SELECT $$;$$"]),
        ];
        for (text, expected) in cases {
            assert_eq!(texts_of(text, &parse(text).unwrap()).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn a_joined_text_that_reads_otherwise_is_refused() {
        let piece = |forward: &str| Piece {
            text: "".into(),
            plan: Plan { forward: forward.into(), ..crate::analyse::empty("") },
        };
        assert!(check_joined(&[piece("SELECT 1"), piece("SELECT 2")]).is_ok());
        assert!(check_joined(&[piece("SELECT 1 --"), piece("SELECT 2")]).is_err());
        assert!(check_joined(&[piece("SELECT 1; SELECT 2"), piece("SELECT 3")]).is_err());
    }
}
