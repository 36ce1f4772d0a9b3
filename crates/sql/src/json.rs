//! SQL/JSON: constructors, aggregates, `IS JSON`, `JSON_VALUE` and its like, `JSON_TABLE`.
//!
//! They compute with what stands in them and reach nothing else. Their types must be PostgreSQL's
//! own: a conversion into another could run a function of the target's. A target that is older
//! than the syntax says so itself.

use pg_query::protobuf::{
    JsonAggConstructor, JsonArgument, JsonArrayAgg, JsonArrayConstructor,
    JsonArrayQueryConstructor, JsonBehavior, JsonFormat, JsonFuncExpr, JsonIsPredicate,
    JsonKeyValue, JsonObjectAgg, JsonObjectConstructor, JsonOutput, JsonParseExpr, JsonReturning,
    JsonScalarExpr, JsonSerializeExpr, JsonTable, JsonTableColumn, JsonTableColumnType,
    JsonTablePathSpec, JsonValueExpr, TypeName,
};
use pg_query::{Node, NodeEnum};

use crate::conversion::JSON_SYNTAX;
use crate::from::Source;
use crate::scope::Value;
use crate::select::Columns;
use crate::tree::{self, NOWHERE};
use crate::unsupported::unsupported;
use crate::walk::Walk;
use crate::{Refusal, names, types};

/// The name of an entry of FROM that has none.
const JSON_TABLE: &str = "json_table";

