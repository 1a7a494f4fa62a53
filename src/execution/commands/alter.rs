//! ALTER of anything. Changes of a table's columns go to its Delta log and to the catalog.

use super::{CommandContext, alter_column, constraint, domain, policy, role, sequence, user_type};
use crate::catalog::changes;
use crate::catalog::model::{Object, ObjectKind, Table};
use crate::error::{Error, Result, SqlState};
use crate::execution::outcome::Notice;
use crate::statement::ast::{Alter, ObjectName};
use crate::storage::{Operation, SchemaChange};

pub(super) async fn run(command: &mut CommandContext<'_>, alter: &Alter, if_exists: bool) -> Result<&'static str> {
    let actions = match alter {
        Alter::Several(actions) => actions.as_slice(),
        one => std::slice::from_ref(one),
    };
    let mut outcome = Ok("ALTER TABLE");
    for action in actions {
        outcome = change(command, action).await;
        if outcome.is_err() {
            break;
        }
    }
    match outcome {
        Err(error) if if_exists && error.state() == SqlState::UndefinedTable => {
            command
                .notices
                .push(Notice::notice(format!("{}, skipping", error.message())));
            Ok("ALTER TABLE")
        }
        other => other,
    }
}

async fn change(command: &mut CommandContext<'_>, alter: &Alter) -> Result<&'static str> {
    match alter {
        Alter::Several(_) => Err(Error::internal("several actions stand where one does")),
        Alter::Rename { kind, name, to } => {
            let id = object(command, *kind, name)?.id();
            command
                .stage(|staged, role, _| changes::rename(staged, role, id, to))
                .await?;
            Ok(tag(*kind))
        }
        Alter::Owner { kind, name, to } => {
            let id = object(command, *kind, name)?.id();
            let owner = command.role_named(to)?;
            command
                .stage(|staged, role, _| changes::change_owner(staged, role, id, owner))
                .await?;
            Ok(tag(*kind))
        }
        Alter::SetSchema { kind, name, to } => {
            let id = object(command, *kind, name)?.id();
            let schema = command
                .context
                .catalog
                .resolve_schema(command.context.database, &to.0)?
                .id;
            command
                .stage(|staged, role, _| changes::set_schema(staged, role, id, schema))
                .await?;
            Ok(tag(*kind))
        }
        Alter::AddColumns { table, columns } => {
            let table = command.table(table)?;
            alter_column::add(command, &table, columns).await?;
            Ok("ALTER TABLE")
        }
        Alter::DropColumn {
            table,
            column,
            if_exists,
            cascade,
        } => {
            let table = command.table(table)?;
            drop_column(command, &table, column, *if_exists, *cascade).await?;
            Ok("ALTER TABLE")
        }
        Alter::RenameColumn {
            kind,
            table: name,
            column,
            to,
        } => {
            if let Object::View(view) = object(command, ObjectKind::Table, name)? {
                let id = view.id;
                command
                    .stage(|staged, role, _| changes::rename_view_column(staged, role, id, column, to))
                    .await?;
                return Ok(tag(*kind));
            }
            let table = command.table(name)?;
            command
                .stage(|staged, role, _| changes::rename_column(staged, role, table.id, column, to))
                .await?;
            let renamed = SchemaChange::RenameColumn {
                from: column.clone(),
                to: to.clone(),
            };
            alter_log(command, &table, "RENAME COLUMN", vec![renamed]).await?;
            Ok("ALTER TABLE")
        }
        Alter::SetType {
            table,
            column,
            sql_type,
            using,
        } => {
            let table = command.table(table)?;
            alter_column::set_type(command, &table, column, sql_type, using.as_deref()).await?;
            Ok("ALTER TABLE")
        }
        Alter::Sequence {
            name,
            options,
            owned_by,
        } => sequence::alter(command, name, options, owned_by.as_ref()).await,
        Alter::AddLabel {
            name,
            label,
            place,
            if_not_exists,
        } => user_type::add_label(command, name, label, place, *if_not_exists).await,
        Alter::RenameLabel { name, from, to } => user_type::rename_label(command, name, from, to).await,
        Alter::Attributes(alter) => user_type::alter_attributes(command, alter).await,
        Alter::Domain { name, action } => domain::alter(command, name, action).await,
        Alter::SetDefault { table, column, default } => {
            let table = command.table(table)?;
            constraint::set_default(command, &table, column, default.as_deref()).await?;
            Ok("ALTER TABLE")
        }
        Alter::Identity { table, column, change } => {
            let table = command.table(table)?;
            command
                .stage(|staged, role, _| changes::change_identity(staged, role, table.id, column, change))
                .await?;
            Ok("ALTER TABLE")
        }
        Alter::AddConstraint {
            table,
            constraint,
            not_valid,
        } => {
            let table = command.table(table)?;
            constraint::add(command, &table, constraint, *not_valid).await?;
            Ok("ALTER TABLE")
        }
        Alter::DropConstraint {
            table,
            name,
            if_exists,
            cascade,
        } => {
            let table = command.table(table)?;
            command
                .stage(|staged, role, _| changes::drop_constraint(staged, role, table.id, name, *if_exists, *cascade))
                .await?;
            Ok("ALTER TABLE")
        }
        Alter::ValidateConstraint { table, name } => {
            let table = command.table(table)?;
            constraint::validate(command, &table, name).await?;
            Ok("ALTER TABLE")
        }
        Alter::RenameConstraint { table, name, to } => {
            let table = command.table(table)?;
            command
                .stage(|staged, role, _| changes::rename_constraint(staged, role, table.id, name, to))
                .await?;
            Ok("ALTER TABLE")
        }
        Alter::SetLogged { table, unlogged } => {
            let table = command.table(table)?;
            command
                .stage(|staged, role, _| changes::set_unlogged(staged, role, table.id, *unlogged))
                .await?;
            Ok("ALTER TABLE")
        }
        Alter::SetNotNull {
            table,
            column,
            not_null: true,
        } => {
            let table = command.table(table)?;
            alter_column::set_not_null(command, &table, column).await?;
            Ok("ALTER TABLE")
        }
        Alter::SetNotNull {
            table,
            column,
            not_null: false,
        } => {
            let table = command.table(table)?;
            command
                .stage(|staged, role, _| changes::set_not_null(staged, role, table.id, column, false))
                .await?;
            alter_log(
                command,
                &table,
                "CHANGE COLUMN",
                vec![SchemaChange::DropNotNull { name: column.clone() }],
            )
            .await?;
            Ok("ALTER TABLE")
        }
        Alter::SetRowFilter {
            table,
            function,
            columns,
        } => {
            let table = command.relation_with_rows(table)?;
            policy::set_row_filter(command, &table, function, columns).await?;
            Ok("ALTER TABLE")
        }
        Alter::DropRowFilter { table } => {
            let table = command.relation_with_rows(table)?;
            command
                .stage(|staged, role, _| changes::drop_row_filter(staged, role, table.id))
                .await?;
            Ok("ALTER TABLE")
        }
        Alter::SetColumnMask {
            table,
            column,
            function,
            using_columns,
        } => {
            let table = command.relation_with_rows(table)?;
            policy::set_column_mask(command, &table, column, function, using_columns).await?;
            Ok("ALTER TABLE")
        }
        Alter::DropColumnMask { table, column } => {
            let table = command.relation_with_rows(table)?;
            command
                .stage(|staged, role, _| changes::drop_column_mask(staged, role, table.id, column))
                .await?;
            Ok("ALTER TABLE")
        }
        Alter::Role { name, options } => role::alter(command, name, options).await,
        Alter::RoleSetting { name, setting } => role::alter_setting(command, name, setting).await,
        Alter::TableProperties { table, properties } => {
            let table = command.table(table)?;
            command
                .context
                .catalog
                .access(command.role())
                .require_owner(&Object::Table(table.clone()))?;
            alter_log(
                command,
                &table,
                "SET TBLPROPERTIES",
                vec![SchemaChange::SetProperties(properties.clone())],
            )
            .await?;
            Ok("ALTER TABLE")
        }
    }
}

/// DROP COLUMN, in the catalog and in the table.
pub(super) async fn drop_column(
    command: &mut CommandContext<'_>,
    table: &Table,
    column: &str,
    if_exists: bool,
    cascade: bool,
) -> Result<()> {
    let dropped = command
        .stage(|staged, role, _| changes::drop_column(staged, role, table.id, column, if_exists, cascade))
        .await?;
    if dropped {
        let name = column.to_string();
        alter_log(command, table, "DROP COLUMNS", vec![SchemaChange::DropColumn { name }]).await?;
    }
    Ok(())
}

/// What the statement names. ALTER TABLE takes every relation, as in PostgreSQL: dbt renames views so.
fn object<'a>(command: &'a CommandContext<'_>, kind: ObjectKind, name: &'a ObjectName) -> Result<&'a Object> {
    let (catalog, names) = (&command.context.catalog, command.names());
    if kind == ObjectKind::Index {
        // What is missing is a relation's name here, not an index's.
        catalog.resolve_relation(names, &name.0)?;
    }
    match catalog.resolve_object(kind, names, &name.0) {
        Err(error) if kind == ObjectKind::Table && error.state() == SqlState::WrongObjectType => {
            catalog.resolve_relation(names, &name.0)
        }
        resolved => resolved,
    }
}

