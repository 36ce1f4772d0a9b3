//! What may not be written: the placeholder of a mask, which a client has read in a value's place.
//!
//! Constants are checked while the statement is walked, parameters when they are bound, arguments of
//! EXECUTE when the session has found the statement, and the data of a COPY as they pass.
//!
//! A value that a statement writes may come from elsewhere in it: from VALUES in FROM, a subquery, a
//! WITH. Then every constant and every parameter of the statement is checked.

use std::sync::Arc;

use mask::{Encoding, Placeholder};
use model::{Action, Detectors, Mask, MaskDeclaration};
use pg_query::{Node, NodeEnum};

use crate::expr::is_row;
use crate::scope::{Content, Origin, Value};
use crate::walk::Walk;
use crate::{Plan, Refusal, tree};

/// What may not be written to one column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guard {
    column: String,
    placeholder: Arc<Placeholder>,
    /// Whether a value is overwritten, which may then not become NULL by writing back a NULL.
    overwrites: bool,
    /// Whether the column itself is masked.
    is_own: bool,
}

/// A parameter that is written to a guarded column, or may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuardedParameter {
    /// Which, from 1; all of them without a number.
    number: Option<u16>,
    guard: Arc<Guard>,
}

/// A constant in PostgreSQL's text form; nothing for NULL.
pub(crate) type Constant = Option<String>;

/// What a client has given for a parameter.
#[derive(Clone, Copy, Debug)]
pub enum Given<'a> {
    /// NULL.
    Null,
    /// A value in text form.
    Text(&'a [u8]),
    /// A value in binary form.
    Binary(&'a [u8], Encoding),
}

impl Guard {
    /// A guard of a masked column to which new rows are written.
    pub fn new(column: &str, placeholder: Arc<Placeholder>) -> Self {
        Self { column: column.to_owned(), placeholder, overwrites: false, is_own: true }
    }

    /// True if the value may not be written.
    pub fn refuses(&self, value: Given<'_>) -> bool {
        match value {
            Given::Null => self.overwrites && self.placeholder.is_null(),
            Given::Text(text) => self.placeholder.is_text(text),
            Given::Binary(bytes, encoding) => self.placeholder.is_binary(bytes, encoding),
        }
    }

    /// True if the value, or one within it, may not be written: it may be a list that a statement
    /// takes apart.
    fn refuses_among(&self, value: Given<'_>) -> bool {
        match value {
            Given::Null => self.refuses(value),
            Given::Text(text) => self.placeholder.is_among_text(text),
            Given::Binary(bytes, encoding) => self.placeholder.is_among_binary(bytes, encoding),
        }
    }

    /// True if a part of a long value is enough to refuse it.
    pub fn refuses_within(&self) -> bool {
        self.placeholder.is_within()
    }

    fn refusal(&self) -> Refusal {
        Refusal::placeholder_written(&self.column)
    }

    fn check(&self, constant: &Constant) -> Result<(), Refusal> {
        if self.refuses(given(constant)) { Err(self.refusal()) } else { Ok(()) }
    }

    fn check_among(&self, constant: &Constant) -> Result<(), Refusal> {
        if self.refuses_among(given(constant)) { Err(self.refusal()) } else { Ok(()) }
    }
}

fn given(constant: &Constant) -> Given<'_> {
    constant.as_ref().map_or(Given::Null, |text| Given::Text(text.as_bytes()))
}

impl Plan {
    /// Checks the parameters of a Bind. `given` returns one, counted from 0.
    ///
    /// # Errors
    ///
    /// [`Refusal`] if one that is written to a masked column is the placeholder of its mask.
    pub fn check_parameters<'a>(
        &self,
        count: usize,
        given: impl Fn(usize) -> Option<Given<'a>>,
    ) -> Result<(), Refusal> {
        for GuardedParameter { number, guard } in &self.guards {
            let is_refused = match number {
                Some(number) => given(usize::from(*number).saturating_sub(1))
                    .is_some_and(|given| guard.refuses(given)),
                None => (0..count).filter_map(&given).any(|given| guard.refuses_among(given)),
            };
            if is_refused {
                return Err(guard.refusal());
            }
        }
        Ok(())
    }

    /// Checks the arguments of EXECUTE against the statement that its name stands for.
    ///
    /// # Errors
    ///
    /// As for [`Plan::check_parameters`].
    pub fn check_arguments(&self, named: &Plan) -> Result<(), Refusal> {
        for GuardedParameter { number, guard } in &named.guards {
            match number {
                Some(number) => {
                    let argument = self.arguments.get(usize::from(*number).saturating_sub(1));
                    argument.into_iter().flatten().try_for_each(|one| guard.check(one))?;
                }
                None => {
                    self.arguments.iter().flatten().try_for_each(|one| guard.check_among(one))?;
                }
            }
        }
        Ok(())
    }
}

/// What the detectors of all free text leave in the place of what they find.
pub(crate) fn detected(declarations: &[MaskDeclaration]) -> Option<Arc<Placeholder>> {
    let mut all = Detectors::new();
    for MaskDeclaration { column: _, mask } in declarations {
        match mask {
            Mask::Detect(detectors) => all.extend(detectors),
            Mask::Full | Mask::Null | Mask::Fixed(_) | Mask::Last4 | Mask::Hash | Mask::Email => {}
        }
    }
    (!all.is_empty()).then(|| Arc::new(Placeholder::of_detectors(&all)))
}

