//! ALTER of anything. Changes of a table's columns go to its Delta log and to the catalog.

use super::{CommandContext, constraint, policy, role, sequence};
use crate::catalog::changes;
use crate::catalog::model::{Object, ObjectKind, Table};
use crate::error::{Error, Result, SqlState};
use crate::execution::outcome::Notice;
use crate::statement::ast::{Alter, ColumnDefinition, ObjectName};
use crate::storage::{ColumnDefinition as StoredColumn, Operation, SchemaChange};

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
            let owner = command.context.catalog.resolve_role(to)?.id;
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
            add_columns(command, &table, columns).await?;
            Ok("ALTER TABLE")
        }
        Alter::DropColumn {
            table,
            column,
            if_exists,
            cascade,
        } => {
            let table = command.table(table)?;
            let dropped = command
                .stage(|staged, role, _| changes::drop_column(staged, role, table.id, column, *if_exists, *cascade))
                .await?;
            if dropped {
                alter_log(
                    command,
                    &table,
                    "DROP COLUMNS",
                    vec![SchemaChange::DropColumn { name: column.clone() }],
                )
                .await?;
            }
            Ok("ALTER TABLE")
        }
        Alter::RenameColumn { table, column, to } => {
            let table = command.table(table)?;
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
        Alter::Sequence {
            name,
            options,
            owned_by,
        } => sequence::alter(command, name, options, owned_by.as_ref()).await,
        Alter::SetDefault { table, column, default } => {
            let table = command.table(table)?;
            constraint::set_default(command, &table, column, default.as_deref()).await?;
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
        Alter::DropConstraint { table, name, if_exists } => {
            let table = command.table(table)?;
            command
                .stage(|staged, role, _| changes::drop_constraint(staged, role, table.id, name, *if_exists))
                .await?;
            Ok("ALTER TABLE")
        }
        Alter::SetNotNull { not_null: true, .. } => Err(Error::unsupported("SET NOT NULL on an existing column")
            .with_hint("Create the table anew with the constraint.")),
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
            let table = command.table(table)?;
            policy::set_row_filter(command, &table, function, columns).await?;
            Ok("ALTER TABLE")
        }
        Alter::DropRowFilter { table } => {
            let table = command.table(table)?;
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
            let table = command.table(table)?;
            policy::set_column_mask(command, &table, column, function, using_columns).await?;
            Ok("ALTER TABLE")
        }
        Alter::DropColumnMask { table, column } => {
            let table = command.table(table)?;
            command
                .stage(|staged, role, _| changes::drop_column_mask(staged, role, table.id, column))
                .await?;
            Ok("ALTER TABLE")
        }
        Alter::Role { name, options } => role::alter(command, name, options).await,
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

/// What the statement names. ALTER TABLE takes views too, as in PostgreSQL: dbt renames them so.
fn object<'a>(command: &'a CommandContext<'_>, kind: ObjectKind, name: &'a ObjectName) -> Result<&'a Object> {
    let of_kind = |kind| command.context.catalog.resolve_object(kind, command.names(), &name.0);
    match of_kind(kind) {
        Err(error) if kind == ObjectKind::Table && error.state() == SqlState::WrongObjectType => {
            of_kind(ObjectKind::View).map_err(|_| error)
        }
        resolved => resolved,
    }
}

async fn add_columns(
    command: &mut CommandContext<'_>,
    table: &Table,
    columns: &[(ColumnDefinition, bool)],
) -> Result<()> {
    if let Some((column, _)) = columns.iter().find(|(column, _)| column.not_null) {
        let message = format!(
            "column \"{}\" of relation \"{}\" contains null values",
            column.name, table.name
        );
        return Err(Error::new(SqlState::NotNullViolation, message).with_hint("Add the column without NOT NULL."));
    }
    let mut new = vec![];
    for (column, if_not_exists) in columns {
        if column.numbering.is_some() {
            return Err(Error::unsupported("a new column that numbers the rows"));
        }
        if column.default.is_some() {
            return Err(Error::unsupported("a new column with DEFAULT")
                .with_hint("Add the column, then ALTER COLUMN … SET DEFAULT, which holds for new rows."));
        }
        new.push((constraint::new_column(command, column).await?, *if_not_exists));
    }
    // An earlier action of the statement may have dropped a column of that name.
    let before = super::create_table::staged_table(command, table.id).await?;
    command
        .stage(|staged, role, _| changes::add_columns(staged, role, table.id, &new))
        .await?;
    let added = new
        .iter()
        .filter(|(column, _)| before.column_named(&column.name).is_none());
    let added: Vec<SchemaChange> = added
        .map(|(column, _)| {
            SchemaChange::AddColumn(StoredColumn {
                name: column.name.clone(),
                sql_type: column.sql_type.clone(),
                nullable: true,
                comment: column.comment.clone(),
            })
        })
        .collect();
    for (column, _) in columns {
        if let Some(mask) = &column.mask {
            policy::set_column_mask(command, table, &column.name, &mask.function, &mask.columns).await?;
        }
    }
    if !added.is_empty() {
        alter_log(command, table, "ADD COLUMNS", added).await?;
    }
    let declared = columns.iter().flat_map(|(column, _)| &column.constraints);
    for declared in declared {
        let table = super::create_table::staged_table(command, table.id).await?;
        constraint::add(command, &table, declared, false).await?;
    }
    Ok(())
}

/// The Delta half of the change.
async fn alter_log(
    command: &mut CommandContext<'_>,
    table: &Table,
    operation: &str,
    changes: Vec<SchemaChange>,
) -> Result<()> {
    let (delta, base) = super::insert::open(command, table).await?;
    let operation = Operation::new(operation).with_user(&command.context.principal.role_name);
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
        ObjectKind::Function => "ALTER FUNCTION",
        ObjectKind::Role => "ALTER ROLE",
        ObjectKind::ExternalLocation => "ALTER EXTERNAL LOCATION",
        ObjectKind::Sequence => "ALTER SEQUENCE",
    }
}
