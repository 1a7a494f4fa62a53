//! CREATE TYPE and ALTER TYPE. Tables keep labels as text and composite values as structs: a label's new name and other
//! fields are written into the rows that have values of the type.

use super::create_table::staged_table;
use super::{CommandContext, alter_column};
use crate::catalog::changes::{self, EnumPlace};
use crate::catalog::model::{ObjectKind, Oid};
use crate::error::Result;
use crate::statement::ast::{AlterAttributes, CreateComposite, ObjectName};

pub(super) async fn create_enum(
    command: &mut CommandContext<'_>,
    name: &ObjectName,
    labels: &[String],
) -> Result<&'static str> {
    let (schema, name) = command.creation_place(name).await?;
    command
        .stage(|staged, role, _| changes::create_enum(staged, role, schema, &name, labels))
        .await?;
    Ok("CREATE TYPE")
}

pub(super) async fn create_composite(
    command: &mut CommandContext<'_>,
    create: &CreateComposite,
) -> Result<&'static str> {
    let (schema, name) = command.creation_place(&create.name).await?;
    command
        .stage(|staged, role, _| changes::create_composite(staged, role, schema, &name, &create.fields))
        .await?;
    Ok("CREATE TYPE")
}

pub(super) async fn alter_attributes(
    command: &mut CommandContext<'_>,
    alter: &AlterAttributes,
) -> Result<&'static str> {
    let id = type_id(command, &alter.name)?;
    let changed = command
        .stage(|staged, role, _| changes::alter_composite(staged, role, id, &alter.changes))
        .await?;
    for table in &changed.tables {
        alter_column::change_fields(command, table, &changed).await?;
    }
    Ok("ALTER TYPE")
}

pub(super) async fn add_label(
    command: &mut CommandContext<'_>,
    name: &ObjectName,
    label: &str,
    place: &EnumPlace,
    if_not_exists: bool,
) -> Result<&'static str> {
    let id = type_id(command, name)?;
    command
        .stage(|staged, role, _| changes::add_label(staged, role, id, label, place, if_not_exists))
        .await?;
    Ok("ALTER TYPE")
}

pub(super) async fn rename_label(
    command: &mut CommandContext<'_>,
    name: &ObjectName,
    from: &str,
    to: &str,
) -> Result<&'static str> {
    let id = type_id(command, name)?;
    let tables = command
        .stage(|staged, role, _| {
            changes::rename_label(staged, role, id, from, to)?;
            changes::label_users(&staged.snapshot(), id, from)
        })
        .await?;
    for table in tables {
        let table = staged_table(command, table.id).await?;
        alter_column::rename_label(command, &table, id, from, to).await?;
    }
    Ok("ALTER TYPE")
}

fn type_id(command: &CommandContext<'_>, name: &ObjectName) -> Result<Oid> {
    let catalog = &command.context.catalog;
    Ok(catalog.resolve_object(ObjectKind::Type, command.names(), &name.0)?.id())
}
