//! JOIN: which columns it merges, and what names can reach through it.
//!
//! Source: `transformFromClauseItem` in PostgreSQL's `parse_clause.c`.

use pg_query::protobuf::{Alias, JoinExpr, JoinType};
use pg_query::{Node, NodeEnum};

use crate::Refusal;
use crate::from::Source;
use crate::names;
use crate::rows::Row;
use crate::scope::{Beside, Content, Item, Origin, ScopeColumn, Value};
use crate::select;
use crate::tree;
use crate::walk::Walk;

/// The two sides of a join, checked. The last item of each holds its columns.
struct Sides {
    left: Vec<Item>,
    right: Vec<Item>,
}

impl Walk<'_> {
    pub(crate) fn join(&mut self, join: JoinExpr) -> Result<Source, Refusal> {
        let JoinExpr {
            jointype,
            is_natural,
            larg,
            rarg,
            using_clause,
            join_using_alias,
            quals,
            alias,
            rtindex: _,
        } = join;
        let kind = JoinType::try_from(jointype).map_err(|_unknown| unknown_join())?;
        let beside = match kind {
            JoinType::JoinInner | JoinType::JoinLeft => Beside::Lateral,
            JoinType::JoinFull | JoinType::JoinRight => Beside::Forbidden,
            JoinType::Undefined
            | JoinType::JoinSemi
            | JoinType::JoinAnti
            | JoinType::JoinRightSemi
            | JoinType::JoinRightAnti
            | JoinType::JoinUniqueOuter
            | JoinType::JoinUniqueInner => return Err(unknown_join()),
        };
        let (larg, rarg, mut sides) = self.sides(larg, rarg, beside)?;
        let (left, right) = (columns(&sides.left).len(), columns(&sides.right).len());
        self.work.spend(left.saturating_add(right))?;
        if is_natural {
            self.work.spend(left.saturating_mul(right))?;
        }
        let using = if is_natural {
            common_names(&sides)
        } else {
            let names = tree::as_texts(&using_clause);
            let names = names.ok_or_else(|| Refusal::syntax("USING needs names"))?;
            names.into_iter().map(str::to_owned).collect()
        };
        let merged = self.merged(&using, &sides, kind)?;
        let mut quals = self.join_condition(quals, &mut sides)?;
        if is_natural && using.is_empty() {
            // NATURAL without a common column joins every row with every row.
            quals = Some(Box::new(tree::boolean(true)));
        }
        let join_using_alias = names::checked_alias(join_using_alias)?;
        let alias = names::checked_alias(alias)?;
        names::refuse_column_names(self.world, alias.as_ref())?;
        let items = self.join_items(sides, merged, join_using_alias.as_ref(), alias.as_ref())?;
        let node = JoinExpr {
            jointype,
            is_natural: false,
            larg: Some(Box::new(larg)),
            rarg: Some(Box::new(rarg)),
            using_clause: tree::names(using.iter().map(String::as_str)),
            join_using_alias,
            quals,
            alias,
            rtindex: 0,
        };
        Ok(Source { node: tree::node(NodeEnum::JoinExpr(Box::new(node))), items })
    }

    /// The right side may use the left one by LATERAL, if the kind of join allows it.
    fn sides(
        &mut self,
        larg: Option<Box<Node>>,
        rarg: Option<Box<Node>>,
        beside: Beside,
    ) -> Result<(Node, Node, Sides), Refusal> {
        let missing = || Refusal::syntax("a join lacks a side");
        let left = self.source(*larg.ok_or_else(missing)?)?;
        let before = self.items().len();
        // Moved, not copied: a chain of joins would copy everything at each of its links.
        self.items().extend(left.items.into_iter().map(|item| Item { beside, ..item }));
        let right = self.source(*rarg.ok_or_else(missing)?)?;
        let left_items = self.items().split_off(before).into_iter();
        let left_items = left_items.map(|item| Item { beside: Beside::Done, ..item }).collect();
        Ok((left.node, right.node, Sides { left: left_items, right: right.items }))
    }

    /// ON sees the two sides and what surrounds the query, not the rest of FROM.
    fn join_condition(
        &mut self,
        quals: Option<Box<Node>>,
        sides: &mut Sides,
    ) -> Result<Option<Box<Node>>, Refusal> {
        let Some(quals) = quals else { return Ok(None) };
        let left = sides.left.len();
        let mut inside = std::mem::take(&mut sides.left);
        inside.append(&mut sides.right);
        let outside = std::mem::replace(self.items(), inside);
        let checked = self.expr(*quals);
        let mut inside = std::mem::replace(self.items(), outside);
        sides.right = inside.split_off(left);
        sides.left = inside;
        Ok(Some(Box::new(checked?)))
    }

    /// The columns that USING merges. They are compared, so none may be masked.
    fn merged(
        &mut self,
        using: &[String],
        sides: &Sides,
        kind: JoinType,
    ) -> Result<Vec<ScopeColumn>, Refusal> {
        let mut merged: Vec<ScopeColumn> = Vec::with_capacity(using.len());
        for name in using {
            if merged.iter().any(|column| column.name == *name) {
                return Err(Refusal::syntax(format!("column \"{name}\" is in USING twice")));
            }
            self.work
                .spend(columns(&sides.left).len().saturating_add(columns(&sides.right).len()))?;
            let left = side_column(&sides.left, "left", name)?;
            let right = side_column(&sides.right, "right", name)?;
            for column in [left, right] {
                self.read(&column.value);
                if self.mask_of(&column.value).is_some() {
                    return Err(Refusal::masked(name));
                }
            }
            merged.push(ScopeColumn {
                id: self.next_id(),
                name: name.clone(),
                value: merged_value(&left.value, &right.value, kind),
                starred: true,
                homes: Vec::new(),
            });
        }
        Ok(merged)
    }

    fn join_items(
        &mut self,
        sides: Sides,
        merged: Vec<ScopeColumn>,
        using_alias: Option<&Alias>,
        alias: Option<&Alias>,
    ) -> Result<Vec<Item>, Refusal> {
        let Sides { left: mut items, mut right } = sides;
        let all_locks: Vec<usize> =
            items.iter().chain(&right).flat_map(|item| item.locks.iter().copied()).collect();
        let (mut rest, mut locks) = take_columns(&mut items);
        let (mut more, mut other_locks) = take_columns(&mut right);
        rest.append(&mut more);
        locks.append(&mut other_locks);
        self.work.spend(rest.len().saturating_mul(merged.len()))?;
        rest.retain(|column| !merged.iter().any(|key| key.name == column.name));
        items.append(&mut right);
        for item in &mut items {
            item.by_column = false;
        }
        if let Some(using_alias) = using_alias {
            let columns = merged.iter().cloned().map(|mut column| {
                column.id = self.next_id();
                column.homes = vec![vec![using_alias.aliasname.clone(), column.name.clone()]];
                column
            });
            let mut item = item_with(columns.collect());
            item.name = Some(using_alias.aliasname.clone());
            item.by_name = true;
            item.by_column = false;
            items.push(item);
        }
        let mut all: Vec<ScopeColumn> = merged.into_iter().chain(rest).collect();
        let Some(alias) = alias else {
            items.push(Item { locks, ..item_with(all) });
            return Ok(items);
        };
        // An alias of the whole join hides its sides.
        let named: Vec<(String, Value)> =
            all.iter().map(|column| (column.name.clone(), column.value.clone())).collect();
        for (column, (name, _)) in all.iter_mut().zip(select::rename(&named, &alias.colnames)?) {
            column.homes = vec![vec![alias.aliasname.clone(), name.clone()]];
            column.name = name;
        }
        let name = Some(alias.aliasname.clone());
        Ok(vec![Item { name, by_name: true, locks: all_locks, ..item_with(all) }])
    }
}

