//! DROP of anything. A managed table's files stay until the retention of dropped tables has passed.

use super::CommandContext;
use super::create_table::staged_table;
use crate::catalog::changes;
use crate::catalog::model::{ObjectKind, Oid};
use crate::error::{Error, Result, SqlState};
use crate::execution::outcome::Notice;
use crate::statement::ast::ObjectName;

pub(super) async fn run(
    command: &mut CommandContext<'_>,
    kind: ObjectKind,
    names: &[ObjectName],
    if_exists: bool,
    cascade: bool,
) -> Result<&'static str> {
    if kind == ObjectKind::Role {
        return drop_roles(command, names, if_exists).await;
    }
    if kind == ObjectKind::Database && names.iter().any(|name| name.0 == [&*command.context.database_name]) {
        return Err(Error::new(
            SqlState::ObjectInUse,
            "cannot drop the currently open database",
        ));
    }
    let names: Vec<Vec<String>> = names.iter().map(|name| name.0.clone()).collect();
    if cascade {
        drop_columns(command, kind, &names).await?;
    }
    command
        .stage(|staged, role, scope| changes::drop_named(staged, role, kind, scope, &names, if_exists, cascade))
        .await?;
    Ok(match kind {
        ObjectKind::Database => "DROP DATABASE",
        ObjectKind::Schema => "DROP SCHEMA",
        ObjectKind::Table => "DROP TABLE",
        ObjectKind::View => "DROP VIEW",
        ObjectKind::MaterializedView => "DROP MATERIALIZED VIEW",
        ObjectKind::Sequence => "DROP SEQUENCE",
        ObjectKind::Index => "DROP INDEX",
        ObjectKind::Type => "DROP TYPE",
        ObjectKind::Domain => "DROP DOMAIN",
        ObjectKind::ExternalLocation => "DROP EXTERNAL LOCATION",
        ObjectKind::Role => "DROP ROLE",
        ObjectKind::Function => return Err(Error::internal("functions are dropped by the types that they take")),
        ObjectKind::Column => return Err(Error::internal("a column is dropped by ALTER TABLE")),
    })
}

/// The columns whose types are about to go; their tables stay.
async fn drop_columns(command: &mut CommandContext<'_>, kind: ObjectKind, names: &[Vec<String>]) -> Result<()> {
    let columns = command
        .stage(|staged, role, scope| changes::columns_of_dropped_types(staged, role, kind, scope, names))
        .await?;
    drop_each(command, columns).await
}

async fn drop_each(command: &mut CommandContext<'_>, columns: Vec<(Oid, String)>) -> Result<()> {
    for (table, column) in columns {
        let table = staged_table(command, table).await?;
        command.notices.push(Notice::notice(format!(
            "drop cascades to column {column} of table {}",
            table.name
        )));
        super::alter::drop_column(command, &table, &column, false, true).await?;
    }
    Ok(())
}

async fn drop_roles(command: &mut CommandContext<'_>, names: &[ObjectName], if_exists: bool) -> Result<&'static str> {
    for name in names {
        let found = command.context.catalog.role_named(name.last()).map(|role| role.id);
        let Some(target) = found else {
            if if_exists {
                command
                    .notices
                    .push(Notice::notice(format!("role \"{name}\" does not exist, skipping")));
                continue;
            }
            return Err(Error::new(
                SqlState::UndefinedObject,
                format!("role \"{name}\" does not exist"),
            ));
        };
        let login = command.context.principal.login;
        command
            .stage(|staged, role, _| changes::drop_role(staged, role, login, target))
            .await?;
    }
    Ok("DROP ROLE")
}

/// DROP OWNED BY.
pub(super) async fn owned(command: &mut CommandContext<'_>, roles: &[String], cascade: bool) -> Result<&'static str> {
    let roles = named(command, roles)?;
    if cascade {
        let columns = command
            .stage(|staged, role, scope| {
                let owned = changes::owned_objects(staged, role, scope.database, &roles)?;
                Ok(changes::columns_of_types_among(&staged.snapshot(), &owned))
            })
            .await?;
        drop_each(command, columns).await?;
    }
    command
        .stage(|staged, role, scope| changes::drop_owned(staged, role, scope.database, &roles, cascade))
        .await?;
    Ok("DROP OWNED")
}

/// REASSIGN OWNED BY.
pub(super) async fn reassign(command: &mut CommandContext<'_>, roles: &[String], to: &str) -> Result<&'static str> {
    let (roles, to) = (named(command, roles)?, command.role_named(to)?);
    command
        .stage(|staged, role, scope| changes::reassign_owned(staged, role, scope.database, &roles, to))
        .await?;
    Ok("REASSIGN OWNED")
}

fn named(command: &CommandContext<'_>, roles: &[String]) -> Result<Vec<Oid>> {
    roles.iter().map(|name| command.role_named(name)).collect()
}
