//! JOIN: which columns it merges, and what names can reach through it.
//!
//! Source: `transformFromClauseItem` in PostgreSQL's `parse_clause.c`.

use pg_query::protobuf::{Alias, JoinExpr, JoinType};
use pg_query::{Node, NodeEnum};

use crate::Refusal;
use crate::from::Source;
use crate::names;
use crate::scope::{Content, Item, Origin, ScopeColumn, Value};
use crate::select;
use crate::tree;
use crate::walk::Walk;

/// The two sides of a join, checked.
struct Sides {
    left: Vec<ScopeColumn>,
    right: Vec<ScopeColumn>,
    items: Vec<Item>,
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
        let is_lateral_ok = match kind {
            JoinType::JoinInner | JoinType::JoinLeft => true,
            JoinType::JoinFull | JoinType::JoinRight => false,
            JoinType::Undefined
            | JoinType::JoinSemi
            | JoinType::JoinAnti
            | JoinType::JoinRightSemi
            | JoinType::JoinRightAnti
            | JoinType::JoinUniqueOuter
            | JoinType::JoinUniqueInner => return Err(unknown_join()),
        };
        let (larg, rarg, sides) = self.sides(larg, rarg, is_lateral_ok)?;
        let mut using = if is_natural {
            common_names(&sides)
        } else {
            tree::as_texts(&using_clause)
                .ok_or_else(|| Refusal::syntax("USING needs names"))?
                .into_iter()
                .map(str::to_owned)
                .collect()
        };
        let merged = self.merged(&mut using, &sides, kind)?;
        let mut quals = self.join_condition(quals, &sides)?;
        if is_natural && using.is_empty() {
            // NATURAL without a common column joins every row with every row.
            quals = Some(Box::new(tree::boolean(true)));
        }
        let join_using_alias = names::checked_alias(join_using_alias)?;
        let alias = names::checked_alias(alias)?;
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
        is_lateral_ok: bool,
    ) -> Result<(Node, Node, Sides), Refusal> {
        let missing = || Refusal::syntax("a join lacks a side");
        let left = self.source(*larg.ok_or_else(missing)?)?;
        let before = self.items().len();
        let beside = left.items.iter().cloned().map(|item| Item {
            lateral_only: true,
            lateral_ok: is_lateral_ok,
            ..item
        });
        let beside: Vec<Item> = beside.collect();
        self.items().extend(beside);
        let right = self.source(*rarg.ok_or_else(missing)?)?;
        self.items().truncate(before);
        let columns = |items: &[Item]| items.last().map(|item| item.columns.clone());
        let sides = Sides {
            left: columns(&left.items).unwrap_or_default(),
            right: columns(&right.items).unwrap_or_default(),
            items: left.items.into_iter().chain(right.items).collect(),
        };
        Ok((left.node, right.node, sides))
    }

    /// ON sees the two sides and what surrounds the query, not the rest of FROM.
    fn join_condition(
        &mut self,
        quals: Option<Box<Node>>,
        sides: &Sides,
    ) -> Result<Option<Box<Node>>, Refusal> {
        let outside = std::mem::replace(self.items(), sides.items.clone());
        let checked = self.expr_option(quals);
        *self.items() = outside;
        checked
    }

    /// The columns that USING merges. They are compared, so none may be masked.
    fn merged(
        &mut self,
        using: &mut Vec<String>,
        sides: &Sides,
        kind: JoinType,
    ) -> Result<Vec<ScopeColumn>, Refusal> {
        let mut merged: Vec<ScopeColumn> = Vec::with_capacity(using.len());
        for name in using.iter() {
            if merged.iter().any(|column| column.name == *name) {
                return Err(Refusal::syntax(format!("column \"{name}\" is in USING twice")));
            }
            let left = side_column(&sides.left, name)?;
            let right = side_column(&sides.right, name)?;
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
        let Sides { left, right, mut items } = sides;
        let is_merged = |name: &str| merged.iter().any(|column| column.name == name);
        let rest: Vec<ScopeColumn> =
            left.into_iter().chain(right).filter(|column| !is_merged(&column.name)).collect();
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
            items.push(item_with(all));
            return Ok(items);
        };
        // An alias of the whole join hides its sides.
        let named: Vec<(String, Value)> =
            all.iter().map(|column| (column.name.clone(), column.value.clone())).collect();
        for (column, (name, _)) in all.iter_mut().zip(select::rename(&named, &alias.colnames)?) {
            column.homes = vec![vec![alias.aliasname.clone(), name.clone()]];
            column.name = name;
        }
        let mut item = item_with(all);
        item.name = Some(alias.aliasname.clone());
        item.by_name = true;
        Ok(vec![item])
    }
}

fn item_with(columns: Vec<ScopeColumn>) -> Item {
    Item {
        name: None,
        schema: None,
        columns,
        by_name: false,
        by_column: true,
        lateral_only: false,
        lateral_ok: true,
    }
}

/// The names that NATURAL compares, in the order of the left side.
fn common_names(sides: &Sides) -> Vec<String> {
    let is_right = |name: &String| sides.right.iter().any(|column| column.name == *name);
    sides.left.iter().map(|column| column.name.clone()).filter(is_right).collect()
}

fn side_column<'a>(side: &'a [ScopeColumn], name: &str) -> Result<&'a ScopeColumn, Refusal> {
    let mut named = side.iter().filter(|column| column.name == name);
    match (named.next(), named.next()) {
        (Some(column), None) => Ok(column),
        (Some(_), Some(_)) => Err(Refusal::ambiguous_column(name)),
        (None, _) => Err(Refusal::unknown_column(name)),
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
