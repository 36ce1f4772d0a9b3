//! Puts parameters in the place of a statement's literals.

/// What a literal may stand behind so that a parameter may stand there too, as a rule.
const BEFORE: [&str; 10] =
    ["LIKE", "ILIKE", "THEN", "ELSE", "WHEN", "BETWEEN", "AND", "OR", "FROM", "TO"];

/// Functions that take any type: a parameter among their arguments would have none.
const OF_ANY: [&str; 8] = [
    "json_build_object",
    "jsonb_build_object",
    "json_build_array",
    "jsonb_build_array",
    "concat",
    "concat_ws",
    "format",
    "num_nulls",
];

/// The statement with `$1`, `$2`, … and the values; nothing if no literal can be exchanged.
///
/// It reads no grammar: where it exchanges what may not be, the statement is refused.
pub fn of_literals(sql: &str) -> Option<(String, Vec<String>)> {
    let (mut text, mut values) = (String::new(), Vec::new());
    let mut rest = sql;
    while let Some(first) = rest.chars().next() {
        let skipped = skipped(rest);
        if skipped > 0 {
            text.push_str(&rest[..skipped]);
            rest = &rest[skipped..];
            continue;
        }
        let literal = literal(rest).filter(|_| takes_parameter(&text));
        if let Some((length, value)) = literal {
            values.push(value);
            text.extend(["$", &values.len().to_string()]);
            rest = &rest[length..];
            continue;
        }
        // A word, or a string that stays, as a whole.
        let length = word(rest).max(string(rest)).max(first.len_utf8());
        text.push_str(&rest[..length]);
        rest = &rest[length..];
    }
    (!values.is_empty()).then_some((text, values))
}

/// The length of a comment, a quoted name or a dollar-quoted text that begins here.
fn skipped(text: &str) -> usize {
    let up_to = |from: usize, end: &str| {
        text[from..].find(end).map_or(text.len(), |at| from + at + end.len())
    };
    if text.starts_with("--") {
        return up_to(2, "\n");
    }
    if text.starts_with("/*") {
        return up_to(2, "*/");
    }
    if text.starts_with('"') {
        return up_to(1, "\"");
    }
    let tag = text.strip_prefix('$').and_then(|behind| behind.find('$'));
    match tag {
        Some(at) if text[1..=at].bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
            up_to(at + 2, &text[..at + 2])
        }
        _ => 0,
    }
}

/// The length and the value of a plain string or number that begins here.
fn literal(text: &str) -> Option<(usize, String)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let behind = text[digits..].chars().next().unwrap_or(' ');
    if digits > 0 && !behind.is_alphanumeric() && !matches!(behind, '_' | '.') {
        return Some((digits, text[..digits].to_owned()));
    }
    let length = string(text);
    (length > 1).then(|| (length, text[1..length - 1].replace("''", "'")))
}

/// The length of a string that begins here, quotes included.
fn string(text: &str) -> usize {
    if !text.starts_with('\'') {
        return 0;
    }
    let mut end = 1;
    loop {
        match text[end..].find('\'') {
            None => return text.len(),
            Some(at) if text[end + at + 1..].starts_with('\'') => end += at + 2,
            Some(at) => return end + at + 1,
        }
    }
}

fn word(text: &str) -> usize {
    text.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count()
}

fn takes_parameter(before: &str) -> bool {
    let before = before.trim_end();
    match before.chars().next_back() {
        Some('=' | '<' | '>' | '~' | '|' | '+' | '-' | '*' | '/' | '%') => true,
        Some(',' | '(') => !OF_ANY.contains(&function_around(before)),
        Some(last) if last.is_alphanumeric() => {
            let start =
                before.len() - before.bytes().rev().take_while(u8::is_ascii_alphanumeric).count();
            BEFORE.iter().any(|word| word.eq_ignore_ascii_case(&before[start..]))
        }
        Some(_) | None => false,
    }
}

/// The name before the parenthesis that is open at the end of the text.
fn function_around(before: &str) -> &str {
    let mut depth = 0_usize;
    for (at, byte) in before.bytes().enumerate().rev() {
        match byte {
            b')' => depth += 1,
            b'(' if depth == 0 => {
                let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
                let length = before[..at].bytes().rev().take_while(is_name).count();
                return &before[at - length..at];
            }
            b'(' => depth -= 1,
            _ => {}
        }
    }
    ""
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A statement; the same with parameters, and their values.
    type Case = (&'static str, Option<(&'static str, &'static [&'static str])>);

    #[test]
    fn literals_become_parameters_where_one_may_stand() {
        #[rustfmt::skip]
        let cases: [Case; 9] = [
            ("SELECT a FROM t WHERE b='x' AND c > 7",  Some(("SELECT a FROM t WHERE b=$1 AND c > $2", &["x", "7"]))),
            ("SELECT f('it''s', 1)",                   Some(("SELECT f($1, $2)", &["it's", "1"]))),
            ("SELECT a /* = 'x' */ FROM t1 -- = 'y'",  None),
            ("SELECT E'x', U&'y' UESCAPE '!'",         None),
            ("SELECT format('a', f(b), 'c'), g('d')",   Some(("SELECT format('a', f(b), 'c'), g($1)", &["d"]))),
            ("SELECT interval '1 day'",                None),
            ("SELECT $a$ = 'x' $a$ || 'y'",            Some(("SELECT $a$ = 'x' $a$ || $1", &["y"]))),
            ("SELECT \"= 'x'\" LIKE '1%'",             Some(("SELECT \"= 'x'\" LIKE $1", &["1%"]))),
            ("SELECT a[1], 1.5, c2 = 2e3",             None),
        ];
        for (sql, expected) in cases {
            let found = of_literals(sql);
            let found = found.as_ref().map(|(text, values)| {
                (text.as_str(), values.iter().map(String::as_str).collect::<Vec<_>>())
            });
            assert_eq!(found, expected.map(|(text, values)| (text, values.to_vec())), "{sql}");
        }
    }
}
