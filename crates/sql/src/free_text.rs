//! Columns of free text: they may be selected bare, and the gateway looks through their values on
//! the way to the client.
//!
//! They are computed with no more than other masked columns: a condition would answer questions
//! about what the detectors hide. Only `IS NULL` is answered, which the rows show as well.

use model::{Mask, MaskedColumn};
use pg_query::{Node, NodeEnum};

use crate::Refusal;
use crate::scope::{Content, Origin, Value};
use crate::select::Columns;
use crate::tree;
use crate::walk::Walk;

/// True if the value itself leaves the target and is looked through by the gateway.
pub(crate) fn is_detected(mask: &Mask) -> bool {
    match mask {
        Mask::Detect(_) => true,
        Mask::Full | Mask::Null | Mask::Fixed(_) | Mask::Last4 | Mask::Hash | Mask::Email => false,
    }
}

impl Walk<'_> {
    /// A column of free text as a bare output: it stays as it is.
    pub(crate) fn select_detected(
        &mut self,
        masked: MaskedColumn,
        value: Value,
        written: Node,
    ) -> Result<(Node, Value), Refusal> {
        // Text and JSON are not looked through alike.
        if value.column_type.is_none() {
            return Err(Refusal::mismatch());
        }
        self.masked.insert(masked.clone());
        let content = Content::Masked(masked);
        if value.origin == Origin::Unclear {
            let column_type = value.column_type;
            let value = Value { content, column_type, ..Value::computed() };
            return Ok((tree::computed(written), value));
        }
        Ok((written, Value { content, ..value }))
    }

    /// True if a value is a column of a relation that no view of the gateway's stands for.
    pub(crate) fn is_read_directly(&self, value: &Value) -> bool {
        match value.content {
            Content::Raw { use_index, .. } => {
                self.uses.get(use_index).is_some_and(|used| used.view.is_none())
            }
            Content::Masked(_) | Content::Free | Content::Shown(_) => false,
        }
    }

    /// A bare column of free text that is asked whether it is NULL; nothing for anything else.
    pub(crate) fn tested_free_text(&mut self, arg: Option<&Node>) -> Result<Option<Node>, Refusal> {
        let Some(NodeEnum::ColumnRef(column)) = arg.and_then(|arg| arg.node.as_ref()) else {
            return Ok(None);
        };
        // What is no column is refused where expressions are.
        let Ok(parts) = self.column_parts(&column.fields) else { return Ok(None) };
        let Ok(found) = self.resolve(&parts) else { return Ok(None) };
        let value = &found.column.value;
        if !self.mask_of(value).is_some_and(|masked| is_detected(&masked.mask)) {
            return Ok(None);
        }
        self.read(value);
        let is_fenced = self.world.catalog.is_fenced && self.world.forwards;
        if is_fenced && self.is_read_directly(value) {
            return Err(Refusal::masked(&parts.join(".")).at(column.location));
        }
        Ok(Some(found.written))
    }

    /// Data of a COPY are not looked through, so no free text may be among them.
    pub(crate) fn refuse_copied_free_text(&self, columns: &Columns) -> Result<(), Refusal> {
        let is_free_text = |value: &Value| {
            self.shown_mask_of(value).is_some_and(|masked| is_detected(&masked.mask))
        };
        match columns.iter().find(|(_, value)| is_free_text(value)) {
            Some((name, _)) => Err(Refusal::copied_free_text(name)),
            None => Ok(()),
        }
    }
}
