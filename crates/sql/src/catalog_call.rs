//! Functions that tell of the catalogs: each is answered as if nothing existed but what is
//! PostgreSQL's own and what live grants cover.
//!
//! **Invariant:** none of them is forwarded with an object that is not shown.

use pg_query::protobuf::FuncCall;
use pg_query::{Node, NodeEnum};

use crate::reg::{Missing, Reg};
use crate::scope::{self};
use crate::shown::{self, Fill};
use crate::tree::{self, NOWHERE};
use crate::walk::Walk;
use crate::{Refusal, analyse, limits, privilege};

/// The schema of the views that the SQL standard defines.
pub(crate) const INFORMATION_SCHEMA: &str = "information_schema";

/// How a function of the catalogs is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// As it is: it depends on nothing that a grant protects.
    Plain,
    /// As for an object that is not there: NULL.
    Nothing,
    /// NULL unless the object at this place is shown; the word is one of `shown.txt`.
    If(&'static str, usize),
    /// The text of a view.
    Definition,
    /// An expression of a catalog, with the relation whose columns it names.
    Expression,
    /// The name of a role.
    RoleName,
    /// Whether a bare name reaches the object.
    Reach(Reg),
    /// The number of a name.
    Number(Reg),
    /// Whether a privilege is held.
    Privilege,
    /// The search path.
    Schemas,
    /// The sequence of a column.
    Sequence,
    /// The values of a sequence.
    SequenceData,
    /// A partition and what it is a part of.
    Ancestors,
}

/// The rule of a function of `pg_catalog`; nothing if it is not one of the catalogs' functions.
#[rustfmt::skip]
pub(crate) fn rule(name: &str) -> Option<Rule> {
    Some(match name {
        "pg_encoding_to_char" | "pg_char_to_encoding" | "getdatabaseencoding" | "pg_client_encoding"
        | "pg_encoding_max_length" | "pg_is_in_recovery" | "pg_size_pretty" | "pg_size_bytes"
        | "pg_get_keywords" | "pg_options_to_table" | "pg_my_temp_schema"
        | "pg_is_other_temp_schema" | "pg_timezone_names" | "pg_timezone_abbrevs"
        | "nameconcatoid" => Rule::Plain,
        "obj_description" | "col_description" | "shobj_description" | "acldefault"
        | "pg_relation_size" | "pg_total_relation_size" | "pg_table_size" | "pg_indexes_size"
        | "pg_database_size" | "pg_tablespace_size" | "pg_tablespace_location"
        | "pg_sequence_last_value" | "pg_describe_object" | "pg_relation_is_publishable"
        | "pg_get_triggerdef" | "pg_get_ruledef" | "pg_get_statisticsobjdef"
        | "pg_get_statisticsobjdef_columns" | "pg_get_partition_constraintdef"
        | "pg_relation_filenode" | "pg_relation_filepath" | "row_security_active"
        | "pg_get_replica_identity_index" | "pg_statistics_obj_is_visible" => Rule::Nothing,
        "format_type" => Rule::If("type", 0),
        "pg_get_indexdef" | "pg_index_column_has_property" | "pg_index_has_property"
        | "pg_relation_is_updatable" | "pg_column_is_updatable" | "pg_sequence_parameters" => {
            Rule::If("rel", 0)
        }
        "pg_get_constraintdef" => Rule::If("con", 0),
        "pg_get_viewdef" => Rule::Definition,
        "pg_get_partkeydef" => Rule::If("bound", 0),
        "pg_get_functiondef" | "pg_get_function_arguments" | "pg_get_function_result"
        | "pg_get_function_identity_arguments" | "pg_get_function_arg_default"
        | "pg_get_function_sqlbody" | "pg_indexam_has_property" | "pg_function_is_visible"
        | "pg_operator_is_visible" | "pg_opclass_is_visible" | "pg_opfamily_is_visible"
        | "pg_collation_is_visible" | "pg_conversion_is_visible" | "pg_ts_config_is_visible"
        | "pg_ts_dict_is_visible" | "pg_ts_parser_is_visible" | "pg_ts_template_is_visible" => {
            Rule::If("own", 0)
        }
        "pg_get_expr" => Rule::Expression,
        "pg_get_userbyid" => Rule::RoleName,
        "pg_table_is_visible" => Rule::Reach(Reg::Class),
        "pg_type_is_visible" => Rule::Reach(Reg::Type),
        "current_schemas" => Rule::Schemas,
        "pg_get_serial_sequence" => Rule::Sequence,
        "pg_get_sequence_data" => Rule::SequenceData,
        "pg_partition_ancestors" => Rule::Ancestors,
        "pg_has_role" => Rule::Privilege,
        _ if name.starts_with("has_") && name.ends_with("_privilege") => Rule::Privilege,
        _ => Rule::Number(name.strip_prefix("to_").and_then(Reg::of)?),
    })
}

