//! Sequences: `nextval`, `setval` and `currval` of one that a literal names.
//!
//! The next value needs a grant to update the sequence, the current one a grant to select from
//! it. `lastval` says of no sequence that it is the one, so it is not allowed.

use model::Action;
use pg_query::protobuf::{AConst, RangeVar, TypeCast, a_const};
use pg_query::{Node, NodeEnum};

use crate::Refusal;
use crate::catalog::RelationKind;
use crate::tree::{self, SYSTEM_SCHEMA};
use crate::walk::{Reach, Walk};

const SERIAL: &str = "pg_get_serial_sequence";

/// True if a function's first argument names a sequence.
pub(crate) fn is_of_sequence(name: &str) -> bool {
    matches!(name, "nextval" | "currval" | "setval" | SERIAL)
}

impl Walk<'_> {
    /// Checks a call of [`is_of_sequence`].
    pub(crate) fn sequence_call(&mut self, name: &str, args: Vec<Node>) -> Result<Node, Refusal> {
        let mut args = args.into_iter();
        let first = args.next().ok_or_else(|| Refusal::no_function(name))?;
        if name == SERIAL {
            let column = args.next().ok_or_else(|| Refusal::no_function(name))?;
            let found = self.serial_sequence(&first, &column)?;
            return Ok(match found {
                Some(sequence) => tree::typed_text(&sequence, "text"),
                None => tree::typed_null("text"),
            });
        }
        let action = if name == "currval" { Action::Select } else { Action::Update };
        let named = self.sequence_name(&first)?;
        let relation = self.find_relation(&range_var(&named)?, action)?;
        if relation.kind != RelationKind::Sequence {
            return Err(Refusal::unknown_relation(&relation.name.name, action));
        }
        let qualified =
            format!("{}.{}", quoted(&relation.name.schema), quoted(&relation.name.name));
        self.use_relation(relation, action, Reach::Only);
        self.writes |= action == Action::Update;
        self.functions.insert(name.to_owned());
        let mut checked = vec![tree::typed_text(&qualified, "regclass")];
        checked.append(&mut self.expr_all(args.collect())?);
        Ok(tree::call(name, checked))
    }

    /// The text that names a sequence: a literal, or `pg_get_serial_sequence` of two.
    fn sequence_name(&self, argument: &Node) -> Result<String, Refusal> {
        if let Some(NodeEnum::FuncCall(call)) = &argument.node
            && let Some([SERIAL] | [SYSTEM_SCHEMA, SERIAL]) =
                tree::as_texts(&call.funcname).as_deref()
            && let [relation, column] = call.args.as_slice()
        {
            return self.serial_sequence(relation, column)?.ok_or_else(not_a_literal);
        }
        literal(argument).map(str::to_owned).ok_or_else(not_a_literal)
    }

    /// The sequence that a column owns, as PostgreSQL writes its name.
    fn serial_sequence(&self, relation: &Node, column: &Node) -> Result<Option<String>, Refusal> {
        let (Some(name), Some(column)) = (literal(relation), literal(column)) else {
            return Err(not_a_literal());
        };
        let relation = self.find_relation(&range_var(name)?, Action::Select)?;
        let granted = self.world.granted_columns(&relation.name);
        let known = relation.column(column).filter(|(_, known)| granted.contains(&known.name));
        let (_, known) = known.ok_or_else(|| Refusal::unknown_column(column))?;
        let key = (relation.oid, known.number);
        let sequence = self.world.catalog.sequences.get(&key);
        Ok(sequence.map(|name| format!("{}.{}", quoted(&name.schema), quoted(&name.name))))
    }
}

fn literal(argument: &Node) -> Option<&str> {
    match &argument.node {
        Some(NodeEnum::AConst(AConst { val: Some(a_const::Val::Sval(text)), .. })) => {
            Some(&text.sval)
        }
        Some(NodeEnum::TypeCast(cast)) => {
            let TypeCast { arg, type_name, location: _ } = &**cast;
            let name = type_name.as_ref().filter(|name| name.array_bounds.is_empty())?;
            let names = tree::as_texts(&name.names)?;
            let is_name = matches!(
                *names.as_slice(),
                ["regclass" | "text"] | [SYSTEM_SCHEMA, "regclass" | "text"]
            );
            arg.as_deref().filter(|_| is_name).and_then(literal)
        }
        Some(_) | None => None,
    }
}

/// A name inside a text, as PostgreSQL reads it: parts behind dots, folded unless quoted.
///
/// Source: `SplitIdentifierString` in PostgreSQL's `varlena.c`.
fn range_var(text: &str) -> Result<RangeVar, Refusal> {
    let malformed = || Refusal::never("unknown_name", "the text does not name a relation");
    let mut parts = Vec::new();
    let mut rest = text.trim();
    loop {
        let (part, behind) = if let Some(quoted) = rest.strip_prefix('"') {
            let (part, behind) = quoted.split_once('"').ok_or_else(malformed)?;
            if behind.starts_with('"') || part.is_empty() {
                return Err(malformed());
            }
            (part.to_owned(), behind)
        } else {
            let end = rest.find(|c: char| c == '.' || c.is_whitespace()).unwrap_or(rest.len());
            let (part, behind) = rest.split_at_checked(end).ok_or_else(malformed)?;
            let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$');
            if part.is_empty() || !part.chars().all(is_plain) {
                return Err(malformed());
            }
            (part.to_lowercase(), behind)
        };
        parts.push(part);
        match behind.strip_prefix('.') {
            Some(behind) => rest = behind,
            None if behind.trim().is_empty() => break,
            None => return Err(malformed()),
        }
    }
    let (catalogname, schemaname, relname) = match parts.as_slice() {
        [name] => (String::new(), String::new(), name.clone()),
        [schema, name] => (String::new(), schema.clone(), name.clone()),
        [database, schema, name] => (database.clone(), schema.clone(), name.clone()),
        _ => return Err(malformed()),
    };
    let relpersistence = "p".to_owned();
    Ok(RangeVar {
        catalogname,
        schemaname,
        relname,
        inh: true,
        relpersistence,
        ..RangeVar::default()
    })
}

/// A name as PostgreSQL reads it back, quoted where it must be.
fn quoted(name: &str) -> String {
    let is_plain = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_'));
    if is_plain { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

fn not_a_literal() -> Refusal {
    Refusal::never("sequence_not_named", "the sequence must be named by a literal")
        .with_hint("Write it like nextval('schema.sequence').")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_names_a_relation_as_postgresql_reads_it() {
        #[rustfmt::skip]
        let cases = [
            ("a",              Some(("", "a"))),
            (" S.A ",          Some(("s", "a"))),
            ("\"S\".\"a.b\"",  Some(("S", "a.b"))),
            ("public.\"A b\"", Some(("public", "A b"))),
            ("a b",            None),
            ("a;b",            None),
            ("\"a",            None),
            ("\"a\"\"b\"",     None),
            ("a.",             None),
            ("",               None),
            ("a.b.c.d",        None),
        ];
        for (text, expected) in cases {
            let found = range_var(text).ok();
            let found = found.as_ref().map(|name| (&*name.schemaname, &*name.relname));
            assert_eq!(found, expected, "{text}");
        }
    }
}
