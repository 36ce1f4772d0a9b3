//! Caps on a statement, checked on its tokens before anything recurses over it.
//!
//! The depth of a syntax tree is bounded from above without building it. Brackets nest. Between
//! two commas, or two of AND and OR, inside the same brackets every other token that is no name
//! and no constant can add a level (`a + b + c` leans to the left). JOIN, UNION, CASE and SELECT
//! chain across commas, so their number is capped for the whole statement.

use pg_query::protobuf::{ScanToken, Token};

use crate::Refusal;

/// Longest statement, in bytes.
pub const STATEMENT_BYTES_MAX: usize = 256 * 1024;

/// Most statements of one text.
pub const STATEMENTS_MAX: usize = 500;

/// Most tokens of a statement.
pub const TOKENS_MAX: usize = 60_000;

/// Most levels that a statement may nest: a level costs a few KiB of the 32 MiB stack.
pub const DEPTH_MAX: usize = 600;

/// Most SELECT, JOIN, set operations or CASE of a statement, each counted by itself.
pub const CHAIN_MAX: usize = 600;

/// Most columns of one result (PostgreSQL, `MaxTupleAttributeNumber`).
pub const TARGETS_MAX: usize = 1_664;

/// Most entries of one FROM clause.
pub const SOURCES_MAX: usize = 600;

/// Most columns that the names of one statement can reach: queries of WITH that select `*` from
/// each other twice double them.
pub const SCOPE_COLUMNS_MAX: u64 = 30_000;

/// Most columns of all results in a statement: a `*` in each of nested queries repeats them.
pub const OUTPUTS_MAX: u64 = 10_000;

/// Most columns that are looked at to find what all names of one statement mean.
pub const LOOKUPS_MAX: u64 = 30_000_000;

/// Most mentions of PostgreSQL's own catalogs in one statement, those inside of their views included:
/// each is written out as a query.
pub const SYSTEM_SOURCES_MAX: usize = 200;

/// Longest text that is forwarded, in bytes. It is longer than the client's: names are qualified,
/// `*` and masks are written out.
pub const FORWARD_BYTES_MAX: usize = 1024 * 1024;

/// Most columns of one `SET (a, b) = …`: the parser copies the right side for each of them.
pub const ASSIGNED_ROW_MAX: usize = 32;

/// Longest name of a cursor, statement or portal that PostgreSQL keeps whole (`NAMEDATALEN`). It cuts
/// a longer one.
pub const NAME_BYTES_MAX: usize = 63;

/// Checks length, tokens and depth of a statement.
///
/// # Errors
///
/// [`Refusal`] if a cap is exceeded, or the text has no tokens of SQL.
pub(crate) fn check(text: &str) -> Result<(), Refusal> {
    if text.len() > STATEMENT_BYTES_MAX {
        return Err(Refusal::too_large("bytes", STATEMENT_BYTES_MAX));
    }
    if text.contains('\0') {
        return Err(Refusal::syntax("a statement cannot hold a NUL character"));
    }
    let tokens = pg_query::scan(text).map_err(|error| unreadable(text, &error))?.tokens;
    if tokens.len() > TOKENS_MAX {
        return Err(Refusal::too_large("tokens", TOKENS_MAX));
    }
    let mut chains = [0_usize; 4];
    for token in &tokens {
        if let Some(chain) = chain_of(token.token()).and_then(|index| chains.get_mut(index)) {
            *chain = chain.saturating_add(1);
        }
    }
    if chains.iter().any(|count| *count > CHAIN_MAX) {
        return Err(Refusal::too_large("chained clauses", CHAIN_MAX));
    }
    if widest_assigned_row(&tokens) > ASSIGNED_ROW_MAX {
        return Err(Refusal::too_large("columns assigned at once", ASSIGNED_ROW_MAX));
    }
    if depth(&tokens) > DEPTH_MAX {
        return Err(Refusal::too_large("levels", DEPTH_MAX));
    }
    Ok(())
}

/// The first error of a text whose tokens cannot be read to the end: the grammar may have stopped
/// before. It never accepts such a text, so nothing recurses over it.
fn unreadable(text: &str, scanned: &pg_query::Error) -> Refusal {
    match pg_query::parse(text, 0) {
        Err(error) => Refusal::parser(text, &error),
        Ok(_) => Refusal::parser(text, scanned),
    }
}

/// What was seen inside one pair of brackets.
#[derive(Clone, Copy, Default)]
struct Bracket {
    /// Tokens since the last separator that can add a level.
    chain: usize,
    /// Deepest bracket since the last separator.
    inside: usize,
    /// Deepest part before the last separator.
    before: usize,
}

impl Bracket {
    fn depth(self) -> usize {
        self.before.max(self.chain.saturating_add(self.inside))
    }

    fn separate(&mut self) {
        *self = Self { before: self.depth(), ..Self::default() };
    }
}

