//! The options of a COPY, by allow-list. Old and new syntax are one to the parser.
//!
//! They are written out again in one form. What is the default on the pinned session is left out:
//! UTF-8, `FREEZE` off, `ON_ERROR` stop.
//!
//! Source: PostgreSQL 18 documentation, COPY; `ProcessCopyOptions` in `copy.c`.

use pg_query::protobuf::{AStar, DefElem, DefElemAction, Integer, List};
use pg_query::{Node, NodeEnum};

use crate::tree;
use crate::variable::is_pinned;
use crate::{CopyDirection, CopyText, Refusal};

/// Options that were found to be harmless.
pub(crate) struct Options {
    /// As they are forwarded.
    pub(crate) nodes: Vec<Node>,
    /// Nothing for binary data.
    pub(crate) text: Option<CopyText>,
    pub(crate) has_header: bool,
}

/// Checks options. `columns` are those that the COPY passes.
///
/// # Errors
///
/// [`Refusal`] if one is not known, stands twice, or has a value that is not allowed.
pub(crate) fn checked(
    options: Vec<Node>,
    direction: CopyDirection,
    columns: &[&str],
) -> Result<Options, Refusal> {
    let mut given = Given::default();
    let mut checked = Options { nodes: Vec::new(), text: None, has_header: false };
    let mut seen: Vec<String> = Vec::with_capacity(options.len());
    for option in options {
        let Some(NodeEnum::DefElem(option)) = option.node else {
            return Err(Refusal::syntax("not an option of COPY"));
        };
        let DefElem { defnamespace, defname, arg, defaction, location: _, arg_location: _ } =
            *option;
        let is_plain = defnamespace.is_empty() && defaction == DefElemAction::DefelemUnspec as i32;
        if !is_plain || seen.contains(&defname) {
            return Err(Refusal::syntax("conflicting or redundant options"));
        }
        let arg = arg.and_then(|arg| arg.node);
        given.take(&defname, text(arg.as_ref()));
        checked.take(&defname, arg, (direction, columns))?;
        seen.push(defname);
    }
    checked.text = given.text()?;
    Ok(checked)
}

/// The options that say how values are written.
#[derive(Default)]
struct Given {
    format: Option<String>,
    delimiter: Option<String>,
    quote: Option<String>,
    escape: Option<String>,
    null: Option<String>,
}

impl Given {
    fn take(&mut self, name: &str, value: Option<&str>) {
        let place = match name {
            "format" => &mut self.format,
            "delimiter" => &mut self.delimiter,
            "quote" => &mut self.quote,
            "escape" => &mut self.escape,
            "null" => &mut self.null,
            _ => return,
        };
        *place = value.map(str::to_owned);
    }

    /// Nothing for binary data. PostgreSQL, too, wants one byte for each of the marks.
    fn text(self) -> Result<Option<CopyText>, Refusal> {
        let is_csv = match self.format.as_deref() {
            Some("binary") => return Ok(None),
            format => format == Some("csv"),
        };
        let byte = |name: &str, value: Option<String>, usual: u8| match value.as_deref() {
            None => Ok(usual),
            Some(text) => match text.as_bytes() {
                [byte] => Ok(*byte),
                _ => Err(Refusal::copy_option(name)),
            },
        };
        let delimiter = byte("delimiter", self.delimiter, if is_csv { b',' } else { b'\t' })?;
        let quote = byte("quote", self.quote, b'"')?;
        let escape = byte("escape", self.escape, quote)?;
        let usual_null = if is_csv { "" } else { "\\N" };
        let null = self.null.unwrap_or_else(|| usual_null.to_owned()).into_bytes();
        Ok(Some(CopyText { is_csv, delimiter, quote, escape, null }))
    }
}

impl Options {
    fn take(
        &mut self,
        name: &str,
        arg: Option<NodeEnum>,
        (direction, columns): (CopyDirection, &[&str]),
    ) -> Result<(), Refusal> {
        let refused = || Refusal::copy_option(name);
        match name {
            "format" => {
                let format = text(arg.as_ref()).filter(|f| matches!(*f, "text" | "csv" | "binary"));
                let format = format.ok_or_else(refused)?;
                self.nodes.push(with_text(name, format));
            }
            "delimiter" | "null" | "default" | "quote" | "escape" => {
                let value = text(arg.as_ref()).ok_or_else(refused)?;
                self.nodes.push(with_text(name, value));
            }
            "header" => match (truth(arg.as_ref()), text(arg.as_ref()), direction) {
                (Some(true), _, _) => {
                    self.has_header = true;
                    self.nodes.push(element(name, None));
                }
                (Some(false), _, _) => {}
                (None, Some(word), CopyDirection::In) if word.eq_ignore_ascii_case("match") => {
                    self.has_header = true;
                    self.nodes.push(with_text(name, "match"));
                }
                (None, _, _) => return Err(refused()),
            },
            "force_quote" | "force_not_null" | "force_null" => {
                let arg = named_columns(arg, columns)?.ok_or_else(refused)?;
                self.nodes.push(element(name, Some(arg)));
            }
            "encoding" if text(arg.as_ref()).is_some_and(|value| is_pinned("utf8", value)) => {}
            "freeze" if truth(arg.as_ref()) == Some(false) => {}
            "on_error" if text(arg.as_ref()).is_some_and(|w| w.eq_ignore_ascii_case("stop")) => {}
            _ => return Err(refused()),
        }
        Ok(())
    }
}

/// A list of columns, each of which the COPY passes, or `*`. Nothing if it is neither.
fn named_columns(arg: Option<NodeEnum>, columns: &[&str]) -> Result<Option<Node>, Refusal> {
    match arg {
        Some(NodeEnum::AStar(AStar {})) => Ok(Some(tree::node(NodeEnum::AStar(AStar {})))),
        Some(NodeEnum::List(List { items })) => {
            let Some(names) = tree::as_texts(&items) else { return Ok(None) };
            match names.iter().find(|name| !columns.contains(name)) {
                Some(name) => Err(Refusal::unknown_column(name)),
                None => Ok(Some(tree::list(tree::names(names)))),
            }
        }
        Some(_) | None => Ok(None),
    }
}

fn text(arg: Option<&NodeEnum>) -> Option<&str> {
    match arg {
        Some(NodeEnum::String(text)) => Some(&text.sval),
        Some(_) | None => None,
    }
}

/// As PostgreSQL reads a Boolean option; nothing if it is none. Without a value it is true.
///
/// Source: `defGetBoolean` in `define.c`.
fn truth(arg: Option<&NodeEnum>) -> Option<bool> {
    match arg {
        None | Some(NodeEnum::Integer(Integer { ival: 1 })) => Some(true),
        Some(NodeEnum::Boolean(truth)) => Some(truth.boolval),
        Some(NodeEnum::Integer(Integer { ival: 0 })) => Some(false),
        Some(NodeEnum::String(word)) => match word.sval.to_ascii_lowercase().as_str() {
            "true" | "on" => Some(true),
            "false" | "off" => Some(false),
            _ => None,
        },
        Some(_) => None,
    }
}

fn with_text(name: &str, value: &str) -> Node {
    element(name, Some(tree::text_node(value)))
}

fn element(name: &str, arg: Option<Node>) -> Node {
    tree::node(NodeEnum::DefElem(Box::new(DefElem {
        defname: name.to_owned(),
        arg: arg.map(Box::new),
        defaction: DefElemAction::DefelemUnspec.into(),
        ..DefElem::default()
    })))
}
