//! Constraints and defaults: what a statement writes becomes what the catalog keeps.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::CommandContext;
use crate::binding::{self, RowExpression};
use crate::catalog::CatalogSnapshot;
use crate::catalog::changes::{self, NewColumn, NewConstraint, NewRule};
use crate::catalog::model::{ConstraintRule, Object, Oid, StoredExpression, Table};
use crate::error::{Error, Result, SqlState};
use crate::execution::enforced_keys::EnforcedKeys;
use crate::execution::foreign_keys::{self, Watch};
use crate::statement::ast::{ColumnDefinition, ConstraintDefinition, ObjectName, TableConstraint};
use crate::storage::SchemaChange;
use crate::types::SqlType;

/// Names in a table's log the keys that were added to it: one more is a change that other writers notice.
const HELD_KEYS: &str = "boathouse.enforcedKeys";
/// The same of the newest foreign key, in the logs of both of its tables.
const FOREIGN_KEY: &str = "boathouse.newestForeignKey";

/// A column of CREATE TABLE or ADD COLUMN.
pub(super) async fn new_column(
    command: &CommandContext<'_>,
    column: &ColumnDefinition,
    beside: &[(i16, String, SqlType)],
) -> Result<NewColumn> {
    if column.generated.is_some() && (column.default.is_some() || column.numbering.is_some()) {
        let other = if column.default.is_some() {
            "default"
        } else {
            "identity"
        };
        let message = format!(
            "both {other} and generation expression specified for column \"{}\"",
            column.name
        );
        return Err(Error::new(SqlState::SyntaxError, message));
    }
    if column.numbering.is_some() && column.default.is_some() {
        let message = format!("both default and identity specified for column \"{}\"", column.name);
        return Err(Error::new(SqlState::SyntaxError, message));
    }
    let is_integer = matches!(column.sql_type, SqlType::Int2 | SqlType::Int4 | SqlType::Int8);
    if column.numbering.is_some() && !is_integer {
        let message = "identity column type must be smallint, integer, or bigint";
        return Err(Error::new(SqlState::InvalidParameterValue, message));
    }
    let default = match (&column.default, &column.generated) {
        (Some(text), _) => Some(default(command, text, &column.name, &column.sql_type).await?),
        (None, Some(text)) => {
            let own = (column.name.as_str(), &column.sql_type);
            Some(binding::check_generated(&command.binding, command.context, text, own, beside).await?)
        }
        (None, None) => None,
    };
    Ok(NewColumn {
        name: column.name.clone(),
        sql_type: column.sql_type.clone(),
        nullable: !column.not_null,
        field_id: None,
        default,
        numbering: column.numbering.clone(),
        comment: column.comment.clone(),
    })
}

pub(super) async fn default(
    command: &CommandContext<'_>,
    text: &str,
    column: &str,
    sql_type: &SqlType,
) -> Result<StoredExpression> {
    binding::check_default(&command.binding, command.context, text, column, sql_type).await
}

/// Declared constraints over these columns: id, name and type. `own` is the table's schema and name.
pub(super) async fn new_constraints(
    command: &CommandContext<'_>,
    constraints: &[TableConstraint],
    own: (Oid, &str),
    columns: &[(i16, String, SqlType)],
) -> Result<Vec<NewConstraint>> {
    let mut all = vec![];
    for constraint in constraints {
        let rule = match &constraint.rule {
            ConstraintDefinition::PrimaryKey(names) => NewRule::PrimaryKey(names.clone()),
            ConstraintDefinition::Unique {
                columns,
                nulls_not_distinct,
            } => NewRule::Unique {
                columns: columns.clone(),
                nulls_not_distinct: *nulls_not_distinct,
            },
            ConstraintDefinition::ForeignKey {
                columns,
                table,
                referenced,
                terms,
                set_columns,
            } => NewRule::ForeignKey {
                columns: columns.clone(),
                set_columns: set_columns.clone(),
                terms: terms.clone(),
                table: match is_own(command, table, own) {
                    true => None,
                    false => Some(command.table(table)?.id),
                },
                referenced: referenced.clone(),
            },
            ConstraintDefinition::Check(text) => {
                let place = RowExpression::Check;
                NewRule::Check(binding::check_condition(&command.binding, command.context, text, columns, place).await?)
            }
        };
        all.push(NewConstraint {
            name: constraint.name.clone(),
            rule,
            enforced: constraint.enforced,
            timing: constraint.timing,
        });
    }
    Ok(all)
}

/// Whether a key refers to the table that declares it, which may not exist yet.
fn is_own(command: &CommandContext<'_>, table: &ObjectName, own: (Oid, &str)) -> bool {
    match table.0.as_slice() {
        [name] => name == own.1,
        qualified => {
            let place = command.context.catalog.resolve_creation(command.names(), qualified);
            place.is_ok_and(|place| place == own)
        }
    }
}

/// The table's columns as expressions over its row know them: id, name and type.
pub(super) fn columns_of(table: &Table) -> Vec<(i16, String, SqlType)> {
    let columns = table.columns.iter();
    columns
        .map(|column| (column.id, column.name.clone(), column.sql_type.clone()))
        .collect()
}

