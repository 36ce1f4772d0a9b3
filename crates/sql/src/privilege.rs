//! `has_table_privilege` and its like, answered by what live grants cover.

use std::collections::BTreeSet;

use model::Action;
use pg_query::{Node, NodeEnum};

use crate::meaning::Meaning;
use crate::reg::{Missing, Reg};
use crate::shown::{self, Fill};
use crate::walk::Walk;
use crate::{Refusal, analyse, tree};

/// The text of the answer.
pub(crate) fn answer(
    walk: &mut Walk<'_>,
    name: &str,
    mut args: Vec<Node>,
) -> Result<String, Refusal> {
    let refused = || Refusal::function(name);
    let objects = match name {
        "has_column_privilege" => 2,
        "has_table_privilege"
        | "has_any_column_privilege"
        | "has_schema_privilege"
        | "has_database_privilege"
        | "has_sequence_privilege"
        | "has_function_privilege"
        | "has_type_privilege"
        | "has_language_privilege"
        | "has_tablespace_privilege"
        | "has_foreign_data_wrapper_privilege"
        | "has_server_privilege"
        | "has_parameter_privilege"
        | "pg_has_role" => 1,
        _ => return Err(refused()),
    };
    let wanted = args.pop().ok_or_else(refused)?;
    let wanted = tree::as_literal_text(&wanted)
        .ok_or_else(|| refused().with_hint("Write the privilege as a text in the statement."))?;
    let wanted: Vec<String> =
        wanted.split(',').map(|word| word.trim().to_ascii_uppercase()).collect();
    let who = match args.len().checked_sub(objects) {
        Some(0) => None,
        Some(1) => {
            let user = args.remove(0);
            Some(is_own_role(walk, user)?)
        }
        Some(_) | None => return Err(refused()),
    };
    let has = |word: &str| wanted.iter().any(|wanted| wanted == word);
    let held = match name {
        "has_table_privilege" | "has_any_column_privilege" => table_privilege(walk, args, &wanted)?,
        "has_column_privilege" => column_privilege(walk, args, &wanted)?,
        "has_schema_privilege" => {
            let schema = text_of(walk, args, Reg::Namespace)?;
            if has("USAGE") { schema_is_seen(walk, &schema) } else { "false".to_owned() }
        }
        "pg_has_role" => is_own_role(walk, args.pop().ok_or_else(refused)?)?,
        _ => {
            // What the answer does not depend on may not be masked either.
            walk.expr_all(args)?;
            let held = match name {
                "has_database_privilege" => has("CONNECT"),
                "has_function_privilege" => has("EXECUTE"),
                "has_type_privilege" | "has_language_privilege" => has("USAGE"),
                _ => false,
            };
            held.to_string()
        }
    };
    // No bare AND or OR: inside of another one it would not read as what it is.
    Ok(who.map_or_else(|| held.clone(), |who| format!("CASE WHEN {who} THEN {held} END")))
}

fn is_own_role(walk: &mut Walk<'_>, role: Node) -> Result<String, Refusal> {
    let role = text_of(walk, vec![role], Reg::Role)?;
    let own = [walk.world.identity, "10"];
    Ok(format!("({role} = ANY ({}::pg_catalog.text[]))", shown::texts(own.into_iter())))
}

/// The single argument as a text: a name or a number.
fn text_of(walk: &mut Walk<'_>, args: Vec<Node>, reg: Reg) -> Result<String, Refusal> {
    let Ok([value]) = <[Node; 1]>::try_from(args) else {
        return Err(Refusal::no_function("this call"));
    };
    let checked = match &value.node {
        Some(NodeEnum::TypeCast(_)) if walk.meaning_of(&value) == Meaning::Named(reg) => {
            walk.number(reg, value, Missing::Null)?
        }
        Some(_) | None => walk.expr(value)?,
    };
    Ok(format!("({})::pg_catalog.text", analyse::expression_text(&checked)?))
}

fn schema_is_seen(walk: &mut Walk<'_>, schema: &str) -> String {
    let sight = walk.sight();
    let own = ["pg_catalog", "information_schema", "11"].map(str::to_owned);
    let seen = sight.schemas.iter().flat_map(|(name, oid)| [name.clone(), oid.to_string()]);
    let names: Vec<String> = own.into_iter().chain(seen).collect();
    let names = shown::texts(names.iter().map(String::as_str));
    format!("({schema} = ANY ({names}::pg_catalog.text[]))")
}

/// The actions that privileges of tables stand for.
fn actions(wanted: &[String]) -> Vec<Action> {
    let action = |word: &String| match word.as_str() {
        "SELECT" => Some(Action::Select),
        "INSERT" => Some(Action::Insert),
        "UPDATE" => Some(Action::Update),
        "DELETE" => Some(Action::Delete),
        _ => None,
    };
    wanted.iter().filter_map(action).collect()
}

fn table_privilege(
    walk: &mut Walk<'_>,
    args: Vec<Node>,
    wanted: &[String],
) -> Result<String, Refusal> {
    let table = table_number(walk, args)?;
    let world = walk.world;
    let actions = actions(wanted);
    let is_held = |name| actions.iter().any(|action| !(world.granted)(name, *action).is_empty());
    let sight = walk.sight();
    let held: Vec<u32> =
        sight.tables.iter().filter(|(_, name)| is_held(name)).map(|(oid, _)| *oid).collect();
    let own = if actions.contains(&Action::Select) {
        format!("{table} < 16384 OR ")
    } else {
        String::new()
    };
    let is_seen = Fill::new(world, &sight).is("rel", &table);
    let held = shown::oids(held.into_iter());
    Ok(format!("(CASE WHEN {is_seen} THEN {own}{table} = ANY ({held}) END)"))
}

fn column_privilege(
    walk: &mut Walk<'_>,
    mut args: Vec<Node>,
    wanted: &[String],
) -> Result<String, Refusal> {
    let column = args.pop().ok_or_else(|| Refusal::no_function("this call"))?;
    let table = table_number(walk, args)?;
    let column = walk.expr(column)?;
    let column = analyse::expression_text(&column)?;
    let world = walk.world;
    let mut held = BTreeSet::new();
    for relation in world.catalog.relations.values() {
        let granted: BTreeSet<String> = actions(wanted)
            .into_iter()
            .flat_map(|action| (world.granted)(&relation.name, action))
            .collect();
        for known in relation.columns.iter().filter(|column| granted.contains(&column.name)) {
            held.insert(format!("{}.{}", relation.oid, known.number));
            held.insert(format!("{}.{}", relation.oid, known.name));
        }
    }
    let held = shown::texts(held.iter().map(String::as_str));
    Ok(format!(
        "(pg_catalog.concat({table}, '.', ({column})::pg_catalog.text) = ANY ({held}::pg_catalog.text[]))"
    ))
}

/// The table as the text of its number; a name that is not shown is none.
fn table_number(walk: &mut Walk<'_>, args: Vec<Node>) -> Result<String, Refusal> {
    let Ok([value]) = <[Node; 1]>::try_from(args) else {
        return Err(Refusal::no_function("this call"));
    };
    let number = walk.number(Reg::Class, value, Missing::Refused)?;
    Ok(format!("({})::pg_catalog.oid", analyse::expression_text(&number)?))
}
