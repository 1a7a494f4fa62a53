//! SET CONSTRAINTS. Foreign keys are declared only and have nothing to wait for; keys are compared when a statement has
//! written its rows, and none waits for COMMIT.

use super::CommandContext;
use crate::catalog::model::{Constraint, ConstraintRule, Table};
use crate::error::{Error, Result, SqlState};
use crate::statement::ast::ObjectName;

pub(super) fn run(command: &CommandContext<'_>, names: &[ObjectName], deferred: bool) -> Result<&'static str> {
    for name in names {
        let found = named(command, name)?;
        let refused = found.iter().find_map(|constraint| refusal(constraint, deferred));
        match refused {
            Some(error) => return Err(error),
            None if found.is_empty() => {
                let message = format!("constraint \"{}\" does not exist", name.0.join("."));
                return Err(Error::new(SqlState::UndefinedObject, message));
            }
            None => {}
        }
    }
    Ok("SET CONSTRAINTS")
}

/// The constraints of that name in the schema that it names, or else in the first one of the search path that has any.
fn named<'a>(command: &'a CommandContext<'_>, name: &ObjectName) -> Result<Vec<&'a Constraint>> {
    let catalog = &command.context.catalog;
    let schemas = match name.0.as_slice() {
        [_] => command.context.search_path.clone(),
        [schema @ .., _] => vec![catalog.resolve_schema(command.context.database, schema)?.id],
        [] => vec![],
    };
    let access = catalog.access(command.role());
    let of_table = |table: &'a Table| table.constraints.iter().filter(|known| known.name == name.last());
    for schema in schemas.into_iter().filter(|schema| access.uses_schema(*schema)) {
        let tables = catalog
            .relations(schema)
            .filter_map(|object| catalog.table(object.id()));
        let found: Vec<&Constraint> = tables.flat_map(of_table).collect();
        if !found.is_empty() {
            return Ok(found);
        }
    }
    Ok(vec![])
}

fn refusal(constraint: &Constraint, deferred: bool) -> Option<Error> {
    let name = &constraint.name;
    match constraint.rule {
        ConstraintRule::ForeignKey { .. } => None,
        ConstraintRule::Check { .. } => {
            let message = format!("constraint \"{name}\" is not deferrable");
            Some(Error::new(SqlState::WrongObjectType, message))
        }
        ConstraintRule::PrimaryKey { .. } | ConstraintRule::Unique { .. } => {
            let what = || Error::unsupported(format!("deferring the key \"{name}\""));
            let hint = "Keys are compared when a statement has written its rows: one UPDATE may exchange two values.";
            deferred.then(|| what().with_hint(hint))
        }
    }
}
