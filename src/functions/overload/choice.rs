//! The choice among functions that users made, by the rules that hold for PostgreSQL's own.

use datafusion::arrow::datatypes::FieldRef;

use super::resolve::{Given, Parameter, given, resolve};
use crate::error::Result;
use crate::types::SqlType;
use crate::types::polymorphic::is_polymorphic;

/// Which of these functions, by the types of their arguments, a call means; 42883 if none takes such arguments. `None`
/// is a literal that nothing has typed.
pub fn chosen_function(name: &str, signatures: &[Vec<SqlType>], arguments: &[Option<SqlType>]) -> Result<usize> {
    let parameters = |types: &Vec<SqlType>| types.iter().cloned().map(parameter).collect();
    let overloads: Vec<(Vec<Parameter>, bool)> = signatures.iter().map(|types| (parameters(types), false)).collect();
    let arguments = arguments.iter().map(|argument| match argument {
        None | Some(SqlType::Unknown) => Given::Unknown,
        Some(known) => Given::Known(known.clone()),
    });
    let (chosen, _) = resolve(name, &overloads, &arguments.collect::<Vec<_>>())?;
    Ok(chosen)
}

fn parameter(declared: SqlType) -> Parameter {
    match is_polymorphic(&declared) {
        true => Parameter::Polymorphic(declared),
        false => Parameter::Type(declared),
    }
}

/// The types of arguments for `chosen_function`.
pub fn given_types(fields: &[FieldRef]) -> Vec<Option<SqlType>> {
    let types = fields.iter().map(|field| match given(field) {
        Given::Unknown => None,
        Given::Known(known) => Some(known),
    });
    types.collect()
}
