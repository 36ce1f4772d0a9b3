//! The ways in which a client can have a statement run.

use crate::corpus::parameters;
use crate::wire;

/// A way to run a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    /// One Query message each.
    Simple,
    /// All statements, between two harmless ones, in one Query message.
    Script,
    /// `PREPARE` and `EXECUTE`.
    Prepared,
    /// `DECLARE CURSOR` and `FETCH`.
    Cursor,
    /// `COPY (…) TO STDOUT`, as text.
    CopyText,
    /// The same as CSV, by the extended protocol.
    CopyCsv,
    /// The same in binary format.
    CopyBinary,
    /// Parse, Bind, Describe, Execute, Sync.
    Extended,
    /// The same, with results in binary format.
    ExtendedBinary,
    /// The same, with parameters in the place of literals.
    Parameters,
}

/// What is sent before the client waits for `ReadyForQuery`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The messages.
    pub messages: Vec<u8>,
    /// The statement in them, as the client wrote it.
    pub sql: Vec<u8>,
    /// When it is sent.
    pub when: When,
}

/// What a statement begins with that can be prepared or copied.
const WORDS: [&str; 7] = ["SELECT", "WITH", "VALUES", "INSERT", "UPDATE", "DELETE", "MERGE"];

/// When a batch is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// It begins something.
    Always,
    /// It goes on with what the batch before it began, if that worked.
    Worked,
}

impl Mode {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Simple,
        Self::Script,
        Self::Prepared,
        Self::Cursor,
        Self::CopyText,
        Self::CopyCsv,
        Self::CopyBinary,
        Self::Extended,
        Self::ExtendedBinary,
        Self::Parameters,
    ];

    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Simple => "simple",
            Self::Script => "in a script",
            Self::Prepared => "PREPARE, EXECUTE",
            Self::Cursor => "cursor",
            Self::CopyText => "COPY text",
            Self::CopyCsv => "COPY csv",
            Self::CopyBinary => "COPY binary",
            Self::Extended => "extended",
            Self::ExtendedBinary => "extended binary",
            Self::Parameters => "parameters",
        }
    }

    /// What a client sends to have the statements run; nothing if they cannot be run in this way.
    pub fn batches(self, statements: &[Vec<u8>]) -> Option<Vec<Batch>> {
        if self == Self::Script {
            let script = statements.join(&b"\n;\n"[..]);
            return Some(vec![simple([b"SELECT 1;\n", &script[..], b"\n;SELECT 2"].concat())]);
        }
        let wrapped: Vec<Option<Vec<Batch>>> =
            statements.iter().map(|sql| self.wrapped(sql, statements.len())).collect();
        // Where only some of the statements can be, the rest runs as it is.
        wrapped.iter().any(Option::is_some).then(|| {
            let either = wrapped.into_iter().zip(statements);
            either.flat_map(|(batches, sql)| batches.unwrap_or(vec![simple(sql.clone())])).collect()
        })
    }

    fn wrapped(self, sql: &[u8], count: usize) -> Option<Vec<Batch>> {
        match self {
            Self::Simple | Self::Script => Some(vec![simple(sql.to_vec())]),
            Self::Extended => Some(vec![extended(sql.to_vec(), &[], 0)]),
            Self::ExtendedBinary => Some(vec![extended(sql.to_vec(), &[], 1)]),
            Self::Parameters => {
                let sql = std::str::from_utf8(query(sql, &WORDS)?).ok()?;
                let (sql, values) = parameters::of_literals(sql)?;
                Some(vec![extended(sql.into_bytes(), &values, 0)])
            }
            Self::Prepared => {
                let sql = query(sql, &WORDS)?;
                Some(vec![
                    simple([b"PREPARE corpus AS ", sql].concat()),
                    after(simple(b"EXECUTE corpus".to_vec())),
                    after(simple(b"DEALLOCATE corpus".to_vec())),
                ])
            }
            Self::Cursor => {
                let sql = query(sql, &["SELECT", "WITH", "VALUES"])?;
                let declare = |hold: &str| {
                    let declare = format!("DECLARE corpus SCROLL CURSOR{hold} FOR ");
                    simple([declare.as_bytes(), sql].concat())
                };
                let fetch = [
                    after(simple(b"FETCH 1 FROM corpus".to_vec())),
                    after(simple(b"FETCH ALL FROM corpus".to_vec())),
                    after(simple(b"MOVE ABSOLUTE 0 IN corpus".to_vec())),
                    after(simple(b"CLOSE corpus".to_vec())),
                ];
                if count > 1 {
                    // Items of several statements have their own transactions.
                    return Some([&[declare(" WITH HOLD")], &fetch[..]].concat());
                }
                let begin = simple(b"BEGIN".to_vec());
                let end = simple(b"ROLLBACK".to_vec());
                Some([&[begin, declare("")], &fetch[..], &[end]].concat())
            }
            Self::CopyText => Some(vec![simple(copy(sql, "")?)]),
            Self::CopyCsv => Some(vec![extended(copy(sql, " (FORMAT csv, HEADER)")?, &[], 0)]),
            Self::CopyBinary => Some(vec![simple(copy(sql, " (FORMAT binary)")?)]),
        }
    }
}

