//! SET CONSTRAINTS: which keys and foreign keys wait for COMMIT, where their rows are compared.

use super::CommandContext;
use crate::catalog::model::{Constraint, Table};
use crate::error::{Error, Result, SqlState};
use crate::execution::enforced_keys::EnforcedKeys;
use crate::execution::foreign_keys;
use crate::statement::ast::ObjectName;

/// No names are ALL. What waits no more is compared at once.
pub(super) async fn run(
    command: &mut CommandContext<'_>,
    names: &[ObjectName],
    deferred: Option<bool>,
) -> Result<&'static str> {
    let Some(deferred) = deferred else {
        foreign_keys::settle_waiting(command).await?;
        return Ok("SET CONSTRAINTS");
    };
    let mut constraints = vec![];
    for name in names {
        let found = named(command, name)?;
        if found.is_empty() {
            let message = format!("constraint \"{}\" does not exist", name.0.join("."));
            return Err(Error::new(SqlState::UndefinedObject, message));
        }
        for constraint in found {
            if !constraint.timing.is_deferrable() {
                let message = format!("constraint \"{}\" is not deferrable", constraint.name);
                return Err(Error::new(SqlState::WrongObjectType, message));
            }
            constraints.push(constraint.id);
        }
    }
    let deferral = &mut command.transaction.deferral;
    match names.is_empty() {
        true => deferral.set_all(deferred),
        false => constraints.iter().for_each(|id| deferral.set(*id, deferred)),
    }
    if !deferred {
        compare_waiting(command).await?;
        if names.is_empty() {
            command.transaction.deferral.settled();
        }
    }
    Ok("SET CONSTRAINTS")
}

/// 23505 where rows of the transaction's tables share a key that waited and does not any more, 23503 where one refers
/// to none.
async fn compare_waiting(command: &mut CommandContext<'_>) -> Result<()> {
    for table in command.transaction.deferral.waiting() {
        let catalog = match command.transaction.staged_now() {
            Some(staged) => staged.snapshot(),
            None => std::sync::Arc::clone(&command.context.catalog),
        };
        let Some(table) = catalog.table(table).cloned() else {
            continue;
        };
        let (_, written) = super::insert::open(command, &table).await?;
        if let Some(keys) = EnforcedKeys::as_of(command, &catalog, &table, &written).await? {
            keys.verify_waiting(&written).await?;
        }
    }
    foreign_keys::settle_waiting(command).await
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
