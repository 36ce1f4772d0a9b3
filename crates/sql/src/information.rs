//! The functions of `information_schema`: its own views call some, drivers one.

use pg_query::protobuf::{CoercionForm, FuncCall};
use pg_query::{Node, NodeEnum};

use crate::catalog_call::{INFORMATION_SCHEMA, spliced};
use crate::meaning::Meaning;
use crate::reg::Reg;
use crate::shown::Fill;
use crate::tree::{self, NOWHERE};
use crate::walk::Walk;
use crate::{Refusal, analyse};

impl Walk<'_> {
    /// A function of `information_schema`. Its own views use some; drivers use one.
    pub(crate) fn information_call(&mut self, name: &str, call: FuncCall) -> Result<Node, Refusal> {
        let refused = || Refusal::function(&format!("{INFORMATION_SCHEMA}.{name}"));
        let FuncCall { args, agg_star, over, agg_order, agg_filter, .. } = call;
        let is_plain_call =
            !agg_star && over.is_none() && agg_order.is_empty() && agg_filter.is_none();
        if !self.world.forwards || !is_plain_call {
            return Err(refused());
        }
        self.has_names = true;
        match name {
            "_pg_expandarray" => {}
            "_pg_truetypid" if self.definitions > 0 => {
                return self.true_type(&args, "typbasetype", "atttypid");
            }
            "_pg_truetypmod" if self.definitions > 0 => {
                return self.true_type(&args, "typtypmod", "atttypmod");
            }
            "_pg_char_max_length"
            | "_pg_char_octet_length"
            | "_pg_numeric_precision"
            | "_pg_numeric_precision_radix"
            | "_pg_numeric_scale"
            | "_pg_datetime_precision"
            | "_pg_interval_type"
                if self.definitions > 0 => {}
            "_pg_index_position" if self.definitions > 0 => {
                return self.index_position(args);
            }
            _ => return Err(refused()),
        }
        let args = self.expr_all(args)?;
        self.functions.insert(format!("{INFORMATION_SCHEMA}.{name}"));
        let call = FuncCall {
            funcname: tree::names([INFORMATION_SCHEMA, name]),
            args,
            funcformat: CoercionForm::CoerceExplicitCall as i32,
            location: NOWHERE,
            ..FuncCall::default()
        };
        Ok(tree::node(NodeEnum::FuncCall(Box::new(call))))
    }

    /// `_pg_truetypid(a.*, t.*)`: the type below a domain. PostgreSQL's function takes whole rows.
    fn true_type(&mut self, args: &[Node], of_domain: &str, own: &str) -> Result<Node, Refusal> {
        let item = |node: &Node| {
            let Some(NodeEnum::ColumnRef(column)) = &node.node else { return None };
            let (star, item) = column.fields.split_last()?;
            let parts = tree::as_texts(item)?;
            parts.first().filter(|_| tree::is_star(star)).map(|part| (*part).to_owned())
        };
        let items: Option<Vec<String>> = args.iter().map(item).collect();
        let (Some([attribute, data_type]), true) = (items.as_deref(), args.len() == 2) else {
            return Err(Refusal::whole_row("*"));
        };
        let (attribute, data_type) = (quote(attribute), quote(data_type));
        let text = format!(
            "CASE WHEN {data_type}.typtype = 'd' THEN {data_type}.{of_domain} ELSE {attribute}.{own} END"
        );
        let node = spliced(&text)?;
        self.expr(node)
    }

    /// `_pg_index_position(index, column)`, which reads a catalog: only of an index that is shown.
    fn index_position(&mut self, args: Vec<Node>) -> Result<Node, Refusal> {
        let Ok([index, column]) = <[Node; 2]>::try_from(args) else {
            return Err(Refusal::no_function("this call"));
        };
        let index = self.argument_number(Reg::Class, index)?;
        let column = self.expr(column)?;
        let column = analyse::expression_text(&column)?;
        let sight = self.sight();
        let is_shown = Fill::new(self.world, &sight).is("rel", &index);
        spliced(&format!(
            "CASE WHEN {is_shown} THEN {INFORMATION_SCHEMA}._pg_index_position({index}, {column}) END"
        ))
    }

    /// True if the value is a row of `_pg_expandarray`, of which fields may be taken.
    pub(crate) fn is_expanded(&self, value: &Node) -> bool {
        self.meaning_of(value) == Meaning::Expanded
    }
}

fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
