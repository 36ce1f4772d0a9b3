//! The views in which a fence shows masked relations: every column under its own name, masked ones
//! as their masks.
//!
//! **Invariant:** no more of a masked column reaches whoever may read the view than its mask shows.
//! The view is a security barrier: no condition of a reader runs on what is below it.
//!
//! PostgreSQL gives the columns below a view out by number: a column that is renamed later still
//! shows under its old name, masked as it was.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use mask::{KeySource, PLACEHOLDER};
use model::{Action, Mask, MaskedColumn, RelationName};

use crate::Refusal;
use crate::catalog::{Catalog, Relation, RelationKind};
use crate::free_text::is_detected;
use crate::request::Granted;
use crate::scope::{Content, Value};
use crate::walk::{Use, Walk};

/// Bytes of a name that PostgreSQL keeps.
const NAME_BYTES_MAX: usize = 63;

/// A view that has to be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MaskedView {
    /// Its name within the schema of the fence.
    pub name: String,
    /// The statement that makes it.
    pub sql: String,
}

/// The views of a fence, as they were found on the target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FenceViews {
    /// The schema that holds them and nothing that a client may name.
    pub schema: String,
    /// The names of those that are known to be what [`Catalog::masked_views`] asks for.
    pub sound: BTreeSet<String>,
}

/// A view of the fence in the place of a relation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Substitute {
    pub(crate) name: RelationName,
    pub(crate) oid: u32,
    /// The numbers of its columns.
    pub(crate) numbers: BTreeMap<String, i16>,
}

/// The views of one relation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Substitutes {
    /// Shows its own rows; all rows if it is partitioned.
    pub(crate) own: Option<Arc<Substitute>>,
    /// Shows those of the tables below it, too.
    pub(crate) below: Option<Arc<Substitute>>,
}

impl Catalog {
    /// The views that a fence needs: two for a table with others below it, one for every other
    /// relation with a mask that shows a part of the value.
    pub fn masked_views(&self, schema: &str, key_table: &str) -> Vec<MaskedView> {
        let key = KeySource::Table(key_table.to_owned());
        let masked = self.relations.values().filter(|relation| relation.has_partial_mask());
        let usable = masked.filter(|relation| relation.unusable.is_none() && !relation.computes);
        usable.flat_map(|relation| views_of(relation, schema, &key)).collect()
    }
}

impl Relation {
    /// True if a mask of it shows a part of the value.
    pub(crate) fn has_partial_mask(&self) -> bool {
        self.columns.iter().any(|column| column.mask.as_ref().is_some_and(|m| is_partial(&m.mask)))
    }
}

impl Walk<'_> {
    /// Reads a relation that was just begun to be used through the view of a fence, where one is
    /// needed.
    pub(crate) fn use_view(&mut self, use_index: usize) -> Result<(), Refusal> {
        // A view's own definition is judged as it is: it runs with the rights of its owner.
        if !self.world.forwards {
            return Ok(());
        }
        if let Some(used) = self.uses.get_mut(use_index) {
            let (catalog, granted) = (self.world.catalog, self.world.granted);
            used.view = substitute(catalog, &used.relation, granted, used.descends)?;
        }
        Ok(())
    }

    /// The masked column that a value is or comes from.
    pub(crate) fn mask_of(&self, value: &Value) -> Option<MaskedColumn> {
        match &value.content {
            Content::Masked(masked) => Some(masked.clone()),
            Content::Free | Content::Shown(_) => None,
            Content::Raw { use_index, column_index } => {
                let used = self.uses.get(*use_index)?;
                let masked = mask_of_column(used, *column_index)?;
                // A view shows free text as it is.
                (used.view.is_none() || is_detected(&masked.mask)).then_some(masked)
            }
        }
    }

    /// The masked column of which a value shows no more than the mask, also where one may compute
    /// with that.
    pub(crate) fn shown_mask_of(&self, value: &Value) -> Option<MaskedColumn> {
        match &value.content {
            Content::Shown(masked) => Some(masked.clone()),
            Content::Raw { use_index, column_index } => {
                mask_of_column(self.uses.get(*use_index)?, *column_index)
            }
            Content::Masked(_) | Content::Free => self.mask_of(value),
        }
    }
}

/// How a column of a used relation is hidden.
fn mask_of_column(used: &Use, column_index: usize) -> Option<MaskedColumn> {
    let column = used.relation.columns.get(column_index)?;
    let mask = column.mask.as_ref()?.mask.clone();
    Some(MaskedColumn { relation: used.relation.name.clone(), column: column.name.clone(), mask })
}