impl Walk<'_> {
    /// What may not be written to a column of a used relation; nothing if anything may.
    pub(crate) fn guard_of(
        &self,
        use_index: usize,
        name: &str,
        action: Action,
    ) -> Option<Arc<Guard>> {
        let used = self.uses.get(use_index)?;
        let column = used.relation.column(name)?.1;
        let (placeholder, is_own) = match &column.mask {
            Some(mask) => (Arc::clone(&mask.placeholder), true),
            // What was found in free text may be written back to another column.
            None => (self.world.catalog.detected.clone()?, false),
        };
        let overwrites = action == Action::Update;
        Some(Arc::new(Guard { overwrites, is_own, ..Guard::new(name, placeholder) }))
    }

    /// For each column of an INSERT, in order, what may not be written to it. If none is named, it
    /// is for all of the relation.
    pub(crate) fn insert_guards(
        &self,
        use_index: usize,
        columns: &[Node],
    ) -> Vec<Option<Arc<Guard>>> {
        let guard = |name: &str| self.guard_of(use_index, name, Action::Insert);
        let named = |node: &Node| match &node.node {
            Some(NodeEnum::ResTarget(target)) => guard(&target.name),
            Some(_) | None => None,
        };
        match self.uses.get(use_index) {
            Some(used) if columns.is_empty() => {
                used.relation.columns.iter().map(|column| guard(&column.name)).collect()
            }
            Some(_) | None => columns.iter().map(named).collect(),
        }
    }

    /// The values of one row, each under the guard of its column.
    pub(crate) fn guarded_values(
        &mut self,
        values: Vec<Node>,
        guards: &[Option<Arc<Guard>>],
    ) -> Result<Vec<Node>, Refusal> {
        let of_place = |place: usize| guards.get(place).into_iter().flatten().cloned().collect();
        self.row_values(values, of_place)
    }

    /// The values of one row, each for its column: `c.*` is the columns. `guards` gives those of a
    /// place.
    pub(crate) fn row_values(
        &mut self,
        values: Vec<Node>,
        guards: impl Fn(usize) -> Vec<Arc<Guard>>,
    ) -> Result<Vec<Node>, Refusal> {
        let mut checked = Vec::with_capacity(values.len());
        for value in values {
            let items = match self.row_star(&value)? {
                Some(columns) => columns,
                None => vec![value],
            };
            for item in items {
                let guards = guards(checked.len());
                let item = self.guarded(guards, |walk| walk.written_value(item, None))?;
                checked.push(if is_row(&item) { tree::computed(item) } else { item });
            }
        }
        Ok(checked)
    }

    /// Walks over a value that is written under a guard; without one, under none.
    pub(crate) fn guarded<T>(
        &mut self,
        guards: impl IntoIterator<Item = Arc<Guard>>,
        work: impl FnOnce(&mut Self) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let outer = std::mem::replace(&mut self.guarding, guards.into_iter().collect());
        let result = work(self);
        self.guarding = outer;
        result
    }

    /// A constant of the statement.
    pub(crate) fn note_constant(&mut self, constant: Constant) -> Result<(), Refusal> {
        self.work.spend(self.guarding.len())?;
        self.guarding.iter().try_for_each(|guard| guard.check(&constant))?;
        if self.world.catalog.has_masks {
            self.constants.push(constant);
        }
        Ok(())
    }

    /// A parameter of the statement.
    pub(crate) fn note_parameter(&mut self, number: u16) {
        let guards = self.guarding.iter();
        self.guarded_parameters.extend(
            guards.map(|guard| GuardedParameter { number: Some(number), guard: Arc::clone(guard) }),
        );
    }

    /// A column that a written value is computed from.
    pub(crate) fn note_source(&mut self, value: &Value) -> Result<(), Refusal> {
        if self.guarding.is_empty() {
            return Ok(());
        }
        // A fence's view shows the mask itself.
        let shows_mask = match &value.content {
            Content::Raw { .. } | Content::Shown(_) => self.shown_mask_of(value).is_some(),
            Content::Masked(_) | Content::Free => false,
        };
        if let Some(guard) = self.guarding.iter().find(|guard| shows_mask && guard.is_own) {
            return Err(guard.refusal());
        }
        if !matches!(value.origin, Origin::Column(..)) {
            self.guard_all();
        }
        Ok(())
    }

    /// From now on the guards in force hold for all constants and parameters of the statement.
    pub(crate) fn guard_all(&mut self) {
        for guard in &self.guarding {
            // What detectors leave is the same for all columns.
            let is_known = |known: &Arc<Guard>| {
                known == guard
                    || (!known.is_own
                        && !guard.is_own
                        && Arc::ptr_eq(&known.placeholder, &guard.placeholder))
            };
            if !self.guards_of_all.iter().any(is_known) {
                self.guards_of_all.push(Arc::clone(guard));
            }
        }
    }

    /// The guarded parameters of a statement that was walked over.
    ///
    /// # Errors
    ///
    /// [`Refusal`] if a constant that may be written is a placeholder.
    pub(crate) fn checked_guards(&mut self) -> Result<Vec<GuardedParameter>, Refusal> {
        for guard in &self.guards_of_all {
            self.work.spend(self.constants.len())?;
            self.constants.iter().try_for_each(|constant| guard.check_among(constant))?;
        }
        let mut all = std::mem::take(&mut self.guarded_parameters);
        let of_all = self.guards_of_all.drain(..);
        all.extend(of_all.map(|guard| GuardedParameter { number: None, guard }));
        all.dedup();
        Ok(all)
    }
}
