//! CREATE and ALTER SEQUENCE.

use std::sync::Arc;

use super::CommandContext;
use super::create::when_taken;
use crate::catalog::changes::{self, NewSequence, SequenceOptions};
use crate::catalog::model::{ObjectKind, Oid};
use crate::error::Result;
use crate::statement::ast::ObjectName;

/// `temporary` is the schema of temporary objects, for one that goes with the session.
pub(super) async fn create(
    command: &mut CommandContext<'_>,
    name: &ObjectName,
    temporary: Option<Oid>,
    if_not_exists: bool,
    options: &SequenceOptions,
    owned_by: Option<&(ObjectName, String)>,
) -> Result<&'static str> {
    let (schema, name) = match temporary {
        Some(schema) => (schema, name.last().to_string()),
        None => command.creation_place(name).await?,
    };
    let new = NewSequence {
        schema,
        name,
        options: options.clone(),
        owned_by: owned_by.map(|owner| column(command, owner)).transpose()?,
    };
    let when = when_taken(if_not_exists, false);
    command
        .stage(|staged, role, _| changes::create_sequence(staged, role, new, when))
        .await?;
    Ok("CREATE SEQUENCE")
}

pub(super) async fn alter(
    command: &mut CommandContext<'_>,
    name: &ObjectName,
    options: &SequenceOptions,
    owned_by: Option<&Option<(ObjectName, String)>>,
) -> Result<&'static str> {
    let catalog = &command.context.catalog;
    let id = catalog
        .resolve_object(ObjectKind::Sequence, command.names(), &name.0)?
        .id();
    let owned_by = match owned_by {
        Some(Some(owner)) => Some(Some(column(command, owner)?)),
        Some(None) => Some(None),
        None => None,
    };
    let numbers = Arc::clone(&command.services.catalog);
    command
        .stage(|staged, role, _| {
            numbers.settle_sequence(staged, id)?;
            changes::alter_sequence(staged, role, id, options, owned_by)
        })
        .await?;
    Ok("ALTER SEQUENCE")
}

fn column(command: &CommandContext<'_>, (table, column): &(ObjectName, String)) -> Result<(Oid, String)> {
    Ok((command.table(table)?.id, column.clone()))
}