/// True if a mask's expression looks at the value.
pub(crate) fn is_partial(mask: &Mask) -> bool {
    match mask {
        Mask::Full | Mask::Null | Mask::Fixed(_) => false,
        Mask::Last4 | Mask::Hash | Mask::Email | Mask::Detect(_) => true,
    }
}

/// The view that is read in the place of a relation, where there is a fence and a mask shows a part
/// of a value.
///
/// # Errors
///
/// [`Refusal`] if it is needed and not there.
pub(crate) fn substitute(
    catalog: &Catalog,
    relation: &Relation,
    granted: &Granted<'_>,
    descends: bool,
) -> Result<Option<Arc<Substitute>>, Refusal> {
    if !catalog.is_fenced || !is_masked(relation) {
        return Ok(None);
    }
    if !relation.has_partial_mask() {
        let granted = granted(&relation.name, Action::Select);
        let is_shown = |name| relation.column(name).is_some_and(|(_, c)| c.mask.is_none());
        if granted.is_empty() || granted.iter().any(|name| is_shown(name)) {
            return Ok(None);
        }
        // The session's role may read none of its columns, and so not its rows either.
        let reason = "a fenced target shows rows only where one unmasked column is granted";
        return Err(Refusal::unusable(&relation.name.name, reason));
    }
    if relation.computes {
        let reason = "it has masks that show a part, and row security or virtual columns";
        return Err(Refusal::unusable(&relation.name.name, reason));
    }
    let views = &relation.views;
    let needs_below = descends && relation.kind == RelationKind::Table;
    let found = if needs_below { &views.below } else { &views.own };
    let reason = "the gateway's view that shows its masks is not on the target";
    found.clone().map(Some).ok_or_else(|| Refusal::unusable(&relation.name.name, reason))
}

/// What a fence calls the view of a relation.
pub(crate) fn view_name(relation: &RelationName, descends: bool) -> String {
    let star = if descends { "*" } else { "" };
    let name = format!("{}.{}{star}", relation.schema, relation.name);
    if name.len() <= NAME_BYTES_MAX {
        return name;
    }
    let hash = short_hash(&name);
    let kept_max = NAME_BYTES_MAX.saturating_sub(hash.len()).saturating_sub(1);
    let mut bytes = 0_usize;
    let kept = name.chars().take_while(|character| {
        bytes = bytes.saturating_add(character.len_utf8());
        bytes <= kept_max
    });
    format!("{}~{hash}", kept.collect::<String>())
}

/// Tells long names apart. Were two alike, the second view could not be made.
///
/// Source: FNV-1a of 64 bits.
fn short_hash(text: &str) -> String {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    format!("{:016x}", text.bytes().fold(0xcbf2_9ce4_8422_2325, step))
}

fn is_masked(relation: &Relation) -> bool {
    relation.columns.iter().any(|column| column.mask.is_some())
}

fn views_of(relation: &Relation, schema: &str, key: &KeySource) -> Vec<MaskedView> {
    let own = if relation.kind == RelationKind::Table { "ONLY " } else { "" };
    let mut views = vec![view(relation, schema, (false, own), key)];
    if relation.kind == RelationKind::Table && !relation.descendants.is_empty() {
        views.push(view(relation, schema, (true, ""), key));
    }
    views.into_iter().flatten().collect()
}

fn view(
    relation: &Relation,
    schema: &str,
    (descends, only): (bool, &str),
    key: &KeySource,
) -> Option<MaskedView> {
    let name = view_name(&relation.name, descends);
    let mut columns = Vec::with_capacity(relation.columns.len());
    let mut values = Vec::with_capacity(relation.columns.len());
    for column in &relation.columns {
        let raw = format!("t.{}", quote(&column.name));
        let value = match &column.mask {
            None => raw,
            Some(mask) => {
                let text = mask::expression_with(&mask.mask, &column.data_type, key).ok()?;
                // The value of `fixed` may hold the placeholder's name; it reads nothing.
                if is_partial(&mask.mask) { text.replace(PLACEHOLDER, &raw) } else { text }
            }
        };
        columns.push(quote(&column.name));
        values.push(value);
    }
    let sql = format!(
        "CREATE VIEW {}.{} ({}) WITH (security_barrier = true) AS SELECT {} FROM {only}{}.{} AS t",
        quote(schema),
        quote(&name),
        columns.join(", "),
        values.join(", "),
        quote(&relation.name.schema),
        quote(&relation.name.name),
    );
    Some(MaskedView { name, sql })
}

fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