/// An upper bound of the depth of the tree that these tokens make.
fn depth(tokens: &[ScanToken]) -> usize {
    let mut outer: Vec<Bracket> = Vec::new();
    let mut here = Bracket::default();
    for token in tokens {
        match weight(token) {
            Weight::Open => {
                outer.push(here);
                here = Bracket::default();
            }
            Weight::Close => {
                let inside = here.depth().saturating_add(1);
                here = outer.pop().unwrap_or_default();
                here.inside = here.inside.max(inside);
            }
            Weight::Separator => here.separate(),
            Weight::Level => here.chain = here.chain.saturating_add(1),
            Weight::Nothing => {}
        }
    }
    // What was never closed is a syntax error, but it must not pass as shallow.
    while let Some(mut enclosing) = outer.pop() {
        enclosing.inside = enclosing.inside.max(here.depth().saturating_add(1));
        here = enclosing;
    }
    here.depth()
}

/// The number of columns in the longest `(a, b, …) =`.
fn widest_assigned_row(tokens: &[ScanToken]) -> usize {
    let mut widest = 0;
    let mut names: Option<usize> = None;
    let mut closed = 0;
    for token in tokens {
        match (token.token(), names) {
            (Token::SqlComment | Token::CComment, _) => {}
            (Token::Ascii40, _) => names = Some(1),
            (Token::Ascii44, Some(count)) => names = Some(count.saturating_add(1)),
            (Token::Ascii41, Some(count)) => {
                names = None;
                closed = count;
            }
            (Token::Ascii61, None) => {
                widest = widest.max(closed);
                closed = 0;
            }
            (_, None) => closed = 0,
            (_, Some(_)) => {}
        }
    }
    widest
}

enum Weight {
    Open,
    Close,
    Separator,
    Level,
    Nothing,
}

#[expect(clippy::wildcard_enum_match_arm, reason = "every token that is not named adds a level")]
fn weight(token: &ScanToken) -> Weight {
    match token.token() {
        Token::Ascii40 | Token::Ascii91 => Weight::Open,
        Token::Ascii41 | Token::Ascii93 => Weight::Close,
        Token::Ascii44 | Token::Ascii59 | Token::And | Token::Or => Weight::Separator,
        // An expression ends before these; they themselves are counted apart.
        Token::Join | Token::On | Token::Union | Token::Intersect | Token::Except => {
            Weight::Separator
        }
        Token::Ident
        | Token::Uident
        | Token::Fconst
        | Token::Sconst
        | Token::Usconst
        | Token::Bconst
        | Token::Xconst
        | Token::Iconst
        | Token::Param
        | Token::Ascii46
        | Token::SqlComment
        | Token::CComment => Weight::Nothing,
        _ => Weight::Level,
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "all other tokens end at a separator")]
fn chain_of(token: Token) -> Option<usize> {
    match token {
        Token::Select | Token::Values | Token::Table => Some(0),
        Token::Join => Some(1),
        Token::Union | Token::Intersect | Token::Except => Some(2),
        Token::Case => Some(3),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(first: &str, item: &str, count: usize) -> String {
        first.to_owned() + &item.repeat(count)
    }

    #[test]
    fn only_deep_or_long_statements_are_too_large() {
        let nested = |count| format!("SELECT {}1{}", "(".repeat(count), ")".repeat(count));
        #[rustfmt::skip]
        let cases = [
            ("400 joins",        chain("SELECT 1 FROM t a", " JOIN t ON true", 400),  true),
            ("700 joins",        chain("SELECT 1 FROM t a", " JOIN t ON true", 700),  false),
            ("1,000 alternatives", chain("SELECT 1 WHERE a = 1", " OR a = 2", 1_000), true),
            ("8,000 operators",  chain("SELECT 1", "+1", 8_000),                      false),
            ("400 operators",    chain("SELECT 1", "+1", 400),                        true),
            ("10,000 brackets",  nested(10_000),                                      false),
            ("500 brackets",     nested(500),                                         true),
            ("10,000 NOTs",      chain("SELECT ", "NOT ", 10_000),                    false),
            ("10,000 casts",     chain("SELECT 1", "::int", 10_000),                  false),
            ("10,000 CASEs",     chain("SELECT ", "CASE WHEN a, ", 10_000),           false),
            ("10,000 unions",    chain("SELECT 1, 2", " UNION SELECT 1, 2", 10_000),  false),
            ("10,000 subscripts", chain("SELECT a", "[1]", 10_000),                   true),
            ("20,000 items",     chain("SELECT a IN (1", ",1", 20_000),               true),
            ("200,000 items",    chain("SELECT a IN (1", ",1", 200_000),              false),
            ("1,000 rows",       chain("VALUES (1, 'a', -1)", ",(1,'b', 2 * 3)", 1_000), true),
        ];
        for (name, text, expected) in cases {
            assert_eq!(check(&text).is_ok(), expected, "{name}");
        }
    }
}