/// `COPY (sql) TO STDOUT`, if the statement is one that can stand there.
fn copy(sql: &[u8], options: &str) -> Option<Vec<u8>> {
    let query = query(sql, &WORDS)?;
    // A comment may end the statement.
    Some([b"COPY (", query, b"\n) TO STDOUT", options.as_bytes()].concat())
}

/// The statement without its semicolon, if it begins with one of these words.
fn query<'a>(sql: &'a [u8], words: &[&str]) -> Option<&'a [u8]> {
    let mut rest = sql.trim_ascii_start();
    loop {
        let behind = match rest {
            [b'(', behind @ ..] => behind,
            [b'/', b'*', behind @ ..] => {
                let end = behind.windows(2).position(|pair| pair == b"*/")?;
                &behind[end + 2..]
            }
            [b'-', b'-', behind @ ..] => {
                let end = behind.iter().position(|byte| *byte == b'\n')?;
                &behind[end..]
            }
            _ => break,
        };
        rest = behind.trim_ascii_start();
    }
    let word = rest.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
    let word = std::str::from_utf8(&rest[..word]).ok()?;
    let is_one = words.iter().any(|one| one.eq_ignore_ascii_case(word));
    is_one.then(|| {
        let sql = sql.trim_ascii_end();
        sql.strip_suffix(b";").unwrap_or(sql)
    })
}

fn simple(sql: Vec<u8>) -> Batch {
    let messages = wire::message(b'Q', &[&sql[..], &[0]].concat());
    Batch { messages, sql, when: When::Always }
}

fn after(batch: Batch) -> Batch {
    Batch { when: When::Worked, ..batch }
}

/// The messages that run the statement. Its bytes stand there as they are.
fn extended(sql: Vec<u8>, values: &[String], format: i16) -> Batch {
    let bound: Vec<Option<&[u8]>> = values.iter().map(|value| Some(value.as_bytes())).collect();
    let messages = [
        wire::message(b'P', &[&[0], &sql[..], &[0, 0, 0]].concat()),
        wire::bind("", "", &bound, format),
        wire::message(b'D', b"P\0"),
        wire::execute("", 0),
        wire::message(b'S', b""),
    ];
    Batch { messages: messages.concat(), sql, when: When::Always }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_wrapped_where_they_can_be() {
        let sqls = |mode: Mode, sql: &str| {
            let batches = mode.batches(&[sql.as_bytes().to_vec()])?;
            Some(
                batches
                    .into_iter()
                    .map(|one| String::from_utf8(one.sql).unwrap())
                    .collect::<Vec<_>>(),
            )
        };
        let copied = sqls(Mode::CopyText, "/* a */ (select 1) -- x\n;").unwrap();
        assert_eq!(copied, ["COPY (/* a */ (select 1) -- x\n\n) TO STDOUT"]);
        assert_eq!(sqls(Mode::CopyText, "SET a = 1"), None);
        assert_eq!(sqls(Mode::Cursor, "UPDATE t SET a = 1"), None);
        let prepared = sqls(Mode::Prepared, "UPDATE t SET a = 1;").unwrap();
        assert_eq!(prepared[0], "PREPARE corpus AS UPDATE t SET a = 1");
        assert_eq!(sqls(Mode::Script, "SET a = 1").unwrap(), ["SELECT 1;\nSET a = 1\n;SELECT 2"]);
        assert_eq!(sqls(Mode::Parameters, "SELECT a"), None);
        let bound = sqls(Mode::Parameters, "SELECT a WHERE b = 'x'").unwrap();
        assert_eq!(bound, ["SELECT a WHERE b = $1"]);
    }
}