/// The columns of the result of a catalogs' function in FROM; nothing if it may not stand there.
pub(crate) fn columns(name: &str) -> Option<&'static [&'static str]> {
    match name {
        "pg_options_to_table" => Some(&["option_name", "option_value"]),
        "pg_get_keywords" => Some(&["word", "catcode", "barelabel", "catdesc", "baredesc"]),
        "pg_get_sequence_data" => Some(&["last_value", "is_called"]),
        "pg_partition_ancestors" => Some(&[]),
        _ => None,
    }
}

impl Walk<'_> {
    /// Checks a call of a function of the catalogs and writes its answer.
    pub(crate) fn catalog_call(
        &mut self,
        name: &str,
        rule: Rule,
        call: FuncCall,
    ) -> Result<Node, Refusal> {
        let FuncCall {
            funcname: _,
            args,
            agg_order,
            agg_filter,
            over,
            agg_within_group,
            agg_star,
            agg_distinct,
            func_variadic,
            funcformat: _,
            location: _,
        } = call;
        let is_plain_call = agg_order.is_empty()
            && agg_filter.is_none()
            && over.is_none()
            && !(agg_within_group || agg_star || agg_distinct || func_variadic);
        if !self.world.forwards || !is_plain_call {
            return Err(Refusal::function(name));
        }
        self.functions.insert(name.to_owned());
        match rule {
            Rule::Plain => {
                let args = self.expr_all(args)?;
                Ok(system_call(name, args))
            }
            Rule::Nothing => {
                let args = args.into_iter().map(|arg| self.never(arg)).collect::<Result<_, _>>()?;
                Ok(system_call(name, args))
            }
            Rule::If(word, place) => self.call_if(name, word, place, args),
            Rule::Definition => self.definition(args),
            Rule::Expression => self.catalog_expression(name, args),
            Rule::RoleName => {
                let number = self.number_text(Reg::Role, args)?;
                let identity = shown::quoted(self.world.identity);
                spliced(&format!(
                    "CASE {number} WHEN 10 THEN {identity}::pg_catalog.name ELSE pg_catalog.concat(\
                     'unknown (OID=', {number}, ')')::pg_catalog.name END"
                ))
            }
            Rule::Reach(reg) => self.reach_call(name, reg, args),
            Rule::Number(reg) => match <[Node; 1]>::try_from(args) {
                Ok([value]) => self.number(reg, value, Missing::Null),
                Err(_) => Err(Refusal::function(name)),
            },
            Rule::Privilege => {
                let text = privilege::answer(self, name, args)?;
                spliced(&text)
            }
            Rule::Schemas => self.schemas(args),
            Rule::Sequence => self.sequence(args),
            Rule::SequenceData => self.sequence_data(args),
            Rule::Ancestors => self.ancestors(args),
        }
    }

    /// A value of its own type that is always NULL. It is checked, and its parameters are counted.
    fn never(&mut self, value: Node) -> Result<Node, Refusal> {
        if matches!(value.node, Some(NodeEnum::AConst(_))) {
            return spliced("NULL");
        }
        let checked = self.expr(value)?;
        let text = analyse::expression_text(&checked)?;
        spliced(&format!("CASE WHEN false THEN {text} END"))
    }

    /// The single argument as the text of a number.
    pub(crate) fn number_text(&mut self, reg: Reg, args: Vec<Node>) -> Result<String, Refusal> {
        match <[Node; 1]>::try_from(args) {
            Ok([value]) => self.argument_number(reg, value),
            Err(_) => Err(Refusal::no_function("this call")),
        }
    }

    /// An argument that names an object, as the text of its number.
    pub(crate) fn argument_number(&mut self, reg: Reg, value: Node) -> Result<String, Refusal> {
        let is_literal = matches!(value.node, Some(NodeEnum::AConst(_)));
        let checked =
            if is_literal { self.number(reg, value, Missing::Refused)? } else { self.expr(value)? };
        Ok(format!("({})::pg_catalog.oid", analyse::expression_text(&checked)?))
    }

    fn call_if(
        &mut self,
        name: &str,
        word: &'static str,
        place: usize,
        args: Vec<Node>,
    ) -> Result<Node, Refusal> {
        let mut texts = Vec::with_capacity(args.len());
        for (index, arg) in args.into_iter().enumerate() {
            if index == place {
                let reg = if word == "type" { Reg::Type } else { Reg::Class };
                texts.push(self.argument_number(reg, arg)?);
            } else {
                let checked = self.expr(arg)?;
                texts.push(analyse::expression_text(&checked)?);
            }
        }
        let number = texts.get(place).ok_or_else(|| Refusal::function(name))?.clone();
        let sight = self.sight();
        let is_shown = Fill::new(self.world, &sight).is(word, &number);
        let call = format!("pg_catalog.{name}({})", texts.join(", "));
        spliced(&format!("CASE WHEN {is_shown} THEN {call} END"))
    }

    /// `pg_get_expr` names columns by their numbers in a relation. Unless that is the relation of
    /// the expression itself, every column of it must be shown.
    fn catalog_expression(&mut self, name: &str, args: Vec<Node>) -> Result<Node, Refusal> {
        if !(2..=3).contains(&args.len()) {
            return Err(Refusal::function(name));
        }
        let is_own = match args.as_slice() {
            [tree, relation, ..] => self.are_of_one_row(tree, relation),
            _ => false,
        };
        if is_own {
            let args = self.expr_all(args)?;
            return Ok(system_call(name, args));
        }
        self.call_if(name, "whole", 1, args)
    }

    /// True if an expression and a relation stand in the same row of one catalog.
    fn are_of_one_row(&self, tree: &Node, relation: &Node) -> bool {
        const PAIRS: [(&str, &str); 6] = [
            ("adbin", "adrelid"),
            ("indexprs", "indrelid"),
            ("indpred", "indrelid"),
            ("conbin", "conrelid"),
            ("relpartbound", "oid"),
            ("partexprs", "partrelid"),
        ];
        let found = |node: &Node| {
            let Some(NodeEnum::ColumnRef(column)) = &node.node else { return None };
            let parts = tree::as_texts(&column.fields)?;
            scope::resolve(&self.levels, &parts).ok().map(|found| found.column)
        };
        let (Some(tree), Some(relation)) = (found(tree), found(relation)) else { return false };
        let holds = |item: &&scope::Item| {
            let has = |id: u64| item.columns.iter().any(|column| column.id == id);
            item.is_catalog && has(tree.id) && has(relation.id)
        };
        PAIRS.contains(&(tree.name.as_str(), relation.name.as_str()))
            && self.levels.iter().flat_map(|level| &level.items).any(|item| holds(&item))
    }
}

/// Parses what was put together, within a bound.
pub(crate) fn spliced(text: &str) -> Result<Node, Refusal> {
    if text.len() > limits::FORWARD_BYTES_MAX {
        let limit = limits::FORWARD_BYTES_MAX;
        return Err(Refusal::too_large("bytes with its names written out", limit));
    }
    analyse::read_expression(text).ok_or_else(Refusal::mismatch)
}

/// A call of a function of PostgreSQL's own with checked arguments.
fn system_call(name: &str, args: Vec<Node>) -> Node {
    tree::node(NodeEnum::FuncCall(Box::new(FuncCall {
        funcname: tree::system_name(name),
        args,
        funcformat: pg_query::protobuf::CoercionForm::CoerceExplicitCall as i32,
        location: NOWHERE,
        ..FuncCall::default()
    })))
}
