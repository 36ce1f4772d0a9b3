//! The state of one walk over a statement: the scopes it is in and what it has touched so far.
//!
//! The walk takes the tree apart and builds the checked one. Each allowed node is taken apart
//! with every field named, so a field that a later grammar adds is a compile error here, and what
//! is not put into the checked tree is not forwarded.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

use model::{Action, Facts, MaskedColumn, RelationName, StatementKind};
use pg_query::Node;

use crate::catalog::{Column, Relation, RelationKind};
use crate::free_text::is_detected;
use crate::guard::{Constant, Guard, GuardedParameter};
use crate::masked_view;
pub(crate) use crate::mention::{Reach, Shape, Use};
use crate::scope::{self, CommonTable, Content, Found, Item, Level, Origin, ScopeColumn, Value};
use crate::sight::Sight;
use crate::splice::Splices;
use crate::substitute;
use crate::tree;
use crate::work::Work;
use crate::world::World;
use crate::{Refusal, Uses, limits, types};

/// One walk over one statement.
pub(crate) struct Walk<'a> {
    pub(crate) world: &'a World<'a>,
    /// What is known of each mention of a relation, in order. Nothing is known past its end.
    pub(crate) shapes: &'a [Shape],
    pub(crate) uses: Vec<Use>,
    pub(crate) functions: BTreeSet<String>,
    pub(crate) masked: BTreeSet<MaskedColumn>,
    pub(crate) parameters_max: u16,
    pub(crate) levels: Vec<Level>,
    pub(crate) work: Work,
    /// The types of all columns that were read and of all casts, so far.
    pub(crate) types: BTreeSet<u32>,
    /// The functions that are called under grants.
    pub(crate) executed: BTreeSet<RelationName>,
    /// The channels that it notifies.
    pub(crate) notified: BTreeSet<RelationName>,
    /// What its writes go on to by foreign keys.
    pub(crate) cascaded: BTreeMap<(RelationName, Action), BTreeSet<String>>,
    /// True once something in it writes.
    pub(crate) writes: bool,
    /// How many INSERT, UPDATE, DELETE and MERGE are in it.
    pub(crate) writers: u32,
    /// The cursor of `WHERE CURRENT OF`.
    pub(crate) position: Option<Uses>,
    /// PostgreSQL's own relations that the statement names.
    pub(crate) system_reads: BTreeSet<RelationName>,
    /// How often it names one, inside of views too.
    pub(crate) system_sources: usize,
    /// How many definitions of PostgreSQL's own views the walk is inside of.
    pub(crate) definitions: usize,
    pub(crate) sight: Option<Rc<Sight>>,
    /// The queries that stand in the places of PostgreSQL's own relations.
    pub(crate) splices: Splices,
    /// True once something in it can be a number that is to be seen as a name.
    pub(crate) has_names: bool,
    /// What the value that is walked over may not be.
    pub(crate) guarding: Vec<Arc<Guard>>,
    /// Guards of values that may come from anywhere in the statement.
    pub(crate) guards_of_all: Vec<Arc<Guard>>,
    pub(crate) guarded_parameters: Vec<GuardedParameter>,
    /// All constants of the statement, where some may not be written.
    pub(crate) constants: Vec<Constant>,
    last_id: u64,
    outputs: u64,
}

impl<'a> Walk<'a> {
    pub(crate) fn new(world: &'a World<'a>, shapes: &'a [Shape]) -> Self {
        Self {
            world,
            shapes,
            uses: Vec::new(),
            functions: BTreeSet::new(),
            masked: BTreeSet::new(),
            parameters_max: 0,
            levels: Vec::new(),
            work: Work::default(),
            types: BTreeSet::new(),
            executed: BTreeSet::new(),
            notified: BTreeSet::new(),
            cascaded: BTreeMap::new(),
            writes: false,
            writers: 0,
            position: None,
            system_reads: BTreeSet::new(),
            system_sources: 0,
            definitions: 0,
            sight: None,
            splices: Splices::default(),
            has_names: false,
            guarding: Vec::new(),
            guards_of_all: Vec::new(),
            guarded_parameters: Vec::new(),
            constants: Vec::new(),
            last_id: 0,
            outputs: 0,
        }
    }

    /// Makes sure that names may reach so many columns more.
    pub(crate) fn reserve_columns(&self, more: usize) -> Result<(), Refusal> {
        let more = u64::try_from(more).unwrap_or(u64::MAX);
        if self.last_id.saturating_add(more) > limits::SCOPE_COLUMNS_MAX {
            let limit = usize::try_from(limits::SCOPE_COLUMNS_MAX).unwrap_or(usize::MAX);
            return Err(Refusal::too_large("columns in reach", limit));
        }
        Ok(())
    }

