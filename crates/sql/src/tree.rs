//! Small pieces of syntax trees: building nodes, reading names.

use pg_query::protobuf::{
    self, AConst, AStar, CoalesceExpr, CoercionForm, ColumnRef, FuncCall, Integer, List, ResTarget,
    TypeCast, TypeName, a_const,
};
use pg_query::{Node, NodeEnum};

/// Where a node stands in a text that we write. Locations are not compared.
pub(crate) const NOWHERE: i32 = 0;

/// The schema of everything that is PostgreSQL's own.
pub(crate) const SYSTEM_SCHEMA: &str = "pg_catalog";

pub(crate) fn node(inner: NodeEnum) -> Node {
    Node { node: Some(inner) }
}

pub(crate) fn text_node(text: &str) -> Node {
    node(NodeEnum::String(protobuf::String { sval: text.to_owned() }))
}

/// A list of names, for example `pg_catalog.lower`.
pub(crate) fn names<'a>(parts: impl IntoIterator<Item = &'a str>) -> Vec<Node> {
    parts.into_iter().map(text_node).collect()
}

/// A name of PostgreSQL's own, qualified.
pub(crate) fn system_name(name: &str) -> Vec<Node> {
    names([SYSTEM_SCHEMA, name])
}

pub(crate) fn list(items: Vec<Node>) -> Node {
    node(NodeEnum::List(List { items }))
}

pub(crate) fn column_ref<'a>(parts: impl IntoIterator<Item = &'a str>) -> Node {
    node(NodeEnum::ColumnRef(ColumnRef { fields: names(parts), location: NOWHERE }))
}

pub(crate) fn integer(value: i32) -> Node {
    constant(a_const::Val::Ival(Integer { ival: value }))
}

pub(crate) fn boolean(value: bool) -> Node {
    constant(a_const::Val::Boolval(protobuf::Boolean { boolval: value }))
}

fn constant(value: a_const::Val) -> Node {
    node(NodeEnum::AConst(AConst { isnull: false, location: NOWHERE, val: Some(value) }))
}

/// Where a constant or a column name stands in the client's text; -1 for all else.
pub(crate) fn place(node: &Node) -> i32 {
    match &node.node {
        Some(NodeEnum::AConst(constant)) => constant.location,
        Some(NodeEnum::ColumnRef(column)) => column.location,
        _ => -1,
    }
}

/// A text constant.
pub(crate) fn text(text: &str) -> Node {
    constant(a_const::Val::Sval(protobuf::String { sval: text.to_owned() }))
}

/// A text constant cast to one of PostgreSQL's own types.
pub(crate) fn typed_text(text: &str, type_name: &str) -> Node {
    typed(self::text(text), type_name)
}

fn typed(literal: Node, type_name: &str) -> Node {
    let type_name = TypeName {
        names: system_name(type_name),
        type_oid: 0,
        setof: false,
        pct_type: false,
        typmods: Vec::new(),
        typemod: -1,
        array_bounds: Vec::new(),
        location: NOWHERE,
    };
    node(NodeEnum::TypeCast(Box::new(TypeCast {
        arg: Some(Box::new(literal)),
        type_name: Some(type_name),
        location: NOWHERE,
    })))
}

/// NULL cast to one of PostgreSQL's own types.
pub(crate) fn typed_null(type_name: &str) -> Node {
    let null = AConst { isnull: true, location: NOWHERE, val: None };
    typed(node(NodeEnum::AConst(null)), type_name)
}

/// A call of one of PostgreSQL's own functions.
pub(crate) fn call(name: &str, args: Vec<Node>) -> Node {
    node(NodeEnum::FuncCall(Box::new(FuncCall {
        funcname: system_name(name),
        args,
        funcformat: CoercionForm::CoerceExplicitCall as i32,
        location: NOWHERE,
        ..FuncCall::default()
    })))
}

/// An entry of a target list; an empty name is no name.
pub(crate) fn target(name: &str, value: Node) -> Node {
    node(NodeEnum::ResTarget(Box::new(ResTarget {
        name: name.to_owned(),
        indirection: Vec::new(),
        val: Some(Box::new(value)),
        location: NOWHERE,
    })))
}

/// A value that the target reports as computed, without an origin.
pub(crate) fn computed(value: Node) -> Node {
    node(NodeEnum::CoalesceExpr(Box::new(CoalesceExpr {
        args: vec![value],
        location: NOWHERE,
        ..CoalesceExpr::default()
    })))
}

/// The text of a name part; nothing if the node is another one.
pub(crate) fn as_text(item: &Node) -> Option<&str> {
    match &item.node {
        Some(NodeEnum::String(protobuf::String { sval })) => Some(sval),
        Some(_) | None => None,
    }
}

/// The parts of a name; nothing if one is not a plain name.
pub(crate) fn as_texts(items: &[Node]) -> Option<Vec<&str>> {
    items.iter().map(as_text).collect()
}

/// The value of a text constant.
pub(crate) fn as_constant_text(item: &Node) -> Option<&str> {
    match as_constant(item) {
        Some(a_const::Val::Sval(protobuf::String { sval })) => Some(sval),
        Some(_) | None => None,
    }
}

/// The value of a truth constant.
pub(crate) fn as_constant_truth(item: &Node) -> Option<bool> {
    match as_constant(item) {
        Some(a_const::Val::Boolval(protobuf::Boolean { boolval })) => Some(*boolval),
        Some(_) | None => None,
    }
}

fn as_constant(item: &Node) -> Option<&a_const::Val> {
    match &item.node {
        Some(NodeEnum::AConst(AConst { isnull: false, location: _, val })) => val.as_ref(),
        Some(_) | None => None,
    }
}

/// The value of an integer constant.
pub(crate) fn as_integer(item: &Node) -> Option<i32> {
    match as_constant(item) {
        Some(a_const::Val::Ival(Integer { ival })) => Some(*ival),
        Some(_) | None => None,
    }
}

/// The value of a boolean constant.
pub(crate) fn as_boolean(item: &Node) -> Option<bool> {
    match &item.node {
        Some(NodeEnum::AConst(AConst {
            isnull: false,
            location: _,
            val: Some(a_const::Val::Boolval(protobuf::Boolean { boolval })),
        })) => Some(*boolval),
        Some(_) | None => None,
    }
}

/// The text of a string constant, with a cast to a text type or without.
pub(crate) fn as_literal_text(item: &Node) -> Option<&str> {
    match &item.node {
        Some(NodeEnum::AConst(AConst {
            isnull: false,
            location: _,
            val: Some(a_const::Val::Sval(protobuf::String { sval })),
        })) => Some(sval),
        Some(NodeEnum::TypeCast(cast)) => {
            let TypeCast { arg, type_name, location: _ } = &**cast;
            let is_text = type_name.as_ref().is_some_and(crate::reg::is_text);
            arg.as_deref().filter(|_| is_text).and_then(as_literal_text)
        }
        Some(_) | None => None,
    }
}

/// True for the bare `*` or a qualified one.
pub(crate) fn is_star(item: &Node) -> bool {
    matches!(item.node, Some(NodeEnum::AStar(AStar {})))
}
