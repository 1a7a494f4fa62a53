//! CREATE ROLE and ALTER ROLE. Passwords become SCRAM verifiers here and are kept nowhere.

use super::CommandContext;
use super::create::when_taken;
use crate::catalog::changes::{self, Created, RoleAttributes};
use crate::catalog::scram;
use crate::context::settings::{text_of, unrecognized};
use crate::error::Result;
use crate::statement::ast::{RoleOptions, RoleSetting};
use crate::types::parse::parse_value;
use crate::types::{SqlType, format::FormatSettings};

pub(super) async fn create(
    command: &mut CommandContext<'_>,
    name: &str,
    if_not_exists: bool,
    options: &RoleOptions,
) -> Result<&'static str> {
    let attributes = attributes(options, &command.format_settings)?;
    let when = when_taken(if_not_exists, false);
    let created = command
        .stage(|staged, role, _| changes::create_role(staged, role, name, &attributes, when))
        .await?;
    if let Created::New(id) = created {
        memberships(command, id, options).await?;
    }
    Ok("CREATE ROLE")
}

pub(super) async fn alter(command: &mut CommandContext<'_>, name: &str, options: &RoleOptions) -> Result<&'static str> {
    let target = command.context.catalog.resolve_role(name)?.id;
    let attributes = attributes(options, &command.format_settings)?;
    command
        .stage(|staged, role, _| changes::alter_role(staged, role, target, &attributes))
        .await?;
    memberships(command, target, options).await?;
    Ok("ALTER ROLE")
}

pub(super) async fn alter_setting(
    command: &mut CommandContext<'_>,
    name: &str,
    setting: &RoleSetting,
) -> Result<&'static str> {
    let target = command.role_named(name)?;
    let (name, value) = match setting {
        RoleSetting::ResetAll => {
            command
                .stage(|staged, role, _| changes::reset_role_settings(staged, role, target))
                .await?;
            return Ok("ALTER ROLE");
        }
        RoleSetting::Set { name, values } => (name, Some(text_of(name, values)?)),
        RoleSetting::SetFromCurrent(name) => {
            let value = command.settings.shown(name);
            (name, Some(value.ok_or_else(|| unrecognized(name))?))
        }
        RoleSetting::Reset(name) => (name, None),
    };
    if let Some(value) = &value
        && name != "role"
    {
        let is_superuser = command.context.catalog.access(command.role()).is_superuser();
        command.settings.check(name, value, is_superuser)?;
    }
    command
        .stage(|staged, role, _| changes::set_role_setting(staged, role, target, name, value.as_deref()))
        .await?;
    Ok("ALTER ROLE")
}

/// IN ROLE, ROLE and ADMIN.
async fn memberships(command: &mut CommandContext<'_>, role_id: u32, options: &RoleOptions) -> Result<()> {
    let catalog = &command.context.catalog;
    let mut grants = vec![];
    for name in &options.in_roles {
        grants.push((catalog.resolve_role(name)?.id, role_id, false));
    }
    for (names, admin) in [(&options.members, false), (&options.admins, true)] {
        for name in names {
            grants.push((role_id, catalog.resolve_role(name)?.id, admin));
        }
    }
    for (granted, member, admin) in grants {
        command
            .stage(|staged, role, _| changes::grant_role(staged, role, granted, member, admin))
            .await?;
    }
    Ok(())
}

fn attributes(options: &RoleOptions, settings: &FormatSettings) -> Result<RoleAttributes> {
    let verifier = match &options.password {
        None => None,
        Some(None) => Some(None),
        Some(Some(password)) if password.starts_with("SCRAM-SHA-256$") => Some(Some(password.clone())),
        Some(Some(password)) => Some(Some(scram::verifier_for(password)?)),
    };
    let valid_until = match options.valid_until.as_deref() {
        None => None,
        Some(text) if text.eq_ignore_ascii_case("infinity") => Some(None),
        Some(text) => Some(microseconds(parse_value(&SqlType::Timestamptz(None), text, settings)?)),
    };
    Ok(RoleAttributes {
        login: options.login,
        superuser: options.superuser,
        create_database: options.create_database,
        create_role: options.create_role,
        inherit: options.inherit,
        verifier,
        connection_limit: options.connection_limit,
        valid_until,
    })
}

fn microseconds(value: datafusion::common::ScalarValue) -> Option<i64> {
    match value {
        datafusion::common::ScalarValue::TimestampMicrosecond(microseconds, _) => microseconds,
        _ => None,
    }
}
