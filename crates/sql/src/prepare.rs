//! PREPARE, EXECUTE, DEALLOCATE and DISCARD.
//!
//! What is prepared is judged when it is prepared; EXECUTE names it, and the session knows what the
//! name stands for ([`Plan::resolved`]). The arguments of EXECUTE are values of the client's own.

use model::{Facts, StatementKind};
use pg_query::protobuf::{DeallocateStmt, DiscardMode, DiscardStmt, ExecuteStmt, PrepareStmt};
use pg_query::{Node, NodeEnum};

use crate::analyse::{without_rows, write_out};
use crate::cursor::{before, checked_name, kept};
use crate::tree;
use crate::types;
use crate::walk::Walk;
use crate::world::World;
use crate::{Effect, Plan, Refusal, Uses};

/// Most parameters of a statement (the protocol counts them in 16 bits).
const PARAMETERS_MAX: usize = 65_535;

/// Checks PREPARE.
pub(crate) fn prepare(world: &World<'_>, statement: PrepareStmt) -> Result<Plan, Refusal> {
    let PrepareStmt { name, argtypes, query } = statement;
    let name = checked_name(&name)?;
    let argtypes: Vec<Node> =
        argtypes.into_iter().map(|item| parameter_type(world, item)).collect::<Result<_, _>>()?;
    let kept = kept(world, query.and_then(|query| query.node))?;
    let forward = before(&kept, |query| {
        let query = Some(Box::new(tree::node(query)));
        NodeEnum::PrepareStmt(Box::new(PrepareStmt { name: name.clone(), argtypes, query }))
    })?;
    let facts = Facts { kind: StatementKind::Prepare, ..Facts::clone(&kept.facts) };
    Ok(Plan {
        effect: Effect::Prepare(name),
        // As for Parse: nothing is looked at before it runs.
        errors_quote_only_granted: true,
        kept: Some(kept.into()),
        ..Plan::new(facts, &forward)
    })
}

/// A type that a parameter may have, as for a protocol's Parse.
fn parameter_type(world: &World<'_>, item: Node) -> Result<Node, Refusal> {
    let Some(NodeEnum::TypeName(name)) = item.node else {
        return Err(Refusal::syntax("not a type"));
    };
    let is_unknown = tree::as_texts(&name.names).is_some_and(|names| {
        matches!(names.as_slice(), ["unknown"] | [tree::SYSTEM_SCHEMA, "unknown"])
    });
    if is_unknown && name.array_bounds.is_empty() && name.typmods.is_empty() {
        let names = tree::system_name("unknown");
        let unknown = pg_query::protobuf::TypeName { names, typemod: -1, ..Default::default() };
        return Ok(tree::node(NodeEnum::TypeName(unknown)));
    }
    let name = types::type_name(world, name)?;
    let oid = types::oid(world.catalog, &name);
    if !oid.is_some_and(|oid| types::is_parameter_type(world, oid)) {
        return Err(Refusal::data_type("of this parameter"));
    }
    Ok(tree::node(NodeEnum::TypeName(name)))
}

/// Checks EXECUTE.
pub(crate) fn execute(world: &World<'_>, statement: ExecuteStmt) -> Result<Plan, Refusal> {
    let ExecuteStmt { name, params } = statement;
    let name = checked_name(&name)?;
    if params.len() > PARAMETERS_MAX {
        return Err(Refusal::too_large("parameters", PARAMETERS_MAX));
    }
    let mut walk = Walk::new(world, &[]);
    let mut arguments = Vec::with_capacity(params.len());
    let checked = params.into_iter().map(|value| {
        let value = walk.nested(|walk| walk.expr(value))?;
        arguments.push(std::mem::take(&mut walk.constants));
        Ok(value)
    });
    let params = checked.collect::<Result<Vec<Node>, Refusal>>()?;
    // EXECUTE itself touches nothing, and a parameter has no value here.
    if !walk.uses.is_empty() || walk.parameters_max > 0 {
        return Err(Refusal::later("not_supported_argument", "this argument of EXECUTE")
            .with_hint("Give constants, or use the driver's own parameters."));
    }
    params.iter().try_for_each(|value| walk.check_argument(value))?;
    let facts = walk.facts(StatementKind::Read);
    let execute = ExecuteStmt { name: name.clone(), params };
    let forward = write_out(NodeEnum::ExecuteStmt(execute))?;
    Ok(Plan {
        uses: Uses::Statement { name },
        arguments,
        errors_quote_only_granted: true,
        ..Plan::new(facts, &forward)
    })
}

/// Checks DEALLOCATE.
pub(crate) fn deallocate(statement: DeallocateStmt) -> Result<Plan, Refusal> {
    let DeallocateStmt { name, isall, location: _ } = statement;
    let is_all = isall || name.is_empty();
    let name = if is_all { None } else { Some(checked_name(&name)?) };
    let forward = name.as_ref().map_or_else(
        || "DEALLOCATE ALL".to_owned(),
        |name| format!("DEALLOCATE \"{}\"", name.replace('"', "\"\"")),
    );
    let effect = Effect::Deallocate(name);
    Ok(Plan { effect, ..without_rows(StatementKind::Session, &forward) })
}

/// Checks DISCARD.
pub(crate) fn discard(statement: DiscardStmt) -> Result<Plan, Refusal> {
    let DiscardStmt { target } = statement;
    let (forward, effect) = match DiscardMode::try_from(target) {
        Ok(DiscardMode::DiscardAll) => ("DISCARD ALL", Effect::DiscardAll),
        Ok(DiscardMode::DiscardPlans) => ("DISCARD PLANS", Effect::None),
        Ok(DiscardMode::DiscardSequences) => ("DISCARD SEQUENCES", Effect::None),
        Ok(DiscardMode::DiscardTemp) => ("DISCARD TEMP", Effect::None),
        Ok(DiscardMode::Undefined) | Err(_) => {
            return Err(Refusal::later("not_supported_discard", "this form of DISCARD"));
        }
    };
    Ok(Plan { effect, ..without_rows(StatementKind::Session, forward) })
}