    /// Makes sure that a result with `columns` so far may have so many more.
    pub(crate) fn reserve_outputs(&mut self, columns: usize, more: usize) -> Result<(), Refusal> {
        if columns.saturating_add(more) > limits::TARGETS_MAX {
            return Err(Refusal::too_large("columns", limits::TARGETS_MAX));
        }
        self.outputs = self.outputs.saturating_add(u64::try_from(more).unwrap_or(u64::MAX));
        if self.outputs > limits::OUTPUTS_MAX {
            let limit = usize::try_from(limits::OUTPUTS_MAX).unwrap_or(usize::MAX);
            return Err(Refusal::too_large("columns of all its queries", limit));
        }
        Ok(())
    }

    pub(crate) fn next_id(&mut self) -> u64 {
        self.last_id = self.last_id.saturating_add(1);
        self.last_id
    }

    /// Walks with one more level of names, and leaves it.
    pub(crate) fn nested<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        self.nested_level(work).map(|(result, _)| result)
    }

    /// As [`Walk::nested`]; the level is given back.
    pub(crate) fn nested_level<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, Refusal>,
    ) -> Result<(T, Level), Refusal> {
        self.levels.push(Level { work: self.work.clone(), ..Level::default() });
        let result = work(self);
        let level = self.levels.pop().unwrap_or_default();
        Ok((result?, level))
    }

    pub(crate) fn items(&mut self) -> &mut Vec<Item> {
        if self.levels.is_empty() {
            self.levels.push(Level { work: self.work.clone(), ..Level::default() });
        }
        let last = self.levels.len().saturating_sub(1);
        #[expect(clippy::indexing_slicing, reason = "a level was pushed if there was none")]
        &mut self.levels[last].items
    }

    pub(crate) fn set_lateral(&mut self, lateral: bool) {
        if let Some(level) = self.levels.last_mut() {
            level.lateral = lateral;
        }
    }

    pub(crate) fn define(&mut self, table: CommonTable) {
        if let Some(level) = self.levels.last_mut() {
            level.ctes.retain(|known| known.name != table.name);
            level.ctes.push(table);
        }
    }

    pub(crate) fn common_table(&self, name: &str) -> Option<&CommonTable> {
        let mut tables = self.levels.iter().rev().flat_map(|level| &level.ctes);
        tables.find(|table| table.name == name)
    }

    /// Begins a use of a relation: the action is touched, with no column yet.
    ///
    /// A partitioned table is nothing without its partitions, so they are included and touched.
    /// Of other tables those below are included only if grants cover them.
    pub(crate) fn use_relation(
        &mut self,
        relation: Arc<Relation>,
        action: Action,
        reach: Reach,
    ) -> usize {
        let index = self.uses.len();
        let covered = self.shapes.get(index).is_some_and(|shape| shape.descends);
        let is_partitioned = relation.kind == RelationKind::Partitioned;
        let descends = reach == Reach::Below && (covered || is_partitioned);
        let touched = BTreeMap::from([(action, BTreeSet::new())]);
        let (spells, rows) = (false, BTreeSet::new());
        self.uses.push(Use { relation, touched, reach, descends, spells, rows, view: None });
        index
    }

    pub(crate) fn touch(&mut self, use_index: usize, action: Action, column: Option<&str>) {
        if let Some(used) = self.uses.get_mut(use_index) {
            let columns = used.touched.entry(action).or_default();
            columns.extend(column.map(str::to_owned));
        }
    }

    pub(crate) fn column(&self, use_index: usize, column_index: usize) -> Option<&Column> {
        self.uses.get(use_index)?.relation.columns.get(column_index)
    }

    /// Notes that a value is read.
    pub(crate) fn read(&mut self, value: &Value) {
        if let Content::Raw { use_index, column_index } = value.content {
            let column = self.column(use_index, column_index);
            let oid = column.map(|column| column.data_type.oid);
            let name = column.map(|column| column.name.clone());
            if let Some(oid) = oid {
                self.note_type(oid);
            }
            self.touch(use_index, Action::Select, name.as_deref());
        }
    }

    pub(crate) fn resolve(&self, parts: &[&str]) -> Result<Found, Refusal> {
        scope::resolve(&self.levels, parts).map_err(|refusal| self.guessed(refusal, parts))
    }

    /// A column where it may be computed with: masked ones are refused.
    pub(crate) fn computed_column(&mut self, parts: &[&str]) -> Result<Found, Refusal> {
        let found = self.resolve(parts)?;
        self.read(&found.column.value);
        if self.mask_of(&found.column.value).is_some() {
            return Err(Refusal::masked(&parts.join(".")));
        }
        self.note_source(&found.column.value)?;
        self.check_implicit(&found.column.value)?;
        types::check_computable(&found.column.value)?;
        Ok(found)
    }

    /// A bare column of a target list: a masked one is replaced by its mask.
    pub(crate) fn selected_column(&mut self, parts: &[&str]) -> Result<(Node, Value), Refusal> {
        let Found { column, written } = self.resolve(parts)?;
        self.select_found(column, written)
    }

    pub(crate) fn select_found(
        &mut self,
        column: ScopeColumn,
        written: Node,
    ) -> Result<(Node, Value), Refusal> {
        self.read(&column.value);
        self.note_source(&column.value)?;
        let Some(masked) = self.mask_of(&column.value) else {
            // The view of a fence shows the mask already.
            let shown = self.shown_mask_of(&column.value);
            self.masked.extend(shown.clone());
            let content = shown.map_or(Content::Free, Content::Shown);
            if column.value.origin == Origin::Unclear {
                let value = Value { content, ..Value::computed() };
                return Ok((tree::computed(written), value));
            }
            return Ok((written, Value { content, ..column.value }));
        };
        if self.world.catalog.is_fenced
            && self.world.forwards
            && self.is_read_directly(&column.value)
            && masked_view::is_partial(&masked.mask)
        {
            return Err(Refusal::masked_returning(&masked.column));
        }
        if is_detected(&masked.mask) {
            return self.select_detected(masked, column.value, written);
        }
        let column_type = column.value.column_type;
        let selected = match column.value.content {
            Content::Raw { use_index, column_index } => {
                let expression = self
                    .column(use_index, column_index)
                    .and_then(|column| column.mask.as_ref())
                    .map(|mask| Arc::clone(&mask.expression))
                    .ok_or_else(Refusal::mismatch)?;
                substitute::fill(&expression, &written)?
            }
            // The mask stands in the subquery already.
            Content::Masked(_) | Content::Free | Content::Shown(_) => written,
        };
        self.masked.insert(masked.clone());
        let content = Content::Masked(masked);
        Ok((selected, Value { content, column_type, ..Value::computed() }))
    }

    /// The columns that a subquery in the place of the next mention of a relation must name.
    pub(crate) fn spelled_next(&self) -> Option<Vec<String>> {
        self.shapes.get(self.uses.len())?.spelled.clone()
    }

    /// What was touched, in the form on which a decision rests.
    pub(crate) fn facts(&self, kind: StatementKind) -> Facts {
        let mut touches: BTreeMap<(RelationName, Action), BTreeSet<String>> = BTreeMap::new();
        for used in &self.uses {
            let below = used.relation.descendants.iter().filter(|_| used.descends);
            for relation in std::iter::once(&used.relation.name).chain(below) {
                for (action, columns) in &used.touched {
                    let all = touches.entry((relation.clone(), *action)).or_default();
                    all.extend(columns.iter().cloned());
                }
            }
        }
        for (touched, columns) in &self.cascaded {
            touches.entry(touched.clone()).or_default().extend(columns.iter().cloned());
        }
        for function in &self.executed {
            touches.insert((function.clone(), Action::Execute), BTreeSet::new());
        }
        for channel in &self.notified {
            touches.insert((channel.clone(), Action::Notify), BTreeSet::new());
        }
        for relation in &self.system_reads {
            touches.entry((relation.clone(), Action::Select)).or_default();
        }
        Facts {
            kind,
            touches: Facts::touches_from(touches),
            masked: self.masked.iter().cloned().collect(),
            functions: self.functions.clone(),
        }
    }

    /// True if running the statement computes nothing from values beyond what it reads itself.
    pub(crate) fn reads_plainly(&self) -> bool {
        let is_plain = |name: &RelationName| {
            self.world.catalog.relations.get(name).is_some_and(|relation| relation.is_plain())
        };
        let plainly = |used: &Use| {
            let below = used.relation.descendants.iter().filter(|_| used.descends);
            used.view.is_none() && used.relation.is_plain() && below.into_iter().all(is_plain)
        };
        let is_constant = |column: &MaskedColumn| !masked_view::is_partial(&column.mask);
        self.executed.is_empty()
            && self.uses.iter().all(plainly)
            && self.masked.iter().all(is_constant)
    }
}
