//! Expressions: anything here may be computed with, so a masked column is refused.

use pg_query::protobuf::{
    AArrayExpr, AConst, AIndices, AIndirection, BoolExpr, BooleanTest, CaseExpr, CaseWhen,
    CoalesceExpr, CollateClause, ColumnRef, GroupingFunc, List, MergeSupportFunc, MinMaxExpr,
    NamedArgExpr, NullTest, ParamRef, RowExpr, TypeCast, a_const,
};
use pg_query::{Node, NodeEnum};

use crate::reg::{self, Reg};
use crate::tree::{self, NOWHERE};
use crate::unsupported::unsupported;
use crate::walk::Walk;
use crate::{Refusal, types};

/// Longest name (`NAMEDATALEN`).
const NAME_BYTES_MAX: usize = 63;

impl Walk<'_> {
    /// Checks an expression and writes it with every name qualified.
    ///
    /// # Errors
    ///
    /// [`Refusal`] for a node that is not allowed, a name that is not known, or a masked column.
    #[expect(clippy::wildcard_enum_match_arm, reason = "a node that is not named is refused")]
    pub(crate) fn expr(&mut self, node: Node) -> Result<Node, Refusal> {
        let Some(inner) = node.node else { return Err(Refusal::syntax("an expression is empty")) };
        match inner {
            NodeEnum::ColumnRef(column) => self.column_ref(&column),
            NodeEnum::AConst(value) => self.constant(value),
            NodeEnum::ParamRef(parameter) => self.parameter(parameter),
            NodeEnum::TypeCast(cast) => self.cast(*cast),
            NodeEnum::AExpr(operation) => self.operation(*operation),
            NodeEnum::BoolExpr(combination) => self.combination(*combination),
            NodeEnum::FuncCall(call) => self.call(*call),
            NodeEnum::SubLink(link) => self.subquery_expr(*link),
            NodeEnum::SqlvalueFunction(keyword) => self.keyword(*keyword),
            NodeEnum::CaseExpr(case) => self.case(*case),
            NodeEnum::CoalesceExpr(coalesce) => self.coalesce(*coalesce),
            NodeEnum::MinMaxExpr(extreme) => self.extreme(*extreme),
            NodeEnum::NullTest(test) => self.null_test(*test),
            NodeEnum::BooleanTest(test) => self.boolean_test(*test),
            NodeEnum::AArrayExpr(array) => self.array(array),
            NodeEnum::RowExpr(row) => self.row(*row),
            NodeEnum::AIndirection(part) => self.subscript(*part),
            NodeEnum::CollateClause(collate) => self.collate(*collate),
            NodeEnum::GroupingFunc(grouping) => self.grouping(*grouping),
            NodeEnum::NamedArgExpr(argument) => self.named_argument(*argument),
            NodeEnum::MergeSupportFunc(action) => Ok(merge_action(*action)),
            json @ (NodeEnum::JsonObjectConstructor(_)
            | NodeEnum::JsonArrayConstructor(_)
            | NodeEnum::JsonArrayQueryConstructor(_)
            | NodeEnum::JsonObjectAgg(_)
            | NodeEnum::JsonArrayAgg(_)
            | NodeEnum::JsonIsPredicate(_)
            | NodeEnum::JsonParseExpr(_)
            | NodeEnum::JsonScalarExpr(_)
            | NodeEnum::JsonSerializeExpr(_)
            | NodeEnum::JsonFuncExpr(_)) => self.json_expr(json),
            other => Err(unsupported(&other)),
        }
    }

    pub(crate) fn expr_option(
        &mut self,
        node: Option<Box<Node>>,
    ) -> Result<Option<Box<Node>>, Refusal> {
        node.map(|node| self.expr(*node).map(Box::new)).transpose()
    }

    pub(crate) fn expr_all(&mut self, nodes: Vec<Node>) -> Result<Vec<Node>, Refusal> {
        nodes.into_iter().map(|node| self.expr(node)).collect()
    }

    fn constant(&mut self, value: AConst) -> Result<Node, Refusal> {
        self.note_constant(text_of(&value)).map_err(|refusal| refusal.at(value.location))?;
        constant(value)
    }

    fn column_ref(&mut self, column: &ColumnRef) -> Result<Node, Refusal> {
        let ColumnRef { fields, location } = column;
        self.named_column(fields).map_err(|refusal| refusal.at(*location))
    }

    fn named_column(&mut self, fields: &[Node]) -> Result<Node, Refusal> {
        if let Some(row) = self.whole_row(fields)? {
            return Ok(row);
        }
        let parts = self.column_parts(fields)?;
        Ok(self.computed_column(&parts)?.written)
    }

    /// The parts of a column's name, without the database.
    pub(crate) fn column_parts<'n>(&self, fields: &'n [Node]) -> Result<Vec<&'n str>, Refusal> {
        if fields.iter().any(tree::is_star) {
            return Err(Refusal::whole_row("*"));
        }
        let parts = tree::as_texts(fields).ok_or_else(|| Refusal::syntax("not a column name"))?;
        match *parts.as_slice() {
            [database, schema, relation, column] if database == self.world.database => {
                Ok(vec![schema, relation, column])
            }
            [_] | [_, _] | [_, _, _] => Ok(parts),
            _ => Err(Refusal::unknown_column(&parts.join("."))),
        }
    }

    fn parameter(&mut self, parameter: ParamRef) -> Result<Node, Refusal> {
        let ParamRef { number, location: _ } = parameter;
        let place = u16::try_from(number).ok().filter(|place| *place > 0);
        let place =
            place.ok_or_else(|| Refusal::syntax(format!("there is no parameter ${number}")))?;
        self.parameters_max = self.parameters_max.max(place);
        self.note_parameter(place);
        Ok(tree::node(NodeEnum::ParamRef(ParamRef { number, location: NOWHERE })))
    }

    fn cast(&mut self, cast: TypeCast) -> Result<Node, Refusal> {
        let TypeCast { arg, type_name, location: _ } = cast;
        let type_name = type_name.ok_or_else(|| Refusal::syntax("a cast names no type"))?;
        if let (Some(reg), Some(arg)) = (Reg::of_type(&type_name), &arg) {
            return self.reg_cast(reg, Node::clone(arg));
        }
        let shows = reg::is_text(&type_name);
        let type_name = types::type_name(self.world, type_name)?;
        let mut arg = match arg {
            Some(arg) if shows => Some(Box::new(self.seen_expr(*arg)?)),
            arg => self.expr_option(arg)?,
        };
        if let Some(arg) = arg.as_deref_mut() {
            types::spell_out_truth(&type_name, arg);
        }
        if let (Some(oid), Some(arg)) = (types::oid(self.world.catalog, &type_name), &arg) {
            self.check_implicit_type(oid)?;
            self.check_cast(oid, arg)?;
            self.note_type(oid);
        }
        let type_name = Some(type_name);
        Ok(tree::node(NodeEnum::TypeCast(Box::new(TypeCast { arg, type_name, location: NOWHERE }))))
    }

    fn combination(&mut self, combination: BoolExpr) -> Result<Node, Refusal> {
        let BoolExpr { xpr: _, boolop, args, location: _ } = combination;
        let args = self.expr_all(args)?;
        let checked = BoolExpr { xpr: None, boolop, args, location: NOWHERE };
        Ok(tree::node(NodeEnum::BoolExpr(Box::new(checked))))
    }

    fn case(&mut self, case: CaseExpr) -> Result<Node, Refusal> {
        let CaseExpr { xpr: _, casetype: _, casecollid: _, arg, args, defresult, location: _ } =
            case;
        let arg = self.expr_option(arg)?;
        let args = args.into_iter().map(|when| self.case_when(when)).collect::<Result<_, _>>()?;
        let defresult = self.expr_option(defresult)?;
        let checked = CaseExpr { arg, args, defresult, location: NOWHERE, ..CaseExpr::default() };
        Ok(tree::node(NodeEnum::CaseExpr(Box::new(checked))))
    }

    fn case_when(&mut self, node: Node) -> Result<Node, Refusal> {
        let Some(NodeEnum::CaseWhen(when)) = node.node else {
            return Err(Refusal::syntax("CASE without WHEN"));
        };
        let CaseWhen { xpr: _, expr, result, location: _ } = *when;
        let expr = self.expr_option(expr)?;
        let result = self.expr_option(result)?;
        let checked = CaseWhen { xpr: None, expr, result, location: NOWHERE };
        Ok(tree::node(NodeEnum::CaseWhen(Box::new(checked))))
    }

    fn coalesce(&mut self, coalesce: CoalesceExpr) -> Result<Node, Refusal> {
        let CoalesceExpr { xpr: _, coalescetype: _, coalescecollid: _, args, location: _ } =
            coalesce;
        let args = self.expr_all(args)?;
        let checked = CoalesceExpr { args, location: NOWHERE, ..CoalesceExpr::default() };
        Ok(tree::node(NodeEnum::CoalesceExpr(Box::new(checked))))
    }

    fn extreme(&mut self, extreme: MinMaxExpr) -> Result<Node, Refusal> {
        let MinMaxExpr {
            xpr: _,
            minmaxtype: _,
            minmaxcollid: _,
            inputcollid: _,
            op,
            args,
            location: _,
        } = extreme;
        let args = self.expr_all(args)?;
        let checked = MinMaxExpr { op, args, location: NOWHERE, ..MinMaxExpr::default() };
        Ok(tree::node(NodeEnum::MinMaxExpr(Box::new(checked))))
    }

    fn null_test(&mut self, test: NullTest) -> Result<Node, Refusal> {
        let NullTest { xpr: _, arg, nulltesttype, argisrow: _, location: _ } = test;
        let arg = match self.tested_free_text(arg.as_deref())? {
            Some(column) => Some(Box::new(column)),
            None => self.expr_option(arg)?,
        };
        let checked = NullTest { arg, nulltesttype, location: NOWHERE, ..NullTest::default() };
        Ok(tree::node(NodeEnum::NullTest(Box::new(checked))))
    }

    fn boolean_test(&mut self, test: BooleanTest) -> Result<Node, Refusal> {
        let BooleanTest { xpr: _, arg, booltesttype, location: _ } = test;
        let arg = self.expr_option(arg)?;
        let checked = BooleanTest { xpr: None, arg, booltesttype, location: NOWHERE };
        Ok(tree::node(NodeEnum::BooleanTest(Box::new(checked))))
    }

    fn array(&mut self, array: AArrayExpr) -> Result<Node, Refusal> {
        let AArrayExpr { elements, list_start: _, list_end: _, location: _ } = array;
        let elements = self.expr_all(elements)?;
        let checked = AArrayExpr { elements, location: NOWHERE, ..AArrayExpr::default() };
        Ok(tree::node(NodeEnum::AArrayExpr(checked)))
    }

    fn row(&mut self, row: RowExpr) -> Result<Node, Refusal> {
        let RowExpr { xpr: _, args, row_typeid: _, row_format, colnames, location: _ } = row;
        if !colnames.is_empty() {
            return Err(Refusal::syntax("a row constructor cannot name its columns"));
        }
        let args = self.row_items(args)?;
        let checked = RowExpr { args, row_format, location: NOWHERE, ..RowExpr::default() };
        Ok(tree::node(NodeEnum::RowExpr(Box::new(checked))))
    }

    /// The items of a row or of VALUES, where `c.*` is the columns and `c` is one value.
    pub(crate) fn row_items(&mut self, items: Vec<Node>) -> Result<Vec<Node>, Refusal> {
        let mut checked = Vec::with_capacity(items.len());
        for item in items {
            if let Some(mut columns) = self.row_star(&item)? {
                checked.append(&mut columns);
            } else {
                let item = self.expr(item)?;
                checked.push(if is_row(&item) { tree::computed(item) } else { item });
            }
        }
        Ok(checked)
    }

    /// Subscripts of an array, and `(c).x` of an entry of FROM: of anything else, `(x).f` could
    /// read any column of a row.
    fn subscript(&mut self, part: AIndirection) -> Result<Node, Refusal> {
        let flat = self.flattened(tree::node(NodeEnum::AIndirection(Box::new(part))))?;
        let AIndirection { arg, indirection } = match flat.node {
            Some(NodeEnum::AIndirection(part)) => *part,
            inner => return self.expr(Node { node: inner }),
        };
        // `information_schema._pg_expandarray` gives rows of these two.
        let is_expanded = arg.as_deref().is_some_and(|arg| self.is_expanded(arg));
        let is_field = matches!(indirection.as_slice(), [step] if matches!(tree::as_text(step), Some("x" | "n")));
        let arg = self.expr_option(arg)?;
        let indirection =
            if is_expanded && is_field { indirection } else { self.subscripts(indirection)? };
        let checked = AIndirection { arg, indirection };
        Ok(tree::node(NodeEnum::AIndirection(Box::new(checked))))
    }

    pub(crate) fn subscripts(&mut self, steps: Vec<Node>) -> Result<Vec<Node>, Refusal> {
        let mut checked = Vec::with_capacity(steps.len());
        for step in steps {
            let Some(NodeEnum::AIndices(indices)) = step.node else {
                return Err(Refusal::whole_row("(…).field").with_hint("Name the column itself."));
            };
            let AIndices { is_slice, lidx, uidx } = *indices;
            let lidx = self.expr_option(lidx)?;
            let uidx = self.expr_option(uidx)?;
            let indices = AIndices { is_slice, lidx, uidx };
            checked.push(tree::node(NodeEnum::AIndices(Box::new(indices))));
        }
        Ok(checked)
    }

    fn collate(&mut self, collate: CollateClause) -> Result<Node, Refusal> {
        let CollateClause { arg, collname, location: _ } = collate;
        let name = match tree::as_texts(&collname).as_deref() {
            // Which collations PostgreSQL's own schema has is a matter of the target's system.
            Some([name] | [tree::SYSTEM_SCHEMA, name]) if name.len() <= NAME_BYTES_MAX => {
                tree::system_name(name)
            }
            Some(_) | None => {
                return Err(Refusal::later("not_supported_collation", "this collation"));
            }
        };
        let arg = self.expr_option(arg)?;
        let checked = CollateClause { arg, collname: name, location: NOWHERE };
        Ok(tree::node(NodeEnum::CollateClause(Box::new(checked))))
    }

    fn grouping(&mut self, grouping: GroupingFunc) -> Result<Node, Refusal> {
        let GroupingFunc { xpr: _, args, refs: _, agglevelsup: _, location: _ } = grouping;
        let args = self.expr_all(args)?;
        let checked = GroupingFunc { args, location: NOWHERE, ..GroupingFunc::default() };
        Ok(tree::node(NodeEnum::GroupingFunc(Box::new(checked))))
    }

    fn named_argument(&mut self, argument: NamedArgExpr) -> Result<Node, Refusal> {
        let NamedArgExpr { xpr: _, arg, name, argnumber, location: _ } = argument;
        let arg = self.expr_option(arg)?;
        let checked = NamedArgExpr { xpr: None, arg, name, argnumber, location: NOWHERE };
        Ok(tree::node(NodeEnum::NamedArgExpr(Box::new(checked))))
    }

    /// A list of expressions, as in `IN (…)` and `BETWEEN`.
    pub(crate) fn expr_list(&mut self, items: List) -> Result<Node, Refusal> {
        let List { items } = items;
        Ok(tree::list(self.expr_all(items)?))
    }
}