/// The Delta half of the change.
pub(super) async fn alter_log(
    command: &mut CommandContext<'_>,
    table: &Table,
    operation: &str,
    changes: Vec<SchemaChange>,
) -> Result<()> {
    let (delta, base) = super::insert::open(command, table).await?;
    let operation = Operation::new(operation).with_user(&*command.context.principal.role_name);
    command
        .transaction
        .add_alteration(table, delta, base, changes, operation)
        .await
}

fn tag(kind: ObjectKind) -> &'static str {
    match kind {
        ObjectKind::Database => "ALTER DATABASE",
        ObjectKind::Schema => "ALTER SCHEMA",
        ObjectKind::Table | ObjectKind::Column => "ALTER TABLE",
        ObjectKind::View => "ALTER VIEW",
        ObjectKind::MaterializedView => "ALTER MATERIALIZED VIEW",
        ObjectKind::Function => "ALTER FUNCTION",
        ObjectKind::Role => "ALTER ROLE",
        ObjectKind::ExternalLocation => "ALTER EXTERNAL LOCATION",
        ObjectKind::Sequence => "ALTER SEQUENCE",
        ObjectKind::Index => "ALTER INDEX",
        ObjectKind::Type => "ALTER TYPE",
        ObjectKind::Domain => "ALTER DOMAIN",
    }
}