/// ALTER TABLE … ADD CONSTRAINT. A CHECK is true of the rows that exist, unless it is NOT VALID; a primary key's columns
/// are made NOT NULL.
pub(super) async fn add(
    command: &mut CommandContext<'_>,
    table: &Table,
    constraint: &TableConstraint,
    not_valid: bool,
) -> Result<()> {
    // An earlier action of the statement may have changed the columns.
    let table = &super::create_table::staged_table(command, table.id).await?;
    if let ConstraintDefinition::PrimaryKey(columns) = &constraint.rule {
        let nullable = |name: &&String| table.column_named(name).is_some_and(|column| column.nullable);
        for column in columns.iter().filter(nullable) {
            super::alter_column::set_not_null(command, table, column).await?;
        }
    }
    let new = new_constraints(
        command,
        std::slice::from_ref(constraint),
        (table.schema, &table.name),
        &columns_of(table),
    )
    .await?;
    for mut new in new {
        if let NewRule::ForeignKey { terms, .. } = &mut new.rule {
            terms.not_valid = not_valid;
        }
        command
            .stage(|staged, role, _| changes::add_constraint(staged, role, table.id, new))
            .await?;
    }
    verify_new_keys(command, table).await?;
    hold_new_references(command, table, !not_valid).await?;
    match not_valid {
        true => Ok(()),
        false => verify_new_checks(command, table).await,
    }
}

/// 23505 where two rows share a key that the table's rows are now held to, and were not `before`. Other writers that do
/// not know of it yet conflict with the change of the table's log.
pub(super) async fn verify_new_keys(command: &mut CommandContext<'_>, before: &Table) -> Result<()> {
    let known: Vec<String> = held_keys(&command.context.catalog, before)
        .map(|(_, name)| name)
        .collect();
    let catalog = command.transaction.staged(command.services).await?.snapshot();
    let table = super::create_table::staged_table(command, before.id).await?;
    let held: Vec<(Oid, String)> = held_keys(&catalog, &table).collect();
    let is_new = |name: &str| !known.iter().any(|known| known == name);
    let is_populated = table.materialized.as_ref().is_none_or(|query| query.populated);
    if !is_populated || !held.iter().any(|(_, name)| is_new(name)) {
        return Ok(());
    }
    let (_, base) = super::insert::open(command, &table).await?;
    if let Some(keys) = EnforcedKeys::as_of(command, &catalog, &table, &base).await? {
        keys.verify_all(&base, is_new).await?;
    }
    let ids: Vec<String> = held.iter().map(|(id, _)| id.to_string()).collect();
    let property = SchemaChange::SetProperties(vec![(HELD_KEYS.to_string(), ids.join(","))]);
    super::alter::alter_log(command, &table, "ADD CONSTRAINT", vec![property]).await
}

/// The keys that writers of a table are held to: ids and names.
fn held_keys<'a>(catalog: &'a CatalogSnapshot, table: &'a Table) -> impl Iterator<Item = (Oid, String)> + 'a {
    let constraints = table.constraints.iter().filter(|constraint| constraint.enforced);
    let indexes = catalog.indexes(table.id).filter(|index| index.enforced);
    let constraints = constraints.map(|constraint| (constraint.id, constraint.name.clone()));
    constraints.chain(indexes.map(|index| (index.id, index.name.clone())))
}

/// Takes up foreign keys that a table did not have `before`: 23503 where a row of it refers to none, unless they are
/// `NOT VALID`. Other writers that do not know of them conflict with the change of the logs of both tables.
pub(super) async fn hold_new_references(
    command: &mut CommandContext<'_>,
    before: &Table,
    verifies: bool,
) -> Result<()> {
    let table = super::create_table::staged_table(command, before.id).await?;
    let is_new = |id: Oid| before.constraints.iter().all(|known| known.id != id);
    let new: Vec<(Oid, Oid)> = table
        .foreign_keys()
        .filter(|key| is_new(key.constraint.id))
        .map(|key| (key.constraint.id, key.table))
        .collect();
    if new.is_empty() {
        return Ok(());
    }
    let catalog = command.transaction.staged(command.services).await?.snapshot();
    for (id, other) in &new {
        for held in [table.id, *other].into_iter().collect::<BTreeSet<Oid>>() {
            let Some(held) = catalog.table(held).filter(|held| !held.is_temporary()) else {
                continue;
            };
            if command.transaction.created(held.id) {
                continue;
            }
            let (delta, _) = super::insert::open(command, held).await?;
            command.transaction.take_turn(held.id, &delta, None).await;
            let (_, base) = super::insert::open(command, held).await?;
            let seen = command.transaction.logged(held.id).unwrap_or(base);
            let property = SchemaChange::SetProperties(vec![(FOREIGN_KEY.to_string(), id.to_string())]);
            super::alter::alter_log(command, held, "ADD CONSTRAINT", vec![property]).await?;
            command.transaction.watch(Watch::Kept { table: held.id, seen });
        }
    }
    match verifies {
        true => verify_references(command, &catalog, &table, is_new).await,
        false => Ok(()),
    }
}