fn item_with(columns: Vec<ScopeColumn>) -> Item {
    Item {
        name: None,
        schema: None,
        columns,
        by_name: false,
        by_column: true,
        beside: Beside::Done,
        row: Row::Unknown,
        locks: Vec::new(),
        is_catalog: false,
    }
}

fn columns(side: &[Item]) -> &[ScopeColumn] {
    side.last().map(|item| item.columns.as_slice()).unwrap_or_default()
}

/// The columns of a side. What has no name is reached only through the join from here on, and
/// locked only with it.
fn take_columns(side: &mut Vec<Item>) -> (Vec<ScopeColumn>, Vec<usize>) {
    match side.pop() {
        Some(item) if item.by_name => {
            let columns = item.columns.clone();
            side.push(item);
            (columns, Vec::new())
        }
        Some(item) => (item.columns, item.locks),
        None => (Vec::new(), Vec::new()),
    }
}

/// The names that NATURAL compares, in the order of the left side.
fn common_names(sides: &Sides) -> Vec<String> {
    let is_right = |name: &String| columns(&sides.right).iter().any(|c| c.name == *name);
    columns(&sides.left).iter().map(|column| column.name.clone()).filter(is_right).collect()
}

fn side_column<'a>(side: &'a [Item], which: &str, name: &str) -> Result<&'a ScopeColumn, Refusal> {
    let mut named = columns(side).iter().filter(|column| column.name == name);
    match (named.next(), named.next()) {
        (Some(column), None) => Ok(column),
        (Some(_), Some(_)) => Err(Refusal::ambiguous_column(name)),
        (None, _) => Err(Refusal::unknown_join_column(name, which)),
    }
}

/// Sides of different types are converted, and which of them the target then reports as the
/// origin is not followed here.
///
/// Source: `buildMergedJoinVar` in PostgreSQL's `parse_clause.c`.
fn merged_value(left: &Value, right: &Value, kind: JoinType) -> Value {
    let is_same_type = left.exact_type.is_some() && left.exact_type == right.exact_type;
    let side = match kind {
        JoinType::JoinFull => return Value::computed(),
        JoinType::JoinRight => right,
        JoinType::JoinInner
        | JoinType::JoinLeft
        | JoinType::Undefined
        | JoinType::JoinSemi
        | JoinType::JoinAnti
        | JoinType::JoinRightSemi
        | JoinType::JoinRightAnti
        | JoinType::JoinUniqueOuter
        | JoinType::JoinUniqueInner => left,
    };
    if is_same_type {
        Value { content: Content::Free, ..side.clone() }
    } else if left.origin == Origin::Nothing && right.origin == Origin::Nothing {
        Value::computed()
    } else {
        Value { origin: Origin::Unclear, ..Value::computed() }
    }
}

fn unknown_join() -> Refusal {
    Refusal::syntax("unknown kind of join")
}