impl Walk<'_> {
    /// Checks an expression of SQL/JSON.
    #[expect(clippy::wildcard_enum_match_arm, reason = "a node that is not named is refused")]
    pub(crate) fn json_expr(&mut self, node: NodeEnum) -> Result<Node, Refusal> {
        self.functions.insert(JSON_SYNTAX.to_owned());
        let checked = match node {
            NodeEnum::JsonObjectConstructor(object) => {
                NodeEnum::JsonObjectConstructor(self.json_object(object)?)
            }
            NodeEnum::JsonArrayConstructor(array) => {
                NodeEnum::JsonArrayConstructor(self.json_array(array)?)
            }
            NodeEnum::JsonArrayQueryConstructor(array) => {
                NodeEnum::JsonArrayQueryConstructor(Box::new(self.json_array_query(*array)?))
            }
            NodeEnum::JsonObjectAgg(object) => {
                let JsonObjectAgg { constructor, arg, absent_on_null, unique } = *object;
                let arg = arg.map(|pair| self.json_pair(*pair).map(Box::new)).transpose()?;
                let constructor = self.json_aggregate(constructor)?;
                let object = JsonObjectAgg { constructor, arg, absent_on_null, unique };
                NodeEnum::JsonObjectAgg(Box::new(object))
            }
            NodeEnum::JsonArrayAgg(array) => {
                let JsonArrayAgg { constructor, arg, absent_on_null } = *array;
                let arg = self.json_value_option(arg)?;
                let constructor = self.json_aggregate(constructor)?;
                NodeEnum::JsonArrayAgg(Box::new(JsonArrayAgg { constructor, arg, absent_on_null }))
            }
            NodeEnum::JsonIsPredicate(test) => {
                let JsonIsPredicate { expr, format, item_type, unique_keys, location: _ } = *test;
                let (expr, format) = (self.expr_option(expr)?, format.map(placeless));
                let location = NOWHERE;
                let test = JsonIsPredicate { expr, format, item_type, unique_keys, location };
                NodeEnum::JsonIsPredicate(Box::new(test))
            }
            NodeEnum::JsonParseExpr(parse) => {
                let JsonParseExpr { expr, output, unique_keys, location: _ } = *parse;
                let (expr, output) = (self.json_value_option(expr)?, self.json_output(output)?);
                let parse = JsonParseExpr { expr, output, unique_keys, location: NOWHERE };
                NodeEnum::JsonParseExpr(Box::new(parse))
            }
            NodeEnum::JsonScalarExpr(scalar) => {
                let JsonScalarExpr { expr, output, location: _ } = *scalar;
                let (expr, output) = (self.expr_option(expr)?, self.json_output(output)?);
                NodeEnum::JsonScalarExpr(Box::new(JsonScalarExpr {
                    expr,
                    output,
                    location: NOWHERE,
                }))
            }
            NodeEnum::JsonSerializeExpr(text) => {
                let JsonSerializeExpr { expr, output, location: _ } = *text;
                let (expr, output) = (self.json_value_option(expr)?, self.json_output(output)?);
                let text = JsonSerializeExpr { expr, output, location: NOWHERE };
                NodeEnum::JsonSerializeExpr(Box::new(text))
            }
            NodeEnum::JsonFuncExpr(call) => {
                NodeEnum::JsonFuncExpr(Box::new(self.json_function(*call)?))
            }
            other => return Err(unsupported(&other)),
        };
        Ok(tree::node(checked))
    }

    fn json_object(
        &mut self,
        object: JsonObjectConstructor,
    ) -> Result<JsonObjectConstructor, Refusal> {
        let JsonObjectConstructor { exprs, output, absent_on_null, unique, location: _ } = object;
        let mut pairs = Vec::with_capacity(exprs.len());
        for pair in exprs {
            let Some(NodeEnum::JsonKeyValue(pair)) = pair.node else {
                return Err(Refusal::syntax("not a key and its value"));
            };
            pairs.push(tree::node(NodeEnum::JsonKeyValue(Box::new(self.json_pair(*pair)?))));
        }
        let output = self.json_output(output)?;
        let location = NOWHERE;
        Ok(JsonObjectConstructor { exprs: pairs, output, absent_on_null, unique, location })
    }

    fn json_array(&mut self, array: JsonArrayConstructor) -> Result<JsonArrayConstructor, Refusal> {
        let JsonArrayConstructor { exprs, output, absent_on_null, location: _ } = array;
        let mut values = Vec::with_capacity(exprs.len());
        for value in exprs {
            let Some(NodeEnum::JsonValueExpr(value)) = value.node else {
                return Err(Refusal::syntax("not a value of an array"));
            };
            values.push(tree::node(NodeEnum::JsonValueExpr(Box::new(self.json_value(*value)?))));
        }
        let output = self.json_output(output)?;
        Ok(JsonArrayConstructor { exprs: values, output, absent_on_null, location: NOWHERE })
    }

    fn json_array_query(
        &mut self,
        array: JsonArrayQueryConstructor,
    ) -> Result<JsonArrayQueryConstructor, Refusal> {
        let JsonArrayQueryConstructor { query, output, format, absent_on_null, location: _ } =
            array;
        let (query, _) = self.unmasked_query(query)?;
        Ok(JsonArrayQueryConstructor {
            query: Some(Box::new(query)),
            output: self.json_output(output)?,
            format: format.map(placeless),
            absent_on_null,
            location: NOWHERE,
        })
    }

    fn json_pair(&mut self, pair: JsonKeyValue) -> Result<JsonKeyValue, Refusal> {
        let JsonKeyValue { key, value } = pair;
        Ok(JsonKeyValue { key: self.expr_option(key)?, value: self.json_value_option(value)? })
    }

    fn json_value(&mut self, value: JsonValueExpr) -> Result<JsonValueExpr, Refusal> {
        let JsonValueExpr { raw_expr, formatted_expr: _, format } = value;
        let raw_expr = self.expr_option(raw_expr)?;
        Ok(JsonValueExpr { raw_expr, formatted_expr: None, format: format.map(placeless) })
    }

    fn json_value_option(
        &mut self,
        value: Option<Box<JsonValueExpr>>,
    ) -> Result<Option<Box<JsonValueExpr>>, Refusal> {
        value.map(|value| self.json_value(*value).map(Box::new)).transpose()
    }

    fn json_aggregate(
        &mut self,
        constructor: Option<Box<JsonAggConstructor>>,
    ) -> Result<Option<Box<JsonAggConstructor>>, Refusal> {
        let Some(constructor) = constructor else { return Ok(None) };
        let JsonAggConstructor { output, agg_filter, agg_order, over, location: _ } = *constructor;
        Ok(Some(Box::new(JsonAggConstructor {
            output: self.json_output(output)?,
            agg_filter: self.expr_option(agg_filter)?,
            agg_order: self.sort_expressions(agg_order)?,
            over: over.map(|window| self.window(*window).map(Box::new)).transpose()?,
            location: NOWHERE,
        })))
    }

    fn json_function(&mut self, call: JsonFuncExpr) -> Result<JsonFuncExpr, Refusal> {
        let JsonFuncExpr {
            op,
            column_name,
            context_item,
            pathspec,
            passing,
            output,
            on_empty,
            on_error,
            wrapper,
            quotes,
            location: _,
        } = call;
        Ok(JsonFuncExpr {
            op,
            column_name,
            context_item: self.json_value_option(context_item)?,
            pathspec: self.expr_option(pathspec)?,
            passing: self.json_passing(passing)?,
            output: self.json_output(output)?,
            on_empty: self.json_behavior(on_empty)?,
            on_error: self.json_behavior(on_error)?,
            wrapper,
            quotes,
            location: NOWHERE,
        })
    }

    fn json_passing(&mut self, passing: Vec<Node>) -> Result<Vec<Node>, Refusal> {
        let mut checked = Vec::with_capacity(passing.len());
        for argument in passing {
            let Some(NodeEnum::JsonArgument(argument)) = argument.node else {
                return Err(Refusal::syntax("not an argument of PASSING"));
            };
            let JsonArgument { val, name } = *argument;
            let argument = JsonArgument { val: self.json_value_option(val)?, name };
            checked.push(tree::node(NodeEnum::JsonArgument(Box::new(argument))));
        }
        Ok(checked)
    }

    fn json_behavior(
        &mut self,
        behavior: Option<Box<JsonBehavior>>,
    ) -> Result<Option<Box<JsonBehavior>>, Refusal> {
        let Some(behavior) = behavior else { return Ok(None) };
        let JsonBehavior { btype, expr, coerce, location: _ } = *behavior;
        let expr = self.expr_option(expr)?;
        Ok(Some(Box::new(JsonBehavior { btype, expr, coerce, location: NOWHERE })))
    }

    fn json_output(&mut self, output: Option<JsonOutput>) -> Result<Option<JsonOutput>, Refusal> {
        let Some(JsonOutput { type_name, returning }) = output else { return Ok(None) };
        let type_name = type_name.map(|name| self.json_type(name)).transpose()?;
        let returning = returning.map(|JsonReturning { format, typid, typmod }| JsonReturning {
            format: format.map(placeless),
            typid,
            typmod,
        });
        Ok(Some(JsonOutput { type_name, returning }))
    }

    fn json_type(&mut self, name: TypeName) -> Result<TypeName, Refusal> {
        let name = types::type_name(self.world, name)?;
        match tree::as_texts(&name.names).as_deref() {
            Some([tree::SYSTEM_SCHEMA, _]) => Ok(name),
            Some(parts) => Err(Refusal::data_type(&parts.join("."))),
            None => Err(Refusal::data_type("name")),
        }
    }

    /// `JSON_TABLE (…)` in FROM.
    pub(crate) fn json_table(&mut self, table: JsonTable) -> Result<Source, Refusal> {
        let JsonTable {
            context_item,
            pathspec,
            passing,
            columns,
            on_error,
            alias,
            lateral,
            location: _,
        } = table;
        self.set_lateral(true);
        let context_item = self.json_value_option(context_item);
        let passing = self.json_passing(passing);
        self.set_lateral(false);
        let (context_item, passing) = (context_item?, passing?);
        let (columns, outputs) = self.json_columns(columns)?;
        let on_error = self.json_behavior(on_error)?;
        let alias = names::checked_alias(alias)?;
        let name = alias.as_ref().map_or(JSON_TABLE, |alias| alias.aliasname.as_str()).to_owned();
        let item = self.item_of(Some(name), outputs, alias.as_ref())?;
        let table = JsonTable {
            context_item,
            pathspec: self.json_path(pathspec)?,
            passing,
            columns,
            on_error,
            alias,
            lateral,
            location: NOWHERE,
        };
        Ok(Source { node: tree::node(NodeEnum::JsonTable(Box::new(table))), items: vec![item] })
    }

    fn json_path(
        &mut self,
        path: Option<Box<JsonTablePathSpec>>,
    ) -> Result<Option<Box<JsonTablePathSpec>>, Refusal> {
        let Some(path) = path else { return Ok(None) };
        let JsonTablePathSpec { string, name, name_location: _, location: _ } = *path;
        let string = self.expr_option(string)?;
        let (name_location, location) = (NOWHERE, NOWHERE);
        Ok(Some(Box::new(JsonTablePathSpec { string, name, name_location, location })))
    }

    /// The columns of a level, with those of the levels below behind them, as PostgreSQL counts.
    fn json_columns(&mut self, columns: Vec<Node>) -> Result<(Vec<Node>, Columns), Refusal> {
        self.reserve_outputs(0, columns.len())?;
        let mut checked = Vec::with_capacity(columns.len());
        let (mut outputs, mut below) = (Columns::new(), Columns::new());
        for column in columns {
            let Some(NodeEnum::JsonTableColumn(column)) = column.node else {
                return Err(Refusal::syntax("not a column of JSON_TABLE"));
            };
            let (column, mut inner) = self.json_column(*column)?;
            match JsonTableColumnType::try_from(column.coltype) {
                Ok(JsonTableColumnType::JtcNested) => below.append(&mut inner),
                Ok(
                    JsonTableColumnType::JtcForOrdinality
                    | JsonTableColumnType::JtcRegular
                    | JsonTableColumnType::JtcExists
                    | JsonTableColumnType::JtcFormatted,
                ) => outputs.push((column.name.clone(), Value::computed())),
                Ok(JsonTableColumnType::Undefined) | Err(_) => {
                    return Err(Refusal::syntax("unknown kind of column of JSON_TABLE"));
                }
            }
            checked.push(tree::node(NodeEnum::JsonTableColumn(Box::new(column))));
        }
        outputs.append(&mut below);
        Ok((checked, outputs))
    }

    fn json_column(
        &mut self,
        column: JsonTableColumn,
    ) -> Result<(JsonTableColumn, Columns), Refusal> {
        let JsonTableColumn {
            coltype,
            name,
            type_name,
            pathspec,
            format,
            wrapper,
            quotes,
            columns,
            on_empty,
            on_error,
            location: _,
        } = column;
        let type_name = type_name.map(|name| self.json_type(name)).transpose()?;
        let (columns, inner) = self.json_columns(columns)?;
        let column = JsonTableColumn {
            coltype,
            name,
            type_name,
            pathspec: self.json_path(pathspec)?,
            format: format.map(placeless),
            wrapper,
            quotes,
            columns,
            on_empty: self.json_behavior(on_empty)?,
            on_error: self.json_behavior(on_error)?,
            location: NOWHERE,
        };
        Ok((column, inner))
    }
}

fn placeless(format: JsonFormat) -> JsonFormat {
    let JsonFormat { format_type, encoding, location: _ } = format;
    JsonFormat { format_type, encoding, location: NOWHERE }
}