/// 23503 where a row of the table refers to none by a foreign key that is wanted.
async fn verify_references(
    command: &mut CommandContext<'_>,
    catalog: &CatalogSnapshot,
    table: &Table,
    is_wanted: impl Fn(Oid) -> bool,
) -> Result<()> {
    let (_, rows) = super::insert::open(command, table).await?;
    match rows.file_count() {
        0 => Ok(()),
        _ => foreign_keys::verify_all(command, catalog, table, &rows, is_wanted).await,
    }
}

/// ALTER TABLE … VALIDATE CONSTRAINT: the rows that exist are looked at.
pub(super) async fn validate(command: &mut CommandContext<'_>, table: &Table, name: &str) -> Result<()> {
    let access = command.context.catalog.access(command.role());
    access.require_owner(&Object::Table(table.clone()))?;
    let table = &super::create_table::staged_table(command, table.id).await?;
    let relation = &table.name;
    let Some(found) = table.constraints.iter().find(|known| known.name == name) else {
        let message = format!("constraint \"{name}\" of relation \"{relation}\" does not exist");
        return Err(Error::new(SqlState::UndefinedObject, message));
    };
    match &found.rule {
        ConstraintRule::ForeignKey { .. } if !found.enforced => {
            let message = "cannot validate NOT ENFORCED constraint";
            Err(Error::new(SqlState::WrongObjectType, message))
        }
        ConstraintRule::ForeignKey { terms, .. } if !terms.not_valid => Ok(()),
        ConstraintRule::ForeignKey { .. } => {
            let catalog = command.transaction.staged(command.services).await?.snapshot();
            verify_references(command, &catalog, table, |id| id == found.id).await?;
            command
                .stage(|staged, role, _| changes::set_valid(staged, role, table.id, name))
                .await
        }
        ConstraintRule::Check { .. } => {
            let mut before = table.clone();
            before.constraints.retain(|known| known.id != found.id);
            verify_new_checks(command, &before).await
        }
        _ => {
            let message =
                format!("constraint \"{name}\" of relation \"{relation}\" is not a foreign key or check constraint");
            Err(Error::new(SqlState::WrongObjectType, message))
        }
    }
}

/// 23505 where rows that were written without a look at keys share one.
pub(super) async fn verify_written(command: &mut CommandContext<'_>, table: &Table) -> Result<()> {
    let catalog = match command.transaction.staged_now() {
        Some(staged) => staged.snapshot(),
        None => Arc::clone(&command.context.catalog),
    };
    let table = catalog.table(table.id).cloned().unwrap_or_else(|| table.clone());
    if held_keys(&catalog, &table).next().is_none() {
        return Ok(());
    }
    let (_, written) = super::insert::open(command, &table).await?;
    match EnforcedKeys::as_of(command, &catalog, &table, &written).await? {
        Some(keys) => keys.verify_all(&written, |_| true).await,
        None => Ok(()),
    }
}

/// 23514 where a row of the table fails a CHECK that `before` did not have.
async fn verify_new_checks(command: &mut CommandContext<'_>, before: &Table) -> Result<()> {
    let mut table = super::create_table::staged_table(command, before.id).await?;
    table
        .constraints
        .retain(|constraint| before.constraints.iter().all(|known| known.id != constraint.id));
    let Some(name) = table.checks().next().map(|(constraint, _)| constraint.name.clone()) else {
        return Ok(());
    };
    let (_, base) = super::insert::open(command, &table).await?;
    let checks = binding::bind_checks(&command.binding, command.context, &table, &base.schema()).await?;
    let Some(check) = super::row_checks::row_check(&checks, &table.name, &command.session)? else {
        return Ok(());
    };
    base.verify(&check, &command.session)
        .await
        .map_err(|error| violated_by_some_row(error, &name, &table.name))
}

/// What PostgreSQL says of rows that were there before the constraint.
pub(super) fn violated_by_some_row(error: Error, constraint: &str, relation: &str) -> Error {
    match error.state() {
        SqlState::CheckViolation => {
            let message =
                format!("check constraint \"{constraint}\" of relation \"{relation}\" is violated by some row");
            Error::new(SqlState::CheckViolation, message)
        }
        _ => error,
    }
}

/// ALTER TABLE … ALTER COLUMN … SET or DROP DEFAULT.
pub(super) async fn set_default(
    command: &mut CommandContext<'_>,
    table: &Table,
    column: &str,
    text: Option<&str>,
) -> Result<()> {
    if table
        .column_named(column)
        .is_some_and(|known| known.generated().is_some())
    {
        let message = format!(
            "column \"{column}\" of relation \"{}\" is a generated column",
            table.name
        );
        return Err(Error::new(SqlState::SyntaxError, message));
    }
    let default = match (text, table.column_named(column)) {
        (Some(text), Some(known)) => Some(default(command, text, column, &known.sql_type).await?),
        _ => None,
    };
    command
        .stage(|staged, role, _| changes::set_default(staged, role, table.id, column, default))
        .await
}
