//! CREATE DOMAIN and ALTER DOMAIN. A new rule holds for the rows that exist, hidden ones too.

use super::CommandContext;
use super::row_checks::row_check;
use crate::binding;
use crate::catalog::changes::{self, DomainChange};
use crate::catalog::model::{Domain, Object, ObjectKind, Oid, StoredExpression};
use crate::error::{Error, Result, SqlState};
use crate::statement::ast::{CreateDomain, DomainAction, ObjectName};
use crate::types::SqlType;

pub(super) async fn create(command: &mut CommandContext<'_>, create: &CreateDomain) -> Result<&'static str> {
    let (schema, name) = command.creation_place(&create.name).await?;
    if matches!(create.base, SqlType::Record | SqlType::Void | SqlType::Unknown) {
        let message = format!("\"{}\" is not a valid base type for a domain", create.base);
        return Err(Error::new(SqlState::DatatypeMismatch, message));
    }
    let mut checks = vec![];
    for (name, text) in &create.checks {
        checks.push((name.clone(), condition(command, text, &create.base).await?));
    }
    // The default of the type below is taken over, and is then the domain's own.
    let below = create
        .base
        .user_type()
        .and_then(|id| command.context.catalog.user_type(id));
    let below = below.and_then(|below| below.domain()?.default.clone());
    let domain = Domain {
        base: create.base.clone(),
        not_null: create.not_null,
        default: default(command, create.default.as_deref(), &name, &create.base)
            .await?
            .or(below),
        checks: vec![],
    };
    command
        .stage(|staged, role, _| changes::create_domain(staged, role, schema, &name, domain, checks))
        .await?;
    Ok("CREATE DOMAIN")
}

pub(super) async fn alter(
    command: &mut CommandContext<'_>,
    name: &ObjectName,
    action: &DomainAction,
) -> Result<&'static str> {
    let catalog = &command.context.catalog;
    let object = catalog.resolve_object(ObjectKind::Domain, command.names(), &name.0)?;
    let (id, own_name) = (object.id(), object.name().to_string());
    let Some(domain) = catalog.user_type(id).and_then(|found| found.domain()).cloned() else {
        return Err(Error::internal("a domain is not there"));
    };
    let change = match action {
        DomainAction::SetDefault(text) => {
            DomainChange::Default(default(command, text.as_deref(), &own_name, &domain.base).await?)
        }
        DomainAction::SetNotNull(not_null) => {
            if *not_null {
                verify(command, id, None).await?;
            }
            DomainChange::NotNull(*not_null)
        }
        DomainAction::AddCheck {
            name,
            condition: text,
            not_valid,
        } => {
            let condition = condition(command, text, &domain.base).await?;
            if !not_valid {
                verify(command, id, Some(&condition)).await?;
            }
            let name = name.clone();
            DomainChange::Add { name, condition }
        }
        DomainAction::DropConstraint { name, if_exists } => DomainChange::Drop {
            name: name.clone(),
            if_exists: *if_exists,
        },
        DomainAction::RenameConstraint { from, to } => DomainChange::Rename {
            from: from.clone(),
            to: to.clone(),
        },
        DomainAction::Validate(name) => {
            let Some(check) = domain.checks.iter().find(|check| check.name == *name) else {
                let message = format!("constraint \"{name}\" of domain \"{own_name}\" does not exist");
                return Err(Error::new(SqlState::UndefinedObject, message));
            };
            verify(command, id, Some(&check.condition)).await?;
            return Ok("ALTER DOMAIN");
        }
    };
    command
        .stage(|staged, role, _| changes::alter_domain(staged, role, id, change))
        .await?;
    Ok("ALTER DOMAIN")
}

async fn default(
    command: &CommandContext<'_>,
    text: Option<&str>,
    name: &str,
    base: &SqlType,
) -> Result<Option<StoredExpression>> {
    match text {
        Some(text) => binding::check_default(&command.binding, command.context, text, name, base)
            .await
            .map(Some),
        None => Ok(None),
    }
}

async fn condition(command: &CommandContext<'_>, text: &str, base: &SqlType) -> Result<StoredExpression> {
    binding::check_domain_condition(&command.binding, command.context, text, base).await
}

/// Refuses a rule that stored values break; `None` is NOT NULL.
async fn verify(command: &mut CommandContext<'_>, id: Oid, condition: Option<&StoredExpression>) -> Result<()> {
    // Whoever may not change the domain learns nothing of rows.
    let owned = command.context.catalog.object(id).cloned();
    let owned = owned.ok_or_else(|| Error::internal("a domain is not there"))?;
    command.context.catalog.access(command.role()).require_owner(&owned)?;
    let snapshot = command.transaction.staged(command.services).await?.snapshot();
    if let Some((table, column)) = changes::column_with_fields(&snapshot, id) {
        let message = format!(
            "cannot alter type \"{}\" because column \"{table}.{column}\" uses it",
            owned.name()
        );
        return Err(Error::new(SqlState::FeatureNotSupported, message));
    }
    let tables = changes::domain_columns(&snapshot, id);
    drop(snapshot);
    for (table, columns) in tables {
        // The answer tells of rows that policies may hide.
        let access = command.context.catalog.access(command.role());
        access.require_owner(&Object::Table(table.clone()))?;
        let (_, base) = super::insert::open(command, &table).await?;
        for column in columns {
            let place = (column.name.as_str(), &column.sql_type);
            let rule =
                binding::bind_domain_rule(&command.binding, command.context, &base.schema(), place, condition).await?;
            let Some(check) = row_check(&rule, &table.name, &command.session)? else {
                continue;
            };
            let verified = base.verify(&check, &command.session).await;
            verified.map_err(|error| match error.state() {
                state @ (SqlState::CheckViolation | SqlState::NotNullViolation) => {
                    let what = match condition {
                        Some(_) => "values that violate the new constraint",
                        None => "null values",
                    };
                    let message = format!("column \"{}\" of table \"{}\" contains {what}", column.name, table.name);
                    Error::new(state, message)
                }
                _ => error,
            })?;
        }
    }
    Ok(())
}
