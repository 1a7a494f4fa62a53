//! CREATE DATABASE, SCHEMA and EXTERNAL LOCATION.

use super::CommandContext;
use crate::catalog::changes::{self, WhenTaken};
use crate::catalog::model::Oid;
use crate::error::{Error, Result, SqlState};
use crate::statement::ast::CreateSchema;

/// What IF NOT EXISTS and OR REPLACE make of a taken name.
pub(super) fn when_taken(if_not_exists: bool, or_replace: bool) -> WhenTaken {
    match (if_not_exists, or_replace) {
        (true, _) => WhenTaken::Keep,
        (_, true) => WhenTaken::Replace,
        _ => WhenTaken::Refuse,
    }
}

fn role_named(command: &CommandContext<'_>, name: Option<&str>) -> Result<Option<Oid>> {
    name.map(|name| command.role_named(name)).transpose()
}

pub(super) async fn database(
    command: &mut CommandContext<'_>,
    name: &str,
    if_not_exists: bool,
    owner: Option<&str>,
) -> Result<&'static str> {
    let owner = role_named(command, owner)?;
    let when = when_taken(if_not_exists, false);
    command
        .stage(|staged, role, _| changes::create_database(staged, role, name, owner, when))
        .await?;
    Ok("CREATE DATABASE")
}

pub(super) async fn schema(command: &mut CommandContext<'_>, create: &CreateSchema) -> Result<&'static str> {
    let owner = role_named(command, create.owner.as_deref())?;
    let name = &create.name;
    let (database, schema) = match name.0.as_slice() {
        [schema] => (command.context.database, schema),
        [database, schema] => (command.context.catalog.resolve_database(database)?.id, schema),
        _ => {
            let message = format!("improper qualified name (too many dotted names): {name}");
            return Err(Error::new(SqlState::SyntaxError, message));
        }
    };
    let when = when_taken(create.if_not_exists, false);
    command
        .stage(|staged, role, _| changes::create_schema(staged, role, database, schema, owner, when))
        .await?;
    Ok("CREATE SCHEMA")
}

pub(super) async fn external_location(
    command: &mut CommandContext<'_>,
    name: &str,
    if_not_exists: bool,
    url: &str,
    options: &[(String, String)],
) -> Result<&'static str> {
    let url = command.services.storage.check_external(url, options)?;
    let warehouse = command.services.storage.url().to_string();
    let options = options.to_vec();
    let when = when_taken(if_not_exists, false);
    command
        .stage(|staged, role, _| changes::create_external_location(staged, role, name, &url, options, &warehouse, when))
        .await?;
    Ok("CREATE EXTERNAL LOCATION")
}
