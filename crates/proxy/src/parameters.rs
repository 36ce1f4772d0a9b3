//! The parameters of Bind: what is recorded of them, and what may not be among them.

use mask::Encoding;
use model::Parameter;
use pgwire::Format;
use pgwire::frontend::Bind;
use sql::{Given, Plan, Refusal};

use crate::prepared::Statement;

/// Checks that no parameter which is written to a masked column is what the mask shows.
pub(crate) fn check(
    plan: &Plan,
    statement: &Statement,
    parameters: &[Parameter],
) -> Result<(), Refusal> {
    let encoding = |index: usize| match statement.types.get(index) {
        None | Some(0) => Encoding::Inferred,
        Some(oid) => Encoding::Declared(*oid),
    };
    plan.check_parameters(parameters.len(), |index| {
        Some(match parameters.get(index)? {
            Parameter::Null => Given::Null,
            Parameter::Text(value) => Given::Text(value),
            Parameter::Binary(value) => Given::Binary(value, encoding(index)),
        })
    })
}

/// The parameters of a Bind, as they are recorded.
pub(crate) fn of(bind: &Bind) -> Vec<Parameter> {
    bind.parameters
        .iter()
        .enumerate()
        .map(|(index, value)| match (value, bind.parameter_format(index)) {
            (None, _) => Parameter::Null,
            (Some(value), Format::Text) => Parameter::Text(value.to_vec()),
            (Some(value), Format::Binary) => Parameter::Binary(value.to_vec()),
        })
        .collect()
}