/// True for `c.*`, as a whole row is written.
pub(crate) fn is_row(node: &Node) -> bool {
    match &node.node {
        Some(NodeEnum::ColumnRef(column)) => column.fields.last().is_some_and(tree::is_star),
        Some(_) | None => false,
    }
}

/// `merge_action()`, which PostgreSQL knows in RETURNING of MERGE only.
fn merge_action(action: MergeSupportFunc) -> Node {
    let MergeSupportFunc { xpr: _, msftype, msfcollid: _, location: _ } = action;
    let action = MergeSupportFunc { msftype, location: NOWHERE, ..MergeSupportFunc::default() };
    tree::node(NodeEnum::MergeSupportFunc(Box::new(action)))
}

/// A constant in PostgreSQL's text form; nothing for NULL.
fn text_of(value: &AConst) -> Option<String> {
    match value.val.as_ref()? {
        a_const::Val::Ival(number) => Some(number.ival.to_string()),
        a_const::Val::Fval(number) => Some(number.fval.clone()),
        a_const::Val::Boolval(truth) => Some(truth.boolval.to_string()),
        a_const::Val::Sval(text) => Some(text.sval.clone()),
        a_const::Val::Bsval(bits) => Some(bits.bsval.clone()),
    }
}

fn constant(value: AConst) -> Result<Node, Refusal> {
    let AConst { isnull, location: _, val } = value;
    let is_known = match &val {
        None => isnull,
        Some(
            a_const::Val::Ival(_)
            | a_const::Val::Fval(_)
            | a_const::Val::Boolval(_)
            | a_const::Val::Sval(_)
            | a_const::Val::Bsval(_),
        ) => !isnull,
    };
    if !is_known {
        return Err(Refusal::syntax("a constant has no value"));
    }
    Ok(tree::node(NodeEnum::AConst(AConst { isnull, location: NOWHERE, val })))
}
